package correlate

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// Standing is how sure an edge is.
type Standing string

const (
	Learned   Standing = "learned"   // PIP >= .9 with at least two supporting losses, or told so by a reply
	Suspected Standing = "suspected" // PIP >= .5
	Weak      Standing = "weak"
	Retired   Standing = "retired" // was learned; the partner has stopped reacting
)

const (
	learnedFrom, suspectedFrom, retiredBelow = .9, .5, .3
	supportNeeded                            = 2
	oneLossPIP                               = 0.89  // the most that is said of an edge that one loss supports
	policyChange                             = 0.005 // chance, per listing, that a partner's policy changed before it
)

// Edge is what is believed of one partner and one list.
type Edge struct {
	Partner, List string
	Standing      Standing
	PIP           float64 // probability that the partner reacts, or reacted, to the list
	Alive         float64 // probability that it still does
	Strength      float64 // q: chance that one listing is answered
	Fired         int     // listings that had their time while the pair could react
	Followed      int     // of these, how many were answered
	Low, High     float64 // 95 % Jeffreys interval of Followed of Fired
	Restored      int     // answered listings after whose end the capability came back in time
	Ended         int     // of those that have ended
	Lag, Recovery Range
}

// Range is a span of minutes: the 10 % and 90 % points of a delay. When the
// looks were too far apart to tell, Fine is false and High is the most it can be.
type Range struct {
	Low, High float64
	Fine      bool
}

// Edges returns what has been learned with PIP of at least min, by partner and list name.
func (c *Correlator) Edges(now time.Time, min float64) []Edge {
	var out []Edge
	at := math.Max(minutes(now), c.h.now)
	for p := range c.h.partners.texts {
		f := c.fitOf(p, at)
		for i := range f.cand {
			if f.pip[i] >= min {
				out = append(out, c.edge(p, i, f))
			}
		}
	}
	slices.SortFunc(out, func(a, b Edge) int {
		return cmp.Or(cmp.Compare(a.Partner, b.Partner), cmp.Compare(a.List, b.List))
	})
	return out
}

func (c *Correlator) edge(p, cand int, f *fit) Edge {
	list := f.cand[cand]
	e := Edge{Partner: c.h.partners.texts[p], List: c.h.lists.texts[list], PIP: f.pip[cand], Strength: f.strength(cand)}
	ft := &fitter{h: c.h, p: p, now: f.asOf, f: f}
	record := ft.record(list)
	for _, r := range record {
		e.Fired++
		if r.answered {
			e.Followed++
		}
		if r.ended {
			e.Ended++
		}
		if r.restored {
			e.Restored++
		}
	}
	e.Low, e.High = jeffreys(e.Followed, e.Fired)
	e.Alive = alive(record)
	e.Lag, e.Recovery = ft.ranges(record)
	if e.Followed < supportNeeded && !c.wasNamed(p, list) {
		e.PIP = math.Min(e.PIP, oneLossPIP)
	}
	e.Standing = standing(&e)
	return e
}

func standing(e *Edge) Standing {
	switch {
	case e.PIP >= learnedFrom && e.PIP*e.Alive < retiredBelow:
		return Retired
	case e.PIP >= learnedFrom:
		return Learned
	case e.PIP >= suspectedFrom:
		return Suspected
	default:
		return Weak
	}
}

// wasNamed says whether a reply of the partner ever named the list.
func (c *Correlator) wasNamed(p, list int) bool {
	for ip := range c.h.ips.texts {
		if c.h.wasNamed(ip, p, list) {
			return true
		}
	}
	return false
}

// strength is the posterior mean of q, given that the partner reacts to the candidate.
func (f *fit) strength(cand int) float64 {
	sum, weight := 0.0, 0.0
	for i := range f.subs {
		if s := &f.subs[i]; s.mask&(1<<cand) != 0 {
			sum += s.p * s.q
			weight += s.p
		}
	}
	if weight == 0 {
		return 0
	}
	return sum / weight
}

// fired is what became of one listing.
type fired struct {
	listing, loss             int // loss -1: not answered
	answered, ended, restored bool
}

// record goes through the listings of a list in order of onset: what the partner made of each.
func (ft *fitter) record(list int) []fired {
	var out []fired
	by := ft.blamed(list)
	for _, i := range ft.h.ofList[list] {
		l := &ft.h.listings[i]
		if k, ok := by[i]; ok {
			loss := &ft.h.losses[k]
			r := fired{listing: i, loss: k, answered: true, ended: !l.open() && !loss.open()}
			r.restored = r.ended && ft.f.h.hit(l.b0, l.b1, loss.b0, loss.b1) > 0
			out = append(out, r)
			continue
		}
		if ft.silent(l) {
			out = append(out, fired{listing: i, loss: -1})
		}
	}
	return out
}

// blamed maps the listings of a list to the losses most probably theirs.
func (ft *fitter) blamed(list int) map[int]int {
	out := map[int]int{}
	for i := range ft.f.terms {
		t := &ft.f.terms[i]
		if t.explained < .5 {
			continue
		}
		parts := make([]float64, len(t.reach))
		ft.f.share(t, &ft.h.losses[t.loss], parts)
		top, total := 0, 0.0
		for j, x := range parts {
			total += x
			if x > parts[top] {
				top = j
			}
		}
		if total > 0 && t.explained*parts[top]/total >= .5 && t.reach[top].list == list {
			out[t.reach[top].listing] = t.loss
		}
	}
	return out
}

// alive is the probability that the partner still reacts, after the listings
// since the last answer went by in silence. Before each of them its policy may
// have changed; what it did before says how likely such silence is otherwise.
func alive(record []fired) float64 {
	silent, answered := 0, 0
	for i := len(record) - 1; i >= 0 && !record[i].answered; i-- {
		silent++
	}
	before := len(record) - silent
	for _, r := range record {
		if r.answered {
			answered++
		}
	}
	var weight [len(qGrid)]float64
	total := 0.0
	for i, q := range qGrid {
		weight[i] = qPrior[i] * math.Pow(q, float64(answered)) * math.Pow(1-q, float64(before-answered))
		total += weight[i]
	}
	quiet := func(n int) (p float64) {
		for i, q := range qGrid {
			p += weight[i] / total * math.Pow(1-q, float64(n))
		}
		return p * math.Pow(1-policyChange, float64(n))
	}
	changed := 0.0
	for n := range silent {
		changed += policyChange * quiet(n)
	}
	return quiet(silent) / (quiet(silent) + changed)
}

// ranges are the learned delays, but no finer than the brackets allow.
func (ft *fitter) ranges(record []fired) (lag, rec Range) {
	var lags, recs, widest float64
	for _, r := range record {
		if !r.answered {
			continue
		}
		l, k := &ft.h.listings[r.listing], &ft.h.losses[r.loss]
		widest = math.Max(widest, k.a1-k.a0)
		if l.a1-l.a0+k.a1-k.a0 <= tellingWidth {
			lags++
		}
		if r.ended && l.b1-l.b0+k.b1-k.b0 <= tellingWidth {
			recs++
		}
	}
	coarse := Range{0, math.Max(widest, probeEvery), false}
	return fine(ft.f.lagSeen, lags, coarse), fine(ft.f.recSeen, recs, coarse)
}

func fine(k *kernel, sharp float64, coarse Range) Range {
	if k == nil || sharp < supportNeeded {
		return coarse
	}
	return Range{k.quantile(.1), k.quantile(.9), true}
}

// tellingWidth is the widest pair of brackets, in minutes together, that says something about a delay.
const tellingWidth = 40
