package dnsbl

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"repwatch/reputation"
	"repwatch/resolve"
)

const (
	listedIP = "203.0.113.7"
	cleanIP  = "203.0.113.8"
)

// unlimited entries, so that no test waits for politeness unless it is about it.
func mustLists(t *testing.T, entries ...string) []*List {
	t.Helper()
	var b strings.Builder
	b.WriteString("lists:\n")
	for _, e := range entries {
		fmt.Fprintf(&b, "  - {%s}\n", e)
	}
	c, err := LoadCatalogue("test.yaml", []byte(b.String()))
	if err != nil {
		t.Fatal(err)
	}
	c.Expand(map[string]string{"spare": "sekret"})
	return c.Lists
}

const free = "access: {per_second: 0, per_day: 0}"

func entry(id string, more ...string) string {
	return strings.Join(append([]string{"id: " + id, "zone: " + id + ".example", free}, more...), ", ")
}

const stated = `test: {listed: [127.0.0.2], clean: [127.0.0.1]}`

func points(ips ...string) (out []Point) {
	for _, s := range ips {
		out = append(out, Point{IP: netip.MustParseAddr(s)})
	}
	return out
}

func one(t *testing.T, s *Sweep, who string) Result {
	t.Helper()
	for _, r := range s.Results {
		if r.Subject.Who() == who {
			return r
		}
	}
	t.Fatalf("no result for %s in %v", who, s.Results)
	return Result{}
}

// TestClassification is the table that decides whether a list tool can be
// trusted: each kind of broken list, then the same list turning bad while
// running, then recovering.
func TestClassification(t *testing.T) {
	healthy := listing(map[string][]string{reversed(listedIP): {"127.0.0.2"}})
	tests := []struct {
		name   string
		entry  []string
		bad    behaviour
		health Health
		why    string // part of the reason
	}{
		{"empty", []string{stated}, listing(nil).without("2.0.0.127"), HealthSuspended, "empty, closed"},
		{"always NXDOMAIN", []string{stated}, always(), HealthSuspended, "its silence would read as clean"},
		{"refuses public resolvers", []string{stated}, always("127.255.255.254"), HealthSuspended, "127.255.255.254"},
		{"parked domain", []string{stated}, always("203.0.113.80"), HealthSuspended, "203.0.113.80"},
		{"parked beside a real code", []string{stated}, always("127.0.0.2", "203.0.113.80"), HealthSuspended, "203.0.113.80"},
		{"lists the world", []string{stated}, everyAddress, HealthSuspended, "lists the world"},
		{"wildcard", []string{stated, `test: {listed: [127.0.0.2], clean: [127.0.0.1]}`}, always("127.0.0.2"), HealthSuspended, "127.0.0.1"},
		{"documented refusal 127.0.0.1", []string{stated, `refusals: {127.0.0.1: query refused}`}, always("127.0.0.1"), HealthSuspended, "query refused"},
		{"undocumented 127.0.0.1", []string{stated}, always("127.0.0.1"), HealthSuspended, "127.0.0.1"},
		{"SERVFAIL", []string{stated}, failing(resolve.FailServer), HealthSuspended, "SERVFAIL"},
		{"REFUSED", []string{stated}, failing(resolve.FailRefused), HealthSuspended, "REFUSED"},
		{"timeout", []string{stated}, failing(resolve.FailTimeout), HealthSuspended, "did not answer"},
		{"stripped by rebind protection", []string{stated}, failing(noData), HealthSuspended, "strips 127.0.0.0/8"},
		{"stripped at a point that nobody stated", nil, failing(noData), HealthSuspended, "strips 127.0.0.0/8"},
		{"test point with an undocumented code", []string{stated, `codes: {127.0.0.3: real}`}, listing(nil), HealthSuspended, "does not document"},
		{"untested", nil, listing(nil).without("2.0.0.127"), HealthUntested, "states no test point"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var parts []string
				for i, p := range tt.entry {
					if i > 0 && strings.HasPrefix(p, "test:") {
						continue
					}
					parts = append(parts, p)
				}
				lists := mustLists(t, entry("l", parts...))
				w := newWorld()
				e := New(Options{Resolver: w})
				ctx := t.Context()
				check := func(step string, b behaviour, want Verdict, health Health) {
					t.Helper()
					w.set("l.example", b)
					s := e.Sweep(ctx, lists, points(listedIP, cleanIP), nil)
					for _, who := range []string{listedIP, cleanIP} {
						r := one(t, s, who)
						v := want
						if v == NotListed && who == listedIP {
							v = Listed
						}
						if r.Reading.Verdict != v {
							t.Errorf("%s: %s is %v (%s), want %v", step, who, r.Reading.Verdict, r.Reading.Why, v)
						}
						if v == Unknown && !strings.Contains(r.Reading.Why, tt.why) {
							t.Errorf("%s: why of %s is %q, want it to say %q", step, who, r.Reading.Why, tt.why)
						}
					}
					if c := s.Conditions[0]; c.Health != health {
						t.Errorf("%s: health %s (%s), want %s", step, c.Health, c.Why, health)
					}
				}
				good := healthy
				if strings.Contains(tt.name, "undocumented code") {
					good = func(label string) ([]string, resolve.Failure) {
						c, f := healthy(label)
						if len(c) > 0 {
							c = []string{"127.0.0.3"}
						}
						return c, f
					}
				}
				check("from the start", tt.bad, Unknown, tt.health)
				time.Sleep(time.Hour)
				check("recovered", good, NotListed, HealthOK)
				time.Sleep(time.Hour)
				check("turned bad while running", tt.bad, Unknown, tt.health)
				time.Sleep(time.Hour)
				check("recovered again", good, NotListed, HealthOK)
			})
		})
	}
}

func (b behaviour) without(label string) behaviour {
	return func(l string) ([]string, resolve.Failure) {
		if l == label {
			return nil, ""
		}
		return b(l)
	}
}

// A list that turns bad between the test and the answer is caught because its
// points are asked again after a hit, before the hit is believed.
func TestHitsAreBelievedOnlyAfterTheTestPointsAnswerAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lists := mustLists(t, entry("l", stated))
		w := newWorld()
		var asked atomic.Int32
		w.set("l.example", func(label string) ([]string, resolve.Failure) {
			if asked.Add(1) <= 4 { // the first test passes: two points, a random address, a random label
				return listing(nil)(label)
			}
			return everyAddress(label)
		})
		s := New(Options{Resolver: w}).Sweep(t.Context(), lists, points(listedIP), nil)
		r := one(t, s, listedIP)
		if r.Reading.Verdict != Unknown || !strings.Contains(r.Reading.Why, "lists the world") {
			t.Errorf("verdict %v (%s), want unknown because it lists the world", r.Reading.Verdict, r.Reading.Why)
		}
		if s.Conditions[0].Health != HealthSuspended {
			t.Errorf("health %s, want suspended", s.Conditions[0].Health)
		}
	})
}

func TestMassHitsWantASecondLook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lists := mustLists(t, entry("l", stated))
		entries := map[string][]string{}
		var ips []string
		for i := range 8 {
			ip := fmt.Sprintf("203.0.113.%d", i+1)
			ips = append(ips, ip)
			if i < 5 {
				entries[reversed(ip)] = []string{"127.0.0.2"}
			}
		}
		w := newWorld()
		w.set("l.example", listing(entries))
		e := New(Options{Resolver: w})
		if s := e.Sweep(t.Context(), lists, points(ips...), nil); len(s.LookAgain) != 1 || one(t, s, ips[0]).Reading.Verdict != Listed {
			t.Errorf("5 of 8 hit: LookAgain %v, want the list", s.LookAgain)
		}
		if s := e.Sweep(t.Context(), lists, points(ips[1:]...), nil); len(s.LookAgain) != 0 {
			t.Errorf("4 of 7 hit: LookAgain %v, want none: fewer than eight addresses", s.LookAgain)
		}
		allow := mustLists(t, "id: l, zone: l.example, kind: allow, "+stated+", "+free)
		if s := New(Options{Resolver: w}).Sweep(t.Context(), allow, points(ips...), nil); len(s.LookAgain) != 0 {
			t.Error("an allowlist that knows most of us wants a second look, but that is good news")
		}
		delete(entries, reversed(ips[0]))
		if s := e.Sweep(t.Context(), lists, points(ips...), nil); len(s.LookAgain) != 0 {
			t.Errorf("4 of 8 hit: LookAgain %v, want none: not more than half", s.LookAgain)
		}
	})
}

func TestUntestedListCountsDocumentedCodesAsInformation(t *testing.T) {
	lists := mustLists(t, entry("l", `codes: {127.0.0.4: exploited}`, "impact: critical"))
	w := newWorld()
	w.set("l.example", func(label string) ([]string, resolve.Failure) {
		switch label {
		case reversed(listedIP):
			return []string{"127.0.0.4"}, ""
		case reversed("203.0.113.9"):
			return []string{"127.0.0.77"}, ""
		}
		return nil, ""
	})
	s := New(Options{Resolver: w}).Sweep(t.Context(), lists, points(listedIP, cleanIP, "203.0.113.9"), nil)
	if r := one(t, s, listedIP).Reading; r.Verdict != Listed || r.Impact != reputation.Info {
		t.Errorf("documented code: %v impact %v, want listed at info", r.Verdict, r.Impact)
	}
	if r := one(t, s, cleanIP).Reading; r.Verdict != Unknown {
		t.Errorf("NXDOMAIN of an untested list: %v, want unknown", r.Verdict)
	}
	if r := one(t, s, "203.0.113.9").Reading; r.Verdict != Unknown {
		t.Errorf("undocumented code of an untested list: %v, want unknown", r.Verdict)
	}
	if c := s.Coverage(); c != (Coverage{Asked: 1, Untested: 1}) {
		t.Errorf("coverage %+v, want one untested", c)
	}
}

func TestTXTIsAskedOnlyAfterAHit(t *testing.T) {
	lists := mustLists(t, entry("l", stated))
	w := newWorld()
	w.set("l.example", listing(map[string][]string{reversed(listedIP): {"127.0.0.2"}}))
	w.txt[reversed(listedIP)+".l.example"] = "infected with Pushdo, see https://example.org/7"
	s := New(Options{Resolver: w}).Sweep(t.Context(), lists, points(listedIP, cleanIP), nil)
	if got := one(t, s, listedIP).Reason; !strings.Contains(got, "Pushdo") {
		t.Errorf("reason %q, want the list's TXT", got)
	}
	n := 0
	for _, name := range w.names {
		if strings.HasPrefix(name, reversed(cleanIP)) {
			n++
		}
	}
	if n != 1 {
		t.Errorf("the clean address was asked %d times, want once: no TXT without a hit", n)
	}
}

func TestFamiliesAndKinds(t *testing.T) {
	lists := mustLists(t, entry("v4", stated), entry("v6", "families: [v6]", `test: {listed: ["::FFFF:7F00:2"], clean: ["::FFFF:7F00:1"]}`), entry("names", "kind: domain", `test: {listed: [test], clean: [invalid]}`))
	w := newWorld()
	w.set("v4.example", listing(nil))
	w.set("v6.example", func(l string) ([]string, resolve.Failure) {
		if l == "2.0.0.0.0.0.f.7.f.f.f.f.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0" {
			return []string{"127.0.0.2"}, ""
		}
		return nil, ""
	})
	w.set("names.example", func(l string) ([]string, resolve.Failure) {
		if l == "test" || l == "bad.example.net" {
			return []string{"127.0.0.2"}, ""
		}
		return nil, ""
	})
	subjects := append(points("203.0.113.7", "2001:db8::7"), Point{Domain: "bad.example.net"})
	s := New(Options{Resolver: w}).Sweep(t.Context(), lists, subjects, nil)
	want := map[string]Verdict{"203.0.113.7@v4": NotListed, "2001:db8::7@v6": NotListed, "bad.example.net@names": Listed}
	if len(s.Results) != len(want) {
		t.Errorf("%d pairs asked, want %d: each list takes its own kind only", len(s.Results), len(want))
	}
	for _, r := range s.Results {
		if v, ok := want[r.Subject.String()]; !ok || v != r.Reading.Verdict {
			t.Errorf("%s: %v (%s), want %v", r.Subject, r.Reading.Verdict, r.Reading.Why, v)
		}
	}
}

func TestBudgetAndPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lists := mustLists(t, "id: l, zone: l.example, "+stated+", access: {per_second: 2, per_day: 20}")
		w := newWorld()
		w.set("l.example", listing(nil))
		var ips []string
		for i := range 30 {
			ips = append(ips, fmt.Sprintf("203.0.113.%d", i+1))
		}
		start := time.Now()
		e := New(Options{Resolver: w})
		s := e.Sweep(t.Context(), lists, points(ips...), nil)
		unknown := 0
		for _, r := range s.Results {
			if r.Reading.Verdict == Unknown {
				unknown++
				if !strings.Contains(r.Reading.Why, "budget of 20") {
					t.Errorf("why %q, want the budget", r.Reading.Why)
				}
			}
		}
		if w.count("l.example") != 20 || unknown != 14 {
			t.Errorf("asked %d with %d unknown, want 20 asked (4 of them test questions) and 14 unknown", w.count("l.example"), unknown)
		}
		if took := time.Since(start); took < 9*time.Second || took > 10*time.Second {
			t.Errorf("20 questions at 2/s took %s, want about 9 s", took)
		}
		time.Sleep(24 * time.Hour)
		if s := e.Sweep(t.Context(), lists, points(ips[:10]...), nil); s.Coverage().Unknown != 0 {
			t.Error("the budget did not renew after a day")
		}
	})
}

func TestIntervalStretchesToTheBudget(t *testing.T) {
	l := mustLists(t, "id: l, zone: l.example, access: {per_second: 5, per_day: 10000}")[0]
	if got := l.Interval(4, 15*time.Minute); got != 15*time.Minute {
		t.Errorf("4 addresses: %s, want the 15 min asked for", got)
	}
	if got := l.Interval(1024, 15*time.Minute); got < 2*time.Hour || got > 3*time.Hour {
		t.Errorf("1,024 addresses: %s, want about 2 h 45 min (1,030 of 9,000 questions)", got)
	}
	if perSecond, perDay := mustLists(t, "id: l, zone: bl.spamtrap.net")[0].Limits(); perSecond != 5 || perDay != 10000 {
		t.Errorf("nothing published: %v/s and %d a day, want 5 and 10,000", perSecond, perDay)
	}
	if perSecond, perDay := mustLists(t, "id: l, zone: bl.example")[0].Limits(); perSecond != 0 || perDay != 0 {
		t.Errorf("a reserved name: %v/s and %d a day, want no limit", perSecond, perDay)
	}
	local := mustLists(t, `id: l, zone: l.example, resolver: "127.0.0.1:5300"`)[0]
	if got := local.Interval(65536, time.Minute); got != time.Minute {
		t.Errorf("a feed on this host: %s, want no limit", got)
	}
}

// One dead list costs a run one question's time, however many addresses wait for it.
func TestOneDeadListAddsOneTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const budget = 3 * time.Second
		entries := []string{entry("dead", stated)}
		w := newWorld()
		for i := range 19 {
			id := fmt.Sprintf("l%02d", i)
			entries = append(entries, entry(id, stated))
			w.set(id+".example", listing(nil))
		}
		w.set("dead.example", func(string) ([]string, resolve.Failure) {
			time.Sleep(budget)
			return nil, resolve.FailTimeout
		})
		var ips []string
		for i := range 64 {
			ips = append(ips, fmt.Sprintf("203.0.113.%d", i+1))
		}
		start := time.Now()
		s := New(Options{Resolver: w, TestBudget: budget}).Sweep(t.Context(), mustLists(t, entries...), points(ips...), nil)
		if took := time.Since(start); took > budget+time.Second/10 {
			t.Errorf("the run took %s, want one timeout of %s", took, budget)
		}
		if c := s.Coverage(); c != (Coverage{Asked: 20, Answered: 19, Unknown: 1}) {
			t.Errorf("coverage %+v, want 19 of 20 answered", c)
		}
	})
}

// When every list is slow it is the resolver that is cold, and patience tells.
func TestSlowResolverGetsAPatientSecondTry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		var entries []string
		for i := range 4 {
			id := fmt.Sprintf("l%d", i)
			entries = append(entries, entry(id, stated))
			var asked atomic.Int32
			w.set(id+".example", func(label string) ([]string, resolve.Failure) {
				if asked.Add(1) <= 4 { // the first test comes too early
					return nil, resolve.FailTimeout
				}
				return listing(nil)(label)
			})
		}
		s := New(Options{Resolver: w}).Sweep(t.Context(), mustLists(t, entries...), points(listedIP), nil)
		if c := s.Coverage(); c.Answered != 4 {
			t.Errorf("coverage %+v (%s), want all four answered", c, s.Conditions[0].Why)
		}
	})
}

func TestSecretKeyNeverShows(t *testing.T) {
	lists := mustLists(t, `id: l, zone: "{key}.l.example", `+stated+`, access: {key: spare, per_second: 0}`)
	w := newWorld()
	w.set("sekret.l.example", listing(map[string][]string{reversed(listedIP): {"127.0.0.2"}}))
	w.txt[reversed(listedIP)+".sekret.l.example"] = "ask SEKRET.l.example"
	s := New(Options{Resolver: w, Redact: Redactor(map[string]string{"spare": "sekret"})}).Sweep(t.Context(), lists, points(listedIP), nil)
	text := fmt.Sprintf("%v %+v", s.Results[0].Reason, s.Conditions[0].Why)
	if strings.Contains(strings.ToLower(text), "sekret") || s.Results[0].Reason == "" {
		t.Errorf("secret shows, or the reason is gone: %s", text)
	}
	w.set("sekret.l.example", failing(resolve.FailTimeout))
	s = New(Options{Resolver: w}).Sweep(t.Context(), lists, points(listedIP), nil)
	if why := s.Results[0].Reading.Why; strings.Contains(strings.ToLower(why), "sekret") {
		t.Errorf("secret shows in %q", why)
	}
}

func TestCancelledSweepSaysNothing(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w := newWorld()
	w.set("l.example", listing(nil))
	s := New(Options{Resolver: w}).Sweep(ctx, mustLists(t, entry("l", stated)), points(listedIP), nil)
	if r := one(t, s, listedIP); r.Reading.Verdict != Unknown {
		t.Errorf("verdict %v after cancel, want unknown", r.Reading.Verdict)
	}
}

func TestDiagnoseNamesTheResolversTrouble(t *testing.T) {
	cond := func(n int, c Condition) (out []Condition) {
		for range n {
			out = append(out, c)
		}
		return out
	}
	public := []netip.AddrPort{netip.MustParseAddrPort("8.8.8.8:53")}
	bad := func(c Cause) Condition { return Condition{Health: HealthSuspended, Cause: c} }
	ok := Condition{Health: HealthOK}
	tests := []struct {
		name string
		in   []Condition
		kind string
		says string
	}{
		{"public resolver", append(cond(6, bad(CauseRefusal)), cond(4, ok)...), "public-resolver", "8.8.8.8"},
		{"rebind protection", append(cond(9, bad(CauseStripped)), ok), "rebind-protection", "127.0.0.0/8"},
		{"upstream filter", cond(5, bad(CauseEmpty)), "filtered", "filter"},
		{"resolver down", cond(5, bad(CauseSilent)), "silent", "does not answer"},
		{"one dead list is no trouble of ours", append(cond(1, bad(CauseSilent)), cond(9, ok)...), "", ""},
		{"two lists prove nothing", cond(2, bad(CauseSilent)), "", ""},
		{"missing keys do not count", append(cond(5, bad(CauseUnusable)), cond(3, ok)...), "", ""},
		{"nor do they dilute the others", append(cond(5, bad(CauseUnusable)), cond(3, bad(CauseSilent))...), "silent", "3 of 3"},
		{"nor do untested lists", append(cond(9, Condition{Health: HealthUntested}), cond(4, bad(CauseEmpty))...), "filtered", "4 of 4"},
		{"four of ten is not half", append(cond(4, bad(CauseSilent)), cond(6, ok)...), "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := Diagnose(tt.in, public)
			switch {
			case tt.kind == "" && got != nil:
				t.Errorf("diagnosed %q, want nothing", got.Words)
			case tt.kind != "" && (got == nil || got.Kind != tt.kind || !strings.Contains(got.Words, tt.says)):
				t.Errorf("diagnosed %+v, want %s saying %q", got, tt.kind, tt.says)
			}
		})
	}
}
