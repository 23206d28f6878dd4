package watch

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"repwatch/incident"
	"repwatch/reputation"
	"repwatch/store"
)

// large is a pool of which two look each hour, and no control.
var large = other(house, "[{ip: 203.0.113.7}, {ip: 203.0.113.8}]", "[{range: 203.0.113.64/28}]", `control: [{name: office, socks5: "127.0.0.1:1080"}]`, "control: []")

func ofPool(i int) string { return fmt.Sprintf("203.0.113.%d", 64+i) }

// vouched are the records that vouch for a pair, in words.
func (d *desk) vouched() (out []string) {
	d.t.Helper()
	err := d.db.View(func(tx *store.Tx) error {
		for r := range tx.Journal(time.Time{}, time.Time{}) {
			if r.What == incident.Fine {
				out = append(out, fmt.Sprintf("%s every %d min", r.Subject, r.Wire.Every))
			}
		}
		return nil
	})
	if err != nil {
		d.t.Fatal(err)
	}
	return out
}

// The whole pool has looked at all partners in turn, hours ago.
func newPool(t *testing.T) *desk {
	t.Helper()
	d := newDesk(t, large)
	for range 2 {
		d.later(5 * time.Minute)
		for _, p := range d.cfg.Partners {
			for i := range 16 {
				d.look(ofPool(i), p.Name(), reputation.Advertised)
			}
		}
	}
	d.later(7 * time.Hour)
	if got := d.vouched(); got != nil {
		t.Fatalf("nothing is lost, and the journal says %q", got)
	}
	return d
}

// A partner changes for everyone. Those of the pool whose turn has not come since say
// nothing yet, neither for nor against.
func TestChangeForEveryoneInALargePool(t *testing.T) {
	d := newPool(t)
	d.lose(ofPool(0), "contoso.com")
	for i := range 3 {
		d.look(ofPool(1+i), "contoso.com", reputation.Absent)
		d.look(ofPool(0), d.cfg.Partners[1+i%2].Name(), reputation.Advertised)
	}
	d.later(2 * time.Minute)
	for i := range 3 {
		d.look(ofPool(1+i), "contoso.com", reputation.Absent)
	}
	open := incidentsOf(t, d.db)
	if len(open) != 1 || open[0].Verdict != "partner-wide" {
		t.Errorf("incidents %+v, want one that is partner-wide", open)
	}
}

// Only one address lost it: those who are looked at afterwards vouch for that, each once.
func TestOthersVouch(t *testing.T) {
	d := newPool(t)
	d.lose(ofPool(0), "contoso.com")
	for range 2 {
		d.later(time.Minute)
		for i := range 2 {
			d.look(ofPool(1+i), "contoso.com", reputation.Advertised)
			d.look(ofPool(0), d.cfg.Partners[1+i].Name(), reputation.Advertised)
			d.look(ofPool(1+i), d.cfg.Partners[1+i].Name(), reputation.Advertised) // another address at another partner: nothing to do with it
		}
	}
	d.silent(ofPool(4), "contoso.com")
	d.look(ofPool(5), "contoso.com", reputation.Absent)
	want := []string{"203.0.113.65>contoso.com every 480 min", "203.0.113.64>fabrikam.net every 480 min",
		"203.0.113.66>contoso.com every 480 min", "203.0.113.64>tailspin.org every 480 min"}
	if got := d.vouched(); !slices.Equal(got, want) {
		t.Errorf("vouched for\n%q, want\n%q", got, want)
	}
	if open := incidentsOf(t, d.db); len(open) != 1 || open[0].Verdict != "private" {
		t.Errorf("incidents %+v, want one by its own judgement", open)
	}
	d.later(24*time.Hour).look(ofPool(6), "contoso.com", reputation.Advertised)
	if got := d.vouched(); len(got) != len(want) {
		t.Errorf("a day later still vouched for %q", got[len(want):])
	}
}

// A pool that grows looks more rarely, and the journal says so.
func TestPoolGrows(t *testing.T) {
	d := newDesk(t, house)
	d.baseline()
	d.adopt(other(house, "{ip: 203.0.113.8}", "{ip: 203.0.113.8}, {range: 203.0.113.64/28}"))
	d.later(time.Hour).look(eight, "fabrikam.net", reputation.Advertised)
	d.later(time.Hour).look(eight, "fabrikam.net", reputation.Advertised)
	if got, want := d.vouched(), []string{"203.0.113.8>fabrikam.net every 540 min"}; !slices.Equal(got, want) {
		t.Errorf("the pool has grown to 18, and the journal says %q, want %q", got, want)
	}
}

// A loss asks the control, however lately it looked: what it saw before says nothing.
// Once it has looked since, it is not asked again, and neither are addresses that have.
func TestALossAsksTheControlAnew(t *testing.T) {
	d := newDesk(t, house)
	d.baseline()
	d.look("office", "contoso.com", reputation.Advertised)
	d.later(time.Minute).look(seven, "contoso.com", reputation.Absent)
	d.wantsLooks("confirm contoso.com from 203.0.113.7 in 2m0s", "control contoso.com from office")
	d.later(time.Second).look("office", "contoso.com", reputation.Advertised)
	d.look(eight, "contoso.com", reputation.Advertised)
	if got := d.vouched(); got != nil {
		t.Fatalf("nothing is lost for sure yet, and the journal says %q", got)
	}
	d.later(2*time.Minute).look(seven, "contoso.com", reputation.Absent)
	d.wantsLooks("around fabrikam.net from 203.0.113.7", "around tailspin.org from 203.0.113.7")
	if got, want := d.vouched(), []string{"office>contoso.com every 0 min", "203.0.113.8>contoso.com every 60 min"}; !slices.Equal(got, want) {
		t.Errorf("once it is lost those vouch who have looked since: %q, want %q", got, want)
	}
}

// Eight witnesses tell as much as all of a large pool; a control always counts.
func TestWitnessesAreBounded(t *testing.T) {
	d := newDesk(t, other(large, "control: []", `control: [{name: office, socks5: "127.0.0.1:1080"}]`))
	for range 2 {
		d.later(5 * time.Minute)
		for i := range 16 {
			d.look(ofPool(i), "contoso.com", reputation.Advertised)
		}
		d.look("office", "contoso.com", reputation.Advertised)
	}
	d.later(time.Hour).lose(ofPool(0), "contoso.com")
	d.later(time.Minute)
	for i := range 15 {
		d.look(ofPool(1+i), "contoso.com", reputation.Advertised)
	}
	d.look("office", "contoso.com", reputation.Advertised)
	if got := d.vouched(); len(got) != witnesses+1 || got[len(got)-1] != "office>contoso.com every 0 min" {
		t.Errorf("vouched for %d: %q", len(got), got)
	}
}

// Who looked between the first sign of a loss and its confirmation vouches once, also
// for two losses, and of many so do some.
func TestOneLookVouchesOnce(t *testing.T) {
	d := newPool(t)
	d.look(ofPool(0), "contoso.com", reputation.Absent)
	d.look(ofPool(15), "contoso.com", reputation.Absent)
	d.later(time.Minute)
	for i := range 12 {
		d.look(ofPool(1+i), "contoso.com", reputation.Advertised)
	}
	d.look(ofPool(0), "fabrikam.net", reputation.Advertised)
	d.later(2*time.Minute).look(ofPool(0), "contoso.com", reputation.Absent)
	first := d.vouched()
	if len(first) != witnesses+1 || !slices.Contains(first, "203.0.113.64>fabrikam.net every 480 min") {
		t.Errorf("%d vouch, want %d, and the other partner among them: %q", len(first), witnesses+1, first)
	}
	d.look(ofPool(15), "contoso.com", reputation.Absent)
	all := d.vouched()
	slices.Sort(all)
	if once := slices.Compact(slices.Clone(all)); len(once) != len(all) || len(all) <= len(first) {
		t.Errorf("vouched for %q", all)
	}
}
