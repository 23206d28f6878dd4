package resolve

import (
	"context"
	"errors"
	"os"
	"slices"
	"time"

	"github.com/miekg/dns"
)

// call is one Lookup while it runs, in the goroutine of its caller.
type call struct {
	client   *Client
	query    Query
	zone     *zone
	broken   <-chan struct{} // closes when the zone is given up; may be nil
	age      uint64          // lower is older
	servers  []*server
	maxTries int
	*mailbox

	left, spent time.Duration // for asking; waiting for a slot does not count
	listenedAt  time.Time     // since when left and spent do not count yet
	total       int           // tries so far

	// Of the name asked now; a CNAME that leads on starts a new one.
	name    string
	asked   question
	number  int   // of the current try
	asks    int   // queries sent in the current try
	misses  int   // of them answered in another case
	held    event // an answer in another case, of the name asked now
	patient bool  // the timer runs for it
	queries []*try
	slot    *server // the one a slot is held of
	denied  []*server
	last    *server
	reason  reason
}

// reason collects why no answer came.
type reason struct {
	rcode   part // the last one with an rcode that is no answer
	from    *server
	odd     error // answers that are none
	network error
	silent  bool // a server was waited for in vain
}

// mailbox is what a call needs to wait; it is used again and again.
type mailbox struct {
	events chan event
	timer  *time.Timer
}

// maxAsks queries may belong to one try: again without EDNS, and again for
// servers that may not keep case.
const maxAsks = 4

func newMailbox(tries int) *mailbox {
	b := &mailbox{events: make(chan event, tries*maxAsks*int(kinds)), timer: time.NewTimer(time.Hour)}
	b.timer.Stop()
	return b
}

// step is what came of waiting.
type step int

const (
	goOn      step = iota // nothing yet
	done                  // the answer is there
	nextTry               // this try failed before its time
	timeIsUp              // nobody answered
	abandoned             // canceled, closed, zone given up
)

func (k *call) run(ctx context.Context) (Answer, *Error) {
	k.age = k.client.age.Add(1)
	k.mailbox = k.client.boxes.Get().(*mailbox)
	defer k.client.boxes.Put(k.mailbox)
	k.left = k.query.Budget
	if k.left <= 0 {
		k.left = k.client.opt.Timeout * time.Duration(k.maxTries)
	}
	var whole Answer
	chained := shortest{}
	for {
		p, err := k.ask(ctx)
		p.CNAMEs = append(whole.CNAMEs, p.CNAMEs...)
		whole = p.Answer
		whole.Tries, whole.Elapsed = k.total, k.spent
		if err != nil {
			return whole, err
		}
		chained.add(uint32(p.TTL / time.Second))
		if whole.TTL = chained.duration(); p.next == "" {
			return whole, nil
		}
		if err := k.goTo(p.next, whole.CNAMEs); err != nil {
			return whole, k.error(FailMalformed, err)
		}
	}
}

// goTo asks for the end of a chain next.
func (k *call) goTo(name string, chain []string) error {
	first := dns.CanonicalName(k.query.Name)
	if len(chain) > maxHops || slices.Contains(chain[:len(chain)-1], name) || name == first {
		return errChain
	}
	q, err := packQuestion(name, k.query.Type)
	if err != nil {
		return errChain
	}
	k.name, k.asked = name, q
	return nil
}

// ask puts the current name to the servers, one try after the other.
func (k *call) ask(ctx context.Context) (part, *Error) {
	k.denied, k.reason, k.number, k.held = k.denied[:0], reason{}, 0, event{}
	defer k.forget()
	for k.number < k.maxTries && k.left > 0 {
		k.number++
		srv := k.choose()
		if srv == nil {
			break
		}
		p, how, err := k.try(ctx, srv)
		switch how {
		case done:
			return p, nil
		case abandoned:
			return part{}, err
		}
	}
	return k.failed()
}

// choose is the server for this try: in order, and none that has already said what it can.
func (k *call) choose() *server {
	for i := range k.servers {
		s := k.servers[(k.number-1+i)%len(k.servers)]
		if !slices.Contains(k.denied, s) {
			return s
		}
	}
	return nil
}

func (k *call) try(ctx context.Context, srv *server) (part, step, *Error) {
	if k.reason.network != nil && srv == k.last {
		// Nobody listens there; give a server that restarts a moment.
		k.leave()
		if p, how, err := k.listen(ctx, min(k.share(), 50*time.Millisecond<<k.number)); how == done || how == abandoned {
			return p, how, err
		}
	}
	if err := k.enter(ctx, srv); err != nil {
		return part{}, abandoned, err
	}
	k.total++
	k.last, k.asks, k.misses, k.patient = srv, 0, 0, false
	if err := k.send(srv); err != nil {
		k.reason.network = err
		srv.failed()
		return part{}, nextTry, nil
	}
	p, how, err := k.listen(ctx, k.share())
	if how == timeIsUp {
		k.reason.silent = true
		srv.silent(k.queries[len(k.queries)-1])
	}
	return p, how, err
}

// share is the time for the current try.
func (k *call) share() time.Duration {
	if k.query.Budget > 0 {
		return k.left / time.Duration(k.maxTries-k.number+1)
	}
	return min(k.client.opt.Timeout, k.left)
}

// enter takes a slot of srv. A retry queues by its question's age, so it waits
// behind older questions only.
func (k *call) enter(ctx context.Context, srv *server) *Error {
	if k.slot != srv {
		k.leave()
	}
	if err := srv.enter(ctx, k); err != nil {
		return err
	}
	k.slot = srv
	return nil
}

func (k *call) leave() {
	if k.slot != nil {
		k.slot.leave(k.zone)
		k.slot = nil
	}
}

// send sends a query with everything new: ID, spelling and socket.
func (k *call) send(srv *server) error {
	t := &try{call: k, srv: srv, number: k.number}
	var avoid *sock
	if n := len(k.queries); n > 0 {
		avoid = k.queries[n-1].sock
	}
	k.asks++
	err := srv.send(t, k.asked, avoid)
	if t.sock != nil {
		k.queries = append(k.queries, t)
	}
	return err
}

// forget ends all queries of a name; no event comes afterwards.
func (k *call) forget() {
	k.leave()
	for _, t := range k.queries {
		t.sock.forget(t)
	}
	k.queries = k.queries[:0]
	for {
		select {
		case <-k.events:
		default:
			return
		}
	}
}

// listen waits for what the sockets tell, at most d. All queries of the name
// are listened to: a late answer is an answer.
func (k *call) listen(ctx context.Context, d time.Duration) (part, step, *Error) {
	k.listenedAt = time.Now()
	p, how, err := k.await(ctx, d)
	k.spent = k.asking()
	if k.left = k.remaining(); how == timeIsUp {
		// A late timer of a busy host must not cost the next try its time.
		k.left += max(0, time.Since(k.listenedAt)-d)
	}
	return p, how, err
}

func (k *call) await(ctx context.Context, d time.Duration) (part, step, *Error) {
	k.timer.Reset(d)
	defer k.timer.Stop()
	for {
		select {
		case e := <-k.events:
			if p, how := k.handle(ctx, e, d); how != goOn {
				return p, how, nil
			}
		case <-k.timer.C:
			if p, how := k.release(ctx, d); how != goOn {
				return p, how, nil
			}
		case <-ctx.Done():
			return part{}, abandoned, k.error(FailCanceled, ctx.Err())
		case <-k.client.ctx.Done():
			return part{}, abandoned, k.error(FailCanceled, errClosed)
		case <-k.broken:
			return part{}, abandoned, k.error(FailZoneBroken, nil)
		}
	}
}

// remaining and asking are left and spent with the time since listenedAt.
func (k *call) remaining() time.Duration { return k.left - time.Since(k.listenedAt) }
func (k *call) asking() time.Duration    { return k.spent + time.Since(k.listenedAt) }

// failed says what stands between us and an answer: a word from a server
// counts most, then answers that are none, then silence.
func (k *call) failed() (part, *Error) {
	r := &k.reason
	switch {
	case r.from != nil:
		e := k.error(FailRcode, nil)
		e.Rcode, e.Server = r.rcode.Rcode, r.from.addr
		switch e.Rcode {
		case dns.RcodeServerFailure:
			e.Failure = FailServer
		case dns.RcodeRefused:
			e.Failure = FailRefused
		}
		return r.rcode, e
	case r.odd != nil:
		return part{}, k.error(FailMalformed, r.odd)
	case r.silent || r.network == nil:
		return part{}, k.error(FailTimeout, os.ErrDeadlineExceeded)
	default:
		return part{}, k.error(FailNetwork, plainCause(r.network))
	}
}

func (k *call) error(f Failure, cause error) *Error {
	e := &Error{Failure: f, What: k.query.Zone, Tries: k.total, Elapsed: k.spent, Err: cause}
	if e.What == "" {
		e.What = k.query.Name
	}
	if k.last != nil {
		e.Server = k.last.addr
	}
	if f == FailZoneBroken && k.zone != nil {
		e.RetryIn = k.zone.state(time.Now()).RetryIn
	}
	return e
}

// plainCause leaves the operation and addresses out, which Error says itself.
func plainCause(err error) error {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err
		}
		err = inner
	}
}
