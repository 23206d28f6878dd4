package lab

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
)

// SOCKS is a SOCKS5 proxy (RFC 1928, no authentication, CONNECT only) that plays a
// host elsewhere: whoever leaves through it reaches, instead of the address asked
// for, what Routes says. Safe for concurrent use.
type SOCKS struct {
	listener net.Listener
	tasks    sync.WaitGroup

	mu     sync.Mutex
	routes map[netip.AddrPort]netip.AddrPort
	conns  map[net.Conn]struct{}
	closed bool
}

// NewSOCKS listens on a free port of 127.0.0.1. An address without a route is connected to as it is.
func NewSOCKS(routes map[netip.AddrPort]netip.AddrPort) (*SOCKS, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("lab SOCKS: %w", err)
	}
	s := &SOCKS{listener: l, routes: routes, conns: map[net.Conn]struct{}{}}
	s.tasks.Go(s.accept)
	return s, nil
}

// Addr is where it listens.
func (s *SOCKS) Addr() netip.AddrPort { return s.listener.Addr().(*net.TCPAddr).AddrPort() }

// Close ends all connections and waits for them.
func (s *SOCKS) Close() {
	s.mu.Lock()
	s.closed = true
	for c := range s.conns {
		c.Close()
	}
	s.mu.Unlock()
	s.listener.Close()
	s.tasks.Wait()
}

func (s *SOCKS) accept() {
	for {
		conn, err := s.listener.Accept()
		if err != nil {
			return
		}
		if !s.keep(conn) {
			return
		}
		s.tasks.Go(func() {
			defer s.drop(conn)
			_ = s.serve(conn) // a client that speaks no SOCKS5 is none
		})
	}
}

func (s *SOCKS) keep(conn net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		conn.Close()
		return false
	}
	s.conns[conn] = struct{}{}
	return true
}

func (s *SOCKS) drop(conn net.Conn) {
	conn.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, conn)
}

var errSOCKS = errors.New("lab SOCKS: not SOCKS5 CONNECT to an address")

func (s *SOCKS) serve(conn net.Conn) error {
	hello := make([]byte, 2)
	if _, err := io.ReadFull(conn, hello); err != nil || hello[0] != 5 {
		return errSOCKS
	}
	if _, err := io.ReadFull(conn, make([]byte, hello[1])); err != nil {
		return err
	}
	if _, err := conn.Write([]byte{5, 0}); err != nil {
		return err
	}
	want, err := readTarget(conn)
	if err != nil {
		return err
	}
	s.mu.Lock()
	to, ok := s.routes[want]
	s.mu.Unlock()
	if !ok {
		to = want
	}
	out, err := net.Dial("tcp", to.String())
	if err != nil {
		_, err = conn.Write([]byte{5, 5, 0, 1, 0, 0, 0, 0, 0, 0})
		return err
	}
	if !s.keep(out) {
		return net.ErrClosed
	}
	defer s.drop(out)
	if _, err := conn.Write([]byte{5, 0, 0, 1, 127, 0, 0, 1, 0, 0}); err != nil {
		return err
	}
	s.tasks.Go(func() {
		_, _ = io.Copy(out, conn) // either end may leave when it likes
		_ = out.(*net.TCPConn).CloseWrite()
	})
	_, err = io.Copy(conn, out)
	return err
}

// readTarget reads a CONNECT to an IPv4 or IPv6 address (RFC 1928 §4).
func readTarget(r io.Reader) (netip.AddrPort, error) {
	head := make([]byte, 4)
	if _, err := io.ReadFull(r, head); err != nil || head[0] != 5 || head[1] != 1 {
		return netip.AddrPort{}, errSOCKS
	}
	size := map[byte]int{1: 4, 4: 16}[head[3]]
	if size == 0 {
		return netip.AddrPort{}, errSOCKS
	}
	b := make([]byte, size+2)
	if _, err := io.ReadFull(r, b); err != nil {
		return netip.AddrPort{}, err
	}
	ip, _ := netip.AddrFromSlice(b[:size])
	return netip.AddrPortFrom(ip.Unmap(), uint16(b[size])<<8|uint16(b[size+1])), nil
}
