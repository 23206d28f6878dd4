package e2e

import (
	"crypto/x509"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"repwatch/internal/realserver"
)

const (
	listedIP  = "127.0.5.7" // the sending IP that is judged
	controlIP = "127.0.5.9" // the one with a clean reputation
)

// offers checks which of the keywords a server shows a client.
func offers(t *testing.T, from string, to netip.AddrPort, want map[string]bool) {
	t.Helper()
	got := ehlo(t, from, to)
	for keyword, wanted := range want {
		if got[keyword] != wanted {
			t.Errorf("%s to %s: %s offered is %v, want %v (all: %v)", from, to, keyword, got[keyword], wanted, got)
		}
	}
}

// greets checks the whole greeting that a client gets.
func greets(t *testing.T, from string, to netip.AddrPort, want string) {
	t.Helper()
	w := dial(t, from, to)
	defer w.conn.Close() // a conversation that lasts would hold up a reload
	if got := strings.Join(w.reply(), "\n"); !strings.HasPrefix(got, want) {
		t.Errorf("%s is greeted with %q, want %q", from, got, want)
	}
}

func TestPostfixWithdrawsFromOneClientOnly(t *testing.T) {
	t.Parallel()
	cert := realserver.NewCA(t).Valid(t, "mx.postfix.test")
	p := realserver.Postfix(t, realserver.PostfixOptions{
		TLS:         &cert,
		Listen:      []netip.AddrPort{netip.MustParseAddrPort("127.0.6.1:0"), netip.MustParseAddrPort("127.0.6.11:0")},
		DiscardEHLO: map[netip.Addr][]string{addr(listedIP): {"STARTTLS"}},
	})
	all := map[string]bool{"STARTTLS": true, "SIZE": true, "PIPELINING": true, "8BITMIME": true}
	for _, mx := range p.Addrs() {
		offers(t, listedIP, mx, map[string]bool{"STARTTLS": false, "SIZE": true})
		offers(t, controlIP, mx, all)
	}
	p.Withdraw(addr(listedIP), "starttls", "size")
	offers(t, listedIP, p.Addr(), map[string]bool{"STARTTLS": false, "SIZE": false, "PIPELINING": true})
	offers(t, controlIP, p.Addr(), all)
	p.Restore(addr(listedIP))
	offers(t, listedIP, p.Addr(), all)
}

func TestPostfixRefusesOneClientAtTheGreeting(t *testing.T) {
	t.Parallel()
	p := realserver.Postfix(t, realserver.PostfixOptions{Access: map[netip.Addr]string{addr(listedIP): "554 5.7.1 listed at bl.test"}})
	greets(t, listedIP, p.Addr(), "554 5.7.1 <unknown[127.0.5.7]>: Client host rejected: listed at bl.test")
	greets(t, controlIP, p.Addr(), "220 mx.postfix.test ESMTP")
	for _, action := range []string{"421 4.7.0 try later", "450 4.7.1 busy"} {
		p.Refuse(addr(listedIP), action)
		greets(t, listedIP, p.Addr(), action[:9])
	}
	p.Accept(addr(listedIP))
	greets(t, listedIP, p.Addr(), "220 ")
}

func TestPostfixTakesUpParameters(t *testing.T) {
	t.Parallel()
	p := realserver.Postfix(t, realserver.PostfixOptions{Hostname: "mx.contoso.test"})
	for _, banner := range []string{"one", "two", "three"} {
		// Several processes are idle when the parameters change, and none of them may answer.
		var idle []*wire
		for range 6 {
			w := dial(t, controlIP, p.Addr())
			w.reply()
			idle = append(idle, w)
		}
		for _, w := range idle {
			w.say("QUIT")
			w.conn.Close()
		}
		p.Set(t, map[string]string{"smtpd_banner": banner + " ESMTP"})
		for range 6 {
			greets(t, listedIP, p.Addr(), "220 "+banner+" ESMTP")
		}
	}
}

func TestPostscreenShowsNewcomersLess(t *testing.T) {
	t.Parallel()
	cert := realserver.NewCA(t).Valid(t, "mx.postfix.test")
	p := realserver.Postfix(t, realserver.PostfixOptions{TLS: &cert, Postscreen: true, Conf: realserver.PostscreenDeep()})
	begun := time.Now()
	w := dial(t, listedIP, p.Addr())
	greeting := w.reply()
	if took := time.Since(begun); took < 900*time.Millisecond || !strings.HasPrefix(greeting[0], "220") {
		t.Errorf("greeted after %v with %q, want a pause of 1 s", took, greeting)
	}
	for _, line := range w.say("EHLO client.test") {
		if strings.Contains(line, "PIPELINING") {
			t.Errorf("a newcomer is offered %q", line)
		}
	}
	w.say("MAIL FROM:<a@client.test>")
	if got := w.say("RCPT TO:<b@contoso.test>"); !strings.HasPrefix(got[0], "450") {
		t.Errorf("a newcomer's recipient: %q, want 450", got)
	}
	w.say("QUIT")
	offers(t, listedIP, p.Addr(), map[string]bool{"PIPELINING": true, "STARTTLS": true}) // it has passed
}

func TestEximWithdrawsFromOneClientOnly(t *testing.T) {
	t.Parallel()
	cert := realserver.NewCA(t).Valid(t, "mx.exim.test")
	e := realserver.Exim(t, realserver.EximOptions{
		TLS:      &cert,
		Listen:   []netip.AddrPort{netip.MustParseAddrPort("127.0.6.2:0"), netip.MustParseAddrPort("127.0.6.12:0")},
		Withdraw: map[netip.Addr][]string{addr(listedIP): {"STARTTLS"}},
	})
	all := map[string]bool{"STARTTLS": true, "PIPELINING": true, "CHUNKING": true, "DSN": true, "PIPECONNECT": true, "SIZE": true}
	for _, mx := range e.Addrs() {
		offers(t, listedIP, mx, map[string]bool{"STARTTLS": false, "CHUNKING": true})
		offers(t, controlIP, mx, all)
	}
	e.Withdraw(t, addr(listedIP), "starttls", "chunking", "dsn", "pipelining", "pipeconnect")
	offers(t, listedIP, e.Addr(), map[string]bool{"STARTTLS": false, "PIPELINING": false, "CHUNKING": false, "DSN": false, "PIPECONNECT": false, "SIZE": true})
	offers(t, controlIP, e.Addr(), all)
	e.Restore(t, addr(listedIP))
	offers(t, listedIP, e.Addr(), all)
}

func TestEximRefusesOneClient(t *testing.T) {
	t.Parallel()
	e := realserver.Exim(t, realserver.EximOptions{})
	for _, reply := range []string{"554 5.7.1 listed at bl.test", "450 4.7.1 busy", "421 4.7.0 try later"} {
		e.RefuseConnect(t, addr(listedIP), reply)
		greets(t, listedIP, e.Addr(), reply)
		greets(t, controlIP, e.Addr(), "220 mx.exim.test ESMTP Exim")
	}
	e.RefuseConnect(t, addr(listedIP), "")
	for _, reply := range []string{"550 5.7.1 no", "451 4.7.1 later"} {
		e.RefuseHelo(t, addr(listedIP), reply)
		w := dial(t, listedIP, e.Addr())
		w.reply()
		if got := w.say("EHLO client.test"); got[0] != reply {
			t.Errorf("EHLO is answered with %q, want %q", got, reply)
		}
	}
	e.RefuseHelo(t, addr(listedIP), "")
	offers(t, listedIP, e.Addr(), map[string]bool{"SIZE": true, "STARTTLS": false})
}

// TestToolsAgainstBothServers is what people do by hand (story 5), and shows that
// certificates, STARTTLS and a whole message work.
func TestToolsAgainstBothServers(t *testing.T) {
	t.Parallel()
	ca := realserver.NewCA(t)
	cert := ca.Valid(t, "mx.contoso.test")
	for name, start := range map[string]func(*testing.T) mailServer{
		"postfix": func(t *testing.T) mailServer { return realserver.Postfix(t, realserver.PostfixOptions{TLS: &cert}) },
		"exim":    func(t *testing.T) mailServer { return realserver.Exim(t, realserver.EximOptions{TLS: &cert}) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mx := start(t)
			swaks(t, mx.Addr())
			mx.AwaitLog(t, "a@client.test")
			openssl(t, mx.Addr(), ca.File)
		})
	}
}

type mailServer interface {
	Addr() netip.AddrPort
	AwaitLog(t testing.TB, text string)
}

func swaks(t *testing.T, mx netip.AddrPort) {
	t.Helper()
	out, err := realserver.Command(t, "swaks", "--server", mx.String(), "--local-interface", listedIP, "--tls",
		"--ehlo", "client.test", "--from", "a@client.test", "--to", "b@contoso.test", "--body", "hello").CombinedOutput()
	if err != nil {
		t.Fatalf("swaks: %v\n%s", err, out)
	}
	for _, want := range []string{"TLS started with cipher TLSv1.3", "<~  250"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("swaks does not say %q:\n%s", want, out)
		}
	}
}

func openssl(t *testing.T, mx netip.AddrPort, ca string) {
	t.Helper()
	cmd := realserver.Command(t, "openssl", "s_client", "-connect", mx.String(), "-starttls", "smtp", "-ign_eof",
		"-CAfile", ca, "-verify_hostname", "mx.contoso.test", "-verify_return_error")
	cmd.Stdin = strings.NewReader("EHLO client.test\r\nQUIT\r\n")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("openssl: %v\n%s", err, out)
	}
	for _, want := range []string{"Verification: OK", "Verified peername: mx.contoso.test", "\n221 "} {
		if !strings.Contains(string(out), want) {
			t.Errorf("openssl does not say %q:\n%s", want, out)
		}
	}
}

func TestCertificatesAreWhatTheyAreCalled(t *testing.T) {
	t.Parallel()
	ca := realserver.NewCA(t)
	const host = "mx.contoso.test"
	verify := func(c realserver.Cert) error {
		_, err := c.TLS.Leaf.Verify(x509.VerifyOptions{Roots: ca.Pool, DNSName: host})
		return err
	}
	if err := verify(ca.Valid(t, host)); err != nil {
		t.Errorf("valid: %v", err)
	}
	var invalid x509.CertificateInvalidError
	if err := verify(ca.Expired(t, host)); !errors.As(err, &invalid) || invalid.Reason != x509.Expired {
		t.Errorf("expired: %v", err)
	}
	var hostname x509.HostnameError
	if err := verify(ca.WrongName(t)); !errors.As(err, &hostname) {
		t.Errorf("wrong name: %v", err)
	}
	var unknown x509.UnknownAuthorityError
	if err := verify(realserver.NewCA(t).Valid(t, host)); !errors.As(err, &unknown) {
		t.Errorf("of another CA: %v", err)
	}
}
