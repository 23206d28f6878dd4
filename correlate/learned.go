package correlate

import (
	"math"
	"slices"
	"time"
)

// Edge is what is believed of one partner and one list.
type Edge struct {
	Partner, List string
	PIP           float64 // probability that the partner reacts to the list
}

// Edges returns every pair with PIP of at least min, by partner and list name.
func (c *Correlator) Edges(now time.Time, min float64) []Edge {
	var out []Edge
	at := math.Max(minutes(now), c.h.now)
	for p, name := range c.h.partners.texts {
		f := c.fitOf(p, at)
		for i, l := range f.cand {
			if f.pip[i] >= min {
				out = append(out, Edge{name, c.h.lists.texts[l], f.pip[i]})
			}
		}
	}
	slices.SortFunc(out, func(a, b Edge) int {
		if a.Partner != b.Partner {
			return compare(a.Partner, b.Partner)
		}
		return compare(a.List, b.List)
	})
	return out
}

// Forecast is the chance that a partner withdraws something because of a new listing.
type Forecast struct {
	ListingSeq uint64
	Partner    string
	P          float64
}

// Forecasts says, at the moment a listing was seen, who will react to it.
// Partners that have lost the capability already are left out.
func (c *Correlator) Forecasts(listingSeq uint64, now time.Time) []Forecast {
	i, ok := c.h.listSeq[listingSeq]
	if !ok {
		return nil
	}
	l := &c.h.listings[i]
	var out []Forecast
	at := math.Max(minutes(now), c.h.now)
	for p, name := range c.h.partners.texts {
		if _, lost := c.h.openLoss[[2]int{l.ip, p}]; lost {
			continue
		}
		if !c.mayReact(p, l.list) {
			continue
		}
		f := c.fitOf(p, at)
		n := slices.Index(f.cand, l.list)
		if n < 0 {
			continue
		}
		sum := 0.0
		for j := range f.subs {
			if s := &f.subs[j]; s.mask&(1<<n) != 0 {
				sum += s.p * s.q
			}
		}
		out = append(out, Forecast{listingSeq, name, sum})
	}
	return out
}

func compare(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}
