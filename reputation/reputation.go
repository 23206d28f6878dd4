// Package reputation holds the words that every other part of repwatch speaks:
// what is watched (Subject), what a look at it said (Verdict, Outcome), how a
// listing is meant (Class) and how much it hurts (Impact).
//
// It imports the standard library only, decides nothing and does no I/O.
// Every enumeration marshals as the lower-case word that documents, the store
// and people use; the zero value is always the one that claims least.
package reputation

import (
	"fmt"
	"slices"
	"strings"
)

// Verdict is what one look at a Subject says. The zero value is Unknown:
// a look that failed never reads as good news (rule of truth 1).
type Verdict uint8

const (
	// Unknown moves no state: timeout, SERVFAIL, REFUSED, a refusal code,
	// a suspended list, 4xx, a tarpit, trouble on our own side.
	Unknown Verdict = iota
	// Clear is a sure look that found nothing wrong: not listed, advertised.
	Clear
	// Bad is a sure look that found the bad state: listed, withdrawn.
	Bad
)

var verdictWords = []string{"unknown", "clear", "bad"}

func (v Verdict) String() string                { return word(verdictWords, int(v)) }
func (v Verdict) MarshalText() ([]byte, error)  { return marshal(verdictWords, int(v)) }
func (v *Verdict) UnmarshalText(b []byte) error { return unmarshal(v, verdictWords, "verdict", b) }

// Class is what a list means by a return code.
type Class uint8

const (
	// ClassBad accuses: spam source, exploited host, low reputation.
	ClassBad Class = iota
	// ClassPolicy states what the address is for (PBL, dynamic space). It is no accusation.
	ClassPolicy
	// ClassNeutral informs: a mixed source, a neutral score.
	ClassNeutral
	// ClassGood praises: an allowlist hit, a good score.
	ClassGood
)

var classWords = []string{"bad", "policy", "neutral", "good"}

func (c Class) String() string                { return word(classWords, int(c)) }
func (c Class) MarshalText() ([]byte, error)  { return marshal(classWords, int(c)) }
func (c *Class) UnmarshalText(b []byte) error { return unmarshal(c, classWords, "class", b) }

// Impact is how much a listing hurts delivery, ordered: a greater value hurts more.
type Impact uint8

const (
	Info Impact = iota
	Low
	Medium
	High
	Critical
)

var impactWords = []string{"info", "low", "medium", "high", "critical"}

func (i Impact) String() string                { return word(impactWords, int(i)) }
func (i Impact) MarshalText() ([]byte, error)  { return marshal(impactWords, int(i)) }
func (i *Impact) UnmarshalText(b []byte) error { return unmarshal(i, impactWords, "impact", b) }

// Outcome is what one complete conversation with a mail server showed
// (rule of truth 4). Only Advertised, Absent, Masked, Rejected and Broken are
// sure; Deferred and OutcomeUnknown move no state.
type Outcome uint8

const (
	OutcomeUnknown Outcome = iota
	// Advertised: a complete 250 EHLO reply offers STARTTLS, and the handshake worked where one was made.
	Advertised
	// Absent: a complete 250 EHLO reply without STARTTLS.
	Absent
	// Masked: a middlebox overwrote capabilities (X{4,}) or refuses EHLO (500, 502) while HELO works.
	Masked
	// Rejected: 5xx at greeting or EHLO.
	Rejected
	// Deferred: 4xx at greeting or EHLO, or 454 to STARTTLS.
	Deferred
	// Broken: STARTTLS advertised and answered 220, yet neither the normal nor the conservative handshake succeeds.
	Broken
)

var outcomeWords = []string{"unknown", "advertised", "absent", "masked", "rejected", "deferred", "broken"}

func (o Outcome) String() string                { return word(outcomeWords, int(o)) }
func (o Outcome) MarshalText() ([]byte, error)  { return marshal(outcomeWords, int(o)) }
func (o *Outcome) UnmarshalText(b []byte) error { return unmarshal(o, outcomeWords, "outcome", b) }

// Verdict says what an outcome means for the watched state.
func (o Outcome) Verdict() Verdict {
	switch o {
	case Advertised:
		return Clear
	case Absent, Masked, Rejected, Broken:
		return Bad
	default:
		return Unknown
	}
}

func word(words []string, i int) string {
	if i < len(words) {
		return words[i]
	}
	return fmt.Sprintf("invalid(%d)", i)
}

func marshal(words []string, i int) ([]byte, error) {
	if i >= len(words) {
		return nil, fmt.Errorf("reputation: no word for value %d", i)
	}
	return []byte(words[i]), nil
}

func unmarshal[T ~uint8](dst *T, words []string, what string, b []byte) error {
	i := slices.Index(words, string(b))
	if i < 0 {
		return fmt.Errorf("unknown %s %q: one of %s", what, b, strings.Join(words, ", "))
	}
	*dst = T(i)
	return nil
}
