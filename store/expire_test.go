package store

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"repwatch/incident"
	"repwatch/reputation"
)

// Old things go, open things stay with all that they refer to, and what is left is sound.
func TestExpire(t *testing.T) {
	db := openTemp(t)
	w := newWorld(db, 11)
	w.steps(t, 20)
	for n := range notifiers {
		w.deliverAll(t, notifiers[n])
	}
	// Half of what is open by now lasts for years; all else comes and goes.
	lasting := map[reputation.Subject]bool{}
	for _, e := range w.episodesWhere(func(e incident.Episode) bool { return e.Open() }) {
		lasting[e.Subject] = true
	}
	w.now = w.now.Add(300 * 24 * time.Hour)
	for range 60 {
		if s := w.subject(); !lasting[s] {
			w.now = w.now.Add(time.Hour)
			if err := w.turn(s); err != nil {
				t.Fatal(err)
			}
		}
	}
	for i := range 40 {
		db.Ledger(sessionAt(w.now.Add(-time.Duration(i)*24*time.Hour), i))
	}
	if err := db.Flush(); err != nil {
		t.Fatal(err)
	}
	const keep = 100 * 24 * time.Hour
	cutoff := w.now.Add(-keep)
	n, err := db.Expire(w.now, keep)
	if err != nil || n == 0 {
		t.Fatal(n, err)
	}
	again, err := db.Expire(w.now, keep)
	if err != nil || again != 0 {
		t.Errorf("a second time removed %d rows more, %v", again, err)
	}
	if r, err := db.Verify(); err != nil || !r.OK() {
		t.Errorf("what is left: %+v, %v", r.Problems, err)
	}
	view(t, db, func(tx *Tx) error {
		needed := map[uint64]bool{}
		for id, e := range w.episodes {
			got, ok, err := tx.Episodes().Get(id)
			if err != nil {
				return err
			}
			if old := !e.Open() && e.Ended.Before(cutoff) && w.pendingOf(e.Incident) == 0; ok == old {
				t.Errorf("episode %d, ended %s, is there: %t", id, e.Ended, ok)
			}
			if _, there, _ := tx.Incidents().Get(e.Incident); there != ok {
				t.Errorf("episode %d is there: %t, its incident: %t", id, ok, there)
			}
			if ok {
				needed[got.Seq] = true
			}
		}
		for _, r := range w.records {
			_, ok, err := tx.Record(r.Seq)
			if err != nil {
				return err
			}
			if want := !r.At.Before(cutoff) || needed[r.Seq]; ok != want {
				t.Errorf("record %d of %s is there: %t (needed: %t)", r.Seq, r.At, ok, needed[r.Seq])
			}
		}
		if got := slices.Collect(tx.Journal(cutoff, time.Time{})); len(got) != len(w.recordsWhere(func(r incident.Record) bool { return !r.At.Before(cutoff) })) {
			t.Errorf("%d records since the cutoff", len(got))
		}
		if got := slices.Collect(tx.Sessions(time.Time{}, time.Time{})); len(got) != 32 {
			t.Errorf("%d sessions of 31 days and one at its edge", len(got))
		}
		return nil
	})
	if err := w.turn(w.openSubject(reputation.KindListing)); err != nil { // and life goes on
		t.Error(err)
	}
}

func (w *world) pendingOf(id string) (n int) {
	for _, q := range slices.Concat(w.outbox["log"], w.outbox["slack"]) {
		if q.Incident == id {
			n++
		}
	}
	return n
}

func (w *world) deliverAll(t *testing.T, notifier string) {
	t.Helper()
	w.now = w.now.Add(time.Hour)
	for {
		q, ok, _, err := w.db.NextAlert(notifier, w.now)
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			w.outbox[notifier] = nil
			return
		}
		if err := w.db.Delivered(notifier, q.Seq, w.now, &Handle{Notifier: notifier, Incident: q.Incident}); err != nil {
			t.Fatal(err)
		}
	}
}

// An incident goes by when it was resolved, not by when its episodes ended.
func TestLateResolvedIncidentStays(t *testing.T) {
	db := openTemp(t)
	const day = 24 * time.Hour
	update(t, db, t0, func(tx *Tx) error {
		if err := tx.Episodes().Put(1, incident.Episode{ID: 1, Subject: listing("203.0.113.7", "xbl"), Ended: t0.Add(-50 * day), Incident: "1"}); err != nil {
			return err
		}
		return tx.Incidents().Put("1", incident.Incident{ID: "1", Status: incident.Resolved, Resolved: t0.Add(-5 * day), Episodes: []uint64{1}})
	})
	if n, err := db.Expire(t0, 10*day); err != nil || n != 0 {
		t.Errorf("after 10 days %d rows went: %v", n, err)
	}
	a := enqueue(t, db, t0, incident.Alert{Incident: "1", Kind: incident.AlertResolved}, "slack")
	if n, err := db.Expire(t0, 4*day); err != nil || n != 0 {
		t.Errorf("while an alert waits %d rows went: %v", n, err)
	}
	if err := db.Delivered("slack", a.Seq, t0, nil); err != nil {
		t.Fatal(err)
	}
	if n, err := db.Expire(t0, 4*day); err != nil || n != 3 { // the incident, its episode, the name of its subject
		t.Errorf("after 4 days %d rows went: %v", n, err)
	}
}

// Everything may expire; the journal goes on with the next number.
func TestExpireAll(t *testing.T) {
	db := openTemp(t)
	const n = 2*expireRows + 7 // more than one transaction
	update(t, db, t0, func(tx *Tx) error {
		for i := range n {
			if _, err := tx.Append(incident.Record{What: incident.Delisted, Subject: listing(fmt.Sprintf("203.0.113.%d", i%200), "xbl")}); err != nil {
				return err
			}
		}
		return nil
	})
	if gone, err := db.Expire(t0.Add(48*time.Hour), 24*time.Hour); err != nil || gone != n+200 {
		t.Errorf("%d rows went, want %d records and 200 names: %v", gone, n, err)
	}
	if r, err := db.Verify(); err != nil || !r.OK() || r.Records != 0 {
		t.Errorf("what is left: %+v, %v", r, err)
	}
	update(t, db, t0.Add(49*time.Hour), func(tx *Tx) error {
		r, err := tx.Append(incident.Record{What: incident.Acted})
		if r.Seq != n+1 {
			t.Errorf("the next record is %d", r.Seq)
		}
		return err
	})
	view(t, db, func(tx *Tx) error {
		if got := slices.Collect(tx.Journal(t0, time.Time{})); len(got) != 1 {
			t.Errorf("the journal holds %d records", len(got))
		}
		return nil
	})
}

func TestBackupAndCompact(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "repwatch.db")
	db, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(db, 13)
	w.steps(t, 60)
	all := dump(t, db)
	copied := filepath.Join(dir, "backup.db")
	if err := db.Backup(copied); err != nil {
		t.Fatal(err)
	}
	w.steps(t, 5)
	if err := db.Backup(copied); !errors.Is(err, ErrExists) {
		t.Errorf("over a backup: %v", err)
	}
	backup := openAt(t, copied)
	if dump(t, backup) != all {
		t.Error("the backup holds something else")
	}
	if err := db.ReplaceBackup(filepath.Join(dir, "other.db")); err != nil {
		t.Error(err)
	}

	all = dump(t, db)
	before, err := db.Stats()
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if err := Compact(path); err != nil {
		t.Fatal(err)
	}
	w.db = openAt(t, path)
	after, err := w.db.Stats()
	if err != nil || after.Size >= before.Size || after.Records != before.Records {
		t.Errorf("from %d to %d bytes, %v", before.Size, after.Size, err)
	}
	if dump(t, w.db) != all {
		t.Error("the compacted file holds something else")
	}
	w.steps(t, 5) // numbers go on where they were
	if d := w.holds(); d != "" {
		t.Error(d)
	}
	if left, _ := filepath.Glob(path + ".*"); len(left) > 0 {
		t.Errorf("compacting left %v behind", left)
	}
}
