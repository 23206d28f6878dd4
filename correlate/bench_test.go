package correlate_test

import (
	"io"
	"testing"
	"time"

	"repwatch/correlate"
	"repwatch/correlate/oracle"
)

func hardYear(b *testing.B) []correlate.Event {
	b.Helper()
	s, err := oracle.ScenarioNamed("hidden")
	if err != nil {
		b.Fatal(err)
	}
	events, _ := oracle.Simulate(s, oracle.Year, 1)
	b.ReportMetric(float64(len(events)), "events")
	return events
}

// BenchmarkReplay is a year of 8 IPs, 30 partners and 20 lists with every verdict and forecast said.
func BenchmarkReplay(b *testing.B) {
	events := hardYear(b)
	for b.Loop() {
		if err := correlate.Replay(events, correlate.Universe(events), io.Discard); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkRebuild is a restart: a year observed, every partner fitted once, all verdicts ready.
func BenchmarkRebuild(b *testing.B) {
	events := hardYear(b)
	now := events[len(events)-1].T
	for b.Loop() {
		c := correlate.New(correlate.Universe(events))
		for _, e := range events {
			if err := c.Observe(e); err != nil {
				b.Fatal(err)
			}
		}
		c.Verdicts(now)
		c.Edges(now, .5)
	}
}

// BenchmarkRefit is one event on a partner with a year of history, and the verdict on its newest loss.
func BenchmarkRefit(b *testing.B) {
	events := hardYear(b)
	c := correlate.New(correlate.Universe(events))
	count := map[string]int{}
	busiest, ip, loss := "", "", uint64(0)
	for _, e := range events {
		if err := c.Observe(e); err != nil {
			b.Fatal(err)
		}
		if e.State == correlate.Lost && e.Vantage != correlate.Control {
			count[e.Partner]++
			if count[e.Partner] > count[busiest] {
				busiest, ip, loss = e.Partner, e.Vantage, e.Seq
			}
		}
	}
	last := events[len(events)-1]
	seq, t := last.Seq, last.T
	b.ReportMetric(float64(count[busiest]), "losses")
	for b.Loop() {
		seq, t = seq+1, t.Add(time.Minute)
		e := correlate.Event{Seq: seq, T: t, Kind: correlate.KindCap, Vantage: ip, Partner: busiest, State: correlate.OK, Lo: t.Add(-time.Hour), Hi: t}
		if err := c.Observe(e); err != nil { // already fine: touches the partner, adds nothing
			b.Fatal(err)
		}
		c.Verdict(loss, t)
	}
}
