package notify

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"repwatch/incident"
	"repwatch/internal/lab"
)

// mailer is the mail notifier on a submission server that plays a script.
func mailer(t *testing.T, script string) (*email, *lab.SMTP) {
	t.Helper()
	srv, err := lab.NewSMTP(lab.SMTPOptions{Host: "smtp.example.com", User: "repwatch", Pass: "pa55word"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(srv.Close)
	if err := srv.Play(script); err != nil {
		t.Fatal(err)
	}
	at, err := srv.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return &email{host: "smtp.example.com", port: 587, user: "repwatch", password: "pa55word", from: "repwatch@example.com",
		to: []string{"postmaster@example.com", "noc@example.com"}, ehlo: "mon.example.com",
		tls: &tls.Config{ServerName: "smtp.example.com", RootCAs: srv.CA().Pool()},
		connect: func(ctx context.Context, network, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, network, at.String())
		}}, srv
}

const submission = `
S: 220 {host} ESMTP
C: EHLO
S: 250-{host}
S: 250 STARTTLS
C: STARTTLS
S: 220 2.0.0 go
* tls
-- inside TLS
C: EHLO
S: 250-{host}
S: 250-8BITMIME
S: 250 AUTH PLAIN LOGIN
C: AUTH
* auth
S: 235 2.7.0 ok
`

func last(t *testing.T, srv *lab.SMTP) lab.Session {
	t.Helper()
	if err := srv.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	all := srv.Sessions()
	return all[len(all)-1]
}

func TestMailIsSubmitted(t *testing.T) {
	m, srv := mailer(t, submission)
	a := alerts()["opened"]
	r, err := m.Send(t.Context(), Sending{Alert: a, Origin: "0a1b"})
	if err != nil {
		t.Fatal(err)
	}
	if r.Handle == nil || r.Handle.TS != "repwatch-0a1b-7-42@example.com" || r.Trouble != "" {
		t.Errorf("receipt %+v", r)
	}
	s := last(t, srv)
	verbs := []string{}
	for _, c := range s.Commands {
		verbs = append(verbs, strings.ToUpper(strings.FieldsFunc(c, func(r rune) bool { return r == ' ' || r == ':' })[0]))
	}
	if want := []string{"EHLO", "STARTTLS", "EHLO", "AUTH", "MAIL", "RCPT", "RCPT", "DATA", "QUIT"}; s.TLS == "" || !slices.Equal(verbs, want) {
		t.Errorf("the server heard %q over %q", s.Commands, s.TLS)
	}
	if s.Commands[0] != "EHLO mon.example.com" || !bytes.Contains(s.Message, []byte("Message-ID: <repwatch-0a1b-7-42@example.com>")) || !bytes.Contains(s.Message, []byte("\r\nLost:    contoso.com")) {
		t.Errorf("%s, message:\n%s", s.Commands[0], s.Message)
	}
	// The next mail of the incident answers the first.
	if r, err = m.Send(t.Context(), Sending{Alert: alerts()["news"], Origin: "0a1b", Handle: r.Handle}); err != nil || r.Handle != nil {
		t.Errorf("%+v, %v", r, err)
	}
	if s := last(t, srv); !bytes.Contains(s.Message, []byte("In-Reply-To: <repwatch-0a1b-7-42@example.com>")) {
		t.Errorf("no thread:\n%s", s.Message)
	}
	// An edit has nothing to say.
	edit := a
	edit.Kind = incident.AlertEdit
	if _, err := m.Send(t.Context(), Sending{Alert: edit}); err != nil || len(srv.Sessions()) != 2 {
		t.Errorf("an edit made a mail: %v", err)
	}
}

func TestImplicitTLS(t *testing.T) {
	m, srv := mailer(t, strings.ReplaceAll(submission, "S: 250 STARTTLS\n", "S: 250 AUTH PLAIN\nC: AUTH\n* auth\nS: 235 2.7.0 ok\n"))
	m.port = 465
	cert, err := srv.CA().Issue(lab.Cert{Hosts: []string{"smtp.example.com"}})
	if err != nil {
		t.Fatal(err)
	}
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{cert}})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		if conn, err := l.Accept(); err == nil {
			srv.Serve(conn, netip.MustParseAddr("192.0.2.1"))
		}
	}()
	m.connect = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, l.Addr().String())
	}
	if _, err := m.Send(t.Context(), Sending{Alert: alerts()["opened"]}); err != nil {
		t.Fatal(err)
	}
	if s := srv.Sessions()[0]; len(s.Message) == 0 {
		t.Errorf("the server heard %q", s.Commands)
	}
}

// What a submission server may answer, and who must act.
func TestWhatSubmissionServersAnswer(t *testing.T) {
	after := func(lines string) string { return submission + lines }
	for name, c := range map[string]struct {
		script  string
		kind    Kind
		refused bool
		words   string
	}{
		"busy":             {lab.Refusing("421 4.7.0 later"), Retry, true, "greeting refused for now: 421 4.7.0 later"},
		"banned":           {lab.Refusing("554 5.7.1 go away"), Hold, true, "greeting refused: 554 5.7.1 go away"},
		"no STARTTLS":      {"S: 220 x\nC: EHLO\nS: 250 AUTH PLAIN\n", Hold, true, "smtp.example.com port 587 does not offer STARTTLS, so nothing was sent (use port 587 with STARTTLS, or 465)"},
		"wrong name":       {strings.Replace(submission, "* tls", "* tls cert=wrong-name", 1), Hold, true, "TLS with the submission server failed: "},
		"no login":         {strings.Replace(submission, "AUTH PLAIN LOGIN", "AUTH GSSAPI", 1), Hold, true, "the submission server offers no login that we know (GSSAPI)"},
		"wrong password":   {strings.Replace(submission, "* auth\nS: 235 2.7.0 ok", "S: 535 5.7.8 wrong", 1), Hold, true, "login refused: 535 5.7.8 wrong (check user and password in notify.email)"},
		"login down":       {strings.Replace(submission, "* auth\nS: 235 2.7.0 ok", "S: 454 4.7.0 later", 1), Retry, true, "login refused for now: 454"},
		"sender refused":   {after("C: MAIL\nS: 550 5.7.60 not yours\n"), Hold, true, "the sender repwatch@example.com refused: 550"},
		"all refused":      {after("C: RCPT\nS: 550 5.7.1 relaying denied\n"), Hold, true, "all recipients refused: 550 5.7.1 relaying denied (check to in notify.email"},
		"greylisted":       {after("C: RCPT\nS: 450 4.2.0 later\n"), Retry, true, "all recipients refused for now: 450"},
		"no DATA":          {after("C: DATA\nS: 451 4.3.0 full\n"), Retry, true, "DATA refused for now: 451"},
		"content refused":  {after("C: .\nS: 554 5.7.1 spam\n"), Skip, true, "the mail refused: 554 5.7.1 spam"},
		"queue full":       {after("C: .\nS: 452 4.3.1 full\n"), Retry, true, "the mail refused for now: 452"},
		"gone after dot":   {after("C: .\n* close\n"), Retry, false, "the mail: EOF"},
		"gone before data": {after("C: DATA\n* close\n"), Retry, true, "DATA: EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			m, _ := mailer(t, c.script)
			_, err := m.Send(t.Context(), Sending{Alert: alerts()["opened"]})
			e, ok := errors.AsType[*Error](err)
			if !ok {
				t.Fatalf("%v is no *Error", err)
			}
			if e.Kind != c.kind || e.Refused != c.refused || !strings.HasPrefix(e.Error(), c.words) {
				t.Errorf("kind %d refused %t %q, want %d %t %q", e.Kind, e.Refused, e.Error(), c.kind, c.refused, c.words)
			}
		})
	}
}

// One dead address costs only itself.
func TestOneRecipientRefused(t *testing.T) {
	m, srv := mailer(t, submission+"C: RCPT TO:<noc@\nS: 550 5.1.1 no such user\n")
	r, err := m.Send(t.Context(), Sending{Alert: alerts()["opened"]})
	if err != nil {
		t.Fatal(err)
	}
	if want := "not sent to noc@example.com (550 5.1.1 no such user)"; r.Trouble != want {
		t.Errorf("trouble %q, want %q", r.Trouble, want)
	}
	if len(last(t, srv).Message) == 0 {
		t.Error("the other got nothing")
	}
}

// A server that says nothing ends with the caller's patience, not never.
func TestASilentSubmissionServer(t *testing.T) {
	m, _ := mailer(t, "S: 220 x\nC: EHLO\n* hang\n")
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := m.Send(ctx, Sending{Alert: alerts()["opened"]}); asError(err).Kind != Retry {
		t.Errorf("%v", err)
	}
	m.connect = func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("connection refused") }
	if _, err := m.Send(t.Context(), Sending{Alert: alerts()["opened"]}); !asError(err).Refused || !strings.Contains(err.Error(), "cannot be reached: connection refused") {
		t.Errorf("%v", err)
	}
}

// On loopback neither TLS nor its certificate is insisted on.
func TestMailOnLoopback(t *testing.T) {
	for name, script := range map[string]string{"plain": "S: 220 x\nC: EHLO\nS: 250 {host}\n", "some certificate": strings.Replace(submission, "* tls", "* tls cert=self-signed", 1)} {
		t.Run(name, func(t *testing.T) {
			m, srv := mailer(t, script)
			m.host, m.user = "127.0.0.1", ""
			if _, err := m.Send(t.Context(), Sending{Alert: alerts()["opened"]}); err != nil {
				t.Fatal(err)
			}
			if len(last(t, srv).Message) == 0 {
				t.Error("nothing arrived")
			}
		})
	}
}
