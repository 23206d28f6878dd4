package e2e

import (
	"bytes"
	"io"
	"net"
	"net/netip"
	"sync"
	"testing"
)

// middlebox stands in front of a mail server and passes everything on, from the
// client's own address. For some clients it does what firewalls and bad lines do.
type middlebox struct {
	listener net.Listener
	to       netip.AddrPort
	tasks    sync.WaitGroup

	mu    sync.Mutex
	treat map[netip.Addr]treatment
	conns map[net.Conn]bool
}

type treatment int

const (
	passes  treatment = iota
	masks             // overwrites STARTTLS, as inspecting firewalls do
	resets            // breaks the connection after the greeting
	forgets           // leaves STARTTLS out, in the next conversation only
)

func newMiddlebox(t *testing.T, listen string, to netip.AddrPort) *middlebox {
	t.Helper()
	l, err := net.Listen("tcp", listen)
	if err != nil {
		t.Fatal(err)
	}
	m := &middlebox{listener: l, to: to, treat: map[netip.Addr]treatment{}, conns: map[net.Conn]bool{}}
	m.tasks.Go(m.accept)
	t.Cleanup(m.close)
	return m
}

func (m *middlebox) addr() netip.AddrPort { return m.listener.Addr().(*net.TCPAddr).AddrPort() }

func (m *middlebox) set(client string, how treatment) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.treat[addr(client)] = how
}

// spent reports that a treatment meant for one conversation has had it.
func (m *middlebox) spent(client string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.treat[addr(client)] == passes
}

func (m *middlebox) accept() {
	for {
		conn, err := m.listener.Accept()
		if err != nil {
			return
		}
		m.tasks.Go(func() { m.pass(conn) })
	}
}

func (m *middlebox) pass(conn net.Conn) {
	defer m.track(conn)()
	client := conn.RemoteAddr().(*net.TCPAddr)
	m.mu.Lock()
	how := m.treat[client.AddrPort().Addr().Unmap()]
	if how == forgets {
		m.treat[client.AddrPort().Addr().Unmap()] = passes
	}
	m.mu.Unlock()
	server, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: client.IP}}).Dial("tcp", m.to.String())
	if err != nil {
		return
	}
	defer m.track(server)()
	m.tasks.Go(func() {
		_, _ = io.Copy(server, conn) // either end may leave when it likes
		_ = server.(*net.TCPConn).CloseWrite()
	})
	chunk := make([]byte, 16<<10)
	for {
		n, err := server.Read(chunk)
		if _, failed := conn.Write(how.rewrite(chunk[:n])); failed != nil || err != nil {
			return
		}
		if how == resets {
			_ = conn.(*net.TCPConn).SetLinger(0) // closing sends RST
			return
		}
	}
}

// rewrite changes what a server says; a reply to EHLO comes in one piece.
func (how treatment) rewrite(said []byte) []byte {
	switch how {
	case masks:
		return bytes.ReplaceAll(said, []byte("STARTTLS"), []byte("XXXXXXXA"))
	case forgets:
		return bytes.ReplaceAll(said, []byte("250-STARTTLS\r\n"), nil)
	}
	return said
}

// track closes a connection in the end, at the latest when the middlebox goes.
func (m *middlebox) track(conn net.Conn) (done func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.conns[conn] = true
	return func() {
		conn.Close()
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(m.conns, conn)
	}
}

func (m *middlebox) close() {
	m.listener.Close()
	m.mu.Lock()
	for conn := range m.conns {
		conn.Close()
	}
	m.mu.Unlock()
	m.tasks.Wait()
}
