package report

import (
	"bytes"
	"image/png"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/slack-go/slack"

	"repwatch/checks/smtp"
	"repwatch/config"
	"repwatch/correlate"
	"repwatch/incident"
	"repwatch/reputation"
	"repwatch/store"
)

const smallConfig = `sending_ips: [{ip: 203.0.113.7, pool: main}, {ip: 203.0.113.8, pool: bulk}]
partners: [{domain: contoso.example, provider: exchange-online}, {domain: fabrikam.example}]
dns: {resolvers: ["127.0.0.1:1"]}
blocklists: {use: [zen, cop], add: [{id: zen, zone: zen.test, name: Zen, impact: critical}, {id: cop, zone: cop.test, name: Cop, impact: medium}]}
notify: {log: {}}
schedule: {timezone: Europe/Vienna}
`

// scene is a small store, written by hand.
type scene struct {
	*testing.T
	db  *store.DB
	cfg *config.Loaded
	l   *tape
}

func newScene(t *testing.T) *scene {
	db := openStore(t, filepath.Join(t.TempDir(), "scene.db"))
	return &scene{t, db, loadConfig(t, smallConfig), newTape(t, db)}
}

func (s *scene) watchedSince(at time.Time) {
	check(s, s.db.Update(at, func(tx *store.Tx) error {
		for _, ip := range []string{"203.0.113.7", "203.0.113.8"} {
			check(s, tx.Subjects().Put(ip, store.Watched{Since: at}))
			for _, p := range []string{"contoso.example", "fabrikam.example"} {
				check(s, tx.Wire().Put(wire(ip, p), store.Wire{Outcome: reputation.Advertised}))
			}
		}
		return nil
	}))
}

func (s *scene) record(at time.Time, what incident.What, subject reputation.Subject, before time.Duration, cause correlate.Cause, list string) {
	r := incident.Record{At: at, What: what, Subject: subject, Bracket: reputation.Bracket{After: at.Add(-before), By: at}}
	switch subject.Kind {
	case reputation.KindListing:
		r.Listing = &reputation.Listing{Impact: reputation.High, Alert: incident.Now, Name: "Zen"}
	case reputation.KindWire:
		r.Wire = &incident.Wire{Loss: smtp.LossStartTLS, Went: []string{"STARTTLS"}}
	default:
		r.Fault = &incident.Fault{ID: subject.Domain, What: "the resolver does not answer", Impact: reputation.Critical}
	}
	check(s, s.db.Update(at, func(tx *store.Tx) error {
		given := map[uint64]incident.Judgement{}
		if cause != "" {
			id := s.l.open[subject]
			if id == 0 {
				id = uint64(len(s.l.eps) + 1)
			}
			given[id] = incident.Judgement{Verdict: correlate.Verdict{Cause: cause, List: list, Confidence: .9, Word: "likely", Shares: []correlate.Share{{Cause: cause, List: list, P: .9}}}}
		}
		s.l.step(tx, r, given)
		return nil
	}))
}

func (s *scene) build(week string, now time.Time) Report {
	return build(s, s.db, s.cfg, must(ParseWeek(week, vienna(s))), now)
}

func at(text string) time.Time { return must(time.Parse(time.RFC3339, text)) }

// TestClockChanges: weeks are the zone's, so that they have 167 or 169 hours.
func TestClockChanges(t *testing.T) {
	for _, c := range []struct {
		week, from, to string
		hours          float64
	}{
		{"2026-W13", "2026-03-22T23:00:00Z", "2026-03-29T22:00:00Z", 167},
		{"2026-W14", "2026-03-29T22:00:00Z", "2026-04-05T22:00:00Z", 168},
		{"2026-W43", "2026-10-18T22:00:00Z", "2026-10-25T23:00:00Z", 169},
	} {
		s := newScene(t)
		s.watchedSince(at("2026-01-01T00:00:00Z"))
		w := must(ParseWeek(c.week, vienna(t)))
		// lost for the whole week and longer
		s.record(w.From.Add(-time.Hour), incident.Lost, wire("203.0.113.7", "contoso.example"), time.Minute, correlate.ByPartner, "")
		s.record(w.To.Add(time.Hour), incident.Back, wire("203.0.113.7", "contoso.example"), time.Minute, correlate.ByPartner, "")
		r := s.build(c.week, w.To.Add(48*time.Hour))
		if !r.Week.From.Equal(at(c.from)) || !r.Week.To.Equal(at(c.to)) || r.Week.Hours != c.hours {
			t.Errorf("%s: %+v", c.week, r.Week)
		}
		if want := (Hours{c.hours, c.hours, c.hours}); r.Sum.LossHours != want {
			t.Errorf("%s: %+v, want %+v", c.week, r.Sum.LossHours, want)
		}
		if p := newPainter(shown(r), light); len(p.midnights()) != 8 {
			t.Errorf("%s: %d midnights", c.week, len(p.midnights()))
		}
	}
}

func TestWeeks(t *testing.T) {
	zone := vienna(t)
	for text, want := range map[string]string{"2026-W46": "2026-11-09", "2026W46": "2026-11-09", "2020-W53": "2020-12-28", "2026-W01": "2025-12-29", "2026-W53": "2026-12-28"} {
		w, err := ParseWeek(text, zone)
		if err != nil || w.From.Format(time.DateOnly) != want || w.From.Weekday() != time.Monday {
			t.Errorf("%s begins %s (%v), want %s", text, w.From, err, want)
		}
		if again := WeekOf(w.To.Add(-time.Nanosecond), zone); again.ID != w.ID {
			t.Errorf("the end of %s lies in %s", text, again.ID)
		}
	}
	for _, text := range []string{"", "46", "2026-W00", "2026-W54", "2025-W53", "2026-W4", "next week"} {
		if w, err := ParseWeek(text, zone); err == nil {
			t.Errorf("%q became %s", text, w.ID)
		}
	}
	monday := time.Date(2026, 11, 23, 9, 0, 0, 0, zone)
	if w := LastWeek(monday, zone); w.ID != "2026-W47" {
		t.Errorf("on Monday the last week is %s", w.ID)
	}
	for day, want := range map[string]string{"2026-03-30": "2026-W13", "2026-04-06": "2026-W14", "2026-10-26": "2026-W43", "2026-11-02": "2026-W44"} { // the clock changed
		morning := must(time.ParseInLocation(time.DateOnly, day, zone)).Add(9 * time.Hour)
		if w := LastWeek(morning, zone); w.ID != want || w.From.Hour() != 0 || !w.Before(-1).From.Equal(w.To) {
			t.Errorf("on %s the last week is %s, from %s", day, w.ID, w.From)
		}
	}
	if _, err := Asked("2026-W49", time.Time{}, monday, zone); err == nil {
		t.Error("a week that has not begun was taken")
	}
	if _, err := Asked("2026-W46", monday.Add(-time.Hour), monday, zone); err == nil {
		t.Error("week and since were taken together")
	}
	if _, err := Asked("", monday.Add(time.Hour), monday, zone); err == nil {
		t.Error("the time since tomorrow was taken")
	}
	since := must(Asked("", monday.Add(-7*24*time.Hour), monday, zone))
	if since.ID != "" || since.Before(1).To != since.From {
		t.Errorf("since: %+v", since)
	}
}

// TestNothingWatched: a store without a past says so, in every rendering, and is not green.
func TestNothingWatched(t *testing.T) {
	s := newScene(t)
	r := s.build("2026-W46", at("2026-11-16T08:00:00Z"))
	if r.Light != Grey || r.Told() || !strings.HasPrefix(r.Words, "Nothing was watched") {
		t.Errorf("%s: %s", r.Light, r.Words)
	}
	everyShape(t, r)
}

// TestQuietWeek is green, and compared with nothing but what was watched.
func TestQuietWeek(t *testing.T) {
	s := newScene(t)
	s.watchedSince(at("2026-10-20T00:00:00Z"))
	r := s.build("2026-W46", at("2026-11-16T08:00:00Z"))
	if r.Light != Green || !r.Told() || r.Words != "A quiet week: nothing was listed, and no partner was lost" || r.Sum.MedianWeeks != 2 {
		t.Errorf("%s: %s (%d weeks)", r.Light, r.Words, r.Sum.MedianWeeks)
	}
	if r.Partners[0].TLS == nil || r.Partners[0].TLS.Seen != 1 {
		t.Errorf("TLS %+v", r.Partners[0].TLS)
	}
	everyShape(t, r)
}

// TestFirstWeek: what was before the first look is not known, and never zero.
func TestFirstWeek(t *testing.T) {
	s := newScene(t)
	s.watchedSince(at("2026-11-14T23:00:00Z")) // one day before its end
	r := s.build("2026-W46", at("2026-11-16T08:00:00Z"))
	if r.Sum.LastWeek != nil || r.Sum.Median != nil || r.Week.Watched != 24 || r.Blind.Told >= .5 || r.Light != Grey {
		t.Errorf("%s, %+v, %+v, told %v", r.Light, r.Week, r.Sum.LastWeek, r.Blind.Told)
	}
	if !strings.Contains(Text(r, 0), "nothing was watched in the first 6 d of it") {
		t.Error("it does not say that it was not watched from the beginning:\n" + Text(r, 0))
	}
	everyShape(t, r)
}

// TestLights: what makes a week red, yellow, grey.
func TestLights(t *testing.T) {
	monday := at("2026-11-09T12:00:00Z")
	after := at("2026-11-16T08:00:00Z")
	zen, contoso := listing("203.0.113.7", "zen"), wire("203.0.113.7", "contoso.example")
	for name, c := range map[string]struct {
		play func(*scene)
		want Light
	}{
		"a listing": {func(s *scene) {
			s.record(monday, incident.Listed, zen, time.Hour, "", "")
			s.record(monday.Add(time.Hour), incident.Delisted, zen, time.Hour, "", "")
		}, Yellow},
		"a short loss": {func(s *scene) {
			s.record(monday, incident.Lost, contoso, time.Hour, correlate.ByPartner, "")
			s.record(monday.Add(59*time.Minute), incident.Back, contoso, time.Minute, correlate.ByPartner, "")
		}, Yellow},
		"an hour's loss": {func(s *scene) {
			s.record(monday, incident.Lost, contoso, time.Hour, correlate.ByPartner, "")
			s.record(monday.Add(time.Hour), incident.Back, contoso, time.Minute, correlate.ByPartner, "")
		}, Red},
		"blind for most of it": {func(s *scene) {
			s.record(monday, incident.Faulty, reputation.Subject{Kind: reputation.KindHealth, Domain: "resolver"}, time.Hour, "", "")
		}, Grey},
	} {
		s := newScene(t)
		s.watchedSince(at("2026-10-01T00:00:00Z"))
		c.play(s)
		if r := s.build("2026-W46", after); r.Light != c.want {
			t.Errorf("%s: %s, want %s (%s)", name, r.Light, c.want, r.Words)
		} else {
			everyShape(t, r)
		}
	}
}

// TestOpenEpisodesSpan: what began before the week and lasts counts for all of it,
// for sure only until the last look; the sides that answer are told apart.
func TestOpenEpisodesSpan(t *testing.T) {
	s := newScene(t)
	s.watchedSince(at("2026-10-01T00:00:00Z"))
	zen, contoso, fabrikam := listing("203.0.113.7", "zen"), wire("203.0.113.7", "contoso.example"), wire("203.0.113.8", "fabrikam.example")
	s.record(at("2026-11-01T00:00:00Z"), incident.Listed, zen, time.Hour, "", "")
	s.record(at("2026-11-01T01:00:00Z"), incident.Lost, contoso, time.Hour, correlate.ByListing, "zen")
	s.record(at("2026-11-10T10:00:00Z"), incident.Lost, fabrikam, time.Hour, correlate.ByPartner, "")
	s.record(at("2026-11-10T12:00:00Z"), incident.Back, fabrikam, time.Hour, correlate.ByPartner, "")
	check(t, s.db.Update(at("2026-11-12T00:00:00Z"), func(tx *store.Tx) error {
		w, _, err := tx.Wire().Get(contoso)
		check(t, err)
		w.LastSure = at("2026-11-11T23:00:00Z")
		return tx.Wire().Put(contoso, w)
	}))
	r := s.build("2026-W46", at("2026-11-12T23:00:00Z")) // Friday 0:00 in Vienna: 96 h of the week
	want := []Fault{{Whose: Ours, Incidents: 1, Partners: 1, Hours: Hours{72, 96, 96}}, {Whose: Theirs, Incidents: 1, Partners: 1, Hours: Hours{1, 2, 3}}}
	if diff := cmp.Diff(want, r.Sum.Whose); diff != "" {
		t.Error(diff)
	}
	if want := (Hours{73, 98, 99}); r.Sum.LossHours != want {
		t.Errorf("%+v, want %+v", r.Sum.LossHours, want)
	}
	if len(r.Listings.Hurt) != 1 || len(r.Listings.Harmless) != 0 || !cmp.Equal(r.Listings.Hurt[0].Partners, []string{"contoso.example"}) {
		t.Errorf("%+v", r.Listings)
	}
	if len(r.Open) != 1 || r.Open[0].Next == "" || r.Open[0].Age < 11*24 {
		t.Errorf("%+v", r.Open)
	}
	if got := r.Partners[0]; got.Name != "contoso.example" || got.Provider != "Exchange Online" || *got.TLS != (Share{Low: .5, Seen: .5, High: .625}) {
		t.Errorf("%+v %+v", got, got.TLS)
	}
	if len(r.Pools) != 2 || r.Pools[0].Pool != "bulk" || r.Pools[0].LossHours.Seen != 2 || r.Pools[1].LossHours.Seen != 96 {
		t.Errorf("%+v", r.Pools)
	}
	for _, part := range []string{"Mail to 2 of 2 partners was disturbed, for 98 h added up; most of it was on our side (listed by Zen)", "not known: no mail log is read", "The week is not over"} {
		if !strings.Contains(Text(r, 0), part) {
			t.Errorf("%q is missing:\n%s", part, Text(r, 0))
		}
	}
	svg, err := SVG(r, false)
	check(t, err)
	golden(t, "open.svg", []byte(svg))
	everyShape(t, r)
}

// TestBlindSpots: a list that was not believed is unknown time, until it was again.
func TestBlindSpots(t *testing.T) {
	s := newScene(t)
	s.watchedSince(at("2026-10-01T00:00:00Z"))
	cop := reputation.Subject{Kind: reputation.KindHealth, Domain: "list", Target: "cop"}
	for _, r := range []incident.Record{
		{At: at("2026-11-10T00:00:00Z"), What: incident.Suspended, Subject: cop, Words: "its test point does not answer"},
		{At: at("2026-11-10T01:00:00Z"), What: incident.Suspended, Subject: cop, Words: "it lists the world"},
		{At: at("2026-11-11T00:00:00Z"), What: incident.Believed, Subject: cop},
	} {
		check(t, s.db.Update(r.At, func(tx *store.Tx) error { _, err := tx.Append(r); return err }))
	}
	r := s.build("2026-W46", at("2026-11-16T08:00:00Z"))
	if want := round5(24. / (2 * 168)); r.Blind.Lists != want || r.Blind.Partners != 0 || len(r.Blind.Spans) != 1 || r.Blind.Spans[0].Hours != 24 {
		t.Errorf("%+v, want %v", r.Blind, want)
	}
	if rows := r.Picture.Rows; len(rows) != 1 || rows[0].Name != "Cop" || len(rows[0].Unknown) != 1 {
		t.Errorf("%+v", rows)
	}
	everyShape(t, r)
}

// TestForeignText: what others wrote is harmless in every shape.
func TestForeignText(t *testing.T) {
	evil := "<script>alert(1)</script> <!channel> @everyone | `x` [a](http://b) \x1b[31m\u202e"
	s := newScene(t)
	s.watchedSince(at("2026-10-01T00:00:00Z"))
	r := s.build("2026-W46", at("2026-11-16T08:00:00Z"))
	r.Words, r.Picture.Alt = evil, evil
	r.Open = []Open{{ID: "1", Words: evil, Next: evil}}
	r.Picture.Rows = []Row{{Kind: "partner", Name: evil}}
	page, err := HTML(r)
	check(t, err)
	if strings.Contains(page, "<script>alert") || strings.ContainsAny(page, "\x1b\u202e") {
		t.Error("the page holds foreign markup")
	}
	if md := Markdown(r); strings.Contains(md, "<script>") || strings.Contains(md, "[a](") || strings.Contains(md, "@everyone") || strings.ContainsAny(md, "\x1b\u202e") {
		t.Error("the Markdown holds foreign markup:\n" + md)
	}
	if raw := string(must(slackJSON(r))); strings.Contains(raw, "<!channel>") || strings.Contains(raw, "@everyone") {
		t.Error("the blocks hold a mention:\n" + raw)
	}
	if text := Text(r, 0); strings.ContainsAny(text, "\x1b\u202e") {
		t.Errorf("the text steers the terminal: %q", text)
	}
}

// everyShape: each rendering of the report can be made, within the limits of who takes it.
func everyShape(t *testing.T, r Report) {
	t.Helper()
	out, err := Render(r)
	check(t, err)
	if len(out.Text) == 0 || len(out.HTML) == 0 || len(Markdown(r)) == 0 || out.Message.Title == "" {
		t.Error("a shape is empty")
	}
	img, err := png.Decode(bytes.NewReader(out.PNG))
	check(t, err)
	if w := img.Bounds().Dx(); w != 1600 {
		t.Errorf("the picture is %d wide", w)
	}
	blocks := SlackBlocks(r)
	if len(blocks) > slackMost {
		t.Errorf("%d blocks", len(blocks))
	}
	for _, b := range blocks {
		if s, ok := b.(*slack.SectionBlock); ok && s.Text != nil && (len(s.Text.Text) > 3000 || s.Text.Text == "") {
			t.Errorf("a block of %d bytes", len(s.Text.Text))
		}
	}
	for _, line := range strings.Split(Text(r, 80), "\n") {
		long := slices.ContainsFunc(strings.Fields(line), func(word string) bool { return len([]rune(word)) > 70 }) // it has a line to itself
		if n := len([]rune(line)); n > 80 && !long {
			t.Errorf("a line of %d: %s", n, line)
		}
	}
}
