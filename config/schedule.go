package config

import (
	"fmt"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

// Cron is a schedule: five fields, @hourly and the like, or @every DURATION.
type Cron struct {
	text     string
	schedule cron.Schedule
}

// Next is the first time after t, reading fields in t's time zone; the zero time
// for a schedule that never fires.
func (c Cron) Next(t time.Time) time.Time {
	if c.schedule == nil {
		return time.Time{}
	}
	return c.schedule.Next(t)
}

// Every is the time between two firings, on average over the week after t where
// it fires more often than weekly: what budgets per day are reckoned with.
func (c Cron) Every(t time.Time) time.Duration {
	if every, ok := c.schedule.(cron.ConstantDelaySchedule); ok {
		return every.Delay
	}
	const week = 7 * 24 * time.Hour
	first := c.Next(t)
	last, n := first, 0
	for n == 0 || last.Sub(first) < week {
		next := c.Next(last)
		if next.IsZero() {
			break
		}
		last, n = next, n+1
	}
	return last.Sub(first) / time.Duration(max(n, 1))
}

func (c Cron) String() string { return c.text }

// MarshalText is the schedule as written.
func (c Cron) MarshalText() ([]byte, error) { return []byte(c.text), nil }

// UnmarshalText reads a schedule; @every takes days too.
func (c *Cron) UnmarshalText(b []byte) error {
	text := strings.Join(strings.Fields(string(b)), " ")
	if every, ok := strings.CutPrefix(text, "@every "); ok {
		var d Duration
		if err := d.UnmarshalText([]byte(every)); err != nil {
			return fmt.Errorf("schedule %s: %w", shown(text), err)
		}
		if d.D() < time.Second {
			return faulty("for example @every 15m", "schedule %s: at least 1s apart", shown(text))
		}
		*c = Cron{text, cron.Every(d.D())}
		return nil
	}
	if strings.Contains(text, "TZ=") { // cron's own zone prefix; malformed ones make the library panic
		return faulty("set schedule.timezone; it holds for all schedules", "schedule %s: the time zone has a key of its own", shown(text))
	}
	s, err := cron.ParseStandard(text)
	if err != nil {
		return faulty("write @every 15m, @hourly, or five cron fields such as 0 9 * * MON", "%s is no schedule", shown(text))
	}
	if s.Next(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)).IsZero() {
		return faulty("is there such a day?", "schedule %s never fires", shown(text))
	}
	*c = Cron{text, s}
	return nil
}

// Zone is a time zone by its IANA name.
type Zone struct{ *time.Location }

// Loc is the location, the system's when none was given.
func (z Zone) Loc() *time.Location {
	if z.Location == nil {
		return time.Local
	}
	return z.Location
}

// String is the zone's name.
func (z Zone) String() string { return z.Loc().String() }

// MarshalText is the zone's name.
func (z Zone) MarshalText() ([]byte, error) { return []byte(z.String()), nil }

// UnmarshalText reads an IANA name such as Europe/Vienna; empty means the system's zone.
func (z *Zone) UnmarshalText(b []byte) error {
	if len(b) == 0 {
		z.Location = nil
		return nil
	}
	loc, err := time.LoadLocation(string(b))
	if err != nil {
		return faulty("write an IANA name such as Europe/Vienna or UTC", "%s is no time zone", shown(string(b)))
	}
	z.Location = loc
	return nil
}

// Time is a moment in RFC 3339.
type Time struct{ time.Time }

// UnmarshalText reads 2026-12-24T20:00:00Z.
func (t *Time) UnmarshalText(b []byte) error {
	v, err := time.Parse(time.RFC3339, string(b))
	if err != nil {
		return faulty("write it like 2026-12-24T20:00:00Z, or with an offset such as +01:00", "%s is no time", shown(string(b)))
	}
	t.Time = v
	return nil
}

// Quiet is a daily span of hours; From == To means none. Minutes since midnight, in schedule.timezone.
type Quiet struct{ From, To int }

// String is HH:MM-HH:MM, empty when there is no quiet time.
func (q Quiet) String() string {
	if q.From == q.To {
		return ""
	}
	return fmt.Sprintf("%02d:%02d-%02d:%02d", q.From/60, q.From%60, q.To/60, q.To%60)
}

// MarshalText is String.
func (q Quiet) MarshalText() ([]byte, error) { return []byte(q.String()), nil }

// UnmarshalText reads 22:00-07:00; it may pass midnight. Empty means none.
func (q *Quiet) UnmarshalText(b []byte) error {
	if len(b) == 0 {
		*q = Quiet{}
		return nil
	}
	from, to, ok := strings.Cut(string(b), "-")
	f, err1 := time.Parse("15:04", strings.TrimSpace(from))
	t, err2 := time.Parse("15:04", strings.TrimSpace(to))
	if !ok || err1 != nil || err2 != nil {
		return faulty("write it like 22:00-07:00", "%s is no span of hours", shown(string(b)))
	}
	if f.Equal(t) {
		return faulty("leave it empty for no quiet hours", "%s begins when it ends", shown(string(b)))
	}
	*q = Quiet{f.Hour()*60 + f.Minute(), t.Hour()*60 + t.Minute()}
	return nil
}
