package resolve

import "time"

// health remembers whether a server is worth asking first.
type health struct {
	failures int
	down     bool
	probeAt  time.Time
	wait     time.Duration
}

const (
	downAfter    = 5 // failures in a row
	probeFirst   = 5 * time.Second
	probeSlowest = time.Minute
)

// good counts a usable answer and reports whether the server is back.
func (h *health) good() (back bool) {
	back = h.down
	*h = health{}
	return back
}

// bad counts a timeout, an unreachable port or an rcode that is no answer, and reports whether the server is now tried last.
func (h *health) bad(now time.Time) (down bool) {
	if h.failures++; h.down || h.failures < downAfter {
		return false
	}
	h.down, h.wait, h.probeAt = true, probeFirst, now.Add(probeFirst)
	return true
}

// probeDue reports, once per interval, that a server that is down should be asked again.
func (h *health) probeDue(now time.Time) bool {
	if !h.down || now.Before(h.probeAt) {
		return false
	}
	h.wait = min(2*h.wait, probeSlowest)
	h.probeAt = now.Add(h.wait)
	return true
}

// caseGuard remembers how a server treats the case of names (0x20,
// draft-vixie-dnsext-dns0x20). From a server that echoes it, an answer in
// another case is forged; a few servers do not echo.
type caseGuard struct {
	echoedAt time.Time
	off      bool // it does not echo: names are sent in lower case
}

const (
	// caseMisses answers in another case, to as many queries of one question in a
	// row, and casePatience without a true one show that a server does not echo.
	caseMisses   = 3
	casePatience = 100 * time.Millisecond
	// caseMemory is how long an echo proves that the server keeps case: software is
	// replaced, and an attacker cannot keep real answers away for a day.
	caseMemory = 24 * time.Hour
)

// echo notes an answer that kept a mixed case.
func (g *caseGuard) echo(now time.Time) { g.echoedAt = now }

// keeps reports that the server is known to keep case.
func (g *caseGuard) keeps(now time.Time) bool {
	return !g.echoedAt.IsZero() && now.Sub(g.echoedAt) < caseMemory
}

// giveUp believes the server from now on, unless it showed meanwhile that it
// keeps case, and reports whether it does.
func (g *caseGuard) giveUp(now time.Time) bool {
	g.off = g.off || !g.keeps(now)
	return g.off
}
