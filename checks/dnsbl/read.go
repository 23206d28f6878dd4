package dnsbl

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"repwatch/reputation"
)

// Read says what an answer of this list means (rule of truth 3). It is pure.
// addrs are the A records of a sure answer, in any order; none means not listed.
//
// A refusal or an impossible answer outweighs everything beside it: a list that
// refuses us, or whose domain is parked, says nothing. Otherwise all records
// are summed up: the class is the worst one present, the impact that of the worst
// meaning of that class.
func (l *List) Read(addrs []netip.Addr, ttl time.Duration) Reading {
	r := Reading{Verdict: NotListed, TTL: ttl, Codes: slices.SortedFunc(slices.Values(addrs), netip.Addr.Compare)}
	if len(addrs) == 0 {
		return r
	}
	for _, a := range r.Codes {
		if why := l.impossible(a); why != "" {
			return Reading{Codes: r.Codes, TTL: ttl, Why: why, Broken: true}
		}
	}
	r.Verdict, r.Odd = Listed, true
	for _, a := range r.Codes {
		meanings, documented := l.meanings(a)
		r.Odd = r.Odd && !documented
		r.Meaning = append(r.Meaning, meanings...)
	}
	if l.Score != nil {
		v := int(r.Codes[0].As4()[l.Score.Octet-1])
		r.Score = &v
	}
	r.sum()
	return r
}

// sum orders meanings worst first and takes class and impact from the worst.
func (r *Reading) sum() {
	slices.SortStableFunc(r.Meaning, func(a, b Meaning) int {
		return cmp.Or(cmp.Compare(a.Class, b.Class), cmp.Compare(b.Impact, a.Impact))
	})
	r.Meaning = slices.CompactFunc(r.Meaning, func(a, b Meaning) bool { return a == b })
	r.Class, r.Impact = r.Meaning[0].Class, r.Meaning[0].Impact
}

// Undocumented reports that none of the codes is one the list documents.
func (r Reading) Undocumented() bool { return r.Verdict == Listed && r.Odd }

// impossible says why no working list gives this answer to us; empty if one may.
func (l *List) impossible(a netip.Addr) string {
	if !a.Is4() || a.As4()[0] != 127 {
		return fmt.Sprintf("it answered %s, which is outside 127.0.0.0/8: a parked domain, a block page, or a resolver that rewrites answers; no list answers like this", a)
	}
	b := a.As4()
	for _, ref := range l.Refusals {
		if ref.octets().has(b) {
			return fmt.Sprintf("it refused to answer: %s means %q", a, ref.Why)
		}
	}
	switch {
	case refusalNet.has(b):
		return fmt.Sprintf("it refused to answer: %s (codes in 127.255.255.0/24 are refusals; usually the resolver is a public one, or asks too much)", a)
	case low24(b) <= 1 && !l.documents(b): // 127.0.0.1, or below it 127.0.0.0
		return fmt.Sprintf("it answered %s, which it does not document: a broken zone or a refusal, never a listing", a)
	}
	return ""
}

func (l *List) documents(a [4]byte) bool {
	if slices.ContainsFunc(l.Codes, func(c Code) bool { return c.octets().has(a) }) {
		return true
	}
	if l.Score != nil && len(l.Codes) == 0 {
		return true // every value is one
	}
	return slices.ContainsFunc(l.Bits, func(b Bit) bool { return low24(a)&b.Mask == b.Mask })
}

// meanings of one return code, and whether the list documents it.
func (l *List) meanings(a netip.Addr) ([]Meaning, bool) {
	b := a.As4()
	if m, ok := l.code(b); ok {
		return []Meaning{l.scored(b, m)}, true
	}
	out, left := l.bits(b)
	switch {
	case len(out) > 0 && left != 0:
		return append(out, Meaning{Text: fmt.Sprintf("undocumented bits %#x", left), Class: reputation.ClassNeutral, Impact: reputation.Info}), true
	case len(out) > 0:
		return out, true
	case l.Score != nil:
		return []Meaning{l.scored(b, Meaning{Text: "score"})}, true
	case len(l.Codes) == 0 && len(l.Bits) == 0:
		return []Meaning{{Text: "listed", Class: l.class(), Impact: l.Impact}}, true
	}
	return []Meaning{{Text: "undocumented code " + a.String(), Class: l.class(), Impact: reputation.Info}}, false
}

// code is the meaning of the most exact pattern that holds a.
func (l *List) code(a [4]byte) (Meaning, bool) {
	best, width := -1, 0
	for i, c := range l.Codes {
		if w := c.octets().width(); c.octets().has(a) && (best < 0 || w < width) {
			best, width = i, w
		}
	}
	if best < 0 {
		return Meaning{}, false
	}
	return l.Codes[best].Meaning, true
}

// bits are the meanings of all set bits, and the bits no mask explains.
func (l *List) bits(a [4]byte) (out []Meaning, left uint32) {
	value := low24(a)
	left = value
	for _, b := range l.Bits {
		if value&b.Mask == b.Mask {
			out = append(out, b.Meaning)
			left &^= b.Mask
		}
	}
	return out, left
}

// scored adds the value to a score's meaning and judges it by the threshold.
func (l *List) scored(a [4]byte, m Meaning) Meaning {
	if l.Score == nil {
		return m
	}
	v := int(a[l.Score.Octet-1])
	limit, bad := "", false
	if below := l.Score.BadBelow; below != nil {
		limit, bad = fmt.Sprintf("below %d", *below), v < *below
	}
	if above := l.Score.BadAbove; above != nil {
		limit, bad = fmt.Sprintf("above %d", *above), v > *above
	}
	m.Text = fmt.Sprintf("%s (%d; bad is %s)", m.Text, v, limit)
	switch {
	case bad:
		m.Class, m.Impact = reputation.ClassBad, max(l.Impact, reputation.Low)
	case m.Class == reputation.ClassBad:
		m.Class, m.Impact = reputation.ClassNeutral, reputation.Info
	}
	return m
}

// class of a code that does not say its own.
func (l *List) class() reputation.Class {
	if l.Kind == KindAllow {
		return reputation.ClassGood
	}
	return reputation.ClassBad
}
