package replies

import (
	"html"
	"net/netip"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

var (
	ansi = regexp.MustCompile(`\x1b(?:\[[0-9;?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])`)
	// Only tags of a bounce shown as HTML: <user@example.org> and <host[192.0.2.1]> must stay.
	htmlBreak = regexp.MustCompile(`(?i)<\s*(?:br|/p|/div|/tr|/li|/h[1-6]|/pre)\s*/?>`)
	htmlTag   = regexp.MustCompile(`(?i)</?(?:p|div|span|br|b|i|u|a|em|strong|font|table|tbody|thead|tr|td|th|html|head|body|pre|code|tt|hr|h[1-6]|ul|ol|li|style|meta|center|title)(?:\s[^<>]{0,500})?/?>`)
	// What loggers make of a line end or tab inside a reply: \r\n in C style, #012 in rsyslog.
	escapedEOL = regexp.MustCompile(`(?:\\r)?\\n([2-5]\d\d[ -]|\s|$)|\\r\\n|(?:#015)?#012`)
	escapedTab = regexp.MustCompile(`#011|\\t\b`)
	unicodeEsc = strings.NewReplacer(`\u003c`, "<", `\u003e`, ">", `\u003C`, "<", `\u003E`, ">", `\u0026`, "&", `\"`, `"`, `\/`, "/")

	// Data feed keys in front of a zone are secrets, also those of the receiver (rule of truth 8).
	listKey = regexp.MustCompile(`(?i)\b[a-z0-9]{20,40}((?:\.[a-z0-9-]{1,63}){1,3}\.dq\.spamhaus\.net|(?:\.[a-z0-9-]{1,63}){1,2}\.abusix\.zone|\.r\.mail-abuse\.com)\b`)

	ipv4Text = regexp.MustCompile(`(?:^|[^\w.:-])(\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3})(?:$|[^\w.-]|\.(?:\s|$))`)
	ipv6Text = regexp.MustCompile(`(?i)(?:^|[^\w.:-])((?:ipv6:)?[0-9a-f]{0,4}(?::[0-9a-f]{0,4}){1,7}(?::\d{1,3}(?:\.\d{1,3}){3})?)(?:$|[^\w:.-]|\.(?:\s|$))`)
	urlText  = regexp.MustCompile(`(?i)\bhttps?://[^\s<>"'\x60\\)\]}]{3,400}`)
)

// clean makes plain lines out of whatever a terminal, a log or a mail program
// put around a reply: at most MaxInput bytes, valid UTF-8, line ends as \n.
func clean(text string) string {
	s := truncate(text, MaxInput)
	if strings.ContainsRune(s, '\x1b') {
		s = ansi.ReplaceAllString(s, "")
	}
	s = strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(s)
	if strings.ContainsAny(s, `\#`) {
		s = escapedEOL.ReplaceAllString(s, "\n$1")
		s = escapedTab.ReplaceAllString(s, " ")
		s = unicodeEsc.Replace(s)
	}
	if strings.Contains(s, "<") && htmlTag.MatchString(s) {
		s = htmlBreak.ReplaceAllString(s, "\n")
		s = htmlTag.ReplaceAllString(s, "")
	}
	if strings.Contains(s, "&") {
		s = html.UnescapeString(s)
	}
	if strings.Contains(s, "_said:_") { // qmail-send writes spaces as underscores
		s = strings.NewReplacer("/Giving_up_on", "\n\nGiving up on", "_", " ").Replace(s)
	}
	return strings.Map(plain, s)
}

func plain(r rune) rune {
	switch {
	case r == '\n':
		return r
	case r == utf8.RuneError, unicode.IsSpace(r), unicode.IsControl(r):
		return ' '
	case unicode.Is(unicode.Cf, r): // soft hyphens, zero width and direction marks
		return -1
	}
	return r
}

// tidyText is what a reply's text looks like when patterns see it: one line, single spaces, bounded.
func tidyText(s string) string {
	s = strings.Map(plain, listKey.ReplaceAllString(truncate(s, MaxInput), "{key}$1"))
	return strings.TrimSpace(truncate(strings.Join(strings.Fields(s), " "), MaxText))
}

// truncate cuts s at a rune's start, at most limit bytes in, and repairs broken UTF-8.
func truncate(s string, limit int) string {
	s = strings.ToValidUTF8(s[:min(len(s), limit+utf8.UTFMax)], "\uFFFD")
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit]
}

// firstIP is the first address that a text quotes beside the server's own, IPv4 before IPv6.
func firstIP(s string, server netip.Addr) netip.Addr {
	for _, re := range []*regexp.Regexp{ipv4Text, ipv6Text} {
		for _, m := range re.FindAllStringSubmatch(s, 8) {
			if ip := parseIP(m[1]); ip.IsValid() && ip != server {
				return ip
			}
		}
	}
	return netip.Addr{}
}

// parseIP reads an address literal as servers write it (RFC 5321 §4.1.3: "IPv6:2001:db8::1").
func parseIP(s string) netip.Addr {
	s = strings.Trim(s, "[]()<>. ")
	if len(s) > 5 && strings.EqualFold(s[:5], "ipv6:") {
		s = s[5:]
	}
	ip, err := netip.ParseAddr(s)
	if err != nil || ip.Zone() != "" {
		return netip.Addr{}
	}
	return ip.Unmap()
}

func firstURL(s string) string {
	return strings.TrimRight(urlText.FindString(s), ".,;:!?*")
}
