package report

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"repwatch/correlate"
)

func vienna(t testing.TB) *time.Location {
	t.Helper()
	zone, err := time.LoadLocation("Europe/Vienna")
	check(t, err)
	return zone
}

// yearEnd is when the reports of the simulated year are asked for.
var yearEnd = time.Date(2026, 12, 31, 11, 0, 0, 0, time.UTC)

// weeks are held in full: much trouble, a calm one, and the last, which has looks and forecasts.
var weeks = []string{"2026-W23", "2026-W24", "2026-W53"}

// TestYear holds every rendering of weeks of a fixed year.
func TestYear(t *testing.T) {
	db, cfg := yearStore(t), yearConfig(t, "Europe/Vienna")
	for _, id := range weeks {
		w, err := ParseWeek(id, vienna(t))
		check(t, err)
		r := build(t, db, cfg, w, yearEnd)
		golden(t, id+".txt", []byte(Text(r, 100)))
		golden(t, id+".md", []byte(Markdown(r)))
		doc, err := json.MarshalIndent(r, "", "  ")
		check(t, err)
		golden(t, id+".json", append(doc, '\n'))
		blocks, err := slackJSON(r)
		check(t, err)
		var pretty bytes.Buffer
		check(t, json.Indent(&pretty, blocks, "", "  "))
		golden(t, id+".slack.json", append(pretty.Bytes(), '\n'))
	}
	r := build(t, db, cfg, must(ParseWeek(weeks[0], vienna(t))), yearEnd)
	page, err := HTML(r)
	check(t, err)
	golden(t, weeks[0]+".html", []byte(page))
	if *update { // the example of docs/report.md; pixels are not held, what is drawn is
		check(t, os.WriteFile(filepath.Join("..", "docs", "report.png"), must(PNG(r)), 0o644))
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// TestBracketsHold: the least is never more than what was seen, nor that than the
// most; and what is believed of edges is the sum of the changes that were told.
func TestBracketsHold(t *testing.T) {
	db, cfg := yearStore(t), yearConfig(t, "Europe/Vienna")
	wide, changes := 0, 0
	standing := map[[2]string]string{} // of edges, by the changes that were told week by week
	for w := must(ParseWeek("2026-W01", vienna(t))); w.From.Before(yearEnd); w = weekFrom(w.To) {
		r := build(t, db, cfg, w, yearEnd)
		all := []Hours{r.Sum.LossHours, r.Sum.ListingHours, r.Appendix.Sum, r.Appendix.Union}
		for _, p := range r.Partners {
			all = append(all, p.Lost, p.Rejected, Hours(*p.TLS))
		}
		for _, h := range all {
			if h.Low > h.Seen || h.Seen > h.High {
				t.Errorf("%s: %+v", w.ID, h)
			}
			if h.Low < h.High {
				wide++
			}
		}
		for _, e := range r.Learned.Edges {
			at := [2]string{e.Partner, e.List}
			if string(e.Was) != standing[at] {
				t.Errorf("%s: %s to %s was %q, after %q", w.ID, e.Partner, e.List, e.Was, standing[at])
			}
			if standing[at] = string(e.Is); e.Is == correlate.Weak {
				standing[at] = "" // nothing is believed of it
			}
			changes++
		}
		known := 0
		for _, s := range standing {
			if s == "learned" {
				known++
			}
		}
		if known != r.Learned.Known {
			t.Errorf("%s: %d known, %d by what was told week by week", w.ID, r.Learned.Known, known)
		}
		if most := r.Week.Hours * float64(len(r.Partners)); r.Sum.LossHours.High > most {
			t.Errorf("%s: %v partner-hours of at most %v", w.ID, r.Sum.LossHours.High, most)
		}
	}
	if wide == 0 || changes < 10 {
		t.Errorf("the year is too calm for this test: %d brackets, %d changes of belief", wide, changes)
	}
}

// TestSameAgain: one store, week and moment give one document, to the byte.
func TestSameAgain(t *testing.T) {
	db, cfg := yearStore(t), yearConfig(t, "Europe/Vienna")
	w := must(ParseWeek("2026-W23", vienna(t)))
	first := must(json.Marshal(build(t, db, cfg, w, yearEnd)))
	for range 3 {
		if again := must(json.Marshal(build(t, db, cfg, w, yearEnd))); !bytes.Equal(first, again) {
			t.Fatal("the document differs from build to build")
		}
	}
}

// BenchmarkYear builds a report out of a year of history.
func BenchmarkYear(b *testing.B) {
	db, cfg := yearStore(b), yearConfig(b, "Europe/Vienna")
	w := must(ParseWeek("2026-W52", vienna(b)))
	for b.Loop() {
		build(b, db, cfg, w, yearEnd)
	}
}
