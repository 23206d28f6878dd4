package store

import (
	"bytes"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	bolt "go.etcd.io/bbolt"
)

// formatZero writes a store of a format that never was: what format 1 calls
// "subjects" it called "addresses", without a time.
func formatZero(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "repwatch.db")
	b, err := bolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = b.Update(func(tx *bolt.Tx) error {
		for _, name := range []string{bucketMeta, "addresses"} {
			if _, err := tx.CreateBucket([]byte(name)); err != nil {
				return err
			}
		}
		if err := tx.Bucket([]byte("addresses")).Put([]byte("203.0.113.7"), []byte(`{}`)); err != nil {
			return err
		}
		return writeMeta(tx, meta{Format: 0, Created: t0})
	})
	if err := errors.Join(err, b.Close()); err != nil {
		t.Fatal(err)
	}
	return path
}

func fromZero(tx *bolt.Tx) error {
	to, err := tx.CreateBucket([]byte(bucketSubjects))
	if err != nil {
		return err
	}
	if err := tx.Bucket([]byte("addresses")).ForEach(func(k, _ []byte) error { return to.Put(k, []byte(`{"since":"2026-11-02T08:00:00Z"}`)) }); err != nil {
		return err
	}
	return tx.DeleteBucket([]byte("addresses"))
}

func TestMigration(t *testing.T) {
	path := formatZero(t)
	old := readFile(t, path)
	db, err := open(path, Options{}, 1, map[int]migration{0: fromZero})
	if err != nil {
		t.Fatal(err)
	}
	view(t, db, func(tx *Tx) error {
		if w, ok, err := tx.Subjects().Get("203.0.113.7"); !ok || err != nil || !w.Since.Equal(t0) {
			t.Errorf("migrated to %+v, %t, %v", w, ok, err)
		}
		if m, _, err := readMeta(tx.bolt); err != nil || m.Format != 1 || m.Migrated.IsZero() || !m.Created.Equal(t0) {
			t.Errorf("meta %+v, %v", m, err)
		}
		return nil
	})
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	sound(t, path)

	backups, _ := filepath.Glob(path + ".v0-backup-*")
	if len(backups) != 1 {
		t.Fatalf("backups: %v", backups)
	}
	b, err := bolt.Open(backups[0], 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	_ = b.View(func(tx *bolt.Tx) error {
		if m, ok, err := readMeta(tx); err != nil || !ok || m.Format != 0 || tx.Bucket([]byte("addresses")) == nil {
			t.Errorf("the backup holds %+v, %v", m, err)
		}
		return nil
	})
	if bytes.Equal(old, readFile(t, path)) {
		t.Error("the file is as it was")
	}
}

// A step that fails, even the last of several, leaves the file as it was.
func TestFailedMigration(t *testing.T) {
	path := formatZero(t)
	_, err := open(path, Options{}, 2, map[int]migration{0: fromZero, 1: func(tx *bolt.Tx) error { return errors.New("no way on") }})
	if !errors.Is(err, ErrOlder) || !strings.Contains(err.Error(), "could not be changed from format 0 to 2, and is as it was: from format 1: no way on\n  hint: use the repwatch that wrote it") {
		t.Errorf("said %v", err)
	}
	_, err = open(path, Options{}, 1, nil)
	if !errors.Is(err, ErrOlder) || !strings.Contains(err.Error(), "does not know the way from format 0") {
		t.Errorf("said %v", err)
	}
	if left, _ := filepath.Glob(path + ".*"); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	b, err := bolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	_ = b.View(func(tx *bolt.Tx) error {
		if m, _, err := readMeta(tx); err != nil || m.Format != 0 || tx.Bucket([]byte("addresses")) == nil || tx.Bucket([]byte(bucketSubjects)) != nil {
			t.Errorf("the file holds %+v, %v", m, err)
		}
		return nil
	})
}

func TestOlderAndNewerFormats(t *testing.T) {
	path := formatZero(t)
	before := readFile(t, path)
	_, err := open(path, Options{ReadOnly: true}, 1, map[int]migration{0: fromZero})
	if !errors.Is(err, ErrOlder) || !strings.Contains(err.Error(), "hint: start the daemon once") {
		t.Errorf("older, for reading: %v", err)
	}
	if !bytes.Equal(before, readFile(t, path)) {
		t.Error("reading changed the file")
	}

	path = filepath.Join(t.TempDir(), "repwatch.db")
	db, err := open(path, Options{}, 7, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	before = readFile(t, path)
	for _, o := range []Options{{}, {ReadOnly: true}} {
		if _, err := Open(path, o); !errors.Is(err, ErrNewer) || !strings.Contains(err.Error(), "written by a newer repwatch (format 7), this one knows 1; nothing was changed") {
			t.Errorf("newer: %v", err)
		}
	}
	if !bytes.Equal(before, readFile(t, path)) {
		t.Error("a newer file was changed")
	}
}
