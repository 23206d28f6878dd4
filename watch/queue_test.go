package watch

import (
	"testing"
	"testing/synctest"
	"time"

	"repwatch/checks"
)

func askFor(partner, why string, at time.Time) checks.Ask {
	return checks.Ask{Check: "partners", Partner: partner, Why: why, At: at, From: []string{seven}}
}

func mustTake(t *testing.T, q *queue, now time.Time, partner string) checks.Ask {
	t.Helper()
	a, ok, _ := q.take(now)
	if !ok || a.Partner != partner {
		t.Fatalf("took %+v (%v), want %s", a, ok, partner)
	}
	return a
}

func noneDue(t *testing.T, q *queue, now time.Time, wait time.Duration) {
	t.Helper()
	if a, ok, w := q.take(now); ok || w != wait {
		t.Fatalf("took %+v (%v), next in %v, want none for %v", a, ok, w, wait)
	}
}

func TestQueueGivesWhatIsDueLongest(t *testing.T) {
	q := newQueue()
	noneDue(t, q, morning, -1)
	q.add(askFor("b", "confirm", morning.Add(time.Minute)), askFor("c", "confirm", morning), askFor("a", "confirm", morning))
	mustTake(t, q, morning, "a")
	mustTake(t, q, morning, "c")
	noneDue(t, q, morning, time.Minute)
	mustTake(t, q, morning.Add(time.Minute), "b")
}

// Of two asks with one key the earlier moment counts, and what the later wants of it.
func TestQueueKeepsTheEarlierMoment(t *testing.T) {
	for _, order := range [][2]time.Duration{{0, time.Minute}, {time.Minute, 0}} {
		q := newQueue()
		q.add(askFor("a", "confirm", morning.Add(order[0])))
		q.add(askFor("a", "control", morning.Add(order[1])))
		if a := mustTake(t, q, morning, "a"); a.Why != "control" {
			t.Errorf("why %s", a.Why)
		}
		q.done(askFor("a", "control", morning), morning, true)
		noneDue(t, q, morning, -1)
	}
}

// One key is looked at by one look at a time; what is asked meanwhile waits for its end.
func TestQueueNeverOverlapsALook(t *testing.T) {
	q := newQueue()
	q.add(askFor("a", "confirm", morning))
	a := mustTake(t, q, morning, "a")
	q.add(askFor("a", "confirm", morning))
	noneDue(t, q, morning, -1)
	q.done(a, morning, true)
	mustTake(t, q, morning, "a")
}

// A scheduled look is not asked for again while it waits or is under way.
func TestQueueDropsRoundsThatCatchUp(t *testing.T) {
	q := newQueue()
	q.add(askFor("a", checks.WhySchedule, morning))
	q.add(askFor("a", checks.WhySchedule, morning.Add(-time.Hour)))
	a := mustTake(t, q, morning, "a")
	if !a.At.Equal(morning) {
		t.Errorf("the round that waits was moved to %v", a.At)
	}
	q.add(askFor("a", checks.WhySchedule, morning))
	q.done(a, morning, true)
	noneDue(t, q, morning, -1)
}

func TestQueueRepeatsUntil(t *testing.T) {
	q := newQueue()
	a := askFor("a", "listing", morning)
	a.Every, a.Until = 5*time.Minute, morning.Add(12*time.Minute)
	q.add(a)
	now := morning
	for range 2 {
		a = mustTake(t, q, now, "a")
		q.done(a, now, true)
		noneDue(t, q, now, 5*time.Minute)
		now = now.Add(5 * time.Minute)
	}
	q.done(mustTake(t, q, now, "a"), now, true)
	noneDue(t, q, now, -1) // 15 minutes are past Until
}

// A watch and a single look of the same pair stand side by side.
func TestQueueWatchDoesNotPutOffAConfirmation(t *testing.T) {
	q := newQueue()
	watch := askFor("a", "listing", morning.Add(5*time.Minute))
	watch.Every, watch.Until = 5*time.Minute, morning.Add(time.Hour)
	q.add(watch, askFor("a", "confirm", morning.Add(2*time.Minute)))
	mustTake(t, q, morning.Add(2*time.Minute), "a")
	noneDue(t, q, morning.Add(2*time.Minute), 3*time.Minute)
}

// What was given up waits again; what was asked for meanwhile has the word.
func TestQueueTakesBackWhatWasGivenUp(t *testing.T) {
	q := newQueue()
	q.add(askFor("a", "confirm", morning))
	a := mustTake(t, q, morning, "a")
	q.giveBack(a)
	a = mustTake(t, q, morning, "a")
	q.add(askFor("a", "control", morning.Add(time.Minute)))
	q.giveBack(a)
	if a = mustTake(t, q, morning.Add(time.Minute), "a"); a.Why != "control" {
		t.Errorf("why %s", a.Why)
	}
}

func TestQueueTellsThatThereIsNews(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue()
		go func() {
			time.Sleep(time.Hour)
			q.add(askFor("a", "confirm", time.Now()), askFor("b", "confirm", time.Now()))
			q.add(askFor("c", "confirm", time.Now())) // nobody took the token yet: that does not block
		}()
		<-q.changed
		if waiting, running := q.list(); len(waiting) == 0 || running != 0 {
			t.Errorf("%d wait, %d run", len(waiting), running)
		}
		synctest.Wait()
	})
}
