package store

import (
	"fmt"
	"maps"
	"net/netip"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"repwatch/incident"
	"repwatch/reputation"
)

var same = []cmp.Option{cmpopts.EquateComparable(reputation.Subject{}, netip.Addr{}), cmpopts.EquateEmpty()}

// holds compares the whole store with the model.
func (w *world) holds() (diff string) {
	say := func(what string, got, want any) {
		if d := cmp.Diff(want, got, same...); d != "" {
			diff += fmt.Sprintf("%s (-want +got):\n%s", what, d)
		}
	}
	err := w.db.View(func(tx *Tx) error {
		say("listings", maps.Collect(tx.Listings().All()), w.listings)
		say("wire", maps.Collect(tx.Wire().All()), w.wire)
		say("faults", maps.Collect(tx.Faults().All()), w.faults)
		say("episodes", maps.Collect(tx.Episodes().All()), w.episodes)
		say("incidents", maps.Collect(tx.Incidents().All()), w.incidents)
		say("messages", maps.Collect(tx.Messages().All()), w.messages)
		say("told", maps.Collect(tx.Told().All()), w.told)
		say("budgets", maps.Collect(tx.Budgets().All()), w.budgets)
		say("forecasts", maps.Collect(tx.Forecasts().All()), w.forecasts)
		say("journal", slices.Collect(tx.Journal(time.Time{}, time.Time{})), w.records)
		for _, n := range notifiers {
			say("outbox of "+n, slices.Collect(tx.Pending(n)), w.outbox[n])
		}
		say("open incidents", slices.Collect(tx.OpenIncidents()), w.openIncidents())
		w.histories(tx, say)
		return nil
	})
	if err != nil {
		diff += err.Error()
	}
	return diff
}

func (w *world) openIncidents() (open []incident.Incident) {
	for _, e := range w.episodesWhere(func(e incident.Episode) bool { return e.Open() }) {
		open = append(open, w.incidents[e.Incident])
	}
	return open
}

func (w *world) episodesWhere(want func(incident.Episode) bool) (es []incident.Episode) {
	for _, id := range slices.Sorted(maps.Keys(w.episodes)) {
		if want(w.episodes[id]) {
			es = append(es, w.episodes[id])
		}
	}
	return es
}

func (w *world) recordsWhere(want func(incident.Record) bool) (rs []incident.Record) {
	for _, r := range w.records {
		if want(r) {
			rs = append(rs, r)
		}
	}
	return rs
}

// histories compares what is found by index with what is found by looking at everything.
func (w *world) histories(tx *Tx, say func(what string, got, want any)) {
	s := w.subject()
	say("episodes of "+s.String(), slices.Collect(tx.EpisodesOf(s)), w.episodesWhere(func(e incident.Episode) bool { return e.Subject == s }))
	say("open episodes", slices.Collect(tx.OpenEpisodes()), w.episodesWhere(func(e incident.Episode) bool { return e.Open() }))
	say("history of "+s.String(), slices.Collect(tx.History(s)), w.recordsWhere(func(r incident.Record) bool { return r.Subject == s }))
	who, target := s.Who(), s.Target
	say("history of "+who, slices.Collect(tx.HistoryOf(who, "")), w.recordsWhere(func(r incident.Record) bool { return r.Subject.Who() == who }))
	say("listings of "+who, slices.Collect(tx.HistoryOf(who, reputation.KindListing)),
		w.recordsWhere(func(r incident.Record) bool {
			return r.Subject.Who() == who && r.Subject.Kind == reputation.KindListing
		}))
	say("history of "+target, slices.Collect(tx.HistoryOfTarget(target, "")), w.recordsWhere(func(r incident.Record) bool { return r.Subject.Target == target }))
	say("listings on "+target, slices.Collect(tx.HistoryOfTarget(target, reputation.KindListing)),
		w.recordsWhere(func(r incident.Record) bool {
			return r.Subject.Target == target && r.Subject.Kind == reputation.KindListing
		}))
	from, to := w.now.Add(-30*time.Hour), w.now.Add(-10*time.Hour)
	say("a day", slices.Collect(tx.Journal(from, to)), w.recordsWhere(func(r incident.Record) bool { return !r.At.Before(from) && r.At.Before(to) }))
	say("after", slices.Collect(tx.After(uint64(len(w.records)/2))), w.recordsWhere(func(r incident.Record) bool { return r.Seq > uint64(len(w.records)/2) }))
}

// Whatever a daemon does, the store holds what plain maps would, over reopening and
// compacting, and its invariants hold.
func TestModel(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "repwatch.db")
			w := newWorld(openAt(t, path), seed)
			for round := range 8 {
				w.steps(t, 1+w.rnd.IntN(40))
				if round%2 == 1 {
					w.reopen(t, round%4 == 3)
				}
				if d := w.holds(); d != "" {
					t.Fatalf("after %d transactions: %s", w.n, d)
				}
				if r, err := w.db.Verify(); err != nil || !r.OK() {
					t.Fatalf("after %d transactions: %v %+v", w.n, err, r.Problems)
				}
			}
		})
	}
}

// reopen closes the file and opens it again, compacted in between if asked to.
func (w *world) reopen(t *testing.T, compact bool) {
	t.Helper()
	path := w.db.Path()
	if err := w.db.Close(); err != nil {
		t.Fatal(err)
	}
	sound(t, path)
	if compact {
		if err := Compact(path); err != nil {
			t.Fatal(err)
		}
	}
	w.db = openAt(t, path)
}
