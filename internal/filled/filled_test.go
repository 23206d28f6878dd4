package filled

import (
	"path/filepath"
	"testing"
	"time"

	"repwatch/store"
)

// TestFilledStoreIsSound: what the tests of others build on is a past that could have been.
func TestFilledStoreIsSound(t *testing.T) {
	db, err := store.Open(filepath.Join(t.TempDir(), "filled.db"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := Fill(db, time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)); err != nil {
		t.Fatal(err)
	}
	report, err := db.Verify()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range report.Problems {
		t.Errorf("%s: %s", p.Rule, p.What)
	}
	if report.Incidents != 4 {
		t.Errorf("%d incidents, want 4", report.Incidents)
	}
}
