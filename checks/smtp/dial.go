package smtp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"syscall"

	"golang.org/x/net/proxy"
)

// dialFunc opens a TCP connection to the address as the vantage would.
type dialFunc func(ctx context.Context, v Vantage, to netip.AddrPort) (net.Conn, error)

// errProxy marks trouble with the vantage's own proxy.
var errProxy = errors.New("SOCKS5 proxy")

// dialVantage binds the source address and goes through the proxy, if the vantage has them.
func dialVantage(ctx context.Context, v Vantage, to netip.AddrPort) (net.Conn, error) {
	d := &net.Dialer{KeepAlive: -1}
	if v.Bind.IsValid() {
		d.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(v.Bind, 0))
	}
	if v.SOCKS5 == "" {
		return d.DialContext(ctx, "tcp", to.String())
	}
	host, auth, err := splitProxy(v.SOCKS5)
	if err != nil {
		return nil, err
	}
	via, err := proxy.SOCKS5("tcp", host, auth, d)
	if err != nil {
		return nil, fmt.Errorf("%w %s: %w", errProxy, host, err)
	}
	conn, err := via.(proxy.ContextDialer).DialContext(ctx, "tcp", to.String())
	if err != nil {
		return nil, fmt.Errorf("%w %s: %w", errProxy, host, err)
	}
	return conn, nil
}

// splitProxy takes host:port or socks5://[user:password@]host:port apart. Its errors show no credential.
func splitProxy(text string) (host string, auth *proxy.Auth, err error) {
	if !strings.Contains(text, "://") {
		text = "socks5://" + text
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "socks5" && u.Scheme != "socks5h" || u.Port() == "" || u.Hostname() == "" {
		return "", nil, fmt.Errorf("%w: not of the form socks5://host:port", errProxy)
	}
	if u.User != nil {
		password, _ := u.User.Password()
		auth = &proxy.Auth{User: u.User.Username(), Password: password}
	}
	return u.Host, auth, nil
}

// withoutSecrets is the vantage as results show it.
func (v Vantage) withoutSecrets() Vantage {
	if v.SOCKS5 == "" {
		return v
	}
	host, _, err := splitProxy(v.SOCKS5)
	if err != nil {
		host = "(malformed)"
	}
	v.SOCKS5 = host
	return v
}

// checkVantage finds what makes a probe pointless before anything is opened.
func checkVantage(t Target, v Vantage, ask Ask) error {
	switch {
	case !t.Addr.IsValid() || t.Port == 0:
		return errors.New("there is no address and port to talk to")
	case v.SOCKS5 == "" && v.Bind.IsValid() && v.Bind.Unmap().Is4() != t.Addr.Unmap().Is4():
		return fmt.Errorf("%s cannot be reached from %s: one is IPv4, the other IPv6", t.Addr, v.Bind)
	case strings.ContainsFunc(v.EHLO, notInName):
		return fmt.Errorf("%q is no name for EHLO", v.EHLO)
	case ask.Rcpt != "" && !plainAddress(ask.Rcpt):
		return fmt.Errorf("%q is no address for RCPT TO", ask.Rcpt)
	case ask.Message != nil && (!plainAddress(ask.Message.To) || ask.Message.From != "" && !plainAddress(ask.Message.From)):
		return errors.New("the test message needs plain addresses in From and To")
	}
	return nil
}

func notInName(c rune) bool { return c <= ' ' || c > '~' }

// plainAddress admits what can stand between < and > without SMTPUTF8 and ends no command early.
func plainAddress(s string) bool {
	local, domain, ok := strings.Cut(s, "@")
	return ok && local != "" && domain != "" && len(s) <= 254 && !strings.ContainsFunc(s, func(c rune) bool { return notInName(c) || c == '<' || c == '>' })
}

// dialTrouble says why no connection came about, and whose trouble it is.
func dialTrouble(err error, to netip.AddrPort, v Vantage, patience string) *trouble {
	is := func(targets ...syscall.Errno) bool {
		for _, t := range targets {
			if errors.Is(err, t) {
				return true
			}
		}
		return false
	}
	var timeout net.Error
	switch {
	case errors.Is(err, context.Canceled):
		return &trouble{failure: FailCanceled, words: "stopped by us while connecting"}
	case errors.Is(err, errProxy):
		return proxyTrouble(err, to, patience)
	case is(syscall.EADDRNOTAVAIL):
		return &trouble{failure: FailBind, words: fmt.Sprintf("the source address %s is not on this host: check `bind`", v.Bind)}
	case is(syscall.EPERM, syscall.EACCES):
		return &trouble{failure: FailNetwork, words: fmt.Sprintf("a firewall on this host forbids the connection to %s", to)}
	case is(syscall.ECONNREFUSED):
		return &trouble{failure: FailRefused, words: fmt.Sprintf("%s refuses connections: nobody listens there, or a firewall says so", to)}
	case is(syscall.ECONNRESET):
		return &trouble{failure: FailLost, words: fmt.Sprintf("%s took the connection and reset it at once", to)}
	case is(syscall.ENETUNREACH, syscall.EHOSTUNREACH, syscall.ENETDOWN, syscall.EHOSTDOWN):
		return &trouble{failure: FailNetwork, words: fmt.Sprintf("there is no way to %s from here: %s", to, err)}
	case errors.As(err, &timeout) && timeout.Timeout(), errors.Is(err, context.DeadlineExceeded):
		return &trouble{failure: FailTimeout, words: fmt.Sprintf("%s did not answer within %s: port %d may be blocked on our side or on theirs", to, patience, to.Port())}
	}
	return &trouble{failure: FailNetwork, words: fmt.Sprintf("no connection to %s: %s", to, err)}
}

// proxyTrouble keeps trouble with the proxy apart from what it says of the target (RFC 1928 §6).
func proxyTrouble(err error, to netip.AddrPort, patience string) *trouble {
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() || errors.Is(err, context.DeadlineExceeded) {
		return &trouble{failure: FailTimeout, words: fmt.Sprintf("no connection to %s within %s: it or the SOCKS5 proxy does not answer", to, patience)}
	}
	for reply, failure := range map[string]Failure{
		"connection refused": FailRefused, "host unreachable": FailNetwork, "network unreachable": FailNetwork, "TTL expired": FailNetwork,
	} {
		if strings.HasSuffix(err.Error(), "unknown error "+reply) { // golang.org/x/net's words for a reply code
			return &trouble{failure: failure, words: fmt.Sprintf("the SOCKS5 proxy says of %s: %s", to, reply)}
		}
	}
	return &trouble{failure: FailProxy, words: "no connection through the " + err.Error()}
}
