package realserver

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// tables answers Postfix's lookups from memory, over the protocol of
// socketmap_table(5). Postfix asks it for every connection, so that a change
// counts from the next one on, without a reload.
type tables struct {
	listener net.Listener
	running  sync.WaitGroup

	mu    sync.Mutex
	data  map[string]map[string]string // table, key, value
	conns map[net.Conn]bool
}

func newTables(t testing.TB) *tables {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &tables{listener: l, data: map[string]map[string]string{}, conns: map[net.Conn]bool{}}
	s.running.Go(s.accept)
	t.Cleanup(s.close)
	return s
}

// ref is how main.cf names a table.
func (s *tables) ref(table string) string {
	return fmt.Sprintf("socketmap:inet:%s:%s", s.listener.Addr(), table)
}

// set gives a key a value; none where value is empty.
func (s *tables) set(table, key, value string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.data[table] == nil {
		s.data[table] = map[string]string{}
	}
	if value == "" {
		delete(s.data[table], key)
		return
	}
	s.data[table][key] = value
}

// answer is the reply to one request, "TABLE KEY".
func (s *tables) answer(request string) string {
	table, key, _ := strings.Cut(request, " ")
	s.mu.Lock()
	defer s.mu.Unlock()
	if value, ok := s.data[table][key]; ok {
		return "OK " + value
	}
	return "NOTFOUND "
}

func (s *tables) accept() {
	for {
		conn, err := s.listener.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		s.conns[conn] = true
		s.mu.Unlock()
		s.running.Go(func() { s.serve(conn) })
	}
}

func (s *tables) serve(conn net.Conn) {
	defer func() {
		s.mu.Lock()
		delete(s.conns, conn)
		s.mu.Unlock()
		conn.Close()
	}()
	in := bufio.NewReader(conn)
	for {
		request, err := readNetstring(in)
		if err != nil {
			return
		}
		reply := s.answer(request)
		if _, err := fmt.Fprintf(conn, "%d:%s,", len(reply), reply); err != nil {
			return
		}
	}
}

func readNetstring(in *bufio.Reader) (string, error) {
	size, err := in.ReadString(':')
	if err != nil {
		return "", err
	}
	n, err := strconv.Atoi(strings.TrimSuffix(size, ":"))
	if err != nil || n < 0 || n > 100_000 {
		return "", fmt.Errorf("netstring of length %q", size)
	}
	text := make([]byte, n+1) // and a comma
	if _, err := io.ReadFull(in, text); err != nil {
		return "", err
	}
	return string(text[:n]), nil
}

func (s *tables) close() {
	s.listener.Close()
	s.mu.Lock()
	for conn := range s.conns {
		conn.Close()
	}
	s.mu.Unlock()
	s.running.Wait()
}
