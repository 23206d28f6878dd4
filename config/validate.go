package config

import (
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/idna"

	"repwatch/checks/smtp"
	"repwatch/internal/strictyaml"
)

// validator checks what types alone cannot. It collects every problem.
type validator struct {
	*Loaded
	doc      *strictyaml.Document
	problems strictyaml.Problems
}

func (v *validator) problem(hint, message string, at ...any) {
	v.problems = append(v.problems, v.doc.Problem(at, hint, message))
}

func (v *validator) warn(format string, args ...any) {
	v.Warnings = append(v.Warnings, fmt.Sprintf(format, args...))
}

func (v *validator) checkAll() {
	v.sendingIPs()
	v.domains(v.Domains, "domains")
	v.domains(v.OwnMX, "own_mx")
	v.partners()
	v.controls()
	v.numbers()
	v.windows()
	v.notifiers()
	v.web()
}

// maxAddresses bounds what ranges may spell out to: the design's 65,536.
const maxAddresses = 1 << 16

func (v *validator) sendingIPs() {
	seen := map[netip.Addr]int{}
	for i := range v.SendingIPs {
		s := &v.SendingIPs[i]
		switch {
		case s.IP.IsValid() == s.Range.IsValid():
			v.problem("write either {ip: 203.0.113.7} or {range: 203.0.113.64/28}", "a sending IP needs exactly one of ip and range", "sending_ips", i)
			continue
		case !slices.Contains([]State{Active, Warming, Standby}, s.State):
			v.problem("one of active, warming, standby", fmt.Sprintf("%q is no state of a sending IP", s.State), "sending_ips", i, "state")
		case s.Range.IsValid() && s.Bind.IsValid():
			v.problem("give each address its own entry, or use via", "bind names one source address and cannot serve a whole range", "sending_ips", i, "bind")
		case s.Bind.IsValid() && s.Via.Set():
			v.problem("bind is for addresses of this host, via for another host", "bind and via exclude each other", "sending_ips", i, "via")
		}
		if s.Range.IsValid() && s.Range != s.Range.Masked() {
			v.problem(fmt.Sprintf("write %s", s.Range.Masked()), fmt.Sprintf("%s has bits beyond its length", s.Range), "sending_ips", i, "range")
		}
		if bits := s.prefix().Addr().BitLen() - s.prefix().Bits(); bits > 16 {
			v.problem("at most 65,536 addresses in all: name the part that sends", fmt.Sprintf("%s is too many addresses", s.Range), "sending_ips", i, "range")
			continue
		}
		if s.Name != "" {
			if err := ehloName(strings.ReplaceAll(s.Name, "{n}", "1")); err != nil {
				v.problem("the name in your mail server's EHLO, such as mx1.example.com", err.Error(), "sending_ips", i, "name")
			}
		}
		v.spell(i, s, seen)
	}
}

func (s SendingIP) prefix() netip.Prefix {
	if s.Range.IsValid() {
		return s.Range.Masked()
	}
	return netip.PrefixFrom(s.IP.Unmap(), s.IP.Unmap().BitLen())
}

// spell adds the entry's addresses, each once over the whole configuration.
func (v *validator) spell(i int, s *SendingIP, seen map[netip.Addr]int) {
	p := s.prefix()
	if why := unroutable(p.Addr()); why != "" {
		v.warn("sending IP %s is %s: public lists know nothing of it and partners see another address (put the public one in ip and this one in bind)", p.Addr(), why)
	}
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
			Bind: s.Bind.Unmap(), Via: s.Via, Pool: s.Pool, Owner: s.Owner, Tags: s.Tags, State: s.State})
	}
}

func unroutable(ip netip.Addr) string {
	switch {
	case ip.IsLoopback():
		return "a loopback address"
	case ip.IsPrivate():
		return "a private address"
	case ip.IsLinkLocalUnicast():
		return "a link-local address"
	case ip.IsMulticast(), ip.IsUnspecified():
		return "no address a host can have"
	}
	return ""
}

var ldhName = regexp.MustCompile(`^([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\.)+[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

// domainName is the name in A-labels and lower case, without the final dot.
func domainName(text string) (string, error) {
	name, err := idna.Lookup.ToASCII(strings.TrimSuffix(text, "."))
	if err != nil || !ldhName.MatchString(strings.ToLower(name)) || len(name) > 253 {
		if _, err := netip.ParseAddr(text); err == nil {
			return "", fmt.Errorf("%s is an address where a domain belongs", text)
		}
		return "", fmt.Errorf("%q is no domain name", text)
	}
	return strings.ToLower(name), nil
}

func ehloName(text string) error {
	if strings.HasPrefix(text, "[") && strings.HasSuffix(text, "]") {
		return nil // address literal, RFC 5321 section 4.1.3
	}
	_, err := domainName(text)
	return err
}

func (v *validator) domains(names []string, key string) {
	for i, text := range names {
		name, err := domainName(text)
		if err != nil {
			v.problem("write a domain such as example.com", err.Error(), key, i)
			continue
		}
		if slices.Contains(names[:i], name) {
			v.problem("keep one of them", fmt.Sprintf("%s stands here twice", name), key, i)
		}
		names[i] = name
	}
}

func (v *validator) partners() {
	seen := map[string]int{}
	for i := range v.Partners {
		p := &v.Partners[i]
		if (p.Domain == "") == (p.Host == "") {
			v.problem("domain looks up the MX, host is a next hop as it is", "a partner needs exactly one of domain and host", "partners", i)
			continue
		}
		v.partnerName(i, p)
		key := fmt.Sprintf("%s:%d", p.Name(), p.Port)
		if first, dup := seen[key]; dup {
			v.problem("keep one of them", fmt.Sprintf("%s is in partners[%d] already", key, first), "partners", i)
		}
		seen[key] = i
		for j, c := range p.Require {
			if p.Require[j] = strings.ToUpper(c); !capability.MatchString(p.Require[j]) {
				v.problem("an EHLO keyword such as STARTTLS, SIZE or 8BITMIME", fmt.Sprintf("%q is no capability", c), "partners", i, "require", j)
			}
		}
		if _, ok := smtp.ProviderByID(p.Provider); !ok && p.Provider != "auto" {
			v.problem("auto, or one of "+providerIDs(), fmt.Sprintf("provider %q is not known", p.Provider), "partners", i, "provider")
		}
		if p.RCPT != "" && !mailbox.MatchString(p.RCPT) {
			v.problem("a bare address such as probe@contoso.com", fmt.Sprintf("%q is no mail address", p.RCPT), "partners", i, "rcpt")
		}
		for j, ip := range p.From {
			p.From[j] = ip.Unmap()
			if !slices.ContainsFunc(v.Addresses, func(a Address) bool { return a.IP == p.From[j] }) {
				v.problem("one of sending_ips", fmt.Sprintf("%s is no sending IP", ip), "partners", i, "from", j)
			}
		}
	}
}

var (
	capability = regexp.MustCompile(`^[A-Z0-9][A-Z0-9-]*$`)                 // RFC 5321 section 4.1.1.1, ehlo-keyword
	mailbox    = regexp.MustCompile(`^[^@\s<>"]+@[^@\s<>"]+\.?[^@\s<>"]*$`) // enough to catch mistakes; the server judges
)

func (v *validator) partnerName(i int, p *Partner) {
	if p.Domain != "" {
		name, err := domainName(p.Domain)
		if err != nil {
			v.problem("a domain such as contoso.com; a next hop goes into host", err.Error(), "partners", i, "domain")
		}
		p.Domain = name
		return
	}
	hop, err := smtp.ParseNextHop(p.Host)
	switch {
	case err != nil:
		v.problem("a host name or an address; the port has a key of its own", err.Error(), "partners", i, "host")
	case hop.Port != 0 && p.Port != smtp.DefaultPort && p.Port != hop.Port:
		v.problem("keep one of them", fmt.Sprintf("host says port %d, port says %d", hop.Port, p.Port), "partners", i, "port")
	default:
		p.Host = hop.Name
		if hop.Port != 0 {
			p.Port = hop.Port
		}
	}
}

func providerIDs() string {
	var ids []string
	for _, p := range smtp.Providers() {
		ids = append(ids, p.ID)
	}
	return strings.Join(ids, ", ")
}

func (v *validator) controls() {
	seen := map[string]bool{}
	for i, c := range v.Control {
		switch {
		case c.Bind.IsValid() == c.SOCKS5.Set():
			v.problem("bind: an address of this host with a clean reputation; socks5: a proxy elsewhere", "a control needs exactly one of bind and socks5", "control", i)
		case c.Name == "":
			v.problem("a short name such as spare or office", "a control needs a name", "control", i)
		case seen[c.Name]:
			v.problem("give each its own", fmt.Sprintf("two controls are called %q", c.Name), "control", i, "name")
		case slices.ContainsFunc(v.Addresses, func(a Address) bool { return c.Bind.IsValid() && (a.IP == c.Bind.Unmap() || a.Bind == c.Bind.Unmap()) }):
			v.problem("take an address that sends no mail", fmt.Sprintf("the control %s is a sending IP itself: it would lose what it is to vouch for", c.Bind), "control", i, "bind")
		}
		seen[c.Name] = true
		if c.EHLO != "" {
			if err := ehloName(c.EHLO); err != nil {
				v.problem("the host name of the control", err.Error(), "control", i, "ehlo")
			}
		}
	}
}

func (v *validator) numbers() {
	for _, n := range []struct {
		value, low, high int
		at               []any
	}{
		{v.DNS.Tries, 1, 10, []any{"dns", "tries"}},
		{v.DNS.InFlight, 1, 256, []any{"dns", "in_flight"}},
		{v.Notify.DigestOver, 1, maxAddresses, []any{"notify", "digest_over"}},
		{*v.Probes.PerProviderDay, 0, 1 << 20, []any{"probes", "per_provider_day"}},
		{*v.Probes.Canaries, 0, maxAddresses, []any{"probes", "canaries"}},
	} {
		if n.value < n.low || n.value > n.high {
			v.problem(fmt.Sprintf("from %d to %d", n.low, n.high), fmt.Sprintf("%d is out of range", n.value), n.at...)
		}
	}
	if d := v.DNS.Timeout.D(); d < 50*1e6 || d > 60*1e9 {
		v.problem("from 50ms to 1m", fmt.Sprintf("%s is out of range", v.DNS.Timeout), "dns", "timeout")
	}
}

func (v *validator) windows() {
	for i, m := range v.Maintenance {
		if !m.To.After(m.From.Time) {
			v.problem("both in RFC 3339, to after from", "a maintenance window needs from and a later to", "maintenance", i)
		}
		for j, name := range m.Partners {
			if _, ok := v.PartnerNamed(name); !ok {
				v.problem("one of partners", fmt.Sprintf("%q is no partner", name), "maintenance", i, "partners", j)
			}
		}
	}
}

func (v *validator) notifiers() {
	if s := v.Notify.Slack; s != nil {
		switch {
		case s.Token.Set() == s.WebhookURL.Set():
			v.problem("a bot token edits and threads; a webhook can do neither", "slack needs exactly one of token and webhook_url", "notify", "slack")
		case s.Token.Set() && s.Channel == "":
			v.problem("a channel id such as C0123456789, or #name", "slack with a token needs a channel", "notify", "slack")
		}
	}
	if e := v.Notify.Email; e != nil {
		if e.Host == "" || e.From == "" || len(e.To) == 0 {
			v.problem("host, from and to", "email needs a host, a sender and recipients", "notify", "email")
		}
	}
	for i, w := range v.Notify.Webhook {
		if !w.URL.Set() {
			v.problem("url: https://…", "a webhook needs a url", "notify", "webhook", i)
		}
	}
}

func (v *validator) web() {
	if v.Web.Listen == "" {
		return
	}
	host, _, err := net.SplitHostPort(v.Web.Listen)
	if err != nil {
		v.problem("address:port, such as 127.0.0.1:8025", fmt.Sprintf("%q is no address to listen on", v.Web.Listen), "web", "listen")
		return
	}
	if ip, err := netip.ParseAddr(host); host == "" || err == nil && !ip.IsLoopback() {
		v.warn("web.listen %s is open to the network: put a reverse proxy with a login before it", v.Web.Listen)
	}
}
