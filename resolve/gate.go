package resolve

import (
	"slices"
	"time"
)

// gate hands out the slots of one server: first come, first served, except that
// no zone may take what others need. It is not safe for concurrent use; the server locks.
type gate struct {
	limit   int // the window's size
	unknown int // cap of a zone that has not answered yet
	used    int
	shares  map[*zone]*share
	waiting []*share // those with a queue
}

// share is one zone's part of one server. The nil zone, ordinary names, has no cap.
type share struct {
	zone   *zone
	used   int
	proven bool // it answered, and not only timed out since
	silent int  // timeouts in a row
	queue  []*waiter

	answeredAt, silentAt time.Time
}

// waiter is a question that waits for a slot. Questions queue by age, so that a
// retry comes before questions that were asked later.
type waiter struct {
	share   *share
	age     uint64
	ready   chan struct{} // has room for one
	granted bool
}

// loseProof is how many timeouts in a row make a zone as good as unknown again.
const loseProof = 4

func newGate(limit, unknown int) gate {
	return gate{limit: limit, unknown: unknown, shares: map[*zone]*share{}}
}

func (g *gate) share(z *zone) *share {
	s := g.shares[z]
	if s == nil {
		s = &share{zone: z}
		g.shares[z] = s
	}
	return s
}

// enter takes a slot for w, now (granted is set) or later (ready gets a value).
func (g *gate) enter(w *waiter) {
	s := w.share
	if len(s.queue) == 0 {
		g.waiting = append(g.waiting, s)
	}
	at, _ := slices.BinarySearchFunc(s.queue, w.age, func(o *waiter, age uint64) int {
		if o.age < age {
			return -1
		}
		return 1
	})
	s.queue = slices.Insert(s.queue, at, w)
	g.grant()
}

// renew gives a slot back and asks for one for w at the same moment: no younger
// question comes between, as it would if eight questions of a dead zone left first.
func (g *gate) renew(old *share, w *waiter) {
	old.used--
	g.used--
	g.enter(w)
}

// quit ends a wait, or gives the slot back if it came at the same moment.
func (g *gate) quit(w *waiter) {
	if w.granted {
		g.leave(w.share)
		return
	}
	if at := slices.Index(w.share.queue, w); at >= 0 {
		g.unqueue(w.share, at)
	}
	g.grant()
}

// leave gives a slot back.
func (g *gate) leave(s *share) {
	s.used--
	g.used--
	g.grant()
}

func (g *gate) grant() {
	for g.used < g.limit {
		s := g.next()
		if s == nil {
			return
		}
		w := s.queue[0]
		g.unqueue(s, 0)
		s.used++
		g.used++
		w.granted = true
		w.ready <- struct{}{}
	}
}

// next is whose turn it is: the oldest question of a zone below its cap. Where
// none is, a proven zone may go on up to the whole window: nobody else can use it.
func (g *gate) next() *share {
	var fair, spare *share
	for _, s := range g.waiting {
		switch {
		case s.used < g.cap(s):
			fair = older(fair, s)
		case s.proven:
			spare = older(spare, s)
		}
	}
	if fair != nil {
		return fair
	}
	return spare
}

// cap is what a zone may hold while others wait. A quarter of a small window
// still leaves room beside four dead zones.
func (g *gate) cap(s *share) int {
	switch {
	case s.zone == nil:
		return g.limit
	case s.proven:
		return max(1, g.limit/2)
	default:
		return max(1, min(g.unknown, g.limit/4))
	}
}

func older(a, b *share) *share {
	if a == nil || b.queue[0].age < a.queue[0].age {
		return b
	}
	return a
}

func (g *gate) unqueue(s *share, at int) {
	if at == 0 {
		s.queue[0] = nil
		s.queue = s.queue[1:] // the common case must not move the rest
	} else {
		s.queue = slices.Delete(s.queue, at, at+1)
	}
	if len(s.queue) == 0 {
		s.queue = nil
		g.waiting = slices.DeleteFunc(g.waiting, func(o *share) bool { return o == s })
	}
}

func (g *gate) waiters() (n int) {
	for _, s := range g.waiting {
		n += len(s.queue)
	}
	return n
}

func (s *share) answered(now time.Time) {
	s.proven, s.silent, s.answeredAt = true, 0, now
}

func (s *share) timedOut(now time.Time) {
	s.silentAt = now
	if s.silent++; s.silent >= loseProof {
		s.proven = false
	}
}

// blames reports whether the loss of a question of s, sent at sentAt, speaks of
// the server rather than of the zone: the zone answered others meanwhile, or
// several zones fell silent since and they outnumber those that answered.
func (g *gate) blames(s *share, sentAt time.Time) bool {
	if s.answeredAt.After(sentAt) {
		return true
	}
	silent, alive := 0, 0
	for _, o := range g.shares {
		switch {
		case o.answeredAt.After(sentAt):
			alive++
		case o.silentAt.After(sentAt):
			silent++
		}
	}
	return silent >= 2 && silent > alive
}
