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
	provider   map[string]string
	priors     []Prior
	parts      []state
	refits     int
}

// state is the lazily kept fit of one partner.
type state struct {
	fit   *fit
	dirty bool
	last  float64      // time of the last event that touched it
	tied  map[int]bool // lists a loss of this partner may be a reaction to
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
	for len(c.unit) <= p {
		c.unit = append(c.unit, 0)
		c.parts = append(c.parts, state{dirty: true, tied: map[int]bool{}})
		unit := "partner " + name
		if by := c.provider[name]; by != "" {
			unit = "provider " + by
		}
		c.unit[p] = c.units.id(unit)
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
	}
	return nil
}

func (c *Correlator) touch(p int, t float64) {
	c.parts[p].dirty = true
	c.parts[p].last = math.Max(c.parts[p].last, t)
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
	pair := c.h.ofPair[[2]int{ip, p}]
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
// others have never lost anything near a listing: their fit is the prior.
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
			if k.a1 < t-12*60 {
				break
			}
			if ip == controlIP || k.ip == ip {
				c.touch(p, t)
				break
			}
		}
	}
}

// fitOf returns what is believed of a partner as of now, fitting again only
// when an event touched it or a listing's window has ended since.
func (c *Correlator) fitOf(p int, now float64) *fit {
	s := &c.parts[p]
	asOf := s.last
	if len(s.tied) > 0 {
		asOf = math.Max(asOf, c.h.milestone(now))
	}
	if s.dirty || s.fit == nil || s.fit.asOf < asOf {
		s.fit = c.refit(p, asOf)
		s.dirty = false
		c.refits++
	}
	return s.fit
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

// edgePrior is the probability, before any event, that the partner reacts to the list.
func (c *Correlator) edgePrior(p, list int) float64 { return edgePrior }

// mayReact is false when nothing seen and nothing told could make the list a candidate of the partner.
func (c *Correlator) mayReact(p, list int) bool {
	return c.parts[p].tied[list] || c.edgePrior(p, list) != edgePrior
}
