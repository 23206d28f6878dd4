package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"repwatch/api"
	"repwatch/checks"
	"repwatch/checks/smtp"
	"repwatch/config"
	"repwatch/replies"
)

// survey looks at partners as the flags say.
type survey struct {
	cfg       *config.Loaded
	dns       *resolver
	flags     probeFlags
	ask       smtp.Ask
	prober    *smtp.Prober
	explainer replies.Explainer

	mu    sync.Mutex
	notes []string
}

// pace of a probe that a person waits for; the daemon keeps probes.spacing.
const handSpacing = 2 * time.Second

func (s *survey) run(ctx context.Context, partners []config.Partner, progress func(done, total int)) ([]api.Looked, error) {
	vantages := make([][]smtp.Vantage, len(partners))
	total := 0
	for i, p := range partners {
		var err error
		if vantages[i], err = s.vantages(ctx, p); err != nil {
			return nil, err
		}
		total += len(vantages[i])
	}
	surveyor := checks.Surveyor{DNS: s.dns, Prober: s.prober, Ask: s.ask, Why: "asked for",
		Gate: smtp.NewGate(smtp.GateConfig{Spacing: handSpacing}, nil, nil)}
	looked := make([]api.Looked, len(partners))
	var done atomic.Int64
	var g errgroup.Group
	g.SetLimit(16)
	for i, p := range partners {
		g.Go(func() error {
			seen := surveyor.Look(ctx, p, vantages[i], func() { progress(int(done.Add(1)), total) })
			looked[i] = api.Looked{Partner: p, Route: seen.Route, Results: slices.Concat(seen.Results...)}
			return nil
		})
	}
	_ = g.Wait() // looks do not fail: what went wrong is in their results
	return looked, ctx.Err()
}

// vantages of a partner: the sending addresses that probe it, then the controls if wanted.
func (s *survey) vantages(ctx context.Context, p config.Partner) ([]smtp.Vantage, error) {
	var out []smtp.Vantage
	switch {
	case s.flags.from.IsValid():
		out = append(out, s.vantageOf(ctx, s.cfg.Sending(s.flags.from.Addr)))
	case s.flags.submission || len(s.cfg.Addresses) == 0:
		out = append(out, checks.ThisHost())
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
			out = append(out, checks.ControlVantage(c))
		}
	}
	return out, nil
}

func (s *survey) vantageOf(ctx context.Context, sending config.Address) smtp.Vantage {
	v := checks.VantageOf(ctx, s.dns, s.cfg.DNS.Timeout.D(), sending)
	if !v.Bind.IsValid() && v.SOCKS5 == "" {
		s.note("%s is not an address of this host and has no bind or via: the system chooses the source, and seen_ip tells what the partner saw", sending.IP)
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
