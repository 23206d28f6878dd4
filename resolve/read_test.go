package resolve

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
)

// message builds an answer: "!NXDOMAIN" and "!AA" set header fields, records
// stand in the answer section, those after "--" in the authority section.
func message(t testing.TB, name string, qtype uint16, lines ...string) []byte {
	t.Helper()
	m := new(dns.Msg).SetQuestion(dns.Fqdn(name), qtype)
	m.Response = true
	section := &m.Answer
	for _, line := range lines {
		switch {
		case line == "--":
			section = &m.Ns
		case line == "!AA":
			m.Authoritative = true
		case line == "!AD":
			m.AuthenticatedData = true
		case line == "!RA":
			m.RecursionAvailable = true
		case strings.HasPrefix(line, "!"):
			m.Rcode = dns.StringToRcode[line[1:]]
		default:
			*section = append(*section, rrs(t, line)...)
		}
	}
	wire, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	return wire
}

func TestReadMessage(t *testing.T) {
	const soa = "example. 900 IN SOA ns.example. h.example. 1 2 3 4 60"
	type want struct {
		rcode   int
		records []string
		chain   []string
		next    string
		ttl     int
		err     error
	}
	for _, c := range []struct {
		name string
		msg  []string
		want want
	}{
		{"a record", []string{"n.example. 300 IN A 192.0.2.1"}, want{records: []string{"192.0.2.1"}, ttl: 300}},
		{"the smallest TTL counts", []string{"n.example. 300 IN A 192.0.2.1", "n.example. 20 IN A 192.0.2.2"}, want{records: []string{"192.0.2.1", "192.0.2.2"}, ttl: 20}},
		{"names have no case", []string{"N.eXample. 300 IN A 192.0.2.1"}, want{records: []string{"192.0.2.1"}, ttl: 300}},
		{"records of others", []string{"n.example. 300 IN A 192.0.2.1", "evil.example. 1 IN A 192.0.2.66"}, want{records: []string{"192.0.2.1"}, ttl: 300}},
		{"only records of others", []string{"evil.example. 1 IN A 192.0.2.66", "--", soa}, want{ttl: 60}},
		{"another class", []string{"n.example. 1 CH A 192.0.2.66", "--", soa}, want{ttl: 60}},
		{"another type", []string{"n.example. 1 IN MX 1 mx.example.", "--", soa}, want{ttl: 60}},
		{"a TTL with the top bit is zero", []string{"n.example. 2147483648 IN A 192.0.2.1"}, want{records: []string{"192.0.2.1"}}},
		{
			"a chain, whose TTL counts", []string{"n.example. 5 IN CNAME m.example.", "m.example. 300 IN A 192.0.2.1"},
			want{records: []string{"192.0.2.1"}, chain: []string{"m.example."}, ttl: 5},
		},
		{
			"a chain in any order", []string{"o.example. 300 IN A 192.0.2.1", "m.example. 50 IN CNAME o.example.", "n.example. 60 IN CNAME M.example."},
			want{records: []string{"192.0.2.1"}, chain: []string{"m.example.", "o.example."}, ttl: 50},
		},
		{
			"a chain beside records of its start's", []string{"x.example. 1 IN A 192.0.2.66", "n.example. 60 IN CNAME m.example.", "m.example. 300 IN A 192.0.2.1"},
			want{records: []string{"192.0.2.1"}, chain: []string{"m.example."}, ttl: 60},
		},
		{"a chain that leads away", []string{"n.example. 60 IN CNAME m.other."}, want{chain: []string{"m.other."}, next: "m.other.", ttl: 60}},
		{"a chain that leads away, with another zone's SOA", []string{"n.example. 60 IN CNAME m.other.", "--", soa}, want{chain: []string{"m.other."}, next: "m.other.", ttl: 60}},
		{"a chain to a name without records", []string{"n.example. 30 IN CNAME m.example.", "--", soa}, want{chain: []string{"m.example."}, ttl: 30}},
		{"a chain to no name", []string{"!NXDOMAIN", "n.example. 300 IN CNAME m.example.", "--", soa}, want{rcode: 3, chain: []string{"m.example."}, ttl: 60}},
		{"a chain to no name, no SOA", []string{"!NXDOMAIN", "n.example. 300 IN CNAME m.example."}, want{rcode: 3, chain: []string{"m.example."}}},
		{"a chain to itself", []string{"n.example. 60 IN CNAME m.example.", "m.example. 60 IN CNAME n.example."}, want{chain: []string{"m.example."}, err: errChain}},
		{"NXDOMAIN", []string{"!NXDOMAIN", "--", soa}, want{rcode: 3, ttl: 60}},
		{"NXDOMAIN, SOA about to expire", []string{"!NXDOMAIN", "--", "example. 7 IN SOA ns.example. h.example. 1 2 3 4 60"}, want{rcode: 3, ttl: 7}},
		{"NXDOMAIN without SOA", []string{"!NXDOMAIN"}, want{rcode: 3}},
		{"NXDOMAIN with the SOA of another zone", []string{"!NXDOMAIN", "--", "other. 900 IN SOA ns.example. h.example. 1 2 3 4 60"}, want{rcode: 3}},
		{"NXDOMAIN with records is none", []string{"!NXDOMAIN", "n.example. 300 IN A 192.0.2.1"}, want{records: []string{"192.0.2.1"}, ttl: 300}},
		{"NODATA", []string{"--", soa}, want{ttl: 60}},
		{"NODATA without SOA", nil, want{}},
		{"a referral", []string{"--", "other.example. 300 IN NS ns.example."}, want{err: errLame}},
		{"an authoritative NODATA with NS", []string{"!AA", "--", "example. 300 IN NS ns.example."}, want{}},
		{"SERVFAIL", []string{"!SERVFAIL"}, want{rcode: 2}},
		{"REFUSED with records", []string{"!REFUSED", "n.example. 300 IN A 192.0.2.66"}, want{rcode: 5}},
	} {
		p, err := readMessage(message(t, "n.example", dns.TypeA, c.msg...), "n.Example", dns.TypeA)
		got := want{rcode: p.Rcode, chain: p.CNAMEs, next: p.next, ttl: int(p.TTL / time.Second), err: err}
		for _, ip := range Addrs(p.Answer) {
			got.records = append(got.records, ip.String())
		}
		if diff := cmp.Diff(c.want, got, cmp.AllowUnexported(want{}), cmp.Comparer(func(a, b error) bool { return errors.Is(a, b) })); diff != "" {
			t.Errorf("%s: -want +got\n%s", c.name, diff)
		}
	}
}

func TestReadMessageFlags(t *testing.T) {
	p, err := readMessage(message(t, "n", dns.TypeA, "!AA", "!AD", "!RA"), "n", dns.TypeA)
	if err != nil || !p.Authoritative || !p.AuthenticData || !p.RecursionAvailable {
		t.Errorf("%+v, %v", p, err)
	}
	p, err = readMessage(message(t, "n", dns.TypeA), "n", dns.TypeA)
	if err != nil || p.Authoritative || p.AuthenticData || p.RecursionAvailable {
		t.Errorf("%+v, %v", p, err)
	}
}

func TestReadMessageFollowsEightCNAMEs(t *testing.T) {
	for _, hops := range []int{8, 9} {
		var lines []string
		for i := range hops {
			lines = append(lines, fmt.Sprintf("n%d. 60 IN CNAME n%d.", i, i+1))
		}
		lines = append(lines, fmt.Sprintf("n%d. 60 IN A 192.0.2.1", hops))
		p, err := readMessage(message(t, "n0", dns.TypeA, lines...), "n0", dns.TypeA)
		if ok := err == nil && len(p.Records) == 1; ok != (hops == 8) {
			t.Errorf("%d hops: %v, %v", hops, p.Records, err)
		}
	}
}

func TestReadMessageAskedForCNAME(t *testing.T) {
	p, err := readMessage(message(t, "n", dns.TypeCNAME, "n. 60 IN CNAME m.", "m. 60 IN CNAME o."), "n", dns.TypeCNAME)
	if err != nil || len(p.Records) != 1 || len(p.CNAMEs) != 0 || Names(p.Answer)[0] != "m" {
		t.Errorf("%+v, %v", p, err)
	}
}

// FuzzAnswer feeds the reader what a hostile server may send: it must not
// panic, and whatever it gives belongs to the question.
func FuzzAnswer(f *testing.F) {
	f.Add(message(f, "n.example", dns.TypeA, "n.example. 300 IN A 192.0.2.1"))
	f.Add(message(f, "n.example", dns.TypeA, "n.example. 5 IN CNAME m.example.", "m.example. 300 IN A 192.0.2.1"))
	f.Add(message(f, "n.example", dns.TypeA, "n.example. 5 IN CNAME n.example."))
	f.Add(message(f, "n.example", dns.TypeA, "!NXDOMAIN", "--", "example. 900 IN SOA ns.example. h.example. 1 2 3 4 60"))
	f.Add(message(f, "n.example", dns.TypeA, "--", "example. 300 IN NS ns.example."))
	f.Add(message(f, "n.example", dns.TypeA, "!REFUSED"))
	f.Add([]byte{1, 2, 0x80})
	q, err := packQuestion("n.example", dns.TypeA)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, wire []byte) {
		if k := kin(wire, q); k != sameExactly && k != otherCase && k != nameless {
			return
		}
		p, err := readMessage(wire, "n.example", dns.TypeA)
		if err != nil {
			return
		}
		if len(p.CNAMEs) > maxHops || p.TTL < 0 || p.TTL >= 1<<31*time.Second {
			t.Fatalf("chain %v, TTL %v", p.CNAMEs, p.TTL)
		}
		owner := "n.example."
		if n := len(p.CNAMEs); n > 0 {
			owner = p.CNAMEs[n-1]
		}
		for _, rr := range p.Records {
			if h := rr.Header(); h.Rrtype != dns.TypeA || h.Class != dns.ClassINET || h.Name != owner {
				t.Fatalf("foreign record %v", rr)
			}
		}
		if p.next != "" && (len(p.Records) > 0 || p.next != owner || p.Rcode != dns.RcodeSuccess) {
			t.Fatalf("leads on to %q with %v", p.next, p.Answer)
		}
	})
}
