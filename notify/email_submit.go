package notify

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/textproto"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/wneessen/go-mail/smtp"
)

// mailTimeout bounds one submission. RFC 5321 §4.5.3.2 lets a server take 10
// minutes over the final dot; a submission server that needs more than 2 is in doubt.
const mailTimeout = 2 * time.Minute

// submit hands one mail over. A recipient that is refused costs only itself:
// left says which.
func (m *email) submit(ctx context.Context, raw []byte) (left string, err error) {
	err = m.session(ctx, func(c *smtp.Client) error {
		left, err = m.transact(c, raw)
		return err
	})
	return left, err
}

// check logs in and goes, without a mail.
func (m *email) check(ctx context.Context) error {
	return m.session(ctx, (*smtp.Client).Quit)
}

// session connects, turns TLS on, logs in and has f talk.
func (m *email) session(ctx context.Context, f func(*smtp.Client) error) error {
	ctx, cancel := context.WithTimeout(ctx, mailTimeout)
	defer cancel()
	conn, err := m.dial(ctx)
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })() // a read or write under way ends with ctx
	defer conn.Close()
	c, err := m.greet(conn)
	if err != nil {
		return err
	}
	return f(c)
}

// dial connects, with TLS from the first byte on port 465 (RFC 8314 §3.3).
func (m *email) dial(ctx context.Context) (net.Conn, error) {
	conn, err := m.connect(ctx, "tcp", net.JoinHostPort(m.host, strconv.Itoa(int(m.port))))
	if err != nil {
		return nil, &Error{Kind: Retry, Words: "the submission server cannot be reached: " + err.Error(), Refused: true}
	}
	if m.port != 465 {
		return conn, nil
	}
	wrapped := tls.Client(conn, m.tlsConfig())
	if err := wrapped.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		return nil, tlsTrouble(err)
	}
	return wrapped, nil
}

// tlsConfig: on loopback there is nothing to protect from, and certificates rarely name it.
func (m *email) tlsConfig() *tls.Config {
	cfg := m.tls.Clone()
	cfg.InsecureSkipVerify = cfg.InsecureSkipVerify || loopback(m.host)
	return cfg
}

func loopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// greet says EHLO, turns TLS on and logs in.
func (m *email) greet(conn net.Conn) (*smtp.Client, error) {
	c, err := smtp.NewClient(conn, m.host)
	if err != nil {
		return nil, refusal("greeting", err)
	}
	if err := c.Hello(m.ehlo); err != nil {
		return nil, refusal("EHLO", err)
	}
	if _, isTLS := conn.(*tls.Conn); !isTLS {
		offered, _ := c.Extension("STARTTLS")
		switch {
		case offered:
			if err := c.StartTLS(m.tlsConfig()); err != nil {
				return nil, tlsTrouble(err)
			}
		case !loopback(m.host):
			return nil, &Error{Kind: Hold, Refused: true, Words: fmt.Sprintf("%s port %d does not offer STARTTLS, so nothing was sent", m.host, m.port), Hint: "use port 587 with STARTTLS, or 465"}
		}
	}
	if m.user == "" {
		return c, nil
	}
	return c, m.login(c)
}

// login prefers what does not show the password to the server.
func (m *email) login(c *smtp.Client) error {
	_, offered := c.Extension("AUTH")
	mechs := strings.Fields(strings.ToUpper(offered))
	var auth smtp.Auth
	switch local := loopback(m.host); {
	case slices.Contains(mechs, "SCRAM-SHA-256"):
		auth = smtp.ScramSHA256Auth(m.user, m.password)
	case slices.Contains(mechs, "PLAIN"):
		auth = smtp.PlainAuth("", m.user, m.password, m.host, local)
	case slices.Contains(mechs, "LOGIN"):
		auth = smtp.LoginAuth(m.user, m.password, m.host, local)
	default:
		return &Error{Kind: Hold, Refused: true, Words: "the submission server offers no login that we know (" + cut(oneLine(offered), 100) + ")", Hint: "PLAIN, LOGIN and SCRAM-SHA-256 are known"}
	}
	if err := c.Auth(auth); err != nil {
		e := refusal("login", err)
		if e.Kind != Retry {
			e.Hint = "check user and password in notify.email"
		}
		return e
	}
	return nil
}

// transact is one mail transaction (RFC 5321 §3.3).
func (m *email) transact(c *smtp.Client, raw []byte) (left string, err error) {
	if err := c.Mail("<" + m.from + ">"); err != nil {
		return "", refusal("the sender "+m.from, err)
	}
	var refused []string
	var last error
	for _, to := range m.to {
		if err := c.Rcpt("<" + to + ">"); err != nil {
			reply, said := errors.AsType[*textproto.Error](err)
			if !said {
				return "", refusal("the recipient "+to, err)
			}
			refused, last = append(refused, fmt.Sprintf("%s (%s)", to, quote(reply))), err
		}
	}
	if len(refused) == len(m.to) {
		e := refusal("all recipients", last)
		if e.Kind != Retry {
			e.Hint = "check to in notify.email, and whether the server relays for this account"
		}
		return "", e
	}
	w, err := c.Data()
	if err != nil {
		return "", refusal("DATA", err)
	}
	if _, err := w.Write(raw); err != nil {
		return "", &Error{Kind: Retry, Words: "the mail broke off: " + inner(err).Error(), Refused: true} // no final dot, no mail
	}
	if err := w.Close(); err != nil { // from the dot on only its reply tells
		e := refusal("the mail", err)
		if e.Kind == Hold { // a 5xx is about this content
			e.Kind, e.After = Skip, retryRefused
		}
		return "", e
	}
	_ = c.Quit() // it has been taken; how they part tells nothing more
	if len(refused) > 0 {
		left = "not sent to " + strings.Join(refused, ", ")
	}
	return left, nil
}

// refusal reads what a server said at a stage. Without a reply after the final
// dot the mail may have been taken; a reply says for certain that it was not.
func refusal(stage string, err error) *Error {
	reply, said := errors.AsType[*textproto.Error](err)
	switch {
	case !said:
		return &Error{Kind: Retry, Words: stage + ": " + inner(err).Error(), Refused: stage != "the mail"}
	case reply.Code >= 500:
		return &Error{Kind: Hold, Words: stage + " refused: " + quote(reply), Refused: true}
	default:
		return &Error{Kind: Retry, Words: stage + " refused for now: " + quote(reply), Refused: true}
	}
}

// quote is a server's reply on one line.
func quote(reply *textproto.Error) string {
	return fmt.Sprintf("%d %s", reply.Code, cut(oneLine(reply.Msg), 200))
}

func tlsTrouble(err error) *Error {
	e := &Error{Kind: Retry, Words: "TLS with the submission server failed: " + err.Error(), Refused: true}
	if _, bad := errors.AsType[*tls.CertificateVerificationError](err); bad {
		e.Kind, e.Hint = Hold, "notify.email host must be a name in the server's certificate"
	}
	if _, bad := errors.AsType[x509.HostnameError](err); bad {
		e.Kind, e.Hint = Hold, "notify.email host must be a name in the server's certificate"
	}
	return e
}
