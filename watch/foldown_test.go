package watch

import (
	"slices"
	"testing"
	"time"

	"repwatch/checks"
	"repwatch/checks/smtp"
	"repwatch/incident"
	"repwatch/reputation"
	"repwatch/store"
)

var partners = []string{"contoso.com", "fabrikam.net", "tailspin.org"}

// A way out from which no partner is reached is our trouble: one incident, after a second look.
func TestPort25BlockedIsOneHealthIncident(t *testing.T) {
	d := newDesk(t, house)
	d.baseline()
	for _, p := range partners {
		d.isOpen()
		d.later(time.Second).silent(seven, p)
	}
	d.wantsLooks("confirm contoso.com from 203.0.113.7 in 2m0s", "confirm fabrikam.net from 203.0.113.7 in 2m0s", "confirm tailspin.org from 203.0.113.7 in 2m0s")
	for _, p := range partners { // a round that ends a moment later is no second look
		d.later(time.Second).silent(seven, p)
	}
	d.isOpen()
	d.later(2*time.Minute).silent(eight, "contoso.com") // nor is one from elsewhere
	d.isOpen()
	d.later(time.Second).silent(seven, "contoso.com")
	d.isOpen("#1 fault port25 port25")
	d.later(time.Second).silent(seven, "fabrikam.net")
	d.isOpen("#1 fault port25 port25")
	d.tells("faulty port25/203.0.113.7 (-, 10:06:03]")

	d.later(time.Hour).look(seven, "tailspin.org", reputation.Advertised)
	d.isOpen()
}

// One partner that is silent has trouble of its own.
func TestOneSilentPartnerIsNoTroubleOfOurs(t *testing.T) {
	d := newDesk(t, house)
	d.baseline()
	for range 5 {
		d.later(time.Hour).silent(seven, "contoso.com")
		d.silent(seven, "fabrikam.net")
	}
	d.isOpen()
	d.tells()
}

// Failures that a blocked port does not look like say nothing of our way out.
func TestPartnersThatTalkNonsenseAreNoBlockedPort(t *testing.T) {
	d := newDesk(t, house)
	d.baseline()
	for range 3 {
		for _, p := range partners {
			w := lookThat(pairOf(seven, p), d.now, reputation.OutcomeUnknown, smtp.FailProtocol)
			d.later(time.Minute).fold(checks.Batch{Wire: []checks.WireLook{w}})
		}
		d.later(time.Hour)
	}
	d.isOpen()
}

func TestControlThatReachesNobody(t *testing.T) {
	d := newDesk(t, house)
	d.baseline()
	for _, p := range partners {
		d.silent("office", p)
	}
	if !slices.Contains(d.asks(), "confirm contoso.com from office in 2m0s") {
		t.Errorf("nobody looks again: %q", d.asks())
	}
	d.isOpen()
	d.later(2*time.Minute).silent("office", "contoso.com")
	d.isOpen("#1 fault control control")
	d.later(time.Hour).look("office", "contoso.com", reputation.Advertised)
	d.isOpen()
}

// health is one thing that was noticed of our seeing; nil: it is fine.
func (d *desk) health(domain, target string, f *incident.Fault) {
	d.t.Helper()
	s := reputation.Subject{Kind: reputation.KindHealth, Domain: domain, Target: target}
	d.fold(checks.Batch{Health: []checks.HealthLook{{Subject: s, At: d.now, Fault: f}}})
}

var silentResolver = &incident.Fault{ID: "resolver", Impact: reputation.Critical, What: "the resolver is silent"}

// Rule of truth 7: trouble of the resolver is one incident, however many are affected, and not from one bad look.
func TestResolverTroubleTakesTwoLooks(t *testing.T) {
	d := newDesk(t, house)
	d.health("resolver", "127.0.0.1", silentResolver)
	d.wantsLooks("confirm lists in 2m0s")
	d.later(time.Minute).health("resolver", "127.0.0.1", silentResolver)
	d.isOpen()
	d.later(time.Minute).health("resolver", "127.0.0.1", silentResolver)
	d.health("resolver", "127.0.0.2", silentResolver)
	d.later(2*time.Minute).health("resolver", "127.0.0.2", silentResolver)
	d.isOpen("#1 fault resolver resolver")
	if i := incidentsOf(t, d.db); len(i[0].Episodes) != 2 {
		t.Errorf("two servers are %d episodes", len(i[0].Episodes))
	}
	d.later(time.Hour).health("resolver", "127.0.0.1", nil)
	d.isOpen("#1 fault resolver resolver")
	d.health("resolver", "127.0.0.2", nil)
	d.isOpen()
}

// One bad look is chance: what is fine again was never told.
func TestTroubleThatPassesIsNotTold(t *testing.T) {
	d := newDesk(t, house)
	for range 4 {
		d.later(15*time.Minute).health("coverage", "", &incident.Fault{ID: "coverage", Impact: reputation.High, What: "3 of 8 lists answer"})
		d.later(2*time.Minute).health("coverage", "", nil)
	}
	d.tells()
}

// Our own side needs one look: what was read is there. Worse is news, other words are not.
func TestOwnSide(t *testing.T) {
	d := newDesk(t, house)
	s := reputation.Subject{Kind: reputation.KindOwn}
	s.SetWho(seven)
	own := func(fine []string, faults ...incident.Fault) {
		d.later(6 * time.Hour).fold(checks.Batch{Own: []checks.OwnLook{{Subject: s, At: d.now, Faults: faults, Fine: fine}}})
	}
	own([]string{"ehlo-name"}, incident.Fault{ID: "ptr", Impact: reputation.High, What: "no PTR"})
	d.isOpen("#1 fault ptr 203.0.113.7")
	own(nil, incident.Fault{ID: "ptr", Impact: reputation.High, What: "no PTR at all"})
	own(nil, incident.Fault{ID: "ptr", Impact: reputation.Critical, What: "the PTR is somebody else's"})
	if n := len(recordsOf(t, d.db)); n != 2 {
		t.Errorf("%d records, want the begin and the turn for the worse", n)
	}
	own(nil) // nothing could be told
	d.isOpen("#1 fault ptr 203.0.113.7")
	own([]string{"ptr", "ehlo-name"})
	d.isOpen()
}

// Several controls: a partner changed for all when every one that can tell lost it,
// and no longer when one of them has it again.
func TestTwoControlsSpeakTogether(t *testing.T) {
	d := newDesk(t, other(house, "control: [", `control: [{name: spare, socks5: "127.0.0.1:1081"}, `))
	d.baseline()
	said := func() (out []string) {
		for _, r := range recordsOf(t, d.db) {
			if r.Subject.Kind == reputation.KindControl {
				out = append(out, r.Subject.Domain+" "+string(r.What)+"="+r.Wire.Control)
			}
		}
		return out
	}
	back := func(from string) {
		d.later(time.Hour).look(from, "contoso.com", reputation.Advertised)
		d.later(2*time.Minute).look(from, "contoso.com", reputation.Advertised)
	}
	d.lose("office", "contoso.com")
	d.later(time.Hour).lose("spare", "contoso.com")
	back("spare")
	back("office")
	want := []string{"office lost=", "spare lost=lost", "spare back=back", "office back="}
	if got := said(); !slices.Equal(got, want) {
		t.Errorf("the controls said %q, want %q", got, want)
	}
	d.isOpen()
}

// Rule of truth 10 is looked at by the checks; folding needs no second look for it.
func TestWrongAddressSeenIsToldAtOnce(t *testing.T) {
	d := newDesk(t, house)
	d.health("address", seven, &incident.Fault{ID: "address", Impact: reputation.High, What: "partners see 203.0.113.99"})
	d.isOpen("#1 fault address address")
}

func faults(t *testing.T, db *store.DB) (out []string) {
	t.Helper()
	err := db.View(func(tx *store.Tx) error {
		for s := range tx.Faults().All() {
			out = append(out, s.String())
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}
