package lab

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A script is a server's side of a dialogue, as text. Blank lines and lines that
// begin with # are skipped.
//
//	S: 220 {host} ESMTP             the greeting: what stands before the first C:
//	C: EHLO                         when a command begins like this (the longest match wins; C: * takes the rest)
//	S: 250-{host} Hello [{ip}]      this is said
//	S: 250-STARTTLS
//	S: 250 AUTH PLAIN\n             escapes: \n \r \t \\ \xNN; a line that ends in \n, \r or \c gets no CRLF
//	C: STARTTLS
//	S: 220 2.0.0 go
//	* tls                           and this done
//	-- inside TLS                   what follows is valid after the handshake
//	C: EHLO
//	S: 250 {host}
//
// Placeholders: {host}, {ip} (the client's address), {ehlo} (its EHLO name), {arg} (the
// rest of the command). Neighbouring S: lines leave in one packet. What can be done:
//
//	C: STARTTLS
//	* tls [cert=NAME] [max=1.0] [classic] [rsa] [refuse] [client-cert]
//	* auth                        run the AUTH exchange; a wrong credential is answered 535 and ends the rule
//	* read                        wait until the client sends something, and swallow it
//	* pause 3s                    wait
//	* drip 1s                     from here on one byte each second
//	* endless                     say the following S: lines for ever
//	* hang                        silence until the client goes
//	* close                       FIN
//	* reset                       RST
//
// HELO, MAIL, RCPT, DATA (its end is "C: ."), RSET, NOOP and QUIT have answers
// where a script names none; EHLO inside TLS repeats the plain one without STARTTLS.
type script struct {
	plain, inside []rule
}

type rule struct {
	command string // upper case; empty for the greeting
	steps   []step
}

func (r rule) says(code string) bool {
	return slices.ContainsFunc(r.steps, func(st step) bool { return st.do == "say" && strings.HasPrefix(st.text, code) })
}

type step struct {
	do   string // say, or the word after the asterisk
	text string
	args []string
	wait time.Duration
}

var defaults = mustParse(`
C: EHLO
S: 250 {host}
C: HELO
S: 250 {host}
C: MAIL
S: 250 2.1.0 sender ok
C: RCPT
S: 250 2.1.5 recipient ok
C: DATA
S: 354 go ahead
C: .
S: 250 2.0.0 taken
C: RSET
S: 250 2.0.0 forgotten
C: NOOP
S: 250 2.0.0 ok
C: QUIT
S: 221 2.0.0 bye
* close
C: *
S: 502 5.5.1 command not implemented
`)

func mustParse(text string) *script {
	s, err := parseScript(text)
	if err != nil {
		panic(err)
	}
	return s
}

func parseScript(text string) (*script, error) {
	s := &script{}
	rules := &s.plain
	*rules = append(*rules, rule{})
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimLeft(strings.TrimRight(line, "\r"), " \t")
		switch {
		case line == "" || line[0] == '#':
			continue
		case strings.HasPrefix(line, "--"):
			rules = &s.inside
			*rules = append(*rules, rule{})
			continue
		case strings.HasPrefix(line, "C:"):
			*rules = append(*rules, rule{command: strings.ToUpper(strings.TrimSpace(line[2:]))})
			continue
		}
		st, err := parseStep(line)
		if err != nil {
			return nil, fmt.Errorf("script line %d: %w", i+1, err)
		}
		last := &(*rules)[len(*rules)-1]
		last.steps = append(last.steps, st)
	}
	return s, nil
}

func parseStep(line string) (step, error) {
	if said, ok := strings.CutPrefix(line, "S:"); ok {
		text, err := unescape(strings.TrimPrefix(said, " "))
		return step{do: "say", text: text}, err
	}
	done, ok := strings.CutPrefix(line, "*")
	words := strings.Fields(done)
	if !ok || len(words) == 0 {
		return step{}, fmt.Errorf("%q begins with none of S:, C:, *, --, #", line)
	}
	st := step{do: words[0], args: words[1:]}
	switch st.do {
	case "tls", "auth", "read", "endless", "hang", "close", "reset":
		return st, nil
	case "pause", "drip":
		var err error
		if len(st.args) != 1 {
			return st, fmt.Errorf("* %s needs a duration", st.do)
		}
		st.wait, err = time.ParseDuration(st.args[0])
		return st, err
	}
	return st, fmt.Errorf("* %s is nothing a server can do", st.do)
}

// unescape gives the bytes of a said line, its line end included.
func unescape(s string) (string, error) {
	var out strings.Builder
	end := "\r\n"
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' {
			out.WriteByte(s[i])
			continue
		}
		i++
		if i == len(s) {
			return "", fmt.Errorf("a backslash at the end of %q", s)
		}
		last := i == len(s)-1
		switch s[i] {
		case 'n':
			out.WriteByte('\n')
		case 'r':
			out.WriteByte('\r')
		case 't':
			out.WriteByte('\t')
		case '\\':
			out.WriteByte('\\')
		case 'c':
		case 'x':
			if i+2 >= len(s) {
				return "", fmt.Errorf("\\x needs two digits in %q", s)
			}
			b, err := strconv.ParseUint(s[i+1:i+3], 16, 8)
			if err != nil {
				return "", fmt.Errorf("\\x needs two digits in %q", s)
			}
			out.WriteByte(byte(b))
			i += 2
		default:
			return "", fmt.Errorf("\\%c is no escape in %q", s[i], s)
		}
		if last && strings.IndexByte("nrc", s[i]) >= 0 {
			end = ""
		}
	}
	return out.String() + end, nil
}

// find picks the rule for a command: the longest that matches, in the section, else in the defaults.
func (s *script) find(command string, inTLS bool) rule {
	command = strings.ToUpper(command)
	sections := [][]rule{s.plain, defaults.plain}
	if inTLS {
		sections = [][]rule{s.inside, withoutStartTLS(s.plain), defaults.plain}
	}
	var fallback *rule
	for _, rules := range sections {
		var best *rule
		for i, r := range rules {
			switch {
			case r.command == "":
			case r.command == "*":
				if fallback == nil {
					fallback = &rules[i]
				}
			case strings.HasPrefix(command, r.command) && (best == nil || len(r.command) > len(best.command)):
				best = &rules[i]
			}
		}
		if best != nil {
			return *best
		}
	}
	return *fallback
}

func (s *script) greeting() rule { return s.plain[0] }

// withoutStartTLS is what a server that has TLS already says to the same commands (RFC 3207 §4.2).
func withoutStartTLS(rules []rule) []rule {
	var out []rule
	for _, r := range rules {
		if r.command == "EHLO" {
			r.steps = slices.Clone(r.steps)
			dropCapability(&r.steps, "STARTTLS")
		}
		if r.command != "STARTTLS" {
			out = append(out, r)
		}
	}
	return out
}

// dropCapability takes one line out of an EHLO reply and keeps the last one last.
func dropCapability(steps *[]step, keyword string) {
	last := -1
	var kept []step
	dropped := false
	for _, st := range *steps {
		if st.do == "say" && len(st.text) > 4 && strings.HasPrefix(st.text, "250") {
			fields := strings.Fields(st.text[4:])
			if len(fields) > 0 && last >= 0 && strings.EqualFold(fields[0], keyword) {
				dropped = true
				continue
			}
			last = len(kept)
		}
		kept = append(kept, st)
	}
	if dropped {
		kept[last].text = "250 " + kept[last].text[4:]
	}
	*steps = kept
}

// Offering is the script of a well-behaved partner that offers these capabilities ("SIZE 1000", "STARTTLS", …).
func Offering(capabilities ...string) string {
	var out strings.Builder
	out.WriteString("S: 220 {host} ESMTP ready\nC: EHLO\n")
	lines := append([]string{"{host} Hello [{ip}]"}, capabilities...)
	for i, l := range lines {
		sep := "-"
		if i == len(lines)-1 {
			sep = " "
		}
		out.WriteString("S: 250" + sep + l + "\n")
	}
	out.WriteString("C: STARTTLS\nS: 220 2.0.0 Ready to start TLS\n* tls\n")
	return out.String()
}

// Exchange are the capabilities that Exchange Online offers a client it trusts (story 1).
func Exchange() []string {
	return []string{"SIZE 157286400", "PIPELINING", "DSN", "ENHANCEDSTATUSCODES", "STARTTLS", "AUTH", "8BITMIME", "BINARYMIME", "CHUNKING"}
}

// Without is the list of capabilities less those whose keyword is named.
func Without(capabilities []string, keywords ...string) []string {
	return slices.DeleteFunc(slices.Clone(capabilities), func(c string) bool {
		word, _, _ := strings.Cut(c, " ")
		return slices.Contains(keywords, word)
	})
}

// Refusing is the script of a server that greets with this reply and hangs up after QUIT: "554 5.7.1 go away", "421 4.7.0 later".
func Refusing(reply string) string {
	out := "S: " + strings.ReplaceAll(reply, `\`, `\\`) + "\n"
	for _, command := range []string{"EHLO", "HELO", "MAIL", "RCPT", "DATA", "*"} {
		out += "C: " + command + "\nS: 503 5.5.1 bad sequence of commands\n"
	}
	return out
}
