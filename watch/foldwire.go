package watch

import (
	"cmp"
	"net/netip"
	"time"

	"repwatch/checks"
	"repwatch/checks/smtp"
	"repwatch/incident"
	"repwatch/reputation"
	"repwatch/store"
)

// wire folds one look at a partner from one vantage.
func (x *fold) wire(w checks.WireLook) error {
	row, _, err := x.tx.Wire().Get(w.Subject)
	if err != nil {
		return err
	}
	if row.LastLook.After(x.now) { // the clock was set back
		row.State = row.State.By(w.At)
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
		x.wanted(w.Subject, wants, badSince(row.State, t, w.At))
	}
	x.noteWire(&row, w)
	if err := x.vouch(w, before, &row); err != nil {
		return err
	}
	if err := x.tx.Wire().Put(w.Subject, row); err != nil {
		return err
	}
	if w.Subject.Kind == reputation.KindControl {
		return x.controlSaw(w, before, row)
	}
	return nil
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

// badSince is when what a look is about was seen first: the loss, the suspicion, or just now.
func badSince(s smtp.State, t *smtp.Transition, at time.Time) time.Time {
	switch {
	case t != nil && t.Kind == smtp.Lost:
		return t.By
	case s.Run.Bad:
		return s.Run.Since
	default:
		return at
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

// transition writes down what the judge concluded.
func (x *fold) transition(w checks.WireLook, row *store.Wire, t *smtp.Transition) error {
	ev := w.Evidence
	ev.Loss, ev.Went, ev.Came, ev.Changed, ev.Mixed, ev.Looks = t.Loss, t.Went, t.Came, t.Changed, t.Mixed, t.Looks
	ev.Addrs = addrTexts(t.Addrs)
	if w.Subject.Kind == reputation.KindControl {
		ev.Control = x.controlNow(w.Subject, t)
	} else if t.Kind == smtp.Lost {
		ev.Every = x.every(w.Subject)
		row.Every = ev.Every
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
		if err := x.heardSince(e); err != nil {
			return err
		}
		if err := x.forecastHit(w.Subject); err != nil {
			return err
		}
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

func addrTexts(addrs []netip.Addr) (out []string) {
	for _, a := range addrs {
		out = append(out, a.String())
	}
	return out
}
