package lab

import (
	"bufio"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/proxy"
)

// What is withdrawn from us stays offered to whoever leaves through the proxy.
func TestInternetTreatsUsApart(t *testing.T) {
	w, err := NewInternet(netip.MustParseAddr("203.0.113.7"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Close)
	mx := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), w.Contoso.Port).String()
	elsewhere, err := proxy.SOCKS5("tcp", w.SOCKS.Addr().String(), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	offers := func(d proxy.Dialer) []string {
		conn, err := d.Dial("tcp", mx)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		in := bufio.NewReader(conn)
		var words []string
		for _, say := range []string{"", "EHLO client.example\r\n"} {
			if _, err := conn.Write([]byte(say)); err != nil {
				t.Fatal(err)
			}
			for more := true; more; {
				line, err := in.ReadString('\n')
				if err != nil {
					t.Fatal(err)
				}
				words = append(words, strings.TrimSpace(line[4:]))
				more = line[3] == '-'
			}
		}
		return words
	}
	if err := w.Contoso.Withdraw("STARTTLS"); err != nil {
		t.Fatal(err)
	}
	if us := offers(&net.Dialer{}); slices.Contains(us, "STARTTLS") || !slices.Contains(us, "mx.contoso.example Hello [203.0.113.7]") {
		t.Errorf("we are offered %q, want no STARTTLS, and to be greeted by our public address", us)
	}
	if others := offers(elsewhere); !slices.Contains(others, "STARTTLS") {
		t.Errorf("others are offered %q, want STARTTLS", others)
	}
	if err := w.Contoso.Restore(); err != nil {
		t.Fatal(err)
	}
	if us := offers(&net.Dialer{}); !slices.Contains(us, "STARTTLS") {
		t.Errorf("after the end we are offered %q, want STARTTLS", us)
	}
}
