// Package store keeps all that repwatch knows in one bbolt file: what is bad now,
// how it came to be (the journal), what people were told and are still to be told
// (incidents, the outbox), and which mail servers were visited (the ledger).
//
// State, journal, incident and alert change in one transaction, so no crash
// leaves a change without its alert. Values are JSON; docs/store.md documents
// them key by key.
//
// Opening is careful: bbolt panics on a truncated file and faults on a torn one,
// so the file is looked at before it is mapped, faults become errors, and
// nothing that cannot be read is ever overwritten.
package store

import (
	"errors"
	"time"

	bolt "go.etcd.io/bbolt"
)

// Options of Open. The zero value opens for writing.
type Options struct {
	// Timeout is how long to wait for another process to let go of the file; 0 means 1 s.
	Timeout time.Duration
	// ReadOnly is for commands while no daemon runs. It never creates the file.
	ReadOnly bool
}

const defaultTimeout = time.Second

// DB is an open store. It is safe for concurrent use; writers wait for one
// another, readers see the state as it was when they began.
type DB struct {
	path   string
	bolt   *bolt.DB
	ledger *ledger

	remembered remembered
	broken     brokenFlag
}

// Path is the file's.
func (db *DB) Path() string { return db.path }

// Tx is one transaction. It must not leave the function it was given to.
type Tx struct {
	db      *DB
	bolt    *bolt.Tx
	now     time.Time
	buckets map[string]*bolt.Bucket
	changes int   // writes so far
	err     error // the first that a loop met
}

// Now is the time of the transaction, UTC; it is zero in a View.
func (tx *Tx) Now() time.Time { return tx.now }

// Err is the first error that a loop over rows met, nil if none. View and Update return it.
func (tx *Tx) Err() error { return tx.err }

func (tx *Tx) fail(err error) {
	if tx.err == nil {
		tx.err = err
	}
}

// errNothing rolls a transaction back that changed nothing: it need not touch the disk.
var errNothing = errors.New("nothing changed")

// Update runs f in a transaction whose time is now. All that f changes is on the
// disk when Update returns nil; with an error nothing is. ErrFull says that there
// is no room for it: later Updates work again once there is.
func (db *DB) Update(now time.Time, f func(*Tx) error) error {
	err := db.update(func(b *bolt.Tx) error {
		tx := &Tx{db: db, bolt: b, now: utc(now), buckets: map[string]*bolt.Bucket{}}
		if err := f(tx); err != nil {
			return err
		}
		if tx.err == nil && tx.changes == 0 {
			return errNothing
		}
		return tx.err
	})
	if errors.Is(err, errNothing) {
		return nil
	}
	return err
}

// View runs f in a transaction that sees one state and changes nothing. Keep it
// short: pages that it may still read cannot be used again meanwhile.
func (db *DB) View(f func(*Tx) error) error {
	return db.view(func(b *bolt.Tx) error {
		tx := &Tx{db: db, bolt: b, buckets: map[string]*bolt.Bucket{}}
		if err := f(tx); err != nil {
			return err
		}
		return tx.err
	})
}

func (db *DB) update(f func(*bolt.Tx) error) (err error) {
	if e := db.broken.err.Load(); e != nil {
		return e
	}
	defer db.guard(&err)()
	return db.explain(db.bolt.Update(f))
}

func (db *DB) view(f func(*bolt.Tx) error) (err error) {
	if e := db.broken.err.Load(); e != nil {
		return e
	}
	defer db.guard(&err)()
	return db.explain(db.bolt.View(f))
}

// Close writes what the ledger still holds back and lets go of the file.
// Transactions under way are waited for.
func (db *DB) Close() error {
	flushed := db.ledger.close()
	return errors.Join(flushed, db.closeFile())
}
