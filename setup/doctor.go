package setup

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"repwatch/checks/dnsbl"
	"repwatch/checks/smtp"
	"repwatch/reputation"
	"repwatch/resolve"
)

// State is how a check went.
type State string

const (
	OK      State = "ok"
	Warn    State = "warn"    // works, and will bite
	Fail    State = "fail"    // will not work
	Unknown State = "unknown" // could not be told
	Off     State = "off"     // not configured, so nothing to look at
)

// Check is one thing looked at: whether we can work here. Why says what was found,
// Next what to do about it; Next is empty where nothing is.
type Check struct {
	Area    string
	Subject string // what it is about within the area: an address, a path, a key
	State   State
	Why     string
	Next    string
}

// Areas of checks, in the order they are told.
const (
	AreaConfig   = "config"
	AreaClock    = "clock"
	AreaResolver = "resolver"
	AreaLists    = "lists"
	AreaNames    = "names"
	AreaPort25   = "port 25"
	AreaSeen     = "seen address"
	AreaKeys     = "keys"
	AreaMailLog  = "mail log"
	AreaNotify   = "notify"
	AreaStore    = "store"
	AreaSocket   = "socket"
)

// JudgeResolver says what an answer, or err in its place, and its time mean. A
// resolver on this host that only passes questions on may be public behind the scenes:
// the lists' own answers tell (JudgeLists).
func JudgeResolver(server netip.AddrPort, err error, took time.Duration) Check {
	c := Check{Area: AreaResolver, Subject: server.String(), State: OK, Why: fmt.Sprintf("%s answers in %d ms", server, took.Milliseconds())}
	name, isPublic := resolve.PublicResolver(server.Addr())
	switch {
	case err != nil:
		c.State, c.Why = Fail, fmt.Sprintf("%s cannot be used: %v", server, err)
		c.Next = "see that it runs and lets this host ask (dig @" + server.Addr().String() + " . NS), or name another in dns.resolvers"
	case isPublic:
		c.State, c.Why = Warn, PublicWords(server.Addr(), name)
		c.Next = "point dns.resolvers at your own"
	}
	return c
}

// namedLists is how many suspended lists are named in one line.
const namedLists = 5

// JudgeLists says whether lists can be believed through our resolver.
func JudgeLists(conditions []dnsbl.Condition, trouble *dnsbl.Trouble) Check {
	c := Check{Area: AreaLists}
	var not []string
	passed, tested := 0, 0
	for _, l := range conditions {
		if l.Health == dnsbl.HealthUntested || l.Health == dnsbl.HealthRetired {
			continue
		}
		tested++
		if l.Health == dnsbl.HealthOK {
			passed++
			continue
		}
		not = append(not, fmt.Sprintf("%s (%s)", l.List.ID, l.Why))
	}
	c.Why = fmt.Sprintf("%d of %d lists prove themselves by their test points", passed, tested)
	if len(not) > 0 {
		c.Why += "; not " + strings.Join(not[:min(len(not), namedLists)], ", ")
		if more := len(not) - namedLists; more > 0 {
			c.Why += fmt.Sprintf(" and %d more", more)
		}
	}
	switch {
	case trouble != nil:
		c.State, c.Why, c.Next = Fail, trouble.Words, trouble.Next
	case tested == 0:
		c.State, c.Why, c.Next = Off, "no list in use can be tested", "see blocklists.use and repwatch lists --all"
	case passed*2 < tested:
		c.State, c.Next = Fail, "repwatch lists test says why, list by list"
	case len(not) > 0:
		c.State, c.Next = Warn, "they stay unknown until they pass; repwatch lists test says more"
	default:
		c.State = OK
	}
	return c
}

// JudgeNames says what receivers think of an address's PTR and EHLO name.
func JudgeNames(r smtp.OwnReport) Check {
	c := Check{Area: AreaNames, Subject: r.IP.String(), State: OK, Why: fmt.Sprintf("%s is %s in DNS and in EHLO", r.IP, r.EHLO)}
	var worst *smtp.Finding
	for i, f := range r.Findings {
		switch {
		case f.Verdict == reputation.Bad && f.Impact > reputation.Info && (worst == nil || worst.Verdict != reputation.Bad || f.Impact > worst.Impact),
			f.Verdict == reputation.Unknown && worst == nil:
			worst = &r.Findings[i]
		}
	}
	if worst == nil {
		return c
	}
	c.Why, c.Next = worst.What, worst.Do
	if worst.Why != "" {
		c.Why += ": " + worst.Why
	}
	switch {
	case worst.ID == smtp.OwnEHLOName && worst.Verdict == reputation.Unknown:
		c.State = Warn // configured by nobody, which is for us to mend
	case worst.Verdict == reputation.Unknown:
		c.State = Unknown
	case worst.Impact >= reputation.High:
		c.State = Fail
	default:
		c.State = Warn
	}
	return c
}

// JudgeDoor says whether mail gets out from a vantage, and whom partners see. The
// looks are those taken from it, one per partner, until one answered.
func JudgeDoor(v smtp.Vantage, looks []smtp.Result) []Check {
	i := slices.IndexFunc(looks, func(r smtp.Result) bool { return r.Greeting != nil })
	if i < 0 {
		return []Check{shut(v, looks)}
	}
	r := looks[i]
	door := Check{Area: AreaPort25, Subject: v.Name, State: OK, Why: fmt.Sprintf("%s answers %s on port %d", r.Target.Partner, v.Name, r.Target.Port)}
	if r.Outcome == reputation.Rejected {
		door.State, door.Why = Warn, fmt.Sprintf("port %d is open, but %s turns %s away: %s", r.Target.Port, r.Target.Partner, v.Name, r.Why)
		door.Next = "repwatch probe " + r.Target.Partner + " --transcript shows the reply and what it means"
	}
	return []Check{door, seen(v, r)}
}

// shut tells a blocked way out from partners, or DNS, that are in trouble.
func shut(v smtp.Vantage, looks []smtp.Result) Check {
	c := Check{Area: AreaPort25, Subject: v.Name, State: Unknown}
	var silent, other []smtp.Result
	partners := map[string]bool{} // those that were silent
	for _, r := range looks {
		switch r.Failure {
		case smtp.FailBind:
			c.State, c.Why = Fail, fmt.Sprintf("%s cannot be sent from: %s", v.Name, r.Why)
			c.Next = "give this host the address, or name the one it has as bind (NAT) or a proxy on the sending host as via"
			return c
		case smtp.FailProxy:
			c.State, c.Why = Fail, fmt.Sprintf("the proxy that %s leaves through cannot be used: %s", v.Name, r.Why)
			c.Next = "see that the SOCKS5 proxy named by via runs and lets this host in"
			return c
		case smtp.FailTimeout, smtp.FailRefused, smtp.FailNetwork, smtp.FailLost:
			silent = append(silent, r)
			partners[r.Target.Partner] = true
		default:
			other = append(other, r)
		}
	}
	c.Why = fmt.Sprintf("nobody answered %s: %s", v.Name, reasons(append(silent, other...)))
	switch {
	case len(partners) >= 2:
		c.State = Fail
		c.Next = "many hosting providers block outbound port 25 until asked: ask yours, and look at this host's firewall (nc -vz HOST 25)"
	case len(partners) == 1:
		c.Why += "; one partner alone does not tell a blocked port 25 from trouble of its own"
		c.Next = "configure a second partner, or try one by hand: repwatch probe DOMAIN"
	default:
		c.Next = "see why first: repwatch probe"
	}
	return c
}

func reasons(looks []smtp.Result) string {
	words := make([]string, len(looks))
	for i, r := range looks {
		words[i] = r.Target.Partner + " (" + r.Why + ")"
	}
	return strings.Join(words, ", ")
}

// seen compares the address a partner saw with the one meant (rule of truth 10).
func seen(v smtp.Vantage, r smtp.Result) Check {
	c := Check{Area: AreaSeen, Subject: v.Name}
	meant := v.IP.Unmap()
	switch {
	case !r.SeenIP.IsValid():
		c.State, c.Why = Unknown, r.Target.Partner+" does not say which address it sees"
		c.Next = "servers of Google and Exchange Online say it: probe one of theirs"
	case !meant.IsValid():
		c.State, c.Why = OK, fmt.Sprintf("%s sees %s", r.Target.Partner, r.SeenIP)
		c.Next = "write it into sending_ips"
	case r.SeenIP == meant:
		c.State, c.Why = OK, fmt.Sprintf("%s sees %s, as meant", r.Target.Partner, meant)
	default:
		c.State, c.Why = Fail, fmt.Sprintf("%s sees %s where %s is meant: everything said about %s would be about another address", r.Target.Partner, r.SeenIP, meant, meant)
		c.Next = fmt.Sprintf("where NAT decides, have it send this host's mail by %s and name the inner address as bind; else write %s into sending_ips", meant, r.SeenIP)
	}
	return c
}

// JudgeClock: brackets of listings and log lines are compared by time, so a clock
// that is wrong makes wrong causes. built is when the program was made; synced what
// the kernel says of itself, where it says anything.
func JudgeClock(now, built time.Time, synced, known bool) Check {
	c := Check{Area: AreaClock, State: OK, Why: "the kernel keeps it synchronised: " + now.UTC().Format(time.RFC3339)}
	const next = "run systemd-timesyncd or chrony"
	switch {
	case now.Before(built):
		c.State, c.Why, c.Next = Fail, fmt.Sprintf("it says %s, before this program was made (%s)", now.UTC().Format(time.RFC3339), built.UTC().Format(time.RFC3339)), next
	case !known:
		c.State, c.Why = Unknown, "this system does not say whether its clock is synchronised: "+now.UTC().Format(time.RFC3339)
	case !synced:
		c.State, c.Next = Warn, next
		c.Why = "the kernel says that nobody synchronises it: listings, losses and log lines are put in order by time"
	}
	return c
}

// manyAddresses is how many addresses of one area are told one by one even when they are fine.
const manyAddresses = 8

// Fold keeps what needs work and tells the rest of a long area in one line.
func Fold(area string, checks []Check) []Check {
	if len(checks) <= manyAddresses {
		return checks
	}
	var out []Check
	fine := 0
	for _, c := range checks {
		if c.State == OK {
			fine++
			continue
		}
		out = append(out, c)
	}
	if fine > 0 {
		out = append([]Check{{Area: area, State: OK, Why: fmt.Sprintf("%d of %d addresses are as they should be", fine, len(checks))}}, out...)
	}
	return out
}
