package dnsbl

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"repwatch/resolve"
)

// Each of the three looks at what must not be listed catches a list the others miss.
func TestEachCleanLookCatchesAListOfItsOwn(t *testing.T) {
	good := listing(nil)
	tests := []struct {
		name string
		b    behaviour
		says string
	}{
		{"only 127.0.0.1 is listed", func(l string) ([]string, resolve.Failure) {
			if l == "1.0.0.127" {
				return []string{"127.0.0.2"}, ""
			}
			return good(l)
		}, "127.0.0.1, which must never be listed"},
		{"everything but 127.0.0.1 is listed", func(l string) ([]string, resolve.Failure) {
			if l == "1.0.0.127" {
				return nil, ""
			}
			return everyAddress(l)
		}, "random address"},
		{"only names that are no address", func(l string) ([]string, resolve.Failure) {
			if strings.HasPrefix(l, "rw") {
				return []string{"127.0.0.2"}, ""
			}
			return good(l)
		}, "random label"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld()
			w.set("l.example", tt.b)
			c := New(Options{Resolver: w}).Test(t.Context(), mustLists(t, entry("l", stated))[0], 0)
			if c.Health != HealthSuspended || c.Cause != CauseListsAll || !strings.Contains(c.Why, tt.says) {
				t.Errorf("%s (%s): %s; want suspended, saying %q", c.Health, c.Cause, c.Why, tt.says)
			}
		})
	}
}

// A bogon list holds all of 127.0.0.0/8, so the catalogue exempts it.
func TestBogonListIsExemptFromTheRandomAddress(t *testing.T) {
	bogons := func(l string) ([]string, resolve.Failure) {
		if strings.HasSuffix(l, ".127") || strings.HasSuffix(l, ".10") {
			return []string{"127.0.0.2"}, ""
		}
		return nil, ""
	}
	w := newWorld()
	w.set("exempt.example", bogons)
	w.set("plain.example", bogons)
	e := New(Options{Resolver: w})
	exempt := mustLists(t, entry("exempt", "test: {listed: [10.0.0.0], clean: [8.8.8.8], no_random: true}"))[0]
	if c := e.Test(t.Context(), exempt, 0); c.Health != HealthOK {
		t.Errorf("exempt: %s (%s), want ok", c.Health, c.Why)
	}
	plain := mustLists(t, entry("plain", "test: {listed: [10.0.0.0], clean: [8.8.8.8]}"))[0]
	if c := e.Test(t.Context(), plain, 0); c.Health != HealthSuspended {
		t.Errorf("not exempt: %s, want suspended for the random address", c.Health)
	}
}

// A refusal in the middle of a sweep suspends the list at once: what it said
// before is not believed, what is left is not asked.
func TestRefusalInTheMiddleSuspendsAtOnce(t *testing.T) {
	w := newWorld()
	w.set("l.example", func(l string) ([]string, resolve.Failure) {
		if strings.HasSuffix(l, ".113.0.203") {
			return []string{"127.255.255.255"}, ""
		}
		return listing(nil)(l)
	})
	var ips []string
	for i := range 200 {
		ips = append(ips, fmt.Sprintf("203.0.113.%d", i+1))
	}
	e := New(Options{Resolver: w})
	s := e.Sweep(t.Context(), mustLists(t, entry("l", stated)), points(ips...), nil)
	for _, r := range s.Results {
		if r.Reading.Verdict != Unknown || !strings.Contains(r.Reading.Why, "127.255.255.255") {
			t.Fatalf("%s: %v (%s), want unknown with the refusal", r.Subject, r.Reading.Verdict, r.Reading.Why)
		}
	}
	if s.Conditions[0].Health != HealthSuspended {
		t.Errorf("health %s, want suspended", s.Conditions[0].Health)
	}
	if n := w.count("l.example"); n > 4+2*parallel {
		t.Errorf("%d questions, want the sweep to stop at the refusal", n)
	}
}

// answering sets who answers, and with what authority.
type answering struct {
	*world
	server netip.AddrPort
	aa     bool
}

func (a answering) Lookup(ctx context.Context, q resolve.Query) (resolve.Answer, error) {
	ans, err := a.world.Lookup(ctx, q)
	ans.Server, ans.Authoritative = a.server, a.aa
	return ans, err
}

// A feed on this host has no operator to spare; a resolver on this host has.
func TestOnlyAnAuthoritativeAnswerFromThisHostLiftsTheLimits(t *testing.T) {
	for _, tt := range []struct {
		name   string
		server string
		aa     bool
		fast   bool
	}{
		{"rbldnsd on loopback", "127.0.0.1:53", true, true},
		{"unbound on loopback", "127.0.0.1:53", false, false},
		{"rbldnsd elsewhere", "192.0.2.53:53", true, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld()
				w.set("bl.spamtrap.net", listing(nil))
				var ips []string
				for i := range 100 {
					ips = append(ips, fmt.Sprintf("203.0.113.%d", i+1))
				}
				lists := mustLists(t, "id: l, zone: bl.spamtrap.net, "+stated)
				start := time.Now()
				New(Options{Resolver: answering{w, netip.MustParseAddrPort(tt.server), tt.aa}}).Sweep(t.Context(), lists, points(ips...), nil)
				if took := time.Since(start); (took < time.Second) != tt.fast {
					t.Errorf("104 questions took %s; fast: want %v", took, tt.fast)
				}
			})
		})
	}
}

// A suspended list is tried again with back-off, not at every sweep, and comes back by itself.
func TestSuspendedListBacksOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.set("l.example", always())
		lists := mustLists(t, entry("l", stated))
		e := New(Options{Resolver: w})
		sweep := func() Verdict {
			return e.Sweep(t.Context(), lists, points(listedIP), nil).Results[0].Reading.Verdict
		}
		sweep()
		asked := w.count("l.example")
		time.Sleep(10 * time.Second)
		if sweep(); w.count("l.example") != asked {
			t.Error("asked again 10 s after it failed, want a back-off of 30 s")
		}
		w.set("l.example", listing(nil))
		time.Sleep(25 * time.Second)
		if v := sweep(); v != NotListed {
			t.Errorf("35 s later, in order again: %v, want not listed", v)
		}
	})
}

func TestBackoffDoublesUpToHalfAnHour(t *testing.T) {
	for n, want := range map[int]time.Duration{1: 30 * time.Second, 2: time.Minute, 4: 4 * time.Minute, 7: 30 * time.Minute, 100: 30 * time.Minute} {
		if got := Backoff(n); got != want {
			t.Errorf("after %d failures %s, want %s", n, got, want)
		}
	}
}

// aging counts the TTL of positive answers down, as a resolver's cache does.
type aging struct {
	*world
	left time.Duration
}

func (a aging) Lookup(ctx context.Context, q resolve.Query) (resolve.Answer, error) {
	ans, err := a.world.Lookup(ctx, q)
	if len(ans.Records) > 0 {
		ans.TTL = a.left
	}
	return ans, err
}

// An answer is as old as its full TTL minus what remains.
func TestAgeOfAnAnswer(t *testing.T) {
	w := newWorld()
	w.set("l.example", listing(map[string][]string{reversed(listedIP): {"127.0.0.2"}}))
	lists := mustLists(t, entry("l", stated))
	cache := aging{w, 300 * time.Second}
	e := New(Options{Resolver: &cache})
	sweep := func() Result { return e.Sweep(t.Context(), lists, points(listedIP), nil).Results[0] }
	if r := sweep(); r.Reading.Age != 0 {
		t.Errorf("fresh: age %s, want 0", r.Reading.Age)
	}
	cache.left = 40 * time.Second
	if r := sweep(); r.Reading.Age != 260*time.Second || r.Reading.TTL != 40*time.Second {
		t.Errorf("40 s left of 300: age %s, want 260 s", r.Reading.Age)
	}
}

// A resolver that answers nobody is found out by three lists; the other 57 are not waited for.
func TestDeadResolverIsFoundOutQuickly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		var entries []string
		for i := range 60 {
			id := fmt.Sprintf("l%02d", i)
			entries = append(entries, entry(id, stated))
			w.set(id+".example", func(string) ([]string, resolve.Failure) {
				time.Sleep(3 * time.Second)
				return nil, resolve.FailTimeout
			})
		}
		start := time.Now()
		s := New(Options{Resolver: w}).Sweep(t.Context(), mustLists(t, entries...), points(listedIP), nil)
		if took := time.Since(start); took > 20*time.Second {
			t.Errorf("took %s, want a few timeouts of 3 s", took)
		}
		w.mu.Lock()
		asked := len(w.names)
		w.mu.Unlock()
		if asked > canaryLists*4*4 {
			t.Errorf("%d questions to a dead resolver, want those of three lists", asked)
		}
		if c := s.Coverage(); c != (Coverage{Asked: 60, Unknown: 60}) || len(s.Conditions) != 60 {
			t.Errorf("coverage %+v, %d conditions; want 60 unknown", c, len(s.Conditions))
		}
		if d := Diagnose(s.Conditions, nil); d == nil || d.Kind != "silent" || d.Lists != 60 {
			t.Errorf("diagnosis %+v, want a silent resolver", d)
		}
	})
}

// A list with a server of its own is asked although the resolver is dead, and a
// dead canary keeps nobody waiting when another is heard.
func TestOpeningHoldsUpOnlyWhatTheResolverAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		dead := func(string) ([]string, resolve.Failure) {
			time.Sleep(3 * time.Second)
			return nil, resolve.FailTimeout
		}
		w.set("dead.example", dead)
		w.set("good.example", listing(nil))
		w.set("feed.example", listing(nil))
		lists := mustLists(t, entry("dead", stated), entry("good", stated), entry("feed", stated, `resolver: "127.0.0.1:5300"`))
		start := time.Now()
		s := New(Options{Resolver: w}).Sweep(t.Context(), lists, points(listedIP), nil)
		if c := s.Coverage(); c.Answered != 2 || c.Unknown != 1 || time.Since(start) > 4*time.Second {
			t.Errorf("coverage %+v after %s, want good and feed answered after one timeout", c, time.Since(start))
		}
		w.set("good.example", dead)
		s = New(Options{Resolver: w}).Sweep(t.Context(), lists, points(listedIP), nil)
		if c := s.Coverage(); c.Answered != 1 || c.Unknown != 2 {
			t.Errorf("coverage %+v, want the feed answered although the resolver is dead", c)
		}
	})
}
