package main

import (
	"context"
	"net/netip"
	"time"

	"repwatch/checks"
	"repwatch/checks/smtp"
	"repwatch/config"
	"repwatch/setup"
)

// What the doctor opens at most: one session from an address to a partner.
const (
	doctorPartners  = 3
	doctorAddresses = 8
)

// doctorTimeout bounds one conversation. A greeting may take its minute (greet pauses
// are normal), and a blocked port 25 shows by silence.
const doctorTimeout = 90 * time.Second

// way is a sending address and the partners it may be tried with, in turn.
type way struct {
	from     config.Address
	partners []config.Partner
}

// ways are the sending addresses that probe, canaries of large pools, each with the
// first partners that may be probed from it; left counts addresses not tried.
func ways(cfg *config.Loaded) (out []way, left int) {
	at := map[netip.Addr]int{}
	for _, p := range cfg.Partners {
		chosen, _ := cfg.Probers(p)
		for _, addr := range chosen {
			i, ok := at[addr.IP]
			if !ok {
				i = len(out)
				at[addr.IP] = i
				out = append(out, way{from: addr})
			}
			if len(out[i].partners) < doctorPartners {
				out[i].partners = append(out[i].partners, p)
			}
		}
	}
	n := min(len(out), doctorAddresses)
	for _, addr := range cfg.Addresses {
		if addr.State != config.Standby {
			left++
		}
	}
	return out[:n], max(0, left-n)
}

// lookAtDoors tries port 25. Addresses begin at different partners, so that none is
// visited by all.
func (a *app) lookAtDoors(ctx context.Context, cfg *config.Loaded, client *resolver) []setup.Check {
	tried, left := ways(cfg)
	if len(cfg.Addresses) == 0 && len(cfg.Partners) > 0 {
		tried = []way{{partners: cfg.Partners[:min(len(cfg.Partners), doctorPartners)]}}
	}
	if len(tried) == 0 {
		return []setup.Check{{Area: setup.AreaPort25, State: setup.Off, Why: "no partner is configured that may be probed, so nobody was connected to", Next: "configure partners, or try one: repwatch probe contoso.com"}}
	}
	// A cap of one: from an address, a provider is not knocked at twice, whichever partners it serves.
	surveyor := checks.Surveyor{DNS: client, Gate: smtp.NewGate(smtp.GateConfig{PerDay: 1}, nil, nil), Why: "doctor",
		Prober: &smtp.Prober{Timeouts: smtp.Timeouts{Total: doctorTimeout}, Roots: a.roots}}
	found := make([][]setup.Check, len(tried))
	each(tried, doctorAddresses, func(i int, w way) {
		v := checks.ThisHost()
		if w.from.IP.IsValid() {
			v = checks.VantageOf(ctx, client, cfg.DNS.Timeout.D(), w.from)
		}
		found[i] = setup.JudgeDoor(v, knock(ctx, surveyor, v, rotated(w.partners, i)))
	})
	var out []setup.Check
	for _, area := range []string{setup.AreaPort25, setup.AreaSeen} {
		for _, checks := range found {
			for _, c := range checks {
				if c.Area == area {
					out = append(out, c)
				}
			}
		}
	}
	if left > 0 {
		out = append(out, setup.Check{Area: setup.AreaSeen, State: setup.Off, Why: plural(left, "more address") + " not tried, out of politeness", Next: "repwatch probe PARTNER --from IP tries one"})
	}
	return out
}

func rotated(partners []config.Partner, by int) []config.Partner {
	by %= len(partners)
	return append(partners[by:len(partners):len(partners)], partners[:by]...)
}

// knock visits partners in turn until one answers. With a deadline the gate refuses
// at once what it would otherwise let through tomorrow.
func knock(ctx context.Context, surveyor checks.Surveyor, v smtp.Vantage, partners []config.Partner) (looks []smtp.Result) {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(len(partners)+1)*doctorTimeout)
	defer cancel()
	for _, p := range partners {
		p.RCPT = "" // to be let in is enough
		for _, r := range surveyor.Look(ctx, p, []smtp.Vantage{v}, nil).Results[0] {
			if r.Failure != smtp.FailPolite {
				looks = append(looks, r)
			}
			if r.Greeting != nil {
				return looks
			}
		}
	}
	return looks
}
