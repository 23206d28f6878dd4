package watch

import (
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestDiffSaysWhatChanged(t *testing.T) {
	old := house + "domains: [example.com]\nnotify: {slack: {token: \"${env:OLD_TOKEN}\", channel: \"#a\"}}\n"
	next := other(old, "{ip: 203.0.113.7}", "{ip: 203.0.113.9}", "{ip: 203.0.113.8}", "{ip: 203.0.113.8, state: warming}",
		"[example.com]", "[example.org]", "contoso.com, require: [STARTTLS]", "contoso.com, require: [STARTTLS, SIZE]",
		"name: office", "name: spare", "use: [xbl, traps]", "use: [xbl]", "OLD_TOKEN", "NEW_TOKEN", "timezone: UTC", "timezone: Europe/Vienna")
	got := Diff(load(t, old), load(t, next))
	want := []string{
		"no longer watched: sending IP 203.0.113.7", "watched now: sending IP 203.0.113.9",
		"no longer watched: domain example.com", "watched now: domain example.org",
		"no longer watched: control office", "watched now: control spare",
		"no longer watched: list traps",
		"changed: sending IP 203.0.113.8 (warming)", "changed: partner contoso.com (required: STARTTLS, SIZE)",
		"blocklists: changed", "schedule: changed", "notify: changed",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
	if same := Diff(load(t, old), load(t, old)); len(same) > 0 {
		t.Errorf("the same file differs from itself: %q", same)
	}
}

func TestDiffOfManyIsShort(t *testing.T) {
	got := Diff(load(t, house), load(t, other(house, "sending_ips: [", "sending_ips: [{range: 203.0.113.64/26}, ")))
	if len(got) != 21 || got[20] != "watched now: sending IP: and 44 more" {
		t.Errorf("%d lines, the last %q", len(got), got[len(got)-1])
	}
}

// Where nobody is configured to be told, the log is: an incident never goes unsaid.
func TestWithoutNotifiersTheLogIsTold(t *testing.T) {
	cfg := load(t, house)
	d, err := New(Options{DB: openStore(t, filepath.Join(t.TempDir(), "r.db")), Config: cfg, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer d.opt.DB.Close()
	g, err := d.build(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer g.close()
	if got := g.dispatcher.Names(); !slices.Equal(got, []string{"log"}) {
		t.Errorf("told are %q, want the log", got)
	}
}

// A file without anything to watch is half a file: it is not put in force.
func TestWatchesNothing(t *testing.T) {
	for text, want := range map[string]bool{"": true, "schedule: {timezone: UTC}\n": true, house: false,
		"domains: [example.com]\n": false, "own_mx: [example.com]\n": false, "partners: [{domain: contoso.com}]\n": false} {
		if got := watchesNothing(load(t, text)); got != want {
			t.Errorf("%q watches nothing: %t", text, got)
		}
	}
}
