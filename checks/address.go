package checks

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"repwatch/checks/smtp"
	"repwatch/config"
	"repwatch/incident"
	"repwatch/reputation"
)

// FailAddress: the partner saw another address than the one meant, so the look
// says nothing about that one (rule of truth 10).
const FailAddress smtp.Failure = "address"

// wrongAddress is the address that a partner saw in place of the one meant; the
// zero one if it saw the right one or did not say. A private address is no
// surprise of ours: a load balancer of theirs hides who comes. Of a control it is
// wrong only if it is one of our sending addresses: then it vouches for nothing.
func (c *partnersCheck) wrongAddress(r smtp.Result) netip.Addr {
	seen, meant := r.SeenIP.Unmap(), r.Vantage.IP.Unmap()
	switch {
	case !seen.IsValid(), seen == meant, smtp.Hidden(seen):
		return netip.Addr{}
	case r.Vantage.Control && !slices.ContainsFunc(c.Config.Addresses, func(a config.Address) bool { return a.IP == seen }):
		return netip.Addr{}
	case !r.Vantage.Control && !meant.IsValid():
		return netip.Addr{}
	}
	return seen
}

// misled says in words why a result tells nothing about the address it was meant for; empty: it does.
func (c *partnersCheck) misled(p config.Partner, r smtp.Result) string {
	wrong := c.wrongAddress(r)
	switch {
	case !wrong.IsValid():
		return ""
	case r.Vantage.Control:
		return fmt.Sprintf("%s saw the control %s as %s, which sends mail: it cannot vouch for how others are treated", p.Name(), r.Vantage.Name, wrong)
	}
	return fmt.Sprintf("%s saw %s, not %s (NAT, or the wrong source): what it offers that address says nothing about ours", p.Name(), wrong, r.Vantage.IP)
}

// address says whether partners see the address that is meant. It tells nothing
// where the partner did not say what it saw. An address is fine only when no
// partner sees a wrong one: translation may differ from partner to partner.
func (c *partnersCheck) address(p config.Partner, v smtp.Vantage, results []smtp.Result, at time.Time) (told bool, look HealthLook) {
	look = HealthLook{Subject: reputation.Subject{Kind: reputation.KindHealth, Domain: "address", Target: v.Name}, At: at}
	var why string
	var wrong netip.Addr
	right := false
	for _, r := range results {
		if words := c.misled(p, r); words != "" {
			why, wrong = words+lossThere(r), c.wrongAddress(r)
		} else if r.SeenIP.IsValid() && (v.Control || r.SeenIP.Unmap() == v.IP.Unmap()) {
			right = true
		}
	}
	if why == "" && !right {
		return false, look
	}
	anyWrong := c.Memory.saw(v.Name, p.Name(), wrong, func(name string) bool { _, ok := c.Config.PartnerNamed(name); return ok })
	if why == "" {
		return !anyWrong, look
	}
	look.Fault = &incident.Fault{ID: "address", Impact: reputation.High, What: why, Do: c.addressAdvice(p, v, wrong),
		Why: "reputation, and all that partners withhold for its sake, belongs to the address that they see"}
	return true, look
}

// lossThere is what the partner does to the address that it saw, where that is bad:
// it is no loss of ours, but may be why a queue stands.
func lossThere(r smtp.Result) string {
	if r.Vantage.Control || r.Outcome.Verdict() != reputation.Bad {
		return ""
	}
	return fmt.Sprintf("; it %s that address", smtp.LossWords(r.Outcome))
}

func (c *partnersCheck) addressAdvice(p config.Partner, v smtp.Vantage, wrong netip.Addr) string {
	if v.Control {
		return "let the control " + v.Name + " leave through an address that sends no mail (bind, socks5, or the firewall's NAT rule)"
	}
	return smtp.Compare(smtp.Side{Partner: p.Name(), Vantage: v, Outcome: reputation.Absent, SeenIP: wrong}, nil).Next
}
