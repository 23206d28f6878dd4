package realserver

import (
	"encoding/binary"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Slow is a DNS relay that stands for a long or bad line.
type Slow struct {
	addr     netip.AddrPort
	upstream netip.AddrPort
	delay    time.Duration
	client   *net.UDPConn // faces whoever asks
	server   *net.UDPConn // faces the upstream
	listener *net.TCPListener
	back     chan late
	ended    chan struct{}
	running  sync.WaitGroup

	out, in dice // towards the upstream, and back

	mu      sync.Mutex
	next    uint16
	pending [1 << 16]pending // by the ID used towards the upstream

	asked, answered, lost atomic.Int64
}

// dice decides which datagrams of one direction are lost.
type dice struct {
	loss float64
	rng  *rand.Rand
}

// pending is a question on its way: who asked it, and under which ID.
type pending struct {
	from netip.AddrPort
	id   uint16
}

// late is an answer that waits for its time.
type late struct {
	at  time.Time
	to  netip.AddrPort
	msg []byte
}

// SlowUDP relays DNS to upstream until the test ends: every answer comes delay
// later, and of the UDP datagrams in each direction the share loss (0 to 1) is
// dropped, chosen by a fixed seed. TCP is delayed and complete. Up to 65,536
// questions may be under way.
func SlowUDP(t testing.TB, upstream netip.AddrPort, delay time.Duration, loss float64) *Slow {
	t.Helper()
	s := &Slow{
		addr: freePort(t, localhost), upstream: upstream, delay: delay,
		back: make(chan late, 1<<16), ended: make(chan struct{}),
		out: dice{loss, rand.New(rand.NewPCG(1, 2))}, in: dice{loss, rand.New(rand.NewPCG(3, 4))},
	}
	var err error
	if s.client, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(s.addr)); err != nil {
		t.Fatal(err)
	}
	if s.server, err = net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(upstream)); err != nil {
		t.Fatal(err)
	}
	if s.listener, err = net.ListenTCP("tcp", net.TCPAddrFromAddrPort(s.addr)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []*net.UDPConn{s.client, s.server} { // the line is bad by choice, not for lack of room
		_ = c.SetReadBuffer(4 << 20)
		_ = c.SetWriteBuffer(4 << 20)
	}
	s.running.Go(s.relayQuestions)
	s.running.Go(s.collectAnswers)
	s.running.Go(s.deliver)
	s.running.Go(s.acceptTCP)
	t.Cleanup(s.close)
	return s
}

// Addr is where it listens, over UDP and TCP.
func (s *Slow) Addr() netip.AddrPort { return s.addr }

// Counts says how many UDP questions came, how many answers were delivered, and
// how many datagrams were dropped on purpose.
func (s *Slow) Counts() (asked, answered, lost int64) {
	return s.asked.Load(), s.answered.Load(), s.lost.Load()
}

func (s *Slow) close() {
	close(s.ended)
	s.client.Close()
	s.server.Close()
	s.listener.Close()
	s.running.Wait()
}

func (s *Slow) relayQuestions() {
	buf := make([]byte, 1<<16)
	for {
		n, from, err := s.client.ReadFromUDPAddrPort(buf)
		if err != nil {
			return
		}
		if n < 12 { // shorter than a DNS header
			continue
		}
		s.asked.Add(1)
		if s.drops(s.out) {
			continue
		}
		id := s.remember(pending{from, binary.BigEndian.Uint16(buf)})
		binary.BigEndian.PutUint16(buf, id)
		_, _ = s.server.Write(buf[:n]) // a refusal by the upstream is silence to the client
	}
}

// remember notes a question and returns the ID to ask it under.
func (s *Slow) remember(p pending) (id uint16) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next++
	s.pending[s.next] = p
	return s.next
}

// recall returns who waits for an answer; ok is false for one nobody asked for.
func (s *Slow) recall(id uint16) (p pending, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p = s.pending[id]
	s.pending[id] = pending{}
	return p, p.from.IsValid()
}

func (s *Slow) drops(d dice) bool {
	if d.loss <= 0 || d.rng.Float64() >= d.loss {
		return false
	}
	s.lost.Add(1)
	return true
}

func (s *Slow) collectAnswers() {
	buf := make([]byte, 1<<16)
	for {
		n, err := s.server.Read(buf)
		select {
		case <-s.ended:
			return
		default:
		}
		if err != nil || n < 12 { // an ICMP refusal is an error of one read only
			continue
		}
		p, ok := s.recall(binary.BigEndian.Uint16(buf))
		if !ok || s.drops(s.in) {
			continue
		}
		msg := append([]byte(nil), buf[:n]...)
		binary.BigEndian.PutUint16(msg, p.id)
		select {
		case s.back <- late{time.Now().Add(s.delay), p.from, msg}:
		case <-s.ended:
			return
		}
	}
}

// deliver hands answers over in the order they came: all wait equally long.
func (s *Slow) deliver() {
	for {
		select {
		case <-s.ended:
			return
		case l := <-s.back:
			if !s.wait(time.Until(l.at)) {
				return
			}
			s.answered.Add(1) // before it can be seen: counts never lag behind
			_, _ = s.client.WriteToUDPAddrPort(l.msg, l.to)
		}
	}
}

// wait returns false when the relay ended meanwhile.
func (s *Slow) wait(d time.Duration) bool {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-s.ended:
		return false
	}
}

func (s *Slow) acceptTCP() {
	for {
		conn, err := s.listener.Accept()
		if err != nil {
			return
		}
		s.running.Go(func() { s.relayTCP(conn) })
	}
}

func (s *Slow) relayTCP(client net.Conn) {
	defer client.Close()
	server, err := net.DialTimeout("tcp", s.upstream.String(), askTimeout)
	if err != nil {
		return
	}
	defer server.Close()
	over := make(chan struct{}, 2)
	s.running.Go(func() { s.copyLate(client, server, s.delay); over <- struct{}{} })
	s.running.Go(func() { s.copyLate(server, client, 0); over <- struct{}{} })
	select {
	case <-over:
	case <-s.ended:
	}
}

// copyLate passes on what it reads, each piece after a pause.
func (s *Slow) copyLate(to io.Writer, from io.Reader, pause time.Duration) {
	buf := make([]byte, 1<<16)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			if !s.wait(pause) {
				return
			}
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}
