package correlate_test

import (
	"slices"
	"strings"
	"testing"

	"repwatch/correlate"
)

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

// A person's word stands against a server's: what was ruled out is not blamed again.
func TestUnrelatedAlsoWhereAReplyNamesTheList(t *testing.T) {
	p := &tape{t: t}
	p.listed(ipA, xbl, -5, 0)
	k := p.lost(ipA, partner(0), 10, 20)
	p.reply(ipA, partner(0), xbl, "", 21)
	mustBe(t, verdict(t, p.play(world(), 100), k, 100), correlate.ByListing, xbl)
	p.unrelated(k, xbl, 30)
	if v := verdict(t, p.play(world(), 100), k, 100); v.List == xbl || v.Likeliest.List == xbl {
		t.Errorf("%s %s, which a person ruled out", v.Likeliest.Cause, v.Likeliest.List)
	}
}
