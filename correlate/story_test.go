package correlate_test

import (
	"slices"
	"strings"
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
	p := &tape{t: t}
	now := p.reacts(ipA, partner(0), xbl, 4, 0)
	p.listed(ipA, xbl, now-5, now)
	k := p.lost(ipA, partner(0), now+10, now+20)
	for i := range 8 {
		p.lostAs(correlate.Control, partner(i), correlate.LossMasked, now+10, now+21)
	}
	mustBe(t, verdict(t, p.play(world(), now+85), k, now+85), correlate.ByListing, xbl)
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

// A listing that several partners are known to react to takes several of them at once. That is not our path.
func TestListingThatBreaksManyIsNotThePath(t *testing.T) {
	p := &tape{t: t}
	now := 0.0
	for range 4 {
		p.listed(ipA, xbl, now-5, now)
		for i := range 4 {
			p.lost(ipA, partner(i), now+10, now+20)
		}
		p.clear(ipA, xbl, now+600, now+605)
		for i := range 4 {
			p.back(ipA, partner(i), now+610, now+620)
		}
		now += week
	}
	p.listed(ipA, xbl, now-5, now)
	k := p.lost(ipA, partner(0), now+10, now+20)
	for i := range 3 {
		p.lost(ipA, partner(i+1), now+10, now+20)
	}
	c := p.play(world(), now+85)
	mustBe(t, verdict(t, c, k, now+85), correlate.ByListing, xbl)
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
	if e := edgeOf(p.play(world(), now), partner(0), xbl, now); e.Standing != correlate.Learned || e.Fired != 3 || e.Followed != 3 {
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
	one.Provider = map[string]string{partner(0): "bigmail", partner(1): "bigmail", partner(2): "bigmail", partner(3): "bigmail"}
	if four, once := share(world()), share(one); once > four/10 {
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
