package smtp

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"strings"
	"time"

	"repwatch/reputation"
)

const implicitPort = 465 // RFC 8314 §3.3

// converse holds one whole conversation on a connection of its own.
func (r *run) converse(ctx context.Context, conservative bool) verdict {
	s, t := r.open(ctx, conservative)
	if t != nil {
		return *t.verdict()
	}
	defer s.raw.Close()
	defer context.AfterFunc(ctx, func() { s.raw.Close() })()
	v := s.dialogue()
	s.quit(v)
	return v
}

func (s *session) dialogue() verdict {
	implicit := s.extras.ImplicitTLS || s.res.Target.Port == implicitPort
	if implicit {
		if v := s.handshake(); v != nil {
			return *v
		}
	}
	if v := s.greeting(); v != nil {
		return *v
	}
	v, usable := s.hello()
	if v.outcome == reputation.Advertised && !implicit {
		if w := s.upgrade(v.reply); w != nil {
			return *w
		}
	}
	if usable {
		if w := s.beyond(); w != nil {
			return *w
		}
	}
	return v
}

// greeting waits for the server to speak first (RFC 5321 §4.3.1).
func (s *session) greeting() *verdict {
	defer s.begin("greeting", s.timeouts.Greeting)()
	rep, t := s.read()
	if t != nil {
		return s.lost(t)
	}
	s.greeted = true
	s.res.Greeting = rep
	if isMaskedBanner(*rep) {
		s.faults.add(FaultMaskedBanner, s.where(), rep.Raw)
	}
	if rep.Code == 220 {
		return nil
	}
	return s.refused(rep, "instead of a greeting")
}

// refused is what a reply other than the wanted one means at the greeting or EHLO.
func (s *session) refused(rep *Reply, when string) *verdict {
	v := &verdict{reply: rep, why: fmt.Sprintf("the server answered \"%s\" %s", replyWords(rep), when)}
	switch rep.Code / 100 {
	case 4:
		v.outcome = reputation.Deferred
	case 5:
		v.outcome = reputation.Rejected
	default:
		v.failure = FailProtocol
	}
	return v
}

func replyWords(rep *Reply) string { return short(fmt.Sprintf("%d %s", rep.Code, rep.Text())) }

// lost is trouble while waiting for the first reply. Inside TLS an alert there, or a
// close before the reply to EHLO, is the end of the handshake by other means: a TLS
// 1.3 client is done before the server has judged it (RFC 8446 §4.4.4).
func (s *session) lost(t *trouble) *verdict {
	if !s.inTLS || s.heard > 0 || s.ctx.Err() != nil || t.err == nil {
		return t.verdict()
	}
	failed := judgeHandshake(t.err, s.patience.String())
	alert := strings.HasPrefix(failed.words, "alert: ")
	if !failed.sure || s.phase == "greeting" && !alert {
		return t.verdict()
	}
	failed.words += " right after the handshake"
	s.res.TLS.Handshake = failed.words
	return &verdict{handshake: failed}
}

// hello says EHLO and judges the reply. usable: the server would take MAIL FROM now.
func (s *session) hello() (v verdict, usable bool) {
	rep, t := s.ehlo("ehlo", s.timeouts.EHLO)
	if t != nil {
		return *t.verdict(), false
	}
	switch {
	case rep.Code == 250:
	case rep.Code == 500 || rep.Code == 502:
		return s.helo(rep) // RFC 5321 §3.2: only a server that does not know EHLO is asked with HELO
	default:
		return *s.refused(rep, "to EHLO"), false
	}
	caps, faults := capabilities(*rep, s.where())
	for _, f := range faults {
		s.faults.push(f)
	}
	s.noteSeen(rep)
	if s.faults.hasAt(FaultMixedCodes, s.where()) && !caps.Has("STARTTLS") {
		return verdict{reply: rep, failure: FailProtocol, why: "lines of the reply to EHLO carry different codes, so it is no complete 250 reply and what it lacks proves nothing"}, true
	}
	if s.inTLS {
		s.res.CapabilitiesTLS = caps
		return verdict{outcome: reputation.Advertised, reply: rep}, true
	}
	s.res.Capabilities = caps
	return judgeCapabilities(rep, caps, faults, s.faults.has(FaultMaskedBanner)), true
}

// judgeCapabilities decides from a complete 250 reply (rule of truth 4).
func judgeCapabilities(rep *Reply, caps Capabilities, faults faultList, bannerMasked bool) verdict {
	v := verdict{reply: rep}
	switch {
	case caps.Has("STARTTLS"):
		v.outcome = reputation.Advertised
	case faults.has(FaultMaskedCapability):
		v.outcome = reputation.Masked
		v.why = "STARTTLS is not offered, and a capability is overwritten with X: a firewall that inspects SMTP stands between"
	case bannerMasked:
		v.outcome = reputation.Masked
		v.why = "STARTTLS is not offered, and the greeting is overwritten with asterisks: a firewall that inspects SMTP stands between"
	default:
		v.outcome = reputation.Absent
		v.why = fmt.Sprintf("the reply to EHLO is complete and offers %d capabilities, but not STARTTLS", len(caps))
	}
	return v
}

func (s *session) ehlo(phase string, patience time.Duration) (*Reply, *trouble) {
	defer s.begin(phase, patience)()
	return s.ask("EHLO " + s.ehloName())
}

// helo finds out whether a server that refuses EHLO works at all.
func (s *session) helo(ehlo *Reply) (verdict, bool) {
	defer s.begin("helo", s.timeouts.EHLO)()
	rep, t := s.ask("HELO " + s.ehloName())
	switch {
	case t != nil:
		v := t.verdict()
		v.why = fmt.Sprintf("the server answered \"%s\" to EHLO, and then: %s", replyWords(ehlo), v.why)
		return *v, false
	case rep.Code == 250:
		s.noteSeen(rep)
		return verdict{outcome: reputation.Masked, reply: ehlo, why: fmt.Sprintf("the server answered \"%s\" to EHLO, yet takes HELO: a firewall that inspects SMTP hides what it offers, or it is a very old server", replyWords(ehlo))}, true
	case rep.Code/100 == 4:
		return *s.refused(rep, "to HELO"), false
	}
	return *s.refused(ehlo, fmt.Sprintf("to EHLO and \"%s\" to HELO", replyWords(rep))), false
}

func (s *session) noteSeen(rep *Reply) {
	if len(rep.Lines) == 0 {
		return
	}
	if ip := seenInHello(rep.Lines[0], s.res.Target.Addr.Unmap(), s.ehloName()); ip.IsValid() {
		s.res.SeenIP = ip
	}
}

// upgrade goes through STARTTLS (RFC 3207 §4) up to EHLO inside TLS. nil: all went well.
//
// Any refusal of STARTTLS is deferred: 454 says so itself, and rule of truth 4
// concludes a loss from EHLO replies and handshakes alone. The refusal is noted
// as a fault, so that one that lasts is seen.
func (s *session) upgrade(ehlo *Reply) *verdict {
	rep, t := s.startTLS()
	if t != nil {
		return t.verdict()
	}
	if rep.Code/100 > 3 {
		s.faults.add(FaultStartTLSRefused, s.where(), rep.Raw)
		return &verdict{outcome: reputation.Deferred, reply: rep, why: fmt.Sprintf("STARTTLS is offered, but the server answered \"%s\" to it", replyWords(rep))}
	}
	if rep.Code != 220 {
		return &verdict{failure: FailProtocol, reply: rep, why: fmt.Sprintf("the server answered \"%s\" to STARTTLS, which means nothing there", replyWords(rep))}
	}
	if v := s.handshake(); v != nil {
		v.reply = ehlo
		return v
	}
	v := s.helloInside()
	if v != nil && v.reply == nil {
		v.reply = ehlo
	}
	return v
}

func (s *session) startTLS() (*Reply, *trouble) {
	defer s.begin("starttls", s.timeouts.STARTTLS)()
	return s.ask("STARTTLS")
}

// helloInside says EHLO again, inside TLS (RFC 3207 §4.2).
func (s *session) helloInside() *verdict {
	rep, t := s.ehlo("ehlo-tls", s.timeouts.EHLO)
	if t != nil {
		return s.lost(t)
	}
	if rep.Code != 250 {
		return s.refused(rep, "to EHLO inside TLS")
	}
	caps, faults := capabilities(*rep, s.where())
	if caps.Has("STARTTLS") {
		faults.add(FaultStartTLSInside, s.where(), rep.Raw)
	}
	for _, f := range faults {
		s.faults.push(f)
	}
	s.noteSeen(rep)
	s.res.CapabilitiesTLS = caps
	return nil
}

// handshake makes TLS. nil: it worked, whatever the certificate says.
func (s *session) handshake() *verdict {
	defer s.begin("handshake", s.timeouts.Handshake)()
	s.dropEarly()
	sniff := &sniffer{Conn: s.raw}
	conn := tls.Client(sniff, tlsConfig(s.res.Target.MX, s.conservative))
	if err := conn.Handshake(); err != nil {
		s.deaf, s.dead = true, true
		if s.ctx.Err() != nil {
			return s.fail(err).verdict()
		}
		failed := judgeHandshake(err, s.patience.String())
		if failed.sure && len(sniff.head) > 0 && !tlsRecord(sniff.head[0]) {
			s.faults.add(FaultTLSGarbage, s.where(), sniff.head)
		}
		s.res.TLS = &TLS{Handshake: failed.words, Chain: "not seen", Name: "not seen", Expiry: "not seen"}
		s.log.note("TLS handshake failed: %s", failed.words)
		return &verdict{handshake: failed}
	}
	s.res.TLS = tlsFacts(conn.ConnectionState(), s.res.Target.MX, s.roots, time.Now())
	f := s.res.TLS
	s.log.note("%s %s; chain: %s; name: %s; expiry: %s (%s)", f.Version, f.Cipher, f.Chain, f.Name, f.Expiry, f.NotAfter.UTC().Format(time.DateOnly))
	s.inTLS = true
	s.use(conn)
	return nil
}

// sniffer keeps the first bytes the server sends in a handshake.
type sniffer struct {
	net.Conn
	head []byte
}

func (c *sniffer) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if room := maxFaultBytes - len(c.head); room > 0 {
		c.head = append(c.head, b[:min(n, room)]...)
	}
	return n, err
}

// quit says goodbye and waits for the answer (RFC 5321 §4.1.1.10). A server that
// has gone silent is still told; one that has not greeted is not.
func (s *session) quit(v verdict) {
	if s.dead || !s.greeted {
		return
	}
	defer s.begin("quit", s.timeouts.Quit)()
	if s.deaf {
		_ = s.send("QUIT", "QUIT")
		return
	}
	rep, _ := s.ask("QUIT")
	goodbye := rep != nil && rep.Code == 221
	closing := v.reply != nil && v.reply.Code == 421 // RFC 5321 §3.8: it closes by itself
	if !goodbye && !closing && s.res.Greeting.Code == 220 {
		var raw []byte
		if rep != nil {
			raw = rep.Raw
		}
		s.faults.add(FaultNoGoodbye, s.where(), raw)
	}
	if !s.dead {
		_ = s.conn.Close() // inside TLS this sends close_notify
	}
}

// tlsRecord knows the first byte of a handshake or alert record (RFC 8446 §5.1).
func tlsRecord(b byte) bool { return b == 0x15 || b == 0x16 }
