package report

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/slack-go/slack"

	"repwatch/checks/smtp"
	"repwatch/correlate"
	"repwatch/incident"
	"repwatch/reputation"
	"repwatch/store"
)

// hugeReport is a week of 4,000 addresses, 50 partners with names as long as names
// may be, and 100 lists, every word of it to be escaped.
func hugeReport(t testing.TB) Report {
	t.Helper()
	r := drawn(t, "2026-W46")
	long := func(n int) string { return fmt.Sprintf("%d.%s.example", n, strings.Repeat("a&b<c>.", 34)) }
	many := func(n int) (out []string) {
		for i := range n {
			out = append(out, long(i))
		}
		return out
	}
	r.Week.Watched = 168
	r.Light, r.Words, r.Than = Red, strings.Repeat("Mail to <all> & sundry was disturbed ", 40), strings.Repeat("& worse ", 500)
	h := Hours{1e5, 2e5, 6e5}
	r.Sum = Sum{Numbers: Numbers{50, h, 400000, h}, PartnersWatched: 50, LastWeek: &Numbers{50, h, 400000, h}, Median: &Numbers{50, h, 400000, h}, MedianWeeks: 4,
		MessagesWhy: strings.Repeat("not known & ", 300), Whose: []Fault{{Ours, 9000, 50, h}, {Theirs, 9000, 50, h}, {Path, 9000, 50, h}, {Unclear, 9000, 50, h}}}
	var ips []string
	for n := range 4000 {
		ips = append(ips, fmt.Sprintf("203.0.%d.%d", n/256, n%256))
	}
	for n := range 100 {
		l := Listing{List: "l", Name: long(n), Impact: reputation.Critical, Subjects: ips, Listings: 4000, Open: 4000, Sum: h, Union: h, Partners: many(50), Incidents: many(9)}
		r.Listings.Hurt, r.Listings.Harmless = append(r.Listings.Hurt, l), append(r.Listings.Harmless, l)
		r.Incidents = append(r.Incidents, Incident{ID: fmt.Sprint(n), Words: strings.Repeat("<@U1> & ", 400), Whose: Ours, Verdict: correlate.ByListing, Word: "likely", Hours: h, Partners: many(50), Evidence: many(50)})
		r.Open = append(r.Open, Open{ID: fmt.Sprint(n), Words: long(n), Next: strings.Repeat("do <this> & ", 300)})
		r.Due = append(r.Due, Due{Text: strings.Repeat("& ", 2000)})
		r.Blind.Spans = append(r.Blind.Spans, Suspension{List: long(n), Why: strings.Repeat("<why> ", 500)})
		r.Learned.Edges = append(r.Learned.Edges, Edge{Words: strings.Repeat("& ", 2000)})
	}
	for n := range 9 {
		r.Providers = append(r.Providers, Partner{Name: long(n), Members: many(50), Losses: 9, Lost: h, Rejected: h, Deferred: h, Why: []Whose{Ours}})
	}
	for n := range 50 {
		r.Partners = append(r.Partners, Partner{Name: long(n), Provider: long(n), Losses: 9, Lost: h, Rejected: h, Deferred: h, Why: []Whose{Ours, Theirs, Path, Unclear}})
	}
	return r
}

// TestSlackLimits holds what Slack refuses blocks for
// (https://docs.slack.dev/reference/block-kit/blocks): 50 blocks, 3,000 characters in
// a text, 10 fields of 2,000 each; and ours of twelve blocks.
func TestSlackLimits(t *testing.T) {
	for name, r := range map[string]Report{"huge": hugeReport(t), "empty": {}, "quiet": drawn(t, "2026-W46")} {
		blocks := SlackBlocks(r)
		if len(blocks) > 12 || name == "huge" && len(blocks) != 12 {
			t.Errorf("%s: %d blocks", name, len(blocks))
		}
		within := func(o *slack.TextBlockObject, most int) {
			if n := utf8.RuneCountInString(o.Text); n == 0 || n > most {
				t.Errorf("%s: a text of %d characters, of %d", name, n, most)
			}
			if bare := strings.NewReplacer("&amp;", "", "&lt;", "", "&gt;", "").Replace(o.Text); strings.ContainsAny(bare, "&<>") {
				t.Errorf("%s: half an escaped character: %s", name, o.Text)
			}
		}
		for _, b := range blocks {
			switch b := b.(type) {
			case *slack.SectionBlock:
				if b.Text != nil {
					within(b.Text, 3000)
				}
				if len(b.Fields) > 10 {
					t.Errorf("%s: %d fields", name, len(b.Fields))
				}
				for _, f := range b.Fields {
					within(f, 2000)
				}
			case *slack.ContextBlock:
				if n := len(b.ContextElements.Elements); n > 10 {
					t.Errorf("%s: %d elements", name, n)
				}
			default:
				t.Errorf("%s: a block of type %T has limits that this test does not know", name, b)
			}
		}
		m := Short(r)
		for _, f := range m.Fields {
			if len(f.Lines) > 6 {
				t.Errorf("%s: %d lines of %s in the short form", name, len(f.Lines), f.Name)
			}
		}
		everyShape(t, r)
	}
}

// TestManyAddresses: what thousands of addresses met is one bar, and a picture in
// words that can be read out.
func TestManyAddresses(t *testing.T) {
	s := newScene(t)
	s.watchedSince(at("2026-10-01T00:00:00Z"))
	monday := at("2026-11-09T12:00:00Z")
	check(t, s.db.Update(monday.Add(48*time.Hour), func(tx *store.Tx) error {
		for n := range 4000 {
			id, err := tx.NextEpisodeID()
			check(t, err)
			begin := monday.Add(time.Duration(n) * time.Second)
			e := incident.Episode{ID: id, Subject: listing(fmt.Sprintf("198.51.%d.%d", n/250, n%250), "zen"), Begin: reputation.Bracket{After: begin.Add(-time.Minute), By: begin},
				End: reputation.Bracket{After: begin.Add(20 * time.Hour), By: begin.Add(21 * time.Hour)}, Ended: begin.Add(21 * time.Hour), Listing: &reputation.Listing{Impact: reputation.High}}
			check(t, tx.Episodes().Put(id, e))
			id, err = tx.NextEpisodeID()
			check(t, err)
			e.ID, e.Listing, e.Wire, e.Subject = id, nil, &incident.Wire{Loss: smtp.LossRejected}, wire(e.Subject.Who(), "contoso.example")
			check(t, tx.Episodes().Put(id, e))
		}
		return nil
	}))
	r := s.build("2026-W46", at("2026-11-16T08:00:00Z"))
	if n := len(r.Picture.Rows); n != 2 || len(r.Picture.Rows[0].Bars) != 1 || len(r.Picture.Rows[1].Bars) != 1 {
		t.Errorf("%d rows: %+v", n, r.Picture.Rows)
	}
	bar := r.Picture.Rows[0].Bars[0]
	first, last := monday, monday.Add(3999*time.Second)
	if !bar.Early.Equal(first.Add(-time.Minute)) || !bar.From.Equal(first) || !bar.To.Equal(last.Add(20*time.Hour)) || !bar.Late.Equal(last.Add(21*time.Hour)) {
		t.Errorf("%v %v %v %v", bar.Early, bar.From, bar.To, bar.Late)
	}
	if want := "Zen listed 198.51.0.0, 198.51.0.1 and 3998 more for 22 h 7 min"; !strings.Contains(r.Picture.Alt, want) || len(r.Picture.Alt) > 1000 {
		t.Errorf("%q does not say %q", r.Picture.Alt, want)
	}
	if raw := must(json.Marshal(r)); len(raw) > 200_000 {
		t.Errorf("the document has %d bytes", len(raw))
	}
	everyShape(t, r)
}
