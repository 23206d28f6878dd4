package resolve

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"
)

// Options of a Client. Zero values mean the defaults in brackets.
type Options struct {
	Servers []netip.AddrPort // in order of preference; a zero port means 53
	Timeout time.Duration    // of one try (3 s)
	Tries   int              // per question (3); with more servers than tries the last ones are not asked

	InFlight     int // window a server starts with (64)
	MaxInFlight  int // ceiling of the window (256, or InFlight if that is more)
	ZoneInFlight int // slots of a server's window that a zone may hold before its first answer (8)

	// ZoneFailures unanswered questions in a row open a zone's breaker (4) for
	// ZoneBackoff (10 s), which doubles at each failed trial up to ZoneBackoffMax (5 min).
	ZoneFailures                int
	ZoneBackoff, ZoneBackoffMax time.Duration

	Logger *slog.Logger // what changed for a server or zone; never asked names (none)
}

// minInFlight is the floor of the window: fewer would let two dead lists stop everything.
const minInFlight = 8

func (o Options) withDefaults() (Options, error) {
	if len(o.Servers) == 0 {
		return o, errors.New("resolve: no name server given")
	}
	servers := make([]netip.AddrPort, len(o.Servers))
	for i, s := range o.Servers {
		if !s.Addr().IsValid() {
			return o, fmt.Errorf("resolve: name server %d has no address", i+1)
		}
		servers[i] = withPort(s)
	}
	o.Servers = servers
	if o.Timeout < 0 || o.Tries < 0 || o.InFlight < 0 || o.MaxInFlight < 0 || o.ZoneInFlight < 0 || o.ZoneFailures < 0 {
		return o, errors.New("resolve: negative option")
	}
	o.Timeout = orElse(o.Timeout, 3*time.Second)
	o.Tries = orElse(o.Tries, 3)
	o.InFlight = orElse(o.InFlight, min(64, orElse(o.MaxInFlight, 64)))
	o.MaxInFlight = max(orElse(o.MaxInFlight, 256), o.InFlight)
	o.ZoneInFlight = orElse(o.ZoneInFlight, 8)
	o.ZoneFailures = orElse(o.ZoneFailures, 4)
	o.ZoneBackoff = orElse(o.ZoneBackoff, 10*time.Second)
	o.ZoneBackoffMax = max(orElse(o.ZoneBackoffMax, 5*time.Minute), o.ZoneBackoff)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o, nil
}

func orElse[T comparable](v, fallback T) T {
	var zero T
	if v == zero {
		return fallback
	}
	return v
}

func withPort(s netip.AddrPort) netip.AddrPort {
	addr, port := s.Addr().Unmap(), s.Port()
	if port == 0 {
		port = 53
	}
	return netip.AddrPortFrom(addr, port)
}

// FromResolvConf reads servers, timeout and attempts from a file in the format
// of resolv.conf(5). Without a nameserver line, or without the file, the server
// is 127.0.0.1, as that page says. Lines that mean nothing to us, or are
// broken, are skipped as the C library does. An error means the file cannot be read.
func FromResolvConf(path string) (Options, error) {
	var o Options
	f, err := os.Open(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return o, fmt.Errorf("resolve: %w", err)
	}
	if err == nil {
		defer f.Close()
		lines := bufio.NewScanner(f)
		for lines.Scan() {
			o.resolvConfLine(lines.Text())
		}
		if err := lines.Err(); err != nil {
			return o, fmt.Errorf("resolve: reading %s: %w", path, err)
		}
	}
	if len(o.Servers) == 0 {
		o.Servers = []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:53")}
	}
	return o, nil
}

func (o *Options) resolvConfLine(line string) {
	words := strings.Fields(line)
	if len(words) < 2 || strings.HasPrefix(line, "#") || strings.HasPrefix(line, ";") {
		return
	}
	switch words[0] {
	case "nameserver":
		if addr, err := netip.ParseAddr(words[1]); err == nil {
			o.Servers = append(o.Servers, netip.AddrPortFrom(addr.Unmap(), 53))
		}
	case "options":
		for _, w := range words[1:] {
			key, value, _ := strings.Cut(w, ":")
			n, err := strconv.Atoi(value)
			switch {
			case err != nil || n < 1:
			case key == "timeout":
				o.Timeout = time.Duration(min(n, 30)) * time.Second // RES_MAXRETRANS
			case key == "attempts":
				o.Tries = min(n, 5) // RES_MAXRETRY
			}
		}
	}
}
