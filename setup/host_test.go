package setup

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"repwatch/internal/lab"
)

func TestFullName(t *testing.T) {
	const hosts = "127.0.0.1 localhost\n127.0.1.1\tmx1.Example.com mx1 # ours\n10.0.0.9 other.example.com other\n"
	for name, want := range map[string]string{"mx1": "mx1.example.com", "MX2.example.net": "mx2.example.net", "lost": "", "localhost.localdomain": "", "bad_name.example": "", "other": "other.example.com"} {
		if got := fullName(name, hosts); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

// TestPassingAddrs: temporary, deprecated and tentative addresses are not where a mail server sends from.
func TestPassingAddrs(t *testing.T) {
	const text = `20010db8000000000000000000000007 02 40 00 80     eth0
20010db800000000abcdef0123456789 02 40 00 01     eth0
20010db8000000000000000000000009 02 40 00 20     eth0
20010db8000000000000000000000010 02 40 00 c0     eth0
fe800000000000000000000000000001 02 40 20 80     eth0
broken
`
	want := map[netip.Addr]bool{addr("2001:db8::abcd:ef01:2345:6789"): true, addr("2001:db8::9"): true, addr("2001:db8::10"): true}
	if diff := cmp.Diff(want, passingAddrs(text), cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestNamesOf(t *testing.T) {
	c := client(t, `
7.113.0.203.in-addr.arpa. 300 IN PTR zz.example.com.
7.113.0.203.in-addr.arpa. 300 IN PTR aa.example.com.
zz.example.com. 300 IN A 203.0.113.7
8.113.0.203.in-addr.arpa. 300 IN PTR pool.isp.example.
9.113.0.203.in-addr.arpa. 300 IN PTR bad\{name.example.
`)
	got := NamesOf(t.Context(), c, []netip.Addr{addr("203.0.113.7"), addr("203.0.113.8"), addr("203.0.113.9"), addr("203.0.113.10")})
	want := map[netip.Addr]Name{addr("203.0.113.7"): {Host: "zz.example.com", Confirmed: true}, addr("203.0.113.8"): {Host: "pool.isp.example"}, addr("203.0.113.9"): {}, addr("203.0.113.10"): {}}
	for ip, n := range want {
		if got[ip] != n {
			t.Errorf("%s: %+v, want %+v", ip, got[ip], n)
		}
	}
}

// TestAnswers: an answer of any kind will do, a refusal will not.
func TestAnswers(t *testing.T) {
	d := lab.TestDNS(t, lab.DNSOptions{})
	if err := Answers(t.Context(), d.Addr(), time.Second, 1); err != nil {
		t.Errorf("%v", err)
	}
	d.Zone(".").Set(lab.DNSBehaviour{Rcode: 5})
	if err := Answers(t.Context(), d.Addr(), time.Second, 1); err == nil {
		t.Error("REFUSED passes for an answer")
	}
}

// TestLookAround: it works on whatever host runs the tests.
func TestLookAround(t *testing.T) {
	h, err := LookAround(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, ip := range h.Public {
		if !public(ip) {
			t.Errorf("%s is not public", ip)
		}
	}
	if len(h.Resolvers.System) == 0 {
		t.Error("no resolver")
	}
	load(t, written(t, Draft{Host: h}))
}
