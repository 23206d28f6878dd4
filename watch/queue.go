package watch

import (
	"sync"
	"time"

	"repwatch/checks"
)

// queue holds the looks that are wanted. One key is looked at by one look at a
// time; an ask takes the place of one that waits under the same key. It is safe for concurrent use.
type queue struct {
	mu      sync.Mutex
	waiting map[string]checks.Ask
	running map[string]bool
	changed chan struct{} // holds a token when there may be something new
}

func newQueue() *queue {
	return &queue{waiting: map[string]checks.Ask{}, running: map[string]bool{}, changed: make(chan struct{}, 1)}
}

// add wants looks. Of two asks with one key the earlier moment counts; a scheduled
// one that is under way, or waits, is not asked for again.
func (q *queue) add(asks ...checks.Ask) {
	q.mu.Lock()
	for _, a := range asks {
		key := a.Key()
		old, waits := q.waiting[key]
		switch {
		case a.Why == checks.WhySchedule && (waits || q.running[key]):
			continue
		case waits && old.At.Before(a.At):
			a.At = old.At
		}
		q.waiting[key] = a
	}
	q.mu.Unlock()
	q.poke()
}

func (q *queue) poke() {
	select {
	case q.changed <- struct{}{}:
	default:
	}
}

// take gives the look that has been due for longest, and marks it as under way. Without
// one, wait is how long until the next is due; negative: none waits.
func (q *queue) take(now time.Time) (a checks.Ask, ok bool, wait time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	best := ""
	for key, w := range q.waiting {
		if q.running[key] {
			continue
		}
		if best == "" || w.At.Before(q.waiting[best].At) || w.At.Equal(q.waiting[best].At) && key < best {
			best = key
		}
	}
	if best == "" {
		return checks.Ask{}, false, -1
	}
	a = q.waiting[best]
	if wait := a.At.Sub(now); wait > 0 {
		return checks.Ask{}, false, wait
	}
	delete(q.waiting, best)
	q.running[best] = true
	return a, true, 0
}

// done says that a look is over; one that repeats waits for its next turn.
func (q *queue) done(a checks.Ask, now time.Time, again bool) {
	q.mu.Lock()
	key := a.Key()
	delete(q.running, key)
	if next := now.Add(a.Every); again && a.Every > 0 && next.Before(a.Until) {
		if _, waits := q.waiting[key]; !waits {
			a.At = next
			q.waiting[key] = a
		}
	}
	q.mu.Unlock()
	q.poke()
}

// giveBack says that a look was given up before it told anything; it waits again, unless
// another of its key does.
func (q *queue) giveBack(a checks.Ask) {
	q.mu.Lock()
	key := a.Key()
	delete(q.running, key)
	if _, waits := q.waiting[key]; !waits {
		q.waiting[key] = a
	}
	q.mu.Unlock()
	q.poke()
}

// list are the looks that wait, in no order, and how many are under way.
func (q *queue) list() (waiting []checks.Ask, running int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, a := range q.waiting {
		waiting = append(waiting, a)
	}
	return waiting, len(q.running)
}
