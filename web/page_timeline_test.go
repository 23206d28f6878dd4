package web

import (
	"math"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"repwatch/api"
)

// TestTimelineSaysWhose: a bar has its cause's pattern and leads to its incident, what
// is not sure is pale, and time in which a list was not believed is hatched.
func TestTimelineSaysWhose(t *testing.T) {
	s := open(t, "")
	body := text(t, s.ask("GET", "/timeline?last=30d", nil))
	for _, want := range []string{
		`<a href="./incidents/3" aria-label="203.0.113.7&gt;contoso.example: contoso.example withdrew STARTTLS; began between `,
		`<g class="ours"><title>203.0.113.7&gt;contoso.example`, `fill="url(#ours)"`, `class="pale"`,
		`<g class="harmless"><title>203.0.113.7@cop`,
		`class="unknown" fill="url(#unknown)"`, "its test point does not answer",
		"our side</span>", "a listing that broke nothing</span>", "not known</span>",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("the timeline does not say %q", want)
		}
	}
	if strings.Contains(body, "the way between</span>") {
		t.Error("the legend explains what does not occur")
	}
	if strings.Contains(body, "since they") || strings.Contains(body, "NaN") {
		t.Error("a bar has no place")
	}
}

// TestTimelineShowsSomething: without being asked for a span it takes the shortest in
// which the oldest open trouble is seen, which began 3 h ago.
func TestTimelineShowsSomething(t *testing.T) {
	s := open(t, "")
	for path, want := range map[string]string{"/timeline": "6h", "/timeline?ip=203.0.113.8": "7d", "/timeline?partner=nobody.example": "7d", "/timeline?last=1y": "1y"} {
		body := text(t, s.ask("GET", path, nil))
		if m := regexp.MustCompile(`aria-current="true">(\w+)</a>`).FindStringSubmatch(body); m == nil || m[1] != want {
			t.Errorf("%s shows %v, want %s", path, m, want)
		}
	}
}

// TestZoom: around the middle, never into the future, and bounded.
func TestZoom(t *testing.T) {
	at := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	hour := func(h float64) time.Time { return at.Add(time.Duration(h * float64(time.Hour))) }
	for _, tt := range []struct {
		from, to time.Time
		want     []string
	}{
		{hour(-8), hour(-4), []string{"earlier -10 -6", "later -6 -2", "zoom in -7 -5", "zoom out -10 -2"}},
		{hour(-8), at, []string{"earlier -12 -4", "zoom in -6 -2", "zoom out -16 0"}},
		{hour(-3), hour(-1), []string{"earlier -4 -2", "later -2 0", "zoom in -2.5 -1.5", "zoom out -4 0"}},
		{hour(-.2), at, []string{"earlier -0.3 -0.1", "zoom out -0.4 0"}},
		{hour(-24 * 500), at, []string{"earlier -18000 -6000", "zoom in -9000 -3000"}},
	} {
		var got []string
		for _, m := range moves("/mail", api.TimelineFilter{From: tt.from, To: tt.to, Name: "xbl"}, at) {
			u, err := url.Parse(m.Href)
			if err != nil || u.Path != "/mail/timeline" || u.Query().Get("partner") != "xbl" {
				t.Fatalf("%s leads to %s", m.Name, m.Href)
			}
			text := m.Name
			for _, key := range []string{"from", "to"} {
				when, err := time.Parse(time.RFC3339, u.Query().Get(key))
				if err != nil {
					t.Fatal(err)
				}
				text += " " + strconv.FormatFloat(math.Round(when.Sub(at).Hours()*100)/100+0, 'f', -1, 64)
			}
			got = append(got, text)
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s to %s: %q, want %q", tt.from, tt.to, got, tt.want)
		}
	}
}

// TestTicks are round moments, few enough for their labels, over a change of clocks too.
func TestTicks(t *testing.T) {
	vienna, err := time.LoadLocation("Europe/Vienna")
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 10, 25, 9, 7, 0, 0, vienna) // the clocks went back at 03:00
	for long, want := range map[time.Duration][2]string{
		20 * time.Minute: {"08:48", "09:06"}, time.Hour: {"08:10", "09:00"}, 6 * time.Hour: {"04:00", "09:00"}, 24 * time.Hour: {"12:00", "09:00"},
		7 * 24 * time.Hour: {"Mon 19 Oct", "Sun 25 Oct"}, 30 * 24 * time.Hour: {"Tue 29 Sep", "Fri 23 Oct"}, 366 * 24 * time.Hour: {"Nov 25", "Oct 26"},
	} {
		var names []string
		for _, tick := range ticks(at.Add(-long), at) {
			names = append(names, label(tick, long))
		}
		if len(names) < 3 || len(names) > 14 || names[0] != want[0] || names[len(names)-1] != want[1] {
			t.Errorf("%s: %q, want from %q to %q", long, names, want[0], want[1])
		}
	}
}

// TestBarsAreSeen: what lasted for a second is wide enough to be hit, and says how long it was.
func TestBarsAreSeen(t *testing.T) {
	at := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	d := drawing{from: at.Add(-7 * day), to: at, at: at, zone: time.UTC}
	since, until := at.Add(-48*time.Hour), at.Add(-48*time.Hour+time.Second)
	var out strings.Builder
	d.bar(&out, api.TimeBar{Subject: "<b>", Words: "\"x\"", Since: &since, EndAfter: &since, Until: &until, Incident: "../7", Cause: api.Theirs}, 30)
	if s := out.String(); !strings.Contains(s, `width="6.0"`) || !strings.Contains(s, `url(#theirs)`) || !strings.Contains(s, "began before we looked; seen 2026-11-22 12:00 UTC; ended 2026-11-22 12:00 UTC") ||
		!strings.Contains(s, `href="/incidents/..%2F7"`) || strings.Contains(s, "<b>") || strings.Contains(s, `"x"`) {
		t.Errorf("the bar is %s", s)
	}
}
