package setup

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// entry is a member of sending_ips to be.
type entry struct {
	prefix  netip.Prefix // of one address, or a range
	name    string
	standby bool
	why     []string // how we know of it, and what to look at
}

// sending decides which addresses mail leaves from. This host's come first: what
// Postfix binds to, or else every public address of an interface. Those that only the
// SPF record knows belong to other hosts, as far as we can see: they are asked at
// lists and not probed from, because a probe would leave from here.
func (d Draft) sending() []entry {
	var out []entry
	add := func(e entry) {
		if !slices.ContainsFunc(out, func(o entry) bool { return o.prefix.Overlaps(e.prefix) }) {
			out = append(out, e)
		}
	}
	for _, s := range d.bound() {
		add(d.local(s.IP, s.HELO, "bound by Postfix ("+s.From+")"))
	}
	if len(out) == 0 {
		for _, ip := range d.Host.Public {
			add(d.local(ip, d.helo(), "an address of this host"))
		}
	}
	if d.SPF == nil {
		return out
	}
	nat := len(d.Host.Public) == 0 && len(out) == 0 && len(d.SPF.Ranges) == 1 && d.SPF.Ranges[0].Prefix.IsSingleIP()
	for _, r := range d.SPF.Ranges {
		rest := []netip.Prefix{r.Prefix}
		for _, o := range out {
			rest = without(rest, o.prefix)
		}
		for _, p := range rest {
			add(d.remote(p, r.Term, nat))
		}
	}
	return out
}

// Local are the addresses of this host that Draft writes down: their names are worth asking for.
func (d Draft) Local() []netip.Addr {
	var out []netip.Addr
	for _, s := range d.bound() {
		out = append(out, s.IP)
	}
	if len(out) == 0 {
		return d.Host.Public
	}
	return out
}

// bound are the public addresses that Postfix binds to.
func (d Draft) bound() []Source {
	if d.Postfix == nil {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(d.Postfix.Sources), func(s Source) bool { return !public(s.IP) })
}

func (d Draft) helo() string {
	if d.Postfix == nil {
		return ""
	}
	return d.Postfix.HELO
}

// local is an address of this host. What the mail server says counts for its name;
// then a PTR that leads back, then the host's own name.
func (d Draft) local(ip netip.Addr, helo, why string) entry {
	e := entry{prefix: netip.PrefixFrom(ip, ip.BitLen()), name: helo, why: []string{why}}
	dns, asked := d.Host.Names[ip]
	switch {
	case e.name != "":
		e.why[0] += "; Postfix says this name in EHLO"
	case dns.Confirmed:
		e.name = dns.Host
		e.why[0] += "; its PTR gives the name"
	case d.Host.Name != "":
		e.name = d.Host.Name
		e.why[0] += "; the name is this host's"
	}
	switch {
	case !asked:
	case dns.Unknown:
		e.why = append(e.why, "its PTR could not be looked up")
	case dns.Host == "":
		e.why = append(e.why, "it has no PTR, for which many receivers refuse mail: ask whoever gave you the address to set it")
	case !dns.Confirmed:
		e.why = append(e.why, fmt.Sprintf("its PTR %s does not lead back to it, so receivers do not believe it", dns.Host))
	case e.name != dns.Host:
		e.why = append(e.why, fmt.Sprintf("its PTR is %s: receivers trust a match more", dns.Host))
	}
	return e
}

// remote is what only the SPF record knows. Behind NAT its one address is taken for ours.
func (d Draft) remote(p netip.Prefix, term string, nat bool) entry {
	e := entry{prefix: p, why: []string{fmt.Sprintf("from the SPF record of %s (%s)", d.SPF.Domain, term)}}
	if nat {
		e.name = d.helo()
		e.why = append(e.why, "this host has no public address, so mail seems to leave through NAT by this one: repwatch doctor says what partners see")
		return e
	}
	e.standby = true
	e.why = append(e.why, "not an address of this host: asked at lists, not probed from. Where this host does send by it, remove the state")
	return e
}

// without cuts a prefix out of others, which fall into smaller ones.
func without(from []netip.Prefix, cut netip.Prefix) (out []netip.Prefix) {
	for _, p := range from {
		switch {
		case !p.Overlaps(cut):
			out = append(out, p)
		case p.Bits() < cut.Bits():
			low, high := halves(p)
			out = append(out, without([]netip.Prefix{low, high}, cut)...)
		}
	}
	return out
}

func halves(p netip.Prefix) (low, high netip.Prefix) {
	bits := p.Bits() + 1
	low = netip.PrefixFrom(p.Masked().Addr(), bits)
	upper := low.Addr().AsSlice()
	upper[(bits-1)/8] |= 0x80 >> ((bits - 1) % 8)
	addr, _ := netip.AddrFromSlice(upper)
	return low, netip.PrefixFrom(addr, bits)
}

// yaml is the entry as a member of sending_ips.
func (e entry) yaml() string {
	words := []string{"range: " + e.prefix.String()}
	if e.prefix.IsSingleIP() {
		words[0] = "ip: " + e.prefix.Addr().String()
		if e.prefix.Addr().Is6() {
			words[0] = fmt.Sprintf("ip: %q", e.prefix.Addr())
		}
	} else if e.prefix.Addr().Is6() {
		words[0] = fmt.Sprintf("range: %q", e.prefix)
	}
	if e.name != "" {
		words = append(words, "name: "+e.name)
	}
	if e.standby {
		words = append(words, "state: standby")
	}
	return "{" + strings.Join(words, ", ") + "}"
}
