package correlate_test

import (
	"strings"
	"testing"
	"time"

	"repwatch/correlate"
)

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
	for _, want := range []string{"xbl.example listed the address", "of the delisting", "the control still gets it", "none of 2 other sending addresses"} {
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
