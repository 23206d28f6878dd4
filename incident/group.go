package incident

import (
	"slices"

	"repwatch/reputation"
)

// campaignOf finds the incident of the address that a further listing belongs to:
// that of the same listing if it ended a moment ago, or one that began within hours.
func (f *folding) campaignOf(e *Episode) *touched {
	for _, i := range f.all() {
		if i.Root != RootListing || i.Merged != "" || i.ClosedBy != "" || !f.lives(i) {
			continue
		}
		for _, o := range f.episodes(i) {
			if !isListing(o) || o.ID == e.ID || o.Subject.Who() != e.Subject.Who() {
				continue
			}
			again := o.Subject.Target == e.Subject.Target && f.now.Sub(o.Ended) <= f.p.Reopen
			if again || i.Status == Open && e.Begin.By.Sub(o.Begin.By).Abs() <= campaign {
				return f.reopen(i.ID)
			}
		}
	}
	return nil
}

// massOf is the incident of many addresses that one list hit at once, if so many
// were: one of theirs takes in the others, or a new one is begun for all of them.
// What a person has in hand stays apart.
func (f *folding) massOf(e *Episode) *touched {
	list := e.Subject.Target
	hit := map[string]bool{e.Subject.Who(): true}
	var theirs []*touched
	for _, i := range f.all() {
		if i.Root != RootListing || i.Status != Open {
			continue
		}
		before := len(hit)
		for _, o := range f.episodes(i) {
			if accusing(o) && o.Open() && f.sameHit(o, e) {
				hit[o.Subject.Who()] = true
			}
		}
		if len(hit) > before && i.List == list && i.AckedAt.IsZero() && !i.quiet(f.now) {
			theirs = append(theirs, f.touch(i.ID))
		}
	}
	for _, r := range f.in.Changes { // those of the same sweep that wait for their place
		if o := f.episode(r.Episode); r.What == Listed && o != nil && accusing(o) && o.Open() && f.sameHit(o, e) {
			hit[o.Subject.Who()] = true
		}
	}
	if len(hit) <= f.p.DigestOver {
		return nil
	}
	if len(theirs) == 0 {
		t := f.create(Reputation, RootListing)
		t.List = list
		return t
	}
	slices.SortStableFunc(theirs, f.keeps)
	t := theirs[0]
	t.IP, t.List = "", list
	for _, o := range theirs[1:] {
		f.absorb(t, o)
	}
	return t
}

func (f *folding) sameHit(o, e *Episode) bool {
	return o.Subject.Target == e.Subject.Target && e.Begin.By.Sub(o.Begin.By).Abs() <= massWindow
}

// placeFault: faults of one subject that are found together are one incident, as is
// one that was mended a moment ago. Later ones have a cause of their own. The same
// fault of many addresses is one incident: a range without PTR is one piece of work.
func (f *folding) placeFault(e *Episode) {
	kind := Own
	if e.Subject.Kind == reputation.KindHealth {
		kind = Health
	}
	t := f.manyFaulty(kind, e)
	if t == nil {
		t = f.faultsOf(kind, e)
	}
	if t == nil {
		t = f.create(kind, RootFault)
		t.IP, t.Fault = e.Subject.Who(), e.Fault.ID
	}
	f.join(t, e)
	f.joined(t, f.episode(e.ID))
}

// manyFaulty is the incident of a fault that more than DigestOver of our addresses
// turned out to have at once; nil if so many have not.
func (f *folding) manyFaulty(kind Kind, e *Episode) *touched {
	if kind != Own || !e.Subject.IP.IsValid() {
		return nil
	}
	for _, i := range f.all() {
		if i.Kind == Own && i.IP == "" && i.Fault == e.Fault.ID && i.Status == Open && i.ClosedBy == "" {
			return f.touch(i.ID)
		}
	}
	who := map[string]bool{}
	for _, r := range f.in.Changes {
		o := f.episode(r.Episode)
		if r.What == Faulty && o != nil && o.Fault != nil && o.Fault.ID == e.Fault.ID && o.Subject.IP.IsValid() && o.Subject.Kind == e.Subject.Kind {
			who[o.Subject.Who()] = true
		}
	}
	if len(who) <= f.p.DigestOver {
		return nil
	}
	t := f.create(Own, RootFault)
	t.Fault = e.Fault.ID
	return t
}

func (f *folding) faultsOf(kind Kind, e *Episode) *touched {
	for _, i := range f.all() {
		if i.Kind != kind || i.IP != e.Subject.Who() || i.ClosedBy != "" || !f.lives(i) {
			continue
		}
		for _, o := range f.episodes(i) {
			again := o.Subject == e.Subject && f.now.Sub(o.Ended) <= f.p.Reopen
			if again || i.Status == Open && e.Begin.By.Sub(o.Begin.By).Abs() <= together {
				return f.reopen(i.ID)
			}
		}
	}
	return nil
}
