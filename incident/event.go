package incident

import (
	"cmp"
	"time"

	"repwatch/checks/smtp"
	"repwatch/correlate"
	"repwatch/reputation"
)

// beforeWeLooked is how far back the onset of a state seen at first sight is
// supposed to lie at most. Nothing is known of it; the correlator needs an end.
const beforeWeLooked = 24 * time.Hour

// EventOf is what the correlator learns from a record, if anything: the same
// event live, in an export and in a replay. An event's seq is its record's.
// A baseline, or a look that found nothing lost, is a state that is held already: it
// changes nothing, and tells who looks where, and how often. Only accusing listings count: a policy or allowlist code is no cause. What is
// no longer watched is no event: nothing was seen to end (rule of truth 11).
func EventOf(r Record) (correlate.Event, bool) {
	e := correlate.Event{Seq: r.Seq, T: r.At}
	switch r.What {
	case Listed, Delisted:
		if !r.Subject.IP.IsValid() || r.Listing == nil || !r.Listing.Accuses() || r.What != Listed && r.Listing.Untested {
			return e, false
		}
		e.Kind, e.Vantage, e.List, e.State = correlate.KindListing, r.Subject.Who(), r.Subject.Target, correlate.Clear
		if r.What == Listed {
			e.State = correlate.Listed
		}
		return bracket(e, r), true
	case Baseline, Fine, Lost, Back:
		return wireEvent(e, r)
	case Replied:
		e.Kind, e.Vantage, e.Partner, e.List, e.Policy = correlate.KindReply, r.Subject.Who(), r.Subject.Target, r.List, correlate.Policy(r.Policy)
		return e, true
	case Unrelated:
		e.Kind, e.Of, e.List = correlate.KindUnrelated, r.Of, r.List
		return e, true
	}
	return e, false
}

func wireEvent(e correlate.Event, r Record) (correlate.Event, bool) {
	if r.Subject.Kind != reputation.KindWire && r.Subject.Kind != reputation.KindControl || r.Wire == nil {
		return e, false
	}
	e.Kind, e.Vantage, e.Partner = correlate.KindCap, r.Subject.Who(), r.Subject.Target
	what := r.What
	if r.Subject.Kind == reputation.KindControl {
		e.Vantage = correlate.Control
	}
	if r.Subject.Kind == reputation.KindControl && r.What != Baseline && r.What != Fine {
		if r.Wire.Control == "" {
			return e, false // another control still says otherwise
		}
		what = What(r.Wire.Control)
	}
	e.State = correlate.OK
	if what == Lost {
		e.State, e.Loss = correlate.Lost, correlate.Loss(cmp.Or(r.Wire.Loss, smtp.LossStartTLS))
	}
	e.Verbs = r.Wire.Offers
	if e.Vantage != correlate.Control {
		e.Every = r.Wire.Every
	}
	return bracket(e, r), true
}

func bracket(e correlate.Event, r Record) correlate.Event {
	e.Hi = r.By
	if e.Hi.IsZero() || e.Hi.After(r.At) {
		e.Hi = r.At
	}
	e.Lo = r.After
	if e.Lo.IsZero() {
		e.Lo = e.Hi.Add(-beforeWeLooked)
	}
	if e.Lo.After(e.Hi) {
		e.Lo = e.Hi
	}
	return e
}
