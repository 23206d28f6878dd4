package resolve

import (
	"sync"
	"time"
)

// breaker keeps a zone that does not answer from being asked. It is pure: time comes in.
type breaker struct {
	limit      int           // unanswered questions in a row that open it
	first, max time.Duration // back-off

	failures int
	backoff  time.Duration
	until    time.Time // asked again from then on; zero while closed
	trial    bool      // the one question of the half-open state is on its way
}

// admit says whether a question may be asked now, and whether it is the trial.
func (b *breaker) admit(now time.Time) (ok, trial bool) {
	switch {
	case b.until.IsZero():
		return true, false
	case b.trial || now.Before(b.until):
		return false, false
	}
	b.trial = true
	return true, true
}

// answered closes it and reports whether it was open.
func (b *breaker) answered() (wasOpen bool) {
	wasOpen = !b.until.IsZero()
	b.failures, b.backoff, b.until, b.trial = 0, 0, time.Time{}, false
	return wasOpen
}

// failed counts an unanswered question and reports whether it opened the
// breaker (again). noise in [0,1) spreads the back-off from 80 to 120 %, so
// that lists that died together are not tried together.
func (b *breaker) failed(now time.Time, trial bool, noise float64) (opened bool) {
	b.failures++
	if trial {
		b.trial = false
	} else if !b.until.IsZero() || b.failures < b.limit {
		return false // what was on its way when it opened says nothing new
	}
	b.backoff = min(max(2*b.backoff, b.first), b.max)
	b.until = now.Add(time.Duration(float64(b.backoff) * (0.8 + 0.4*noise)))
	return true
}

// dropped says that a question ended without telling anything (canceled).
func (b *breaker) dropped(trial bool) {
	if trial {
		b.trial = false
	}
}

// zone is a group of questions with one fate: a list asked through one set of servers.
type zone struct {
	id string

	mu     sync.Mutex
	b      breaker
	broken chan struct{} // closed while the breaker is open
}

// admit is breaker.admit; broken tells an admitted question when to give up.
// The trial has none: it decides itself; nor has a question that insists.
func (z *zone) admit(now time.Time, insist bool) (ok, trial bool, broken <-chan struct{}, retryIn time.Duration) {
	if z == nil || insist {
		return true, false, nil, 0
	}
	z.mu.Lock()
	defer z.mu.Unlock()
	ok, trial = z.b.admit(now)
	if !ok {
		return false, false, nil, z.retryIn(now)
	}
	if trial {
		return true, true, nil, 0
	}
	return true, false, z.broken, 0
}

func (z *zone) retryIn(now time.Time) time.Duration {
	return max(z.b.until.Sub(now), time.Second)
}

// ended is how a question of a zone can end, for its breaker.
type ended int

const (
	endedUntold ended = iota // canceled, our network: says nothing of the zone
	endedAnswered
	endedSilent
)

// settle reports whether the breaker changed.
func (z *zone) settle(now time.Time, how ended, trial bool, noise float64) (opened, closed bool) {
	if z == nil {
		return false, false
	}
	z.mu.Lock()
	defer z.mu.Unlock()
	switch how {
	case endedAnswered:
		if closed = z.b.answered(); closed {
			z.broken = make(chan struct{})
		}
	case endedSilent:
		wasOpen := !z.b.until.IsZero()
		if opened = z.b.failed(now, trial, noise); opened && !wasOpen {
			close(z.broken)
		}
	default:
		z.b.dropped(trial)
	}
	return opened, closed
}
