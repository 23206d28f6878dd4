package dnsbl

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"repwatch/resolve"
)

// Health says whether a list is believed right now (rule of truth 2).
type Health string

const (
	// HealthOK: every test point answered as it must.
	HealthOK Health = "ok"
	// HealthSuspended: a test point did not; nothing the list says counts until it passes again.
	HealthSuspended Health = "suspended"
	// HealthUntested: the list has no test point that answers. Its documented codes
	// count at impact info, its silence says nothing.
	HealthUntested Health = "untested"
	// HealthRetired: the list is closed, or must not be asked at all.
	HealthRetired Health = "retired"
)

// Condition is a list's health with the reason in words and when it was last tested.
type Condition struct {
	List   *List
	Health Health
	Why    string // empty for ok
	Cause  Cause  // why it is suspended, for the diagnosis over all lists
	Tested time.Time
	// Vouched: the listed test points were on the list at this moment or later (rule
	// of truth 7: their answers may come from a cache). Renewed is when no cache can
	// hold those answers any more. Both are zero unless Health is ok.
	Vouched, Renewed time.Time
	// Silent reports that the list could not be heard at all (timeout), as
	// opposed to answering wrongly: asking once more may help.
	Silent bool
}

// Cause sorts reasons of suspension, so that one trouble of ours behind many
// suspended lists is recognised (rule of truth 7).
type Cause string

const (
	CauseNone      Cause = ""
	CauseSilent    Cause = "silent"    // timeout, port unreachable
	CauseServfail  Cause = "servfail"  // SERVFAIL or another error code
	CauseDenied    Cause = "denied"    // REFUSED
	CauseRefusal   Cause = "refusal"   // the list refuses us by a code such as 127.255.255.254
	CauseOutside   Cause = "outside"   // an A record outside 127.0.0.0/8
	CauseEmpty     Cause = "empty"     // the listed test point does not exist
	CauseStripped  Cause = "stripped"  // the listed test point exists but has no address left
	CauseListsAll  Cause = "lists-all" // a clean point is listed
	CauseUndocCode Cause = "odd-code"  // the listed point answers an undocumented code
	CauseUnusable  Cause = "unusable"  // key missing, cannot be asked
	CauseMassHits  Cause = "mass-hits" // failed the second look after listing most of our addresses
)

// want is what a test point must answer.
type want uint8

const (
	wantListed want = iota
	wantClean       // a stated or standard clean point
	wantRandom      // a random address: never in a resolver's cache
	wantNoName      // a random label: catches a wildcard over the whole zone
)

// probe is one test question and, once asked, its answer.
type probe struct {
	want   want
	shown  string // what people read: the point, never the expanded name
	name   string // what is asked: may hold a key
	answer resolve.Answer
	read   Reading
	err    error
}

// judge decides a list's health from its answered test questions. It is pure.
// The gravest finding wins: an answer that no working list gives, then a clean
// point that is listed, then silence, then a listed point that is not.
func judge(l *List, stated bool, probes []probe) (Health, Cause, string) {
	for _, p := range probes {
		if p.err == nil && p.read.Broken {
			cause := CauseRefusal
			for _, c := range p.read.Codes {
				if c.Is4() && c.As4()[0] != 127 {
					cause = CauseOutside
				}
			}
			return HealthSuspended, cause, p.read.Why
		}
	}
	for _, p := range probes {
		if p.want != wantListed && p.err == nil && p.read.Verdict == Listed {
			return HealthSuspended, CauseListsAll, listsAll(p)
		}
	}
	for _, p := range probes {
		if p.err != nil {
			return HealthSuspended, causeOf(p.err), fmt.Sprintf("test point %s could not be asked: %v", p.shown, p.err)
		}
	}
	return judgeListed(l, stated, probes)
}

// judgeListed looks at the points that must be listed, all questions being answered and no clean point listed.
func judgeListed(l *List, stated bool, probes []probe) (Health, Cause, string) {
	listed := 0
	for _, p := range probes {
		if p.want != wantListed {
			continue
		}
		switch {
		case p.read.Verdict == Listed && p.read.Undocumented():
			return HealthSuspended, CauseUndocCode, fmt.Sprintf("test point %s answered %s, which the list does not document", p.shown, joinCodes(p.read.Codes))
		case p.read.Verdict == Listed:
			listed++
		case p.answer.NoData(): // the name is there: even a point that was a guess is a point
			return HealthSuspended, CauseStripped, fmt.Sprintf("test point %s exists but its address is missing from the answer: the list is broken, or our resolver strips 127.0.0.0/8 (rebind protection)", p.shown)
		case !stated:
			// RFC 5782's default point was a guess: its absence proves nothing.
		default:
			return HealthSuspended, CauseEmpty, fmt.Sprintf("test point %s is not listed: the list is empty, closed, or hides its data from us; its silence would read as clean", p.shown)
		}
	}
	if listed == 0 {
		why := "the list states no test point and does not answer RFC 5782's 127.0.0.2, so its silence proves nothing"
		if l.Test.None {
			why = "the list has no test point, so its silence proves nothing"
		}
		return HealthUntested, CauseNone, why
	}
	return HealthOK, CauseNone, ""
}

func listsAll(p probe) string {
	codes := joinCodes(p.read.Codes)
	switch p.want {
	case wantRandom:
		return fmt.Sprintf("lists the world: it answered %s for the random address %s, which no list should hold", codes, p.shown)
	case wantNoName:
		return fmt.Sprintf("answers everything: it answered %s for a random label (a wildcard; an expired domain looks like this)", codes)
	default:
		return fmt.Sprintf("lists the world: it answered %s for %s, which must never be listed (RFC 5782 section 5)", codes, p.shown)
	}
}

func causeOf(err error) Cause {
	switch resolve.FailureOf(err) {
	case resolve.FailTimeout, resolve.FailNetwork, resolve.FailZoneBroken, resolve.FailCanceled:
		return CauseSilent
	case resolve.FailRefused:
		return CauseDenied
	case resolve.FailBadQuestion:
		return CauseUnusable
	default:
		return CauseServfail
	}
}

func joinCodes(codes []netip.Addr) string {
	words := make([]string, len(codes))
	for i, c := range codes {
		words[i] = c.String()
	}
	return strings.Join(words, ", ")
}
