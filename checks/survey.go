package checks

import (
	"cmp"
	"context"
	"errors"
	"math"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"repwatch/checks/smtp"
	"repwatch/config"
	"repwatch/resolve"
)

// Surveyor looks at partners from vantages, politely: one connection at a time to
// a provider from an address, as its gate allows. It is read-only and safe for
// concurrent use. The daemon and `repwatch probe` share it.
type Surveyor struct {
	DNS    resolve.Lookuper
	Gate   *smtp.Gate
	Prober *smtp.Prober
	Why    string // for the ledger: schedule, confirm, asked for, ...
	// Ask is what to ask beyond looking. Without an Ask.Rcpt the partner's consenting address is asked.
	Ask smtp.Ask
	// Avoid is asked last, for a second look that should be at another address if there is one.
	Avoid netip.Addr
	// Everywhere looks at every address, and does not stop at the first that says something.
	Everywhere bool
}

// Surveyed is what was read of one partner: the results of each vantage, in the
// order of the vantages; never none.
type Surveyed struct {
	Route   smtp.Route
	Results [][]smtp.Result
}

// Limits of one survey.
const (
	vantagesAtOnce = 64
	maxEverywhere  = 16 // addresses
)

// Look takes one partner's looks from all vantages at once: they are different
// addresses. It never fails: what could not be told is in the results. tick, if
// not nil, is called after each vantage.
func (s Surveyor) Look(ctx context.Context, p config.Partner, vantages []smtp.Vantage, tick func()) Surveyed {
	route, err := smtp.Router{DNS: s.DNS}.RouteHop(ctx, nextHop(p))
	out := Surveyed{Route: route, Results: make([][]smtp.Result, len(vantages))}
	var g errgroup.Group
	g.SetLimit(vantagesAtOnce)
	for i, v := range vantages {
		g.Go(func() error {
			out.Results[i] = s.from(ctx, p, v, route, err)
			if tick != nil {
				tick()
			}
			return nil
		})
	}
	_ = g.Wait() // looks do not fail
	return out
}

func (s Surveyor) from(ctx context.Context, p config.Partner, v smtp.Vantage, route smtp.Route, noRoute error) []smtp.Result {
	nowhere := func(f smtp.Failure, why string) []smtp.Result {
		return []smtp.Result{smtp.Nowhere(p.Name(), v, now(), f, why)}
	}
	stopped := func() []smtp.Result { return nowhere(smtp.FailCanceled, "stopped by us before the look") }
	switch {
	case ctx.Err() != nil:
		return stopped()
	case noRoute != nil:
		return nowhere(routeFailure(noRoute), noRoute.Error())
	}
	looker := politeLooker{s, p, providerOf(p, route)}
	var results []smtp.Result
	if s.Everywhere {
		for _, t := range targets(route) {
			results = append(results, smtp.LookRoute(ctx, looker, only(route, t), v)...)
		}
	} else {
		results = smtp.LookRoute(ctx, looker, avoiding(route, s.Avoid), v)
	}
	switch {
	case len(results) > 0:
		return results
	case ctx.Err() != nil:
		return stopped()
	}
	return nowhere(smtp.FailFamily, "none of the partner's addresses is of this vantage's family")
}

// politeLooker looks at one partner's addresses when politeness allows it.
type politeLooker struct {
	Surveyor
	partner  config.Partner
	provider string // empty: not recognised
}

// Probe implements smtp.Looker.
func (l politeLooker) Probe(ctx context.Context, t smtp.Target, v smtp.Vantage) smtp.Result {
	t.Provider = l.provider
	release, err := l.Gate.Acquire(ctx, smtp.Visit{Provider: smtp.PoliteKey(t), From: v.Name, To: t.Addr, Partner: t.Partner, Why: l.Why})
	if err != nil {
		return smtp.Nowhere(t.Partner, v, now(), smtp.FailPolite, "not looked at: "+err.Error())
	}
	ask := l.Ask
	if ask.Rcpt == "" {
		ask.Rcpt = l.partner.RCPT
	}
	r := l.Prober.ProbeAsking(ctx, t, v, ask)
	release(smtp.EndingOf(r))
	return r
}

// providerOf a partner: what the configuration says, else what the route's names show.
func providerOf(p config.Partner, route smtp.Route) string {
	if p.Provider != "" && p.Provider != "auto" {
		return p.Provider
	}
	known, _ := route.Provider()
	return known.ID
}

// avoiding moves an address to the very end of a route. Its host stays where it is, for the provider's sake.
func avoiding(route smtp.Route, addr netip.Addr) smtp.Route {
	if !addr.IsValid() {
		return route
	}
	host, hops := "", slices.Clone(route.Hops)
	for i := range hops {
		h := &hops[i]
		is := func(a netip.Addr) bool { return a == addr }
		if slices.ContainsFunc(h.V4, is) || slices.ContainsFunc(h.V6, is) {
			host = h.Host
			h.V4, h.V6 = slices.DeleteFunc(slices.Clone(h.V4), is), slices.DeleteFunc(slices.Clone(h.V6), is)
		}
	}
	if host == "" {
		return route
	}
	route.Hops = append(hops, hopTo(host, math.MaxUint16, addr))
	return route
}

func targets(route smtp.Route) []smtp.Target {
	all := route.Plan(true, true)
	return all[:min(len(all), maxEverywhere)]
}

// only is the route to one of its targets.
func only(route smtp.Route, t smtp.Target) smtp.Route {
	route.Hops = []smtp.Hop{hopTo(t.MX, 0, t.Addr)}
	return route
}

func hopTo(host string, preference uint16, addr netip.Addr) smtp.Hop {
	h := smtp.Hop{Host: host, Preference: preference}
	if addr.Is4() {
		h.V4 = []netip.Addr{addr}
	} else {
		h.V6 = []netip.Addr{addr}
	}
	return h
}

// routeFailure tells a partner without a way to it from a resolver that could not say.
func routeFailure(err error) smtp.Failure {
	var route *smtp.RouteError
	if errors.As(err, &route) && route.Unknown() {
		return smtp.FailResolver
	}
	return smtp.FailRoute
}

func nextHop(p config.Partner) smtp.NextHop {
	hop := smtp.NextHop{Name: cmp.Or(p.Domain, p.Host), Direct: p.Host != "", Port: uint16(p.Port)}
	if ip, err := netip.ParseAddr(p.Host); err == nil {
		hop.Addr = ip.Unmap()
	}
	return hop
}

// VantageOf a sending address: bound to its bind, or to the address itself where
// this host has it; else the system chooses the source (Bind is invalid then), and
// the address that partners see tells. Without a configured name it says its PTR
// in EHLO; finding that may take as long as budget.
func VantageOf(ctx context.Context, dns resolve.Lookuper, budget time.Duration, sending config.Address) smtp.Vantage {
	v := smtp.Vantage{Name: sending.IP.String(), IP: sending.IP, Bind: sending.Bind, SOCKS5: sending.Via.Address(), EHLO: sending.Name}
	if !v.Bind.IsValid() && v.SOCKS5 == "" && smtp.LocalAddress(sending.IP) {
		v.Bind = sending.IP
	}
	if v.EHLO == "" && sending.IP.IsGlobalUnicast() && !sending.IP.IsPrivate() {
		if ptr, err := resolve.PTR(ctx, dns, sending.IP, resolve.Query{Budget: budget}); err == nil && len(ptr.Values) > 0 {
			v.EHLO = strings.TrimSuffix(ptr.Values[0], ".")
		}
	}
	return v
}

// ControlVantage is a control as a vantage.
func ControlVantage(c config.Control) smtp.Vantage {
	return smtp.Vantage{Name: c.Name, IP: c.Bind.Addr, Bind: c.Bind.Addr, SOCKS5: c.SOCKS5.Address(), EHLO: c.EHLO, Control: true}
}

// ThisHost is the vantage where no sending address is configured.
func ThisHost() smtp.Vantage {
	v := smtp.Vantage{Name: "this host"}
	if name, err := os.Hostname(); err == nil && strings.Contains(name, ".") && net.ParseIP(name) == nil {
		v.EHLO = name
	}
	return v
}
