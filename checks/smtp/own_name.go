package smtp

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"repwatch/reputation"
)

// ehloName judges the EHLO name by itself; named is false if there is none to look up.
func (c *ownCheck) ehloName() (named bool) {
	bad := func(impact reputation.Impact, what, why string) {
		c.add(Finding{ID: OwnEHLOName, Verdict: reputation.Bad, Impact: impact, What: what, Why: why,
			Do: "have the mail server say its full host name in EHLO, such as mail.example.com (Postfix: smtp_helo_name)"})
	}
	const refused = "receivers refuse such names, for spam software uses them (Gmail: 501 5.5.4, 421 4.7.0)"
	bare := strings.Trim(c.ehlo, "[]")
	_, notIP := netip.ParseAddr(strings.TrimPrefix(bare, "ipv6:"))
	switch {
	case c.ehlo == "":
		c.add(Finding{ID: OwnEHLOName, Verdict: reputation.Unknown, What: "the EHLO name of this address is not known", Why: "it cannot be compared with DNS", Do: "configure it as the name of the sending IP"})
		return false
	case notIP == nil && bare != c.ehlo:
		bad(reputation.Medium, fmt.Sprintf("the EHLO name is the address literal %s", c.ehlo), "RFC 5321 §4.1.4 allows it to clients without a name; many receivers do not")
		return false
	case notIP == nil:
		bad(reputation.High, fmt.Sprintf("the EHLO name is the bare address %s", c.ehlo), "RFC 5321 §4.1.3 wants brackets around an address, and a host name would be better; "+refused)
		return false
	case c.ehlo == "localhost" || strings.HasPrefix(c.ehlo, "localhost."):
		bad(reputation.High, fmt.Sprintf("the EHLO name is %s", c.ehlo), refused)
		return false
	}
	if _, err := hostName(c.ehlo); err != nil || strings.Contains(c.ehlo, "_") {
		bad(reputation.High, fmt.Sprintf("the EHLO name %q is no host name", c.ehlo), "letters, digits, hyphens and dots are all that may stand there (RFC 5321 §4.1.2); "+refused)
		return false
	}
	if !strings.Contains(c.ehlo, ".") {
		bad(reputation.High, fmt.Sprintf("the EHLO name %s has no domain", c.ehlo), refused)
		return false
	}
	if top := c.ehlo[strings.LastIndexByte(c.ehlo, '.')+1:]; c.public && slices.Contains(privateTops, top) {
		bad(reputation.High, fmt.Sprintf("the EHLO name %s exists inside your network only", c.ehlo), "receivers look it up and find nothing")
		return false
	}
	c.clear(OwnEHLOName, "the EHLO name %s is a full host name", c.ehlo)
	return true
}

// privateTops are top-level names that public DNS does not have: RFC 6761, RFC
// 6762, RFC 8375 and ICANN's .internal, and what people use in their place.
var privateTops = []string{"local", "localdomain", "localhost", "lan", "internal", "intranet", "corp", "home", "private", "invalid", "test", "example", "arpa"}

func (c *ownCheck) ehloForward() {
	here, addrs, err := c.leadsHere(c.ehlo)
	switch {
	case err != nil:
		c.unknown(OwnEHLOForward, "the EHLO name "+c.ehlo, err)
	case here:
		c.ehloLeadsHere = true
		c.clear(OwnEHLOForward, "the EHLO name %s leads to %s", c.ehlo, c.ip)
	default:
		found := "no " + c.recordType() + " record"
		if len(addrs) > 0 {
			found = joinAddrs(addrs)
		}
		c.add(Finding{ID: OwnEHLOForward, Verdict: reputation.Bad, Impact: reputation.Medium,
			What: fmt.Sprintf("the EHLO name %s should lead to %s, but has %s", c.ehlo, c.ip, found),
			Why:  "RFC 5321 §4.1.4 forbids refusing mail for this alone; receivers do it all the same, or count it against you",
			Do:   fmt.Sprintf("add %s to the %s records of %s", c.ip, c.recordType(), c.ehlo)})
	}
}

func (c *ownCheck) ehloPTR() {
	switch {
	case len(c.PTR) == 0: // said already
	case slices.Contains(c.PTR, c.ehlo):
		c.clear(OwnEHLOPTR, "the EHLO name and the PTR of %s are the same", c.ip)
	default:
		impact := reputation.Medium
		if c.ehloLeadsHere {
			impact = reputation.Low // both names stand; receivers differ in whether they want one
		}
		c.add(Finding{ID: OwnEHLOPTR, Verdict: reputation.Bad, Impact: impact,
			What: fmt.Sprintf("%s says %s in EHLO and is called %s by its PTR", c.ip, c.ehlo, strings.Join(c.PTR, ", ")),
			Why:  "RFC 5321 §4.1.4 wants the primary host name in EHLO, and receivers that compare the two trust a match more",
			Do:   "make both the same name"})
	}
}

func joinAddrs(addrs []netip.Addr) string {
	words := make([]string, len(addrs))
	for i, a := range addrs {
		words[i] = a.String()
	}
	return strings.Join(words, ", ")
}

// looksGeneric: the name is made of the address, or says that it is handed out.
func looksGeneric(name string, ip netip.Addr) bool {
	if genericWords.MatchString(name) {
		return true
	}
	if ip.Is6() {
		hex := strings.ReplaceAll(ip.StringExpanded(), ":", "")
		flat := strings.NewReplacer("-", "", ".", "").Replace(name)
		return strings.Contains(flat, hex) || strings.Contains(name, strings.NewReplacer("::", "--", ":", "-").Replace(ip.String()))
	}
	b := ip.As4()
	runs := digitRuns.FindAllString(name, -1)
	octets := make([]string, 4)
	for i, o := range b {
		octets[i] = fmt.Sprint(o)
	}
	for i, r := range runs {
		runs[i] = strings.TrimLeft(r, "0")
		if runs[i] == "" {
			runs[i] = "0"
		}
	}
	back := slices.Clone(octets)
	slices.Reverse(back)
	padded := fmt.Sprintf("%03d%03d%03d%03d", b[0], b[1], b[2], b[3])
	return containsRun(runs, octets) || containsRun(runs, back) || containsRun(runs, octets[1:]) || containsRun(runs, back[:3]) ||
		strings.Contains(name, padded) || strings.Contains(name, fmt.Sprintf("%02x%02x%02x%02x", b[0], b[1], b[2], b[3]))
}

var (
	genericWords = regexp.MustCompile(`(^|[.-])(dyn|dynamic|dhcp|dsl|adsl|vdsl|cable|pool|ppp|dialup|dial-?in|dip|static-?ip|unassigned|cust|customer|broadband|residential)[0-9]*([.-]|$)`)
	digitRuns    = regexp.MustCompile(`[0-9]+`)
)

func containsRun(all, part []string) bool {
	for i := 0; i+len(part) <= len(all); i++ {
		if slices.Equal(all[i:i+len(part)], part) {
			return true
		}
	}
	return false
}

// notPublic says in words why no public name can exist for the address; empty if one can.
func notPublic(ip netip.Addr) string {
	switch {
	case !ip.IsValid():
		return "no address"
	case ip.IsLoopback():
		return "a loopback address"
	case ip.IsLinkLocalUnicast():
		return "a link-local address"
	case ip.IsPrivate():
		return "a private address"
	case uselessAddr(ip):
		return "an address that no host can have"
	}
	for _, r := range reservedRanges {
		if r.net.Contains(ip) {
			return r.what
		}
	}
	return ""
}

// From the IANA special-purpose address registries (RFC 6890).
var reservedRanges = []struct {
	net  netip.Prefix
	what string
}{
	{netip.MustParsePrefix("0.0.0.0/8"), "an address that no host can have"},
	{netip.MustParsePrefix("100.64.0.0/10"), "a shared address behind carrier-grade NAT (RFC 6598)"},
	{netip.MustParsePrefix("192.0.2.0/24"), "a documentation address (RFC 5737)"},
	{netip.MustParsePrefix("198.51.100.0/24"), "a documentation address (RFC 5737)"},
	{netip.MustParsePrefix("203.0.113.0/24"), "a documentation address (RFC 5737)"},
	{netip.MustParsePrefix("198.18.0.0/15"), "a benchmarking address (RFC 2544)"},
	{netip.MustParsePrefix("240.0.0.0/4"), "a reserved address"},
	{netip.MustParsePrefix("2001:db8::/32"), "a documentation address (RFC 3849)"},
	{netip.MustParsePrefix("3fff::/20"), "a documentation address (RFC 9637)"},
	{netip.MustParsePrefix("100::/64"), "a discard address (RFC 6666)"},
}
