// Package lab is a small internet in one process, for tests and the demo:
// servers on loopback whose content is data and whose faults can be switched
// while they run. Nothing in it leaves 127.0.0.0/8 and ::1.
//
// # DNS
//
// A DNS is one name server, UDP and TCP on one port, that plays every zone of
// its world and a recursive resolver at once: it follows CNAMEs, sets RA, and
// answers NXDOMAIN with the zone's SOA to whatever has no record.
//
//	d := lab.TestDNS(t, lab.DNSOptions{Records: `
//		contoso.example.    300 IN MX 10 mx.contoso.example.
//		mx.contoso.example. 300 IN A  192.0.2.25`})
//	zen := d.Blocklist("zen.example")           // with the RFC 5782 test points
//	zen.List("203.0.113.7", "127.0.0.4")
//	zen.Zone().Set(lab.DNSBehaviour{Delay: 20 * time.Millisecond})
//	client, err := resolve.New(resolve.Options{Servers: []netip.AddrPort{d.Addr()}})
//	…
//	zen.Zone().Set(lab.DNSBehaviour{DropAll: true}) // now the list is dead
//	zen.Zone().Stats().Questions
package lab

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"
)

// DNSOptions say how a DNS begins. The zero value is an empty world on a free port of 127.0.0.1.
type DNSOptions struct {
	// Addr to listen on; a zero port takes a free one, a zero address 127.0.0.1.
	// Any other address of 127.0.0.0/8 works, too.
	Addr netip.AddrPort
	// Records in zone file format with absolute names; see Add.
	Records string
	// Seed of everything random (loss, jitter, garbage): the same seed, the same world.
	Seed uint64
}

// DNS is a name server made of data. All methods are safe for concurrent use.
type DNS struct {
	addr     netip.AddrPort
	udp, tcp *dns.Server
	stranger *net.UDPConn // sends what must not be believed: right words, wrong source
	served   sync.WaitGroup
	closing  sync.Once
	done     chan struct{}

	mu      sync.Mutex
	zones   map[string]*DNSZone // by lower-case absolute name; "." always there
	names   map[string]*node
	cache   map[cacheKey]cached
	skew    time.Duration // how far the cache's clock was advanced
	random  *rand.Rand
	sources map[netip.AddrPort]int
	log     []DNSQuestion
	logAt   int
}

// logSize is how many questions Log remembers.
const logSize = 4096

// NewDNS starts a server. Close stops it.
func NewDNS(o DNSOptions) (*DNS, error) {
	d := &DNS{
		done: make(chan struct{}), zones: map[string]*DNSZone{}, names: map[string]*node{},
		cache: map[cacheKey]cached{}, sources: map[netip.AddrPort]int{},
		random: rand.New(rand.NewPCG(o.Seed, 0x6c6162)),
	}
	d.zone(".")
	if err := d.Add(o.Records); err != nil {
		return nil, err
	}
	if !o.Addr.Addr().IsValid() {
		o.Addr = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), o.Addr.Port())
	}
	if !o.Addr.Addr().IsLoopback() {
		return nil, fmt.Errorf("lab: %s is no loopback address", o.Addr.Addr())
	}
	if err := d.listen(o.Addr); err != nil {
		return nil, err
	}
	return d, nil
}

// TB is the part of testing.TB that TestDNS needs, so that the demo does not link the testing package.
type TB interface {
	Helper()
	Fatal(args ...any)
	Cleanup(func())
}

// TestDNS is NewDNS for a test: it fails the test on trouble and closes at its end.
func TestDNS(t TB, o DNSOptions) *DNS {
	t.Helper()
	d, err := NewDNS(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

// listen binds UDP and TCP to the same port; a free UDP port may be taken for TCP, so several are tried.
func (d *DNS) listen(at netip.AddrPort) error {
	var errs []error
	for range 20 {
		pc, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(at))
		if err != nil {
			return fmt.Errorf("lab: %w", err)
		}
		addr := pc.LocalAddr().(*net.UDPAddr).AddrPort()
		ln, err := net.Listen("tcp", addr.String())
		if err != nil {
			pc.Close()
			errs = append(errs, err)
			continue
		}
		stranger, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(addr.Addr(), 0)))
		if err != nil {
			return fmt.Errorf("lab: %w", errors.Join(err, pc.Close(), ln.Close()))
		}
		pc.SetReadBuffer(1 << 20) // as much as the system grants
		d.addr, d.stranger = addr, stranger
		d.udp = &dns.Server{PacketConn: pc, Handler: dns.HandlerFunc(d.serve)}
		d.tcp = &dns.Server{Listener: ln, Handler: dns.HandlerFunc(d.serve)}
		for _, s := range []*dns.Server{d.udp, d.tcp} {
			started := make(chan struct{})
			s.NotifyStartedFunc = func() { close(started) }
			d.served.Go(func() { _ = s.ActivateAndServe() })
			<-started
		}
		return nil
	}
	return fmt.Errorf("lab: no port free for both UDP and TCP: %w", errors.Join(errs...))
}

// Addr is where the server listens.
func (d *DNS) Addr() netip.AddrPort { return d.addr }

// Close stops the server; what is delayed is dropped. From then on its port is unreachable.
func (d *DNS) Close() {
	d.closing.Do(func() {
		close(d.done)
		_ = d.udp.Shutdown()
		_ = d.tcp.Shutdown()
		d.served.Wait()
		d.stranger.Close()
	})
}

// Zone is the zone of that name, made with a default SOA when new. A name in no
// zone belongs to the root, so Zone(".") holds the behaviour of all the rest.
func (d *DNS) Zone(name string) *DNSZone {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.zone(name)
}

func (d *DNS) zone(name string) *DNSZone {
	name = dns.CanonicalName(name)
	if z := d.zones[name]; z != nil {
		return z
	}
	z := &DNSZone{d: d, name: name, asked: map[string]int{}}
	d.zones[name] = z
	mail := strings.TrimSuffix("hostmaster."+name, "..") // "." itself must not give "hostmaster.."
	soa, err := dns.NewRR(fmt.Sprintf("%s 300 IN SOA %s %s. 1 3600 600 86400 60", name, name, strings.TrimSuffix(mail, ".")))
	if err != nil {
		panic("lab: " + err.Error()) // only for a name that is no domain name
	}
	d.add(soa)
	return z
}

// zoneOf is the most specific zone a name lies in.
func (d *DNS) zoneOf(name string) *DNSZone {
	for off, end := 0, false; !end; off, end = dns.NextLabel(name, off) {
		if z := d.zones[name[off:]]; z != nil {
			return z
		}
	}
	return d.zones["."]
}

// Advance moves the clock of aging zones (DNSBehaviour.Aging) forward.
func (d *DNS) Advance(by time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.skew += by
}

// DNSQuestion is one question as it came in.
type DNSQuestion struct {
	Name    string // case as sent
	Type    uint16
	ID      uint16
	Source  netip.AddrPort
	TCP     bool
	EDNS    bool
	At      time.Time
	Dropped bool // the world decided not to answer
}

// Log lists the latest 4,096 questions, oldest first.
func (d *DNS) Log() []DNSQuestion {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append(append([]DNSQuestion(nil), d.log[d.logAt:]...), d.log[:d.logAt]...)
}

func (d *DNS) note(q DNSQuestion) {
	if len(d.log) < logSize {
		d.log = append(d.log, q)
		return
	}
	d.log[d.logAt] = q
	d.logAt = (d.logAt + 1) % logSize
}
