package smtp

import (
	"bytes"
	"slices"
)

// What is wrong on the wire. None of it alone makes an outcome; all of it is evidence.
const (
	FaultBareLF           = "bare-lf"
	FaultBareCR           = "bare-cr"
	FaultMissingSpace     = "missing-space"
	FaultLongLine         = "long-line"
	FaultMixedCodes       = "mixed-codes"
	FaultOddCode          = "odd-code"
	FaultNonReply         = "non-reply"
	FaultNoLineEnd        = "no-line-end"
	FaultNUL              = "nul"
	Fault8Bit             = "8bit"
	FaultControl          = "control"
	FaultEnhancedClass    = "enhanced-class"
	FaultKeywordFirstLine = "keyword-first-line"
	FaultBadKeyword       = "bad-keyword"
	FaultTwice            = "keyword-twice"
	FaultLegacyAuth       = "legacy-auth"
	FaultStartTLSParam    = "starttls-parameter"
	FaultStartTLSInside   = "starttls-inside-tls"
	FaultStartTLSRefused  = "starttls-refused"
	FaultMaskedCapability = "masked-capability"
	FaultMaskedBanner     = "masked-banner"
	FaultEarlyBytes       = "early-bytes"
	FaultTLSGarbage       = "tls-garbage"
	FaultConservativeTLS  = "conservative-tls"
	FaultSeenIPDiffers    = "seen-ip-differs"
	FaultNoGoodbye        = "no-goodbye"
)

var faultWords = map[string]string{
	FaultBareLF:           "a line ends with LF alone instead of CRLF; strict senders wait for a line end that never comes (RFC 5321 §2.3.8)",
	FaultBareCR:           "a CR without LF; strict senders do not see a line end there (RFC 5321 §2.3.8)",
	FaultMissingSpace:     "text follows the code without a space or hyphen (RFC 5321 §4.2)",
	FaultLongLine:         "a reply line is longer than 512 octets; senders may cut or refuse it (RFC 5321 §4.5.3.1.5)",
	FaultMixedCodes:       "lines of one reply carry different codes; the last one counts here, others may choose the first (RFC 5321 §4.2.1)",
	FaultOddCode:          "the second digit of the code is above 5; senders go by the first digit (RFC 5321 §4.2)",
	FaultNonReply:         "a line is no SMTP reply: it does not begin with a code (RFC 5321 §4.2)",
	FaultNoLineEnd:        "the connection closed before the last line ended",
	FaultNUL:              "a NUL byte inside a reply",
	Fault8Bit:             "bytes above 126 inside a reply; only ASCII may stand there (RFC 5321 §4.2)",
	FaultControl:          "a control character inside a reply (RFC 5321 §4.2)",
	FaultEnhancedClass:    "the enhanced code says another class than the reply code (RFC 2034 §4)",
	FaultKeywordFirstLine: "a capability stands on the first line of the EHLO reply, where the host name belongs; Postfix and Cisco ESA, among others, do not see it (RFC 5321 §4.1.1.1)",
	FaultBadKeyword:       "a line of the EHLO reply holds no well-formed keyword (RFC 5321 §4.1.1.1)",
	FaultTwice:            "a capability is offered twice with different parameters; the first one counts here",
	FaultLegacyAuth:       "AUTH= is a form from before the standard, kept for old clients; harmless",
	FaultStartTLSParam:    "STARTTLS takes no parameters (RFC 3207 §4)",
	FaultStartTLSInside:   "STARTTLS is offered again inside TLS (RFC 3207 §4.2)",
	FaultStartTLSRefused:  "STARTTLS is offered, yet refused when asked for",
	FaultMaskedCapability: "something on the way has overwritten a capability with X: a firewall that inspects SMTP (Cisco ASA or PIX does so); if every partner looks like this, it stands on our side",
	FaultMaskedBanner:     "something on the way has overwritten the greeting with asterisks: a firewall that inspects SMTP (Cisco ASA or PIX does so)",
	FaultEarlyBytes:       "bytes came that answer no command; after the 220 to STARTTLS this is how replies are injected before TLS begins; they were thrown away",
	FaultTLSGarbage:       "the first bytes after the 220 to STARTTLS are no TLS",
	FaultConservativeTLS:  "the handshake worked only with old versions and classic key exchange allowed; it failed as modern clients make it",
	FaultNoGoodbye:        "QUIT was not answered with 221 (RFC 5321 §4.1.1.10)",
}

const (
	maxFaultBytes   = 256
	maxFaultsAlike  = 4 // of one kind in one phase: a reply of 13,000 bare LFs is one finding
	maxFaultsInAll  = 64
	bytesFaultWords = 512 // longest words kept, they may quote foreign text
)

// faultList collects faults, bounded whatever the server sends.
type faultList []Fault

func (l *faultList) add(kind, where string, b []byte) {
	l.addWords(kind, where, b, faultWords[kind])
}

func (l *faultList) addWords(kind, where string, b []byte, words string) {
	l.push(Fault{Fault: kind, Where: where, Bytes: bytes.Clone(b[:min(len(b), maxFaultBytes)]), Words: words[:min(len(words), bytesFaultWords)]})
}

func (l *faultList) push(f Fault) {
	alike := 0
	for _, have := range *l {
		if have.Fault == f.Fault && have.Where == f.Where {
			alike++
		}
	}
	if alike < maxFaultsAlike && len(*l) < maxFaultsInAll {
		*l = append(*l, f)
	}
}

func (l faultList) has(kind string) bool {
	for _, f := range l {
		if f.Fault == kind {
			return true
		}
	}
	return false
}

func (l faultList) hasAt(kind, where string) bool {
	return slices.ContainsFunc(l, func(f Fault) bool { return f.Fault == kind && f.Where == where })
}
