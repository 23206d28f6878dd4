package smtp

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strings"

	"github.com/emersion/go-sasl"

	"repwatch/reputation"
)

const maxCommand = 510 // octets without CRLF, RFC 5321 §4.5.3.1.4

// beyond does what was asked for beside looking. What goes wrong there stands in
// the steps and changes no outcome, except for 421, which defers wherever it comes.
func (s *session) beyond() *verdict {
	for _, step := range []struct {
		wanted bool
		phase  string
		into   **Step
		do     func(*Step)
	}{
		{s.extras.Auth != nil, "auth", &s.res.Auth, s.authenticate},
		{s.extras.Message != nil, "message", &s.res.Message, s.sendMessage},
		{s.extras.Rcpt != "", "rcpt", &s.res.Rcpt, s.askRecipient},
	} {
		if !step.wanted {
			continue
		}
		*step.into = &Step{}
		if s.deaf {
			(*step.into).Why = "not reached: the connection was lost before"
			continue
		}
		end := s.begin(step.phase, s.timeouts.Command)
		step.do(*step.into)
		end()
		if rep := (*step.into).Reply; rep != nil && rep.Code == 421 {
			return &verdict{outcome: reputation.Deferred, reply: rep, why: fmt.Sprintf("the server answered \"%s\" and ended the session", replyWords(rep))}
		}
	}
	return nil
}

// command sends one command of a step; false when it did not get a reply of the wanted class.
func (s *session) command(step *Step, name, line string, class int) bool {
	rep, t := s.ask(line)
	step.Command, step.Reply = name, rep
	switch {
	case t != nil:
		step.Why = t.words
		return false
	case rep.Code/100 != class:
		step.Why = fmt.Sprintf("the server answered \"%s\" to %s", replyWords(rep), name)
		return false
	}
	return true
}

// askRecipient asks for a recipient and takes the question back. The null sender
// claims no identity that could be judged (RFC 5321 §4.5.5).
func (s *session) askRecipient(step *Step) {
	if s.command(step, "MAIL", "MAIL FROM:<>", 2) {
		s.command(step, "RCPT", "RCPT TO:<"+s.extras.Rcpt+">", 2)
	}
	s.reset(step)
}

// reset leaves no transaction behind (RFC 5321 §4.1.1.5). Its reply is of no interest.
func (s *session) reset(step *Step) {
	if s.deaf || step.Reply != nil && step.Reply.Code == 421 {
		return
	}
	_, _ = s.ask("RSET")
}

// authenticate tries the credential once: failed tries lock accounts.
func (s *session) authenticate(step *Step) {
	mechanism, why := s.mechanism()
	if why != "" {
		step.Why = "the credential was not sent: " + why
		return
	}
	step.Command = "AUTH " + mechanism
	s.log.note("AUTH %s with a credential that is not shown", mechanism)
	s.rd.secrets = s.extras.Auth.forms()
	rep, why := s.exchange(mechanism)
	step.Reply, step.Why = rep, why
	if why == "" && rep.Code != 235 {
		step.Why = fmt.Sprintf("the server answered \"%s\" to AUTH %s", replyWords(rep), mechanism)
	}
}

// mechanism chooses PLAIN or LOGIN, or says why none may be used.
func (s *session) mechanism() (name, why string) {
	tls := s.res.TLS
	switch {
	case !s.inTLS:
		return "", "the connection is not encrypted"
	case tls.Version < "TLS 1.2":
		return "", tls.Version + " is too old to be trusted with it (RFC 8996)"
	case !s.extras.AnyCertificate && (tls.Chain != "ok" || tls.Name != "ok" || tls.Expiry != "ok"):
		return "", "the server's certificate does not hold, so it may be somebody else"
	}
	offered := strings.Fields(strings.ToUpper(s.res.CapabilitiesTLS["AUTH"]))
	for _, name := range []string{sasl.Plain, sasl.Login} {
		wanted := s.extras.Auth.mechanism
		if wanted != "" && wanted != name {
			continue
		}
		for _, have := range offered {
			if have == name {
				return name, ""
			}
		}
	}
	return "", fmt.Sprintf("the server offers AUTH \"%s\", none of which we may use", short(strings.Join(offered, " ")))
}

// exchange runs one SASL exchange (RFC 4954 §4). Nothing we send in it is logged.
func (s *session) exchange(mechanism string) (*Reply, string) {
	client := s.extras.Auth.client(mechanism)
	name, initial, err := client.Start()
	if err != nil {
		return nil, "the credential cannot be used with AUTH " + mechanism
	}
	line := "AUTH " + name
	if full := line + " " + encode(initial); initial != nil && len(full) <= maxCommand {
		line, initial = full, nil
	}
	for { // ends because every client runs out of answers
		if t := s.send(line, ""); t != nil {
			return nil, t.words
		}
		rep, t := s.read()
		if t != nil {
			return nil, t.words
		}
		if rep.Code != 334 {
			return rep, ""
		}
		if initial != nil {
			line, initial = encode(initial), nil
			continue
		}
		answer, err := client.Next(nil)
		if err != nil {
			break
		}
		line = encode(answer)
	}
	rep, t := s.ask("*") // RFC 4954 §4: cancels the exchange
	if t != nil {
		return nil, t.words
	}
	return rep, "the server asked for more than AUTH " + mechanism + " has to say"
}

func encode(b []byte) string {
	if len(b) == 0 {
		return "=" // RFC 4954 §4: an empty initial response
	}
	return base64.StdEncoding.EncodeToString(b)
}

// sendMessage sends the test message that a person asked for.
func (s *session) sendMessage(step *Step) {
	m := s.extras.Message
	switch auth := s.res.Auth; {
	case !s.inTLS:
		step.Why = "the message was not sent: the connection is not encrypted"
		return
	case auth != nil && (auth.Reply == nil || auth.Reply.Code != 235):
		step.Why = "the message was not sent: authentication did not succeed"
		return
	}
	ok := s.command(step, "MAIL", "MAIL FROM:<"+m.From+">", 2) &&
		s.command(step, "RCPT", "RCPT TO:<"+m.To+">", 2) &&
		s.command(step, "DATA", "DATA", 3)
	if !ok {
		s.reset(step)
		return
	}
	step.Command, step.Reply = "message", nil
	body := dotStuffed(m.Body)
	s.log.note("the message, %d bytes", len(body))
	if t := s.send(body+".", ""); t != nil {
		step.Why = t.words
		return
	}
	rep, t := s.read()
	if t != nil {
		step.Why = t.words + "; it may have been taken all the same"
		return
	}
	step.Reply = rep
	if rep.Code/100 != 2 {
		step.Why = fmt.Sprintf("the server answered \"%s\" to the message", replyWords(rep))
	}
}

// dotStuffed makes a body ready for DATA: CRLF line ends, and a dot doubled at the head of a line (RFC 5321 §4.5.2).
func dotStuffed(body []byte) string {
	body = bytes.ReplaceAll(body, []byte("\r\n"), []byte("\n"))
	body = bytes.ReplaceAll(body, []byte("\r"), []byte("\n"))
	var out strings.Builder
	for line := range strings.Lines(string(body)) {
		if line[0] == '.' {
			out.WriteByte('.')
		}
		out.WriteString(strings.TrimSuffix(line, "\n"))
		out.WriteString("\r\n")
	}
	return out.String()
}
