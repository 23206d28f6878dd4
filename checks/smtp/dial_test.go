package smtp

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"repwatch/internal/lab"
	"repwatch/reputation"
)

type labSession = lab.Session

// What the server sees is the bound address, and its answer may depend on it (story 2).
func TestSourceBinding(t *testing.T) {
	w := newWire(t, "")
	if err := w.PlayTo(ip("127.0.5.7"), lab.Offering("8BITMIME", "SIZE 20971520")); err != nil {
		t.Fatal(err)
	}
	control := Vantage{Name: "spare", Bind: ip("127.0.5.8"), EHLO: "spare.example.com", Control: true}
	for _, c := range []struct {
		from    Vantage
		outcome reputation.Outcome
	}{{vantage, reputation.Absent}, {control, reputation.Advertised}} {
		res := w.p.Probe(t.Context(), w.target(), c.from)
		if res.Outcome != c.outcome || res.SeenIP != c.from.Bind {
			t.Errorf("from %s: %s, seen %s: %s", c.from.Name, res.Outcome, res.SeenIP, res.Why)
		}
		if n := w.Counts(c.from.Bind); n.Connections != 1 {
			t.Errorf("from %s: %+v", c.from.Name, n)
		}
	}
}

func TestNoConnection(t *testing.T) {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := free.Addr().(*net.TCPAddr).AddrPort()
	free.Close()
	for _, c := range []struct {
		name    string
		target  Target
		from    Vantage
		ask     Ask
		failure Failure
		why     string
	}{
		{name: "nobody listens", target: Target{Addr: closed.Addr(), Port: closed.Port()}, failure: FailRefused, why: "refuses connections"},
		{name: "foreign source", target: Target{Addr: closed.Addr(), Port: closed.Port()}, from: Vantage{Bind: ip("192.0.2.77")}, failure: FailBind, why: "192.0.2.77 is not on this host"},
		{name: "families", target: Target{Addr: ip("2001:db8::1"), Port: 25}, from: Vantage{Bind: ip("127.0.0.1")}, failure: FailInput, why: "one is IPv4, the other IPv6"},
		{name: "no address", target: Target{Port: 25}, failure: FailInput, why: "no address"},
		{name: "EHLO name", target: Target{Addr: ip("127.0.0.1"), Port: 25}, from: Vantage{EHLO: "a\r\nMAIL FROM:<>"}, failure: FailInput, why: "no name for EHLO"},
		{name: "RCPT address", target: Target{Addr: ip("127.0.0.1"), Port: 25}, ask: Ask{Rcpt: "a@b>\r\nDATA"}, failure: FailInput, why: "no address for RCPT"},
		{name: "RCPT address that ends early", target: Target{Addr: ip("127.0.0.1"), Port: 25}, ask: Ask{Rcpt: "a@b>SIZE=1"}, failure: FailInput, why: "no address for RCPT"},
		{name: "message address", target: Target{Addr: ip("127.0.0.1"), Port: 25}, ask: Ask{Message: &Message{To: "nobody"}}, failure: FailInput, why: "plain addresses"},
		{name: "no proxy there", target: Target{Addr: ip("192.0.2.1"), Port: 25}, from: Vantage{SOCKS5: closed.String()}, failure: FailProxy, why: "SOCKS5 proxy " + closed.String()},
		{name: "proxy malformed", target: Target{Addr: ip("192.0.2.1"), Port: 25}, from: Vantage{SOCKS5: "socks5://u:hush@%zz"}, failure: FailProxy, why: "socks5://host:port"},
	} {
		t.Run(c.name, func(t *testing.T) {
			res := (&Prober{}).ProbeAsking(t.Context(), c.target, c.from, c.ask)
			if res.Outcome != reputation.OutcomeUnknown || res.Failure != c.failure || !strings.Contains(res.Why, c.why) {
				t.Errorf("%s %q: %s", res.Outcome, res.Failure, res.Why)
			}
			if b, _ := json.Marshal(res); strings.Contains(string(b), "hush") {
				t.Errorf("%s", b)
			}
		})
	}
}

func TestNoAnswerToConnect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &Prober{dial: func(ctx context.Context, _ Vantage, _ netip.AddrPort) (net.Conn, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}}
		began := time.Now()
		res := p.Probe(t.Context(), Target{Addr: ip("192.0.2.1"), Port: 25}, Vantage{})
		if res.Failure != FailTimeout || !strings.Contains(res.Why, "port 25 may be blocked") || time.Since(began) != 30*time.Second {
			t.Errorf("%s: %q %s", time.Since(began), res.Failure, res.Why)
		}
	})
}

// Cancelling ends a probe at once wherever it stands, and concludes nothing.
func TestCancel(t *testing.T) {
	for name, script := range map[string]string{
		"at the greeting":  "* hang",
		"in a tarpit":      "* drip 5ms\nS: 220 " + strings.Repeat("x", 400),
		"in the handshake": offer + startTLS + "* hang",
		"inside TLS":       offer + startTLS + "* tls\n-- inside TLS\nC: EHLO\n* hang",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWire(t, script)
			ctx, cancel := context.WithCancel(t.Context())
			stop := time.AfterFunc(50*time.Millisecond, cancel)
			defer stop.Stop()
			res := w.p.Probe(ctx, w.target(), vantage)
			if res.Outcome != reputation.OutcomeUnknown || res.Failure != FailCanceled || !strings.Contains(res.Why, "stopped by us") {
				t.Errorf("%s %q: %s", res.Outcome, res.Failure, res.Why)
			}
		})
	}
}

func TestTotalTime(t *testing.T) {
	inBubbleWith(t, &Prober{Timeouts: Timeouts{Total: 10 * time.Second}}, "* hang", Ask{}, func(t *testing.T, res Result, took time.Duration) {
		if res.Failure != FailTimeout || took > 11*time.Second || !strings.Contains(res.Why, "whole probe") {
			t.Errorf("%s: %q %s", took, res.Failure, res.Why)
		}
	})
}

// EHLO is said with the production name, else with an address literal.
func TestEHLOName(t *testing.T) {
	for _, c := range []struct {
		from Vantage
		want string
	}{
		{Vantage{EHLO: "mail.example.com.", IP: ip("203.0.113.7")}, "EHLO mail.example.com"},
		{Vantage{IP: ip("203.0.113.7"), Bind: ip("127.0.5.7")}, "EHLO [203.0.113.7]"},
		{Vantage{IP: ip("2001:db8::7")}, "EHLO [IPv6:2001:db8::7]"},
		{Vantage{Bind: ip("127.0.5.9")}, "EHLO [127.0.5.9]"},
		{Vantage{}, "EHLO [127.0.0.1]"},
	} {
		w := newWire(t, helloing("you"))
		w.p.Probe(t.Context(), w.target(), c.from)
		if got := w.Sessions()[0].Commands[0]; got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}

func TestImplicitTLS(t *testing.T) {
	for _, c := range []struct {
		name, script string
		outcome      reputation.Outcome
		why          string
	}{
		{"good", "* tls\nS: 220 {host}\n-- inside TLS\nC: EHLO\nS: 250-{host}\nS: 250 AUTH PLAIN", reputation.Advertised, ""},
		{"speaks plain", "S: 220 {host}", reputation.Broken, "garbage"},
		{"alert after the handshake", "* tls client-cert", reputation.Broken, "certificate required"},
		{"silent close after the handshake", "* tls\n* close", reputation.OutcomeUnknown, "before any reply"},
		{"554 inside", "* tls\nS: 554 no", reputation.Rejected, "554 no"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			res := newWire(t, c.script).probe(Ask{ImplicitTLS: true})
			if res.Outcome != c.outcome || !strings.Contains(res.Why, c.why) || res.Capabilities != nil {
				t.Errorf("%s: %s %v\n%s", res.Outcome, res.Why, res.Capabilities, said(res))
			}
			if c.outcome == reputation.Advertised && (res.CapabilitiesTLS["AUTH"] != "PLAIN" || res.TLS.Chain != "ok") {
				t.Errorf("%v %+v", res.CapabilitiesTLS, res.TLS)
			}
		})
	}
}

func TestPort465IsImplicit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := newServer(t, "* tls\nS: 220 {host}\n-- inside TLS\nC: EHLO\nS: 250 {host}")
		defer srv.Close()
		p := &Prober{dial: func(context.Context, Vantage, netip.AddrPort) (net.Conn, error) {
			ours, theirs := net.Pipe()
			go srv.Serve(theirs, netip.Addr{})
			return ours, nil
		}}
		res := p.Probe(t.Context(), Target{MX: mxName, Addr: ip("192.0.2.25"), Port: 465}, Vantage{})
		if res.Outcome != reputation.Advertised || slices.Contains(phaseNames(res), "starttls") {
			t.Errorf("%s: %s\n%s", res.Outcome, res.Why, said(res))
		}
	})
}

func TestSOCKS5(t *testing.T) {
	w := newWire(t, "")
	open := socksServer(t, "", "", 0)
	locked := socksServer(t, "joe", "hush", 0)
	refusing := socksServer(t, "", "", 2)
	for _, c := range []struct {
		name, proxy string
		failure     Failure
		why         string
	}{
		{"open", open, "", ""},
		{"with scheme", "socks5://" + open, "", ""},
		{"password", "socks5://joe:hush@" + locked, "", ""},
		{"wrong password", "socks5://joe:hushhush@" + locked, FailProxy, "authentication failed"},
		{"no password", locked, FailProxy, "no acceptable authentication"},
		{"refused by the target", socksServer(t, "", "", 5), FailRefused, "the SOCKS5 proxy says of 127.0.0.1"},
		{"no way behind the proxy", socksServer(t, "", "", 4), FailNetwork, "host unreachable"},
		{"refused by the proxy's rules", refusing, FailProxy, "not allowed by ruleset"},
	} {
		t.Run(c.name, func(t *testing.T) {
			from := Vantage{Name: "office", SOCKS5: c.proxy, EHLO: "office.example.com", Control: true}
			res := w.p.Probe(t.Context(), w.target(), from)
			if (res.Outcome == reputation.Advertised) != (c.failure == "") || res.Failure != c.failure || !strings.Contains(res.Why, c.why) {
				t.Errorf("%s %q: %s", res.Outcome, res.Failure, res.Why)
			}
			if b, _ := json.Marshal(res); strings.Contains(string(b), "hush") || strings.Contains(string(b), "joe") {
				t.Errorf("%s", b)
			}
		})
	}
}

// A proxy that hangs is waited for no longer than the connect phase.
func TestSOCKS5Hangs(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0") // nobody accepts: the kernel does
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	p := &Prober{Timeouts: Timeouts{Connect: 20 * time.Millisecond}}
	res := p.Probe(t.Context(), Target{Addr: ip("192.0.2.1"), Port: 25}, Vantage{SOCKS5: l.Addr().String()})
	if res.Failure != FailTimeout || !strings.Contains(res.Why, "it or the SOCKS5 proxy does not answer") {
		t.Errorf("%q: %s", res.Failure, res.Why)
	}
}

// socksServer is as much of RFC 1928 and 1929 as a client with CONNECT needs.
// refuse, if not 0, is the reply to CONNECT.
func socksServer(t *testing.T, user, password string, refuse byte) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var tasks sync.WaitGroup
	tasks.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			tasks.Go(func() { socksServe(conn, user, password, refuse) })
		}
	})
	t.Cleanup(func() { l.Close(); tasks.Wait() })
	return l.Addr().String()
}

func socksServe(conn net.Conn, user, password string, refuse byte) {
	defer conn.Close()
	read := func(n int) []byte {
		b := make([]byte, n)
		if _, err := io.ReadFull(conn, b); err != nil {
			return make([]byte, n)
		}
		return b
	}
	methods := read(int(read(2)[1]))
	method := byte(0)
	if user != "" {
		method = 2
	}
	if !slices.Contains(methods, method) {
		conn.Write([]byte{5, 0xff})
		return
	}
	conn.Write([]byte{5, method})
	if method == 2 {
		name := string(read(int(read(2)[1])))
		pass := string(read(int(read(1)[0])))
		if name != user || pass != password {
			conn.Write([]byte{1, 1})
			return
		}
		conn.Write([]byte{1, 0})
	}
	head := read(4)
	if head[3] != 1 {
		return
	}
	addr, _ := netip.AddrFromSlice(read(4))
	port := binary.BigEndian.Uint16(read(2))
	if refuse != 0 {
		conn.Write([]byte{5, refuse, 0, 1, 0, 0, 0, 0, 0, 0})
		return
	}
	out, err := net.Dial("tcp", netip.AddrPortFrom(addr, port).String())
	if err != nil {
		conn.Write([]byte{5, 5, 0, 1, 0, 0, 0, 0, 0, 0})
		return
	}
	defer out.Close()
	conn.Write([]byte{5, 0, 0, 1, 0, 0, 0, 0, 0, 0})
	go func() { io.Copy(out, conn); out.Close() }()
	io.Copy(conn, out)
}

// One prober serves many probes at once.
func TestConcurrentProbes(t *testing.T) {
	w := newWire(t, "")
	var tasks sync.WaitGroup
	for range 8 {
		tasks.Go(func() {
			if res := w.p.Probe(t.Context(), w.target(), vantage); res.Outcome != reputation.Advertised {
				t.Errorf("%s: %s", res.Outcome, res.Why)
			}
		})
	}
	tasks.Wait()
}
