package config

import (
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"repwatch/checks/smtp"
	"repwatch/internal/strictyaml"
)

// maxAddresses bounds what ranges may spell out to: the design's 65,536.
const maxAddresses = 1 << 16

func (v *validator) sendingIPs() {
	seen := map[netip.Addr]int{}
	for i := range v.SendingIPs {
		s := &v.SendingIPs[i]
		if s.IP.IsValid() == s.Range.IsValid() {
			v.problem("write either {ip: 203.0.113.7} or {range: 203.0.113.64/28}", "a sending IP needs exactly one of ip and range", "sending_ips", i)
			continue
		}
		v.leaving(i, s)
		if s.Name != "" {
			if err := ehloName(strings.ReplaceAll(s.Name, "{n}", "1")); err != nil {
				v.problem("the name in your mail server's EHLO, such as mx1.example.com", err.Error(), "sending_ips", i, "name")
			}
		}
		if s.Range.IsValid() && !v.rangeOK(i, s.Range) {
			continue
		}
		v.spell(i, s, seen)
	}
}

// leaving checks how mail leaves: bind and via.
func (v *validator) leaving(i int, s *SendingIP) {
	if s.Range.IsValid() && s.Bind.IsValid() {
		v.problem("give each address its own entry, or use via", "bind names one source address and cannot serve a whole range", "sending_ips", i, "bind")
	}
	if s.Bind.IsValid() && s.Via.Set() {
		v.problem("bind is for addresses of this host, via for another host", "bind and via exclude each other", "sending_ips", i, "via")
	}
	if s.Bind.IsValid() && s.IP.IsValid() && s.Bind.Is4() != s.IP.Is4() {
		v.problem("both IPv4 or both IPv6", fmt.Sprintf("mail cannot leave from %s by %s", s.IP, s.Bind), "sending_ips", i, "bind")
	}
}

func (v *validator) rangeOK(i int, p Prefix) bool {
	if p.Prefix != p.Masked() {
		v.problem(fmt.Sprintf("write %s, or one address as ip: %s", p.Masked(), p.Addr()), fmt.Sprintf("%s begins inside the range, not at its first address", p), "sending_ips", i, "range")
	}
	if p.Addr().BitLen()-p.Bits() > 16 {
		v.problem("at most 65,536 addresses in all: name the part that sends", fmt.Sprintf("%s is too many addresses", p), "sending_ips", i, "range")
		return false
	}
	return true
}

func (s SendingIP) prefix() netip.Prefix {
	if s.Range.IsValid() {
		return s.Range.Masked()
	}
	return netip.PrefixFrom(s.IP.Addr, s.IP.BitLen())
}

// spell adds the entry's addresses, each once over the whole configuration.
func (v *validator) spell(i int, s *SendingIP, seen map[netip.Addr]int) {
	p := s.prefix()
	v.reachable(i, p)
	n := 0
	for ip := p.Addr(); p.Contains(ip); ip = ip.Next() {
		if n++; len(v.Addresses) == maxAddresses {
			v.problem("name the part that sends", fmt.Sprintf("more than %d sending addresses in all", maxAddresses), "sending_ips", i)
			return
		}
		if first, dup := seen[ip]; dup {
			v.problem("keep one of them", fmt.Sprintf("%s is in sending_ips[%d] already", ip, first), "sending_ips", i)
			return
		}
		seen[ip] = i
		v.Addresses = append(v.Addresses, Address{IP: ip, Name: strings.ReplaceAll(s.Name, "{n}", strconv.Itoa(n)),
			Bind: s.Bind.Addr, Via: s.Via, Pool: s.Pool, Owner: s.Owner, Tags: s.Tags, State: s.State})
	}
}

// reachable warns once per entry of addresses that no partner can see, and
// refuses what no host can have.
func (v *validator) reachable(i int, p netip.Prefix) {
	ip, words := p.Addr(), "a private address"
	switch {
	case ip.IsMulticast(), ip.IsUnspecified():
		v.problem("the public address that partners see", fmt.Sprintf("no mail leaves from %s", ip), "sending_ips", i)
		return
	case ip.IsLoopback():
		words = "a loopback address"
	case ip.IsLinkLocalUnicast():
		words = "a link-local address"
	case !ip.IsPrivate():
		return
	}
	subject, advice := ip.String(), "put the public one into ip and this one into bind"
	if !p.IsSingleIP() {
		subject, words, advice = p.String(), "a range of "+strings.TrimPrefix(words, "a ")+"es", "name the public addresses, each with its own as bind"
	}
	v.warn("sending IP %s is %s: public lists know nothing of it and partners see another address; behind NAT, %s", subject, words, advice)
}

// mustSend checks that an address named elsewhere is a sending IP.
func (v *validator) mustSend(ip IP, at ...any) {
	if ip.IsValid() && !v.sends(ip.Addr) && !v.unread("sending_ips") {
		v.problem("name one of sending_ips", fmt.Sprintf("%s is no sending IP", ip), at...)
	}
}

func (v *validator) sends(ip netip.Addr) bool {
	return slices.ContainsFunc(v.Addresses, func(a Address) bool { return a.IP == ip })
}

func (v *validator) partners() {
	seen := map[string]int{}
	for i := range v.Partners {
		p := &v.Partners[i]
		if (p.Domain == "") == (p.Host == "") {
			v.problem("domain looks up the MX, host is a next hop as it is", "a partner needs exactly one of domain and host", "partners", i)
			continue
		}
		v.partnerDetails(i, p)
		if !v.partnerName(i, p) {
			continue
		}
		key := net.JoinHostPort(p.Name(), strconv.Itoa(int(p.Port)))
		if first, dup := seen[key]; dup {
			v.problem("keep one of them", fmt.Sprintf("%s port %d is in partners[%d] already", p.Name(), p.Port, first), "partners", i)
			continue
		}
		seen[key] = i
	}
	v.tellApart()
}

// tellApart names partners with their ports where the names alone are the same.
func (v *validator) tellApart() {
	count := map[string]int{}
	for _, p := range v.Partners {
		count[p.Name()]++
	}
	for i := range v.Partners {
		if p := &v.Partners[i]; count[p.Name()] > 1 {
			p.shown = net.JoinHostPort(p.Name(), p.Port.String())
		}
	}
}

var (
	capability = regexp.MustCompile(`^[A-Z0-9][A-Z0-9-]*$`)    // RFC 5321 section 4.1.1.1, ehlo-keyword
	mailbox    = regexp.MustCompile(`^[^@\s<>"]+@[^@\s<>"]+$`) // enough to catch mistakes; the server judges
)

func (v *validator) partnerDetails(i int, p *Partner) {
	for j, c := range p.Require {
		if p.Require[j] = strings.ToUpper(c); !capability.MatchString(p.Require[j]) {
			v.problem("an EHLO keyword such as STARTTLS, SIZE or 8BITMIME", fmt.Sprintf("%s is no capability", shown(c)), "partners", i, "require", j)
		}
	}
	if _, ok := smtp.ProviderByID(p.Provider); !ok && p.Provider != "auto" {
		hint := "auto, or one of " + strings.Join(providerIDs(), ", ")
		if near := strictyaml.Nearest(p.Provider, providerIDs()); near != "" {
			hint = fmt.Sprintf("did you mean %s?", near)
		}
		v.problem(hint, fmt.Sprintf("provider %s is not known", shown(p.Provider)), "partners", i, "provider")
	}
	if p.RCPT != "" && !mailbox.MatchString(p.RCPT) {
		v.problem("a bare address such as probe@contoso.com", fmt.Sprintf("%s is no mail address", shown(p.RCPT)), "partners", i, "rcpt")
	}
	for j, ip := range p.From {
		v.mustSend(ip, "partners", i, "from", j)
	}
}

// partnerName brings domain or host to its canonical form.
func (v *validator) partnerName(i int, p *Partner) bool {
	if p.Domain != "" {
		name, err := domainName(p.Domain)
		if err != nil {
			v.problem("a domain such as contoso.com; a next hop goes into host", err.Error(), "partners", i, "domain")
			return false
		}
		p.Domain = name
		return true
	}
	hop, err := smtp.ParseNextHop(p.Host)
	switch {
	case err != nil:
		v.problem("a host name or an address; the port has a key of its own", err.Error(), "partners", i, "host")
		return false
	case hop.Port != 0 && p.Port != smtp.DefaultPort && p.Port != Port(hop.Port):
		v.problem("keep one of them", fmt.Sprintf("host says port %d, port says %d", hop.Port, p.Port), "partners", i, "port")
		return false
	}
	p.Host = hop.Name
	if hop.Port != 0 {
		p.Port = Port(hop.Port)
	}
	return true
}

func (v *validator) controls() {
	seen := map[string]int{}
	for i, c := range v.Control {
		if c.Bind.IsValid() == c.SOCKS5.Set() {
			v.problem("bind: an address of this host with a clean reputation; socks5: a proxy elsewhere", "a control needs exactly one of bind and socks5", "control", i)
		}
		first, dup := seen[c.Name]
		switch {
		case c.Name == "":
			v.problem("a short name such as spare or office", "a control needs a name", "control", i)
		case dup:
			v.problem("give each its own", fmt.Sprintf("%s is the name of control[%d] already", shown(c.Name), first), "control", i, "name")
		default:
			seen[c.Name] = i
		}
		if c.Bind.IsValid() && slices.ContainsFunc(v.Addresses, func(a Address) bool { return a.IP == c.Bind.Addr || a.Bind == c.Bind.Addr }) {
			v.problem("take an address that sends no mail", fmt.Sprintf("the control %s sends mail itself: it would lose the reputation it is to vouch for", c.Bind), "control", i, "bind")
		}
		if c.EHLO != "" {
			if err := ehloName(c.EHLO); err != nil {
				v.problem("the host name of the control", err.Error(), "control", i, "ehlo")
			}
		}
	}
}
