package e2e

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"

	"repwatch/internal/realserver"
)

// These tests prove the harness: that each real server does what the other tests
// of this package take for granted.

func TestRbldnsdServesEveryKindOfList(t *testing.T) {
	t.Parallel()
	list := realserver.Rbldnsd(t,
		realserver.Zone{Name: "v4.bl.test", Type: "ip4set", Entries: realserver.TestPoints().With(realserver.Entries{
			"203.0.113.7":   {A: "127.0.0.4", TXT: "seen $ sending spam"},
			"10.0.0.0/8":    {A: "127.0.0.10"},
			"!10.1.2.3":     {},
			"198.51.100.99": {TXT: "default code"},
		})},
		realserver.Zone{Name: "trie.bl.test", Type: "ip4trie", Entries: realserver.Entries{"203.0.113.64/28": {A: "127.0.0.9"}}},
		realserver.Zone{Name: "v6.bl.test", Type: "ip6trie", Entries: realserver.Entries{"2001:db8:5::/48": {A: "127.0.0.3", TXT: "six"}}},
		realserver.Zone{Name: "names.bl.test", Type: "dnset", Entries: realserver.Entries{"bad.example": {A: "127.0.1.2", TXT: "a bad name"}}},
		realserver.Zone{Name: "multi.bl.test.", Type: "generic", Text: "2.0.0.127 A 127.0.0.2\n2.0.0.127 A 127.0.0.4"},
	)
	six := strings.Repeat("0.", 20) + "5.0.0.0.8.b.d.0.1.0.0.2.v6.bl.test"
	for _, tt := range []struct {
		name  string
		kind  uint16
		rcode string
		want  []string
	}{
		{"2.0.0.127.v4.bl.test", dns.TypeA, "NOERROR", []string{"127.0.0.2"}},
		{"1.0.0.127.v4.bl.test", dns.TypeA, "NXDOMAIN", nil},
		{"7.113.0.203.v4.bl.test", dns.TypeA, "NOERROR", []string{"127.0.0.4"}},
		{"7.113.0.203.v4.bl.test", dns.TypeTXT, "NOERROR", []string{`"seen 203.0.113.7 sending spam"`}},
		{"99.100.51.198.v4.bl.test", dns.TypeA, "NOERROR", []string{"127.0.0.2"}},
		{"9.9.9.10.v4.bl.test", dns.TypeA, "NOERROR", []string{"127.0.0.10"}},
		{"3.2.1.10.v4.bl.test", dns.TypeA, "NXDOMAIN", nil},
		{"79.113.0.203.trie.bl.test", dns.TypeA, "NOERROR", []string{"127.0.0.9"}},
		{"80.113.0.203.trie.bl.test", dns.TypeA, "NXDOMAIN", nil},
		{six, dns.TypeA, "NOERROR", []string{"127.0.0.3"}},
		{six, dns.TypeTXT, "NOERROR", []string{`"six"`}},
		{"bad.example.names.bl.test", dns.TypeTXT, "NOERROR", []string{`"a bad name"`}},
		{"good.example.names.bl.test", dns.TypeA, "NXDOMAIN", nil},
		{"2.0.0.127.multi.bl.test", dns.TypeA, "NOERROR", []string{"127.0.0.2", "127.0.0.4"}},
		{"2.0.0.127.elsewhere.test", dns.TypeA, "REFUSED", nil},
	} {
		rcode, answer := dig(t, "udp", list.Addr(), tt.name, tt.kind)
		if rcode != tt.rcode || !cmp.Equal(answer, tt.want) {
			t.Errorf("%s %s = %s %q, want %s %q", tt.name, dns.TypeToString[tt.kind], rcode, answer, tt.rcode, tt.want)
		}
	}
}

func TestRbldnsdReplacesDataWhileRunning(t *testing.T) {
	t.Parallel()
	zone := func(a string) realserver.Zone {
		return realserver.Zone{Name: "bl.test", Type: "ip4set", Entries: realserver.Entries{"203.0.113.7": {A: a}}}
	}
	list := realserver.RbldnsdOn(t, netip.MustParseAddrPort("[::1]:0"), zone("127.0.0.2"))
	for i := range 5 { // data of the same size within one second: only its time tells them apart
		want := fmt.Sprintf("127.0.0.%d", i+3)
		list.Replace(t, zone(want))
		if _, got := dig(t, "udp", list.Addr(), "7.113.0.203.bl.test", dns.TypeA); !cmp.Equal(got, []string{want}) {
			t.Fatalf("after replacing: %q, want %s", got, want)
		}
	}
	list.Replace(t, realserver.Zone{Name: "bl.test"})
	if rcode, _ := dig(t, "udp", list.Addr(), "7.113.0.203.bl.test", dns.TypeA); rcode != "NXDOMAIN" {
		t.Errorf("after delisting: %s", rcode)
	}
}

func TestUnboundResolvesThroughStubs(t *testing.T) {
	t.Parallel()
	listed := realserver.Zone{Name: "bl.test", Type: "ip4set", Entries: realserver.TestPoints()}
	list := realserver.Rbldnsd(t, listed)
	u := realserver.Unbound(t, realserver.UnboundOptions{Stubs: map[string]netip.AddrPort{"bl.test": list.Addr()}})
	const name = "2.0.0.127.bl.test"
	for _, network := range []string{"udp", "tcp"} {
		if rcode, got := dig(t, network, u.Addr(), name, dns.TypeA); rcode != "NOERROR" || !cmp.Equal(got, []string{"127.0.0.2"}) {
			t.Errorf("%s: %s %q", network, rcode, got)
		}
	}
	if _, got := dig(t, "udp", u.Addr(), name, dns.TypeTXT); !cmp.Equal(got, []string{`"test entry"`}) {
		t.Errorf("TXT: %q", got)
	}
	if rcode, _ := dig(t, "udp", u.Addr(), "example.org", dns.TypeA); rcode != "REFUSED" {
		t.Errorf("a name outside the stubs: %s, must not leave this machine", rcode)
	}

	list.Replace(t, realserver.Zone{Name: "bl.test"})
	if rcode, _ := dig(t, "udp", u.Addr(), name, dns.TypeA); rcode != "NOERROR" {
		t.Errorf("delisted, and the cache says %s: it must still hide that", rcode)
	}
	u.Flush(t, "bl.test")
	if rcode, _ := dig(t, "udp", u.Addr(), name, dns.TypeA); rcode != "NXDOMAIN" {
		t.Errorf("after the flush: %s", rcode)
	}
	// The numbers about "a default unbound" mean these.
	for option, want := range map[string]string{"num-threads": "1", "num-queries-per-thread": "1024", "so-rcvbuf": "0", "rrset-cache-size": "4194304"} {
		if got := strings.TrimSpace(u.Control(t, "get_option "+option)); got != want {
			t.Errorf("%s is %s, not the default %s", option, got, want)
		}
	}
}

func TestUnboundStripsPrivateAnswers(t *testing.T) {
	t.Parallel()
	list := realserver.Rbldnsd(t, realserver.Zone{Name: "bl.test", Type: "ip4set", Entries: realserver.TestPoints()})
	u := realserver.Unbound(t, realserver.UnboundOptions{
		Stubs:          map[string]netip.AddrPort{"bl.test": list.Addr()},
		PrivateAddress: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
	})
	if _, got := dig(t, "udp", list.Addr(), "2.0.0.127.bl.test", dns.TypeA); len(got) != 1 {
		t.Fatalf("the list itself answers %q", got)
	}
	if rcode, got := dig(t, "udp", u.Addr(), "2.0.0.127.bl.test", dns.TypeA); rcode != "NOERROR" || got != nil {
		t.Errorf("through rebind protection: %s %q, want NOERROR and nothing", rcode, got)
	}
	if rcode, _ := dig(t, "udp", u.Addr(), "1.0.0.127.bl.test", dns.TypeA); rcode != "NXDOMAIN" {
		t.Errorf("not listed, through rebind protection: %s", rcode)
	}
}

func TestNSDServesZones(t *testing.T) {
	t.Parallel()
	partner := realserver.NSDZone{Name: "contoso.test", Text: `@ MX 10 mx1
@ MX 20 mx2
mx1 A 127.0.6.1
mx1 AAAA ::1
mx2 CNAME mx1
@ TXT "v=spf1 ip4:203.0.113.0/24 -all"`}
	ns := realserver.NSD(t, partner,
		realserver.NSDZone{Name: "nomail.test", Text: "@ MX 0 ."},
		realserver.NSDZone{Name: "113.0.203.in-addr.arpa.", Text: "7 PTR mx.sender.test."},
	)
	check := func(network, name string, kind uint16, want ...string) {
		t.Helper()
		if _, got := dig(t, network, ns.Addr(), name, kind); !cmp.Equal(got, want) {
			t.Errorf("%s %s over %s: %q, want %q", name, dns.TypeToString[kind], network, got, want)
		}
	}
	for _, network := range []string{"udp", "tcp"} {
		check(network, "contoso.test", dns.TypeMX, "10 mx1.contoso.test.", "20 mx2.contoso.test.")
		check(network, "mx1.contoso.test", dns.TypeA, "127.0.6.1")
		check(network, "mx1.contoso.test", dns.TypeAAAA, "::1")
		check(network, "mx2.contoso.test", dns.TypeA, "mx1.contoso.test.", "127.0.6.1")
		check(network, "contoso.test", dns.TypeTXT, `"v=spf1 ip4:203.0.113.0/24 -all"`)
		check(network, "nomail.test", dns.TypeMX, "0 .")
		check(network, "7.113.0.203.in-addr.arpa", dns.TypePTR, "mx.sender.test.")
		check(network, "nomail.test", dns.TypeSOA, "ns.nsd.invalid. hostmaster.nsd.invalid. 1 3600 600 86400 60")
	}
	for i := range 5 {
		want := fmt.Sprintf("%d mx1.contoso.test.", i)
		ns.Replace(t, realserver.NSDZone{Name: partner.Name, Text: fmt.Sprintf("@ MX %d mx1\nmx1 A 127.0.6.1", i)})
		check("udp", "contoso.test", dns.TypeMX, want)
	}
}

func TestSlowUpstreamBehindUnbound(t *testing.T) {
	t.Parallel()
	list := realserver.Rbldnsd(t, realserver.Zone{Name: "bl.test", Type: "ip4set", Entries: realserver.Entries{"10.0.0.0/8": {}}})
	const delay = 30 * time.Millisecond
	slow := realserver.SlowUDP(t, list.Addr(), delay, 0.1)
	u := realserver.Unbound(t, realserver.UnboundOptions{
		Stubs: map[string]netip.AddrPort{"bl.test": slow.Addr()},
		Conf:  "  qname-minimisation: no", // one question upstream for one of ours
	})
	for i := range 40 {
		name := fmt.Sprintf("%d.0.0.10.bl.test", i)
		begun := time.Now()
		if rcode, got := dig(t, "udp", u.Addr(), name, dns.TypeA); rcode != "NOERROR" || !cmp.Equal(got, []string{"127.0.0.2"}) {
			t.Fatalf("%s: %s %q", name, rcode, got)
		}
		if took := time.Since(begun); took < delay {
			t.Fatalf("%s took %v, less than the line's %v", name, took, delay)
		}
	}
	asked, answered, lost := slow.Counts()
	if answered < 40 || lost == 0 || asked <= answered {
		t.Errorf("asked %d, answered %d, lost %d: with 10 %% loss some are lost, and unbound asks again", asked, answered, lost)
	}
}
