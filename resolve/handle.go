package resolve

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/miekg/dns"
)

var errSpelling = errors.New("it came in another case than the question (forged, or rewritten on the way)")

// handle judges one event. d is the time of a try, for the one that TCP takes.
func (k *call) handle(ctx context.Context, e event, d time.Duration) (part, step) {
	t := e.try
	switch e.kind {
	case gotAnswer:
		t.srv.exact(t)
		return k.weigh(ctx, t, e.msg, d)
	case gotError:
		return k.weigh(ctx, t, e.msg, d)
	case gotCase:
		return part{}, k.spelled(t, e.msg)
	case gotFailure:
		if k.current(t) {
			k.reason.network = e.err
			t.srv.failed()
			return part{}, nextTry
		}
	case gotJunk:
		k.reason.odd = errNotOurs
	}
	return part{}, goOn
}

// current reports that a query belongs to the try we wait for; for older ones
// only an answer counts.
func (k *call) current(t *try) bool { return t.number == k.number }

// spelled judges an answer in another case: ignored where it can only be
// forged. Otherwise the question is asked again; when all queries fared so, the
// last answer may count after a while.
func (k *call) spelled(t *try, msg []byte) step {
	k.reason.odd = errSpelling
	if keeps, _ := t.srv.spelling(); keeps {
		return goOn
	}
	k.held = event{try: t, msg: msg}
	if !k.current(t) {
		return goOn
	}
	if k.misses++; k.misses < caseMisses {
		return k.askAgain(t)
	}
	k.patient = true
	k.timer.Reset(min(casePatience, k.remaining()))
	return goOn
}

// release judges, when the timer fires, the answer held: no true one came
// instead, or other questions found out meanwhile. d is the time of the try.
func (k *call) release(ctx context.Context, d time.Duration) (part, step) {
	if k.held.try == nil {
		return part{}, timeIsUp
	}
	patient := k.patient
	k.patient = false
	h := k.held
	_, believe := h.try.srv.spelling()
	if believe || patient && h.try.srv.losesCase() {
		k.held = event{}
		if p, how := k.weigh(ctx, h.try, h.msg, d); how != goOn {
			return p, how
		}
	}
	if patient {
		k.timer.Reset(max(0, d-time.Since(k.listenedAt)))
		return part{}, goOn
	}
	return part{}, timeIsUp
}

// askAgain repeats the question within the same try.
func (k *call) askAgain(t *try) step {
	if !k.current(t) || k.asks >= maxAsks {
		return goOn
	}
	if err := k.send(t.srv); err != nil {
		k.reason.network = err
		return nextTry
	}
	return goOn
}

// weigh reads a message that answers one of our queries.
func (k *call) weigh(ctx context.Context, t *try, msg []byte, d time.Duration) (part, step) {
	if truncated(msg) && rcodeOf(msg) == dns.RcodeSuccess {
		full, err := t.srv.overTCP(ctx, t, min(d, k.remaining()))
		if err != nil {
			return part{}, k.tcpFailed(t, err)
		}
		msg = full
	}
	p, err := readMessage(msg, k.name, k.query.Type)
	p.Server = t.srv.addr
	switch {
	case err != nil:
		k.reason.odd = err
		t.srv.failed()
		return part{}, k.over(t)
	case p.Rcode == dns.RcodeSuccess || p.Rcode == dns.RcodeNameError:
		t.srv.heard(t, true)
		return p, done
	case t.edns && dislikesEDNS(p.Rcode): // RFC 6891 §7
		t.srv.refusedEDNS()
		if k.current(t) && k.asks < maxAsks {
			return part{}, k.askAgain(t)
		}
	}
	t.srv.heard(t, false)
	k.reason.rcode, k.reason.from = p, t.srv
	k.denied = append(k.denied, t.srv)
	return part{}, k.over(t)
}

func dislikesEDNS(rcode int) bool {
	return rcode == dns.RcodeFormatError || rcode == dns.RcodeNotImplemented || rcode == dns.RcodeBadVers
}

func (k *call) tcpFailed(t *try, err error) step {
	if errors.Is(err, errNotOurs) {
		k.reason.odd = err
	} else if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded) {
		k.reason.silent = true
	} else {
		k.reason.network = err
	}
	t.srv.failed()
	return k.over(t)
}

// over ends the current try, if the query belongs to it.
func (k *call) over(t *try) step {
	if k.current(t) {
		return nextTry
	}
	return goOn
}
