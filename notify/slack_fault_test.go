package notify

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"repwatch/incident"
	"repwatch/internal/lab"
)

// story is two incidents side by side, and a notice.
func (w *world) story(between func()) {
	for _, a := range []incident.Alert{
		alert("1", incident.AlertOpened, ""),
		alert("2", incident.AlertOpened, ""),
		alert("1", incident.AlertNews, "1: fabrikam.net rejects us now"),
		notice("contoso.com offers REQUIRETLS"),
		alert("1", incident.AlertEdit, ""),
		alert("2", incident.AlertNews, "2: and northwind.example too"),
		alert("1", incident.AlertReminder, "1: still open after 24 h"),
		alert("1", incident.AlertResolved, "1: over"),
	} {
		w.fold(a)
		between()
	}
}

// check: what the story tells is in Slack, once and in order (rule of truth 9).
func (w *world) check() {
	w.t.Helper()
	if rows := w.pending("slack"); len(rows) > 0 {
		w.t.Errorf("%d alerts still wait, the first: %s", len(rows), rows[0].Failed)
	}
	roots := map[string][]lab.SlackMessage{}
	for _, m := range w.slack.Roots() {
		switch id := tagOf(w.t, m).Incident; {
		case m.Channel == lab.SlackFallback && !w.moved:
			w.t.Errorf("this went to the fallback, though the channel is there: %s", m.Text)
		case strings.Contains(m.Text, "Test message"):
		default:
			roots[id] = append(roots[id], m)
		}
	}
	for id, want := range map[string][]string{
		"":  nil,
		"1": {"1: fabrikam.net rejects us now", "1: still open after 24 h", "1: over"},
		"2": {"2: and northwind.example too"},
	} {
		if n := len(roots[id]); n == 0 || n > 1 && !w.moved {
			w.t.Errorf("incident %q has %d root messages, want 1", id, n)
			continue
		}
		var said []string
		for _, root := range roots[id] {
			for _, m := range w.slack.Replies(root.TS) {
				said = append(said, m.Text)
			}
		}
		if !slices.Equal(said, want) {
			w.t.Errorf("incident %q: the thread says %q, want %q", id, said, want)
		}
	}
	if last := roots["1"]; len(last) > 0 && !strings.Contains(last[len(last)-1].Text, slackTones[incident.ToneGood].symbol) {
		w.t.Errorf("the end did not turn the root green: %s", last[len(last)-1].Text)
	}
}

func tagOf(t *testing.T, m lab.SlackMessage) (tag slackTag) {
	t.Helper()
	var meta struct {
		EventPayload struct {
			Origin, Incident, Part string
			Seq                    uint64
		} `json:"event_payload"`
	}
	if len(m.Metadata) > 0 {
		if err := json.Unmarshal(m.Metadata, &meta); err != nil {
			t.Error(err)
		}
	}
	p := meta.EventPayload
	return slackTag{p.Origin, p.Incident, p.Seq, p.Part}
}

var slackFaults = map[string]lab.SlackFault{
	"500 before the work":    {Status: http.StatusInternalServerError},
	"500 after the work":     {Status: http.StatusInternalServerError, Done: true},
	"503 after the work":     {Status: http.StatusServiceUnavailable, Done: true},
	"reset before the work":  {Reset: true},
	"reset after the work":   {Reset: true, Done: true},
	"silence before":         {Hang: true},
	"silence after the work": {Hang: true, Done: true},
	"429":                    {Status: http.StatusTooManyRequests, RetryAfter: 30 * time.Second},
	"internal_error, done":   {Error: "internal_error", Done: true},
	"fatal_error":            {Error: "fatal_error"},
	"invalid_auth":           {Error: "invalid_auth"},
	"channel_not_found":      {Error: "channel_not_found"},
	"an unheard-of error":    {Error: "quota_of_the_moon_exceeded"},
	"invalid_blocks":         {Error: "invalid_blocks"},
}

// Fail the n-th call, in every way, and play on to the end.
func TestEveryCallToSlackMayFail(t *testing.T) {
	for name, fault := range slackFaults {
		t.Run(name, func(t *testing.T) {
			for n := 1; ; n++ {
				calls := 0
				t.Run(fmt.Sprint(n), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) { calls = playWithFault(t, n, fault) })
				})
				if calls < n || t.Failed() {
					return
				}
			}
		})
	}
}

func playWithFault(t *testing.T, n int, fault lab.SlackFault) (calls int) {
	w := newWorld(t)
	defer w.end()
	w.slack.SetRules(lab.SlackRules{Scopes: lab.AllSlackScopes, Pace: slackPace})
	w.cfg.Slack.Fallback = lab.SlackFallback
	w.start()
	w.moved = fault.Error == "channel_not_found" // a thread whose channel is gone goes on under a new root
	w.slack.Fail(n, "", fault)
	w.story(func() { time.Sleep(20 * time.Second) })
	time.Sleep(time.Hour)
	if len(w.pending("slack")) > 0 && fault.Error == "invalid_auth" { // a person corrected it
		if r := w.d.Test(t.Context()); r[0].Err != nil {
			t.Errorf("after the token works again: %v", r[0].Err)
		}
		time.Sleep(time.Hour)
	}
	w.check()
	return len(w.slack.Calls())
}

// Without the history scopes nothing is lost; what was in doubt may come twice.
func TestWithoutTheHistoryScopesNothingIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.end()
		w.slack.SetRules(lab.SlackRules{Scopes: []string{"chat:write"}})
		w.start()
		w.slack.Fail(1, "chat.postMessage", lab.SlackFault{Reset: true, Done: true})
		w.fold(alert("1", incident.AlertOpened, ""))
		time.Sleep(time.Minute)
		w.fold(alert("1", incident.AlertResolved, "1: over"))
		time.Sleep(time.Minute)
		roots := w.slack.Roots()
		if len(roots) != 2 || len(w.slack.Replies(roots[1].TS)) != 1 || len(w.pending("slack")) > 0 {
			t.Errorf("%d roots, want 2, the thread under the second", len(roots))
		}
		said := slices.DeleteFunc(w.log.all(), func(s string) bool { return !strings.Contains(s, "may come twice") })
		if len(said) != 1 || !strings.Contains(said[0], "missing_scope") {
			t.Errorf("the log says so once, with the reason: %q", said)
		}
	})
}

// Slack is away for hours: the outbox is kept, people are told once, then all arrives in order.
func TestSlackIsAwayForHours(t *testing.T) {
	for name, fault := range map[string]lab.SlackFault{"502": {Status: http.StatusBadGateway}, "reset": {Reset: true}, "silence": {Hang: true}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				defer w.end()
				w.start()
				w.slack.FailAlways("", fault)
				begin := time.Now()
				w.story(func() { time.Sleep(30 * time.Second) })
				time.Sleep(downAfter - time.Since(begin) - time.Minute)
				if told := w.health(); len(told) > 0 {
					t.Errorf("down after less than %s: %q", downAfter, told)
				}
				time.Sleep(2 * time.Hour)
				if calls := len(w.slack.Calls()); calls > 50 {
					t.Errorf("%d calls in two hours: the back-off does not grow", calls)
				}
				w.slack.Recover()
				time.Sleep(time.Hour)
				w.check()
				if told := w.health(); len(told) != 2 || !strings.HasPrefix(told[0], "slack down=true: conversations.history: ") || told[1] != "slack down=false: " {
					t.Errorf("health was told %q", told)
				}
			})
		})
	}
}

// 429 is obeyed to the second, and nothing else is sent meanwhile.
func TestSlackAsksUsToWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.end()
		w.start()
		w.slack.Fail(1, "", lab.SlackFault{Status: http.StatusTooManyRequests, RetryAfter: 90 * time.Second})
		w.fold(alert("1", incident.AlertOpened, ""))
		w.fold(alert("2", incident.AlertOpened, ""))
		time.Sleep(10 * time.Minute)
		calls := w.slack.Calls()
		if len(calls) != 3 {
			t.Fatalf("%d calls, want the refused one and two more: %+v", len(calls), calls)
		}
		if waited := calls[1].At.Sub(calls[0].At); waited != 90*time.Second {
			t.Errorf("waited %s, want 90 s", waited)
		}
		if pace := calls[2].At.Sub(calls[1].At); pace < slackPace {
			t.Errorf("two messages to one channel within %s", pace)
		}
	})
}

func TestABadTokenStopsTheSender(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.end()
		w.start()
		w.slack.FailAlways("", lab.SlackFault{Error: "token_revoked"})
		w.fold(alert("1", incident.AlertOpened, ""))
		time.Sleep(time.Minute)
		w.fold(alert("1", incident.AlertResolved, "over"))
		time.Sleep(24 * time.Hour)
		if n := len(w.slack.Calls()); n != 1 {
			t.Errorf("a revoked token was tried %d times", n)
		}
		if rows := w.pending("slack"); len(rows) != 2 || !strings.Contains(rows[0].Failed, "token_revoked") || !strings.Contains(rows[0].Failed, "install it again") {
			t.Errorf("the outbox is kept, with the reason and what to do: %+v", rows)
		}
		if told := w.health(); len(told) != 1 || !strings.HasPrefix(told[0], "slack down=true: ") {
			t.Errorf("health was told %q", told)
		}
		w.slack.Recover()
		w.d.Test(t.Context()) // a person corrected it
		time.Sleep(time.Minute)
		if rows := w.pending("slack"); len(rows) > 0 {
			t.Errorf("%d alerts still wait", len(rows))
		}
	})
}

// The root mentions whom its first alert mentions, and edits keep that without
// mentioning again; what mentions later does so in the thread.
func TestWhoIsMentioned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.end()
		w.start()
		for i, a := range []incident.Alert{alert("1", incident.AlertOpened, ""), alert("1", incident.AlertNews, "1: it got worse"), alert("2", incident.AlertOpened, ""), alert("2", incident.AlertNews, "2: it got worse")} {
			a.Mention = i == 0 || i == 3
			w.fold(a)
			time.Sleep(time.Minute)
		}
		roots := w.slack.Roots()
		for i, want := range []bool{true, false} {
			reply := w.slack.Replies(roots[i].TS)[0]
			if got := strings.Contains(roots[i].Text, "<!here>"); got != want || roots[i].Edits != 1 {
				t.Errorf("incident %d: the root mentions: %t, edits %d", i+1, got, roots[i].Edits)
			}
			if got := strings.Contains(reply.Text, "<!here>"); got == want {
				t.Errorf("incident %d: the reply mentions: %t", i+1, got)
			}
		}
	})
}

// News of an incident that has no root here makes one; a reply in doubt is not
// taken to be there because its root is.
func TestNewsWithoutARoot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.end()
		w.start()
		w.fold(alert("1", incident.AlertEdit, "evidence")) // nothing to edit
		w.slack.Fail(2, "", lab.SlackFault{Reset: true})
		news := alert("1", incident.AlertNews, "1: it got worse")
		news.Mention = true
		w.fold(news)
		time.Sleep(time.Minute)
		roots := w.slack.Roots()
		if len(roots) != 1 || len(w.slack.Replies(roots[0].TS)) != 1 || len(w.pending("slack")) != 0 {
			t.Fatalf("want a root and the reply: %+v", roots)
		}
		if strings.Contains(roots[0].Text, "<!here>") || !strings.Contains(w.slack.Replies(roots[0].TS)[0].Text, "<!here>") {
			t.Error("the reply mentions, and it alone")
		}
	})
}
