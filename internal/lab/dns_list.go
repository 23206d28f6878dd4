package lab

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/miekg/dns"
)

// DNSBlocklist is a zone in the shape of RFC 5782: who is listed has A records
// (return codes) and perhaps a TXT, who is not has no name.
type DNSBlocklist struct {
	zone *DNSZone
	ttl  uint32
}

// Blocklist makes an address list that passes its own test (RFC 5782 §5):
// 127.0.0.2 and ::FFFF:7F00:2 are listed, 127.0.0.1 and ::FFFF:7F00:1 are not.
// Records live for 300 s.
func (d *DNS) Blocklist(zone string) *DNSBlocklist {
	l := &DNSBlocklist{zone: d.Zone(zone), ttl: 300}
	l.ListTXT("127.0.0.2", "test point", "127.0.0.2")
	l.ListTXT("::ffff:7f00:2", "test point", "127.0.0.2")
	return l
}

// DomainBlocklist makes a list of names: TEST is listed, INVALID is not (RFC 5782 §5).
func (d *DNS) DomainBlocklist(zone string) *DNSBlocklist {
	l := &DNSBlocklist{zone: d.Zone(zone), ttl: 300}
	l.ListTXT("test", "test point", "127.0.0.2")
	return l
}

// Zone is where the list's behaviour and counters are.
func (l *DNSBlocklist) Zone() *DNSZone { return l.zone }

// SetTTL is the TTL, in seconds, of what is listed from now on.
func (l *DNSBlocklist) SetTTL(seconds uint32) { l.ttl = seconds }

// Name is the absolute name to ask about an address or domain. An IPv4 address
// written as IPv6 (::ffff:7f00:2) is asked as IPv6, in nibbles.
func (l *DNSBlocklist) Name(who string) string {
	return reversed(who) + "." + strings.TrimPrefix(l.zone.name, ".")
}

// List puts an address or domain on the list with these return codes, or
// 127.0.0.2 if none is given, in place of what was there.
func (l *DNSBlocklist) List(who string, codes ...string) { l.ListTXT(who, "", codes...) }

// ListTXT is List with a reason that the TXT record gives.
func (l *DNSBlocklist) ListTXT(who, reason string, codes ...string) {
	name := l.Name(who)
	if len(codes) == 0 {
		codes = []string{"127.0.0.2"}
	}
	rrs := l.codes(name, codes)
	if reason != "" {
		rrs = append(rrs, &dns.TXT{Hdr: l.header(name, dns.TypeTXT), Txt: split255(reason)})
	}
	l.zone.d.Remove(name)
	l.zone.d.AddRR(rrs...)
}

// Delist takes it off again; a test point, too.
func (l *DNSBlocklist) Delist(who string) { l.zone.d.Remove(l.Name(who)) }

// ListWorld answers every name with these codes, as a list does whose domain was sold.
func (l *DNSBlocklist) ListWorld(codes ...string) {
	l.synthesize(codes, func(string) bool { return true })
}

// ListAddresses answers every address but no other label with these codes, as
// rbldnsd does with 0.0.0.0/0 in its data.
func (l *DNSBlocklist) ListAddresses(codes ...string) { l.synthesize(codes, isAddress) }

// Recover ends ListWorld and ListAddresses.
func (l *DNSBlocklist) Recover() { l.zone.Synthesize(nil) }

// Close takes every listing away, the test points included: the list is dead but its zone answers.
func (l *DNSBlocklist) Close() {
	d := l.zone.d
	d.mu.Lock()
	defer d.mu.Unlock()
	for name := range d.names {
		if name != l.zone.name && d.zoneOf(name) == l.zone {
			d.remove(name)
		}
	}
}

func (l *DNSBlocklist) synthesize(codes []string, applies func(rel string) bool) {
	rrs := l.codes(l.zone.name, codes)
	l.zone.Synthesize(func(rel string, qtype uint16) []dns.RR {
		switch {
		case !applies(rel):
			return nil
		case qtype != dns.TypeA:
			return []dns.RR{}
		default:
			return rrs
		}
	})
}

func (l *DNSBlocklist) codes(name string, codes []string) []dns.RR {
	var rrs []dns.RR
	for _, c := range codes {
		rrs = append(rrs, &dns.A{Hdr: l.header(name, dns.TypeA), A: netip.MustParseAddr(c).AsSlice()})
	}
	return rrs
}

func (l *DNSBlocklist) header(name string, rrtype uint16) dns.RR_Header {
	return dns.RR_Header{Name: name, Rrtype: rrtype, Class: dns.ClassINET, Ttl: l.ttl}
}

// reversed is the part of the name before the zone: octets or nibbles backwards (RFC 5782 §2.1, §2.4), or the domain.
func reversed(who string) string {
	ip, err := netip.ParseAddr(who)
	if err != nil {
		return strings.TrimSuffix(strings.ToLower(who), ".")
	}
	var labels []string
	for _, b := range ip.AsSlice() {
		if ip.Is4() {
			labels = append(labels, strconv.Itoa(int(b)))
		} else {
			labels = append(labels, fmt.Sprintf("%x", b>>4), fmt.Sprintf("%x", b&15))
		}
	}
	slices.Reverse(labels)
	return strings.Join(labels, ".")
}

func isAddress(rel string) bool {
	labels := strings.Split(rel, ".")
	if len(labels) == 32 {
		return !slices.ContainsFunc(labels, func(s string) bool { return len(s) != 1 || !strings.Contains("0123456789abcdef", s) })
	}
	slices.Reverse(labels)
	ip, err := netip.ParseAddr(strings.Join(labels, "."))
	return err == nil && ip.Is4()
}

// split255 cuts a text into the strings of a TXT record, each at most 255 octets (RFC 1035 §3.3).
func split255(text string) []string {
	var parts []string
	for len(text) > 255 {
		parts, text = append(parts, text[:255]), text[255:]
	}
	return append(parts, text)
}
