package watch

import (
	"time"

	"repwatch/checks"
	"repwatch/checks/smtp"
	"repwatch/correlate"
	"repwatch/incident"
	"repwatch/reputation"
	"repwatch/store"
)

// witnessFor is how long after a loss a look at others may tell what it was.
const witnessFor = 24 * time.Hour

// vouch writes down what is news to nobody, but tells causes apart: that a pair is
// known from now on, how often it is looked at, and, of one whose turn comes
// rarely, that a look found it fine after another one was lost. Without that, who was
// not looked at would count as spared.
func (x *fold) vouch(w checks.WireLook, before smtp.State, row *store.Wire) error {
	ours := w.Subject.Kind == reputation.KindWire
	fine := row.Standing == smtp.StandingGood && w.Looks[len(w.Looks)-1].Outcome.Verdict() == reputation.Clear
	r := incident.Record{What: incident.Fine, Subject: w.Subject, Bracket: reputation.Bracket{By: w.At}}
	every := 0
	if ours {
		every = x.every(w.Subject)
	}
	switch {
	case before.Standing == smtp.StandingNew && row.Standing == smtp.StandingGood:
		r.What = incident.Baseline
	case !ours || !fine:
		return nil
	case 2*every > 3*row.Every || 3*every < 2*row.Every: // the pool grew or shrank, or the schedule is another
	case time.Duration(every)*time.Minute > correlate.Regular && x.othersLost(w.Subject, row.Vouched):
	default:
		return nil
	}
	ev := w.Evidence
	ev.Transcript, ev.Faults, ev.Reply, ev.Meaning, ev.Control, ev.Every = nil, nil, "", "", "", every
	r.Wire = &ev
	row.Every, row.Vouched = every, w.At
	_, err := x.append(r)
	return err
}

// every is how many minutes lie between two looks at a pair, by schedule; at least one.
func (x *fold) every(s reputation.Subject) int {
	p, ok := x.cfg.PartnerNamed(s.Target)
	if !ok {
		return 0
	}
	return max(1, int(checks.Between(x.cfg, p, s.IP, x.now).Round(time.Minute)/time.Minute))
}

// othersLost says whether, since then, the partner was lost to another address, or another partner to this one.
func (x *fold) othersLost(s reputation.Subject, since time.Time) bool {
	for e := range x.tx.OpenEpisodes() {
		if e.Subject.Kind == reputation.KindWire && (e.Subject.Target == s.Target || e.Subject.IP == s.IP) &&
			e.Since().After(since) && x.now.Sub(e.Since()) < witnessFor {
			return true
		}
	}
	return false
}
