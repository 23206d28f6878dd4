package store

import (
	"slices"

	"repwatch/checks/smtp"
	"repwatch/incident"
	"repwatch/reputation"
)

// What must hold after every transaction. A bad state has an open episode, an open
// episode is in an open incident, and of an open incident people were told or
// an alert waits (rule of truth 9).

func (v verifier) episodes() {
	for id, e := range v.tx.Episodes().All() {
		v.Report.Episodes++
		if !e.Open() {
			continue
		}
		if _, ok, err := v.tx.Record(e.Seq); err == nil && !ok && e.Seq > 0 {
			v.add("episodes", "episode %d of %s began with record %d, which is missing", id, e.Subject, e.Seq)
		}
		v.episodeIncident(e)
		v.episodeState(e)
	}
}

func (v verifier) episodeIncident(e incident.Episode) {
	if e.Incident == "" {
		return
	}
	i, ok, err := v.tx.Incidents().Get(e.Incident)
	switch {
	case err != nil: // said by incidents
	case !ok:
		v.add("incidents", "episode %d of %s is in incident %s, which is missing", e.ID, e.Subject, e.Incident)
	case i.Status != incident.Open && i.ClosedBy == "": // what a person closed may still be bad
		v.add("incidents", "episode %d of %s is open, its incident %s is %s", e.ID, e.Subject, e.Incident, i.Status)
	case !slices.Contains(i.Episodes, e.ID):
		v.add("incidents", "episode %d of %s is in incident %s, which does not know it", e.ID, e.Subject, e.Incident)
	}
}

// episodeState: what is bad has a row of its own among what is bad now.
func (v verifier) episodeState(e incident.Episode) {
	var known uint64
	var what string
	switch e.Subject.Kind {
	case reputation.KindListing:
		l, _, _ := v.tx.Listings().Get(e.Subject)
		known, what = l.Episode, "listing"
	case reputation.KindWire, reputation.KindControl:
		w, _, _ := v.tx.Wire().Get(e.Subject)
		known, what = w.Episode, "loss"
		if w.Standing != smtp.StandingLost {
			known = 0
		}
	default:
		f, _, _ := v.tx.Faults().Get(e.Subject)
		known, what = f.Episode, "fault"
	}
	if known != e.ID {
		v.add("state", "episode %d of %s is open, but there is no such %s now", e.ID, e.Subject, what)
	}
}

func (v verifier) listings() {
	for s, l := range v.tx.Listings().All() {
		v.hasEpisode(s, l.Episode, "is listed")
	}
}

func (v verifier) wire() {
	for s, w := range v.tx.Wire().All() {
		if w.Standing == smtp.StandingLost {
			v.hasEpisode(s, w.Episode, "is lost")
		}
	}
}

func (v verifier) faults() {
	for s, f := range v.tx.Faults().All() {
		if f.Episode > 0 {
			v.hasEpisode(s, f.Episode, "is faulty")
		}
	}
}

func (v verifier) hasEpisode(s reputation.Subject, id uint64, what string) {
	e, ok, err := v.tx.Episodes().Get(id)
	switch {
	case err != nil: // said by episodes
	case !ok:
		v.add("state", "%s %s, but has no episode %d", s, what, id)
	case !e.Open() || e.Subject != s:
		v.add("state", "%s %s, but its episode %d is of %s (open: %t)", s, what, id, e.Subject, e.Open())
	}
}

func (v verifier) episodeIndexes() {
	open := 0
	all := 0
	for id, e := range v.tx.Episodes().All() {
		all++
		there := v.tx.get(bucketEpisodesOpen, number(id)) != nil
		if there != e.Open() {
			v.add("index", "episode %d: open %t, in %s %t", id, e.Open(), bucketEpisodesOpen, there)
		}
		if e.Open() {
			open++
		}
		if !slices.Contains(v.episodesOf(e.Subject), id) {
			v.add("index", "episode %d of %s is missing from %s", id, e.Subject, bucketEpisodesOf)
		}
	}
	if n := v.count(bucketEpisodesOpen); n != open {
		v.add("index", "%s has %d entries for %d open episodes", bucketEpisodesOpen, n, open)
	}
	if n := v.count(bucketEpisodesOf); n != all {
		v.add("index", "%s has %d entries for %d episodes", bucketEpisodesOf, n, all)
	}
}

func (v verifier) episodesOf(s reputation.Subject) (ids []uint64) {
	for e := range v.tx.EpisodesOf(s) {
		ids = append(ids, e.ID)
	}
	return ids
}

func (v verifier) incidents() {
	open := 0
	for id, i := range v.tx.Incidents().All() {
		v.Report.Incidents++
		is := i.Status == incident.Open
		key, _ := incidentKeys.encode(id)
		there := v.tx.get(bucketIncidentsOpen, key) != nil
		if there != is {
			v.add("index", "incident %s: open %t, in %s %t", id, is, bucketIncidentsOpen, there)
		}
		if !is {
			continue
		}
		open++
		for _, e := range i.Episodes {
			if _, ok, err := v.tx.Episodes().Get(e); err == nil && !ok {
				v.add("incidents", "incident %s holds episode %d, which is missing", id, e)
			}
		}
		v.told(i)
	}
	if n := v.count(bucketIncidentsOpen); n != open {
		v.add("index", "%s has %d entries for %d open incidents", bucketIncidentsOpen, n, open)
	}
}

// told: of an open incident that deserves it people were told, or an alert waits.
func (v verifier) told(i incident.Incident) {
	if !i.Told || i.Alert == "never" || i.Alert == "digest" {
		return
	}
	if told, _, _ := v.tx.Told().Get(i.ID); len(told) > 0 {
		return
	}
	for range v.tx.HandlesOf(i.ID) {
		return
	}
	for range v.tx.PendingOf(i.ID) {
		return
	}
	v.add("alerts", "incident %s is open, but nobody was told and no alert waits", i.ID)
}

func (v verifier) outbox() {
	for q := range v.tx.queued(nil, func(*Queued) bool { return true }) {
		if q.Incident != "" && !v.knows(q.Incident) {
			v.add("alerts", "alert %d for %s is about incident %s, which is missing", q.Seq, q.Notifier, q.Incident)
		}
	}
	for _, h := range v.tx.handles().All() {
		if h.Incident != "" && !v.knows(h.Incident) {
			v.add("alerts", "%s has a message of incident %s, which is missing", h.Notifier, h.Incident)
		}
	}
	for id := range v.tx.Told().All() {
		if !v.knows(id) {
			v.add("alerts", "people were told of incident %s, which is missing", id)
		}
	}
}

func (v verifier) messages() {
	for id := range v.tx.Messages().All() {
		if !v.knows(id) {
			v.add("alerts", "there is a message of incident %s, which is missing", id)
		}
	}
}

func (v verifier) knows(id string) bool {
	key, err := incidentKeys.encode(id)
	return err == nil && v.tx.get(bucketIncidents, key) != nil
}

// forecasts are about a listing that is in the journal.
func (v verifier) forecasts() {
	for key, f := range v.tx.Forecasts().All() {
		if want := ForecastKey(f.ListingSeq, f.Partner); key != want {
			v.add("forecasts", "a forecast for %s stands at %q, it should be at %q", f.Partner, key, want)
		}
		r, ok, err := v.tx.Record(f.ListingSeq)
		switch {
		case err != nil: // said by journal
		case !ok:
			v.add("forecasts", "a forecast for %s is about record %d, which is missing", f.Partner, f.ListingSeq)
		case r.What != incident.Listed && r.What != incident.Relisted:
			v.add("forecasts", "a forecast for %s is about record %d, which is no listing (%s)", f.Partner, f.ListingSeq, r.What)
		}
	}
}
