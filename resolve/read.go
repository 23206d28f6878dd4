package resolve

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// part is what one message says about one name.
type part struct {
	Answer
	next string // the chain leads out of the message: ask for this name
}

// maxHops is how many CNAMEs are followed in all.
const maxHops = 8

var (
	errLame  = errors.New("it refers to other servers (it does not serve this zone, or does not recurse)")
	errChain = fmt.Errorf("its CNAMEs run in a circle or over more than %d names", maxHops)
	errBytes = errors.New("the message cannot be read")
)

// readMessage reads an answer whose head was checked already. The error says
// why it is useless; rcodes other than NOERROR and NXDOMAIN are no error here.
func readMessage(wire []byte, name string, qtype uint16) (part, error) {
	var m dns.Msg
	if err := m.Unpack(wire); err != nil {
		return part{}, errBytes // the library's words quote foreign bytes
	}
	p := part{Answer: Answer{
		Rcode: m.Rcode, Authoritative: m.Authoritative,
		RecursionAvailable: m.RecursionAvailable, AuthenticData: m.AuthenticatedData,
	}}
	if m.Rcode != dns.RcodeSuccess && m.Rcode != dns.RcodeNameError {
		return p, nil
	}
	return p, p.follow(&m, dns.CanonicalName(name), qtype)
}

// follow walks from name to the records, along the CNAMEs of the answer section.
// Records of other owners are nobody's business (RFC 5452 §6).
func (p *part) follow(m *dns.Msg, name string, qtype uint16) error {
	first, ttl := name, shortest{}
	for {
		for _, rr := range m.Answer {
			if rr.Header().Rrtype == qtype && owns(rr, name) {
				rr.Header().Name = name // not in the random case of our question
				p.Records = append(p.Records, rr)
				ttl.add(rr.Header().Ttl)
			}
		}
		if len(p.Records) > 0 {
			p.Rcode, p.TTL = dns.RcodeSuccess, ttl.duration()
			return nil
		}
		alias := cnameOf(m, name)
		if alias == nil {
			break
		}
		name = dns.CanonicalName(alias.Target)
		if len(p.CNAMEs) == maxHops || name == first || slices.Contains(p.CNAMEs, name) {
			return errChain
		}
		p.CNAMEs = append(p.CNAMEs, name)
		ttl.add(alias.Hdr.Ttl)
	}
	return p.absent(m, name, ttl)
}

// absent reads a message without the records asked for: they do not exist, or
// the server does not know, or they are to be asked for elsewhere.
func (p *part) absent(m *dns.Msg, name string, ttl shortest) error {
	soa := soaOver(m, name)
	switch {
	case soa != nil: // RFC 2308 §5
		ttl.add(soa.Hdr.Ttl)
		ttl.add(soa.Minttl)
		p.TTL = ttl.duration()
	case m.Rcode == dns.RcodeNameError: // not to be cached
	case len(p.CNAMEs) > 0:
		p.next, p.TTL = name, ttl.duration()
	case !m.Authoritative && slices.ContainsFunc(m.Ns, func(rr dns.RR) bool { return rr.Header().Rrtype == dns.TypeNS }):
		return errLame // RFC 2308 §2.2: NS without SOA is a referral
	}
	return nil
}

func owns(rr dns.RR, name string) bool {
	return rr.Header().Class == dns.ClassINET && strings.EqualFold(rr.Header().Name, name)
}

func cnameOf(m *dns.Msg, name string) *dns.CNAME {
	for _, rr := range m.Answer {
		if c, ok := rr.(*dns.CNAME); ok && owns(rr, name) {
			return c
		}
	}
	return nil
}

// soaOver is the SOA in the authority section whose zone holds the name.
func soaOver(m *dns.Msg, name string) *dns.SOA {
	for _, rr := range m.Ns {
		if soa, ok := rr.(*dns.SOA); ok && dns.IsSubDomain(rr.Header().Name, name) {
			return soa
		}
	}
	return nil
}

// shortest collects TTLs.
type shortest struct {
	seconds uint32
	any     bool
}

func (s *shortest) add(ttl uint32) {
	if ttl > 1<<31-1 { // RFC 2181 §8: the top bit set means zero
		ttl = 0
	}
	if !s.any || ttl < s.seconds {
		s.seconds, s.any = ttl, true
	}
}

func (s *shortest) duration() time.Duration { return time.Duration(s.seconds) * time.Second }
