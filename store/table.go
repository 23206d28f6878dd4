package store

import (
	"bytes"
	"encoding/json"
	"fmt"
	"iter"

	bolt "go.etcd.io/bbolt"
)

// Table is one bucket of JSON values. It is valid as long as its transaction.
type Table[K comparable, V any] struct {
	tx   *Tx
	name string
	keys codec[K]
	// index, if set, follows every change of a row; nil is no row.
	index func(k []byte, was, is *V) error
	// encode and decode, if set, are used instead of encoding/json.
	encodeRow func(K, V) ([]byte, error)
	decodeRow func(K, []byte) (V, error)
}

func table[K comparable, V any](tx *Tx, name string, keys codec[K]) Table[K, V] {
	return Table[K, V]{tx: tx, name: name, keys: keys}
}

// Get returns a row, and whether there is one.
func (t Table[K, V]) Get(k K) (v V, ok bool, err error) {
	key, err := t.keys.encode(k)
	if err != nil {
		return v, false, nil // what cannot be a key has no row
	}
	return t.get(key)
}

func (t Table[K, V]) get(key []byte) (v V, ok bool, err error) {
	raw := t.tx.get(t.name, key)
	if raw == nil {
		return v, false, nil
	}
	v, err = t.decode(key, raw)
	return v, err == nil, err
}

func (t Table[K, V]) decode(key, raw []byte) (v V, err error) {
	if t.decodeRow != nil {
		k, err := t.keys.decode(key)
		if err != nil {
			return v, damage("%s: %w", t.name, err)
		}
		return t.decodeRow(k, raw)
	}
	if err := json.Unmarshal(raw, &v); err != nil {
		return v, damage("row %s of %s cannot be read: %w", showKey(t.name, key), t.name, err)
	}
	return v, nil
}

func (t Table[K, V]) encode(k K, v V) ([]byte, error) {
	if t.encodeRow != nil {
		return t.encodeRow(k, v)
	}
	return json.Marshal(v)
}

// Put writes a row. A row that is the same already is not written again.
func (t Table[K, V]) Put(k K, v V) error {
	key, err := t.keys.encode(k)
	if err != nil {
		return fmt.Errorf("%s: %w", t.name, err)
	}
	raw, err := t.encode(k, v)
	if err != nil {
		return fmt.Errorf("%s: %q: %w", t.name, key, err)
	}
	if bytes.Equal(raw, t.tx.get(t.name, key)) {
		return nil
	}
	if err := t.reindex(key, &v); err != nil {
		return err
	}
	return t.tx.put(t.name, key, raw)
}

// Delete removes a row; one that is not there is no error.
func (t Table[K, V]) Delete(k K) error {
	key, err := t.keys.encode(k)
	if err != nil || t.tx.get(t.name, key) == nil {
		return nil
	}
	if err := t.reindex(key, nil); err != nil {
		return err
	}
	return t.tx.delete(t.name, key)
}

func (t Table[K, V]) reindex(key []byte, is *V) error {
	if t.index == nil {
		return nil
	}
	was, ok, err := t.get(key)
	if err != nil {
		return err
	}
	if !ok {
		return t.index(key, nil, is)
	}
	return t.index(key, &was, is)
}

// All yields the rows in the order of their keys. The loop may change the table.
// A row that cannot be read ends it; View and Update then return the error.
func (t Table[K, V]) All() iter.Seq2[K, V] { return t.scan(nil) }

// Prefix yields the rows whose key begins with a text.
func (t Table[K, V]) Prefix(p string) iter.Seq2[K, V] { return t.scan([]byte(p)) }

func (t Table[K, V]) scan(prefix []byte) iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		for key, raw := range t.tx.walk(t.name, prefix, nil) {
			k, err := t.keys.decode(key)
			if err != nil {
				t.tx.fail(damage("%s: %w", t.name, err))
				return
			}
			v, err := t.decode(key, raw)
			if err != nil {
				t.tx.fail(err)
				return
			}
			if !yield(k, v) {
				return
			}
		}
	}
}

// Len counts the rows. It reads the whole table's keys.
func (t Table[K, V]) Len() int {
	n := 0
	for range t.tx.walk(t.name, nil, nil) {
		n++
	}
	return n
}

// get returns a value that is valid until the next change; nil: there is none.
func (tx *Tx) get(bucket string, key []byte) []byte {
	b := tx.bucket(bucket)
	if b == nil {
		return nil
	}
	return b.Get(key)
}

func (tx *Tx) put(bucket string, key, value []byte) error {
	tx.changes++
	return tx.bucket(bucket).Put(key, value)
}

func (tx *Tx) delete(bucket string, key []byte) error {
	b := tx.bucket(bucket)
	if b == nil || b.Get(key) == nil {
		return nil
	}
	tx.changes++
	return b.Delete(key)
}

// mark and unmark keep index entries, which are keys without value.
func (tx *Tx) mark(bucket string, key []byte, there bool) error {
	if !there {
		return tx.delete(bucket, key)
	}
	if tx.get(bucket, key) != nil {
		return nil
	}
	return tx.put(bucket, key, []byte{})
}

// walk yields keys and values of a bucket that begin with prefix, from the key
// `from` on (nil: from the first). Key and value are valid until the loop changes
// something; then the cursor finds its place again.
func (tx *Tx) walk(bucket string, prefix, from []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(k, v []byte) bool) {
		b := tx.bucket(bucket)
		if b == nil {
			return
		}
		c := b.Cursor()
		if bytes.Compare(from, prefix) < 0 {
			from = prefix
		}
		var last []byte
		for k, v := seek(c, from); k != nil && bytes.HasPrefix(k, prefix); {
			last = append(last[:0], k...)
			seen := tx.changes
			if !yield(k, v) {
				return
			}
			if tx.changes == seen {
				k, v = c.Next()
				continue
			}
			if k, v = c.Seek(last); bytes.Equal(k, last) {
				k, v = c.Next()
			}
		}
	}
}

func seek(c *bolt.Cursor, from []byte) (k, v []byte) {
	if len(from) == 0 {
		return c.First()
	}
	return c.Seek(from)
}

func (tx *Tx) bucket(name string) *bolt.Bucket {
	if b, ok := tx.buckets[name]; ok {
		return b
	}
	b := tx.bolt.Bucket([]byte(name))
	if b != nil && growing[name] {
		b.FillPercent = 0.95 // keys only ever come at the end: no page is split in halves
	}
	tx.buckets[name] = b
	return b
}
