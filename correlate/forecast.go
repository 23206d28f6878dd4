package correlate

import (
	"math"
	"slices"
	"time"
)

// Forecast is the chance that a partner withdraws something because of a new listing.
type Forecast struct {
	ListingSeq uint64
	IP         string
	Partner    string
	List       string
	P          float64
	From, To   time.Time // when, with 80 % of the chance
}

// Forecasts says, as of now, who will react to a listing in force. Partners
// that have lost the capability already are left out; one that should have
// reacted by now and has not becomes less likely. In order of first sight of the partners.
func (c *Correlator) Forecasts(listingSeq uint64, now time.Time) []Forecast {
	i, ok := c.h.listSeq[listingSeq]
	if !ok || !c.h.listings[i].open() {
		return nil
	}
	l := &c.h.listings[i]
	at := math.Max(minutes(now), c.h.now)
	var out []Forecast
	for p, name := range c.h.partners.texts {
		_, lost := c.h.openLoss[[2]int{l.ip, p}]
		if _, looked := c.h.between(pairOf(l.ip, p)); lost || !looked || !c.mayReact(p, l.list) {
			continue
		}
		f := c.fitOf(p, at)
		n := slices.Index(f.cand, l.list)
		if n < 0 {
			continue
		}
		onset := (l.a0 + l.a1) / 2
		out = append(out, Forecast{
			ListingSeq: listingSeq, IP: c.h.ips.texts[l.ip], Partner: name, List: c.h.lists.texts[l.list],
			P:    c.willReact(p, n, f, l, at),
			From: fromMinutes(onset + f.g.quantile(.1)), To: fromMinutes(onset + f.g.quantile(.9)),
		})
	}
	return out
}

func (c *Correlator) willReact(p, cand int, f *fit, l *listing, now float64) float64 {
	gone := c.h.shown(f, l, now)
	sum := 0.0
	for j := range f.subs {
		if s := &f.subs[j]; s.mask&(1<<cand) != 0 {
			sum += s.p * s.q * (1 - gone) / (1 - s.q*gone)
		}
	}
	ft := &fitter{h: c.h, p: p, now: f.asOf, f: f}
	return sum * alive(ft.record(l.list))
}

// shown is the share of reactions to the listing that would have been seen by now.
func (h *history) shown(f *fit, l *listing, now float64) float64 {
	const steps = 4
	p := 0.0
	for i := range steps {
		looked := now - (float64(i)+.5)/steps*probeEvery
		p += f.g.hit(l.a0, l.a1, math.Inf(-1), looked) / steps
	}
	return p
}

// Want is a look that would settle something soon.
type Want struct {
	IP, Partner string
	P           float64       // chance that the look finds a loss
	Every, For  time.Duration // look at once, then this often for this long
}

const wantFrom = 0.1

// Wants says which partners to look at because of a new listing: those with a
// PIP of at least .1 for the list that have not lost anything yet, the likeliest first.
func (c *Correlator) Wants(listingSeq uint64, now time.Time) []Want {
	i, ok := c.h.listSeq[listingSeq]
	if !ok {
		return nil
	}
	at := math.Max(minutes(now), c.h.now)
	var out []Want
	for _, f := range c.Forecasts(listingSeq, now) {
		p := c.h.partners.ids[f.Partner]
		fit := c.fitOf(p, at)
		n := slices.Index(fit.cand, c.h.listings[i].list)
		if fit.pip[n] >= wantFrom {
			out = append(out, Want{f.IP, f.Partner, f.P, 5 * time.Minute, 2 * time.Hour})
		}
	}
	slices.SortStableFunc(out, func(a, b Want) int {
		switch {
		case a.P > b.P:
			return -1
		case a.P < b.P:
			return 1
		}
		return 0
	})
	return out
}
