package report

import (
	"math"
	"slices"
	"time"
)

// span is [from, to).
type span struct{ from, to time.Time }

func (s span) empty() bool { return !s.from.Before(s.to) }

func (s span) length() time.Duration {
	if s.empty() {
		return 0
	}
	return s.to.Sub(s.from)
}

// within cuts a span to another.
func (s span) within(o span) span {
	if s.from.Before(o.from) {
		s.from = o.from
	}
	if s.to.After(o.to) {
		s.to = o.to
	}
	return s
}

// merge sorts spans and joins those that touch; empty ones go.
func merge(spans []span) []span {
	spans = slices.DeleteFunc(slices.Clone(spans), span.empty)
	slices.SortFunc(spans, func(a, b span) int { return a.from.Compare(b.from) })
	out := spans[:0]
	for _, s := range spans {
		if n := len(out); n > 0 && !s.from.After(out[n-1].to) {
			if s.to.After(out[n-1].to) {
				out[n-1].to = s.to
			}
			continue
		}
		out = append(out, s)
	}
	return out
}

// clip cuts spans to one, and merges them.
func clip(spans []span, to span) []span {
	out := make([]span, len(spans))
	for i, s := range spans {
		out[i] = s.within(to)
	}
	return merge(out)
}

// union is how long at least one of the spans lasts.
func union(spans []span) (d time.Duration) {
	for _, s := range merge(spans) {
		d += s.length()
	}
	return d
}

// extent is one bad state in time: as it was seen, as short and as long as it may
// have been. low lies in seen, seen in high.
type extent struct{ low, seen, high span }

func (e extent) within(o span) extent {
	return extent{e.low.within(o), e.seen.within(o), e.high.within(o)}
}

// hours is a sum or a union over extents.
func hoursOf(extents []extent, add func([]span) time.Duration) Hours {
	pick := func(f func(extent) span) float64 {
		spans := make([]span, len(extents))
		for i, e := range extents {
			spans[i] = f(e)
		}
		return hours(add(spans))
	}
	return Hours{
		Low:  pick(func(e extent) span { return e.low }),
		Seen: pick(func(e extent) span { return e.seen }),
		High: pick(func(e extent) span { return e.high }),
	}
}

func sum(spans []span) (d time.Duration) {
	for _, s := range spans {
		d += s.length()
	}
	return d
}

func (h Hours) plus(o Hours) Hours {
	return Hours{round(h.Low + o.Low), round(h.Seen + o.Seen), round(h.High + o.High)}
}

// hours of a length, to a thousandth (3.6 s): looks are minutes apart.
func hours(d time.Duration) float64 { return round(d.Hours()) }

func round(x float64) float64 { return math.Round(x*1000) / 1000 }
