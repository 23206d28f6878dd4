package oracle_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"

	"repwatch/correlate"
	"repwatch/correlate/oracle"
)

var (
	recorded  = flag.String("oracle", "", "also score the recorded years in this directory (NAME/events.jsonl, NAME/truth.json)")
	years     = flag.Int("years", 0, "simulated full years per scenario to score")
	firstSeed = flag.Uint64("seed", 1000, "first seed of the simulated years")
	only      = flag.String("scenario", "", "simulate this scenario alone")
)

// replay scores one year.
func replay(t testing.TB, events []correlate.Event, truth oracle.Truth) oracle.Figures {
	t.Helper()
	var out bytes.Buffer
	if err := correlate.Replay(events, correlate.Universe(events), &out); err != nil {
		t.Fatal(err)
	}
	said, err := oracle.ReadSaid(&out)
	if err != nil {
		t.Fatal(err)
	}
	f := oracle.Score(truth, said)
	f.Forecast = oracle.ScoreForecasts(events, truth, said)
	return f
}

func row(name string, f oracle.Figures) string {
	s := func(s oracle.Stage) string {
		return fmt.Sprintf("%.4f/%.4f cat %.4f ece %.4f", s.Precision, s.Recall, s.Category, s.ECE)
	}
	return fmt.Sprintf("%-9s %4d online %s | final %s | edges %d of %d, %d false, recall %.3f | forecast %.3f/%.3f",
		name, f.Incidents, s(f.Online), s(f.Final), f.Edges.Learned-f.Edges.False, f.Edges.True, f.Edges.False, f.Edges.Recall3,
		f.Forecast.Precision, f.Forecast.Recall)
}

// TestOracleFull prints the table of docs/correlation.md:
//
//	go test ./correlate/oracle -run TestOracleFull -v -years 10
//	go test ./correlate/oracle -run TestOracleFull -v -oracle DIR
func TestOracleFull(t *testing.T) {
	if *recorded == "" && *years == 0 {
		t.Skip("give -years N or -oracle DIR")
	}
	if *recorded != "" {
		names, err := filepath.Glob(filepath.Join(*recorded, "*", "events.jsonl"))
		if err != nil || len(names) == 0 {
			t.Fatalf("no recorded years in %s: %v", *recorded, err)
		}
		for _, name := range names {
			events, truth := load(t, filepath.Dir(name))
			t.Log(row(filepath.Base(filepath.Dir(name)), replay(t, events, truth)))
		}
	}
	for _, s := range oracle.Scenarios {
		if *only != "" && s.Name != *only {
			continue
		}
		var sum tally
		for i := range *years {
			events, truth := oracle.Simulate(s, oracle.Year, *firstSeed+uint64(i))
			f := replay(t, events, truth)
			t.Log(row(fmt.Sprintf("%s-%d", s.Name, *firstSeed+uint64(i)), f))
			sum.add(f)
		}
		if sum.n > 0 {
			t.Log("MEAN " + row(s.Name, sum.mean()))
		}
	}
}

// tally averages figures over years; a figure that a year does not have is left out.
type tally struct {
	n     int
	sum   [12]float64
	count [12]float64
	total oracle.Figures
}

func (a *tally) add(f oracle.Figures) {
	a.n++
	for i, x := range []float64{
		f.Online.Precision, f.Online.Recall, f.Online.Category, f.Online.ECE,
		f.Final.Precision, f.Final.Recall, f.Final.Category, f.Final.ECE,
		f.Edges.Precision, f.Edges.Recall3, f.Forecast.Precision, f.Forecast.Recall,
	} {
		if !math.IsNaN(x) {
			a.sum[i] += x
			a.count[i]++
		}
	}
	a.total.Incidents += f.Incidents
	a.total.Edges.True += f.Edges.True
	a.total.Edges.Learned += f.Edges.Learned
	a.total.Edges.False += f.Edges.False
}

func (a *tally) mean() oracle.Figures {
	var m [12]float64
	for i := range m {
		m[i] = a.sum[i] / a.count[i]
	}
	f := a.total
	f.Online = oracle.Stage{Precision: m[0], Recall: m[1], Category: m[2], ECE: m[3]}
	f.Final = oracle.Stage{Precision: m[4], Recall: m[5], Category: m[6], ECE: m[7]}
	f.Edges.Precision, f.Edges.Recall3 = m[8], m[9]
	f.Forecast = oracle.ForecastFigures{Precision: m[10], Recall: m[11]}
	return f
}

func load(t testing.TB, dir string) ([]correlate.Event, oracle.Truth) {
	t.Helper()
	f, err := os.Open(filepath.Join(dir, "events.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	events, err := correlate.ReadEvents(f)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(filepath.Join(dir, "truth.json"))
	if err != nil {
		t.Fatal(err)
	}
	var truth oracle.Truth
	if err := json.Unmarshal(raw, &truth); err != nil {
		t.Fatal(err)
	}
	return events, truth
}
