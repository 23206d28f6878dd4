package report

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"repwatch/cause"
	"repwatch/correlate"
	"repwatch/store"
)

// believed is the least belief at which an edge is something to speak of.
const believed = .5

// learned sets what was believed at the end of the week beside what was at its begin.
func (b *builder) learned() error {
	d := Learned{Edges: []Edge{}, Forecasts: []Forecast{}}
	c := correlate.New(cause.Options(b.tx, b.cfg))
	was, err := b.beliefs(c, 0, b.week.From)
	if err != nil {
		return err
	}
	is, err := b.beliefs(c, was.seq, b.week.To)
	if err != nil {
		return err
	}
	for _, e := range is.edges {
		if e.Standing == correlate.Learned {
			d.Known++
		}
	}
	for _, e := range slices.Concat(is.edges, b.forgotten(c, was, is)) {
		if before := was.standing[pair{e.Partner, e.List}]; before != e.Standing && e.Fired > 0 {
			d.Edges = append(d.Edges, Edge{Partner: e.Partner, List: e.List, Was: before, Is: e.Standing, Words: e.String()})
		}
	}
	for _, f := range b.tx.Forecasts().All() {
		b.judged(&d, f)
	}
	slices.SortStableFunc(d.Forecasts, func(x, y Forecast) int { return cmp.Or(x.At.Compare(*y.At), cmp.Compare(x.Partner, y.Partner)) })
	d.Score.settle()
	d.Ever.settle()
	b.doc.Learned = d
	return b.tx.Err()
}

// forgotten are the edges that were believed before the week, and are not any more.
func (b *builder) forgotten(c *correlate.Correlator, was, is beliefs) (out []correlate.Edge) {
	gone := maps.Clone(was.standing)
	for p := range is.standing {
		delete(gone, p)
	}
	if len(gone) == 0 {
		return nil
	}
	for _, e := range c.Edges(b.until(b.week.To), 0) {
		if _, ok := gone[pair{e.Partner, e.List}]; ok {
			out = append(out, e)
		}
	}
	return out
}

// until is a moment, or now where it is yet to come.
func (b *builder) until(t time.Time) time.Time {
	if t.After(b.now) {
		return b.now
	}
	return t
}

type pair struct{ partner, list string }

// beliefs are the edges that are believed as of a moment.
type beliefs struct {
	seq      uint64 // of the last record that was observed
	edges    []correlate.Edge
	standing map[pair]correlate.Standing
}

// beliefs feeds the correlator the records after seq and before a moment, and asks what it believes.
func (b *builder) beliefs(c *correlate.Correlator, seq uint64, until time.Time) (beliefs, error) {
	out := beliefs{seq: seq, standing: map[pair]correlate.Standing{}}
	for r := range b.tx.After(seq) {
		if !r.At.Before(until) {
			break
		}
		if err := cause.Observe(c, r); err != nil {
			return out, err
		}
		out.seq = r.Seq
	}
	for _, e := range c.Edges(b.until(until), believed) {
		out.edges = append(out.edges, e)
		out.standing[pair{e.Partner, e.List}] = e.Standing
	}
	return out, b.tx.Err()
}

func (b *builder) judged(d *Learned, f store.Forecast) {
	if f.Outcome == "" || !f.Judged.Before(b.week.To) {
		return
	}
	d.Ever.add(f)
	if f.Judged.Before(b.week.From) {
		return
	}
	d.Score.add(f)
	d.Forecasts = append(d.Forecasts, Forecast{IP: f.IP, List: f.List, Partner: f.Partner, P: round(f.P), At: utc(f.At), Outcome: f.Outcome})
}

func (s *Score) add(f store.Forecast) {
	miss := f.P // the distance from what came
	if f.Outcome == "hit" {
		s.Hits++
		miss = 1 - f.P
	} else {
		s.Misses++
	}
	s.Expected += f.P
	if s.Brier == nil {
		s.Brier = new(float64)
	}
	*s.Brier += miss * miss
}

// settle turns sums into means.
func (s *Score) settle() {
	s.Expected = round(s.Expected)
	if s.Brier != nil {
		*s.Brier = round(*s.Brier / float64(s.Hits+s.Misses))
	}
}
