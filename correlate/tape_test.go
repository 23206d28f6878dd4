package correlate_test

import (
	"fmt"
	"testing"
	"time"

	"repwatch/correlate"
)

// A tape is a scripted history. Times are minutes since its start; a change is
// given as the bracket (lo, hi] in which it happened and is seen at hi.
type tape struct {
	t      testing.TB
	events []correlate.Event
}

var start = time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)

func at(m float64) time.Time { return start.Add(time.Duration(m * float64(time.Minute))) }

func (p *tape) add(e correlate.Event, lo, hi float64) uint64 {
	e.Seq = uint64(len(p.events) + 1)
	e.T, e.Lo, e.Hi = at(hi), at(lo), at(hi)
	p.events = append(p.events, e)
	return e.Seq
}

func (p *tape) listed(ip, list string, lo, hi float64) uint64 {
	return p.add(correlate.Event{Kind: correlate.KindListing, Vantage: ip, List: list, State: correlate.Listed}, lo, hi)
}

func (p *tape) clear(ip, list string, lo, hi float64) uint64 {
	return p.add(correlate.Event{Kind: correlate.KindListing, Vantage: ip, List: list, State: correlate.Clear}, lo, hi)
}

func (p *tape) lost(ip, partner string, lo, hi float64) uint64 {
	return p.lostAs(ip, partner, correlate.LossSTARTTLS, lo, hi)
}

func (p *tape) lostAs(ip, partner string, loss correlate.Loss, lo, hi float64) uint64 {
	return p.add(correlate.Event{Kind: correlate.KindCap, Vantage: ip, Partner: partner, State: correlate.Lost, Loss: loss}, lo, hi)
}

func (p *tape) back(ip, partner string, lo, hi float64) uint64 {
	return p.add(correlate.Event{Kind: correlate.KindCap, Vantage: ip, Partner: partner, State: correlate.OK}, lo, hi)
}

func (p *tape) reply(ip, partner, list string, policy correlate.Policy, m float64) uint64 {
	seq := uint64(len(p.events) + 1)
	p.events = append(p.events, correlate.Event{Seq: seq, T: at(m), Kind: correlate.KindReply, Vantage: ip, Partner: partner, List: list, Policy: policy})
	return seq
}

func (p *tape) unrelated(loss uint64, list string, m float64) {
	p.events = append(p.events, correlate.Event{Seq: uint64(len(p.events) + 1), T: at(m), Kind: correlate.KindUnrelated, Of: loss, List: list})
}

// reacts plays n whole reactions of a partner to a list, a week apart from the
// given minute: listed, lost 10 to 20 min later, cleared after ten hours, back 10 to 20 min later.
func (p *tape) reacts(ip, partner, list string, n int, from float64) (end float64) {
	for range n {
		p.listed(ip, list, from-5, from)
		p.lost(ip, partner, from+10, from+15)
		p.clear(ip, list, from+600, from+605)
		p.back(ip, partner, from+615, from+620)
		from += week
	}
	return from
}

// fires lists and clears the IP n times without any consequence.
func (p *tape) fires(ip, list string, n int, from float64) (end float64) {
	for range n {
		p.listed(ip, list, from-5, from)
		p.clear(ip, list, from+600, from+605)
		from += week
	}
	return from
}

// vain is fires as bare events.
func (p *tape) vain(ip, list string, n int, from float64) []correlate.Event {
	p.fires(ip, list, n, from)
	return p.events
}

const (
	day  = 24 * 60.0
	week = 7 * day
	ipA  = "192.0.2.1"
	ipB  = "192.0.2.2"
	ipC  = "192.0.2.3"
	xbl  = "xbl.example"
	sbl  = "sbl.example"
)

// world is eight partners seen from three IPs and a control for a month before the tape starts.
func world() correlate.Options {
	o := correlate.Options{IPs: []string{ipA, ipB, ipC}, Control: true, Since: at(-30 * day)}
	for i := range 8 {
		o.Partners = append(o.Partners, partner(i))
	}
	return o
}

func partner(i int) string { return fmt.Sprintf("p%d.example", i) }

// play observes the tape up to and including minute until.
func (p *tape) play(o correlate.Options, until float64) *correlate.Correlator {
	p.t.Helper()
	c := correlate.New(o)
	for _, e := range p.events {
		if e.T.After(at(until)) {
			break
		}
		if err := c.Observe(e); err != nil {
			p.t.Fatalf("event %d: %v", e.Seq, err)
		}
	}
	return c
}

func verdict(t testing.TB, c *correlate.Correlator, seq uint64, m float64) correlate.Verdict {
	t.Helper()
	v, ok := c.Verdict(seq, at(m))
	if !ok {
		t.Fatalf("no verdict on event %d", seq)
	}
	return v
}

func edgeOf(c *correlate.Correlator, partner, list string, m float64) correlate.Edge {
	for _, e := range c.Edges(at(m), 0) {
		if e.Partner == partner && e.List == list {
			return e
		}
	}
	return correlate.Edge{Partner: partner, List: list}
}

// mustBe fails unless people are shown this cause.
func mustBe(t testing.TB, v correlate.Verdict, cause correlate.Cause, list string) {
	t.Helper()
	if v.Cause != cause || v.List != list {
		t.Errorf("loss %d at %s: shown %s %q with %.3f, want %s %q; all: %+v", v.Seq, v.At.Format(time.DateTime), v.Cause, v.List, v.Confidence, cause, list, v.Shares)
	}
}

// shareOf is the probability of a cause, all lists together.
func shareOf(v correlate.Verdict, cause correlate.Cause) (p float64) {
	for _, s := range v.Shares {
		if s.Cause == cause {
			p += s.P
		}
	}
	return p
}
