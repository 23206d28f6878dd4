package resolve

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

var t0 = time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC)

func TestWindowGrowsByOnePerWindow(t *testing.T) {
	w := newWindow(64, 66)
	for range 63 {
		w.success()
	}
	if w.size != 64 {
		t.Fatalf("%d after less than a window of answers", w.size)
	}
	w.success()
	if w.size != 65 {
		t.Fatalf("%d after a window of answers", w.size)
	}
	for range 1000 {
		w.success()
	}
	if w.size != 66 {
		t.Fatalf("%d, ceiling 66", w.size)
	}
}

func TestWindowHalvesOncePerBurst(t *testing.T) {
	w := newWindow(64, 256)
	w.cut(t0.Add(3 * time.Second))
	if w.size != 32 {
		t.Fatalf("%d after a cut", w.size)
	}
	if w.mayCut(t0) || w.mayCut(t0.Add(3*time.Second)) {
		t.Error("a question sent before the cut is part of the same burst")
	}
	if !w.mayCut(t0.Add(3*time.Second + 1)) {
		t.Error("a question sent after the cut is news")
	}
	for range 10 {
		w.cut(t0)
	}
	if w.size != 8 {
		t.Errorf("%d, floor 8", w.size)
	}
	small := newWindow(2, 256)
	small.cut(t0)
	if small.size != 2 {
		t.Errorf("a window that starts at 2 fell to %d", small.size)
	}
}

func TestWindowStaysInBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		start := rapid.IntRange(1, 300).Draw(t, "start")
		w := newWindow(start, rapid.IntRange(start, 400).Draw(t, "ceiling"))
		for _, lost := range rapid.SliceOf(rapid.Bool()).Draw(t, "lost") {
			if before := w.size; lost {
				w.cut(t0)
			} else {
				for range before {
					w.success()
				}
				if w.size != min(before+1, w.ceiling) {
					t.Fatalf("%d after a window of answers from %d", w.size, before)
				}
			}
			if w.size < min(8, start) || w.size > w.ceiling {
				t.Fatalf("window %d", w.size)
			}
		}
	})
}
