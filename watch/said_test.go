package watch

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"repwatch/checks"
	"repwatch/correlate"
	"repwatch/incident"
	"repwatch/reputation"
	"repwatch/store"
)

// reject is two looks at a partner that refuses an address with a reply.
func (d *desk) reject(from, partner string, said incident.Wire) {
	d.t.Helper()
	for range 2 {
		look := lookThat(pairOf(from, partner), d.now, reputation.Rejected, "")
		look.Evidence = said
		d.fold(checks.Batch{Version: checks.Version, Check: "partners", Wire: []checks.WireLook{look}})
		d.later(2 * time.Minute)
	}
}

// Two lists list the address in the same sweep. Timing cannot tell which one the
// partner minds; its reply can, and one that blames something else acquits both.
func TestPartnersOwnWordsDecide(t *testing.T) {
	for name, c := range map[string]struct {
		said incident.Wire
		want string
	}{
		"nothing":          {incident.Wire{Reply: "554 5.7.1 go away"}, "undetermined"},
		"one of the lists": {incident.Wire{Reply: "554 5.7.1 blocked using traps.example", Names: "traps"}, "listing traps"},
		"no PTR":           {incident.Wire{Reply: "554 5.7.25 no PTR", Blames: string(correlate.PolicyPTR)}, "private"},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t, house)
			d.baseline()
			d.later(15*time.Minute).sweep("xbl", "203.0.113.7")
			d.sweep("traps", "203.0.113.7")
			d.later(20*time.Minute).reject("203.0.113.7", "contoso.com", c.said)
			i := incidentsOf(t, d.db)
			last := i[len(i)-1]
			got := string(last.Verdict)
			if last.Verdict == correlate.ByListing {
				got += " " + last.List
			}
			if got != c.want {
				t.Errorf("verdict %s (%.2f), want %s: %q", got, last.Confidence, c.want, last.Evidence)
			}
		})
	}
}

// What the journal exports tells a replay who was watched: a control that never lost
// anything is in it, and so the verdicts are the daemon's own.
func TestReplayOfTheExportGivesTheSameVerdicts(t *testing.T) {
	d := newDesk(t, house)
	d.baseline()
	d.later(time.Hour).lose("203.0.113.7", "contoso.com")
	d.look("office", "contoso.com", reputation.Advertised)
	for _, p := range []string{"fabrikam.net", "tailspin.org"} {
		d.look("203.0.113.7", p, reputation.Advertised)
	}
	d.later(2 * time.Hour)
	var events []correlate.Event
	err := d.db.View(func(tx *store.Tx) error {
		for r := range tx.Journal(time.Time{}, time.Time{}) {
			if e, ok := incident.EventOf(r); ok {
				events = append(events, e)
			}
		}
		return tx.Err()
	})
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := correlate.Replay(events, correlate.Universe(events), &out); err != nil {
		t.Fatal(err)
	}
	if own := incidentsOf(t, d.db)[0].Verdict; own != correlate.Private || !strings.Contains(out.String(), `"verdict":"private"`) {
		t.Errorf("the daemon says %s, the replay\n%s", own, out.String())
	}
}

// A reply names a list that does not name us as far as we see: it is the partner's word,
// and told as that.
func TestAListThatDoesNotListUs(t *testing.T) {
	d := newDesk(t, house)
	d.baseline()
	d.sweep("traps")
	d.reject("203.0.113.7", "contoso.com", incident.Wire{Reply: "554 5.7.1 blocked using traps.example", Names: "traps"})
	i := incidentsOf(t, d.db)
	if len(i) != 1 || i[0].List != "traps" {
		t.Fatalf("incidents %+v", i)
	}
	err := d.db.View(func(tx *store.Tx) error {
		m, _, err := tx.Messages().Get(i[0].ID)
		if want := "because its reply names traps, which does not list 203.0.113.7 as far as we see"; !strings.Contains(m.Title, want) {
			t.Errorf("told: %s; want %q", m.Title, want)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if next := strings.Join(i[0].Next, "\n"); !strings.Contains(next, "look 203.0.113.7 up at traps itself") || strings.Contains(next, "any more") {
		t.Errorf("next: %s", next)
	}
}

// What was over before a cause was found is not said to become clear yet.
func TestOverBeforeItWasClear(t *testing.T) {
	d := newDesk(t, house)
	d.baseline()
	d.lose("203.0.113.7", "contoso.com")
	title := func() (s string) {
		err := d.db.View(func(tx *store.Tx) error {
			m, _, err := tx.Messages().Get("1")
			s = m.Title
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	if got := title(); !strings.HasSuffix(got, ": why is not clear yet") {
		t.Errorf("while it lasts: %s", got)
	}
	for range 2 {
		d.later(2*time.Minute).look("203.0.113.7", "contoso.com", reputation.Advertised)
	}
	if got := title(); !strings.HasSuffix(got, ": why never became clear") {
		t.Errorf("when it is over: %s", got)
	}
}
