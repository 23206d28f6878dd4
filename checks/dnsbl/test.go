package dnsbl

import (
	"context"
	"crypto/rand"
	"math/big"
	"net/netip"
	"strings"
	"sync"
	"time"

	"repwatch/resolve"
)

// Test asks a list its test points now, whatever it said before, and keeps the
// result. budget bounds each question; 0 allows every try its full time.
func (e *Engine) Test(ctx context.Context, l *List, budget time.Duration) Condition {
	s := e.of(l)
	c := e.test(ctx, l, budget)
	if ctx.Err() != nil {
		return c // an interrupted test says nothing about the list
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.Health == HealthSuspended {
		s.tries++
	} else {
		s.tries = 0
	}
	s.cond = c
	return c
}

// Ready returns the list's condition, testing it first unless a passed test is
// still fresh or a failed one backs off.
func (e *Engine) Ready(ctx context.Context, l *List) Condition {
	s := e.of(l)
	s.mu.Lock()
	c, tries := s.cond, s.tries
	s.mu.Unlock()
	good := e.opt.TestEvery
	if c.Health == HealthSuspended {
		good = min(good, Backoff(tries))
	}
	if c.List != nil && time.Since(c.Tested) < good {
		return c
	}
	return e.Test(ctx, l, e.opt.TestBudget)
}

func (e *Engine) test(ctx context.Context, l *List, budget time.Duration) Condition {
	c := Condition{List: l, Tested: time.Now().UTC()}
	if why := l.Refused(); why != "" {
		c.Health, c.Why = HealthRetired, why
		return c
	}
	if why := l.Unusable(); why != "" {
		c.Health, c.Cause, c.Why = HealthSuspended, CauseUnusable, why
		return c
	}
	probes, stated := testQuestions(l)
	e.askAll(ctx, l, probes, budget)
	c.Health, c.Cause, c.Why = judge(l, stated, probes)
	if c.Health == HealthOK {
		c.Vouched, c.Renewed = vouched(c.Tested, probes)
	}
	c.Silent = c.Cause == CauseSilent
	return c
}

// vouched reads the caches' part in what the listed test points answered. A cache counts
// in full seconds, so that an answer without age may be up to one second old.
func vouched(tested time.Time, probes []probe) (from, renewed time.Time) {
	from, renewed = tested, tested
	for _, p := range probes {
		if p.want != wantListed || p.read.Verdict != Listed {
			continue
		}
		if at := tested.Add(-p.read.Age); at.Before(from) {
			from = at
		}
		if at := tested.Add(p.answer.TTL + time.Second); at.After(renewed) {
			renewed = at
		}
	}
	return from, renewed
}

// askAll asks the test questions side by side: they are few, and a dead list
// then costs one question's time instead of six.
func (e *Engine) askAll(ctx context.Context, l *List, probes []probe, budget time.Duration) {
	var wg sync.WaitGroup
	for i := range probes {
		p := &probes[i]
		wg.Go(func() {
			if p.err == nil {
				p.answer, p.read, p.err = e.askA(ctx, l, resolve.Query{Name: p.name, Budget: budget, Insist: true})
			}
		})
	}
	wg.Wait()
}

// testQuestions are what a list is asked to earn belief: where it must answer,
// where it must not, and what no cache can know beforehand.
func testQuestions(l *List) (probes []probe, stated bool) {
	listed, clean, stated := l.TestPoints()
	add := func(w want, p Point) {
		name, err := l.QueryName(p)
		probes = append(probes, probe{want: w, shown: p.String(), name: name, err: asBadQuestion(err)})
	}
	for _, p := range listed {
		add(wantListed, p)
	}
	for _, p := range clean {
		add(wantClean, p)
	}
	if !l.Test.NoRandom {
		for _, p := range randomPoints(l) {
			add(wantRandom, p)
		}
	}
	label := randomLabel()
	probes = append(probes, probe{want: wantNoName, shown: "a random label", name: label + "." + l.Expanded})
	return probes, stated
}

// randomPoints are subjects of the list's kind that no list should hold: an
// address of 127.0.0.0/8 away from the test points' 127.0.0.0/16 and the
// refusals' 127.255.0.0/16, or a domain nobody registered.
func randomPoints(l *List) []Point {
	if l.Kind == KindDomain || (!l.V4 && !l.V6) {
		return []Point{{Domain: randomLabel() + ".com"}}
	}
	ip := [4]byte{127, byte(1 + randomBelow(254)), byte(randomBelow(256)), byte(1 + randomBelow(254))}
	if !l.V4 {
		return []Point{{IP: netip.AddrFrom16(netip.AddrFrom4(ip).As16())}}
	}
	return []Point{{IP: netip.AddrFrom4(ip)}}
}

func randomLabel() string { return "rw" + strings.ToLower(rand.Text())[:18] }

func randomBelow(n int64) int64 {
	v, err := rand.Int(rand.Reader, big.NewInt(n))
	if err != nil {
		panic(err) // crypto/rand does not fail (Go 1.24)
	}
	return v.Int64()
}

func asBadQuestion(err error) error {
	if err == nil {
		return nil
	}
	return &resolve.Error{Failure: resolve.FailBadQuestion, What: "test point", Err: err}
}
