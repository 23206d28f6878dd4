package store

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"repwatch/reputation"
)

var t0 = time.Date(2026, 11, 2, 8, 0, 0, 0, time.UTC)

func openTemp(t testing.TB) *DB {
	t.Helper()
	return openAt(t, filepath.Join(t.TempDir(), "repwatch.db"))
}

// openAt opens a store that must be sound when the test ends.
func openAt(t testing.TB, path string) *DB {
	t.Helper()
	db, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
		sound(t, path)
	})
	return db
}

// sound holds a closed file to all invariants.
func sound(t testing.TB, path string) {
	t.Helper()
	r, err := Verify(path)
	if err != nil {
		t.Errorf("verify: %v", err)
	}
	for _, p := range r.Problems {
		t.Errorf("%s: %s", p.Rule, p.What)
	}
}

// update runs f in a transaction; errDiscard takes it back.
func update(t testing.TB, db *DB, now time.Time, f func(*Tx) error) {
	t.Helper()
	if err := db.Update(now, f); err != nil && !errors.Is(err, errDiscard) {
		t.Fatal(err)
	}
}

func view(t testing.TB, db *DB, f func(*Tx) error) {
	t.Helper()
	if err := db.View(f); err != nil {
		t.Fatal(err)
	}
}

func listing(ip, list string) reputation.Subject {
	return reputation.Subject{Kind: reputation.KindListing, IP: netip.MustParseAddr(ip), Target: list}
}

func wireOf(ip, partner string) reputation.Subject {
	return reputation.Subject{Kind: reputation.KindWire, IP: netip.MustParseAddr(ip), Target: partner}
}

func TestAnErrorRollsBack(t *testing.T) {
	db := openTemp(t)
	broken := errors.New("no")
	err := db.Update(t0, func(tx *Tx) error {
		if err := tx.Budgets().Put("xbl", Budget{Day: 1, Spent: 7}); err != nil {
			return err
		}
		return broken
	})
	if !errors.Is(err, broken) {
		t.Errorf("the error became %v", err)
	}
	view(t, db, func(tx *Tx) error {
		if b, ok, err := tx.Budgets().Get("xbl"); ok || err != nil {
			t.Errorf("what was rolled back is there: %+v, %v", b, err)
		}
		return nil
	})
}

func TestTimeIsFixedAndUTC(t *testing.T) {
	db := openTemp(t)
	vienna := time.FixedZone("CET", 3600)
	update(t, db, time.Date(2026, 11, 2, 9, 0, 0, 0, vienna), func(tx *Tx) error {
		if got := tx.Now(); got != t0 {
			t.Errorf("now is %s, want %s", got, t0)
		}
		return nil
	})
}

// A sweep without change costs no write: the file stays as it is, byte by byte.
func TestNothingNewWritesNothing(t *testing.T) {
	db := openTemp(t)
	put := func(tx *Tx) error { return tx.Subjects().Put("203.0.113.7", Watched{Since: t0}) }
	update(t, db, t0, put)
	before, err := os.ReadFile(db.Path())
	if err != nil {
		t.Fatal(err)
	}
	update(t, db, t0.Add(time.Hour), put)
	after, err := os.ReadFile(db.Path())
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(before, after) {
		t.Error("a row that is the same already was written again")
	}
}

func TestLoopsMayChangeTheirTable(t *testing.T) {
	db := openTemp(t)
	const n = 500
	update(t, db, t0, func(tx *Tx) error {
		for i := range n {
			if err := tx.Budgets().Put(string(rune('a'+i%26))+strings.Repeat("x", i/26+1), Budget{Spent: i}); err != nil {
				return err
			}
		}
		return nil
	})
	update(t, db, t0, func(tx *Tx) error {
		seen := map[string]bool{}
		last := ""
		for k, b := range tx.Budgets().All() {
			if seen[k] || k <= last {
				t.Errorf("%q came twice or out of order", k)
			}
			seen[k], last = true, k
			var err error
			if b.Spent%2 == 0 {
				err = tx.Budgets().Delete(k)
			} else {
				err = tx.Budgets().Put(k, Budget{Spent: b.Spent, Day: 20000})
			}
			if err != nil {
				return err
			}
		}
		if len(seen) != n || tx.Budgets().Len() != n/2 {
			t.Errorf("saw %d rows of %d, %d are left", len(seen), n, tx.Budgets().Len())
		}
		return nil
	})
}

func TestPrefixEndsWithThePrefix(t *testing.T) {
	db := openTemp(t)
	update(t, db, t0, func(tx *Tx) error {
		for _, list := range []string{"a", "xbl", "zen"} {
			for _, ip := range []string{"203.0.113.7", "203.0.113.70", "203.0.113.8"} {
				if err := tx.Listings().Put(listing(ip, list), Listing{}); err != nil {
					return err
				}
			}
		}
		var got []string
		for s := range tx.Listings().Prefix("listing 203.0.113.7@") {
			got = append(got, s.String())
		}
		if want := []string{"203.0.113.7@a", "203.0.113.7@xbl", "203.0.113.7@zen"}; !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
		return errDiscard // rows without episodes are no state to leave behind
	})
}

// A row that cannot be read ends the loop, and is told where it was asked for.
func TestUnreadableRowsAreTold(t *testing.T) {
	path := filepath.Join(t.TempDir(), "repwatch.db")
	db, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	update(t, db, t0, func(tx *Tx) error { return tx.put(bucketBudgets, []byte("xbl"), []byte(`{"spent":"many"}`)) })
	err = db.View(func(tx *Tx) error {
		for k := range tx.Budgets().All() {
			t.Errorf("got %q", k)
		}
		return nil
	})
	if !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), "row xbl of budgets cannot be read") {
		t.Errorf("a loop said %v", err)
	}
	err = db.View(func(tx *Tx) error {
		_, _, err := tx.Budgets().Get("xbl")
		return err
	})
	if !errors.Is(err, ErrDamaged) || !strings.HasPrefix(err.Error(), path+": ") {
		t.Errorf("Get said %v", err)
	}
	r, err := db.Verify()
	if err != nil || r.OK() {
		t.Errorf("verify found %+v, %v", r.Problems, err)
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
}

// A panic of the caller's own is no damage to the file, and goes on.
func TestOwnPanicsGoOn(t *testing.T) {
	db := openTemp(t)
	func() {
		defer func() {
			if p := recover(); p != "mine" {
				t.Errorf("recovered %v", p)
			}
		}()
		_ = db.Update(t0, func(*Tx) error { panic("mine") })
	}()
	func() {
		defer func() {
			if p := recover(); p == nil {
				t.Error("an index out of range went unnoticed")
			}
		}()
		_ = db.View(func(*Tx) error {
			var none []error
			return none[len(none)]
		})
	}()
	update(t, db, t0, func(tx *Tx) error { return tx.Subjects().Put("203.0.113.7", Watched{Since: t0}) })
}

// errDiscard ends a test's transaction without keeping it.
var errDiscard = errors.New("discard")
