package smtp

import (
	"net/netip"
	"slices"
	"strings"
)

// mention is an IP found in a text, with what stands around it.
type mention struct {
	ip     netip.Addr
	before string // the word before it, lower case, without punctuation
	marked bool   // in brackets or parentheses, or the argument of a URL
}

// cues are words before a bare IP that make it the client's address. Without one a
// number such as Yahoo's "user complaints - 4.16.55.1" would pass for an address.
var cues = []string{"from", "host", "client", "ip", "address", "ips", "by"}

// seenInHello finds the client's address in the first line of an EHLO or HELO
// reply: "mx Hello host [192.0.2.1]", "at your service, [192.0.2.1]". The first
// word is the server's own name, and the argument we gave may be echoed: neither counts.
func seenInHello(line string, target netip.Addr, ehlo string) netip.Addr {
	_, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
	var ips []netip.Addr
	for _, m := range mentions(rest) {
		if m.ip != target && literal(m.ip) != ehlo && !slices.Contains(ips, m.ip) {
			ips = append(ips, m.ip)
		}
	}
	if len(ips) != 1 {
		return netip.Addr{}
	}
	return ips[0]
}

// seenInRefusal finds the client's address in the text of a 4xx or 5xx reply, only
// where it is beyond doubt. expected settles the question when it is among them.
func seenInRefusal(text string, target, expected netip.Addr) netip.Addr {
	var marked, cued []netip.Addr
	for _, m := range mentions(text) {
		switch {
		case m.ip == target:
		case m.ip == expected:
			return expected
		case m.marked && !slices.Contains(marked, m.ip):
			marked = append(marked, m.ip)
		case slices.Contains(cues, m.before) && !slices.Contains(cued, m.ip):
			cued = append(cued, m.ip)
		}
	}
	for _, ips := range [][]netip.Addr{marked, cued} {
		if len(ips) == 1 {
			return ips[0]
		}
		if len(ips) > 1 {
			break
		}
	}
	return netip.Addr{}
}

// mentions lists the IPs in a text. Prefixes (192.0.2.0/24) are none.
func mentions(text string) []mention {
	var found []mention
	var before string
	for i := 0; i < len(text); {
		n := strings.IndexFunc(text[i:], func(c rune) bool { return !partOfWord(c) })
		if n < 0 {
			n = len(text) - i
		}
		word, start := text[i:i+n], i
		i += n + 1
		if word == "" {
			continue
		}
		trimmed := strings.TrimPrefix(strings.ToLower(strings.Trim(word, ".:-")), "ipv6:")
		if word[0] == ':' { // "::1", whose head Trim took away
			trimmed = strings.ToLower(strings.TrimRight(word, ".:-"))
		}
		ip, err := netip.ParseAddr(trimmed)
		if err != nil {
			before = trimmed
			continue
		}
		if end := start + n; end+1 < len(text) && text[end] == '/' && digit(text[end+1]) {
			continue
		}
		found = append(found, mention{ip: ip.Unmap(), before: before, marked: start > 0 && strings.IndexByte("[(=/", text[start-1]) >= 0})
		before = ""
	}
	return found
}

func partOfWord(c rune) bool {
	return c == '.' || c == ':' || c == '-' || c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c > 126
}

// literal is the address literal that stands for a host name (RFC 5321 §4.1.3).
func literal(ip netip.Addr) string {
	switch {
	case !ip.IsValid():
		return ""
	case ip.Is4():
		return "[" + ip.String() + "]"
	}
	return "[IPv6:" + ip.String() + "]"
}
