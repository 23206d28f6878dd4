// Package oracle makes simulated years whose causes are known, and scores what
// the correlator says of them. It is how the figures in docs/correlation.md
// are measured: by tests, by the benchmark, and by anyone with a doubt.
//
// A world is drawn first (what happens, to the second), then watched the way
// repwatch watches: lists polled through a caching resolver, partners probed
// about once an hour, some probes failing, changes confirmed two minutes later.
// All times inside are minutes since the start of the simulated year.
package oracle

import (
	"fmt"
	"math"
	"math/rand/v2"
	"sort"
)

// Scenario says how hard a year is.
type Scenario struct {
	Name     string
	Random   float64 // unrelated losses a pair-year
	Failed   float64 // share of probes that fail
	Hidden   int     // partners that react to abuse itself
	Reacting int     // partners that react to lists
	Slow     bool    // long lags, weak reactions, lists tied in onset and expiry
}

// Scenarios by name: those of docs/correlation.md.
var Scenarios = []Scenario{
	{Name: "base", Random: .11, Failed: .01, Reacting: 10},
	{Name: "noisy", Random: .88, Failed: .03, Reacting: 10},
	{Name: "hidden", Random: .88, Failed: .015, Reacting: 10, Hidden: 3},
	{Name: "stress", Random: .88, Failed: .02, Reacting: 10, Hidden: 3, Slow: true},
	{Name: "null", Random: .88, Failed: .01},
}

// Size is how much is watched and for how long.
type Size struct {
	IPs, Partners, Lists int
	Days                 float64
}

// Year is the size the figures are quoted for.
var Year = Size{IPs: 8, Partners: 30, Lists: 20, Days: 364.5}

type interval struct{ from, to float64 }

func (i interval) has(t float64) bool { return t >= i.from && t < i.to }

type listed struct {
	interval
	ip, list int
}

// cause is one reason why a pair is lost for a while.
type cause struct {
	interval
	category string // listing, wide, path, random, internal
	loss     string
	list     int // the trigger, -1 without
}

type edge struct {
	partner, list int
	q             float64
	lag, rec      interval
	reactions     int
}

type list struct{ poll, ttl, share, rate float64 }

type world struct {
	Size
	Scenario
	r *rand.Rand

	lists    []list
	edges    []edge
	hidden   []int
	loss     []string // how a partner withdraws
	listings []listed
	abuse    [][]float64 // by IP: when campaigns began
	pairs    [][]cause   // by ip*partners+partner; the control is ip == IPs
}

func newWorld(s Scenario, size Size, seed uint64) *world {
	w := &world{Size: size, Scenario: s, r: rand.New(rand.NewPCG(seed, 0x5eed0fca05e5))}
	w.pairs = make([][]cause, (size.IPs+1)*size.Partners)
	w.drawLists()
	w.drawPartners()
	w.drawListings()
	w.drawReactions()
	w.drawInternal()
	w.drawWide()
	w.drawPath()
	w.drawRandom()
	for i := range w.pairs {
		c := w.pairs[i]
		sort.SliceStable(c, func(a, b int) bool { return c[a].from < c[b].from })
	}
	return w
}

func (w *world) minutes() float64             { return w.Days * 24 * 60 }
func (w *world) between(a, b float64) float64 { return a + (b-a)*w.r.Float64() }

// poisson calls at for each event of a process with a rate a year.
func (w *world) poisson(rate float64, at func(t float64)) {
	if rate <= 0 {
		return
	}
	for t := w.r.ExpFloat64() / rate; ; t += w.r.ExpFloat64() / rate {
		m := t * 365 * 24 * 60
		if m >= w.minutes() {
			return
		}
		at(m)
	}
}

// around draws a length with a median and a spread (sigma of the logarithm), at least low.
func (w *world) around(median, sigma, low float64) float64 {
	return math.Max(low, median*math.Exp(sigma*w.r.NormFloat64()))
}

// drawLists: the first seven see the same campaigns; the rest list by themselves, most of them seldom.
func (w *world) drawLists() {
	polls, ttls := []float64{60, 60, 30, 15, 15, 5}, []float64{1, 5, 15, 15, 35}
	for i := range w.Lists {
		l := list{poll: polls[w.r.IntN(len(polls))], ttl: ttls[w.r.IntN(len(ttls))]}
		switch {
		case i < 5:
			l.share, l.rate = w.between(.25, .4), w.between(2.5, 4)
		case i < 7:
			l.share, l.rate = w.between(.12, .25), w.between(.3, 1)
		case i < 10:
			l.rate = w.between(1.7, 2.4)
		default:
			l.rate = w.between(.1, .7)
		}
		w.lists = append(w.lists, l)
	}
}

func (w *world) drawPartners() {
	order := w.r.Perm(w.Partners)
	w.loss = make([]string, w.Partners)
	for p := range w.loss {
		w.loss[p] = "starttls"
		if w.r.Float64() < .2 {
			w.loss[p] = "banner"
		}
	}
	w.Hidden = min(w.Hidden, w.Partners)
	w.Reacting = min(w.Reacting, w.Partners-w.Hidden)
	w.hidden = order[:w.Hidden]
	sort.Ints(w.hidden)
	for _, p := range order[w.Hidden : w.Hidden+w.Reacting] {
		lag := w.span(5, 25, 8, 32)
		rec := w.span(9, 22, 10, 31)
		weakest := .7
		if w.Slow {
			lag, rec, weakest = w.span(37, 75, 35, 100), w.span(23, 70, 38, 90), .45
		}
		n := min(w.Lists, 1+w.r.IntN(3)*w.r.IntN(2))
		for _, l := range w.someLists(n) {
			w.edges = append(w.edges, edge{partner: p, list: l, q: w.between(weakest, 1), lag: lag, rec: rec})
		}
	}
	sort.Slice(w.edges, func(a, b int) bool {
		x, y := w.edges[a], w.edges[b]
		return x.partner < y.partner || x.partner == y.partner && x.list < y.list
	})
}

func (w *world) span(lo0, lo1, d0, d1 float64) interval {
	lo := w.between(lo0, lo1)
	return interval{lo, lo + w.between(d0, d1)}
}

// someLists draws n different lists, the big ones half of the time.
func (w *world) someLists(n int) []int {
	var out []int
	for len(out) < n {
		l := w.r.IntN(w.Lists)
		if w.r.Float64() < .5 {
			l = w.r.IntN(min(7, w.Lists))
		}
		taken := false
		for _, o := range out {
			taken = taken || o == l
		}
		if !taken {
			out = append(out, l)
		}
	}
	return out
}

func (w *world) drawListings() {
	spread, tie := 85.0, 0.0
	if w.Slow {
		spread, tie = 45, .7
	}
	w.abuse = make([][]float64, w.IPs)
	for ip := range w.IPs {
		w.poisson(10, func(t float64) {
			w.abuse[ip] = append(w.abuse[ip], t)
			end := t + w.around(970, .85, 45)
			for l := range w.lists {
				if w.r.Float64() >= w.lists[l].share {
					continue
				}
				from := t + w.between(3, spread)
				to := from + w.around(970, .85, 45)
				if w.r.Float64() < tie {
					to = math.Max(from+45, end+w.between(0, 20))
				}
				w.enlist(ip, l, from, to)
			}
		})
		for l := range w.lists {
			w.poisson(w.lists[l].rate, func(t float64) { w.enlist(ip, l, t, t+w.around(970, .85, 45)) })
		}
	}
	sort.SliceStable(w.listings, func(a, b int) bool { return w.listings[a].from < w.listings[b].from })
}

// enlist adds a listing unless the IP is on the list already.
func (w *world) enlist(ip, l int, from, to float64) {
	for _, o := range w.listings {
		if o.ip == ip && o.list == l && from < o.to+120 && o.from < to+120 {
			return
		}
	}
	w.listings = append(w.listings, listed{interval{from, to}, ip, l})
}

func (w *world) add(ip, p int, c cause) {
	w.pairs[ip*w.Partners+p] = append(w.pairs[ip*w.Partners+p], c)
}

func (w *world) drawReactions() {
	for i := range w.edges {
		e := &w.edges[i]
		for _, l := range w.listings {
			from := l.from + w.between(e.lag.from, e.lag.to)
			if l.list != e.list || w.r.Float64() >= e.q || from >= l.to {
				continue
			}
			w.add(l.ip, e.partner, cause{interval{from, l.to + w.between(e.rec.from, e.rec.to)}, "listing", w.loss[e.partner], l.list})
		}
	}
}

func (w *world) drawInternal() {
	for _, p := range w.hidden {
		for ip := range w.IPs {
			for _, t := range w.abuse[ip] {
				if w.r.Float64() < .6 {
					from := t + w.between(5, 95)
					w.add(ip, p, cause{interval{from, from + w.around(550, .9, 30)}, "internal", w.loss[p], -1})
				}
			}
		}
	}
}

func (w *world) drawWide() {
	for p := range w.Partners {
		w.poisson(1.2, func(t float64) {
			long := w.around(190, .9, 15)
			if w.r.Float64() < .06 {
				long = 30 * 24 * 60 // a change of policy
			}
			for ip := range w.IPs + 1 {
				at := interval{t + w.between(0, 20), t + long + w.between(0, 20)}
				if at.to > at.from {
					w.add(ip, p, cause{at, "wide", "starttls", -1})
				}
			}
		})
	}
}

func (w *world) drawPath() {
	for ip := range w.IPs + 1 {
		w.poisson(.65, func(t float64) {
			loss := "masked"
			if w.r.Float64() < .5 {
				loss = "starttls"
			}
			to := t + w.around(320, .6, 60)
			for p := range w.Partners {
				if w.r.Float64() < .96 {
					w.add(ip, p, cause{interval{t, to}, "path", loss, -1})
				}
			}
		})
	}
}

func (w *world) drawRandom() {
	kinds := []string{"starttls", "starttls", "banner", "masked"}
	for ip := range w.IPs {
		for p := range w.Partners {
			w.poisson(w.Random, func(t float64) {
				w.add(ip, p, cause{interval{t, t + w.around(190, .95, 15)}, "random", kinds[w.r.IntN(len(kinds))], -1})
			})
		}
	}
}

// ScenarioNamed returns the scenario of that name.
func ScenarioNamed(name string) (Scenario, error) {
	for _, s := range Scenarios {
		if s.Name == name {
			return s, nil
		}
	}
	return Scenario{}, fmt.Errorf("no scenario %q", name)
}
