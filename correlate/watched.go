package correlate

import "slices"

// regular is the longest time between two looks, in minutes, at which a listing that
// lasted for half an hour counts as one that could have been reacted to.
const regular = 1.5 * probeEvery

// watched is who looks where, and how often. Nothing said of it (nil) means that
// every pair is looked at every hour, the control's too.
type watched struct {
	every map[pair]float64   // minutes between two looks
	fine  map[pair][]float64 // when a pair, the control's too, was found fine, in order
	ips   map[int]int        // partner -> how many IPs look at it
}

// tell takes what an event says of its pair.
func (w *watched) tell(e *Event, p pair) {
	if e.Every > 0 && w.every == nil {
		*w = watched{map[pair]float64{}, map[pair][]float64{}, map[int]int{}}
	}
	if w.every == nil {
		return
	}
	if p.ip != controlIP {
		w.join(p, float64(e.Every))
	}
	if e.State == OK {
		w.fine[p] = append(w.fine[p], minutes(e.Hi))
	}
}

func (w *watched) join(p pair, every float64) {
	if _, known := w.every[p]; !known {
		w.ips[int(p.partner)]++
		w.every[p] = probeEvery // lost at first sight
	}
	if every > 0 {
		w.every[p] = every
	}
}

// between is how many minutes lie between two looks at the pair; false: nobody looks.
func (h *history) between(p pair) (minutes float64, looked bool) {
	if h.watched.every == nil {
		return probeEvery, true
	}
	minutes, looked = h.watched.every[p]
	return minutes, looked || len(h.ofPair[p]) > 0
}

// lookedSince says whether the pair, which has not lost anything, was looked at since k
// was seen and while it lasted: only then is its peace evidence.
func (h *history) lookedSince(p pair, k *loss) bool {
	if h.watched.every == nil {
		return true
	}
	fine := h.watched.fine[p]
	at, _ := slices.BinarySearch(fine, k.a1)
	return at < len(fine) && fine[at] <= (k.b0+k.b1)/2
}

// controlKnows says whether the control looked since k was seen, or has lost it too.
func (h *history) controlKnows(k *loss) bool {
	return h.controlSaw(k) || h.lookedSince(pairOf(controlIP, k.partner), k)
}

// lookers is how many IPs look at a partner.
func (h *history) lookers(partner int) int {
	if h.watched.every == nil {
		return len(h.ips.texts)
	}
	return max(1, h.watched.ips[partner])
}
