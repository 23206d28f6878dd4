package resolve

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"repwatch/internal/lab"
)

// At 2 % loss three tries leave 1 in 125,000 unanswered: with these seeds none.
func TestTwoPercentLossLeavesNoUnknown(t *testing.T) {
	t.Parallel()
	d := lab.TestDNS(t, lab.DNSOptions{Records: oneName, Seed: 1})
	d.Zone(".").Set(lab.DNSBehaviour{Loss: 0.02})
	c := testClient(t, Options{Timeout: 500 * time.Millisecond}, d)
	together(2000, func(int) { mustAnswer(t, c, Query{Name: "name.example"}) })
	if s := d.Zone(".").Stats(); s.Dropped < 10 {
		t.Errorf("only %d of %d were lost", s.Dropped, s.Questions)
	}
}

// Whatever the names, their case, the loss up to 20 % and the delays: an answer
// is the right one, and a question is unanswered only if every one of its tries was lost.
func TestNeverAWrongAnswer(t *testing.T) {
	t.Parallel()
	together(8, func(i int) { neverAWrongAnswer(t, uint64(i)) })
}

func neverAWrongAnswer(t *testing.T, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 0))
	d := lab.TestDNS(t, lab.DNSOptions{Seed: seed})
	names := randomWorld(r, d)
	d.Zone(".").Set(lab.DNSBehaviour{
		Loss: r.Float64() * 0.2, Jitter: time.Duration(r.IntN(20)+1) * time.Millisecond,
		LowerCase: seed%4 == 3, BareCNAME: r.IntN(2) == 0,
	})
	c := testClient(t, Options{}, d)
	together(len(names), func(i int) {
		n := names[i]
		a, err := A(context.Background(), c, Query{Name: n.asked, Budget: 3 * time.Second})
		switch {
		case err != nil:
			if FailureOf(err) != FailTimeout || answered(d, n.asked) {
				t.Errorf("seed %d, %s: %v", seed, n.asked, err)
			}
		case n.ip.IsValid() && (len(a.Values) != 1 || a.Values[0] != n.ip):
			t.Errorf("seed %d, %s: %v, want %s", seed, n.asked, a.Values, n.ip)
		case !n.ip.IsValid() && (len(a.Values) != 0 || a.NXDomain() != n.missing || a.NoData() == n.missing):
			t.Errorf("seed %d, %s: %+v", seed, n.asked, a.Answer)
		}
	})
}

// answered reports whether the world answered the question, or some name its chain leads to, at least once in vain.
func answered(d *lab.DNS, name string) bool {
	for _, q := range d.Log() {
		if strings.EqualFold(q.Name, dns.Fqdn(name)) && !q.Dropped {
			return !strings.HasPrefix(strings.ToLower(name), "alias")
		}
	}
	return false
}

type truth struct {
	asked   string
	ip      netip.Addr // invalid: no A record
	missing bool       // no name
}

// randomWorld fills the world and lists what is true of it: addresses, aliases, names without addresses and no names.
func randomWorld(r *rand.Rand, d *lab.DNS) []truth {
	var out []truth
	var text strings.Builder
	for i := range 150 {
		name := fmt.Sprintf("%s.%x.example.", label(r), i)
		ip := netip.AddrFrom4([4]byte{10, byte(r.IntN(256)), byte(i >> 8), byte(i)})
		switch r.IntN(4) {
		case 0:
			fmt.Fprintf(&text, "%s 60 IN A %s\n", name, ip)
			out = append(out, truth{asked: anyCase(r, name), ip: ip})
		case 1:
			fmt.Fprintf(&text, "alias%s 60 IN CNAME %s\n%s 60 IN A %s\n", name, name, name, ip)
			out = append(out, truth{asked: anyCase(r, "alias"+name), ip: ip})
		case 2:
			fmt.Fprintf(&text, "%s 60 IN TXT x\n", name)
			out = append(out, truth{asked: anyCase(r, name)})
		default:
			out = append(out, truth{asked: anyCase(r, name), missing: true})
		}
	}
	if err := d.Add(text.String()); err != nil {
		panic(err)
	}
	return out
}

func label(r *rand.Rand) string {
	b := make([]byte, 1+r.IntN(20))
	for i := range b {
		b[i] = "abcdefghijklmnopqrstuvwxyz0123456789_"[r.IntN(37)]
	}
	return string(b)
}

func anyCase(r *rand.Rand, s string) string {
	b := []byte(s)
	for i := range b {
		if r.IntN(2) == 0 {
			b[i] = strings.ToUpper(string(b[i]))[0]
		}
	}
	return strings.TrimSuffix(string(b), strings.Repeat(".", r.IntN(2)))
}
