package e2e

import (
	"bufio"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

// dig asks one question and returns the answer section, without name and TTL.
func dig(t *testing.T, network string, server netip.AddrPort, name string, kind uint16) (rcode string, answer []string) {
	t.Helper()
	client := dns.Client{Net: network, Timeout: 5 * time.Second}
	in, _, err := client.Exchange(new(dns.Msg).SetQuestion(dns.Fqdn(name), kind), server.String())
	if err != nil {
		t.Fatalf("%s %s: %v", name, dns.TypeToString[kind], err)
	}
	for _, rr := range in.Answer {
		answer = append(answer, strings.TrimPrefix(rr.String(), rr.Header().String()))
	}
	return dns.RcodeToString[in.Rcode], answer
}

// wire is one conversation with a mail server from an address of our choice.
type wire struct {
	t    *testing.T
	conn net.Conn
	in   *bufio.Reader
}

func dial(t *testing.T, from string, to netip.AddrPort) *wire {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}, Timeout: 5 * time.Second}
	conn, err := d.DialContext(t.Context(), "tcp", to.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return &wire{t, conn, bufio.NewReader(conn)}
}

// reply reads one reply, multi-line or not, without line ends.
func (w *wire) reply() []string {
	w.t.Helper()
	var lines []string
	for {
		line, err := w.in.ReadString('\n')
		if err != nil {
			w.t.Fatalf("after %q: %v", lines, err)
		}
		lines = append(lines, strings.TrimRight(line, "\r\n"))
		if len(line) < 4 || line[3] != '-' {
			return lines
		}
	}
}

func (w *wire) say(format string, args ...any) []string {
	w.t.Helper()
	if _, err := fmt.Fprintf(w.conn, format+"\r\n", args...); err != nil {
		w.t.Fatal(err)
	}
	return w.reply()
}

// ehlo holds a whole conversation and returns the keywords offered.
func ehlo(t *testing.T, from string, to netip.AddrPort) map[string]bool {
	t.Helper()
	w := dial(t, from, to)
	if greeting := w.reply(); !strings.HasPrefix(greeting[0], "220") {
		t.Fatalf("greeted with %q", greeting)
	}
	lines := w.say("EHLO client.test")
	keywords := map[string]bool{}
	for _, line := range lines[1:] {
		keyword, _, _ := strings.Cut(line[4:], " ")
		keywords[keyword] = true
	}
	w.say("QUIT")
	return keywords
}
