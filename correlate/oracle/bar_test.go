package oracle_test

import (
	"bytes"
	"encoding/json"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"repwatch/correlate"
	"repwatch/correlate/oracle"
)

// bar is what each scenario must reach: the table of docs/correlation.md.
type bar struct {
	online, final          [2]float64 // right list: precision, recall
	edges                  [2]float64 // learned edges: precision, recall among those with 3 or more reactions
	category, ece          float64    // of final verdicts; ece 1: not held
	forecast, forecastTold float64
}

var bars = map[string]bar{
	"base":   {[2]float64{.98, .98}, [2]float64{.99, .99}, [2]float64{.99, .99}, .99, .02, .75, .97},
	"noisy":  {[2]float64{.98, .98}, [2]float64{.99, .99}, [2]float64{.99, .99}, .99, .02, .75, .97},
	"hidden": {[2]float64{.92, .98}, [2]float64{.97, .98}, [2]float64{.95, .99}, .98, .02, .75, .97},
	"stress": {[2]float64{.85, .96}, [2]float64{.95, .97}, [2]float64{.90, .98}, .98, .03, .60, .80},
	"null":   {category: .99, ece: .02},
}

// slack is for the sampling error of a few years: in each, three incidents in
// three hundred decide. TestOracleFull measures over many years, without slack.
// One false edge a year is more than that.
const slack, falseEdges = 0.007, 1

// The bar, held on a few drawn years so that it takes seconds. Seeds are arbitrary and fixed.
func TestBar(t *testing.T) {
	if testing.Short() || raceEnabled {
		t.Skip("NOT RUN here: simulates years, which takes minutes under the race detector; scripts/test runs it without")
	}
	for _, s := range oracle.Scenarios {
		t.Run(s.Name, func(t *testing.T) {
			var sum tally
			for seed := range uint64(yearsOf(s)) {
				events, truth := oracle.Simulate(s, oracle.Year, 7100+seed)
				sum.add(replay(t, events, truth))
			}
			f, b := sum.mean(), bars[s.Name]
			t.Log(row(s.Name, f))
			atLeast := func(what string, got, want float64) {
				t.Helper()
				if got < want-slack || math.IsNaN(got) && want > 0 {
					t.Errorf("%s: %.4f, want at least %.2f", what, got, want)
				}
			}
			atLeast("online precision", f.Online.Precision, b.online[0])
			atLeast("online recall", f.Online.Recall, b.online[1])
			atLeast("final precision", f.Final.Precision, b.final[0])
			atLeast("final recall", f.Final.Recall, b.final[1])
			if s.Reacting > 0 && f.Edges.False > falseEdges {
				t.Errorf("%d false edges, want at most %d", f.Edges.False, falseEdges)
			}
			atLeast("edge recall", f.Edges.Recall3, b.edges[1])
			atLeast("category", f.Final.Category, b.category)
			atLeast("forecast precision", f.Forecast.Precision, b.forecast)
			atLeast("forecast recall", f.Forecast.Recall, b.forecastTold)
			atLeast("calibration", -f.Online.ECE, -b.ece)
			if s.Name == "null" && f.Edges.Learned > 0 {
				t.Errorf("%d edges learned where nobody reacts", f.Edges.Learned)
			}
		})
	}
}

func yearsOf(s oracle.Scenario) int {
	if s.Reacting == 0 {
		return 4 // cheap, and the one thing asked of them is rare
	}
	return 1
}

// The same seed gives the same year, another seed another one.
func TestSimulateIsDeterministic(t *testing.T) {
	size := oracle.Size{IPs: 2, Partners: 12, Lists: 6, Days: 60}
	a, ta := oracle.Simulate(oracle.Scenarios[3], size, 1)
	b, tb := oracle.Simulate(oracle.Scenarios[3], size, 1)
	if d := cmp.Diff(a, b) + cmp.Diff(ta, tb); d != "" {
		t.Error(d)
	}
	c, _ := oracle.Simulate(oracle.Scenarios[3], size, 2)
	if cmp.Equal(a, c) {
		t.Error("two seeds, one year")
	}
}

// What a watcher would write down is what the decoder takes.
func TestSimulatedEventsAreValid(t *testing.T) {
	for _, s := range oracle.Scenarios {
		events, truth := oracle.Simulate(s, oracle.Size{IPs: 3, Partners: 14, Lists: 10, Days: 120}, 4)
		var b bytes.Buffer
		enc := json.NewEncoder(&b)
		for _, e := range events {
			if err := enc.Encode(e); err != nil {
				t.Fatal(err)
			}
		}
		got, err := correlate.ReadEvents(&b)
		if err != nil || len(got) != len(events) {
			t.Fatalf("%s: %d of %d events, %v", s.Name, len(got), len(events), err)
		}
		for _, i := range truth.Incidents {
			if e := events[i.Seq-1]; e.State != correlate.Lost || e.Vantage != i.IP || e.Partner != i.Partner {
				t.Errorf("%s: incident %+v is event %+v", s.Name, i, e)
			}
		}
	}
}

// The scorer on a handful of verdicts, by hand: each rule of the score once.
func TestScoreByHand(t *testing.T) {
	truth := oracle.Truth{
		Incidents: []oracle.Incident{
			{Seq: 1, Category: "listing", Trigger: "a", Lists: []string{"a"}},
			{Seq: 2, Category: "listing", Trigger: "a", Lists: []string{"a", "b"}},
			{Seq: 3, Category: "listing", Trigger: "a"},
			{Seq: 4, Category: "wide"},
			{Seq: 5, Category: "random"},
			{Seq: 6, Category: "internal"},
			{Seq: 7, Category: "path"},
			{Seq: 8, Category: "listing", Trigger: "b"},
		},
		Edges: []oracle.Edge{{"p", "a", 3}, {"p", "b", 1}, {"q", "a", 5}},
	}
	said, err := oracle.ReadSaid(strings.NewReader(`
{"seq":1,"stage":"online","verdict":"listing","list":"a","confidence":0.95}
{"seq":2,"stage":"online","verdict":"listing","list":"b","confidence":0.85}
{"seq":3,"stage":"online","verdict":"listing-ambiguous","list":null,"confidence":0.9}
{"seq":4,"stage":"online","verdict":"partner-wide","list":null,"confidence":1}
{"seq":5,"stage":"online","verdict":"private","list":null,"confidence":0.75}
{"seq":6,"stage":"online","verdict":"listing","list":"a","confidence":0.65}
{"seq":7,"stage":"online","verdict":"unexplained","list":null,"confidence":0.55}
{"edge":{"partner":"p","list":"a","pip":0.99}}
{"edge":{"partner":"p","list":"c","pip":0.91}}
{"edge":{"partner":"q","list":"a","pip":0.5}}
{"forecast":{"listing_seq":1,"partner":"p","p":0.7}}
`[1:]))
	if err != nil {
		t.Fatal(err)
	}
	f := oracle.Score(truth, said)
	want := oracle.Stage{
		Answered:  7,
		Precision: 2. / 3, // 1 and 2 of 1, 2, 6
		Recall:    2. / 4, // 3 is ambiguous, 8 was not answered
		Category:  5. / 8, // all but 6, 7 and 8
		// by tenths: 1, 3, 4: 2.85 said, 2 right; 2: .85 of 1; 5: .75 of 1; 6: .65 of 0; 7: .55 of 0
		ECE: (.85 + .15 + .25 + .65 + .55) / 7,
	}
	near := cmp.Comparer(func(a, b float64) bool { return math.Abs(a-b) < 1e-9 || math.IsNaN(a) && math.IsNaN(b) })
	if d := cmp.Diff(want, f.Online, near); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(oracle.EdgeFigures{True: 3, Learned: 2, False: 1, Precision: .5, Recall3: .5}, f.Edges, near); d != "" {
		t.Error(d)
	}
	if f.Final.Answered != 0 || !math.IsNaN(f.Final.Precision) || f.Forecasts != 1 || f.Incidents != 8 {
		t.Errorf("%+v", f)
	}
}

// The recorded weeks under testdata were drawn by another generator and scored
// by another scorer; figures.json is what that one said of verdicts.jsonl.
func TestScorerAgreesWithAnother(t *testing.T) {
	_, truth := load(t, "testdata/weeks")
	said, err := oracle.ReadSaid(bytes.NewReader(read(t, "testdata/weeks/verdicts.jsonl")))
	if err != nil {
		t.Fatal(err)
	}
	var want struct {
		Online, Final struct{ Precision, Recall, Category, ECE float64 }
		Edges         struct {
			True, Learned, False int
			Precision            float64
		}
	}
	if err := json.Unmarshal(read(t, "testdata/weeks/figures.json"), &want); err != nil {
		t.Fatal(err)
	}
	f := oracle.Score(truth, said)
	for _, c := range []struct{ got, want float64 }{
		{f.Online.Precision, want.Online.Precision}, {f.Online.Recall, want.Online.Recall}, {f.Online.Category, want.Online.Category}, {f.Online.ECE, want.Online.ECE},
		{f.Final.Precision, want.Final.Precision}, {f.Final.Recall, want.Final.Recall}, {f.Final.Category, want.Final.Category}, {f.Final.ECE, want.Final.ECE},
		{float64(f.Edges.True), float64(want.Edges.True)}, {float64(f.Edges.Learned), float64(want.Edges.Learned)}, {f.Edges.Precision, want.Edges.Precision},
	} {
		if math.Abs(c.got-c.want) > 6e-5 {
			t.Errorf("got %v, the other scorer %v", c.got, c.want)
		}
	}
}

// The recorded weeks are understood: all but a few of their losses are judged rightly.
func TestRecordedWeeks(t *testing.T) {
	events, truth := load(t, "testdata/weeks")
	f := replay(t, events, truth)
	t.Log(row("weeks", f))
	if f.Final.Category < .97 || f.Final.Precision < .95 || f.Final.Recall < .95 {
		t.Errorf("%+v", f.Final)
	}
}

func read(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
