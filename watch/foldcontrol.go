package watch

import (
	"fmt"
	"net/netip"
	"time"

	"repwatch/checks"
	"repwatch/checks/smtp"
	"repwatch/incident"
	"repwatch/reputation"
	"repwatch/store"
)

// controlFresh is how old the control's look may be to stand beside ours.
const controlFresh = 15 * time.Minute

// besideControl sets a control's fresh look beside ours, where the looker had none.
func (x *fold) besideControl(look *smtp.Look, s reputation.Subject) {
	if s.Kind != reputation.KindWire || look.Control != reputation.OutcomeUnknown {
		return
	}
	for _, c := range x.cfg.Control {
		row, ok, err := x.tx.Wire().Get(controlOf(c.Name, s.Target))
		if err != nil || !ok || x.now.Sub(row.LastSure) > controlFresh || otherFamily(row.Run.Addr, look.Addr) {
			continue
		}
		seen := heardOf(row)
		if look.Control == reputation.OutcomeUnknown || seen == reputation.Advertised {
			look.Control, look.ControlPlain = seen, row.Offer.Plain
		}
	}
}

// heardOf is what a control's last sure look saw; looks that failed since then change nothing about it.
func heardOf(row store.Wire) reputation.Outcome {
	if row.Heard != nil {
		return row.Heard.Outcome
	}
	return row.Outcome
}

// otherFamily: what a partner offers over IPv4 says nothing of its servers over IPv6.
func otherFamily(a, b netip.Addr) bool {
	return a.IsValid() && b.IsValid() && a.Unmap().Is4() != b.Unmap().Is4()
}

// suspect: the control is on a list itself, so what it is denied may be denied to it alone.
func (x *fold) suspect(control string) bool {
	_, known, err := x.tx.Faults().Get(reputation.Subject{Kind: reputation.KindHealth, Domain: "control-listed", Target: control})
	return err == nil && known
}

func controlOf(name, partner string) reputation.Subject {
	return reputation.Subject{Kind: reputation.KindControl, Domain: name, Target: partner}
}

// doubtedControls are the controls that lost a partner too, though that proves little of them, in words.
func (x *fold) doubtedControls(partner string) (lines []string) {
	for _, c := range x.cfg.Control {
		row, _, err := x.tx.Wire().Get(controlOf(c.Name, partner))
		if err == nil && row.Standing == smtp.StandingLost && x.suspect(c.Name) {
			lines = append(lines, fmt.Sprintf("the control %s is on a list itself: that it lost it too proves little", c.Name))
		}
	}
	return lines
}

// controlNow is what all controls together say of a partner once this one's state
// has changed: lost when every one that can tell lost it. Empty if that is no news.
func (x *fold) controlNow(s reputation.Subject, t *smtp.Transition) string {
	if t.Kind != smtp.Lost && t.Kind != smtp.Back {
		return ""
	}
	for _, c := range x.cfg.Control {
		other := controlOf(c.Name, s.Target)
		if other == s {
			continue
		}
		if row, ok, err := x.tx.Wire().Get(other); err == nil && ok && row.Standing == smtp.StandingGood {
			return "" // that one sees it, before as after
		}
	}
	if t.Kind == smtp.Lost {
		return string(incident.Lost)
	}
	return string(incident.Back)
}

// controlSaw looks again at once from addresses that wait for the control's word.
func (x *fold) controlSaw(w checks.WireLook, before smtp.State, row store.Wire) error {
	if row.Outcome != reputation.Advertised || x.now.Sub(before.LastSure) < controlFresh {
		return nil
	}
	for _, a := range x.cfg.Addresses {
		s := reputation.Subject{Kind: reputation.KindWire, IP: a.IP, Target: w.Subject.Target}
		pair, _, err := x.tx.Wire().Get(s)
		if err != nil {
			return err
		}
		if pair.Standing != smtp.StandingLost && pair.Outcome == reputation.Absent && !pair.OfferedTLS {
			x.want(checks.Ask{Check: "partners", Why: "control", At: x.now, Partner: s.Target, From: []string{s.Who()}})
		}
	}
	return nil
}
