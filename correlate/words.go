package correlate

// Words people read: what happened, why we think so, what would settle it.
// Numbers are never finer than what was seen; nothing is certain before it reversed.

import (
	"fmt"
	"math"
	"strings"
)

// Word says a probability in plain language: confirmed, likely or possible.
func Word(p float64) string {
	switch {
	case p >= confirmedFrom:
		return "confirmed"
	case p >= likelyFrom:
		return "likely"
	default:
		return "possible"
	}
}

var lossWords = map[Loss]string{
	LossSTARTTLS:   "withdrew STARTTLS",
	LossBanner:     "refuses the connection",
	LossRejected:   "refuses the connection",
	LossMasked:     "shows masked capabilities",
	LossDeferred:   "puts the connection off",
	LossBroken:     "breaks the TLS handshake",
	LossCapability: "withdrew a capability",
}

// Say is the loss in words: "p.example withdrew STARTTLS from 192.0.2.10".
func (v *Verdict) Say() string {
	verb := lossWords[v.Loss]
	if strings.HasPrefix(verb, "withdrew") {
		return fmt.Sprintf("%s %s from %s", v.Partner, verb, v.IP)
	}
	return fmt.Sprintf("%s %s for %s", v.Partner, verb, v.IP)
}

func minutesWord(m float64) string {
	n := math.Round(m)
	if n == 1 {
		return "1 min"
	}
	return fmt.Sprintf("%.0f min", n)
}

// String is "7-22 min", or the most it can be when the looks were too far apart.
func (r Range) String() string {
	switch {
	case !r.Fine:
		return "one probe, at most " + minutesWord(r.High)
	case math.Round(r.Low) == math.Round(r.High):
		return minutesWord(r.High)
	default:
		return fmt.Sprintf("%.0f-%s", r.Low, minutesWord(r.High))
	}
}

// String is the edge in words, with its record.
func (e *Edge) String() string {
	s := fmt.Sprintf("%s reacts to %s: within %s of a listing, %d of %d times (95 %%: %.0f-%.0f %%)",
		e.Partner, e.List, e.Lag, e.Followed, e.Fired, 100*e.Low, 100*e.High)
	if e.Ended > 0 {
		s += fmt.Sprintf("; restored within %s of the delisting, %d of %d", e.Recovery, e.Restored, e.Ended)
	}
	if e.Standing == Retired {
		s += "; it seems to have stopped doing so"
	}
	return s
}

// evidence says why, the strongest reason first.
func (c *Correlator) evidence(v *Verdict, k *loss, f *fit) []string {
	var out []string
	out = append(out, c.saidBy(k)...)
	for _, s := range v.Shares {
		if s.Cause == ByListing && s.P >= .05 && len(out) < 5 {
			out = append(out, c.timing(k, s.List, f)...)
		}
	}
	if v.Likeliest.Cause == ByAbuse {
		out = append(out, fmt.Sprintf("%s acted about when lists began to accuse this address; the abuse itself explains that better than any one list", v.Partner))
	}
	if w := c.whoElse(k); w != "" {
		out = append(out, w)
	}
	if w := c.sameMoment(k); w != "" {
		out = append(out, w)
	}
	if v.RunnerUp.P >= .01 {
		out = append(out, fmt.Sprintf("next most probable: %s, %.0f %%", causeWord(v.RunnerUp), 100*v.RunnerUp.P))
	}
	return out
}

func causeWord(s Share) string {
	switch s.Cause {
	case ByListing:
		return "the listing on " + s.List
	case ByPartner:
		return "a change at the partner for everyone"
	case ByPath:
		return "a fault on our own path"
	case ByAbuse:
		return "the abuse that got the address listed"
	case Private:
		return "the partner's own judgement of this address; no list shows it"
	default:
		return "nothing we know of"
	}
}

func (c *Correlator) saidBy(k *loss) (out []string) {
	c.h.repliesTo(k, func(r *reply) {
		if r.list >= 0 {
			out = append(out, fmt.Sprintf("its reply names %s", c.h.lists.texts[r.list]))
		} else {
			out = append(out, fmt.Sprintf("its reply gives another reason than a list (%s)", r.policy))
		}
	})
	return out
}

// timing tells this loss's own times against a listing, and what the partner did on earlier ones.
func (c *Correlator) timing(k *loss, list string, f *fit) (out []string) {
	id := c.h.lists.ids[list]
	for _, n := range c.h.ofIP[k.ip] {
		l := &c.h.listings[n]
		if l.list != id || f.g.hit(l.a0, l.a1, k.a0, k.a1) == 0 {
			continue
		}
		out = append(out, fmt.Sprintf("%s listed the address %s", list, apart(&span{a0: l.a0, a1: l.a1}, &span{a0: k.a0, a1: k.a1})))
		switch {
		case !k.open() && !l.open() && f.h.hit(l.b0, l.b1, k.b0, k.b1) > 0:
			out = append(out, "it came back within "+minutesWord(math.Max(1, k.b1-l.b0))+" of the delisting")
		case !k.open() && l.open():
			out = append(out, fmt.Sprintf("it came back while %s still lists the address, which speaks against the list", list))
		case k.open() && !l.open():
			out = append(out, fmt.Sprintf("%s has cleared and it is not back yet", list))
		}
	}
	for n, l := range f.cand {
		if e := c.edge(k.partner, n, f); l == id && e.Fired > 0 {
			out = append(out, e.String())
		}
	}
	return out
}

// unknownOnset is the width, in minutes, from which on a bracket says no more than
// that something began before anybody looked.
const unknownOnset = 24 * 60

// apart says how a listing's onset lies to the loss's, no finer than the brackets.
func apart(l, k *span) string {
	least, most := k.a0-l.a1, k.a1-l.a0
	switch {
	case l.a1-l.a0 >= unknownOnset || k.a1-k.a0 >= unknownOnset:
		return "at a time that was not seen"
	case least >= 0 && most < 1:
		return "less than a minute before the loss"
	case least >= 0:
		return fmt.Sprintf("%.0f-%s before the loss", least, minutesWord(most))
	case most <= 0:
		return "after the loss"
	default:
		return "around the same time, at most " + minutesWord(math.Max(1, math.Max(most, -least))) + " apart"
	}
}

func (c *Correlator) whoElse(k *loss) string {
	var parts []string
	if c.hasControl {
		switch {
		case c.h.controlBlind(k):
			parts = append(parts, "the control lost most partners at once and is left out")
		case c.h.controlSaw(k):
			parts = append(parts, "the control lost it too")
		case !c.h.controlKnows(k):
			parts = append(parts, "the control has not looked since")
		default:
			parts = append(parts, "the control still gets it")
		}
	}
	lost, known := 0, 0
	for ip := range c.h.ips.texts {
		if ip == k.ip {
			continue
		}
		if l, ok := c.h.pairAround(ip, k.partner, k, together); ok {
			known++
			if l {
				lost++
			}
		}
	}
	if known > 0 {
		parts = append(parts, ofOthers(lost, known, "sending address", "sending addresses")+" lost it in the same moment")
	}
	return strings.Join(parts, "; ")
}

func (c *Correlator) sameMoment(k *loss) string {
	if !c.h.ipLostOthers(k) {
		return ""
	}
	lost, known := 0, 0
	for p := range c.h.partners.texts {
		if p == k.partner {
			continue
		}
		if l, ok := c.h.pairAround(k.ip, p, k, samePath); ok {
			known++
			if l && !c.h.lostElsewhere(p, k) {
				lost++
			}
		}
	}
	if lost == 0 {
		return ""
	}
	return ofOthers(lost, known, "partner", "partners") + " turned against this address in the same moment"
}

// ofOthers counts as people do: none of 3 other partners, all 3.
func ofOthers(n, of int, one, many string) string {
	switch {
	case of == 1 && n == 1:
		return "the one other " + one
	case n == 0 && of == 1:
		return "no other " + one
	case n == 0:
		return fmt.Sprintf("none of %d other %s", of, many)
	case n == of && n == 2:
		return "both other " + many
	case n == of:
		return fmt.Sprintf("all %d other %s", of, many)
	default:
		return fmt.Sprintf("%d of %d other %s", n, of, many)
	}
}

// next says what will tell more.
func (v *Verdict) next() string {
	switch {
	case v.Cause == ByLists:
		return "which list it is shows when one of them clears: " + strings.Join(v.Lists, ", ")
	case v.Cause == ByListing && v.Open:
		return "ask " + v.List + " for delisting; the capability should return after it"
	case v.Cause == ByPartner && v.Open:
		return "tell the partner: everyone sees it"
	case v.Cause == ByPath && v.Open:
		return "look at our own firewall, middlebox or provider"
	case v.Cause == Private && v.Open:
		return "ask the partner's postmaster: no list explains it"
	case v.Open:
		return "wait for the control and the other addresses; ask again after the next looks"
	default:
		return ""
	}
}
