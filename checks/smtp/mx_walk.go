package smtp

import (
	"cmp"
	"context"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"

	"repwatch/resolve"
)

// Limits on what a foreign zone can make us do.
const (
	maxHops       = 32 // mail exchangers followed; the least preferred are left out
	maxHopAddrs   = 32 // addresses kept per host and family
	routeInFlight = 8  // address lookups at once
)

// routing is one search for a route.
type routing struct {
	router Router
	Route
	mu    sync.Mutex // guards Faults, TTL and ttlOK during the address lookups
	ttlOK bool
}

func (w *routing) literal(ip netip.Addr) {
	h := Hop{Host: ip.String()}
	if ip.Is4() {
		h.V4 = []netip.Addr{ip}
	} else {
		h.V6 = []netip.Addr{ip}
	}
	w.Hops = []Hop{h}
}

func (w *routing) direct(ctx context.Context) error {
	w.Hops = []Hop{{Host: w.Partner}}
	return w.settle(ctx)
}

// domain follows RFC 5321 §5.1: MX first; only where there is none, and the
// name exists, the domain is its own exchanger.
func (w *routing) domain(ctx context.Context) error {
	a, err := w.lookup(ctx, w.Partner, dns.TypeMX)
	if err != nil {
		return w.fail(RouteUnknown, "its MX records could not be looked up, so nothing is known about it; check the resolver", err)
	}
	if n := len(a.CNAMEs); n > 0 {
		w.Canonical = plainName(a.CNAMEs[n-1])
	}
	if a.NXDomain() {
		return w.fail(RouteNoDomain, w.noDomainWords(), nil)
	}
	hops, null := w.readMX(a.Records)
	switch {
	case null && len(hops) == 0:
		return w.fail(RouteNoMail, "the domain says that it accepts no mail (null MX, RFC 7505); do not send there", nil)
	case null:
		w.fault(MXNullMixed, "", "a null MX stands beside real ones; RFC 7505 §3 wants it alone, and senders differ in what they make of it")
	}
	if len(a.Records) == 0 {
		w.Implicit = true
		hops = []Hop{{Host: cmp.Or(w.Canonical, w.Partner)}}
	}
	w.Hops = hops
	return w.settle(ctx)
}

func (w *routing) noDomainWords() string {
	if w.Canonical != "" {
		return "the domain is an alias of " + w.Canonical + ", which does not exist"
	}
	return "the domain does not exist; check its spelling, or whether it has expired"
}

// readMX sorts by preference with equals shuffled, drops targets that can be
// no host and notes why, and tells whether a null MX is among the records.
func (w *routing) readMX(records []dns.RR) (hops []Hop, null bool) {
	best := map[string]uint16{}
	for _, rr := range records {
		mx, ok := rr.(*dns.MX)
		switch {
		case !ok:
		case mx.Mx == "." || mx.Mx == "":
			null = true
		default:
			if host, ok := w.usableName(mx.Mx); ok {
				if p, dup := best[host]; !dup || mx.Preference < p {
					best[host] = mx.Preference
				}
			}
		}
	}
	for host, pref := range best {
		hops = append(hops, Hop{Host: host, Preference: pref})
	}
	slices.SortFunc(hops, func(a, b Hop) int { return strings.Compare(a.Host, b.Host) })
	w.shuffle(len(hops), func(i, j int) { hops[i], hops[j] = hops[j], hops[i] })
	slices.SortStableFunc(hops, func(a, b Hop) int { return cmp.Compare(a.Preference, b.Preference) })
	if len(hops) > maxHops {
		w.fault(MXTooMany, "", "%d mail exchangers; the first %d are looked at", len(hops), maxHops)
		hops = hops[:maxHops]
	}
	return hops, null
}

func (w *routing) usableName(mx string) (string, bool) {
	host := plainName(mx)
	if _, err := netip.ParseAddr(host); err == nil {
		w.fault(MXIsAddress, host, "the MX record holds an address where a host name belongs; senders look it up as a name and find nothing")
		return "", false
	}
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		w.fault(MXIsLocalhost, host, "the MX record points every sender at itself")
		return "", false
	}
	if _, err := hostName(host); err != nil {
		w.fault(MXBadName, host, "the MX record holds something that is no host name")
		return "", false
	}
	return host, true
}

// settle looks up the addresses of every hop and decides whether there is a way.
func (w *routing) settle(ctx context.Context) error {
	var wg sync.WaitGroup
	slots := make(chan struct{}, routeInFlight)
	for i := range w.Hops {
		h := &w.Hops[i]
		for _, q := range []struct {
			qtype uint16
			addrs *[]netip.Addr
			err   *error
		}{{dns.TypeA, &h.V4, &h.Err4}, {dns.TypeAAAA, &h.V6, &h.Err6}} {
			wg.Go(func() {
				slots <- struct{}{}
				defer func() { <-slots }()
				*q.addrs, *q.err = w.addresses(ctx, h.Host, q.qtype)
			})
		}
	}
	wg.Wait()
	return w.judgeHops()
}

func (w *routing) judgeHops() error {
	var failed error
	usable := false
	for _, h := range w.Hops {
		err := h.Err4
		if err == nil {
			err = h.Err6
		}
		switch {
		case len(h.V4)+len(h.V6) > 0:
			usable = true
		case err == nil && !w.missing(h.Host):
			w.fault(MXNoAddress, h.Host, "the host has no address")
		}
		if err != nil {
			failed = err
			w.fault(MXLookupFailed, h.Host, "an address lookup failed, so its addresses are not all known")
		}
	}
	switch {
	case usable:
		return nil
	case failed != nil:
		return w.fail(RouteUnknown, "the addresses of its mail servers could not be looked up, so nothing is known about it; check the resolver", failed)
	case w.Direct, w.Implicit:
		return w.fail(RouteNoHost, w.noHostWords(), nil)
	default:
		return w.fail(RouteNoUsable, "its MX records lead to no address, and senders must not fall back to the domain's own; its owner has to mend the DNS", nil)
	}
}

func (w *routing) noHostWords() string {
	if w.Direct {
		return "the host has no address; check its spelling"
	}
	return "the domain has neither a mail server (MX) nor an address of its own"
}

// addresses answers with the usable addresses of one family, in the order given.
func (w *routing) addresses(ctx context.Context, host string, qtype uint16) ([]netip.Addr, error) {
	a, err := w.lookup(ctx, host, qtype)
	if err != nil {
		return nil, err
	}
	if len(a.CNAMEs) > 0 && !w.Direct && !w.Implicit {
		w.fault(MXIsAlias, host, "the MX names an alias of %s; RFC 2181 §10.3 wants a host with addresses of its own", plainName(a.CNAMEs[len(a.CNAMEs)-1]))
	}
	if a.NXDomain() {
		w.fault(MXMissing, host, "the host does not exist")
	}
	var out []netip.Addr
	for _, rr := range a.Records {
		ip := recordAddr(rr)
		switch {
		case uselessAddr(ip):
			w.fault(MXUselessAddress, host, "no server can be behind its address %s", ip)
			continue
		case slices.Contains(out, ip) || len(out) == maxHopAddrs:
			continue
		case ip.IsLoopback():
			w.fault(MXLoopback, host, "its address %s is the sender's own machine: what answers there is not the partner", ip)
		}
		out = append(out, ip)
	}
	return out, nil
}

func recordAddr(rr dns.RR) netip.Addr {
	var ip netip.Addr
	switch rr := rr.(type) {
	case *dns.A:
		ip, _ = netip.AddrFromSlice(rr.A)
	case *dns.AAAA:
		ip, _ = netip.AddrFromSlice(rr.AAAA)
	}
	return ip.Unmap()
}

// missing reports that the host was answered with NXDOMAIN, which says more than "no address".
func (w *routing) missing(host string) bool {
	return slices.ContainsFunc(w.Faults, func(f RouteFault) bool { return f.ID == MXMissing && f.Host == host })
}

func (w *routing) lookup(ctx context.Context, name string, qtype uint16) (resolve.Answer, error) {
	a, err := w.router.DNS.Lookup(ctx, resolve.Query{Name: name, Type: qtype})
	if err != nil {
		return a, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.ttlOK || a.TTL < w.TTL {
		w.TTL, w.ttlOK = max(a.TTL, time.Duration(0)), true
	}
	return a, nil
}

func (w *routing) fail(kind RouteKind, why string, err error) error {
	return &RouteError{Kind: kind, Partner: w.Partner, Why: why, Err: err}
}

// plainName is a name from DNS in the form we compare and show.
func plainName(fqdn string) string {
	return strings.ToLower(strings.TrimSuffix(fqdn, "."))
}
