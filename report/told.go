package report

import (
	"fmt"
	"strings"
	"time"
)

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

// watched says whether anything at all was looked at in the time of the report.
func (t told) watched() bool { return t.Week.Watched > 0 }

const notWatched = "not watched"

// written is when the report was.
func (t told) written() string {
	if t.At == nil {
		return "a day that is not known"
	}
	return t.At.In(t.zone).Format("2 January 2006 15:04 MST")
}

// foot says when the report was written, and in which zone times are.
func (t told) foot() string {
	s := "Written " + t.written()
	if zone := t.zoneName(); zone != "" {
		s += ", all times in " + zone
	}
	return s
}

// zoneName is the zone of all times; that of a host has no name that helps elsewhere.
func (t told) zoneName() string {
	if t.zone == time.Local {
		return ""
	}
	return t.zone.String()
}

// bare is what happened without the standing that the messages put before it: the
// report says that in its own place.
func bare(words string) string {
	for _, standing := range []string{"Over: ", "In hand: ", "Snoozed: "} {
		words = strings.TrimPrefix(words, standing)
	}
	return words
}

// moment is a time in words, with the year where it is not the week's.
func (t told) moment(p *time.Time) string {
	if p == nil {
		return "not known"
	}
	return p.In(t.zone).Format(t.layout(p) + " 15:04")
}

func (t told) layout(p *time.Time) string {
	if t.Week.From != nil && p.In(t.zone).Year() == t.Week.From.In(t.zone).Year() {
		return "2 January"
	}
	return "2 January 2006"
}

// between is a stretch of time; the day is not said twice.
func (t told) between(from, to *time.Time) string {
	if from == nil || to == nil {
		return t.moment(from)
	}
	a, b := from.In(t.zone), to.In(t.zone)
	if a.Format(time.DateOnly) == b.Format(time.DateOnly) {
		return t.moment(from) + " to " + b.Format("15:04")
	}
	return t.moment(from) + " to " + t.moment(to)
}

// old is how long after its week a report is no longer of that week in what it says
// of the present: the one that is sent on Monday morning is.
const old = 24 * time.Hour

// asOf is the day a report was written, where that is not the week's: what is open
// or due is so on that day. Empty: the title needs no day.
func (t told) asOf() string {
	if t.At == nil || t.Week.To == nil || t.At.Sub(*t.Week.To) <= old {
		return ""
	}
	return t.At.In(t.zone).Format("2 January 2006")
}

// dated adds to a title the day that it is about.
func (t told) dated(title string) string {
	if day := t.asOf(); day != "" {
		return title + " (as of " + day + ", after the week)"
	}
	return title
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
