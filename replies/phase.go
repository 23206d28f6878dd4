package replies

import "strings"

// phaseWords are how MTAs say in their logs which command was answered, in the
// form of each MTA: Postfix, Exim, its smtpd side, Sendmail's transcript.
var phaseWords = guard(`(?is)` + strings.Join([]string{
	`in\s+reply\s+to\s+(?:the\s+)?(?P<a>[a-z\s]{2,40}?)\s+(?:command|\))`,
	`while\s+(?:sending|performing\s+the|receiving\s+the)\s+(?P<b>[a-z\s]{3,40})`,
	`remote\s+(?:mail\s+)?server\s+(?:after|for)\s+(?:pipelined\s+)?(?P<c>[a-z ]{4,40})`,
	`SMTP\s+timeout\s+after\s+(?:pipelined\s+)?(?P<d>[a-z ]{4,40})`,
	`\breject:\s+(?P<e>[A-Z]{4,10}|END-OF-MESSAGE|CONNECT)\s+from`,
	`(?:^|\n)>>>\s*(?P<f>[a-z]{4,8})`,
	`(?P<g>refused\s+to\s+(?:talk\s+to\s+me|start\s+TLS))`,
	`(?P<h>connect\s+to\s+\S{1,255}\[[0-9a-f.:]{2,45}\]:\d{1,5}:)`,
	`after\s+(?P<i>STARTTLS|EHLO|HELO|AUTH)\b`,
}, "|"))

var phasePrefixes = []struct {
	prefix string
	phase  Phase
}{
	{"end of data", PhaseEndOfData}, {"end-of-message", PhaseEndOfData}, {"sending message body", PhaseEndOfData},
	{"message body", PhaseEndOfData}, {"data", PhaseData}, {"mail", PhaseMail}, {"rcpt", PhaseRcpt},
	{"ehlo", PhaseEHLO}, {"helo", PhaseEHLO}, {"starttls", PhaseSTARTTLS}, {"tls", PhaseHandshake}, {"auth", PhaseAuth},
	{"initial", PhaseGreeting}, {"greeting", PhaseGreeting}, {"refused to talk", PhaseGreeting}, {"refused to start", PhaseSTARTTLS},
	{"connect to", PhaseConnect}, {"connect", PhaseGreeting}, {"quit", PhaseQuit},
}

// phaseIn says which step of the session a log line names. Of a transcript the
// last command counts: its reply is the failure.
func phaseIn(s, low string) Phase {
	found := Phase("")
	for _, m := range phaseWords.all(s, low, 16) {
		for _, words := range m[1:] {
			if p := phaseOf(words); p != "" {
				found = p
			}
		}
		if found != "" && !strings.Contains(m[0], ">>>") {
			break
		}
	}
	return found
}

func phaseOf(words string) Phase {
	words = strings.Join(strings.Fields(strings.ToLower(words)), " ")
	for _, p := range phasePrefixes {
		if strings.HasPrefix(words, p.prefix) {
			return p.phase
		}
	}
	return ""
}
