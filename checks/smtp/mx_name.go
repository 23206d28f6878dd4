package smtp

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// NextHop is where mail goes as people write it.
type NextHop struct {
	Name   string     // A-labels, lower case, no final dot; the address as text for an IP
	Direct bool       // a host or address: no MX lookup
	Addr   netip.Addr // valid for an IP
	Port   uint16     // 0: not stated
}

// ParseNextHop reads a domain (contoso.com), or a host without MX lookup:
// host:port, [host], [host]:port, an address, [address], [address]:port. The
// tag of an RFC 5321 §4.1.3 literal ([IPv6:2001:db8::1]) is understood.
func ParseNextHop(text string) (NextHop, error) {
	text = strings.TrimSpace(text)
	if ip, err := netip.ParseAddr(text); err == nil {
		return literalHop(ip, 0)
	}
	host, port, direct, err := splitHop(text)
	if err != nil {
		return NextHop{}, err
	}
	literal := host
	if len(literal) > 5 && strings.EqualFold(literal[:5], "IPv6:") {
		literal = literal[5:]
	}
	if ip, err := netip.ParseAddr(literal); err == nil {
		return literalHop(ip, port)
	}
	name, err := hostName(host)
	if err != nil {
		return NextHop{}, err
	}
	return NextHop{Name: name, Direct: direct, Port: port}, nil
}

func literalHop(ip netip.Addr, port uint16) (NextHop, error) {
	ip = ip.Unmap()
	if uselessAddr(ip) {
		return NextHop{}, fmt.Errorf("nobody can be reached at %s", ip)
	}
	return NextHop{Name: ip.String(), Direct: true, Addr: ip, Port: port}, nil
}

func splitHop(text string) (host string, port uint16, direct bool, err error) {
	rest, bracketed := text, strings.HasPrefix(text, "[")
	if bracketed {
		end := strings.IndexByte(text, ']')
		if end < 0 {
			return "", 0, false, fmt.Errorf("%q lacks its closing bracket", text)
		}
		host, rest = text[1:end], text[end+1:]
		if rest == "" {
			return host, 0, true, nil
		}
		rest = "h" + rest // so that SplitHostPort sees a host
	}
	if !strings.Contains(rest, ":") {
		if bracketed {
			return "", 0, false, fmt.Errorf("%q goes on after its closing bracket", text)
		}
		return text, 0, false, nil
	}
	h, p, err := net.SplitHostPort(rest)
	if err != nil {
		return "", 0, false, fmt.Errorf("%q: write HOST:PORT or [ADDRESS]:PORT", text)
	}
	if bracketed && h != "h" {
		return "", 0, false, fmt.Errorf("%q goes on after its closing bracket", text)
	}
	n, err := strconv.ParseUint(p, 10, 16)
	if err != nil || n == 0 {
		return "", 0, false, fmt.Errorf("%q: the port must be a number from 1 to 65535", text)
	}
	if !bracketed {
		host = h
	}
	return host, uint16(n), true, nil
}

// hostName turns what people write into A-labels (RFC 5890) and refuses what
// DNS cannot carry. Underscores stay: they are no host name, but they exist.
func hostName(name string) (string, error) {
	name = strings.TrimSuffix(name, ".")
	if !utf8.ValidString(name) {
		return "", fmt.Errorf("%q is not written in UTF-8", name)
	}
	if !isASCII(name) {
		a, err := idna.Lookup.ToASCII(name)
		if err != nil {
			return "", fmt.Errorf("%q cannot be written as a domain name: %w", name, err)
		}
		name = a
	}
	name = strings.ToLower(name)
	if name == "" {
		return "", errors.New("the name is empty")
	}
	if len(name) > 253 {
		return "", fmt.Errorf("the name is %d octets long; DNS allows 253", len(name))
	}
	for label := range strings.SplitSeq(name, ".") {
		if err := checkLabel(label); err != nil {
			return "", fmt.Errorf("%q is no domain name: %w", name, err)
		}
	}
	return name, nil
}

func checkLabel(label string) error {
	switch {
	case label == "":
		return errors.New("an empty label")
	case len(label) > 63:
		return fmt.Errorf("a label of %d octets; DNS allows 63", len(label))
	}
	for _, c := range []byte(label) {
		if !isAlnum(c) && c != '-' && c != '_' {
			return fmt.Errorf("%q does not belong there", c)
		}
	}
	return nil
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

func isAlnum(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

// uselessAddr: no server can be behind it.
func uselessAddr(ip netip.Addr) bool {
	return !ip.IsValid() || ip.IsUnspecified() || ip.IsMulticast() || ip == netip.AddrFrom4([4]byte{255, 255, 255, 255})
}
