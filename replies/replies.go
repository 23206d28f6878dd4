// Package replies says what an SMTP reply text means.
//
// A receiving server explains itself in one line: a reply code whose first
// digit says for now or for good (RFC 5321 §4.2.1), often an enhanced status
// code class.subject.detail (RFC 3463), and free text. The text decides, because
// receivers use the same 550 5.7.1 for a public blocklist, for their own
// judgement of the address, for SPF and for a customer's rule; and some texts
// say the opposite of what happened ("Must issue a STARTTLS command first" to
// a client that was never offered STARTTLS).
//
// Knowledge lives in replies.yaml, one entry per wording. Explain takes a bare
// reply or the log line or bounce around it, finds the reply, and returns every
// entry that fits, the most specific first: what one provider says, then a list
// that is named, then wording anybody may use, then the table of enhanced codes,
// then the bare code. Patterns are RE2, so time is linear in the input, which is
// capped. Everything here is pure and safe for concurrent use.
package replies

import "net/netip"

// MaxInput is how many bytes of a text are looked at; the rest is ignored.
const MaxInput = 64 << 10

// MaxText is how many bytes of one reply are kept and matched. RFC 5321
// §4.5.3.1.5 allows 512 octets a line; real multi-line replies stay under 2 KiB.
const MaxText = 4 << 10

// Reply is the SMTP reply found in a text. Zero fields were not said.
type Reply struct {
	Code     int    // 200 to 599; 0 when the text holds no reply code
	Enhanced string // "5.7.1" (RFC 3463), the innermost one when replies are nested

	// Text is the human part: lines joined by one space, codes removed. Without
	// a reply code it is the whole text. At most MaxText bytes of valid UTF-8.
	Text string

	Phase Phase
	Host  string     // the remote server, lower case, no final dot
	IP    netip.Addr // the remote server's address, not the one that it quotes
}

// Phase is the step of the conversation that was answered.
type Phase string

// The phases, in the order of a session. The zero value means that the text does not say.
const (
	PhaseConnect   Phase = "connect"
	PhaseGreeting  Phase = "greeting"
	PhaseEHLO      Phase = "ehlo"
	PhaseSTARTTLS  Phase = "starttls"
	PhaseHandshake Phase = "handshake"
	PhaseAuth      Phase = "auth"
	PhaseMail      Phase = "mail"
	PhaseRcpt      Phase = "rcpt"
	PhaseData      Phase = "data"        // the DATA command
	PhaseEndOfData Phase = "end-of-data" // the final dot
	PhaseQuit      Phase = "quit"
)

// Duration says whether trying again can help, as far as the code tells.
type Duration string

const (
	DurationUnknown Duration = ""
	Temporary       Duration = "temporary" // 4xx: the sender keeps the message and tries again
	Permanent       Duration = "permanent" // 5xx: the sender bounces it
)

// Explanation is what a text means. Matches is never empty: a text that nobody
// knows gets one match of ClassUnknown with words that say so.
type Explanation struct {
	Reply    Reply
	Duration Duration
	Matches  []Match // best first
}

// Best is the most specific match.
func (e Explanation) Best() Match { return e.Matches[0] }

// Match is one entry of the table that fits a reply.
type Match struct {
	ID       string
	Class    Class
	Meaning  string // what happened, for a person
	Next     string // what to do about it
	Provider string // who speaks like this, empty if many do
	Evidence Evidence

	List   string     // catalogue id of the public list that is named
	Zone   string     // DNS zone as quoted, lower case; a list key in it is shown as {key}
	IP     netip.Addr // the client address that the reply quotes (rule of truth 10)
	Domain string
	URL    string // the first link in the reply
}

// Explainer explains replies. The zero value is ready to use.
type Explainer struct {
	// ListByZone maps a DNS zone that a reply names to the id of a list in the
	// catalogue. It may be nil, and must be safe for concurrent use if Explain is
	// called concurrently.
	ListByZone func(zone string) (id string, ok bool)
}

// Explain is Explainer{}.Explain: lists are recognised by name, not by zone.
func Explain(text string) Explanation { return Explainer{}.Explain(text) }

// Explain says what text means. The text may be one reply line, a multi-line
// reply, a log line of Postfix, Exim, Sendmail, qmail or Exchange that holds
// one, or a bounce. It never fails: see Explanation.
func (x Explainer) Explain(text string) Explanation { return x.ExplainReply(Parse(text)) }

// ExplainReply is Explain for a reply that was already taken apart.
func (x Explainer) ExplainReply(r Reply) Explanation {
	r.Text = tidyText(r.Text)
	out := Explanation{Reply: r, Duration: durationOf(r)}
	low, q := folded(r.Text), quotedIn(r)
	for _, e := range table().entries {
		if at := e.match(r, low); at != nil {
			out.Matches = append(out.Matches, x.describe(e, r, at, q))
		}
	}
	if len(out.Matches) == 0 {
		out.Matches = []Match{{
			ID: "unknown", Class: ClassUnknown, Evidence: Neutral,
			Meaning: "No reply code and no wording that we know. We cannot tell what this means.",
			Next:    "Paste the whole log line or bounce: the part after \"said:\" or \"Diagnostic-Code:\" is what matters.",
			IP:      q.ip, URL: q.url,
		}}
	}
	return out
}

// durationOf reads the reply code, or the class of the enhanced code where
// there is none. RFC 2034 §4 wants both to agree; where they do not (Exchange:
// 451 5.7.3) the reply code is what the sender acted on.
func durationOf(r Reply) Duration {
	switch r.digit() {
	case 4:
		return Temporary
	case 5:
		return Permanent
	}
	return DurationUnknown
}

// digit is the first digit of the code, else the class of the enhanced code, else 0.
func (r Reply) digit() int {
	if r.Code != 0 {
		return r.Code / 100
	}
	if r.Enhanced != "" {
		return int(r.Enhanced[0] - '0')
	}
	return 0
}
