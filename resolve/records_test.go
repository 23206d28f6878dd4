package resolve

import (
	"context"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/miekg/dns"

	"repwatch/internal/lab"
)

func TestTypedLookups(t *testing.T) {
	d := testWorld(t, `
		host.example. 300 IN A 192.0.2.1
		host.example. 300 IN A 192.0.2.2
		host.example. 60 IN AAAA 2001:db8::1
		six.example. 60 IN AAAA 2001:db8::6
		mail.example. 300 IN MX 20 B.mx.example.
		mail.example. 300 IN MX 10 Z.mx.example.
		mail.example. 300 IN MX 10 a.mx.example.
		null.example. 300 IN MX 0 .
		text.example. 300 IN TXT "v=spf1 " "-all"
		7.113.0.203.in-addr.arpa. 300 IN PTR MX1.Example.com.
		1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa. 300 IN PTR six.example.`)
	c := testClient(t, Options{}, d)
	ctx := context.Background()
	byText := cmpopts.SortSlices(func(a, b netip.Addr) bool { return a.Less(b) })
	ip := netip.MustParseAddr

	check := func(what string, got, want any, err error) {
		t.Helper()
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
		if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b }), byText, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s: -want +got\n%s", what, diff)
		}
	}
	a, err := A(ctx, c, Query{Name: "host.example"})
	check("A", a.Values, []netip.Addr{ip("192.0.2.1"), ip("192.0.2.2")}, err)
	a, err = AAAA(ctx, c, Query{Name: "host.example"})
	check("AAAA", a.Values, []netip.Addr{ip("2001:db8::1")}, err)
	a, err = Addresses(ctx, c, Query{Name: "host.example"})
	check("Addresses", a.Values, []netip.Addr{ip("192.0.2.1"), ip("192.0.2.2"), ip("2001:db8::1")}, err)
	check("TTL of both", a.TTL.Seconds(), 60.0, nil)
	a, err = Addresses(ctx, c, Query{Name: "six.example"})
	check("Addresses of v6 only", a.Values, []netip.Addr{ip("2001:db8::6")}, err)
	check("v6 only is no NODATA", a.NoData(), false, nil)
	a, err = Addresses(ctx, c, Query{Name: "none.example"})
	check("Addresses of none", a.NXDomain(), true, err)
	a, err = A(ctx, c, Query{Name: "mail.example"})
	check("NODATA", []bool{a.NoData(), a.NXDomain()}, []bool{true, false}, err)
	mx, err := MX(ctx, c, Query{Name: "mail.example"})
	check("MX", mx.Values, []Mail{{10, "a.mx.example"}, {10, "z.mx.example"}, {20, "b.mx.example"}}, err)
	mx, err = MX(ctx, c, Query{Name: "null.example"})
	check("null MX", mx.Values, []Mail{{0, "."}}, err)
	txt, err := TXT(ctx, c, Query{Name: "text.example"})
	check("TXT", txt.Values, []string{"v=spf1 -all"}, err)
	for _, text := range []string{"203.0.113.7", "::ffff:203.0.113.7"} {
		ptr, err := PTR(ctx, c, ip(text), Query{})
		check("PTR of "+text, ptr.Values, []string{"mx1.example.com"}, err)
	}
	ptr, err := PTR(ctx, c, ip("2001:db8::1%eth0"), Query{})
	check("PTR of v6", ptr.Values, []string{"six.example"}, err)
	if _, err = PTR(ctx, c, netip.Addr{}, Query{}); FailureOf(err) != FailBadQuestion {
		t.Errorf("PTR of nothing: %v", err)
	}
}

// An error of one family must not read as "no address".
func TestAddressesKeepsTheErrorOfOneFamily(t *testing.T) {
	for name, bad := range map[string]uint16{"A fails": 1, "AAAA fails": 28} {
		l := lookupFunc(func(q Query) (Answer, error) {
			if q.Type == bad {
				return Answer{}, &Error{Failure: FailTimeout}
			}
			return Answer{Records: rrs(t, "x. 60 IN A 192.0.2.1")}, nil
		})
		got, err := Addresses(context.Background(), l, Query{Name: "x"})
		if FailureOf(err) != FailTimeout || len(got.Values) != 1 {
			t.Errorf("%s: %v, %v", name, got.Values, err)
		}
	}
}

type lookupFunc func(Query) (Answer, error)

func (f lookupFunc) Lookup(_ context.Context, q Query) (Answer, error) { return f(q) }

func TestPublicResolver(t *testing.T) {
	for text, want := range map[string]string{
		"8.8.8.8": "Google Public DNS", "::ffff:1.1.1.1": "Cloudflare", "2620:fe::fe": "Quad9", "208.67.222.222": "OpenDNS",
		"94.140.14.14": "AdGuard DNS", "2001:4860:4860::8844": "Google Public DNS", "127.0.0.1": "", "192.0.2.53": "",
	} {
		if got, ok := PublicResolver(netip.MustParseAddr(text)); got != want || ok != (want != "") {
			t.Errorf("%s is %q, want %q", text, got, want)
		}
	}
	if _, ok := PublicResolver(netip.Addr{}); ok {
		t.Error("no address is no resolver")
	}
}

var _ Lookuper = (*Client)(nil)
var _ lab.TB = (*testing.T)(nil)

// A list's words come through as they are; only whoever shows them makes them harmless.
func TestTextsAreBytesNotPresentation(t *testing.T) {
	rr, err := dns.NewRR(`x. 60 IN TXT "say \"q\" \\ \195\169" "\013\010."`)
	if err != nil {
		t.Fatal(err)
	}
	if got := Texts(Answer{Records: []dns.RR{rr}}); len(got) != 1 || got[0] != "say \"q\" \\ \u00e9\r\n." {
		t.Errorf("%q", got)
	}
}
