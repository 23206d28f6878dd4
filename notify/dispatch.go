package notify

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log/slog"
	mrand "math/rand/v2"
	"sync"
	"time"

	"repwatch/incident"
	"repwatch/store"
)

// Dispatcher delivers what waits in the outbox: one goroutine per notifier, so
// that none waits for another.
type Dispatcher struct {
	senders []*sender
}

// New makes a dispatcher. Health, which may be nil, is told when a notifier goes
// down and when it is back; it is called without locks held, from the notifier's goroutine.
func New(db *store.DB, notifiers []Notifier, log *slog.Logger, health func(name string, down bool, why string)) (*Dispatcher, error) {
	origin, err := origin(db)
	if err != nil {
		return nil, err
	}
	d := &Dispatcher{}
	for _, n := range notifiers {
		d.senders = append(d.senders, &sender{Notifier: n, db: db, log: log, health: health, origin: origin, luck: mrand.Float64,
			wake: make(chan struct{}, 1), clean: map[uint64]int{}, done: map[uint64]Receipt{}})
	}
	return d, nil
}

// Run delivers until ctx ends; a send under way then has 10 s to finish. It may
// be called once, and no two dispatchers may run on one store at a time.
func (d *Dispatcher) Run(ctx context.Context) {
	var wg sync.WaitGroup
	for _, s := range d.senders {
		wg.Go(func() { s.run(ctx) })
	}
	wg.Wait()
}

// Wake says that there is something in the outbox.
func (d *Dispatcher) Wake() {
	for _, s := range d.senders {
		s.poke()
	}
}

// Names are the notifiers as the outbox knows them.
func (d *Dispatcher) Names() []string {
	names := make([]string, len(d.senders))
	for i, s := range d.senders {
		names[i] = s.Name()
	}
	return names
}

// TestResult is how a test message fared.
type TestResult struct {
	Name string
	Took time.Duration
	// Trouble: it arrived, but not as configured.
	Trouble string
	Err     error // nil: it arrived
}

// Test sends a test message through each notifier at once, past the outbox. A
// notifier that was stopped and passes goes on.
func (d *Dispatcher) Test(ctx context.Context) []TestResult {
	notifiers := make([]Notifier, len(d.senders))
	for i, s := range d.senders {
		notifiers[i] = s.Notifier
	}
	results := Test(ctx, notifiers, time.Now())
	for i, r := range results {
		if r.Err == nil {
			d.senders[i].resume()
		}
	}
	return results
}

// Test sends a test message through each notifier, without any store.
func Test(ctx context.Context, notifiers []Notifier, now time.Time) []TestResult {
	now = now.UTC()
	// The time makes it another message each time, for those who drop duplicates.
	s := Sending{Origin: "test", Alert: incident.Alert{Seq: uint64(now.UnixMilli()), Kind: incident.AlertTest, At: now, Message: incident.Message{
		Tone: incident.ToneInfo, At: now, Title: "Test message from repwatch: alerts will arrive here",
		Fields: []incident.Field{{Name: "Asked for", Lines: []string{"by a person, " + now.Format(time.RFC3339)}}},
	}}}
	results := make([]TestResult, len(notifiers))
	var wg sync.WaitGroup
	for i, n := range notifiers {
		wg.Go(func() {
			start := time.Now()
			r, err := n.Send(ctx, s)
			results[i] = TestResult{Name: n.Name(), Took: time.Since(start), Trouble: r.Trouble, Err: err}
		})
	}
	wg.Wait()
	return results
}

// checker is a notifier that can tell whether it would work, without sending anything.
type checker interface {
	check(ctx context.Context) error
}

// Check asks each notifier's service whether it would take our messages, and
// sends none. Notifiers that cannot ask (log, webhooks) have no result.
func Check(ctx context.Context, notifiers []Notifier) []TestResult {
	var able []veiled
	for _, n := range notifiers {
		if v, ok := n.(veiled); ok && v.checks() {
			able = append(able, v)
		}
	}
	results := make([]TestResult, len(able))
	var wg sync.WaitGroup
	for i, n := range able {
		wg.Go(func() {
			start := time.Now()
			err := n.check(ctx)
			results[i] = TestResult{Name: n.Name(), Took: time.Since(start), Err: err}
		})
	}
	wg.Wait()
	return results
}

// originKey of the store's settings holds the name of this store.
const originKey = "notify.origin"

// origin names the store, so that its alerts are told from those of another, or
// of one that was begun anew: seqs start at 1 in each.
func origin(db *store.DB) (name string, err error) {
	err = db.Update(time.Now(), func(tx *store.Tx) error {
		raw, ok, err := tx.Settings().Get(originKey)
		if err != nil {
			return err
		}
		if ok {
			return json.Unmarshal(raw, &name)
		}
		var b [6]byte
		_, _ = rand.Read(b[:]) // never fails, see crypto/rand
		name = fmt.Sprintf("%x", b)
		raw, err = json.Marshal(name)
		if err != nil {
			return err
		}
		return tx.Settings().Put(originKey, raw)
	})
	return name, err
}
