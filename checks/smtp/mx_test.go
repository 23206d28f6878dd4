package smtp

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"repwatch/resolve"
)

// still leaves equals in order of their names.
func still(int, func(i, j int)) {}

func backwards(n int, swap func(i, j int)) {
	for i := range n / 2 {
		swap(i, n-1-i)
	}
}

// showRoute is a route, its plan and its faults as lines.
func showRoute(r Route, err error) string {
	var out []string
	add := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	var re *RouteError
	if errors.As(err, &re) {
		add("error %s", re.Kind)
	}
	if r.Canonical != "" {
		add("canonical %s", r.Canonical)
	}
	for name, on := range map[string]bool{"direct": r.Direct, "implicit": r.Implicit} {
		if on {
			add("%s", name)
		}
	}
	if err == nil {
		for _, t := range r.Plan(true, true) {
			line := fmt.Sprintf("%s %s", t.MX, netip.AddrPortFrom(t.Addr, t.Port))
			if t.Provider != "" {
				line += " " + t.Provider
			}
			add("%s", line)
		}
	}
	for _, f := range r.Faults {
		add("fault %s %s", f.ID, f.Host)
	}
	return strings.Join(out, "\n")
}

func TestRoute(t *testing.T) {
	tests := []struct{ name, partner, zone, want string }{
		{"MX by preference, families apart", "contoso.com", `
			contoso.com. 300 MX 20 b.contoso.com.
			contoso.com. 300 MX 10 a.contoso.com.
			a.contoso.com. 60 A 192.0.2.1
			a.contoso.com. 60 A 192.0.2.2
			a.contoso.com. 60 AAAA 2001:db8::1
			b.contoso.com. 60 A 192.0.2.3`, `
			a.contoso.com 192.0.2.1:25
			a.contoso.com 192.0.2.2:25
			a.contoso.com [2001:db8::1]:25
			b.contoso.com 192.0.2.3:25`},
		{"equals: host by host within a family", "contoso.com", `
			contoso.com. 300 MX 10 a.contoso.com.
			contoso.com. 300 MX 10 b.contoso.com.
			a.contoso.com. 60 A 192.0.2.1
			a.contoso.com. 60 AAAA 2001:db8::1
			b.contoso.com. 60 A 192.0.2.2`, `
			a.contoso.com 192.0.2.1:25
			b.contoso.com 192.0.2.2:25
			a.contoso.com [2001:db8::1]:25`},
		{"the provider of the lowest preference", "contoso.com", `
			contoso.com. 300 MX 0 contoso-com.mail.protection.outlook.com.
			contoso.com. 300 MX 50 backup.contoso.com.
			contoso-com.mail.protection.outlook.com. 60 A 192.0.2.1
			backup.contoso.com. 60 A 192.0.2.9`, `
			contoso-com.mail.protection.outlook.com 192.0.2.1:25 exchange-online
			backup.contoso.com 192.0.2.9:25 exchange-online`},
		{"no MX: the domain itself (RFC 5321 5.1)", "small.example", `
			small.example. 60 A 192.0.2.1
			small.example. 60 AAAA 2001:db8::1`, `
			implicit
			small.example 192.0.2.1:25
			small.example [2001:db8::1]:25`},
		{"a CNAME is followed first", "alias.example", `
			alias.example. 60 CNAME real.example.
			real.example. 60 MX 10 mx.real.example.
			mx.real.example. 60 A 192.0.2.1`, `
			canonical real.example
			mx.real.example 192.0.2.1:25`},
		{"a CNAME to a domain without MX", "alias.example", `
			alias.example. 60 CNAME real.example.
			real.example. 60 A 192.0.2.1`, `
			canonical real.example
			implicit
			real.example 192.0.2.1:25`},
		{"a CNAME that leads nowhere", "alias.example", `
			alias.example. 60 CNAME gone.example.`, `
			error no-such-domain
			canonical gone.example`},
		{"no such domain", "typo.example", ``, `error no-such-domain`},
		{"neither MX nor address", "empty.example", `empty.example. 60 TXT "v=spf1 -all"`, `
			error no-mail-host
			implicit
			fault mx-has-no-address empty.example`},
		{"null MX (RFC 7505)", "quiet.example", `
			quiet.example. 60 MX 0 .
			quiet.example. 60 A 192.0.2.1`, `error accepts-no-mail`},
		{"null MX beside a real one", "mixed.example", `
			mixed.example. 60 MX 0 .
			mixed.example. 60 MX 10 mx.mixed.example.
			mx.mixed.example. 60 A 192.0.2.1`, `
			mx.mixed.example 192.0.2.1:25
			fault null-mx-mixed `},
		{"unusable MX: no fall-back to the A record", "broken.example", `
			broken.example. 60 A 192.0.2.1
			broken.example. 60 MX 10 gone.broken.example.
			broken.example. 60 MX 20 bare.broken.example.
			bare.broken.example. 60 TXT "no address"`, `
			error no-usable-mx
			fault mx-has-no-address bare.broken.example
			fault mx-does-not-exist gone.broken.example`},
		{"an address or localhost for an MX", "odd.example", `
			odd.example. 60 MX 5 192.0.2.7.
			odd.example. 60 MX 6 localhost.
			odd.example. 60 MX 10 mx.odd.example.
			192.0.2.7. 60 A 192.0.2.7
			localhost. 60 A 127.0.0.1
			mx.odd.example. 60 A 192.0.2.1`, `
			mx.odd.example 192.0.2.1:25
			fault mx-is-address 192.0.2.7
			fault mx-is-localhost localhost`},
		{"only an address for an MX", "odd.example", `
			odd.example. 60 A 192.0.2.1
			odd.example. 60 MX 5 192.0.2.7.`, `
			error no-usable-mx
			fault mx-is-address 192.0.2.7`},
		{"an MX that is no host name", "odd.example", `
			odd.example. 60 MX 5 a\032b.example.`, `
			error no-usable-mx
			fault mx-bad-name a\032b.example`},
		{"an MX that is an alias works, and is noted once", "alias-mx.example", `
			alias-mx.example. 60 MX 10 mx.alias-mx.example.
			mx.alias-mx.example. 60 CNAME host.example.
			host.example. 60 A 192.0.2.1
			host.example. 60 AAAA 2001:db8::1`, `
			mx.alias-mx.example 192.0.2.1:25
			mx.alias-mx.example [2001:db8::1]:25
			fault mx-is-cname mx.alias-mx.example`},
		{"addresses nobody can be behind", "trick.example", `
			trick.example. 60 MX 10 mx.trick.example.
			mx.trick.example. 60 A 0.0.0.0
			mx.trick.example. 60 A 127.0.0.1
			mx.trick.example. 60 AAAA ff02::1`, `
			mx.trick.example 127.0.0.1:25
			fault mx-address-loopback mx.trick.example
			fault mx-address-useless mx.trick.example
			fault mx-address-useless mx.trick.example`},
		{"the MX lookup fails", "contoso.com", `
			fail contoso.com MX servfail
			contoso.com. 60 A 192.0.2.1`, `error unknown`},
		{"one host's lookups fail, the others stand", "contoso.com", `
			contoso.com. 60 MX 10 a.contoso.com.
			contoso.com. 60 MX 20 b.contoso.com.
			fail a.contoso.com timeout
			b.contoso.com. 60 A 192.0.2.2`, `
			b.contoso.com 192.0.2.2:25
			fault mx-lookup-failed a.contoso.com`},
		{"one family's lookup fails, the other stands", "contoso.com", `
			contoso.com. 60 MX 10 a.contoso.com.
			fail a.contoso.com AAAA servfail
			a.contoso.com. 60 A 192.0.2.2`, `
			a.contoso.com 192.0.2.2:25
			fault mx-lookup-failed a.contoso.com`},
		{"some hosts gone, another's lookup fails: unknown", "contoso.com", `
			contoso.com. 60 MX 10 gone.contoso.com.
			contoso.com. 60 MX 20 b.contoso.com.
			fail b.contoso.com timeout`, `
			error unknown
			fault mx-lookup-failed b.contoso.com
			fault mx-does-not-exist gone.contoso.com`},
		{"the implicit MX cannot be looked up: unknown", "contoso.com", `
			contoso.com. 60 TXT "x"
			fail contoso.com A timeout`, `
			error unknown
			implicit
			fault mx-lookup-failed contoso.com`},
		{"one host twice, one address twice", "contoso.com", `
			contoso.com. 60 MX 20 a.contoso.com.
			contoso.com. 60 MX 10 A.contoso.com.
			contoso.com. 60 MX 15 b.contoso.com.
			a.contoso.com. 60 A 192.0.2.1
			b.contoso.com. 60 A 192.0.2.1`, `
			a.contoso.com 192.0.2.1:25`},
		{"a name in Unicode", "bücher.example", `
			xn--bcher-kva.example. 60 MX 10 mx.xn--bcher-kva.example.
			mx.xn--bcher-kva.example. 60 A 192.0.2.1`, `
			mx.xn--bcher-kva.example 192.0.2.1:25`},
		{"a host with a port skips MX", "MX.fabrikam.net:2525", `
			mx.fabrikam.net. 60 MX 10 other.fabrikam.net.
			mx.fabrikam.net. 60 A 192.0.2.1`, `
			direct
			mx.fabrikam.net 192.0.2.1:2525`},
		{"a host in brackets skips MX", "[mx.fabrikam.net]", `
			mx.fabrikam.net. 60 MX 10 other.fabrikam.net.
			mx.fabrikam.net. 60 A 192.0.2.1`, `
			direct
			mx.fabrikam.net 192.0.2.1:25`},
		{"a direct host may be an alias", "[mx.fabrikam.net]", `
			mx.fabrikam.net. 60 CNAME h.fabrikam.net.
			h.fabrikam.net. 60 A 192.0.2.1`, `
			direct
			mx.fabrikam.net 192.0.2.1:25`},
		{"a direct host without address", "[mx.fabrikam.net]", ``, `
			error no-mail-host
			direct
			fault mx-does-not-exist mx.fabrikam.net`},
		{"an address", "192.0.2.5", ``, `
			direct
			192.0.2.5 192.0.2.5:25`},
		{"an address with a port", "[2001:db8::5]:2525", ``, `
			direct
			2001:db8::5 [2001:db8::5]:2525`},
		{"nothing to send to", "a b", ``, `error bad-name`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, err := Router{DNS: newWorld(t, tt.zone), Shuffle: still}.Route(t.Context(), tt.partner, 0)
			want := strings.ReplaceAll(strings.TrimSpace(tt.want), "\t", "")
			if tt.name == "null MX beside a real one" {
				want += " "
			}
			if diff := cmp.Diff(want, showRoute(r, err)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestRouteShuffle(t *testing.T) {
	w := newWorld(t, `
		x.example. 60 MX 10 a.x.example.
		x.example. 60 MX 10 b.x.example.
		x.example. 60 MX 20 c.x.example.
		x.example. 60 MX 10 d.x.example.
		a.x.example. 60 A 192.0.2.1
		b.x.example. 60 A 192.0.2.2
		c.x.example. 60 A 192.0.2.3
		d.x.example. 60 A 192.0.2.4`)
	hosts := func(r Router) string {
		route, err := r.Route(t.Context(), "x.example", 0)
		if err != nil {
			t.Fatal(err)
		}
		var out string
		for _, h := range route.Hops {
			out += h.Host[:1]
		}
		return out
	}
	if got := hosts(Router{DNS: w, Shuffle: still}); got != "abdc" {
		t.Errorf("not shuffled: %s", got)
	}
	if got := hosts(Router{DNS: w, Shuffle: backwards}); got != "dbac" {
		t.Errorf("backwards: %s", got)
	}
	seen := map[string]bool{}
	for range 200 {
		seen[hosts(Router{DNS: w})] = true
	}
	if len(seen) != 6 {
		t.Errorf("200 routes show %d of the 6 orders of three equals", len(seen))
	}
}

func TestRoutePort(t *testing.T) {
	w := newWorld(t, "x.example. 60 A 192.0.2.1")
	for _, tt := range []struct {
		partner string
		port    uint16
		want    uint16
	}{{"x.example", 0, 25}, {"x.example", 587, 587}, {"x.example:465", 587, 465}} {
		r, err := RouteTo(t.Context(), w, tt.partner, tt.port)
		if err != nil || r.Plan(true, true)[0].Port != tt.want {
			t.Errorf("%s, %d: %v, port %d, want %d", tt.partner, tt.port, err, r.Port, tt.want)
		}
	}
}

func TestRouteFamiliesTTLAndErrors(t *testing.T) {
	w := newWorld(t, `
		x.example. 300 MX 10 a.x.example.
		a.x.example. 120 A 192.0.2.1
		a.x.example. 60 AAAA 2001:db8::1
		fail down.example servfail`)
	r, err := RouteTo(t.Context(), w, "x.example", 0)
	if err != nil {
		t.Fatal(err)
	}
	if r.TTL != time.Minute {
		t.Errorf("TTL %v, want that of the AAAA", r.TTL)
	}
	for _, tt := range []struct {
		v4, v6 bool
		want   int
	}{{true, false, 1}, {false, true, 1}, {true, true, 2}, {false, false, 0}} {
		got := r.Plan(tt.v4, tt.v6)
		if len(got) != tt.want || tt.want == 1 && got[0].Addr.Is4() != tt.v4 {
			t.Errorf("v4 %v v6 %v: %v", tt.v4, tt.v6, got)
		}
		for _, target := range got {
			if target.Partner != "x.example" {
				t.Errorf("partner %q", target.Partner)
			}
		}
	}
	_, err = RouteTo(t.Context(), w, "down.example", 0)
	var re *RouteError
	var de *resolve.Error
	if !errors.As(err, &re) || !re.Unknown() || !errors.As(err, &de) || de.Failure != resolve.FailServer {
		t.Errorf("SERVFAIL gives %#v", err)
	}
	if !strings.HasPrefix(err.Error(), "down.example: ") {
		t.Errorf("the error does not name the partner: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := RouteTo(ctx, w, "x.example", 0); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	_, err = RouteTo(t.Context(), w, "none.example", 0)
	if !errors.As(err, &re) || re.Unknown() {
		t.Errorf("NXDOMAIN counts as unknown: %v", err)
	}
}

func TestRouteBounds(t *testing.T) {
	var zone strings.Builder
	for i := range 200 {
		fmt.Fprintf(&zone, "big.example. 60 MX %d h%d.big.example.\nh%d.big.example. 60 A 10.0.0.%d\n", i, i, i, i)
		fmt.Fprintf(&zone, "wide.example. 60 A 10.1.0.%d\n", i)
	}
	w := newWorld(t, zone.String())
	r, err := RouteTo(t.Context(), w, "big.example", 0)
	if err != nil || len(r.Hops) != maxHops || r.Hops[0].Preference != 0 || r.Faults[0].ID != MXTooMany {
		t.Errorf("%v: %d hops, faults %v", err, len(r.Hops), r.Faults)
	}
	r, err = RouteTo(t.Context(), w, "wide.example", 0)
	if err != nil || len(r.Plan(true, true)) != maxHopAddrs {
		t.Errorf("%v: %d addresses", err, len(r.Plan(true, true)))
	}
}

func TestAvoiding(t *testing.T) {
	var targets []Target
	for i := range 4 {
		targets = append(targets, Target{MX: fmt.Sprint(i), Addr: netip.AddrFrom4([4]byte{192, 0, 2, byte(i % 3)})})
	}
	var order string
	for _, t := range Avoiding(targets, targets[0].Addr) {
		order += t.MX
	}
	if order != "1203" {
		t.Errorf("order %s, want the avoided ones last", order)
	}
	if targets[0].MX != "0" {
		t.Error("the argument was reordered")
	}
	if got := Avoiding(targets, netip.Addr{}); !slices.Equal(got, targets) {
		t.Errorf("nothing to avoid: %v", got)
	}
}

func TestParseNextHop(t *testing.T) {
	ok := map[string]NextHop{
		"Contoso.COM.":                       {Name: "contoso.com"},
		"mx.fabrikam.net:2525":               {Name: "mx.fabrikam.net", Direct: true, Port: 2525},
		"[mx.fabrikam.net]:26":               {Name: "mx.fabrikam.net", Direct: true, Port: 26},
		"192.0.2.1:26":                       {Name: "192.0.2.1", Direct: true, Addr: netip.MustParseAddr("192.0.2.1"), Port: 26},
		"[192.0.2.1]":                        {Name: "192.0.2.1", Direct: true, Addr: netip.MustParseAddr("192.0.2.1")},
		"[IPv6:2001:db8::1]":                 {Name: "2001:db8::1", Direct: true, Addr: netip.MustParseAddr("2001:db8::1")},
		"2001:db8::1":                        {Name: "2001:db8::1", Direct: true, Addr: netip.MustParseAddr("2001:db8::1")},
		"::ffff:192.0.2.1":                   {Name: "192.0.2.1", Direct: true, Addr: netip.MustParseAddr("192.0.2.1")},
		"under_score.example":                {Name: "under_score.example"},
		"ПОЧТА.рф":                           {Name: "xn--80a1acny.xn--p1ai"},
		" contoso.com ":                      {Name: "contoso.com"},
		strings.Repeat("a", 63) + ".example": {Name: strings.Repeat("a", 63) + ".example"},
	}
	for text, want := range ok {
		got, err := ParseNextHop(text)
		if err != nil || got != want {
			t.Errorf("%q: %+v, %v; want %+v", text, got, err, want)
		}
	}
	for _, text := range []string{"", ".", "a b.example", "x.example:", "x.example:0", "x.example:70000", "[192.0.2.1", "[192.0.2.1]x", "[192.0.2.1]x:25",
		"a..example", "0.0.0.0", "[ff02::1]", "255.255.255.255", "user@x.example", "x.example/y", strings.Repeat("a", 64) + ".example", strings.Repeat("a.", 130) + "example", "\xff.example"} {
		if got, err := ParseNextHop(text); err == nil {
			t.Errorf("%q was taken for %+v", text, got)
		}
	}
}

func FuzzParseNextHop(f *testing.F) {
	for _, s := range []string{"contoso.com", "mx.fabrikam.net:25", "[2001:db8::1]:25", "[IPv6:::1]", "bücher.example"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		h, err := ParseNextHop(text)
		if err != nil {
			return
		}
		again, err := ParseNextHop(h.Name)
		if err != nil || again.Name != h.Name || again.Addr != h.Addr {
			t.Errorf("%q gives %q, which gives %+v, %v", text, h.Name, again, err)
		}
	})
}
