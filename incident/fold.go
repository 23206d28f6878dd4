package incident

import (
	"maps"
	"reflect"
	"slices"
	"strconv"
	"time"

	"repwatch/correlate"
	"repwatch/reputation"
)

// World is what Fold needs to know of the past. Fold changes nothing in it.
type World struct {
	// Incidents are those open, and those resolved of late (Policy.Reopen, and 6 h for revised verdicts).
	Incidents map[string]*Incident
	// Episodes are those open, and those of Incidents.
	Episodes map[uint64]*Episode
	// Unsent are the incidents whose first alert still waits in the outbox, untried everywhere.
	Unsent map[string]bool
	// Notices are the unsent notices by key.
	Notices map[string]Alert
}

// Judgement is what the correlator says of a loss now, with its reasons.
type Judgement struct {
	correlate.Verdict
	Why  []string
	Next string
}

// Input is one transaction's news.
type Input struct {
	Now time.Time
	// Changes are the records appended in this transaction. Their episodes are in World already, begun or ended.
	Changes []Record
	// Judged are the losses judged anew, by episode.
	Judged map[uint64]Judgement
	// Forecasts are what listings will probably break, by the listing's episode. Only listings mentioned are changed.
	Forecasts map[uint64][]Forecast
	// NewID gives the next incident's id.
	NewID func() string
}

// Output is what changed.
type Output struct {
	Incidents []Incident // changed or new, by id
	Episodes  []Episode  // those that joined or changed their incident, by id
	Alerts    []Alert
	// Messages are those of the incidents, as they are now.
	Messages map[string]Message
	// Withdrawn are incidents whose unsent alerts are to be dropped: they turned out to be part of another.
	Withdrawn []string
}

// Fold places what changed into incidents and decides what people are told. It is pure
// but for Input.NewID: the same input gives the same output.
func Fold(w World, in Input, p Policy) Output {
	f := &folding{w: w, in: in, p: p, now: in.Now, inc: map[string]*touched{}, eps: map[uint64]*Episode{}}
	f.verdicts()
	f.begin()
	f.moved()
	f.end()
	f.forecasts()
	f.notices()
	f.settle()
	return f.out()
}

// folding is one Fold.
type folding struct {
	w   World
	in  Input
	p   Policy
	now time.Time

	inc    map[string]*touched // incidents changed or new
	eps    map[uint64]*Episode // episodes changed
	alerts []Alert
	moves  []move

	withdrawn []string
}

// move is an episode that left an incident for another.
type move struct {
	episode uint64
	from    string
}

// touched is an incident under change, beside what it was.
type touched struct {
	Incident
	was      Incident
	isNew    bool
	news     []line
	quietly  bool // changed, but nothing worth a reply
	loud     bool // a loss joined what was only a listing
	reopened bool
	gone     string // its headline, before another took in its episodes
	ended    bool   // its last episode ended in this transaction
}

func (t *touched) say(text string) { t.news = append(t.news, line{text: text}) }

// note keeps the news with the incident.
func (t *touched) note(now time.Time) {
	for _, text := range condense(t.news) {
		t.Said = append(t.Said, Said{now, text})
	}
	t.Said = t.Said[max(0, len(t.Said)-maxSaid):]
}

// touch is the incident, ready to be changed; nil if it is not known.
func (f *folding) touch(id string) *touched {
	if t := f.inc[id]; t != nil {
		return t
	}
	i := f.w.Incidents[id]
	if i == nil {
		return nil
	}
	t := &touched{Incident: *i, was: *i}
	t.Episodes = slices.Clone(i.Episodes)
	t.Said = slices.Clone(i.Said)
	t.Held = slices.Clone(i.Held)
	f.inc[id] = t
	return t
}

func (f *folding) create(kind Kind, root Root) *touched {
	t := &touched{isNew: true, Incident: Incident{ID: f.in.NewID(), Kind: kind, Root: root, Status: Open, Opened: f.now, Alert: Never}}
	f.inc[t.ID] = t
	return t
}

// all are the incidents as they are now, by id, oldest first.
func (f *folding) all() []*Incident {
	merged := map[string]*Incident{}
	for id, i := range f.w.Incidents {
		merged[id] = i
	}
	for id, t := range f.inc {
		merged[id] = &t.Incident
	}
	out := slices.Collect(maps.Values(merged))
	slices.SortFunc(out, func(a, b *Incident) int { return compareID(a.ID, b.ID) })
	return out
}

func compareID(a, b string) int {
	x, _ := strconv.ParseUint(a, 10, 64)
	y, _ := strconv.ParseUint(b, 10, 64)
	switch {
	case x < y:
		return -1
	case x > y:
		return 1
	}
	return 0
}

func (f *folding) episode(id uint64) *Episode {
	if e := f.eps[id]; e != nil {
		return e
	}
	return f.w.Episodes[id]
}

// episodes of an incident that are known.
func (f *folding) episodes(i *Incident) []*Episode {
	out := make([]*Episode, 0, len(i.Episodes))
	for _, id := range i.Episodes {
		if e := f.episode(id); e != nil {
			out = append(out, e)
		}
	}
	return out
}

// join puts an episode into an incident, out of the one it was in.
func (f *folding) join(t *touched, e *Episode) {
	if e.Incident == t.ID {
		return
	}
	if from := f.touch(e.Incident); from != nil {
		from.Episodes = without(from.Episodes, e.ID)
		if slices.Contains(from.Held, e.ID) {
			from.Held, t.Held = without(from.Held, e.ID), append(t.Held, e.ID)
			t.Maintenance = from.Maintenance
		}
		from.quietly = true
		f.moves = append(f.moves, move{e.ID, from.ID})
	}
	c := *e
	c.Incident = t.ID
	f.eps[c.ID] = &c
	t.Episodes = append(t.Episodes, c.ID)
	t.quietly = true
}

func without(ids []uint64, id uint64) []uint64 {
	return slices.DeleteFunc(ids, func(o uint64) bool { return o == id })
}

func (f *folding) out() Output {
	o := Output{Messages: map[string]Message{}}
	for _, id := range slices.SortedFunc(maps.Keys(f.inc), compareID) {
		t := f.inc[id]
		if t.isNew || t.changed() {
			t.Updated = f.now
			o.Incidents = append(o.Incidents, t.Incident)
			o.Messages[id] = f.message(t)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(f.eps)) {
		o.Episodes = append(o.Episodes, *f.eps[id])
	}
	o.Alerts, o.Withdrawn = f.alerts, f.withdrawn
	return o
}

func (t *touched) changed() bool {
	return t.quietly || t.reopened || t.ended || len(t.news) > 0 || !reflect.DeepEqual(t.Incident, t.was)
}

// isLoss reports that a partner treats a sending IP badly.
func isLoss(e *Episode) bool { return e.Subject.Kind == reputation.KindWire }

func isListing(e *Episode) bool { return e.Subject.Kind == reputation.KindListing }

// lasts: the bad state goes on. A listing of which the list now says nothing bad is none.
func lasts(e *Episode) bool { return e.Open() && (!isListing(e) || accusing(e)) }

// accusing reports a listing that is bad news.
func accusing(e *Episode) bool { return isListing(e) && e.Listing != nil && e.Listing.Accuses() }
