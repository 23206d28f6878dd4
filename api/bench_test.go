package api

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"repwatch/checks/smtp"
	"repwatch/config"
	"repwatch/incident"
	"repwatch/reputation"
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

// BenchmarkStatus is the largest house that is meant: 512 addresses, 60 lists and 20
// partners, each pair looked at.
func BenchmarkStatus(b *testing.B) {
	db, cfg := largeHouse(b)
	for b.Loop() {
		doc, err := From(db, func(tx *store.Tx) (Status, error) { return StatusOf(tx, cfg, StatusInput{Now: at}) })
		if err != nil || len(doc.Partners) != 20 || len(doc.Partners[0].Pairs) != 512 || len(doc.Lists) != 60 {
			b.Fatal(err)
		}
	}
}

func largeHouse(tb testing.TB) (*store.DB, *config.Loaded) {
	tb.Helper()
	dir := tb.TempDir()
	text := "sending_ips: [{range: 198.51.100.0/23}]\ndns: {resolvers: [\"127.0.0.1:53\"]}\npartners:\n"
	for n := range 20 {
		text += fmt.Sprintf("  - {domain: p%d.example}\n", n)
	}
	text += "blocklists:\n  use: [l0"
	for n := range 59 {
		text += fmt.Sprintf(", l%d", n+1)
	}
	text += "]\n  add:\n"
	for n := range 60 {
		text += fmt.Sprintf("    - {id: l%d, zone: l%d.example}\n", n, n)
	}
	file := filepath.Join(dir, "repwatch.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		tb.Fatal(err)
	}
	cfg, err := config.Load(file, nil)
	if err != nil {
		tb.Fatal(err)
	}
	db, err := store.Open(filepath.Join(dir, "repwatch.db"), store.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = db.Close() })
	offers := smtp.Capabilities{"SIZE": "157286400", "PIPELINING": "", "DSN": "", "ENHANCEDSTATUSCODES": "", "STARTTLS": "", "8BITMIME": "", "BINARYMIME": "", "CHUNKING": "", "SMTPUTF8": ""}
	err = db.Update(at, func(tx *store.Tx) error {
		for _, a := range cfg.Addresses {
			for _, p := range cfg.Partners {
				w := store.Wire{Provider: "exchange-online", MX: "mx." + p.Name(), Outcome: reputation.Advertised, Offers: slices.Sorted(maps.Keys(offers)), NotAfter: at}
				w.State = smtp.State{Standing: smtp.StandingGood, OfferedTLS: true, Offer: smtp.Offer{Plain: offers, TLS: offers}, SeenTLS: at, LastLook: at, LastSure: at,
					Run: smtp.Run{Looks: 9, Since: at, Before: at, Addr: a.IP}, Looks: 9}
				s := reputation.Subject{Kind: reputation.KindWire, IP: a.IP, Target: p.Name()}
				if err := tx.Wire().Put(s, w); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		tb.Fatal(err)
	}
	return db, cfg
}
