package correlate

import (
	"math"
	"math/bits"
	"slices"
)

// The grids and priors of the partner model.
var (
	qGrid  = [...]float64{.25, .5, .75, .9, .97}
	qPrior = [...]float64{.1, .2, .3, .25, .15}
	// Reaction to the abuse itself: to what several lists saw, and to what one list alone says.
	qcGrid  = [...][2]float64{{.1, .1}, {.3, .3}, {.3, .03}, {.6, .03}, {.8, .1}}
	qcPrior = [...]float64{.2, .2, .2, .2, .2}
)

const (
	edgePrior     = 0.02 // a partner reacts to a given list
	coCausePrior  = 0.1  // a partner reacts to the abuse itself
	maxCandidates = 8
	maxSet        = 3
	shortListing  = 30 // minutes: a listing shorter than this that breaks nothing proves nothing
	kernelWeight  = 3  // reactions the prior kernel counts for
	emSteps       = 2

	onTime, late = 0.95, 0.75 // share of recoveries that follow the delisting, when it is the matched listing's own end, and when another's
)

// reach ties one listing to one loss: how well its onset explains the loss's
// onset (g) and its end the recovery (back).
type reach struct {
	cand, listing int
	g, back       float64
	gone          float64 // end of the listing, +Inf while in force
}

// term is one loss as the model of its partner sees it.
type term struct {
	loss        int
	omega       float64    // probability that neither partner-wide nor path took it
	wide, path  float64    // likelihood ratios
	w, b        float64    // onset bracket in years; own-clock fit
	u           [2]float64 // co-cause fit, with abuse that several lists saw and that one list saw
	reach       []reach
	silenced    float64 // factor on every listing: what a reply or a person said against it
	explained   float64 // filled by the E step: probability of a listing
	unexplained float64
}

// subset is one hypothesis: the partner reacts to exactly these candidates,
// and to the abuse itself or not.
type subset struct {
	mask uint8
	co   bool
	p    float64    // posterior
	q    float64    // posterior mean
	qc   [2]float64 // the same, by kind of abuse
}

// fit is what is believed of one partner as of a moment.
type fit struct {
	asOf   float64
	due    float64 // when a listing's window ends and the fit must be made again
	cand   []int   // list ids
	subs   []subset
	pip    []float64 // by candidate
	pc     float64
	mu     float64 // unexplained losses a pair-year
	g, h   *kernel
	misses []int // by candidate
	coMiss [2]int
	terms  []term
}

// candidate odds enter through prior; lists are those with a compatible loss or a prior of their own.
type fitter struct {
	h     *history
	p     int
	now   float64
	prior func(list int) float64
	f     *fit
	terms []term
	eps   map[int][]episode
}

func (c *Correlator) refit(p int, now float64) *fit {
	ft := &fitter{h: c.h, p: p, now: now, f: &fit{asOf: now, g: priorKernel, h: priorKernel}, eps: map[int][]episode{}}
	ft.prior = func(list int) float64 { return c.edgePrior(p, list) }
	ft.gather(c)
	ft.f.mu = ft.rate()
	for range emSteps {
		ft.measure()
		ft.choose()
		ft.score()
		ft.attribute()
		ft.learn()
	}
	ft.measure()
	ft.score()
	ft.attribute()
	ft.f.terms = ft.terms
	return ft.f
}

// gather collects the losses that can teach anything, with all listings within reach.
func (ft *fitter) gather(c *Correlator) {
	ft.f.due = math.Inf(1)
	for _, i := range ft.h.lossOf[ft.p] {
		k := &ft.h.losses[i]
		if k.again {
			continue
		}
		t := term{loss: i, w: k.width() / minutesPerYear, b: ownClock(&k.span, ft.now), silenced: 1}
		t.wide = wideRate * ft.h.wideOdds(k, c.hasControl, peerFloor)
		t.path = pathRate * ft.h.pathOdds(k, c.unit, ft.h.floor)
		t.omega = 1
		t.u = ft.abuse(k)
		ft.terms = append(ft.terms, t)
	}
}

func (ft *fitter) episodesOf(ip int) []episode {
	e, ok := ft.eps[ip]
	if !ok {
		e = ft.h.episodes(ip)
		ft.eps[ip] = e
	}
	return e
}

func (ft *fitter) rate() float64 {
	n := 0.0
	for i := range ft.terms {
		n += ft.terms[i].unexplained
	}
	return (1 + n) / (1 + ft.h.pairYears(ft.now))
}

// measure fills the reach of every term with the current kernels.
func (ft *fitter) measure() {
	for i := range ft.terms {
		t := &ft.terms[i]
		k := &ft.h.losses[t.loss]
		t.reach = t.reach[:0]
		for _, n := range ft.h.ofIP[k.ip] {
			l := &ft.h.listings[n]
			g := ft.f.g.hit(l.a0, l.a1, k.a0, k.a1)
			if g <= 0 && (l.a0 > k.a1 || l.b1 < k.a0) {
				continue
			}
			t.reach = append(t.reach, reach{cand: l.list, listing: n, g: g, gone: l.b1, back: ft.back(k, l, t.b)})
		}
	}
}

// back is how well the listing's end explains the recovery, before mixing with the own clock.
func (ft *fitter) back(k *loss, l *listing, b float64) float64 {
	switch {
	case k.open() && (l.open() || ft.now < l.b1+maxLag):
		return 1
	case k.open() || l.open():
		return 0
	default:
		return ft.f.h.hit(l.b0, l.b1, k.b0, k.b1)
	}
}

// reversal is H: how well the recovery fits, given the last listing in force and whether it is the matched one.
func reversal(k *loss, last *reach, own bool, b float64) float64 {
	share := late
	if own {
		share = onTime
	}
	switch {
	case k.open() && last.back == 1:
		return 1
	case k.open():
		return 0.05
	case math.IsInf(last.gone, 1):
		return 0.05 * b
	default:
		return share*last.back + (1-share)*b
	}
}

// reaction returns the probability of the loss's onset under "reacts to the
// lists of mask" and the fit of its recovery.
func reaction(t *term, k *loss, mask uint8, q float64) (onset, h float64) {
	miss := 1.0
	var last, best *reach
	for i := range t.reach {
		r := &t.reach[i]
		if r.cand < 0 || mask&(1<<r.cand) == 0 {
			continue
		}
		miss *= 1 - q*r.g
		if last == nil || r.gone > last.gone {
			last = r
		}
		if best == nil || r.g > best.g {
			best = r
		}
	}
	if best == nil || best.g <= 0 {
		return 0, 0
	}
	return 1 - miss, reversal(k, last, last == best, t.b) * t.silenced
}

// choose picks the candidates: the lists that, alone, explain the losses best.
func (ft *fitter) choose() {
	n := len(ft.h.lists.texts)
	score := make([]float64, n)
	seen := make([]bool, n)
	for i := range ft.terms {
		t := &ft.terms[i]
		k := &ft.h.losses[t.loss]
		best := map[int]float64{}
		for j := range t.reach {
			r := &t.reach[j]
			if r.g > 0 {
				x := r.g * reversal(k, r, true, t.b) * t.silenced
				best[r.cand] = math.Max(best[r.cand], x)
			}
		}
		for l := range n {
			if x, ok := best[l]; ok {
				seen[l] = true
				score[l] += math.Log1p(t.omega * 0.75 * x / (ft.f.mu * t.w * t.b))
			}
		}
	}
	for l := range n {
		if p := ft.prior(l); p != edgePrior {
			seen[l] = true
			score[l] += math.Log(p/(1-p)) - math.Log(edgePrior/(1-edgePrior))
		}
		score[l] += float64(ft.missesOf(l)) * math.Log(1-0.6)
	}
	ft.f.cand = best(score, seen, maxCandidates)
	ft.index()
}

// best returns up to n ids with the highest scores, in id order.
func best(score []float64, seen []bool, n int) []int {
	var out []int
	used := make([]bool, len(score))
	for len(out) < n {
		top := -1
		for l := range score {
			if seen[l] && !used[l] && (top < 0 || score[l] > score[top]) {
				top = l
			}
		}
		if top < 0 {
			break
		}
		used[top] = true
		out = append(out, top)
	}
	return out
}

// index turns list ids in the reaches into candidate numbers (-1: none) and counts misses.
func (ft *fitter) index() {
	num := make([]int, len(ft.h.lists.texts))
	for i := range num {
		num[i] = -1
	}
	ft.f.misses = make([]int, len(ft.f.cand))
	for i, l := range ft.f.cand {
		num[l] = i
		ft.f.misses[i] = ft.missesOf(l)
	}
	for i := range ft.terms {
		for j := range ft.terms[i].reach {
			r := &ft.terms[i].reach[j]
			r.cand = num[ft.h.listings[r.listing].list]
		}
	}
	ft.f.coMiss = ft.coMisses()
}

// score fills the posterior over all subsets.
func (ft *fitter) score() {
	ft.index()
	ft.f.subs = ft.f.subs[:0]
	logs := make([]float64, 0, 200)
	n := len(ft.f.cand)
	for mask := range uint(1) << n {
		if bits.OnesCount(mask) > maxSet {
			continue
		}
		prior := 0.0
		for i, l := range ft.f.cand {
			p := ft.prior(l)
			if mask&(1<<i) != 0 {
				prior += math.Log(p)
			} else {
				prior += math.Log(1 - p)
			}
		}
		ft.weigh(uint8(mask), prior, &logs)
	}
	ft.normalise(logs)
}

// weigh appends the two hypotheses of a set, without and with the co-cause.
func (ft *fitter) weigh(mask uint8, prior float64, logs *[]float64) {
	m := 0
	for i, n := range ft.f.misses {
		if mask&(1<<i) != 0 {
			m += n
		}
	}
	var plain mean
	var co mean
	for i, q := range qGrid {
		base := math.Log(qPrior[i]) + float64(m)*math.Log(1-q)
		ls := [1 + len(qcGrid)]float64{}
		ft.likelihood(mask, q, &ls)
		plain.add(base+ls[0], q, [2]float64{})
		for j, qc := range qcGrid {
			misses := float64(ft.f.coMiss[0])*math.Log(1-qc[0]) + float64(ft.f.coMiss[1])*math.Log(1-qc[1])
			co.add(base+math.Log(qcPrior[j])+misses+ls[1+j], q, qc)
		}
		if mask == 0 {
			break // q has nothing to act on
		}
	}
	if mask == 0 {
		plain.max -= math.Log(qPrior[0])
		co.max -= math.Log(qPrior[0])
	}
	*logs = append(*logs, prior+math.Log(1-coCausePrior)+plain.log(), prior+math.Log(coCausePrior)+co.log())
	ft.f.subs = append(ft.f.subs,
		subset{mask: mask, q: plain.q()},
		subset{mask: mask, co: true, q: co.q(), qc: co.qc()})
}

// likelihood is log L over the losses for one q: without co-cause, and with each qc.
func (ft *fitter) likelihood(mask uint8, q float64, out *[1 + len(qcGrid)]float64) {
	prod := [1 + len(qcGrid)]float64{1, 1, 1, 1, 1, 1}
	for i := range ft.terms {
		t := &ft.terms[i]
		if t.omega < 1e-9 {
			continue
		}
		k := &ft.h.losses[t.loss]
		onset, h := reaction(t, k, mask, q)
		if onset == 0 && t.u[0]+t.u[1] == 0 {
			continue
		}
		scale := t.omega / (ft.f.mu * t.w * t.b)
		prod[0] *= 1 + scale*onset*h
		for j, qc := range qcGrid {
			prod[1+j] *= 1 + scale*(onset*h+(qc[0]*t.u[0]+qc[1]*t.u[1])*t.b)
		}
		if slices.Max(prod[:]) > 1e200 {
			for j := range prod {
				out[j] += math.Log(prod[j])
				prod[j] = 1
			}
		}
	}
	for j := range prod {
		out[j] += math.Log(prod[j])
	}
}

// mean averages over a grid of log weights.
type mean struct {
	max, sum, sq float64
	sqc          [2]float64
}

func (m *mean) add(log, q float64, qc [2]float64) {
	if m.sum == 0 || log > m.max {
		f := 0.0
		if m.sum > 0 {
			f = math.Exp(m.max - log)
		}
		m.sum, m.sq, m.sqc = m.sum*f, m.sq*f, [2]float64{m.sqc[0] * f, m.sqc[1] * f}
		m.max = log
	}
	w := math.Exp(log - m.max)
	m.sum, m.sq, m.sqc = m.sum+w, m.sq+w*q, [2]float64{m.sqc[0] + w*qc[0], m.sqc[1] + w*qc[1]}
}

func (m *mean) log() float64   { return m.max + math.Log(m.sum) }
func (m *mean) q() float64     { return m.sq / m.sum }
func (m *mean) qc() [2]float64 { return [2]float64{m.sqc[0] / m.sum, m.sqc[1] / m.sum} }

func (ft *fitter) normalise(logs []float64) {
	top := math.Inf(-1)
	for _, l := range logs {
		top = math.Max(top, l)
	}
	sum := 0.0
	for i, l := range logs {
		ft.f.subs[i].p = math.Exp(l - top)
		sum += ft.f.subs[i].p
	}
	ft.f.pip = make([]float64, len(ft.f.cand))
	ft.f.pc = 0
	for i := range ft.f.subs {
		s := &ft.f.subs[i]
		s.p /= sum
		for c := range ft.f.cand {
			if s.mask&(1<<c) != 0 {
				ft.f.pip[c] += s.p
			}
		}
		if s.co {
			ft.f.pc += s.p
		}
	}
}
