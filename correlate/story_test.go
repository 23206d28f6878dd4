package correlate_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"repwatch/correlate"
)

// Two lists list the address in the same hour. While both do, nobody can know
// which one the partner minds. Then one clears, the partner comes back, and the other stays.
func TestTwoListsTogetherReversalDecides(t *testing.T) {
	p := &tape{t: t}
	p.listed(ipA, xbl, -5, 0)
	p.listed(ipA, sbl, -5, 0)
	k := p.lost(ipA, partner(0), 10, 20)
	p.clear(ipA, sbl, 595, 600)
	p.back(ipA, partner(0), 610, 620)

	v := verdict(t, p.play(world(), 100), k, 100)
	mustBe(t, v, correlate.ByLists, "")
	slices.Sort(v.Lists)
	if !slices.Equal(v.Lists, []string{sbl, xbl}) {
		t.Errorf("lists %v, want both", v.Lists)
	}
	mustBe(t, verdict(t, p.play(world(), 2*day), k, 2*day), correlate.ByListing, sbl)
}

// The list fired five times and nothing happened. The sixth time the partner
// is lost in the same hour: that is more likely something else than it would have been the first time.
func TestFiredFiveTimesAndNothingHappened(t *testing.T) {
	first := &tape{t: t}
	first.listed(ipA, xbl, -5, 0)
	k := first.lost(ipA, partner(0), 10, 60)
	fresh := verdict(t, first.play(world(), 125), k, 125)
	mustBe(t, fresh, correlate.ByListing, xbl)

	p := &tape{t: t}
	now := p.fires(ipA, xbl, 5, 0)
	p.listed(ipA, xbl, now-5, now)
	k = p.lost(ipA, partner(0), now+10, now+60)
	v := verdict(t, p.play(world(), now+125), k, now+125)
	if v.Likeliest.Cause == correlate.ByListing && v.Likeliest.P > .5 {
		t.Errorf("after five silent listings still %s %s with %.2f", v.Likeliest.Cause, v.Likeliest.List, v.Likeliest.P)
	}
	if e := edgeOf(p.play(world(), now+125), partner(0), xbl, now+125); e.PIP > .5 {
		t.Errorf("edge believed with %.2f after five silences and one coincidence", e.PIP)
	}
}

// The control lost it too: it is the partner's own change, whatever list has just fired,
// and however often the partner has reacted before.
func TestControlLostItToo(t *testing.T) {
	p := &tape{t: t}
	now := p.reacts(ipA, partner(0), xbl, 4, 0)
	p.listed(ipA, xbl, now-5, now)
	k := p.lost(ipA, partner(0), now+10, now+20)
	p.lost(correlate.Control, partner(0), now+5, now+25)
	p.lost(ipB, partner(0), now+5, now+30)
	p.lost(ipC, partner(0), now+5, now+35)
	mustBe(t, verdict(t, p.play(world(), now+85), k, now+85), correlate.ByPartner, "")
}

// The control itself lost most partners at once: its line is down, and what it says counts for nothing.
func TestControlsOwnFaultIsIgnored(t *testing.T) {
	o := world()
	o.IPs = []string{ipA}
	p := &tape{t: t}
	p.listed(ipA, xbl, -5, 0)
	k := p.lost(ipA, partner(0), 10, 60)
	p.lost(correlate.Control, partner(0), 10, 61)
	mustBe(t, verdict(t, p.play(o, 130), k, 130), correlate.ByPartner, "")
	for i := 1; i < 8; i++ {
		p.lostAs(correlate.Control, partner(i), correlate.LossMasked, 10, 62)
	}
	mustBe(t, verdict(t, p.play(o, 130), k, 130), correlate.ByListing, xbl)
}

// Every partner is lost from one address in the same moment, with capabilities masked: a middlebox of ours.
func TestEveryPartnerLostFromOneAddressMasked(t *testing.T) {
	p := &tape{t: t}
	var seqs []uint64
	for i := range 8 {
		seqs = append(seqs, p.lostAs(ipA, partner(i), correlate.LossMasked, float64(i)-60, float64(i)))
	}
	c := p.play(world(), 75)
	for _, s := range seqs {
		mustBe(t, verdict(t, c, s, 75), correlate.ByPath, "")
	}
}

// A listing that six of eight partners are known to react to takes all six at once. That is not our path.
func TestListingThatBreaksManyIsNotThePath(t *testing.T) {
	p := &tape{t: t}
	now := 0.0
	for range 4 {
		p.listed(ipA, xbl, now-5, now)
		for i := range 6 {
			p.lost(ipA, partner(i), now+10+6*float64(i), now+15+6*float64(i))
		}
		p.clear(ipA, xbl, now+600, now+605)
		for i := range 6 {
			p.back(ipA, partner(i), now+610, now+620)
		}
		now += week
	}
	p.listed(ipA, xbl, now-5, now)
	k := p.lost(ipA, partner(0), now+10, now+20)
	for i := range 5 {
		p.lost(ipA, partner(i+1), now+10, now+20)
	}
	mustBe(t, verdict(t, p.play(world(), now+85), k, now+85), correlate.ByListing, xbl)
}

// A list takes in a whole range of ours at once, and there is no control: every
// address loses the partner that is known to react. The listings foretell that, so it is no change at the partner.
func TestWholeRangeListedIsNotThePartner(t *testing.T) {
	ips := []string{ipA, ipB, ipC, "192.0.2.4", "192.0.2.5", "192.0.2.6"}
	o := world()
	o.IPs, o.Control = ips, false
	p := &tape{t: t}
	now := 0.0
	for _, ip := range ips {
		now = p.reacts(ip, partner(0), xbl, 1, now)
	}
	var k uint64
	for _, ip := range ips {
		p.listed(ip, xbl, now-5, now)
	}
	for _, ip := range ips {
		k = p.lost(ip, partner(0), now+10, now+20)
	}
	mustBe(t, verdict(t, p.play(o, now+85), k, now+85), correlate.ByListing, xbl)
}

// The partner was away for less than an hour: three of eight addresses happened to look, five saw nothing.
func TestBriefChangeSeenBySomeOnly(t *testing.T) {
	o := world()
	o.Control, o.IPs = false, nil
	for i := range 8 {
		o.IPs = append(o.IPs, fmt.Sprintf("192.0.2.%d", i+1))
	}
	p := &tape{t: t}
	k := p.lost(o.IPs[0], partner(0), -50, 10)
	p.lost(o.IPs[1], partner(0), -48, 12)
	p.lost(o.IPs[2], partner(0), -45, 15)
	for i := range 3 {
		p.back(o.IPs[i], partner(0), 10+2*float64(i), 70+2*float64(i))
	}
	v := verdict(t, p.play(o, 170), k, 170)
	if v.Likeliest.Cause != correlate.ByPartner {
		t.Errorf("said %+v", v.Shares)
	}
}

// Partners that had been lost for days say nothing about the path of today; those lost in this very moment do.
func TestLongLostPartnersAreNoWitnesses(t *testing.T) {
	p := &tape{t: t}
	for i := 3; i < 8; i++ {
		p.lost(ipA, partner(i), -9*day+100*float64(i), -9*day+100*float64(i)+60)
	}
	k := p.lost(ipA, partner(0), 0, 10)
	p.lost(ipA, partner(1), 0, 10)
	p.lost(ipA, partner(2), 0, 10)
	mustBe(t, verdict(t, p.play(world(), 80), k, 80), correlate.ByPath, "")
}

// Two addresses lost the partner in the same hour. Coming back in the same hour too makes it the partner's own doing.
func TestComingBackTogetherPointsToThePartner(t *testing.T) {
	share := func(other float64) float64 {
		o := world()
		o.Control, o.IPs = false, []string{ipA, ipB}
		p := &tape{t: t}
		k := p.lost(ipA, partner(0), 0, 60)
		p.lost(ipB, partner(0), 20, 80)
		p.back(ipA, partner(0), 300, 360)
		p.back(ipB, partner(0), other, other+60)
		return shareOf(verdict(t, p.play(o, 5*day), k, 5*day), correlate.ByPartner)
	}
	if same, apart := share(310), share(2*day); same/(1-same) < 10*apart/(1-apart) {
		t.Errorf("partner-wide has %.3f when back together, %.3f when a day apart", same, apart)
	}
}

// Masked capabilities are the mark of a middlebox: two partners that show them
// in the same moment point to our path more than two that just withdrew something.
func TestMaskedPointsToThePath(t *testing.T) {
	share := func(loss correlate.Loss) float64 {
		p := &tape{t: t}
		k := p.lostAs(ipA, partner(0), loss, 0, 10)
		p.lostAs(ipA, partner(1), loss, 0, 10)
		return shareOf(verdict(t, p.play(world(), 80), k, 80), correlate.ByPath)
	}
	if m, s := share(correlate.LossMasked), share(correlate.LossSTARTTLS); m < 10*s {
		t.Errorf("path has %.5f when masked, %.5f when not", m, s)
	}
}

// A list happens to fire just before each of the partner's own outages. Outages for everyone teach nothing about lists.
func TestOutagesForEveryoneTeachNoEdge(t *testing.T) {
	p := &tape{t: t}
	now := 0.0
	for range 5 {
		p.listed(ipA, xbl, now-5, now)
		for _, who := range []string{ipA, ipB, ipC, correlate.Control} {
			p.lost(who, partner(0), now+10, now+20)
		}
		p.clear(ipA, xbl, now+600, now+605)
		for _, who := range []string{ipA, ipB, ipC, correlate.Control} {
			p.back(who, partner(0), now+610, now+620)
		}
		now += week
	}
	if e := edgeOf(p.play(world(), now), partner(0), xbl, now); e.PIP > .5 {
		t.Errorf("edge %+v", e)
	}
}

// One list, one loss. How it ends makes the case: back with the delisting, back while still listed, or never back.
func TestEndingMakesTheCase(t *testing.T) {
	confidence := func(end func(*tape)) float64 {
		p := &tape{t: t}
		p.listed(ipA, xbl, -60, 0)
		k := p.lost(ipA, partner(0), 10, 70)
		end(p)
		return shareOf(verdict(t, p.play(world(), 5*day), k, 5*day), correlate.ByListing)
	}
	reversed := confidence(func(p *tape) { p.clear(ipA, xbl, 600, 605); p.back(ipA, partner(0), 610, 620) })
	listed := confidence(func(p *tape) { p.back(ipA, partner(0), 610, 620) })
	never := confidence(func(p *tape) { p.clear(ipA, xbl, 600, 605) })
	if reversed < .95 || listed > .8 || never > .8 {
		t.Errorf("listing has %.3f when it reversed, %.3f when back while listed, %.3f when never back", reversed, listed, never)
	}
}

// One clean reaction, even reversed, is no knowledge yet: suspected, and never above .89.
func TestOneReactionIsNotLearned(t *testing.T) {
	p := &tape{t: t}
	now := p.reacts(ipA, partner(0), xbl, 1, 0)
	e := edgeOf(p.play(world(), now), partner(0), xbl, now)
	if e.Standing != correlate.Suspected || e.PIP > .89 || e.Followed != 1 {
		t.Errorf("edge %+v", e)
	}
	now = p.reacts(ipA, partner(0), xbl, 1, now)
	if e := edgeOf(p.play(world(), now), partner(0), xbl, now); e.Standing != correlate.Learned {
		t.Errorf("after the second: %+v", e)
	}
}

// Who has lost it already, and what has ended already, is not foretold; who should have reacted by now is, but less.
func TestForecastsAreOfTheFuture(t *testing.T) {
	p := &tape{t: t}
	now := p.reacts(ipA, partner(0), xbl, 4, 0)
	s := p.listed(ipA, xbl, now-5, now)
	c := p.play(world(), now)
	at0, at3h := c.Forecasts(s, at(now)), c.Forecasts(s, at(now+180))
	if len(at0) != 1 || at0[0].P < .6 || !at0[0].From.Before(at0[0].To) {
		t.Fatalf("at once: %+v", at0)
	}
	if len(at3h) != 1 || at3h[0].P > at0[0].P/2 {
		t.Errorf("after three hours of silence: %+v", at3h)
	}
	p.lost(ipA, partner(0), now+10, now+15)
	if f := p.play(world(), now+15).Forecasts(s, at(now+15)); len(f) != 0 {
		t.Errorf("already lost, but foretold: %+v", f)
	}
	if w := p.play(world(), now+15).Wants(s, at(now+15)); len(w) != 0 {
		t.Errorf("already lost, but wanted: %+v", w)
	}
	q := &tape{t: t}
	now = q.reacts(ipA, partner(0), xbl, 4, 0)
	s = q.listed(ipA, xbl, now-5, now)
	q.clear(ipA, xbl, now+10, now+12)
	if f := q.play(world(), now+12).Forecasts(s, at(now+12)); len(f) != 0 {
		t.Errorf("no longer listed, but foretold: %+v", f)
	}
}

// The first reaction is still going on when the list takes in a second address: it is foretold there already.
func TestForecastWhileTheFirstReactionLasts(t *testing.T) {
	p := &tape{t: t}
	p.listed(ipA, xbl, -5, 0)
	p.lost(ipA, partner(0), 10, 20)
	s := p.listed(ipB, xbl, 60, 65)
	f := p.play(world(), 65).Forecasts(s, at(65))
	if len(f) != 1 || f[0].Partner != partner(0) || f[0].IP != ipB || f[0].P < .4 {
		t.Errorf("foretold %+v", f)
	}
}

// An event that arrives late does not turn the clock back.
func TestLateEvent(t *testing.T) {
	p := &tape{t: t}
	k := p.lost(ipA, partner(0), 0, 10)
	p.listed(ipB, xbl, 990, 1000)
	p.listed(ipC, xbl, 80, 100)
	c := correlate.New(world())
	for _, e := range p.events {
		if err := c.Observe(e); err != nil {
			t.Fatal(err)
		}
	}
	if v := verdict(t, c, k, 0); !v.At.Equal(at(1000)) {
		t.Errorf("judged as of %s, want %s", v.At, at(1000))
	}
}

// A list that once was near a loss, and has fired in vain ever since, is not worth a look.
func TestWantsOnlyTheLikely(t *testing.T) {
	p := &tape{t: t}
	now := p.reacts(ipA, partner(0), xbl, 3, 0)
	p.listed(ipA, xbl, now-5, now)
	p.lost(ipA, partner(1), now+10, now+70)
	p.back(ipA, partner(1), now+130, now+190)
	p.clear(ipA, xbl, now+600, now+605)
	now = p.reacts(ipA, partner(0), xbl, 5, now+week)
	s := p.listed(ipA, xbl, now-5, now)
	w := p.play(world(), now).Wants(s, at(now))
	if len(w) != 1 || w[0].Partner != partner(0) || w[0].Every != 5*time.Minute || w[0].For != 2*time.Hour {
		t.Errorf("wants %+v, want %s alone", w, partner(0))
	}
}

// Abuse that several lists saw, time and again, while this partner stayed calm: it does not react to abuse.
func TestCalmSpeaksAgainstReactingToAbuse(t *testing.T) {
	share := func(episodes int) float64 {
		p := &tape{t: t}
		now := 0.0
		for range episodes + 1 {
			p.listed(ipB, xbl, now-5, now)
			p.listed(ipB, sbl, now, now+5)
			p.clear(ipB, xbl, now+900, now+905)
			p.clear(ipB, sbl, now+900, now+905)
			now += week
		}
		k := p.lost(ipA, partner(0), now-60, now-30)
		p.listed(ipA, xbl, now-20, now)
		p.listed(ipA, sbl, now, now+5)
		return shareOf(verdict(t, p.play(world(), now+100), k, now+100), correlate.ByAbuse)
	}
	if fresh, calm := share(0), share(12); 1-calm < 2*(1-fresh) {
		t.Errorf("common cause has %.5f, after twelve calm episodes %.5f", fresh, calm)
	}
}

// A verdict is provisional until the others have been asked, and again until 90 minutes after the end.
func TestProvisional(t *testing.T) {
	p := &tape{t: t}
	k := p.lost(ipA, partner(0), 0, 10)
	p.back(ipA, partner(0), 500, 510)
	for m, want := range map[float64]bool{10: true, 74: true, 76: false, 510: true, 599: true, 601: false} {
		if v := verdict(t, p.play(world(), m), k, m); v.Provisional != want {
			t.Errorf("at minute %.0f: provisional %v", m, v.Provisional)
		}
	}
}

// The address was listed for 40 minutes, seen by one poll only, and the partner
// was lost and back in between two looks at the list's end. It is still this list's doing.
func TestListingShorterThanAPoll(t *testing.T) {
	p := &tape{t: t}
	now := p.reacts(ipA, partner(0), xbl, 4, 0)
	p.listed(ipA, xbl, now-30, now)
	k := p.lost(ipA, partner(0), now-20, now+5)
	p.clear(ipA, xbl, now, now+30)
	p.back(ipA, partner(0), now+10, now+50)
	mustBe(t, verdict(t, p.play(world(), now+200), k, now+200), correlate.ByListing, xbl)
}

// A listing of a few minutes that breaks nothing proves nothing against an edge.
func TestVeryShortListingIsNoEvidenceAgainst(t *testing.T) {
	p := &tape{t: t}
	now := p.reacts(ipA, partner(0), xbl, 3, 0)
	for range 5 {
		p.listed(ipA, xbl, now-5, now)
		p.clear(ipA, xbl, now+10, now+20)
		now += week
	}
	if e := edgeOf(p.play(world(), now), partner(0), xbl, now); e.Standing != correlate.Learned || e.Fired != 3 || e.Followed != 3 || e.Strength < .8 {
		t.Errorf("edge %+v, want learned with 3 of 3", e)
	}
}

// Probes failed around the onset: the bracket is three hours wide. The loss is
// still tied to its list, but with less confidence than a sharp one.
func TestProbeFailuresAroundOnset(t *testing.T) {
	onset := func(lo, hi float64) correlate.Verdict {
		p := &tape{t: t}
		now := p.reacts(ipA, partner(0), xbl, 2, 0)
		p.listed(ipA, xbl, now-5, now)
		k := p.lost(ipA, partner(0), now+lo, now+hi)
		return verdict(t, p.play(world(), now+200), k, now+200)
	}
	sharp, wide := onset(10, 20), onset(-120, 60)
	mustBe(t, wide, correlate.ByListing, xbl)
	if wide.Confidence >= sharp.Confidence {
		t.Errorf("a bracket of three hours gives %.4f, a sharp one %.4f", wide.Confidence, sharp.Confidence)
	}
}

// For months the partner reacted; then it changed its policy and stopped.
func TestPolicyChangedAfterMonths(t *testing.T) {
	p := &tape{t: t}
	now := p.reacts(ipA, partner(0), xbl, 8, 0)
	if e := edgeOf(p.play(world(), now), partner(0), xbl, now); e.Standing != correlate.Learned {
		t.Fatalf("before the change: %+v", e)
	}
	now = p.fires(ipA, xbl, 5, now)
	e := edgeOf(p.play(world(), now), partner(0), xbl, now)
	if e.Standing != correlate.Retired || e.Followed != 8 || e.Fired != 13 {
		t.Errorf("after the change: %+v, want retired with 8 of 13", e)
	}
	if s := e.String(); !strings.Contains(s, "stopped") {
		t.Errorf("words: %s", s)
	}
	s := p.listed(ipA, xbl, now-5, now)
	for _, f := range p.play(world(), now).Forecasts(s, at(now)) {
		if f.P > .3 {
			t.Errorf("still foretold with %.2f", f.P)
		}
	}
}

// Two tenants of one provider. The second was down for other reasons while the first reacted
// three times: what the provider did to the first is expected of the second.
func TestTenantsOfOneProviderLearnFromEachOther(t *testing.T) {
	p := &tape{t: t}
	p.lost(ipA, partner(1), -2*day, -2*day+30)
	now := p.reacts(ipA, partner(0), xbl, 3, 0)
	p.back(ipA, partner(1), now-day, now-day+30)
	s := p.listed(ipA, xbl, now-5, now)
	foretold := func(provider map[string]string) float64 {
		o := world()
		o.Provider = provider
		for _, f := range p.play(o, now).Forecasts(s, at(now)) {
			if f.Partner == partner(1) {
				return f.P
			}
		}
		return 0
	}
	if x := foretold(nil); x > .1 {
		t.Errorf("strangers: foretold with %.2f", x)
	}
	if x := foretold(map[string]string{partner(1): "bigmail", partner(2): "bigmail"}); x > .1 {
		t.Errorf("tenants of another provider: foretold with %.2f", x)
	}
	if x := foretold(map[string]string{partner(0): "bigmail", partner(1): "bigmail"}); x < .5 {
		t.Errorf("tenants of one provider: foretold with %.2f", x)
	}
}

// A tenant that stayed calm while its neighbour reacted keeps its own ways.
func TestTenantThatDiffers(t *testing.T) {
	p := &tape{t: t}
	now := p.reacts(ipA, partner(0), xbl, 4, 0)
	o := world()
	o.Provider = map[string]string{partner(0): "bigmail", partner(1): "bigmail"}
	c := p.play(o, now)
	if e := edgeOf(c, partner(1), xbl, now); e.PIP > .5 {
		t.Errorf("calm tenant: %+v", e)
	}
	if e := edgeOf(c, partner(0), xbl, now); e.Standing != correlate.Learned {
		t.Errorf("reacting tenant: %+v", e)
	}
}

// Partners of one provider lost together are one fact about our path, not four.
func TestTenantsCountOnceForThePath(t *testing.T) {
	p := &tape{t: t}
	k := p.lost(ipA, partner(0), 0, 10)
	for i := 1; i < 4; i++ {
		p.lost(ipA, partner(i), 0, 10)
	}
	share := func(o correlate.Options) float64 {
		v := verdict(t, p.play(o, 75), k, 75)
		for _, s := range v.Shares {
			if s.Cause == correlate.ByPath {
				return s.P
			}
		}
		return 0
	}
	one := world()
	one.Provider = map[string]string{partner(1): "bigmail", partner(2): "bigmail", partner(3): "bigmail"}
	if four, once := share(world()), share(one); once > four/5 {
		t.Errorf("path %.4f with four partners, %.4f when they are one provider", four, once)
	}
}

// The partner was probed before the list was polled: the loss is seen first, the listing half an
// hour later, and its bracket reaches back before the loss.
func TestLossSeenBeforeItsListing(t *testing.T) {
	p := &tape{t: t}
	now := p.reacts(ipA, partner(0), xbl, 3, 0)
	k := p.lost(ipA, partner(0), now-10, now)
	p.listed(ipA, xbl, now-60, now+30)
	before := verdict(t, p.play(world(), now+10), k, now+10)
	if before.Likeliest.Cause == correlate.ByListing {
		t.Errorf("no listing is known yet, but said %+v", before.Likeliest)
	}
	mustBe(t, verdict(t, p.play(world(), now+65), k, now+65), correlate.ByListing, xbl)
}

// A listing that surely began after the loss cannot have caused it.
func TestListingAfterTheLossIsInnocent(t *testing.T) {
	p := &tape{t: t}
	now := p.reacts(ipA, partner(0), xbl, 3, 0)
	k := p.lost(ipA, partner(0), now-10, now)
	p.listed(ipA, xbl, now+1, now+30)
	if v := verdict(t, p.play(world(), now+65), k, now+65); v.Likeliest.Cause == correlate.ByListing {
		t.Errorf("said %+v", v.Likeliest)
	}
}

// The server's reply names the list: that settles it the first time, and teaches the edge.
func TestReplyThatNamesTheList(t *testing.T) {
	p := &tape{t: t}
	p.listed(ipA, xbl, -5, 0)
	p.listed(ipA, sbl, -5, 0)
	k := p.lostAs(ipA, partner(0), correlate.LossRejected, 10, 20)
	p.reply(ipA, partner(0), sbl, "", 25)
	c := p.play(world(), 90)
	v := verdict(t, c, k, 90)
	mustBe(t, v, correlate.ByListing, sbl)
	if v.Word != "confirmed" {
		t.Errorf("%s with %.3f, want confirmed", v.Word, v.Confidence)
	}
	if e := edgeOf(c, partner(0), sbl, 90); e.Standing != correlate.Learned {
		t.Errorf("edge %+v", e)
	}
	why, _ := c.Explain(k, at(90))
	if !strings.Contains(strings.Join(why, "\n"), "names "+sbl) {
		t.Errorf("evidence %q", why)
	}
}

// The reply names a list that is not even watched: it is named all the same.
func TestReplyThatNamesAnUnknownList(t *testing.T) {
	p := &tape{t: t}
	k := p.lostAs(ipA, partner(0), correlate.LossRejected, 10, 20)
	p.reply(ipA, partner(0), "private.example", "", 25)
	mustBe(t, verdict(t, p.play(world(), 90), k, 90), correlate.ByListing, "private.example")
}

// The reply gives a policy as the reason: no list is blamed, although one has just fired.
func TestReplyThatNamesAPolicy(t *testing.T) {
	p := &tape{t: t}
	p.listed(ipA, xbl, -5, 0)
	k := p.lostAs(ipA, partner(0), correlate.LossDeferred, 10, 20)
	mustBe(t, verdict(t, p.play(world(), 90), k, 90), correlate.ByListing, xbl)
	p.reply(ipA, partner(0), "", correlate.PolicyGreylisting, 25)
	if v := verdict(t, p.play(world(), 90), k, 90); v.Likeliest.Cause == correlate.ByListing {
		t.Errorf("said %+v", v.Likeliest)
	}
}

// A person says "unrelated": it stays so, and the listing counts as one that broke nothing.
func TestUnrelatedStays(t *testing.T) {
	p := &tape{t: t}
	p.listed(ipA, xbl, -5, 0)
	k := p.lost(ipA, partner(0), 10, 20)
	p.unrelated(k, xbl, 60)
	p.clear(ipA, xbl, 600, 605)
	p.back(ipA, partner(0), 610, 620)
	c := p.play(world(), 2*day)
	v := verdict(t, c, k, 2*day)
	for _, s := range v.Shares {
		if s.Cause == correlate.ByListing {
			t.Errorf("still a share of %.3f for %s", s.P, s.List)
		}
	}
	if e := edgeOf(c, partner(0), xbl, 2*day); e.PIP > .02 {
		t.Errorf("edge still believed with %.3f", e.PIP)
	}
}

// A learned edge survives one "unrelated", but the record shows that the listing broke nothing.
func TestUnrelatedCountsAsSilence(t *testing.T) {
	strength := func(deny bool) (correlate.Edge, float64) {
		p := &tape{t: t}
		now := p.reacts(ipA, partner(0), xbl, 4, 0)
		if deny {
			p.unrelated(2, xbl, now)
		}
		e := edgeOf(p.play(world(), now), partner(0), xbl, now)
		return e, e.Strength
	}
	_, before := strength(false)
	e, after := strength(true)
	if e.Fired != 4 || e.Followed != 3 || after >= before-.02 {
		t.Errorf("edge %+v; strength %.3f before", e, before)
	}
}

// Unrelated to one list says nothing of the other.
func TestUnrelatedToOneList(t *testing.T) {
	p := &tape{t: t}
	p.listed(ipA, xbl, -5, 0)
	p.listed(ipA, sbl, -5, 0)
	k := p.lost(ipA, partner(0), 10, 20)
	p.unrelated(k, xbl, 60)
	mustBe(t, verdict(t, p.play(world(), 100), k, 100), correlate.ByListing, sbl)
}

// A receiver's own page says that it uses the list: its first reaction is expected, and says that it is a prior.
func TestSourcedPrior(t *testing.T) {
	p := &tape{t: t}
	s := p.listed(ipA, xbl, -5, 0)
	o := world()
	o.Provider = map[string]string{partner(3): "bigmail"}
	o.Priors = []correlate.Prior{{Provider: "bigmail", List: xbl, P: .9, Source: "https://bigmail.example/why"}}
	c := p.play(o, 0)
	want := c.Wants(s, at(0))
	if len(want) != 1 || want[0].Partner != partner(3) {
		t.Errorf("wants %+v, want %s alone", want, partner(3))
	}
	if e := edgeOf(c, partner(3), xbl, 0); e.Standing == correlate.Learned {
		t.Errorf("a prior alone must not read as learned: %+v", e)
	}
}

// What a source says of the partner itself goes before what it says of its provider, in either order.
func TestPartnersOwnPriorComesFirst(t *testing.T) {
	priors := []correlate.Prior{{Partner: partner(0), List: xbl, P: .1}, {Provider: "bigmail", List: xbl, P: .85}}
	for range 2 {
		o := world()
		o.Provider = map[string]string{partner(0): "bigmail"}
		o.Priors = priors
		p := &tape{t: t}
		p.listed(ipA, xbl, -5, 0)
		if e := edgeOf(p.play(o, 0), partner(0), xbl, 0); e.PIP < .05 || e.PIP > .2 {
			t.Errorf("believed with %.3f, want .1", e.PIP)
		}
		slices.Reverse(priors)
	}
}

// The same loss said twice is one loss; one that gets worse is judged anew, but counts once.
func TestRepeatedAndWorseLosses(t *testing.T) {
	p := &tape{t: t}
	p.listed(ipA, xbl, -5, 0)
	first := p.lost(ipA, partner(0), 10, 20)
	twice := p.lost(ipA, partner(0), 20, 80)
	worse := p.lostAs(ipA, partner(0), correlate.LossRejected, 80, 140)
	p.clear(ipA, xbl, 600, 605)
	p.back(ipA, partner(0), 610, 620)
	c := p.play(world(), 2*day)
	mustBe(t, verdict(t, c, first, 2*day), correlate.ByListing, xbl)
	mustBe(t, verdict(t, c, twice, 2*day), correlate.ByListing, xbl)
	v := verdict(t, c, worse, 2*day)
	if v.Loss != correlate.LossRejected || v.Open || v.Likeliest.Cause != correlate.ByListing {
		t.Errorf("the worse loss: %+v", v)
	}
	if e := edgeOf(c, partner(0), xbl, 2*day); e.Fired != 1 || e.Followed != 1 {
		t.Errorf("record %d of %d, want 1 of 1", e.Followed, e.Fired)
	}
}

// What was told is tested by what happens: the list fires, nothing follows, and the belief falls,
// for one that asks all the time as for one that asks once.
func TestWhatWasToldIsTested(t *testing.T) {
	for name, told := range map[string]func(*tape, *correlate.Options){
		"by a reply": func(p *tape, _ *correlate.Options) { p.reply(ipA, partner(0), xbl, "", 0) },
		"by a source": func(p *tape, o *correlate.Options) {
			p.listed(ipC, xbl, -5, 0)
			o.Priors = []correlate.Prior{{Partner: partner(0), List: xbl, P: .9}}
		},
	} {
		p, o := &tape{t: t}, world()
		told(p, &o)
		c := p.play(o, 1)
		before := edgeOf(c, partner(0), xbl, 1).PIP
		for i, e := range (&tape{t: t}).vain(ipB, xbl, 3, 300) {
			e.Seq = uint64(10 + i)
			if err := c.Observe(e); err != nil {
				t.Fatal(err)
			}
			edgeOf(c, partner(0), xbl, 1)
		}
		if after := edgeOf(c, partner(0), xbl, 4*week).PIP; before < .85 || after > before-.1 {
			t.Errorf("told %s: believed with %.3f, after three silences %.3f", name, before, after)
		}
	}
}

// Tenants that have nothing to tell make no list a candidate.
func TestQuietTenantsTeachNothing(t *testing.T) {
	p := &tape{t: t}
	now := p.fires(ipA, xbl, 2, 0)
	o := world()
	o.Provider = map[string]string{partner(0): "bigmail", partner(1): "bigmail"}
	if edges := p.play(o, now).Edges(at(now), 0); len(edges) != 0 {
		t.Errorf("edges %+v", edges)
	}
}

// Nothing is listed, the control and the other addresses still get it: the partner judges this address by itself.
func TestPartnersOwnJudgement(t *testing.T) {
	p := &tape{t: t}
	k := p.lost(ipA, partner(0), 0, 60)
	mustBe(t, verdict(t, p.play(world(), 130), k, 130), correlate.Private, "")

	lonely := correlate.Options{IPs: []string{ipA}, Partners: []string{partner(0), partner(1), partner(2), partner(3)}}
	if v := verdict(t, p.play(lonely, 130), k, 130); v.Likeliest.Cause == correlate.Private {
		t.Errorf("nobody else looked, but said %+v", v.Likeliest)
	}
}

// A partner that reacts to the abuse, whichever lists see it, and comes back on its own time.
func TestReactsToTheAbuseItself(t *testing.T) {
	lists := []string{xbl, sbl, "css.example", "bcl.example"}
	p := &tape{t: t}
	now, k := 0.0, uint64(0)
	for i := range 8 {
		k = p.lost(ipA, partner(0), now-40, now-20)
		p.listed(ipA, lists[i%4], now-5, now)
		p.listed(ipA, lists[(i+1)%4], now, now+15)
		p.back(ipA, partner(0), now+300+20*float64(i), now+360+20*float64(i))
		p.clear(ipA, lists[i%4], now+1200, now+1205)
		p.clear(ipA, lists[(i+1)%4], now+1500, now+1505)
		now += week
	}
	c := p.play(world(), now)
	mustBe(t, verdict(t, c, k, now), correlate.ByAbuse, "")
	for _, e := range c.Edges(at(now), .5) {
		t.Errorf("edge %+v", e)
	}
}

// The whole life of an edge in words.
func TestEvidenceInWords(t *testing.T) {
	p := &tape{t: t}
	now := p.reacts(ipA, partner(0), xbl, 4, 0)
	c := p.play(world(), now)
	e := edgeOf(c, partner(0), xbl, now)
	if e.Fired != 4 || e.Followed != 4 || e.Ended != 4 || e.Restored != 4 || e.High != 1 || e.Low < .5 || e.Low > .6 {
		t.Errorf("record %+v", e)
	}
	if e.Strength < .8 {
		t.Errorf("strength %.2f after four of four", e.Strength)
	}
	if !e.Recovery.Fine || e.Recovery.Low < 5 || e.Recovery.High > 30 {
		t.Errorf("recovery %+v, want some 10 to 20 min", e.Recovery)
	}
	if !e.Lag.Fine || e.Lag.Low < 5 || e.Lag.High > 30 {
		t.Errorf("lag %+v, want some 10 to 20 min", e.Lag)
	}
	if s := e.String(); !strings.HasPrefix(s, "p0.example reacts to xbl.example: within ") || !strings.Contains(s, "4 of 4 times (95 %: 56-100 %)") ||
		!strings.Contains(s, "restored within ") {
		t.Errorf("words: %s", s)
	}
	why, next := c.Explain(2, at(now))
	text := strings.Join(why, "\n")
	for _, want := range []string{"xbl.example listed the address", "of the delisting", "the control still gets it", "0 of 2 other sending addresses"} {
		if !strings.Contains(text, want) {
			t.Errorf("evidence lacks %q:\n%s", want, text)
		}
	}
	if next != "" {
		t.Errorf("it is over, but next is %q", next)
	}
}

// Hourly looks cannot tell a delay of minutes, and the words do not claim it.
func TestLagIsNoFinerThanTheLooks(t *testing.T) {
	p := &tape{t: t}
	now := 0.0
	for range 4 {
		p.listed(ipA, xbl, now-60, now)
		p.lost(ipA, partner(0), now-30, now+30)
		p.clear(ipA, xbl, now+600, now+660)
		p.back(ipA, partner(0), now+630, now+690)
		now += week
	}
	e := edgeOf(p.play(world(), now), partner(0), xbl, now)
	if e.Lag.Fine || !strings.Contains(e.String(), "within one probe, at most 60 min") {
		t.Errorf("%+v: %s", e.Lag, e.String())
	}
}
