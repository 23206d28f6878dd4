package smtp

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"repwatch/reputation"
)

// What JudgeOwnMX looks at. Faults on the wire have the ID "mx-" and the fault's name.
const (
	OwnMXReach     = "mx-reach"     // it can be talked to
	OwnMXStartTLS  = "mx-starttls"  // it offers STARTTLS and the handshake works
	OwnMXCertName  = "mx-cert-name" // the certificate is for the MX name
	OwnMXCertChain = "mx-cert-chain"
	OwnMXExpiry    = "mx-cert-expiry"
	OwnMXTLSOld    = "mx-tls-old"
	OwnMXWire      = "mx-wire" // clear: no fault on the wire
)

// certWarning is how long before its end a certificate is worth a word.
const certWarning = 14 * 24 * time.Hour

// JudgeOwnMX says in words for its owner what a probe of their own MX shows:
// what makes other people's servers hang up, refuse, or send without TLS. The
// worst comes first. Result.At is taken as the present.
func JudgeOwnMX(r Result) []Finding {
	j := &mxJudge{r: r, name: cmp.Or(r.Target.MX, r.Target.Addr.String())}
	j.outcome()
	j.wire()
	j.tls()
	slices.SortStableFunc(j.out, func(a, b Finding) int {
		return cmp.Compare(mxRank(b), mxRank(a))
	})
	return j.out
}

type mxJudge struct {
	r    Result
	name string
	out  []Finding
}

// mxRank: bad by impact, then unknown, then clear.
func mxRank(f Finding) int {
	switch f.Verdict {
	case reputation.Bad:
		return 2 + int(f.Impact)
	case reputation.Unknown:
		return 1
	}
	return 0
}

func (j *mxJudge) bad(id string, impact reputation.Impact, what, why, do string) {
	j.out = append(j.out, Finding{ID: id, Verdict: reputation.Bad, Impact: impact, What: what, Why: why, Do: do})
}

func (j *mxJudge) clear(id, what string) {
	j.out = append(j.out, Finding{ID: id, Verdict: reputation.Clear, What: what})
}

func (j *mxJudge) outcome() {
	said := ""
	if r := j.r.Reply; r != nil {
		said = fmt.Sprintf(" (%d %s)", r.Code, strings.Join(r.Lines, " "))
	}
	switch j.r.Outcome {
	case reputation.Advertised:
		j.clear(OwnMXReach, j.name+" answers")
		j.clear(OwnMXStartTLS, j.name+" offers STARTTLS")
	case reputation.Absent:
		j.clear(OwnMXReach, j.name+" answers")
		j.bad(OwnMXStartTLS, reputation.High, j.name+" does not offer STARTTLS",
			"senders that insist on TLS cannot deliver to you, and all others send in the clear", "give the mail server a certificate and switch TLS on for port 25")
	case reputation.Masked:
		j.bad(OwnMXStartTLS, reputation.High, j.name+" stands behind something that overwrites SMTP: "+j.r.Why,
			"senders do not see STARTTLS and other capabilities that the server has", "switch SMTP inspection off on the firewall in front of it (Cisco: no inspect esmtp, or allow-tls)")
	case reputation.Rejected:
		j.bad(OwnMXReach, reputation.High, j.name+" refuses the look"+said,
			"if it treats others like that, their mail comes back to them", "look into its log for this connection; if it refuses only us, that is for you to decide")
	case reputation.Broken:
		j.bad(OwnMXStartTLS, reputation.Critical, j.name+" offers STARTTLS, but no handshake succeeds: "+j.r.Why,
			"senders try TLS because it is offered, fail, and most of them try again until the mail is returned", "look at the server's TLS settings, key and certificate; until they work, do not offer STARTTLS")
	default:
		what := cmp.Or(j.r.Why, "no complete answer came")
		j.out = append(j.out, Finding{ID: OwnMXReach, Verdict: reputation.Unknown, What: fmt.Sprintf("%s could not be judged: %s%s", j.name, what, said),
			Why: "this may be the network between, or a pause", Do: "if it stays so, see whether the server listens on this address and port"})
	}
}

// ownFaults are the faults for which more is to be said to the server's owner
// than what they are: how much they hurt, and what to do.
var ownFaults = map[string]struct {
	impact  reputation.Impact
	why, do string
}{
	FaultBareLF: {reputation.Critical, "Exchange Online and others wait for a CRLF that never comes and give up (their senders see 450 4.4.317, later 550 5.4.317); RFC 5321 §2.3.8",
		"end every line of every reply with CR LF; look at what writes the lines after the last correct one"},
	FaultBareCR: {reputation.Critical, "senders do not see the end of the line and wait until they give up; RFC 5321 §2.3.8",
		"end every line of every reply with CR LF"},
	FaultMissingSpace: {reputation.Medium, "RFC 5321 §4.2 wants a space or a hyphen after the code; strict senders read no reply at all",
		"put a hyphen after the code on all lines but the last, and a space on the last"},
	FaultLongLine: {reputation.Medium, "a reply line may have 512 octets (RFC 5321 §4.5.3.1.5); senders cut it or hang up",
		"shorten the greeting or the reply, or break it into several lines"},
	FaultMixedCodes: {reputation.High, "all lines of a reply carry one code (RFC 5321 §4.2.1); senders differ in which they believe",
		"use the same code on every line of a reply"},
	FaultKeywordFirstLine: {reputation.High, "the first line of the EHLO reply is for the host name, so senders do not see that capability (Cisco and Postfix among them)",
		"put the host name on the first line and each capability on a line after it"},
	FaultEarlyBytes: {reputation.High, "bytes after the 220 to STARTTLS are how replies are injected before TLS begins; careful senders hang up",
		"see to it that the server sends nothing between its 220 and the handshake; update it if it does so by itself"},
	FaultMaskedCapability: {reputation.High, "senders do not see that capability; a firewall in front of the server overwrites it",
		"switch SMTP inspection off on the firewall (Cisco: no inspect esmtp, or allow-tls)"},
	FaultMaskedBanner: {reputation.Medium, "a firewall in front of the server overwrites the greeting, and then usually more",
		"switch SMTP inspection off on the firewall (Cisco: no inspect esmtp)"},
	FaultNoGoodbye:     {reputation.Info, "RFC 5321 §4.1.1.10 wants 221 before the connection ends; nothing is lost", "none needed"},
	FaultLegacyAuth:    {reputation.Info, "a form from before the standard, for clients that are gone", "none needed"},
	FaultSeenIPDiffers: {reputation.Info, "there is address translation between us and the server", "keep it in mind when reading its log"},
}

func (j *mxJudge) wire() {
	seen := map[string]bool{}
	for _, f := range j.r.Faults {
		if seen[f.Fault] || f.Fault == FaultConservativeTLS { // tls says more about that one
			continue
		}
		seen[f.Fault] = true
		about := ownFaults[f.Fault]
		if about.why == "" {
			about.impact, about.do = reputation.Low, "compare the reply with RFC 5321 §4.2"
			about.why = cmp.Or(f.Words, "strict senders may misread or refuse such a reply")
		}
		j.bad("mx-"+f.Fault, about.impact, fmt.Sprintf("%s in its reply (%s): %q", f.Fault, f.Where, clip(f.Bytes)), about.why, about.do)
	}
	if len(seen) == 0 && j.r.Outcome.Verdict() != reputation.Unknown {
		j.clear(OwnMXWire, "no fault in what it sends")
	}
}

// clip keeps a finding readable; the whole is in the transcript.
func clip(b []byte) []byte {
	const most = 80
	if len(b) > most {
		return append(slices.Clone(b[:most]), "..."...)
	}
	return b
}

func (j *mxJudge) tls() {
	t := j.r.TLS
	if t == nil || t.Handshake != "ok" {
		return
	}
	j.versions(t)
	if t.Name == "ok" {
		j.clear(OwnMXCertName, "the certificate is for "+j.name)
	} else if t.Name != "" {
		j.bad(OwnMXCertName, reputation.Medium, "the certificate does not fit: "+t.Name,
			"senders that check it (MTA-STS in force, secure connectors) do not deliver", "get a certificate for the name in the MX record")
	}
	if t.Chain == "ok" {
		j.clear(OwnMXCertChain, "the certificate's chain is complete and trusted")
	} else if t.Chain != "" {
		j.bad(OwnMXCertChain, reputation.Medium, "the certificate is not trusted: "+t.Chain,
			"senders that check it (MTA-STS in force, secure connectors) do not deliver; DANE senders do if its TLSA record fits", "install a certificate of a public authority with all its intermediates")
	}
	j.expiry(t)
}

func (j *mxJudge) versions(t *TLS) {
	old := t.Version == "TLS 1.0" || t.Version == "TLS 1.1" || strings.HasPrefix(t.Version, "SSL")
	switch {
	case old:
		j.bad(OwnMXTLSOld, reputation.Medium, "the best it speaks is "+t.Version,
			"RFC 8996 retired it; large senders want TLS 1.2 and treat this as no TLS", "update the server's TLS library, or allow TLS 1.2 and 1.3")
	case t.Conservative:
		j.bad(OwnMXTLSOld, reputation.Medium, "a modern handshake fails; only one with old versions and classic key exchange allowed succeeds",
			"senders with current libraries fail to deliver with TLS", "allow TLS 1.2 and 1.3 with ECDHE, and see whether a device between resets large handshakes")
	}
}

func (j *mxJudge) expiry(t *TLS) {
	until := t.NotAfter.UTC().Format("2006-01-02")
	left := t.NotAfter.Sub(j.r.At)
	renew := "renew it, have the mail server load it, and see why that did not happen by itself"
	switch {
	case t.NotAfter.IsZero():
	case left <= 0:
		j.bad(OwnMXExpiry, reputation.High, "the certificate expired on "+until,
			"senders that check it (MTA-STS in force, secure connectors) do not deliver", renew)
	case left <= certWarning:
		j.bad(OwnMXExpiry, reputation.Low, fmt.Sprintf("the certificate expires on %s, in %d days", until, int(left/(24*time.Hour))),
			"after that, senders that check it do not deliver", renew)
	case t.Expiry == "" || t.Expiry == "ok":
		j.clear(OwnMXExpiry, "the certificate is valid until "+until)
	default: // not valid yet
		j.bad(OwnMXExpiry, reputation.High, "the certificate is not valid now: "+t.Expiry,
			"senders that check it do not deliver", "look at the certificate's dates and at the clock of the machine that made it")
	}
}
