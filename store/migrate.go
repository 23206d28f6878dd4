package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	bolt "go.etcd.io/bbolt"
)

// Format is the version of the file's format that this program writes.
const Format = 1

// migration takes a file from one format to the next, in one transaction for all.
type migration func(*bolt.Tx) error

// migrations by the format they begin with. Format 1 is the first there was.
var migrations = map[int]migration{}

// meta is the row "format" of the bucket meta.
type meta struct {
	Format  int       `json:"format"`
	Created time.Time `json:"created,omitzero"`
	// Migrated is when it came to this format from an older one.
	Migrated time.Time `json:"migrated,omitzero"`
}

var formatKey = []byte("format")

// format reads the file's; empty: it has no buckets yet.
func (db *DB) format() (n int, empty bool, err error) {
	err = db.view(func(b *bolt.Tx) error {
		m, ok, err := readMeta(b)
		if err != nil || ok {
			n = m.Format
			return err
		}
		var names []string
		if err := b.ForEach(func(name []byte, _ *bolt.Bucket) error {
			names = append(names, fmt.Sprintf("%q", name))
			return nil
		}); err != nil {
			return err
		}
		if empty = len(names) == 0; !empty {
			names = names[:min(5, len(names))]
			return &Error{Kind: ErrForeign, Path: db.path, Hint: "nothing was changed; is store.path another one?",
				What: "this is a bbolt file of another program (with " + strings.Join(names, ", ") + "), no repwatch store"}
		}
		return nil
	})
	return n, empty, db.explain(err)
}

func readMeta(b *bolt.Tx) (m meta, ok bool, err error) {
	bucket := b.Bucket([]byte(bucketMeta))
	if bucket == nil {
		return m, false, nil
	}
	raw := bucket.Get(formatKey)
	if raw == nil {
		return m, false, nil
	}
	if err := json.Unmarshal(raw, &m); err != nil {
		return m, false, damage("the format version cannot be read: %w", err)
	}
	return m, true, nil
}

func writeMeta(b *bolt.Tx, m meta) error {
	raw, err := json.Marshal(m)
	if err != nil {
		return err
	}
	return b.Bucket([]byte(bucketMeta)).Put(formatKey, raw)
}

// initialise creates what is not there yet.
func (db *DB) initialise(now time.Time, format int) error {
	return db.Update(now, func(tx *Tx) error {
		for _, l := range layouts {
			if tx.bolt.Bucket([]byte(l.name)) != nil {
				continue
			}
			tx.changes++
			if _, err := tx.bolt.CreateBucket([]byte(l.name)); err != nil {
				return fmt.Errorf("bucket %s: %w", l.name, err)
			}
		}
		_, ok, err := readMeta(tx.bolt)
		if err != nil || ok {
			return err
		}
		tx.changes++
		return writeMeta(tx.bolt, meta{Format: format, Created: tx.now})
	})
}

// migrate climbs from one format to another, in one transaction: either all steps
// are taken or the file is as it was. A backup is made first.
func (db *DB) migrate(now time.Time, from, to int, steps map[int]migration) error {
	backup := fmt.Sprintf("%s.v%d-backup-%s", db.path, from, now.UTC().Format("20060102T150405Z"))
	if err := db.Backup(backup); err != nil {
		return fmt.Errorf("before its format is changed from %d to %d a backup is made, and that failed: %w", from, to, err)
	}
	err := db.Update(now, func(tx *Tx) error {
		for v := from; v < to; v++ {
			step := steps[v]
			if step == nil {
				return fmt.Errorf("this repwatch does not know the way from format %d", v)
			}
			if err := step(tx.bolt); err != nil {
				return fmt.Errorf("from format %d: %w", v, err)
			}
		}
		m, _, err := readMeta(tx.bolt)
		if err != nil {
			return err
		}
		tx.changes++
		m.Format, m.Migrated = to, tx.now
		return writeMeta(tx.bolt, m)
	})
	if err != nil {
		err = errors.Join(err, os.Remove(backup)) // the original is as good, and a daemon that is restarted again and again would fill the disk
		return &Error{Kind: ErrOlder, Path: db.path, Err: err, Hint: "use the repwatch that wrote it",
			What: fmt.Sprintf("could not be changed from format %d to %d, and is as it was: %v", from, to, err)}
	}
	return db.initialise(now, to)
}

// sortedBuckets are the names of the buckets in the file.
func sortedBuckets(b *bolt.Tx) (names []string, err error) {
	err = b.ForEach(func(name []byte, _ *bolt.Bucket) error {
		names = append(names, string(name))
		return nil
	})
	slices.Sort(names)
	return names, err
}
