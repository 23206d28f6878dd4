package dnsbl

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// octets is a pattern over an IPv4 address: a closed range for each octet.
type octets struct{ lo, hi [4]byte }

// parseOctets reads 127.0.0.2, 127.0.0.10-11, 127.0.1-2.3, 127.0.*.9 or
// 127.0.0.10-127.0.0.11 (whose ends may differ in one octet only).
func parseOctets(text string) (octets, error) {
	if from, to, ok := strings.Cut(text, "-"); ok {
		lo, err1 := netip.ParseAddr(from)
		hi, err2 := netip.ParseAddr(to)
		if err1 == nil && err2 == nil && lo.Is4() && hi.Is4() {
			return spanOctets(text, lo.As4(), hi.As4())
		}
	}
	var o octets
	parts := strings.Split(text, ".")
	if len(parts) != 4 {
		return o, fmt.Errorf("%q is no return code: write 127.0.0.2, 127.0.0.10-11 or 127.0.*.9", text)
	}
	for i, part := range parts {
		lo, hi, err := octetRange(part)
		if err != nil {
			return o, fmt.Errorf("%q is no return code: %w", text, err)
		}
		o.lo[i], o.hi[i] = lo, hi
	}
	return o, nil
}

func spanOctets(text string, lo, hi [4]byte) (octets, error) {
	differ, backwards := 0, false
	for i := range lo {
		if lo[i] != hi[i] {
			differ++
		}
		backwards = backwards || lo[i] > hi[i]
	}
	if differ > 1 {
		return octets{}, fmt.Errorf("%q spans more than one octet: write a range in each octet, such as 127.0.1-2.3-9", text)
	}
	if backwards {
		return octets{}, fmt.Errorf("%q runs backwards", text)
	}
	return octets{lo, hi}, nil
}

func octetRange(part string) (lo, hi byte, err error) {
	if part == "*" {
		return 0, 255, nil
	}
	from, to, ranged := strings.Cut(part, "-")
	l, err := strconv.ParseUint(from, 10, 8)
	if err != nil {
		return 0, 0, fmt.Errorf("%q is no octet (0 to 255)", from)
	}
	if !ranged {
		return byte(l), byte(l), nil
	}
	h, err := strconv.ParseUint(to, 10, 8)
	if err != nil {
		return 0, 0, fmt.Errorf("%q is no octet (0 to 255)", to)
	}
	if l > h {
		return 0, 0, fmt.Errorf("%s runs backwards", part)
	}
	return byte(l), byte(h), nil
}

func (o octets) has(a [4]byte) bool {
	for i := range a {
		if a[i] < o.lo[i] || a[i] > o.hi[i] {
			return false
		}
	}
	return true
}

// refusalNet is 127.255.255.0/24, whose codes refuse on every list that uses them.
var refusalNet = octets{lo: [4]byte{127, 255, 255, 0}, hi: [4]byte{127, 255, 255, 255}}

// holds reports that p lies wholly inside o.
func (o octets) holds(p octets) bool { return o.has(p.lo) && o.has(p.hi) }

func (o octets) overlaps(p octets) bool {
	for i := range o.lo {
		if o.hi[i] < p.lo[i] || p.hi[i] < o.lo[i] {
			return false
		}
	}
	return true
}

// width is how many addresses the pattern covers: the narrower one is the more exact.
func (o octets) width() int {
	n := 1
	for i := range o.lo {
		n *= int(o.hi[i]) - int(o.lo[i]) + 1
	}
	return n
}

func (c Code) octets() octets    { return octets{c.Lo, c.Hi} }
func (r Refusal) octets() octets { return octets{r.Lo, r.Hi} }

// parseMask reads a mask over the low 24 bits of a return code: 8, 0x08, or dotted like 0.0.0.8 or 127.0.0.8.
func parseMask(text string) (uint32, bool) {
	if n, err := strconv.ParseUint(text, 0, 24); err == nil {
		return uint32(n), n > 0
	}
	ip, err := netip.ParseAddr(text)
	if err != nil || !ip.Is4() {
		return 0, false
	}
	mask := low24(ip.As4())
	return mask, mask > 0
}

func low24(a [4]byte) uint32 { return uint32(a[1])<<16 | uint32(a[2])<<8 | uint32(a[3]) }
