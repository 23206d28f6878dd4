package checks

import (
	"time"

	"repwatch/checks/dnsbl"
	"repwatch/reputation"
)

// column gathers what one list says in a sweep. Only hits are kept one by one;
// for the others a bit says that they could be told.
type column struct {
	ListLook
	list  *dnsbl.List
	cond  dnsbl.Condition
	takes int // subjects of the sweep that the list takes

	hits     []foundHit
	findings int // hits that accuse
	clear    []uint64
	known    int // told one way or the other
	withheld int // of those, kept back
}

type foundHit struct {
	at int // index among the sweep's subjects
	Hit
}

func newColumn(l *dnsbl.List, subjects []dnsbl.Point, started time.Time) *column {
	c := &column{list: l, clear: make([]uint64, (len(subjects)+63)/64), ListLook: ListLook{List: l.ID, Started: started, Ended: started}}
	for _, p := range subjects {
		if l.Takes(p) {
			c.takes++
		}
	}
	return c
}

func (c *column) add(at int, r dnsbl.Result) {
	switch r.Reading.Verdict {
	case dnsbl.Listed:
		c.known++
		c.hits = append(c.hits, foundHit{at, Hit{r.Subject.Who(), listingOf(r, c.cond.Health == dnsbl.HealthUntested)}})
		c.HitAge = max(c.HitAge, r.Reading.Age)
		if r.Finding() {
			c.findings++ // allowlists and scores answer for most of us by design
		}
	case dnsbl.NotListed:
		c.clear[at/64] |= 1 << (at % 64)
		c.known++
		c.ClearAge = max(c.ClearAge, r.Reading.Age)
	}
}

// believable: the list may be asked on. What it said before it failed falls with it.
func (c *column) believable() bool {
	return c.cond.Health != dnsbl.HealthSuspended && c.cond.Health != dnsbl.HealthRetired
}

// told: something could be told, so the sweep says something about the list.
func (c *column) told() bool { return c.believable() && c.known > c.withheld }

// mass is more than half of eight or more (rule of truth 2).
func (c *column) mass() bool {
	return c.believable() && c.takes >= 8 && c.findings*2 > c.takes
}

// news: most of what it accuses is not known yet.
func (c *column) news(known map[string]bool) bool {
	fresh := 0
	for _, h := range c.hits {
		if h.Accuses() && !known[h.Who] {
			fresh++
		}
	}
	return fresh*2 > c.findings
}

// withhold makes what is listed unknown.
func (c *column) withhold(why string) {
	c.withheld = len(c.hits)
	c.hits, c.HitAge, c.Why = nil, 0, why
}

// look is the finished column.
func (c *column) look(subjects []dnsbl.Point) ListLook {
	out := c.ListLook
	out.Health, out.Tested = c.cond.Health, c.cond.Tested.Round(0)
	if c.cond.Why != "" {
		out.Why = c.cond.Why
	}
	if !c.told() {
		out.AllUnknown, out.ClearAge, out.HitAge = true, 0, 0
		return out
	}
	next := c.hits // in the order of the subjects
	for _, h := range c.hits {
		out.Hits = append(out.Hits, h.Hit)
	}
	for at, p := range subjects {
		switch {
		case len(next) > 0 && next[0].at == at:
			next = next[1:]
		case c.clear[at/64]>>(at%64)&1 == 0 && c.list.Takes(p):
			out.Unknown = append(out.Unknown, who(p))
		}
	}
	return out
}

// asked are the subjects that the list takes.
func (c *column) asked(subjects []dnsbl.Point) (out []string) {
	for _, p := range subjects {
		if c.list.Takes(p) {
			out = append(out, who(p))
		}
	}
	return out
}

func who(p dnsbl.Point) string {
	return reputation.Subject{IP: p.IP, Domain: p.Domain}.Who()
}

// listingOf is a listing in the words that people read.
func listingOf(r dnsbl.Result, untested bool) reputation.Listing {
	l := reputation.Listing{Class: r.Reading.Class, Impact: r.Reading.Impact, Alert: string(r.List.Alert), Name: r.List.Name,
		Reason: printable(r.Reason, maxReason), DelistURL: r.DelistURL(), DelistHow: r.List.Delist.Words(), Untested: untested}
	for _, c := range r.Reading.Codes {
		l.Codes = append(l.Codes, c.String())
	}
	for _, m := range r.Reading.Meaning {
		l.Meaning = append(l.Meaning, m.Text)
	}
	if untested || l.Impact == reputation.Info && r.List.Impact > reputation.Info {
		l.Alert = string(dnsbl.AlertNever) // the code is worth less than the list (rules of truth 2 and 3)
	}
	return l
}

// maxReason bounds, in bytes, what is kept of a list's own words.
const maxReason = 512
