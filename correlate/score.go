package correlate

import (
	"math"
	"math/bits"
)

// grid holds one value for each q (first index) without a co-cause and with each qc (second index).
type grid [len(qGrid)][1 + len(qcGrid)]float64

// factors are the likelihood ratios of one loss, by what the hypothesis shares with the lists within its reach.
type factors struct {
	term   *term
	masks  []uint8
	ratios []grid
}

// of returns the ratios of a mask; fresh ones are still to be filled in.
func (f *factors) of(mask uint8) (g *grid, fresh bool) {
	for i, m := range f.masks {
		if m == mask {
			return &f.ratios[i], false
		}
	}
	f.masks = append(f.masks, mask)
	f.ratios = append(f.ratios, grid{})
	return &f.ratios[len(f.ratios)-1], true
}

// score fills the posterior over all subsets of the candidates.
func (ft *fitter) score() {
	ft.tell()
	ft.f.subs = ft.f.subs[:0]
	weights := make([]float64, 0, 200)
	on, off := make([]float64, len(ft.f.cand)), make([]float64, len(ft.f.cand))
	for i, l := range ft.f.cand {
		p := ft.prior[l]
		on[i], off[i] = math.Log(p), math.Log(1-p)
	}
	for mask := range uint(1) << len(ft.f.cand) {
		if bits.OnesCount(mask) > maxSet {
			continue
		}
		prior := 0.0
		for i := range on {
			if mask&(1<<i) != 0 {
				prior += on[i]
			} else {
				prior += off[i]
			}
		}
		plain, co := ft.weigh(uint8(mask))
		weights = append(weights, prior+math.Log(1-coCausePrior)+plain.log(), prior+math.Log(coCausePrior)+co.log())
		ft.f.subs = append(ft.f.subs,
			subset{mask: uint8(mask), q: plain.q()},
			subset{mask: uint8(mask), co: true, q: co.q(), qc: co.qc()})
	}
	ft.normalise(weights)
}

// tell makes a table for every loss that can tell sets apart, and sums up in calm
// what the co-cause alone explains.
func (ft *fitter) tell() {
	ft.told, ft.calm = ft.told[:0], grid{}
	for i := range ft.terms {
		t := &ft.terms[i]
		if t.u[0]+t.u[1] > 0 {
			for j, r := range ft.unlisted(t) {
				log := math.Log(r)
				for i := range ft.calm {
					ft.calm[i][j] += log
				}
			}
		}
		if t.within != 0 {
			n := min(1<<bits.OnesCount8(t.within), 16) // more than 16 of the subsets are rare
			ft.told = append(ft.told, factors{t, make([]uint8, 0, n), make([]grid, 0, n)})
		}
	}
}

// weigh averages the likelihood of a set over the grids, without and with the co-cause.
func (ft *fitter) weigh(mask uint8) (plain, co mean) {
	misses := 0
	for i, n := range ft.f.misses {
		if mask&(1<<i) != 0 {
			misses += n
		}
	}
	l := ft.likelihood(mask)
	for i, q := range qGrid {
		base := logs.qPrior[i] + float64(misses)*logs.silent[i]
		plain.add(base+l[i][0], q, [2]float64{})
		for j, qc := range qcGrid {
			quiet := float64(ft.f.coMiss[0])*logs.calm[j][0] + float64(ft.f.coMiss[1])*logs.calm[j][1]
			co.add(base+logs.qcPrior[j]+quiet+l[i][1+j], q, qc)
		}
	}
	return plain, co
}

// logs of the grids: priors, and what one silent listing (episode) weighs.
var logs = func() (t struct {
	qPrior, silent [len(qGrid)]float64
	qcPrior        [len(qcGrid)]float64
	calm           [len(qcGrid)][2]float64
}) {
	for i, q := range qGrid {
		t.qPrior[i], t.silent[i] = math.Log(qPrior[i]), math.Log(1-q)
	}
	for j, qc := range qcGrid {
		t.qcPrior[j] = math.Log(qcPrior[j])
		t.calm[j] = [2]float64{math.Log(1 - qc[0]), math.Log(1 - qc[1])}
	}
	return t
}()

// likelihood is log L over the losses. Only losses within reach of the set tell it
// from the empty one.
func (ft *fitter) likelihood(mask uint8) grid {
	out := ft.calm
	var prod product
	for k := range ft.told {
		f := &ft.told[k]
		within := mask & f.term.within
		if within == 0 {
			continue
		}
		g, fresh := f.of(within)
		if fresh {
			ft.ratios(f.term, within, g)
		}
		prod.times(g)
	}
	prod.addLogs(&out)
	return out
}

// product multiplies grids: one logarithm a cell in the end instead of one a factor.
type product struct {
	cells  grid
	powers [len(qGrid)][1 + len(qcGrid)]int // of two, taken out of the cells
	n      int
}

// times multiplies a grid in. A factor is at most 2e18, so sixteen do not overflow.
func (p *product) times(g *grid) {
	if p.n == 0 {
		p.cells, p.n = *g, 1
		return
	}
	for i := range p.cells {
		for j := range p.cells[i] {
			p.cells[i][j] *= g[i][j]
		}
	}
	if p.n++; p.n%16 == 0 {
		p.rescale()
	}
}

func (p *product) rescale() {
	for i := range p.cells {
		for j := range p.cells[i] {
			frac, power := math.Frexp(p.cells[i][j])
			p.cells[i][j], p.powers[i][j] = frac, p.powers[i][j]+power
		}
	}
}

func (p *product) addLogs(to *grid) {
	if p.n == 0 {
		return
	}
	for i := range p.cells {
		for j := range p.cells[i] {
			to[i][j] += math.Log(p.cells[i][j]) + float64(p.powers[i][j])*math.Ln2
		}
	}
}

// ratios is how much better a set explains one loss than no list does, for each belief about the co-cause.
func (ft *fitter) ratios(t *term, mask uint8, g *grid) {
	k := &ft.h.losses[t.loss]
	none := ft.unlisted(t)
	scale := 1 / math.Max(1e-18, ft.f.otherwise(t))
	for i, q := range qGrid {
		onset, h := reaction(t, k, mask, q)
		for j := range g[i] {
			g[i][j] = 1 + scale*onset*h/none[j]
		}
	}
}

// unlisted is how much better each belief about the co-cause explains one loss than nothing does.
func (ft *fitter) unlisted(t *term) (r [1 + len(qcGrid)]float64) {
	scale := t.b / math.Max(1e-18, ft.f.otherwise(t))
	r[0] = 1
	for j, qc := range qcGrid {
		r[1+j] = 1 + scale*(qc[0]*t.u[0]+qc[1]*t.u[1])
	}
	return r
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
	for i, p := range ft.f.pip {
		ft.f.pip[i] = math.Min(1, p) // rounding
	}
}
