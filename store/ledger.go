package store

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"iter"
	"net/netip"
	"slices"
	"sync"
	"time"

	"repwatch/checks/smtp"
	"repwatch/reputation"
)

// The ledger of sessions (rule of truth 6) is written often and little, so rows
// wait for company: a crash loses at most the last second of it.
const (
	ledgerWait   = time.Second
	ledgerRows   = 64
	ledgerBounds = 10_000 // rows kept while the disk is full; then the oldest go
)

// session is a row of the ledger as it is stored.
type session struct {
	Provider string             `json:"provider"`
	From     string             `json:"from"`
	To       netip.Addr         `json:"to,omitzero"`
	Partner  string             `json:"partner,omitempty"`
	Why      string             `json:"why,omitempty"`
	Opened   time.Time          `json:"opened"`
	Closed   time.Time          `json:"closed,omitzero"`
	Outcome  reputation.Outcome `json:"outcome"`
	SlowDown bool               `json:"slow_down,omitempty"`
}

func (s session) entry() smtp.LedgerEntry {
	return smtp.LedgerEntry{
		Visit:  smtp.Visit{Provider: s.Provider, From: s.From, To: s.To, Partner: s.Partner, Why: s.Why},
		Opened: s.Opened, Closed: s.Closed, Outcome: s.Outcome, SlowDown: s.SlowDown,
	}
}

func sessionOf(e smtp.LedgerEntry) session {
	return session{Provider: e.Provider, From: e.From, To: e.To, Partner: e.Partner, Why: e.Why,
		Opened: utc(e.Opened), Closed: utc(e.Closed), Outcome: e.Outcome, SlowDown: e.SlowDown}
}

// ledgerKey is when the session opened, and a count that tells apart those of one instant.
type ledgerKey struct {
	opened int64 // Unix nanoseconds
	n      uint32
}

func (k ledgerKey) bytes() []byte {
	return binary.BigEndian.AppendUint32(number(uint64(k.opened)), k.n)
}

type openSession struct {
	smtp.Visit
	opened int64
}

// ledger holds rows back for a while.
type ledger struct {
	write func(rows map[ledgerKey]session) error

	flushing sync.Mutex // one writer at a time, so that an older row never follows a newer
	mu       sync.Mutex
	rows     map[ledgerKey]session
	open     map[openSession]ledgerKey
	count    uint32
	timer    *time.Timer
	closed   bool
}

func newLedger(db *DB) *ledger {
	return &ledger{write: db.writeSessions, rows: map[ledgerKey]session{}, open: map[openSession]ledgerKey{}}
}

// Ledger records a session: once when it opens, and once more when it ends. It
// does not wait for the disk; Flush and Close do.
func (db *DB) Ledger(e smtp.LedgerEntry) { db.ledger.add(e) }

// Flush writes the sessions that are held back.
func (db *DB) Flush() error { return db.ledger.flush() }

func (l *ledger) add(e smtp.LedgerEntry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return
	}
	who := openSession{e.Visit, e.Opened.UnixNano()}
	key, known := l.open[who]
	if !known {
		l.count++
		key = ledgerKey{who.opened, l.count}
	}
	if e.Closed.IsZero() {
		l.open[who] = key
	} else {
		delete(l.open, who)
	}
	l.rows[key] = sessionOf(e)
	switch {
	case len(l.rows) == ledgerRows:
		l.wake(0)
	case l.timer == nil:
		l.wake(ledgerWait)
	}
}

// wake has the rows written after a while. The caller holds mu.
func (l *ledger) wake(after time.Duration) {
	if l.timer != nil {
		l.timer.Stop()
	}
	l.timer = time.AfterFunc(after, func() { _ = l.flush() }) // a failure is tried again; Flush and Close tell it
}

func (l *ledger) flush() error {
	l.flushing.Lock()
	defer l.flushing.Unlock()
	l.mu.Lock()
	rows := l.rows
	l.rows = map[ledgerKey]session{}
	if l.timer != nil {
		l.timer.Stop()
		l.timer = nil
	}
	l.mu.Unlock()
	if len(rows) == 0 {
		return nil
	}
	err := l.write(rows)
	if err != nil {
		l.keep(rows)
	}
	return err
}

// keep takes rows back that could not be written.
func (l *ledger) keep(rows map[ledgerKey]session) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for k, s := range rows {
		if _, newer := l.rows[k]; !newer && len(l.rows) < ledgerBounds {
			l.rows[k] = s
		}
	}
	if !l.closed && l.timer == nil {
		l.wake(ledgerWait)
	}
}

func (l *ledger) close() error {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	return l.flush()
}

func (db *DB) writeSessions(rows map[ledgerKey]session) error {
	return db.Update(time.Time{}, func(tx *Tx) error {
		keys := make([]ledgerKey, 0, len(rows))
		for k := range rows {
			keys = append(keys, k)
		}
		slices.SortFunc(keys, func(a, b ledgerKey) int { return bytes.Compare(a.bytes(), b.bytes()) })
		for _, k := range keys {
			raw, err := json.Marshal(rows[k])
			if err != nil {
				return fmt.Errorf("ledger: %w", err)
			}
			if err := tx.put(bucketLedger, k.bytes(), raw); err != nil {
				return err
			}
		}
		return nil
	})
}

// Sessions yields the sessions opened in [from, to), the oldest first; a zero time
// leaves that end open. Those of the last second may still be held back: see Flush.
func (tx *Tx) Sessions(from, to time.Time) iter.Seq[smtp.LedgerEntry] {
	return func(yield func(smtp.LedgerEntry) bool) {
		var first []byte
		if !from.IsZero() {
			first = number(uint64(from.UnixNano()))
		}
		for k, raw := range tx.walk(bucketLedger, nil, first) {
			var s session
			if err := json.Unmarshal(raw, &s); err != nil {
				tx.fail(damage("row %s of %s cannot be read: %w", showKey(bucketLedger, k), bucketLedger, err))
				return
			}
			if !to.IsZero() && !s.Opened.Before(to) || !yield(s.entry()) {
				return
			}
		}
	}
}
