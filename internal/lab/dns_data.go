package lab

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// node is one name of the world. A name without records that has others below
// it exists all the same (an empty non-terminal, RFC 8020).
type node struct {
	sets  map[uint16][]dns.RR
	below int
}

// Add puts records in zone file format into the world, one per line, names
// absolute, lines indented as you like. The zone of a name need not be declared;
// an SOA declares one. On an error nothing is added.
func (d *DNS) Add(records string) error {
	var rrs []dns.RR
	lines := strings.Split(records, "\n")
	for i := range lines {
		lines[i] = strings.TrimSpace(lines[i]) // an indented line would belong to the name before it
	}
	parser := dns.NewZoneParser(strings.NewReader(strings.Join(lines, "\n")), ".", "")
	parser.SetDefaultTTL(300)
	for rr, ok := parser.Next(); ok; rr, ok = parser.Next() {
		rrs = append(rrs, rr)
	}
	if err := parser.Err(); err != nil {
		return fmt.Errorf("lab: %w", err)
	}
	d.AddRR(rrs...)
	return nil
}

// AddRR is Add for records that are made already.
func (d *DNS) AddRR(rrs ...dns.RR) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, rr := range rrs {
		if rr.Header().Rrtype == dns.TypeSOA {
			d.zone(rr.Header().Name)
			d.remove(dns.CanonicalName(rr.Header().Name), dns.TypeSOA)
		}
		d.add(rr)
	}
}

// Remove takes the records of a name away: those of the types given, or all.
func (d *DNS) Remove(name string, types ...uint16) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.remove(dns.CanonicalName(name), types...)
}

func (d *DNS) add(rr dns.RR) {
	name := dns.CanonicalName(rr.Header().Name)
	n := d.names[name]
	if n == nil || len(n.sets) == 0 {
		if n == nil {
			n = &node{}
			d.names[name] = n
		}
		n.sets = map[uint16][]dns.RR{}
		d.above(name, 1)
	}
	n.sets[rr.Header().Rrtype] = append(n.sets[rr.Header().Rrtype], rr)
}

func (d *DNS) remove(name string, types ...uint16) {
	n := d.names[name]
	if n == nil || len(n.sets) == 0 {
		return
	}
	for t := range n.sets {
		if len(types) == 0 || slices.Contains(types, t) {
			delete(n.sets, t)
		}
	}
	if len(n.sets) == 0 {
		d.above(name, -1)
		d.prune(name)
	}
}

// above counts a name in or out at all names over it.
func (d *DNS) above(name string, by int) {
	for off, end := dns.NextLabel(name, 0); !end; off, end = dns.NextLabel(name, off) {
		n := d.names[name[off:]]
		if n == nil {
			n = &node{}
			d.names[name[off:]] = n
		}
		n.below += by
		d.prune(name[off:])
	}
}

func (d *DNS) prune(name string) {
	if n := d.names[name]; n != nil && n.below == 0 && len(n.sets) == 0 {
		delete(d.names, name)
	}
}

// find returns the records of a name, or ok=false when it does not exist.
// The wildcard that applies is the one at the closest name that exists (RFC 4592 §3.3.1).
func (d *DNS) find(name string, qtype uint16) (rrs []dns.RR, ok bool) {
	if n := d.names[name]; n != nil {
		return n.pick(name, qtype), true
	}
	z := d.zoneOf(name)
	if z.synth != nil {
		rel := strings.TrimSuffix(strings.TrimSuffix(name, z.name), ".")
		if rrs := z.synth(rel, qtype); rrs != nil {
			return own(rrs, name), true
		}
	}
	for off, end := dns.NextLabel(name, 0); ; off, end = dns.NextLabel(name, off) {
		encloser := "."
		if !end {
			encloser = name[off:]
		}
		if d.names[encloser] == nil && !end {
			continue
		}
		star := "*." + strings.TrimPrefix(encloser, ".")
		if n := d.names[star]; n != nil {
			return own(n.pick(star, qtype), name), true
		}
		return nil, false
	}
}

// pick returns the records of a type, or the CNAME that stands for all types.
func (n *node) pick(_ string, qtype uint16) []dns.RR {
	if rrs := n.sets[qtype]; len(rrs) > 0 {
		return rrs
	}
	return n.sets[dns.TypeCNAME]
}

func own(rrs []dns.RR, name string) []dns.RR {
	out := make([]dns.RR, len(rrs))
	for i, rr := range rrs {
		out[i] = dns.Copy(rr)
		out[i].Header().Name = name
	}
	return out
}

// reply is what the world says to a question.
type reply struct {
	rcode         int
	answer, authy []dns.RR
}

const maxChain = 12

func (d *DNS) resolve(name string, qtype uint16, bare bool) reply {
	var r reply
	for range maxChain {
		rrs, ok := d.find(name, qtype)
		r.answer = append(r.answer, rrs...)
		if len(rrs) == 0 {
			if !ok {
				r.rcode = dns.RcodeNameError
			}
			r.authy = d.names[d.zoneOf(name).name].sets[dns.TypeSOA]
			return r
		}
		alias, isAlias := rrs[0].(*dns.CNAME)
		if !isAlias || qtype == dns.TypeCNAME || bare {
			return r
		}
		name = dns.CanonicalName(alias.Target)
	}
	return r
}

type cacheKey struct {
	name  string
	qtype uint16
}

type cached struct {
	reply
	at, until time.Time
}

// aged is resolve through a cache whose clock runs d.skew ahead.
func (d *DNS) aged(name string, qtype uint16, bare bool) reply {
	now, key := time.Now().Add(d.skew), cacheKey{name, qtype}
	c, ok := d.cache[key]
	if !ok || !now.Before(c.until) {
		c = cached{reply: d.resolve(name, qtype, bare), at: now}
		c.until = now.Add(time.Duration(c.ttl()) * time.Second)
		d.cache[key] = c
	}
	age := uint32(now.Sub(c.at) / time.Second)
	return reply{rcode: c.rcode, answer: older(c.answer, age), authy: older(c.authy, age)}
}

// ttl of a whole reply: the smallest in it, with a negative one's MINIMUM (RFC 2308 §5).
func (r reply) ttl() uint32 {
	ttl := uint32(86400)
	for _, rr := range append(slices.Clip(r.answer), r.authy...) {
		ttl = min(ttl, rr.Header().Ttl)
		if soa, ok := rr.(*dns.SOA); ok && len(r.authy) > 0 {
			ttl = min(ttl, soa.Minttl)
		}
	}
	return ttl
}

func older(rrs []dns.RR, age uint32) []dns.RR {
	out := make([]dns.RR, len(rrs))
	for i, rr := range rrs {
		out[i] = dns.Copy(rr)
		out[i].Header().Ttl -= min(age, rr.Header().Ttl)
	}
	return out
}
