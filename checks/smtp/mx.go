package smtp

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"time"

	"repwatch/resolve"
)

// DefaultPort is where mail servers take mail from each other.
const DefaultPort = 25

// Route is the way mail takes to a partner: its hosts in the order in which a
// sender has to try them (RFC 5321 §5.1), with what is odd about the DNS on the way.
type Route struct {
	Partner string // the domain or host as A-labels in lower case; the address as text for a bare IP
	Port    uint16

	// Canonical is the name at the end of the partner's CNAME chain, which was
	// processed in place of Partner; empty when there was no CNAME.
	Canonical string

	// Direct: the next hop was named, no MX was asked for.
	Direct bool
	// Implicit: the domain has no MX and is its own mail exchanger, preference 0.
	Implicit bool

	Hops   []Hop // by preference, equals shuffled; hosts without an address included
	Faults []RouteFault

	// TTL is how long a cache may keep the whole route.
	TTL time.Duration
}

// Hop is one mail exchanger. Its two families succeed and fail apart.
type Hop struct {
	Host       string // lower case, no final dot
	Preference uint16
	V4, V6     []netip.Addr // in the order answered

	// Err4 and Err6 are set when that lookup gave no usable answer: the
	// addresses are then unknown, which is not the same as none.
	Err4, Err6 error
}

// RouteFault is something wrong or unusual in a partner's DNS that mail
// survives, or that explains why it does not.
type RouteFault struct {
	ID   string // one of the MX constants
	Host string // the MX host it is about; empty for the domain
	Text string
}

// Faults of a route.
const (
	MXNullMixed      = "null-mx-mixed"      // RFC 7505 §3: a null MX must be the only one
	MXIsAlias        = "mx-is-cname"        // RFC 2181 §10.3: an MX must name a host, not an alias
	MXIsAddress      = "mx-is-address"      // an IP address where a name belongs
	MXIsLocalhost    = "mx-is-localhost"    // would send the mail back to the sender
	MXMissing        = "mx-does-not-exist"  // NXDOMAIN
	MXNoAddress      = "mx-has-no-address"  // neither A nor AAAA
	MXBadName        = "mx-bad-name"        // cannot be a host name
	MXUselessAddress = "mx-address-useless" // unspecified, multicast or broadcast
	MXLoopback       = "mx-address-loopback"
	MXLookupFailed   = "mx-lookup-failed" // unknown, not absent
	MXTooMany        = "mx-too-many"
)

// RouteKind says why there is no route.
type RouteKind string

const (
	// RouteUnknown: DNS did not answer. Nothing is known about the partner (rule of truth 1).
	RouteUnknown RouteKind = "unknown"
	// RouteNoDomain: the name does not exist (NXDOMAIN).
	RouteNoDomain RouteKind = "no-such-domain"
	// RouteNoMail: a null MX, the domain accepts no mail (RFC 7505).
	RouteNoMail RouteKind = "accepts-no-mail"
	// RouteNoUsable: MX records exist, none leads to an address. There is no
	// fall-back to the domain's own A record (RFC 5321 §5.1).
	RouteNoUsable RouteKind = "no-usable-mx"
	// RouteNoHost: neither MX nor an address.
	RouteNoHost RouteKind = "no-mail-host"
	// RouteBadName: what was asked for is no domain, host or address.
	RouteBadName RouteKind = "bad-name"
)

// RouteError says why no address of a partner can be tried.
type RouteError struct {
	Kind    RouteKind
	Partner string
	Why     string // in words, for people
	Err     error  // the failed lookup or parse, may be nil
}

func (e *RouteError) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("%s: %s: %v", e.Partner, e.Why, e.Err)
	}
	return e.Partner + ": " + e.Why
}

func (e *RouteError) Unwrap() error { return e.Err }

// Unknown reports that the error says nothing about the partner: our DNS is to be looked at.
func (e *RouteError) Unknown() bool { return e.Kind == RouteUnknown }

// Router finds routes. The zero value of Shuffle uses math/rand; tests put
// their own in. It is safe for concurrent use if its parts are.
type Router struct {
	DNS     resolve.Lookuper
	Shuffle func(n int, swap func(i, j int))
}

// RouteTo finds the way to a partner: a domain; or a next hop written as
// host:port, an address, [address]:port or [host] (Postfix's way to say "no MX
// lookup"). A port in the text wins over the argument; 0 means 25.
//
// The error is always a *RouteError. The Route beside it holds what was found
// until then.
func RouteTo(ctx context.Context, dns resolve.Lookuper, partner string, port uint16) (Route, error) {
	return Router{DNS: dns}.Route(ctx, partner, port)
}

// Route is RouteTo with this router's lookups and order.
func (r Router) Route(ctx context.Context, partner string, port uint16) (Route, error) {
	hop, err := ParseNextHop(partner)
	if err != nil {
		return Route{Partner: partner}, &RouteError{Kind: RouteBadName, Partner: partner, Why: "this is no domain, host or address to send mail to", Err: err}
	}
	if hop.Port == 0 {
		hop.Port = port
	}
	return r.RouteHop(ctx, hop)
}

// RouteHop finds the way to a next hop that was parsed already, or taken from a configuration.
func (r Router) RouteHop(ctx context.Context, next NextHop) (Route, error) {
	w := &routing{router: r, Route: Route{Partner: next.Name, Port: next.Port, Direct: next.Direct}}
	if w.Port == 0 {
		w.Port = DefaultPort
	}
	var err error
	switch {
	case next.Addr.IsValid():
		w.literal(next.Addr)
	case next.Direct:
		err = w.direct(ctx)
	default:
		err = w.domain(ctx)
	}
	w.sortFaults()
	return w.Route, err
}

// Plan is the list of addresses to try, best first: by preference, then IPv4
// before IPv6, then host by host in their shuffled order. An address that
// several hosts share appears once.
//
// IPv4 and IPv6 are two worlds with two reputations, so a probe walks the list
// per family and stops, per family, at the first address with a sure or
// deferred outcome; it goes on after an unknown one. Trying at least two
// addresses is what RFC 5321 §5.1 asks of senders.
func (r Route) Plan(v4, v6 bool) []Target {
	var out []Target
	seen := map[netip.Addr]bool{}
	add := func(h Hop, addrs []netip.Addr) {
		for _, a := range addrs {
			if !seen[a] {
				seen[a] = true
				out = append(out, Target{Partner: r.Partner, MX: h.Host, Addr: a, Port: r.Port})
			}
		}
	}
	for group := range r.groups() {
		if v4 {
			for _, h := range group {
				add(h, h.V4)
			}
		}
		if v6 {
			for _, h := range group {
				add(h, h.V6)
			}
		}
	}
	if p, ok := r.Provider(); ok {
		for i := range out {
			out[i].Provider = p.ID
		}
	}
	return out
}

// groups yields the hops of each preference, lowest first.
func (r Route) groups() func(yield func([]Hop) bool) {
	return func(yield func([]Hop) bool) {
		for i := 0; i < len(r.Hops); {
			j := i + 1
			for j < len(r.Hops) && r.Hops[j].Preference == r.Hops[i].Preference {
				j++
			}
			if !yield(r.Hops[i:j]) {
				return
			}
			i = j
		}
	}
}

// Avoiding puts the targets at addr last, for a second look that should ask
// another address if there is one. The order is kept otherwise.
func Avoiding(targets []Target, addr netip.Addr) []Target {
	out := slices.Clone(targets)
	slices.SortStableFunc(out, func(a, b Target) int {
		switch {
		case a.Addr == addr && b.Addr != addr:
			return 1
		case a.Addr != addr && b.Addr == addr:
			return -1
		}
		return 0
	})
	return out
}

func (w *routing) fault(id, host, format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f := RouteFault{ID: id, Host: host, Text: fmt.Sprintf(format, args...)}
	if !slices.Contains(w.Faults, f) { // the A and the AAAA lookup see the same
		w.Faults = append(w.Faults, f)
	}
}

// sortFaults makes the result independent of which lookup came back first.
func (w *routing) sortFaults() {
	slices.SortStableFunc(w.Faults, func(a, b RouteFault) int {
		return strings.Compare(a.Host+"\x00"+a.ID+a.Text, b.Host+"\x00"+b.ID+b.Text)
	})
}

func (w *routing) shuffle(n int, swap func(i, j int)) {
	if w.router.Shuffle != nil {
		w.router.Shuffle(n, swap)
		return
	}
	rand.Shuffle(n, swap)
}
