package watch

import (
	"slices"
	"strings"
	"testing"
	"time"

	"repwatch/checks"
	"repwatch/incident"
	"repwatch/reputation"
	"repwatch/store"
)

// Rule of truth 11: what is no longer watched is closed as that, never as delisted, back or mended.
func TestUnwatchedIsNeverGoodNews(t *testing.T) {
	d := newDesk(t, house)
	d.baseline()
	d.sweep("xbl", seven)
	d.sweep("traps", eight)
	d.lose(eight, "fabrikam.net")
	d.later(time.Hour).lose("office", "fabrikam.net")
	s := reputation.Subject{Kind: reputation.KindOwn}
	s.SetWho(seven)
	d.fold(checks.Batch{Own: []checks.OwnLook{{Subject: s, At: d.now, Faults: []incident.Fault{{ID: "ptr", Impact: reputation.High, What: "no PTR"}}}}})
	d.deliver()
	n := len(recordsOf(t, d.db))

	d.later(time.Hour).adopt(other(house, "{ip: 203.0.113.7}, ", "", "  - {domain: fabrikam.net, require: [STARTTLS]}\n", "", "use: [xbl, traps]", "use: [xbl]",
		`control: [{name: office, socks5: "127.0.0.1:1080"}]`, ""))
	d.isOpen()
	var ended []string
	for _, r := range recordsOf(t, d.db)[n:] {
		ended = append(ended, string(r.What)+" "+r.Subject.String())
	}
	slices.Sort(ended)
	want := []string{"unwatched 203.0.113.7/ptr", "unwatched 203.0.113.7@xbl", "unwatched 203.0.113.8>fabrikam.net", "unwatched 203.0.113.8@traps", "unwatched office>fabrikam.net"}
	if !slices.Equal(ended, want) {
		t.Errorf("ended %q, want %q", ended, want)
	}
	for _, e := range episodes(t, d.db) {
		if e.Open() || !e.Unwatched {
			t.Errorf("%s: %+v", e.Subject, e)
		}
	}
	for _, i := range incidentsOf(t, d.db) {
		last := i.Said[len(i.Said)-1].Text
		if !strings.Contains(last, "watched") || strings.Contains(last, "no longer on") {
			t.Errorf("#%s ended with %q", i.ID, last)
		}
	}
	if f := faults(t, d.db); len(f) > 0 {
		t.Errorf("faults of nobody: %q", f)
	}
}

// Who is watched again is at first sight: nothing is known of the time between.
func TestWatchedAgainIsFirstSight(t *testing.T) {
	d := newDesk(t, house)
	d.sweep("xbl")
	d.later(time.Hour).adopt(other(house, "{ip: 203.0.113.7}, ", ""))
	d.later(time.Hour).sweep("xbl")
	d.later(time.Hour).adopt(house)
	d.later(time.Minute).sweep("xbl", seven, eight)
	for _, r := range recordsOf(t, d.db) {
		if r.FirstSight != (r.Subject.Who() == seven) {
			t.Errorf("%s: first sight %v", r.Subject, r.FirstSight)
		}
	}
}

// A standby address is asked at lists and not probed from.
func TestStandbyKeepsItsListingsAndLosesItsPairs(t *testing.T) {
	d := newDesk(t, house)
	d.baseline()
	d.sweep("xbl", seven)
	d.lose(seven, "contoso.com")
	d.adopt(other(house, "{ip: 203.0.113.7}", "{ip: 203.0.113.7, state: standby}"))
	if got := d.open(); len(got) != 1 || !strings.Contains(got[0], "xbl") {
		t.Errorf("open are %q", got)
	}
}

func (d *desk) hears(notifiers, broken []string) {
	d.t.Helper()
	if err := d.f.adopt(d.now, d.cfg, notifiers, broken); err != nil {
		d.t.Fatal(err)
	}
}

func (d *desk) waitsFor(notifier string, want ...string) {
	d.t.Helper()
	var got []string
	err := d.db.View(func(tx *store.Tx) error {
		for q := range tx.Pending(notifier) {
			got = append(got, string(q.Kind)+" #"+q.Incident)
		}
		return nil
	})
	if err != nil {
		d.t.Fatal(err)
	}
	if !slices.Equal(got, want) {
		d.t.Errorf("for %s wait %q, want %q", notifier, got, want)
	}
}

// A notifier that is new hears of what is open and was told; one that is gone leaves nothing behind.
func TestNotifiersComeAndGo(t *testing.T) {
	d := newDesk(t, house)
	d.sweep("xbl", seven)
	d.later(time.Hour).deliver()
	d.hears([]string{"ear", "eye"}, nil)
	d.waitsFor("eye", "opened #1")
	d.waitsFor("ear")
	d.hears([]string{"ear", "eye"}, nil)
	d.waitsFor("eye", "opened #1")
	d.hears([]string{"ear"}, nil)
	d.waitsFor("eye")
}

// One that cannot be used for a while keeps what waits for it, and hears later of what it missed.
func TestBrokenNotifierMissesNothing(t *testing.T) {
	d := newDesk(t, house)
	d.sweep("xbl", seven)
	d.hears(nil, []string{"ear"})
	d.waitsFor("ear", "opened #1")
	d.later(24*time.Hour).sweep("xbl", seven, eight)
	d.waitsFor("ear", "opened #1")
	d.hears([]string{"ear"}, nil)
	d.waitsFor("ear", "opened #1", "opened #2")
	d.hears([]string{"eye"}, nil)
	d.waitsFor("ear")
	d.waitsFor("eye", "opened #1", "opened #2")
}

// Before anything was said of it, an incident waits for its first alert like any other.
func TestNewNotifierIsNotToldOfQuietIncidents(t *testing.T) {
	d := newDesk(t, house)
	l := d.listLook("traps", seven)
	l.Hits[0].Alert, l.Hits[0].Impact = incident.Digest, reputation.Low
	d.fold(checks.Batch{Lists: []checks.ListLook{l}})
	d.hears([]string{"ear", "eye"}, nil)
	d.waitsFor("eye")
}

// After a restart the correlator says what it would have said without.
func TestRestartChangesNothing(t *testing.T) {
	run := func(restart bool) (*desk, []string) {
		d := newDesk(t, house)
		d.baseline()
		for n := range 3 {
			d.sweep("xbl", seven)
			d.later(20*time.Minute).lose(seven, "contoso.com")
			if restart {
				d.restart(house)
			}
			d.later(3 * time.Hour).sweep("xbl")
			d.later(20*time.Minute).look(seven, "contoso.com", reputation.Advertised)
			if restart && n == 1 {
				d.restart(house)
			}
			d.later(3*time.Minute).look(seven, "contoso.com", reputation.Advertised)
			d.later(30 * time.Hour).deliver()
			if err := d.f.judgeAgain(d.now); err != nil {
				t.Fatal(err)
			}
			d.sweep("xbl")
		}
		var said []string
		for _, i := range incidentsOf(t, d.db) {
			said = append(said, about(i), string(i.Verdict), i.Word)
			for _, s := range i.Said {
				said = append(said, s.Text)
			}
		}
		return d, said
	}
	_, want := run(false)
	d, got := run(true)
	if !slices.Equal(got, want) {
		t.Errorf("with restarts\n%s\nwithout\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	d.deliver()
	d.restart(house)
	if err := d.f.judgeAgain(d.now); err != nil {
		t.Fatal(err)
	}
	if a := d.alerts(); len(a) > 0 {
		t.Errorf("a restart alone says %q", a)
	}
}

// A change that waits for its second look gets it after a restart, not in its turn.
func TestDoubtsOutliveARestart(t *testing.T) {
	d := newDesk(t, house)
	d.baseline()
	d.look(seven, "contoso.com", reputation.Absent)
	d.health("resolver", "127.0.0.1", silentResolver)
	d.restart(house)
	var err error
	if d.wants, err = d.f.doubts(d.now); err != nil {
		t.Fatal(err)
	}
	d.wantsLooks("confirm contoso.com from 203.0.113.7", "confirm lists in 2m0s")
}

// A watch for a reaction ends with it, one for a recovery too.
func TestRepeatedLooksEndWhenTheyHaveServed(t *testing.T) {
	d := newDesk(t, house)
	d.baseline()
	ask := func(why string) bool {
		return d.f.worth(checks.Ask{Check: "partners", Why: why, Partner: "contoso.com", From: []string{seven}, Every: time.Minute})
	}
	if !ask("listing") || ask(whyDelisting) {
		t.Errorf("while all is well: listing %v, delisting %v", ask("listing"), ask(whyDelisting))
	}
	d.lose(seven, "contoso.com")
	if ask("listing") || !ask(whyDelisting) {
		t.Errorf("while it is lost: listing %v, delisting %v", ask("listing"), ask(whyDelisting))
	}
	if !d.f.worth(checks.Ask{Check: "partners", Why: "confirm", Partner: "contoso.com", From: []string{seven}}) {
		t.Error("a single look is always worth it")
	}
}

func TestNewcomersAreThoseNeverLookedAt(t *testing.T) {
	d := newDesk(t, house)
	d.look(seven, "contoso.com", reputation.Advertised)
	for text, want := range map[string]bool{seven: false, seven + " " + eight: true, seven + " office": true, "": true} {
		if got := d.f.newcomer(checks.Ask{Check: "partners", Partner: "contoso.com", From: strings.Fields(text)}); got != want {
			t.Errorf("from %q: newcomer %v", text, got)
		}
	}
}
