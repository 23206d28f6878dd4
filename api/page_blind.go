package api

import (
	"slices"
	"time"

	"repwatch/incident"
	"repwatch/reputation"
	"repwatch/store"
)

// suspensions are when lists were not believed, by list: from the journal.
func suspensions(tx *store.Tx, now time.Time) map[string][]TimeGap {
	out, began := map[string][]TimeGap{}, map[string]incident.Record{}
	for r := range tx.HistoryOf("list", reputation.KindHealth) {
		id := r.Subject.Target
		first, open := began[id]
		switch {
		case r.What == incident.Suspended && !open:
			began[id] = r
		case open && (r.What == incident.Believed || r.What == incident.Unwatched):
			out[id] = append(out[id], TimeGap{From: utc(first.At), To: utc(r.At), Why: first.Words})
			delete(began, id)
		}
	}
	for id, r := range began {
		out[id] = append(out[id], TimeGap{From: utc(r.At), To: utc(now), Why: r.Words})
	}
	return out
}

// What is blind while a part of our seeing fails: keys of timeline.blind beside the lists.
const (
	allLists    = "\x00lists"
	allPartners = "\x00partners"
)

// blinded notes trouble of our own seeing.
func (b *timeline) blinded(e incident.Episode) {
	if e.Fault == nil {
		return
	}
	gap := TimeGap{From: utc(e.Begin.By), To: utc(b.now), Why: e.Fault.What}
	if !e.Open() {
		gap.To = utc(e.Ended)
	}
	switch e.Subject.Domain {
	case "resolver", "coverage":
		b.blind[allLists] = append(b.blind[allLists], gap)
	case "looking":
		b.blind[allLists] = append(b.blind[allLists], gap)
		b.blind[allPartners] = append(b.blind[allPartners], gap)
	case "port25": // of one address, or of all of them
		if e.Subject.Target == "" || e.Subject.Target == b.f.IP {
			b.blind[allPartners] = append(b.blind[allPartners], gap)
		}
	}
}

// gaps gives each row those of its own, and lists that were not believed a row
// where nobody asks for one address.
func (b *timeline) gaps() {
	for id := range b.blind {
		if id != allLists && id != allPartners && b.f.IP == "" && (b.f.Name == "" || b.f.Name == id) && len(b.within(b.blind[id])) > 0 {
			b.row("list", id)
		}
	}
	for key, row := range b.rows {
		if key[0] == "list" {
			row.Unknown = append(b.within(b.blind[row.Name]), b.within(b.blind[allLists])...)
		} else {
			row.Unknown = b.within(b.blind[allPartners])
		}
		slices.SortStableFunc(row.Unknown, func(x, y TimeGap) int { return x.From.Compare(*y.From) })
	}
}

// within cuts gaps to the span that is shown.
func (b *timeline) within(gaps []TimeGap) []TimeGap {
	out := []TimeGap{}
	for _, g := range gaps {
		if g.From.Before(b.f.From) {
			g.From = utc(b.f.From)
		}
		if g.To.After(b.f.To) {
			g.To = utc(b.f.To)
		}
		if g.From.Before(*g.To) {
			out = append(out, g)
		}
	}
	return out
}

// TimelineBegins is when there is something to see: the beginning of the oldest bad
// state that lasts in an incident, else of the latest that is over. Zero: nothing in
// f's span.
func TimelineBegins(tx *store.Tx, f TimelineFilter) (time.Time, error) {
	var oldest, latest time.Time
	for e := range tx.OpenEpisodes() {
		accused := e.Incident != "" && (e.Listing == nil || e.Listing.Accuses())
		if accused && e.Subject.Kind != reputation.KindHealth && f.wants(e) && (oldest.IsZero() || e.Begin.By.Before(oldest)) {
			oldest = e.Begin.By
		}
	}
	if !oldest.IsZero() {
		return oldest, tx.Err()
	}
	for r := range tx.Journal(f.From, f.To) {
		if r.Episode == 0 || r.Subject.Kind == reputation.KindHealth || !f.mayWant(r.Subject) {
			continue
		}
		e, ok, err := tx.Episodes().Get(r.Episode)
		if err != nil {
			return latest, err
		}
		if ok {
			latest = e.Begin.By
		}
	}
	return latest, tx.Err()
}
