package resolve

import (
	"bytes"
	"errors"
	"net"
	"sync"
	"syscall"
	"time"
)

const (
	// sockMax questions wait on one socket: more answers at once overflow the
	// default receive buffer of 212,992 bytes and look like timeouts.
	sockMax = 256
	// A socket serves for a while only, so that ports change under an attacker
	// and a change of our own address heals.
	sockLife = 2 * time.Minute
	// readSize holds any answer that a server may send to udpSize, and those that do not care.
	readSize = 4096
)

// try is one query on the wire. ID, socket and spelling are new each time.
type try struct {
	call   *call
	srv    *server
	sock   *sock
	number int // of the call's tries it belongs to
	id     uint16
	asked  question
	mixed  bool
	edns   bool
	sentAt time.Time

	told [kinds]bool // events already sent; guarded by sock.mu
}

// event is what a socket tells a call about one of its tries.
type event struct {
	try  *try
	kind eventKind
	msg  []byte
	err  error
}

type eventKind int

const (
	gotAnswer  eventKind = iota // to this very question; the ID is free again
	gotCase                     // to it, but in another case
	gotError                    // an error with the right ID that does not say to which question
	gotJunk                     // something that answers no question of ours
	gotFailure                  // the network says that nobody listens
	kinds
)

// sock is one connected UDP socket: the kernel drops what comes from elsewhere,
// and reports an unreachable port.
type sock struct {
	srv  *server
	conn *net.UDPConn
	born time.Time

	mu      sync.Mutex
	pending map[uint16]*try
	retired bool
}

// send registers the try under a random free ID and writes its query. ok is
// false when the socket has no room.
func (s *sock) send(t *try, random func() uint64) (ok bool, err error) {
	if !s.register(t, random) {
		return false, nil
	}
	query := appendQuery(make([]byte, 0, 300), t.id, t.asked, t.edns)
	_, err = s.conn.Write(query)
	if errors.Is(err, syscall.ECONNREFUSED) {
		// The kernel tells of an earlier query that found the port closed, and
		// did not send this one.
		s.fail(err, t)
		_, err = s.conn.Write(query)
	}
	if errors.Is(err, syscall.ENOBUFS) || errors.Is(err, syscall.EAGAIN) {
		err = nil // as good as lost on the way: the next try comes soon
	}
	return true, err
}

func (s *sock) register(t *try, random func() uint64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.retired || len(s.pending) >= sockMax {
		return false
	}
	for {
		t.id = uint16(random())
		if s.pending[t.id] == nil {
			break
		}
	}
	t.sock, t.sentAt = s, time.Now()
	s.pending[t.id] = t
	return true
}

// forget ends the interest in a try; no event of it comes afterwards.
func (s *sock) forget(t *try) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pending[t.id] == t {
		delete(s.pending, t.id)
	}
	s.closeIfDone()
}

// retire lets the socket close after its last question.
func (s *sock) retire() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.retired = true
	s.closeIfDone()
}

func (s *sock) closeIfDone() {
	if s.retired && len(s.pending) == 0 {
		s.conn.Close()
	}
}

// read is the socket's goroutine; it ends when the socket closes.
func (s *sock) read() {
	buf := make([]byte, readSize)
	for {
		n, err := s.conn.Read(buf)
		switch {
		case err == nil:
			s.dispatch(buf[:n])
		case isErrno(err):
			s.fail(err, nil)
		default:
			return // closed
		}
	}
}

func isErrno(err error) bool {
	_, ok := errors.AsType[syscall.Errno](err)
	return ok
}

// dispatch hands a message to the try it answers. What fits none is told to
// those it might have been meant for, as a reason in case nothing better comes.
func (s *sock) dispatch(msg []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(msg) >= headerLen {
		if t := s.pending[idOf(msg)]; t != nil {
			s.offer(t, msg)
			return
		}
	}
	for _, t := range s.pending {
		// A late answer to a forgotten question differs from t's spelling and is no news.
		if k := kin(msg, t.asked); k == notAnswer || k == sameExactly {
			t.tell(event{kind: gotJunk})
		}
	}
}

func (s *sock) offer(t *try, msg []byte) {
	switch kin(msg, t.asked) {
	case sameExactly:
		delete(s.pending, t.id)
		t.tell(event{kind: gotAnswer, msg: bytes.Clone(msg)})
		s.closeIfDone()
	case otherCase: // the true answer may still come
		t.tell(event{kind: gotCase, msg: bytes.Clone(msg)})
	case nameless:
		t.tell(event{kind: gotError, msg: bytes.Clone(msg)})
	default:
		t.tell(event{kind: gotJunk})
	}
}

// fail tells all tries but one that the network failed: which query caused it is not known.
func (s *sock) fail(err error, except *try) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.pending {
		if t != except {
			t.tell(event{kind: gotFailure, err: err})
		}
	}
}

// tell never blocks: each kind is told once per try, and the call's channel has room for all.
func (t *try) tell(e event) {
	if t.told[e.kind] {
		return
	}
	t.told[e.kind] = true
	e.try = t
	t.call.events <- e
}
