package watch

import (
	"slices"
	"strings"
	"testing"
	"time"

	"repwatch/checks"
	"repwatch/checks/dnsbl"
	"repwatch/incident"
	"repwatch/reputation"
	"repwatch/store"
)

const (
	seven = "203.0.113.7"
	eight = "203.0.113.8"
)

// Rule of truth 1: unknown is never news.
func TestUnknownListAnswersAreNoNews(t *testing.T) {
	d := newDesk(t, house)
	d.sweep("xbl")
	d.later(15*time.Minute).sweep("xbl", seven)
	d.isOpen("#1 listing 203.0.113.7 xbl")
	was := d.story()
	d.later(15*time.Minute).sweep("xbl", "?"+seven, "?"+eight)
	look := d.later(15 * time.Minute).listLook("xbl")
	look.AllUnknown, look.Health, look.Why = true, dnsbl.HealthSuspended, "its test point does not answer"
	d.fold(checks.Batch{Lists: []checks.ListLook{look}})
	d.isOpen("#1 listing 203.0.113.7 xbl")
	d.later(15*time.Minute).sweep("xbl", seven)
	d.tells(append(was, "suspended list/xbl (09:30:00, 09:45:00]", "believed list/xbl (09:30:00, 10:00:00]")...)
}

func TestUnknownLooksAreNoNews(t *testing.T) {
	d := newDesk(t, house)
	d.baseline()
	for range 5 {
		d.later(time.Hour).silent(seven, "contoso.com")
		d.later(time.Minute).look(seven, "contoso.com", reputation.Deferred)
	}
	d.tells()
	d.isOpen()
	d.lose(seven, "contoso.com")
	d.isOpen("#1 pair 203.0.113.7 contoso.com")
	was := d.story()
	for range 5 {
		d.later(time.Hour).silent(seven, "contoso.com")
		d.later(time.Minute).look(seven, "contoso.com", reputation.Deferred)
	}
	d.tells(was...)
	d.isOpen("#1 pair 203.0.113.7 contoso.com")
}

// A pair's bracket begins where it was last sure: not in a sweep that could not tell it.
func TestBracketsBeginWhereThePairWasLastSure(t *testing.T) {
	d := newDesk(t, house)
	d.sweep("xbl")
	d.later(15*time.Minute).sweep("xbl", "?"+seven)
	d.later(15*time.Minute).sweep("xbl", "?"+seven)
	d.later(15*time.Minute).sweep("xbl", seven, eight)
	d.later(15*time.Minute).sweep("xbl", "?"+seven, eight)
	d.later(15 * time.Minute).sweep("xbl")
	d.tells(
		"listed 203.0.113.7@xbl (08:59:59, 09:45:00]",
		"listed 203.0.113.8@xbl (09:29:59, 09:45:00]",
		"delisted 203.0.113.7@xbl (09:45:00, 10:15:00]",
		"delisted 203.0.113.8@xbl (09:59:59, 10:15:00]")
}

// A pair that no sweep could tell yet, in a list that others were told by, is at first sight.
func TestFirstSureAnswerOfAPairIsFirstSight(t *testing.T) {
	d := newDesk(t, house)
	d.sweep("xbl", "?"+seven)
	d.later(15*time.Minute).sweep("xbl", seven, eight)
	r := recordsOf(t, d.db)
	if len(r) != 2 || !r[0].FirstSight || r[1].FirstSight {
		t.Errorf("records %+v", r)
	}
}

// Rule of truth 7: an answer is as old as its cache may have made it.
func TestBracketsReachBackByTheAgeOfAnswers(t *testing.T) {
	d := newDesk(t, house)
	clear := d.listLook("xbl")
	clear.ClearAge = 10 * time.Minute
	d.fold(checks.Batch{Lists: []checks.ListLook{clear}})
	d.later(15 * time.Minute)
	hit := d.listLook("xbl", seven)
	hit.HitAge = 5 * time.Minute
	d.fold(checks.Batch{Lists: []checks.ListLook{hit}})
	d.later(15*time.Minute).sweep("xbl", seven)
	last := d.listLook("xbl", seven)
	last.HitAge = 20 * time.Minute
	d.fold(checks.Batch{Lists: []checks.ListLook{last}})
	d.later(15 * time.Minute).sweep("xbl")
	d.tells("listed 203.0.113.7@xbl (08:49:59, 09:15:00]",
		"delisted 203.0.113.7@xbl (09:15:00, 09:45:00]") // by age alone it were 09:09:59: before it was listed
}

// First sight: what is listed when we first look opens an incident; what is clean is silent.
func TestFirstSightOfListings(t *testing.T) {
	d := newDesk(t, house)
	d.sweep("xbl", seven)
	d.tells("listed 203.0.113.7@xbl (-, 09:00:00]")
	d.isOpen("#1 listing 203.0.113.7 xbl")
	if e := episodes(t, d.db); len(e) != 1 || !e[0].FirstSight {
		t.Errorf("episodes %+v", e)
	}
}

func episodes(t testing.TB, db *store.DB) (out []incident.Episode) {
	t.Helper()
	err := db.View(func(tx *store.Tx) error {
		for _, e := range tx.Episodes().All() {
			out = append(out, e)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// First sight of a partner: absent is a loss at once when require names it.
func TestFirstSightOfARequiredCapability(t *testing.T) {
	d := newDesk(t, house)
	d.look(seven, "contoso.com", reputation.Absent)
	d.isOpen("#1 pair 203.0.113.7 contoso.com")
}

var lenient = other(house, ", require: [STARTTLS]", "")

// Without require the control decides: absent waits for its word, and counts at once when it is there.
func TestFirstSightWaitsForTheControl(t *testing.T) {
	d := newDesk(t, lenient)
	d.look(seven, "contoso.com", reputation.Absent)
	d.isOpen()
	if !slices.Contains(d.asks(), "control contoso.com from office") {
		t.Errorf("the control is not asked: %q", d.asks())
	}
	d.later(time.Minute).look("office", "contoso.com", reputation.Advertised)
	if !slices.Contains(d.asks(), "control contoso.com from 203.0.113.7") {
		t.Fatalf("nobody looks again now that the control has spoken: %q", d.asks())
	}
	d.look(seven, "contoso.com", reputation.Absent)
	d.isOpen("#1 pair 203.0.113.7 contoso.com")
	if e := episodes(t, d.db); len(e) != 1 || !e[0].FirstSight || e[0].Wire.Control != "advertised" {
		t.Errorf("episodes %+v", e)
	}
}

// A partner that offers STARTTLS to nobody has taken nothing from us.
func TestAbsentForTheControlTooIsNoLoss(t *testing.T) {
	d := newDesk(t, lenient)
	d.look("office", "contoso.com", reputation.Absent)
	for range 4 {
		d.later(time.Hour).look(seven, "contoso.com", reputation.Absent)
	}
	d.isOpen()
	d.tells()
}

// An old word of the control does not stand beside our look.
func TestStaleControlDecidesNothing(t *testing.T) {
	d := newDesk(t, lenient)
	d.look("office", "contoso.com", reputation.Advertised)
	d.later(16*time.Minute).look(seven, "contoso.com", reputation.Absent)
	d.isOpen()
}

func TestLossAsksAround(t *testing.T) {
	d := newDesk(t, house)
	d.baseline()
	d.look(seven, "contoso.com", reputation.Absent)
	d.wantsLooks("confirm contoso.com from 203.0.113.7 in 2m0s", "control contoso.com from office")
	d.later(time.Second).look("office", "contoso.com", reputation.Advertised)
	d.later(2*time.Minute).look(seven, "contoso.com", reputation.Absent)
	d.wantsLooks("around fabrikam.net from 203.0.113.7", "around tailspin.org from 203.0.113.7", "peers contoso.com from 203.0.113.8")
	d.isOpen("#1 pair 203.0.113.7 contoso.com")
	d.tells("lost 203.0.113.7>contoso.com (09:06:00, 10:06:00]", "fine office>contoso.com (-, 10:06:01]")
}

// A delisting has what the address lost looked at at once, and for a while.
func TestDelistingAsksForWhatWasLost(t *testing.T) {
	d := newDesk(t, house)
	d.baseline()
	d.sweep("xbl", seven)
	d.later(30*time.Minute).lose(seven, "contoso.com")
	d.later(time.Hour).sweep("xbl")
	d.wantsLooks("delisting contoso.com from 203.0.113.7 every 5m0s for 2h0m0s")
}

// Another code on one zone may turn what was policy into an accusation, and back.
func TestPolicyThatTurnsIntoAnAccusation(t *testing.T) {
	d := newDesk(t, house)
	d.sweep("xbl")
	policy := func() {
		l := d.listLook("xbl", seven)
		l.Hits[0].Codes, l.Hits[0].Meaning, l.Hits[0].Class, l.Hits[0].Impact, l.Hits[0].Alert = []string{"127.0.0.10"}, []string{"PBL"}, reputation.ClassPolicy, reputation.Info, incident.Never
		d.fold(checks.Batch{Lists: []checks.ListLook{l}})
	}
	d.later(15 * time.Minute)
	policy()
	d.isOpen()
	d.later(15*time.Minute).sweep("xbl", seven)
	d.isOpen("#1 listing 203.0.113.7 xbl")
	d.later(15 * time.Minute)
	policy()
	d.isOpen()
	d.tells("listed 203.0.113.7@xbl (08:59:59, 09:15:00]",
		"delisted 203.0.113.7@xbl (09:15:00, 09:30:00]", "listed 203.0.113.7@xbl (09:15:00, 09:30:00]",
		"delisted 203.0.113.7@xbl (09:30:00, 09:45:00]", "listed 203.0.113.7@xbl (09:30:00, 09:45:00]")
}

// Other codes of the same weight are news of the same incident; other words are none.
func TestRelistedUnderOtherCodes(t *testing.T) {
	d := newDesk(t, house)
	d.sweep("xbl", seven)
	d.deliver()
	l := d.later(15*time.Minute).listLook("xbl", seven)
	l.Hits[0].Reason = "another reason text"
	d.fold(checks.Batch{Lists: []checks.ListLook{l}})
	if n := len(recordsOf(t, d.db)); n != 1 {
		t.Errorf("another reason text made %d records", n)
	}
	l = d.later(15*time.Minute).listLook("xbl", seven)
	l.Hits[0].Codes, l.Hits[0].Meaning = []string{"127.0.0.9"}, []string{"DROP"}
	d.fold(checks.Batch{Lists: []checks.ListLook{l}})
	d.tells("listed 203.0.113.7@xbl (-, 09:00:00]", "relisted 203.0.113.7@xbl (-, 09:30:00]")
	d.isOpen("#1 listing 203.0.113.7 xbl")
}

// A partial look ends or begins what it asked about, and makes the rest no surer.
func TestPartialLookSpeaksOfThoseAsked(t *testing.T) {
	d := newDesk(t, house)
	d.sweep("xbl", seven, eight)
	l := d.later(5 * time.Minute).listLook("xbl")
	l.Asked = []string{seven}
	d.fold(checks.Batch{Lists: []checks.ListLook{l}})
	d.later(10*time.Minute).sweep("xbl", seven)
	d.tells("listed 203.0.113.7@xbl (-, 09:00:00]", "listed 203.0.113.8@xbl (-, 09:00:00]",
		"delisted 203.0.113.7@xbl (09:00:00, 09:05:00]",
		"listed 203.0.113.7@xbl (09:00:00, 09:15:00]", "delisted 203.0.113.8@xbl (09:00:00, 09:15:00]")
}

// Rule of truth 2: an untested list counts at impact info, and its end proves nothing.
func TestUntestedListInterruptsNobody(t *testing.T) {
	d := newDesk(t, house)
	l := d.listLook("xbl", seven)
	l.Health, l.Unknown = dnsbl.HealthUntested, []string{eight}
	l.Hits[0].Impact, l.Hits[0].Alert, l.Hits[0].Untested = reputation.Info, incident.Never, true
	d.fold(checks.Batch{Lists: []checks.ListLook{l}})
	if i := incidentsOf(t, d.db); len(i) != 1 || i[0].Told || len(d.alerts()) > 0 {
		t.Errorf("incidents %+v, alerts %q", i, d.alerts())
	}
	for _, r := range recordsOf(t, d.db) {
		if r.Listing.Untested != true {
			t.Errorf("%+v", r)
		}
	}
}

// Many addresses on one list at once are one incident and one message.
func TestMassHitIsOneIncident(t *testing.T) {
	d := newDesk(t, other(house, "sending_ips: [", "sending_ips: [{range: 203.0.113.16/28}, "))
	d.sweep("xbl")
	var all []string
	for _, a := range d.cfg.Addresses[:12] {
		all = append(all, a.IP.String())
	}
	d.later(15*time.Minute).sweep("xbl", all...)
	if got := d.open(); len(got) != 1 || len(d.deliverLater()) != 1 {
		t.Errorf("open are %q", got)
	}
	d.later(15 * time.Minute).sweep("xbl")
	d.isOpen()
}

// deliverLater delivers what is due in an hour.
func (d *desk) deliverLater() []incident.Alert { return d.later(time.Hour).deliver() }

// A reaction of a partner to a list that is learned is foretold, watched and scored.
func TestLearnedReactionIsForetoldAndScored(t *testing.T) {
	d := newDesk(t, house)
	d.baseline()
	for range 4 {
		d.sweep("xbl", seven)
		d.later(30*time.Minute).lose(seven, "contoso.com")
		d.later(2 * time.Hour).sweep("xbl")
		d.later(20*time.Minute).look(seven, "contoso.com", reputation.Advertised)
		d.later(3*time.Minute).look(seven, "contoso.com", reputation.Advertised)
		d.later(48 * time.Hour)
		for _, p := range []string{"contoso.com", "fabrikam.net", "tailspin.org"} {
			d.look(seven, p, reputation.Advertised)
			d.look(eight, p, reputation.Advertised)
		}
		d.sweep("xbl")
		d.later(15 * time.Minute)
	}
	d.isOpen()
	d.sweep("xbl", seven)
	if !slices.ContainsFunc(d.asks(), func(s string) bool {
		return strings.HasPrefix(s, "listing contoso.com from 203.0.113.7 every 5m0s for 2h")
	}) {
		t.Errorf("the partner that reacts is not watched: %q", d.asks())
	}
	last := incidentsOf(t, d.db)
	i := last[len(last)-1]
	if len(i.Forecasts) != 1 || i.Forecasts[0].Partner != "contoso.com" || i.Forecasts[0].P < .5 || i.Forecasts[0].Record != "4 of 4" {
		t.Fatalf("forecasts %+v", i.Forecasts)
	}
	d.later(30*time.Minute).lose(seven, "contoso.com")
	d.isOpen("#" + i.ID + " listing 203.0.113.7 xbl")
	if err := d.f.tick(d.later(12 * time.Hour).now); err != nil { // what came true stays so
		t.Fatal(err)
	}
	var outcomes []string
	_ = d.db.View(func(tx *store.Tx) error {
		for _, fc := range tx.Forecasts().All() {
			outcomes = append(outcomes, fc.Outcome)
		}
		return nil
	})
	if len(outcomes) == 0 || outcomes[len(outcomes)-1] != "hit" {
		t.Errorf("forecasts became %q", outcomes)
	}
}
