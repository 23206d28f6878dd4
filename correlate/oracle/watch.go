package oracle

import (
	"fmt"
	"math"
	"sort"
	"time"

	"repwatch/correlate"
)

// Truth is what really happened, in the fields the score needs.
type Truth struct {
	Incidents []Incident `json:"incidents"`
	Edges     []Edge     `json:"edges"`
}

// Incident is one loss that was seen, and its cause.
type Incident struct {
	Seq      uint64   `json:"seq"`
	Category string   `json:"category"`
	Trigger  string   `json:"trigger,omitempty"`
	Lists    []string `json:"lists,omitempty"` // reacting lists in force
	IP       string   `json:"ip"`
	Partner  string   `json:"partner"`
	Start    float64  `json:"start_min"`
	End      float64  `json:"end_min"`
}

// Edge is a reaction that exists, with how often it was seen.
type Edge struct {
	Partner   string `json:"partner"`
	List      string `json:"list"`
	Reactions int    `json:"reactions"`
}

// Simulate draws a world and watches it. The same arguments give the same year.
func Simulate(s Scenario, size Size, seed uint64) ([]correlate.Event, Truth) {
	w := newWorld(s, size, seed)
	var seen []sighting
	seen = append(seen, w.watchLists()...)
	for ip := range w.IPs + 1 {
		for p := range w.Partners {
			seen = append(seen, w.watchPair(ip, p)...)
		}
	}
	sort.SliceStable(seen, func(a, b int) bool { return seen[a].event.T.Before(seen[b].event.T) })
	events := make([]correlate.Event, len(seen))
	var truth Truth
	for i := range seen {
		e := &seen[i].event
		e.Seq = uint64(i + 1)
		events[i] = *e
		if c := seen[i].cause; c != nil {
			truth.Incidents = append(truth.Incidents, w.incident(e, c))
		}
	}
	for _, e := range w.edges {
		if e.reactions > 0 {
			truth.Edges = append(truth.Edges, Edge{partnerName(e.partner), listName(e.list), e.reactions})
		}
	}
	return events, truth
}

type sighting struct {
	event correlate.Event
	cause *cause // of a sending IP's loss
}

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func at(m float64) time.Time {
	return epoch.Add(time.Duration(math.Round(m*60)) * time.Second)
}

func partnerName(p int) string { return fmt.Sprintf("p%02d.example", p) }
func listName(l int) string    { return fmt.Sprintf("bl%02d.example", l) }

func (w *world) ipName(ip int) string {
	if ip == w.IPs {
		return correlate.Control
	}
	return fmt.Sprintf("192.0.2.%d", 10+ip)
}

// watchLists polls every (IP, list) through a cache that may answer up to a TTL late.
func (w *world) watchLists() []sighting {
	by := map[[2]int][]interval{}
	for _, l := range w.listings {
		key := [2]int{l.ip, l.list}
		by[key] = append(by[key], l.interval)
	}
	var out []sighting
	for ip := range w.IPs {
		for l := range w.lists {
			out = append(out, w.watchList(ip, l, by[[2]int{ip, l}])...)
		}
	}
	return out
}

func (w *world) watchList(ip, l int, on []interval) (out []sighting) {
	poll, ttl := w.lists[l].poll, w.lists[l].ttl
	state, last := false, 0.0
	for t := w.between(0, poll); t < w.minutes(); t += poll {
		if w.r.Float64() < w.Failed/2 {
			continue
		}
		truly := t
		if w.r.Float64() < .3 {
			truly -= w.between(0, ttl)
		}
		now := false
		for _, i := range on {
			now = now || i.has(truly)
		}
		if now != state {
			e := correlate.Event{Kind: correlate.KindListing, Vantage: w.ipName(ip), List: listName(l), State: correlate.Clear, T: at(t), Lo: at(last - ttl), Hi: at(t)}
			if now {
				e.State = correlate.Listed
			}
			out = append(out, sighting{event: e})
			state = now
		}
		last = t
	}
	return out
}

// watchPair probes about once an hour and confirms a change two minutes later.
func (w *world) watchPair(ip, p int) (out []sighting) {
	causes := w.pairs[ip*w.Partners+p]
	state, last := false, 0.0
	for t := w.between(1, 60); t < w.minutes(); t += 60 + w.between(-1, 1) {
		if w.r.Float64() < w.Failed {
			continue
		}
		c := reason(causes, t)
		now := c != nil
		if now != state && (reason(causes, t+2) != nil) == now {
			e := correlate.Event{Kind: correlate.KindCap, Vantage: w.ipName(ip), Partner: partnerName(p), State: correlate.OK, T: at(t), Lo: at(last), Hi: at(t)}
			s := sighting{event: e}
			if now {
				s.event.State, s.event.Loss = correlate.Lost, correlate.Loss(c.loss)
				if ip < w.IPs {
					s.cause = first(causes, last, c)
				}
			}
			out = append(out, s)
			state = now
		}
		last = t
	}
	return out
}

// reason is the cause in force at t that began first.
func reason(causes []cause, t float64) *cause {
	for i := range causes {
		if causes[i].has(t) {
			return &causes[i]
		}
	}
	return nil
}

// first is what took the pair since the last good look: an earlier cause that still holds counts before c.
func first(causes []cause, since float64, c *cause) *cause {
	for i := range causes {
		if causes[i].from >= since && causes[i].from < c.from && causes[i].to > c.from {
			return &causes[i]
		}
	}
	return c
}

func (w *world) incident(e *correlate.Event, c *cause) Incident {
	i := Incident{Seq: e.Seq, Category: c.category, IP: e.Vantage, Partner: e.Partner, Start: c.from, End: c.to}
	if c.category != "listing" {
		return i
	}
	i.Trigger = listName(c.list)
	for n := range w.edges {
		g := &w.edges[n]
		if partnerName(g.partner) != e.Partner {
			continue
		}
		if g.list == c.list {
			g.reactions++
		}
		for _, l := range w.listings {
			if l.list == g.list && w.ipName(l.ip) == e.Vantage && l.has(c.from) {
				i.Lists = append(i.Lists, listName(l.list))
			}
		}
	}
	return i
}
