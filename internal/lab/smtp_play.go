package lab

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"
)

var errEnd = errors.New("the script ends here")

// play is one session being played.
type play struct {
	srv    *SMTP
	raw    net.Conn
	conn   net.Conn // raw or TLS
	in     *bufio.Reader
	source netip.Addr
	script *script
	rec    *Session

	inTLS bool
	drip  time.Duration
	ehlo  string
	arg   string
}

func newPlay(srv *SMTP, conn net.Conn, source netip.Addr, sc *script, rec *Session) *play {
	return &play{srv: srv, raw: conn, conn: conn, in: bufio.NewReaderSize(conn, 16<<10), source: source, script: sc, rec: rec}
}

func (p *play) run() {
	if p.do(p.script.greeting()) != nil {
		return
	}
	for {
		line, err := p.in.ReadSlice('\n')
		if err != nil {
			return
		}
		command := strings.TrimRight(string(line), "\r\n")
		p.record(func(rec *Session) {
			if len(rec.Commands) < maxCommands {
				rec.Commands = append(rec.Commands, command)
			}
		})
		_, p.arg, _ = strings.Cut(command, " ")
		if v := verb(command); v == "EHLO" || v == "HELO" {
			p.ehlo = p.arg
		}
		r := p.script.find(command, p.inTLS)
		if p.do(r) != nil {
			return
		}
		if verb(command) == "DATA" && r.says("354") && p.message() != nil {
			return
		}
	}
}

func verb(command string) string {
	v, _, _ := strings.Cut(command, " ")
	return strings.ToUpper(v)
}

func (p *play) record(f func(*Session)) {
	p.srv.mu.Lock()
	defer p.srv.mu.Unlock()
	f(p.rec)
}

// message takes what follows DATA and answers as the rule "C: ." says.
func (p *play) message() error {
	var body []byte
	for {
		line, err := p.in.ReadSlice('\n')
		if err != nil {
			return err
		}
		if strings.TrimRight(string(line), "\r\n") == "." {
			break
		}
		if len(body) < 1<<20 {
			body = append(body, line...)
		}
	}
	p.record(func(rec *Session) { rec.Message = body })
	return p.do(p.script.find(".", p.inTLS))
}

// do plays one rule. An error ends the session.
func (p *play) do(r rule) error {
	var say strings.Builder
	for i, st := range r.steps {
		if st.do == "say" {
			say.WriteString(p.fill(st.text))
			continue
		}
		if err := p.say(say.String()); err != nil {
			return err
		}
		say.Reset()
		if st.do == "endless" {
			return p.endless(r.steps[i+1:])
		}
		if ok, err := p.act(st); err != nil || !ok {
			return err
		}
	}
	return p.say(say.String())
}

// act does what stands behind an asterisk; false ends the rule.
func (p *play) act(st step) (bool, error) {
	switch st.do {
	case "tls":
		return true, p.tls(st.args)
	case "auth":
		return p.auth()
	case "read":
		if _, err := p.in.ReadByte(); err != nil {
			return false, err
		}
		_, err := p.in.Discard(p.in.Buffered())
		return true, err
	case "pause":
		return true, p.sleep(st.wait)
	case "drip":
		p.drip = st.wait
		return true, nil
	case "hang":
		_, _ = io.Copy(io.Discard, p.conn)
		return false, errEnd
	case "reset":
		if c, ok := p.raw.(*net.TCPConn); ok {
			_ = c.SetLinger(0)
		}
		return false, errEnd
	}
	// close: the client's last words are read first, for a close with unread bytes is a reset.
	if p.inTLS {
		_ = p.conn.Close()
	}
	if c, ok := p.raw.(*net.TCPConn); ok {
		_ = c.CloseWrite()
		_ = c.SetReadDeadline(time.Now().Add(time.Second))
		_, _ = io.Copy(io.Discard, c)
	}
	return false, errEnd
}

func (p *play) fill(text string) string {
	return strings.NewReplacer("{host}", p.srv.opts.Host, "{ip}", p.source.String(), "{ehlo}", p.ehlo, "{arg}", p.arg).Replace(text)
}

func (p *play) say(text string) error {
	if text == "" {
		return nil
	}
	if p.drip == 0 {
		_, err := io.WriteString(p.conn, text)
		return err
	}
	for i := range len(text) {
		if _, err := io.WriteString(p.conn, text[i:i+1]); err != nil {
			return err
		}
		if err := p.sleep(p.drip); err != nil {
			return err
		}
	}
	return nil
}

func (p *play) sleep(d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-p.srv.ctx.Done():
		return p.srv.ctx.Err()
	}
}

func (p *play) endless(steps []step) error {
	var text strings.Builder
	for _, st := range steps {
		text.WriteString(p.fill(st.text))
	}
	if text.Len() == 0 {
		return errEnd
	}
	for {
		if err := p.say(text.String()); err != nil {
			return err
		}
	}
}

// tls makes the handshake from the server's side, well or badly.
func (p *play) tls(args []string) error {
	name := "good"
	// No session tickets: nothing is written unasked after the handshake, which an unbuffered net.Pipe could not take.
	conf := &tls.Config{MinVersion: tls.VersionTLS10, SessionTicketsDisabled: true}
	for _, a := range args {
		switch key, value, _ := strings.Cut(a, "="); key {
		case "cert":
			name = value
		case "max":
			conf.MaxVersion = map[string]uint16{"1.0": tls.VersionTLS10, "1.1": tls.VersionTLS11, "1.2": tls.VersionTLS12}[value]
		case "rsa":
			name, conf.MaxVersion = "rsa", tls.VersionTLS12
			conf.CipherSuites = []uint16{tls.TLS_RSA_WITH_AES_128_CBC_SHA}
		case "client-cert":
			conf.ClientAuth = tls.RequireAnyClientCert
		}
	}
	cert, err := p.srv.cert(name)
	if err != nil {
		return err
	}
	conf.Certificates = []tls.Certificate{cert}
	conf.GetConfigForClient = func(h *tls.ClientHelloInfo) (*tls.Config, error) {
		hybrid := slices.Contains(h.SupportedCurves, tls.X25519MLKEM768)
		p.record(func(rec *Session) { rec.SNI, rec.Hybrid = h.ServerName, hybrid })
		if slices.Contains(args, "refuse") || hybrid && slices.Contains(args, "classic") {
			return nil, errors.New("refused by the script")
		}
		return nil, nil
	}
	conn := tls.Server(p.raw, conf)
	if err := conn.HandshakeContext(p.srv.ctx); err != nil {
		return err
	}
	p.record(func(rec *Session) { rec.TLS = tls.VersionName(conn.ConnectionState().Version) })
	p.conn, p.inTLS = conn, true
	p.in.Reset(conn)
	return nil
}

// auth takes AUTH PLAIN or LOGIN, with or without initial response (RFC 4954 §4).
func (p *play) auth() (bool, error) {
	mechanism, initial, given := strings.Cut(p.arg, " ")
	var parts [][]byte
	var err error
	switch strings.ToUpper(mechanism) {
	case "PLAIN":
		var blob []byte
		blob, err = p.answer("", initial, given)
		if parts = bytes.Split(blob, []byte{0}); len(parts) == 3 {
			parts = parts[1:]
		}
	case "LOGIN":
		var user, pass []byte
		if user, err = p.answer("Username:", initial, given); err == nil {
			pass, err = p.answer("Password:", "", false)
		}
		parts = [][]byte{user, pass}
	default:
		return false, p.say("504 5.5.4 mechanism not supported\r\n")
	}
	var corrupt base64.CorruptInputError
	if errors.As(err, &corrupt) {
		return false, p.say("501 5.5.2 that is no base64\r\n")
	}
	if err != nil {
		return false, err
	}
	if len(parts) != 2 || string(parts[0]) != p.srv.opts.User || string(parts[1]) != p.srv.opts.Pass {
		return false, p.say("535 5.7.8 authentication failed\r\n")
	}
	return true, nil
}

func (p *play) answer(prompt, initial string, given bool) ([]byte, error) {
	if !given {
		if err := p.say("334 " + base64.StdEncoding.EncodeToString([]byte(prompt)) + "\r\n"); err != nil {
			return nil, err
		}
		line, err := p.in.ReadSlice('\n')
		if err != nil {
			return nil, err
		}
		initial = strings.TrimRight(string(line), "\r\n")
	}
	return base64.StdEncoding.DecodeString(initial)
}
