package incident

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"repwatch/correlate"
	"repwatch/reputation"
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
	switch {
	case dest == nil && cur != nil && f.alone(cur, e):
		dest = cur
		f.reroot(cur, h)
	case dest == nil:
		dest = f.create(Reputation, h.root)
		f.reroot(dest, h)
	case cur != nil && dest != cur && f.alone(cur, e):
		dest = f.merge(dest, cur, h)
	}
	moved := cur != nil && cur != dest
	began := e.Incident == ""
	f.join(dest, f.episode(e.ID))
	if h.root == RootListing {
		f.takeListing(dest, h)
	}
	if began {
		f.joined(dest, e)
	}
	if moved && cur.Merged == "" {
		cur.say(sayMoved(e, dest.ID))
	}
}

// alone: nothing else holds the incident together than this loss.
func (f *folding) alone(t *touched, e *Episode) bool {
	return !slices.ContainsFunc(f.episodes(&t.Incident), func(o *Episode) bool { return o.ID != e.ID })
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

// merge folds the younger of two incidents into the older, which keeps its
// message, and gives it the root they share.
func (f *folding) merge(a, b *touched, h home) *touched {
	into, from := a, b
	if b.Told && !a.Told || b.Told == a.Told && b.Opened.Before(a.Opened) {
		into, from = b, a
	}
	if into != a {
		f.reroot(into, h)
	}
	f.absorb(into, from)
	return into
}

// absorb takes all of from into an incident that goes on.
func (f *folding) absorb(into, from *touched) {
	for _, e := range f.episodes(&from.Incident) {
		f.join(into, e)
	}
	into.Impact = max(into.Impact, from.Impact)
	into.Alert = moreUrgent(into.Alert, from.Alert)
	from.Status, from.Resolved, from.Merged = Resolved, f.now, into.ID
	from.quietly = true
}

// find looks for the open incident that a loss belongs to.
func (f *folding) find(h home, e *Episode, cur *touched) *touched {
	for _, i := range f.all() {
		if i.Kind != Reputation || i.Merged != "" || i.ClosedBy != "" || i.Root != h.root || !f.lives(i) {
			continue
		}
		fits := false
		switch h.root {
		case RootListing:
			fits = slices.ContainsFunc(f.episodes(i), func(o *Episode) bool {
				return isListing(o) && o.Subject.Who() == h.ip && o.Subject.Target == h.list
			})
		case RootPartner:
			fits = i.Partner == h.partner
		case RootPath:
			fits = i.IP == h.ip
		case RootPair:
			fits = f.samePair(i, h, e)
		}
		if fits && (i.Status == Open || h.root == RootListing || i.IP == h.ip && i.Partner == h.partner) {
			return f.reopen(i.ID)
		}
	}
	if cur != nil && cur.Root == h.root && cur.Status == Open && (h.root != RootListing || cur.List == h.list) {
		return cur
	}
	return nil
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
		if isListing(e) && e.Incident == "" && e.Open() && e.Subject.Who() == h.ip && e.Subject.Target == h.list {
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
		if e == nil || e.Seq != r.Seq || e.Incident != "" || !e.Open() {
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

func (f *folding) placeListing(e *Episode) {
	who, list := e.Subject.Who(), e.Subject.Target
	t := f.campaignOf(who, list, e)
	if t == nil {
		t = f.massOf(list, e)
	}
	if t == nil {
		t = f.create(Reputation, RootListing)
		t.IP, t.List = who, list
	}
	f.join(t, e)
	f.joined(t, f.episode(e.ID))
}

// campaignOf finds the incident of the address that a further listing belongs to:
// one of the same list that was over a moment ago, or one that began within hours.
func (f *folding) campaignOf(who, list string, e *Episode) *touched {
	for _, i := range f.all() {
		if i.Root != RootListing || i.Merged != "" || i.ClosedBy != "" || !f.lives(i) {
			continue
		}
		for _, o := range f.episodes(i) {
			if !isListing(o) || o.ID == e.ID || o.Subject.Who() != who {
				continue
			}
			if o.Subject.Target == list || i.Status == Open && e.Begin.By.Sub(o.Begin.By) <= campaign {
				return f.reopen(i.ID)
			}
		}
	}
	return nil
}

// massOf finds, or makes out of the newest of them, the incident of many addresses that one list hit at once.
func (f *folding) massOf(list string, e *Episode) *touched {
	var newest *Incident
	hit := map[string]bool{e.Subject.Who(): true}
	for _, i := range f.all() {
		if i.Root != RootListing || i.Status != Open || i.List != list || i.ClosedBy != "" {
			continue
		}
		for _, o := range f.episodes(i) {
			if isListing(o) && o.Subject.Target == list && o.Open() && e.Begin.By.Sub(o.Begin.By).Abs() <= massWindow {
				hit[o.Subject.Who()] = true
				newest = i
			}
		}
	}
	for _, r := range f.in.Changes { // those of the same sweep that wait for their place
		if r.What == Listed && r.Subject.Target == list && r.Listing != nil && r.Listing.Accuses() {
			hit[r.Subject.Who()] = true
		}
	}
	if len(hit) <= f.p.DigestOver {
		return nil
	}
	if newest == nil || newest.Told && !f.w.Unsent[newest.ID] && len(newest.Episodes) < 2 {
		return nil
	}
	t := f.touch(newest.ID)
	t.IP = ""
	f.gather(t, list)
	return t
}

// gather takes in the other incidents of the list that nobody was told of yet.
func (f *folding) gather(t *touched, list string) {
	for _, i := range f.all() {
		if i.ID == t.ID || i.Root != RootListing || i.Status != Open || i.List != list || i.Opened.Before(f.now.Add(-massWindow)) {
			continue
		}
		if i.Told && !f.w.Unsent[i.ID] {
			continue
		}
		f.absorb(t, f.touch(i.ID))
	}
}

func (f *folding) placeFault(e *Episode) {
	kind := Own
	if e.Subject.Kind == reputation.KindHealth {
		kind = Health
	}
	who := e.Subject.Who()
	var t *touched
	for _, i := range f.all() {
		if i.Kind == kind && i.IP == who && i.ClosedBy == "" && f.lives(i) {
			t = f.reopen(i.ID)
		}
	}
	if t == nil {
		t = f.create(kind, RootFault)
		t.IP, t.Fault = who, e.Fault.ID
	}
	f.join(t, e)
	f.joined(t, f.episode(e.ID))
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
