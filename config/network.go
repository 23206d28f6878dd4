package config

import (
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// IP is an address. IPv4 written as IPv6 (::ffff:203.0.113.7) is read as IPv4.
type IP struct{ netip.Addr }

// UnmarshalText reads 203.0.113.7 or 2001:db8::7; a zone (fe80::1%eth0) is no part of it.
func (ip *IP) UnmarshalText(b []byte) error {
	const hint = "write it like 203.0.113.7 or 2001:db8::7"
	text := string(b)
	addr, err := netip.ParseAddr(text)
	switch {
	case err == nil && addr.Zone() == "":
		ip.Addr = addr.Unmap()
		return nil
	case err == nil:
		return faulty("leave out what follows the % sign", "%s names an interface of this host", shown(text))
	}
	if _, err := netip.ParsePrefix(text); err == nil {
		return faulty("name one address; whole ranges go into a range entry of sending_ips", "%s is a range where one address belongs", shown(text))
	}
	return faulty(hint, "%s is no IP address", shown(text))
}

// Prefix is a range of addresses.
type Prefix struct{ netip.Prefix }

// UnmarshalText reads 203.0.113.64/28.
func (p *Prefix) UnmarshalText(b []byte) error {
	text := string(b)
	prefix, err := netip.ParsePrefix(text)
	switch {
	case err == nil && prefix.Addr().Is4In6():
		return faulty("write it as IPv4, such as 203.0.113.64/28", "%s is IPv4 written as IPv6", shown(text))
	case err == nil:
		p.Prefix = prefix
		return nil
	}
	if ip, err := netip.ParseAddr(text); err == nil {
		like, _ := ip.Prefix(ip.BitLen() - 4)
		return faulty("one address goes into ip; a range has a length, such as "+like.String(), "%s is an address, not a range", shown(text))
	}
	return faulty("write it like 203.0.113.64/28", "%s is no range of addresses", shown(text))
}

// Proxy is a SOCKS5 proxy, socks5://[user:password@]host:port.
type Proxy struct{ url *url.URL }

// Set reports that there is a proxy.
func (p Proxy) Set() bool { return p.url != nil }

// String hides the password.
func (p Proxy) String() string {
	if p.url == nil {
		return ""
	}
	return p.url.Redacted()
}

// MarshalText is String.
func (p Proxy) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// Address is the proxy with its credential as smtp.Vantage wants it: [user:password@]host:port. It is a secret.
func (p Proxy) Address() string {
	if p.url == nil {
		return ""
	}
	if p.url.User != nil {
		return p.url.User.String() + "@" + p.url.Host
	}
	return p.url.Host
}

// UnmarshalText reads socks5://host:port, or a bare host:port. Its error never
// repeats the text, which may hold a password.
func (p *Proxy) UnmarshalText(b []byte) error {
	text := string(b)
	if text == "" {
		p.url = nil
		return nil
	}
	if !strings.Contains(text, "://") {
		text = "socks5://" + text
	}
	u, err := url.Parse(text)
	if err != nil || !socks(u) || !hostPort(u.Host) {
		return faulty("write it like socks5://10.0.0.9:1080", "that is no SOCKS5 proxy")
	}
	u.Path = ""
	p.url = u
	return nil
}

func socks(u *url.URL) bool {
	return (u.Scheme == "socks5" || u.Scheme == "socks5h") && (u.Path == "" || u.Path == "/") && u.RawQuery == "" && u.Fragment == ""
}

func hostPort(s string) bool {
	host, port, err := net.SplitHostPort(s)
	n, bad := strconv.ParseUint(port, 10, 16)
	return err == nil && bad == nil && n > 0 && host != ""
}

// Server is a DNS server: an address, with a port or port 53.
type Server struct{ netip.AddrPort }

// UnmarshalText reads 127.0.0.1, 127.0.0.1:5300, ::1 or [::1]:5300.
func (s *Server) UnmarshalText(b []byte) error {
	text := string(b)
	if ip, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(text, "["), "]")); err == nil {
		s.AddrPort = netip.AddrPortFrom(ip.Unmap(), 53)
		return nil
	}
	ap, err := netip.ParseAddrPort(text)
	if err != nil || ap.Port() == 0 {
		return faulty("write its address, or address:port, such as 127.0.0.1:53", "%s is no resolver", shown(text))
	}
	s.AddrPort = netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
	return nil
}

// Port is a TCP port, 1 to 65535.
type Port uint16

// String is the number.
func (p Port) String() string { return strconv.Itoa(int(p)) }

// UnmarshalText reads the number.
func (p *Port) UnmarshalText(b []byte) error {
	n, err := strconv.ParseUint(string(b), 10, 16)
	if err != nil || n == 0 {
		return faulty("from 1 to 65535", "%s is no port", shown(string(b)))
	}
	*p = Port(n)
	return nil
}
