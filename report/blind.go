package report

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"repwatch/incident"
	"repwatch/reputation"
)

// blinded says what cannot be told while a part of our seeing fails.
type blinded struct{ lists, partners bool }

// blinds are the parts of our seeing, by the domain of their subjects.
var blinds = map[string]blinded{
	"resolver": {lists: true},
	"coverage": {lists: true},
	"port25":   {partners: true},
	"looking":  {lists: true, partners: true},
}

// suspensions reads from the journal when lists were not believed.
func (b *builder) suspensions() error {
	began := map[string]incident.Record{}
	for r := range b.tx.HistoryOf("list", reputation.KindHealth) {
		id := r.Subject.Target
		switch r.What {
		case incident.Suspended:
			if _, already := began[id]; !already {
				began[id] = r
			}
		case incident.Believed, incident.Unwatched:
			if first, ok := began[id]; ok {
				b.suspended[id] = append(b.suspended[id], suspension{span: span{first.At, r.At}, why: first.Words})
				delete(began, id)
			}
		}
	}
	for id, r := range began {
		b.suspended[id] = append(b.suspended[id], suspension{span: span{r.At, b.now}, open: true, why: r.Words})
	}
	return b.tx.Err()
}

// listBlind and partnersBlind are when nothing could be told.
func (b *builder) listBlind(id string) (spans []span) {
	for _, s := range b.suspended[id] {
		spans = append(spans, s.span)
	}
	for _, s := range b.seeing {
		if blinds[s.Subject.Domain].lists {
			spans = append(spans, s.seen)
		}
	}
	return clip(spans, b.seen)
}

// partnerBlind of one sending address, or of all where who is empty: port 25 is
// closed to one address at a time.
func (b *builder) partnerBlind(who string) (spans []span) {
	for _, s := range b.seeing {
		if blinds[s.Subject.Domain].partners && (s.Subject.Target == "" || s.Subject.Target == who) {
			spans = append(spans, s.seen)
		}
	}
	return clip(spans, b.seen)
}

// nearLimit is the share of a day's questions from which a list is said to be near its limit.
const nearLimit = .8

func (b *builder) blind() error {
	d := Blind{Spans: []Suspension{}, Keys: []KeyUse{}, Looking: []string{}}
	d.Lists, d.Partners = b.unknownShares()
	elapsed := span{b.week.From, b.now}.within(b.week.span()).length()
	if elapsed > 0 {
		d.Told = round5(b.seen.length().Hours() / elapsed.Hours() * (1 - max(d.Lists, d.Partners)))
	}
	if missing := elapsed - b.seen.length(); missing > time.Minute {
		d.Looking = append(d.Looking, fmt.Sprintf("nothing was watched in the first %s of it", lasting(hours(missing))))
	}
	b.blindSpans(&d)
	for _, l := range b.cfg.Lists {
		_, perDay := l.Limits()
		spent, ok, err := b.tx.Budgets().Get(l.ID)
		if err != nil {
			return err
		}
		if !ok || perDay == 0 || float64(spent.Spent) < nearLimit*float64(perDay) {
			continue
		}
		day := time.Unix(spent.Day*24*60*60, 0).UTC().Format(time.DateOnly)
		d.Keys = append(d.Keys, KeyUse{List: l.ID, Day: day, Spent: spent.Spent, PerDay: perDay, Share: round(float64(spent.Spent) / float64(perDay))})
	}
	b.doc.Blind = d
	return nil
}

// unknownShares are the unknown parts of list-hours and of pair-hours.
func (b *builder) unknownShares() (lists, partners float64) {
	watched := b.seen.length().Hours()
	if watched <= 0 {
		return 0, 0
	}
	for _, l := range b.cfg.Lists {
		lists += union(b.listBlind(l.ID)).Hours()
	}
	pairs := 0
	for _, from := range b.pairs {
		for ip := range from {
			partners += union(b.partnerBlind(ip)).Hours()
			pairs++
		}
	}
	return round5(lists / (watched * float64(max(len(b.cfg.Lists), 1)))), round5(partners / (watched * float64(max(pairs, 1))))
}

func (b *builder) blindSpans(d *Blind) {
	for _, id := range sortedKeys(b.suspended) {
		for _, s := range b.suspended[id] {
			b.blindSpan(d, Suspension{List: id, Part: "list", Why: s.why}, s.span, s.open)
		}
	}
	for _, s := range b.seeing {
		b.blindSpan(d, Suspension{Part: s.Subject.Domain, Why: s.Fault.What}, s.seen, s.Open())
	}
	slices.SortStableFunc(d.Spans, func(x, y Suspension) int { return cmp.Compare(y.Hours, x.Hours) })
}

func (b *builder) blindSpan(d *Blind, row Suspension, s span, open bool) {
	cut := s.within(b.seen)
	if cut.empty() {
		return
	}
	row.From, row.Hours = utc(s.from), hours(cut.length())
	if !open {
		row.To = utc(s.to)
	}
	d.Spans = append(d.Spans, row)
}
