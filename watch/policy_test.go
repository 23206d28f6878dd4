package watch

import (
	"testing"
	"time"

	"repwatch/config"
)

func zone(t *testing.T, name string) *time.Location {
	t.Helper()
	loc, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return loc
}

// Quiet hours are hours of the wall clock: over midnight, and over the nights when the clock is changed.
func TestQuietHours(t *testing.T) {
	const layout = "2006-01-02 15:04 MST"
	vienna := zone(t, "Europe/Vienna")
	night, noon, change := config.Quiet{From: 22 * 60, To: 7 * 60}, config.Quiet{From: 12 * 60, To: 13*60 + 30}, config.Quiet{From: 2 * 60, To: 2*60 + 30}
	for _, c := range []struct {
		q        config.Quiet
		at, ends string // ends is empty: not quiet
	}{
		{night, "2026-11-24 21:59 CET", ""},
		{night, "2026-11-24 22:00 CET", "2026-11-25 07:00 CET"},
		{night, "2026-11-25 00:00 CET", "2026-11-25 07:00 CET"},
		{night, "2026-11-25 06:59 CET", "2026-11-25 07:00 CET"},
		{night, "2026-11-25 07:00 CET", ""},
		{night, "2026-12-31 23:30 CET", "2027-01-01 07:00 CET"},
		{night, "2026-03-28 23:00 CET", "2026-03-29 07:00 CEST"},
		{night, "2026-03-29 03:10 CEST", "2026-03-29 07:00 CEST"},
		{night, "2026-10-24 23:00 CEST", "2026-10-25 07:00 CET"},
		{night, "2026-10-25 02:30 CEST", "2026-10-25 07:00 CET"},
		{night, "2026-10-25 02:30 CET", "2026-10-25 07:00 CET"},
		{noon, "2026-11-24 11:59 CET", ""},
		{noon, "2026-11-24 12:00 CET", "2026-11-24 13:30 CET"},
		{noon, "2026-11-24 13:30 CET", ""},
		{change, "2026-03-29 01:59 CET", ""},                      // that night has no 02:00
		{change, "2026-03-29 03:00 CEST", ""},                     // ... nor 02:30
		{change, "2026-10-25 02:10 CEST", "2026-10-25 02:30 CET"}, // that one has two: quiet an hour longer, once a year
	} {
		at, err := time.ParseInLocation(layout, c.at, vienna)
		if err != nil {
			t.Fatal(err)
		}
		end, quiet := quietEnd(c.q, at)
		got := ""
		if quiet {
			got = end.Format(layout)
		}
		if got != c.ends {
			t.Errorf("%s at %s: until %q, want %q", c.q, c.at, got, c.ends)
		}
	}
}

func TestQuietHoursAreThoseOfTheTimezone(t *testing.T) {
	p := policyOf(load(t, other(house, "timezone: UTC", "timezone: Europe/Vienna")+"notify: {quiet: \"22:00-07:00\"}\n"))
	until, quiet := p.Quiet(time.Date(2026, 11, 24, 21, 30, 0, 0, time.UTC))
	if want := time.Date(2026, 11, 25, 6, 0, 0, 0, time.UTC); !quiet || !until.Equal(want) {
		t.Errorf("quiet %v until %v, want %v", quiet, until, want)
	}
	if policyOf(load(t, house)).Quiet != nil {
		t.Error("there are quiet hours, though none are configured")
	}
}

func TestMaintenanceWindows(t *testing.T) {
	p := policyOf(load(t, house+`
maintenance:
  - {from: 2026-12-24T20:00:00Z, to: 2026-12-24T23:00:00Z, partners: [contoso.com], reason: their upgrade}
  - {from: 2026-12-26T20:00:00Z, to: 2026-12-26T21:00:00Z, ips: [203.0.113.8]}
`))
	for _, c := range []struct{ at, ip, partner, want string }{
		{"2026-12-24T19:59:59Z", seven, "contoso.com", ""},
		{"2026-12-24T20:00:00Z", seven, "contoso.com", "their upgrade until 23:00"},
		{"2026-12-24T20:00:00Z", seven, "fabrikam.net", ""},
		{"2026-12-24T23:00:00Z", seven, "contoso.com", ""},
		{"2026-12-26T20:30:00Z", eight, "fabrikam.net", "planned until 21:00"},
		{"2026-12-26T20:30:00Z", seven, "fabrikam.net", ""},
	} {
		at, err := time.Parse(time.RFC3339, c.at)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if reason, until, ok := p.Maintenance(at, c.ip, c.partner); ok {
			got = reason + " until " + until.UTC().Format("15:04")
		}
		if got != c.want {
			t.Errorf("%s, %s at %s: %q, want %q", c.at, c.ip, c.partner, got, c.want)
		}
	}
}

func TestPolicyDescribesAddresses(t *testing.T) {
	p := policyOf(load(t, other(house, "{ip: 203.0.113.7}", `{ip: 203.0.113.7, name: mx1.example.com, pool: bulk, owner: "@ops", state: warming}`)))
	if name, pool, owner := p.Describe(seven); name != "mx1.example.com" || pool != "bulk" || owner != "@ops" {
		t.Errorf("%s %s %s", name, pool, owner)
	}
	if !p.Warming(seven) || p.Warming(eight) || p.Warming("example.com") {
		t.Error("seven alone is warming")
	}
}
