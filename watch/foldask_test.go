package watch

import (
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"repwatch/checks"
	"repwatch/incident"
	"repwatch/reputation"
	"repwatch/store"
)

// An accusation that becomes mere policy is a delisting too.
func TestPolicyInPlaceOfAnAccusationAsksForWhatWasLost(t *testing.T) {
	d := newDesk(t, house)
	d.baseline()
	d.sweep("xbl", seven)
	d.later(30*time.Minute).lose(seven, "contoso.com")
	l := d.later(time.Hour).listLook("xbl", seven)
	l.Hits[0].Class, l.Hits[0].Impact = reputation.ClassPolicy, reputation.Info
	d.fold(checks.Batch{Lists: []checks.ListLook{l}})
	d.wantsLooks("delisting contoso.com from 203.0.113.7 every 5m0s for 2h0m0s")
}

// waits are the looks that a start takes up, as desk.asks tells those of a batch.
func (d *desk) waits() []string {
	d.t.Helper()
	var err error
	if d.wants, err = d.f.doubts(d.now); err != nil {
		d.t.Fatal(err)
	}
	return d.asks()
}

// A message says that we look every five minutes for two hours: a restart changes nothing about that.
func TestRestartGoesOnWaitingForRecovery(t *testing.T) {
	d := newDesk(t, house)
	d.baseline()
	d.sweep("xbl", seven)
	d.later(30*time.Minute).lose(seven, "contoso.com")
	d.later(time.Hour).sweep("xbl")
	for after, want := range map[time.Duration][]string{10 * time.Minute: {"delisting contoso.com from 203.0.113.7 every 5m0s for 1h50m0s"}, 2*time.Hour + time.Second: nil} {
		was := d.now
		d.later(after).restart(house)
		if got := d.waits(); !slices.Equal(got, want) {
			t.Errorf("%v after the delisting: %q", after, got)
		}
		d.now = was
	}
}

// So it is with a reaction that is foretold, until it comes, the listing ends or its time is over.
func TestRestartGoesOnWaitingForAReaction(t *testing.T) {
	d := newDesk(t, house)
	d.baseline()
	d.sweep("xbl", seven)
	row := func() (l store.Listing) {
		_ = d.db.View(func(tx *store.Tx) (err error) {
			l, _, err = tx.Listings().Get(pairOn("xbl", seven))
			return err
		})
		return l
	}()
	put := func(outcome string) {
		t.Helper()
		fc := store.Forecast{ListingSeq: row.Seq, IP: seven, List: "xbl", Partner: "contoso.com", P: .8, At: d.now, From: d.now, To: d.now.Add(time.Hour), Outcome: outcome}
		if err := d.db.Update(d.now, func(tx *store.Tx) error { return tx.Forecasts().Put(store.ForecastKey(row.Seq, "contoso.com"), fc) }); err != nil {
			t.Fatal(err)
		}
		d.restart(house)
	}
	put("")
	d.later(time.Hour)
	if got := d.waits(); !slices.Equal(got, []string{"listing contoso.com from 203.0.113.7 every 5m0s for 1h0m0s"}) {
		t.Errorf("waits for %q", got)
	}
	d.later(61 * time.Minute)
	if got := d.waits(); got != nil {
		t.Errorf("after its time it waits for %q", got)
	}
	put("hit")
	if got := d.waits(); got != nil {
		t.Errorf("after it came it waits for %q", got)
	}
	put("")
	d.sweep("xbl")
	if got := d.waits(); got != nil {
		t.Errorf("after the delisting it waits for %q", got)
	}
}

// A control's word stands when its next look got nowhere.
func TestControlsLastSureWordCounts(t *testing.T) {
	d := newDesk(t, lenient)
	d.look("office", "contoso.com", reputation.Advertised)
	d.later(time.Minute).silent("office", "contoso.com")
	d.later(time.Minute).look(seven, "contoso.com", reputation.Absent)
	d.isOpen("#1 pair 203.0.113.7 contoso.com")
}

// What a control is offered over IPv4 says nothing of IPv6: other servers, another reputation.
func TestControlOfAnotherFamilyDecidesNothing(t *testing.T) {
	const six = "2001:db8::8"
	d := newDesk(t, other(lenient, "{ip: 203.0.113.8}", `{ip: "`+six+`"}`))
	at := func(from, server string, o reputation.Outcome) {
		w := lookThat(pairOf(from, "contoso.com"), d.now, o, "")
		w.Looks[0].Addr = netip.MustParseAddr(server)
		d.fold(checks.Batch{Wire: []checks.WireLook{w}})
	}
	at("office", "198.51.100.25", reputation.Advertised)
	at(six, "2001:db8:25::25", reputation.Absent)
	d.isOpen()
	d.later(time.Hour)
	at("office", "2001:db8:25::25", reputation.Absent)
	d.later(3 * time.Minute)
	at("office", "2001:db8:25::25", reputation.Advertised)
}

// controlListed folds whether the control is on a list itself.
func (d *desk) controlListed(is bool) {
	d.t.Helper()
	look := checks.HealthLook{Subject: reputation.Subject{Kind: reputation.KindHealth, Domain: "control-listed", Target: "office"}, At: d.now}
	if is {
		look.Fault = &incident.Fault{ID: "control-listed", Impact: reputation.High, What: "the control office is itself on xbl"}
	}
	d.fold(checks.Batch{Health: []checks.HealthLook{look}})
}

// That a control lost the partner too is said with a grain of salt where it is listed itself.
func TestListedControlIsDoubtedInWords(t *testing.T) {
	const doubt = "the control office is on a list itself: that it lost it too proves little"
	for _, listed := range []bool{true, false} {
		d := newDesk(t, house)
		d.baseline()
		d.controlListed(listed)
		for range 2 {
			d.look("office", "contoso.com", reputation.Absent)
			d.look(seven, "contoso.com", reputation.Absent)
			d.later(2 * time.Minute)
		}
		all := incidentsOf(t, d.db)
		if i := all[len(all)-1]; slices.Contains(i.Evidence, doubt) != listed {
			t.Errorf("listed %t: %+v", listed, i.Evidence)
		}
	}
}

// A clock that ran ahead and was set back blinds nobody.
func TestClockSetBack(t *testing.T) {
	const year = 365 * 24 * time.Hour
	d := newDesk(t, house)
	d.baseline()
	d.later(year)
	d.look(seven, "contoso.com", reputation.Advertised)
	silent := checks.HealthLook{Subject: reputation.Subject{Kind: reputation.KindHealth, Domain: "resolver"}, At: d.now, Fault: silentResolver}
	d.fold(checks.Batch{Health: []checks.HealthLook{silent}})
	if err := d.f.tick(d.now); err != nil {
		t.Fatal(err)
	}
	d.later(-year)
	d.lose(seven, "contoso.com")
	d.isOpen("#1 pair 203.0.113.7 contoso.com")
	for range 3 {
		d.later(5 * time.Minute)
		silent.At = d.now
		d.fold(checks.Batch{Health: []checks.HealthLook{silent}})
	}
	d.isOpen("#1 pair 203.0.113.7 contoso.com", "#2 fault resolver resolver")
	if err := d.f.tick(d.now); err != nil { // the day's small things begin anew
		t.Fatal(err)
	}
	l := d.later(time.Minute).listLook("traps", eight)
	l.Hits[0].Alert, l.Hits[0].Impact = incident.Digest, reputation.Low
	d.fold(checks.Batch{Lists: []checks.ListLook{l}})
	if err := d.f.tick(d.later(24 * time.Hour).now); err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(d.alerts(), "digest ") {
		t.Errorf("waiting are %q", d.alerts())
	}
}

func TestRoundsAfterTheClockWasSetBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // it is midnight, UTC
		cfg := load(t, other(house, "schedule: {", `schedule: {partners: "0 * * * *", `))
		d, c := &Daemon{rounds: rounds{of: map[string]turn{}}}, &worldPartners{cfg: cfg}
		time.Sleep(time.Hour - 10*time.Millisecond)
		for ahead, want := range map[time.Duration]time.Duration{
			365 * 24 * time.Hour:  10 * time.Millisecond,
			10 * time.Millisecond: time.Hour + 10*time.Millisecond, // slowed down only: the round at one was a moment ago
			-30 * time.Minute:     10 * time.Millisecond,
		} {
			d.rounds.set(c.Name(), turn{at: time.Now().Add(ahead)})
			if wait := time.Until(d.nextRound(&generation{cfg: cfg}, c)); wait != want {
				t.Errorf("the last round is %v ahead: the next comes in %v, want %v", ahead, wait, want)
			}
		}
	})
}
