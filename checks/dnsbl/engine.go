package dnsbl

import (
	"context"
	"net/netip"
	"sync"
	"time"

	"github.com/miekg/dns"

	"repwatch/resolve"
)

// Options of an Engine.
type Options struct {
	Resolver resolve.Lookuper

	// TestBudget bounds the first question to a list's test point, all tries
	// included: a dead list costs a whole run this much and no more. Default 3 s.
	TestBudget time.Duration

	// TestEvery is how long a passed test is good for. Default 10 min, at most an
	// hour (rule of truth 2).
	TestEvery time.Duration

	// Redact removes secrets from foreign text (TXT records). Default: nothing to remove.
	Redact func(string) string
}

// Engine asks lists and remembers, per list, its health, its pace and its daily
// budget. It is safe for concurrent use; questions of different lists never wait
// for one another.
type Engine struct {
	opt Options

	mu    sync.Mutex
	state map[string]*listState
}

type listState struct {
	gate *gate

	mu    sync.Mutex
	cond  Condition
	tries int // tests failed in a row
	// fullTTL is the longest TTL seen of negative and of positive answers: what a
	// fresh one has. The random test points are never cached, so the first is
	// learned at every test.
	fullTTL [2]time.Duration
}

// age is how old an answer with this much TTL left may be (rule of truth 7): a
// resolver's cache hides a delisting for so long.
func (s *listState) age(positive bool, left time.Duration) time.Duration {
	i := 0
	if positive {
		i = 1
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fullTTL[i] = max(s.fullTTL[i], left)
	return s.fullTTL[i] - left
}

// New makes an engine.
func New(opt Options) *Engine {
	if opt.TestBudget <= 0 {
		opt.TestBudget = 3 * time.Second
	}
	if opt.TestEvery <= 0 {
		opt.TestEvery = 10 * time.Minute
	}
	opt.TestEvery = min(opt.TestEvery, time.Hour)
	if opt.Redact == nil {
		opt.Redact = func(s string) string { return s }
	}
	return &Engine{opt: opt, state: map[string]*listState{}}
}

func (e *Engine) of(l *List) *listState {
	e.mu.Lock()
	defer e.mu.Unlock()
	s := e.state[l.ID]
	if s == nil {
		s = &listState{gate: newGate(l)}
		e.state[l.ID] = s
	}
	return s
}

// Condition is the list's health as last tested; the zero Condition if never.
func (e *Engine) Condition(l *List) Condition {
	s := e.of(l)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cond
}

// ask puts one question to a list at its pace.
func (e *Engine) ask(ctx context.Context, l *List, q resolve.Query) (resolve.Answer, error) {
	g := e.of(l).gate
	if err := g.enter(ctx, time.Now()); err != nil {
		return resolve.Answer{}, err
	}
	q.Zone = l.ID
	if l.Resolver.IsValid() {
		q.Servers = []netip.AddrPort{l.Resolver}
	}
	a, err := e.opt.Resolver.Lookup(ctx, q)
	if err == nil {
		g.heard(a)
	}
	return a, err
}

// askA asks for an address record and reads it as the list means it.
func (e *Engine) askA(ctx context.Context, l *List, q resolve.Query) (resolve.Answer, Reading, error) {
	q.Type = dns.TypeA
	a, err := e.ask(ctx, l, q)
	if err != nil {
		return a, Reading{Why: err.Error()}, err
	}
	r := l.Read(resolve.Addrs(a), a.TTL)
	r.Age = e.of(l).age(len(a.Records) > 0, a.TTL)
	return a, r, nil
}

// Backoff is the wait before a suspended list is tried again, after n failed
// tests in a row: half a minute, doubled each time, at most half an hour.
func Backoff(n int) time.Duration {
	d := 30 * time.Second
	for ; n > 1 && d < 30*time.Minute; n-- {
		d *= 2
	}
	return min(d, 30*time.Minute)
}

// Spent is how many questions a list was asked on a day (UTC, counted from the
// epoch), to be kept over a restart. It is counted only for lists with a daily budget.
func (e *Engine) Spent(l *List) (day int64, questions int) { return e.of(l).gate.state() }

// Spend counts questions that were asked before a restart.
func (e *Engine) Spend(l *List, day int64, questions int) { e.of(l).gate.resume(day, questions) }
