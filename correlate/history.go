package correlate

import (
	"math"
	"time"
)

// Minutes since the Unix epoch are the only clock inside the package.
func minutes(t time.Time) float64 { return float64(t.Unix())/60 + float64(t.Nanosecond())/6e10 }

func fromMinutes(m float64) time.Time {
	return time.Unix(int64(math.Round(m*60)), 0).UTC()
}

const (
	minutesPerYear = 365.25 * 24 * 60
	maxLag         = 240 // minutes a reaction may trail a listing: the support of every lag histogram
	episodeGap     = 180 // minutes between listings of one IP that start a new episode of abuse
	coCauseBefore  = 100 // a co-caused loss begins from 90 min before the first listing of an episode ...
	coCauseAfter   = 110 // ... until 150 min after it
	probeEvery     = 60  // minutes between two looks at a pair, as scheduled by default
	together       = 30  // slack in minutes within which two brackets tell of one event
)

// names interns strings in order of first sight, so that nothing depends on how things are called.
type names struct {
	ids   map[string]int
	texts []string
}

func (n *names) id(s string) int {
	if id, ok := n.ids[s]; ok {
		return id
	}
	if n.ids == nil {
		n.ids = map[string]int{}
	}
	id := len(n.texts)
	n.ids[s] = id
	n.texts = append(n.texts, s)
	return id
}

// span is a bracketed episode: begin in (a0, a1], end in (b0, b1]. While it lasts b0 and b1 are +Inf.
type span struct{ a0, a1, b0, b1 float64 }

func newSpan(lo, hi float64) span { return span{lo, hi, math.Inf(1), math.Inf(1)} }

func (s *span) open() bool { return math.IsInf(s.b1, 1) }

// lasted is the length of what is over, by the middles of its brackets.
func (s *span) lasted() float64 { return (s.b0+s.b1)/2 - (s.a0+s.a1)/2 }

// width of the onset bracket; never zero, so that densities stay finite.
func (s *span) width() float64 { return math.Max(s.a1-s.a0, 1.0/60) }

// near says whether two onset brackets may tell of one moment.
func near(a, b *span, slack float64) bool {
	return a.a0 <= b.a1+slack && b.a0 <= a.a1+slack
}

type listing struct {
	span
	ip, list int
	seq      uint64
}

type loss struct {
	span
	ip, partner int
	seq         uint64
	kind        Loss
	again       bool // the pair was lost already: judged, but no evidence of its own
	verbs       []string
}

const controlIP = -1

// pair is an IP and a partner; in eight bytes, for which maps are fastest.
type pair struct{ ip, partner int32 }

func pairOf(ip, partner int) pair { return pair{int32(ip), int32(partner)} }

// episode is a run of listings of one IP without a gap of episodeGap; lo and hi bracket the first onset.
type episode struct {
	lo, hi, last float64
	lists        uint64 // which lists, by id modulo 64
}

// kind is 0 when several lists agree that there was abuse, 1 when one list stands alone.
func (e *episode) kind() int {
	if e.lists&(e.lists-1) != 0 {
		return 0
	}
	return 1
}

// history is what happened, indexed. Slices hold indexes into listings and losses, in order of arrival.
type history struct {
	ips, partners, lists names

	listings []listing
	losses   []loss
	ofIP     [][]int // listings of an IP
	lossOfIP [][]int
	lossOf   [][]int        // losses of a partner, the control's not among them
	control  [][]int        // the control's losses of a partner
	ofList   [][]int        // listings on a list
	ofPair   map[pair][]int // losses of an (IP, partner)
	watched  watched
	eps      [][]episode // episodes of an IP, nil when they must be made again
	openList map[[2]int]int
	openLoss map[[2]int]int
	bySeq    map[uint64]int // loss by seq
	listSeq  map[uint64]int

	replies []reply
	denials []denial

	since, now float64
}

func newHistory() *history {
	return &history{
		openList: map[[2]int]int{}, openLoss: map[[2]int]int{}, ofPair: map[pair][]int{},
		bySeq: map[uint64]int{}, listSeq: map[uint64]int{},
		since: math.NaN(),
	}
}

func (h *history) ip(s string) int {
	id := h.ips.id(s)
	for len(h.ofIP) <= id {
		h.ofIP = append(h.ofIP, nil)
		h.lossOfIP = append(h.lossOfIP, nil)
		h.eps = append(h.eps, nil)
	}
	return id
}

func (h *history) list(s string) int {
	id := h.lists.id(s)
	for len(h.ofList) <= id {
		h.ofList = append(h.ofList, nil)
	}
	return id
}

func (h *history) partner(s string) int {
	id := h.partners.id(s)
	for len(h.lossOf) <= id {
		h.lossOf = append(h.lossOf, nil)
		h.control = append(h.control, nil)
	}
	return id
}

func (h *history) tick(t float64) {
	if math.IsNaN(h.since) {
		h.since, h.now = t, t
	}
	h.now = math.Max(h.now, t)
}

// pairYears is how long one partner has been watched, in years, summed over the IPs.
func (h *history) pairYears(partner int, now float64) float64 {
	return float64(h.lookers(partner)) * math.Max(0, now-h.since) / minutesPerYear
}

func (h *history) addListing(e *Event) (ip, list int) {
	ip, list = h.ip(e.Vantage), h.list(e.List)
	key := [2]int{ip, list}
	at, was := h.openList[key]
	lo, hi := minutes(e.Lo), minutes(e.Hi)
	switch {
	case e.State == Listed && !was:
		at = len(h.listings)
		h.listings = append(h.listings, listing{span: newSpan(lo, hi), ip: ip, list: list, seq: e.Seq})
		h.ofIP[ip] = append(h.ofIP[ip], at)
		h.ofList[list] = append(h.ofList[list], at)
		h.eps[ip] = nil
		h.openList[key] = at
		h.listSeq[e.Seq] = at
	case e.State == Clear && was:
		l := &h.listings[at]
		l.b0, l.b1 = math.Max(lo, l.a0), hi
		delete(h.openList, key)
	}
	return ip, list
}

func (h *history) addCap(e *Event) (ip, partner int) {
	ip, partner = controlIP, h.partner(e.Partner)
	if e.Vantage != Control {
		ip = h.ip(e.Vantage)
	}
	h.watched.tell(e, pairOf(ip, partner))
	key := [2]int{ip, partner}
	at, was := h.openLoss[key]
	lo, hi := minutes(e.Lo), minutes(e.Hi)
	if e.State == OK {
		if was {
			h.closeLosses(ip, partner, lo, hi)
			delete(h.openLoss, key)
		}
		return ip, partner
	}
	if was && h.losses[at].kind == e.Loss {
		if ip != controlIP {
			h.bySeq[e.Seq] = at // said twice
		}
		return ip, partner
	}
	h.openLossOf(e, ip, partner, lo, hi, was)
	return ip, partner
}

func (h *history) openLossOf(e *Event, ip, partner int, lo, hi float64, again bool) {
	at := len(h.losses)
	h.losses = append(h.losses, loss{span: newSpan(lo, hi), ip: ip, partner: partner, seq: e.Seq, kind: e.Loss, again: again, verbs: e.Verbs})
	if !again {
		h.openLoss[[2]int{ip, partner}] = at
	}
	if ip == controlIP {
		h.control[partner] = append(h.control[partner], at)
		return
	}
	h.bySeq[e.Seq] = at
	h.lossOf[partner] = append(h.lossOf[partner], at)
	h.ofPair[pairOf(ip, partner)] = append(h.ofPair[pairOf(ip, partner)], at)
	h.lossOfIP[ip] = append(h.lossOfIP[ip], at)
}

func (h *history) closeLosses(ip, partner int, lo, hi float64) {
	all := h.ofPair[pairOf(ip, partner)]
	if ip == controlIP {
		all = h.control[partner]
	}
	for i := len(all) - 1; i >= 0; i-- {
		l := &h.losses[all[i]]
		if l.open() {
			l.b0, l.b1 = math.Max(lo, l.a0), hi
			if !l.again {
				return // what came before was closed before
			}
		}
	}
}

// episodes of abuse of one IP among what was seen by now.
func (h *history) episodes(ip int) []episode {
	if h.eps[ip] == nil {
		h.eps[ip] = h.makeEpisodes(ip)
	}
	return h.eps[ip]
}

func (h *history) makeEpisodes(ip int) []episode {
	out := []episode{}
	for _, i := range h.ofIP[ip] {
		l := &h.listings[i]
		bit := uint64(1) << (l.list % 64)
		if n := len(out); n > 0 && l.a0 < out[n-1].last+episodeGap {
			out[n-1].last = math.Max(out[n-1].last, l.a1)
			out[n-1].lists |= bit
			if l.a1 < out[n-1].hi {
				out[n-1].lo, out[n-1].hi = l.a0, l.a1
			}
			continue
		}
		out = append(out, episode{l.a0, l.a1, l.a1, bit})
	}
	return out
}
