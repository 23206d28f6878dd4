package report

import (
	"bytes"
	"encoding/json"
	"math"
	"slices"
	"testing"
	"time"

	"repwatch/checks/smtp"
	"repwatch/incident"
	"repwatch/reputation"
	"repwatch/store"
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
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// TestNumbersBySlowReckoning counts a whole year of weeks again, second by second
// on a grid, from the raw episodes alone.
func TestNumbersBySlowReckoning(t *testing.T) {
	db, cfg := yearStore(t), yearConfig(t, "Europe/Vienna")
	var eps []incident.Episode
	whose := map[string]string{}
	check(t, db.View(func(tx *store.Tx) error {
		for _, e := range tx.Episodes().All() {
			eps = append(eps, e)
		}
		for id, i := range tx.Incidents().All() {
			whose[id] = string(i.Verdict)
		}
		return nil
	}))
	ours := []string{"listing", "listing-ambiguous", "common-cause", "private", "listed"}
	affected := 0
	for n := 2; n <= 52; n += 5 {
		w := weekFrom(must(ParseWeek("2026-W01", vienna(t))).From.AddDate(0, 0, 7*(n-1)))
		r := build(t, db, cfg, w, yearEnd)
		losses, ourLosses := newGrids(w), newGrids(w)
		lists := newGrids(w)
		listings, sumHours := 0, 0.0
		without := newGrids(w)
		for _, e := range eps {
			end := yearEnd
			if !e.Open() {
				end = e.End.By
			}
			switch {
			case e.Subject.Kind == reputation.KindWire:
				losses.mark(e.Subject.Target, e.Begin.By, end)
				if slices.Contains(ours, whose[e.Incident]) {
					ourLosses.mark(e.Subject.Target, e.Begin.By, end)
				}
				if k := e.Wire.Loss; k == smtp.LossStartTLS || k == smtp.LossMasked || k == smtp.LossBroken {
					without.mark(e.Subject.String(), e.Begin.By, end)
				}
			case e.Subject.Kind == reputation.KindListing:
				one := newGrids(w)
				if one.mark("", e.Begin.By, end) {
					listings++
				}
				sumHours += one.hours()
				lists.mark("", e.Begin.By, end)
			}
		}
		near(t, w.ID+" loss hours", r.Sum.LossHours.Seen, losses.hours())
		near(t, w.ID+" listing hours", r.Sum.ListingHours.Seen, lists.hours())
		near(t, w.ID+" sum of listing hours", r.Appendix.Sum.Seen, sumHours)
		if r.Sum.Listings != listings || r.Sum.PartnersAffected != len(losses.of) {
			t.Errorf("%s: %d listings and %d partners, slowly reckoned %d and %d", w.ID, r.Sum.Listings, r.Sum.PartnersAffected, listings, len(losses.of))
		}
		affected += r.Sum.PartnersAffected
		for _, f := range r.Sum.Whose {
			if f.Whose == Ours {
				near(t, w.ID+" our hours", f.Hours.Seen, ourLosses.hours())
			}
		}
		pairs, tls := 0.0, 0.0
		for _, p := range r.Partners {
			pairs += float64(p.Pairs)
			tls += float64(p.Pairs) * p.TLS.Seen
		}
		if got, want := tls/pairs, 1-without.hours()/(pairs*w.span().length().Hours()); math.Abs(got-want) > 1e-4 {
			t.Errorf("%s: TLS available %f, slowly reckoned %f", w.ID, got, want)
		}
	}
	if affected < 5 {
		t.Errorf("the year is too calm for this test: %d", affected)
	}
}

// grids hold a bit for each second of a week, by name.
type grids struct {
	w  Week
	of map[string][]bool
}

func newGrids(w Week) *grids { return &grids{w, map[string][]bool{}} }

func (g *grids) mark(name string, from, to time.Time) (any bool) {
	n := int(g.w.To.Sub(g.w.From).Seconds())
	a, b := int(from.Sub(g.w.From).Seconds()), int(to.Sub(g.w.From).Seconds())
	for i := max(a, 0); i < min(b, n); i++ {
		if g.of[name] == nil {
			g.of[name] = make([]bool, n)
		}
		g.of[name][i] = true
	}
	return a < n && b > 0
}

func (g *grids) hours() float64 {
	n := 0
	for _, bits := range g.of {
		for _, b := range bits {
			if b {
				n++
			}
		}
	}
	return float64(n) / 3600
}

func near(t *testing.T, what string, got, want float64) {
	t.Helper()
	if math.Abs(got-want) > .02 { // a thousandth of an hour, rounded for each partner
		t.Errorf("%s: %.3f, slowly reckoned %.3f", what, got, want)
	}
}

// TestBracketsHold: the least is never more than what was seen, nor that than the most.
func TestBracketsHold(t *testing.T) {
	db, cfg := yearStore(t), yearConfig(t, "Europe/Vienna")
	wide := 0
	for w := must(ParseWeek("2026-W02", vienna(t))); w.From.Before(yearEnd); w = weekFrom(w.To) {
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
		if most := r.Week.Hours * float64(len(r.Partners)); r.Sum.LossHours.High > most {
			t.Errorf("%s: %v partner-hours of at most %v", w.ID, r.Sum.LossHours.High, most)
		}
	}
	if wide == 0 {
		t.Error("no bracket was seen")
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
