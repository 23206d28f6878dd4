package watch

import (
	"testing"
	"time"

	"repwatch/config"
	"repwatch/incident"
	"repwatch/notify"
	"repwatch/report"
)

func cronOf(t *testing.T, text string) (c config.Cron) {
	t.Helper()
	if err := c.UnmarshalText([]byte(text)); err != nil {
		t.Fatal(err)
	}
	return c
}

// TestDueReport: when a report is due, and of which week.
func TestDueReport(t *testing.T) {
	vienna, err := time.LoadLocation("Europe/Vienna")
	if err != nil {
		t.Fatal(err)
	}
	local := func(text string) time.Time {
		at, err := time.ParseInLocation("2006-01-02 15:04", text, vienna)
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	const mondays = "0 9 * * MON"
	for name, c := range map[string]struct {
		schedule, last, week, now string
		want                      string // the week; empty: none is due
	}{
		"not yet":                        {mondays, "2026-11-16 09:00", "2026-W46", "2026-11-23 08:59", ""},
		"in time":                        {mondays, "2026-11-16 09:00", "2026-W46", "2026-11-23 09:00", "2026-W47"},
		"over a week-end's downtime":     {mondays, "2026-11-16 09:00", "2026-W46", "2026-11-26 08:00", "2026-W47"},
		"too late":                       {mondays, "2026-11-16 09:00", "2026-W46", "2026-11-26 09:01", ""},
		"of many missed only the latest": {mondays, "2026-09-14 09:00", "2026-W37", "2026-11-23 10:00", "2026-W47"},
		"each week once":                 {"0 9 * * *", "2026-11-23 09:00", "2026-W47", "2026-11-25 09:30", ""},
		"summer time begins":             {mondays, "2026-03-23 09:00", "2026-W12", "2026-03-30 09:00", "2026-W13"},
		"winter time begins":             {mondays, "2026-10-19 09:00", "2026-W42", "2026-10-26 09:00", "2026-W43"},
	} {
		last := lastSent{At: local(c.last), Week: c.week}
		next, w, due := dueReport(cronOf(t, c.schedule), vienna, last, local(c.now))
		if due != (c.want != "") || due && (w.ID != c.want || next.Week != c.want) {
			t.Errorf("%s: %v %s, want %q", name, due, w.ID, c.want)
		}
		if _, again, due := dueReport(cronOf(t, c.schedule), vienna, next, local(c.now)); due {
			t.Errorf("%s: due again: %s", name, again.ID)
		}
	}
}

// TestReportBySchedule: the daemon sends it once, over a restart too, and at any
// time when a person asks.
func TestReportBySchedule(t *testing.T) {
	w := &world{takes: time.Second}
	play(t, w, other(house, "timezone: UTC", "timezone: UTC, report: \"0 9 * * *\""), func(s *theatre) {
		var built []*notify.Report
		s.ears[0].fails = func(_ int, sending notify.Sending) error {
			if sending.Alert.Kind == incident.AlertReport {
				built = append(built, sending.Report)
			}
			return nil
		}
		s.start()
		s.until(20 * hour)
		s.halt()
		s.start()
		s.until(22 * hour)
		got := s.ears[0].of(incident.AlertReport)
		if len(got) != 1 || built[0] == nil || len(built[0].PNG) == 0 || built[0].Week != got[0].Week || got[0].at.Hour() != 9 {
			s.Fatalf("%d reports: %+v", len(got), got)
		}
		asked := report.LastWeek(time.Now(), time.UTC)
		if names, err := s.d.SendReport(s.Context(), asked); err != nil || len(names) != 1 {
			s.Fatal(names, err)
		}
		s.until(23 * hour)
		if got := s.ears[0].of(incident.AlertReport); len(got) != 2 || got[1].Week != asked.ID {
			s.Errorf("%d reports after one was asked for", len(got))
		}
		if _, err := s.d.SendReport(s.Context(), report.Since(time.Now().Add(-hour), time.Now(), time.UTC)); err == nil {
			s.Error("a time that is no week was taken")
		}
	})
}
