package resolve

import (
	"testing"
	"time"
)

// A breaker's life as a table: what happens, when, and what is then true.
func TestBreaker(t *testing.T) {
	const sec = time.Second
	for name, story := range map[string][]moment{
		"four in a row open it": {
			{0, "fail", false, false, false, false}, {0, "fail", false, false, false, false}, {0, "fail", false, false, false, false},
			{0, "ask", true, false, false, false}, {0, "fail", false, false, true, true}, {9 * sec, "ask", false, false, true, false},
		},
		"an answer between starts anew": {
			{0, "fail", false, false, false, false}, {0, "fail", false, false, false, false}, {0, "fail", false, false, false, false},
			{0, "answer", false, false, false, false}, {0, "fail", false, false, false, false}, {0, "ask", true, false, false, false},
		},
		"one trial, which fails: twice as long": append(openAt0(),
			moment{10 * sec, "ask", true, true, true, false}, moment{10 * sec, "ask", false, false, true, false},
			moment{11 * sec, "fail trial", false, false, true, true},
			moment{30 * sec, "ask", false, false, true, false}, moment{31 * sec, "ask", true, true, true, false}),
		"one trial, which is answered": append(openAt0(),
			moment{10 * sec, "ask", true, true, true, false}, moment{11 * sec, "answer", false, false, false, false},
			moment{11 * sec, "ask", true, false, false, false}),
		"a canceled trial leaves the right to the next": append(openAt0(),
			moment{10 * sec, "ask", true, true, true, false}, moment{10 * sec, "drop trial", false, false, true, false},
			moment{10 * sec, "ask", true, true, true, false}),
		"what was on its way does not count": append(openAt0(),
			moment{1 * sec, "fail", false, false, true, false}, moment{2 * sec, "fail", false, false, true, false},
			moment{10 * sec, "ask", true, true, true, false}),
		"a late answer closes it": append(openAt0(),
			moment{1 * sec, "answer", false, false, false, false}, moment{1 * sec, "ask", true, false, false, false}),
	} {
		b := breaker{limit: 4, first: 10 * sec, max: 5 * time.Minute}
		for i, m := range story {
			now := t0.Add(m.at)
			switch m.what {
			case "ask":
				if ok, trial := b.admit(now); ok != m.ok || trial != m.trial {
					t.Errorf("%s, %d: admitted %v, trial %v", name, i, ok, trial)
				}
			case "answer":
				b.answered()
			case "fail", "fail trial":
				if opened := b.failed(now, m.what == "fail trial", 0.5); opened != m.opened {
					t.Errorf("%s, %d: opened %v", name, i, opened)
				}
			case "drop trial":
				b.dropped(true)
			}
			if open := !b.until.IsZero(); open != m.open {
				t.Errorf("%s, %d (%s): open %v", name, i, m.what, open)
			}
		}
	}
}

// moment is something that happens to a breaker, and what is true then.
type moment struct {
	at        time.Duration
	what      string // ask, answer, fail, fail trial, drop trial
	ok, trial bool   // what ask gives
	open      bool   // afterwards
	opened    bool   // what fail gives
}

func openAt0() (story []moment) {
	for i := range 4 {
		story = append(story, moment{what: "fail", open: i == 3, opened: i == 3})
	}
	return story
}

func TestBreakerBackoff(t *testing.T) {
	b := breaker{limit: 1, first: 10 * time.Second, max: 5 * time.Minute}
	now := t0
	for i, want := range []float64{10, 20, 40, 80, 160, 300, 300} {
		b.failed(now, i > 0, 0.5)
		if got := b.until.Sub(now).Seconds(); got != want {
			t.Errorf("back-off %d is %v s, want %v", i+1, got, want)
		}
		now = b.until
		b.admit(now)
	}
	for noise, want := range map[float64]time.Duration{0: 8 * time.Second, 0.9999999: 12 * time.Second} {
		b := breaker{limit: 1, first: 10 * time.Second, max: time.Minute}
		b.failed(t0, false, noise)
		if got := b.until.Sub(t0).Round(time.Millisecond); got != want {
			t.Errorf("noise %v: %v, want %v", noise, got, want)
		}
	}
}

func TestHealth(t *testing.T) {
	var h health
	for i := range downAfter - 1 {
		if h.bad(t0) {
			t.Fatalf("down after %d failures", i+1)
		}
	}
	h.good()
	for range downAfter - 1 {
		h.bad(t0)
	}
	if h.down {
		t.Fatal("an answer between must start anew")
	}
	if !h.bad(t0) || !h.down || h.bad(t0) {
		t.Fatal("the fifth failure in a row is news, once")
	}
	at := t0
	for _, wait := range []time.Duration{5, 10, 20, 40, 60, 60} {
		if at = at.Add(wait * time.Second); h.probeDue(at.Add(-1)) || !h.probeDue(at) || h.probeDue(at) {
			t.Fatalf("probe after %d s is not due, or twice", wait)
		}
	}
	if !h.good() || h.down || h.good() {
		t.Fatal("an answer brings a server back, once")
	}
}

func TestCaseGuard(t *testing.T) {
	var g caseGuard
	if g.keeps(t0) {
		t.Error("a server never heard is not known to keep case")
	}
	if !g.giveUp(t0) || !g.off {
		t.Error("a server that never echoed may be believed")
	}
	g = caseGuard{}
	g.echo(t0)
	if !g.keeps(t0.Add(caseMemory-1)) || g.giveUp(t0.Add(caseMemory-1)) || g.off {
		t.Error("a server that echoed must not be believed")
	}
	if g.keeps(t0.Add(caseMemory)) || !g.giveUp(t0.Add(caseMemory)) {
		t.Error("a day without an echo is like never")
	}
}
