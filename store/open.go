package store

import (
	"encoding/json"
	"fmt"
	"runtime/debug"
	"time"

	bolt "go.etcd.io/bbolt"
)

// Format is the version of the file's format that this program writes.
const Format = 1

// mapped is how much address space (not memory) is taken at once, so that the
// file may grow while somebody reads: mapping anew waits for all readers.
const mapped = 256 << 20

// grow is how much the file grows at once. bbolt's own 16 MB would be more than a year of history.
const grow = 1 << 20

// meta is the row "format" of the bucket meta.
type meta struct {
	Format  int       `json:"format"`
	Created time.Time `json:"created"`
}

// Open opens the file, and creates it (0600) unless ReadOnly. Errors are *Error,
// with a hint; nothing that cannot be read is overwritten.
func Open(path string, o Options) (*DB, error) {
	if o.Timeout == 0 {
		o.Timeout = defaultTimeout
	}
	b, err := openBolt(path, o)
	if err != nil {
		return nil, err
	}
	db := &DB{path: path, bolt: b}
	db.ledger = newLedger(db)
	if !o.ReadOnly {
		if err := db.initialise(time.Now()); err != nil {
			return nil, fmt.Errorf("%w", err)
		}
	}
	return db, nil
}

func openBolt(path string, o Options) (b *bolt.DB, err error) {
	old := debug.SetPanicOnFault(true)
	defer func() {
		debug.SetPanicOnFault(old)
		if p := recover(); p != nil {
			err = faultError(path, p)
		}
	}()
	b, err = bolt.Open(path, 0o600, &bolt.Options{Timeout: o.Timeout, ReadOnly: o.ReadOnly,
		FreelistType: bolt.FreelistMapType, InitialMmapSize: mapped, NoStatistics: true})
	if err != nil {
		return nil, openError(path, err)
	}
	b.AllocSize = grow
	return b, nil
}

func (db *DB) initialise(now time.Time) error {
	return db.Update(now, func(tx *Tx) error {
		for _, name := range buckets {
			if tx.bolt.Bucket([]byte(name)) == nil {
				tx.changes++
				if _, err := tx.bolt.CreateBucket([]byte(name)); err != nil {
					return err
				}
			}
		}
		if tx.get(bucketMeta, []byte("format")) != nil {
			return nil
		}
		raw, err := json.Marshal(meta{Format: Format, Created: tx.now})
		if err != nil {
			return err
		}
		return tx.put(bucketMeta, []byte("format"), raw)
	})
}
