package smtp

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"sync"
	"time"

	"repwatch/reputation"
)

// GateConfig bounds how often we knock (rule of truth 6).
type GateConfig struct {
	// Spacing is the least time between the end of one session and the start of
	// the next of the same provider and sender; 0: none.
	Spacing time.Duration
	// Jitter adds up to this share to every wait, so that senders do not fall in step; 0.1 is 10 %.
	Jitter float64
	// PerDay caps the sessions of a provider and sender in any 24 hours; 0: no cap.
	PerDay int
	// near is set for loopback (see at).
	near bool
}

// at is what holds for a visit to an address.
func (c GateConfig) at(to netip.Addr) GateConfig {
	if to.IsLoopback() {
		return GateConfig{Jitter: c.Jitter, near: true}
	}
	return c
}

func (c GateConfig) firstBackoff() time.Duration {
	if c.near {
		return nearBackoff
	}
	return firstBackoff
}

// Back-off after "421" and "too many": it starts here, doubles each time, and ends
// with the first other answer. A server on this host's loopback is ours or a tunnel's
// end: it needs neither spacing nor cap, but is heard when it asks for patience.
const (
	firstBackoff = time.Minute
	nearBackoff  = 5 * time.Second // on loopback
	maxBackoff   = time.Hour
	capWindow    = 24 * time.Hour
)

// Visit is a session somebody would like to open.
type Visit struct {
	Provider string     // see PoliteKey
	From     string     // the sending IP's text, or the control's name (Vantage.Name)
	To       netip.Addr // loopback is exempt from spacing and cap, and backs off less
	Partner  string
	Why      string // "schedule", "confirm", "control", "asked for", ...
}

// Ending is how a session went. The zero value is a session that told nothing.
type Ending struct {
	Outcome reputation.Outcome
	// SlowDown: the server said that we come too often.
	SlowDown bool
}

// LedgerEntry is one session that was opened. It is recorded when it opens,
// with a zero Closed, and once more when it ends.
type LedgerEntry struct {
	Visit
	Opened   time.Time
	Closed   time.Time
	Outcome  reputation.Outcome
	SlowDown bool
}

// PoliteError says that a visit has to wait longer than its caller can, and
// until when. Nothing was opened; it tells nothing about the partner.
type PoliteError struct {
	Visit Visit
	Until time.Time
	Cap   int // the daily cap, if that is why; 0: spacing or back-off
}

func (e *PoliteError) Error() string {
	until := e.Until.UTC().Format(time.RFC3339)
	if e.Cap > 0 {
		return fmt.Sprintf("%s to %s: the %d sessions allowed in 24 hours are used up until %s (probes.per_provider_day)", e.Visit.From, e.Visit.Provider, e.Cap, until)
	}
	return fmt.Sprintf("%s to %s: the next session may begin at %s", e.Visit.From, e.Visit.Provider, until)
}

// Lane is the politeness between one sender and one provider: a value, without clock or I/O.
type Lane struct {
	NotBefore time.Time     // of the next session, by spacing or back-off
	Backoff   time.Duration // the last one taken; 0: none
	Opened    []time.Time   // in the last 24 hours, oldest first; kept only with a cap
}

// Next says when the next session may open, and whether it is the cap that says so.
func (l Lane) Next(now time.Time, cfg GateConfig) (at time.Time, capped bool) {
	at = now
	if l.NotBefore.After(at) {
		at = l.NotBefore
	}
	if n := len(l.Opened); cfg.PerDay > 0 && n >= cfg.PerDay {
		if free := l.Opened[n-cfg.PerDay].Add(capWindow); free.After(at) {
			return free, true
		}
	}
	return at, false
}

// Open counts a session.
func (l Lane) Open(now time.Time, cfg GateConfig) Lane {
	if cfg.PerDay <= 0 {
		l.Opened = nil
		return l
	}
	kept := make([]time.Time, 0, len(l.Opened)+1)
	for _, t := range l.Opened {
		if now.Sub(t) < capWindow {
			kept = append(kept, t)
		}
	}
	l.Opened = append(kept, now)
	return l
}

// Close sets the wait after a session; luck in [0, 1) chooses within the jitter.
func (l Lane) Close(now time.Time, end Ending, cfg GateConfig, luck float64) Lane {
	wait := cfg.Spacing
	switch {
	case end.SlowDown:
		l.Backoff = min(max(2*l.Backoff, cfg.firstBackoff()), maxBackoff)
		wait = max(wait, l.Backoff)
	case end.Outcome != reputation.OutcomeUnknown:
		l.Backoff = 0
	default: // a timeout is no sign that they have forgiven us
		wait = max(wait, l.Backoff)
	}
	jittered := wait + time.Duration(cfg.Jitter*luck*float64(wait))
	l.NotBefore = now.Add(min(jittered, max(maxBackoff, wait)))
	return l
}

// Gate lets sessions through one at a time per provider and sender, in the order
// in which they came, no sooner than politeness allows. It is safe for concurrent use.
type Gate struct {
	cfg    GateConfig
	record func(LedgerEntry)
	luck   func() float64

	mu    sync.Mutex
	lanes map[laneKey]*laneBox
}

// near keeps loopback's lane apart: its short back-off must not shorten another's, nor a long one hold it up.
type laneKey struct {
	provider, from string
	near           bool
}

type laneBox struct {
	turn chan struct{} // holds one token while a session is open; waiters queue in order
	cfg  GateConfig
	Lane // guarded by Gate.mu
}

// NewGate makes a gate. Past sessions, oldest first (from the ledger), count
// against the cap and keep a back-off in force over a restart. Record may be nil;
// it is called without locks held, from whoever opens and closes.
func NewGate(cfg GateConfig, past []LedgerEntry, record func(LedgerEntry)) *Gate {
	g := &Gate{cfg: cfg, record: record, luck: rand.Float64, lanes: map[laneKey]*laneBox{}}
	if record == nil {
		g.record = func(LedgerEntry) {}
	}
	for _, e := range past {
		b := g.lane(e.Visit)
		b.Lane = b.Open(e.Opened, b.cfg)
		if closed := e.Closed; !closed.IsZero() {
			b.Lane = b.Close(closed, Ending{Outcome: e.Outcome, SlowDown: e.SlowDown}, b.cfg, 0)
		} else { // cut off by a crash
			b.Lane = b.Close(e.Opened, Ending{}, b.cfg, 0)
		}
	}
	return g
}

// Acquire waits until the visit may begin. Whoever gets a release must call it
// once the session is over; more calls do nothing. The error is a *PoliteError
// when the wait would outlast ctx's deadline or the daily cap is reached, else
// ctx's own.
func (g *Gate) Acquire(ctx context.Context, v Visit) (release func(Ending), err error) {
	g.mu.Lock()
	b := g.lane(v)
	g.mu.Unlock()
	select {
	case b.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	opened, err := g.wait(ctx, b, v)
	if err != nil {
		<-b.turn
		return nil, err
	}
	entry := LedgerEntry{Visit: v, Opened: opened}
	g.record(entry)
	var once sync.Once
	return func(end Ending) {
		once.Do(func() { g.release(b, entry, end) })
	}, nil
}

// wait holds the turn until the lane is free, and counts the session.
func (g *Gate) wait(ctx context.Context, b *laneBox, v Visit) (opened time.Time, err error) {
	for {
		if err := ctx.Err(); err != nil {
			return time.Time{}, context.Cause(ctx)
		}
		now := time.Now()
		g.mu.Lock()
		at, capped := b.Next(now, b.cfg)
		free := !at.After(now)
		if free {
			b.Lane = b.Open(now, b.cfg)
		}
		g.mu.Unlock()
		if free {
			return now.UTC(), nil
		}
		if capped {
			return time.Time{}, &PoliteError{Visit: v, Until: at, Cap: b.cfg.PerDay}
		}
		if deadline, ok := ctx.Deadline(); ok && deadline.Before(at) {
			return time.Time{}, &PoliteError{Visit: v, Until: at}
		}
		timer := time.NewTimer(at.Sub(now))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
		}
	}
}

func (g *Gate) release(b *laneBox, entry LedgerEntry, end Ending) {
	now := time.Now()
	luck := g.luck()
	g.mu.Lock()
	b.Lane = b.Close(now, end, b.cfg, luck)
	g.mu.Unlock()
	<-b.turn
	entry.Closed, entry.Outcome, entry.SlowDown = now.UTC(), end.Outcome, end.SlowDown
	g.record(entry)
}

// lane finds or makes the lane of a visit. The caller holds mu, or is alone.
func (g *Gate) lane(v Visit) *laneBox {
	key := laneKey{v.Provider, v.From, v.To.IsLoopback()}
	b := g.lanes[key]
	if b == nil {
		b = &laneBox{turn: make(chan struct{}, 1), cfg: g.cfg.at(v.To)}
		g.lanes[key] = b
	}
	return b
}
