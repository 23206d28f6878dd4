package notify

import (
	"context"
	"crypto/tls"
	"net"
	"os"
	"regexp"
	"testing"

	"repwatch/internal/realserver"
)

// A real Postfix takes the mail over STARTTLS, with its certificate checked.
func TestMailToARealPostfix(t *testing.T) {
	ca := realserver.NewCA(t)
	cert := ca.Valid(t, "smtp.postfix.test")
	p := realserver.Postfix(t, realserver.PostfixOptions{Hostname: "smtp.postfix.test", TLS: &cert,
		Conf: map[string]string{"smtpd_tls_security_level": "encrypt"}})
	m := &email{host: "smtp.postfix.test", port: 587, from: "repwatch@example.com", to: []string{"postmaster@example.com"}, ehlo: "mon.example.com",
		tls: &tls.Config{ServerName: "smtp.postfix.test", RootCAs: ca.Pool},
		connect: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, p.Addr().String())
		}}
	if _, err := m.Send(t.Context(), Sending{Alert: alerts()["opened"], Origin: "0a1b"}); err != nil {
		t.Fatal(err)
	}
	taken := regexp.MustCompile(`cleanup\[\d+\]: \w+: message-id=<repwatch-0a1b-7-42@example\.com>`)
	eventually(t, "the log shows the mail", func() bool {
		log, err := os.ReadFile(p.LogFile())
		return err == nil && taken.Match(log)
	})
}
