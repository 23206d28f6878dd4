package smtp

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"repwatch/reputation"
)

// Looker takes one look at one address; *Prober does.
type Looker interface {
	Probe(ctx context.Context, t Target, v Vantage) Result
}

// maxAddresses is how many addresses of one family a look tries before it gives
// up: RFC 5321 §5.1 asks senders for at least two, politeness forbids all of a pool.
const maxAddresses = 4

// LookRoute looks at a partner from one vantage: the route's addresses in order,
// per family, until one of them says something: a good outcome or a deferral, or
// two that agree on a bad one, because a pool behind one name may be of two minds
// (rule of truth 4).
// There is a Result for each address tried; none when the route has no address of
// the vantage's family. Politeness is the Looker's business.
func LookRoute(ctx context.Context, l Looker, route Route, v Vantage) []Result {
	var out []Result
	v4, v6 := v.families()
	told, tried, bad := map[bool]bool{}, map[bool]int{}, map[bool]int{}
	for _, t := range route.Plan(v4, v6) {
		family := t.Addr.Is4()
		if told[family] || tried[family] == maxAddresses || ctx.Err() != nil {
			continue
		}
		tried[family]++
		r := l.Probe(ctx, t, v)
		out = append(out, r)
		if r.Outcome.Verdict() == reputation.Bad {
			bad[family]++
		}
		told[family] = bad[family] == 2 || r.Outcome.Verdict() == reputation.Clear || r.Outcome == reputation.Deferred
	}
	return out
}

// families a vantage can reach: that of its own address, both when it has none.
func (v Vantage) families() (v4, v6 bool) {
	ip := v.Bind
	if !ip.IsValid() {
		ip = v.IP
	}
	if !ip.IsValid() || v.SOCKS5 != "" && !v.IP.IsValid() {
		return true, true
	}
	return ip.Unmap().Is4(), ip.Unmap().Is6()
}

// Why no connection was tried at all.
const (
	FailRoute    Failure = "route"    // DNS says that there is nowhere to go
	FailResolver Failure = "resolver" // our DNS could not tell where to go
	FailFamily   Failure = "family"   // no address of the vantage's family
	FailPolite   Failure = "polite"   // it is too early for another session
)

// Nowhere is the Result for a partner without an address to try.
func Nowhere(partner string, v Vantage, at time.Time, failure Failure, why string) Result {
	return Result{Target: Target{Partner: partner}, Vantage: v, At: at, Outcome: reputation.OutcomeUnknown, Why: why, Failure: failure}
}

// LocalAddress reports whether this host can send from ip: it is tried, because
// loopback ranges and routed prefixes are usable without being configured one by one.
func LocalAddress(ip netip.Addr) bool {
	l, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(netip.AddrPortFrom(ip, 0)))
	if err != nil {
		return false
	}
	_ = l.Close() // nothing was accepted: closing cannot lose anything
	return true
}

// Side is what one vantage saw of a partner over all addresses tried.
type Side struct {
	Partner string
	Vantage Vantage
	Outcome reputation.Outcome // the most telling one
	Mixed   bool               // addresses disagree: one offers STARTTLS, another does not
	Why     string
	Offers  Capabilities // before TLS, of the result that tells most; nil without a complete reply
	Failure Failure      // why the outcome is unknown, if it is
	SeenIP  netip.Addr   // the address the partner says it saw, where that is not the one meant
}

// Summarise folds the results of one look, the most telling outcome first: a
// sure bad one, then a good one, then a deferral, then nothing.
func Summarise(results []Result) Side {
	var s Side
	good := false
	for i, r := range results {
		if i == 0 || weight(r.Outcome) > weight(s.Outcome) {
			s.Outcome, s.Why, s.Offers, s.Failure = r.Outcome, r.Why, r.Capabilities, r.Failure
		}
		s.Partner, s.Vantage = r.Target.Partner, r.Vantage
		if meant := r.Vantage.IP.Unmap(); r.SeenIP.IsValid() && meant.IsValid() && r.SeenIP != meant {
			s.SeenIP = r.SeenIP
		}
		good = good || r.Outcome == reputation.Advertised
	}
	s.Mixed = good && s.Outcome.Verdict() == reputation.Bad
	return s
}

func weight(o reputation.Outcome) int {
	switch {
	case o.Verdict() == reputation.Bad:
		return 3
	case o.Verdict() == reputation.Clear:
		return 2
	case o == reputation.Deferred:
		return 1
	default:
		return 0
	}
}

// Comparison says whose fault a look points at, with words and the next step.
type Comparison struct {
	ID    string // ok, fewer, withheld, partner-wide, loss, other-address, mixed, deferred, unknown
	Words string
	Next  string
	// Lost are the capabilities that a control is offered and we are not, sorted.
	Lost []string
}

// Compare judges what a sending address saw by what the controls saw at the same
// partner (stories 1 and 2): lost for us alone is our reputation, lost for
// everyone is the partner's change. It is pure.
func Compare(us Side, controls []Side) Comparison {
	who := us.Vantage.Name
	switch {
	case us.Mixed:
		return Comparison{ID: "mixed", Words: fmt.Sprintf("%s answers %s differently from address to address (%s): a pool in disagreement, which is no loss", us.Partner, who, us.Why),
			Next: "probe again in a few minutes; mail gets through by the addresses that offer it"}
	case us.Outcome.Verdict() == reputation.Clear:
		return compareGood(us, controls)
	case us.Outcome == reputation.Deferred:
		return Comparison{ID: "deferred", Words: fmt.Sprintf("%s put %s off: %s", us.Partner, who, us.Why), Next: "a deferral says nothing about capabilities; explain the reply and try later"}
	case us.Outcome.Verdict() == reputation.Unknown:
		return Comparison{ID: "unknown", Words: fmt.Sprintf("what %s offers %s could not be told: %s", us.Partner, who, us.Why), Next: unknownNext(us, controls)}
	case us.SeenIP.IsValid() && !Hidden(us.SeenIP):
		// NAT surprises are told before anything is blamed (rule of truth 10).
		return Comparison{ID: "other-address", Words: fmt.Sprintf("%s saw %s, not %s (NAT, or the wrong source): it %s that address, which says nothing about ours", us.Partner, us.SeenIP, who, LossWords(us.Outcome)),
			Next: fmt.Sprintf("make %s the source (bind, via, or the firewall's NAT rule), or configure %s as the sending IP; then probe again. repwatch check %s tells of the address that was seen", who, us.SeenIP, us.SeenIP)}
	}
	return compareLoss(us, controls)
}

// compareGood tells what the control is offered beside STARTTLS and we are not: reputation may take that alone.
func compareGood(us Side, controls []Side) Comparison {
	c := Comparison{ID: "ok", Words: fmt.Sprintf("%s offers STARTTLS to %s", us.Partner, us.Vantage.Name)}
	for _, control := range controls {
		if lost := lacking(us.Offers, control.Offers); len(lost) > 0 {
			return Comparison{ID: "fewer", Lost: lost,
				Words: fmt.Sprintf("%s, but not %s, which the control %s is offered", c.Words, strings.Join(lost, ", "), control.Vantage.Name),
				Next:  "repwatch check " + us.Vantage.Name + ": receivers take capabilities from addresses they distrust; require: in the configuration makes one of them a finding"}
		}
	}
	return c
}

// sharedSpace is the carriers' side of NAT (RFC 6598).
var sharedSpace = netip.MustParsePrefix("100.64.0.0/10")

// Hidden reports that an address is none of the public Internet: a partner that
// saw it has a gateway or load balancer that hides who comes, which is no surprise of ours.
func Hidden(seen netip.Addr) bool {
	seen = seen.Unmap()
	return !seen.IsGlobalUnicast() || seen.IsPrivate() || sharedSpace.Contains(seen)
}

func compareLoss(us Side, controls []Side) Comparison {
	loss := fmt.Sprintf("%s %s %s", us.Partner, LossWords(us.Outcome), us.Vantage.Name)
	var fine, same, lost []string
	for _, c := range controls {
		switch {
		case c.Outcome.Verdict() == reputation.Clear || c.Mixed:
			fine = append(fine, c.Vantage.Name)
			lost = lacking(us.Offers, c.Offers)
		case c.Outcome.Verdict() == reputation.Bad:
			same = append(same, c.Vantage.Name)
		}
	}
	check := "repwatch check " + us.Vantage.Name
	switch {
	case len(fine) > 0:
		also := ""
		if others := slices.DeleteFunc(slices.Clone(lost), func(s string) bool { return s == startTLSWord }); len(others) > 0 {
			also = " and offers it " + strings.Join(others, ", ") + " besides"
		}
		return Comparison{ID: "withheld", Lost: lost, Words: fmt.Sprintf("%s, but serves the control %s normally%s: it is about our address, not about the partner", loss, strings.Join(fine, ", "), also),
			Next: check + " to see which list names it; queues will say \"451 5.7.3 Must issue a STARTTLS command first\" or \"TLS is required, but was not offered\""}
	case len(same) > 0:
		return Comparison{ID: "partner-wide", Words: fmt.Sprintf("%s and the control %s sees the same: the partner changed this for everyone", loss, strings.Join(same, ", ")),
			Next: "tell the partner's postmaster; delisting will not help"}
	case len(controls) > 0:
		return Comparison{ID: "loss", Words: loss + "; the control could not tell whether others see it", Next: "probe again with --control; " + check}
	default:
		return Comparison{ID: "loss", Words: loss, Next: "probe with --control from a clean address to learn whether it is about us; " + check}
	}
}

// lacking are the capabilities that the control is offered and we are not, sorted (story 1).
func lacking(ours, theirs Capabilities) []string {
	if ours == nil {
		return nil
	}
	var names []string
	for name := range theirs {
		if !ours.Has(name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// LossWords are what a partner does to whom it is named after: "rejects".
func LossWords(o reputation.Outcome) string {
	switch o {
	case reputation.Masked:
		return "(or something on the way) masks capabilities from"
	case reputation.Rejected:
		return "rejects"
	case reputation.Broken:
		return "offers STARTTLS but breaks the handshake with"
	default:
		return "does not offer STARTTLS to"
	}
}

// unknownNext goes by what kept the look from telling.
func unknownNext(us Side, controls []Side) string {
	switch us.Failure {
	case FailRoute:
		return "look at the partner's DNS (dig MX " + us.Partner + "); mail to it cannot be routed either, whatever our reputation"
	case FailResolver:
		return "look at our resolver (repwatch lists test), then probe again; this says nothing about the partner"
	case FailFamily:
		return "probe from an address of the other family (--from); mail from " + us.Vantage.Name + " cannot reach this partner either"
	case FailPolite:
		return "probe again later: politeness holds this one back"
	case FailBind:
		return "give " + us.Vantage.Name + " a bind address that this host has, or a via proxy on the host that has it"
	case FailProxy:
		return "look at the SOCKS5 proxy that " + us.Vantage.Name + " leaves through"
	case FailInput:
		return "correct what was asked for"
	case FailRefused:
		return "nobody listens there, or a firewall says so: check host and port"
	}
	for _, c := range controls {
		if c.Outcome != reputation.OutcomeUnknown {
			return fmt.Sprintf("the control %s got through: look at the path from %s (port 25 blocked, firewall, NAT, bind address)", c.Vantage.Name, us.Vantage.Name)
		}
	}
	return "try again; if several partners stay silent, port 25 from here is blocked"
}
