package lab

import (
	"time"

	"github.com/miekg/dns"
)

// DNSBehaviour is how a zone treats questions. The zero value answers at once and truthfully.
type DNSBehaviour struct {
	// Delay before answering, and up to Jitter more.
	Delay, Jitter time.Duration

	DropAll   bool
	DropEvery int     // every n-th question of the zone
	DropFirst int     // the first n questions of each name and type, in any case
	Loss      float64 // this share of the questions, 0 to 1, by the world's seed

	// Rcode, if not 0, is the whole answer: dns.RcodeServerFailure, dns.RcodeRefused, …
	Rcode int
	// NoQuestion leaves the question section out (old servers do so with FORMERR).
	NoQuestion bool
	// NoEDNS answers FORMERR, without the question, to a question with an OPT record.
	NoEDNS bool
	// LowerCase writes the question in lower case (a resolver that breaks 0x20).
	LowerCase bool
	// Truncate sets TC on every UDP answer and leaves its records out. Without it
	// only answers too large for the asker's UDP size are truncated.
	Truncate bool
	// NoTCP closes TCP connections without an answer.
	NoTCP bool
	// Aging makes the zone a cache: an answer is kept as it was when first asked for, its
	// TTLs count down, and only when they ran out is the world looked at again. See DNS.Advance.
	Aging bool
	// BareCNAME answers a CNAME without what it points to.
	BareCNAME bool
	// Referral answers with nothing but an NS record of the root: a lame server.
	Referral bool
	// Authoritative sets AA and clears RA.
	Authoritative bool

	// WrongID, WrongQuestion and Garbage spoil the answer: another ID, another name, random bytes.
	WrongID, WrongQuestion, Garbage bool

	// Forge sends these before each answer, as an attacker would who guessed all but one thing.
	Forge []DNSForgery

	// Rewrite may change the answer at will before it is sent. It must not call the DNS.
	Rewrite func(*dns.Msg)
}

// DNSForgery is a false answer: the records of With, in the right shape but for the Wrong thing.
type DNSForgery struct {
	Wrong DNSWrong
	With  []dns.RR // the owner "." stands for the name asked
	Times int      // 0 means once
}

// DNSWrong is what an attacker got wrong.
type DNSWrong string

const (
	WrongID       DNSWrong = "id"
	WrongSource   DNSWrong = "source"   // another port of the same address
	WrongCase     DNSWrong = "case"     // the name in lower case
	WrongQuestion DNSWrong = "question" // another name
	WrongType     DNSWrong = "type"
)

// DNSZone is a part of the world with its own behaviour and counters.
type DNSZone struct {
	d     *DNS
	name  string
	how   DNSBehaviour
	synth func(rel string, qtype uint16) []dns.RR
	asked map[string]int // per lower-case name and type, while DropFirst is set
	stats DNSStats
}

// Name is absolute and in lower case.
func (z *DNSZone) Name() string { return z.name }

// Set replaces the behaviour, from the next question on.
func (z *DNSZone) Set(b DNSBehaviour) {
	z.d.mu.Lock()
	defer z.d.mu.Unlock()
	z.how = b
	clear(z.asked)
}

// Behaviour is what was Set last.
func (z *DNSZone) Behaviour() DNSBehaviour {
	z.d.mu.Lock()
	defer z.d.mu.Unlock()
	return z.how
}

// Synthesize answers names without records of their own by a function: rel is
// the lower-case name without the zone and its dot. Nil records mean NXDOMAIN.
// The owners are filled in. It must not call the DNS.
func (z *DNSZone) Synthesize(f func(rel string, qtype uint16) []dns.RR) {
	z.d.mu.Lock()
	defer z.d.mu.Unlock()
	z.synth = f
}

// DNSStats counts the questions of a zone since the last reset. A question is
// in hand from its arrival until just before its answer leaves, so Max never
// overstates what the asker had in flight.
type DNSStats struct {
	Questions, TCP    int
	Answered, Dropped int
	InHand, Max       int // questions being answered: now, and at most
	MaxPerSource      int // at most, of one address and port (counted over all zones)
	First, Last       time.Time
}

// Rate is questions per second between the first and the last one; 0 with fewer than two.
func (s DNSStats) Rate() float64 {
	took := s.Last.Sub(s.First).Seconds()
	if s.Questions < 2 || took <= 0 {
		return 0
	}
	return float64(s.Questions-1) / took
}

// Stats of this zone alone; zones below it count for themselves.
func (z *DNSZone) Stats() DNSStats {
	z.d.mu.Lock()
	defer z.d.mu.Unlock()
	return z.stats
}

// ResetStats starts counting anew.
func (z *DNSZone) ResetStats() {
	z.d.mu.Lock()
	defer z.d.mu.Unlock()
	z.stats = DNSStats{InHand: z.stats.InHand}
}
