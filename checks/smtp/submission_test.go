package smtp

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"testing"

	"repwatch/reputation"
)

const (
	user     = "postmaster@example.com"
	password = "s3cret&Pass"
)

func credential(t *testing.T, user, password, mechanism string) *Credential {
	t.Helper()
	c, err := NewCredential(user, password, mechanism)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// submission is a server on port 587 that offers these mechanisms inside TLS.
func submission(mechanisms, auth string) string {
	return offer + startTLS + "* tls\n-- inside TLS\nC: EHLO\nS: 250-{host}\nS: 250 AUTH " + mechanisms + "\nC: AUTH\n" + auth
}

const taken = "* auth\nS: 235 2.7.0 welcome"

func TestAuth(t *testing.T) {
	for _, c := range []struct {
		name, script, password, mechanism string
		any                               bool
		command                           string
		code                              int
		why                               string
	}{
		{name: "PLAIN", script: submission("LOGIN PLAIN", taken), command: "AUTH PLAIN", code: 235},
		{name: "LOGIN", script: submission("LOGIN", taken), command: "AUTH LOGIN", code: 235},
		{name: "LOGIN as asked", script: submission("LOGIN PLAIN", taken), mechanism: "LOGIN", command: "AUTH LOGIN", code: 235},
		{name: "lower case", script: submission("plain", taken), command: "AUTH PLAIN", code: 235},
		{name: "legacy form", script: strings.Replace(submission("", taken), "AUTH \n", "AUTH=LOGIN\n", 1), command: "AUTH LOGIN", code: 235},
		{name: "prompts that are no base64", script: submission("LOGIN", "S: 334 Your name?\n* read\nS: 334 VXNlciBOYW1lAA==\n* read\nS: 235 ok"), command: "AUTH LOGIN", code: 235},
		{name: "wrong password", script: submission("PLAIN", taken), password: "other", command: "AUTH PLAIN", code: 535, why: "535 5.7.8 authentication failed"},
		{name: "password too long for the command line", script: submission("PLAIN", taken), password: strings.Repeat("x", 500), command: "AUTH PLAIN", code: 535, why: "535"},
		{name: "asks without end", script: submission("LOGIN", "S: 334 \nC: *\nS: 334 \nC: "+base64.StdEncoding.EncodeToString([]byte(password))+"\nS: 334 \nC: \\*\nS: 501 5.7.0 cancelled"), command: "AUTH LOGIN", code: 334, why: "more than AUTH LOGIN has to say"},
		{name: "unknown mechanisms", script: submission("GSSAPI XOAUTH2", taken), why: "none of which we may use"},
		{name: "no AUTH at all", script: offer + startTLS + "* tls" + inside, why: "none of which we may use"},
		{name: "only another mechanism", script: submission("PLAIN", taken), mechanism: "LOGIN", why: "none of which we may use"},
		{name: "without TLS", script: "S: 220 hi\nC: EHLO\nS: 250-{host}\nS: 250 AUTH PLAIN\nC: AUTH\n" + taken, why: "not encrypted"},
		{name: "wrong name", script: strings.Replace(submission("PLAIN", taken), "* tls", "* tls cert=wrong-name", 1), why: "does not hold"},
		{name: "self-signed", script: strings.Replace(submission("PLAIN", taken), "* tls", "* tls cert=self-signed", 1), why: "does not hold"},
		{name: "expired", script: strings.Replace(submission("PLAIN", taken), "* tls", "* tls cert=expired", 1), why: "does not hold"},
		{name: "wrong name, allowed", script: strings.Replace(submission("PLAIN", taken), "* tls", "* tls cert=wrong-name", 1), any: true, command: "AUTH PLAIN", code: 235},
		{name: "old TLS", script: strings.Replace(submission("PLAIN", taken), "* tls", "* tls max=1.0", 1), any: true, why: "too old"},
		{name: "lost", script: submission("PLAIN", "* reset"), command: "AUTH PLAIN", why: "reset"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if c.password == "" {
				c.password = password
			}
			w := newWire(t, c.script)
			res := w.probe(Ask{Auth: credential(t, user, c.password, c.mechanism), AnyCertificate: c.any})
			step := res.Auth
			code := 0
			if step != nil && step.Reply != nil {
				code = step.Reply.Code
			}
			if step == nil || step.Command != c.command || code != c.code || !strings.Contains(step.Why, c.why) || (step.Why == "") != (c.code == 235) {
				t.Errorf("%+v\n%s", step, said(res))
			}
			sent := slices.ContainsFunc(w.Sessions(), func(s labSession) bool {
				return slices.ContainsFunc(s.Commands, func(c string) bool { return strings.HasPrefix(c, "AUTH") })
			})
			for _, s := range w.Sessions() {
				if slices.ContainsFunc(s.Commands, func(c string) bool { return strings.HasPrefix(c, "AUTH") && len(c) > 510 }) {
					t.Error("a command line over 512 octets")
				}
			}
			if sent != (c.command != "") {
				t.Errorf("AUTH sent: %v", sent)
			}
			mustNotTell(t, res, user, c.password)
		})
	}
}

// Secrets appear nowhere in a result, however it is printed, even when the server quotes them back (rule of truth 8).
func TestSecretsStayHidden(t *testing.T) {
	for _, auth := range []string{
		"S: 535 5.7.8 bad credential {arg}",
		"S: 535-5.7.8 you said {arg}\nS: 535 and your password is " + password + "!",
		"S: 535 " + strings.ToUpper(password) + " is wrong",
		"S: 535 {arg}\\c\n* close",
		"S: 535 {arg}\nS: 250 early {arg}",
		"S: {arg} is what you said\nS: 535 no",
		"S: 334 {arg}\n* read\nS: 535\x20{arg}\\n",
	} {
		t.Run(auth, func(t *testing.T) {
			t.Parallel()
			ask := Ask{Auth: credential(t, user, password, "")}
			res := newWire(t, submission("PLAIN", auth)).probe(ask)
			mustNotTell(t, res, user, password)
			mustNotTell(t, ask, user, password)
			if res.Auth.Command != "AUTH PLAIN" || strings.Contains(said(res), "C: AUTH") {
				t.Errorf("%+v\n%s", res.Auth, said(res))
			}
		})
	}
}

func mustNotTell(t *testing.T, v any, user, password string) {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "v", v)
	dumps := []string{string(b), fmt.Sprintf("%v %+v %#v", v, v, v), log.String()}
	dumps = append(dumps, stringsIn(reflect.ValueOf(v))...)
	b64 := base64.StdEncoding.EncodeToString
	for _, secret := range []string{password, b64([]byte(password)), b64([]byte(user)), b64([]byte("\x00" + user + "\x00" + password))} {
		for _, d := range dumps {
			if strings.Contains(strings.ToLower(d), strings.ToLower(secret)) {
				t.Fatalf("%q is told in %s", secret, d)
			}
		}
	}
}

// stringsIn collects every string and byte string below v; a Credential, which must hold them, is left out.
func stringsIn(v reflect.Value) []string {
	var out []string
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() && v.Type() != reflect.TypeFor[*Credential]() {
			out = stringsIn(v.Elem())
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				out = append(out, stringsIn(v.Field(i))...)
			}
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return []string{string(v.Bytes())}
		}
		for i := range v.Len() {
			out = append(out, stringsIn(v.Index(i))...)
		}
	case reflect.Map:
		for _, k := range v.MapKeys() {
			out = append(out, k.String(), v.MapIndex(k).String())
		}
	case reflect.String:
		out = []string{v.String()}
	}
	return out
}

func TestCredential(t *testing.T) {
	for _, c := range [][3]string{{"", "p", ""}, {"u", "", ""}, {"u", "p", "CRAM-MD5"}} {
		if _, err := NewCredential(c[0], c[1], c[2]); err == nil {
			t.Errorf("%q taken", c)
		}
	}
	_, err := NewCredential("u", "hush", "X")
	if strings.Contains(err.Error(), "hush") {
		t.Error(err)
	}
	if got := string(scrub([]byte("\xc3\x84 HUSH AND hush\xff"), [][]byte{[]byte("Hush")})); got != "\xc3\x84 *** AND ***\xff" {
		t.Errorf("%q", got)
	}
}

func TestRcpt(t *testing.T) {
	for _, c := range []struct {
		name, script, command string
		code                  int
		outcome               reputation.Outcome
		why                   string
	}{
		{"taken", offer + startTLS + "* tls" + inside, "RCPT", 250, reputation.Advertised, ""},
		{"refused", offer + startTLS + "* tls" + inside + "C: RCPT\nS: 550 5.7.606 banned sending IP", "RCPT", 550, reputation.Advertised, "banned"},
		{"story 1: wants STARTTLS and offers none", helloing("you") + "C: MAIL\nS: 451 5.7.3 Must issue a STARTTLS command first.", "MAIL", 451, reputation.Absent, "to MAIL"},
		{"421", helloing("you") + "C: RCPT\nS: 421 4.7.0 bye", "RCPT", 421, reputation.Deferred, "421"},
		{"lost", helloing("you") + "C: RCPT\n* close", "RCPT", 0, reputation.Absent, "closed"},
		{"after HELO", "S: 220 hi\nC: EHLO\nS: 502 what", "RCPT", 250, reputation.Masked, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWire(t, c.script)
			res := w.probe(Ask{Rcpt: "postmaster@partner.example"})
			code := 0
			if res.Rcpt != nil && res.Rcpt.Reply != nil {
				code = res.Rcpt.Reply.Code
			}
			if res.Outcome != c.outcome || res.Rcpt == nil || res.Rcpt.Command != c.command || code != c.code || !strings.Contains(res.Rcpt.Why, c.why) {
				t.Errorf("%s %+v\n%s", res.Outcome, res.Rcpt, said(res))
			}
			commands := w.Sessions()[0].Commands
			if !slices.Contains(commands, "MAIL FROM:<>") || slices.Contains(commands, "DATA") {
				t.Errorf("commands %q", commands)
			}
			if alive := code != 421 && code != 0; slices.Contains(commands, "RSET") != alive {
				t.Errorf("commands %q", commands)
			}
		})
	}
}

func TestNothingIsSentUnasked(t *testing.T) {
	w := newWire(t, "")
	w.probe(Ask{})
	want := []string{"EHLO mail.example.com", "STARTTLS", "EHLO mail.example.com", "QUIT"}
	if got := w.Sessions()[0].Commands; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	if n := w.Counts(vantage.Bind); n.Connections != 1 || n.Quits != 1 {
		t.Errorf("%+v", n)
	}
}

func TestMessage(t *testing.T) {
	message := &Message{From: "a@example.com", To: "b@example.net", Body: []byte("Subject: x\n\n.dot\r\nend")}
	for _, c := range []struct {
		name, script string
		auth         *Credential
		command      string
		code         int
		why, body    string
	}{
		{"taken", submission("PLAIN", taken), credential(t, user, password, ""), "message", 250, "", "Subject: x\r\n\r\n..dot\r\nend\r\n"},
		{"without AUTH", submission("PLAIN", taken), nil, "message", 250, "", "Subject: x\r\n\r\n..dot\r\nend\r\n"},
		{"refused at the end", submission("PLAIN", taken) + "\nC: .\nS: 554 5.7.1 spam", nil, "message", 554, "spam", "Subject: x\r\n\r\n..dot\r\nend\r\n"},
		{"refused at RCPT", submission("PLAIN", taken) + "\nC: RCPT\nS: 550 5.1.1 nobody", nil, "RCPT", 550, "nobody", ""},
		{"refused at DATA", submission("PLAIN", taken) + "\nC: DATA\nS: 451 later", nil, "DATA", 451, "later", ""},
		{"wrong password", submission("PLAIN", taken), credential(t, user, "other", ""), "", 0, "authentication did not succeed", ""},
		{"no TLS", helloing("you"), nil, "", 0, "not encrypted", ""},
		{"lost at the end", submission("PLAIN", taken) + "\nC: .\n* reset", nil, "message", 0, "may have been taken", "Subject: x\r\n\r\n..dot\r\nend\r\n"},
		{"lost in AUTH", submission("PLAIN", "* reset"), credential(t, user, password, ""), "", 0, "lost before", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWire(t, c.script)
			res := w.probe(Ask{Auth: c.auth, Message: message})
			step := res.Message
			code := 0
			if step != nil && step.Reply != nil {
				code = step.Reply.Code
			}
			if step == nil || step.Command != c.command || code != c.code || !strings.Contains(step.Why, c.why) || (step.Why == "") != (c.code == 250) {
				t.Errorf("%+v\n%s", step, said(res))
			}
			if got := string(w.Sessions()[0].Message); got != c.body {
				t.Errorf("body %q, want %q", got, c.body)
			}
			if strings.Contains(said(res), "Subject") {
				t.Error("the transcript shows the message")
			}
		})
	}
}
