package realserver

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// askTimeout bounds one question to a server that may not be listening yet.
const askTimeout = 2 * time.Second

// markerZone is served beside a test's own zones. Its one TXT record counts the
// reloads: it tells when a server has taken up what was written.
const markerZone = "serial.realserver.invalid."

// writeEdition writes a file of the n-th edition. Servers read a file again when
// its time differs, which for rbldnsd is in full seconds and else the kernel's
// tick: each edition gets a second of its own, long past.
func writeEdition(t testing.TB, path, text string, n int) {
	t.Helper()
	writeFile(t, path, text)
	at := time.Unix(1_600_000_000+int64(n), 0)
	if err := os.Chtimes(path, at, at); err != nil {
		t.Fatal(err)
	}
}

// askMarker returns nil when the server answers with the n-th edition of its data.
func askMarker(server netip.AddrPort, n int) error {
	q := new(dns.Msg).SetQuestion("now."+markerZone, dns.TypeTXT)
	client := dns.Client{Timeout: askTimeout}
	in, _, err := client.Exchange(q, server.String())
	if err != nil {
		return err
	}
	want := fmt.Sprint(n)
	for _, rr := range in.Answer {
		if txt, ok := rr.(*dns.TXT); ok && strings.Join(txt.Txt, "") == want {
			return nil
		}
	}
	return fmt.Errorf("edition %s is not served yet: %s", want, dns.RcodeToString[in.Rcode])
}

// askAnswers returns nil when the server answers anything at all to a question.
func askAnswers(server netip.AddrPort, name string) error {
	client := dns.Client{Timeout: askTimeout}
	_, _, err := client.Exchange(new(dns.Msg).SetQuestion(dns.Fqdn(name), dns.TypeA), server.String())
	return err
}

// askGreeting returns nil when a mail server greets, kindly or not.
func askGreeting(server netip.AddrPort) error {
	conn, err := net.DialTimeout("tcp", server.String(), askTimeout)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(startTimeout)); err != nil {
		return err
	}
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		return err
	}
	if len(line) < 4 {
		return errors.New("greeted with " + line)
	}
	_, err = conn.Write([]byte("QUIT\r\n"))
	return err
}

// askConnects returns nil when a TCP connection is accepted.
func askConnects(server netip.AddrPort) error {
	conn, err := net.DialTimeout("tcp", server.String(), askTimeout)
	if err != nil {
		return err
	}
	return conn.Close()
}
