package smtp

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"repwatch/reputation"
)

// sureLook is what the model remembers.
type sureLook struct {
	outcome reputation.Outcome
	at      time.Time
}

// judgeModel watches from outside, with nothing but the looks and the news.
type judgeModel struct {
	state State
	now   time.Time
	cfg   JudgeConfig
	sure  []sureLook
	lost  bool
	mixed bool
}

func TestJudgeInvariants(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &judgeModel{now: storyStart}
		if rapid.IntRange(0, 3).Draw(t, "require") == 0 {
			m.cfg.Require = []string{"STARTTLS", "SIZE"}
		}
		addrs := rapid.IntRange(1, 3).Draw(t, "addrs")
		for range rapid.IntRange(1, 60).Draw(t, "looks") {
			m.now = m.now.Add(time.Duration(rapid.SampledFrom([]int{1, 60, 120, 240, 3600}).Draw(t, "wait")) * time.Second)
			m.step(t, drawLook(t, addrs))
		}
	})
}

func drawLook(t *rapid.T, addrs int) Look {
	l := Look{
		Outcome: reputation.Outcome(rapid.SampledFrom([]int{0, 1, 1, 1, 1, 2, 2, 2, 3, 4, 5, 6}).Draw(t, "outcome")),
		Addr:    netip.AddrFrom4([4]byte{192, 0, 2, byte(rapid.IntRange(1, addrs).Draw(t, "addr"))}),
		Addrs:   addrs,
		Control: reputation.Outcome(rapid.SampledFrom([]int{0, 0, 0, 0, 1, 2, 4}).Draw(t, "control")),
	}
	switch l.Outcome {
	case reputation.Advertised, reputation.Absent, reputation.Broken:
		l.Plain = Capabilities{"SIZE": rapid.SampledFrom([]string{"1", "1", "1", "2"}).Draw(t, "size")}
		if l.Outcome != reputation.Absent {
			l.Plain["STARTTLS"] = ""
		}
		if rapid.IntRange(0, 5).Draw(t, "dsn") == 0 {
			l.Plain["DSN"] = ""
		}
	}
	return l
}

func (m *judgeModel) step(t *rapid.T, l Look) {
	before := m.state
	after, tr, wants := before.Observe(l, m.now, m.cfg)
	again, trAgain, wantsAgain := throughJSON(t, before).Observe(l, m.now, m.cfg)
	same := cmpopts.EquateComparable(netip.Addr{})
	if diff := cmp.Diff(after, again, same) + cmp.Diff(tr, trAgain, same) + cmp.Diff(wants, wantsAgain, same); diff != "" {
		t.Fatalf("the same look gives two results: %s", diff)
	}
	m.state = after
	for _, w := range wants {
		if w.At.Before(m.now) || w.Why == "" {
			t.Fatalf("want %+v at %v", w, m.now)
		}
	}
	if l.Outcome.Verdict() == reputation.Unknown {
		m.unmoved(t, before, tr)
		return
	}
	m.sure = append(m.sure, sureLook{l.Outcome, m.now})
	if tr != nil {
		m.news(t, before, l, tr)
	}
	if m.lost != (after.Standing == StandingLost) || m.mixed != after.Mixed || m.lost != (after.Loss != "") {
		t.Fatalf("told lost=%v mixed=%v, state %+v", m.lost, m.mixed, after)
	}
	if after.Suspects() && (len(wants) == 0 || wants[0].Who != WantSelf) {
		t.Fatalf("a suspicion asks for no second look: %+v", after)
	}
}

// unmoved: rule of truth 1.
func (m *judgeModel) unmoved(t *rapid.T, before State, tr *Transition) {
	after := m.state
	if tr != nil {
		t.Fatalf("news from a look that told nothing: %+v", tr)
	}
	if after.Failed != before.Failed+1 || !after.LastLook.Equal(m.now) {
		t.Fatalf("failed %d, last look %v", after.Failed, after.LastLook)
	}
	after.Failed, after.LastLook = before.Failed, before.LastLook
	if diff := cmp.Diff(before, after, cmpopts.EquateComparable(netip.Addr{})); diff != "" {
		t.Fatalf("a look that told nothing moved the state: %s", diff)
	}
}

func (m *judgeModel) news(t *rapid.T, before State, l Look, tr *Transition) {
	if tr.By.After(m.now) || !tr.After.IsZero() && tr.After.After(tr.By) || tr.FirstSight != (tr.Kind == Lost && tr.After.IsZero()) {
		t.Fatalf("bracket (%v, %v] first sight %v at %v", tr.After, tr.By, tr.FirstSight, m.now)
	}
	switch tr.Kind {
	case Lost:
		if m.lost || tr.Loss == "" || tr.Loss == LossDeferred {
			t.Fatalf("lost twice, or nothing: %+v", tr)
		}
		m.proven(t, before, l, tr)
		m.lost, m.mixed = true, false
	case Back:
		if !m.lost {
			t.Fatalf("back, but not lost: %+v", tr)
		}
		m.agreeing(t, tr, func(o reputation.Outcome) bool { return o == reputation.Advertised || o == reputation.Absent })
		m.lost, m.mixed = false, false
	case Flapping:
		if m.mixed || len(m.sure) < 3 {
			t.Fatalf("flapping twice, or from %d looks", len(m.sure))
		}
		m.mixed = true
	case Steady:
		if !m.mixed {
			t.Fatal("steady, but not flapping")
		}
		m.mixed = false
	case Changed:
		if len(tr.Went)+len(tr.Came)+len(tr.Changed) == 0 && !m.lost {
			t.Fatalf("changed, but what? %+v", tr)
		}
	}
}

// proven: a loss has two sure bad looks, or first sight with somebody who knows better.
func (m *judgeModel) proven(t *rapid.T, before State, l Look, tr *Transition) {
	served := l.Control == reputation.Advertised || l.Control == reputation.Absent
	if (served || len(m.cfg.Require) > 0) && (before.Standing == StandingNew || !before.OfferedTLS) {
		return
	}
	m.agreeing(t, tr, func(o reputation.Outcome) bool {
		return o != reputation.Advertised || len(m.cfg.Require) > 0
	})
}

func (m *judgeModel) agreeing(t *rapid.T, tr *Transition, fits func(reputation.Outcome) bool) {
	n := 0
	for _, s := range m.sure {
		if s.at.Before(tr.By) {
			continue
		}
		n++
		if !fits(s.outcome) {
			t.Fatalf("%s although a look since %v was %s", tr.Kind, tr.By, s.outcome)
		}
	}
	if n < 2 || n != tr.Looks || m.now.Sub(tr.By) < m.cfg.confirmAfter() {
		t.Fatalf("%s after %d looks (told %d) in %v", tr.Kind, n, tr.Looks, m.now.Sub(tr.By))
	}
}
