package web

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"repwatch/report"
)

// TestReportPage: a week as a page, below a prefix too: its sentence, its picture in
// light and dark with words for it, its tables, and the way to other weeks.
func TestReportPage(t *testing.T) {
	s := open(t, "web: {prefix: mail}\n")
	this := report.WeekOf(time.Now(), time.UTC)
	body := text(t, s.ask("GET", "/mail/reports?week="+this.ID, nil))
	for _, want := range []string{`class="sentence red"`, "Mail to ", "In numbers", `<a href="/mail/incidents/3">#3</a>`, `<a href="/mail/partner/contoso.example">`, "<details",
		`srcset="/mail/reports/` + this.ID + `.svg?dark=1"`, `src="/mail/reports/` + this.ID + `.svg" alt="Timeline from `, `href="/mail/reports?week=` + this.Before(1).ID + `" rel="prev"`,
		`max="` + this.ID + `"`, `download="mail-reputation-` + this.ID + `.html"`} {
		if !strings.Contains(body, want) {
			t.Errorf("%q is missing", want)
		}
	}
	if strings.Contains(body, `rel="next"`) {
		t.Error("the week to come is offered")
	}
	for _, m := range regexp.MustCompile(`(?:href|src|srcset|action)="(/[^"]*)"`).FindAllStringSubmatch(body, -1) {
		if !strings.HasPrefix(m[1], "/mail/") {
			t.Errorf("%s leads out of the prefix", m[1])
		}
	}
	if t.Failed() {
		t.Log(body)
	}
	for query, want := range map[string]string{"": this.Before(1).ID, "2026-W02": "week 2 of 2026", " 2026-w02 ": "week 2 of 2026"} {
		if body := text(t, s.ask("GET", "/mail/reports?week="+strings.ReplaceAll(query, " ", "+"), nil)); !strings.Contains(body, want) || !strings.Contains(body, `rel="next"`) {
			t.Errorf("?week=%s does not say %q", query, want)
		}
	}
	for query, want := range map[string]string{"soon": "is no week", this.Before(-1).ID: "has not begun yet"} {
		if res := s.ask("GET", "/mail/reports?week="+query, nil); res.StatusCode != http.StatusBadRequest || !strings.Contains(text(t, res), want) {
			t.Errorf("?week=%s: %s", query, res.Status)
		}
	}
}

// TestReportFiles: the same week in each shape; what has a style of its own is for elsewhere.
func TestReportFiles(t *testing.T) {
	s := open(t, "")
	week := "/reports/" + report.WeekOf(time.Now(), time.UTC).ID
	for ext, want := range map[string]struct{ kind, begins string }{
		".svg": {"image/svg+xml", "<svg "}, ".png": {"image/png", "\x89PNG"}, ".json": {"application/json", `{"schema":"repwatch/report/v1"`},
		".md": {"text/markdown; charset=utf-8", "# Mail reputation"}, ".txt": {"text/plain; charset=utf-8", "Mail reputation"}, ".html": {"text/html; charset=utf-8", "<!DOCTYPE html>"},
	} {
		res := s.ask("GET", week+ext, nil)
		body := text(t, res)
		if res.StatusCode != http.StatusOK || res.Header.Get("Content-Type") != want.kind || !strings.HasPrefix(body, want.begins) || res.Header.Get("Content-Security-Policy") != policy {
			t.Errorf("%s: %s %v %.40q", ext, res.Status, res.Header, body)
		}
		if saved := strings.HasPrefix(res.Header.Get("Content-Disposition"), "attachment"); saved != (ext == ".html") {
			t.Errorf("%s: to be saved: %v", ext, saved)
		}
	}
	if light, dark := text(t, s.ask("GET", week+".svg", nil)), text(t, s.ask("GET", week+".svg?dark=1", nil)); light == dark || strings.Contains(light+dark, "style=") {
		t.Error("light and dark are the same, or hold what the policy forbids")
	}
	for path, code := range map[string]int{"/reports/2026-W02.exe": 404, "/reports/2026-W02": 404, "/reports/.svg": 404, "/reports/2026-W60.svg": 400} {
		if res := s.ask("GET", path, nil); res.StatusCode != code {
			t.Errorf("%s: %s", path, res.Status)
		}
	}
}

// TestReportsAreKept of so many weeks, and are built anew afterwards.
func TestReportsAreKept(t *testing.T) {
	var k weeks
	built := 0
	ask := func(n int) *memo[report.Report] {
		return k.of(fmt.Sprint(n), func() *memo[report.Report] { built++; return newMemo[report.Report](nil, nil) })
	}
	first := ask(0)
	for n := range weeksKept {
		ask(n)
	}
	if ask(0) != first || built != weeksKept {
		t.Errorf("%d built, want %d and the first still kept", built, weeksKept)
	}
	ask(weeksKept)
	if len(k.kept) != 1 || ask(0) == first {
		t.Errorf("%d kept of more than %d", len(k.kept), weeksKept)
	}
}
