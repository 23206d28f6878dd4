package checks

import (
	"cmp"
	"context"
	"net/netip"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"repwatch/checks/smtp"
	"repwatch/config"
	"repwatch/incident"
	"repwatch/reputation"
	"repwatch/resolve"
)

// ownCheck looks at our own side as others do: the names of our addresses, and
// our own MX on the wire.
type ownCheck struct{ Env }

func newOwn(env Env) Check { return &ownCheck{env} }

func (c *ownCheck) Name() string { return "own" }

// Schedule is fixed: names and certificates change slowly, and a person who has
// just changed one can ask at once.
func (c *ownCheck) Schedule() config.Cron { return every("6h") }

// Plan is one look at everything.
func (c *ownCheck) Plan(now time.Time, _ int) []Ask {
	if len(c.Config.Addresses)+len(c.Config.OwnMX) == 0 {
		return nil
	}
	return []Ask{{Check: c.Name(), Why: WhySchedule, At: now}}
}

// Look looks at the addresses and own_mx domains that the ask names.
func (c *ownCheck) Look(ctx context.Context, a Ask) []Batch {
	b := begin(a)
	addresses, domains := c.Config.Addresses, c.Config.OwnMX
	if len(a.Who) > 0 {
		addresses, domains = c.named(a.Who, &b)
	}
	for _, r := range OwnSide(ctx, c.DNS, addresses) {
		if _, private := r.Find(smtp.OwnNotPublic); !private {
			b.Own = append(b.Own, ownAddress(r, now()))
		}
	}
	for _, domain := range domains {
		results := c.readMX(ctx, domain, cmp.Or(a.Why, WhySchedule), &b)
		if len(results) > 0 {
			b.Own = append(b.Own, ownMX(domain, results))
		}
	}
	b.Ended = now()
	if ctx.Err() != nil {
		b.Own, b.Skipped = nil, append(b.Skipped, "the look at our own side was interrupted; it says nothing")
	}
	return []Batch{b}
}

func (c *ownCheck) named(who []string, b *Batch) (addresses []config.Address, domains []string) {
	for _, w := range distinct(who) {
		ip, _ := netip.ParseAddr(w)
		i := slices.IndexFunc(c.Config.Addresses, func(a config.Address) bool { return a.IP == ip.Unmap() })
		switch {
		case i >= 0:
			addresses = append(addresses, c.Config.Addresses[i])
		case slices.Contains(c.Config.OwnMX, w):
			domains = append(domains, w)
		default:
			b.Skipped = append(b.Skipped, w+" is neither a sending IP nor one of own_mx")
		}
	}
	return addresses, domains
}

// ownAtOnce bounds how many addresses are looked at side by side.
const ownAtOnce = 32

// OwnSide looks at PTR and EHLO name of sending addresses, in their order.
func OwnSide(ctx context.Context, dns resolve.Lookuper, addresses []config.Address) []smtp.OwnReport {
	out := make([]smtp.OwnReport, len(addresses))
	var g errgroup.Group
	g.SetLimit(ownAtOnce)
	for i, a := range addresses {
		g.Go(func() error {
			out[i] = smtp.CheckOwn(ctx, dns, smtp.OwnIP{IP: a.IP, EHLO: a.Name})
			return nil
		})
	}
	_ = g.Wait() // a look does not fail
	return out
}

// ownAddress keeps what hurts and what is fine. Notes (impact info) are neither.
func ownAddress(r smtp.OwnReport, at time.Time) OwnLook {
	look := OwnLook{Subject: reputation.Subject{Kind: reputation.KindOwn, IP: r.IP}, At: at}
	for _, f := range r.Findings {
		switch {
		case f.Verdict == reputation.Bad && f.Impact > reputation.Info:
			look.Faults = append(look.Faults, faultOf(f))
		case f.Verdict == reputation.Clear:
			look.Fine = append(look.Fine, f.ID)
		}
	}
	return look
}

func faultOf(f smtp.Finding) incident.Fault {
	return incident.Fault{ID: f.ID, Impact: f.Impact, What: printable(f.What, maxReply), Why: f.Why, Do: f.Do}
}
