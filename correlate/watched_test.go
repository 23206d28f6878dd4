package correlate_test

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"testing"

	"repwatch/correlate"
)

// looks says at minute m that a pair is fine and is looked at every so many minutes.
func (p *tape) looks(ip, partner string, every int, m float64) {
	p.add(correlate.Event{Kind: correlate.KindCap, Vantage: ip, Partner: partner, State: correlate.OK, Every: every}, m, m)
}

// pool is sixteen addresses and no control.
func pool() correlate.Options {
	o := world()
	o.Control, o.IPs = false, nil
	for i := range 16 {
		o.IPs = append(o.IPs, poolIP(i))
	}
	return o
}

func poolIP(i int) string { return fmt.Sprintf("192.0.2.%d", 100+i) }

// Two of sixteen addresses look at a partner each hour. One loses it, and the three that
// are asked at once have lost it too: the others have not been asked, and their old
// good looks do not speak for the partner.
func TestWhoWasNotAskedKeepsNothing(t *testing.T) {
	p := &tape{t: t}
	for i := range 16 {
		p.looks(poolIP(i), partner(0), 480, -600+30*float64(i))
	}
	k := p.lost(poolIP(0), partner(0), -600, 0)
	for i := range 3 {
		p.lost(poolIP(1+i), partner(0), -570+30*float64(i), 1)
	}
	mustBe(t, verdict(t, p.play(pool(), 10), k, 10), correlate.ByPartner, "")

	asked := &tape{t: t, events: p.events[:17]} // the same, but those who were asked still get it, as this one does elsewhere
	for i := range 3 {
		asked.looks(poolIP(1+i), partner(0), 480, 1)
		asked.looks(poolIP(0), partner(1+i), 480, 1)
	}
	mustBe(t, verdict(t, asked.play(pool(), 10), k, 10), correlate.Private, "")

	alone := &tape{t: t, events: asked.events[:17]} // nobody knows how it does elsewhere: its own path may be broken
	for i := range 3 {
		alone.looks(poolIP(1+i), partner(0), 480, 1)
	}
	if v := verdict(t, alone.play(pool(), 10), k, 10); v.Cause != correlate.Undetermined || v.Likeliest.Cause != correlate.ByPath {
		t.Errorf("shown %s, likeliest %s; want undetermined, and the path before all", v.Cause, v.Likeliest.Cause)
	}

	nobody := &tape{t: t, events: p.events[:17]} // and now nobody was asked
	if v := verdict(t, nobody.play(pool(), 10), k, 10); v.Cause == correlate.Private || v.Likeliest.Cause == correlate.Private {
		t.Errorf("%s, though nobody else looked", v.Likeliest.Cause)
	}
}

// A look that found others fine before the loss was seen tells nothing of it.
func TestALookBeforeTheLossIsNone(t *testing.T) {
	p := &tape{t: t}
	for i := range 16 {
		p.looks(poolIP(i), partner(0), 480, -10)
	}
	k := p.lost(poolIP(0), partner(0), -60, 0)
	if v := verdict(t, p.play(pool(), 10), k, 10); v.Cause == correlate.Private {
		t.Errorf("%s by looks that came before it", v.Cause)
	}
}

// Nor does one after it was over.
func TestALookAfterTheLossIsNone(t *testing.T) {
	p := &tape{t: t}
	for i := range 16 {
		p.looks(poolIP(i), partner(0), 480, -600)
	}
	k := p.lost(poolIP(0), partner(0), -60, 0)
	p.back(poolIP(0), partner(0), 50, 60)
	want := verdict(t, p.play(pool(), 80), k, 80)
	for i := range 8 {
		p.looks(poolIP(1+i), partner(0), 480, 70)
	}
	if got := verdict(t, p.play(pool(), 80), k, 80); got.Likeliest.Cause != want.Likeliest.Cause || math.Abs(got.Likeliest.P-want.Likeliest.P) > .001 {
		t.Errorf("looks that came after it make it %+v, want %+v", got.Likeliest, want.Likeliest)
	}
}

// One between its last bad look and its first good one counts while it probably lasted.
func TestALookAsTheLossEnds(t *testing.T) {
	cause := func(m float64) correlate.Verdict {
		o := world()
		o.IPs = []string{ipA}
		p := &tape{t: t}
		for i := range 4 {
			p.looks(ipA, partner(i), 60, -60)
		}
		k := p.lost(ipA, partner(0), -60, 0)
		for i := range 3 {
			p.looks(ipA, partner(1+i), 60, m)
		}
		p.looks(correlate.Control, partner(0), 0, m)
		p.back(ipA, partner(0), 70, 130)
		return verdict(t, p.play(o, 140), k, 140)
	}
	if v := cause(75); v.Cause != correlate.Private {
		t.Errorf("a look soon after the last bad one makes it %s (%.2f)", v.Likeliest.Cause, v.Likeliest.P)
	}
	if v := cause(125); v.Cause == correlate.Private {
		t.Errorf("a look just before the first good one makes it %s (%.2f)", v.Likeliest.Cause, v.Likeliest.P)
	}
}

// Addresses that look at nothing change nothing, to the bit.
func TestIdleAddressesChangeNothing(t *testing.T) {
	play := func(idle ...string) correlate.Verdict {
		o := world()
		o.IPs = append([]string{ipA}, idle...)
		p := &tape{t: t}
		for i := range 4 {
			p.looks(ipA, partner(i), 60, -10*day)
		}
		p.listed(ipA, xbl, -day, -day+1)
		for _, ip := range idle {
			p.listed(ip, xbl, -day, -day+1)
		}
		for i := range 5 {
			m := float64(i) * 3 * day
			p.lost(ipA, partner(0), m, m+60)
			p.back(ipA, partner(0), m+600, m+660)
		}
		p.listed(ipA, sbl, 20*day-30, 20*day-20)
		k := p.lost(ipA, partner(0), 20*day, 20*day+60)
		v := verdict(t, p.play(o, 20*day+130), k, 20*day+130)
		v.Seq = 0
		return v
	}
	if got, want := play(pool().IPs...), play(); !reflect.DeepEqual(got, want) {
		t.Errorf("with idle addresses\n%+v, without\n%+v", got, want)
	}
}

// What is asked in between does not matter, also where the first word on who looks comes late.
func TestWordOnWhoLooksComesLate(t *testing.T) {
	p := &tape{t: t}
	k := p.lost(ipA, partner(0), 0, 60)
	p.looks(ipC, partner(1), 60, 61)
	o := world()
	o.Control = false
	want := verdict(t, p.play(o, 130), k, 130)
	c := (&tape{t: t, events: p.events[:1]}).play(o, 60)
	verdict(t, c, k, 60)
	if err := c.Observe(p.events[1]); err != nil {
		t.Fatal(err)
	}
	if got := verdict(t, c, k, 130); !reflect.DeepEqual(got, want) {
		t.Errorf("asked in between\n%+v, at once\n%+v", got, want)
	}
}

// An address that does not send to a partner is no witness, is foretold nothing there,
// and its listings are no proof that the partner minds none.
func TestWhoDoesNotSendThere(t *testing.T) {
	o := world()
	o.Control = false
	p := &tape{t: t}
	for i := range 8 {
		p.looks(ipA, partner(i), 60, -10*day)
	}
	p.looks(ipB, partner(1), 60, -10*day)
	k := p.lost(ipA, partner(0), 0, 60)
	if v := verdict(t, p.play(o, 130), k, 130); v.Cause == correlate.Private {
		t.Errorf("%s, though no other address looks there", v.Cause)
	}

	p.back(ipA, partner(0), 600, 660)
	now := p.fires(ipB, xbl, 6, 2*day)
	now = p.reacts(ipA, partner(0), xbl, 2, now)
	c := p.play(o, now)
	if e := edgeOf(c, partner(0), xbl, now); e.Fired != 2 || e.Followed != 2 {
		t.Errorf("%d of %d listings were answered, want 2 of 2: the other address sends nothing there", e.Followed, e.Fired)
	}
	there := p.listed(ipB, xbl, now, now+1)
	here := p.listed(ipA, xbl, now, now+2)
	c = p.play(o, now+2)
	for _, f := range c.Forecasts(there, at(now+2)) {
		if f.Partner == partner(0) {
			t.Errorf("foretold that %s reacts to a listing of %s, which sends it nothing", f.Partner, f.IP)
		}
	}
	if len(c.Forecasts(here, at(now+2))) == 0 {
		t.Error("nothing is foretold where it was seen twice")
	}
}

// A listing that came and went between two rare looks is no proof of anything.
func TestBetweenTwoRareLooks(t *testing.T) {
	record := func(every int) correlate.Edge {
		p := &tape{t: t}
		p.looks(ipA, partner(0), every, -10*day)
		now := p.reacts(ipA, partner(0), xbl, 2, 0)
		now = p.fires(ipA, xbl, 3, now) // ten hours each
		return edgeOf(p.play(world(), now), partner(0), xbl, now)
	}
	if e := record(60); e.Fired != 5 {
		t.Errorf("%d listings were looked at every hour, want 5", e.Fired)
	}
	if e := record(24 * 60); e.Fired != 2 {
		t.Errorf("%d listings count that were over within a day, of one look a day; want the 2 that were seen to break something", e.Fired)
	}
}

// What the control saw before the loss was seen says nothing of it, whatever lists say.
func TestTheControlIsAskedToo(t *testing.T) {
	o := world()
	o.IPs = []string{ipA}
	p := &tape{t: t}
	for i := range 4 {
		p.looks(ipA, partner(i), 60, -60)
	}
	p.looks(correlate.Control, partner(0), 0, -5)
	k := p.lost(ipA, partner(0), -60, 0)
	for i := range 3 {
		p.looks(ipA, partner(1+i), 60, 1)
	}
	if v := verdict(t, p.play(o, 2), k, 2); v.Cause != correlate.Undetermined || slices.ContainsFunc(v.Shares, func(s correlate.Share) bool { return s.Cause == correlate.Private }) {
		t.Errorf("%s, though the control has not looked since", v.Cause)
	}
	if why, _ := p.play(o, 2).Explain(k, at(2)); !slices.Contains(why, "the control has not looked since") {
		t.Errorf("evidence %q", why)
	}
	p.looks(correlate.Control, partner(0), 0, 2)
	mustBe(t, verdict(t, p.play(o, 3), k, 3), correlate.Private, "")
}

// A partner that everybody lost half an hour ago is no sign that our path is broken now.
func TestWhatEverybodyLostIsNoPathFault(t *testing.T) {
	o := world()
	o.Partners = o.Partners[:2]
	p := &tape{t: t}
	for i := range 2 {
		for _, ip := range o.IPs {
			p.looks(ip, partner(i), 60, -60)
		}
	}
	for _, from := range append([]string{correlate.Control}, o.IPs...) {
		p.lost(from, partner(0), -10, 6)
	}
	k := p.lost(ipA, partner(1), 7, 40)
	p.looks(correlate.Control, partner(1), 0, 41)
	p.looks(ipB, partner(1), 60, 41)
	if v := verdict(t, p.play(o, 45), k, 45); v.Likeliest.Cause == correlate.ByPath && v.Likeliest.P > .6 {
		t.Errorf("%s with %.2f, by a partner that everybody lost", v.Likeliest.Cause, v.Likeliest.P)
	}
}
