package correlate

import (
	"slices"
	"time"
)

// Regular is the longest time between two looks at which a pair that lost nothing is
// taken to have been looked at whenever another one lost something.
const Regular = 90 * time.Minute

const regular = float64(Regular / time.Minute)

// watched is who looks where, and how often. Nothing said of it (nil) means that
// every pair is looked at every hour.
type watched struct {
	every map[pair]float64   // minutes between two looks
	fine  map[pair][]float64 // when a pair that is looked at rarely was found fine, in order
	ips   map[int]int        // partner -> how many IPs look at it
}

// tell takes what an event says of its pair.
func (w *watched) tell(e *Event, p pair) {
	if e.Every > 0 {
		if w.every == nil {
			*w = watched{map[pair]float64{}, map[pair][]float64{}, map[int]int{}}
		}
		w.join(p, float64(e.Every))
	}
	if w.every == nil {
		return
	}
	if _, known := w.every[p]; !known { // lost at first sight
		w.join(p, probeEvery)
	}
	if e.State == OK && w.every[p] > regular {
		w.fine[p] = append(w.fine[p], minutes(e.Hi))
	}
}

func (w *watched) join(p pair, every float64) {
	if _, known := w.every[p]; !known {
		w.ips[int(p.partner)]++
	}
	w.every[p] = every
}

// between is how many minutes lie between two looks at the pair; false: nobody looks.
func (h *history) between(p pair) (minutes float64, looked bool) {
	if h.watched.every == nil {
		return probeEvery, true
	}
	minutes, looked = h.watched.every[p]
	return minutes, looked || len(h.ofPair[p]) > 0
}

// lookedSince says whether the pair, which has not lost anything, was looked at
// since k began and while it lasted: only then is its peace evidence.
func (h *history) lookedSince(p pair, k *loss) bool {
	every, looked := h.between(p)
	if !looked || every <= regular {
		return looked
	}
	fine := h.watched.fine[p]
	at, _ := slices.BinarySearch(fine, k.a1-samePath)
	return at < len(fine) && fine[at] <= k.b0
}

// lookers is how many IPs look at a partner.
func (h *history) lookers(partner int) int {
	if h.watched.every == nil {
		return len(h.ips.texts)
	}
	return max(1, h.watched.ips[partner])
}
