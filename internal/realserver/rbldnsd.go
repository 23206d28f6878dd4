package realserver

import (
	"fmt"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// Zone is one list that rbldnsd serves.
type Zone struct {
	Name string // bl.example, with or without the final dot
	Type string // dataset type: ip4set, ip4trie, ip4tset, ip6trie, ip6tset, dnset, generic, combined
	// Text is the dataset as rbldnsd reads it; `man rbldnsd` tells the format.
	Text string
	// Entries are written after Text, in rbldnsd's form for them.
	Entries Entries
}

// Entries maps what is listed (an address or range for the ip types, a name for
// dnset; a leading ! excludes) to what the list answers.
type Entries map[string]Entry

// Entry is what a list answers for one key.
type Entry struct {
	A   string // 127.0.0.2 where empty
	TXT string // none where empty; a $ stands for what was asked
}

// TestPoints are the entries every IPv4 list must have (RFC 5782 §5).
func TestPoints() Entries {
	return Entries{"127.0.0.2": {TXT: "test entry"}}
}

// With returns both, the other's entries winning.
func (e Entries) With(other Entries) Entries {
	out := maps.Clone(e)
	if out == nil {
		out = Entries{}
	}
	maps.Copy(out, other)
	return out
}

func (z Zone) data() string {
	var b strings.Builder
	b.WriteString(z.Text)
	if z.Text != "" && !strings.HasSuffix(z.Text, "\n") {
		b.WriteByte('\n')
	}
	for _, key := range slices.Sorted(maps.Keys(z.Entries)) {
		e := z.Entries[key]
		if strings.HasPrefix(key, "!") {
			fmt.Fprintln(&b, key)
			continue
		}
		a := e.A
		if a == "" {
			a = "127.0.0.2"
		}
		fmt.Fprintf(&b, "%s :%s:%s\n", key, a, e.TXT)
	}
	return b.String()
}

// RbldnsdServer is a running rbldnsd.
type RbldnsdServer struct {
	*process
	addr  netip.AddrPort
	dir   string
	mu    sync.Mutex
	count int // editions of the data served so far
	zones map[string]string
}

// Rbldnsd serves lists from 127.0.0.1. Answers live for 60 s unless a dataset
// says otherwise ($TTL, or $SOA for the ones that say "not listed").
func Rbldnsd(t testing.TB, zones ...Zone) *RbldnsdServer {
	t.Helper()
	return RbldnsdOn(t, netip.AddrPort{}, zones...)
}

// RbldnsdOn is Rbldnsd at an address, and a port, of your choice, such as [::1]:0.
func RbldnsdOn(t testing.TB, listen netip.AddrPort, zones ...Zone) *RbldnsdServer {
	t.Helper()
	Require(t, "rbldnsd")
	s := &RbldnsdServer{addr: orFree(t, listen), dir: tempDir(t, "rbldnsd"), zones: map[string]string{}}
	argv := []string{find("rbldnsd"), "-n", "-c", "0", "-t", "60", "-b", joined(s.addr, "/")}
	if os.Geteuid() == 0 {
		argv = append(argv, "-u", "65534:65534") // it refuses to stay root
	}
	argv = append(argv, strings.TrimSuffix(markerZone, ".")+":generic:marker")
	for i, z := range zones {
		file := fmt.Sprintf("zone%d", i)
		s.zones[canonical(z.Name)] = file
		s.write(t, file, z.data())
		argv = append(argv, fmt.Sprintf("%s:%s:%s", canonical(z.Name), z.Type, file))
	}
	s.writeMarker(t)
	s.process = start(t, launch{name: "rbldnsd", dir: s.dir, argv: argv})
	s.mustUntil(t, "rbldnsd does not serve its zones", func() error { return askMarker(s.addr, s.count) })
	return s
}

// Addr is where it answers, over UDP (rbldnsd knows no TCP).
func (s *RbldnsdServer) Addr() netip.AddrPort { return s.addr }

// Replace gives a zone other data, and returns when that is what rbldnsd answers.
// The type stays as it was.
func (s *RbldnsdServer) Replace(t testing.TB, z Zone) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	file, ok := s.zones[canonical(z.Name)]
	if !ok {
		t.Fatalf("rbldnsd does not serve %s", z.Name)
	}
	s.count++
	s.write(t, file, z.data())
	s.writeMarker(t)
	if err := s.signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	s.mustUntil(t, "rbldnsd does not reload", func() error { return askMarker(s.addr, s.count) })
}

func (s *RbldnsdServer) write(t testing.TB, file, text string) {
	t.Helper()
	writeEdition(t, filepath.Join(s.dir, file), text, s.count)
}

// writeMarker is the last of an edition's files.
func (s *RbldnsdServer) writeMarker(t testing.TB) {
	t.Helper()
	s.write(t, "marker", fmt.Sprintf("now TXT %d\n", s.count))
}

func canonical(zone string) string { return strings.ToLower(strings.TrimSuffix(zone, ".")) }
