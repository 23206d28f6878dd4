package web

import (
	"fmt"
	"html/template"
	"slices"
	"strings"
	"time"

	"repwatch/api"
)

// picture is the timeline as SVG, in its own units. Names stand beside it, so that
// they stay where they are while a phone scrolls through time.
type picture struct {
	Width, Height int
	Rows          []pictureRow
	Ticks         []tick
	Causes        []causeKey // those that occur
	Unknown       bool       // something is hatched
	Alt           string
}

type pictureRow struct {
	Name, Href string
	Marks      template.HTML // a year has thousands: html/template would take longer than all the rest
}

// tick is a round moment; its label leads to the span up to the next.
type tick struct {
	X      string
	Anchor string // which end of the label is at X: at the edges it would be cut
	Label  string
	Href   string
}

// causeKey is an entry of the legend. Colours and patterns are those of the weekly
// report's picture (report/picture.go): solid, diagonals, bars, a grid, lines.
type causeKey struct {
	Cause api.Blame
	Words string
}

var causeKeys = []causeKey{{api.Ours, "our side"}, {api.Theirs, "the partner"}, {api.Path, "the way between"}, {api.Unclear, "cause not clear"}, {api.Harmless, "a listing that broke nothing"}}

// Measures of the picture.
const (
	timeWide = 900
	edge     = 6 // beside the time, so that a bar that begins now is whole
	rowHigh  = 26
	barHigh  = 18
	headHigh = 24
	// labelWide is a tick's label, at most.
	labelWide = 70
	// What lasted for a moment must be seen, and hit with a finger where bars are few;
	// its title tells the truth.
	leastBar, leastOfMany = 6, 3
	// few bars are gone through by the keyboard; where there are more, the table leads
	// to their incidents.
	few = 40
)

// drawing is a picture being made.
type drawing struct {
	base     string // of links
	from, to time.Time
	at       time.Time
	zone     *time.Location
	many     bool // bars
}

func draw(base string, doc api.Timeline, f api.TimelineFilter, at time.Time, zone *time.Location) picture {
	d := drawing{base: base, from: *doc.From, to: *doc.To, at: at, zone: zone}
	out := picture{Width: edge + timeWide + edge, Height: headHigh + len(doc.Rows)*rowHigh + 4}
	bars, used := 0, map[api.Blame]bool{}
	for _, r := range doc.Rows {
		bars += len(r.Bars)
		out.Unknown = out.Unknown || len(r.Unknown) > 0
		for _, b := range r.Bars {
			used[b.Cause] = true
		}
	}
	d.many = bars > few
	out.Causes = slices.DeleteFunc(slices.Clone(causeKeys), func(k causeKey) bool { return !used[k.Cause] })
	for i, r := range doc.Rows {
		var marks strings.Builder
		y := headHigh + i*rowHigh + (rowHigh-barHigh)/2
		for _, g := range r.Unknown {
			d.gap(&marks, g, y)
		}
		for _, b := range r.Bars {
			d.bar(&marks, b, y)
		}
		out.Rows = append(out.Rows, pictureRow{Name: r.Name, Href: base + "/" + r.Kind + "/" + escape(r.Name), Marks: template.HTML(marks.String())})
	}
	round := ticks(d.from.In(zone), d.to.In(zone))
	for i, t := range round {
		next := at
		if i+1 < len(round) {
			next = round[i+1]
		}
		anchor := "middle"
		switch x := d.x(t); {
		case x < edge+labelWide/2:
			anchor = "start"
		case x > edge+timeWide-labelWide/2:
			anchor = "end"
		}
		out.Ticks = append(out.Ticks, tick{X: fmt.Sprintf("%.1f", d.x(t)), Anchor: anchor, Label: label(t, d.to.Sub(d.from)), Href: spanURL(base, f, t, next)})
	}
	out.Alt = fmt.Sprintf("%s in a bad state between %s and %s; the table below says the same", count(len(doc.Rows), "list or partner", "lists and partners"), clock(doc.From, zone), clock(doc.To, zone))
	return out
}

// x places a time.
func (d *drawing) x(t time.Time) float64 {
	return edge + timeWide*min(1, max(0, float64(t.Sub(d.from))/float64(d.to.Sub(d.from))))
}

func (d *drawing) gap(out *strings.Builder, g api.TimeGap, y int) {
	from, to := d.x(*g.From), d.x(*g.To)
	title := template.HTMLEscapeString(fmt.Sprintf("not known from %s to %s: %s", clock(g.From, d.zone), clock(g.To, d.zone), g.Why))
	fmt.Fprintf(out, `<rect class="unknown" fill="url(#unknown)" x="%.1f" y="%d" width="%.1f" height="%d"><title>%s</title></rect>`, from, y, max(2, to-from), barHigh, title)
}

// bar writes one bad state, leading to its incident: pale where it may have been so
// already, or still; full and with the cause's pattern where it is sure. All text in
// it is escaped here.
func (d *drawing) bar(out *strings.Builder, b api.TimeBar, y int) {
	early, from, until := *b.Since, *b.Since, d.at
	if b.After != nil && b.After.Before(from) {
		early = *b.After
	}
	title := b.Subject + ": " + b.Words + "; began " + between(b.After, b.Since, d.zone)
	if b.Until != nil {
		until = *b.Until
		title += "; ended " + between(b.EndAfter, b.Until, d.zone)
	} else {
		title += "; lasts"
	}
	sure := until
	if b.EndAfter != nil && b.EndAfter.Before(until) {
		sure = *b.EndAfter
	}
	title = template.HTMLEscapeString(title)
	left, right, solid, end := d.x(early), d.x(until), d.x(from), d.x(sure)
	least := float64(leastBar)
	if d.many {
		least = leastOfMany
	}
	if wide := right - left; wide < least {
		left, right = left-(least-wide)/2, right+(least-wide)/2
		solid, end = left, right
	}
	if b.Incident != "" {
		still := ""
		if d.many {
			still = ` tabindex="-1"`
		}
		fmt.Fprintf(out, `<a href="%s" aria-label="%s"%s>`, template.HTMLEscapeString(d.base+"/incidents/"+escape(b.Incident)), title, still)
	}
	fmt.Fprintf(out, `<g class="%s"><title>%s</title><rect class="pale" x="%.1f" y="%d" width="%.1f" height="%d"/>`, b.Cause, title, left, y, right-left, barHigh)
	if end > solid {
		fmt.Fprintf(out, `<rect fill="url(#%s)" x="%.1f" y="%d" width="%.1f" height="%d"/>`, b.Cause, solid, y, end-solid, barHigh)
	}
	out.WriteString("</g>")
	if b.Incident != "" {
		out.WriteString("</a>")
	}
}

// steps are how far apart ticks may be; at most mostTicks of them fit.
var steps = []time.Duration{time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 15 * time.Minute, 30 * time.Minute, time.Hour, 2 * time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour}

const (
	mostTicks = 10
	day       = 24 * time.Hour
	months    = 120 * day // from here on a tick is the first of a month
)

// ticks are round moments of a clock on the wall.
func ticks(from, to time.Time) (out []time.Time) {
	long, zone := to.Sub(from), from.Location()
	y, m, d := from.Date()
	at := func(n int) time.Time { return time.Date(y, m, d+n*(1+int(long/day)/mostTicks), 0, 0, 0, 0, zone) }
	if i := slices.IndexFunc(steps, func(s time.Duration) bool { return long/s <= mostTicks }); i >= 0 {
		at = func(n int) time.Time { return time.Date(y, m, d, 0, n*int(steps[i]/time.Minute), 0, 0, zone) }
	} else if long >= months {
		at = func(n int) time.Time {
			return time.Date(y, m+time.Month(n*(1+int(long/day)/(31*13))), 1, 0, 0, 0, 0, zone)
		}
	}
	for n := 0; at(n).Before(to); n++ {
		if at(n).After(from) {
			out = append(out, at(n))
		}
	}
	return out
}

func label(t time.Time, long time.Duration) string {
	switch {
	case long >= months:
		return t.Format("Jan 06")
	case t.Hour() == 0 && t.Minute() == 0:
		return t.Format("Mon 2 Jan")
	default:
		return t.Format("15:04")
	}
}
