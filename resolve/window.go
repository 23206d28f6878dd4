package resolve

import "time"

// window is how many questions one server may have in flight: additive
// increase, multiplicative decrease (the way of TCP, RFC 5681 §3.1).
type window struct {
	size, floor, ceiling int

	good  int // answers since the size last changed
	cutAt time.Time
}

func newWindow(start, ceiling int) window {
	return window{size: start, floor: min(minInFlight, start), ceiling: ceiling}
}

// success counts an answer; a whole window of them makes room for one more.
func (w *window) success() {
	if w.good++; w.good < w.size {
		return
	}
	w.good = 0
	w.size = min(w.size+1, w.ceiling)
}

// mayCut says whether losing a question sent at sentAt is news: whatever was on
// its way at the last cut belongs to the burst that caused it.
func (w *window) mayCut(sentAt time.Time) bool { return sentAt.After(w.cutAt) }

// cut halves the window.
func (w *window) cut(now time.Time) {
	w.size, w.good, w.cutAt = max(w.size/2, w.floor), 0, now
}
