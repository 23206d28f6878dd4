package watch

import (
	"context"
	"fmt"
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
	dispatcher *notify.Dispatcher
	notifiers  []notify.Notifier
	problems   []notify.Problem
	equipment
	slots     chan struct{}
	rounds    sync.WaitGroup
	delivered chan struct{} // closed when the dispatcher has stopped
}

// equipment is what looks are taken with.
type equipment struct {
	looks  []checks.Check
	engine *dnsbl.Engine // keeps account of what lists were asked
	close  func()
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

// build sets up a generation without starting anything.
func (d *Daemon) build(ctx context.Context, cfg *config.Loaded) (*generation, error) {
	g := &generation{cfg: cfg, checks: map[string]checks.Check{}, slots: make(chan struct{}, maxLooks), delivered: make(chan struct{})}
	var err error
	if g.equipment, err = d.equip(cfg); err != nil {
		return nil, err
	}
	for _, c := range g.looks {
		g.checks[c.Name()] = c
	}
	g.notifiers, g.problems = notify.Build(cfg, d.log, cfg.Redact)
	if len(g.notifiers)+len(g.problems)+len(d.opt.Extra) == 0 { // somebody has to be told
		d.log.Warn("no notifier is configured: alerts go to this log", "hint", "notify: slack, email or webhook")
		logs := *cfg
		logs.Notify.Log = &config.LogOut{}
		g.notifiers, g.problems = notify.Build(&logs, d.log, cfg.Redact)
	}
	g.notifiers = append(g.notifiers, d.opt.Extra...)
	g.dispatcher, err = notify.New(d.opt.DB, g.notifiers, d.log, d.notifierHealth)
	if err != nil {
		g.close()
		return nil, err
	}
	g.dispatcher.Reports(d.rendered)
	g.ctx, g.cancel = context.WithCancel(ctx)
	return g, nil
}

// equipment makes what looks at the real world.
func (d *Daemon) equipment(cfg *config.Loaded) (equipment, error) {
	servers, err := d.servers(cfg)
	if err != nil {
		return equipment{}, err
	}
	client, err := resolve.New(resolve.Options{Servers: servers, Timeout: cfg.DNS.Timeout.D(), Tries: cfg.DNS.Tries, InFlight: cfg.DNS.InFlight})
	if err != nil {
		return equipment{}, err
	}
	engine := dnsbl.New(dnsbl.Options{Resolver: client, TestBudget: cfg.DNS.Timeout.D(), Redact: cfg.Redact})
	d.restoreBudgets(engine, cfg)
	looks, err := checks.Build(checks.Env{
		Config: cfg, DNS: client, Engine: engine, Gate: d.gate(cfg), Resolvers: servers, Listed: d.fold.listed, Memory: d.seen,
		Prober:  &smtp.Prober{Roots: d.opt.Roots},
		Explain: replies.Explainer{ListByZone: cfg.Catalogue.IDByZone},
	})
	if err != nil {
		client.Close()
		return equipment{}, err
	}
	return equipment{looks: looks, engine: engine, close: client.Close}, nil
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
	return smtp.NewGate(smtp.GateConfig{Spacing: cfg.Probes.Spacing.D(), Jitter: share(cfg.Schedule.Jitter), PerDay: cfg.Probes.PerProviderDay}, past, d.opt.DB.Ledger)
}

// install puts a configuration in force and starts its rounds and notifiers.
func (d *Daemon) install(ctx context.Context, cfg *config.Loaded, first bool) error {
	g, err := d.build(ctx, cfg)
	if err != nil {
		return err
	}
	var broken []string
	for _, p := range g.problems {
		d.log.Error("a notifier cannot be used", "problem", fmt.Sprint(p))
		broken = append(broken, p.Name)
	}
	if err := d.fold.adopt(time.Now().UTC(), cfg, g.dispatcher.Names(), broken); err != nil {
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
	d.sending.Go(func() {
		defer close(g.delivered)
		if old != nil {
			<-old.delivered // a message that it is still sending is not to be sent beside it
		}
		g.dispatcher.Run(g.ctx)
	})
	if b := notify.NewButtons(cfg, d.log, cfg.Redact, d.pressed, d.notifierHealth); b != nil {
		d.sending.Go(func() { b.Run(g.ctx) })
	}
	d.startRounds(g, first)
	return nil
}

func (d *Daemon) startRounds(g *generation, first bool) {
	now := time.Now()
	if first {
		doubts, err := d.fold.doubts(now.UTC())
		if err != nil {
			d.log.Warn("what waits for a second look could not be read; it gets one in its round", "err", err)
		}
		d.queue.add(doubts...)
	}
	for _, c := range g.looks {
		d.startRound(c, now, first)
		g.rounds.Go(func() { d.round(g, c) })
	}
}

// startRound looks once at start: at everything, or after a reload at what was never looked at.
func (d *Daemon) startRound(c checks.Check, now time.Time, first bool) {
	for _, a := range c.Plan(now, d.rounds.get(c.Name()).n) {
		if first || c.Name() != "partners" || d.fold.newcomer(a) {
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
