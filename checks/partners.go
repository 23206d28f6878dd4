package checks

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"repwatch/checks/smtp"
	"repwatch/config"
)

// partnersCheck reads what partners' mail servers offer us, from our own sending
// addresses and from the controls. Our own MX is the own check's.
type partnersCheck struct {
	Env
	round atomic.Int64 // the last one planned
}

func newPartners(env Env) Check { return &partnersCheck{Env: env} }

func (c *partnersCheck) Name() string { return "partners" }

func (c *partnersCheck) Schedule() config.Cron { return c.Config.Schedule.Partners }

// Plan is one look per partner, from the round's canaries and from every control.
func (c *partnersCheck) Plan(now time.Time, round int) []Ask {
	c.round.Store(int64(round))
	var out []Ask
	for _, p := range c.Config.Partners {
		if from := c.turn(p, round); len(from) > 0 {
			out = append(out, Ask{Check: c.Name(), Why: WhySchedule, At: now, Partner: p.Name(), From: from})
		}
	}
	return out
}

// turn are those who look at a partner in a round: the addresses that the
// partner's entry names, or of each pool as many as probes.canaries allows, in
// rotation (rule of truth 6); and the controls.
func (c *partnersCheck) turn(p config.Partner, round int) (from []string) {
	var order []string
	pools := map[string][]netip.Addr{}
	for _, a := range c.Config.Addresses {
		if !probes(a, p) {
			continue
		}
		if len(p.From) > 0 {
			from = append(from, a.IP.String())
			continue
		}
		if pools[a.Pool] == nil {
			order = append(order, a.Pool)
		}
		pools[a.Pool] = append(pools[a.Pool], a.IP)
	}
	for _, pool := range order {
		for _, ip := range smtp.Canaries(pools[pool], rotation(p), round, c.Config.Probes.Canaries) {
			from = append(from, ip.String())
		}
	}
	for _, control := range c.Config.Control {
		from = append(from, control.Name)
	}
	return from
}

// Between is how long the schedule leaves between two looks from an address at a
// partner: a round, or as many as its pool takes for everybody's turn.
func Between(cfg *config.Loaded, p config.Partner, ip netip.Addr, now time.Time) time.Duration {
	every, canaries := cfg.Schedule.Partners.Every(now), cfg.Probes.Canaries
	at := slices.IndexFunc(cfg.Addresses, func(a config.Address) bool { return a.IP == ip })
	if len(p.From) > 0 || canaries <= 0 || at < 0 {
		return every
	}
	members := 0
	for _, a := range cfg.Addresses {
		if a.Pool == cfg.Addresses[at].Pool && probes(a, p) {
			members++
		}
	}
	return every * time.Duration(max(1, (members+canaries-1)/canaries))
}

// probes: the address may look at the partner. Standby ones do only where the partner's entry names them.
func probes(a config.Address, p config.Partner) bool {
	if len(p.From) > 0 {
		return slices.Contains(p.From, config.IP{Addr: a.IP})
	}
	return a.State != config.Standby
}

// rotation is what a partner's canaries rotate by: its provider where that is
// configured. One that is only recognised does not count, so that a round can be
// planned without a resolver.
func rotation(p config.Partner) string {
	if p.Provider != "" && p.Provider != "auto" {
		return p.Provider
	}
	return p.Name()
}

// Look takes the looks of one partner.
func (c *partnersCheck) Look(ctx context.Context, a Ask) []Batch {
	b := begin(a)
	p, ok := c.Config.PartnerNamed(a.Partner)
	if !ok || p.Own {
		b.Skipped, b.Ended = append(b.Skipped, a.Partner+" is not among the partners"), now()
		return []Batch{b}
	}
	vantages := c.vantages(ctx, p, a, &b)
	surveyor := Surveyor{DNS: c.DNS, Gate: c.Gate, Prober: c.Prober, Why: cmp.Or(a.Why, WhySchedule), Avoid: a.Avoid}
	seen := surveyor.Look(ctx, p, vantages, nil)
	b.Ended = now()
	c.tell(p, vantages, seen, &b)
	return []Batch{b}
}

// vantages that an ask names, as far as they are still configured; controls first, so
// that none of them waits for ours.
func (c *partnersCheck) vantages(ctx context.Context, p config.Partner, a Ask, b *Batch) []smtp.Vantage {
	from := a.From
	if len(from) == 0 {
		from = c.turn(p, int(c.round.Load()))
	}
	var controls, ours []smtp.Vantage
	for _, name := range distinct(from) {
		if i := slices.IndexFunc(c.Config.Control, func(c config.Control) bool { return c.Name == name }); i >= 0 {
			controls = append(controls, ControlVantage(c.Config.Control[i]))
			continue
		}
		ip, _ := netip.ParseAddr(name)
		i := slices.IndexFunc(c.Config.Addresses, func(a config.Address) bool { return a.IP == ip.Unmap() })
		switch {
		case i < 0:
			b.Skipped = append(b.Skipped, fmt.Sprintf("%s: %s is neither a sending IP nor a control", p.Name(), name))
		case !probes(c.Config.Addresses[i], p):
			b.Skipped = append(b.Skipped, fmt.Sprintf("%s: %s does not probe it (state standby, or from)", p.Name(), name))
		default:
			ours = append(ours, VantageOf(ctx, c.DNS, c.Config.DNS.Timeout.D(), c.Config.Addresses[i]))
		}
	}
	return append(controls, ours...)
}

// tell turns results into the looks of a batch.
func (c *partnersCheck) tell(p config.Partner, vantages []smtp.Vantage, seen Surveyed, b *Batch) {
	view := controlView{}
	var looks []WireLook
	for i, v := range vantages {
		results := c.looked(p, seen.Results[i], b)
		if len(results) == 0 {
			continue
		}
		w := c.wireLook(p, v, seen.Route, results)
		if told, health := c.address(p, v, results, b.Ended); told {
			b.Health = append(b.Health, health)
		}
		if v.Control {
			view.add(w.Looks)
		}
		looks = append(looks, w)
	}
	for i := range looks {
		view.into(&looks[i])
	}
	b.Wire = looks
}

// looked drops what politeness, or the end of the program, kept from being looked at: that is
// no look, not even one that failed.
func (c *partnersCheck) looked(p config.Partner, results []smtp.Result, b *Batch) (out []smtp.Result) {
	for _, r := range results {
		if r.Failure == smtp.FailPolite || r.Failure == smtp.FailCanceled {
			b.Skipped = append(b.Skipped, fmt.Sprintf("%s from %s: %s", p.Name(), r.Vantage.Name, r.Why))
			continue
		}
		out = append(out, r)
	}
	return out
}
