package correlate

import "math"

// What is told weighs more than what is timed. A reply that names a list makes
// the edge and the incident near certain; one that names a policy makes any
// list unlikely. What a person ruled out is not looked at again.
const (
	replyOdds    = 1000.0 // on the edge, for each IP a reply that names the list was sent to
	namedOdds    = 99.0   // on the incident, against everything else together
	policyFactor = 0.01   // on every list, when the reply blames a policy
	replyEarly   = 15     // minutes a reply may come before the first bad look
	tenantAgrees = 0.95   // a tenant does what its provider does
	tenantAlone  = 0.002  // a tenant does by itself what its provider does not
	maxPrior     = 0.999
)

// reply is a server's own words about one pair.
type reply struct {
	ip, partner, list int // list -1: a policy
	policy            Policy
	t                 float64
}

// denial is a person's word that a loss has nothing to do with a list (-1: any).
type denial struct{ loss, list int }

func (h *history) addReply(e *Event) reply {
	r := reply{ip: h.ip(e.Vantage), partner: h.partner(e.Partner), list: -1, policy: e.Policy, t: minutes(e.T)}
	if e.List != "" {
		r.list = h.list(e.List)
	}
	h.replies = append(h.replies, r)
	return r
}

// repliesTo calls f for what the partner's server said about the loss while it lasted.
func (h *history) repliesTo(k *loss, f func(*reply)) {
	for i := range h.replies {
		r := &h.replies[i]
		if r.ip == k.ip && r.partner == k.partner && r.t >= k.a0-replyEarly && r.t <= k.b1 {
			f(r)
		}
	}
}

// silenced is the factor that replies put on every listing as the cause of k.
func (h *history) silenced(k *loss) float64 {
	factor := 1.0
	h.repliesTo(k, func(r *reply) {
		if r.list < 0 {
			factor = policyFactor
		}
	})
	return factor
}

// deniedAbuse is what is left of a co-cause once a person said that the listing has
// nothing to do with the loss: the abuse that got the address listed hardly has either.
const deniedAbuse = 1e-4

// doubted says whether a person ruled any list out for the loss.
func (h *history) doubted(loss int) bool {
	for _, d := range h.denials {
		if d.loss == loss {
			return true
		}
	}
	return false
}

// denied says whether a person ruled the list out for the loss.
func (h *history) denied(loss, list int) bool {
	for _, d := range h.denials {
		if d.loss == loss && (d.list < 0 || d.list == list) {
			return true
		}
	}
	return false
}

// ownPrior is what is believed of the pair from sources and replies alone.
func (c *Correlator) ownPrior(p, list int) float64 {
	prior := edgePrior
	name := c.h.lists.texts[list]
	partner := c.h.partners.texts[p]
	for i := range c.priors {
		o := &c.priors[i]
		if o.List != name || o.P <= 0 || o.P >= 1 {
			continue
		}
		if o.Partner == partner || o.Provider != "" && o.Provider == c.provider[partner] {
			prior = o.P
			if o.Partner != "" {
				break // said of this very partner
			}
		}
	}
	for ip := range c.h.ips.texts {
		if c.h.wasNamed(ip, p, list) {
			prior = fromOdds(prior / (1 - prior) * replyOdds)
		}
	}
	return math.Min(maxPrior, prior)
}

// anyList stands in state.tied for lists that may not have been seen yet.
const anyList = -1

func (c *Correlator) hasPrior(partner string) bool {
	for i := range c.priors {
		if o := &c.priors[i]; o.Partner == partner || o.Provider != "" && o.Provider == c.provider[partner] {
			return true
		}
	}
	return false
}

func (h *history) wasNamed(ip, p, list int) bool {
	for i := range h.replies {
		if r := &h.replies[i]; r.ip == ip && r.partner == p && r.list == list {
			return true
		}
	}
	return false
}

func fromOdds(o float64) float64 { return o / (1 + o) }

// pooledPrior lets the other tenants of the partner's provider speak. If the
// provider reacts to the list, each tenant does with tenantAgrees; if not, each
// by itself as any partner would.
func (c *Correlator) pooledPrior(p, list int) float64 {
	own := c.ownPrior(p, list)
	mates := c.mates[c.unit[p]]
	if len(mates) < 2 {
		return own
	}
	odds := own / (1 - own)
	for _, j := range mates {
		if j == p {
			continue
		}
		bayes := c.soloOdds(j, list)
		odds *= (tenantAgrees*bayes + 1 - tenantAgrees) / (tenantAlone*bayes + 1 - tenantAlone)
	}
	provider := fromOdds(odds)
	if provider <= own {
		return own // nothing heard from the others
	}
	return math.Min(maxPrior, provider*tenantAgrees+(1-provider)*own)
}

// soloOdds is the Bayes factor for an edge from one tenant's own history.
func (c *Correlator) soloOdds(p, list int) float64 {
	f := c.soloFit(p)
	for i, l := range f.cand {
		if l == list {
			x := math.Min(1-1e-9, math.Max(1e-9, f.pip[i]))
			prior := c.ownPrior(p, list)
			return x / (1 - x) / (prior / (1 - prior))
		}
	}
	ft := &fitter{h: c.h, p: p, now: f.asOf, f: f}
	misses := ft.missesOf(list)
	bayes := 0.0
	for i, q := range qGrid {
		bayes += qPrior[i] * math.Pow(1-q, float64(misses))
	}
	return bayes
}
