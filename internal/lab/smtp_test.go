package lab

import (
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

var someone = netip.MustParseAddr("127.0.5.7")

func smtpServer(t *testing.T, scripts ...string) *SMTP {
	t.Helper()
	s, err := NewSMTP(SMTPOptions{Host: "mx.lab.example", User: "joe", Pass: "pass"})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Play(scripts...); err != nil {
		t.Fatal(err)
	}
	return s
}

// converse sends each command after the lines that the one before it brought, and returns all that was heard.
func converse(t *testing.T, s *SMTP, commands ...string) string {
	t.Helper()
	ours, theirs := net.Pipe()
	done := make(chan struct{})
	go func() { defer close(done); s.Serve(theirs, someone) }()
	in := bufio.NewReader(ours)
	var heard strings.Builder
	reply := func() {
		for {
			line, err := in.ReadString('\n')
			heard.WriteString(line)
			if err != nil || len(line) < 4 || line[3] != '-' {
				return
			}
		}
	}
	reply()
	for _, c := range commands {
		io.WriteString(ours, c+"\r\n")
		reply()
	}
	ours.Close()
	<-done
	return heard.String()
}

func TestSMTPScript(t *testing.T) {
	defer goleak.VerifyNone(t)
	for _, c := range []struct {
		name, script string
		commands     []string
		want         string
	}{
		{"defaults", "S: 220 {host}", []string{"HELO a", "MAIL FROM:<>", "RCPT TO:<b>", "DATA", ".", "RSET", "noop", "FOO", "QUIT"},
			"220 mx.lab.example\r\n250 mx.lab.example\r\n250 2.1.0 sender ok\r\n250 2.1.5 recipient ok\r\n354 go ahead\r\n250 2.0.0 taken\r\n250 2.0.0 forgotten\r\n250 2.0.0 ok\r\n502 5.5.1 command not implemented\r\n221 2.0.0 bye\r\n"},
		{"placeholders", "S: 220 hi\nC: EHLO\nS: 250-{host} Hello {ehlo} [{ip}]\nS: 250 {arg}", []string{"ehlo me.example"}, "220 hi\r\n250-mx.lab.example Hello me.example [127.0.5.7]\r\n250 me.example\r\n"},
		{"the longest match wins", "S: 220 hi\nC: RCPT\nS: 250 yes\nC: RCPT TO:<bad@\nS: 550 no", []string{"RCPT TO:<good@a>", "rcpt to:<bad@a>"}, "220 hi\r\n250 yes\r\n550 no\r\n"},
		{"the rest", "S: 220 hi\nC: *\nS: 503 what", []string{"FOO", "RSET"}, "220 hi\r\n503 what\r\n250 2.0.0 forgotten\r\n"},
		{"escapes", `S: 220 a\tb\\c\x07\n`, nil, "220 a\tb\\c\a\n"},
		{"no data after a refusal", "S: 220 hi\nC: DATA\nS: 503 no", []string{"DATA", "NOOP"}, "220 hi\r\n503 no\r\n250 2.0.0 ok\r\n"},
		{"comments", "# a server\n\nS: 220 hi", nil, "220 hi\r\n"},
		{"auth", "S: 220 hi\nC: AUTH\n* auth\nS: 235 in", []string{"AUTH PLAIN AGpvZQBwYXNz", "AUTH PLAIN AGpvZQBvdGhlcg==", "AUTH LOGIN", "am9l", "cGFzcw==", "AUTH PLAIN ?", "AUTH X"},
			"220 hi\r\n235 in\r\n535 5.7.8 authentication failed\r\n334 VXNlcm5hbWU6\r\n334 UGFzc3dvcmQ6\r\n235 in\r\n501 5.5.2 that is no base64\r\n504 5.5.4 mechanism not supported\r\n"},
		{"offering", Offering("STARTTLS", "SIZE 1"), []string{"EHLO a"}, "220 mx.lab.example ESMTP ready\r\n250-mx.lab.example Hello [127.0.5.7]\r\n250-STARTTLS\r\n250 SIZE 1\r\n"},
		{"offering less", Offering(Without([]string{"SIZE 1", "STARTTLS"}, "STARTTLS")...), []string{"EHLO a"}, "220 mx.lab.example ESMTP ready\r\n250-mx.lab.example Hello [127.0.5.7]\r\n250 SIZE 1\r\n"},
		{"refusing", Refusing("554 no"), []string{"EHLO a", "QUIT"}, "554 no\r\n503 5.5.1 bad sequence of commands\r\n221 2.0.0 bye\r\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := smtpServer(t, c.script)
			defer s.Close()
			if diff := cmp.Diff(c.want, converse(t, s, c.commands...)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestSMTPScriptErrors(t *testing.T) {
	for script, want := range map[string]string{
		"S: 220 hi\nX: what": `script line 2: "X: what" begins with none of`,
		"* dance":            "* dance is nothing a server can do",
		"*":                  "begins with none of",
		"* drip":             "needs a duration",
		"* pause soon":       "invalid duration",
		`S: a\q`:             `\q is no escape`,
		`S: a\x4`:            "two digits",
		`S: a\xgg`:           "two digits",
		`S: a\`:              "backslash at the end",
	} {
		s := smtpServer(t, "S: 220 hi")
		for _, err := range []error{s.Play(script), s.PlayTo(someone, script)} {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%q: %v, want %q", script, err, want)
			}
		}
		if got := converse(t, s); got != "220 hi\r\n" {
			t.Errorf("a bad script replaced the good one: %q", got)
		}
		s.Close()
	}
	if s := smtpServer(t, "S: 220"); s.Play() == nil {
		t.Error("no script taken")
	}
}

// Behaviour changes while the server runs: for all, for one client, and from one connection to the next.
func TestSMTPChanges(t *testing.T) {
	s := smtpServer(t, "S: 220 one", "S: 220 two")
	defer s.Close()
	hear := func(want string) {
		t.Helper()
		if got := converse(t, s); got != want+"\r\n" {
			t.Errorf("heard %q, want %q", got, want)
		}
	}
	hear("220 one")
	hear("220 two")
	hear("220 two")
	if err := s.PlayTo(someone, "S: 554 you"); err != nil {
		t.Fatal(err)
	}
	hear("554 you")
	if err := s.PlayTo(netip.MustParseAddr("127.0.5.8"), "S: 554 other"); err != nil {
		t.Fatal(err)
	}
	hear("554 you")
	if err := s.PlayTo(someone, ""); err != nil {
		t.Fatal(err)
	}
	hear("220 two")
}

func TestSMTPPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := smtpServer(t, "* pause 5s\n* drip 1s\nS: 220 abc")
		defer s.Close()
		began := time.Now()
		if got := converse(t, s); got != "220 abc\r\n" {
			t.Errorf("%q", got)
		}
		if took := time.Since(began); took < 13*time.Second || took > 14*time.Second {
			t.Errorf("took %s", took)
		}
	})
}

func TestSMTPCounts(t *testing.T) {
	defer goleak.VerifyNone(t)
	s := smtpServer(t, Offering("STARTTLS"))
	defer s.Close()
	addr, err := s.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(someone, 0))}
	var conns []net.Conn
	for range 3 {
		c, err := d.Dial("tcp", addr.String())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := bufio.NewReader(c).ReadString('\n'); err != nil {
			t.Fatal(err)
		}
		conns = append(conns, c)
	}
	if got := s.Counts(someone); got != (Counts{Connections: 3, Open: 3, MostOpen: 3}) {
		t.Errorf("%+v", got)
	}
	io.WriteString(conns[0], "QUIT\r\n")
	for _, c := range conns {
		c.Close()
	}
	if err := s.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := s.Counts(someone); got != (Counts{Connections: 3, MostOpen: 3, Quits: 1}) {
		t.Errorf("%+v", got)
	}
	if got := s.Counts(netip.MustParseAddr("127.0.0.9")); got != (Counts{}) {
		t.Errorf("%+v", got)
	}
	if n := len(s.Sessions()); n != 3 {
		t.Errorf("%d sessions", n)
	}
	held, err := d.Dial("tcp", addr.String())
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	if _, err := bufio.NewReader(held).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if s.Wait(ctx) == nil {
		t.Error("Wait returned while a session is open")
	}
}

// TLS works with each certificate and shows what it promises; inside it EHLO offers no STARTTLS.
func TestSMTPTLS(t *testing.T) {
	s := smtpServer(t, Offering("SIZE 1", "STARTTLS"))
	defer s.Close()
	ours, theirs := net.Pipe()
	defer ours.Close()
	go s.Serve(theirs, someone)
	in := bufio.NewReader(ours)
	for _, c := range []string{"", "EHLO a", "STARTTLS"} {
		if c != "" {
			io.WriteString(ours, c+"\r\n")
		}
		for {
			line, err := in.ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			if line[3] == ' ' {
				break
			}
		}
	}
	conn := tls.Client(ours, &tls.Config{ServerName: "mx.lab.example", RootCAs: s.CA().Pool()})
	if err := conn.Handshake(); err != nil {
		t.Fatal(err)
	}
	io.WriteString(conn, "EHLO a\r\n")
	heard := make([]byte, 0, 100)
	for !strings.Contains(string(heard), "250 ") {
		b := make([]byte, 100)
		n, err := conn.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		heard = append(heard, b[:n]...)
	}
	if want := "250-mx.lab.example Hello [127.0.5.7]\r\n250 SIZE 1\r\n"; string(heard) != want {
		t.Errorf("%q, want %q", heard, want)
	}
	if got := s.Sessions()[0]; got.TLS != "TLS 1.3" || got.SNI != "mx.lab.example" || !got.Hybrid {
		t.Errorf("%+v", got)
	}
}
