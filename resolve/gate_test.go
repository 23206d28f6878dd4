package resolve

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// queue enters n questions of a zone and returns them; ages go up with each.
func queue(g *gate, z *zone, n int, age *uint64) []*waiter {
	var out []*waiter
	for range n {
		*age++
		w := &waiter{share: g.share(z), age: *age, ready: make(chan struct{}, 1)}
		g.enter(w)
		out = append(out, w)
	}
	return out
}

func granted(ws []*waiter) (n int) {
	for _, w := range ws {
		if w.granted {
			n++
		}
	}
	return n
}

func TestGateCaps(t *testing.T) {
	dead, good, other := &zone{id: "dead"}, &zone{id: "good"}, &zone{id: "other"}
	for _, c := range []struct {
		name      string
		limit     int
		proven    []*zone
		questions []*zone // 100 of each, in this order
		want      []int   // slots each got
	}{
		{"a zone that never answered", 64, nil, []*zone{dead}, []int{8}},
		{"two of them", 64, nil, []*zone{dead, other}, []int{8, 8}},
		{"it in a small window", 8, nil, []*zone{dead}, []int{2}},
		{"it in the smallest window", 1, nil, []*zone{dead}, []int{1}},
		{"a proven zone alone", 64, []*zone{good}, []*zone{good}, []int{64}},
		{"a proven zone after a dead one", 64, []*zone{good}, []*zone{dead, good}, []int{8, 56}},
		{"ordinary names have no cap", 64, nil, []*zone{nil}, []int{64}},
		{"ordinary names after a dead zone", 64, nil, []*zone{dead, nil}, []int{8, 56}},
	} {
		g := newGate(c.limit, 8)
		for _, z := range c.proven {
			g.share(z).answered(t0)
		}
		var age uint64
		for i, z := range c.questions {
			if got := granted(queue(&g, z, 100, &age)); got != c.want[i] {
				t.Errorf("%s: zone %d holds %d slots, want %d", c.name, i, got, c.want[i])
			}
		}
	}
}

// While another zone waits, a proven zone is not given more than half.
func TestGateSharesWithOthersThatWait(t *testing.T) {
	a, b := &zone{id: "a"}, &zone{id: "b"}
	g := newGate(16, 8)
	g.share(a).answered(t0)
	g.share(b).answered(t0)
	var age uint64
	as := queue(&g, a, 100, &age)
	bs := queue(&g, b, 100, &age)
	if granted(as) != 16 || granted(bs) != 0 {
		t.Fatalf("a took %d, b %d", granted(as), granted(bs))
	}
	for range 40 { // a's questions end one after the other
		g.leave(g.share(a))
		if g.share(a).used <= 8 {
			break
		}
	}
	if g.share(a).used != 8 || g.share(b).used != 8 {
		t.Errorf("a holds %d and b %d of 16", g.share(a).used, g.share(b).used)
	}
}

func TestGateIsFairByAge(t *testing.T) {
	a, b := &zone{id: "a"}, &zone{id: "b"}
	g := newGate(2, 8)
	var age uint64
	queue(&g, nil, 2, &age)
	first := queue(&g, a, 1, &age)[0]
	second := queue(&g, b, 1, &age)[0]
	third := queue(&g, nil, 1, &age)[0]
	retry := &waiter{share: g.share(b), age: 1, ready: make(chan struct{}, 1)}
	g.enter(retry)
	for i, w := range []*waiter{retry, first, third, second} {
		// b holds its one slot of two (a quarter, at least one) until the retry ends.
		if w.granted {
			t.Fatalf("number %d was granted too early", i)
		}
		if i == 3 {
			g.leave(g.share(b))
		} else {
			g.leave(g.share(nil))
		}
		if i == 2 {
			continue
		}
		if !w.granted {
			t.Fatalf("number %d was not granted in its turn", i)
		}
	}
}

// A retry keeps its slot although younger questions wait, unless an older one
// does or the window shrank.
func TestGateRenew(t *testing.T) {
	for _, c := range []struct {
		name      string
		limit     int
		ages      []uint64 // of those that wait
		want      bool
		wantFirst bool // the first waiting one has a slot instead
	}{
		{"nobody waits", 4, nil, true, false},
		{"younger ones wait", 4, []uint64{12, 13}, true, false},
		{"an older one waits", 4, []uint64{1, 13}, false, true},
		{"the window shrank", 2, []uint64{12}, false, false},
	} {
		g := newGate(4, 8)
		z := &zone{}
		g.share(z).answered(t0)
		age := uint64(5)
		queue(&g, z, 4, &age)
		var waiting []*waiter
		for _, a := range c.ages {
			a--
			waiting = append(waiting, queue(&g, z, 1, &a)...)
		}
		g.limit = c.limit
		retry := &waiter{share: g.share(z), age: 6, ready: make(chan struct{}, 1)}
		g.renew(g.share(z), retry)
		if retry.granted != c.want || len(waiting) > 0 && waiting[0].granted != c.wantFirst {
			t.Errorf("%s: granted %v, others %d", c.name, retry.granted, granted(waiting))
		}
	}
}

func TestGateLosesProof(t *testing.T) {
	s := &share{zone: &zone{}}
	s.answered(t0)
	for range loseProof - 1 {
		s.timedOut(t0)
	}
	if !s.proven {
		t.Error("a few timeouts are no proof of death")
	}
	s.timedOut(t0)
	if s.proven {
		t.Error("a zone that only times out must be capped again")
	}
	s.answered(t0)
	if !s.proven || s.silent != 0 {
		t.Error("an answer proves a zone again")
	}
}

// A loss speaks of the server only when it cannot be one zone's own trouble.
func TestGateBlames(t *testing.T) {
	before, after := t0.Add(-time.Second), t0.Add(time.Second)
	zones := []*zone{{id: "a"}, {id: "b"}, {id: "c"}, {id: "d"}}
	for _, c := range []struct {
		name               string
		answered, timedOut map[int]time.Time // a's question, sent at t0, is lost
		want               bool
	}{
		{"alone", nil, map[int]time.Time{0: after}, false},
		{"the zone answered others meanwhile", map[int]time.Time{0: after}, map[int]time.Time{0: after}, true},
		{"it answered, but before", map[int]time.Time{0: before}, map[int]time.Time{0: after}, false},
		{"one dead list among living", map[int]time.Time{1: after, 2: after}, map[int]time.Time{0: after}, false},
		{"two dead lists among two living", map[int]time.Time{2: after, 3: after}, map[int]time.Time{0: after, 1: after}, false},
		{"two silent, one alive", map[int]time.Time{2: after}, map[int]time.Time{0: after, 1: after}, true},
		{"two silent, but the other before", nil, map[int]time.Time{0: after, 1: before}, false},
	} {
		g := newGate(64, 8)
		for i, at := range c.timedOut {
			g.share(zones[i]).timedOut(at)
		}
		for i, at := range c.answered {
			g.share(zones[i]).answered(at)
		}
		if got := g.blames(g.share(zones[0]), t0); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

// Whatever happens: slots add up, no zone exceeds its share while others could
// use it, nobody overtakes within a zone, and no slot idles that somebody may take.
func TestGateInvariants(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		zones := []*zone{nil, {id: "a"}, {id: "b"}, {id: "c"}}
		g := newGate(rapid.IntRange(1, 40).Draw(t, "limit"), 8)
		var waiting, holding []*waiter
		var age uint64
		t.Repeat(map[string]func(*rapid.T){
			"enter": func(t *rapid.T) {
				age++
				w := &waiter{share: g.share(rapid.SampledFrom(zones).Draw(t, "zone")), age: age, ready: make(chan struct{}, 1)}
				waiting = append(waiting, w)
				g.enter(w)
			},
			"leave": func(t *rapid.T) {
				if len(holding) > 0 {
					i := rapid.IntRange(0, len(holding)-1).Draw(t, "which")
					g.leave(holding[i].share)
					holding = append(holding[:i:i], holding[i+1:]...)
				}
			},
			"quit": func(t *rapid.T) {
				if len(waiting) > 0 {
					i := rapid.IntRange(0, len(waiting)-1).Draw(t, "which")
					g.quit(waiting[i])
					waiting = append(waiting[:i:i], waiting[i+1:]...)
				}
			},
			"answer":  func(t *rapid.T) { g.share(rapid.SampledFrom(zones).Draw(t, "zone")).answered(t0); g.grant() },
			"timeout": func(t *rapid.T) { g.share(rapid.SampledFrom(zones).Draw(t, "zone")).timedOut(t0) },
			"resize":  func(t *rapid.T) { g.limit = rapid.IntRange(1, 40).Draw(t, "limit"); g.grant() },
			"": func(t *rapid.T) {
				var still []*waiter
				for _, w := range waiting {
					if w.granted {
						holding = append(holding, w)
					} else {
						still = append(still, w)
					}
				}
				waiting = still
				checkGate(t, &g, zones, holding, waiting)
			},
		})
	})
}

func checkGate(t *rapid.T, g *gate, zones []*zone, holding, waiting []*waiter) {
	if g.used != len(holding) || g.waiters() != len(waiting) {
		t.Fatalf("used %d of %d, waiting %d of %d", g.used, len(holding), g.waiters(), len(waiting))
	}
	sum := 0
	for _, z := range zones {
		s := g.share(z)
		sum += s.used
		for i := 1; i < len(s.queue); i++ {
			if s.queue[i-1].age >= s.queue[i].age {
				t.Fatal("the queue is not by age")
			}
		}
		if len(s.queue) > 0 && g.used < g.limit && (s.proven || z == nil || s.used < g.cap(s)) {
			t.Fatalf("a slot idles: %d of %d, zone holds %d of %d", g.used, g.limit, s.used, g.cap(s))
		}
	}
	if sum != g.used {
		t.Fatalf("shares hold %d, the gate %d", sum, g.used)
	}
}
