package store

import (
	"net/netip"
	"path/filepath"
	"testing"
	"time"

	"repwatch/incident"
	"repwatch/reputation"
)

var t0 = time.Date(2026, 11, 2, 8, 0, 0, 0, time.UTC)

func openTemp(t testing.TB) *DB {
	t.Helper()
	db, err := Open(filepath.Join(t.TempDir(), "repwatch.db"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

func listing(ip, list string) reputation.Subject {
	return reputation.Subject{Kind: reputation.KindListing, IP: netip.MustParseAddr(ip), Target: list}
}

func TestJournalKeepsWhatWasAppended(t *testing.T) {
	db := openTemp(t)
	s := listing("203.0.113.7", "xbl")
	err := db.Update(t0, func(tx *Tx) error {
		r, err := tx.Append(incident.Record{What: incident.Listed, Subject: s, Listing: &reputation.Listing{Codes: []string{"127.0.0.4"}}})
		if err != nil {
			return err
		}
		if r.Seq != 1 || !r.At.Equal(t0) {
			t.Errorf("appended as %d at %s", r.Seq, r.At)
		}
		return tx.Listings().Put(s, Listing{Seq: r.Seq})
	})
	if err != nil {
		t.Fatal(err)
	}
	err = db.View(func(tx *Tx) error {
		n := 0
		for r := range tx.History(s) {
			n++
			if r.Subject != s || r.Listing.Codes[0] != "127.0.0.4" {
				t.Errorf("read back %+v", r)
			}
		}
		if l, ok, err := tx.Listings().Get(s); n != 1 || !ok || err != nil || l.Seq != 1 {
			t.Errorf("%d records, listing %+v %v %v", n, l, ok, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
