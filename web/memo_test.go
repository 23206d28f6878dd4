package web

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"repwatch/store"
)

// TestSoonDoesNotWait: while the first document is being built nobody waits for it
// longer than a moment; it is there for whoever comes later, and a failure is tried again.
func TestSoonDoesNotWait(t *testing.T) {
	db, err := store.Open(filepath.Join(t.TempDir(), "repwatch.db"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	slow, fail := make(chan struct{}), errors.New("not now")
	m := newMemo(db, func(context.Context) (string, error) { <-slow; return "built", fail })
	m.patience = time.Millisecond
	defer m.close()
	for range 3 {
		if doc, ok, err := m.soon(t.Context()); doc != "" || ok || err != nil {
			t.Fatalf("while it is being built: %q, %v, %v", doc, ok, err)
		}
	}
	close(slow)
	m.patience = time.Minute
	if _, ok, err := m.soon(t.Context()); ok || !errors.Is(err, fail) {
		t.Errorf("it cannot be built: %v, %v", ok, err)
	}
	m.close()
	fail = nil
	if doc, ok, err := m.soon(t.Context()); doc != "built" || !ok || err != nil {
		t.Errorf("built: %q, %v, %v", doc, ok, err)
	}
}
