package watch

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

	"repwatch/checks"
	"repwatch/checks/smtp"
	"repwatch/incident"
	"repwatch/reputation"
	"repwatch/store"
)

// controlFresh is how old the control's look may be to stand beside ours.
const controlFresh = 15 * time.Minute

// wire folds one look at a partner from one vantage.
func (x *fold) wire(w checks.WireLook) error {
	row, _, err := x.tx.Wire().Get(w.Subject)
	if err != nil {
		return err
	}
	before := row.State
	for _, look := range w.Looks {
		x.besideControl(&look, w.Subject)
		if look.Control != reputation.OutcomeUnknown {
			w.Evidence.Control = look.Control.String()
		}
		state, t, wants := row.State.Observe(look, w.At, x.judgeConfig(w.Subject))
		row.State = state
		if t != nil {
			if err := x.transition(w, &row, t); err != nil {
				return err
			}
		}
		x.wanted(w.Subject, wants)
	}
	x.noteWire(&row, w)
	if before.Standing == smtp.StandingNew && row.Standing == smtp.StandingGood {
		if err := x.baseline(w); err != nil {
			return err
		}
	}
	if err := x.tx.Wire().Put(w.Subject, row); err != nil {
		return err
	}
	if w.Subject.Kind == reputation.KindControl {
		return x.controlSaw(w, before, row)
	}
	return nil
}

// baseline writes down that a pair is known now. It is news to nobody.
func (x *fold) baseline(w checks.WireLook) error {
	ev := w.Evidence
	ev.Transcript, ev.Faults, ev.Reply, ev.Meaning, ev.Control = nil, nil, "", "", ""
	_, err := x.append(incident.Record{What: incident.Baseline, Subject: w.Subject, Bracket: reputation.Bracket{By: w.At}, Wire: &ev})
	return err
}

// noteWire keeps what people are shown of the last look.
func (x *fold) noteWire(row *store.Wire, w checks.WireLook) {
	last := w.Looks[len(w.Looks)-1]
	row.Outcome, row.Failure, row.Why = last.Outcome, w.Failure, cmp.Or(w.Evidence.Why, last.Why)
	row.Provider, row.MX = cmp.Or(w.Evidence.Provider, row.Provider), cmp.Or(w.Evidence.MX, row.MX)
	row.SeenIP = w.Evidence.SeenIP
	x.provider(w.Subject, *row)
	if len(w.Evidence.Offers) > 0 {
		row.Offers = w.Evidence.Offers
	}
	if !w.NotAfter.IsZero() {
		row.NotAfter = w.NotAfter
	}
	if w.Subject.Kind == reputation.KindControl && row.LastSure.Equal(w.At) {
		row.Heard = &incident.Witness{Name: w.Subject.Who(), At: w.At, MX: row.MX, Outcome: last.Outcome, Offers: w.Evidence.Offers, Transcript: w.Evidence.Transcript}
	}
}

func (x *fold) judgeConfig(s reputation.Subject) smtp.JudgeConfig {
	c := smtp.JudgeConfig{ConfirmAfter: x.cfg.Schedule.ConfirmAfter.D()}
	if c.ConfirmAfter <= 0 {
		c.ConfirmAfter = time.Nanosecond // zero would mean the default
	}
	if s.Kind == reputation.KindWire {
		if p, ok := x.cfg.PartnerNamed(s.Target); ok {
			c.Require = p.Require
		}
	}
	return c
}

// besideControl sets a control's fresh look beside ours, where the looker had none.
func (x *fold) besideControl(look *smtp.Look, s reputation.Subject) {
	if s.Kind != reputation.KindWire || look.Control != reputation.OutcomeUnknown {
		return
	}
	for _, c := range x.cfg.Control {
		row, ok, err := x.tx.Wire().Get(controlOf(c.Name, s.Target))
		if err != nil || !ok || x.now.Sub(row.LastSure) > controlFresh {
			continue
		}
		if look.Control == reputation.OutcomeUnknown || row.Outcome == reputation.Advertised {
			look.Control, look.ControlPlain = row.Outcome, row.Offer.Plain
		}
	}
}

func controlOf(name, partner string) reputation.Subject {
	return reputation.Subject{Kind: reputation.KindControl, Domain: name, Target: partner}
}

// transition writes down what the judge concluded.
func (x *fold) transition(w checks.WireLook, row *store.Wire, t *smtp.Transition) error {
	ev := w.Evidence
	ev.Loss, ev.Went, ev.Came, ev.Changed, ev.Mixed, ev.Looks = t.Loss, t.Went, t.Came, t.Changed, t.Mixed, t.Looks
	ev.Addrs = addrTexts(t.Addrs)
	if w.Subject.Kind == reputation.KindControl {
		ev.Control = x.controlNow(w.Subject, t)
	}
	r := incident.Record{Subject: w.Subject, Bracket: reputation.Bracket{After: t.After, By: t.By}, FirstSight: t.FirstSight, Wire: &ev}
	switch t.Kind {
	case smtp.Lost:
		r.What = incident.Lost
		e, err := x.open(r)
		row.Episode, row.Seq = e.ID, e.Seq
		x.flapping(row, false)
		if err != nil || w.Subject.Kind != reputation.KindWire {
			return err
		}
		x.askAround(w.Subject)
		x.forecastHit(w.Subject)
		return x.said(w.Subject, ev)
	case smtp.Back:
		r.What = incident.Back
		id := row.Episode
		row.Episode, row.Seq = 0, 0
		x.flapping(row, false)
		return x.shut(id, r)
	case smtp.Flapping:
		r.What, r.Episode = incident.Flapping, row.Episode
		x.flapping(row, true)
	case smtp.Steady:
		r.What, r.Episode = incident.Steady, row.Episode
		x.flapping(row, false)
	case smtp.Changed:
		return x.changed(r, row, t)
	default:
		return nil
	}
	_, err := x.append(r)
	return err
}

// said keeps what the partner's own words blame: near-certain evidence for a list, or against all.
func (x *fold) said(s reputation.Subject, ev incident.Wire) error {
	if ev.Names == "" && ev.Blames == "" {
		return nil
	}
	_, err := x.append(incident.Record{What: incident.Replied, Subject: s, Bracket: reputation.Bracket{By: x.now}, List: ev.Names, Policy: ev.Blames, Words: ev.Reply})
	return err
}

func (x *fold) flapping(row *store.Wire, on bool) {
	row.FlappingSince = time.Time{}
	if on {
		row.FlappingSince = x.now
	}
}

// changed is news within a good or a lost state: other capabilities, or a loss of another kind.
func (x *fold) changed(r incident.Record, row *store.Wire, t *smtp.Transition) error {
	r.What, r.Episode = incident.Changed, row.Episode
	if t.Mixed {
		r.What = incident.Flapping
	}
	if row.Episode == 0 {
		_, err := x.append(r)
		return err
	}
	e, ok, err := x.tx.Episodes().Get(row.Episode)
	if err != nil || !ok {
		return err
	}
	if e.Wire != nil && t.Loss != "" && t.Loss != e.Wire.Loss {
		r.What = incident.Turned
		e.Wire = r.Wire
		if err := x.tx.Episodes().Put(e.ID, e); err != nil {
			return err
		}
		if err := x.said(e.Subject, *r.Wire); err != nil {
			return err
		}
	}
	_, err = x.append(r)
	return err
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
	for s, pair := range x.tx.Wire().All() {
		waits := s.Kind == reputation.KindWire && s.Target == w.Subject.Target && pair.Standing != smtp.StandingLost &&
			pair.Outcome == reputation.Absent && !pair.OfferedTLS
		if waits {
			x.want(checks.Ask{Check: "partners", Why: "control", At: x.now, Partner: s.Target, From: []string{s.Who()}})
		}
	}
	return x.tx.Err()
}

// wanted turns the judge's wishes into asks.
func (x *fold) wanted(s reputation.Subject, wants []smtp.Want) {
	for _, w := range wants {
		a := checks.Ask{Check: "partners", Why: whyConfirm, At: w.At, Partner: s.Target, From: []string{s.Who()}, Avoid: w.AvoidAddr}
		switch w.Who {
		case smtp.WantControl:
			if s.Kind == reputation.KindControl || len(x.cfg.Control) == 0 {
				continue
			}
			a.Why, a.From, a.Avoid = "control", x.controlNames(), netip.Addr{}
		case smtp.WantPeers:
			if a.Why, a.From = "peers", x.peers(s); s.Kind == reputation.KindControl || len(a.From) == 0 {
				continue
			}
		}
		x.want(a)
	}
}

// want keeps an ask, unless the same look was wanted, or taken, a moment ago.
func (x *fold) want(a checks.Ask) {
	if a.Why == "control" || a.Why == "peers" || a.Why == "around" {
		if last, ok := x.asked[a.Key()]; ok && x.now.Sub(last) < time.Minute {
			return
		}
		remember(x, x.asked, a.Key(), x.now)
	}
	x.wants = append(x.wants, a)
}

func (x *fold) controlNames() []string {
	names := make([]string, len(x.cfg.Control))
	for i, c := range x.cfg.Control {
		names[i] = c.Name
	}
	return names
}

// maxPeers is how many others are asked at once whether they have lost it too.
const maxPeers = 3

// peers are some of our other addresses that send to the partner.
func (x *fold) peers(s reputation.Subject) (out []string) {
	p, ok := x.cfg.PartnerNamed(s.Target)
	if !ok {
		return nil
	}
	from := p.Sources()
	for _, a := range x.cfg.Addresses {
		if a.IP == s.IP || a.State == "standby" || len(from) > 0 && !slices.Contains(from, a.IP) || len(out) == maxPeers || a.IP.Is4() != s.IP.Is4() {
			continue
		}
		out = append(out, a.IP.String())
	}
	return out
}

// askAround looks at some other partners from an address that lost one: a fault of
// our own path shows in all of them. One for each provider, those not lost yet.
func (x *fold) askAround(s reputation.Subject) {
	providers, n := map[string]bool{}, 0
	if row, ok, err := x.tx.Wire().Get(s); err == nil && ok {
		providers[cmp.Or(row.Provider, s.Target)] = true
	}
	for _, p := range x.cfg.Partners {
		other := reputation.Subject{Kind: reputation.KindWire, IP: s.IP, Target: p.Name()}
		row, ok, err := x.tx.Wire().Get(other)
		key := cmp.Or(row.Provider, p.Name())
		if err != nil || !ok || p.Name() == s.Target || row.Standing == smtp.StandingLost || providers[key] || n == maxPeers {
			continue
		}
		providers[key] = true
		n++
		x.want(checks.Ask{Check: "partners", Why: "around", At: x.now, Partner: p.Name(), From: []string{s.Who()}})
	}
}

// askLost looks at what an address has lost, at once and for a while: a list has let it go.
func (x *fold) askLost(who string) {
	for s, row := range x.tx.Wire().All() {
		if s.Kind == reputation.KindWire && s.Who() == who && row.Standing == smtp.StandingLost {
			x.want(checks.Ask{Check: "partners", Why: whyDelisting, At: x.now, Partner: s.Target, From: []string{who}, Every: 5 * time.Minute, Until: x.now.Add(2 * time.Hour)})
		}
	}
}

func addrTexts(addrs []netip.Addr) (out []string) {
	for _, a := range addrs {
		out = append(out, a.String())
	}
	return out
}
