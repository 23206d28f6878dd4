package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// section is one part of the report in words. All renderings but Slack's lay the
// same sections out, so that they say the same.
type section struct {
	id, title string
	lines     []string // items
	table     *table
	after     []string // what is said below the table
}

type table struct {
	head []string

	rows [][]string
}

// told is a report with the zone that its times are shown in.
type told struct {
	Report
	zone *time.Location
}

// shown prepares a report for people: in the zone of its week.
func shown(r Report) told {
	zone, err := time.LoadLocation(r.Week.Timezone)
	if err != nil { // the host that shows it does not know the zone of the host that wrote it
		zone = time.UTC
	}
	return told{r, zone}
}

func (t told) at(p *time.Time) string {
	if p == nil {
		return "-"
	}
	return p.In(t.zone).Format("2006-01-02 15:04")
}

func (t told) day(p *time.Time) string {
	if p == nil {
		return "now"
	}
	return p.In(t.zone).Format(time.DateOnly)
}

// title names the time that the report is about.
func (t told) title() string {
	if t.Week.From == nil || t.Week.To == nil {
		return "Mail reputation"
	}
	from, to := t.Week.From.In(t.zone), t.Week.To.In(t.zone)
	if t.Week.ID == "" {
		return fmt.Sprintf("Mail reputation, %s to %s", from.Format("2 January 2006 15:04"), to.Format("2 January 2006 15:04"))
	}
	last := to.Add(-time.Second)
	layout := "2 January 2006"
	if from.Year() == last.Year() {
		layout = "2 January"
	}
	year, n := from.ISOWeek()
	return fmt.Sprintf("Mail reputation, week %d of %d (%s to %s)", n, year, from.Format(layout), last.Format("2 January 2006"))
}

// lightWords say what a light means.
var lightWords = map[Light]string{
	Green:  "green: nothing hurt",
	Yellow: "yellow: something may hurt, little did",
	Red:    "red: mail was disturbed",
	Grey:   "grey: too little could be told",
}

// sections are the report in order.
func (t told) sections() []section {
	all := []section{t.boss(), t.openNow(), t.hurt(), t.harmless(), t.partners(), t.providers(), t.whatHappened(), t.blindSpots(), t.dueSoon(), t.whatWasLearned(), t.pools(), t.delisting()}
	all = slices.DeleteFunc(all, func(s section) bool { return len(s.lines)+len(s.after) == 0 && s.table == nil })
	for _, s := range all {
		s.clean()
	}
	return all
}

// clean makes foreign text harmless to any layout.
func (s section) clean() {
	parts := [][]string{s.lines, s.after}
	if s.table != nil {
		parts = append(parts, s.table.rows...)
	}
	for _, part := range parts {
		for i, text := range part {
			part[i] = oneLine(text)
		}
	}
}

// boss is the week in five numbers.
func (t told) boss() section {
	s := t.Sum
	then := func(f func(*Numbers) string) []string {
		last, median := "not watched", "not watched"
		if s.LastWeek != nil {
			last = f(s.LastWeek)
		}
		if s.Median != nil {
			median = f(s.Median)
		}
		return []string{last, median}
	}
	row := func(what string, f func(*Numbers) string) []string {
		return append([]string{what, f(&s.Numbers)}, then(f)...)
	}
	delayed := s.MessagesWhy
	if s.MessagesDelayed != nil {
		delayed = fmt.Sprint(*s.MessagesDelayed)
	}
	out := section{id: "numbers", title: "In numbers", table: &table{
		head: []string{"", "this week", "last week", fmt.Sprintf("median of %s", counted(s.MedianWeeks, "week"))},
		rows: [][]string{
			{"Messages delayed", delayed, "", ""},
			row("Partners affected", func(n *Numbers) string { return fmt.Sprint(n.PartnersAffected) }),
			row("Partner-hours of loss", func(n *Numbers) string { return total(n.LossHours.Seen) }),
			row("Listings", func(n *Numbers) string { return fmt.Sprint(n.Listings) }),
			row("Hours with a listing", func(n *Numbers) string { return total(n.ListingHours.Seen) }),
		}}}
	if t.Week.ID == "" {
		out.table.head = []string{"", "this time", "the time before", "median of the " + counted(s.MedianWeeks, "time") + " before"}
	}
	out.table.rows[2][1], out.table.rows[4][1] = s.LossHours.total(), s.ListingHours.total() // exact where it matters
	out.table.rows[1][1] += fmt.Sprintf(" of %d", s.PartnersWatched)
	for _, f := range s.Whose {
		out.after = append(out.after, fmt.Sprintf("Whose doing: %s, %s at %s (%s)", whoseWords(f.Whose), f.Hours.total(), counted(f.Partners, "partner"), counted(f.Incidents, "incident")))
	}
	return out
}

func (t told) openNow() section {
	out := section{id: "open", title: "Open now"}
	for _, o := range t.Open {
		line := fmt.Sprintf("#%s, %s old, %s: %s", o.ID, lasting(o.Age), o.Impact, o.Words)
		if o.InHand {
			line += " (in hand)"
		}
		if o.Next != "" {
			line += ". Next: " + o.Next
		}
		out.lines = append(out.lines, line)
	}
	if len(t.Open) == 0 {
		out.lines = []string{"nothing is open"}
	}
	return out
}

func (t told) hurt() section {
	return section{id: "hurt", title: "Listings that hurt", table: t.listings(t.Listings.Hurt, true)}
}

func (t told) harmless() section {
	return section{id: "harmless", title: "Listings that broke nothing", table: t.listings(t.Listings.Harmless, false)}
}

func (t told) listings(all []Listing, hurt bool) *table {
	if len(all) == 0 {
		return nil
	}
	out := &table{head: []string{"list", "impact", "listed", "for", "still"}}
	if hurt {
		out.head = append(out.head, "lost because of it")
	}
	for _, l := range all {
		still := "no"
		if l.Open > 0 {
			still = fmt.Sprint(l.Open)
		}
		row := []string{l.Name, l.Impact.String(), enumerate(l.Subjects, 3), l.Union.String(), still}
		if hurt {
			row = append(row, fmt.Sprintf("%s (%s)", enumerate(l.Partners, 3), numbered(l.Incidents)))
		}
		out.rows = append(out.rows, row)
	}
	return out
}

func numbered(ids []string) string {
	out := make([]string, len(ids))
	for i, id := range ids {
		out[i] = "#" + id
	}
	return enumerate(out, 5)
}

// maxPartners bounds the partners that are shown one by one.
const maxPartners = 20

func (t told) partners() section {
	return trouble("partners", "Partners", t.Partners, func(p Partner) string { return p.Provider })
}

func (t told) providers() section {
	if len(t.Providers) < 2 {
		return section{}
	}
	return trouble("providers", "Providers", t.Providers, func(p Partner) string { return counted(len(p.Members), "partner") })
}

func trouble(id, title string, all []Partner, second func(Partner) string) section {
	out := section{id: id, title: title}
	rows := [][]string{}
	quiet := 0
	for _, p := range all {
		if p.Losses == 0 && !p.refused() || len(rows) == maxPartners {
			quiet++
			continue
		}
		rows = append(rows, []string{p.Name, second(p), lengthOrNone(p.Lost), lengthOrNone(p.Rejected), lengthOrNone(p.Deferred), p.TLS.String(), p.Looks.String(), sides(p.Why)})
	}
	if len(rows) > 0 {
		out.table = &table{head: []string{title[:len(title)-1], "", "lost", "refused", "put off", "TLS available", "looks", "whose doing"}, rows: rows}
		if id == "partners" {
			out.table.head[1] = "provider"
		}
	}
	switch {
	case quiet > 0 && len(rows) > 0:
		out.after = []string{fmt.Sprintf("%d more had less trouble or none", quiet)}
	case quiet > 0 && id == "partners":
		out.after = []string{fmt.Sprintf("none of %d had trouble", quiet)}
	}
	return out
}

func (p Partner) refused() bool { return p.Looks != nil && p.Looks.Rejected+p.Looks.Deferred > 0 }

func lengthOrNone(h Hours) string {
	if h.High == 0 {
		return "-"
	}
	return h.String()
}

// String is what our own sessions met.
func (l *Looks) String() string {
	if l == nil {
		return "not kept"
	}
	parts := []string{fmt.Sprint(l.All)}
	for _, part := range []struct {
		n    int
		what string
	}{{l.Rejected, "refused"}, {l.Deferred, "put off"}, {l.NoTLS, "without TLS"}, {l.Unknown, "unknown"}} {
		if part.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", part.n, part.what))
		}
	}
	return strings.Join(parts, ", ")
}

// maxEvidence bounds what is said of one incident; repwatch incidents ID has all.
const maxEvidence = 3

func (t told) whatHappened() section {
	out := section{id: "incidents", title: "What happened"}
	for _, i := range t.Incidents {
		line := fmt.Sprintf("#%s, %s: %s", i.ID, t.at(i.Opened), i.Words)
		if i.Hours.High > 0 {
			line += fmt.Sprintf(" (%s of loss)", i.Hours.total())
		}
		line += ". " + upper(t.verdict(i))
		if len(i.Evidence) > 0 {
			line += ": " + strings.Join(i.Evidence[:min(len(i.Evidence), maxEvidence)], "; ")
		}
		out.lines = append(out.lines, line)
	}
	if len(out.lines) == 0 {
		out.lines = []string{"no incident"}
	}
	return out
}

func (t told) verdict(i Incident) string {
	switch {
	case i.Verdict == "":
		return string(i.Kind) + " side"
	case i.Verdict == "listed":
		return "a listing that broke nothing"
	}
	s := whoseWords(i.Whose) + " (" + string(i.Verdict)
	if i.Whose != Unclear && i.Confidence != nil {
		s += fmt.Sprintf(", %s, %s", i.Word, percent(min(*i.Confidence, .9995))) // nobody is ever quite sure
	}
	if i.Provisional {
		s += ", provisional"
	}
	return s + ")"
}

func (t told) blindSpots() section {
	b := t.Blind
	out := section{id: "blind", title: "Blind spots"}
	out.lines = append(out.lines, fmt.Sprintf("unknown: %s of list-hours, %s of partner-hours", percent(b.Lists), percent(b.Partners)))
	out.lines = append(out.lines, b.Looking...)
	for n, s := range b.Spans {
		if n == 5 {
			out.lines = append(out.lines, fmt.Sprintf("and %d more", len(b.Spans)-n))
			break
		}
		what := s.Part
		if s.List != "" {
			what = s.List + " was not believed"
		}
		until := "until now"
		if s.To != nil {
			until = "to " + t.at(s.To)
		}
		line := fmt.Sprintf("%s for %s, %s %s", what, lasting(s.Hours), t.at(s.From), until)
		if s.Why != "" {
			line += ": " + s.Why
		}
		out.lines = append(out.lines, line)
	}
	for _, k := range b.Keys {
		out.lines = append(out.lines, fmt.Sprintf("%s is near its limit: %d of %d questions spent on %s (UTC)", k.List, k.Spent, k.PerDay, k.Day))
	}
	return out
}

func (t told) dueSoon() section {
	out := section{id: "due", title: "Due soon"}
	for _, d := range t.Due {
		out.lines = append(out.lines, fmt.Sprintf("%s: %s", t.day(d.When), d.Text))
	}
	return out
}

func (t told) whatWasLearned() section {
	l := t.Learned
	out := section{id: "learned", title: "What was learned"}
	for _, e := range l.Edges {
		out.lines = append(out.lines, fmt.Sprintf("%s, was %s: %s", e.Is, cmp.Or(string(e.Was), "unknown"), e.Words))
	}
	if n := l.Score.Hits + l.Score.Misses; n > 0 {
		out.lines = append(out.lines, fmt.Sprintf("forecasts: %d of %d came true, %.1f were to be expected by their probabilities (%s)", l.Score.Hits, n, l.Score.Expected, l.Score.brier()))
	}
	if n := l.Ever.Hits + l.Ever.Misses; n > 0 {
		out.lines = append(out.lines, fmt.Sprintf("forecasts so far: %d of %d came true, %.1f were to be expected (%s)", l.Ever.Hits, n, l.Ever.Expected, l.Ever.brier()))
	}
	if len(out.lines) > 0 || l.Known > 0 {
		out.lines = append(out.lines, fmt.Sprintf("known by now: %s of partners to lists", counted(l.Known, "reaction")))
	}
	return out
}

func (s Score) brier() string {
	if s.Brier == nil {
		return "no score"
	}
	return fmt.Sprintf("Brier score %.2f; 0 is perfect, 0.25 a coin", *s.Brier)
}

func (t told) pools() section {
	if len(t.Pools) < 2 {
		return section{}
	}
	out := section{id: "pools", title: "By pool", table: &table{head: []string{"pool", "light", "addresses", "partners affected", "partner-hours of loss", "listings", "hours with a listing"}}}
	for _, p := range t.Pools {
		out.table.rows = append(out.table.rows, []string{p.Pool, string(p.Light), fmt.Sprint(p.Addresses), fmt.Sprint(p.PartnersAffected), total(p.LossHours.Seen), fmt.Sprint(p.Listings), total(p.ListingHours.Seen)})
	}
	return out
}

func (t told) delisting() section {
	a := t.Appendix
	out := section{id: "appendix", title: "Appendix: time to delist"}
	if len(a.Delisting) > 0 {
		out.table = &table{head: []string{"list", "half are gone after", "listings", "ended", "left out"}}
	}
	for _, d := range a.Delisting {
		half := "not half are gone yet"
		switch {
		case d.Median != nil:
			half = d.Median.String()
		case d.Listings == 0:
			half = "not known"
		}
		out.table.rows = append(out.table.rows, []string{d.Name, half, fmt.Sprint(d.Listings), fmt.Sprint(d.Ended), fmt.Sprint(d.LeftOut)})
	}
	if a.Sum.High > 0 {
		out.after = append(out.after, fmt.Sprintf("listing-hours of the week: %s in sum over addresses and lists, %s with at least one listing", a.Sum.total(), a.Union.total()))
	}
	return out
}
