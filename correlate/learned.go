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
		gone := c.h.shown(f, l, at)
		sum := 0.0
		for j := range f.subs {
			if s := &f.subs[j]; s.mask&(1<<n) != 0 {
				sum += s.p * s.q * (1 - gone) / (1 - s.q*gone)
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

// shown is the share of reactions to the listing that would have been seen by
// now: a partner that has not reacted although its time is over will not.
func (h *history) shown(f *fit, l *listing, now float64) float64 {
	const steps = 4
	p := 0.0
	for i := range steps {
		looked := now - (float64(i)+.5)/steps*probeEvery
		p += f.g.hit(l.a0, l.a1, math.Inf(-1), looked) / steps
	}
	return p
}
