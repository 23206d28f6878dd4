package checks

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"repwatch/checks/dnsbl"
	"repwatch/reputation"
	"repwatch/resolve"
)

const two = `
sending_ips: [{ip: 203.0.113.7}, {ip: 203.0.113.8}, {ip: "2001:db8::7"}]
domains: [example.com]
`

func listOf(t *testing.T, b Batch, id string) ListLook {
	t.Helper()
	i := slices.IndexFunc(b.Lists, func(l ListLook) bool { return l.List == id })
	if i < 0 {
		t.Fatalf("nothing of list %s in %+v", id, b.Lists)
	}
	return b.Lists[i]
}

func whoIn(hits []Hit) (out []string) {
	for _, h := range hits {
		out = append(out, h.Who)
	}
	return out
}

func TestSweepIsToldInColumns(t *testing.T) {
	w := newWorld()
	w.set("alpha.example", listing("127.0.0.2", "203.0.113.7").failingFor(resolve.FailTimeout, "203.0.113.8"))
	w.set("beta.example", listing(""))
	w.left["203.0.113.7"], w.left["203.0.113.8"] = 2*time.Minute, time.Minute // of 5
	w.set("gamma.example", failing(resolve.FailTimeout))
	w.set("six.example", listing(""))
	w.set("names.example", listing("127.0.0.2", "example.com"))
	c := checkOf(t, envOf(load(t, two), w), "lists")
	b := look(t, c, Ask{Why: WhySchedule})

	alpha := listOf(t, b, "alpha")
	want := []Hit{{"203.0.113.7", reputation.Listing{Codes: []string{"127.0.0.2"}, Meaning: []string{"spam"}, Impact: reputation.Critical, Alert: "now", Name: "Alpha",
		Reason: `seen at\x1b[1m a trap`, DelistURL: "https://alpha.example/203.0.113.7", DelistHow: "self-service; usually takes 1d"}}}
	if d := cmp.Diff(want, alpha.Hits); d != "" {
		t.Errorf("hits of alpha:\n%s", d)
	}
	if !slices.Equal(alpha.Unknown, []string{"203.0.113.8"}) || alpha.AllUnknown || alpha.Health != dnsbl.HealthOK || alpha.Asked != nil || alpha.HitAge != 3*time.Minute {
		t.Errorf("alpha: %+v", alpha)
	}
	if beta := listOf(t, b, "beta"); len(beta.Hits)+len(beta.Unknown) > 0 || beta.AllUnknown || beta.Interval != 15*time.Minute || beta.ClearAge != 4*time.Minute || beta.HitAge != 0 {
		t.Errorf("beta: %+v", beta)
	}
	if gamma := listOf(t, b, "gamma"); !gamma.AllUnknown || gamma.Health != dnsbl.HealthSuspended || gamma.Why == "" || gamma.Unknown != nil {
		t.Errorf("gamma: %+v", gamma)
	}
	if names := listOf(t, b, "names"); !slices.Equal(whoIn(names.Hits), []string{"example.com"}) {
		t.Errorf("names: %+v", names)
	}
	// six has no RFC 5782 test point in this world: what it denies proves nothing
	if six := listOf(t, b, "six"); six.Health != dnsbl.HealthUntested || !six.AllUnknown {
		t.Errorf("six: %+v", six)
	}
	roundTrip(t, b)
}

// roundTrip holds that what is folded after the wire is what was looked.
func roundTrip(t *testing.T, b Batch) {
	t.Helper()
	text, err := json.Marshal(b)
	if err != nil {
		t.Fatal(err)
	}
	var back Batch
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(b, back, cmpopts.EquateComparable(reputation.Subject{}, netip.Addr{})); d != "" {
		t.Errorf("after JSON:\n%s", d)
	}
}

func TestOnlyWhatIsAskedForIsAsked(t *testing.T) {
	w := newWorld()
	w.set("alpha.example", listing("127.0.0.10", "203.0.113.7"))
	w.set("beta.example", listing(""))
	c := checkOf(t, envOf(load(t, two), w), "lists")
	b := look(t, c, Ask{Why: "asked for", Lists: []string{"alpha", "gone"}, Who: []string{"203.0.113.7", "example.com", "192.0.2.1", "203.0.113.7"}})
	if len(b.Lists) != 1 || w.questions("beta.example") > 0 {
		t.Errorf("lists: %+v", b.Lists)
	}
	alpha := listOf(t, b, "alpha")
	if !slices.Equal(alpha.Asked, []string{"203.0.113.7"}) || !slices.Equal(whoIn(alpha.Hits), alpha.Asked) {
		t.Errorf("alpha: %+v", alpha)
	}
	if h := alpha.Hits[0]; h.Class != reputation.ClassPolicy || h.Accuses() || h.Alert != "never" {
		t.Errorf("a policy code at impact info is %+v", h)
	}
	if b := look(t, c, Ask{Who: []string{"203.0.113.7"}}); b.Health != nil {
		t.Errorf("what one address was answered judges the resolver: %+v", b.Health)
	}
	if b := look(t, c, Ask{Lists: []string{"alpha"}}); b.Health != nil || len(b.Lists) != 1 {
		t.Errorf("one list of five judges the resolver: %+v", b.Health)
	}
	want := []string{"gone is not among the lists in use", "192.0.2.1 is not among the configured addresses and domains"}
	if !slices.Equal(b.Skipped, want) || b.Health != nil {
		t.Errorf("skipped %q, health %+v", b.Skipped, b.Health)
	}
}

func TestUntestedListCountsAsInformation(t *testing.T) {
	w := newWorld()
	w.set("loose.example", listing("127.0.0.2", "203.0.113.7"))
	cfg := load(t, two+`blocklists: {use: [loose], add: [{id: loose, zone: loose.example, impact: info, alert: now, codes: {127.0.0.2: spam}, test: {none: true}}]}`)
	b := look(t, checkOf(t, envOf(cfg, w), "lists"), Ask{Why: WhySchedule})
	l := listOf(t, b, "loose")
	if h := l.Hits[0]; !h.Untested || h.Alert != "never" || h.Impact != reputation.Info || !slices.Equal(l.Unknown, []string{"203.0.113.8"}) {
		t.Errorf("%+v", l)
	}
}

// everyone lists all but one of sixteen addresses and no test point.
func everyone(who string) ([]string, resolve.Failure) {
	if strings.HasPrefix(who, "203.0.113.") && who != "203.0.113.15" {
		return []string{"127.0.0.2"}, ""
	}
	return nil, ""
}

const sixteen = `
sending_ips: [{range: 203.0.113.0/28}]
blocklists: {use: [alpha, beta]}
`

func TestMassHitWaitsForItsSecondLook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.set("alpha.example", everyone)
		w.set("beta.example", listing("127.0.0.2", "203.0.113.3"))
		c := checkOf(t, envOf(load(t, sixteen), w), "lists")
		first := time.Now()
		b := look(t, c, Ask{Why: WhySchedule})
		alpha := listOf(t, b, "alpha")
		if len(alpha.Hits) > 0 || len(alpha.Unknown) != 15 || alpha.AllUnknown || alpha.Health != dnsbl.HealthOK || !strings.Contains(alpha.Why, "15 of 16") {
			t.Errorf("the first look is believed: %+v", alpha)
		}
		if beta := listOf(t, b, "beta"); len(beta.Hits) != 1 {
			t.Errorf("another list is held back too: %+v", beta)
		}
		if len(b.Wants) != 1 {
			t.Fatalf("wants: %+v", b.Wants)
		}
		again := b.Wants[0]
		if !again.At.Equal(first.Add(dnsbl.SecondLook)) || !slices.Equal(again.Lists, []string{"alpha"}) || again.Check != "lists" {
			t.Errorf("wants %+v", again)
		}
		if healthOf(t, b, "coverage").Fault != nil {
			t.Error("a list that is held back counts as one that did not answer")
		}

		time.Sleep(3 * time.Minute)
		if b = look(t, c, Ask{Why: "asked for", Lists: again.Lists, Who: []string{"203.0.113.3"}}); len(listOf(t, b, "alpha").Hits) > 0 {
			t.Error("asked for one address, the list is believed before its second look")
		}
		if len(b.Wants) != 1 || !b.Wants[0].At.Equal(again.At) {
			t.Errorf("the second look moved to %+v", b.Wants)
		}

		time.Sleep(2 * time.Minute)
		if b = look(t, c, again); len(listOf(t, b, "alpha").Hits) != 15 || len(b.Wants) > 0 {
			t.Errorf("the second look is not believed: %+v", b)
		}
		time.Sleep(15 * time.Minute)
		if b = look(t, c, Ask{Why: WhySchedule}); len(listOf(t, b, "alpha").Hits) != 15 {
			t.Error("held back once more")
		}
		w.set("alpha.example", failing(resolve.FailTimeout))
		time.Sleep(15 * time.Minute)
		look(t, c, Ask{Why: WhySchedule})
		w.set("alpha.example", everyone)
		time.Sleep(15 * time.Minute)
		if b = look(t, c, Ask{Why: WhySchedule}); len(listOf(t, b, "alpha").Hits) != 15 {
			t.Error("held back once more, because the list was silent in between")
		}

		w.set("alpha.example", listing(""))
		time.Sleep(15 * time.Minute)
		look(t, c, Ask{Why: WhySchedule})
		w.set("alpha.example", everyone)
		time.Sleep(15 * time.Minute)
		if b = look(t, c, Ask{Why: WhySchedule}); len(listOf(t, b, "alpha").Hits) > 0 {
			t.Error("another mass hit is believed for the sake of the first")
		}
	})
}

func TestKnownMassHitIsNotHeldBack(t *testing.T) {
	w := newWorld()
	w.set("alpha.example", everyone)
	env := envOf(load(t, sixteen), w)
	known := map[string]bool{}
	for i := range 9 {
		known[fmt.Sprintf("203.0.113.%d", i)] = true
	}
	env.Listed = func(list string) map[string]bool {
		if list == "alpha" {
			return known
		}
		return nil
	}
	c := checkOf(t, env, "lists")
	if b := look(t, c, Ask{Why: WhySchedule, Lists: []string{"alpha"}}); len(listOf(t, b, "alpha").Hits) != 15 {
		t.Error("after a restart, a fleet that is known to be listed is held back")
	}
}

func TestChunksMakeOneColumn(t *testing.T) {
	w := newWorld()
	hits := []string{"10.0.0.0", "10.0.31.255", "10.0.32.0", "10.0.63.255"}
	w.set("alpha.example", listing("127.0.0.2", hits...).failingFor(resolve.FailTimeout, "10.0.40.1"))
	late := 0
	w.set("beta.example", func(who string) ([]string, resolve.Failure) { // begins to answer nonsense on the way
		if late++; late > 9000 && who != "127.0.0.2" {
			return []string{"192.0.2.1"}, ""
		}
		return listing("127.0.0.2", "10.0.0.0")(who)
	})
	w.set("gamma.example", listing(""))
	cfg := load(t, "sending_ips: [{range: 10.0.0.0/18}]\nblocklists: {use: [alpha, beta, gamma]}")
	b := look(t, checkOf(t, envOf(cfg, w), "lists"), Ask{Why: WhySchedule})
	if n := len(slices.Collect(pieces(16384, 3))); n < 3 {
		t.Fatalf("%d chunks test nothing", n)
	}
	alpha := listOf(t, b, "alpha")
	if !slices.Equal(whoIn(alpha.Hits), hits) || !slices.Equal(alpha.Unknown, []string{"10.0.40.1"}) {
		t.Errorf("alpha: hits %v, %d unknown", whoIn(alpha.Hits), len(alpha.Unknown))
	}
	if beta := listOf(t, b, "beta"); !beta.AllUnknown || len(beta.Hits) > 0 || beta.Health != dnsbl.HealthSuspended {
		t.Errorf("beta: what it said before it broke is believed: %+v", beta)
	}
	if n := w.questions("beta.example"); n > 12000 {
		t.Errorf("beta was asked %d times, long after it broke", n)
	}
	if n := w.questions("gamma.example"); n != 16384 {
		t.Errorf("gamma was asked %d times", n)
	}
}

func pieces(n, lists int) func(func(int) bool) {
	return func(yield func(int) bool) {
		at := 0
		for from, chunk := range chunks(make([]dnsbl.Point, n), lists) {
			if from != at || len(chunk)*lists > pairsAtOnce || !yield(len(chunk)) {
				return
			}
			at += len(chunk)
		}
	}
}

func TestChunksCoverAll(t *testing.T) {
	for _, c := range [][2]int{{0, 3}, {1, 60}, {8, 0}, {300, 60}, {65536, 60}, {65536, 1}, {5, 20000}} {
		sum := 0
		for from, chunk := range chunks(make([]dnsbl.Point, c[0]), c[1]) {
			if from != sum || len(chunk) == 0 || len(chunk) > 1 && len(chunk)*c[1] > pairsAtOnce {
				t.Errorf("%v: chunk of %d at %d", c, len(chunk), from)
			}
			sum += len(chunk)
		}
		if sum != c[0] && c[1] > 0 {
			t.Errorf("%v: %d covered", c, sum)
		}
	}
}

func healthOf(t *testing.T, b Batch, domain string) HealthLook {
	t.Helper()
	i := slices.IndexFunc(b.Health, func(h HealthLook) bool { return h.Subject.Domain == domain })
	if i < 0 {
		t.Fatalf("nothing said of %s: %+v", domain, b.Health)
	}
	return b.Health[i]
}

func TestCoverageIsSaid(t *testing.T) {
	ok, dead, empty := listing(""), failing(resolve.FailTimeout), failing(resolve.FailServer)
	broken := func(string) ([]string, resolve.Failure) { return []string{"127.0.0.2"}, "" }
	for _, tc := range []struct {
		name               string
		lists              []list
		resolver, coverage string // fault id; "": fine, "-": not said
		words              string
	}{
		{"all answer", []list{ok, ok, ok, ok}, "", "", ""},
		{"half answer", []list{ok, ok, dead, empty}, "", "", ""},
		{"untested ones do not count", []list{ok, nil, nil, nil}, "", "", ""},
		{"there are only untested ones", []list{nil, nil}, "-", "-", ""},
		{"the resolver is silent", []list{dead, dead, dead, dead}, "silent", "-", "4 of 4 lists"},
		{"each has its own trouble", []list{ok, dead, empty, broken}, "", "coverage", "1 of 4 lists answered"},
		{"two lists are too few for a diagnosis", []list{dead, empty}, "-", "coverage", "0 of 2 lists answered"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld()
				var add []string
				for i, l := range tc.lists {
					points := "{listed: [127.0.0.2]}"
					if l == nil {
						l, points = ok, "{none: true}"
					}
					w.set(fmt.Sprintf("l%d.example", i), l)
					add = append(add, fmt.Sprintf("{id: l%d, zone: l%[1]d.example, test: %s}", i, points))
				}
				cfg := load(t, "sending_ips: [{ip: 203.0.113.7}]\nblocklists: {use: [l0], add: ["+strings.Join(add, ", ")+"]}")
				cfg.Lists = cfg.Catalogue.Lists[len(cfg.Catalogue.Lists)-len(tc.lists):]
				b := look(t, checkOf(t, envOf(cfg, w), "lists"), Ask{Why: WhySchedule})
				got := map[string]string{"resolver": "-", "coverage": "-"}
				words := ""
				for _, h := range b.Health {
					got[h.Subject.Domain] = ""
					if h.Fault != nil {
						got[h.Subject.Domain] = h.Fault.ID
						words += h.Fault.What
					}
				}
				if got["resolver"] != tc.resolver || got["coverage"] != tc.coverage || !strings.Contains(words, tc.words) {
					t.Errorf("%v: %s", got, words)
				}
			})
		})
	}
}

func TestInterruptedSweepSaysNothing(t *testing.T) {
	w := newWorld()
	w.set("alpha.example", listing("127.0.0.2", "203.0.113.7"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	c := checkOf(t, envOf(load(t, two), w), "lists")
	if b := c.Look(ctx, Ask{Check: "lists"})[0]; b.Lists != nil || b.Health != nil || len(b.Skipped) != 1 {
		t.Errorf("%+v", b)
	}
}

func TestPlanStretchesToTheBudget(t *testing.T) {
	cfg := load(t, `
sending_ips: [{range: 203.0.113.0/24}]
domains: [example.com]
blocklists: {use: [names, six, free, tight, slow], add: [
  {id: free, zone: free.example},
  {id: tight, zone: tight.example, access: {per_day: 20960}},
  {id: slow, zone: slow.example, access: {per_second: 0.1}}]}
`)
	c := checkOf(t, envOf(cfg, newWorld()), "lists")
	start := time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)
	var got []string
	for round := range 7 {
		var pieces []string
		for _, a := range c.Plan(start.Add(time.Duration(round)*15*time.Minute-time.Duration(round%2)*30*time.Second), round) {
			if a.Check != "lists" || a.Why != WhySchedule || a.Who != nil {
				t.Errorf("%+v", a)
			}
			pieces = append(pieces, strings.Join(a.Lists, "+"))
		}
		got = append(got, strings.Join(pieces, " "))
	}
	// tight may be asked every 20 minutes, slow every 44, and the latter takes longer than a round
	want := []string{"names+free+tight slow", "names+free", "names+free+tight", "names+free+tight slow", "names+free+tight", "names+free", "names+free+tight slow"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestKeys(t *testing.T) {
	at := time.Now()
	confirm := Ask{Check: "partners", Why: "confirm", Partner: "contoso.com", From: []string{"203.0.113.7", "office"}}
	same := confirm
	same.From, same.At, same.Why = []string{"office", "203.0.113.7"}, at, "peers"
	other := confirm
	other.From = []string{"203.0.113.8"}
	repeated := confirm
	repeated.Every, repeated.Until = time.Minute, at
	round := Ask{Check: "partners", Why: WhySchedule, Partner: "contoso.com", From: []string{"203.0.113.7"}}
	next := round
	next.From = []string{"203.0.113.8"}
	switch {
	case confirm.Key() != same.Key():
		t.Error("the same look, wanted again for another reason, does not take its place")
	case confirm.Key() == other.Key():
		t.Error("another address takes its place")
	case confirm.Key() == repeated.Key():
		t.Error("a watch puts the confirmation off")
	case round.Key() != next.Key():
		t.Error("rounds pile up")
	case round.Key() == (Ask{Check: "partners", Why: WhySchedule, Partner: "fabrikam.com"}).Key():
		t.Error("one partner's round takes another's place")
	case (Ask{Check: "lists", Why: WhySchedule, Lists: []string{"slow"}}).Key() == (Ask{Check: "lists", Why: WhySchedule, Lists: []string{"a", "b"}}).Key():
		t.Error("a slow list's own piece and the others take each other's place")
	}
}

func TestMassHitsInNumbers(t *testing.T) {
	known := map[string]bool{"a": true, "b": true, "c": true, "d": true, "e": true}
	bad := reputation.Listing{}
	policy := reputation.Listing{Class: reputation.ClassPolicy}
	col := &column{takes: 9, findings: 5}
	for who := range known {
		col.hits = append(col.hits, foundHit{Hit: Hit{who, bad}})
	}
	for _, who := range []string{"p", "q", "r", "s"} {
		col.hits = append(col.hits, foundHit{Hit: Hit{who, policy}})
	}
	if !col.mass() || col.news(known) || !col.news(nil) {
		t.Errorf("5 accused of 9, all known: mass %v, news %v; none known: %v", col.mass(), col.news(known), col.news(nil))
	}
	for name, c := range map[string]column{
		"half":       {takes: 10, findings: 5},
		"of seven":   {takes: 7, findings: 7},
		"broken now": {takes: 9, findings: 9, cond: dnsbl.Condition{Health: dnsbl.HealthSuspended}},
	} {
		if c.mass() {
			t.Errorf("%s: a mass hit", name)
		}
	}
	if broken := (column{takes: 9, known: 9, cond: dnsbl.Condition{Health: dnsbl.HealthSuspended}}); broken.answered() || broken.told() {
		t.Error("a list that broke on the way counts as one that answered")
	}
}

func TestWhatIsKnownByNowIsNotHeldBack(t *testing.T) {
	m := NewMemory()
	start := time.Now()
	m.hold("alpha", start, massHit{mass: true, news: true, everybody: true})
	if _, held := m.hold("alpha", start.Add(time.Minute), massHit{mass: true, everybody: true}); held {
		t.Error("held back though it is known")
	}
	if _, held := m.hold("beta", start, massHit{mass: true, everybody: true}); held {
		t.Error("a mass hit that is known is held back")
	}
}

func TestDeadResolverIsAskedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		for _, zone := range []string{"alpha", "beta", "gamma"} {
			w.set(zone+".example", failing(resolve.FailTimeout))
		}
		questions := func(yaml string) (n int) {
			look(t, checkOf(t, envOf(load(t, yaml+"\nblocklists: {use: [alpha, beta, gamma]}"), w), "lists"), Ask{Why: WhySchedule})
			for zone := range w.asked {
				n += len(w.asked[zone])
			}
			clear(w.asked)
			return n
		}
		if one, many := questions("sending_ips: [{ip: 10.0.0.0}]"), questions("sending_ips: [{range: 10.0.0.0/18}]"); many != one {
			t.Errorf("%d questions for a fleet, %d for one address", many, one)
		}
	})
}

// A list that is asked once a day is not left out for a year because the clock ran ahead.
func TestBudgetedListAfterTheClockWasSetBack(t *testing.T) {
	m, day := NewMemory(), 24*time.Hour
	now := time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC)
	m.allows("xbl", now.Add(365*day), day, time.Hour)
	if !m.allows("xbl", now, day, time.Hour) || m.allows("xbl", now.Add(time.Hour), day, time.Hour) {
		t.Error("a list's budget does not begin anew when the clock is set back")
	}
}
