package resolve

import (
	"context"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
	"go.uber.org/goleak"

	"repwatch/internal/lab"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// testClient asks the given worlds; unless a test is about time, nothing times out.
func testClient(t testing.TB, o Options, worlds ...*lab.DNS) *Client {
	t.Helper()
	for _, w := range worlds {
		o.Servers = append(o.Servers, w.Addr())
	}
	if o.Timeout == 0 {
		o.Timeout = 20 * time.Second
	}
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func testWorld(t testing.TB, records string) *lab.DNS {
	t.Helper()
	return lab.TestDNS(t, lab.DNSOptions{Records: records})
}

// addr is what most worlds answer: name.example. A 192.0.2.1.
const oneName = "name.example. 300 IN A 192.0.2.1"

func askName(c *Client) (Found[netip.Addr], error) {
	return A(context.Background(), c, Query{Name: "name.example"})
}

func mustAnswer(t *testing.T, c *Client, q Query) Found[netip.Addr] {
	t.Helper()
	a, err := A(context.Background(), c, q)
	if err != nil {
		t.Fatalf("asking %s: %v", q.Name, err)
	}
	if len(a.Values) != 1 || a.Values[0] != netip.MustParseAddr("192.0.2.1") {
		t.Fatalf("asking %s: got %v", q.Name, a.Values)
	}
	return a
}

// together runs n functions at once and waits for all.
func together(n int, f func(i int)) {
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { f(i) })
	}
	all.Wait()
}

func rrs(t testing.TB, texts ...string) []dns.RR {
	t.Helper()
	var out []dns.RR
	for _, text := range texts {
		rr, err := dns.NewRR(text)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, rr)
	}
	return out
}
