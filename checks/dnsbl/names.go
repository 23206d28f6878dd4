package dnsbl

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"golang.org/x/net/idna"
)

// ErrNotTaken says that a list does not take such a subject: a v4-only list an
// IPv6 address, a domain list an address.
var ErrNotTaken = errors.New("the list does not take such subjects")

// String is the address or domain as people write it.
func (p Point) String() string {
	switch {
	case p.IP.Is4In6():
		b := p.IP.As16() // netip would write ::ffff:127.0.0.2; RFC 5782 §5 writes ::FFFF:7F00:2
		return fmt.Sprintf("::FFFF:%X:%X", uint16(b[12])<<8|uint16(b[13]), uint16(b[14])<<8|uint16(b[15]))
	case p.IP.IsValid():
		return p.IP.String()
	default:
		return p.Domain
	}
}

// Takes reports that the list can be asked about the subject.
func (l *List) Takes(p Point) bool {
	switch {
	case !p.IP.IsValid():
		return l.takesDomains()
	case p.IP.Is4():
		return l.V4
	default:
		return l.V6
	}
}

func (l *List) takesDomains() bool { return !l.V4 && !l.V6 }

// QueryName is the name to ask: the subject's reversed octets or nibbles, or the
// domain itself, in front of the expanded zone. It holds the key, if there is
// one, and must not be shown.
//
// An IPv4-mapped IPv6 address stays IPv6, because that is what RFC 5782's test
// point ::FFFF:7F00:2 is; callers unmap their own addresses.
func (l *List) QueryName(p Point) (string, error) {
	if !l.Takes(p) {
		return "", ErrNotTaken
	}
	if l.Expanded == "" {
		return "", errors.New(l.Unusable())
	}
	if p.IP.IsValid() {
		return reverse(p.IP) + "." + l.Expanded, nil
	}
	name, err := aLabels(p.Domain)
	if err != nil {
		return "", err
	}
	return name + "." + l.Expanded, nil
}

// aLabels is a domain in lower case and A-labels (RFC 5890 §2.3.2.1), without the
// final dot. Names in ASCII stay as they are: test points such as _DNSBL_.test
// are no host names, yet names in DNS.
func aLabels(domain string) (string, error) {
	name := strings.ToLower(strings.TrimSuffix(domain, "."))
	if strings.ContainsFunc(name, func(r rune) bool { return r >= 0x80 }) {
		var err error
		if name, err = idna.Lookup.ToASCII(name); err != nil {
			return "", fmt.Errorf("%q is no domain: %w", domain, err)
		}
	}
	if !validZone(name) || allDigits(name) {
		return "", fmt.Errorf("%q is no domain: %w", domain, ErrNotTaken)
	}
	return name, nil
}

// reverse writes octets (RFC 5782 §2.1) or nibbles (§2.4) last first, with dots between.
func reverse(ip netip.Addr) string {
	if ip.Is4() {
		b := ip.As4()
		return fmt.Sprintf("%d.%d.%d.%d", b[3], b[2], b[1], b[0])
	}
	const hex = "0123456789abcdef"
	b := ip.As16()
	out := make([]byte, 0, 63)
	for i := len(b) - 1; i >= 0; i-- {
		out = append(out, hex[b[i]&15], '.', hex[b[i]>>4], '.')
	}
	return string(out[:63])
}

// TestPoints are where the list must answer and where it must not. stated says
// that the catalogue names them; without, RFC 5782 §5's defaults are a guess.
func (l *List) TestPoints() (listed, clean []Point, stated bool) {
	defaults := func(bad, good string) {
		listed = append(listed, point(bad))
		clean = append(clean, point(good))
	}
	switch {
	case l.Test.None:
		// no point that must answer; the clean ones are still asked
	case l.Test.Stated:
		listed, clean, stated = l.Test.Listed, l.Test.Clean, true
	case l.takesDomains():
		defaults("test", "invalid")
	case l.V4:
		defaults("127.0.0.2", "127.0.0.1")
	default:
		defaults("::ffff:127.0.0.2", "::ffff:127.0.0.1")
	}
	if l.Test.None || stated && len(clean) == 0 && !l.Test.NoClean {
		clean = l.defaultClean()
	}
	return listed, clean, stated
}

// defaultClean is what RFC 5782 §5 lets no list hold.
func (l *List) defaultClean() []Point {
	switch {
	case l.takesDomains():
		return []Point{point("invalid")}
	case l.V4:
		return []Point{point("127.0.0.1")}
	default:
		return []Point{point("::ffff:127.0.0.1")}
	}
}

func point(text string) Point {
	if ip, err := netip.ParseAddr(text); err == nil {
		return Point{IP: ip}
	}
	return Point{Domain: text}
}

// maxSpelled is how many addresses one range may spell out to.
const maxSpelled = 1 << 16

// ParseSubjects reads addresses, CIDR ranges and domains as people write them.
// Mapped addresses are unmapped, ranges spelled out, domains brought to A-labels.
func ParseSubjects(args []string) ([]Point, error) {
	var out []Point
	for _, arg := range args {
		points, err := parseSubject(strings.TrimSpace(arg))
		if err != nil {
			return nil, err
		}
		if out = append(out, points...); len(out) > maxSpelled {
			return nil, fmt.Errorf("more than %d addresses at once\n  hint: ask for smaller ranges", maxSpelled)
		}
	}
	return out, nil
}

func parseSubject(arg string) ([]Point, error) {
	if ip, err := netip.ParseAddr(strings.Trim(arg, "[]")); err == nil {
		return []Point{{IP: ip.Unmap().WithZone("")}}, nil
	}
	if strings.Contains(arg, "/") {
		return spellOut(arg)
	}
	name, err := idna.Lookup.ToASCII(strings.TrimSuffix(arg, "."))
	if err != nil || !strings.Contains(name, ".") || !validZone(name) || allDigits(name) {
		return nil, fmt.Errorf("%q is no address, range or domain\n  hint: write 203.0.113.7, 2001:db8::7, 203.0.113.0/28 or example.com", arg)
	}
	return []Point{{Domain: strings.ToLower(name)}}, nil
}

func spellOut(arg string) ([]Point, error) {
	p, err := netip.ParsePrefix(arg)
	if err != nil {
		return nil, fmt.Errorf("%q is no range\n  hint: write it like 203.0.113.0/28", arg)
	}
	p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()).Masked()
	if !p.IsValid() || p.Addr().BitLen()-p.Bits() > 16 {
		return nil, fmt.Errorf("%s is more than %d addresses\n  hint: ask for a smaller range", arg, maxSpelled)
	}
	var out []Point
	for ip := p.Addr(); p.Contains(ip); ip = ip.Next() {
		out = append(out, Point{IP: ip})
	}
	return out, nil
}

// allDigits catches mistyped addresses such as 203.0.113.777: no top-level domain is a number.
func allDigits(name string) bool {
	last := name[strings.LastIndexByte(name, '.')+1:]
	return strings.Trim(last, "0123456789") == ""
}
