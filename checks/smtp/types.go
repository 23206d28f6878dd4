// Package smtp reads what a mail server offers, on the wire, as the sending IP
// itself sees it: the greeting, EHLO and its capabilities (RFC 5321 §4.1.1.1),
// STARTTLS and the handshake (RFC 3207), EHLO again inside TLS, QUIT.
//
// It is no mail client: a message leaves only when a person asked for a test of
// submission. It reads raw bytes, because what tolerant clients hide (a bare LF,
// a masked capability, bytes after the 220 to STARTTLS) is what people look for
// at 3 a.m. (rule of truth 5).
package smtp

import (
	"net/netip"
	"strings"
	"time"

	"repwatch/reputation"
)

// Vantage is where a probe leaves from.
type Vantage struct {
	Name string     // the sending IP's text, or the control's name
	IP   netip.Addr // the public address the partner should see; may be invalid for a control
	Bind netip.Addr // local source address; invalid: the system chooses
	// SOCKS5 is a proxy to leave through instead: host:port or
	// socks5://[user:password@]host:port. Results carry it without user and password.
	SOCKS5  string
	EHLO    string // the production EHLO name
	Control bool
}

// Target is one server address to talk to.
type Target struct {
	Partner  string // the domain, or the host when no domain is meant
	MX       string // host name; the name for SNI and certificates
	Addr     netip.Addr
	Port     uint16
	Provider string // id from the provider table, empty if not recognised
}

// Result is one complete look at one address. Transcript and Faults are the evidence.
type Result struct {
	Target  Target
	Vantage Vantage
	At      time.Time

	Outcome reputation.Outcome
	// Why says in words why the outcome is what it is (always set unless Advertised).
	Why string
	// Failure says, for programs, what kept an unknown outcome from being sure; empty for all others.
	Failure Failure

	Greeting        *Reply
	Capabilities    Capabilities // before TLS
	CapabilitiesTLS Capabilities // inside TLS; nil when TLS was not reached
	TLS             *TLS         // nil when no handshake was tried
	SeenIP          netip.Addr   // the address the partner says it sees, if it says so
	Faults          []Fault
	// Reply is the one that decided the outcome (the 554 greeting, the 454, the EHLO reply).
	// Only complete replies stand here; what came of a cut one is in the transcript.
	Reply  *Reply
	Phases []Phase

	// What was asked for beyond looking (see Ask); nil when it was not asked for.
	Rcpt    *Step
	Auth    *Step
	Message *Step

	// Transcript lists what was sent and received, in order, secrets removed.
	Transcript []Line
}

// Capabilities maps an EHLO keyword in upper case to its parameters as sent, joined by one space.
type Capabilities map[string]string

// Reply is one SMTP reply as it came (RFC 5321 §4.2).
type Reply struct {
	Code     int
	Enhanced string   // RFC 3463, from the first line that has one; empty if none
	Lines    []string // text of each line without code and line end
	Raw      []byte   // at most 64 KiB, line ends as they came
}

// Text is the reply's text on one line.
func (r *Reply) Text() string { return strings.Join(r.Lines, " ") }

// Fault is something wrong on the wire that a tolerant client would hide, with its bytes.
type Fault struct {
	Fault string // one of the Fault... constants
	Bytes []byte // as they came, at most 256
	Where string // phase
	Words string // what it is and why it matters
}

// TLS holds the facts of a handshake apart: each is "ok" or the reason in words.
type TLS struct {
	Version   string // "TLS 1.3"
	Cipher    string
	Handshake string
	Chain     string // trusted by the system's roots, name and expiry left aside
	Name      string // the certificate matches Target.MX (RFC 9525: DNS-ID, no CN)
	NotAfter  time.Time
	Expiry    string
	// Conservative reports that only the conservative retry succeeded (TLS 1.0 and up, classic key exchange).
	Conservative bool
}

// Phase is one step with its duration.
type Phase struct {
	// Name is connect, greeting, ehlo, helo, starttls, handshake, ehlo-tls, rcpt,
	// auth, message or quit; "retry-" stands before those of the second
	// connection, with the conservative handshake.
	Name string
	Took time.Duration
}

// Line of the transcript. From says who spoke: "C" (we) or "S" (the server), "*" for what happened (TLS established, timeout).
type Line struct {
	From string
	Text string
	At   time.Duration // since the start of the probe
}

// Failure is the kind of trouble behind an unknown outcome.
type Failure string

const (
	FailInput    Failure = "input"    // vantage or target make no sense; nothing was opened
	FailCanceled Failure = "canceled" // the caller gave up
	FailBind     Failure = "bind"     // the source address cannot be used on this host
	FailProxy    Failure = "proxy"    // the SOCKS5 proxy is away or refuses
	FailRefused  Failure = "refused"  // TCP reset to our SYN: nobody listens, or a firewall says so
	FailNetwork  Failure = "network"  // no route, host down, forbidden by a local firewall
	FailTimeout  Failure = "timeout"  // silence until the phase's deadline
	FailTarpit   Failure = "tarpit"   // bytes came, but too slowly to end the reply in time
	FailLost     Failure = "lost"     // closed or reset before a complete reply
	FailEndless  Failure = "endless"  // a reply over 64 KiB or a line over 8 KiB
	FailProtocol Failure = "protocol" // complete replies that fit no outcome
	FailTLS      Failure = "tls"      // the handshake failed, yet not surely by the server's fault
)

// Ask is what a probe does beyond looking. The zero value only looks.
type Ask struct {
	// ImplicitTLS begins with the handshake (RFC 8314 §3.3). Port 465 always does.
	ImplicitTLS bool

	// Rcpt, if set, is asked for with MAIL FROM:<> and RCPT TO, then RSET: only
	// for an address whose owner consents (rule of truth 6).
	Rcpt string

	// Auth, if set, is tried once, only inside TLS of version 1.2 or above and
	// only with a certificate that is trusted, matches and is valid.
	Auth *Credential
	// AnyCertificate hands Auth to a server whose certificate does not hold.
	AnyCertificate bool

	// Message, if set, is sent: only inside TLS, and after Auth succeeded where it is set.
	Message *Message
}

// Message is a test message.
type Message struct {
	From, To string // bare addresses; From may be empty
	Body     []byte // header and body; line ends are made CRLF
}

// Step is one thing asked for beyond looking: the last command sent and the reply to it.
type Step struct {
	Command string // MAIL, RCPT, AUTH PLAIN, AUTH LOGIN, DATA, message; empty if none was sent
	Reply   *Reply // nil if none came
	Why     string // in words, when it was not done or did not work
}
