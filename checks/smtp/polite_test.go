package smtp

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"repwatch/reputation"
)

var (
	far      = netip.MustParseAddr("192.0.2.1")
	loopback = netip.MustParseAddr("127.0.0.5")
	fine     = Ending{Outcome: reputation.Advertised}
	tooMany  = Ending{Outcome: reputation.Deferred, SlowDown: true}
)

func visit(provider, from string) Visit { return Visit{Provider: provider, From: from, To: far} }

func mustAcquire(t *testing.T, g *Gate, v Visit) func(Ending) {
	t.Helper()
	release, err := g.Acquire(t.Context(), v)
	if err != nil {
		t.Fatal(err)
	}
	return release
}

func TestGateOneAtATime(t *testing.T) {
	for _, to := range []netip.Addr{far, loopback} {
		synctest.Test(t, func(t *testing.T) {
			defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
			g := NewGate(GateConfig{}, nil, nil)
			var open, most atomic.Int32
			var order []int
			var mu sync.Mutex
			var wg sync.WaitGroup
			for i := range 10 {
				wg.Go(func() {
					time.Sleep(time.Duration(i) * time.Millisecond) // queue in this order
					release, err := g.Acquire(t.Context(), Visit{Provider: "google", From: "a", To: to})
					if err != nil {
						t.Error(err)
						return
					}
					most.Store(max(most.Load(), open.Add(1)))
					mu.Lock()
					order = append(order, i)
					mu.Unlock()
					time.Sleep(time.Second)
					open.Add(-1)
					release(fine)
				})
			}
			wg.Wait()
			if most.Load() != 1 {
				t.Errorf("%d sessions at once to %s", most.Load(), to)
			}
			if !slices.IsSorted(order) {
				t.Errorf("served in the order %v", order)
			}
		})
	}
}

func TestGatePairsAreApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewGate(GateConfig{Spacing: time.Minute}, nil, nil)
		start := time.Now()
		for _, v := range []Visit{visit("google", "a"), visit("google", "b"), visit("yahoo", "a")} {
			mustAcquire(t, g, v) // all three stay open
		}
		if took := time.Since(start); took != 0 {
			t.Errorf("other pairs waited %v", took)
		}
	})
}

func TestGateSpacing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewGate(GateConfig{Spacing: 30 * time.Second, Jitter: 0.1}, nil, nil)
		g.luck = func() float64 { return 0.5 }
		start := time.Now()
		release := mustAcquire(t, g, visit("google", "a"))
		time.Sleep(10 * time.Second)
		release(fine)
		release(tooMany) // does nothing
		mustAcquire(t, g, visit("google", "a"))(fine)
		if took, want := time.Since(start), 10*time.Second+31500*time.Millisecond; took != want {
			t.Errorf("the second began after %v, want %v", took, want)
		}
		near := Visit{Provider: "google", From: "a", To: loopback}
		before := time.Now()
		mustAcquire(t, g, near)(fine)
		mustAcquire(t, g, near)(fine)
		mustAcquire(t, g, near)(tooMany)
		if time.Since(before) != 0 {
			t.Error("loopback is spaced")
		}
		mustAcquire(t, g, visit("google", "a"))(fine)
		if took, want := time.Since(before), 31500*time.Millisecond; took != want {
			t.Errorf("after loopback the next waits %v, want %v", took, want)
		}
	})
}

func TestGateBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewGate(GateConfig{Spacing: 30 * time.Second}, nil, nil)
		next := func(end Ending) time.Duration {
			mustAcquire(t, g, visit("google", "a"))(end)
			start := time.Now()
			mustAcquire(t, g, visit("google", "a"))(end)
			return time.Since(start)
		}
		var waits []time.Duration
		for range 5 {
			waits = append(waits, next(tooMany))
		}
		want := []time.Duration{time.Minute, 4 * time.Minute, 16 * time.Minute, time.Hour, time.Hour}
		if diff := cmp.Diff(want, waits); diff != "" {
			t.Error(diff) // every other wait, for next ends two sessions
		}
		if got := next(Ending{}); got != time.Hour {
			t.Errorf("a timeout forgives: %v", got)
		}
		if got := next(fine); got != 30*time.Second {
			t.Errorf("after a good answer: %v", got)
		}
		if got := next(tooMany); got != time.Minute {
			t.Errorf("the back-off begins anew at %v", got)
		}
	})
}

// A server on loopback is not spaced, but heard when it says that we come too often.
func TestGateBacksOffOnLoopback(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := time.Now()
		past := []LedgerEntry{{Visit: Visit{Provider: "old", From: "a", To: loopback}, Opened: now, Closed: now, SlowDown: true}}
		g := NewGate(GateConfig{Spacing: 30 * time.Second, PerDay: 3}, past, nil)
		took := func(provider string, end Ending) time.Duration {
			start := time.Now()
			mustAcquire(t, g, Visit{Provider: provider, From: "a", To: loopback})(end)
			return time.Since(start)
		}
		var waits []time.Duration
		for _, end := range []Ending{tooMany, tooMany, {}, tooMany, fine, tooMany, fine} {
			waits = append(waits, took("lab", end))
		}
		want := []time.Duration{0, 5 * time.Second, 10 * time.Second, 10 * time.Second, 20 * time.Second, 0, 5 * time.Second}
		if diff := cmp.Diff(want, waits); diff != "" {
			t.Error(diff)
		}
		if got := took("old", fine); got != 0 { // the others took longer than it had to wait
			t.Errorf("a back-off of before lasts %v too long", got)
		}
		for range 12 {
			took("slow", tooMany)
		}
		if got := took("slow", fine); got != time.Hour {
			t.Errorf("the longest is %v", got)
		}
	})
}

func TestGateDailyCap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewGate(GateConfig{PerDay: 3}, nil, nil)
		first := time.Now()
		for range 3 {
			mustAcquire(t, g, visit("google", "a"))(fine)
			time.Sleep(time.Hour)
		}
		_, err := g.Acquire(t.Context(), visit("google", "a"))
		var pe *PoliteError
		if !errors.As(err, &pe) || pe.Cap != 3 || !pe.Until.Equal(first.Add(24*time.Hour)) {
			t.Fatalf("the fourth session of the day: %v", err)
		}
		if !strings.Contains(err.Error(), "3 sessions") || !strings.Contains(err.Error(), "per_provider_day") {
			t.Errorf("the error says %q", err)
		}
		mustAcquire(t, g, visit("google", "b"))(fine)
		mustAcquire(t, g, Visit{Provider: "google", From: "a", To: loopback})(fine)
		time.Sleep(time.Until(first.Add(24 * time.Hour)))
		mustAcquire(t, g, visit("google", "a"))(fine)
		if _, err := g.Acquire(t.Context(), visit("google", "a")); err == nil {
			t.Error("the window let two in for one that left it")
		}
	})
}

func TestGateGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewGate(GateConfig{Spacing: time.Hour}, nil, nil)
		release := mustAcquire(t, g, visit("google", "a"))
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		if _, err := g.Acquire(ctx, visit("google", "a")); !errors.Is(err, context.Canceled) {
			t.Errorf("queueing, cancelled: %v", err)
		}
		release(fine)

		start := time.Now()
		ctx, cancel = context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err := g.Acquire(ctx, visit("google", "a"))
		var pe *PoliteError
		if !errors.As(err, &pe) || pe.Cap != 0 || !pe.Until.Equal(start.Add(time.Hour)) || time.Since(start) != 0 {
			t.Errorf("a deadline before the next slot: %v after %v", err, time.Since(start))
		}
		ctx, cancel = context.WithCancel(t.Context())
		time.AfterFunc(time.Minute, cancel)
		if _, err := g.Acquire(ctx, visit("google", "a")); !errors.Is(err, context.Canceled) {
			t.Errorf("waiting, cancelled: %v", err)
		}
		mustAcquire(t, g, visit("google", "a"))(fine) // whoever gave up left the way free
		if took := time.Since(start); took != time.Hour {
			t.Errorf("the next began after %v", took)
		}
	})
}

func TestGateLedger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ledger []LedgerEntry
		g := NewGate(GateConfig{PerDay: 2}, nil, func(e LedgerEntry) { ledger = append(ledger, e) })
		v := Visit{Provider: "google", From: "a", To: far, Partner: "contoso.com", Why: "confirm"}
		start := time.Now().UTC()
		release := mustAcquire(t, g, v)
		time.Sleep(time.Second)
		release(tooMany)
		release(fine)
		near := Visit{Provider: "lab", From: "a", To: loopback}
		mustAcquire(t, g, near)(fine)
		want := []LedgerEntry{
			{Visit: v, Opened: start},
			{Visit: v, Opened: start, Closed: start.Add(time.Second), Outcome: reputation.Deferred, SlowDown: true},
			{Visit: near, Opened: start.Add(time.Second)},
			{Visit: near, Opened: start.Add(time.Second), Closed: start.Add(time.Second), Outcome: reputation.Advertised},
		}
		if diff := cmp.Diff(want, ledger, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
			t.Error(diff)
		}
	})
}

// A restart forgets neither the day's sessions nor a back-off.
func TestGateRemembers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := time.Now()
		past := []LedgerEntry{
			{Visit: visit("google", "a"), Opened: now.Add(-3 * time.Hour), Closed: now.Add(-3 * time.Hour), Outcome: reputation.Advertised},
			{Visit: visit("google", "a"), Opened: now.Add(-2 * time.Hour), Closed: now.Add(-2 * time.Hour), Outcome: reputation.Advertised},
			{Visit: visit("yahoo", "a"), Opened: now.Add(-time.Hour), Closed: now.Add(-time.Hour), SlowDown: true},
			{Visit: visit("yahoo", "a"), Opened: now.Add(-time.Second), Closed: now, SlowDown: true},
			{Visit: visit("crashed", "a"), Opened: now},
			{Visit: Visit{Provider: "google", From: "a", To: loopback}, Opened: now, Closed: now},
		}
		g := NewGate(GateConfig{PerDay: 3, Spacing: 10 * time.Second}, past, nil)
		wait := func(v Visit) time.Duration {
			start := time.Now()
			mustAcquire(t, g, v)(fine)
			return time.Since(start)
		}
		if got := wait(visit("crashed", "a")); got != 10*time.Second {
			t.Errorf("after a crash: %v", got)
		}
		if got := wait(visit("yahoo", "a")); got != 2*time.Minute-10*time.Second {
			t.Errorf("the back-off of before: %v", got)
		}
		if got := wait(visit("google", "a")); got != 0 {
			t.Errorf("the third of three: %v", got)
		}
		if _, err := g.Acquire(t.Context(), visit("google", "a")); err == nil {
			t.Error("the cap forgot the sessions of before")
		}
	})
}

func TestLaneBackoffJitter(t *testing.T) {
	cfg := GateConfig{Spacing: 30 * time.Second, Jitter: 0.5}
	var l Lane
	var waits []time.Duration
	for range 8 {
		l = l.Close(storyStart, tooMany, cfg, 0.5)
		waits = append(waits, l.NotBefore.Sub(storyStart).Round(time.Second))
	}
	want := []time.Duration{75 * time.Second, 150 * time.Second, 5 * time.Minute, 10 * time.Minute, 20 * time.Minute, 40 * time.Minute, time.Hour, time.Hour}
	if diff := cmp.Diff(want, waits); diff != "" {
		t.Error(diff)
	}
}

// Whatever happens: no more than the cap in any 24 hours, no sooner than the
// spacing, no wait beyond an hour but for the cap.
func TestLaneInvariants(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cfg := GateConfig{
			Spacing: time.Duration(rapid.IntRange(0, 120).Draw(t, "spacing")) * time.Second,
			Jitter:  rapid.Float64Range(0, 0.5).Draw(t, "jitter"),
			PerDay:  rapid.IntRange(0, 5).Draw(t, "cap"),
		}
		var l Lane
		var opened []time.Time
		now := storyStart
		for range rapid.IntRange(1, 40).Draw(t, "sessions") {
			now = now.Add(time.Duration(rapid.IntRange(0, 7200).Draw(t, "pause")) * time.Second)
			at, capped := l.Next(now, cfg)
			if at.Before(now) || !capped && at.Sub(now) > time.Hour || capped && cfg.PerDay == 0 {
				t.Fatalf("next at %v, now %v, capped %v", at, now, capped)
			}
			if n := len(opened); n > 0 && at.Sub(opened[n-1]) < cfg.Spacing {
				t.Fatalf("%v after the last", at.Sub(opened[n-1]))
			}
			now = at
			if n := len(opened); cfg.PerDay > 0 && n >= cfg.PerDay && now.Sub(opened[n-cfg.PerDay]) < 24*time.Hour {
				t.Fatalf("%d sessions within %v", cfg.PerDay+1, now.Sub(opened[n-cfg.PerDay]))
			}
			opened = append(opened, now)
			l = l.Open(now, cfg)
			if len(l.Opened) > cfg.PerDay {
				t.Fatalf("%d times kept for a cap of %d", len(l.Opened), cfg.PerDay)
			}
			end := rapid.SampledFrom([]Ending{{}, fine, tooMany}).Draw(t, "end")
			l = l.Close(now, end, cfg, rapid.Float64Range(0, 0.999).Draw(t, "luck"))
		}
	})
}

func TestEndingOf(t *testing.T) {
	reply := func(code int, lines ...string) *Reply { return &Reply{Code: code, Lines: lines} }
	for _, tt := range []struct {
		r    Result
		want bool
	}{
		{Result{}, false},
		{Result{Greeting: reply(220, "too many friends"), Reply: reply(250, "throttled no more")}, false},
		{Result{Greeting: reply(421, "bye")}, true},
		{Result{Reply: reply(421, "4.7.0 x Error")}, true},
		{Result{Reply: reply(450, "4.7.1 Error: too much mail from 192.0.2.1")}, true},
		{Result{Reply: reply(554, "Too many connections")}, true},
		{Result{Reply: reply(550, "Ip frequency limited")}, true},
		{Result{Reply: reply(451, "4.7.650 temporarily rate limited due to IP reputation")}, true},
		{Result{Reply: reply(550, "no such user", "rate limit exceeded")}, true},
		{Result{Reply: reply(554, "5.7.1 blocked using zen.spamhaus.org")}, false},
		{Result{Reply: reply(454, "TLS not available due to temporary reason")}, false},
	} {
		tt.r.Outcome = reputation.Deferred
		if got := EndingOf(tt.r); got.SlowDown != tt.want || got.Outcome != reputation.Deferred {
			t.Errorf("%+v: %+v", tt.r.Reply, got)
		}
	}
}

func TestSessionsPerDay(t *testing.T) {
	ips := func(pool string, n int) (out []PlannedIP) {
		for i := range n {
			out = append(out, PlannedIP{IP: netip.AddrFrom4([4]byte{192, 0, pool[0], byte(i)}), Pool: pool})
		}
		return out
	}
	partners := func(provider string, n int) (out []PlannedPartner) {
		for i := range n {
			out = append(out, PlannedPartner{Name: fmt.Sprintf("p%d.example", i), Provider: provider})
		}
		return out
	}
	one := ips("main", 1)[0].IP
	tests := []struct {
		name     string
		partners []PlannedPartner
		ips      []PlannedIP
		canaries int
		perDay   int
		want     string
	}{
		{"one and one", partners("google", 1), ips("main", 1), 2, 0, "google 24 of 1, 24 an IP, x1"},
		{"three partners of a provider", partners("google", 3), ips("main", 1), 2, 0, "google 72 of 3, 72 an IP, x1"},
		{"the cap stretches", partners("google", 3), ips("main", 1), 2, 48, "google 48 of 3, 72 an IP, x1.5"},
		{"few IPs all look", partners("google", 1), ips("main", 2), 2, 0, "google 48 of 1, 24 an IP, x1"},
		{"many IPs take turns", partners("google", 1), ips("main", 16), 2, 0, "google 48 of 1, 3 an IP, x1"},
		{"each pool has its canaries", partners("google", 1), append(ips("main", 16), ips("bulk", 4)...), 2, 0, "google 96 of 1, 12 an IP, x1"},
		{"no canaries: all look", partners("google", 1), ips("main", 16), 0, 0, "google 384 of 1, 24 an IP, x1"},
		{"without a provider a partner stands alone", []PlannedPartner{{Name: "b.example"}, {Name: "a.example"}}, ips("main", 1), 2, 0, "a.example 24 of 1, 24 an IP, x1; b.example 24 of 1, 24 an IP, x1"},
		{"from some IPs only", []PlannedPartner{{Name: "a.example", From: []netip.Addr{one}}}, ips("main", 5), 0, 0, "a.example 24 of 1, 24 an IP, x1"},
		{"the busiest first", append(partners("google", 2), PlannedPartner{Name: "a.example"}), ips("main", 1), 0, 0, "google 48 of 2, 48 an IP, x1; a.example 24 of 1, 24 an IP, x1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var out []string
			for _, l := range SessionsPerDay(tt.partners, tt.ips, 24, tt.canaries, tt.perDay) {
				out = append(out, fmt.Sprintf("%s %g of %d, %g an IP, x%g", l.Provider, l.Sessions, len(l.Partners), l.PerIP, l.Stretch))
			}
			if got := strings.Join(out, "; "); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestCanaries(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.IntRange(1, 20).Draw(t, "pool")
		n := rapid.IntRange(0, 4).Draw(t, "canaries")
		var pool []netip.Addr
		for i := range size {
			pool = append(pool, netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}))
		}
		shuffled := rapid.Permutation(pool).Draw(t, "order")
		looks := map[netip.Addr]int{}
		for round := range size {
			chosen := Canaries(shuffled, "google", round, n)
			if want := n; len(chosen) != want && (n != 0 && n < size) {
				t.Fatalf("%d chosen", len(chosen))
			}
			if !slices.Equal(chosen, Canaries(pool, "google", round, n)) {
				t.Fatal("the choice depends on the order of the pool")
			}
			for _, ip := range chosen {
				looks[ip]++
			}
		}
		for _, ip := range pool {
			if n == 0 || n >= size {
				if looks[ip] != size {
					t.Fatalf("%s looked %d times in %d rounds", ip, looks[ip], size)
				}
			} else if looks[ip] != n {
				t.Fatalf("%s looked %d times in %d rounds of %d", ip, looks[ip], size, n)
			}
		}
	})
}
