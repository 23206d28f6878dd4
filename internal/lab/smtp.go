package lab

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// SMTPOptions describe a mail server.
type SMTPOptions struct {
	Host string // its name in {host} and in its certificates
	CA   *CA    // signs its certificates; nil: one of its own
	User string // the credential that * auth accepts
	Pass string
}

// SMTP is a mail server whose behaviour is a script (see the type script), for all
// clients or for single ones, and may change while it runs. It counts what its
// clients do. Safe for concurrent use.
type SMTP struct {
	opts  SMTPOptions
	ca    *CA
	ctx   context.Context
	stop  context.CancelFunc
	tasks sync.WaitGroup

	mu        sync.Mutex
	scripts   []*script // the first is played; it goes when another follows
	special   map[netip.Addr]*script
	counts    map[netip.Addr]*Counts
	sessions  []*Session
	certs     map[string]tls.Certificate
	listeners []net.Listener
	conns     map[net.Conn]struct{}
	ended     chan struct{} // closed and replaced whenever a session ends
}

// Counts is what one client address did.
type Counts struct {
	Connections int // in all
	Open        int // now
	MostOpen    int // at the same time, ever
	Quits       int // sessions that ended with QUIT
}

// Session is one connection as the server saw it.
type Session struct {
	Source   netip.Addr
	Began    time.Time
	TLS      string   // version, once a handshake succeeded
	SNI      string   // server name the client asked for
	Hybrid   bool     // the client offered a post-quantum hybrid key share
	Commands []string // as they came, without line end
	Message  []byte   // body of the last DATA, dots still stuffed
	Open     bool
}

const (
	maxSessions = 1000 // kept; older ones are forgotten
	maxCommands = 200  // kept of one session
)

// NewSMTP makes a server that plays Offering(Exchange()...) until told otherwise. It listens nowhere yet.
func NewSMTP(opts SMTPOptions) (*SMTP, error) {
	if opts.Host == "" {
		opts.Host = "mx.example"
	}
	s := &SMTP{
		opts: opts, ca: opts.CA, special: map[netip.Addr]*script{}, counts: map[netip.Addr]*Counts{},
		certs: map[string]tls.Certificate{}, conns: map[net.Conn]struct{}{}, ended: make(chan struct{}),
	}
	s.ctx, s.stop = context.WithCancel(context.Background())
	if s.ca == nil {
		var err error
		if s.ca, err = NewCA(); err != nil {
			return nil, err
		}
	}
	return s, s.Play(Offering(Exchange()...))
}

// CA is the authority behind its certificates.
func (s *SMTP) CA() *CA { return s.ca }

// Play sets the script for everyone without one of his own. It holds for
// connections that begin from now on. Of several scripts each connection plays the
// next one; the last stays.
func (s *SMTP) Play(texts ...string) error {
	var scripts []*script
	for _, text := range texts {
		sc, err := parseScript(text)
		if err != nil {
			return err
		}
		scripts = append(scripts, sc)
	}
	if len(scripts) == 0 {
		return errors.New("lab SMTP: no script to play")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.scripts = scripts
	return nil
}

// PlayTo sets the script for one client address; an empty one ends the special treatment.
func (s *SMTP) PlayTo(client netip.Addr, text string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if text == "" {
		delete(s.special, client)
		return nil
	}
	sc, err := parseScript(text)
	if err != nil {
		return err
	}
	s.special[client] = sc
	return nil
}

// AddCert makes a certificate available to scripts as cert=name. The names good,
// expired, wrong-name, self-signed, no-intermediate and rsa exist already.
func (s *SMTP) AddCert(name string, c tls.Certificate) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.certs[name] = c
}

// Listen accepts connections on an address such as 127.0.0.1:0; a server may have several.
func (s *SMTP) Listen(addr string) (netip.AddrPort, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("lab SMTP: %w", err)
	}
	s.mu.Lock()
	s.listeners = append(s.listeners, l)
	s.mu.Unlock()
	s.tasks.Go(func() {
		for {
			conn, err := l.Accept()
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err == nil {
				s.tasks.Go(func() { s.Serve(conn, sourceOf(conn)) })
			}
		}
	})
	return l.Addr().(*net.TCPAddr).AddrPort(), nil
}

func sourceOf(conn net.Conn) netip.Addr {
	ap, err := netip.ParseAddrPort(conn.RemoteAddr().String())
	if err != nil {
		return netip.Addr{}
	}
	return ap.Addr().Unmap()
}

// Serve plays one session on conn and closes it. source is who the client is taken for.
func (s *SMTP) Serve(conn net.Conn, source netip.Addr) {
	p := s.enter(conn, source)
	defer s.leave(p)
	stop := context.AfterFunc(s.ctx, func() { conn.Close() })
	defer stop()
	p.run()
}

func (s *SMTP) enter(conn net.Conn, source netip.Addr) *play {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.counts[source]
	if c == nil {
		c = &Counts{}
		s.counts[source] = c
	}
	c.Connections++
	c.Open++
	c.MostOpen = max(c.MostOpen, c.Open)
	rec := &Session{Source: source, Began: time.Now(), Open: true}
	s.sessions = append(s.sessions, rec)
	if n := len(s.sessions) - maxSessions; n > 0 {
		s.sessions = slices.Delete(s.sessions, 0, n)
	}
	s.conns[conn] = struct{}{}
	sc := s.special[source]
	if sc == nil {
		sc = s.scripts[0]
		if len(s.scripts) > 1 {
			s.scripts = s.scripts[1:]
		}
	}
	return newPlay(s, conn, source, sc, rec)
}

func (s *SMTP) leave(p *play) {
	p.raw.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, p.raw)
	close(s.ended)
	s.ended = make(chan struct{})
	c := s.counts[p.source]
	c.Open--
	p.rec.Open = false
	if n := len(p.rec.Commands); n > 0 && len(p.rec.Commands[n-1]) >= 4 && verb(p.rec.Commands[n-1]) == "QUIT" {
		c.Quits++
	}
}

// Counts tells what a client address did so far.
func (s *SMTP) Counts(client netip.Addr) Counts {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.counts[client]; c != nil {
		return *c
	}
	return Counts{}
}

// Sessions lists the latest sessions, oldest first.
func (s *SMTP) Sessions() []Session {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Session
	for _, rec := range s.sessions {
		c := *rec
		c.Commands, c.Message = slices.Clone(c.Commands), slices.Clone(c.Message)
		out = append(out, c)
	}
	return out
}

// Wait returns when no session is open, or ctx is done: clients may be gone a moment before the server knows.
func (s *SMTP) Wait(ctx context.Context) error {
	for {
		s.mu.Lock()
		open, ended := len(s.conns), s.ended
		s.mu.Unlock()
		if open == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("lab SMTP: %d sessions still open: %w", open, ctx.Err())
		case <-ended:
		}
	}
}

// Close ends all sessions and listeners and waits for them.
func (s *SMTP) Close() {
	s.stop()
	s.mu.Lock()
	for _, l := range s.listeners {
		l.Close()
	}
	s.mu.Unlock()
	s.tasks.Wait()
}

// cert makes the named certificates when they are first wanted.
func (s *SMTP) cert(name string) (tls.Certificate, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c, ok := s.certs[name]; ok {
		return c, nil
	}
	spec := Cert{Hosts: []string{s.opts.Host}}
	switch name {
	case "good":
	case "expired":
		spec.From, spec.Until = time.Now().AddDate(0, -3, 0), time.Now().AddDate(0, 0, -2)
	case "wrong-name":
		spec.Hosts = []string{"other.example"}
	case "self-signed":
		spec.Self = true
	case "no-intermediate":
		spec.Alone = true
	case "rsa":
		spec.RSA = true
	default:
		return tls.Certificate{}, fmt.Errorf("lab SMTP: no certificate is named %q", name)
	}
	c, err := s.ca.Issue(spec)
	if err == nil {
		s.certs[name] = c
	}
	return c, err
}
