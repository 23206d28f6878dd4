package replies

import (
	"net/netip"
	"regexp"
	"strconv"
	"strings"
)

var (
	// A code that may begin a reply: at a line's start, after a word by which
	// software introduces a reply, or after punctuation. The score in candidate says how likely.
	replyStart = regexp.MustCompile(`(?im)(^[ \t>|]*(?:(?:<<<|<-|<~|<\*\*|s:|server:|remote:)[ \t]*)?` +
		`|(?:said|refused to talk to me|responded with|responded|replied|response|smtp;|x400;|reply|reason|stat|led|lasterror|error|deferral|failure|answered|message)[:=]?[ \t]*["'(<\[{]?[ \t]*` +
		`|[:;"'({>,][ \t]*)` +
		`([2-5][0-57]\d)([ \-]|$)`)
	// A word that introduces a reply beats the punctuation around it.
	introduced = regexp.MustCompile(`(?i)(?:said|talk to me|responded with|responded|replied|response|smtp;|stat|led|lasterror|reason|deferral|failure|answered)[:=]?[ \t]*["'(<\[{]?[ \t]*$`)
	enhancedAt = regexp.MustCompile(`^[ \t-]*[#\[(]*([245]\.\d{1,3}\.\d{1,3})(?:[\])]|\b)[:;,]?[ \t]*`)
	// An enhanced code inside a text without a reply code. Four numbers are an address.
	enhancedIn = regexp.MustCompile(`(?:^|[\s"'(\[#:;,])([45]\.\d{1,2}\.\d{1,3})(?:$|[\s"')\],:;])`)
	repeated   = regexp.MustCompile(`(?:^|\s)([2-5]\d\d)(?:[ -]+([245]\.\d{1,3}\.\d{1,3})\b|-)`)
	dsnField   = regexp.MustCompile(`\bdsn=([245]\.\d{1,3}\.\d{1,3})\b`)
	// What Postfix's smtpd adds to a reply in its own log.
	smtpdTail  = regexp.MustCompile(`; from=<[^<>\n]*> to=<[^\n]*$`)
	statusText = regexp.MustCompile(`(?s)\bstatus=[\w-]+ \((.*)\)`)
	inReplyTo  = regexp.MustCompile(`(?is)\s*\(in\s+reply\s+to\s+.{1,60}?(?:command|command\)|\))\)?`)

	// Where a pasted reply ends: a header of a bounce, a log line's time stamp, a client's line.
	nextThing  = regexp.MustCompile(`^(?:[A-Za-z][\w-]*-[A-Za-z][\w-]*: ?|Action: |Status: |Subject: |From: |To: |Date: |Received: |[A-Z][a-z]{2} [ \d]\d \d\d:|\d{4}-\d\d-\d\d[ T]\d\d:|>>>|C:|~>|->|\*{3}|--)`)
	codeAtLine = regexp.MustCompile(`(?i)^[ \t>|]*(?:(?:<<<|<-|<~|<\*\*|s:|server:|remote:)[ \t]*)?([2-5][0-57]\d)([ \-]|$)`)
)

// Parse finds the reply in a text: see Explainer.Explain for what the text may
// be. Of nested replies (Exchange quotes the partner's inside its own) the inner one
// counts. A text without a reply code comes back whole, with an enhanced code if it has one.
func Parse(text string) Reply {
	s := clean(text)
	low := folded(s)
	r := Reply{Phase: phaseIn(s, low)}
	r.Host, r.IP = remoteIn(s, low)
	if at, ok := findReply(s); ok {
		r.Code, r.Enhanced, r.Text = readReply(s, at)
	} else {
		r.Text = bareText(s)
		if m := enhancedIn.FindStringSubmatch(r.Text); m != nil {
			r.Enhanced = m[1]
		}
	}
	if r.Enhanced == "" {
		r.Enhanced = loggedStatus(s, r.Code)
	}
	r.Text = tidyText(r.Text)
	return r
}

// candidate is a place where a reply may start.
type candidate struct {
	code, score int
	start       int  // of the digits
	line        bool // at a line's start
	more        bool // "550-": the next line goes on
	quote       byte // an opening quote or bracket right before, else 0
}

// findReply picks where the reply starts. At equal scores the first line wins
// (what follows a failure is its echo), but the last introduced one (it is the innermost).
func findReply(s string) (best candidate, ok bool) {
	for _, m := range replyStart.FindAllStringSubmatchIndex(s, 200) {
		c := candidate{start: m[4], line: m[2] == 0 || s[m[2]-1] == '\n', more: s[m[6]:m[7]] == "-"}
		c.code, _ = strconv.Atoi(s[m[4]:m[5]])
		if ok && best.more && c.line && c.code == best.code {
			continue // a further line of the same reply
		}
		rest := s[m[5]:]
		lead := strings.TrimRight(s[m[2]:m[3]], " \t")
		if lead != "" {
			c.quote = lead[len(lead)-1]
		}
		known := introduced.MatchString(s[max(0, m[4]-40):m[4]])
		switch {
		case known:
			c.score = 5
		case c.line:
			c.score = 3
		case strings.ContainsAny(string(c.quote), `:"'>;`):
			c.score = 1
		}
		if status, _ := statusAt(rest); status != "" && !known {
			c.score++
		}
		if c.code < 400 {
			c.score -= 6
		}
		if !ok || c.score > best.score || c.score == best.score && known {
			best, ok = c, true
		}
	}
	return best, ok
}

// readReply takes the reply at c apart.
func readReply(s string, c candidate) (code int, enhanced, text string) {
	digits := strconv.Itoa(c.code)
	body := untilClosed(s[c.start+3:], c.quote)
	lines := strings.Split(body, "\n")
	var parts []string
	multi := false
	for i, line := range lines {
		if i > 0 {
			if line = strings.TrimRight(line, " \t"); strings.TrimSpace(line) == "" || nextThing.MatchString(line) {
				break
			}
			if m := codeAtLine.FindStringSubmatchIndex(line); m != nil {
				if line[m[2]:m[3]] != digits {
					break
				}
				line, multi = line[m[3]:], true
			} else {
				parts = append(parts, line)
				continue
			}
		}
		multi = multi || strings.HasPrefix(line, "-")
		line = strings.TrimPrefix(line, "-")
		status, rest := statusAt(line)
		if enhanced == "" {
			enhanced = status
		}
		parts = append(parts, rest)
	}
	text = inReplyTo.ReplaceAllString(strings.Join(parts, " "), "")
	text = smtpdTail.ReplaceAllString(text, "")
	if multi {
		text = dropRepeated(text, digits, enhanced)
	}
	return c.code, enhanced, trimUnbalanced(text)
}

// statusAt takes the enhanced code off the front of a line, if there is one.
func statusAt(line string) (status, rest string) {
	m := enhancedAt.FindStringSubmatchIndex(line)
	if m == nil {
		return "", line
	}
	if after := line[m[3]:]; len(after) > 1 && after[0] == '.' && after[1] >= '0' && after[1] <= '9' {
		return "", line // four numbers are an address
	}
	return line[m[2]:m[3]], line[m[1]:]
}

// dropRepeated removes the codes in front of further lines where a log joined a
// multi-line reply with spaces: "550-5.7.26 one 550-5.7.26 two 550 5.7.26 three".
func dropRepeated(text, digits, enhanced string) string {
	return repeated.ReplaceAllStringFunc(text, func(found string) string {
		m := repeated.FindStringSubmatch(found)
		if m[1] == digits && (m[2] == "" || m[2] == enhanced) {
			return " "
		}
		return found
	})
}

// untilClosed ends a quoted reply at its closing quote.
func untilClosed(s string, open byte) string {
	switch open {
	case '"':
		for i := range len(s) {
			if s[i] == '"' && (i+1 == len(s) || strings.IndexByte(" \n.,;)}]'", s[i+1]) >= 0) {
				return s[:i]
			}
		}
	case '\'':
		for i := range len(s) {
			if s[i] == '\'' && (i+1 == len(s) || strings.IndexByte("\n,;)}]", s[i+1]) >= 0) {
				return s[:i]
			}
		}
	case '{', '=':
		if i := strings.IndexByte(s, '}'); i >= 0 {
			return s[:i]
		}
	}
	return s
}

// trimUnbalanced drops closing brackets at the end that the reply did not open: they belong to the log line.
func trimUnbalanced(s string) string {
	s = strings.TrimSpace(s)
	for strings.HasSuffix(s, ")") && strings.Count(s, ")") > strings.Count(s, "(") {
		s = strings.TrimSpace(s[:len(s)-1])
	}
	return s
}

// bareText is the part worth reading of a text without a reply code: what
// Postfix puts into the brackets after status=, else everything.
func bareText(s string) string {
	if m := statusText.FindStringSubmatch(s); m != nil {
		return m[1]
	}
	return s
}

// loggedStatus is the status that the sending MTA logged beside a reply without
// one (Postfix and Sendmail: dsn=). X.0.0 says nothing and is left out.
func loggedStatus(s string, code int) string {
	m := dsnField.FindStringSubmatch(s)
	if m == nil || strings.HasSuffix(m[1], ".0.0") || code != 0 && int(m[1][0]-'0') != code/100 {
		return ""
	}
	return m[1]
}

var (
	hostIP = []guarded{
		guard(`(?i)\b(?:host|with|to|from host|relay=|server)[\s:=]{0,9}([a-z0-9_](?:[a-z0-9_.-]{0,253}[a-z0-9_])?)\.? ?[\[(]([0-9a-f.:]{2,45}|IPv6:[0-9a-f.:]{2,45})[\])]`),
		guard(`(?i)\bH=([a-z0-9_](?:[a-z0-9_.-]{0,253}[a-z0-9_])?)\.? (?:\([^()\s]{1,255}\) )?\[([0-9a-f.:]{2,45})\]`),
		guard(`(?i)\{FQDN=([a-z0-9_.-]{1,255})\};\{IP=([0-9a-f.:]{0,45})\}`),
		guard(`(?i)\bLastAttemptedServerName=([a-z0-9_.-]{1,255})\](?:.{0,40}LastAttemptedIP=([0-9a-f.]{7,15}))?`),
	}
	hostOnly = guard(`(?i)(?:\bRemote-MTA: *dns; *|while talking to |\brelay=)([a-z0-9_](?:[a-z0-9_.-]{0,253}[a-z0-9_])?)`)
	ipOnly   = guard(`(?i)(?:\bhost |\bRemote-MTA: *dns; *|: |^)\[?((?:\d{1,3}\.){3}\d{1,3})\]? (?:does not like|failed after|said|refused)`)
)

// remoteIn finds the server that the text is about: Postfix, Exim, Sendmail, qmail and Exchange write it differently.
func remoteIn(s, low string) (host string, ip netip.Addr) {
	for _, re := range hostIP {
		for _, m := range re.all(s, low, 4) {
			ip = parseIP(m[2])
			if m[2] == "" || ip.IsValid() {
				return hostName(m[1]), ip
			}
		}
	}
	if m := ipOnly.all(s, low, 1); m != nil {
		ip = parseIP(m[0][1])
	}
	if m := hostOnly.all(s, low, 1); m != nil && !strings.EqualFold(m[0][1], "none") {
		host = hostName(m[0][1])
	}
	return host, ip
}

// hostName is the name in lower case; an address is no name.
func hostName(s string) string {
	if parseIP(s).IsValid() {
		return ""
	}
	return strings.TrimSuffix(strings.ToLower(s), ".")
}
