package notify

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"github.com/wneessen/go-mail"

	"repwatch/config"
	"repwatch/incident"
	"repwatch/store"
)

// email submits alerts as mail (RFC 6409): plain text, one thread per incident.
// An edit has nothing new to say and sends none.
type email struct {
	host     string
	port     uint16
	user     string
	password string
	from     string
	to       []string
	ehlo     string
	tls      *tls.Config
	connect  func(ctx context.Context, network, addr string) (net.Conn, error)
}

func buildEmail(cfg config.Notify, e env) ([]Notifier, []Problem) {
	c := cfg.Email
	if c == nil {
		return nil, nil
	}
	password, err := e.secret(c.Password)
	if err != nil {
		return nil, missing("email", "password", err)
	}
	ehlo, err := os.Hostname()
	if err != nil || ehlo == "" {
		ehlo = "localhost"
	}
	return []Notifier{&email{host: c.Host, port: uint16(c.Port), user: c.User, password: password,
		from: c.From, to: c.To, ehlo: ehlo, tls: &tls.Config{ServerName: c.Host, MinVersion: tls.VersionTLS12},
		connect: (&net.Dialer{}).DialContext}}, nil
}

func (m *email) Name() string { return "email" }

func (m *email) Send(ctx context.Context, s Sending) (Receipt, error) {
	if s.Alert.Kind == incident.AlertEdit {
		return Receipt{}, nil
	}
	letter, err := m.compose(s)
	if err != nil {
		return Receipt{}, &Error{Kind: Drop, Words: "the mail cannot be written: " + err.Error(), Refused: true}
	}
	var raw bytes.Buffer
	if _, err := letter.WriteTo(&raw); err != nil {
		return Receipt{}, &Error{Kind: Drop, Words: "the mail cannot be written: " + err.Error(), Refused: true}
	}
	left, err := m.submit(ctx, raw.Bytes())
	if err != nil {
		return Receipt{}, err
	}
	r := Receipt{Trouble: left}
	if s.Threaded() && s.Handle == nil {
		r.Handle = &store.Handle{Notifier: m.Name(), Incident: s.Alert.Incident, TS: m.messageID(s), At: s.Alert.At}
	}
	return r, nil
}

// messageID is the same for every try of an alert, so that a mail that came
// twice is one to those who compare (RFC 5322 §3.6.4).
func (m *email) messageID(s Sending) string {
	_, domain, _ := strings.Cut(m.from, "@")
	return fmt.Sprintf("repwatch-%s@%s", s.ID(), domain)
}

func (m *email) compose(s Sending) (*mail.Msg, error) {
	msg := mail.NewMsg(mail.WithNoDefaultUserAgent())
	if err := msg.FromFormat("repwatch", m.from); err != nil {
		return nil, err
	}
	if err := msg.To(m.to...); err != nil {
		return nil, err
	}
	a := s.Alert
	msg.Subject(mailSubject(a))
	msg.SetDateWithValue(later(a.At, a.Due)) // after quiet hours it must not sort below yesterday's mail
	msg.SetMessageIDWithValue(m.messageID(s))
	if h := s.Handle; s.Threaded() && h != nil && h.TS != "" {
		msg.SetGenHeaderPreformatted(mail.HeaderInReplyTo, "<"+h.TS+">")
		msg.SetGenHeaderPreformatted(mail.HeaderReferences, "<"+h.TS+">")
	}
	msg.SetGenHeaderPreformatted("Auto-Submitted", "auto-generated") // RFC 3834 §5
	msg.SetGenHeaderPreformatted("X-Auto-Response-Suppress", "All")  // what Exchange heeds instead
	if a.Incident != "" {
		msg.SetGenHeaderPreformatted("X-Repwatch-Incident", a.Incident)
	}
	if a.Mention {
		msg.SetImportance(mail.ImportanceHigh)
	}
	msg.SetBodyString(mail.TypeTextPlain, mailText(a))
	if s.Report != nil {
		return msg, mailReport(msg, s.Report)
	}
	return msg, nil
}

// mailSubject is the title; an answer keeps it, so that clients that thread by subject do so too.
func mailSubject(a incident.Alert) string {
	return "[repwatch] " + cut(oneLine(a.Message.Title), 200)
}

// mailText is the mail's body.
func mailText(a incident.Alert) string {
	text := Text(a.Message, a.News, mailWidth)
	if a.Incident != "" {
		text += fmt.Sprintf("\n-- \nincident #%s, impact %s: %s\n", a.Incident, a.Message.Impact, look(a.Incident))
	}
	return text
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
