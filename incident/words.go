package incident

// Rules for what people read here:
//   - the title is one sentence: what happened, to whom; probabilities as words;
//   - then since when, what was lost, why we think so, what comes next, what to do;
//   - nothing is finer than it was seen: a bracket stays a bracket;
//   - unknown is never told as good or bad; "no longer watched" is neither.

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"repwatch/checks/smtp"
	"repwatch/correlate"
	"repwatch/reputation"
)

// doing is what a partner does to an address: of one partner, of several, and when it is over.
type doing struct{ one, many, past string }

func same(s string) doing { return doing{s, s, s} }

// doings are the losses for which no capability is named.
var doings = map[smtp.LossKind]doing{
	smtp.LossMasked:   {"masks its capabilities from", "mask their capabilities from", "masked its capabilities from"},
	smtp.LossRejected: {"rejects", "reject", "rejected"},
	smtp.LossBroken:   {"breaks the TLS handshake with", "break the TLS handshake with", "broke the TLS handshake with"},
	smtp.LossDeferred: {"defers mail from", "defer mail from", "deferred mail from"},
}

// doingOf is what the partner does in this loss. Of what was gone at first sight
// nobody saw the withdrawal.
func doingOf(e *Episode) doing {
	switch e.Wire.Loss {
	case smtp.LossStartTLS, smtp.LossCapability, "":
		went := wentWords(e.Wire)
		if e.FirstSight {
			return doing{"does not offer " + went + " to", "do not offer " + went + " to", "did not offer " + went + " to"}
		}
		return same("withdrew " + went + " from")
	}
	if d, ok := doings[e.Wire.Loss]; ok {
		return d
	}
	return same("turned against")
}

// doingAll is what partners do in losses, as far as they do the same.
func doingAll(losses []*Episode, partners int) string {
	first := doingOf(losses[0])
	if slices.ContainsFunc(losses, func(e *Episode) bool { return doingOf(e) != first }) {
		if slices.ContainsFunc(losses, func(e *Episode) bool { return e.Wire.Loss != losses[0].Wire.Loss }) {
			first = same("turned against")
		} else if losses[0].Wire.Loss == smtp.LossStartTLS {
			first = same("withdrew STARTTLS from") // and more than that, here and there
		} else {
			first = same("withdrew capabilities from")
		}
	}
	switch {
	case !slices.ContainsFunc(losses, (*Episode).Open):
		return first.past
	case partners > 1:
		return first.many
	}
	return first.one
}

// state is what is lost, in a line of its own.
func state(e *Episode) string {
	switch w := e.Wire; w.Loss {
	case smtp.LossMasked:
		return "capabilities masked"
	case smtp.LossRejected:
		return "rejected"
	case smtp.LossBroken:
		return "TLS handshake broken"
	case smtp.LossDeferred:
		return "mail deferred"
	default:
		gone := " gone"
		if e.FirstSight {
			gone = " not offered"
		}
		return wentWords(w) + gone
	}
}

// backAgain is what the end of a loss brings.
func backAgain(w *Wire) string {
	switch w.Loss {
	case smtp.LossMasked:
		return "capabilities are readable again"
	case smtp.LossRejected:
		return "connections are accepted again"
	case smtp.LossBroken:
		return "the TLS handshake works again"
	case smtp.LossDeferred:
		return "mail is accepted again"
	}
	went := wentList(w)
	if len(went) > 1 {
		return enumerate(went, 4) + " are back"
	}
	return enumerate(went, 4) + " is back"
}

// wentList are the capabilities that went, STARTTLS first: the one that stops mail.
func wentList(w *Wire) []string {
	went := slices.Clone(w.Went)
	if w.Loss == smtp.LossStartTLS || w.Loss == "" {
		went = append([]string{"STARTTLS"}, slices.DeleteFunc(went, func(s string) bool { return s == "STARTTLS" })...)
	}
	if len(went) == 0 {
		return []string{"a capability"}
	}
	return went
}

func wentWords(w *Wire) string { return enumerate(wentList(w), 4) }

// lossNoun is what was lost.
func lossNoun(k smtp.LossKind) string {
	switch k {
	case smtp.LossStartTLS, "":
		return "STARTTLS"
	case smtp.LossCapability:
		return "a required capability"
	case smtp.LossMasked:
		return "readable capabilities"
	case smtp.LossRejected:
		return "the connection"
	case smtp.LossBroken:
		return "the TLS handshake"
	default:
		return "acceptance of mail"
	}
}

// queueSays is what the mail queue will probably say because of a loss.
func queueSays(k smtp.LossKind) string {
	switch k {
	case smtp.LossStartTLS:
		return `queues will say "451 5.7.3 Must issue a STARTTLS command first" or "TLS is required, but was not offered"`
	case smtp.LossBroken:
		return `queues will say "Cannot start TLS: handshake failure" or the like`
	case smtp.LossMasked:
		return "queues will say that TLS is required but was not offered; something on the way overwrites capabilities"
	}
	return ""
}

func causeWords(v correlate.Cause, lists ...string) string {
	switch v {
	case correlate.ByListing, correlate.ByLists:
		return "a listing" + onLists(lists)
	case correlate.ByPartner:
		return "the partner's change for everyone"
	case correlate.ByPath:
		return "a fault on our own path"
	case correlate.ByAbuse:
		return "the abuse itself, not any one list"
	case correlate.Private:
		return "the partner's own judgement of this address (no list we watch shows why)"
	case correlate.Unexplained:
		return "nothing we know of"
	default:
		return "not clear yet"
	}
}

func onLists(lists []string) string {
	lists = slices.DeleteFunc(slices.Clone(lists), func(s string) bool { return s == "" })
	if len(lists) == 0 {
		return ""
	}
	return " on " + enumerate(lists, 3)
}

// enumerate is "a, b and 3 more".
func enumerate(names []string, most int) string {
	switch n := len(names); {
	case n == 0:
		return ""
	case n <= most && n > 1:
		return strings.Join(names[:n-1], ", ") + " and " + names[n-1]
	case n == 1:
		return names[0]
	default:
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most-1], ", "), n-most+1)
	}
}

func joinLines(lines []string) string { return strings.Join(lines, "\n") }

func (f *folding) clock(t time.Time) string {
	zone := f.p.Zone
	if zone == nil {
		zone = time.UTC
	}
	return t.In(zone).Format("2006-01-02 15:04 MST")
}

// between is a bracket in words.
func (f *folding) between(b reputation.Bracket) string {
	after, by := b.After, b.By
	switch {
	case after.IsZero():
		return "before we looked; seen " + f.clock(by)
	case by.Sub(after) < time.Minute:
		return f.clock(by)
	default:
		zone := f.p.Zone
		if zone == nil {
			zone = time.UTC
		}
		from := after.In(zone)
		layout := "15:04"
		if from.YearDay() != by.In(zone).YearDay() || from.Year() != by.In(zone).Year() {
			layout = "2006-01-02 15:04"
		}
		return fmt.Sprintf("between %s and %s", from.Format(layout), f.clock(by))
	}
}

// lasted is a length of time as people say it: 40 s, 12 min, 3 h 5 min, 2 d 4 h.
func lasted(d time.Duration) string {
	switch {
	case d < time.Second:
		return "less than a second"
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 24*time.Hour:
		return twoParts(int(d.Hours()), "h", int(d.Minutes())%60, "min")
	default:
		return twoParts(int(d.Hours())/24, "d", int(d.Hours())%24, "h")
	}
}

func twoParts(n int, unit string, m int, part string) string {
	if m == 0 || n >= 10 { // the small part says nothing any more
		return fmt.Sprintf("%d %s", n, unit)
	}
	return fmt.Sprintf("%d %s %d %s", n, unit, m, part)
}

// ago bounds how long after one thing (named by what) another happened, no finer than both were seen.
func ago(from, to reputation.Bracket, what string) string {
	least, most := to.After.Sub(from.By), to.By.Sub(from.By)
	if !from.After.IsZero() {
		most = to.By.Sub(from.After)
	}
	switch {
	case most <= 0:
		return "before " + what
	case least <= 0 || most-least < time.Minute:
		return "within " + lasted(most) + " of " + what
	default:
		return fmt.Sprintf("%s to %s after %s", lasted(least), lasted(most), what)
	}
}
