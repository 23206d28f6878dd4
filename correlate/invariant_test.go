package correlate_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"repwatch/correlate"
	"repwatch/correlate/oracle"
)

// small is a world of a few months with everything in it.
var small = oracle.Size{IPs: 3, Partners: 12, Lists: 8, Days: 70}

func smallWorld(t testing.TB, scenario string, seed uint64) []correlate.Event {
	t.Helper()
	s, err := oracle.ScenarioNamed(scenario)
	if err != nil {
		t.Fatal(err)
	}
	s.Reacting = min(s.Reacting, 5)
	events, _ := oracle.Simulate(s, small, seed)
	return events
}

// everything a correlator can say, as text.
func everything(t testing.TB, c *correlate.Correlator, now time.Time) string {
	t.Helper()
	b, err := json.Marshal(struct{ V, E any }{c.Verdicts(now), c.Edges(now, 0)})
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// Learned state is rebuilt from events: after a restart in the middle, every
// answer is the same to the byte, although the long run was asked all the time and the new one never.
func TestRestartChangesNothing(t *testing.T) {
	for _, scenario := range []string{"hidden", "stress"} {
		events := smallWorld(t, scenario, 7)
		o := correlate.Universe(events)
		o.Provider = map[string]string{o.Partners[0]: "bigmail", o.Partners[1]: "bigmail", o.Partners[2]: "bigmail"}
		for _, cut := range []int{len(events) / 3, len(events) / 2, len(events) - 5} {
			long := feed(t, correlate.New(o), events[:cut], true)
			rebuilt := feed(t, correlate.New(o), events[:cut], false)
			now := events[cut-1].T.Add(90 * time.Minute)
			if a, b := everything(t, long, now), everything(t, rebuilt, now); a != b {
				t.Fatalf("%s, rebuilt after %d events: %s", scenario, cut, cmp.Diff(a, b))
			}
			feed(t, long, events[cut:], true)
			feed(t, rebuilt, events[cut:], false)
			now = events[len(events)-1].T.Add(3 * 24 * time.Hour)
			if a, b := everything(t, long, now), everything(t, rebuilt, now); a != b {
				t.Fatalf("%s, at the end, rebuilt after %d events: %s", scenario, cut, cmp.Diff(a, b))
			}
		}
	}
}

func feed(t testing.TB, c *correlate.Correlator, events []correlate.Event, ask bool) *correlate.Correlator {
	t.Helper()
	for i, e := range events {
		if err := c.Observe(e); err != nil {
			t.Fatal(err)
		}
		if ask && i%3 == 0 {
			c.Verdict(e.Seq, e.T)
			c.Forecasts(e.Seq, e.T)
		}
		if ask && i%40 == 0 {
			c.Verdicts(e.T.Add(time.Duration(i) * time.Minute / 2))
		}
	}
	return c
}

// However often it is asked, and whatever comes next: what is kept is never older than what would be made anew.
func TestNothingKeptIsStale(t *testing.T) {
	o := world()
	o.Provider = map[string]string{partner(0): "bigmail", partner(1): "bigmail"}
	rapid.Check(t, func(rt *rapid.T) {
		events := randomEvents(rt)
		long := correlate.New(o)
		for i, e := range events {
			if err := long.Observe(e); err != nil {
				rt.Fatal(err)
			}
			now := e.T.Add(time.Duration(rapid.IntRange(0, 600).Draw(rt, "later")) * time.Minute)
			a := everything(t, long, now)
			if i%3 != 2 && i != len(events)-1 {
				continue
			}
			if b := everything(t, feed(t, correlate.New(o), events[:i+1], false), now); a != b {
				rt.Fatalf("after event %d: %s", i+1, cmp.Diff(a, b))
			}
		}
	})
}

// A loss looked like the list's doing; minutes later all other partners are lost too.
// Who asked in between must not keep what was believed then.
func TestNeighboursChangeWhatWasKept(t *testing.T) {
	p := &tape{t: t}
	p.listed(ipA, xbl, -5, 0)
	p.lost(ipA, partner(0), 10, 60)
	c := p.play(world(), 60)
	before := edgeOf(c, partner(0), xbl, 60).PIP
	for i := 1; i < 8; i++ {
		p.lost(ipA, partner(i), 10, 60+float64(i))
		if err := c.Observe(p.events[len(p.events)-1]); err != nil {
			t.Fatal(err)
		}
	}
	after := edgeOf(c, partner(0), xbl, 70).PIP
	if before < .5 || after > .2 {
		t.Errorf("edge believed with %.3f, after all others were lost %.3f", before, after)
	}
}

// What a universe does not declare joins by itself, and a restart still changes nothing.
func TestRestartWithoutDeclaredUniverse(t *testing.T) {
	events := smallWorld(t, "hidden", 8)
	long := feed(t, correlate.New(correlate.Options{}), events, true)
	rebuilt := feed(t, correlate.New(correlate.Options{}), events, false)
	now := events[len(events)-1].T.Add(time.Hour)
	if a, b := everything(t, long, now), everything(t, rebuilt, now); a != b {
		t.Fatal(cmp.Diff(a, b))
	}
}

// Probabilities sum to one, edges and forecasts are probabilities, whatever happens.
func TestProbabilities(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		events := randomEvents(rt)
		c := feed(t, correlate.New(world()), events, false)
		now := events[len(events)-1].T.Add(time.Duration(rapid.IntRange(0, 5000).Draw(rt, "later")) * time.Minute)
		for _, v := range c.Verdicts(now) {
			sum := 0.0
			for _, s := range v.Shares {
				if !(s.P >= 0 && s.P <= 1) {
					rt.Fatalf("loss %d: share %+v", v.Seq, s)
				}
				sum += s.P
			}
			if math.Abs(sum-1) > 1e-9 || !(v.Confidence >= 0 && v.Confidence <= 1+1e-9) {
				rt.Fatalf("loss %d: shares sum to %v, confidence %v", v.Seq, sum, v.Confidence)
			}
		}
		for _, e := range c.Edges(now, 0) {
			if !(e.PIP >= 0 && e.PIP <= 1+1e-9 && e.Alive >= 0 && e.Alive <= 1 && e.Low <= e.High) || e.Followed > e.Fired {
				rt.Fatalf("edge %+v", e)
			}
		}
		for _, e := range events {
			for _, f := range c.Forecasts(e.Seq, now) {
				if !(f.P >= 0 && f.P <= 1) || f.To.Before(f.From) {
					rt.Fatalf("forecast %+v", f)
				}
			}
		}
	})
}

// randomEvents draws valid events without sense: repeated, out of step, ends without beginnings.
func randomEvents(t *rapid.T) []correlate.Event {
	n := rapid.IntRange(1, 40).Draw(t, "events")
	now := 0
	var out []correlate.Event
	for i := range n {
		now += rapid.IntRange(0, 900).Draw(t, "gap")
		width := rapid.IntRange(0, 200).Draw(t, "width")
		e := correlate.Event{
			Seq: uint64(i + 1), T: at(float64(now)), Lo: at(float64(now - width)), Hi: at(float64(now)),
			Vantage: rapid.SampledFrom([]string{ipA, ipB, correlate.Control}).Draw(t, "vantage"),
		}
		switch rapid.IntRange(0, 9).Draw(t, "kind") {
		case 0:
			e.Kind, e.Of = correlate.KindUnrelated, uint64(rapid.IntRange(1, n).Draw(t, "of"))
		case 1:
			e.Kind, e.Vantage, e.Partner, e.List = correlate.KindReply, ipA, partner(0), xbl
		case 2, 3, 4, 5:
			e.Kind, e.List = correlate.KindListing, rapid.SampledFrom([]string{xbl, sbl}).Draw(t, "list")
			e.State = rapid.SampledFrom([]correlate.State{correlate.Listed, correlate.Clear}).Draw(t, "state")
			if e.Vantage == correlate.Control {
				e.Vantage = ipC
			}
		default:
			e.Kind, e.Partner = correlate.KindCap, partner(rapid.IntRange(0, 3).Draw(t, "partner"))
			e.State = rapid.SampledFrom([]correlate.State{correlate.Lost, correlate.OK}).Draw(t, "state")
			if e.Vantage != correlate.Control {
				e.Every = rapid.SampledFrom([]int{0, 0, 60, 480}).Draw(t, "every")
			}
			if e.State == correlate.Lost {
				e.Loss = rapid.SampledFrom([]correlate.Loss{correlate.LossSTARTTLS, correlate.LossMasked, correlate.LossRejected}).Draw(t, "loss")
			}
		}
		out = append(out, e)
	}
	return out
}

// What partners are called makes no difference, to the bit.
func TestNamesDoNotMatter(t *testing.T) {
	events := smallWorld(t, "stress", 11)
	rename := map[string]string{}
	for i, p := range correlate.Universe(events).Partners {
		rename[p] = fmt.Sprintf("x%02d.example", 99-i)
	}
	said := func(rename map[string]string) []byte {
		renamed := make([]correlate.Event, len(events))
		for i, e := range events {
			if to, ok := rename[e.Partner]; ok {
				e.Partner = to
			}
			renamed[i] = e
		}
		c := feed(t, correlate.New(correlate.Universe(renamed)), renamed, false)
		vs := c.Verdicts(renamed[len(renamed)-1].T)
		for i := range vs {
			vs[i].Partner = ""
		}
		b, err := json.Marshal(vs)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	if a, b := said(nil), said(rename); !bytes.Equal(a, b) {
		t.Error(cmp.Diff(string(a), string(b)))
	}
}

// A new partner with troubles of its own teaches nothing about the others.
func TestUnrelatedPartnerChangesNoEdge(t *testing.T) {
	events := smallWorld(t, "hidden", 13)
	o := correlate.Universe(events)
	o.Partners = append(o.Partners, "other.example")
	var more []correlate.Event
	for i, e := range events {
		e.Seq = uint64(len(more) + 1)
		more = append(more, e)
		if i%50 == 25 {
			x := correlate.Event{Seq: uint64(len(more) + 1), T: e.T, Kind: correlate.KindCap, Vantage: o.IPs[0], Partner: "other.example", State: correlate.Lost, Loss: correlate.LossBanner, Lo: e.T.Add(-time.Hour), Hi: e.T}
			if i%100 == 75 {
				x.State, x.Loss = correlate.OK, ""
			}
			more = append(more, x)
		}
	}
	learned := func(events []correlate.Event) map[string]float64 {
		out := map[string]float64{}
		for _, e := range feed(t, correlate.New(o), events, false).Edges(events[len(events)-1].T, .9) {
			if e.Partner != "other.example" {
				out[e.Partner+" "+e.List] = e.PIP
			}
		}
		return out
	}
	a, b := learned(events), learned(more)
	if len(a) == 0 {
		t.Fatal("this year teaches nothing")
	}
	near := cmp.Comparer(func(x, y float64) bool { return math.Abs(x-y) < .02 })
	if d := cmp.Diff(a, b, near); d != "" {
		t.Error(d)
	}
}

// Nobody reacts to anything, so nothing is learned: thirty drawn years.
func TestNothingIsLearnedWhereNothingIs(t *testing.T) {
	null, err := oracle.ScenarioNamed("null")
	if err != nil {
		t.Fatal(err)
	}
	for seed := range uint64(30) {
		events, _ := oracle.Simulate(null, oracle.Size{IPs: 4, Partners: 10, Lists: 12, Days: 365}, 500+seed)
		c := feed(t, correlate.New(correlate.Universe(events)), events, false)
		for _, e := range c.Edges(events[len(events)-1].T, .9) {
			t.Errorf("seed %d: %s", 500+seed, e.String())
		}
	}
}
