package resolve

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// The benchmarks ask a responder that costs next to nothing: 99 of 100 names do
// not exist. What remains is the client's cost and the kernel's. Run them with
//
//	go test -run - -bench Lookup -benchmem ./resolve
//
// BenchmarkLookupExchange is what one would write first: a goroutine per
// question, each with its own dns.Client.Exchange and socket.

func BenchmarkLookupClient(b *testing.B) {
	c := benchClient(b)
	benchLookups(b, func(name string) error {
		_, err := c.Lookup(context.Background(), Query{Name: name, Type: dns.TypeA, Zone: "bench"})
		return err
	})
}

func BenchmarkLookupExchange(b *testing.B) {
	server := benchServer(b).String()
	client := &dns.Client{Timeout: 10 * time.Second}
	benchLookups(b, func(name string) error {
		m := new(dns.Msg).SetQuestion(name, dns.TypeA)
		m.SetEdns0(udpSize, false)
		_, _, err := client.Exchange(m, server)
		return err
	})
}

// BenchmarkLookupAlone is one question at a time: the latency the client adds.
func BenchmarkLookupAlone(b *testing.B) {
	c := benchClient(b)
	b.ReportAllocs()
	for i := range b.N {
		if _, err := c.Lookup(context.Background(), Query{Name: benchName(i), Type: dns.TypeA}); err != nil {
			b.Fatal(err)
		}
	}
}

func benchClient(b *testing.B) *Client {
	return testClient(b, Options{Servers: []netip.AddrPort{benchServer(b)}})
}

func benchName(i int) string {
	return fmt.Sprintf("%d.%d.%d.10.list.example.", i%100, i/100%250, i/25_000%250)
}

// benchLookups keeps 64 questions going.
func benchLookups(b *testing.B, lookup func(name string) error) {
	b.ReportAllocs()
	var next atomic.Int64
	together(64, func(int) {
		for {
			i := int(next.Add(1))
			if i > b.N {
				return
			}
			if err := lookup(benchName(i)); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "lookups/s")
}

// benchServer answers NXDOMAIN by turning the question round, and an address to names that begin with 42.
func benchServer(b *testing.B) netip.AddrPort {
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { conn.Close() })
	record := []byte{0xc0, 12, 0, 1, 0, 1, 0, 0, 1, 0x2c, 0, 4, 127, 0, 0, 2}
	go func() {
		buf := make([]byte, 1024)
		for {
			n, from, err := conn.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			end := headerLen
			for buf[end] != 0 {
				end += int(buf[end]) + 1
			}
			msg := buf[:min(end+5, n)]
			listed := buf[13] == '4' && buf[14] == '2' && buf[12] == 2
			msg[2], msg[3], msg[7], msg[11] = 0x85, 0x83, 0, 0
			if listed {
				msg[3], msg[7] = 0x80, 1
				msg = append(msg, record...)
			}
			_, _ = conn.WriteToUDPAddrPort(msg, from)
		}
	}()
	return conn.LocalAddr().(*net.UDPAddr).AddrPort()
}
