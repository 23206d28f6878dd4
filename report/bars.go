package report

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"
)

// Rows of the picture: what does not fit is counted.
const (
	maxListRows    = 10
	maxPartnerRows = 16
)

// picture is what is drawn: the lists and partners that had something, worst first.
func (b *builder) picture() Picture {
	lists := b.orBlind(b.listRows(), "list", b.listBlind(""))
	partners := b.orBlind(b.partnerRows(), "partner", b.partnerBlind(""))
	p := Picture{Rows: []Row{}, Alt: b.alt()}
	for _, part := range []struct {
		rows []Row
		most int
	}{{lists, maxListRows}, {partners, maxPartnerRows}} {
		shown := part.rows[:min(len(part.rows), part.most)]
		p.Rows = append(p.Rows, shown...)
		p.More += len(part.rows) - len(shown)
	}
	return p
}

// orBlind has one row for all where there is no other and something could not be
// told: emptiness would look like peace.
func (b *builder) orBlind(rows []Row, kind string, blind []span) []Row {
	if gaps := b.gaps(blind); len(rows) == 0 && len(gaps) > 0 {
		rows = []Row{{Kind: kind, Name: "all " + kind + "s", Bars: []Bar{}, Unknown: gaps}}
	}
	return rows
}

func (b *builder) listRows() (rows []Row) {
	groups := by(b.listings, (*state).list)
	hurt := map[string]int{}
	for n, l := range b.doc.Listings.Hurt {
		hurt[l.List] = len(b.doc.Listings.Hurt) - n
	}
	ids := sortedKeys(groups)
	for id := range b.suspended {
		if _, listed := groups[id]; !listed && len(b.listBlind(id)) > 0 {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	for _, id := range ids {
		row := Row{Kind: "list", Name: cmp.Or(b.names[id], id), Bars: []Bar{}, Unknown: b.gaps(b.listBlind(id))}
		cause := harmless
		if hurt[id] > 0 {
			cause = string(Ours)
		}
		row.Bars = barsOf(groups[id], cause)
		rows = append(rows, row)
	}
	slices.SortStableFunc(rows, func(x, y Row) int {
		return cmp.Or(cmp.Compare(causeRank(x), causeRank(y)), cmp.Compare(barHours(y), barHours(x)), cmp.Compare(x.Name, y.Name))
	})
	return rows
}

// causeRank puts lists that hurt before those that did not, and these before those that were not believed.
func causeRank(r Row) int {
	switch {
	case len(r.Bars) == 0:
		return 2
	case r.Bars[0].Cause == harmless:
		return 1
	default:
		return 0
	}
}

func (b *builder) partnerRows() (rows []Row) {
	groups := by(b.losses, (*state).partner)
	for _, name := range sortedKeys(groups) {
		row := Row{Kind: "partner", Name: name, Bars: []Bar{}, Unknown: b.gaps(b.partnerBlind(""))}
		causes := by(groups[name], func(s *state) string { return string(s.whose) })
		for _, cause := range causeOrder {
			row.Bars = append(row.Bars, barsOf(causes[cause], cause)...)
		}
		rows = append(rows, row)
	}
	slices.SortStableFunc(rows, func(x, y Row) int {
		return cmp.Or(cmp.Compare(barHours(y), barHours(x)), cmp.Compare(x.Name, y.Name))
	})
	return rows
}

// barsOf joins states of one cause, of however many addresses, to bars: sure while
// one of them is, perhaps while one of them may be.
func barsOf(states []*state, cause string) []Bar {
	var perhaps, sure []span
	for _, s := range states {
		perhaps, sure = append(perhaps, instant(s.high)), append(sure, s.low)
	}
	bars := []Bar{}
	sure = merge(sure)
	for _, p := range merge(perhaps) {
		in := clip(sure, p)
		if len(in) == 0 {
			in = []span{{p.from, p.from}}
		}
		for n, s := range in {
			b := Bar{Early: utc(p.from), From: utc(s.from), To: utc(s.to), Late: utc(p.to), Cause: cause, Incidents: []string{}}
			if n > 0 {
				b.Early = b.From // what is perhaps between two is the former's
			}
			if n < len(in)-1 {
				b.Late = utc(in[n+1].from)
			}
			b.Incidents = incidentsIn(states, span{*b.Early, *b.Late})
			bars = append(bars, b)
		}
	}
	return bars
}

// instant is a span that has a length: what was seen once was there.
func instant(s span) span {
	if s.empty() {
		s.to = s.from.Add(time.Millisecond)
	}
	return s
}

// incidentsIn are those of the states that lie in a span.
func incidentsIn(states []*state, in span) []string {
	ids := map[string]bool{}
	for _, s := range states {
		if s.Incident != "" && !instant(s.high).within(in).empty() {
			ids[s.Incident] = true
		}
	}
	return orEmpty(slices.SortedFunc(maps.Keys(ids), func(a, b string) int { return latestFirst(b, a) }))
}

func barHours(r Row) (h float64) {
	for _, b := range r.Bars {
		h += b.Late.Sub(*b.Early).Hours()
	}
	return h
}

// gaps are when nothing could be told; before the first look nothing was.
func (b *builder) gaps(spans []span) []Gap {
	out := []Gap{}
	if first := (span{b.week.From, b.since}).within(b.week.span()); !first.empty() {
		out = append(out, Gap{From: utc(first.from), To: utc(first.to), Why: "not watched yet"})
	}
	for _, s := range spans {
		out = append(out, Gap{From: utc(s.from), To: utc(s.to), Why: "nothing could be told"})
	}
	return out
}

// alt is the picture for those who cannot see it.
func (b *builder) alt() string {
	s := fmt.Sprintf("Timeline from %s to %s. ", b.day(b.week.From), b.day(b.week.To.Add(-time.Second)))
	if len(b.listings)+len(b.losses) == 0 {
		return s + nothing(b.doc.Blind.Told) + "."
	}
	var parts []string
	for _, l := range b.doc.Listings.Hurt {
		parts = append(parts, fmt.Sprintf("%s listed %s for %s, and hurt", l.Name, enumerate(l.Subjects, 2), lasting(l.Union.Seen)))
	}
	for _, l := range b.doc.Listings.Harmless {
		parts = append(parts, fmt.Sprintf("%s listed %s for %s, and broke nothing", l.Name, enumerate(l.Subjects, 2), lasting(l.Union.Seen)))
	}
	for _, p := range b.doc.Partners {
		if p.Losses > 0 {
			parts = append(parts, fmt.Sprintf("%s was lost for %s, whose doing: %s", p.Name, lasting(p.Lost.Seen), sides(p.Why)))
		}
	}
	const few = 8
	if more := len(parts) - few; more > 0 {
		parts = append(parts[:few:few], fmt.Sprintf("and %d more", more))
	}
	for i, part := range parts {
		if i > 0 {
			s += "; "
		}
		s += part
	}
	return s + "."
}

// nothing is what an empty picture says, by how much could be told.
func nothing(told float64) string {
	switch {
	case told == 0:
		return "Nothing could be told"
	case told < enough:
		return "Nothing bad was seen, but little could be told"
	}
	return "Nothing was listed, and no partner was lost"
}

func (b *builder) day(t time.Time) string { return t.In(b.week.Zone).Format("2 January 2006") }
