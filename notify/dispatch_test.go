package notify

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"repwatch/config"
	"repwatch/incident"
	"repwatch/internal/lab"
	"repwatch/store"
)

// slow is a notifier that takes its time, and notes when each send began.
type slow struct {
	takes time.Duration
	mu    sync.Mutex
	began []time.Time
	doubt []bool
}

func (*slow) Name() string { return "slow" }

func (n *slow) Send(ctx context.Context, s Sending) (Receipt, error) {
	n.mu.Lock()
	n.began, n.doubt = append(n.began, time.Now()), append(n.doubt, s.InDoubt)
	takes := n.takes
	n.mu.Unlock()
	return Receipt{}, sleep(ctx, takes)
}

// sends are when each send began, and whether it was in doubt.
func (n *slow) sends() (began []time.Time, doubt []bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.began), slices.Clone(n.doubt)
}

func slowWorld(t *testing.T, takes time.Duration) (*world, *slow) {
	w := newWorld(t)
	w.cfg = config.Notify{}
	n := &slow{takes: takes}
	w.extra = []Notifier{n}
	w.start()
	return w, n
}

// A send under way when we stop may finish, but not for ever.
func TestStopping(t *testing.T) {
	for takes, want := range map[time.Duration]struct {
		stops time.Duration
		waits int
	}{5 * time.Second: {5 * time.Second, 0}, time.Hour: {drain, 1}} {
		synctest.Test(t, func(t *testing.T) {
			w, n := slowWorld(t, takes)
			defer func() { w.end() }()
			w.fold(notice("x"))
			synctest.Wait()
			begin := time.Now()
			w.stop()
			<-w.gone
			if took := time.Since(begin); took != want.stops {
				t.Errorf("stopped after %s, want %s", took, want.stops)
			}
			rows := w.pending("slow")
			if len(rows) != want.waits {
				t.Errorf("%d alerts wait, want %d", len(rows), want.waits)
			}
			n.mu.Lock()
			n.takes = 0
			n.mu.Unlock()
			w.start()
			time.Sleep(time.Minute)
			if _, doubt := n.sends(); len(rows) > 0 && (len(doubt) != 2 || !doubt[1]) {
				t.Errorf("what was cut off is in doubt: %v", doubt)
			}
		})
	}
}

// Nothing is sent before it is due, and what was refused for certain is not in doubt.
func TestDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, n := slowWorld(t, 0)
		defer w.end()
		a := notice("x")
		begin := time.Now()
		a.Due = begin.Add(time.Minute)
		w.fold(a)
		time.Sleep(time.Hour)
		if began, doubt := n.sends(); len(began) != 1 || began[0].Sub(begin) != time.Minute || doubt[0] {
			t.Errorf("sent at %v, in doubt %v", began, doubt)
		}
	})
}

// An alert that a later one replaced before its first attempt goes out as the later one.
func TestWhatIsSentIsTheNewest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.end()
		w.start()
		first := alert("1", incident.AlertOpened, "")
		first.Key, first.Due = "opened", time.Now().Add(time.Minute)
		w.fold(first)
		second := first
		second.Message.Title = "203.0.113.7 is listed by two lists"
		w.fold(second)
		time.Sleep(2 * time.Minute)
		if roots := w.slack.Roots(); len(roots) != 1 || !strings.Contains(roots[0].Text, "two lists") {
			t.Errorf("%+v", roots)
		}
	})
}

// What was delivered, but could not be recorded for want of room, is not sent again.
func TestDeliveredIsNotSentAgain(t *testing.T) {
	w, n := slowWorld(t, 0)
	defer func() { w.end() }()
	w.stop()
	<-w.gone
	w.fold(notice("x"))
	s, row := w.d.senders[0], w.pending("slow")[0]
	s.done[row.Seq] = Receipt{}
	if wait := s.step(t.Context(), time.Now()); wait != 0 || len(w.pending("slow")) != 0 {
		t.Errorf("waits %s, %d alerts left", wait, len(w.pending("slow")))
	}
	if began, _ := n.sends(); len(began) != 0 {
		t.Errorf("sent %d times", len(began))
	}
}

// An alert that a person withdrew is not sent.
func TestWithdrawn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, n := slowWorld(t, 0)
		defer w.end()
		s := w.d.senders[0]
		a := notice("x")
		a.Due = time.Now().Add(time.Minute)
		w.fold(a)
		q := w.pending("slow")[0]
		if err := w.db.Update(time.Now(), func(tx *store.Tx) error { return tx.DropPending("slow", q.Seq) }); err != nil {
			t.Fatal(err)
		}
		if wait := s.deliver(t.Context(), q); wait != 0 {
			t.Errorf("a withdrawn alert makes the sender wait %s", wait)
		}
		if began, _ := n.sends(); len(began) != 0 {
			t.Errorf("sent %d times", len(began))
		}
	})
}

func TestTestMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.end()
		w.cfg.Log = &config.LogOut{}
		w.start()
		w.slack.FailAlways("", lab.SlackFault{Error: "invalid_auth"})
		got := w.d.Test(t.Context())
		if len(got) != 2 || got[0].Name != "log" || got[0].Err != nil || got[1].Name != "slack" || got[1].Err == nil || !strings.Contains(got[1].Err.Error(), "xoxb-") {
			t.Errorf("%+v", got)
		}
		if told := w.health(); len(told) != 0 {
			t.Errorf("a test is no news for health: %q", told)
		}
		w.slack.Recover()
		for range 2 {
			if got := w.d.Test(t.Context()); got[1].Err != nil {
				t.Error(got[1].Err)
			}
			time.Sleep(time.Second)
		}
		roots := w.slack.Roots()
		if len(roots) != 2 || tagOf(t, roots[0]).Seq == tagOf(t, roots[1]).Seq {
			t.Errorf("each test is a message of its own: %+v", roots)
		}
		n := slices.IndexFunc(w.log.all(), func(s string) bool { return strings.Contains(s, "Test message") })
		if n < 0 {
			t.Error("the log got none")
		}
	})
}

// Check sends nothing.
func TestCheck(t *testing.T) {
	w := newWorld(t)
	defer w.end()
	w.cfg.Log = &config.LogOut{}
	w.start()
	all, _ := build(&config.Loaded{Config: config.Config{Notify: w.cfg}}, w.env())
	if got := Check(t.Context(), all); len(got) != 1 || got[0].Name != "slack" || got[0].Err != nil {
		t.Errorf("%+v", got)
	}
	w.slack.SetToken("xoxb-another")
	if got := Check(t.Context(), all); asError(got[0].Err).Kind != Stop {
		t.Errorf("%+v", got)
	}
	if len(w.slack.Messages()) != 0 {
		t.Error("a check posted something")
	}
	m, srv := mailer(t, submission)
	if err := (veiled{m, newVeil(nil)}).check(t.Context()); err != nil {
		t.Error(err)
	}
	if s := last(t, srv); slices.Contains(s.Commands, "DATA") || !slices.Contains(s.Commands, "QUIT") {
		t.Errorf("the server heard %q", s.Commands)
	}
}

// The name of a store stays.
func TestOrigin(t *testing.T) {
	w := newWorld(t)
	defer w.end()
	log := slog.New(slog.DiscardHandler)
	first, err := New(w.db, []Notifier{&slow{}}, log, nil)
	if err != nil {
		t.Fatal(err)
	}
	second, err := New(w.db, []Notifier{&slow{}}, log, nil)
	if err != nil || first.senders[0].origin == "" || first.senders[0].origin != second.senders[0].origin {
		t.Errorf("%q, then %q, %v", first.senders[0].origin, second.senders[0].origin, err)
	}
}
