package resolve

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"

	"repwatch/internal/lab"
)

// What is in flight is counted at the server, which must never see more.
func TestInFlightNeverExceedsTheWindow(t *testing.T) {
	for _, c := range []struct{ start, ceiling, want int }{{0, 64, 64}, {256, 256, 256}, {0, 0, 256}, {1, 1, 1}} {
		d := testWorld(t, oneName)
		d.Zone(".").Set(lab.DNSBehaviour{Delay: 5 * time.Millisecond})
		client := testClient(t, Options{InFlight: c.start, MaxInFlight: c.ceiling}, d)
		n := 5 * c.want
		if c.start == 0 && c.ceiling == 0 {
			n = 600 // the window starts at 64 and is far from the ceiling
		}
		together(n, func(int) { mustAnswer(t, client, Query{Name: "name.example"}) })
		s := d.Zone(".").Stats()
		if s.Max > c.want || s.MaxPerSource > sockMax || s.Questions != n {
			t.Errorf("%+v: at most %d in flight, %d per socket, %d questions of %d", c, s.Max, s.MaxPerSource, s.Questions, n)
		}
		if c.start == c.want && s.Max < c.want/4 {
			t.Errorf("%+v: only %d in flight", c, s.Max)
		}
	}
}

// A question waits for its slot as long as it takes; its own time runs only while it is asked.
func TestWaitingForASlotCostsNoTime(t *testing.T) {
	t.Parallel()
	rows := []Query{{}, {Budget: 400 * time.Millisecond}}
	together(len(rows), func(i int) {
		q := rows[i]
		d := testWorld(t, oneName)
		d.Zone(".").Set(lab.DNSBehaviour{Delay: 80 * time.Millisecond})
		c := testClient(t, Options{InFlight: 1, MaxInFlight: 1, Timeout: 400 * time.Millisecond, Tries: 1}, d)
		q.Name = "name.example"
		together(10, func(int) {
			if a := mustAnswer(t, c, q); a.Elapsed > 500*time.Millisecond {
				t.Errorf("%+v says it took %v", q, a.Elapsed)
			}
		})
		if n := d.Zone(".").Stats().Questions; n != 10 {
			t.Errorf("%+v: %d queries for 10 questions", q, n)
		}
	})
}

// A zone that gives nothing but SERVFAIL never proves itself and stays at eight slots.
func TestUnprovenZoneHoldsEightSlots(t *testing.T) {
	d := testWorld(t, "")
	z := d.Blocklist("sick.example").Zone()
	z.Set(lab.DNSBehaviour{Rcode: dns.RcodeServerFailure, Delay: 10 * time.Millisecond})
	c := testClient(t, Options{}, d)
	together(80, func(i int) { _, _ = ask(c, "sick", i) })
	if s := z.Stats(); s.Max > 8 || s.Questions != 80 {
		t.Errorf("%d slots held, %d questions", s.Max, s.Questions)
	}
	// An answer proves it; alone it may then have the whole window.
	z.Set(lab.DNSBehaviour{})
	if _, err := ask(c, "sick", 0); err != nil {
		t.Fatal(err)
	}
	z.Set(lab.DNSBehaviour{Delay: 100 * time.Millisecond})
	together(60, func(i int) { _, _ = ask(c, "sick", i) })
	if s := z.Stats(); s.Max < 16 || s.Max > 64 {
		t.Errorf("%d slots held by a proven zone", s.Max)
	}
}

func ask(c *Client, zone string, i int) (Answer, error) {
	name := fmt.Sprintf("%d.%d.0.10.%s.example", i%256, i/256, zone)
	return c.Lookup(context.Background(), Query{Name: name, Type: dns.TypeA, Zone: zone})
}

// One dead list among twenty costs the run one question's time, however many
// addresses are asked; the others are told at once.
func TestOneDeadZoneCostsOneQuestionsTime(t *testing.T) {
	t.Parallel()
	const zones, addresses, timeout, tries = 20, 48, 500 * time.Millisecond, 3
	d := testWorld(t, "")
	for z := range zones {
		d.Blocklist(fmt.Sprintf("list%d.example", z)).Zone().Set(lab.DNSBehaviour{Delay: 2 * time.Millisecond})
	}
	dead := d.Zone("list7.example")
	dead.Set(lab.DNSBehaviour{DropAll: true})
	c := testClient(t, Options{Timeout: timeout, Tries: tries}, d)
	var broken, timeouts, wrong atomic.Int32
	var opened atomic.Int64 // when the fourth question failed
	began := time.Now()
	together(zones*addresses, func(n int) {
		zone := fmt.Sprintf("list%d", n%zones)
		_, err := ask(c, zone, n/zones)
		switch {
		case zone != "list7" && err != nil:
			t.Errorf("%s: %v", zone, err)
		case zone == "list7" && FailureOf(err) == FailTimeout:
			if timeouts.Add(1) == 4 {
				opened.Store(int64(time.Since(began)))
			}
		case zone == "list7" && FailureOf(err) == FailZoneBroken:
			broken.Add(1)
		case zone == "list7":
			wrong.Add(1)
		}
	})
	if after := time.Since(began) - time.Duration(opened.Load()); after > timeout {
		t.Errorf("the run went on for %v after the dead list was given up", after)
	}
	if timeouts.Load() < 4 || timeouts.Load() > 8 || broken.Load() != addresses-timeouts.Load() {
		t.Errorf("%d timed out, %d failed at once, %d otherwise", timeouts.Load(), broken.Load(), wrong.Load())
	}
	if n := dead.Stats().Questions; n > 8*tries+8 { // slots go on to others before the fourth failure opens the breaker
		t.Errorf("the dead list was asked %d times", n)
	}
	if s := c.ZoneState("list7"); !s.Open || s.RetryIn <= 0 {
		t.Errorf("state %+v", s)
	}
	others := 0
	for z := range zones {
		others += d.Zone(fmt.Sprintf("list%d.example", z)).Stats().Answered
	}
	// On a host so busy that other lists had to be asked twice, their losses count.
	if s := c.Servers()[0]; s.Window < 64 && others == (zones-1)*addresses {
		t.Errorf("the server is blamed: %+v", s)
	}
}

func TestBreakerLetsOneQuestionTryAgain(t *testing.T) {
	d := testWorld(t, "")
	z := d.Blocklist("list.example").Zone()
	z.Set(lab.DNSBehaviour{DropAll: true})
	c := testClient(t, Options{Timeout: 20 * time.Millisecond, Tries: 1, ZoneBackoff: 200 * time.Millisecond}, d)
	for i := range 4 {
		if _, err := ask(c, "list", i); FailureOf(err) != FailTimeout {
			t.Fatalf("question %d: %v", i+1, err)
		}
	}
	_, err := ask(c, "list", 5)
	if e, _ := err.(*Error); e == nil || e.Failure != FailZoneBroken || e.RetryIn <= 0 {
		t.Fatalf("while open: %+v", err)
	}
	if _, err := A(context.Background(), c, Query{Name: "x.list.example", Budget: 20 * time.Millisecond}); FailureOf(err) != FailTimeout {
		t.Errorf("without a zone there is no breaker: %v", err)
	}
	backAt := func() {
		c.mu.Lock()
		zone := c.zones[zoneKey{id: "list"}]
		c.mu.Unlock()
		zone.mu.Lock()
		zone.b.until = time.Now()
		zone.mu.Unlock()
	}
	backAt()
	ctx, cancel := context.WithCancel(context.Background())
	cancelled := make(chan struct{})
	z.Set(lab.DNSBehaviour{DropAll: true, Rewrite: func(*dns.Msg) { cancel() }})
	go func() { // a trial that is canceled leaves the right to try to the next
		defer close(cancelled)
		_, err := c.Lookup(ctx, Query{Name: "y.list.example", Type: dns.TypeA, Zone: "list", Budget: time.Minute})
		if FailureOf(err) != FailCanceled {
			t.Errorf("the canceled trial: %v", err)
		}
	}()
	<-cancelled
	z.Set(lab.DNSBehaviour{DropAll: true})
	if _, err := ask(c, "list", 6); FailureOf(err) != FailTimeout { // the trial
		t.Errorf("the trial: %v", err)
	}
	if _, err := ask(c, "list", 7); FailureOf(err) != FailZoneBroken {
		t.Errorf("after a failed trial: %v", err)
	}
	z.Set(lab.DNSBehaviour{})
	c.opt.Timeout = 10 * time.Second // what follows must not time out
	backAt()
	for i := range 10 {
		if a, err := ask(c, "list", i); err != nil || !a.NXDomain() {
			t.Errorf("back again, question %d: %v", i, err)
		}
	}
}

// A question that insists is asked while the breaker is open, and its answer closes it.
func TestInsistingQuestionFindsOutWhetherTheZoneIsBack(t *testing.T) {
	d := testWorld(t, "")
	z := d.Blocklist("list.example").Zone()
	z.Set(lab.DNSBehaviour{DropAll: true})
	c := testClient(t, Options{Timeout: 20 * time.Millisecond, Tries: 1}, d)
	for i := range 5 {
		_, _ = ask(c, "list", i)
	}
	if !c.ZoneState("list").Open {
		t.Fatal("the breaker did not open")
	}
	insist := Query{Name: "1.0.0.127.list.example", Zone: "list", Insist: true}
	if _, err := A(t.Context(), c, insist); FailureOf(err) != FailTimeout {
		t.Errorf("still dead: %v, want asked and timed out", err)
	}
	z.Set(lab.DNSBehaviour{})
	insist.Budget = 10 * time.Second
	if _, err := A(t.Context(), c, insist); err != nil {
		t.Errorf("back again: %v", err)
	}
	if c.ZoneState("list").Open {
		t.Error("an answer left the breaker open")
	}
}

// A breaker belongs to a zone and its servers: another feed of the same list is asked.
func TestBreakerIsPerServerSet(t *testing.T) {
	d, feed := testWorld(t, ""), testWorld(t, "")
	d.Zone(".").Set(lab.DNSBehaviour{DropAll: true})
	c := testClient(t, Options{Timeout: 20 * time.Millisecond, Tries: 1}, d)
	for i := range 4 {
		_, _ = ask(c, "list", i)
	}
	if !c.ZoneState("list").Open {
		t.Fatal("not open")
	}
	q := Query{Name: "x.list.example", Type: dns.TypeA, Zone: "list", Budget: 20 * time.Second}
	q.Servers = append(q.Servers, feed.Addr())
	if _, err := c.Lookup(context.Background(), q); err != nil {
		t.Error(err)
	}
}

// SERVFAIL that comes late is a dead zone seen through a resolver; a quick one holds nobody up.
func TestSlowServfailOpensTheBreaker(t *testing.T) {
	t.Parallel()
	for _, delay := range []time.Duration{0, 40 * time.Millisecond} {
		d := testWorld(t, "")
		d.Zone(".").Set(lab.DNSBehaviour{Rcode: dns.RcodeServerFailure, Delay: delay})
		c := testClient(t, Options{Timeout: 30 * time.Millisecond, Tries: 100}, d)
		if delay == 0 {
			c = testClient(t, Options{}, d)
		}
		for i := range 4 {
			if _, err := ask(c, "list", i); FailureOf(err) != FailServer {
				t.Errorf("delay %v: %v", delay, err)
			}
		}
		if open := c.ZoneState("list").Open; open != (delay > 0) {
			t.Errorf("delay %v: open %v", delay, open)
		}
	}
}

func TestFailingServerIsAskedLast(t *testing.T) {
	first, second := testWorld(t, oneName), testWorld(t, oneName)
	first.Zone(".").Set(lab.DNSBehaviour{Rcode: dns.RcodeRefused})
	c := testClient(t, Options{}, first, second)
	for range 20 {
		mustAnswer(t, c, Query{Name: "name.example"})
	}
	if n := first.Zone(".").Stats().Questions; n != downAfter {
		t.Errorf("a server that fails was asked %d times, want %d", n, downAfter)
	}
	second.Zone(".").Set(lab.DNSBehaviour{Rcode: dns.RcodeRefused})
	first.Zone(".").Set(lab.DNSBehaviour{})
	if a := mustAnswer(t, c, Query{Name: "name.example"}); a.Server != first.Addr() {
		t.Errorf("last is not never: answered by %v", a.Server)
	}
}

// A server that was down comes back through a probe beside the questions.
func TestFailingServerIsProbed(t *testing.T) {
	first, second := testWorld(t, oneName), testWorld(t, oneName)
	first.Zone(".").Set(lab.DNSBehaviour{Rcode: dns.RcodeServerFailure})
	c := testClient(t, Options{}, first, second)
	for range downAfter {
		mustAnswer(t, c, Query{Name: "name.example"})
	}
	first.Zone(".").Set(lab.DNSBehaviour{})
	s := c.own[0]
	s.mu.Lock()
	s.health.probeAt = time.Now()
	s.mu.Unlock()
	for deadline := time.Now().Add(10 * time.Second); ; {
		a := mustAnswer(t, c, Query{Name: "name.example"})
		if a.Server == first.Addr() {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the first server is not preferred again")
		}
	}
}

// Losses that several zones suffer shrink the window; answers make it grow again.
func TestWindowShrinksAndRecovers(t *testing.T) {
	d := testWorld(t, "")
	d.Zone(".").Set(lab.DNSBehaviour{DropAll: true})
	c := testClient(t, Options{Timeout: 400 * time.Millisecond, Tries: 1, ZoneFailures: 1000}, d)
	together(64, func(i int) { _, _ = ask(c, fmt.Sprint("list", i%8), i) })
	shrunk := c.Servers()[0].Window
	if shrunk != 32 { // one burst, one cut
		t.Fatalf("window %d after 64 questions were lost together", shrunk)
	}
	d.Zone(".").Set(lab.DNSBehaviour{})
	c.opt.Timeout = 20 * time.Second
	for i := range 20 * shrunk {
		if _, err := ask(c, fmt.Sprint("list", i%8), i); err != nil {
			t.Fatal(err)
		}
	}
	if w := c.Servers()[0].Window; w <= shrunk {
		t.Errorf("window %d, was %d before answers came", w, shrunk)
	}
}
