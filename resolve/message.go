package resolve

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strings"

	"github.com/miekg/dns"
)

// This file knows the bytes of a question and of the head of an answer
// (RFC 1035 §4.1); what an answer's records mean is in read.go.

const (
	headerLen  = 12
	udpSize    = 1232   // EDNS buffer size that avoids fragments (DNS flag day 2020)
	queryFlags = 0x0120 // RD; AD asks for the AD bit (RFC 6840 §5.7)
)

// question is name, type and class as they stand in a message.
type question []byte

var errName = errors.New("a label is empty or over 63 octets, or the name over 255 (RFC 1035 section 2.3.4)")

// packQuestion makes the question in lower case.
func packQuestion(name string, qtype uint16) (question, error) {
	if name == "" {
		return nil, errName
	}
	b := make([]byte, 255+4)
	n, err := dns.PackDomainName(dns.Fqdn(strings.ToLower(name)), b[:255], 0, nil, false)
	if err != nil {
		return nil, errName // the library's own words may hold the name
	}
	b = binary.BigEndian.AppendUint16(b[:n], qtype)
	return binary.BigEndian.AppendUint16(b, dns.ClassINET), nil
}

// mixed returns the question with each letter of its name in random case, and
// whether any is upper case. Where there is a letter, one is: a forger's first
// guess, and a careless server's answer, is all lower case.
func (q question) mixed(random func() uint64) (question, bool) {
	out := bytes.Clone(q)
	for {
		upper, letters := 0, 0
		var bits uint64
		for i, c := range q[:len(q)-4] {
			if i%64 == 0 {
				bits = random()
			}
			out[i] = c
			if c < 'a' || c > 'z' { // length octets are below 64 and so never letters
				continue
			}
			letters++
			if bits>>(i%64)&1 == 1 {
				out[i] = c - 0x20
				upper++
			}
		}
		if upper > 0 || letters == 0 {
			return out, upper > 0
		}
	}
}

// appendQuery writes the whole query.
func appendQuery(b []byte, id uint16, q question, edns bool) []byte {
	b = binary.BigEndian.AppendUint16(b, id)
	b = binary.BigEndian.AppendUint16(b, queryFlags)
	b = append(b, 0, 1, 0, 0, 0, 0, 0, 0)
	if edns {
		b[len(b)-1] = 1
	}
	b = append(b, q...)
	if edns { // RFC 6891 §6.1.2
		b = append(b, 0, 0, byte(dns.TypeOPT), udpSize>>8, udpSize&0xff, 0, 0, 0, 0, 0, 0)
	}
	return b
}

// kinship says how a message relates to a question.
type kinship int

const (
	notAnswer   kinship = iota // no response, not DNS
	stranger                   // to another question
	otherCase                  // to this one, but for the case of its name
	nameless                   // an error without a question section
	sameExactly                // to this very one
)

func kin(msg []byte, q question) kinship {
	if len(msg) < headerLen {
		return notAnswer
	}
	const response, opcode = 0x80, 0x78
	if msg[2]&response == 0 || msg[2]&opcode != 0 {
		return notAnswer
	}
	switch binary.BigEndian.Uint16(msg[4:]) {
	case 0:
		switch rcodeOf(msg) {
		case dns.RcodeSuccess, dns.RcodeNameError:
			return notAnswer // never an answer without saying to what
		}
		return nameless
	case 1:
		return q.compare(msg[headerLen:])
	default:
		return notAnswer
	}
}

// compare expects the question uncompressed: at the head of a message there is nothing to point to.
func (q question) compare(b []byte) kinship {
	if len(b) < len(q) {
		return stranger
	}
	b = b[:len(q)]
	if bytes.Equal(b, q) {
		return sameExactly
	}
	name := len(q) - 4
	if !bytes.Equal(b[name:], q[name:]) {
		return stranger
	}
	for i := range name {
		if lower(b[i]) != lower(q[i]) {
			return stranger
		}
	}
	return otherCase
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 0x20
	}
	return c
}

func idOf(msg []byte) uint16    { return binary.BigEndian.Uint16(msg) }
func rcodeOf(msg []byte) int    { return int(msg[3] & 0x0f) }
func truncated(msg []byte) bool { return msg[2]&0x02 != 0 }
