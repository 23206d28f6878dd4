package watch

import (
	"slices"
	"time"

	"repwatch/checks"
	"repwatch/checks/dnsbl"
	"repwatch/incident"
	"repwatch/reputation"
	"repwatch/store"
)

// listSubject names a list's own health in the journal.
func listSubject(id string) reputation.Subject {
	return reputation.Subject{Kind: reputation.KindHealth, Domain: "list", Target: id}
}

// list folds one list's part of a sweep. What was asked and neither hit nor
// unknown is not listed; nothing is written of it but the sweep itself.
func (x *fold) list(l checks.ListLook) error {
	st, _, err := x.tx.Lists().Get(l.List)
	if err != nil {
		return err
	}
	if err := x.listHealth(&st, l); err != nil {
		return err
	}
	if l.AllUnknown {
		if st.LostAt.IsZero() {
			st.LostAt = l.Ended
		}
		return x.tx.Lists().Put(l.List, st)
	}
	hit, before := map[string]bool{}, x.listedOn(l.List)
	for _, h := range l.Hits {
		hit[h.Who] = true
		if err := x.hit(l, st, h); err != nil {
			return err
		}
	}
	if err := x.cleared(l, st, before, hit); err != nil {
		return err
	}
	x.sure(&st, l)
	return x.tx.Lists().Put(l.List, st)
}

func (x *fold) listHealth(st *store.List, l checks.ListLook) error {
	was, is := st.Health, string(l.Health)
	st.Why, st.Tested, st.Interval = l.Why, l.Tested, l.Interval
	if was == is {
		return nil
	}
	st.Health, st.Since = is, l.Ended
	r := incident.Record{Subject: listSubject(l.List), Bracket: reputation.Bracket{After: st.SureEnded, By: l.Ended}, Words: l.Why}
	switch {
	case l.Health == dnsbl.HealthSuspended:
		r.What = incident.Suspended
	case was == string(dnsbl.HealthSuspended):
		r.What = incident.Believed
	default:
		return nil
	}
	_, err := x.append(r)
	return err
}

// lastSure is when the pair was last told for sure; zero: never.
func (x *fold) lastSure(st store.List, who string) (time.Time, error) {
	if at, stale := st.Stale[who]; stale {
		return at, nil
	}
	if st.SureStarted.IsZero() {
		return time.Time{}, nil
	}
	w, ok, err := x.tx.Subjects().Get(who)
	if err != nil || ok && w.Since.After(st.SureStarted) {
		return time.Time{}, err
	}
	return st.SureStarted, nil
}

// since is a bracket that begins where the pair was last sure, less the age that
// the answer then may have had (rule of truth 7).
func (x *fold) since(st store.List, who string, age time.Duration, by time.Time) (reputation.Bracket, error) {
	after, err := x.lastSure(st, who)
	if err != nil || after.IsZero() {
		return reputation.Bracket{By: by}, err
	}
	after = after.Add(-age)
	if after.After(by) {
		after = by
	}
	return reputation.Bracket{After: after, By: by}, nil
}

func pairOn(list, who string) reputation.Subject {
	s := reputation.Subject{Kind: reputation.KindListing, Target: list}
	s.SetWho(who)
	return s
}

func (x *fold) hit(l checks.ListLook, st store.List, h checks.Hit) error {
	s := pairOn(l.List, h.Who)
	cur, known, err := x.tx.Listings().Get(s)
	if err != nil {
		return err
	}
	if known && cur.Accuses() == h.Accuses() {
		return x.still(s, cur, h)
	}
	b, err := x.onset(l, st, s, cur, known)
	if err != nil {
		return err
	}
	if known { // it said something else before: a policy code is no accusation, and the reverse
		if err := x.unlist(s, cur, b); err != nil {
			return err
		}
	}
	listing := h.Listing
	e, err := x.open(incident.Record{What: incident.Listed, Subject: s, Bracket: b, FirstSight: b.After.IsZero(), Listing: &listing})
	if err != nil {
		return err
	}
	return x.tx.Listings().Put(s, store.Listing{Listing: listing, Begin: b, FirstSight: e.FirstSight, Episode: e.ID, Seq: e.Seq})
}

// onset is when what the list says of the pair began: not before what it said until then.
func (x *fold) onset(l checks.ListLook, st store.List, s reputation.Subject, cur store.Listing, known bool) (reputation.Bracket, error) {
	if known {
		b, err := x.since(st, s.Who(), st.HitAge, l.Ended)
		return notBefore(b, cur.Begin.By), err
	}
	b, err := x.since(st, s.Who(), st.ClearAge, l.Ended)
	if err != nil || b.After.IsZero() {
		return b, err
	}
	for e := range x.tx.EpisodesOf(s) {
		b = notBefore(b, e.End.After)
	}
	return b, x.tx.Err()
}

// notBefore moves the begin of a bracket up to t; its end never lies before its begin.
func notBefore(b reputation.Bracket, t time.Time) reputation.Bracket {
	if b.After.Before(t) {
		b.After = t
	}
	if b.By.Before(b.After) {
		b.By = b.After
	}
	return b
}

// still takes in what a listing says now: other codes are news, other words are not.
func (x *fold) still(s reputation.Subject, cur store.Listing, h checks.Hit) error {
	same := slices.Equal(cur.Codes, h.Codes) && slices.Equal(cur.Meaning, h.Meaning) && cur.Impact == h.Impact
	if same && cur.Reason == h.Reason && cur.DelistURL == h.DelistURL && cur.Alert == h.Alert {
		return nil
	}
	cur.Listing = h.Listing
	if err := x.tx.Listings().Put(s, cur); err != nil {
		return err
	}
	e, ok, err := x.tx.Episodes().Get(cur.Episode)
	if err != nil || !ok {
		return err
	}
	listing := h.Listing
	e.Listing = &listing
	if err := x.tx.Episodes().Put(e.ID, e); err != nil {
		return err
	}
	if same {
		return nil
	}
	_, err = x.append(incident.Record{What: incident.Relisted, Subject: s, Bracket: reputation.Bracket{By: x.now}, Listing: &listing, Episode: e.ID})
	return err
}

func (x *fold) unlist(s reputation.Subject, cur store.Listing, b reputation.Bracket) error {
	listing := cur.Listing
	if err := x.shut(cur.Episode, incident.Record{What: incident.Delisted, Subject: s, Bracket: b, Listing: &listing}); err != nil {
		return err
	}
	if cur.Accuses() {
		if err := x.askLost(s.Who(), x.now); err != nil {
			return err
		}
	}
	return x.tx.Listings().Delete(s)
}

// cleared ends what was listed, was asked, and is told to be listed no more.
func (x *fold) cleared(l checks.ListLook, st store.List, before []reputation.Subject, hit map[string]bool) error {
	asked, unknown := setOf(l.Asked), setOf(l.Unknown)
	for _, s := range before {
		who := s.Who()
		if hit[who] || unknown[who] || asked != nil && !asked[who] {
			continue
		}
		cur, ok, err := x.tx.Listings().Get(s)
		if err != nil || !ok {
			return err
		}
		b, err := x.since(st, who, st.HitAge, l.Ended)
		if err != nil {
			return err
		}
		if err := x.unlist(s, cur, notBefore(b, cur.Begin.By)); err != nil { // it was still listed when it was first seen to be
			return err
		}
	}
	return nil
}

// listedOn are the subjects that a list named before this batch.
func (x *fold) listedOn(list string) []reputation.Subject {
	if x.listed == nil {
		x.listed = map[string][]reputation.Subject{}
		for s := range x.tx.Listings().All() {
			x.listed[s.Target] = append(x.listed[s.Target], s)
		}
	}
	return x.listed[list]
}

// sure notes what this sweep told for sure, and of whom it could not.
func (x *fold) sure(st *store.List, l checks.ListLook) {
	if l.Asked != nil { // a part of the whole: its pairs are surer now, the sweep is as old as it was
		unknown := setOf(l.Unknown)
		for _, who := range l.Asked {
			if !unknown[who] {
				delete(st.Stale, who)
			}
		}
		return
	}
	stale := map[string]time.Time{}
	for _, who := range l.Unknown {
		if at, err := x.lastSure(*st, who); err == nil {
			stale[who] = at
		}
	}
	st.Stale, st.LostAt = stale, time.Time{}
	st.SureStarted, st.SureEnded, st.ClearAge, st.HitAge = l.Started, l.Ended, l.ClearAge, l.HitAge
}

// setOf is nil for nil.
func setOf(names []string) map[string]bool {
	if names == nil {
		return nil
	}
	m := make(map[string]bool, len(names))
	for _, n := range names {
		m[n] = true
	}
	return m
}
