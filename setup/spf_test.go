package setup

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"repwatch/internal/lab"
	"repwatch/resolve"
)

// client asks a world of records.
func client(t *testing.T, records string) *resolve.Client {
	t.Helper()
	d := lab.TestDNS(t, lab.DNSOptions{Records: records})
	c, err := resolve.New(resolve.Options{Servers: []netip.AddrPort{d.Addr()}, Timeout: 2 * time.Second, Tries: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

const spfWorld = `
example.com.      300 IN MX 10 mx.example.com.
example.com.      300 IN MX 20 mx2.example.com.
example.com.      300 IN A 203.0.113.80
mx.example.com.   300 IN A 203.0.113.25
mx.example.com.   300 IN AAAA 2001:db8::25
mx2.example.com.  300 IN A 203.0.113.26
out.example.net.  300 IN A 198.51.100.70
hosted.example.   300 IN MX 0 hosted-example.mail.protection.outlook.com.
hosted-example.mail.protection.outlook.com. 300 IN A 192.0.2.99
null.example.     300 IN MX 0 .
`

// TestSPFTerms: what each term of a record names (RFC 7208), and what is told of the rest.
func TestSPFTerms(t *testing.T) {
	for _, tt := range []struct {
		name, terms string
		want        []string // prefixes
		skipped     string   // term: part of why
	}{
		{"single addresses", "ip4:203.0.113.7 +ip4:203.0.113.8 ip6:2001:db8::7 -all", []string{"203.0.113.7/32", "203.0.113.8/32", "2001:db8::7/128"}, ""},
		{"case does not count", "IP4:203.0.113.7 -ALL", []string{"203.0.113.7/32"}, ""},
		{"ranges begin where they begin", "ip4:203.0.113.70/28", []string{"203.0.113.64/28"}, ""},
		{"a /24 is the widest", "ip4:203.0.113.0/24 ip4:198.51.0.0/23 ip6:2001:db8::/120", []string{"203.0.113.0/24", "2001:db8::/120"}, "ip4:198.51.0.0/23: more than 256 addresses"},
		{"IPv6 too", "ip6:2001:db8::/119", nil, "ip6:2001:db8::/119: more than 256"},
		{"a", "a", []string{"203.0.113.80/32"}, ""},
		{"a of another name", "a:out.example.net", []string{"198.51.100.70/32"}, ""},
		{"a with lengths", "a:mx.example.com/30//124", []string{"203.0.113.24/30", "2001:db8::20/124"}, ""},
		{"a with an IPv6 length only", "a:mx.example.com//120", []string{"203.0.113.25/32", "2001:db8::/120"}, ""},
		{"a without address", "a:none.example.com", nil, "a:none.example.com: none.example.com has no address"},
		{"mx", "mx", []string{"203.0.113.25/32", "2001:db8::25/128", "203.0.113.26/32"}, ""},
		{"mx of a provider", "mx:hosted.example ip4:203.0.113.7", []string{"203.0.113.7/32"}, "mx:hosted.example: the MX of hosted.example: they are run by Exchange Online"},
		{"null mx", "mx:null.example", nil, "mx:null.example: the MX of null.example: it has none"},
		{"include is not followed", "include:_spf.google.com ip4:203.0.113.7 ~all", []string{"203.0.113.7/32"}, "include:_spf.google.com: these addresses belong to whoever runs _spf.google.com"},
		{"redirect is not followed", "redirect=_spf.example.com", nil, "redirect=_spf.example.com: the record of _spf.example.com counts in its place"},
		{"exists and ptr", "exists:%{i}.ok.example ptr:example.com", nil, "exists:%{i}.ok.example: macro"},
		{"ptr", "ptr", nil, "ptr: it names no address"},
		{"macro in a", "a:%{d}.example", nil, "a:%{d}.example: macro"},
		{"exp is no sender", "ip4:203.0.113.7 exp=why.example.com -all", []string{"203.0.113.7/32"}, ""},
		{"behind all nothing counts", "ip4:203.0.113.7 -all ip4:203.0.113.8", []string{"203.0.113.7/32"}, ""},
		{"the whole world", "+all", nil, "+all: it lets the whole world send"},
		{"other signs", "-ip4:203.0.113.7 ?ip4:203.0.113.8 ~a", nil, "?ip4:203.0.113.8: its sign"},
		{"miswritten", "ip4:203.0.113.300 ip4:2001:db8::1 ip6:203.0.113.7 a/33", nil, "a/33: it is miswritten"},
		{"miswritten family", "ip6:203.0.113.7", nil, "ip6:203.0.113.7: it is miswritten"},
		{"what is no mechanism", "ipv4:203.0.113.7", nil, "ipv4:203.0.113.7: it is no mechanism"},
		{"each address once", "ip4:203.0.113.7 ip4:203.0.113.0/28 ip4:203.0.113.8", []string{"203.0.113.0/28"}, ""},
		{"eleven lookups", strings.Repeat("a:out.example.net ", 10) + "a", []string{"198.51.100.70/32"}, "a: a record may cost 10 lookups"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := client(t, spfWorld+`example.com. 300 IN TXT "v=spf1 `+tt.terms+`"`+"\n"+`example.com. 300 IN TXT "other=1"`)
			spf, err := ReadSPF(t.Context(), c, "Example.COM.")
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, r := range spf.Ranges {
				got = append(got, r.Prefix.String())
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			told := ""
			for _, s := range spf.Skipped {
				told += s.What + ": " + s.Why + "\n"
			}
			what, why, _ := strings.Cut(tt.skipped, ": ")
			if tt.skipped == "" && told != "" || tt.skipped != "" && (!strings.Contains(told, what+": ") || !strings.Contains(told, why)) {
				t.Errorf("skipped:\n%swant %q", told, tt.skipped)
			}
			if !spf.OwnMX {
				t.Error("mx.example.com is run by nobody we know, so the MX is its own")
			}
		})
	}
}

// TestSPFRecord: one record or none; a failure of DNS is not "none".
func TestSPFRecord(t *testing.T) {
	for _, tt := range []struct{ name, records, domain, want string }{
		{"none", `example.com. 300 IN TXT "v=spf2 -all"`, "example.com", "example.com publishes no SPF record"},
		{"two", "example.com. 300 IN TXT \"v=spf1 a\"\nexample.com. 300 IN TXT \"v=spf1 mx\"", "example.com", "publishes 2 SPF records"},
		{"nothing at all", "", "example.com", "publishes no SPF record"},
		{"no domain", "", "mx1", `"mx1" is no domain`},
		{"an address", "", "203.0.113.7", `"203.0.113.7" is no domain`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := ReadSPF(t.Context(), client(t, tt.records), tt.domain)
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "\n  hint: ") {
				t.Errorf("%v, want %q and a hint", err, tt.want)
			}
		})
	}
	d := lab.TestDNS(t, lab.DNSOptions{})
	d.Zone("example.com").Set(lab.DNSBehaviour{Rcode: 2})
	c, err := resolve.New(resolve.Options{Servers: []netip.AddrPort{d.Addr()}, Timeout: time.Second, Tries: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := ReadSPF(t.Context(), c, "example.com"); err == nil || !strings.Contains(err.Error(), "could not be looked up") {
		t.Errorf("SERVFAIL: %v", err)
	}
}

// TestHostedMXIsNotOwn: a provider's MX is not ours to watch.
func TestHostedMXIsNotOwn(t *testing.T) {
	c := client(t, spfWorld+`hosted.example. 300 IN TXT "v=spf1 ip4:203.0.113.7"`)
	spf, err := ReadSPF(t.Context(), c, "hosted.example")
	if err != nil || spf.OwnMX {
		t.Errorf("own MX %t, %v", spf.OwnMX, err)
	}
}
