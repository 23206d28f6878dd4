package resolve

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	mathrand "math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Client asks name servers. It is safe for concurrent use by any number of
// goroutines; what is in flight is bounded whatever their number.
type Client struct {
	opt    Options
	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	tasks  sync.WaitGroup
	age    atomic.Uint64
	boxes  sync.Pool
	own    []*server

	mu      sync.Mutex // never held while a server's or zone's is taken
	closed  bool
	servers map[netip.AddrPort]*server
	zones   map[zoneKey]*zone
}

// zoneKey is a zone asked through one set of servers; set is empty for the client's own.
type zoneKey struct{ id, set string }

var errClosed = errors.New("the resolver client was closed")

// New makes a Client; nothing is sent before the first question. Close frees its sockets.
func New(o Options) (*Client, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	c := &Client{opt: o, servers: map[netip.AddrPort]*server{}, zones: map[zoneKey]*zone{}}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	c.boxes.New = func() any { return newMailbox(o.Tries) }
	c.own = c.serversAt(o.Servers)
	return c, nil
}

// Close ends all questions with FailCanceled and waits for the client's goroutines.
func (c *Client) Close() {
	c.mu.Lock()
	c.closed = true
	servers := c.known()
	c.mu.Unlock()
	c.cancel()
	for _, s := range servers {
		s.close()
	}
	c.tasks.Wait()
}

func (s *server) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, sock := range s.socks {
		sock.conn.Close()
	}
}

func (c *Client) known() []*server {
	servers := make([]*server, 0, len(c.servers))
	for _, s := range c.servers {
		servers = append(servers, s)
	}
	return servers
}

// spawn runs f in a goroutine that Close waits for; false after Close.
func (c *Client) spawn(f func()) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return false
	}
	c.tasks.Go(f)
	return true
}

// random is unpredictable: IDs and spelling are what an attacker must guess (RFC 5452 §4).
func (c *Client) random() uint64 {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return binary.LittleEndian.Uint64(b[:])
}

// Lookup implements Lookuper. It waits, without limit but ctx, until the
// question's turn comes; Budget and Options.Timeout run while it is asked.
// When a breaker opens, the zone's questions that wait or are being asked fail
// with FailZoneBroken, too: one dead list costs one question's time.
func (c *Client) Lookup(ctx context.Context, q Query) (Answer, error) {
	k := &call{client: c, query: q, name: q.Name, maxTries: c.opt.Tries}
	var err error
	if k.asked, err = packQuestion(q.Name, q.Type); err != nil {
		return Answer{}, k.error(FailBadQuestion, err)
	}
	if err := ctx.Err(); err != nil {
		return Answer{}, k.error(FailCanceled, err)
	}
	if c.ctx.Err() != nil {
		return Answer{}, k.error(FailCanceled, errClosed)
	}
	servers := c.own
	if len(q.Servers) > 0 {
		servers = c.serversAt(q.Servers)
	}
	k.servers = c.order(servers, q)
	k.zone = c.zone(q)
	ok, trial, broken, retryIn := k.zone.admit(time.Now(), q.Insist)
	if !ok {
		e := k.error(FailZoneBroken, nil)
		e.RetryIn = retryIn
		return Answer{}, e
	}
	k.broken = broken
	a, failure := k.run(ctx)
	c.settle(k, failure, trial)
	if failure != nil {
		return a, failure
	}
	return a, nil
}

// settle tells the zone's breaker how the question ended.
func (c *Client) settle(k *call, failure *Error, trial bool) {
	how := endedAnswered
	if failure != nil {
		how = failure.ended(c.opt.Timeout)
	}
	opened, closed := k.zone.settle(time.Now(), how, trial, mathrand.Float64())
	switch {
	case opened:
		c.opt.Logger.Warn("list does not answer and is left alone for a while", "zone", k.query.Zone, "why", failure)
	case closed:
		c.opt.Logger.Info("list answers again", "zone", k.query.Zone)
	}
}

// ended judges a failure for the breaker. SERVFAIL after a long wait is a dead
// zone seen through a resolver; every other reply came in time to hold nobody up.
func (e *Error) ended(slow time.Duration) ended {
	switch e.Failure {
	case FailTimeout, FailMalformed:
		return endedSilent
	case FailServer:
		if e.Elapsed >= slow {
			return endedSilent
		}
		return endedAnswered
	case FailRefused, FailRcode:
		return endedAnswered
	default:
		return endedUntold
	}
}

func (c *Client) serversAt(addrs []netip.AddrPort) []*server {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := make([]*server, 0, len(addrs))
	for _, a := range addrs {
		a = withPort(a)
		s := c.servers[a]
		if s == nil {
			s = newServer(c, a)
			c.servers[a] = s
		}
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

func (c *Client) zone(q Query) *zone {
	if q.Zone == "" {
		return nil
	}
	key := zoneKey{id: q.Zone}
	if len(q.Servers) > 0 {
		var set []string
		for _, s := range q.Servers {
			set = append(set, s.String())
		}
		key.set = strings.Join(set, " ")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	z := c.zones[key]
	if z == nil {
		o := &c.opt
		z = &zone{id: q.Zone, broken: make(chan struct{}), b: breaker{limit: o.ZoneFailures, first: o.ZoneBackoff, max: o.ZoneBackoffMax}}
		c.zones[key] = z
	}
	return z
}

// order puts servers that are down last, and has those asked again, beside
// this question, whose time has come.
func (c *Client) order(servers []*server, q Query) []*server {
	if len(servers) == 1 {
		return servers
	}
	var up, down []*server
	for _, s := range servers {
		s.mu.Lock()
		isDown, probe := s.health.down, s.health.probeDue(time.Now())
		s.mu.Unlock()
		if isDown {
			down = append(down, s)
		} else {
			up = append(up, s)
		}
		if probe {
			c.probe(s, q)
		}
	}
	return append(up, down...)
}

// probe asks a server that is down the question that is asked anyway; the
// answer serves only to learn whether it is back.
func (c *Client) probe(s *server, q Query) {
	k := &call{client: c, query: Query{Name: q.Name, Type: q.Type}, name: q.Name, maxTries: 1, servers: []*server{s}}
	k.asked, _ = packQuestion(q.Name, q.Type) // was packed for the question itself
	c.spawn(func() { _, _ = k.run(c.ctx) })
}

// ZoneState is the breaker of a zone, for status pages.
type ZoneState struct {
	Zone     string
	Open     bool          // not asked now
	RetryIn  time.Duration // while open: until one question tries again
	Failures int           // questions without an answer in a row
}

// ZoneState tells about a zone, the worst of its server sets; zero for one never asked.
func (c *Client) ZoneState(id string) ZoneState {
	worst := ZoneState{Zone: id}
	c.mu.Lock()
	var zones []*zone
	for key, z := range c.zones {
		if key.id == id {
			zones = append(zones, z)
		}
	}
	c.mu.Unlock()
	for _, z := range zones {
		if s := z.state(time.Now()); s.Failures > worst.Failures {
			worst = s
		}
	}
	return worst
}

func (z *zone) state(now time.Time) ZoneState {
	z.mu.Lock()
	defer z.mu.Unlock()
	s := ZoneState{Zone: z.id, Open: !z.b.until.IsZero(), Failures: z.b.failures}
	if s.Open {
		s.RetryIn = max(0, z.b.until.Sub(now))
	}
	return s
}

// ServerState is how a server is treated now, for status pages.
type ServerState struct {
	Addr      netip.AddrPort
	Window    int  // questions it may have in flight
	InFlight  int  // it has
	Waiting   int  // for a slot
	Down      bool // failed several times in a row; asked last
	KeepsCase bool // echoes the case of names, as far as known
	EDNS      bool
}

// Servers tells about every server asked so far, sorted by address.
func (c *Client) Servers() []ServerState {
	c.mu.Lock()
	servers := c.known()
	c.mu.Unlock()
	var out []ServerState
	for _, s := range servers {
		out = append(out, s.state(time.Now()))
	}
	slices.SortFunc(out, func(a, b ServerState) int { return a.Addr.Compare(b.Addr) })
	return out
}

func (s *server) state(now time.Time) ServerState {
	s.mu.Lock()
	defer s.mu.Unlock()
	return ServerState{
		Addr: s.addr, Window: s.window.size, InFlight: s.gate.used, Waiting: s.gate.waiters(),
		Down: s.health.down, KeepsCase: !s.keeping.off, EDNS: !now.Before(s.plain),
	}
}
