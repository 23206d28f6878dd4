package report

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"repwatch/correlate"
	"repwatch/incident"
)

// section is one part of the report in words. All renderings but Slack's lay the
// same sections out, so that they say the same.
type section struct {
	id, title string
	items     []item
	table     *table
	after     []string // what is said below the table
}

// item is one thing: a line, and what belongs to it.
type item struct {
	incident string // its number; empty: it is none
	text     string
	more     []string
}

// line is the item without what belongs to it.
func (i item) line() string {
	if i.incident == "" {
		return i.text
	}
	return "#" + i.incident + ": " + i.text
}

func itemsOf(lines []string) []item {
	out := make([]item, len(lines))
	for n, l := range lines {
		out[n].text = l
	}
	return out
}

type table struct {
	head []string
	rows [][]string
}

// none is a cell that has nothing to say.
const none = "-"

// without leaves out columns in which no row has anything to say; the first stays.
func (t *table) without() *table {
	if t == nil {
		return nil
	}
	out := &table{rows: make([][]string, len(t.rows))}
	for c, head := range t.head {
		if c > 0 && !slices.ContainsFunc(t.rows, func(row []string) bool { return row[c] != "" && row[c] != none }) {
			continue
		}
		out.head = append(out.head, head)
		for r, row := range t.rows {
			out.rows[r] = append(out.rows[r], row[c])
		}
	}
	return out
}

// sections are the report in order.
func (t told) sections() []section {
	all := []section{t.boss(), t.openNow(), t.hurt(), t.harmless(), t.partners(), t.providers(), t.whatHappened(), t.blindSpots(), t.dueSoon(), t.whatWasLearned(), t.pools(), t.delisting()}
	all = slices.DeleteFunc(all, func(s section) bool { return len(s.items)+len(s.after) == 0 && s.table == nil })
	for n := range all {
		all[n].table = all[n].table.without()
		all[n].clean()
	}
	return all
}

// clean makes foreign text harmless to any layout.
func (s section) clean() {
	parts := [][]string{s.after}
	for n := range s.items {
		s.items[n].text = oneLine(s.items[n].text)
		parts = append(parts, s.items[n].more)
	}
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
	row := func(what, now string, f func(*Numbers) string) []string {
		out := []string{what, now, none, none}
		if !t.watched() { // nothing is known, which is not nothing (rule of truth 1)
			out[1] = notWatched
		}
		if s.LastWeek != nil {
			out[2] = f(s.LastWeek)
		}
		if s.Median != nil && s.MedianWeeks > 1 { // of one week it would be that week once more
			out[3] = f(s.Median)
		}
		return out
	}
	delayed := "not known"
	if s.MessagesDelayed != nil {
		delayed = fmt.Sprint(*s.MessagesDelayed)
	}
	unit := "week"
	if t.Week.ID == "" {
		unit = "time"
	}
	out := section{id: "numbers", title: "In numbers", table: &table{
		head: []string{"", "the " + unit, "the " + unit + " before", fmt.Sprintf("median of the %d before", s.MedianWeeks)},
		rows: [][]string{
			{"Messages delayed", delayed, none, none},
			row("Partners affected", fmt.Sprintf("%d of %d", s.PartnersAffected, s.PartnersWatched), func(n *Numbers) string { return fmt.Sprint(n.PartnersAffected) }),
			row("Partner-hours of loss", s.LossHours.total(), func(n *Numbers) string { return total(n.LossHours.Seen) }), // the bracket where it matters
			row("Listings", fmt.Sprint(s.Listings), func(n *Numbers) string { return fmt.Sprint(n.Listings) }),
			row("Hours with a listing", s.ListingHours.total(), func(n *Numbers) string { return total(n.ListingHours.Seen) }),
		}}}
	for _, f := range s.Whose {
		out.after = append(out.after, fmt.Sprintf("whose doing: %s: %s at %s, %s", whoseWords(f.Whose), f.Hours.total(), counted(f.Partners, "partner"), counted(f.Incidents, "incident")))
	}
	if s.MessagesDelayed == nil {
		out.after = append(out.after, "how many messages were delayed is "+s.MessagesWhy)
	}
	return out
}

func (t told) openNow() section {
	out := section{id: "open", title: t.dated("Open now")}
	if t.asOf() != "" {
		out.title = t.dated("Open")
	}
	for _, o := range t.Open {
		one := item{incident: o.ID, text: bare(o.Words), more: []string{fmt.Sprintf("%s, open for %s", o.Impact, lasting(o.Age))}}
		if o.InHand {
			one.more[0] += ", in hand"
		}
		if o.Next != "" {
			one.more = append(one.more, "next: "+o.Next)
		}
		out.items = append(out.items, one)
	}
	if len(t.Open) == 0 {
		out.items = itemsOf([]string{"nothing is open"})
	}
	return out
}

// maxEvidence bounds what is said of one incident; repwatch incidents ID has all.
const maxEvidence = 3

func (t told) whatHappened() section {
	out := section{id: "incidents", title: "What happened"}
	for _, i := range t.Incidents {
		lasts := t.between(i.Opened, i.Resolved)
		if i.Status == incident.Open {
			lasts = "since " + t.moment(i.Opened)
		}
		one := item{incident: i.ID, text: bare(i.Words)}
		if i.Hours.High > 0 {
			lasts += fmt.Sprintf("; in the week %s of loss at %s", i.Hours.total(), counted(len(i.Partners), "partner"))
		}
		one.more = append(one.more, lasts)
		one.more = append(one.more, t.verdict(i))
		one.more = append(one.more, i.Evidence[:min(len(i.Evidence), maxEvidence)]...)
		out.items = append(out.items, one)
	}
	if len(out.items) == 0 {
		words := "no incident"
		if !t.watched() {
			words = notWatched
		}
		out.items = itemsOf([]string{words})
	}
	return out
}

// verdictWords say a verdict to people; docs/correlation.md has the rules behind each.
var verdictWords = map[correlate.Cause]string{
	correlate.ByListing: "a listing", correlate.ByLists: "a listing, of several that fit", correlate.ByAbuse: "the partner saw what the lists saw",
	correlate.Private: "the partner's own judgement of us", correlate.ByPartner: "a change for everybody", correlate.ByPath: "a fault of the path",
	correlate.Unexplained: "nothing that we watch explains it", correlate.Undetermined: "several causes fit",
}

// verdict is whose doing it was, and how sure that is. Whether it may still change
// matters only while it lasts.
func (t told) verdict(i Incident) string {
	switch {
	case i.Kind == incident.Own:
		return "our side: our own set-up"
	case i.Kind == incident.Health:
		return "our side: we could not see"
	case i.Verdict == incident.JustListed:
		return "our side: a listing that broke nothing"
	}
	s := whoseWords(i.Whose) + ": " + cmp.Or(verdictWords[i.Verdict], string(i.Verdict), "no verdict yet")
	if i.Whose != Unclear && i.Confidence != nil {
		s += fmt.Sprintf("; %s (%s)", i.Word, probability(*i.Confidence))
	}
	if i.Provisional && i.Status == incident.Open {
		s += "; this may still change"
	}
	return s
}

// partWords name what of our own seeing failed.
var partWords = map[string]string{"resolver": "our resolver failed", "coverage": "too few lists answered", "port25": "port 25 was closed to us", "looking": "no look was taken"}

func (t told) blindSpots() section {
	b := t.Blind
	out := section{id: "blind", title: "Blind spots"}
	var lines []string
	switch {
	case b.Lists+b.Partners > 0:
		lines = []string{fmt.Sprintf("not known: %s of the time of lists, %s of that of partners", percent(b.Lists), percent(b.Partners))}
	case t.Week.Watched > 0:
		lines = []string{"none while we looked: all lists were believed, and our own looking worked"}
	}
	lines = append(lines, b.Looking...)
	for n, s := range b.Spans {
		if n == 5 {
			lines = append(lines, fmt.Sprintf("and %d more", len(b.Spans)-n))
			break
		}
		what := cmp.Or(partWords[s.Part], s.Part)
		if s.List != "" {
			what = s.List + " was not believed"
		}
		when := t.between(s.From, s.To)
		if s.To == nil {
			when = "since " + t.moment(s.From)
		}
		line := fmt.Sprintf("%s for %s (%s)", what, lasting(s.Hours), when)
		if s.Why != "" {
			line += ": " + s.Why
		}
		lines = append(lines, line)
	}
	for _, k := range b.Keys {
		lines = append(lines, fmt.Sprintf("%s is near its limit: %d of %d questions spent on %s (UTC)", k.List, k.Spent, k.PerDay, t.keyDay(k.Day)))
	}
	out.items = itemsOf(lines)
	return out
}

// keyDay is a day in words; budgets are kept of the last day alone, which may lie after the week.
func (t told) keyDay(day string) string {
	d, err := time.Parse(time.DateOnly, day)
	if err != nil {
		return day
	}
	words := d.Format("2 January 2006")
	if t.Week.To != nil && !d.Before(*t.Week.To) {
		words += ", after the week"
	}
	return words
}

func (t told) dueSoon() section {
	out := section{id: "due", title: t.dated("Due soon")}
	for _, d := range t.Due {
		when := "already so"
		if d.When != nil {
			when = d.When.In(t.zone).Format("2 January 2006")
		}
		out.items = append(out.items, item{text: when + ": " + d.Text})
	}
	return out
}

func (t told) whatWasLearned() section {
	l := t.Learned
	var lines []string
	for _, e := range l.Edges {
		lines = append(lines, fmt.Sprintf("%s (was %s): %s", e.Is, cmp.Or(string(e.Was), "unknown"), e.Words))
	}
	if n := l.Score.Hits + l.Score.Misses; n > 0 {
		lines = append(lines, fmt.Sprintf("forecasts of the week: %d of %d came true, %.1f were to be expected by their probabilities (%s)", l.Score.Hits, n, l.Score.Expected, l.Score.brier()))
	}
	if n := l.Ever.Hits + l.Ever.Misses; n > 0 {
		lines = append(lines, fmt.Sprintf("all forecasts up to its end: %d of %d came true, %.1f were to be expected (%s)", l.Ever.Hits, n, l.Ever.Expected, l.Ever.brier()))
	}
	if len(lines) > 0 || l.Known > 0 {
		lines = append(lines, fmt.Sprintf("known at its end: %s of partners to lists", counted(l.Known, "reaction")))
	}
	return section{id: "learned", title: "What was learned", items: itemsOf(lines)}
}

func (s Score) brier() string {
	if s.Brier == nil {
		return "no score"
	}
	return fmt.Sprintf("Brier score %.2f; 0 is perfect, 0.25 a coin", *s.Brier)
}
