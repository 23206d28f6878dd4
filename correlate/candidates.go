package correlate

import "math"

// choose picks the candidates: the lists that, each alone, explain the losses best.
func (ft *fitter) choose() {
	n := len(ft.h.lists.texts)
	score, fits := make([]float64, n), make([]float64, n)
	seen := make([]bool, n)
	for i := range ft.terms {
		t := &ft.terms[i]
		k := &ft.h.losses[t.loss]
		clear(fits)
		for j := range t.reach {
			if r := &t.reach[j]; r.g > 0 {
				fits[r.list] = math.Max(fits[r.list], r.g*reversal(k, r, true, t.b)*t.silenced)
			}
		}
		for l, x := range fits {
			if x > 0 {
				seen[l] = true
				score[l] += math.Log1p(typicalQ * x / ft.f.otherwise(t))
			}
		}
	}
	for l := range n {
		if p := ft.prior[l]; p != edgePrior {
			seen[l] = true
			score[l] += logit(p) - logit(edgePrior)
		}
		if seen[l] {
			score[l] += float64(ft.missesOf(l)) * math.Log(1-typicalQ)
		}
	}
	ft.f.cand = best(score, seen, maxCandidates)
	ft.index()
}

const typicalQ = 0.75

func logit(p float64) float64 { return math.Log(p / (1 - p)) }

// best returns up to n ids with the highest scores, the highest first; the lower id wins a tie.
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
	ft.f.misses = ft.f.misses[:0]
	for i, l := range ft.f.cand {
		num[l] = i
		ft.f.misses = append(ft.f.misses, ft.missesOf(l))
	}
	for i := range ft.terms {
		t := &ft.terms[i]
		t.within = 0
		for j := range t.reach {
			r := &t.reach[j]
			r.cand = num[r.list]
			if r.cand >= 0 {
				t.within |= 1 << r.cand
			}
		}
	}
	ft.f.coMiss = ft.coMisses()
}
