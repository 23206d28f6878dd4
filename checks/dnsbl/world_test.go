package dnsbl

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"

	"repwatch/resolve"
)

// world is an internet made of data: zones by name, each with a way to answer.
// A name in no zone is NXDOMAIN. Zones may be changed while the engine runs.
type world struct {
	mu    sync.Mutex
	zones map[string]behaviour
	txt   map[string]string
	asked map[string]int // questions by zone
	names []string       // every question, in order
}

// behaviour answers the part of a name in front of its zone.
type behaviour func(label string) (codes []string, fail resolve.Failure)

func newWorld() *world {
	return &world{zones: map[string]behaviour{}, txt: map[string]string{}, asked: map[string]int{}}
}

func (w *world) set(zone string, b behaviour) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.zones[zone] = b
}

func (w *world) count(zone string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.asked[zone]
}

// Lookup implements resolve.Lookuper.
func (w *world) Lookup(ctx context.Context, q resolve.Query) (resolve.Answer, error) {
	if ctx.Err() != nil {
		return resolve.Answer{}, &resolve.Error{Failure: resolve.FailCanceled, What: q.Zone, Err: ctx.Err()}
	}
	name := strings.ToLower(strings.TrimSuffix(q.Name, "."))
	w.mu.Lock()
	zone, label, b := "", "", behaviour(nil)
	for z, candidate := range w.zones {
		if l, ok := strings.CutSuffix(name, "."+z); ok && len(z) > len(zone) {
			zone, label, b = z, l, candidate
		}
	}
	w.asked[zone]++
	w.names = append(w.names, name)
	text := w.txt[name]
	w.mu.Unlock()
	a := resolve.Answer{Rcode: dns.RcodeNameError, TTL: time.Minute, Tries: 1}
	if b == nil {
		return a, nil
	}
	codes, fail := b(label)
	switch fail {
	case "":
	case resolve.FailServer:
		a.Rcode = dns.RcodeServerFailure
		return a, &resolve.Error{Failure: fail, What: q.Zone, Rcode: a.Rcode}
	case resolve.FailRefused:
		a.Rcode = dns.RcodeRefused
		return a, &resolve.Error{Failure: fail, What: q.Zone, Rcode: a.Rcode}
	case noData:
		a.Rcode = dns.RcodeSuccess
		return a, nil
	default:
		return a, &resolve.Error{Failure: fail, What: q.Zone, Tries: 3}
	}
	if len(codes) == 0 {
		return a, nil
	}
	a.Rcode, a.TTL = dns.RcodeSuccess, 2*time.Minute
	header := dns.RR_Header{Name: q.Name, Rrtype: q.Type, Class: dns.ClassINET, Ttl: 120}
	if q.Type == dns.TypeTXT {
		if text != "" {
			a.Records = []dns.RR{&dns.TXT{Hdr: header, Txt: []string{text}}}
		}
		return a, nil
	}
	for _, c := range codes {
		a.Records = append(a.Records, &dns.A{Hdr: header, A: net.ParseIP(c)})
	}
	return a, nil
}

const noData resolve.Failure = "test: exists without address"

// listing is a healthy RFC 5782 list that lists the given reversed names beside its test point.
func listing(entries map[string][]string) behaviour {
	return func(label string) ([]string, resolve.Failure) {
		if label == "2.0.0.127" {
			return []string{"127.0.0.2"}, ""
		}
		return entries[label], ""
	}
}

func always(codes ...string) behaviour {
	return func(string) ([]string, resolve.Failure) { return codes, "" }
}

func failing(f resolve.Failure) behaviour {
	return func(string) ([]string, resolve.Failure) { return nil, f }
}

// everyAddress answers like rbldnsd with 0.0.0.0/1 and 128.0.0.0/1: every address, but no other label.
func everyAddress(label string) ([]string, resolve.Failure) {
	parts := strings.Split(label, ".")
	if len(parts) != 4 {
		return nil, ""
	}
	if _, err := netip.ParseAddr(label); err != nil {
		return nil, ""
	}
	return []string{"127.0.0.2"}, ""
}

func reversed(ip string) string {
	b := netip.MustParseAddr(ip).As4()
	return fmt.Sprintf("%d.%d.%d.%d", b[3], b[2], b[1], b[0])
}
