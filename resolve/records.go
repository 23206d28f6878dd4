package resolve

import (
	"cmp"
	"context"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"github.com/miekg/dns"
)

// Found is an Answer with its records as values. NXDomain and NoData tell why
// Values is empty; an error is neither.
type Found[T any] struct {
	Answer
	Values []T
}

// Mail is an MX record. Host is in lower case without the final dot, "." for a null MX (RFC 7505).
type Mail struct {
	Pref uint16
	Host string
}

// A asks for IPv4 addresses. It and its fellows set q.Type themselves; all errors are *Error.
func A(ctx context.Context, l Lookuper, q Query) (Found[netip.Addr], error) {
	return find(ctx, l, q, dns.TypeA, Addrs)
}

// AAAA asks for IPv6 addresses.
func AAAA(ctx context.Context, l Lookuper, q Query) (Found[netip.Addr], error) {
	return find(ctx, l, q, dns.TypeAAAA, Addrs)
}

// Addresses asks for both families at once, IPv4 first in Values. The Answer is
// the A question's, or the AAAA one's if only that failed or found something;
// its TTL is the lesser. When one family fails the other's values come with the error.
func Addresses(ctx context.Context, l Lookuper, q Query) (Found[netip.Addr], error) {
	var v4, v6 Found[netip.Addr]
	var err4, err6 error
	var both sync.WaitGroup
	both.Go(func() { v6, err6 = AAAA(ctx, l, q) })
	v4, err4 = A(ctx, l, q)
	both.Wait()
	out, err := v4, err4
	if err4 == nil && (err6 != nil || len(v4.Values) == 0 && len(v6.Values) > 0) {
		out, err = v6, err6
	}
	out.Values = slices.Concat(v4.Values, v6.Values)
	out.TTL = min(v4.TTL, v6.TTL)
	return out, err
}

// MX asks for mail exchangers, sorted by preference, then by name.
func MX(ctx context.Context, l Lookuper, q Query) (Found[Mail], error) {
	return find(ctx, l, q, dns.TypeMX, Mails)
}

// PTR asks for the names of an address; q.Name is set from it.
func PTR(ctx context.Context, l Lookuper, ip netip.Addr, q Query) (Found[string], error) {
	q.Name = ReverseName(ip)
	return find(ctx, l, q, dns.TypePTR, Names)
}

// TXT asks for texts.
func TXT(ctx context.Context, l Lookuper, q Query) (Found[string], error) {
	return find(ctx, l, q, dns.TypeTXT, Texts)
}

func find[T any](ctx context.Context, l Lookuper, q Query, qtype uint16, read func(Answer) []T) (Found[T], error) {
	q.Type = qtype
	a, err := l.Lookup(ctx, q)
	return Found[T]{Answer: a, Values: read(a)}, err
}

// Addrs reads the A and AAAA records of an answer. IPv4 in IPv6 form stays as it came.
func Addrs(a Answer) []netip.Addr {
	var out []netip.Addr
	for _, rr := range a.Records {
		switch rr := rr.(type) {
		case *dns.A:
			if ip, ok := netip.AddrFromSlice(rr.A.To4()); ok {
				out = append(out, ip)
			}
		case *dns.AAAA:
			if ip, ok := netip.AddrFromSlice(rr.AAAA.To16()); ok {
				out = append(out, ip)
			}
		}
	}
	return out
}

// Mails reads the MX records of an answer, sorted by preference, then by name.
func Mails(a Answer) []Mail {
	var out []Mail
	for _, rr := range a.Records {
		if mx, ok := rr.(*dns.MX); ok {
			out = append(out, Mail{Pref: mx.Preference, Host: plain(mx.Mx)})
		}
	}
	slices.SortFunc(out, func(x, y Mail) int {
		return cmp.Or(cmp.Compare(x.Pref, y.Pref), strings.Compare(x.Host, y.Host))
	})
	return out
}

// Names reads the PTR, NS and CNAME targets of an answer, in lower case without the final dot.
func Names(a Answer) []string {
	var out []string
	for _, rr := range a.Records {
		switch rr := rr.(type) {
		case *dns.PTR:
			out = append(out, plain(rr.Ptr))
		case *dns.NS:
			out = append(out, plain(rr.Ns))
		case *dns.CNAME:
			out = append(out, plain(rr.Target))
		}
	}
	return out
}

// Texts reads the TXT records of an answer, byte for byte: it is foreign text, to be
// made printable before it is shown. The strings of one record are joined without
// a space (RFC 7208 §3.3).
func Texts(a Answer) []string {
	var out []string
	for _, rr := range a.Records {
		if txt, ok := rr.(*dns.TXT); ok {
			out = append(out, unescape(strings.Join(txt.Txt, "")))
		}
	}
	return out
}

// unescape undoes miekg/dns's presentation form: \DDD is a byte, \X is X (RFC 1035 §5.1).
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] != '\\' || i+1 == len(s):
			out = append(out, s[i])
		case i+3 < len(s) && isDigits(s[i+1:i+4]):
			out = append(out, (s[i+1]-'0')*100+(s[i+2]-'0')*10+(s[i+3]-'0'))
			i += 3
		default:
			i++
			out = append(out, s[i])
		}
	}
	return string(out)
}

func isDigits(s string) bool { return strings.Trim(s, "0123456789") == "" }

// ReverseName is the name whose PTR records name the address (RFC 1035 §3.5,
// RFC 3596 §2.5); empty for an invalid one. IPv4 in IPv6 form counts as IPv4.
func ReverseName(ip netip.Addr) string {
	name, err := dns.ReverseAddr(ip.Unmap().WithZone("").String())
	if err != nil {
		return ""
	}
	return name
}

func plain(name string) string {
	if name == "." {
		return name
	}
	return strings.ToLower(strings.TrimSuffix(name, "."))
}
