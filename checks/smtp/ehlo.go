package smtp

import (
	"regexp"
	"slices"
	"strings"
)

// Has reports whether the keyword (in upper case) is offered.
func (c Capabilities) Has(keyword string) bool {
	_, ok := c[keyword]
	return ok
}

// keywordsKnown are those that no host is named after: standing where the host
// name belongs, they are a capability out of place.
var keywordsKnown = []string{
	"8BITMIME", "ATRN", "AUTH", "BINARYMIME", "BURL", "CHECKPOINT", "CHUNKING", "DELIVERBY", "DSN",
	"ENHANCEDSTATUSCODES", "ETRN", "EXPN", "FUTURERELEASE", "HELP", "LIMITS", "MT-PRIORITY", "MTRK", "NO-SOLICITING",
	"PIPELINING", "REQUIRETLS", "RRVS", "SIZE", "SMTPUTF8", "STARTTLS", "SUBMITTER", "UTF8SMTP", "VRFY",
	"X-ANONYMOUSTLS", "X-EXPS", "X-LINK2STATE", "XCLIENT", "XEXCH50", "XFORWARD", "XRDST",
}

var (
	masked       = regexp.MustCompile(`^X{4,}[A-Z]?$`)
	maskedBanner = regexp.MustCompile(`^[*20 ]*\*[*20 ]*$`)
	keyword      = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9-]*$`)
)

// capabilities reads an EHLO reply (RFC 5321 §4.1.1.1). The first line holds the
// server's name: a capability found there is a fault and is not counted as
// offered, because the senders people ask about do not see it either. A masked
// capability is a fault too and no capability: nobody knows what it was.
func capabilities(rep Reply, where string) (Capabilities, faultList) {
	caps := Capabilities{}
	var faults faultList
	for i, text := range rep.Lines {
		word, params := cutKeyword(text)
		upper := strings.ToUpper(word)
		switch {
		case i == 0:
			if slices.Contains(keywordsKnown, upper) {
				faults.add(FaultKeywordFirstLine, where, []byte(text))
			}
		case masked.MatchString(word):
			faults.add(FaultMaskedCapability, where, []byte(text))
		case strings.HasPrefix(upper, "AUTH="):
			faults.add(FaultLegacyAuth, where, []byte(text))
		default:
			caps.add(upper, params, text, where, &faults)
		}
	}
	caps.legacyAuth(rep)
	return caps, faults
}

func (c Capabilities) add(word, params, text, where string, faults *faultList) {
	switch {
	case word == "": // "250" and no more: legal as a line (RFC 5321 §4.2), useless in this list
		faults.add(FaultMissingSpace, where, []byte("250\r\n"))
		return
	case !keyword.MatchString(word):
		faults.add(FaultBadKeyword, where, []byte(text))
		return
	}
	if word == "STARTTLS" && params != "" {
		faults.add(FaultStartTLSParam, where, []byte(text))
	}
	if have, twice := c[word]; twice {
		if have != params {
			faults.add(FaultTwice, where, []byte(text))
		}
		return
	}
	c[word] = params
}

// legacyAuth takes AUTH=LOGIN for AUTH LOGIN where the standard form is missing.
func (c Capabilities) legacyAuth(rep Reply) {
	for _, text := range rep.Lines[min(1, len(rep.Lines)):] {
		word, params := cutKeyword(text)
		if c.Has("AUTH") || len(word) < 5 || !strings.EqualFold(word[:5], "AUTH=") {
			continue
		}
		c["AUTH"] = strings.TrimSpace(word[5:] + " " + params)
	}
}

func cutKeyword(text string) (word, params string) {
	fields := strings.Fields(text)
	if len(fields) == 0 {
		return "", ""
	}
	return fields[0], strings.Join(fields[1:], " ")
}

// isMaskedBanner knows the greeting that Cisco firewalls leave: "220 ****2******0*".
func isMaskedBanner(rep Reply) bool {
	return rep.Code == 220 && maskedBanner.MatchString(rep.Text())
}
