package report

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"repwatch/checks/smtp"
	"repwatch/correlate"
	"repwatch/incident"
	"repwatch/reputation"
	"repwatch/store"
)

// drawn is a document that holds nothing but a picture.
func drawn(t testing.TB, week string, rows ...Row) Report {
	t.Helper()
	w := must(ParseWeek(week, vienna(t)))
	return Report{Schema: Schema, At: utc(w.To.Add(9 * time.Hour)), Week: Period{ID: w.ID, From: utc(w.From), To: utc(w.To), Timezone: "Europe/Vienna", Hours: hours(w.span().length())},
		Blind: Blind{Told: 1}, Picture: Picture{Rows: rows, Alt: "the rows of a test"}}
}

// hourBar is a bar by the hours of a week at which it may have begun, surely began, surely ended, may have ended.
func hourBar(r Report, cause string, early, from, to, late float64) Bar {
	at := func(h float64) *time.Time { return utc(r.Week.From.Add(time.Duration(h * float64(time.Hour)))) }
	return Bar{Early: at(early), From: at(from), To: at(to), Late: at(late), Cause: cause, Incidents: []string{}}
}

// gallery are pictures of every kind.
func gallery(t testing.TB) map[string]Report {
	t.Helper()
	r := drawn(t, "2026-W46")
	bar := func(cause string, early, from, to, late float64) Bar { return hourBar(r, cause, early, from, to, late) }
	row := func(kind, name string, bars ...Bar) Row { return Row{Kind: kind, Name: name, Bars: bars} }
	gap := func(row Row, from, to float64) Row {
		g := hourBar(r, "", from, from, to, to)
		row.Unknown = append(row.Unknown, Gap{From: g.From, To: g.To})
		return row
	}
	out := map[string]Report{"empty": r}
	out["one"] = drawn(t, "2026-W46", row("partner", "contoso.example", bar(string(Ours), 30, 31, 35, 36)))
	out["causes"] = drawn(t, "2026-W46",
		row("list", "Spamhaus ZEN", bar(string(Ours), 10, 11, 60, 61), bar(string(Ours), 61, 70, 80, 81)),
		gap(row("list", "Barracuda Reputation Block List", bar(harmless, 20, 22, 40, 41)), 60, 90),
		gap(row("list", "UCEPROTECT level 3"), 0, 168),
		gap(row("partner", "a-partner-with-a-very-long-name.subsidiary.of.a.very.large.group.example", bar(string(Ours), 12, 13, 50, 52)), 60, 90),
		row("partner", "two.example", bar(string(Ours), 12, 13, 50, 52), bar(string(Theirs), 40, 41, 90, 95)),
		row("partner", "four.example", bar(string(Ours), 12, 13, 50, 52), bar(string(Theirs), 20, 21, 90, 95), bar(string(Path), 30, 31, 60, 61), bar(string(Unclear), 40, 48, 70, 75), bar(string(Path), 120, 121, 140, 141)),
		row("partner", "short.example", bar(string(Theirs), 100, 100.02, 100.08, 100.1), bar(string(Unclear), 110, 112, 112, 114)))
	var many []Row
	for n := range maxListRows {
		many = append(many, row("list", fmt.Sprintf("List %d", n), bar([]string{string(Ours), harmless}[n%2], float64(n), float64(n)+1, float64(10*n)+20, float64(10*n)+21)))
	}
	for n := range maxPartnerRows {
		many = append(many, row("partner", fmt.Sprintf("p%02d.example", n), bar(causeOrder[n%4], float64(n), float64(n)+1, float64(8*n)+20, float64(8*n)+23)))
	}
	full := drawn(t, "2026-W46", many...)
	full.Picture.More = 90
	out["most"] = full
	clock := drawn(t, "2026-W43") // winter time begins on its Sunday
	clock.Picture.Rows = []Row{row("partner", "contoso.example", hourBar(clock, string(Ours), 140, 143, 150, 169)), row("partner", "fabrikam.example", hourBar(clock, string(Theirs), 0, 1, 3, 4))}
	clock.At = utc(clock.Week.To.Add(-30 * time.Minute))
	out["clock"] = clock
	return out
}

// TestGallery holds the pictures.
func TestGallery(t *testing.T) {
	for name, r := range gallery(t) {
		svg, err := SVG(r, false)
		check(t, err)
		if strings.Contains(svg, "style=") {
			t.Errorf("%s: a page's policy would strip its style", name)
		}
		golden(t, name+".svg", []byte(svg))
		if dir := os.Getenv("GALLERY"); dir != "" { // to look at
			check(t, os.WriteFile(filepath.Join(dir, name+".png"), must(PNG(r)), 0o644))
			check(t, os.WriteFile(filepath.Join(dir, name+"-dark.svg"), []byte(must(SVG(r, true))), 0o644))
		}
	}
}

// TestBarsOf: the union of what is sure, and around it what may have been; nothing
// overlaps, nothing is lost.
func TestBarsOf(t *testing.T) {
	h := func(n float64) time.Time {
		return time.Date(2026, 11, 9, 0, 0, 0, 0, time.UTC).Add(time.Duration(n * float64(time.Hour)))
	}
	one := func(id string, early, from, to, late float64) *state {
		return &state{Episode: &incident.Episode{Incident: id}, extent: extent{low: span{h(from), h(to)}, seen: span{h(from), h(late)}, high: span{h(early), h(late)}}}
	}
	for name, c := range map[string]struct {
		states []*state
		want   string
	}{
		"one":                       {[]*state{one("1", 1, 2, 3, 4)}, "[1 2 3 4 1]"},
		"two that overlap":          {[]*state{one("1", 1, 2, 4, 5), one("2", 2, 3, 6, 7)}, "[1 2 6 7 1,2]"},
		"one inside another":        {[]*state{one("1", 1, 2, 8, 9), one("2", 3, 4, 5, 6)}, "[1 2 8 9 1,2]"},
		"apart":                     {[]*state{one("1", 1, 2, 3, 4), one("2", 5, 6, 7, 8)}, "[1 2 3 4 1] [5 6 7 8 2]"},
		"perhaps without a break":   {[]*state{one("1", 1, 2, 3, 5), one("2", 4, 6, 7, 8)}, "[1 2 3 6 1,2] [6 6 7 8 2]"},
		"one look found it":         {[]*state{one("1", 1, 2, 2, 4)}, "[1 1 1 4 1]"},
		"never sure, beside one":    {[]*state{one("1", 1, 2, 2, 4), one("2", 3, 4, 5, 6)}, "[1 4 5 6 1,2]"},
		"sure of one, edge of next": {[]*state{one("2", 1, 2, 9, 10), one("10", 9.5, 11, 12, 13)}, "[1 2 9 11 2,10] [11 11 12 13 10]"},
	} {
		got := ""
		for _, b := range barsOf(c.states, string(Ours)) {
			hour := func(p *time.Time) float64 { return p.Sub(h(0)).Hours() }
			got += fmt.Sprintf(" [%v %v %v %v %s]", hour(b.Early), hour(b.From), hour(b.To), hour(b.Late), strings.Join(b.Incidents, ","))
		}
		if strings.TrimSpace(got) != c.want {
			t.Errorf("%s:%s, want %s", name, got, c.want)
		}
	}
	if bars := barsOf([]*state{one("1", 2, 2, 2, 2)}, string(Ours)); len(bars) != 1 || bars[0].Late.Equal(*bars[0].Early) {
		t.Errorf("what was seen for no time at all: %+v", bars)
	}
}

// TestLanes: only what overlaps shares the height of its row.
func TestLanes(t *testing.T) {
	r := drawn(t, "2026-W46")
	bar := func(cause Whose, early, late float64) Bar { return hourBar(r, string(cause), early, early, late, late) }
	var got []string
	for _, b := range lanes([]Bar{bar(Theirs, 5, 9), bar(Ours, 1, 6), bar(Ours, 9, 12), bar(Path, 20, 21), bar(Unclear, 30, 40), bar(Ours, 32, 33), bar(Path, 39, 50), {Early: r.Week.To, From: r.Week.To, To: r.Week.To, Late: r.Week.To, Cause: "news"}}) {
		got = append(got, fmt.Sprintf("%s %d/%d", b.Cause, b.lane, b.of))
	}
	if want := "ours 0/2, theirs 1/2, ours 0/1, path 0/1, unclear 2/3, ours 0/3, path 1/3, news 0/1"; strings.Join(got, ", ") != want {
		t.Errorf("%s, want %s", strings.Join(got, ", "), want)
	}
}

// TestRowsOfThePicture: lists that hurt, then harmless, then such as were not believed;
// what does not fit is counted; and where nothing could be told it is not empty.
func TestRowsOfThePicture(t *testing.T) {
	s := newScene(t)
	s.watchedSince(at("2026-10-01T00:00:00Z"))
	monday := at("2026-11-09T12:00:00Z")
	check(t, s.db.Update(monday, func(tx *store.Tx) error {
		_, err := tx.Append(incident.Record{At: monday, What: incident.Suspended, Subject: reputation.Subject{Kind: reputation.KindHealth, Domain: "list", Target: "a-broken"}})
		return err
	}))
	s.record(monday, incident.Listed, listing("203.0.113.8", "cop"), 0, "", "") // longer than what hurts
	s.record(monday.Add(time.Minute), incident.Listed, listing("203.0.113.7", "zen"), 0, "", "")
	s.record(monday.Add(2*time.Minute), incident.Lost, wire("203.0.113.7", "contoso.example"), 0, correlate.ByListing, "zen")
	r := s.build("2026-W46", at("2026-11-16T08:00:00Z"))
	var got []string
	for _, row := range r.Picture.Rows {
		cause := "none"
		if len(row.Bars) > 0 {
			cause = row.Bars[0].Cause
		}
		got = append(got, row.Name+" "+cause)
	}
	if want := "Zen ours, Zen harmless, a-broken none, contoso.example ours"; strings.ReplaceAll(strings.Join(got, ", "), "Cop", "Zen") != want { // the scene names all lists Zen
		t.Errorf("%s, want %s", strings.Join(got, ", "), want)
	}

	s = newScene(t)
	s.watchedSince(at("2026-10-01T00:00:00Z"))
	check(t, s.db.Update(monday, func(tx *store.Tx) error {
		for n := range 20 {
			e := incident.Episode{ID: uint64(2*n + 1), Subject: listing("203.0.113.7", fmt.Sprintf("l%02d", n)), Begin: reputation.Bracket{By: monday}, Listing: &reputation.Listing{}}
			check(t, tx.Episodes().Put(e.ID, e))
			e = incident.Episode{ID: uint64(2*n + 2), Subject: wire("203.0.113.7", fmt.Sprintf("p%02d.example", n)), Begin: reputation.Bracket{By: monday}, Wire: &incident.Wire{Loss: smtp.LossRejected}}
			check(t, tx.Episodes().Put(e.ID, e))
		}
		return nil
	}))
	r = s.build("2026-W46", at("2026-11-16T08:00:00Z"))
	if len(r.Picture.Rows) != 26 || r.Picture.More != 14 || r.Picture.Rows[9].Kind != "list" || r.Picture.Rows[10].Kind != "partner" {
		t.Errorf("%d rows and %d more", len(r.Picture.Rows), r.Picture.More)
	}
	if !strings.HasSuffix(r.Picture.Alt, "and 32 more.") {
		t.Errorf("in words: %s", r.Picture.Alt)
	}

	s = newScene(t)
	s.watchedSince(at("2026-11-10T23:00:00Z"))
	s.record(at("2026-11-12T00:00:00Z"), incident.Faulty, reputation.Subject{Kind: reputation.KindHealth, Domain: "looking"}, 0, "", "")
	r = s.build("2026-W46", at("2026-11-16T08:00:00Z"))
	if rows := r.Picture.Rows; len(rows) != 2 || rows[0].Name != "all lists" || rows[1].Name != "all partners" || len(rows[1].Unknown) != 2 || rows[1].Unknown[0].Why != "not watched yet" {
		t.Errorf("%+v", rows)
	}
	if !strings.Contains(r.Picture.Alt, "Nothing bad was seen, but little could be told") {
		t.Errorf("in words: %s", r.Picture.Alt)
	}
	if told := newScene(t).build("2026-W46", at("2026-11-16T08:00:00Z")).Picture.Alt; !strings.Contains(told, "Nothing could be told") {
		t.Errorf("in words: %s", told)
	}
}
