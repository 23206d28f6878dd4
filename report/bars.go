package report

import (
	"cmp"
	"fmt"
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
	lists := b.listRows()
	partners := b.partnerRows()
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
		for _, s := range groups[id] {
			row.Bars = append(row.Bars, bar(s, cause))
		}
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
		for _, s := range groups[name] {
			row.Bars = append(row.Bars, bar(s, string(s.whose)))
		}
		rows = append(rows, row)
	}
	slices.SortStableFunc(rows, func(x, y Row) int {
		return cmp.Or(cmp.Compare(barHours(y), barHours(x)), cmp.Compare(x.Name, y.Name))
	})
	return rows
}

func bar(s *state, cause string) Bar {
	return Bar{Early: utc(s.high.from), From: utc(s.low.from), To: utc(s.low.to), Late: utc(s.high.to), Cause: cause, Incident: s.Incident}
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
		return s + "Nothing was listed and no partner was lost."
	}
	var parts []string
	for _, l := range slices.Concat(b.doc.Listings.Hurt, b.doc.Listings.Harmless) {
		parts = append(parts, fmt.Sprintf("%s listed %s for %s", l.Name, enumerate(l.Subjects, 2), lasting(l.Union.Seen)))
	}
	for _, p := range b.doc.Partners {
		if p.Losses > 0 {
			parts = append(parts, fmt.Sprintf("%s was lost for %s", p.Name, lasting(p.Lost.Seen)))
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

func (b *builder) day(t time.Time) string { return t.In(b.week.Zone).Format("2 January 2006") }
