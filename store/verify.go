package store

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	bolt "go.etcd.io/bbolt"
)

// Report is what Verify found.
type Report struct {
	Path      string
	Format    int
	Size      int64
	Records   int
	Episodes  int
	Incidents int
	// Head: one of the two head pages is not whole, as after a crash in the middle of
	// a change. The other stands for it, and the next change mends it.
	Head bool
	// Problems are what is wrong; none is fine. At most maxProblems are kept of More.
	Problems []Problem
	More     int // problems beyond those
}

// Problem is one thing that is wrong.
type Problem struct {
	Rule string `json:"rule"` // pages, format, journal, index, state, alerts, forecasts, ...
	What string `json:"what"`
}

// maxProblems bounds a report: one lost page makes thousands.
const maxProblems = 100

// OK reports that nothing is wrong.
func (r Report) OK() bool { return len(r.Problems) == 0 }

// Err is nil if nothing is wrong, else an error that says what.
func (r Report) Err() error {
	if r.OK() {
		return nil
	}
	var words []string
	for _, p := range r.Problems[:min(3, len(r.Problems))] {
		words = append(words, p.What)
	}
	if n := len(r.Problems) + r.More - len(words); n > 0 {
		words = append(words, fmt.Sprintf("and %d more", n))
	}
	return &Error{Kind: ErrDamaged, Path: r.Path, What: strings.Join(words, "; "), Hint: "repwatch db verify shows them all; " + hintDamaged}
}

func (r *Report) add(rule, format string, a ...any) {
	if len(r.Problems) >= maxProblems {
		r.More++
		return
	}
	r.Problems = append(r.Problems, Problem{rule, fmt.Sprintf(format, a...)})
}

// Verify checks a file that no daemon holds: its pages, and whether what it says
// agrees with itself. The error says why it could not be checked; what is
// wrong with it is in the report.
func Verify(path string) (Report, error) {
	r := Report{Path: path}
	db, err := Open(path, Options{ReadOnly: true})
	if errors.Is(err, ErrDamaged) {
		r.add("pages", "%v", err)
		return r, nil
	}
	if err != nil {
		return r, err
	}
	head := headTorn(path)
	r, err = db.Verify()
	if r.Head = head; err == nil && r.OK() && !head {
		err = db.secondOpinion(&r)
	}
	return r, errors.Join(err, db.Close())
}

func headTorn(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false // it was open a moment ago
	}
	defer f.Close()
	metas, _ := readMetas(f)
	return len(metas) < 2
}

// secondOpinion asks bbolt's own check, which is not for a file that may fault, that others write to, or with a torn head.
func (db *DB) secondOpinion(r *Report) error {
	return db.view(func(b *bolt.Tx) error {
		for err := range b.Check() {
			r.add("pages", "%v", err)
		}
		return nil
	})
}

// Verify checks the store while it is in use, as it is at this moment.
func (db *DB) Verify() (Report, error) {
	r := Report{Path: db.path}
	if info, err := os.Stat(db.path); err == nil {
		r.Size = info.Size()
	}
	said, err := db.checkPages()
	if err != nil {
		return r, err
	}
	for _, s := range said {
		r.add("pages", "%s", s)
	}
	if len(said) > 0 {
		return r, nil // what hangs on a torn page is not worth telling one by one
	}
	err = db.View(func(tx *Tx) error {
		v := verifier{tx, &r}
		v.all()
		return nil
	})
	if errors.Is(err, ErrDamaged) {
		r.add("pages", "%v", err)
		err = nil
	}
	return r, err
}

// verifier checks the invariants.
type verifier struct {
	tx *Tx
	*Report
}

func (v verifier) all() {
	for _, check := range []struct {
		rule string
		f    func()
	}{
		{"format", v.format}, {"journal", v.journal}, {"journal", v.journalIndex}, {"names", v.interned},
		{"episodes", v.episodes}, {"episodes", v.episodeIndexes}, {"incidents", v.incidents},
		{"state", v.listings}, {"state", v.wire}, {"state", v.faults}, {"forecasts", v.forecasts},
		{"alerts", v.outbox}, {"alerts", v.messages}, {"rows", v.rows},
	} {
		check.f()
		if err := v.tx.err; err != nil { // what a loop could not read
			v.add(check.rule, "%s", firstLine(err))
			v.tx.err = nil
		}
	}
}

func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}

func (v verifier) format() {
	m, _, err := readMeta(v.tx.bolt)
	if err != nil {
		v.add("format", "%s", firstLine(err))
	}
	v.Format = m.Format
	for _, l := range layouts {
		if v.tx.bucket(l.name) == nil {
			v.add("format", "bucket %s is missing", l.name)
		}
	}
}

// journal: numbers without a gap (but below what has expired), times that never go back.
func (v verifier) journal() {
	holes, err := v.tx.expiredBefore()
	if err != nil {
		v.tx.fail(err)
		return
	}
	var last uint64
	var at time.Time
	for r := range v.tx.After(0) {
		v.Records++
		if r.Seq > max(last+1, holes) {
			v.add("journal", "records %d to %d are missing", max(last+1, holes), r.Seq-1)
		}
		if r.At.Before(at) {
			v.add("journal", "record %d is of %s, before the one ahead of it", r.Seq, r.At.Format(time.RFC3339))
		}
		last, at = r.Seq, r.At
	}
	if seq := v.tx.LastSeq(); last > seq || last < seq && seq >= holes {
		v.add("journal", "the last record is %d, it should be %d", last, seq)
	}
}

// journalIndex: journal.of has an entry per record with a subject, and no other.
func (v verifier) journalIndex() {
	want := 0
	for k, raw := range v.tx.walk(bucketJournal, nil, nil) {
		row, err := decodeRecordRow(raw)
		if err != nil || row.Subject == 0 {
			continue // said by journal, or without a subject
		}
		want++
		if v.tx.get(bucketJournalOf, slices.Concat(number(row.Subject), k)) == nil {
			v.add("index", "record %s is missing from %s", showKey(bucketJournal, k), bucketJournalOf)
		}
	}
	if n := v.count(bucketJournalOf); n != want {
		v.add("index", "%s has %d entries for %d records", bucketJournalOf, n, want)
	}
}

func (v verifier) count(bucket string) (n int) {
	for range v.tx.walk(bucket, nil, nil) {
		n++
	}
	return n
}

// interned: numbers and what they stand for lead to each other.
func (v verifier) interned() {
	for _, i := range []interned{subjectNames, listingTexts} {
		for id, n := range v.tx.walk(i.by, nil, nil) {
			text := v.tx.get(i.texts, n)
			if text == nil {
				v.add("index", "%s has number %s, which %s does not have", i.by, showNumbers(n), i.texts)
			} else if i == subjectNames && !bytes.Equal(id, text) {
				v.add("index", "number %s is %q in %s and %q in %s", showNumbers(n), id, i.by, text, i.texts)
			}
		}
		if a, b := v.count(i.texts), v.count(i.by); a != b {
			v.add("index", "%s has %d entries, %s has %d", i.texts, a, i.by, b)
		}
	}
}

// rows: every JSON value can be read as what its table holds.
func (v verifier) rows() {
	tx := v.tx
	readable(tx.Lists())
	readable(tx.Subjects())
	readable(tx.Budgets())
	readable(tx.Settings())
	readable(tx.Notifiers())
	for range tx.Sessions(time.Time{}, time.Time{}) {
		continue
	}
}

func readable[K comparable, V any](t Table[K, V]) {
	for range t.All() {
		continue
	}
}
