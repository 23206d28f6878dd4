package realserver

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// NSDZone is one ordinary zone in the format of zone files (RFC 1035 §5).
type NSDZone struct {
	Name string // example.com, with or without the final dot
	// Text holds the records, relative names meaning below Name. SOA and NS are
	// added where it has no SOA; the TTL is 60 s where none is stated.
	Text string
}

var hasSOA = regexp.MustCompile(`(?mi)\sSOA\s`)

func (z NSDZone) data() string {
	var b strings.Builder
	fmt.Fprintf(&b, "$ORIGIN %s.\n$TTL 60\n", canonical(z.Name))
	if !hasSOA.MatchString(z.Text) {
		b.WriteString("@ SOA ns.nsd.invalid. hostmaster.nsd.invalid. 1 3600 600 86400 60\n@ NS ns.nsd.invalid.\n")
	}
	b.WriteString(z.Text)
	b.WriteByte('\n')
	return b.String()
}

// NSDServer is a running NSD.
type NSDServer struct {
	*process
	addr  netip.AddrPort
	dir   string
	mu    sync.Mutex
	count int
	zones map[string]string
}

// NSD serves ordinary zones, authoritatively, from 127.0.0.1.
func NSD(t testing.TB, zones ...NSDZone) *NSDServer {
	t.Helper()
	return NSDOn(t, netip.AddrPort{}, zones...)
}

// NSDOn is NSD at an address, and a port, of your choice.
func NSDOn(t testing.TB, listen netip.AddrPort, zones ...NSDZone) *NSDServer {
	t.Helper()
	Require(t, "nsd")
	s := &NSDServer{addr: orFree(t, listen), dir: tempDir(t, "nsd"), zones: map[string]string{}}
	var b strings.Builder
	fmt.Fprintf(&b, `server:
  ip-address: %s
  server-count: 1
  username: ""
  chroot: ""
  zonesdir: "%[2]s"
  database: ""
  pidfile: "%[2]s/pid"
  xfrdfile: "%[2]s/xfrd"
  xfrdir: "%[2]s"
  zonelistfile: "%[2]s/zonelist"
  rrl-ratelimit: 0
remote-control:
  control-enable: no
`, joined(s.addr, "@"), s.dir)
	for i, z := range append([]NSDZone{s.marker()}, zones...) {
		file := fmt.Sprintf("zone%d", i)
		s.zones[canonical(z.Name)] = file
		writeEdition(t, filepath.Join(s.dir, file), z.data(), s.count)
		fmt.Fprintf(&b, "zone:\n  name: %q\n  zonefile: %q\n", canonical(z.Name)+".", file)
	}
	conf := filepath.Join(s.dir, "nsd.conf")
	writeFile(t, conf, b.String())
	s.process = start(t, launch{name: "nsd", dir: s.dir, argv: []string{find("nsd"), "-d", "-c", conf}})
	s.mustUntil(t, "nsd does not serve its zones", func() error { return askMarker(s.addr, s.count) })
	return s
}

// Addr is where it answers, over UDP and TCP.
func (s *NSDServer) Addr() netip.AddrPort { return s.addr }

// Replace gives a zone other records, and returns when NSD answers with them.
func (s *NSDServer) Replace(t testing.TB, z NSDZone) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.zones[canonical(z.Name)]; !ok {
		t.Fatalf("nsd does not serve %s", z.Name)
	}
	s.count++
	old := s.offspring("nsd: server 1") // these answer from the old data for a moment beside the new ones
	for _, z := range []NSDZone{z, s.marker()} {
		writeEdition(t, filepath.Join(s.dir, s.zones[canonical(z.Name)]), z.data(), s.count)
	}
	if err := s.signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	s.mustUntil(t, "nsd does not reload", func() error { return askMarker(s.addr, s.count) })
	s.outlive(old, busyTime)
}

// marker is this edition of the marker zone.
func (s *NSDServer) marker() NSDZone {
	return NSDZone{Name: markerZone, Text: fmt.Sprintf("now TXT %d", s.count)}
}
