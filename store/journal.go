package store

import (
	"container/heap"
	"encoding/json"
	"fmt"
	"iter"
	"slices"
	"sort"
	"time"

	"repwatch/incident"
	"repwatch/reputation"
)

// The journal holds a record per transition, numbered from 1 without a gap, at
// times that never go back. So a time is found by halving, and a week of a year
// costs what a week costs.

// Append writes a record. It sets its Seq, and At where that is zero; a clock that
// was set back does not take the journal along: At is never before the last record's.
func (tx *Tx) Append(r incident.Record) (incident.Record, error) {
	if r.At.IsZero() {
		r.At = tx.now
	}
	r.At = utc(r.At)
	last, err := tx.lastTime()
	if err != nil {
		return r, err
	}
	if r.At.Before(last) {
		r.At = last
	}
	seq, err := tx.next(bucketJournal)
	if err != nil {
		return r, err
	}
	r.Seq = seq
	row, err := tx.recordRow(r)
	if err != nil {
		return r, fmt.Errorf("record %d: %w", seq, err)
	}
	raw, err := json.Marshal(row)
	if err != nil {
		return r, fmt.Errorf("record %d: %w", seq, err)
	}
	if err := tx.put(bucketJournal, number(seq), raw); err != nil || row.Subject == 0 {
		return r, err
	}
	return r, tx.mark(bucketJournalOf, slices.Concat(number(row.Subject), number(seq)), true)
}

// LastSeq is the number of the latest record; 0: there is none.
func (tx *Tx) LastSeq() uint64 {
	b := tx.bucket(bucketJournal)
	if b == nil {
		return 0
	}
	return b.Sequence()
}

// Record returns one record, and whether there is such a one (it may have expired).
func (tx *Tx) Record(seq uint64) (incident.Record, bool, error) {
	raw := tx.get(bucketJournal, number(seq))
	if raw == nil {
		return incident.Record{}, false, nil
	}
	r, err := tx.decodeRecord(seq, raw)
	return r, err == nil, err
}

func (tx *Tx) decodeRecord(seq uint64, raw []byte) (incident.Record, error) {
	row, err := decodeRecordRow(raw)
	if err != nil {
		return incident.Record{}, damage("record %d cannot be read: %w", seq, err)
	}
	return tx.record(seq, row)
}

// After yields the records after a number, the oldest first.
func (tx *Tx) After(seq uint64) iter.Seq[incident.Record] { return tx.records(seq+1, time.Time{}) }

// Journal yields the records of [from, to), the oldest first. A zero time leaves that end open.
func (tx *Tx) Journal(from, to time.Time) iter.Seq[incident.Record] {
	return func(yield func(incident.Record) bool) {
		first, err := tx.firstAt(from)
		if err != nil {
			tx.fail(err)
			return
		}
		tx.records(first, to)(yield)
	}
}

func (tx *Tx) records(first uint64, to time.Time) iter.Seq[incident.Record] {
	return func(yield func(incident.Record) bool) {
		for k, raw := range tx.walk(bucketJournal, nil, number(first)) {
			seq, err := numberKeys.decode(k)
			if err != nil {
				tx.fail(damage("%s: %w", bucketJournal, err))
				return
			}
			r, err := tx.decodeRecord(seq, raw)
			if err != nil {
				tx.fail(err)
				return
			}
			if !to.IsZero() && !r.At.Before(to) || !yield(r) {
				return
			}
		}
	}
}

// firstAt is the number of the first record at or after a time. Records that have
// expired may have left holes; the halving steps over them.
func (tx *Tx) firstAt(from time.Time) (uint64, error) {
	oldest := tx.oldestSeq()
	if from.IsZero() || oldest == 0 {
		return oldest, nil
	}
	var failed error
	n := sort.Search(int(tx.LastSeq()-oldest)+1, func(i int) bool {
		at, ok, err := tx.timeFrom(oldest + uint64(i))
		if err != nil && failed == nil {
			failed = err
		}
		return !ok || !at.Before(from)
	})
	return oldest + uint64(n), failed
}

// timeFrom is the time of the first record with at least this number, if there is one.
func (tx *Tx) timeFrom(seq uint64) (at time.Time, ok bool, err error) {
	for k, raw := range tx.walk(bucketJournal, nil, number(seq)) {
		at, err = recordTime(k, raw)
		return at, err == nil, err
	}
	return at, false, nil
}

// lastTime is the time of the last record; zero: there is none.
func (tx *Tx) lastTime() (time.Time, error) {
	k, raw := tx.bucket(bucketJournal).Cursor().Last()
	if k == nil {
		return time.Time{}, nil
	}
	return recordTime(k, raw)
}

func (tx *Tx) oldestSeq() uint64 {
	for k := range tx.walk(bucketJournal, nil, nil) {
		seq, err := numberKeys.decode(k)
		if err != nil {
			tx.fail(damage("%s: %w", bucketJournal, err))
		}
		return seq
	}
	return 0
}

func recordTime(k, raw []byte) (time.Time, error) {
	row, err := decodeRecordRow(raw)
	if err != nil {
		return time.Time{}, damage("record %s cannot be read: %w", showKey(bucketJournal, k), err)
	}
	return row.At.Time, nil
}

// Index: names numbers the subjects that the journal speaks of, journal.of holds
// that number and the record's. What an IP, a partner or a list went through is
// merged from the few subjects that have it.

// History yields the records of one subject, the oldest first.
func (tx *Tx) History(s reputation.Subject) iter.Seq[incident.Record] {
	name, err := subjectName(s)
	if err != nil {
		name = sep // it has none
	}
	return tx.merged(name, func(other reputation.Subject) bool { return other == s })
}

// HistoryOf yields the records of all subjects of an IP or domain, the oldest first;
// of one kind only unless that is empty.
func (tx *Tx) HistoryOf(who string, kind reputation.Kind) iter.Seq[incident.Record] {
	prefix := ""
	if kind != "" {
		prefix = string(kind) + " " + who
	}
	return tx.merged(prefix, func(s reputation.Subject) bool { return s.Who() == who })
}

// HistoryOfTarget yields the records of all subjects of a partner, a list or another
// target, the oldest first; of one kind only unless that is empty.
func (tx *Tx) HistoryOfTarget(target string, kind reputation.Kind) iter.Seq[incident.Record] {
	return tx.merged("", func(s reputation.Subject) bool { return s.Target == target && (kind == "" || s.Kind == kind) })
}

// merged yields the records of the subjects that are wanted among those whose
// name begins with prefix.
func (tx *Tx) merged(prefix string, want func(reputation.Subject) bool) iter.Seq[incident.Record] {
	return func(yield func(incident.Record) bool) {
		var heads streams
		defer func() { heads.stop() }()
		for name, n := range tx.walk(bucketNamesBy, []byte(prefix), nil) {
			s, err := parseSubjectName(string(name))
			if err != nil {
				tx.fail(damage("%s: %w", bucketNamesBy, err))
				return
			}
			if want(s) {
				heads.add(tx.seqsOf(slices.Clone(n)))
			}
		}
		heap.Init(&heads)
		for len(heads) > 0 {
			seq := heads[0].seq
			heads.advance()
			r, ok, err := tx.Record(seq)
			if err == nil && !ok {
				err = damage("%s has an entry for record %d, which is missing", bucketJournalOf, seq)
			}
			if err != nil {
				tx.fail(err)
				return
			}
			if !yield(r) {
				return
			}
		}
	}
}

// seqsOf yields the numbers of the records of one named subject, ascending.
func (tx *Tx) seqsOf(name []byte) iter.Seq[uint64] {
	return func(yield func(uint64) bool) {
		for k := range tx.walk(bucketJournalOf, name, nil) {
			_, seq, err := numberAfter(k)
			if err != nil {
				tx.fail(damage("%s: %w", bucketJournalOf, err))
				return
			}
			if !yield(seq) {
				return
			}
		}
	}
}

// streams is a heap of ascending numbers from several subjects.
type streams []stream

type stream struct {
	seq  uint64
	next func() (uint64, bool)
	stop func()
}

func (s streams) Len() int           { return len(s) }
func (s streams) Less(i, j int) bool { return s[i].seq < s[j].seq }
func (s streams) Swap(i, j int)      { s[i], s[j] = s[j], s[i] }
func (s *streams) Push(x any)        { *s = append(*s, x.(stream)) }

func (s *streams) Pop() any {
	last := (*s)[len(*s)-1]
	*s = (*s)[:len(*s)-1]
	return last
}

func (s *streams) add(seqs iter.Seq[uint64]) {
	next, stop := iter.Pull(seqs)
	if seq, ok := next(); ok {
		*s = append(*s, stream{seq, next, stop})
		return
	}
	stop()
}

// advance moves the least stream on.
func (s *streams) advance() {
	first := &(*s)[0]
	seq, ok := first.next()
	if !ok {
		first.stop()
		heap.Pop(s)
		return
	}
	first.seq = seq
	heap.Fix(s, 0)
}

func (s streams) stop() {
	for _, one := range s {
		one.stop()
	}
}
