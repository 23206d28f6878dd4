package report

import (
	"cmp"
	"slices"
	"time"
)

// life is how long one listing lasted; one that has not ended is known to last at least so long.
type life struct {
	length time.Duration
	ended  bool
}

// median is the Kaplan-Meier estimate of the time until half of the listings are
// gone: the first length at which the product of (1 - gone/at risk) is no more than
// a half. Lives that have not ended count as at risk up to their length, itself
// included (Kaplan and Meier 1958, section 2.2). False: fewer than half are gone.
func median(lives []life) (time.Duration, bool) {
	lives = slices.Clone(lives)
	slices.SortFunc(lives, func(a, b life) int { return cmp.Compare(a.length, b.length) })
	left := 1.0
	for i := 0; i < len(lives); {
		atRisk, gone, at := len(lives)-i, 0, lives[i].length
		for ; i < len(lives) && lives[i].length == at; i++ {
			if lives[i].ended {
				gone++
			}
		}
		left *= 1 - float64(gone)/float64(atRisk)
		if left <= .5+1e-12 { // products of fractions: a half is a half
			return at, true
		}
	}
	return 0, false
}

// lasted is the median with its bracket: of the shortest and of the longest that each may have been.
func lasted(states []*state) *Hours {
	of := func(f func(extent) span) (float64, bool) {
		lives := make([]life, len(states))
		for i, s := range states {
			lives[i] = life{f(s.extent).length(), !s.Open() && !s.Unwatched}
		}
		d, ok := median(lives)
		return hours(d), ok
	}
	low, okLow := of(func(e extent) span { return e.low })
	seen, okSeen := of(func(e extent) span { return e.seen })
	high, okHigh := of(func(e extent) span { return e.high })
	if !okLow || !okSeen || !okHigh {
		return nil
	}
	return &Hours{low, seen, high}
}

// appendix: how long listings last, and the listing-hours of the week.
func (b *builder) appendix() error {
	a := Appendix{Delisting: []Delisting{}, Sum: hoursOf(extents(b.listings), sum), Union: hoursOf(extents(b.listings), union)}
	groups := by(b.past.listings, (*state).list)
	for _, id := range sortedKeys(groups) {
		row := Delisting{List: id, Name: cmp.Or(b.names[id], id)}
		var known []*state
		for _, s := range groups[id] {
			if s.FirstSight {
				row.LeftOut++
				continue
			}
			known = append(known, s)
			if !s.Open() && !s.Unwatched {
				row.Ended++
			}
		}
		row.Listings, row.Median = len(known), lasted(known)
		a.Delisting = append(a.Delisting, row)
	}
	b.doc.Appendix = a
	return nil
}
