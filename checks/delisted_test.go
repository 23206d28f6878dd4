package checks

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"repwatch/checks/dnsbl"
)

const oneListed = "sending_ips: [{ip: 203.0.113.7}, {ip: 203.0.113.8}]\nblocklists: {use: [alpha]}\n"

// leaving is a check for which 203.0.113.7 is known to be on alpha, which has just been seen.
func leaving(t *testing.T) (*world, Check) {
	t.Helper()
	w := newWorld()
	w.set("alpha.example", listing("127.0.0.2", "203.0.113.7"))
	env := envOf(load(t, oneListed), w)
	env.Listed = func(string) map[string]bool { return map[string]bool{"203.0.113.7": true} }
	c := checkOf(t, env, "lists")
	if l := listOf(t, look(t, c, Ask{Why: WhySchedule}), "alpha"); len(l.Hits) != 1 {
		t.Fatalf("to begin with: %+v", l)
	}
	time.Sleep(time.Minute) // the test points were answered a moment ago
	w.set("alpha.example", listing(""))
	return w, c
}

func TestEmptiedListLetsNobodyGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, c := leaving(t)
		w.empty["alpha.example"] = true
		if l := listOf(t, look(t, c, Ask{Why: WhySchedule}), "alpha"); !l.AllUnknown || l.Health == dnsbl.HealthOK {
			t.Errorf("a list that names nobody, not even its test point, is believed: %+v", l)
		}
	})
}

func TestDelistingIsBelievedOfAListThatHasItsData(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, c := leaving(t)
		b := look(t, c, Ask{Why: WhySchedule})
		if l := listOf(t, b, "alpha"); len(l.Hits)+len(l.Unknown) > 0 || l.AllUnknown || len(b.Wants) > 0 {
			t.Errorf("%+v, wants %+v", l, b.Wants)
		}
	})
}

// A cached answer of the test point proves nothing about the list as it is now.
func TestDelistingWaitsForAFreshTestPoint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, c := leaving(t)
		w.left["127.0.0.2"] = 2 * time.Minute // of five
		b := look(t, c, Ask{Why: WhySchedule})
		l := listOf(t, b, "alpha")
		if !slices.Equal(l.Unknown, []string{"203.0.113.7"}) || l.AllUnknown || l.Why == "" {
			t.Errorf("%+v, want the one that may have gone unknown, with the reason", l)
		}
		if len(b.Wants) != 1 || !b.Wants[0].At.Equal(time.Now().Add(2*time.Minute+time.Second)) || !slices.Equal(b.Wants[0].Who, l.Unknown) || !slices.Equal(b.Wants[0].Lists, []string{"alpha"}) {
			t.Fatalf("wants %+v, want one look when the cache has let go of it", b.Wants)
		}
		if other := listOf(t, look(t, c, Ask{Why: "asked for", Who: []string{"203.0.113.8"}}), "alpha"); len(other.Unknown) > 0 {
			t.Errorf("another address: %+v", other)
		}
		time.Sleep(time.Until(b.Wants[0].At))
		w.left["127.0.0.2"] = 4 * time.Minute // somebody else had it asked a minute ago: since the address was seen to be gone
		b = look(t, c, b.Wants[0])
		if l := listOf(t, b, "alpha"); len(l.Unknown)+len(l.Hits) > 0 || l.AllUnknown || len(b.Wants) > 0 {
			t.Errorf("then: %+v, wants %+v", l, b.Wants)
		}
	})
}
