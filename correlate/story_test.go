package correlate_test

import (
	"fmt"
	"slices"
	"testing"

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

// After a delisting the lost pair is looked at every few minutes, so its return is
// known far better than its loss was. That must not make it look like an end of its own.
func TestReturnSeenFarFinerThanTheLoss(t *testing.T) {
	p := &tape{t: t}
	p.listed(ipA, xbl, -15, 0)
	k := p.lost(ipA, partner(0), -5, 55)
	p.clear(ipA, xbl, 600, 615)
	p.back(ipA, partner(0), 614.9, 615)
	v := verdict(t, p.play(world(), 700), k, 700)
	mustBe(t, v, correlate.ByListing, xbl)
	if v.Confidence < .95 {
		t.Errorf("confidence %.2f after a return within minutes of the delisting", v.Confidence)
	}
}

// A list's servers take a change one after another: a partner may see it seconds before we do.
func TestPartnerSawTheDelistingMomentsBefore(t *testing.T) {
	p := &tape{t: t}
	p.listed(ipA, xbl, -1, 0)
	k := p.lost(ipA, partner(0), .1, 1)
	p.clear(ipA, xbl, 2.01, 2.5)
	p.back(ipA, partner(0), 1.9, 2)
	mustBe(t, verdict(t, p.play(world(), 10), k, 10), correlate.ByListing, xbl)
}

// A person says that the listing has nothing to do with the loss. The abuse that got the
// address listed hardly has either: their word is not answered with another name for the same thing.
func TestRuledOutIsNotTheAbuseEither(t *testing.T) {
	p := &tape{t: t}
	p.listed(ipA, xbl, -5, 0)
	k := p.lost(ipA, partner(0), 10, 60)
	p.unrelated(k, xbl, 70)
	v := verdict(t, p.play(world(), 140), k, 140)
	if v.Likeliest.Cause == correlate.ByListing || v.Likeliest.Cause == correlate.ByAbuse {
		t.Errorf("after a person ruled it out: %s with %.2f", v.Likeliest.Cause, v.Likeliest.P)
	}
}
