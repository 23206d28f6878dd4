package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"repwatch/api"
	"repwatch/checks/smtp"
	"repwatch/config"
	"repwatch/replies"
	"repwatch/resolve"
)

// survey looks at partners from vantages, politely: one connection at a time to
// a provider from an address, with a pause.
type survey struct {
	cfg       *config.Loaded
	dns       *resolver
	flags     probeFlags
	ask       smtp.Ask
	prober    *smtp.Prober
	explainer replies.Explainer

	gate *smtp.Gate

	mu    sync.Mutex
	notes []string
}

// politeLooker looks at one partner when politeness allows it, asking what the flags ask for.
type politeLooker struct {
	*survey
	partner config.Partner
}

// Probe implements smtp.Looker.
func (l politeLooker) Probe(ctx context.Context, t smtp.Target, v smtp.Vantage) smtp.Result {
	if p := l.partner.Provider; p != "" && p != "auto" {
		t.Provider = p
	}
	release, err := l.gate.Acquire(ctx, smtp.Visit{Provider: smtp.PoliteKey(t), From: v.Name, To: t.Addr, Partner: t.Partner, Why: "asked for"})
	if err != nil {
		return smtp.Nowhere(t.Partner, v, time.Now(), smtp.FailPolite, "not looked at: "+err.Error())
	}
	ask := l.ask
	if ask.Rcpt == "" {
		ask.Rcpt = l.partner.RCPT
	}
	r := l.prober.ProbeAsking(ctx, t, v, ask)
	release(smtp.EndingOf(r))
	return r
}

// pace of a probe that a person waits for; the daemon keeps probes.spacing.
const handSpacing = 2 * time.Second

func (s *survey) run(ctx context.Context, partners []config.Partner, progress func(done, total int)) ([]api.Looked, error) {
	s.gate = smtp.NewGate(smtp.GateConfig{Spacing: handSpacing}, nil, nil)
	vantages := make([][]smtp.Vantage, len(partners))
	total := 0
	for i, p := range partners {
		var err error
		if vantages[i], err = s.vantages(ctx, p); err != nil {
			return nil, err
		}
		total += len(vantages[i])
	}
	looked := make([]api.Looked, len(partners))
	var done atomic.Int64
	var g errgroup.Group
	g.SetLimit(16)
	for i, p := range partners {
		g.Go(func() error {
			looked[i] = s.look(ctx, p, vantages[i], func() { progress(int(done.Add(1)), total) })
			return nil
		})
	}
	_ = g.Wait() // looks do not fail: what went wrong is in their results
	return looked, ctx.Err()
}

// look takes one partner's looks from all its vantages at once: they are different addresses.
func (s *survey) look(ctx context.Context, p config.Partner, vantages []smtp.Vantage, tick func()) api.Looked {
	out := api.Looked{Partner: p}
	route, err := smtp.Router{DNS: s.dns}.RouteHop(ctx, nextHop(p))
	out.Route = route
	looker := politeLooker{s, p}
	results := make([][]smtp.Result, len(vantages))
	var wg sync.WaitGroup
	for i, v := range vantages {
		wg.Go(func() {
			defer tick()
			if err != nil {
				results[i] = []smtp.Result{smtp.Nowhere(p.Name(), v, time.Now(), routeFailure(err), err.Error())}
				return
			}
			results[i] = smtp.LookRoute(ctx, looker, route, v)
			if len(results[i]) == 0 {
				results[i] = []smtp.Result{smtp.Nowhere(p.Name(), v, time.Now(), smtp.FailFamily, "none of the partner's addresses is of this vantage's family")}
			}
		})
	}
	wg.Wait()
	for _, r := range results {
		out.Results = append(out.Results, r...)
	}
	return out
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
	hop := smtp.NextHop{Name: p.Name(), Direct: p.Host != "", Port: uint16(p.Port)}
	if ip, err := netip.ParseAddr(p.Host); err == nil {
		hop.Addr = ip.Unmap()
	}
	return hop
}

// vantages of a partner: the sending addresses that probe it, then the controls if wanted.
func (s *survey) vantages(ctx context.Context, p config.Partner) ([]smtp.Vantage, error) {
	var out []smtp.Vantage
	switch {
	case s.flags.from.IsValid():
		out = append(out, s.vantageOf(ctx, s.cfg.Sending(s.flags.from.Addr)))
	case s.flags.submission || len(s.cfg.Addresses) == 0:
		out = append(out, s.thisHost())
	default:
		chosen, left := s.cfg.Probers(p)
		for _, sending := range chosen {
			out = append(out, s.vantageOf(ctx, sending))
		}
		if left > 0 {
			s.note("%s: %d addresses not probed from (probes.canaries, state standby); name one with --from", p.Name(), left)
		}
	}
	if s.flags.control {
		if len(s.cfg.Control) == 0 {
			return nil, misused("configure control: [{name: spare, bind: ADDRESS}], or a socks5 proxy on another host", "--control needs a control vantage, and none is configured")
		}
		for _, c := range s.cfg.Control {
			out = append(out, smtp.Vantage{Name: c.Name, IP: c.Bind.Addr, Bind: c.Bind.Addr, SOCKS5: c.SOCKS5.Address(), EHLO: c.EHLO, Control: true})
		}
	}
	return out, nil
}

// vantageOf a sending address: bound to bind, or to the address itself where this host has it.
func (s *survey) vantageOf(ctx context.Context, sending config.Address) smtp.Vantage {
	v := smtp.Vantage{Name: sending.IP.String(), IP: sending.IP, Bind: sending.Bind, SOCKS5: sending.Via.Address(), EHLO: sending.Name}
	if !v.Bind.IsValid() && v.SOCKS5 == "" {
		if smtp.LocalAddress(sending.IP) {
			v.Bind = sending.IP
		} else {
			s.note("%s is not an address of this host and has no bind or via: the system chooses the source, and seen_ip tells what the partner saw", sending.IP)
		}
	}
	if v.EHLO == "" && sending.IP.IsGlobalUnicast() && !sending.IP.IsPrivate() {
		if ptr, err := resolve.PTR(ctx, s.dns, sending.IP, resolve.Query{Budget: s.cfg.DNS.Timeout.D()}); err == nil && len(ptr.Values) > 0 {
			v.EHLO = strings.TrimSuffix(ptr.Values[0], ".")
		}
	}
	return v
}

// thisHost is the vantage when nothing is configured.
func (s *survey) thisHost() smtp.Vantage {
	v := smtp.Vantage{Name: "this host"}
	if name, err := os.Hostname(); err == nil && strings.Contains(name, ".") && net.ParseIP(name) == nil {
		v.EHLO = name
	}
	return v
}

func (s *survey) note(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := fmt.Sprintf(format, args...); !slices.Contains(s.notes, n) {
		s.notes = append(s.notes, n)
	}
}
