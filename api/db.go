package api

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"repwatch/checks/dnsbl"
	"repwatch/config"
	"repwatch/incident"
	"repwatch/store"
)

// From builds a document from one view of the store.
func From[D any](db *store.DB, build func(*store.Tx) (D, error)) (doc D, err error) {
	err = db.View(func(tx *store.Tx) (err error) {
		doc, err = build(tx)
		return err
	})
	return doc, err
}

// ErrNoIncident says that there is no such incident.
var ErrNoIncident = errors.New("there is no such incident")

// NoIncident is ErrNoIncident in words.
func NoIncident(id string) error {
	return fmt.Errorf("%w as #%s\n  hint: repwatch incidents --all lists them", ErrNoIncident, id)
}

// ErrCursor says that a page cannot be continued.
var ErrCursor = errors.New("the list has changed")

// Stats describes the store's file.
type Stats struct {
	Schema  string        `json:"schema"`
	At      *time.Time    `json:"at"`
	Path    string        `json:"path"`
	Format  int           `json:"format"`
	Created *time.Time    `json:"created"`
	Bytes   int64         `json:"bytes"`
	Free    int64         `json:"free"` // of these, given back by compacting
	Records int           `json:"records"`
	Oldest  *time.Time    `json:"oldest"`
	Newest  *time.Time    `json:"newest"`
	PerYear int64         `json:"per_year"` // bytes, by the growth so far; 0: too early to tell
	Buckets []BucketStats `json:"buckets"`
}

// BucketStats describes one bucket.
type BucketStats struct {
	Name  string `json:"name"`
	Keys  int    `json:"keys"`
	Bytes int64  `json:"bytes"`
}

// StatsOf builds the document.
func StatsOf(now time.Time, s store.Stats) Stats {
	doc := Stats{Schema: Schema("db-stats"), At: utc(now), Path: s.Path, Format: s.Format, Created: utc(s.Created), Bytes: s.Size, Free: s.Free,
		Records: s.Records, Oldest: utc(s.Oldest), Newest: utc(s.Newest), PerYear: s.PerYear, Buckets: []BucketStats{}}
	for _, b := range s.Buckets {
		doc.Buckets = append(doc.Buckets, BucketStats(b))
	}
	return doc
}

// Dump writes the whole store as JSON lines, or only what the correlator learned
// from, as `repwatch replay` reads it.
func Dump(db *store.DB, w io.Writer, events bool, redact func(string) string) error {
	if !events {
		return db.Dump(w, redact)
	}
	out := bufio.NewWriter(w)
	err := db.View(func(tx *store.Tx) error {
		enc := json.NewEncoder(out)
		for r := range tx.After(0) {
			e, ok := incident.EventOf(r)
			if !ok {
				continue
			}
			if err := enc.Encode(e); err != nil {
				return err
			}
		}
		return tx.Err()
	})
	return errors.Join(err, out.Flush())
}

// ListsHealthOf is the catalogue in use with the health that was last found, from
// the store: nothing is asked.
func ListsHealthOf(tx *store.Tx, cfg *config.Loaded, now time.Time) (Lists, error) {
	doc := ListsOf(now, cfg, cfg.Lists, nil, nil)
	count := Coverage{}
	for i := range doc.Lists {
		l := &doc.Lists[i]
		row, ok, err := tx.Lists().Get(l.ID)
		if err != nil {
			return doc, err
		}
		if !ok || row.Health == "" {
			continue
		}
		health := dnsbl.Health(row.Health)
		l.Health, l.Why = &health, row.Why
		l.Interval = max(l.Interval, int(row.Interval.Seconds()))
		count.Asked++
		switch health {
		case dnsbl.HealthOK:
			count.Answered++
		case dnsbl.HealthUntested:
			count.Untested++
		default:
			count.Unknown++
		}
	}
	if count.Asked > 0 {
		doc.Coverage = &count
	}
	return doc, tx.Err()
}

// Verify says whether a store is sound.
type Verify struct {
	Schema    string          `json:"schema"`
	At        *time.Time      `json:"at"`
	Path      string          `json:"path"`
	OK        bool            `json:"ok"`
	Format    int             `json:"format"`
	Bytes     int64           `json:"bytes"`
	Records   int             `json:"records"`
	Episodes  int             `json:"episodes"`
	Incidents int             `json:"incidents"`
	Problems  []store.Problem `json:"problems"`
	More      int             `json:"more"` // problems beyond those told
}

// VerifyOf builds the document.
func VerifyOf(now time.Time, r store.Report) Verify {
	return Verify{Schema: Schema("db-verify"), At: utc(now), Path: r.Path, OK: r.OK(), Format: r.Format, Bytes: r.Size,
		Records: r.Records, Episodes: r.Episodes, Incidents: r.Incidents, Problems: orEmpty(r.Problems), More: r.More}
}

// Exit is 1 when something is wrong.
func (v Verify) Exit() int {
	if v.OK {
		return ExitOK
	}
	return ExitFinding
}
