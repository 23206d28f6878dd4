// Package resolve asks DNS questions and gives DNS-shaped answers: the rcode,
// the records, how long the answer (or its absence) may be kept, and who
// answered. NXDOMAIN, an empty answer and a failure never merge.
//
// One Client serves lists, MX, PTR and policy alike. It is bounded on every
// side: a window of questions in flight per server that follows AIMD, a cap
// and a breaker per zone so that one dead list holds nobody up, a deadline per
// question. Retries use a new ID on another socket; 0x20 mixed case guards
// against forged answers; truncated answers are asked again over TCP.
package resolve

import (
	"context"
	"net/netip"
	"time"

	"github.com/miekg/dns"
)

// Query is one question.
type Query struct {
	Name string // any case, with or without the final dot
	Type uint16 // dns.TypeA, ...

	// Zone groups questions for the cap and the breaker: the id of a list,
	// empty for ordinary names. It is what errors and logs show instead of
	// Name, because a list's key is a DNS label (rule of truth 8).
	Zone string

	// Servers to ask instead of the client's own (a list with its own feed).
	Servers []netip.AddrPort

	// Insist asks even while the zone's breaker is open, and is not given up when
	// it opens: for the few questions that find out whether a list is back.
	Insist bool

	// Budget, if positive, bounds the whole question with all its tries;
	// tries are then spread evenly over it. Without it each try may take
	// Options.Timeout and a question takes at most Tries times that.
	Budget time.Duration
}

// Answer is what came back. Records holds the records of the asked type at the
// end of the CNAME chain, if any.
type Answer struct {
	Server  netip.AddrPort
	Rcode   int // dns.RcodeSuccess, dns.RcodeNameError, ...
	Records []dns.RR
	CNAMEs  []string // the chain followed, in order, final dot included

	// TTL is how much longer a cache may keep this answer: the smallest TTL on
	// the way to the records, or for a negative answer the lesser of the SOA's
	// TTL and its MINIMUM (RFC 2308 §5); 0 when a negative answer has no SOA.
	TTL time.Duration

	Authoritative      bool // AA
	RecursionAvailable bool // RA
	AuthenticData      bool // AD; to be trusted only from a validating resolver on this host

	Tries   int
	Elapsed time.Duration
}

// NXDomain reports that the name does not exist (RFC 8020).
func (a Answer) NXDomain() bool { return a.Rcode == dns.RcodeNameError }

// NoData reports that the name exists, or may, without records of the asked type (RFC 2308 §2.2).
func (a Answer) NoData() bool { return a.Rcode == dns.RcodeSuccess && len(a.Records) == 0 }

// Lookuper is what the users of this package need; *Client implements it, and
// so does any world made of data in a test.
//
// A non-nil error is always an *Error. SERVFAIL, REFUSED and other rcodes than
// NOERROR and NXDOMAIN are errors too (after every server was asked), with the
// last Answer returned beside them.
type Lookuper interface {
	Lookup(ctx context.Context, q Query) (Answer, error)
}

// Failure says why a question has no answer.
type Failure string

const (
	FailTimeout     Failure = "timeout"      // nobody answered in time
	FailServer      Failure = "servfail"     // SERVFAIL
	FailRefused     Failure = "refused"      // REFUSED
	FailRcode       Failure = "rcode"        // any other rcode (FORMERR, NOTIMP, ...)
	FailNetwork     Failure = "network"      // port unreachable, no route, cannot bind
	FailMalformed   Failure = "malformed"    // answers came that are no DNS or not to our question
	FailZoneBroken  Failure = "zone-broken"  // breaker open: the zone did not answer lately, not asked now
	FailCanceled    Failure = "canceled"     // the caller gave up
	FailBadQuestion Failure = "bad-question" // the name cannot be asked (label over 63, name over 255 octets)
)

// Error says why a question has no usable answer. Its text never contains the
// asked name when the query carries a Zone.
type Error struct {
	Failure Failure
	Server  netip.AddrPort // the last one asked; zero if none
	Rcode   int            // for FailServer, FailRefused, FailRcode
	What    string         // zone, or the name of a query without one
	Tries   int
	Elapsed time.Duration
	RetryIn time.Duration // for FailZoneBroken: when the zone is asked again
	Err     error         // underlying, may be nil
}
