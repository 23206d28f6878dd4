package report

import (
	"slices"
	"time"

	"repwatch/checks/smtp"
	"repwatch/config"
	"repwatch/correlate"
	"repwatch/incident"
	"repwatch/reputation"
	"repwatch/store"
)

// past is what the store holds of the time around a week, ready to be counted.
type past struct {
	cfg   *config.Loaded
	now   time.Time
	since time.Time // of the first thing that was watched; zero: nothing was

	losses   []*state
	listings []*state // accusing ones
	seeing   []*state // trouble of our own seeing
	// suspended says when a list was not believed.
	suspended map[string][]suspension
	incidents map[string]*incident.Incident
	providers map[string]string
	// pairs are the sending addresses that watch a partner, now or in the past.
	pairs map[string]map[string]bool
	// names are lists as people know them.
	names map[string]string
}

// state is a bad state, with where it lies in time.
type state struct {
	*incident.Episode
	extent
	whose Whose
	cause correlate.Cause
}

type suspension struct {
	span
	open bool
	why  string
}

func (s *state) list() string    { return s.Subject.Target }
func (s *state) partner() string { return s.Subject.Target }

func (s *state) loss() smtp.LossKind {
	if s.Wire == nil {
		return ""
	}
	return s.Wire.Loss
}

// takesTLS: while it lasts, STARTTLS cannot be had though the server talks to us.
func (s *state) takesTLS() bool {
	switch s.loss() {
	case smtp.LossStartTLS, smtp.LossMasked, smtp.LossBroken:
		return true
	case smtp.LossCapability:
		return slices.Contains(s.Wire.Went, "STARTTLS")
	}
	return false
}

func readPast(tx *store.Tx, cfg *config.Loaded, now time.Time) (*past, error) {
	p := &past{cfg: cfg, now: now, suspended: map[string][]suspension{}, incidents: map[string]*incident.Incident{},
		providers: map[string]string{}, pairs: map[string]map[string]bool{}, names: map[string]string{}}
	for _, i := range tx.Incidents().All() {
		p.incidents[i.ID] = &i
	}
	p.watched(tx)
	sure := sureTimes(tx)
	for _, e := range tx.Episodes().All() {
		p.add(&e, sure[e.Subject])
	}
	return p, tx.Err()
}

// watched finds out since when what is watched, and by whom.
func (p *past) watched(tx *store.Tx) {
	earlier := func(t time.Time) {
		if !t.IsZero() && (p.since.IsZero() || t.Before(p.since)) {
			p.since = t
		}
	}
	for r := range tx.Journal(time.Time{}, time.Time{}) {
		earlier(r.At)
		break
	}
	for _, w := range tx.Subjects().All() {
		earlier(w.Since)
	}
	for _, l := range p.cfg.Lists {
		p.names[l.ID] = l.Name
	}
	for _, c := range p.cfg.Partners {
		p.pairs[c.Name()] = map[string]bool{}
		if c.Provider != "auto" {
			p.providers[c.Name()] = c.Provider
		}
	}
	for s, w := range tx.Wire().All() {
		p.pair(s)
		if w.Provider != "" && p.providers[s.Target] == "" {
			p.providers[s.Target] = w.Provider
		}
	}
}

func (p *past) pair(s reputation.Subject) {
	if s.Kind != reputation.KindWire {
		return
	}
	if p.pairs[s.Target] == nil {
		p.pairs[s.Target] = map[string]bool{}
	}
	p.pairs[s.Target][s.Who()] = true
}

// sureTimes says when what lasts was last seen for sure.
func sureTimes(tx *store.Tx) map[reputation.Subject]time.Time {
	sure := map[reputation.Subject]time.Time{}
	for s, w := range tx.Wire().All() {
		sure[s] = w.LastSure
	}
	lists := map[string]store.List{}
	for id, l := range tx.Lists().All() {
		lists[id] = l
	}
	for s := range tx.Listings().All() {
		l := lists[s.Target]
		sure[s] = l.SureStarted
		if stale, ok := l.Stale[s.Who()]; ok {
			sure[s] = stale
		}
	}
	return sure
}

func (p *past) add(e *incident.Episode, sure time.Time) {
	s := &state{Episode: e, extent: extentOf(e, p.now, sure)}
	s.whose, s.cause = p.blame(e)
	switch {
	case e.Subject.Kind == reputation.KindWire:
		p.losses = append(p.losses, s)
		p.pair(e.Subject)
		if e.Wire != nil && e.Wire.Provider != "" && p.providers[s.partner()] == "" {
			p.providers[s.partner()] = e.Wire.Provider
		}
	case e.Subject.Kind == reputation.KindListing && e.Listing != nil && e.Listing.Accuses():
		p.listings = append(p.listings, s)
		if e.Listing.Name != "" {
			p.names[s.list()] = e.Listing.Name
		}
	case e.Subject.Kind == reputation.KindHealth && blinds[e.Subject.Domain] != (blinded{}):
		p.seeing = append(p.seeing, s)
	}
}

// extentOf places an episode in time. What began before we looked counts from the
// first look; what lasts is sure until the last look that said so, and lasts until now.
func extentOf(e *incident.Episode, now, sure time.Time) extent {
	begin, early := e.Begin.By, e.Begin.After
	if early.IsZero() || early.After(begin) || e.FirstSight {
		early = begin
	}
	end, last := now, sure
	if !e.Open() {
		end, last = e.End.By, e.End.After
		if end.IsZero() {
			end = e.Ended
		}
	}
	switch {
	case last.IsZero() || last.After(end):
		last = end
	case last.Before(begin):
		last = begin
	}
	return extent{low: span{begin, last}, seen: span{begin, end}, high: span{early, end}}
}

// blame says whose fault an episode is, by the verdict of its incident.
func (p *past) blame(e *incident.Episode) (Whose, correlate.Cause) {
	i := p.incidents[e.Incident]
	if i == nil {
		return Unclear, ""
	}
	return i.Whose(), i.Verdict
}

// during are those of the states that lasted at any moment of a span, cut to it.
// What was seen to last for no time at all counts too.
func during(states []*state, w span) []*state {
	var out []*state
	for _, s := range states {
		begin, end := s.seen.from, s.seen.to
		if !begin.Before(w.to) || end.Before(w.from) || end.Equal(w.from) && !begin.Equal(w.from) {
			continue
		}
		cut := *s
		cut.extent = s.extent.within(w)
		out = append(out, &cut)
	}
	return out
}

func extents(states []*state) []extent {
	out := make([]extent, len(states))
	for i, s := range states {
		out[i] = s.extent
	}
	return out
}

// by sorts states into groups.
func by(states []*state, key func(*state) string) map[string][]*state {
	out := map[string][]*state{}
	for _, s := range states {
		out[key(s)] = append(out[key(s)], s)
	}
	return out
}

// partnerHours is the union of each partner's losses, summed over partners.
func partnerHours(losses []*state) (h Hours) {
	groups := by(losses, (*state).partner)
	for _, name := range sortedKeys(groups) {
		h = h.plus(hoursOf(extents(groups[name]), union))
	}
	return h
}

// numbersOf counts a span of time.
func numbersOf(losses, listings []*state) Numbers {
	return Numbers{
		PartnersAffected: len(by(losses, (*state).partner)), LossHours: partnerHours(losses),
		Listings: len(listings), ListingHours: hoursOf(extents(listings), union),
	}
}
