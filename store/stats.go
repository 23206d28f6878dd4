package store

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"os"
	"time"

	bolt "go.etcd.io/bbolt"
)

// Stats describes the file.
type Stats struct {
	Path    string
	Format  int
	Created time.Time
	Size    int64 // of the file, bytes
	Free    int64 // ... of which hold nothing; compact gives them back
	Buckets []BucketStats
	Records int // of the journal
	Oldest  time.Time
	Newest  time.Time
	// PerYear is how many bytes the journal, its index and its episodes grow in a
	// year, by the span from Oldest to Newest; 0 if that is less than a day.
	PerYear int64
}

// BucketStats describes one bucket.
type BucketStats struct {
	Name  string
	Keys  int
	Bytes int64 // used, without what is free in its pages
}

const year = 365 * 24 * time.Hour

// Stats looks at the file.
func (db *DB) Stats() (s Stats, err error) {
	s.Path = db.path
	info, err := os.Stat(db.path)
	if err != nil {
		return s, openError(db.path, err)
	}
	s.Size = info.Size()
	err = db.View(func(tx *Tx) error {
		m, _, err := readMeta(tx.bolt)
		if err != nil {
			return err
		}
		s.Format, s.Created = m.Format, m.Created
		all := tx.bolt.Cursor().Bucket().Stats()
		s.Free = max(0, s.Size-int64(all.BranchAlloc+all.LeafAlloc))
		return s.history(tx)
	})
	return s, err
}

func (s *Stats) history(tx *Tx) error {
	names, err := sortedBuckets(tx.bolt)
	if err != nil {
		return err
	}
	var history int64
	for _, name := range names {
		b := tx.bucket(name).Stats()
		row := BucketStats{Name: name, Keys: b.KeyN, Bytes: int64(b.BranchInuse + b.LeafInuse)}
		s.Buckets = append(s.Buckets, row)
		switch name {
		case bucketJournal:
			s.Records = b.KeyN
			fallthrough
		case bucketJournalOf, bucketEpisodes, bucketEpisodesOf, bucketNames, bucketNamesBy, bucketTexts, bucketTextsBy:
			history += row.Bytes
		}
	}
	for r := range tx.After(0) {
		s.Oldest = r.At
		break
	}
	if s.Newest, err = tx.lastTime(); err != nil {
		return err
	}
	if span := s.Newest.Sub(s.Oldest); span >= 24*time.Hour {
		s.PerYear = int64(float64(history) * float64(year) / float64(span))
	}
	return nil
}

// Dump writes every row of every bucket as a line of JSON: {"bucket","key","value"}.
// The store holds no secrets by construction; redact, if not nil, has a last look
// at every text all the same (rule of truth 8).
func (db *DB) Dump(w io.Writer, redact func(string) string) error {
	if redact == nil {
		redact = func(s string) string { return s }
	}
	out := bufio.NewWriter(w)
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	err := db.view(func(b *bolt.Tx) error {
		names, err := sortedBuckets(b)
		if err != nil {
			return err
		}
		for _, name := range names {
			l := layoutOf(name)
			err := b.Bucket([]byte(name)).ForEach(func(k, v []byte) error {
				return enc.Encode(dumpLine{name, redact(l.key(k)), redacted(l.value(v), redact)})
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return out.Flush()
}

type dumpLine struct {
	Bucket string `json:"bucket"`
	Key    string `json:"key"`
	Value  any    `json:"value"`
}

// redacted has the redactor look at each text of a value, unescaped.
func redacted(raw json.RawMessage, redact func(string) string) any {
	var v any
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	if err := dec.Decode(&v); err != nil {
		return redact(string(raw))
	}
	return redactAll(v, redact)
}

func redactAll(v any, redact func(string) string) any {
	switch v := v.(type) {
	case string:
		return redact(v)
	case []any:
		for i := range v {
			v[i] = redactAll(v[i], redact)
		}
		return v
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, x := range v {
			out[redact(k)] = redactAll(x, redact)
		}
		return out
	default:
		return v
	}
}
