package correlate

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// Cause is what took a capability.
type Cause string

// A verdict is provisional until the other vantages have been asked, and again
// for a while after the loss is over. In minutes.
const (
	settled  = 65
	reversed = 90
)

const (
	ByListing    Cause = "listing"           // the partner reacts to a list; the list is named
	ByLists      Cause = "listing-ambiguous" // it is a listing, and several lists fit
	ByPartner    Cause = "partner-wide"      // the partner changed for everyone
	ByPath       Cause = "network-path"      // a fault on our own path
	ByAbuse      Cause = "common-cause"      // the partner saw what the lists saw, and follows none
	Private      Cause = "private"           // the partner's own judgement of this address
	Unexplained  Cause = "unexplained"
	Undetermined Cause = "undetermined" // nothing reaches what is shown to people
)

// From which probability on things are said.
const (
	shownListing  = 0.8
	confirmedFrom = 0.95
	likelyFrom    = 0.8
)

// Share is one possible cause with its probability. List is set for ByListing alone.
type Share struct {
	Cause Cause   `json:"cause"`
	List  string  `json:"list,omitempty"`
	P     float64 `json:"p"`
}

// Verdict is what is said of one loss as of a moment.
type Verdict struct {
	Seq     uint64
	At      time.Time
	IP      string
	Partner string
	Loss    Loss
	Open    bool // not back yet

	// Cause, List and Lists are for people: undetermined unless the
	// probability reaches .8. Likeliest is the most probable cause whatever its probability.
	Cause      Cause
	List       string
	Lists      []string
	Confidence float64 // probability that Cause (and List) is right
	Likeliest  Share
	RunnerUp   Share
	Shares     []Share // all, most probable first; they sum to 1

	Word        string // confirmed, likely or possible
	Provisional bool   // the peers may not have been asked since, or the end is not 90 min past: it may change
}

// Explain says in plain words why the verdict on a loss is what it is, and
// what to do or wait for (empty when it is over). It costs more than Verdict.
func (c *Correlator) Explain(seq uint64, now time.Time) (why []string, next string) {
	i, ok := c.h.bySeq[seq]
	if !ok {
		return nil, ""
	}
	at := math.Max(minutes(now), c.h.now)
	v := c.judge(seq, i, at)
	k := &c.h.losses[i]
	return c.evidence(&v, k, c.fitOf(k.partner, at)), v.next()
}

// Verdict judges the loss with the given seq as of now (not before the last
// event observed). It returns false for a seq that is no loss of a sending IP.
func (c *Correlator) Verdict(seq uint64, now time.Time) (Verdict, bool) {
	i, ok := c.h.bySeq[seq]
	if !ok {
		return Verdict{}, false
	}
	return c.judge(seq, i, math.Max(minutes(now), c.h.now)), true
}

// Verdicts judges every loss as of now, in order of seq.
func (c *Correlator) Verdicts(now time.Time) []Verdict {
	seqs := make([]uint64, 0, len(c.h.bySeq))
	for s := range c.h.bySeq {
		seqs = append(seqs, s)
	}
	slices.Sort(seqs)
	out := make([]Verdict, 0, len(seqs))
	for _, s := range seqs {
		v, _ := c.Verdict(s, now)
		out = append(out, v)
	}
	return out
}

func (c *Correlator) judge(seq uint64, i int, now float64) Verdict {
	k := &c.h.losses[i]
	f := c.fitOf(k.partner, now)
	lists, others := c.weigh(i, k, f, now)
	v := Verdict{Seq: seq, At: fromMinutes(now), IP: c.h.ips.texts[k.ip], Partner: c.h.partners.texts[k.partner], Loss: k.kind, Open: k.open()}
	v.conclude(lists, others)
	v.Word = Word(v.Confidence)
	v.Provisional = now < k.a1+settled || !k.open() && now < k.b1+reversed
	return v
}

// weigh lets the hazards compete. Both results hold unnormalised weights.
func (c *Correlator) weigh(i int, k *loss, f *fit, now float64) (lists, others []Share) {
	t := c.termOf(i, k, f, now)
	parts := make([]float64, len(t.reach))
	f.share(t, k, parts)
	byList := make([]float64, len(c.h.lists.texts))
	for j, x := range parts {
		byList[c.h.listings[t.reach[j].listing].list] += x
	}
	for l, x := range byList {
		if x > 0 {
			lists = append(lists, Share{ByListing, c.h.lists.texts[l], x})
		}
	}
	_, co := f.hazards(t, k)
	if c.h.doubted(i) {
		co *= deniedAbuse
	}
	own := Unexplained
	if kept, lost := c.others(k); kept || !lost && t.silenced < 1 { // a reason of its own that the server names is its own
		own = Private
	}
	base := t.w * t.b
	others = []Share{
		{ByPartner, "", base * wideRate * c.h.wideOdds(k, c.hasControl, c.peerPredict(now))},
		{ByPath, "", base * pathRate * c.h.pathOdds(k, c.unit, len(c.units.texts), c.predict(now))},
		{ByAbuse, "", co},
		{own, "", f.mu * base},
	}
	if t.silenced < 1 { // the server names another reason: neither a list nor the abuse
		listed := co
		for _, s := range lists {
			listed += s.P
		}
		others[3].P = math.Max(others[3].P, namedOdds*listed)
	}
	return c.named(i, lists, others), others
}

// named gives the list that a reply to the loss blamed nearly all the weight.
func (c *Correlator) named(loss int, lists, others []Share) []Share {
	list := -1
	c.h.repliesTo(&c.h.losses[loss], func(r *reply) {
		if r.list >= 0 {
			list = r.list
		}
	})
	if list < 0 || c.h.denied(loss, list) {
		return lists
	}
	name, rest, at := c.h.lists.texts[list], 0.0, -1
	for i, s := range lists {
		if s.List == name {
			at = i
		} else {
			rest += s.P
		}
	}
	for _, s := range others {
		rest += s.P
	}
	if at < 0 {
		lists, at = append(lists, Share{ByListing, name, 0}), len(lists)
	}
	lists[at].P = math.Max(lists[at].P, namedOdds*rest)
	return lists
}

// termOf is the loss as its partner's model sees it now.
func (c *Correlator) termOf(i int, k *loss, f *fit, now float64) *term {
	for j := range f.terms {
		if f.terms[j].loss == i {
			return &f.terms[j]
		}
	}
	ft := &fitter{h: c.h, p: k.partner, now: now, f: f}
	t := term{loss: i, w: k.width() / minutesPerYear, b: ownClock(&k.span, now), silenced: c.h.silenced(k)}
	t.u = ft.abuse(k)
	ft.terms = []term{t}
	ft.measure()
	num := map[int]int{}
	for n, l := range f.cand {
		num[l] = n + 1
	}
	for j := range ft.terms[0].reach {
		r := &ft.terms[0].reach[j]
		r.cand = num[r.list] - 1
	}
	return &ft.terms[0]
}

// predict is the learned chance that partner j reacts, around loss k, to what its IP is listed on.
func (c *Correlator) predict(now float64) predict {
	return func(k *loss, j int) float64 {
		return math.Max(c.h.floor(k), c.reacts(k.ip, j, k, now))
	}
}

func (c *Correlator) peerPredict(now float64) func(*loss, int) float64 {
	return func(k *loss, ip int) float64 {
		return math.Min(.9, math.Max(peerLostElse, c.reacts(ip, k.partner, k, now)))
	}
}

// reacts is the chance that the pair is lost near loss k because of the IP's listings.
func (c *Correlator) reacts(ip, partner int, k *loss, now float64) float64 {
	var live []int
	for _, i := range c.h.ofIP[ip] {
		l := &c.h.listings[i]
		if l.a0 < k.a1+together && l.a1 > k.a0-maxLag-together {
			live = append(live, l.list)
		}
	}
	if len(live) == 0 {
		return 0
	}
	f := c.fitOf(partner, now)
	var in uint8
	for n, l := range f.cand {
		if slices.Contains(live, l) {
			in |= 1 << n
		}
	}
	p := 0.0
	for i := range f.subs {
		if s := &f.subs[i]; s.mask&in != 0 {
			p += s.p * s.q
		}
	}
	return p
}

// others says whether somebody else is known to have kept what k lost, and to have lost it too.
func (c *Correlator) others(k *loss) (kept, lost bool) {
	if c.hasControl {
		kept, lost = c.h.controlKnows(k), c.h.controlSaw(k)
	}
	for ip := range c.h.ips.texts {
		if ip == k.ip {
			continue
		}
		gone, known := c.h.pairAround(ip, k.partner, k, together)
		kept, lost = kept || known, lost || gone
	}
	return kept && !lost, lost
}

func (v *Verdict) conclude(lists, others []Share) {
	total, listed := 0.0, 0.0
	for _, s := range lists {
		listed += s.P
	}
	total = listed
	for _, s := range others {
		total += s.P
	}
	if total <= 0 {
		v.Cause, v.Likeliest = Undetermined, Share{Cause: Undetermined}
		return
	}
	listed /= total
	v.Shares = append(slices.Clone(lists), others...)
	for i := range v.Shares {
		v.Shares[i].P /= total
	}
	slices.SortStableFunc(v.Shares, func(a, b Share) int { return cmp.Compare(b.P, a.P) })
	v.Likeliest, v.RunnerUp = rank(v.Shares, listed)
	v.show(listed)
}

// rank picks the most probable cause first and then, if it is a listing, the list.
func rank(shares []Share, listed float64) (top, next Share) {
	top, next = shares[0], shares[1]
	if top.Cause != ByListing && listed > top.P {
		for _, s := range shares {
			if s.Cause == ByListing {
				return s, top
			}
		}
	}
	return top, next
}

func (v *Verdict) show(listed float64) {
	top := v.Likeliest
	switch {
	case top.P >= shownListing:
		v.Cause, v.List, v.Confidence = top.Cause, top.List, top.P
	case listed >= shownListing:
		v.Cause, v.Confidence = ByLists, listed
		for _, s := range v.Shares {
			if s.Cause == ByListing && s.P >= .05 {
				v.Lists = append(v.Lists, s.List)
			}
		}
	default:
		v.Cause, v.Confidence = Undetermined, top.P
	}
}
