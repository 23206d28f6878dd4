package report

import (
	"slices"
	"time"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// laneBar is a bar, and its place in the height of its row: bars of different causes
// that overlap in time lie one above the other, so that none hides another.
type laneBar struct {
	Bar
	lane, of int
}

// lanes shares the height of a row out among the causes of bars that overlap, in the
// order of the legend; a bar that overlaps none has all of it.
func lanes(bars []Bar) []laneBar {
	bars = slices.Clone(bars)
	slices.SortStableFunc(bars, func(a, b Bar) int { return a.Early.Compare(*b.Early) })
	var out []laneBar
	for len(bars) > 0 {
		n := together(bars)
		var causes []string
		for _, cause := range causeOrder {
			if slices.ContainsFunc(bars[:n], func(b Bar) bool { return b.Cause == cause }) {
				causes = append(causes, cause)
			}
		}
		for _, b := range bars[:n] { // a newer daemon's cause may be none of ours
			out = append(out, laneBar{b, max(0, slices.Index(causes, b.Cause)), max(1, len(causes))})
		}
		bars = bars[n:]
	}
	return out
}

// together is how many of the bars, which are in order, hang together in time.
func together(bars []Bar) int {
	var end time.Time
	for n, b := range bars {
		if n > 0 && !b.Early.Before(end) {
			return n
		}
		if b.Late.After(end) {
			end = *b.Late
		}
	}
	return len(bars)
}

// The legend explains only what occurs, in as many lines as it needs.
const legendSample = vg.Length(20)

func (p *painter) keyWords(key string) string {
	switch key {
	case "perhaps":
		return "perhaps (looks lie apart)"
	case "unknown":
		return "not known"
	}
	return causeWords[key]
}

// place finds room for the keys of the legend.
func (p *painter) place() {
	s := p.style(9, false, p.faint)
	at := vg.Point{X: margin, Y: -legendLine/2 + 2}
	for _, k := range p.keys {
		width := legendSample + 4 + s.Width(p.keyWords(k))
		if at.X > margin && at.X+width > pictureWidth-margin {
			at = vg.Point{X: margin, Y: at.Y - legendLine}
		}
		p.legendAt = append(p.legendAt, at)
		at.X += width + 12
	}
	if len(p.keys) > 0 {
		p.legendHeight = legendLine/2 + 5 - at.Y
	}
}

func (p *painter) legend(c draw.Canvas, top vg.Length) {
	s := p.style(9, false, p.faint)
	for n, k := range p.keys {
		x, middle := p.legendAt[n].X, top+p.legendAt[n].Y
		sample := rect{x, x + legendSample, middle - barHeight/2, middle + barHeight/2}
		switch k {
		case "perhaps":
			colour := p.colour(p.keys[0]) // that of a cause that occurs
			p.box(c, sample, pale(colour))
			p.frame(c, sample, colour)
		case "unknown":
			p.unknownBox(c, sample)
		default:
			p.box(c, sample, p.causes[k])
			p.pattern(c, k, sample)
			p.frame(c, sample, p.causes[k])
		}
		c.FillText(s, vg.Point{X: x + legendSample + 4, Y: middle - 3}, p.keyWords(k))
	}
}
