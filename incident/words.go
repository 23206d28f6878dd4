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

// verbs say what a partner does, before the address.
var verbs = map[smtp.LossKind]string{
	smtp.LossMasked:   "shows masked capabilities to",
	smtp.LossRejected: "rejects",
	smtp.LossBroken:   "offers STARTTLS but breaks the handshake with",
	smtp.LossDeferred: "defers mail from",
}

// verb is what the partner does to the address in this loss. Of what was gone
// at first sight nobody saw the withdrawal.
func verb(e *Episode) string {
	if e.FirstSight {
		switch e.Wire.Loss {
		case smtp.LossStartTLS:
			return "does not offer STARTTLS to"
		case smtp.LossCapability:
			return "does not offer " + strings.Join(e.Wire.Went, ", ") + " to"
		}
	}
	switch e.Wire.Loss {
	case smtp.LossStartTLS, smtp.LossCapability:
		return "withdrew " + wentWords(e.Wire) + " from"
	}
	if v := verbs[e.Wire.Loss]; v != "" {
		return v
	}
	return "treats badly"
}

// wentWords are the capabilities that went, STARTTLS first: the one that stops mail.
func wentWords(w *Wire) string {
	went := slices.Clone(w.Went)
	if w.Loss == smtp.LossStartTLS {
		went = append([]string{"STARTTLS"}, slices.DeleteFunc(went, func(s string) bool { return s == "STARTTLS" })...)
	}
	if len(went) == 0 {
		return "a capability"
	}
	return enumerate(went, 4)
}

// lossNoun is what was lost.
func lossNoun(k smtp.LossKind) string {
	switch k {
	case smtp.LossStartTLS, "":
		return "STARTTLS"
	case smtp.LossCapability:
		return "a required capability"
	case smtp.LossMasked:
		return "unmasked capabilities"
	case smtp.LossRejected:
		return "the connection"
	case smtp.LossBroken:
		return "a working TLS handshake"
	default:
		return "acceptance"
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
		return "the partner's own judgement of this address; no list we watch shows it"
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
		return fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60)
	default:
		return fmt.Sprintf("%d d %d h", int(d.Hours())/24, int(d.Hours())%24)
	}
}

// ago bounds how long after one thing another happened, no finer than both were seen.
func ago(from, to reputation.Bracket) string {
	least, most := to.After.Sub(from.By), to.By.Sub(from.By)
	if !from.After.IsZero() {
		most = to.By.Sub(from.After)
	}
	switch {
	case most <= 0:
		return "before it"
	case least <= 0 || most-least < time.Minute:
		return "within " + lasted(most)
	default:
		return fmt.Sprintf("%s to %s after", lasted(least), lasted(most))
	}
}

func percent(p float64) string {
	switch {
	case p > .995:
		return "over 99 %"
	case p < .005:
		return "under 1 %"
	}
	return fmt.Sprintf("%.0f %%", 100*p)
}
