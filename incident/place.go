package incident

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"repwatch/correlate"
)

// home is where a loss belongs, by its verdict.
type home struct {
	root    Root
	ip      string
	partner string
	list    string // the list to blame most, for RootListing
}

// homeOf reads a judgement. A loss that is most probably nobody's we know stays
// with its pair; an undetermined one stands beside the listing that may be its cause.
func homeOf(e *Episode, j Judgement) home {
	h := home{root: RootPair, ip: e.Subject.Who(), partner: e.Subject.Target}
	listed, top := 0.0, ""
	for _, s := range j.Shares {
		if s.Cause == correlate.ByListing {
			if top == "" {
				top = s.List
			}
			listed += s.P
		}
	}
	switch j.Cause {
	case correlate.ByListing:
		h.root, h.list = RootListing, j.List
	case correlate.ByLists:
		h.root, h.list = RootListing, top
	case correlate.ByAbuse:
		if top != "" { // one cause for both: what was abused got listed and lost
			h.root, h.list = RootListing, top
		}
	case correlate.ByPartner:
		h.root = RootPartner
	case correlate.ByPath:
		h.root = RootPath
	case correlate.Undetermined:
		if listed >= plausible {
			h.root, h.list = RootListing, top
		}
	}
	return h
}

// verdicts places losses anew by what the correlator says of them now. It runs
// before new listings are placed, so that a listing that explains an incident
// that is open already joins it instead of opening one of its own.
func (f *folding) verdicts() {
	for _, id := range sortedKeys(f.in.Judged) {
		e := f.episode(id)
		if e == nil || !isLoss(e) {
			continue
		}
		f.place(e, f.in.Judged[id])
	}
}

func (f *folding) place(e *Episode, j Judgement) {
	h := homeOf(e, j)
	cur := f.touch(e.Incident)
	if cur != nil && (cur.Status == Resolved || !e.Open()) {
		return // it is over: the words may change, the place does not
	}
	dest := f.find(h, e, cur)
	whole := cur != nil && f.goTogether(cur, e, h)
	switch {
	case dest == nil && whole:
		dest = cur
		f.reroot(cur, h)
	case dest == nil:
		dest = f.create(Reputation, h.root)
		f.reroot(dest, h)
	case whole && dest != cur:
		dest = f.merge(dest, cur)
	}
	began := e.Incident == ""
	f.join(dest, f.episode(e.ID))
	if h.root == RootListing {
		f.takeListing(dest, h)
	}
	if began {
		f.joined(dest, e)
	}
}

// goTogether: all that the incident holds has this home now, so it is the incident
// that moves and not one loss out of it.
func (f *folding) goTogether(t *touched, e *Episode, h home) bool {
	return !slices.ContainsFunc(f.episodes(&t.Incident), func(o *Episode) bool {
		if o.ID == e.ID || isLoss(o) && !o.Open() {
			return false
		}
		j, judged := f.in.Judged[o.ID]
		return !isLoss(o) || !judged || !h.same(homeOf(o, j))
	})
}

// Home names where a loss belongs by its verdict. Another home is news even where the
// verdict's own words stay.
func Home(e *Episode, v correlate.Verdict) string {
	return fmt.Sprint(homeOf(e, Judgement{Verdict: v}))
}

func (h home) same(o home) bool {
	switch {
	case h.root != o.root:
		return false
	case h.root == RootListing:
		return h.ip == o.ip && h.list == o.list
	case h.root == RootPartner:
		return h.partner == o.partner
	case h.root == RootPath:
		return h.ip == o.ip
	}
	return h.ip == o.ip || h.partner == o.partner
}

func (f *folding) reroot(t *touched, h home) {
	t.Root, t.List = h.root, h.list
	switch h.root {
	case RootPartner:
		t.IP, t.Partner = "", h.partner
	case RootPath:
		t.IP, t.Partner = h.ip, ""
	case RootListing:
		t.IP, t.Partner = h.ip, ""
	default:
		t.IP, t.Partner = h.ip, h.partner
	}
	t.quietly = true
}

// merge folds a loss's incident into that of its cause, or the other way round: the
// message that people saw first goes on, with the root of the cause.
func (f *folding) merge(cause, cur *touched) *touched {
	into, from := cause, cur
	if f.keeps(cur, cause) < 0 {
		into, from = cur, cause
		into.Root, into.List, into.IP, into.Partner = cause.Root, cause.List, cause.IP, cause.Partner
	}
	f.absorb(into, from)
	return into
}

// keeps orders incidents by which of them goes on in a merger: what people read already
// before what is about to be sent, that before what nobody is told of; then the older.
func (f *folding) keeps(a, b *touched) int {
	rank := func(t *touched) int {
		switch {
		case t.Told && !f.w.Unsent[t.ID]:
			return 0
		case t.Told:
			return 1
		}
		return 2
	}
	return cmp.Or(cmp.Compare(rank(a), rank(b)), a.Opened.Compare(b.Opened), compareID(a.ID, b.ID))
}

// absorb takes all of from into an incident that goes on.
func (f *folding) absorb(into, from *touched) {
	from.gone = f.headline(from)
	for _, e := range f.episodes(&from.Incident) {
		f.join(into, e)
	}
	into.Impact = max(into.Impact, from.Impact)
	into.Alert = moreUrgent(into.Alert, from.Alert)
	into.Mentioned = into.Mentioned || from.Mentioned && !f.w.Unsent[from.ID]
	into.Forecasts = append(slices.Clip(into.Forecasts), from.Forecasts...)
	from.Forecasts = nil
	from.Status, from.Resolved, from.Merged = Resolved, f.now, into.ID
	from.quietly = true
}

// find looks for the incident that a loss belongs to: an open one, else one that was
// over so lately that what comes back is the same.
func (f *folding) find(h home, e *Episode, cur *touched) *touched {
	if cur != nil && cur.Status == Open && f.fits(&cur.Incident, h, e) > 1 {
		return cur
	}
	best, top := "", 0
	for _, i := range f.all() {
		if n := f.fits(i, h, e); n > top {
			best, top = i.ID, n
		}
	}
	if top > 1 || top == 1 && !f.planned(e) {
		return f.reopen(best)
	}
	return nil
}

// planned: a maintenance window expects the loss, so nothing that was told as over is opened again for it.
func (f *folding) planned(e *Episode) bool {
	_, _, in := f.p.maintenance(f.now, e.Subject.Who(), e.Subject.Target)
	return in
}

// fits says how well an incident suits a loss: 0 not at all, 1 it would have to be
// reopened, 2 it is open, 3 and its listing lasts.
func (f *folding) fits(i *Incident, h home, e *Episode) int {
	if i.Kind != Reputation || i.Merged != "" || i.ClosedBy != "" || i.Root != h.root || !f.lives(i) {
		return 0
	}
	fit := 1
	if i.Status == Open {
		fit = 2
	}
	switch h.root {
	case RootListing:
		n := 0
		for _, o := range f.episodes(i) {
			if !isListing(o) || o.Subject.Who() != h.ip || o.Subject.Target != h.list {
				continue
			}
			n = max(n, fit)
			if o.Open() {
				return 3
			}
		}
		if n == 0 && i.IP == h.ip && i.List == h.list { // a person closed the listing's own incident
			n = fit
		}
		return n
	case RootPartner:
		if i.Partner == h.partner {
			return fit
		}
	case RootPath:
		if i.IP == h.ip {
			return fit
		}
	case RootPair:
		if fit == 2 && f.samePair(i, h, e) || i.IP == h.ip && i.Partner == h.partner {
			return fit
		}
	}
	return 0
}

// lives: open, or resolved so lately that what comes back is the same incident.
func (f *folding) lives(i *Incident) bool {
	return i.Status == Open || f.now.Sub(i.Resolved) <= f.p.Reopen
}

func (f *folding) reopen(id string) *touched {
	t := f.touch(id)
	if t.Status == Resolved {
		t.Status, t.Resolved, t.reopened = Open, time.Time{}, true
	}
	return t
}

// samePair: the pair itself, or its like within one round of looks: the partner
// turned against more of our addresses, or the provider against one address at more of its tenants.
func (f *folding) samePair(i *Incident, h home, e *Episode) bool {
	provider := f.p.provider(h.partner)
	return slices.ContainsFunc(f.episodes(i), func(o *Episode) bool {
		if !isLoss(o) {
			return false
		}
		who, partner := o.Subject.Who(), o.Subject.Target
		if who == h.ip && partner == h.partner {
			return true
		}
		near := o.Open() && e.Begin.By.Sub(o.Begin.By).Abs() <= together
		like := partner == h.partner || who == h.ip && provider != "" && f.p.provider(partner) == provider
		return near && like
	})
}

// takeListing brings the listing that is to blame into the incident, if no incident holds it yet.
func (f *folding) takeListing(t *touched, h home) {
	for _, e := range f.known() {
		if accusing(e) && e.Incident == "" && e.Open() && e.Subject.Who() == h.ip && e.Subject.Target == h.list {
			f.join(t, e)
			f.joined(t, f.episode(e.ID))
		}
	}
}

// known are all episodes, changed ones as they are now, in order.
func (f *folding) known() []*Episode {
	out := make([]*Episode, 0, len(f.w.Episodes))
	for _, id := range sortedKeys(f.w.Episodes) {
		out = append(out, f.episode(id))
	}
	return out
}

// begin places new listings and faults. Losses were placed by their verdicts; one
// that nobody judged is placed as undetermined.
func (f *folding) begin() {
	for _, r := range f.in.Changes {
		e := f.episode(r.Episode)
		if e == nil || !e.Open() {
			continue
		}
		if r.What == Relisted && accusing(e) {
			f.accused(e)
			continue
		}
		if e.Seq != r.Seq || e.Incident != "" {
			continue
		}
		switch {
		case accusing(e):
			f.placeListing(e)
		case isLoss(e):
			f.place(e, Judgement{Verdict: correlate.Verdict{Cause: correlate.Undetermined}})
		case e.Fault != nil:
			f.placeFault(e)
		}
	}
}

// accused places a listing that was no accusation, or no longer one, and is now.
func (f *folding) accused(e *Episode) {
	switch t := f.touch(e.Incident); {
	case t == nil:
		f.placeListing(e)
	case t.Status == Resolved && t.ClosedBy == "":
		f.joined(f.reopen(t.ID), e)
	}
}

func (f *folding) placeListing(e *Episode) {
	t := f.campaignOf(e)
	if t == nil {
		t = f.massOf(e)
	}
	if t == nil {
		t = f.create(Reputation, RootListing)
		t.IP, t.List = e.Subject.Who(), e.Subject.Target
	}
	f.join(t, e)
	f.joined(t, f.episode(e.ID))
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
