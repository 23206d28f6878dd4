package realserver

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"strconv"
	"testing"
)

var localhost = netip.MustParseAddr("127.0.0.1")

// freePort finds a port that is free for UDP and TCP on addr. It looks below the
// range from which the kernel takes ports for outgoing connections, so that no
// client can take it between here and the server's own bind; other tests choose
// at random among 20,000.
func freePort(t testing.TB, addr netip.Addr) netip.AddrPort {
	t.Helper()
	var err error
	for range 100 {
		ap := netip.AddrPortFrom(addr, uint16(10_000+rand.IntN(20_000)))
		if err = bindable(ap); err == nil {
			return ap
		}
	}
	t.Fatalf("no free port on %v: %v", addr, err)
	panic("unreachable")
}

// orFree fills in what was left open: no address is 127.0.0.1, no port a free one.
func orFree(t testing.TB, ap netip.AddrPort) netip.AddrPort {
	t.Helper()
	addr := ap.Addr()
	if !addr.IsValid() {
		addr = localhost
	}
	if ap.Port() == 0 {
		return freePort(t, addr)
	}
	return netip.AddrPortFrom(addr, ap.Port())
}

func bindable(ap netip.AddrPort) error {
	udp, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(ap))
	if err != nil {
		return fmt.Errorf("realserver: %w", err)
	}
	defer udp.Close()
	tcp, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(ap))
	if err != nil {
		return fmt.Errorf("realserver: %w", err)
	}
	return tcp.Close()
}

// joined is an address the way rbldnsd, unbound and NSD write it, with / or @.
func joined(ap netip.AddrPort, sep string) string {
	return ap.Addr().String() + sep + strconv.Itoa(int(ap.Port()))
}
