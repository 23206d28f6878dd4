package notify

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"repwatch/store"
)

// Times of a sender.
const (
	firstRetry   = time.Second
	maxRetry     = 5 * time.Minute
	retryRefused = 15 * time.Minute // after Hold and Skip
	downAfter    = 10 * time.Minute // of failing without one success
	drain        = 10 * time.Second // for a send under way when we stop
	storeRetry   = 30 * time.Second // after trouble with the store
	forever      = 1 << 62
)

// pulse is how a notifier does: a value, without clock or I/O.
type pulse struct {
	failures  int       // in a row
	since     time.Time // of the first of them
	notBefore time.Time // of the next attempt
	stopped   bool      // until somebody acts
	down      bool      // people were told
	why       string
	trouble   string // delivered, but not as configured
}

// fail is the pulse after an error; again is when the same alert may be tried
// next. luck in [0, 1) chooses within the jitter.
func (p pulse) fail(now time.Time, e *Error, luck float64) (next pulse, again time.Time) {
	p.failures++
	if p.since.IsZero() {
		p.since = now
	}
	p.why = e.Error()
	switch e.Kind {
	case Hold:
		again = now.Add(retryRefused)
		p.notBefore, p.down = again, true
	case Stop:
		again = now
		p.stopped, p.down = true, true
	case Skip:
		again = now.Add(max(e.After, firstRetry))
	default:
		again = now.Add(e.After)
		if e.After <= 0 {
			again = now.Add(backoff(p.failures, luck))
		}
		p.notBefore = again
	}
	return p.aged(now), again
}

// backoff doubles from firstRetry to maxRetry, and adds up to a quarter so that senders do not fall in step.
func backoff(failures int, luck float64) time.Duration {
	d := maxRetry
	if failures <= 9 { // 2^9 s are more than maxRetry
		d = min(maxRetry, firstRetry<<(failures-1))
	}
	return d + time.Duration(luck*float64(d)/4)
}

// aged is down once it has failed for long enough.
func (p pulse) aged(now time.Time) pulse {
	if !p.since.IsZero() && now.Sub(p.since) >= downAfter {
		p.down = true
	}
	return p
}

// succeed is the pulse after a delivery.
func (p pulse) succeed(r Receipt) pulse {
	trouble := r.Trouble
	if trouble == "" && r.Elsewhere {
		trouble = p.trouble
	}
	return pulse{down: trouble != "", why: trouble, trouble: trouble}
}

// sender is one notifier's goroutine.
type sender struct {
	Notifier
	db     *store.DB
	log    *slog.Logger
	health func(name string, down bool, why string)
	origin string
	luck   func() float64
	report func(week string) (Report, error) // builds a weekly report; nil: nobody does
	wake   chan struct{}

	mu    sync.Mutex
	pulse pulse

	clean map[uint64]int     // by seq: attempts that certainly did not get through
	done  map[uint64]Receipt // delivered, but the store could not be told yet
}

func (s *sender) run(ctx context.Context) {
	s.recall()
	for ctx.Err() == nil {
		wait := s.step(ctx, time.Now())
		if wait <= 0 {
			continue
		}
		t := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-s.wake:
		case <-t.C:
		}
		t.Stop()
	}
}

// recall takes up how the notifier did before a restart, so that its recovery is told.
func (s *sender) recall() {
	err := s.db.View(func(tx *store.Tx) error {
		n, _, err := tx.Notifiers().Get(s.Name())
		if n.Down {
			s.mu.Lock()
			s.pulse = pulse{down: true, why: n.Why, trouble: n.Why}
			s.mu.Unlock()
		}
		return err
	})
	if err != nil {
		s.log.Error("notifier: its state cannot be read", "notifier", s.Name(), "error", err)
	}
}

// step delivers one alert if it may, and says how long nothing is to be done.
func (s *sender) step(ctx context.Context, now time.Time) time.Duration {
	p := s.look()
	if p.stopped {
		return forever
	}
	if now.Before(p.notBefore) {
		p = s.settle(func(p pulse) pulse { return p.aged(now) })
		wait := p.notBefore.Sub(now)
		if due := p.since.Add(downAfter).Sub(now); !p.down && due > 0 {
			wait = min(wait, due)
		}
		return wait
	}
	q, ok, wake, err := s.db.NextAlert(s.Name(), now)
	switch {
	case err != nil:
		s.log.Error("notifier: the outbox cannot be read", "notifier", s.Name(), "error", err)
		return storeRetry
	case ok:
		return s.deliver(ctx, q)
	case wake.IsZero():
		return forever
	default:
		return max(wake.Sub(now), time.Millisecond)
	}
}

// deliver makes one attempt. It is recorded first: what is cut off now is known to be in doubt.
func (s *sender) deliver(ctx context.Context, q store.Queued) time.Duration {
	if r, ok := s.done[q.Seq]; ok {
		return s.delivered(q, r)
	}
	if err := s.db.Attempt(s.Name(), q.Seq, time.Now()); err != nil {
		s.log.Error("notifier: an attempt cannot be recorded, so it is not made", "notifier", s.Name(), "error", err)
		return storeRetry
	}
	sending, ok, err := s.prepare(q)
	if err != nil {
		s.log.Error("notifier: the outbox cannot be read", "notifier", s.Name(), "error", err)
		return storeRetry
	}
	if !ok { // withdrawn meanwhile
		return 0
	}
	sending.Report = s.build(sending.Alert)
	r, err := s.send(ctx, sending)
	if err == nil {
		return s.delivered(q, r)
	}
	return s.failed(q, r, asError(err))
}

// prepare reads the alert as it is now that nobody replaces it any more, and what belongs to it.
func (s *sender) prepare(q store.Queued) (sending Sending, ok bool, err error) {
	err = s.db.View(func(tx *store.Tx) error {
		for row := range tx.Pending(s.Name()) {
			if row.Seq == q.Seq {
				sending.Alert, ok = row.Alert, true
				sending.InDoubt = row.Attempts-1 > s.clean[q.Seq] // this one is recorded already
				break
			}
		}
		if !ok || q.Incident == "" {
			return nil
		}
		now, _, err := tx.Messages().Get(q.Incident)
		if err != nil {
			return err
		}
		h, known, err := tx.Handle(s.Name(), q.Incident)
		if sending.Now = now; known {
			sending.Handle = &h
		}
		return err
	})
	sending.Origin = s.origin
	return sending, ok, err
}

// send gives a send that is under way when ctx ends a little longer.
func (s *sender) send(ctx context.Context, sending Sending) (Receipt, error) {
	inner, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cancel(nil)
	defer context.AfterFunc(ctx, func() {
		t := time.AfterFunc(drain, func() { cancel(context.Cause(ctx)) })
		context.AfterFunc(inner, func() { t.Stop() })
	})()
	return s.Send(inner, sending)
}

func (s *sender) delivered(q store.Queued, r Receipt) time.Duration {
	if err := s.db.Delivered(s.Name(), q.Seq, time.Now(), r.Handle); err != nil {
		s.log.Error("notifier: a delivery cannot be recorded", "notifier", s.Name(), "incident", q.Incident, "error", err)
		s.done[q.Seq] = r // it must not be sent again
		return storeRetry
	}
	s.forget(q.Seq)
	s.settle(func(p pulse) pulse { return p.succeed(r) })
	s.note(func(n *store.Notifier) { n.LastOK, n.Failures = time.Now().UTC(), 0 })
	if r.Trouble != "" {
		s.log.Warn("notifier: delivered, but not as configured", "notifier", s.Name(), "why", r.Trouble)
	}
	return 0
}

func (s *sender) failed(q store.Queued, r Receipt, e *Error) time.Duration {
	now := time.Now()
	if e.Refused {
		s.clean[q.Seq]++
	}
	s.log.Warn("notifier: an alert could not be delivered", "notifier", s.Name(), "incident", q.Incident, "alert", string(q.Kind), "why", e.Words, "hint", e.Hint)
	if e.Kind == Drop {
		return s.drop(q, r, e)
	}
	var again time.Time
	p := s.settle(func(p pulse) (next pulse) {
		next, again = p.fail(now, e, s.luck())
		return next
	})
	err := s.keep(r.Handle)
	err = errors.Join(err, s.db.Failed(s.Name(), q.Seq, now, again, e.Error()))
	if err != nil {
		s.log.Error("notifier: a failure cannot be recorded", "notifier", s.Name(), "error", err)
	}
	s.note(func(n *store.Notifier) { n.LastFailure, n.Failures = now.UTC(), p.failures })
	if err != nil {
		return storeRetry
	}
	return 0
}

// drop gives a message up that no try could ever deliver. What was to be said is in the log.
func (s *sender) drop(q store.Queued, r Receipt, e *Error) time.Duration {
	err := s.db.Update(time.Now(), func(tx *store.Tx) error { return tx.DropPending(s.Name(), q.Seq) })
	if err = errors.Join(err, s.keep(r.Handle)); err != nil {
		s.log.Error("notifier: the outbox cannot be written", "notifier", s.Name(), "error", err)
		return storeRetry
	}
	s.forget(q.Seq)
	s.log.Error("notifier: an alert was given up", "notifier", s.Name(), "incident", q.Incident, "title", q.Message.Title, "news", q.News, "why", e.Words)
	return 0
}

// keep stores what a send that failed got done nevertheless.
func (s *sender) keep(h *store.Handle) error {
	if h == nil {
		return nil
	}
	return s.db.Update(time.Now(), func(tx *store.Tx) error { return tx.PutHandle(*h) })
}

func (s *sender) forget(seq uint64) {
	delete(s.clean, seq)
	delete(s.done, seq)
}

func (s *sender) look() pulse {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pulse
}

// settle changes the pulse, and tells when the notifier went down or came back.
func (s *sender) settle(change func(pulse) pulse) pulse {
	s.mu.Lock()
	was := s.pulse
	is := change(was)
	s.pulse = is
	s.mu.Unlock()
	if was.down == is.down {
		return is
	}
	s.note(func(n *store.Notifier) { n.Down, n.Why = is.down, is.why })
	if s.health != nil {
		s.health(s.Name(), is.down, is.why)
	}
	return is
}

// resume lets a sender that was stopped or waits try again at once.
func (s *sender) resume() {
	s.mu.Lock()
	s.pulse.stopped, s.pulse.notBefore = false, time.Time{}
	s.mu.Unlock()
	s.poke()
}

func (s *sender) poke() {
	select {
	case s.wake <- struct{}{}:
	default: // it is awake already
	}
}

// note keeps how the notifier does, for status.
func (s *sender) note(change func(*store.Notifier)) {
	err := s.db.Update(time.Now(), func(tx *store.Tx) error {
		n, _, err := tx.Notifiers().Get(s.Name())
		if err != nil {
			return err
		}
		change(&n)
		return tx.Notifiers().Put(s.Name(), n)
	})
	if err != nil {
		s.log.Error("notifier: its state cannot be kept", "notifier", s.Name(), "error", err)
	}
}
