package smtp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"

	"repwatch/reputation"
)

// trouble says what kept a conversation from being finished.
type trouble struct {
	failure Failure
	words   string
	err     error // of the stream, if it was one
}

// verdict is how a conversation ended.
type verdict struct {
	outcome   reputation.Outcome
	why       string
	failure   Failure
	reply     *Reply
	handshake *handshakeError // the handshake failed
}

func (t *trouble) verdict() *verdict { return &verdict{why: t.words, failure: t.failure} }

// session is one connection to one server.
type session struct {
	*run
	ctx          context.Context
	conservative bool
	raw          net.Conn // TCP
	conn         net.Conn // TCP or TLS
	rd           *replyReader

	phase    string
	patience time.Duration // of the phase
	heard    int           // bytes received in this phase
	inTLS    bool
	greeted  bool
	deaf     bool // no reply can be matched to a command any more
	dead     bool // nothing can be written any more
}

// begin starts a phase: from now on everything must be done by one absolute
// deadline, however the bytes trickle. The returned function ends it.
func (s *session) begin(phase string, patience time.Duration) func() {
	s.phase, s.heard = phase, 0
	started := time.Now()
	s.patience = patience
	if s.conn != nil {
		_ = s.conn.SetDeadline(started.Add(patience)) // fails only on a closed one; the next read says so
	}
	name := phase
	if s.conservative {
		name = "retry-" + phase
	}
	return func() { s.res.Phases = append(s.res.Phases, Phase{Name: name, Took: time.Since(started)}) }
}

// use makes conn the stream that replies come from. What was buffered before is forgotten (RFC 3207 §4.2).
func (s *session) use(conn net.Conn) {
	s.conn = conn
	s.rd = &replyReader{src: conn, heard: func(raw []byte) {
		s.heard += len(raw)
		s.log.server(raw)
	}}
}

// read takes one reply and notes what is odd about it.
func (s *session) read() (*Reply, *trouble) {
	rep, faults, err := s.rd.reply()
	for _, f := range faults {
		f.Where = s.where()
		s.faults.push(f)
	}
	if err != nil {
		return nil, s.fail(err)
	}
	return &rep, nil
}

// where names the phase as faults show it.
func (s *session) where() string {
	if s.conservative {
		return "retry-" + s.phase
	}
	return s.phase
}

// send writes one command. Bytes that had come by then answer nothing we said: they are noted and dropped.
func (s *session) send(command, shown string) *trouble {
	s.dropEarly()
	if shown != "" {
		s.log.add("C", shown)
	}
	if _, err := io.WriteString(s.conn, command+"\r\n"); err != nil {
		return s.fail(err)
	}
	return nil
}

// fail gives the stream up: silence only ends the reading, all else the writing too.
func (s *session) fail(err error) *trouble {
	t := s.trouble(err)
	t.err = err
	s.deaf = true
	s.dead = t.failure != FailTimeout && t.failure != FailTarpit || s.ctx.Err() != nil
	s.log.note("%s", t.words)
	return t
}

func (s *session) dropEarly() {
	if early := s.rd.early(); len(early) > 0 {
		s.faults.add(FaultEarlyBytes, s.where(), early)
		for line := range bytes.Lines(early) {
			s.log.server(line)
		}
		s.log.note("these bytes answer no command and were dropped")
	}
}

// ask sends a command and reads its reply.
func (s *session) ask(command string) (*Reply, *trouble) {
	if t := s.send(command, command); t != nil {
		return nil, t
	}
	return s.read()
}

// trouble puts an error of the stream into words.
func (s *session) trouble(err error) *trouble {
	during := "during " + phaseWords[s.phase]
	var timeout net.Error
	switch {
	case errors.Is(s.ctx.Err(), context.Canceled):
		return &trouble{failure: FailCanceled, words: "stopped by us " + during}
	case errors.Is(err, errEndlessLine), errors.Is(err, errEndlessReply):
		return &trouble{failure: FailEndless, words: fmt.Sprintf("the server sent %s %s: it does not want to be understood", err, during)}
	case s.ctx.Err() != nil:
		return &trouble{failure: FailTimeout, words: "the time for the whole probe ran out " + during}
	case errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		if n := s.heard; n > 0 {
			return &trouble{failure: FailTarpit, words: fmt.Sprintf("only %d bytes came within %s %s, and the reply did not end: a tarpit, or a very slow server", n, s.patience, during)}
		}
		return &trouble{failure: FailTimeout, words: fmt.Sprintf("silence for %s %s", s.patience, during)}
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.ErrClosedPipe):
		return &trouble{failure: FailLost, words: "the server closed the connection " + during + s.midReply()}
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return &trouble{failure: FailLost, words: "the connection was reset " + during + s.midReply()}
	}
	return &trouble{failure: FailLost, words: fmt.Sprintf("the connection was lost %s%s: %s", during, s.midReply(), short(err.Error()))}
}

func (s *session) midReply() string {
	if s.heard > 0 {
		return ", before the reply was complete"
	}
	return ", before any reply"
}

var phaseWords = map[string]string{
	"connect":   "the connection attempt",
	"greeting":  "the wait for the greeting",
	"ehlo":      "the wait for the reply to EHLO",
	"helo":      "the wait for the reply to HELO",
	"starttls":  "the wait for the reply to STARTTLS",
	"handshake": "the TLS handshake",
	"ehlo-tls":  "the wait for the reply to EHLO inside TLS",
	"rcpt":      "the question about the recipient",
	"auth":      "authentication",
	"message":   "the test message",
	"quit":      "the wait for the reply to QUIT",
}

// open connects. The deadline of the phase covers the way through a proxy too.
func (r *run) open(ctx context.Context, conservative bool) (*session, *trouble) {
	s := &session{run: r, ctx: ctx, conservative: conservative}
	defer s.begin("connect", r.timeouts.Connect)()
	dialCtx, cancel := context.WithTimeout(ctx, r.timeouts.Connect)
	defer cancel()
	to := netip.AddrPortFrom(r.res.Target.Addr.Unmap(), r.res.Target.Port)
	conn, err := r.dial(dialCtx, r.vantage, to)
	if err != nil {
		if errors.Is(ctx.Err(), context.Canceled) {
			err = context.Canceled
		}
		t := dialTrouble(err, to, r.vantage, r.timeouts.Connect.String())
		r.log.note("%s", t.words)
		return nil, t
	}
	r.log.note("connected to %s from %s", to, conn.LocalAddr())
	s.raw = conn
	s.use(conn)
	return s, nil
}
