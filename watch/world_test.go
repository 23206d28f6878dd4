package watch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"repwatch/checks"
	"repwatch/checks/dnsbl"
	"repwatch/checks/smtp"
	"repwatch/config"
	"repwatch/incident"
	"repwatch/notify"
	"repwatch/reputation"
	"repwatch/store"
)

// world is what a daemon in a bubble looks at: lists and partners that are data,
// told as what is so between which moments. What it does not say is well.
type world struct {
	begin time.Time
	takes time.Duration // how long each look takes

	mu      sync.Mutex
	listed  []span // what: the list
	lost    []span // what: the partner
	silent  []span // what: the partner that cannot be reached from who; who "": from nowhere
	deaf    []span // the resolver answers nothing
	unknown int    // the n-th look tells nothing; 0: none does
	took    []look
}

// span is something about who, from one moment after the begin to another.
type span struct {
	what, who string
	from, to  time.Duration
	digest    bool // a list's: not worth an interruption
}

type look struct {
	checks.Ask
	began, ended time.Time // ended is zero for one that was given up
}

func (w *world) now() time.Duration { return time.Since(w.begin) }

func covers(spans []span, what, who string, at time.Duration) (span, bool) {
	i := slices.IndexFunc(spans, func(s span) bool {
		return s.what == what && (s.who == "" || s.who == who) && s.from <= at && at < s.to
	})
	if i < 0 {
		return span{}, false
	}
	return spans[i], true
}

// reacts has a partner withdraw STARTTLS from a listed address some time after, and give it back.
func (w *world) reacts(partner string, after, back time.Duration) {
	for _, l := range w.listed {
		w.lost = append(w.lost, span{what: partner, who: l.who, from: l.from + after, to: l.to + back})
	}
}

// visit takes the time of a look; it reports what it saw as untold if it is the one chosen for that.
func (w *world) visit(ctx context.Context, a checks.Ask) (told bool) {
	w.mu.Lock()
	n := len(w.took)
	w.took = append(w.took, look{Ask: a, began: time.Now()})
	told = n+1 != w.unknown
	w.mu.Unlock()
	select {
	case <-time.After(w.takes):
	case <-ctx.Done():
		return false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.took[n].ended = time.Now()
	return told
}

func (w *world) looks(keep func(look) bool) (out []look) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, l := range w.took {
		if keep(l) {
			out = append(out, l)
		}
	}
	return out
}

// equip is the daemon's equipment for looking at the world.
func (w *world) equip(cfg *config.Loaded) (equipment, error) {
	return equipment{looks: []checks.Check{&worldLists{w, cfg}, &worldPartners{w, cfg}}, engine: dnsbl.New(dnsbl.Options{}), close: func() {}}, nil
}

type worldLists struct {
	*world
	cfg *config.Loaded
}

func (c *worldLists) Name() string          { return "lists" }
func (c *worldLists) Schedule() config.Cron { return c.cfg.Schedule.Blocklists }
func (c *worldLists) Plan(now time.Time, _ int) []checks.Ask {
	return []checks.Ask{{Check: "lists", Why: checks.WhySchedule, At: now}}
}

func (c *worldLists) Look(ctx context.Context, a checks.Ask) []checks.Batch {
	b := checks.Batch{Version: checks.Version, Check: "lists", Why: a.Why, Started: time.Now().UTC()}
	told := c.visit(ctx, a)
	at := c.now()
	b.Ended = time.Now().UTC()
	_, deaf := covers(c.deaf, "", "", at)
	health := checks.HealthLook{Subject: reputation.Subject{Kind: reputation.KindHealth, Domain: "resolver", Target: "127.0.0.1:53"}, At: b.Ended}
	if deaf {
		health.Fault = silentResolver
	}
	b.Health = append(b.Health, health)
	for _, l := range c.cfg.Lists {
		if len(a.Lists) > 0 && !slices.Contains(a.Lists, l.ID) {
			continue
		}
		one := checks.ListLook{List: l.ID, Health: dnsbl.HealthOK, Started: b.Started, Ended: b.Ended, AllUnknown: deaf || !told, Asked: a.Who}
		for _, p := range c.cfg.Points() {
			if s, is := covers(c.listed, l.ID, p.IP.String(), at); is && !one.AllUnknown {
				one.Hits = append(one.Hits, checks.Hit{Who: p.IP.String(), Listing: listingIn(s)})
			}
		}
		b.Lists = append(b.Lists, one)
	}
	return []checks.Batch{b}
}

func listingIn(s span) reputation.Listing {
	l := accused(s.what)
	if s.digest {
		l.Impact, l.Alert = reputation.Low, incident.Digest
	}
	return l
}

type worldPartners struct {
	*world
	cfg *config.Loaded
}

func (c *worldPartners) Name() string          { return "partners" }
func (c *worldPartners) Schedule() config.Cron { return c.cfg.Schedule.Partners }
func (c *worldPartners) Plan(now time.Time, _ int) (out []checks.Ask) {
	for _, p := range c.cfg.Partners {
		out = append(out, checks.Ask{Check: "partners", Why: checks.WhySchedule, At: now, Partner: p.Name(), From: c.everybody()})
	}
	return out
}

func (c *worldPartners) everybody() (from []string) {
	for _, v := range c.cfg.Control {
		from = append(from, v.Name)
	}
	for _, a := range c.cfg.Addresses {
		from = append(from, a.IP.String())
	}
	return from
}

func (c *worldPartners) Look(ctx context.Context, a checks.Ask) []checks.Batch {
	b := checks.Batch{Version: checks.Version, Check: "partners", Why: a.Why, Started: time.Now().UTC()}
	from := c.everybody()
	if len(a.From) > 0 {
		from = slices.DeleteFunc(slices.Clone(a.From), func(who string) bool { return !slices.Contains(c.everybody(), who) })
	}
	if _, is := c.cfg.PartnerNamed(a.Partner); !is || len(from) == 0 {
		b.Skipped = append(b.Skipped, "no longer configured")
		return []checks.Batch{b}
	}
	told := c.visit(ctx, a)
	b.Ended = time.Now().UTC()
	for _, who := range from {
		o, fail := reputation.Advertised, smtp.Failure("")
		if _, is := covers(c.lost, a.Partner, who, c.now()); is {
			o = reputation.Absent
		}
		if _, is := covers(c.silent, a.Partner, who, c.now()); is || !told {
			o, fail = reputation.OutcomeUnknown, smtp.FailTimeout
		}
		b.Wire = append(b.Wire, lookThat(pairOf(who, a.Partner), b.Ended, o, fail))
	}
	return []checks.Batch{b}
}

// ear is a notifier that remembers what it was told.
type ear struct {
	name string
	mu   sync.Mutex
	sent []heard
	n    int
	// fails says whether the n-th send fails, counted from 1; nil: none does.
	fails func(n int, s notify.Sending) error
	takes time.Duration
	busy  bool
	twice bool // two sends were under way at once
}

type heard struct {
	incident.Alert
	at time.Time
}

func (e *ear) Name() string { return e.name }

func (e *ear) Send(_ context.Context, s notify.Sending) (notify.Receipt, error) {
	e.mu.Lock()
	e.n++
	n := e.n
	e.twice = e.twice || e.busy
	e.busy = true
	e.mu.Unlock()
	time.Sleep(e.takes)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.busy = false
	if e.fails != nil {
		if err := e.fails(n, s); err != nil {
			return notify.Receipt{}, err
		}
	}
	e.sent = append(e.sent, heard{s.Alert, time.Now()})
	return notify.Receipt{}, nil
}

// words are what was heard, edits left out: "opened #1".
func (e *ear) words() (out []string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, h := range e.sent {
		switch {
		case h.Kind == incident.AlertEdit:
		case h.Incident == "":
			out = append(out, string(h.Kind))
		default:
			out = append(out, string(h.Kind)+" #"+h.Incident)
		}
	}
	return out
}

func (e *ear) of(kind incident.AlertKind) (out []heard) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, h := range e.sent {
		if h.Kind == kind {
			out = append(out, h)
		}
	}
	return out
}

// theatre is a daemon in a bubble.
type theatre struct {
	*testing.T
	w     *world
	ears  []*ear
	file  string
	db    *store.DB
	d     *Daemon
	text  string                        // its configuration
	log   *slog.Logger                  // nil: nobody reads it
	write func(db *store.DB, f *folder) // changes how the folder writes; may be nil
	stop  context.CancelFunc
	ended chan error
}

// play runs a test in a bubble, with a daemon that looks at the world. The bubble
// itself fails the test when a goroutine is left behind.
func play(t *testing.T, w *world, text string, act func(*theatre)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &theatre{T: t, w: w, text: text, ears: []*ear{{name: "ear"}}, file: filepath.Join(t.TempDir(), "repwatch.db")}
		if w.begin.IsZero() {
			w.begin = time.Now()
		}
		act(s)
		if s.stop != nil {
			s.halt()
		}
	})
}

func (s *theatre) start() {
	s.Helper()
	s.db = openStore(s, s.file)
	var extra []notify.Notifier
	for _, e := range s.ears {
		extra = append(extra, e)
	}
	log := s.log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	d, err := New(Options{DB: s.db, Config: load(s, s.text), Log: log, Extra: extra,
		Load: func() (*config.Loaded, error) { return load(s, s.text), nil }})
	if err != nil {
		s.Fatal(err)
	}
	d.equip = s.w.equip
	if s.write != nil {
		s.write(s.db, d.fold)
	}
	s.d, s.ended = d, make(chan error, 1)
	var ctx context.Context
	ctx, s.stop = context.WithCancel(context.Background())
	go func() { s.ended <- d.Run(ctx) }()
}

// halt stops the daemon, and fails the test unless it ends in time and leaves the store whole.
func (s *theatre) halt() (took time.Duration) {
	s.Helper()
	began := time.Now()
	s.stop()
	if err := <-s.ended; err != nil {
		s.Error(err)
	}
	s.stop = nil
	if took = time.Since(began); took > drain {
		s.Errorf("stopping took %v", took)
	}
	synctest.Wait()
	if r, err := s.db.Verify(); err != nil || !r.OK() {
		s.Errorf("the store is not whole: %v %v", err, r.Problems)
	}
	if err := s.db.Close(); err != nil {
		s.Error(err)
	}
	return took
}

// until sleeps until so long after the begin.
func (s *theatre) until(d time.Duration) {
	time.Sleep(d - s.w.now())
	synctest.Wait()
}

func (s *theatre) heard(want ...string) {
	s.Helper()
	if got := s.ears[0].words(); !slices.Equal(got, want) {
		s.Errorf("after %v heard %q, want %q", s.w.now(), got, want)
	}
}

var errNotNow = &notify.Error{Kind: notify.Retry, Words: "not now"}

var errSecret = errors.New("nobody knows")

func (l look) String() string { return fmt.Sprintf("%s at %s", l.Key(), l.began.Format("02 15:04:05")) }
