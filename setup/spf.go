package setup

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"repwatch/checks/smtp"
	"repwatch/resolve"
)

// SPF is what a domain's own record says about who sends for it (RFC 7208).
// include: and redirect= lead to other people's addresses, or to a record that can
// be named itself, so they are not followed.
type SPF struct {
	Domain  string
	Record  string
	Ranges  []SPFRange // single addresses are ranges of one, in the order of the record
	Skipped []Skipped
	OwnMX   bool // the domain has MX of its own, as far as no known provider runs them
}

// SPFRange is a term's addresses.
type SPFRange struct {
	Prefix netip.Prefix
	Term   string
}

// Skipped is something that was seen and not taken over.
type Skipped struct{ What, Why string }

// maxRange is how many addresses one term may name and still be taken for addresses
// that send: a /24, or a /120 of IPv6. People reserve wider ones than they use.
const maxRange = 256

// maxSPFLookups bounds terms that cost a lookup (RFC 7208 §4.6.4).
const maxSPFLookups = 10

// maxMXHosts bounds the hosts of one mx term (RFC 7208 §4.6.4).
const maxMXHosts = 10

// ReadSPF asks for the domain's record and for the addresses of its a and mx terms.
// An error means that there is nothing to take over; what single terms hide is in Skipped.
func ReadSPF(ctx context.Context, dns resolve.Lookuper, domain string) (SPF, error) {
	p, err := partnerOf(domain, "")
	if err != nil || p.Domain == "" {
		return SPF{}, fmt.Errorf("%q is no domain whose SPF record could be read\n  hint: the domain behind the @ of your senders, such as example.com", domain)
	}
	s := &spfReader{SPF: SPF{Domain: p.Domain}, ctx: ctx, dns: dns}
	if s.Record, err = s.record(); err != nil {
		return SPF{}, err
	}
	for _, term := range strings.Fields(s.Record)[1:] {
		if over := s.term(term); over {
			break
		}
	}
	s.lookAtMX()
	return s.SPF, nil
}

type spfReader struct {
	SPF
	ctx     context.Context
	dns     resolve.Lookuper
	lookups int
}

func (s *spfReader) skip(term, format string, args ...any) {
	s.Skipped = append(s.Skipped, Skipped{term, fmt.Sprintf(format, args...)})
}

// record is the one TXT record that is SPF (RFC 7208 §4.5).
func (s *spfReader) record() (string, error) {
	found, err := resolve.TXT(s.ctx, s.dns, resolve.Query{Name: s.Domain})
	if err != nil {
		return "", fmt.Errorf("the SPF record of %s could not be looked up: %w", s.Domain, err)
	}
	records := slices.DeleteFunc(slices.Clone(found.Values), func(text string) bool {
		version, _, _ := strings.Cut(text, " ")
		return !strings.EqualFold(version, "v=spf1")
	})
	switch len(records) {
	case 0:
		return "", fmt.Errorf("%s publishes no SPF record\n  hint: leave --from-spf out, or name the domain behind the @ of your senders", s.Domain)
	case 1:
		return records[0], nil
	}
	return "", fmt.Errorf("%s publishes %d SPF records: receivers take that for an error and use none (RFC 7208 section 4.5)\n  hint: make one of them, then try again", s.Domain, len(records))
}

// term reads one term; over is true after "all", behind which nothing counts (RFC 7208 §5.1).
func (s *spfReader) term(term string) (over bool) {
	name, value, modifier := strings.Cut(term, "=")
	if modifier && !strings.ContainsAny(name, ":/") {
		if strings.EqualFold(name, "redirect") {
			s.skip(term, "the record of %s counts in its place: if that is yours too, name it with --from-spf", value)
		}
		return false // exp= and unknown modifiers name no sender (RFC 7208 §6)
	}
	bare := strings.TrimLeft(term, "+")
	if strings.ContainsAny(bare[:min(1, len(bare))], "-~?") {
		if strings.EqualFold(bare[1:], "all") {
			return true
		}
		s.skip(term, "its sign says that this is no sender of yours for sure")
		return false
	}
	mechanism := strings.ToLower(bare)
	if end := strings.IndexAny(mechanism, ":/"); end >= 0 {
		mechanism = mechanism[:end]
	}
	argument := bare[len(mechanism):]
	if strings.Contains(argument, "%") {
		s.skip(term, "it holds a macro, which means something for a single message only")
		return false
	}
	switch mechanism {
	case "all":
		s.skip(term, "it lets the whole world send for %s", s.Domain)
		return true
	case "ip4", "ip6":
		s.literal(term, argument, mechanism == "ip4")
	case "a", "mx":
		s.named(term, argument, mechanism == "mx")
	case "include":
		s.skip(term, "these addresses belong to whoever runs %s, who looks after their reputation", strings.TrimPrefix(argument, ":"))
	case "exists":
		s.skip(term, "it names no address")
	case "ptr":
		s.skip(term, "it names no address, and should not be used (RFC 7208 section 5.5)")
	default:
		s.skip(term, "it is no mechanism of SPF")
	}
	return false
}

// literal reads ip4: and ip6: (RFC 7208 §5.6).
func (s *spfReader) literal(term, argument string, v4 bool) {
	text := strings.TrimPrefix(argument, ":")
	prefix, err := netip.ParsePrefix(text)
	if ip, bad := netip.ParseAddr(text); bad == nil {
		prefix, err = netip.PrefixFrom(ip, ip.BitLen()), nil
	}
	if err != nil || prefix.Addr().Is4() != v4 || prefix.Addr().Zone() != "" {
		s.skip(term, "it is miswritten, which makes receivers ignore the whole record")
		return
	}
	s.take(term, prefix)
}

func (s *spfReader) take(term string, prefix netip.Prefix) {
	prefix = prefix.Masked()
	switch bits := prefix.Addr().BitLen() - prefix.Bits(); {
	case bits > 8:
		s.skip(term, "%s is more than %d addresses: write down those that really send", prefix, maxRange)
	case !slices.ContainsFunc(s.Ranges, func(r SPFRange) bool { return r.Prefix.Overlaps(prefix) && r.Prefix.Bits() <= prefix.Bits() }):
		// A wider range takes the place of what it covers: an address is written once.
		s.Ranges = slices.DeleteFunc(s.Ranges, func(r SPFRange) bool { return prefix.Overlaps(r.Prefix) })
		s.Ranges = append(s.Ranges, SPFRange{prefix, term})
	}
}

// named reads a and mx (RFC 7208 §5.3, §5.4): a[:domain][/len4][//len6].
func (s *spfReader) named(term, argument string, mx bool) {
	name, len4, len6, err := dualCIDR(argument)
	if err != nil {
		s.skip(term, "it is miswritten, which makes receivers ignore the whole record")
		return
	}
	if name == "" {
		name = s.Domain
	}
	if s.lookups++; s.lookups > maxSPFLookups {
		s.skip(term, "a record may cost %d lookups only (RFC 7208 section 4.6.4)", maxSPFLookups)
		return
	}
	hosts := []string{name}
	if mx {
		if hosts, err = s.mxHosts(name); err != nil {
			s.skip(term, "the MX of %s: %v", name, err)
			return
		}
	}
	for _, host := range hosts {
		s.addresses(term, host, len4, len6)
	}
}

// mxHosts are the exchangers of a domain that may be its own: a provider's answer for everybody.
func (s *spfReader) mxHosts(domain string) ([]string, error) {
	found, err := resolve.MX(s.ctx, s.dns, resolve.Query{Name: domain})
	if err != nil {
		return nil, err
	}
	var hosts []string
	for _, mx := range found.Values {
		if mx.Host != "." {
			hosts = append(hosts, mx.Host)
		}
	}
	if len(hosts) == 0 {
		return nil, errors.New("it has none")
	}
	if p, ok := smtp.ProviderOf(hosts); ok {
		return nil, fmt.Errorf("they are run by %s, whose addresses are not yours", p.Name)
	}
	return hosts[:min(len(hosts), maxMXHosts)], nil
}

func (s *spfReader) addresses(term, host string, len4, len6 int) {
	found, err := resolve.Addresses(s.ctx, s.dns, resolve.Query{Name: host})
	for _, ip := range found.Values {
		bits := len4
		if ip.Is6() {
			bits = len6
		}
		s.take(term, netip.PrefixFrom(ip, bits))
	}
	switch {
	case err != nil:
		s.skip(term, "the addresses of %s could not all be looked up: %v", host, err)
	case len(found.Values) == 0:
		s.skip(term, "%s has no address", host)
	}
}

// lookAtMX finds out whether the domain's MX is its own to watch. Unknown is no.
func (s *spfReader) lookAtMX() {
	hosts, err := s.mxHosts(s.Domain)
	s.OwnMX = err == nil && len(hosts) > 0
}

// dualCIDR reads [":" domain] ["/" 0..32] ["//" 0..128] (RFC 7208 §5.3, §12).
func dualCIDR(argument string) (name string, len4, len6 int, err error) {
	len4, len6 = 32, 128
	rest, six, dual := strings.Cut(argument, "//")
	if dual {
		if len6, err = length(six, 128); err != nil {
			return "", 0, 0, err
		}
	}
	rest, four, has4 := strings.Cut(rest, "/")
	if has4 {
		if len4, err = length(four, 32); err != nil {
			return "", 0, 0, err
		}
	}
	if rest != "" && (len(rest) < 2 || rest[0] != ':') {
		return "", 0, 0, errors.New("no domain")
	}
	return strings.ToLower(strings.TrimSuffix(strings.TrimPrefix(rest, ":"), ".")), len4, len6, nil
}

func length(text string, most int) (int, error) {
	n, err := strconv.ParseUint(text, 10, 8)
	if err != nil || int(n) > most {
		return 0, errors.New("no length of a prefix")
	}
	return int(n), nil
}
