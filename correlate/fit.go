package correlate

import "math"

// The grids and priors of the partner model.
var (
	qGrid  = [...]float64{.25, .5, .75, .9, .97}
	qPrior = [...]float64{.1, .2, .3, .25, .15}
	// Reaction to the abuse itself: to abuse that several lists saw, and to what one list alone says.
	qcGrid  = [...][2]float64{{.2, .2}, {.3, .03}, {.6, .03}, {.6, .12}, {.6, .3}}
	qcPrior = [...]float64{.2, .2, .2, .2, .2}
)

const (
	edgePrior     = 0.02 // a partner reacts to a given list
	coCausePrior  = 0.1  // a partner reacts to the abuse itself
	maxCandidates = 8
	maxSet        = 3
	shortListing  = 30 // minutes: a listing shorter than this that breaks nothing proves nothing
	kernelWeight  = 3  // reactions the prior kernel counts for
	emSteps       = 1

	onTime, late = 0.95, 0.75 // share of recoveries that follow the delisting, when it is the matched listing's own end, and when another's
)

// reach ties one listing to one loss: how well its onset explains the loss's
// onset (g) and its end the recovery (back).
type reach struct {
	list, listing int
	cand          int // candidate number, -1: none
	g, back       float64
	gone          float64 // end of the listing, +Inf while in force
}

// term is one loss as the model of its partner sees it.
type term struct {
	loss        int
	wide, path  float64    // hazards a year of a change for everyone and of a path fault, given who else lost it
	w, b        float64    // onset bracket in years; own-clock fit
	u           [2]float64 // co-cause fit, with abuse that several lists saw and that one list saw
	reach       []reach
	within      uint8   // candidates within reach
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
	asOf             float64
	cand             []int // list ids
	subs             []subset
	pip              []float64 // by candidate
	pc               float64
	mu               float64 // unexplained losses a pair-year
	g, h             *kernel // lag and recovery, pulled towards the prior
	lagSeen, recSeen *kernel // the same without the prior, nil while there is too little
	misses           []int   // by candidate
	coMiss           [2]int
	terms            []term
}

// candidate odds enter through prior; lists are those with a compatible loss or a prior of their own.
type fitter struct {
	h     *history
	p     int
	now   float64
	prior []float64 // by list
	f     *fit
	terms []term
	told  []factors // the losses that tell sets apart
	calm  grid      // log likelihood of the empty set
}

func (c *Correlator) refit(p int, now float64, prior func(p, list int) float64) *fit {
	ft := &fitter{h: c.h, p: p, now: now, f: &fit{asOf: now, g: priorKernel, h: priorKernel}}
	n := len(c.h.lists.texts)
	known := make([]float64, n)
	for l := range known {
		known[l] = prior(p, l)
	}
	ft.prior = known
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
	ft.index()
	ft.score()
	ft.attribute()
	ft.f.terms = ft.terms
	return ft.f
}

// gather collects the losses that can teach anything, with all listings within reach.
func (ft *fitter) gather(c *Correlator) {
	for _, i := range ft.h.lossOf[ft.p] {
		k := &ft.h.losses[i]
		if k.again {
			continue
		}
		t := term{loss: i, w: k.width() / minutesPerYear, b: ownClock(&k.span, ft.now), silenced: ft.h.silenced(k)}
		t.wide = wideRate * ft.h.wideOdds(k, c.hasControl, peerFloor)
		quiet := ft.h.floor(k)
		t.path = pathRate * ft.h.pathOdds(k, c.unit, len(c.units.texts), func(*loss, int) float64 { return quiet })
		t.u = ft.abuse(k)
		ft.terms = append(ft.terms, t)
	}
}

func (ft *fitter) rate() float64 {
	n := 0.0
	for i := range ft.terms {
		n += ft.terms[i].unexplained
	}
	return (1 + n) / (1 + ft.h.pairYears(ft.p, ft.now))
}

// measure fills the reach of every term with the current kernels.
func (ft *fitter) measure() {
	for i := range ft.terms {
		t := &ft.terms[i]
		k := &ft.h.losses[t.loss]
		t.reach = t.reach[:0]
		for _, n := range ft.h.ofIP[k.ip] {
			l := &ft.h.listings[n]
			if ft.h.denied(t.loss, l.list) {
				continue
			}
			g := ft.f.g.hit(l.a0, l.a1, k.a0, k.a1)
			if g <= 0 && (l.a0 > k.a1 || l.b1 < k.a0) {
				continue
			}
			t.reach = append(t.reach, reach{list: l.list, listing: n, g: g, gone: l.b1, back: ft.back(k, l, t.b)})
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
