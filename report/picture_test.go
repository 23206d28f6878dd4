package report

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
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
