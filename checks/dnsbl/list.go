// Package dnsbl asks DNS-based lists about addresses and domains the way RFC
// 5782 describes, and believes a list only while it earns it.
//
// An IPv4 address is asked with its octets reversed in front of the zone
// (RFC 5782 §2.1), an IPv6 address with its 32 nibbles reversed (§2.4), a domain
// as it is (§2.2's successor for names, §3). No name means not listed; an A record
// in 127.0.0.0/8 means what the list's own code table says (§2.3). Lists break:
// they answer everything after their domain expired, nothing after they closed,
// a refusal code to public resolvers. So each list is asked its test points (§5)
// before it is used, hourly, and again after any hit (rule of truth 2).
package dnsbl

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"repwatch/reputation"
)

// List is one entry of the catalogue, checked and ready to use. It is read-only
// once loaded and safe for concurrent use.
type List struct {
	ID   string
	Zone string // as written; may hold {key}. Show this or ID, never Expanded.
	Name string
	Kind Kind

	V4, V6 bool // families asked; both false for domain lists

	Codes    []Code    // in order of the file; the most exact match wins
	Bits     []Bit     // bitmask lists; may be combined with Codes for whole values
	Refusals []Refusal // documented refusals beside 127.255.255.0/24
	Score    *Score    // kind score

	Test   Test
	Impact reputation.Impact
	Alert  Alert
	Lookup string // URL template with {ip}, {domain}; empty if unknown
	Delist Delist
	Access Access

	Resolver netip.AddrPort // a feed of its own; zero: the configured resolvers
	Retired  string         // date, reason, successor; asking for it is refused with these words
	Refuse   string         // alive, but must not be asked: the reason
	Default  bool           // in the set `use: [default]`
	Also     []string       // other names of the same data
	Operator string
	Note     string

	// Expanded is the zone with its key filled in: a secret where Zone holds {key}
	// (rule of truth 8). Empty while the key is missing.
	Expanded string

	keyTrouble string // why the key that was given cannot be used
}

// Kind is what a list takes and how its answers are meant.
type Kind string

const (
	KindIP     Kind = "ip"
	KindDomain Kind = "domain"
	KindAllow  Kind = "allow" // a hit is good news
	KindScore  Kind = "score" // an answer carries a number, see Score
)

// Alert is when a listing interrupts people.
type Alert string

const (
	AlertNow    Alert = "now"
	AlertDigest Alert = "digest"
	AlertNever  Alert = "never"
)

// Meaning is what a return code or bit stands for.
type Meaning struct {
	Text   string
	Class  reputation.Class
	Impact reputation.Impact
	Delist string // URL template; empty: the list's own
}

// Code maps return codes to a meaning. Each octet is a closed range, so an
// exact code, a range (127.0.0.10-11) and a pattern (127.0.*.9) are one thing.
type Code struct {
	Lo, Hi [4]byte
	Meaning
}

// Bit maps bits of a return code to a meaning: it applies when code&Mask == Mask,
// on the low 24 bits.
type Bit struct {
	Mask uint32
	Meaning
}

// Refusal is a code by which the list says that it does not answer us.
type Refusal struct {
	Lo, Hi [4]byte
	Why    string
}

// Score reads the value out of octet Octet (1 to 4) of the return code: bad below BadBelow, or above BadAbove.
type Score struct {
	Octet              int
	BadBelow, BadAbove *int
}

// Test says where a list must answer and where it must not (RFC 5782 §5).
// Without stated points the RFC's defaults are tried; None says that the list has no test points.
type Test struct {
	Stated bool // the catalogue names points
	None   bool
	Listed []Point
	Clean  []Point

	// NoClean: even the standard clean point is listed (Hostkarma, bogon lists).
	NoClean bool
	// NoRandom exempts the list from the random 127.x.y.z probe (bogon lists list all of 127/8).
	NoRandom bool
}

// Point is one test point: an address or a domain.
type Point struct {
	IP     netip.Addr
	Domain string
}

// Delist says how a listing ends.
type Delist struct {
	How     string
	Typical string
	URL     string // template with {ip}, {domain}
}

// Words say how, and how long it usually takes where that is known.
func (d Delist) Words() string {
	switch {
	case d.Typical == "":
		return d.How
	case d.How == "":
		return "usually takes " + d.Typical
	default:
		return d.How + "; usually takes " + d.Typical
	}
}

// Access holds what the operator allows. Where nothing is published,
// DefaultPerSecond and DefaultPerDay apply.
type Access struct {
	Key             string   // name in blocklists.keys that fills {key}
	PublicResolvers *bool    // nil: unknown
	Register        bool     // the resolver's address must be registered with the operator
	PerSecond       *float64 // questions; nil: unpublished, 0: no limit
	PerDay          *int     // questions; nil: unpublished, 0: no limit
	Commercial      *bool    // nil: unknown; false: not for commercial use without a contract
}

// Limits are the questions a second and a day that the list may be asked; 0 is no limit.
func (a Access) Limits() (perSecond float64, perDay int) {
	perSecond, perDay = DefaultPerSecond, DefaultPerDay
	if a.PerSecond != nil {
		perSecond = *a.PerSecond
	}
	if a.PerDay != nil {
		perDay = *a.PerDay
	}
	return perSecond, perDay
}

// Limits that apply where the operator publishes none (rule of truth 6).
const (
	DefaultPerSecond = 5
	DefaultPerDay    = 10_000
)

// Reading is what one answer of a list means.
type Reading struct {
	Verdict Verdict
	Codes   []netip.Addr // as answered, sorted
	Meaning []Meaning    // one per matched code or bit, worst first
	Class   reputation.Class
	Impact  reputation.Impact
	Score   *int
	TTL     time.Duration
	// Age is how long ago the answer may have entered the resolver's cache; an
	// onset or end seen now may have happened that much earlier (rule of truth 7).
	Age time.Duration

	// Odd marks a listing by a code that the list's table does not hold.
	Odd bool
	// Why says in words why the verdict is Unknown.
	Why string
	// Broken marks an answer that no working list gives (an A outside 127.0.0.0/8,
	// an undocumented 127.0.0.1, a refusal): reason enough to suspend the list.
	Broken bool
}

// Verdict of one pair. The zero value is Unknown.
type Verdict uint8

const (
	Unknown Verdict = iota
	NotListed
	Listed
)

var verdictWords = []string{"unknown", "not-listed", "listed"}

func (v Verdict) String() string { return verdictWords[v] }

// MarshalText is the word that documents use.
func (v Verdict) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// UnmarshalText reads that word.
func (v *Verdict) UnmarshalText(b []byte) error {
	i := slices.Index(verdictWords, string(b))
	if i < 0 {
		return fmt.Errorf("%q is no verdict", b)
	}
	*v = Verdict(i)
	return nil
}
