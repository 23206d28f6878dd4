package store

import (
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"repwatch/checks/smtp"
	"repwatch/reputation"
)

func sessionAt(at time.Time, n int) smtp.LedgerEntry {
	return smtp.LedgerEntry{Opened: at, Visit: smtp.Visit{Provider: "google", From: fmt.Sprintf("203.0.113.%d", n),
		To: netip.MustParseAddr("192.0.2.1"), Partner: "contoso.com", Why: "schedule"}}
}

func sessions(t *testing.T, db *DB, from, to time.Time) (es []smtp.LedgerEntry) {
	t.Helper()
	view(t, db, func(tx *Tx) error {
		es = slices.Collect(tx.Sessions(from, to))
		return nil
	})
	return es
}

// Each session is one row, written a second after it was recorded, and once more when it closes.
func TestLedger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := openTemp(t)
		now := time.Now().UTC()
		a, b := sessionAt(now, 1), sessionAt(now, 2) // at the same instant
		db.Ledger(a)
		db.Ledger(b)
		if got := sessions(t, db, time.Time{}, time.Time{}); len(got) != 0 {
			t.Errorf("written at once: %+v", got)
		}
		time.Sleep(ledgerWait)
		synctest.Wait()
		if got := sessions(t, db, time.Time{}, time.Time{}); !slices.Equal(got, []smtp.LedgerEntry{a, b}) {
			t.Errorf("after a second: %+v", got)
		}
		a.Closed, a.Outcome, a.SlowDown = now.Add(2*time.Second), reputation.Deferred, true
		db.Ledger(a)
		time.Sleep(ledgerWait)
		synctest.Wait()
		if got := sessions(t, db, time.Time{}, time.Time{}); !slices.Equal(got, []smtp.LedgerEntry{a, b}) {
			t.Errorf("after the end: %+v", got)
		}
	})
}

func TestLedgerIsWrittenInBulk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := openTemp(t)
		now := time.Now().UTC()
		for i := range ledgerRows {
			db.Ledger(sessionAt(now.Add(time.Duration(i)), i))
		}
		synctest.Wait() // no second has passed
		if got := sessions(t, db, time.Time{}, time.Time{}); len(got) != ledgerRows {
			t.Errorf("%d of %d rows were written", len(got), ledgerRows)
		}
	})
}

func TestCloseWritesTheLedger(t *testing.T) {
	path := filepath.Join(t.TempDir(), "repwatch.db")
	db, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 10 {
		db.Ledger(sessionAt(t0.Add(time.Duration(i)*time.Minute), i))
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	db.Ledger(sessionAt(t0, 99)) // too late, and no harm
	db = openAt(t, path)
	got := sessions(t, db, t0.Add(2*time.Minute), t0.Add(5*time.Minute))
	if len(got) != 3 || !got[0].Opened.Equal(t0.Add(2*time.Minute)) || got[2].From != "203.0.113.4" {
		t.Errorf("minutes 2 to 5: %+v", got)
	}
}

// Rows that cannot be written are kept, and written once they can; one that changed
// meanwhile is not taken back to what it was.
func TestLedgerOutlastsTrouble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := openTemp(t)
		now := time.Now().UTC()
		a, b := sessionAt(now, 1), sessionAt(now, 2)
		closed := a
		closed.Closed = now.Add(time.Second)
		full := errors.New("full")
		tries := 0
		write := db.ledger.write
		db.ledger.write = func(rows map[ledgerKey]session) error {
			if tries++; tries == 1 {
				db.Ledger(closed) // while the disk refuses
				return full
			}
			return write(rows)
		}
		db.Ledger(a)
		db.Ledger(b)
		if err := db.Flush(); !errors.Is(err, full) {
			t.Errorf("flush said %v", err)
		}
		time.Sleep(2 * ledgerWait)
		synctest.Wait()
		if got := sessions(t, db, time.Time{}, time.Time{}); !slices.Equal(got, []smtp.LedgerEntry{closed, b}) {
			t.Errorf("once there was room: %+v", got)
		}
	})
}
