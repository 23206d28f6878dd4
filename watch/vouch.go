package watch

import (
	"time"

	"repwatch/checks"
	"repwatch/checks/smtp"
	"repwatch/incident"
	"repwatch/reputation"
	"repwatch/store"
)

const (
	witnessFor = 24 * time.Hour // how long after a loss a look at others may tell what it was
	witnesses  = 8              // so many tell as much as all of them
)

// voucher is for which loss one vouches, and how: as a peer of the address that lost the
// partner, or as another partner of that address. Of each kind some are needed.
type voucher struct {
	loss uint64 // its episode
	peer bool
}

// admit counts one who vouches for a loss; false: there are enough. A control always counts.
func (x *fold) admit(loss incident.Episode, s reputation.Subject) bool {
	v := voucher{loss.ID, s.Target == loss.Subject.Target}
	switch {
	case s.Kind == reputation.KindControl:
		return true
	case x.vouchers[v] >= witnesses:
		return false
	}
	remember(x, x.vouchers, v, x.vouchers[v]+1)
	return true
}

// vouch writes down what is news to nobody, but tells causes apart: that a pair is
// known from now on, how often it is looked at, and that a look found it fine after
// another one was lost. Who was not looked at since would count as spared without that.
func (x *fold) vouch(w checks.WireLook, before smtp.State, row *store.Wire) error {
	fine := row.Standing == smtp.StandingGood && w.Looks[len(w.Looks)-1].Outcome.Verdict() == reputation.Clear
	every := 0
	if w.Subject.Kind == reputation.KindWire {
		every = x.every(w.Subject)
	}
	what := incident.Fine
	switch {
	case before.Standing == smtp.StandingNew && row.Standing == smtp.StandingGood:
		what = incident.Baseline
	case !fine:
		return nil
	case 2*every > 3*row.Every || 3*every < 2*row.Every: // the pool grew or shrank, or the schedule is another
	case x.admitted(w.Subject, row.Vouched):
	default:
		return nil
	}
	ev := w.Evidence
	ev.Transcript, ev.Faults, ev.Reply, ev.Meaning, ev.Control = nil, nil, "", "", ""
	return x.vouchFor(what, w.Subject, row, w.At, every, ev)
}

func (x *fold) vouchFor(what incident.What, s reputation.Subject, row *store.Wire, at time.Time, every int, ev incident.Wire) error {
	ev.Every = every
	row.Every, row.Vouched = every, at
	_, err := x.append(incident.Record{What: what, Subject: s, Bracket: reputation.Bracket{By: at}, Wire: &ev})
	return err
}

// heardSince has those vouch who looked between the first sign of a loss and now.
func (x *fold) heardSince(loss incident.Episode) error {
	since, lost := loss.Since(), loss.Subject
	var others []reputation.Subject
	for _, name := range x.controlNames() {
		others = append(others, controlOf(name, lost.Target))
	}
	for _, a := range x.cfg.Addresses[:min(len(x.cfg.Addresses), 32*witnesses)] {
		others = append(others, reputation.Subject{Kind: reputation.KindWire, IP: a.IP, Target: lost.Target})
	}
	for _, p := range x.cfg.Partners {
		others = append(others, reputation.Subject{Kind: reputation.KindWire, IP: lost.IP, Target: p.Name()})
	}
	for _, s := range others {
		row, ok, err := x.tx.Wire().Get(s)
		if err != nil {
			return err
		}
		fine := ok && row.Standing == smtp.StandingGood && row.Outcome.Verdict() == reputation.Clear && row.LastLook.Equal(row.LastSure)
		if s == lost || !fine || row.LastSure.Before(since) || !row.Vouched.Before(since) || !x.admit(loss, s) {
			continue
		}
		if err := x.vouchFor(incident.Fine, s, &row, row.LastSure, row.Every, incident.Wire{Provider: row.Provider, MX: row.MX, Offers: row.Offers}); err != nil {
			return err
		}
		if err := x.tx.Wire().Put(s, row); err != nil {
			return err
		}
	}
	return nil
}

// every is how many minutes lie between two looks at a pair, by schedule; at least one.
func (x *fold) every(s reputation.Subject) int {
	p, ok := x.cfg.PartnerNamed(s.Target)
	if !ok {
		return 0
	}
	return max(1, int(checks.Between(x.cfg, p, s.IP, x.now).Round(time.Minute)/time.Minute))
}

// admitted has one who was found fine vouch for the losses since then that it tells of:
// those of the same partner to another address, and of other partners to the same one.
// False: there are none, or enough vouch for each.
func (x *fold) admitted(s reputation.Subject, since time.Time) (some bool) {
	for e := range x.tx.OpenEpisodes() {
		related := e.Subject.Target == s.Target || s.IP.IsValid() && e.Subject.IP == s.IP
		if e.Subject.Kind != reputation.KindWire || !related || !e.Since().After(since) || x.now.Sub(e.Since()) >= witnessFor {
			continue
		}
		some = x.admit(e, s) || some
	}
	return some
}
