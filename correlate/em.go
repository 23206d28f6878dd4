package correlate

import "math"

// attribute is the E step: what took each loss, under the current belief.
func (ft *fitter) attribute() {
	for i := range ft.terms {
		t := &ft.terms[i]
		k := &ft.h.losses[t.loss]
		listed, co := ft.f.hazards(t, k)
		total := listed + co + ft.f.otherwise(t)
		t.explained = listed / total
		t.unexplained = ft.f.mu * t.w * t.b / total
	}
	ft.f.mu = ft.rate()
}

// otherwise is the hazard of the loss if this partner reacted to nothing: the
// background, a change for everyone, a fault on the path.
func (f *fit) otherwise(t *term) float64 { return (f.mu + t.wide + t.path) * t.w * t.b }

// hazards of a loss from this partner's reactions: to listings, and to the abuse itself.
func (f *fit) hazards(t *term, k *loss) (listed, co float64) {
	for i := range f.subs {
		s := &f.subs[i]
		if s.p < 1e-12 {
			continue
		}
		if s.mask != 0 {
			onset, h := reaction(t, k, s.mask, s.q)
			listed += s.p * onset * h
		}
		if s.co {
			co += s.p * (s.qc[0]*t.u[0] + s.qc[1]*t.u[1]) * t.b
		}
	}
	return listed, co
}

// share splits the listing hazard over the listings within reach, in proportion to how well each explains the onset.
func (f *fit) share(t *term, k *loss, out []float64) {
	for i := range out {
		out[i] = 0
	}
	for i := range f.subs {
		s := &f.subs[i]
		if s.mask == 0 || s.p < 1e-12 {
			continue
		}
		onset, h := reaction(t, k, s.mask, s.q)
		if onset*h == 0 {
			continue
		}
		total := 0.0
		for j := range t.reach {
			if r := &t.reach[j]; r.cand >= 0 && s.mask&(1<<r.cand) != 0 {
				total += r.g
			}
		}
		for j := range t.reach {
			if r := &t.reach[j]; r.cand >= 0 && s.mask&(1<<r.cand) != 0 {
				out[j] += s.p * onset * h * r.g / total
			}
		}
	}
}

// learn is the M step: the kernels, pulled towards the prior one.
func (ft *fitter) learn() {
	var g, h, part [bins]float64
	for i := range ft.terms {
		t := &ft.terms[i]
		if t.explained < 1e-6 {
			continue
		}
		k := &ft.h.losses[t.loss]
		parts := make([]float64, len(t.reach))
		ft.f.share(t, k, parts)
		total := 0.0
		for _, x := range parts {
			total += x
		}
		for j := range t.reach {
			w := t.explained * parts[j] / total
			if w < 1e-6 {
				continue
			}
			l := &ft.h.listings[t.reach[j].listing]
			spread(&g, w, ft.f.g.hitBins(l.a0, l.a1, k.a0, k.a1, &part), &part)
			if !k.open() && !l.open() {
				spread(&h, w, ft.f.h.hitBins(l.b0, l.b1, k.b0, k.b1, &part), &part)
			}
		}
	}
	ft.f.lagSeen, ft.f.recSeen = seenKernel(&g), seenKernel(&h)
	for i := range g {
		g[i] += kernelWeight * priorKernel.mass[i]
		h[i] += kernelWeight * priorKernel.mass[i]
	}
	ft.f.g, ft.f.h = newKernel(&g), newKernel(&h)
}

// seenKernel is what was seen, without the prior; nil when that is less than two delays.
func seenKernel(mass *[bins]float64) *kernel {
	total := 0.0
	for _, m := range mass {
		total += m
	}
	if total < supportNeeded-.5 {
		return nil
	}
	return newKernel(mass)
}

func spread(to *[bins]float64, weight, total float64, part *[bins]float64) {
	if total <= 0 {
		return
	}
	for i := range part {
		to[i] += weight * part[i] / total
	}
}

// missesOf counts the listings of a list that had their time and broke nothing here.
func (ft *fitter) missesOf(list int) int {
	n := 0
	for _, i := range ft.h.ofList[list] {
		l := &ft.h.listings[i]
		if ft.silent(l) {
			n++
		}
	}
	return n
}

// silent: the listing had its time, somebody looked, and nothing broke.
func (ft *fitter) silent(l *listing) bool {
	return ft.now >= l.a1+maxLag && ft.long(l) && !ft.reacted(l.ip, l.list, l.a0, l.a1+maxLag, &l.span)
}

// long says whether the listing lasted long enough to be reacted to, and for a look to show it.
func (ft *fitter) long(l *listing) bool {
	every, looked := ft.h.between(pairOf(l.ip, ft.p))
	if !looked {
		return false
	}
	if every <= regular {
		return l.open() || l.lasted() >= shortListing
	}
	if l.open() {
		return ft.now-l.a1 >= every
	}
	return l.lasted() >= every
}

// reacted says whether the pair was lost in the window, or had been lost before (and could not show a reaction).
func (ft *fitter) reacted(ip, list int, from, to float64, onset *span) bool {
	pair := ft.h.ofPair[pairOf(ip, ft.p)]
	for n := len(pair) - 1; n >= 0; n-- {
		k := &ft.h.losses[pair[n]]
		if list >= 0 && ft.h.denied(pair[n], list) {
			continue
		}
		if k.a1 > from && k.a0 < to || k.a0 < onset.a1 && k.b1 > onset.a0 {
			return true
		}
	}
	return false
}

// coMisses counts the episodes, by kind, that broke nothing here.
func (ft *fitter) coMisses() (n [2]int) {
	for ip := range ft.h.ips.texts {
		if every, looked := ft.h.between(pairOf(ip, ft.p)); !looked || every > regular {
			continue
		}
		for _, e := range ft.h.episodes(ip) {
			onset := span{a0: e.lo, a1: e.hi}
			if ft.now >= e.hi+coCauseAfter && !ft.reacted(ip, -1, e.lo-coCauseBefore, e.hi+coCauseAfter, &onset) {
				n[e.kind()]++
			}
		}
	}
	return n
}

// abuse is u: how well the onset fits the abuse behind an episode, by kind of episode.
func (ft *fitter) abuse(k *loss) (u [2]float64) {
	for _, e := range ft.h.episodes(k.ip) {
		i := e.kind()
		u[i] = math.Max(u[i], coCause(&e, &k.span))
	}
	return u
}
