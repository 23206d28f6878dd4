package report

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"repwatch/correlate"
	"repwatch/incident"
	"repwatch/reputation"
)

// TestLengths: as exact as they were seen, never one bracket inside another.
func TestLengths(t *testing.T) {
	for h, want := range map[Hours]string{
		{}:                    "0 min",
		{2. / 3, 2. / 3, .7}:  "40 min",
		{3, 3.083, 3.1}:       "3 h 5 min",
		{30.9, 31, 31.2}:      "31 h",
		{52, 52, 53}:          "2 d 4 h",
		{.65, .73, 1}:         "44 min (39 to 60)",
		{5.02, 6.02, 7.02}:    "6 h (5 to 7)",
		{26, 29, 30}:          "29 h (26 to 30)",
		{8.9, 10, 11.1}:       "10 h (8.9 to 11.1)",
		{0, 0, .76}:           "0 min (0 to 46)",
		{96, 120, 144}:        "5 d (4 to 6)",
		{.001, .001, .001}:    "less than a minute",
		{1.0 / 60, .02, .021}: "1 min",
	} {
		if got := h.String(); got != want {
			t.Errorf("%+v: %s, want %s", h, got, want)
		}
	}
	if got := (Hours{96, 120, 144}).total(); got != "120 h (96 to 144)" {
		t.Errorf("in sum: %s", got)
	}
}

// TestShares: a share may be all or nothing, a probability never.
func TestShares(t *testing.T) {
	for p, want := range map[float64][2]string{
		0: {"0 %", "under 0.1 %"}, 1: {"100 %", "over 99.9 %"}, .9999: {"over 99.9 %", "over 99.9 %"}, .0001: {"under 0.1 %", "under 0.1 %"},
		.5: {"50 %", "50 %"}, .994: {"99.4 %", "99.4 %"}, .004: {"0.4 %", "0.4 %"}, .9994: {"over 99.9 %", "over 99.9 %"}, 1.5: {"100 %", "over 99.9 %"}, -1: {"0 %", "under 0.1 %"},
	} {
		if got := [2]string{percent(p), probability(p)}; got != want {
			t.Errorf("%v: %q, want %q", p, got, want)
		}
	}
}

// TestVerdicts: whose doing in words; "may change" only while it lasts.
func TestVerdicts(t *testing.T) {
	sure, half := 1., .5
	for want, i := range map[string]Incident{
		"our side: a listing; confirmed (over 99.9 %)":                          {Whose: Ours, Verdict: correlate.ByListing, Word: "confirmed", Confidence: &sure, Provisional: true, Status: incident.Resolved},
		"our side: a listing; confirmed (over 99.9 %); this may still change":   {Whose: Ours, Verdict: correlate.ByListing, Word: "confirmed", Confidence: &sure, Provisional: true, Status: incident.Open},
		"not clear: several causes fit":                                         {Whose: Unclear, Verdict: correlate.Undetermined, Word: "possible", Confidence: &half},
		"the partner: a change for everybody; possible (50 %)":                  {Whose: Theirs, Verdict: correlate.ByPartner, Word: "possible", Confidence: &half},
		"our side: a listing that broke nothing":                                {Whose: Ours, Verdict: incident.JustListed, Word: "", Confidence: &sure},
		"our side: our own set-up":                                              {Kind: incident.Own, Whose: Ours},
		"our side: we could not see":                                            {Kind: incident.Health, Whose: Ours},
		"our side: no verdict yet":                                              {Whose: Ours},
		"the way between: a fault of the path; confirmed (over 99.9 %)":         {Whose: Path, Verdict: correlate.ByPath, Word: "confirmed", Confidence: &sure},
		"our side: the partner saw what the lists saw; confirmed (over 99.9 %)": {Whose: Ours, Verdict: correlate.ByAbuse, Word: "confirmed", Confidence: &sure},
	} {
		if got := (told{}).verdict(i); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// TestSidesThatAnswer: docs/report.md's table of sum.whose.
func TestSidesThatAnswer(t *testing.T) {
	for cause, want := range map[correlate.Cause]Whose{
		correlate.ByListing: Ours, correlate.ByLists: Ours, correlate.ByAbuse: Ours, correlate.Private: Ours, incident.JustListed: Ours,
		correlate.ByPartner: Theirs, correlate.ByPath: Path, correlate.Unexplained: Unclear, correlate.Undetermined: Unclear, "": Unclear,
	} {
		if got := (&incident.Incident{Kind: incident.Reputation, Verdict: cause}).Whose(); got != want {
			t.Errorf("%q: %s, want %s", cause, got, want)
		}
	}
	if got := (&incident.Incident{Kind: incident.Own}).Whose(); got != Ours {
		t.Errorf("our own set-up: %s", got)
	}
}

// TestAsOf: in a report of an old week, what is of the day that it was written says so;
// the one that is sent on Monday, or a day late, needs no date.
func TestAsOf(t *testing.T) {
	r := drawn(t, "2026-W46")
	r.Due = []Due{{Text: "renew it", When: utc(r.Week.To.Add(40 * 24 * time.Hour))}, {Text: "has no PTR"}}
	r.Listings.Hurt = []Listing{{Name: "Zen", Open: 2, Partners: []string{"contoso.example"}}}
	r.Blind.Keys = []KeyUse{{List: "zen", Day: "2026-11-15", Spent: 9, PerDay: 10}, {List: "cop", Day: "2026-11-18", Spent: 9, PerDay: 10}}
	const dated = "(as of 18 November 2026, after the week)"
	for at, old := range map[string]bool{"2026-11-16T08:00:00Z": false, "2026-11-16T22:59:00Z": false, "2026-11-18T08:00:00Z": true, "2026-11-12T08:00:00Z": false} {
		when := must(time.Parse(time.RFC3339, at))
		r.At = &when
		text := Text(r, 0)
		for _, part := range []string{"Open " + dated, "Due soon " + dated, "listed on 18 November 2026"} {
			if strings.Contains(text, part) != old {
				t.Errorf("%s: %q: %v\n%s", at, part, !old, text)
			}
		}
		if strings.Contains(text, "Open now") == old || strings.Contains(text, "still listed") == old {
			t.Errorf("%s: open now, still listed: %v", at, !old)
		}
		for _, part := range []string{"spent on 15 November 2026 (UTC)", "spent on 18 November 2026, after the week (UTC)", "26 December 2026: renew it", "already so: has no PTR"} {
			if !strings.Contains(text, part) {
				t.Errorf("%q is missing:\n%s", part, text)
			}
		}
	}
}

// TestColumnsThatSayNothing go; a row's dash stays where another row speaks.
func TestColumnsThatSayNothing(t *testing.T) {
	got := (&table{head: []string{"a", "b", "c", "d"}, rows: [][]string{{"-", "-", "x", ""}, {"", "", "-", "-"}}}).without()
	raw, err := json.Marshal([]any{got.head, got.rows})
	check(t, err)
	if want := `[["a","c"],[["-","x"],["","-"]]]`; string(raw) != want {
		t.Errorf("%s, want %s", raw, want)
	}
}

// TestTimesInWords: the day once, the year where it is another.
func TestTimesInWords(t *testing.T) {
	w := shown(drawn(t, "2026-W53"))
	at := func(text string) *time.Time { v := must(time.Parse(time.RFC3339, text)); return &v }
	for want, span := range map[string][2]*time.Time{
		"30 December 01:00 to 14:00":                     {at("2026-12-30T00:00:00Z"), at("2026-12-30T13:00:00Z")},
		"30 December 01:00 to 31 December 14:00":         {at("2026-12-30T00:00:00Z"), at("2026-12-31T13:00:00Z")},
		"30 December 01:00 to 1 January 2027 14:00":      {at("2026-12-30T00:00:00Z"), at("2027-01-01T13:00:00Z")},
		"30 December 01:00":                              {at("2026-12-30T00:00:00Z"), nil},
		"31 December 2025 01:00 to 1 January 2027 00:30": {at("2025-12-31T00:00:00Z"), at("2026-12-31T23:30:00Z")},
	} {
		if got := w.between(span[0], span[1]); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// TestDuring: what of a state lies in a week, to the moment.
func TestDuring(t *testing.T) {
	from, to := time.Unix(1000, 0), time.Unix(2000, 0)
	for name, c := range map[string]struct {
		begin, end int64
		in         bool
	}{
		"before": {1, 999, false}, "until its begin": {1, 1000, false}, "into it": {1, 1001, true}, "from its end": {2000, 3000, false}, "at its last moment": {1999, 3000, true},
		"for no time, at its begin": {1000, 1000, true}, "for no time, in it": {1500, 1500, true}, "for no time, at its end": {2000, 2000, false}, "around it": {1, 3000, true},
	} {
		s := span{time.Unix(c.begin, 0), time.Unix(c.end, 0)}
		if got := during([]*state{{extent: extent{s, s, s}}}, span{from, to}); (len(got) == 1) != c.in {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// TestAccusing: neutral and good codes are no listings.
func TestAccusing(t *testing.T) {
	p := &past{incidents: map[string]*incident.Incident{}, names: map[string]string{}}
	for _, class := range []reputation.Class{reputation.ClassBad, reputation.ClassPolicy, reputation.ClassNeutral, reputation.ClassGood} {
		p.add(&incident.Episode{Subject: listing("203.0.113.7", "zen"), Listing: &reputation.Listing{Class: class}}, time.Time{})
	}
	if len(p.listings) != 1 {
		t.Errorf("%d listings", len(p.listings))
	}
}

// TestFirstSentence: for who decides; and how the week stands against others.
func TestFirstSentence(t *testing.T) {
	h := func(x float64) Hours { return Hours{x, x, x} }
	w := must(ParseWeek("2026-W46", vienna(t)))
	zen := []Listing{{Name: "Zen"}}
	for want, c := range map[string]struct {
		sum  Sum
		hurt []Listing
	}{
		"Mail to 1 of 3 partners was disturbed, for 2 h; the cause was on our side (listed by Zen)": {Sum{Numbers: Numbers{PartnersAffected: 1, LossHours: h(2)}, PartnersWatched: 3, Whose: []Fault{{Whose: Ours}}}, zen},
		"Mail to 1 of 1 partner was disturbed, for 2 h; the cause was on our side":                  {Sum{Numbers: Numbers{PartnersAffected: 1, LossHours: h(2)}, PartnersWatched: 1, Whose: []Fault{{Whose: Ours}}}, nil},
		"Mail to 2 of 3 partners was disturbed, for 52 h added up; most of it was on their side":    {Sum{Numbers: Numbers{PartnersAffected: 2, LossHours: h(52)}, PartnersWatched: 3, Whose: []Fault{{Whose: Theirs}, {Whose: Ours}}}, zen},
		"Mail to 1 of 3 partners was disturbed, for 2 h; the cause was on the way between":          {Sum{Numbers: Numbers{PartnersAffected: 1, LossHours: h(2)}, PartnersWatched: 3, Whose: []Fault{{Whose: Path}}}, nil},
		"Mail to 1 of 3 partners was disturbed, for 2 h; no cause of the greatest part is sure":     {Sum{Numbers: Numbers{PartnersAffected: 1, LossHours: h(2)}, PartnersWatched: 3, Whose: []Fault{{Whose: Unclear}}}, nil},
		"No partner was lost; 2 listings on 1 blocklist broke nothing that we know of":              {Sum{Numbers: Numbers{Listings: 2}}, zen},
	} {
		b := &builder{past: &past{now: w.To}, week: w, seen: w.span()}
		b.doc.Sum, b.doc.Listings.Hurt = c.sum, c.hurt
		if got := b.headline(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	for want, c := range map[string]struct {
		now, last float64
		weeks     int
		at        time.Time
	}{
		"The week before: 10 h of loss and 1 listing. It got worse":                                    {12, 10, 1, w.To},
		"The week before: 10 h of loss and 1 listing. It got better":                                   {8, 10, 1, w.To},
		"The week before: 10 h of loss and 1 listing; median of the 3 before: nothing. About the same": {10.5, 10, 3, w.To},
		"There is no whole week before it to compare with":                                             {1, 0, 0, w.To},
		"There is no whole week before it to compare with. The week is not over":                       {1, 0, 0, w.To.Add(-time.Second)},
	} {
		b := &builder{past: &past{now: c.at}, week: w, seen: w.span()}
		b.doc.Sum = Sum{Numbers: Numbers{LossHours: h(c.now)}, MedianWeeks: c.weeks}
		if c.weeks > 0 {
			b.doc.Sum.LastWeek, b.doc.Sum.Median = &Numbers{LossHours: h(c.last), Listings: 1, PartnersAffected: 1}, &Numbers{}
		}
		if b.words(); b.doc.Than != want {
			t.Errorf("%q, want %q", b.doc.Than, want)
		}
	}
	r := drawn(t, "2026-W46")
	r.Sum = Sum{LastWeek: &Numbers{Listings: 77}, Median: &Numbers{Listings: 77}, MedianWeeks: 1}
	if text := Text(r, 0); strings.Contains(text, "median") || strings.Count(text, "77") != 1 {
		t.Errorf("the median of one week is told:\n%s", text)
	}
}

// TestNotWatchedIsNotNothing: of a time in which nobody looked no number is told.
func TestNotWatchedIsNotNothing(t *testing.T) {
	r := Report{Week: Period{ID: "2026-W10", Hours: 168}, Sum: Sum{PartnersWatched: 3}, Partners: []Partner{{Name: "contoso.com"}}}
	text := Text(r, 100)
	for _, untrue := range []string{"0 of 3", "one of 1", "no incident", "no longer kept", "Listings               0"} {
		if strings.Contains(text, untrue) {
			t.Errorf("%q is claimed of a week that nobody watched:\n%s", untrue, text)
		}
	}
	if n := strings.Count(strings.ToLower(text), notWatched); n < 6 {
		t.Errorf("%q is said %d times:\n%s", notWatched, n, text)
	}
}
