package dnsbl

import (
	"fmt"
	"net/netip"
	"strings"

	"repwatch/resolve"
)

// Trouble is one cause on our side behind many lists that cannot be believed (rule of truth 7).
type Trouble struct {
	Kind  string // public-resolver, rebind-protection, rewritten-answers, filtered, refused, servfail, silent
	Words string // what happened and why we think so
	Next  string // what to do
	Lists int    // how many lists it silences
}

// Coverage counts lists asked, answered for every subject, left unknown, and untested.
type Coverage struct{ Asked, Answered, Unknown, Untested int }

// Coverage of the sweep. A list counts as answered when it told something about each subject.
func (s *Sweep) Coverage() Coverage {
	gaps := map[string]bool{}
	for _, r := range s.Results {
		if r.Reading.Verdict == Unknown {
			gaps[r.List.ID] = true
		}
	}
	var c Coverage
	for _, cond := range s.Conditions {
		c.Asked++
		switch {
		case cond.Health == HealthUntested:
			c.Untested++
		case gaps[cond.List.ID]:
			c.Unknown++
		default:
			c.Answered++
		}
	}
	return c
}

// Diagnose names the one trouble of ours behind the silence when at least half
// of three or more lists that can be tested fail in the same way. It is pure. resolvers are the
// servers asked, for the words.
func Diagnose(conditions []Condition, resolvers []netip.AddrPort) *Trouble {
	count, asked := map[Cause]int{}, 0
	for _, c := range conditions {
		if c.Health == HealthRetired || c.Health == HealthUntested || c.Cause == CauseUnusable {
			continue // they could not pass whatever the resolver does
		}
		asked++
		if c.Health == HealthSuspended {
			count[c.Cause]++
		}
	}
	if asked < 3 {
		return nil
	}
	for _, cause := range []Cause{CauseStripped, CauseRefusal, CauseOutside, CauseEmpty, CauseDenied, CauseServfail, CauseSilent} {
		if n := count[cause]; n*2 >= asked {
			t := describe(cause, resolvers)
			t.Lists = n
			t.Words = fmt.Sprintf("%d of %d lists %s", n, asked, t.Words)
			return &t
		}
	}
	return nil
}

func describe(cause Cause, resolvers []netip.AddrPort) Trouble {
	who := serverWords(resolvers)
	switch cause {
	case CauseStripped:
		return Trouble{Kind: "rebind-protection",
			Words: "answer their test points without an address: " + who + " strips 127.0.0.0/8 from answers (DNS rebind protection)",
			Next:  "exempt the lists' zones from it (unbound: remove 127.0.0.0/8 from private-address, or add private-domain; dnsmasq: rebind-domain-ok), or point dns.resolvers at a resolver of your own"}
	case CauseRefusal:
		next := "run a recursive resolver of your own (unbound with its defaults will do) and point dns.resolvers at it, or get a key (Spamhaus DQS) for blocklists.keys"
		return Trouble{Kind: "public-resolver", Words: "refuse to answer " + who + ": they do so to public resolvers, to cloud resolvers without a name of their own, and to heavy users", Next: next}
	case CauseOutside:
		return Trouble{Kind: "rewritten-answers", Words: "answer with addresses outside 127.0.0.0/8: " + who + " rewrites answers (search page, block page, captive portal)",
			Next: "ask through a resolver that does not rewrite NXDOMAIN, best one of your own"}
	case CauseEmpty:
		return Trouble{Kind: "filtered", Words: "deny their own test points: " + who + ", or a filter above it, hides blocklist zones",
			Next: "ask one test point at another resolver to compare (dig 2.0.0.127.bl.spamcop.net), then use a resolver that nobody filters"}
	case CauseDenied:
		return Trouble{Kind: "refused", Words: "cannot be asked: " + who + " answers REFUSED",
			Next: "allow this host to recurse there (unbound: access-control), or point dns.resolvers elsewhere"}
	case CauseServfail:
		return Trouble{Kind: "servfail", Words: "cannot be asked: " + who + " answers SERVFAIL",
			Next: "look at the resolver's log; it may have no way out (port 53 blocked upstream) or fail DNSSEC validation (clock)"}
	default:
		return Trouble{Kind: "silent", Words: "cannot be heard: " + who + " does not answer in time",
			Next: "check that the resolver runs and can be reached (dig @RESOLVER example.com), and that nothing blocks port 53"}
	}
}

func serverWords(servers []netip.AddrPort) string {
	if len(servers) == 0 {
		return "our resolver"
	}
	words := make([]string, len(servers))
	for i, s := range servers {
		words[i] = s.String()
		if name, ok := resolve.PublicResolver(s.Addr()); ok {
			words[i] += " (" + name + ", a public resolver)"
		}
	}
	if len(words) == 1 {
		return "our resolver " + words[0]
	}
	return "our resolvers " + strings.Join(words, ", ")
}
