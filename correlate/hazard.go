package correlate

import "math"

// Rates a year of what hits a partner or a path as a whole, and the odds of
// what is seen when it does (first) and when it does not (second).
const (
	wideRate = 1.0
	pathRate = 1.0

	controlLostWide, controlLostElse = 0.97, 0.0005
	peerLostWide, peerLostElse       = 0.95, 0.03
	backWide, backElse               = 0.9, 0.15 // two that were lost together come back together
	pathLost                         = 0.95
	quietFloor, listedFloor          = 0.002, 0.03 // chance that a partner reacts by itself just now
	maskedPath, maskedElse           = 0.6, 0.002
	samePath                         = 2 // minutes of slack: a broken path breaks for all at once
)

// predict says how likely partner j reacts to what IP i is listed on around loss k.
type predict func(k *loss, j int) float64

// wideOdds is the likelihood ratio of "the partner changed for everyone" against
// "it did not", from what the control and the other sending IPs see of it.
func (h *history) wideOdds(k *loss, control bool, peer func(k *loss, ip int) float64) float64 {
	var log [len(sightings)]float64
	seen := func(lost bool, wide, otherwise float64) {
		for i, s := range sightings {
			log[i] += lostOdds(lost, wide*s.share, otherwise)
		}
	}
	returned := func(pair []int) {
		if back, known := h.backTogether(pair, k); known {
			for i := range log {
				log[i] += lostOdds(back, backWide, backElse)
			}
		}
	}
	if control && h.controlKnows(k) && !h.controlBlind(k) {
		seen(h.controlSaw(k), controlLostWide, controlLostElse)
		returned(h.control[k.partner])
	}
	for ip := range h.ips.texts {
		if ip == k.ip {
			continue
		}
		if lost, known := h.pairAround(ip, k.partner, k, together); known {
			seen(lost, peerLostWide, peer(k, ip))
			returned(h.ofPair[pairOf(ip, k.partner)])
		}
	}
	if !k.brief() {
		return math.Exp(math.Min(log[0], 200))
	}
	odds := 0.0
	for i, s := range sightings {
		odds += s.weight * math.Exp(math.Min(log[i], 200))
	}
	return odds
}

// pathOdds is the likelihood ratio of "our own path is broken" from what this
// IP sees of the other partners. Partners of one provider count once.
func (h *history) pathOdds(k *loss, unit []int, units int, pi predict) float64 {
	if k.kind != LossMasked && h.watched.every == nil && !h.ipLostOthers(k) { // all of them are known to be fine
		return math.Exp(float64(units-1) * lostOdds(false, pathLost, quietFloor))
	}
	log := 0.0
	if k.kind == LossMasked {
		log += math.Log(maskedPath / maskedElse)
	}
	seen := make([]bool, units)
	seen[unit[k.partner]] = true
	for j := range h.partners.texts {
		if seen[unit[j]] {
			continue
		}
		lost, known := h.pairAround(k.ip, j, k, samePath)
		if !known {
			continue
		}
		seen[unit[j]] = true
		if lost && h.lostElsewhere(j, k) { // it was lost to everybody: that is no sign of our path
			if h.watched.every == nil || !h.lookedSince(pairOf(k.ip, j), k) {
				continue
			}
			lost = false // and it was back while this one was not
		}
		log += lostOdds(lost, pathLost, pi(k, j))
	}
	return math.Exp(math.Min(log, 200))
}

// lostElsewhere says whether a partner was lost to the control, or to another IP, in
// the moment in which it was lost to k's.
func (h *history) lostElsewhere(partner int, k *loss) bool {
	mine := h.ofPair[pairOf(k.ip, partner)]
	for n := len(mine) - 1; n >= 0; n-- {
		o := &h.losses[mine[n]]
		if !near(&o.span, &k.span, samePath) {
			continue
		}
		if h.controlSaw(o) {
			return true
		}
		for _, i := range h.lossOf[partner] {
			if other := &h.losses[i]; other.ip != k.ip && near(&other.span, &o.span, samePath) {
				return true
			}
		}
	}
	return false
}

// sightings: a change that was over before the second look may have been
// missed by others altogether; share is how many of them see it.
var sightings = [...]struct{ share, weight float64 }{{1, .6}, {.6, .25}, {.3, .15}}

// brief says that the loss was seen by one look only, so that it may have been shorter than the time between looks.
func (k *loss) brief() bool { return k.b0-k.a1 < 1 }

func lostOdds(lost bool, with, without float64) float64 {
	if lost {
		return math.Log(with / without)
	}
	return math.Log((1 - with) / (1 - without))
}

// pairAround says whether the pair was lost in the same moment as k. It is not
// known when the pair had been lost before, or nobody looked.
func (h *history) pairAround(ip, partner int, k *loss, slack float64) (lost, known bool) {
	key := pairOf(ip, partner)
	pair := h.ofPair[key]
	for n := len(pair) - 1; n >= 0; n-- {
		o := &h.losses[pair[n]]
		if o.again {
			continue
		}
		if o.b1 < k.a0-slack && o.a1 < k.a0-slack {
			break // what came before was over by then
		}
		if near(&o.span, &k.span, slack) {
			return true, true
		}
		if o.a1 < k.a0 && o.b1 > k.a0 {
			return false, false
		}
	}
	return false, h.lookedSince(key, k)
}

// backTogether says whether what was lost together with k came back together
// with it; not known while either is still lost.
func (h *history) backTogether(pair []int, k *loss) (back, known bool) {
	for n := len(pair) - 1; n >= 0; n-- {
		o := &h.losses[pair[n]]
		if !near(&o.span, &k.span, together) {
			continue
		}
		if o.open() || k.open() {
			return false, false
		}
		return o.b0 <= k.b1+together && k.b0 <= o.b1+together, true
	}
	return false, false
}

func (h *history) controlSaw(k *loss) bool {
	for _, i := range h.control[k.partner] {
		o := &h.losses[i]
		if near(&o.span, &k.span, together) || o.a1 < k.a0 && o.b1 > k.a0 {
			return true
		}
	}
	return false
}

// controlBlind: the control lost half of all partners at once, so its own path is at fault.
func (h *history) controlBlind(k *loss) bool {
	if !h.controlSaw(k) {
		return false
	}
	n := 0
	for p := range h.control {
		for _, i := range h.control[p] {
			if near(&h.losses[i].span, &k.span, together) {
				n++
				break
			}
		}
	}
	return 2*n >= len(h.partners.texts) && n > 2
}

// underListing says whether the IP had come onto some list within the lag window before the loss.
func (h *history) underListing(ip int, k *loss) bool {
	for _, i := range h.ofIP[ip] {
		l := &h.listings[i]
		if l.a0 < k.a1 && l.b1 > k.a0 {
			return true
		}
	}
	return false
}

// floor is the chance that a partner reacts by itself around loss k.
func (h *history) floor(k *loss) float64 {
	if h.underListing(k.ip, k) {
		return listedFloor
	}
	return quietFloor
}

func peerFloor(*loss, int) float64 { return peerLostElse }

// ipLostOthers says whether the IP lost any other partner in the same moment.
func (h *history) ipLostOthers(k *loss) bool {
	all := h.lossOfIP[k.ip]
	for n := len(all) - 1; n >= 0; n-- {
		o := &h.losses[all[n]]
		if o.a1 < k.a0-24*60 {
			return false
		}
		if o.partner != k.partner && near(&o.span, &k.span, samePath) {
			return true
		}
	}
	return false
}
