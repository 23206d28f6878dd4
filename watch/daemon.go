// Package watch is the daemon: it schedules looks, folds what they bring, and has
// people told.
//
// Data flows one way. The scheduler takes asks from a queue and has checks look; a
// check returns batches; the folder turns each into one store transaction (state,
// transition, episode, incident, alert) and returns the looks it would like to see;
// the notifiers deliver from the outbox. Nothing else passes between them.
package watch

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"repwatch/api"
	"repwatch/checks"
	"repwatch/config"
	"repwatch/notify"
	"repwatch/store"
)

// Options of a daemon.
type Options struct {
	DB      *store.DB // open for writing; closed by its owner, after Run has returned
	Config  *config.Loaded
	Log     *slog.Logger
	Version string
	// Roots judge partners' certificates; nil: the system's.
	Roots *x509.CertPool
	// Resolvers are asked where the configuration names none.
	Resolvers func() ([]netip.AddrPort, error)
	// Load reads the configuration anew, for SIGHUP.
	Load func() (*config.Loaded, error)
	// Extra are notifiers beside the configured ones (the demo's).
	Extra []notify.Notifier
}

// Daemon watches. Its methods are safe for concurrent use; Run may be called once.
type Daemon struct {
	opt   Options
	log   *slog.Logger
	fold  *folder
	queue *queue
	seen  *checks.Memory

	mu      sync.Mutex
	gen     *generation
	state   api.Runtime       // but for what is asked for at the moment
	trouble map[string]string // what cannot work beside watching, in words, by the part that it is about
	sending sync.WaitGroup
	looking sync.WaitGroup
	ready   func()

	reloading sync.Mutex
	rounds    rounds

	equip func(*config.Loaded) (equipment, error) // what looking is done with; tests bring a world of their own

	beat        atomic.Int64 // unix nanoseconds: when the loop that folds by time last went round
	lastSuccess atomic.Int64 // unix seconds: when a look last told something for sure
	full        atomic.Bool  // the store takes nothing at the moment
	shouted     atomic.Int64 // unix seconds: when people were last told so
	saidFull    atomic.Bool  // the log says so, and not yet that it is over
}

// New prepares a daemon. Nothing is looked at, sent or changed before Run.
func New(o Options) (*Daemon, error) {
	if o.DB == nil || o.Config == nil || o.Log == nil {
		return nil, errors.New("watch: a daemon needs a store, a configuration and a log")
	}
	d := &Daemon{opt: o, log: o.Log, queue: newQueue(), seen: checks.NewMemory(), ready: func() {}}
	d.fold = newFolder(o.DB, o.Log)
	d.rounds.of = map[string]turn{}
	d.equip = d.equipment
	d.state, d.trouble = api.Runtime{Version: o.Version}, map[string]string{}
	return d, nil
}

// OnReady sets what is called once everything that is watched has been asked for. Before Run.
func (d *Daemon) OnReady(f func()) { d.ready = f }

// Trouble says what cannot work of a part that others run beside the daemon, in words
// with what to do about it; status shows it. Empty words: it works.
func (d *Daemon) Trouble(part, words string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.trouble, part)
	if words != "" {
		d.trouble[part] = words
	}
}

// drain is how long looks under way may take to end when the daemon stops.
const drain = 10 * time.Second

// Run watches until ctx ends. Then looks under way are given up, what they did not
// bring is unknown and told to nobody; a message being sent may be finished; the store is left to its owner.
func (d *Daemon) Run(ctx context.Context) error {
	now := time.Now().UTC()
	d.mu.Lock()
	d.state.Started, d.state.Reloaded = now, now
	d.mu.Unlock()
	d.lastSuccess.Store(now.Unix())
	if err := d.fold.begin(now, d.opt.Config); err != nil {
		return err
	}
	if err := d.install(ctx, d.opt.Config, true); err != nil {
		return err
	}
	var loops sync.WaitGroup
	loops.Go(func() { d.work(ctx) })
	loops.Go(func() { d.ticks(ctx) })
	d.ready()
	<-ctx.Done()
	d.log.Info("stopping: looks under way are given up")
	loops.Wait()
	d.mu.Lock()
	gen := d.gen
	d.mu.Unlock()
	gen.stop()
	d.waitLooks()
	d.keepBudgets()
	d.sending.Wait()
	gen.close()
	return nil
}

// waitLooks waits for looks to notice that they are given up.
func (d *Daemon) waitLooks() {
	done := make(chan struct{})
	go func() { d.looking.Wait(); close(done) }()
	timer := time.NewTimer(drain)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
		d.log.Warn("some looks did not end in time; what they would have told is unknown")
	}
}

// work takes looks from the queue as they fall due.
func (d *Daemon) work(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		a, ok, wait := d.queue.take(time.Now())
		if ok {
			d.look(a)
			continue
		}
		if wait < 0 || wait > time.Minute {
			wait = time.Minute
		}
		timer.Reset(wait)
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-d.queue.changed:
		}
	}
}

// look has one look taken, in the background, and folds what it brings.
func (d *Daemon) look(a checks.Ask) {
	d.mu.Lock()
	gen := d.gen
	d.mu.Unlock()
	check := gen.checks[a.Check]
	if check == nil || !d.fold.worth(a) {
		d.queue.done(a, time.Now(), false)
		return
	}
	d.looking.Go(func() {
		if !gen.enter() {
			d.queue.giveBack(a)
			return
		}
		defer gen.leave()
		batches := check.Look(gen.ctx, a)
		if gen.ctx.Err() != nil { // by a reload: what is still watched is to be looked at all the same
			d.queue.giveBack(a)
			return
		}
		whole := true
		for _, b := range batches {
			whole = d.take(b) && whole
		}
		d.queue.done(a, time.Now(), true)
		if !whole && a.Why != checks.WhySchedule && a.Every == 0 { // there is no next round that would bring it again
			a.At = time.Now().Add(storeRetry)
			d.queue.add(a)
		}
	})
}

// storeRetry is when a look is taken again that could not be stored.
const storeRetry = 5 * time.Minute

// take folds a batch and asks for the looks that it calls for. It reports whether
// the batch was stored.
func (d *Daemon) take(b checks.Batch) bool {
	for _, s := range b.Skipped {
		d.log.Info("not looked", "check", b.Check, "why", s)
	}
	now := time.Now().UTC()
	wants, err := d.fold.Fold(b, now)
	d.stored(err)
	if err != nil {
		return false
	}
	if tells(b) {
		d.lastSuccess.Store(now.Unix())
	}
	d.queue.add(wants...)
	d.wake()
	return true
}

// tells reports that a batch told something for sure about the outside world.
func tells(b checks.Batch) bool {
	for _, l := range b.Lists {
		if !l.AllUnknown {
			return true
		}
	}
	for _, w := range b.Wire {
		for _, look := range w.Looks {
			if look.Outcome.Verdict() != 0 {
				return true
			}
		}
	}
	return false
}

func (d *Daemon) wake() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.gen != nil {
		d.gen.dispatcher.Wake()
	}
}

// shoutAgain is how often people are told at most that the disk is full: where the
// last bytes come and go, small changes fit and others do not.
const shoutAgain = 6 * time.Hour

// tryFull finds out whether a full store takes changes again.
func (d *Daemon) tryFull(now time.Time) {
	if !d.full.Load() {
		return
	}
	raw, err := json.Marshal(now)
	if err != nil {
		return
	}
	if d.fold.write(now, func(tx *store.Tx) error { return tx.Settings().Put("disk-full", raw) }) == nil {
		d.full.Store(false)
		if d.saidFull.Swap(false) {
			d.log.Info("the store takes changes again")
		}
	}
}

// stored keeps account of whether the store takes what it is given.
func (d *Daemon) stored(err error) {
	switch {
	case err == nil: // it may have had nothing to write
	case errors.Is(err, store.ErrFull):
		if last := time.Unix(d.shouted.Load(), 0); !d.full.Swap(true) && time.Since(last) > shoutAgain {
			d.shouted.Store(time.Now().Unix())
			d.saidFull.Store(true)
			d.log.Error("the disk is full: nothing is written, nothing acknowledged is lost", "err", err, "hint", "make room; watching goes on by itself")
			d.sending.Go(d.shoutFull)
		}
	default:
		d.log.Error("what was seen could not be stored", "err", err)
	}
}
