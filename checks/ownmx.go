package checks

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"repwatch/checks/smtp"
	"repwatch/config"
	"repwatch/reputation"
)

// readMX reads all addresses of our own MX, from outside where a control lets us:
// on the way from inside there may be no firewall that others meet. A vantage that
// cannot look gives way to the next.
func (c *ownCheck) readMX(ctx context.Context, domain, why string, b *Batch) []smtp.Result {
	p := config.Partner{Domain: domain, Port: smtp.DefaultPort, Provider: "auto", Own: true}
	surveyor := Surveyor{DNS: c.DNS, Gate: c.Gate, Prober: c.Prober, Why: why, Everywhere: true}
	var results []smtp.Result
	for _, v := range c.outside(ctx) {
		seen := surveyor.Look(ctx, p, []smtp.Vantage{v}, nil)
		results = seen.Results[0]
		if !slices.ContainsFunc(results, func(r smtp.Result) bool { return ourFailures[r.Failure] }) {
			break
		}
	}
	return slices.DeleteFunc(results, func(r smtp.Result) bool {
		if !ourFailures[r.Failure] {
			return false
		}
		b.Skipped = append(b.Skipped, fmt.Sprintf("own MX %s from %s: %s", domain, r.Vantage.Name, r.Why))
		return true
	})
}

// ourFailures say something about the vantage and nothing about the MX.
var ourFailures = map[smtp.Failure]bool{
	smtp.FailPolite: true, smtp.FailCanceled: true, smtp.FailBind: true, smtp.FailProxy: true,
	smtp.FailFamily: true, smtp.FailResolver: true, smtp.FailInput: true,
}

// outside are the vantages to read our own MX from, best first.
func (c *ownCheck) outside(ctx context.Context) (out []smtp.Vantage) {
	for _, control := range c.Config.Control {
		out = append(out, ControlVantage(control))
	}
	for _, a := range c.Config.Addresses {
		if a.State != config.Standby {
			return append(out, VantageOf(ctx, c.DNS, c.Config.DNS.Timeout.D(), a))
		}
	}
	return append(out, ThisHost())
}

// OwnMXRoute: mail finds its way to our MX.
const OwnMXRoute = "mx-route"

// ownMX judges our own MX by all addresses that were read: an aspect is at fault
// where any of them shows it, and fine where all of them do.
func ownMX(domain string, results []smtp.Result) OwnLook {
	look := OwnLook{Subject: reputation.Subject{Kind: reputation.KindOwn, Domain: domain}, At: now()}
	if r := results[0]; r.Failure == smtp.FailRoute {
		look.Faults = append(look.Faults, faultOf(smtp.Finding{ID: OwnMXRoute, Impact: reputation.Critical, What: "our MX for " + domain + ": no mail finds its way to us: " + r.Why,
			Why: "senders return mail to " + domain + " at once", Do: "look at the domain's MX records and the addresses of the hosts they name"}))
		return look
	}
	var worst []smtp.Finding // one per aspect
	fine := map[string]int{OwnMXRoute: len(results)}
	for _, r := range results {
		for _, f := range judgeOwnMX(r) {
			f.What = ownMXWords(domain, r.Target.MX, f.What)
			switch i := slices.IndexFunc(worst, func(w smtp.Finding) bool { return w.ID == f.ID }); {
			case f.Verdict == reputation.Clear:
				fine[f.ID]++
			case f.Verdict != reputation.Bad || f.Impact == reputation.Info:
			case i < 0:
				worst = append(worst, f)
			case f.Impact > worst[i].Impact:
				worst[i] = f
			}
		}
	}
	for _, f := range worst {
		look.Faults = append(look.Faults, faultOf(f))
	}
	for id, n := range fine {
		if n == len(results) {
			look.Fine = append(look.Fine, id)
		}
	}
	slices.Sort(look.Fine)
	return look
}

// ownMXWords says whose fault it is, for What is a title that stands alone.
func ownMXWords(domain, host, what string) string {
	name := "our MX for " + domain
	if host != "" && host != domain {
		name = fmt.Sprintf("our MX %s (for %s)", host, domain)
	}
	if rest, ok := strings.CutPrefix(what, host+" "); ok && host != "" {
		return name + " " + rest
	}
	return name + ": " + what
}

// judgeOwnMX is smtp.JudgeOwnMX with all that could be told said aspect by aspect,
// so that each fault can be seen to end, and with the certificate's end taken as
// seriously as a daemon must that is there in time.
func judgeOwnMX(r smtp.Result) []smtp.Finding {
	found := smtp.JudgeOwnMX(r)
	has := func(id string) bool {
		return slices.ContainsFunc(found, func(f smtp.Finding) bool { return f.ID == id })
	}
	fine := func(id string) {
		if !has(id) {
			found = append(found, smtp.Finding{ID: id, Verdict: reputation.Clear})
		}
	}
	if r.Outcome.Verdict() != reputation.Unknown {
		fine(smtp.OwnMXReach)
		for _, fault := range wireFaults {
			fine("mx-" + fault)
		}
	}
	if r.TLS != nil && r.TLS.Handshake == "ok" {
		fine(smtp.OwnMXTLSOld)
	}
	for i, f := range found {
		if f.ID == smtp.OwnMXExpiry {
			found[i] = expiring(f, r)
		}
	}
	return found
}

// When the end of our own certificate is a fault: most are renewed 30 days before.
const (
	expiryHigh     = 21 * 24 * time.Hour
	expiryCritical = 7 * 24 * time.Hour
)

// expiring raises the finding on a certificate's end.
func expiring(f smtp.Finding, r smtp.Result) smtp.Finding {
	left := r.TLS.NotAfter.Sub(r.At)
	switch {
	case left > expiryHigh:
		return f
	case left > 0 && f.Verdict == reputation.Clear:
		f = smtp.Finding{ID: f.ID, Verdict: reputation.Bad, What: fmt.Sprintf("the certificate expires on %s, in %d days", r.TLS.NotAfter.UTC().Format(time.DateOnly), int(left/(24*time.Hour))),
			Why: "after that, senders that check it do not deliver", Do: "renew it, have the mail server load it, and see why that did not happen by itself"}
	}
	f.Impact = reputation.High
	if left <= expiryCritical {
		f.Impact = reputation.Critical
	}
	return f
}

// wireFaults are the faults on the wire that JudgeOwnMX may find (smtp.FaultConservativeTLS is mx-tls-old there).
var wireFaults = []string{
	smtp.FaultBareLF, smtp.FaultBareCR, smtp.FaultMissingSpace, smtp.FaultLongLine, smtp.FaultMixedCodes, smtp.FaultOddCode,
	smtp.FaultNonReply, smtp.FaultNoLineEnd, smtp.FaultNUL, smtp.Fault8Bit, smtp.FaultControl, smtp.FaultEnhancedClass,
	smtp.FaultKeywordFirstLine, smtp.FaultBadKeyword, smtp.FaultTwice, smtp.FaultLegacyAuth, smtp.FaultStartTLSParam,
	smtp.FaultStartTLSInside, smtp.FaultStartTLSRefused, smtp.FaultMaskedCapability, smtp.FaultMaskedBanner, smtp.FaultEarlyBytes,
	smtp.FaultTLSGarbage, smtp.FaultSeenIPDiffers, smtp.FaultNoGoodbye,
}
