package smtp

import (
	"context"
	"crypto/x509"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"repwatch/reputation"
)

// Timeouts bound the phases of a probe. Each is absolute: it does not start
// again with every byte. Zero fields take the default. They are shorter than the
// minutes a sender must grant (RFC 5321 §4.5.3.2): a probe that runs out of
// patience says unknown, never lost.
type Timeouts struct {
	Connect   time.Duration // 30s, a proxy's part included
	Greeting  time.Duration // 60s: pauses before the greeting are a normal defence
	EHLO      time.Duration // 30s, each time
	STARTTLS  time.Duration // 30s
	Handshake time.Duration // 30s
	Command   time.Duration // 60s: each of RCPT, AUTH and the test message
	Quit      time.Duration // 5s
	Total     time.Duration // 5m: everything, the second connection included
}

func (t Timeouts) orDefaults() Timeouts {
	set := func(d *time.Duration, fallback time.Duration) {
		if *d <= 0 {
			*d = fallback
		}
	}
	set(&t.Connect, 30*time.Second)
	set(&t.Greeting, 60*time.Second)
	set(&t.EHLO, 30*time.Second)
	set(&t.STARTTLS, 30*time.Second)
	set(&t.Handshake, 30*time.Second)
	set(&t.Command, 60*time.Second)
	set(&t.Quit, 5*time.Second)
	set(&t.Total, 5*time.Minute)
	return t
}

// Prober looks at mail servers. The zero value is ready to use. It keeps no state
// and is safe for concurrent use; how often it may look is its caller's business
// (rule of truth 6).
type Prober struct {
	Timeouts Timeouts
	Roots    *x509.CertPool // nil: the system's

	dial dialFunc // nil: dialVantage
}

// Probe looks at one address from one vantage: connect, greeting, EHLO, STARTTLS,
// handshake, EHLO again, QUIT. It opens a second connection only when the
// handshake failed. It returns within Timeouts.Total (and a last QUIT), and at once
// when ctx is done; whatever happens is in the Result.
func (p *Prober) Probe(ctx context.Context, t Target, v Vantage) Result {
	return p.ProbeAsking(ctx, t, v, Ask{})
}

// ProbeAsking is Probe with questions beyond looking.
func (p *Prober) ProbeAsking(ctx context.Context, t Target, v Vantage, ask Ask) Result {
	now := time.Now()
	r := &run{
		timeouts: p.Timeouts.orDefaults(),
		roots:    p.Roots,
		dial:     p.dial,
		vantage:  v,
		extras:   ask,
		log:      &transcript{start: now},
		res:      &Result{Target: t, Vantage: v.withoutSecrets(), At: now.UTC()},
	}
	if r.dial == nil {
		r.dial = dialVantage
	}
	if err := checkVantage(t, v, ask); err != nil {
		return r.finish(verdict{why: err.Error(), failure: FailInput})
	}
	ctx, cancel := context.WithTimeout(ctx, r.timeouts.Total)
	defer cancel()
	first := r.converse(ctx, false)
	if first.handshake == nil || ctx.Err() != nil {
		return r.finish(first)
	}
	r.log.note("once more on a new connection, with old TLS versions allowed and classic key exchange only")
	return r.finish(r.afterRetry(first, r.converse(ctx, true)))
}

// run is one probe with its one or two connections.
type run struct {
	timeouts Timeouts
	roots    *x509.CertPool
	dial     dialFunc
	vantage  Vantage
	extras   Ask
	log      *transcript
	faults   faultList
	res      *Result
}

// afterRetry weighs the conservative second attempt against the first (rule of
// truth 4): broken only when the server itself, by alert, garbage or close, made both fail.
func (r *run) afterRetry(first, second verdict) verdict {
	failed := first.handshake.words
	switch {
	case second.outcome == reputation.Advertised:
		r.res.TLS.Conservative = true
		r.faults.addWords(FaultConservativeTLS, "handshake", nil, faultWords[FaultConservativeTLS]+": "+failed)
		return second
	case second.outcome == reputation.Deferred:
		return second
	case second.handshake == nil:
		second.outcome, second.failure = reputation.OutcomeUnknown, FailTLS
		second.why = fmt.Sprintf("the handshake failed (%s), and the second connection did not get that far: %s", failed, second.why)
		return second
	}
	both := fmt.Sprintf("the handshake failed (%s), and so did a second one with old TLS versions and classic key exchange (%s)", failed, second.handshake.words)
	if first.handshake.sure && second.handshake.sure {
		return verdict{outcome: reputation.Broken, why: "STARTTLS is offered, but " + both, reply: first.reply}
	}
	failure := first.handshake.failure
	if first.handshake.sure {
		failure = second.handshake.failure
	}
	return verdict{why: both + "; that may be the network, so nothing is concluded", failure: failure, reply: first.reply}
}

// finish closes the result.
func (r *run) finish(v verdict) Result {
	if v.handshake != nil {
		v.why = "the handshake failed: " + v.handshake.words
		v.failure = v.handshake.failure
	}
	res := r.res
	res.Outcome, res.Why, res.Reply = v.outcome, v.why, v.reply
	if v.outcome == reputation.OutcomeUnknown {
		res.Failure = v.failure
	}
	r.sawUs()
	res.Faults = r.faults
	res.Transcript = r.log.lines
	return *res
}

// sawUs compares the address the partner saw with the one meant (rule of truth 10).
func (r *run) sawUs() {
	meant := r.res.Vantage.IP.Unmap()
	if rep := r.res.Reply; !r.res.SeenIP.IsValid() && rep != nil && rep.Code >= 400 {
		r.res.SeenIP = seenInRefusal(rep.Text(), r.res.Target.Addr.Unmap(), meant)
	}
	seen := r.res.SeenIP
	if !seen.IsValid() || !meant.IsValid() || seen == meant {
		return
	}
	words := fmt.Sprintf("the partner sees us as %s, but this look was meant to leave from %s: address translation or a proxy stands between, so reputation of %s is what counts there", seen, meant, seen)
	if seen.IsPrivate() || seen.IsLoopback() {
		words = fmt.Sprintf("the partner sees us as %s instead of %s: a private address, so a load balancer or gateway of theirs may hide ours from their mail server", seen, meant)
	}
	r.faults.addWords(FaultSeenIPDiffers, "ehlo", []byte(seen.String()), words)
}

// ehloName is the vantage's production name, else an address literal (RFC 5321 §4.1.4).
func (s *session) ehloName() string {
	if name := strings.TrimSuffix(s.vantage.EHLO, "."); name != "" {
		return name
	}
	for _, ip := range []netip.Addr{s.vantage.IP, s.vantage.Bind} {
		if ip.IsValid() {
			return literal(ip.Unmap())
		}
	}
	if local, err := netip.ParseAddrPort(s.raw.LocalAddr().String()); err == nil {
		return literal(local.Addr().Unmap().WithZone(""))
	}
	return "[127.0.0.1]"
}
