package checks

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"

	"repwatch/checks/smtp"
	"repwatch/config"
	"repwatch/correlate"
	"repwatch/incident"
	"repwatch/replies"
	"repwatch/reputation"
)

// Bounds of the evidence that a look carries.
const (
	maxReply           = 512 // bytes
	maxFaults          = 16
	maxTranscriptLines = 64
	maxTranscript      = 8 << 10 // bytes
)

// wireLook is what one vantage saw of a partner.
func (c *partnersCheck) wireLook(p config.Partner, v smtp.Vantage, route smtp.Route, results []smtp.Result) WireLook {
	best := telling(results)
	w := WireLook{At: results[len(results)-1].At.Round(0), Evidence: c.evidence(best)}
	w.Subject = reputation.Subject{Kind: reputation.KindWire, IP: v.IP, Target: p.Name()}
	if v.Control {
		w.Subject = reputation.Subject{Kind: reputation.KindControl, Domain: v.Name, Target: p.Name()}
	}
	w.Evidence.Provider = providerOf(p, route)
	failure := best.Failure
	for _, r := range results {
		look := smtp.LookOf(r, addresses(route, r.Target.Addr))
		if why := c.misled(p, r); why != "" {
			look.Outcome, look.Plain, look.TLS, look.Why = reputation.OutcomeUnknown, nil, nil, why
			w.Evidence.SeenIP, w.Evidence.Why, failure = r.SeenIP.String(), why, FailAddress
		}
		if t := r.TLS; t != nil && w.NotAfter.IsZero() {
			w.NotAfter = t.NotAfter.UTC()
		}
		w.Looks = append(w.Looks, look)
	}
	if !slices.ContainsFunc(w.Looks, func(l smtp.Look) bool { return l.Outcome != reputation.OutcomeUnknown }) {
		w.Failure = failure
	}
	return w
}

// telling is the result that says most: a sure bad one, then a good one, then a
// deferral, as smtp.Summarise weighs them.
func telling(results []smtp.Result) smtp.Result {
	side := smtp.Summarise(results)
	i := slices.IndexFunc(results, func(r smtp.Result) bool { return r.Outcome == side.Outcome })
	return results[i]
}

// addresses counts the addresses of a route that are of addr's family.
func addresses(route smtp.Route, addr netip.Addr) int {
	if !addr.IsValid() {
		return 0
	}
	return len(route.Plan(addr.Is4(), !addr.Is4()))
}

// policies are the causes besides lists that a reply may blame, as the correlator knows them.
var policies = map[replies.Class]correlate.Policy{
	replies.ClassPTR: correlate.PolicyPTR, replies.ClassEHLOName: correlate.PolicyPTR, replies.ClassGreylisting: correlate.PolicyGreylisting,
	replies.ClassContent: correlate.PolicyContent, replies.ClassThrottled: correlate.PolicyRate, replies.ClassConnectionLimit: correlate.PolicyRate,
	replies.ClassAuthentication: correlate.PolicyAuth, replies.ClassAuth: correlate.PolicyAuth,
}

func (c *partnersCheck) evidence(r smtp.Result) incident.Wire {
	e := incident.Wire{MX: r.Target.MX, Why: printable(r.Why, maxReply), Offers: slices.Sorted(maps.Keys(r.Capabilities)), Transcript: c.transcript(r.Transcript)}
	if r.Target.Addr.IsValid() {
		e.Addrs = []string{r.Target.Addr.String()}
	}
	if r.SeenIP.IsValid() && r.Vantage.IP.IsValid() && r.SeenIP != r.Vantage.IP.Unmap() {
		e.SeenIP = r.SeenIP.String()
	}
	if rep := r.Reply; rep != nil {
		text := strconv.Itoa(rep.Code) + " " + rep.Text()
		e.Reply = c.foreign(text, maxReply)
		if rep.Code >= 400 {
			best := c.Explain.Explain(text).Best()
			e.Meaning, e.Names = best.Meaning, best.List
			if e.Names == "" && best.Evidence == replies.AgainstListing {
				e.Blames = string(policies[best.Class])
			}
		}
	}
	for _, f := range r.Faults {
		if words := f.Fault + ": " + printable(f.Words, maxReply); len(e.Faults) < maxFaults && !slices.Contains(e.Faults, words) {
			e.Faults = append(e.Faults, words)
		}
	}
	return e
}

// transcript keeps the beginning of a conversation: what was offered and refused
// stands there.
func (c *partnersCheck) transcript(lines []smtp.Line) (out []string) {
	size := 0
	for i, l := range lines {
		text := l.From + ": " + c.foreign(l.Text, maxReply)
		if size += len(text) + 1; len(out) == maxTranscriptLines-1 && i < len(lines)-1 || size > maxTranscript {
			return append(out, fmt.Sprintf("*: %d lines more", len(lines)-i))
		}
		out = append(out, text)
	}
	return out
}

// foreign makes a text of theirs fit to be kept: without our list keys, printable, bounded.
func (c *partnersCheck) foreign(s string, limit int) string {
	if c.Config.Redact != nil {
		s = c.Config.Redact(s)
	}
	return printable(s, limit)
}

// controlView is what the controls saw of a partner, by family (true: IPv4): the
// two are worlds of their own, with servers and reputations of their own.
type controlView map[bool]smtp.Look

// add takes the most that any control was offered: what one of them gets, the partner has.
func (view controlView) add(looks []smtp.Look) {
	for _, l := range looks {
		family := l.Addr.Is4()
		if have, ok := view[family]; l.Addr.IsValid() && (!ok || served(l.Outcome) > served(have.Outcome)) {
			view[family] = l
		}
	}
}

func served(o reputation.Outcome) int {
	switch {
	case o == reputation.Advertised:
		return 3
	case o == reputation.Absent:
		return 2
	case o.Verdict() == reputation.Bad:
		return 1
	default:
		return 0
	}
}

// into tells a production look what the controls saw at about the same time.
func (view controlView) into(w *WireLook) {
	if w.Subject.Kind != reputation.KindWire {
		return
	}
	for i := range w.Looks {
		l := &w.Looks[i]
		if seen := view[l.Addr.Is4()]; l.Addr.IsValid() && seen.Outcome.Verdict() != reputation.Unknown {
			l.Control, l.ControlPlain = seen.Outcome, seen.Plain
			w.Evidence.Control = seen.Outcome.String()
		}
	}
}
