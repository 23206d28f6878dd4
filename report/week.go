package report

import (
	"fmt"
	"regexp"
	"strconv"
	"time"
)

// Week is what a report is about: a calendar week in a zone, or another span of
// whole days up to a moment. It is [From, To).
type Week struct {
	ID       string // 2026-W46; empty: no calendar week
	From, To time.Time
	Zone     *time.Location
}

// WeekOf is the ISO 8601 week that t lies in: Monday to Sunday by the zone's clock.
// Where the clock changes it has 167 or 169 hours.
func WeekOf(t time.Time, zone *time.Location) Week {
	t = t.In(zone)
	sinceMonday := (int(t.Weekday()) + 6) % 7
	return weekFrom(time.Date(t.Year(), t.Month(), t.Day()-sinceMonday, 0, 0, 0, 0, zone))
}

// LastWeek is the last week that was over at t.
func LastWeek(t time.Time, zone *time.Location) Week { return WeekOf(t, zone).Before(1) }

func weekFrom(monday time.Time) Week {
	year, n := monday.ISOWeek()
	return Week{ID: fmt.Sprintf("%04d-W%02d", year, n), From: monday, To: monday.AddDate(0, 0, 7), Zone: monday.Location()}
}

var weekID = regexp.MustCompile(`^(\d{4})-?W(\d{2})$`)

// ParseWeek reads an ISO week as people write it: 2026-W46.
func ParseWeek(text string, zone *time.Location) (Week, error) {
	m := weekID.FindStringSubmatch(text)
	if m == nil {
		return Week{}, fmt.Errorf("%q is no week\n  hint: write year and ISO week, like 2026-W46", text)
	}
	year, _ := strconv.Atoi(m[1]) // digits, by the pattern
	n, _ := strconv.Atoi(m[2])
	// ISO 8601: week 1 is the one that 4 January lies in.
	w := WeekOf(time.Date(year, 1, 4, 0, 0, 0, 0, zone), zone)
	w = weekFrom(w.From.AddDate(0, 0, 7*(n-1)))
	if want := fmt.Sprintf("%04d-W%02d", year, n); w.ID != want {
		return Week{}, fmt.Errorf("%d has no week %d\n  hint: ISO years have 52 or 53 weeks", year, n)
	}
	return w, nil
}

// Since is the span from a moment to now.
func Since(from, now time.Time, zone *time.Location) Week {
	return Week{From: from.In(zone), To: now.In(zone), Zone: zone}
}

// Before is the span n lengths before this one.
func (w Week) Before(n int) Week {
	if w.ID != "" {
		return weekFrom(w.From.AddDate(0, 0, -7*n))
	}
	length := w.To.Sub(w.From)
	return Week{From: w.From.Add(-time.Duration(n) * length), To: w.To.Add(-time.Duration(n) * length), Zone: w.Zone}
}

func (w Week) span() span { return span{w.From, w.To} }

// Asked is the time that a person asks about: a week by its name, the time since a
// moment, or else the last week that is over.
func Asked(week string, since, now time.Time, zone *time.Location) (Week, error) {
	switch {
	case week != "" && !since.IsZero():
		return Week{}, fmt.Errorf("a week and the time since a moment exclude each other\n  hint: give one of them")
	case week != "":
		w, err := ParseWeek(week, zone)
		if err == nil && !w.From.Before(now) {
			err = fmt.Errorf("%s has not begun yet\n  hint: the last week that is over is %s", w.ID, LastWeek(now, zone).ID)
		}
		return w, err
	case !since.IsZero():
		if !since.Before(now) {
			return Week{}, fmt.Errorf("%s is not in the past", since.Format(time.RFC3339))
		}
		return Since(since, now, zone), nil
	default:
		return LastWeek(now, zone), nil
	}
}
