package store

import (
	"encoding/json"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"repwatch/incident"
)

// The outbox holds a row per notifier and alert: a notifier that is down keeps
// nobody else waiting, and what it missed waits for it. Rows of one incident go
// out in order; rows of different incidents do not wait for one another.

// Queued is an alert that waits for one notifier.
type Queued struct {
	Notifier string `json:"notifier"`
	incident.Alert
	Attempts int       `json:"attempts,omitempty"`
	Tried    time.Time `json:"tried,omitzero"`   // when the last attempt began; zero: never
	Failed   string    `json:"failed,omitempty"` // why the last attempt failed
	Retry    time.Time `json:"retry,omitzero"`   // not before
}

// ready is when the row may be sent.
func (q *Queued) ready() time.Time {
	if q.Retry.After(q.Due) {
		return q.Retry
	}
	return q.Due
}

// Handle is where a notifier put the message of an incident, so that it can be edited.
type Handle struct {
	Notifier string            `json:"notifier"`
	Incident string            `json:"incident"`
	Channel  string            `json:"channel,omitempty"`
	TS       string            `json:"ts,omitempty"`
	At       time.Time         `json:"at,omitzero"`
	Edited   time.Time         `json:"edited,omitzero"`
	Extra    map[string]string `json:"extra,omitempty"`
}

func outboxKey(notifier string, seq uint64) ([]byte, error) {
	if notifier == "" || strings.Contains(notifier, sep) {
		return nil, fmt.Errorf("%q cannot be a notifier's name", notifier)
	}
	return slices.Concat([]byte(notifier+sep), number(seq)), nil
}

// Enqueue puts an alert into the outbox of each notifier. All copies have one
// seq. Where a row with the same Key and incident still waits and was never tried,
// the alert takes its place: its turn and its Due stay, for group_wait counts from
// the first. The alert is returned with its seq.
func (tx *Tx) Enqueue(a incident.Alert, notifiers []string) (incident.Alert, error) {
	if a.At.IsZero() {
		a.At = tx.now
	}
	a.Seq = 0
	var first uint64
	for _, n := range notifiers {
		if old, ok := tx.replaceable(n, a); ok {
			again := a
			again.Seq, again.Due = old.Seq, old.Due
			if err := tx.putQueued(Queued{Notifier: n, Alert: again}); err != nil {
				return a, err
			}
			if first == 0 {
				first = old.Seq
			}
			continue
		}
		if a.Seq == 0 {
			seq, err := tx.next(bucketOutbox)
			if err != nil {
				return a, err
			}
			a.Seq = seq
		}
		if err := tx.putQueued(Queued{Notifier: n, Alert: a}); err != nil {
			return a, err
		}
	}
	if a.Seq == 0 {
		a.Seq = first
	}
	return a, tx.err
}

func (tx *Tx) replaceable(notifier string, a incident.Alert) (Queued, bool) {
	if a.Key == "" {
		return Queued{}, false
	}
	for q := range tx.Pending(notifier) {
		if q.Key == a.Key && q.Incident == a.Incident && q.Attempts == 0 {
			return q, true
		}
	}
	return Queued{}, false
}

func (tx *Tx) putQueued(q Queued) error {
	key, err := outboxKey(q.Notifier, q.Seq)
	if err != nil {
		return err
	}
	raw, err := json.Marshal(q)
	if err != nil {
		return fmt.Errorf("alert %d: %w", q.Seq, err)
	}
	return tx.put(bucketOutbox, key, raw)
}

// Pending yields what waits for a notifier, in order.
func (tx *Tx) Pending(notifier string) iter.Seq[Queued] {
	return tx.queued([]byte(notifier+sep), func(*Queued) bool { return true })
}

// AllPending yields what waits, over all notifiers, each one's in order.
func (tx *Tx) AllPending() iter.Seq[Queued] {
	return tx.queued(nil, func(*Queued) bool { return true })
}

// PendingOf yields what waits of an incident, over all notifiers.
func (tx *Tx) PendingOf(incident string) iter.Seq[Queued] {
	return tx.queued(nil, func(q *Queued) bool { return q.Incident == incident })
}

func (tx *Tx) queued(prefix []byte, want func(*Queued) bool) iter.Seq[Queued] {
	return func(yield func(Queued) bool) {
		for k, raw := range tx.walk(bucketOutbox, prefix, nil) {
			q, err := decodeQueued(k, raw)
			if err != nil {
				tx.fail(err)
				return
			}
			if want(&q) && !yield(q) {
				return
			}
		}
	}
}

func decodeQueued(k, raw []byte) (q Queued, err error) {
	if err := json.Unmarshal(raw, &q); err != nil {
		return q, damage("row %s of %s cannot be read: %w", showKey(bucketOutbox, k), bucketOutbox, err)
	}
	return q, nil
}

// DropPending takes a row out without sending it. One that is not there is no error.
func (tx *Tx) DropPending(notifier string, seq uint64) error {
	key, err := outboxKey(notifier, seq)
	if err != nil {
		return err
	}
	return tx.delete(bucketOutbox, key)
}

// ahead is how many waiting rows of a notifier are looked at for the most urgent.
const ahead = 256

// NextAlert returns the row of a notifier that is to be sent now: of those that are due,
// and that no earlier row of their incident still waits before, the one whose incident
// is the most urgent; of equals the first. Wake is when to ask again at the latest; zero
// if nothing waits for a time.
func (db *DB) NextAlert(notifier string, now time.Time) (q Queued, ok bool, wake time.Time, err error) {
	err = db.View(func(tx *Tx) error {
		heads, n := heads{of: map[string]int{}}, 0
		for row := range tx.Pending(notifier) {
			heads.add(row, now)
			if n++; n >= ahead && heads.due {
				break
			}
		}
		q, ok, wake = heads.next(now)
		return nil
	})
	return q, ok, wake, err
}

// heads are the first rows of each incident, and those that belong to none, in order.
type heads struct {
	rows []head
	of   map[string]int // where an incident's is
	due  bool           // one may be sent
}

type head struct {
	Queued
	urgency int // of the most urgent row of its incident: what is urgent pulls what must go before it
}

func (h *heads) add(q Queued, now time.Time) {
	at, behind := h.of[q.Incident]
	if q.Incident != "" && behind {
		h.rows[at].urgency = max(h.rows[at].urgency, urgency(&q))
		return
	}
	h.due = h.due || !q.ready().After(now)
	h.of[q.Incident] = len(h.rows)
	h.rows = append(h.rows, head{q, urgency(&q)})
}

// urgency orders what may be sent: the worst news first; edits, of which the last counts, and
// what is sent once a day or week, after all news.
func urgency(q *Queued) int {
	switch q.Kind {
	case incident.AlertEdit, incident.AlertDigest, incident.AlertReport:
		return 0
	}
	return 1 + int(q.Message.Impact)
}

func (h *heads) next(now time.Time) (q Queued, ok bool, wake time.Time) {
	top := -1
	for _, r := range h.rows {
		switch at := r.ready(); {
		case !at.After(now):
			if r.urgency > top {
				q, ok, top = r.Queued, true, r.urgency
			}
		case wake.IsZero() || at.Before(wake):
			wake = at
		}
	}
	if ok {
		wake = now
	}
	return q, ok, wake
}

// change rewrites one row, if it is still there.
func (db *DB) change(notifier string, seq uint64, now time.Time, f func(*Tx, *Queued) error) error {
	key, err := outboxKey(notifier, seq)
	if err != nil {
		return err
	}
	return db.Update(now, func(tx *Tx) error {
		raw := tx.get(bucketOutbox, key)
		if raw == nil {
			return nil // a person resolved or muted the incident meanwhile
		}
		q, err := decodeQueued(key, raw)
		if err != nil {
			return err
		}
		return f(tx, &q)
	})
}

// Attempt records that a row is about to be sent, so that a crash in between is
// known: a row with Attempts may have arrived.
func (db *DB) Attempt(notifier string, seq uint64, now time.Time) error {
	return db.change(notifier, seq, now, func(tx *Tx, q *Queued) error {
		q.Attempts++
		q.Tried, q.Failed = tx.now, ""
		return tx.putQueued(*q)
	})
}

// Delivered takes a row out, notes that its incident was told and keeps the
// handle (may be nil), all at once.
func (db *DB) Delivered(notifier string, seq uint64, now time.Time, h *Handle) error {
	key, err := outboxKey(notifier, seq)
	if err != nil {
		return err
	}
	return db.Update(now, func(tx *Tx) error {
		if h != nil { // even if the row was dropped meanwhile: the message is there
			if err := tx.PutHandle(*h); err != nil {
				return err
			}
		}
		raw := tx.get(bucketOutbox, key)
		if raw == nil {
			return nil
		}
		q, err := decodeQueued(key, raw)
		if err != nil {
			return err
		}
		if err := tx.delete(bucketOutbox, key); err != nil {
			return err
		}
		return tx.markTold(q.Incident, notifier)
	})
}

func (tx *Tx) markTold(incident, notifier string) error {
	if incident == "" {
		return nil
	}
	told, _, err := tx.Told().Get(incident)
	if err != nil || !told[notifier].IsZero() {
		return err
	}
	if told == nil {
		told = map[string]time.Time{}
	}
	told[notifier] = tx.now
	return tx.Told().Put(incident, told)
}

// Failed records why an attempt failed, and when the next may be made.
func (db *DB) Failed(notifier string, seq uint64, now, retry time.Time, why string) error {
	return db.change(notifier, seq, now, func(tx *Tx, q *Queued) error {
		q.Failed, q.Retry = why, retry.UTC()
		return tx.putQueued(*q)
	})
}

func (tx *Tx) handles() Table[string, Handle] {
	keys := textKeys
	keys.encode = func(k string) ([]byte, error) { return []byte(k), nil } // composite
	return table[string, Handle](tx, bucketHandles, keys)
}

func handleKey(notifier, incident string) string { return incident + sep + notifier }

// Handle returns where a notifier put the message of an incident.
func (tx *Tx) Handle(notifier, incident string) (Handle, bool, error) {
	return tx.handles().Get(handleKey(notifier, incident))
}

// PutHandle keeps a handle under its notifier and incident.
func (tx *Tx) PutHandle(h Handle) error {
	if h.Notifier == "" || strings.Contains(h.Notifier+h.Incident, sep) {
		return fmt.Errorf("a handle of notifier %q and incident %q cannot be kept", h.Notifier, h.Incident)
	}
	return tx.handles().Put(handleKey(h.Notifier, h.Incident), h)
}

// HandlesOf yields the handles of an incident, by notifier.
func (tx *Tx) HandlesOf(incident string) iter.Seq[Handle] {
	return func(yield func(Handle) bool) {
		for _, h := range tx.handles().Prefix(incident + sep) {
			if !yield(h) {
				return
			}
		}
	}
}
