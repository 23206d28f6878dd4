package correlate

import (
	"math"
	"time"
)

// Options are what the correlator knows before the first event.
type Options struct {
	// IPs and Partners are everything that is watched; what appears in events joins by itself.
	// Without the quiet ones "only this IP lost it" cannot be told.
	IPs, Partners []string
	// Control says that a control vantage watches the partners too. It is
	// taken as said once the control appears in an event.
	Control bool
	// Since is when watching began; zero: the first event.
	Since time.Time
	// Provider names who runs a partner's mail servers. Tenants of one provider learn from each other.
	Provider map[string]string
	// Priors are what is believed of a partner or provider before anything was seen.
	Priors []Prior
}

// Prior is a belief with a source, for instance a receiver's own page that
// names the lists it uses. Exactly one of Partner and Provider is set.
type Prior struct {
	Partner, Provider string
	List              string
	P                 float64 // probability in (0, 1) that it reacts to the list
	Source            string
}

// Correlator says what caused what. It is a pure function of its options and
// the events observed so far: no clock, no I/O, and the same answers to the
// bit however often and whenever it is asked. It is not safe for concurrent use.
type Correlator struct {
	h          *history
	hasControl bool
	unit       []int // partner -> provider unit: partners of one unit stand and fall together
	units      names
	mates      [][]int // unit -> partners
	provider   map[string]string
	priors     []Prior
	parts      []state
}

// state is the lazily kept fit of one partner.
type state struct {
	fit       *fit
	dirty     bool
	solo      *fit // without what the provider's other tenants taught
	soloDirty bool
	last      float64      // time of the last event that touched it
	tied      map[int]bool // lists it may react to: one fired near a loss, or it was told of
}

// New returns a correlator that has seen nothing.
func New(o Options) *Correlator {
	c := &Correlator{h: newHistory(), hasControl: o.Control, provider: o.Provider, priors: o.Priors}
	for _, ip := range o.IPs {
		c.h.ip(ip)
	}
	for _, p := range o.Partners {
		c.partner(p)
	}
	if !o.Since.IsZero() {
		c.h.tick(minutes(o.Since))
	}
	return c
}

func (c *Correlator) partner(name string) int {
	p := c.h.partner(name)
	if len(c.unit) <= p {
		c.unit = append(c.unit, 0)
		c.parts = append(c.parts, state{dirty: true, soloDirty: true, tied: map[int]bool{}})
		unit := "partner " + name
		if by := c.provider[name]; by != "" {
			unit = "provider " + by
		}
		if c.hasPrior(name) {
			c.parts[p].tied[anyList] = true
		}
		u := c.units.id(unit)
		for len(c.mates) <= u {
			c.mates = append(c.mates, nil)
		}
		c.unit[len(c.unit)-1] = u
		c.mates[u] = append(c.mates[u], len(c.unit)-1)
	}
	return p
}

// Observe takes the next event. An invalid one is refused with a *FieldError
// and changes nothing. A transition into the state already held is ignored.
func (c *Correlator) Observe(e Event) error {
	if err := e.Validate(); err != nil {
		return err
	}
	t := minutes(e.T)
	c.h.tick(t)
	known := c.universe()
	defer func() {
		if c.universe() != known {
			c.touchAll(t)
		}
	}()
	switch e.Kind {
	case KindListing:
		ip, list := c.h.addListing(&e)
		c.tie(ip, list)
		c.touchTied(t)
	case KindCap:
		p := c.partner(e.Partner)
		ip, _ := c.h.addCap(&e)
		if e.Vantage == Control {
			c.hasControl = true
			ip = controlIP
		}
		if ip != controlIP {
			c.tiePair(ip, p)
		}
		c.touch(p, t)
		c.touchNear(ip, t)
		c.touchShared(p, t)
	case KindReply:
		c.partner(e.Partner)
		r := c.h.addReply(&e)
		if r.list >= 0 {
			c.parts[r.partner].tied[r.list] = true
		}
		c.touch(r.partner, t)
	case KindUnrelated:
		c.deny(&e, t)
	}
	return nil
}

// universe is what every fit depends on: how many there are, whether the control
// watches, and whether it is said who does.
func (c *Correlator) universe() [4]int {
	n := [4]int{len(c.h.ips.texts), len(c.units.texts), len(c.h.lists.texts)}
	if c.hasControl {
		n[3]++
	}
	if c.h.watched.every != nil {
		n[3] += 2
	}
	return n
}

func (c *Correlator) touchAll(t float64) {
	for p := range c.parts {
		c.touch(p, t)
	}
}

func (c *Correlator) deny(e *Event, t float64) {
	i, ok := c.h.bySeq[e.Of]
	if !ok {
		return
	}
	d := denial{i, -1}
	if e.List != "" {
		d.list = c.h.list(e.List)
	}
	c.h.denials = append(c.h.denials, d)
	c.touch(c.h.losses[i].partner, t)
}

// touch makes the fits of a partner, and of those who learn from it, outdated.
func (c *Correlator) touch(p int, t float64) {
	for _, j := range c.mates[c.unit[p]] {
		s := &c.parts[j]
		s.dirty, s.soloDirty = true, s.soloDirty || j == p
		s.last = math.Max(s.last, t)
	}
}

// tie notes which partners may have reacted to the newest listing of the IP on the list.
func (c *Correlator) tie(ip, list int) {
	on := c.h.ofIP[ip]
	if len(on) == 0 {
		return
	}
	l := &c.h.listings[on[len(on)-1]]
	for n := len(c.h.lossOfIP[ip]) - 1; n >= 0; n-- {
		k := &c.h.losses[c.h.lossOfIP[ip][n]]
		if k.a1 < l.a0-24*60 {
			break
		}
		c.tieIf(k, l)
	}
}

// tiePair notes which listings the newest loss of the pair may be a reaction to.
func (c *Correlator) tiePair(ip, p int) {
	pair := c.h.ofPair[pairOf(ip, p)]
	if len(pair) == 0 {
		return
	}
	k := &c.h.losses[pair[len(pair)-1]]
	for _, i := range c.h.ofIP[ip] {
		c.tieIf(k, &c.h.listings[i])
	}
}

func (c *Correlator) tieIf(k *loss, l *listing) {
	if l.a0 < k.a1+coCauseBefore && k.a0 < l.a1+maxLag {
		c.parts[k.partner].tied[l.list] = true
	}
}

// touchTied touches the partners that a listing can tell anything about. The
// others have never lost anything near a listing and nothing was told of them: their fit is the prior.
func (c *Correlator) touchTied(t float64) {
	for p := range c.parts {
		if len(c.parts[p].tied) > 0 {
			c.touch(p, t)
		}
	}
}

// touchNear touches the partners whose losses of late may be judged anew: those
// on the same IP (one path), or of any IP when the control speaks (its own path).
func (c *Correlator) touchNear(ip int, t float64) {
	for p := range c.h.lossOf {
		for i := len(c.h.lossOf[p]) - 1; i >= 0; i-- {
			k := &c.h.losses[c.h.lossOf[p][i]]
			if c.settledBy(k, t) {
				continue
			}
			if ip == controlIP || k.ip == ip {
				c.touch(p, t)
				break
			}
		}
	}
}

// settledBy: no event of that moment or later tells anything about the loss. A look that
// finds another pair fine does, as long as the loss lasts.
func (c *Correlator) settledBy(k *loss, t float64) bool {
	return k.a1 < t-12*60 && (c.h.watched.every == nil || k.b1 < t-12*60)
}

// touchShared touches the partners that were lost of late from an address that lost p as
// well: whether that tells of a broken path hangs on who else lost p.
func (c *Correlator) touchShared(p int, t float64) {
	seen := map[int]bool{}
	for i := len(c.h.lossOf[p]) - 1; i >= 0; i-- {
		k := &c.h.losses[c.h.lossOf[p][i]]
		if !c.settledBy(k, t) && !seen[k.ip] {
			seen[k.ip] = true
			c.touchNear(k.ip, t)
		}
	}
}

// fitOf returns what is believed of a partner as of now, fitting again only
// when an event touched it or a listing's window has ended since.
func (c *Correlator) fitOf(p int, now float64) *fit {
	s := &c.parts[p]
	asOf := c.asOf(p, now)
	if s.dirty || s.fit == nil || s.fit.asOf != asOf {
		for _, j := range c.mates[c.unit[p]] {
			if j != p {
				c.refitSolo(j, asOf)
			}
		}
		s.fit = c.refit(p, asOf, c.pooledPrior)
		s.dirty = false
	}
	return s.fit
}

func (c *Correlator) asOf(p int, now float64) float64 {
	tied, last := false, c.h.since
	for _, j := range c.mates[c.unit[p]] {
		tied = tied || len(c.parts[j].tied) > 0
		last = math.Max(last, c.parts[j].last)
	}
	if tied {
		return math.Max(last, c.h.milestone(now))
	}
	return last
}

// refitSolo fits a tenant on its own history, as of the moment its mate is fitted.
func (c *Correlator) refitSolo(p int, asOf float64) {
	s := &c.parts[p]
	if s.soloDirty || s.solo == nil || s.solo.asOf != asOf {
		s.solo, s.soloDirty = c.refit(p, asOf, c.ownPrior), false
	}
}

func (c *Correlator) soloFit(p int) *fit {
	if s := &c.parts[p]; s.solo != nil {
		return s.solo
	}
	c.refitSolo(p, c.asOf(p, c.h.now))
	return c.parts[p].solo
}

// milestone is the last moment up to now at which silence became evidence.
func (h *history) milestone(now float64) float64 {
	last := h.since
	for i := range h.listings {
		l := &h.listings[i]
		for _, t := range [...]float64{l.a1 + maxLag, l.b1 + maxLag} {
			if t <= now && t > last {
				last = t
			}
		}
	}
	return last
}

// mayReact is false when nothing seen and nothing told could make the list a candidate of the partner.
func (c *Correlator) mayReact(p, list int) bool {
	for _, j := range c.mates[c.unit[p]] {
		if c.parts[j].tied[list] || c.ownPrior(j, list) != edgePrior {
			return true
		}
	}
	return false
}
