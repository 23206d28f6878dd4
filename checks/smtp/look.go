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
// per family, until one of them says something (a sure outcome or a deferral).
// There is a Result for each address tried; none when the route has no address of
// the vantage's family. Politeness is the Looker's business.
func LookRoute(ctx context.Context, l Looker, route Route, v Vantage) []Result {
	var out []Result
	v4, v6 := v.families()
	told, tried := map[bool]bool{}, map[bool]int{}
	for _, t := range route.Plan(v4, v6) {
		family := t.Addr.Is4()
		if told[family] || tried[family] == maxAddresses || ctx.Err() != nil {
			continue
		}
		tried[family]++
		r := l.Probe(ctx, t, v)
		out = append(out, r)
		told[family] = r.Outcome != reputation.OutcomeUnknown
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

// FailRoute: DNS gave no address to try.
const FailRoute Failure = "route"

// Nowhere is the Result for a partner without an address to try.
func Nowhere(partner string, v Vantage, at time.Time, why string) Result {
	return Result{Target: Target{Partner: partner}, Vantage: v, At: at, Outcome: reputation.OutcomeUnknown, Why: why, Failure: FailRoute}
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
}

// Summarise folds the results of one look, the most telling outcome first: a
// sure bad one, then a good one, then a deferral, then nothing.
func Summarise(results []Result) Side {
	var s Side
	good := false
	for i, r := range results {
		if i == 0 || weight(r.Outcome) > weight(s.Outcome) {
			s.Outcome, s.Why, s.Offers = r.Outcome, r.Why, r.Capabilities
		}
		s.Partner, s.Vantage = r.Target.Partner, r.Vantage
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
	ID    string // ok, withheld, partner-wide, loss, mixed, deferred, unknown
	Words string
	Next  string
}

// Compare judges what a sending address saw by what the controls saw at the same
// partner (stories 1 and 2): lost for us alone is our reputation, lost for
// everyone is the partner's change. It is pure.
func Compare(us Side, controls []Side) Comparison {
	who := us.Vantage.Name
	switch {
	case us.Mixed:
		return Comparison{"mixed", fmt.Sprintf("%s answers %s differently from address to address (%s): a pool in disagreement, which is no loss", us.Partner, who, us.Why),
			"probe again in a few minutes; mail gets through by the addresses that offer it"}
	case us.Outcome.Verdict() == reputation.Clear:
		return Comparison{ID: "ok", Words: fmt.Sprintf("%s offers STARTTLS to %s", us.Partner, who)}
	case us.Outcome == reputation.Deferred:
		return Comparison{"deferred", fmt.Sprintf("%s put %s off: %s", us.Partner, who, us.Why), "a deferral says nothing about capabilities; explain the reply and try later"}
	case us.Outcome.Verdict() == reputation.Unknown:
		return Comparison{"unknown", fmt.Sprintf("what %s offers %s could not be told: %s", us.Partner, who, us.Why), unknownNext(us, controls)}
	}
	return compareLoss(us, controls)
}

func compareLoss(us Side, controls []Side) Comparison {
	loss := fmt.Sprintf("%s %s %s", us.Partner, lossWords(us.Outcome), us.Vantage.Name)
	var fine, same []string
	var also string
	for _, c := range controls {
		switch {
		case c.Outcome.Verdict() == reputation.Clear || c.Mixed:
			fine = append(fine, c.Vantage.Name)
			also = lacking(us.Offers, c.Offers)
		case c.Outcome.Verdict() == reputation.Bad:
			same = append(same, c.Vantage.Name)
		}
	}
	check := "repwatch check " + us.Vantage.Name
	switch {
	case len(fine) > 0:
		return Comparison{"withheld", fmt.Sprintf("%s, but serves the control %s normally%s: it is about our address, not about the partner", loss, strings.Join(fine, ", "), also),
			check + " to see which list names it; queues will say \"451 5.7.3 Must issue a STARTTLS command first\" or \"TLS is required, but was not offered\""}
	case len(same) > 0:
		return Comparison{"partner-wide", fmt.Sprintf("%s and the control %s sees the same: the partner changed this for everyone", loss, strings.Join(same, ", ")),
			"tell the partner's postmaster; delisting will not help"}
	case len(controls) > 0:
		return Comparison{"loss", loss + "; the control could not tell whether others see it", "probe again with --control; " + check}
	default:
		return Comparison{"loss", loss, "probe with --control from a clean address to learn whether it is about us; " + check}
	}
}

// lacking says which capabilities beside STARTTLS the control is offered and we
// are not: reputation takes more than STARTTLS away (story 1).
func lacking(ours, theirs Capabilities) string {
	if ours == nil {
		return ""
	}
	var names []string
	for name := range theirs {
		if _, ok := ours[name]; !ok && name != startTLSWord {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return ""
	}
	slices.Sort(names)
	return " and offers it " + strings.Join(names, ", ") + " besides"
}

func lossWords(o reputation.Outcome) string {
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

func unknownNext(us Side, controls []Side) string {
	for _, c := range controls {
		if c.Outcome != reputation.OutcomeUnknown {
			return fmt.Sprintf("the control %s got through: look at the path from %s (port 25 blocked, firewall, NAT, bind address)", c.Vantage.Name, us.Vantage.Name)
		}
	}
	return "try again; if several partners stay silent, port 25 from here is blocked"
}
