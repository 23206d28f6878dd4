package lab

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
	"go.uber.org/goleak"
)

// dig asks the world as any client would. It waits long for an answer that must
// come and briefly for one that must not.
func dig(t *testing.T, d *DNS, network, name string, qtype uint16, wait time.Duration) *dns.Msg {
	t.Helper()
	m := new(dns.Msg).SetQuestion(dns.Fqdn(name), qtype)
	m.SetEdns0(1232, false)
	r, _, err := (&dns.Client{Net: network, Timeout: wait}).Exchange(m, d.Addr().String())
	if err != nil {
		return nil
	}
	return r
}

const soon, never = 20 * time.Second, 50 * time.Millisecond

// words sums an answer up: rcode, then the data of the answer section.
func words(m *dns.Msg) string {
	if m == nil {
		return "no answer"
	}
	out := []string{dns.RcodeToString[m.Rcode]}
	for _, rr := range m.Answer {
		text := strings.TrimPrefix(rr.String(), rr.Header().String())
		out = append(out, dns.TypeToString[rr.Header().Rrtype]+" "+text)
	}
	slices.Sort(out[1:])
	return strings.Join(out, "|")
}

func TestDNSContent(t *testing.T) {
	defer goleak.VerifyNone(t)
	d, err := NewDNS(DNSOptions{Records: `
		name.example.       300 IN A    192.0.2.1
		name.example.       300 IN A    192.0.2.2
		alias.example.      300 IN CNAME name.example.
		lost.example.       300 IN CNAME nowhere.example.
		a.b.c.example.      300 IN TXT  deep
		*.wild.example.     300 IN A    192.0.2.9
		is.wild.example.    300 IN TXT  here
		round.example.      300 IN CNAME about.example.
		about.example.      300 IN CNAME round.example.`})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	ask := func(name string, qtype uint16, want string) {
		t.Helper()
		for _, network := range []string{"udp", "tcp"} {
			if got := words(dig(t, d, network, name, qtype, soon)); got != want {
				t.Errorf("%s %s over %s: %s, want %s", name, dns.TypeToString[qtype], network, got, want)
			}
		}
	}
	ask("NAME.example", dns.TypeA, "NOERROR|A 192.0.2.1|A 192.0.2.2")
	ask("name.example", dns.TypeMX, "NOERROR")
	ask("none.example", dns.TypeA, "NXDOMAIN")
	ask("alias.example", dns.TypeA, "NOERROR|A 192.0.2.1|A 192.0.2.2|CNAME name.example.")
	ask("alias.example", dns.TypeCNAME, "NOERROR|CNAME name.example.")
	ask("lost.example", dns.TypeA, "NXDOMAIN|CNAME nowhere.example.")
	ask("b.c.example", dns.TypeA, "NOERROR") // an empty non-terminal
	ask("x.b.c.example", dns.TypeA, "NXDOMAIN")
	ask("any.wild.example", dns.TypeA, "NOERROR|A 192.0.2.9")
	ask("any.more.wild.example", dns.TypeA, "NOERROR|A 192.0.2.9")
	ask("is.wild.example", dns.TypeA, "NOERROR") // a name of its own is not wild
	ask("under.is.wild.example", dns.TypeA, "NXDOMAIN")
	ask("wild.example", dns.TypeA, "NOERROR")

	d.Remove("a.b.c.example")
	ask("b.c.example", dns.TypeA, "NXDOMAIN")
	d.Remove("name.example", dns.TypeA)
	ask("name.example", dns.TypeA, "NXDOMAIN")
	if err := d.Add("name.example. 300 IN A 192.0.2.3\nbroken"); err == nil {
		t.Error("a broken line was taken")
	}
	ask("name.example", dns.TypeA, "NXDOMAIN")

	d.Zone("deep.example")
	soa := dig(t, d, "udp", "x.deep.example", dns.TypeA, soon).Ns[0].(*dns.SOA)
	if soa.Hdr.Name != "deep.example." || soa.Hdr.Ttl != 300 || soa.Minttl != 60 {
		t.Errorf("SOA %v", soa)
	}
	if err := d.Add("deep.example. 7 IN SOA ns.example. host.example. 1 2 3 4 5"); err != nil {
		t.Fatal(err)
	}
	if soa := dig(t, d, "udp", "x.deep.example", dns.TypeA, soon).Ns; len(soa) != 1 || soa[0].(*dns.SOA).Minttl != 5 {
		t.Errorf("an SOA is not replaced: %v", soa)
	}
}

func TestDNSRefusesOtherAddresses(t *testing.T) {
	if d, err := NewDNS(DNSOptions{Addr: netip.MustParseAddrPort("0.0.0.0:0")}); err == nil {
		d.Close()
		t.Error("a world outside loopback")
	}
	if _, err := NewDNS(DNSOptions{Records: "x IN"}); err == nil {
		t.Error("broken records were taken")
	}
	d := TestDNS(t, DNSOptions{Addr: netip.MustParseAddrPort("127.0.0.53:0")})
	if d.Addr().Addr().String() != "127.0.0.53" {
		t.Errorf("listens on %v", d.Addr())
	}
}

func TestDNSBehaviours(t *testing.T) {
	d := TestDNS(t, DNSOptions{Records: "Name.example. 300 IN A 192.0.2.1\nalias.example. 300 IN CNAME name.example."})
	z := d.Zone("example")
	const right = "NOERROR|A 192.0.2.1"
	for _, c := range []struct {
		name     string
		how      DNSBehaviour
		udp, tcp string
	}{
		{"none", DNSBehaviour{}, right, right},
		{"dropped", DNSBehaviour{DropAll: true}, "no answer", "no answer"},
		{"lost", DNSBehaviour{Loss: 1}, "no answer", "no answer"},
		{"first dropped", DNSBehaviour{DropFirst: 1}, "no answer", right},
		{"every second dropped", DNSBehaviour{DropEvery: 2}, right, "no answer"},
		{"servfail", DNSBehaviour{Rcode: dns.RcodeServerFailure}, "SERVFAIL", "SERVFAIL"},
		{"refused", DNSBehaviour{Rcode: dns.RcodeRefused}, "REFUSED", "REFUSED"},
		{"referral", DNSBehaviour{Referral: true}, "NOERROR", "NOERROR"},
		{"wrong ID", DNSBehaviour{WrongID: true}, "no answer", "no answer"},
		{"garbage", DNSBehaviour{Garbage: true}, "no answer", "no answer"},
		{"no EDNS", DNSBehaviour{NoEDNS: true}, "FORMERR", "FORMERR"},
		{"truncated", DNSBehaviour{Truncate: true}, "NOERROR", right},
		{"no TCP", DNSBehaviour{NoTCP: true}, right, "no answer"},
		{"rewritten", DNSBehaviour{Rewrite: func(m *dns.Msg) { m.Rcode = dns.RcodeNotAuth }}, "NOTAUTH|A 192.0.2.1", "NOTAUTH|A 192.0.2.1"},
	} {
		z.ResetStats()
		z.Set(c.how)
		got := []string{}
		for _, network := range []string{"udp", "tcp"} {
			wait := soon
			if want := map[string]string{"udp": c.udp, "tcp": c.tcp}[network]; want == "no answer" {
				wait = never
			}
			got = append(got, words(dig(t, d, network, "name.example", dns.TypeA, wait)))
		}
		if diff := cmp.Diff([]string{c.udp, c.tcp}, got); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
	}

	z.Set(DNSBehaviour{BareCNAME: true, Authoritative: true})
	if m := dig(t, d, "udp", "alias.example", dns.TypeA, soon); words(m) != "NOERROR|CNAME name.example." || !m.Authoritative || m.RecursionAvailable {
		t.Errorf("bare and authoritative: %v", m)
	}
	z.Set(DNSBehaviour{LowerCase: true})
	if m := dig(t, d, "udp", "NAME.example", dns.TypeA, soon); m.Question[0].Name != "name.example." {
		t.Errorf("lower case: %v", m.Question)
	}
	z.Set(DNSBehaviour{Delay: 80 * time.Millisecond})
	if began := time.Now(); dig(t, d, "udp", "name.example", dns.TypeA, soon) == nil || time.Since(began) < 80*time.Millisecond {
		t.Error("not delayed")
	}
	// A zone's behaviour ends at its edge.
	z.Set(DNSBehaviour{DropAll: true})
	if m := dig(t, d, "udp", "name.other", dns.TypeA, soon); words(m) != "NXDOMAIN" {
		t.Errorf("another zone: %v", words(m))
	}
}

// raw collects what comes back for one query within a while, by sender.
func raw(t *testing.T, d *DNS, name string, until int) (msgs []*dns.Msg, from []netip.AddrPort) {
	t.Helper()
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	q := new(dns.Msg).SetQuestion(name, dns.TypeA)
	q.Id = 100
	wire, err := q.Pack()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.WriteToUDPAddrPort(wire, d.Addr()); err != nil {
		t.Fatal(err)
	}
	if err := conn.SetReadDeadline(time.Now().Add(soon)); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 4096)
	for len(msgs) < until {
		n, src, err := conn.ReadFromUDPAddrPort(buf)
		if err != nil {
			t.Fatalf("%d messages came: %v", len(msgs), err)
		}
		m := new(dns.Msg)
		if err := m.Unpack(buf[:n]); err != nil {
			t.Fatal(err)
		}
		msgs, from = append(msgs, m), append(from, src)
	}
	return msgs, from
}

func TestDNSForgeries(t *testing.T) {
	d := TestDNS(t, DNSOptions{Records: "name.example. 300 IN A 192.0.2.1"})
	evil, err := dns.NewRR(". 60 IN A 192.0.2.66")
	if err != nil {
		t.Fatal(err)
	}
	z := d.Zone("example")
	for wrong, differs := range map[DNSWrong]func(m *dns.Msg, from netip.AddrPort) bool{
		WrongID:       func(m *dns.Msg, _ netip.AddrPort) bool { return m.Id != 100 },
		WrongSource:   func(_ *dns.Msg, from netip.AddrPort) bool { return from != d.Addr() && from.Addr() == d.Addr().Addr() },
		WrongCase:     func(m *dns.Msg, _ netip.AddrPort) bool { return m.Question[0].Name == "name.example." },
		WrongQuestion: func(m *dns.Msg, _ netip.AddrPort) bool { return m.Question[0].Name == "xName.example." },
		WrongType:     func(m *dns.Msg, _ netip.AddrPort) bool { return m.Question[0].Qtype != dns.TypeA },
	} {
		z.Set(DNSBehaviour{Forge: []DNSForgery{{Wrong: wrong, With: []dns.RR{evil}, Times: 2}}})
		msgs, from := raw(t, d, "Name.example.", 3)
		lies := 0
		for i, m := range msgs {
			if strings.HasSuffix(words(m), "192.0.2.66") && differs(m, from[i]) && m.Answer[0].Header().Name != "." {
				lies++
			}
		}
		if lies != 2 {
			t.Errorf("%s: %d forgeries of 2", wrong, lies)
		}
	}
}

func TestDNSAging(t *testing.T) {
	d := TestDNS(t, DNSOptions{})
	zen := d.Blocklist("zen.example")
	zen.Zone().Set(DNSBehaviour{Aging: true})
	zen.List("192.0.2.1")
	name := strings.TrimSuffix(zen.Name("192.0.2.1"), ".")
	state := func() string {
		m := dig(t, d, "udp", name, dns.TypeA, soon)
		ttl := uint32(0)
		if len(m.Answer) > 0 {
			ttl = m.Answer[0].Header().Ttl
		} else {
			ttl = m.Ns[0].Header().Ttl
		}
		return fmt.Sprintf("%s in %d", dns.RcodeToString[m.Rcode], (ttl+5)/10*10)
	}
	check := func(want string) {
		t.Helper()
		if got := state(); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	check("NOERROR in 300")
	zen.Delist("192.0.2.1")
	d.Advance(100 * time.Second)
	check("NOERROR in 200") // the cache hides the delisting
	d.Advance(201 * time.Second)
	check("NXDOMAIN in 300")
	zen.List("192.0.2.1")
	d.Advance(50 * time.Second)
	check("NXDOMAIN in 250") // MINIMUM 60 s bounds the negative answer
	d.Advance(20 * time.Second)
	check("NOERROR in 300")
}

func TestDNSBlocklist(t *testing.T) {
	d := TestDNS(t, DNSOptions{})
	zen, names := d.Blocklist("zen.example"), d.DomainBlocklist("dbl.example")
	ask := func(name string, qtype uint16, want string) {
		t.Helper()
		if got := words(dig(t, d, "udp", name, qtype, soon)); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	six := "1.0.0.0." + strings.Repeat("0.", 20) + "8.b.d.0.1.0.0.2.zen.example."
	if got := zen.Name("2001:db8::1"); got != six {
		t.Errorf("%s, want %s", got, six)
	}
	ask("2.0.0.127.zen.example", dns.TypeA, "NOERROR|A 127.0.0.2")
	ask(zen.Name("::ffff:7f00:2"), dns.TypeA, "NOERROR|A 127.0.0.2")
	ask(zen.Name("::ffff:7f00:1"), dns.TypeA, "NXDOMAIN")
	ask("1.0.0.127.zen.example", dns.TypeA, "NXDOMAIN")
	zen.ListTXT("203.0.113.7", strings.Repeat("x", 300), "127.0.0.4", "127.0.0.10")
	ask("7.113.0.203.zen.example", dns.TypeA, "NOERROR|A 127.0.0.10|A 127.0.0.4")
	ask("7.113.0.203.zen.example", dns.TypeTXT, `NOERROR|TXT "`+strings.Repeat("x", 255)+`" "`+strings.Repeat("x", 45)+`"`)
	zen.List("203.0.113.7", "127.0.0.3")
	ask("7.113.0.203.zen.example", dns.TypeA, "NOERROR|A 127.0.0.3")
	ask("7.113.0.203.zen.example", dns.TypeTXT, "NOERROR")
	zen.Delist("203.0.113.7")
	ask("7.113.0.203.zen.example", dns.TypeA, "NXDOMAIN")
	ask("test.dbl.example", dns.TypeA, "NOERROR|A 127.0.0.2")
	ask("invalid.dbl.example", dns.TypeA, "NXDOMAIN")
	names.List("Bad.Example")
	ask("bad.example.dbl.example", dns.TypeA, "NOERROR|A 127.0.0.2")

	zen.ListWorld("127.0.0.1")
	ask("random-label.zen.example", dns.TypeA, "NOERROR|A 127.0.0.1")
	ask("1.0.0.127.zen.example", dns.TypeA, "NOERROR|A 127.0.0.1")
	zen.ListAddresses("127.0.0.2")
	ask("random-label.zen.example", dns.TypeA, "NXDOMAIN")
	ask("4.3.2.1.zen.example", dns.TypeA, "NOERROR|A 127.0.0.2")
	ask("4.3.2.1.zen.example", dns.TypeTXT, "NOERROR")
	ask("4.3.2.256.zen.example", dns.TypeA, "NXDOMAIN")
	ask(zen.Name("2001:db8::1"), dns.TypeA, "NOERROR|A 127.0.0.2")
	zen.Recover()
	ask("4.3.2.1.zen.example", dns.TypeA, "NXDOMAIN")
	zen.SetTTL(7)
	zen.List("192.0.2.9")
	if m := dig(t, d, "udp", "9.2.0.192.zen.example", dns.TypeA, soon); m.Answer[0].Header().Ttl != 7 {
		t.Errorf("TTL: %v", m.Answer)
	}
	zen.Close()
	ask("2.0.0.127.zen.example", dns.TypeA, "NXDOMAIN")
	ask("test.dbl.example", dns.TypeA, "NOERROR|A 127.0.0.2")
}

func TestDNSStats(t *testing.T) {
	d := TestDNS(t, DNSOptions{Records: "name.example. 300 IN A 192.0.2.1"})
	z := d.Zone("example")
	z.Set(DNSBehaviour{Delay: 100 * time.Millisecond})
	var all sync.WaitGroup
	for range 10 {
		all.Go(func() { dig(t, d, "udp", "Name.example", dns.TypeA, soon) })
	}
	all.Wait()
	z.Set(DNSBehaviour{DropAll: true})
	dig(t, d, "tcp", "name.example", dns.TypeMX, never)
	s := z.Stats()
	if s.Questions != 11 || s.Answered != 10 || s.Dropped != 1 || s.TCP != 1 || s.InHand != 0 || s.Max < 2 || s.Max > 10 || s.MaxPerSource != 1 {
		t.Errorf("%+v", s)
	}
	if r := s.Rate(); r <= 0 || r > 10/0.1 {
		t.Errorf("rate %v", r)
	}
	log := d.Log()
	if last := log[len(log)-1]; len(log) != 11 || !last.Dropped || !last.TCP || last.Type != dns.TypeMX || log[0].Name != "Name.example." || !log[0].EDNS {
		t.Errorf("log of %d: %+v", len(log), log)
	}
	z.ResetStats()
	if s := z.Stats(); s != (DNSStats{}) || s.Rate() != 0 {
		t.Errorf("after a reset: %+v", s)
	}
	for i := range 2 * logSize {
		d.note(DNSQuestion{ID: uint16(i)})
	}
	if log := d.Log(); len(log) != logSize || log[0].ID != logSize || log[logSize-1].ID != 2*logSize-1 {
		t.Errorf("log of %d from %d to %d", len(log), log[0].ID, log[len(log)-1].ID)
	}
}

// Loss follows the seed: the same world loses the same questions.
func TestDNSSeed(t *testing.T) {
	lost := func(seed uint64) (out []bool) {
		d := TestDNS(t, DNSOptions{Seed: seed})
		z := d.Zone(".")
		z.Set(DNSBehaviour{Loss: 0.5})
		for range 64 {
			d.mu.Lock()
			out = append(out, d.drops(z, "x.", dns.TypeA))
			d.mu.Unlock()
		}
		return out
	}
	if !slices.Equal(lost(1), lost(1)) || slices.Equal(lost(1), lost(2)) {
		t.Error("loss does not follow the seed")
	}
}

// Close drops what is delayed, and the port may be taken again.
func TestDNSCloseFreesThePort(t *testing.T) {
	defer goleak.VerifyNone(t)
	d, err := NewDNS(DNSOptions{})
	if err != nil {
		t.Fatal(err)
	}
	inHand := make(chan struct{})
	d.Zone(".").Set(DNSBehaviour{Delay: time.Hour, Rewrite: func(*dns.Msg) { close(inHand) }})
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(d.Addr()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	wire, err := new(dns.Msg).SetQuestion("x.", dns.TypeA).Pack()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write(wire); err != nil {
		t.Fatal(err)
	}
	<-inHand
	d.Close()
	d.Close()
	again, err := NewDNS(DNSOptions{Addr: d.Addr()})
	if err != nil {
		t.Fatalf("the port is not free: %v", err)
	}
	defer again.Close()
	if m := dig(t, again, "udp", "x", dns.TypeA, soon); words(m) != "NXDOMAIN" {
		t.Errorf("on the same port: %s", words(m))
	}
}
