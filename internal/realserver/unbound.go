package realserver

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// UnboundOptions says what differs from the configuration unbound comes with.
type UnboundOptions struct {
	Listen netip.AddrPort // 127.0.0.1 and a free port where zero
	// Stubs maps a zone to the server that is authoritative for it. Every other
	// name is REFUSED at once: no question ever leaves this machine.
	Stubs map[string]netip.AddrPort
	// PrivateAddress is rebind protection: answers within these ranges are removed.
	PrivateAddress []netip.Prefix
	// Conf is added to the server: clause, one option per line.
	Conf string
}

// UnboundServer is a running unbound.
type UnboundServer struct {
	*process
	addr    netip.AddrPort
	control string
}

// Unbound starts a resolver. Its limits (threads, buffers, cache sizes, queries at
// once) are the ones compiled in, because that is the resolver most people have.
func Unbound(t testing.TB, o UnboundOptions) *UnboundServer {
	t.Helper()
	Require(t, "unbound")
	dir := tempDir(t, "unbound")
	s := &UnboundServer{addr: orFree(t, o.Listen), control: filepath.Join(dir, "control")}
	conf := filepath.Join(dir, "unbound.conf")
	writeFile(t, conf, s.conf(o, dir))
	s.process = start(t, launch{name: "unbound", dir: dir, argv: []string{find("unbound"), "-d", "-c", conf}})
	s.mustUntil(t, "unbound does not answer", func() error {
		if err := askAnswers(s.addr, "ready."+markerZone); err != nil {
			return err
		}
		_, err := s.ask("status")
		return err
	})
	return s
}

func (s *UnboundServer) conf(o UnboundOptions, dir string) string {
	var b strings.Builder
	fmt.Fprintf(&b, `server:
  interface: %s
  directory: "%s"
  username: ""
  chroot: ""
  pidfile: ""
  use-syslog: no
  logfile: ""
  do-not-query-localhost: no
  local-zone: "." refuse
`, joined(s.addr, "@"), dir)
	for _, prefix := range o.PrivateAddress {
		fmt.Fprintf(&b, "  private-address: %v\n", prefix)
	}
	zones := slices.Sorted(maps.Keys(o.Stubs))
	for _, zone := range zones { // nearer than the root's refusal and unbound's own empty zones
		fmt.Fprintf(&b, "  local-zone: %q transparent\n", canonical(zone)+".")
	}
	if o.Conf != "" {
		b.WriteString(strings.TrimRight(o.Conf, "\n") + "\n")
	}
	fmt.Fprintf(&b, "remote-control:\n  control-enable: yes\n  control-interface: %q\n  control-use-cert: no\n", s.control)
	for _, zone := range zones {
		fmt.Fprintf(&b, "stub-zone:\n  name: %q\n  stub-addr: %s\n", canonical(zone)+".", joined(o.Stubs[zone], "@"))
	}
	return b.String()
}

// Addr is where it answers, over UDP and TCP.
func (s *UnboundServer) Addr() netip.AddrPort { return s.addr }

// Flush removes a zone, and all below it, from the cache.
func (s *UnboundServer) Flush(t testing.TB, zone string) {
	t.Helper()
	s.Control(t, "flush_zone "+canonical(zone)+".")
}

// Control asks what unbound-control would, such as "stats_noreset", and returns the answer.
func (s *UnboundServer) Control(t testing.TB, command string) string {
	t.Helper()
	answer, err := s.ask(command)
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

// ask speaks unbound-control's protocol, version 1: one command per connection.
func (s *UnboundServer) ask(command string) (string, error) {
	conn, err := net.DialTimeout("unix", s.control, askTimeout)
	if err != nil {
		return "", fmt.Errorf("realserver: unbound %s: %w", command, err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(startTimeout)); err != nil {
		return "", err
	}
	fmt.Fprintf(conn, "UBCT1 %s\n", command)
	answer, err := io.ReadAll(bufio.NewReader(conn))
	if err != nil {
		return "", fmt.Errorf("realserver: unbound %s: %w", command, err)
	}
	if strings.HasPrefix(string(answer), "error") {
		return "", fmt.Errorf("realserver: unbound %s: %s", command, answer)
	}
	return string(answer), nil
}
