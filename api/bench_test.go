package api

import (
	"fmt"
	"path/filepath"
	"testing"

	"repwatch/incident"
	"repwatch/store"
)

// manyOpen is a bad day: so many incidents open, an alert of each still to be told.
func manyOpen(tb testing.TB, n int) *store.DB {
	tb.Helper()
	db, err := store.Open(filepath.Join(tb.TempDir(), "repwatch.db"), store.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = db.Close() })
	err = db.Update(at, func(tx *store.Tx) error {
		for i := range n {
			id := fmt.Sprint(i + 1)
			if err := tx.Incidents().Put(id, incident.Incident{ID: id, Kind: incident.Reputation, Status: incident.Open, Opened: at}); err != nil {
				return err
			}
			if _, err := tx.Enqueue(incident.Alert{Incident: id, Kind: incident.AlertOpened}, []string{"slack"}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		tb.Fatal(err)
	}
	return db
}

// A document reads the outbox once, however many incidents it has: ten times as
// many cost ten times the allocations, not a hundred times.
func TestTheOutboxIsReadOnce(t *testing.T) {
	cost := func(n int) float64 {
		db := manyOpen(t, n)
		return testing.AllocsPerRun(1, func() {
			if doc := incidentsOf(t, db, IncidentFilter{}); len(doc.Incidents) != n || len(doc.Incidents[0].Alerts) != 1 {
				t.Fatalf("%d incidents, alerts %+v", len(doc.Incidents), doc.Incidents[0].Alerts)
			}
		})
	}
	few, many := cost(20), cost(200)
	if many > 15*few {
		t.Errorf("20 incidents cost %.0f allocations, 200 cost %.0f", few, many)
	}
}

func BenchmarkIncidents(b *testing.B) {
	db := manyOpen(b, 300)
	for b.Loop() {
		if _, err := From(db, func(tx *store.Tx) (Incidents, error) { return IncidentsOf(tx, at, IncidentFilter{}) }); err != nil {
			b.Fatal(err)
		}
	}
}
