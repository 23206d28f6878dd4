package watch

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"sync"
	"time"

	"repwatch/checks"
	"repwatch/checks/dnsbl"
	"repwatch/checks/smtp"
	"repwatch/config"
	"repwatch/notify"
	"repwatch/replies"
	"repwatch/reputation"
	"repwatch/resolve"
	"repwatch/store"
)

// generation is what one configuration set up: checks, notifiers, and all they
// need. A reload makes the next one; looks of the old one are given up.
type generation struct {
	cfg        *config.Loaded
	ctx        context.Context
	cancel     context.CancelFunc
	checks     map[string]checks.Check
	order      []checks.Check
	dispatcher *notify.Dispatcher
	notifiers  []notify.Notifier
	problems   []notify.Problem
	client     *resolve.Client
	engine     *dnsbl.Engine
	slots      chan struct{}
	rounds     sync.WaitGroup
}

// maxLooks is how many looks are under way at once. Most of them wait for politeness.
const maxLooks = 256

func (g *generation) enter() bool {
	select {
	case g.slots <- struct{}{}:
		return true
	case <-g.ctx.Done():
		return false
	}
}

func (g *generation) leave() { <-g.slots }

func (g *generation) stop() {
	g.cancel()
	g.rounds.Wait()
}

func (g *generation) close() { g.client.Close() }

// build sets up a generation without starting anything.
func (d *Daemon) build(ctx context.Context, cfg *config.Loaded) (*generation, error) {
	g := &generation{cfg: cfg, checks: map[string]checks.Check{}, slots: make(chan struct{}, maxLooks)}
	servers, err := d.servers(cfg)
	if err != nil {
		return nil, err
	}
	g.client, err = resolve.New(resolve.Options{Servers: servers, Timeout: cfg.DNS.Timeout.D(), Tries: cfg.DNS.Tries, InFlight: cfg.DNS.InFlight})
	if err != nil {
		return nil, err
	}
	engine := dnsbl.New(dnsbl.Options{Resolver: g.client, TestBudget: cfg.DNS.Timeout.D(), Redact: cfg.Redact})
	g.engine = engine
	d.restoreBudgets(engine, cfg)
	env := checks.Env{
		Config: cfg, DNS: g.client, Engine: engine, Gate: d.gate(cfg), Resolvers: servers, Listed: d.fold.listed, Memory: d.seen,
		Prober:  &smtp.Prober{Roots: d.opt.Roots},
		Explain: replies.Explainer{ListByZone: cfg.Catalogue.IDByZone},
	}
	if g.order, err = checks.Build(env); err != nil {
		return nil, err
	}
	for _, c := range g.order {
		g.checks[c.Name()] = c
	}
	g.notifiers, g.problems = notify.Build(cfg, d.log, cfg.Redact)
	g.notifiers = append(g.notifiers, d.opt.Extra...)
	g.dispatcher, err = notify.New(d.opt.DB, g.notifiers, d.log, d.notifierHealth)
	if err != nil {
		return nil, err
	}
	g.ctx, g.cancel = context.WithCancel(ctx)
	return g, nil
}

func (d *Daemon) servers(cfg *config.Loaded) ([]netip.AddrPort, error) {
	var out []netip.AddrPort
	for _, s := range cfg.DNS.Resolvers {
		out = append(out, s.AddrPort)
	}
	if len(out) > 0 || d.opt.Resolvers == nil {
		return out, nil
	}
	return d.opt.Resolvers()
}

// gate keeps politeness over restarts: the sessions of the last day count.
func (d *Daemon) gate(cfg *config.Loaded) *smtp.Gate {
	var past []smtp.LedgerEntry
	err := d.opt.DB.View(func(tx *store.Tx) error {
		for e := range tx.Sessions(time.Now().Add(-24*time.Hour), time.Time{}) {
			past = append(past, e)
		}
		return nil
	})
	if err != nil {
		d.log.Warn("the ledger of sessions could not be read; politeness starts anew", "err", err)
	}
	return smtp.NewGate(smtp.GateConfig{Spacing: cfg.Probes.Spacing.D(), Jitter: float64(cfg.Schedule.Jitter), PerDay: cfg.Probes.PerProviderDay}, past, d.opt.DB.Ledger)
}

// install puts a configuration in force and starts its rounds and notifiers.
func (d *Daemon) install(ctx context.Context, cfg *config.Loaded, first bool) error {
	g, err := d.build(ctx, cfg)
	if err != nil {
		return err
	}
	for _, p := range g.problems {
		d.log.Error("a notifier cannot be used", "problem", fmt.Sprint(p))
	}
	if err := d.fold.adopt(time.Now().UTC(), cfg, g.dispatcher.Names()); err != nil {
		g.cancel()
		g.close()
		return err
	}
	d.mu.Lock()
	old := d.gen
	d.gen = g
	d.state.ConfigFile = cfg.File
	d.mu.Unlock()
	if old != nil {
		old.stop()
		d.looking.Go(old.close)
	}
	d.sending.Go(func() { g.dispatcher.Run(g.ctx) })
	if b := notify.NewButtons(cfg, d.log, cfg.Redact, d.pressed, d.notifierHealth); b != nil {
		d.sending.Go(func() { b.Run(g.ctx) })
	}
	now := time.Now()
	for _, c := range g.order {
		d.startRound(c, now, first)
		g.rounds.Go(func() { d.round(g, c) })
	}
	return nil
}

// startRound looks once at start: at everything, or after a reload at what was never looked at.
func (d *Daemon) startRound(c checks.Check, now time.Time, first bool) {
	for _, a := range c.Plan(now, 0) {
		if first || c.Name() != "partners" || d.fold.newcomer(a) {
			d.queue.add(a)
		}
	}
}

// round plans the looks of a check whenever its schedule says so. What is still
// under way from the round before is not asked for again.
func (d *Daemon) round(g *generation, c checks.Check) {
	schedule, zone := c.Schedule(), g.cfg.Schedule.Timezone.Loc()
	for n := 1; ; n++ {
		now := time.Now()
		next := schedule.Next(now.In(zone))
		if next.IsZero() {
			return
		}
		timer := time.NewTimer(next.Sub(now))
		select {
		case <-g.ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
		spread := time.Duration(float64(g.cfg.Schedule.Jitter) * float64(schedule.Every(now)))
		for _, a := range c.Plan(time.Now(), n) {
			if spread > 0 {
				a.At = next.Add(rand.N(spread))
			}
			d.queue.add(a)
		}
	}
}

// notifierHealth folds that a notifier went down, or is back.
func (d *Daemon) notifierHealth(name string, down bool, why string) {
	d.take(notifierLook(name, down, why, time.Now().UTC()))
}

// listed tells the list engine whom a list is known to name.
func (f *folder) listed(list string) map[string]bool {
	out := map[string]bool{}
	err := f.db.View(func(tx *store.Tx) error {
		for s := range tx.Listings().All() {
			if s.Target == list {
				out[s.Who()] = true
			}
		}
		return nil
	})
	if err != nil {
		f.log.Warn("who is listed could not be read", "list", list, "err", err)
	}
	return out
}

// newcomer: a look at a pair that was never looked at.
func (f *folder) newcomer(a checks.Ask) (never bool) {
	err := f.db.View(func(tx *store.Tx) error {
		for _, from := range a.From {
			s := reputation.Subject{Kind: reputation.KindWire, Target: a.Partner}
			s.SetWho(from)
			if s.Domain != "" {
				s.Kind = reputation.KindControl
			}
			if _, ok, err := tx.Wire().Get(s); err != nil || !ok {
				never = true
			}
		}
		return nil
	})
	return never || err != nil || len(a.From) == 0
}
