package report

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"strconv"
	"time"

	"repwatch/config"
	"repwatch/incident"
	"repwatch/reputation"
	"repwatch/store"
)

// builder is one report in the making.
type builder struct {
	*past
	tx   *store.Tx
	week Week
	seen span // of the week: since something was watched, and until now

	losses, listings []*state // of the week, cut to it
	doc              Report
}

// Build makes the report of a week from one view of the store. Verdicts are
// today's: a report of an old week knows what was found out since.
func Build(tx *store.Tx, cfg *config.Loaded, w Week, now time.Time) (Report, error) {
	p, err := readPast(tx, cfg, now)
	if err != nil {
		return Report{}, err
	}
	b := &builder{past: p, tx: tx, week: w, seen: span{p.since, now}.within(w.span())}
	if p.since.IsZero() {
		b.seen = span{}
	}
	b.losses, b.listings = during(p.losses, w.span()), during(p.listings, w.span())
	b.doc = Report{Schema: Schema, At: utc(now), Week: Period{ID: w.ID, From: utc(w.From), To: utc(w.To), Timezone: w.Zone.String(),
		Hours: hours(w.span().length()), Watched: hours(b.seen.length())}}
	for _, step := range []func() error{b.suspensions, b.blind, b.sums, b.open, b.byList, b.byPartner, b.incidents, b.due, b.learned, b.pools, b.appendix} {
		if err := step(); err != nil {
			return b.doc, err
		}
	}
	b.doc.Light = b.light(b.doc.Sum.Numbers)
	b.doc.Picture = b.picture()
	b.words()
	return b.doc, tx.Err()
}

// light is the week in one colour. Too little told is never green (rule of truth 1).
func (b *builder) light(n Numbers) Light {
	switch {
	case math.Round(60*n.LossHours.Seen) >= 60: // as the words round it
		return Red
	case n.PartnersAffected > 0, n.Listings > 0:
		return Yellow
	case b.doc.Blind.Told < enough:
		return Grey
	default:
		return Green
	}
}

// sums counts the week, and what it is compared with.
func (b *builder) sums() error {
	s := &b.doc.Sum
	s.Numbers = numbersOf(b.losses, b.listings)
	s.MessagesWhy = "not known: no mail log is read"
	s.PartnersWatched = len(b.pairs)
	s.Whose = b.whose()
	var before []Numbers
	for n := 1; n <= 4; n++ {
		w := b.week.Before(n)
		if b.since.IsZero() || b.since.After(w.From) {
			break
		}
		before = append(before, numbersOf(during(b.past.losses, w.span()), during(b.past.listings, w.span())))
	}
	if len(before) > 0 {
		last := before[0]
		s.LastWeek, s.Median, s.MedianWeeks = &last, medianOf(before), len(before)
	}
	return nil
}

// medianOf is the median of each number by itself.
func medianOf(all []Numbers) *Numbers {
	at := func(f func(Numbers) float64) float64 {
		v := make([]float64, len(all))
		for i, n := range all {
			v[i] = f(n)
		}
		slices.Sort(v)
		return round((v[(len(v)-1)/2] + v[len(v)/2]) / 2)
	}
	span := func(f func(Numbers) Hours) Hours {
		return Hours{at(func(n Numbers) float64 { return f(n).Low }), at(func(n Numbers) float64 { return f(n).Seen }), at(func(n Numbers) float64 { return f(n).High })}
	}
	return &Numbers{
		PartnersAffected: int(at(func(n Numbers) float64 { return float64(n.PartnersAffected) })),
		LossHours:        span(func(n Numbers) Hours { return n.LossHours }),
		Listings:         int(at(func(n Numbers) float64 { return float64(n.Listings) })),
		ListingHours:     span(func(n Numbers) Hours { return n.ListingHours }),
	}
}

// whose shares the losses out to the sides that answer for them.
func (b *builder) whose() []Fault {
	out := []Fault{}
	groups := by(b.losses, func(s *state) string { return string(s.whose) })
	for _, w := range []Whose{Ours, Theirs, Path, Unclear} {
		losses := groups[string(w)]
		if len(losses) == 0 {
			continue
		}
		out = append(out, Fault{Whose: w, Incidents: len(by(losses, func(s *state) string { return s.Incident })),
			Partners: len(by(losses, (*state).partner)), Hours: partnerHours(losses)})
	}
	slices.SortStableFunc(out, func(a, b Fault) int { return cmp.Compare(b.Hours.Seen, a.Hours.Seen) })
	return out
}

// open are the incidents that are open now, whenever they began.
func (b *builder) open() error {
	b.doc.Open = []Open{}
	for i := range b.tx.OpenIncidents() {
		m, _, err := b.tx.Messages().Get(i.ID)
		if err != nil {
			return err
		}
		row := Open{ID: i.ID, Kind: i.Kind, Impact: i.Impact, Words: m.Title, Opened: utc(i.Opened), Age: hours(b.now.Sub(i.Opened)),
			InHand: !i.AckedAt.IsZero() || i.SnoozedToEnd || b.now.Before(i.SnoozedUntil)}
		if len(i.Next) > 0 {
			row.Next = i.Next[0]
		}
		b.doc.Open = append(b.doc.Open, row)
	}
	slices.SortStableFunc(b.doc.Open, func(x, y Open) int {
		return cmp.Or(cmp.Compare(y.Impact, x.Impact), x.Opened.Compare(*y.Opened))
	})
	return nil
}

// incidents are those that were open at any moment of the week.
func (b *builder) incidents() error {
	b.doc.Incidents = []Incident{}
	groups := by(b.losses, func(s *state) string { return s.Incident })
	for _, id := range slices.SortedFunc(maps.Keys(b.past.incidents), latestFirst) {
		i := b.past.incidents[id]
		if i.Merged != "" || !i.Opened.Before(b.week.To) || i.Status == incident.Resolved && !i.Resolved.After(b.week.From) {
			continue
		}
		m, _, err := b.tx.Messages().Get(id)
		if err != nil {
			return err
		}
		row := Incident{ID: id, Kind: i.Kind, Status: i.Status, Impact: i.Impact, Words: m.Title, Whose: i.Whose(), Verdict: i.Verdict, Word: i.Word,
			Provisional: i.Provisional, Opened: utc(i.Opened), Resolved: utc(i.Resolved), Hours: partnerHours(groups[id]),
			Partners: sortedKeys(by(groups[id], (*state).partner)), Evidence: orEmpty(i.Evidence)}
		if i.Confidence > 0 {
			p := round(i.Confidence)
			row.Confidence = &p
		}
		b.doc.Incidents = append(b.doc.Incidents, row)
	}
	return nil
}

// latestFirst orders ids, which are numbers.
func latestFirst(a, b string) int {
	x, _ := strconv.ParseUint(a, 10, 64) // the store numbers them
	y, _ := strconv.ParseUint(b, 10, 64)
	return cmp.Compare(y, x)
}

// pools counts each pool of addresses by itself.
func (b *builder) pools() error {
	b.doc.Pools = []Pool{}
	poolOf := map[string]string{}
	size := map[string]int{}
	for _, a := range b.cfg.Addresses {
		poolOf[a.IP.String()] = a.Pool
		size[a.Pool]++
	}
	in := func(pool string) func(*state) bool {
		return func(s *state) bool { return poolOf[s.Subject.Who()] != pool } // a domain is in none: each has a name
	}
	for _, pool := range sortedKeys(size) {
		losses, listings := slices.DeleteFunc(slices.Clone(b.losses), in(pool)), slices.DeleteFunc(slices.Clone(b.listings), in(pool))
		n := numbersOf(losses, listings)
		b.doc.Pools = append(b.doc.Pools, Pool{Pool: pool, Addresses: size[pool], Light: b.light(n), Numbers: n})
	}
	return nil
}

func utc(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC().Truncate(time.Millisecond)
	return &t
}

func orEmpty[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}

func sortedKeys[V any](m map[string]V) []string {
	return append([]string{}, slices.Sorted(maps.Keys(m))...)
}

// worst of some listings.
func worst(states []*state) (i reputation.Impact) {
	for _, s := range states {
		i = max(i, s.Listing.Impact)
	}
	return i
}
