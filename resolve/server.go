package resolve

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"
)

// server is one name server with its window, sockets and habits.
type server struct {
	client *Client
	addr   netip.AddrPort

	mu      sync.Mutex
	gate    gate
	window  window
	health  health
	keeping caseGuard
	plain   time.Time // no EDNS until then
	socks   []*sock
}

const (
	plainFor = time.Hour // before EDNS is tried again with a server that refused it
	maxSocks = 64
)

var errSocks = errors.New("too many questions wait for late answers")

func newServer(c *Client, addr netip.AddrPort) *server {
	w := newWindow(c.opt.InFlight, c.opt.MaxInFlight)
	return &server{client: c, addr: addr, window: w, gate: newGate(w.size, c.opt.ZoneInFlight)}
}

// spread is how many sockets a server's questions go over: at least four, so
// that a retry changes the port, and room for IDs that wait for late answers.
func (s *server) spread() int {
	o := &s.client.opt
	return max(4, (o.MaxInFlight*o.Tries+sockMax-1)/sockMax)
}

// enter waits for a slot, giving back the one held of the same server. It
// reports the reason when the wait ended without one.
func (s *server) enter(ctx context.Context, k *call) *Error {
	s.mu.Lock()
	w := &waiter{share: s.gate.share(k.zone), age: k.age, ready: make(chan struct{}, 1)}
	if k.slot == s {
		s.gate.renew(w.share, w)
		k.slot = nil
	} else {
		s.gate.enter(w)
	}
	granted := w.granted
	s.mu.Unlock()
	if granted {
		return nil
	}
	var err *Error
	select {
	case <-w.ready:
		return nil
	case <-ctx.Done():
		err = k.error(FailCanceled, ctx.Err())
	case <-s.client.ctx.Done():
		err = k.error(FailCanceled, errClosed)
	case <-k.broken:
		err = k.error(FailZoneBroken, nil)
	}
	s.mu.Lock()
	s.gate.quit(w)
	s.mu.Unlock()
	return err
}

// leave gives the slot of a call back without a judgement.
func (s *server) leave(z *zone) {
	s.mu.Lock()
	s.gate.leave(s.gate.share(z))
	s.mu.Unlock()
}

// heard notes an answer to a try; useful means NOERROR or NXDOMAIN.
func (s *server) heard(t *try, useful bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	s.window.success()
	s.gate.limit = s.window.size
	defer s.gate.grant()
	if !useful {
		s.bad(now)
		return
	}
	s.gate.share(t.call.zone).answered(now)
	if s.health.good() {
		s.client.opt.Logger.Info("name server answers again", "server", s.addr)
	}
}

// exact notes that an answer kept the spelling.
func (s *server) exact(t *try) {
	if !t.mixed {
		return
	}
	s.mu.Lock()
	s.keeping.echo(time.Now())
	s.mu.Unlock()
}

// spelling says what is known of the server's treatment of case: it keeps it,
// it does not, or neither.
func (s *server) spelling() (keeps, loses bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.keeping.keeps(time.Now()), s.keeping.off
}

// losesCase decides that the server does not keep case, and reports whether it may be believed.
func (s *server) losesCase() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	was := s.keeping.off
	believe := s.keeping.giveUp(time.Now())
	if believe && !was {
		s.client.opt.Logger.Warn("name server does not keep the case of names; answers from it are easier to forge", "server", s.addr)
	}
	return believe
}

// silent notes a try that nobody answered in time.
func (s *server) silent(t *try) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	share := s.gate.share(t.call.zone)
	share.timedOut(now)
	if s.window.mayCut(t.sentAt) && s.gate.blames(share, t.sentAt) {
		s.window.cut(now)
		s.gate.limit = s.window.size
	}
	s.bad(now)
}

// failed notes a server that cannot be reached or is lame.
func (s *server) failed() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bad(time.Now())
}

func (s *server) bad(now time.Time) {
	if s.health.bad(now) {
		s.client.opt.Logger.Warn("name server fails; others are asked first", "server", s.addr)
	}
}

func (s *server) refusedEDNS() {
	s.mu.Lock()
	s.plain = time.Now().Add(plainFor)
	s.mu.Unlock()
}

// send puts one query on the wire, on a socket other than the avoided one where possible.
func (s *server) send(t *try, q question, avoid *sock) error {
	s.mu.Lock()
	off := s.keeping.off
	t.edns = time.Now().After(s.plain)
	s.mu.Unlock()
	if t.asked = q; !off {
		t.asked, t.mixed = q.mixed(s.client.random)
	}
	for {
		sock, err := s.pick(avoid)
		if err != nil {
			return err
		}
		if ok, err := sock.send(t, s.client.random); ok {
			return err
		}
	}
}

// pick takes the next socket with room, opening one where there is none yet.
func (s *server) pick(avoid *sock) (*sock, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.retireOld(time.Now())
	if len(s.socks) < s.spread() {
		if sock, err := s.open(); err == nil || len(s.socks) == 0 {
			return sock, err
		}
	}
	start := int(s.client.random() % uint64(len(s.socks)))
	for i := range s.socks {
		sock := s.socks[(start+i)%len(s.socks)]
		if sock != avoid && !sock.full() {
			return sock, nil
		}
	}
	if len(s.socks) >= max(maxSocks, s.spread()) {
		return nil, errSocks
	}
	return s.open()
}

func (s *server) retireOld(now time.Time) {
	keep := s.socks[:0]
	for _, sock := range s.socks {
		if now.Sub(sock.born) > sockLife {
			sock.retire()
		} else {
			keep = append(keep, sock)
		}
	}
	clear(s.socks[len(keep):])
	s.socks = keep
}

func (s *server) open() (*sock, error) {
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(s.addr))
	if err != nil {
		return nil, err
	}
	sock := &sock{srv: s, conn: conn, born: time.Now(), pending: map[uint16]*try{}}
	if !s.client.spawn(sock.read) {
		conn.Close()
		return nil, errClosed
	}
	s.socks = append(s.socks, sock)
	return sock, nil
}

func (s *sock) full() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.retired || len(s.pending) >= sockMax
}
