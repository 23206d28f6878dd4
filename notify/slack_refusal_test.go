package notify

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/slack-go/slack"

	"repwatch/incident"
	"repwatch/internal/lab"
	"repwatch/store"
)

// Each refusal of Slack has an answer.
func TestRefusalsOfSlack(t *testing.T) {
	for code, want := range map[string]Kind{
		"ratelimited": Retry, "internal_error": Retry, "service_unavailable": Retry,
		"invalid_auth": Stop, "token_revoked": Stop, "account_inactive": Stop, "not_authed": Stop, "missing_scope": Stop,
		"channel_not_found": Hold, "is_archived": Hold, "not_in_channel": Hold, "restricted_action": Hold, "never_heard_of": Hold,
	} {
		r := readSlack("chat.postMessage", slack.SlackErrorResponse{Err: code, Needed: "chat:write"})
		if r.err.Kind != want || !strings.Contains(r.err.Words, code) {
			t.Errorf("%s: kind %d, words %q; want kind %d", code, r.err.Kind, r.err.Words, want)
		}
		if want == Stop && r.err.Hint == "" || want == Hold && r.err.Hint == "" {
			t.Errorf("%s: nobody is told what to do", code)
		}
	}
	if r := readSlack("x", slack.SlackErrorResponse{Err: "missing_scope", Needed: "chat:write"}); !strings.Contains(r.err.Hint, "add the scope chat:write") {
		t.Errorf("the missing scope is named: %s", r.err.Hint)
	}
	for _, err := range []error{slack.SlackErrorResponse{Err: "fatal_error"}, slack.StatusCodeError{Code: 500}, errors.New("connection reset by peer")} {
		if r := readSlack("x", err); r.err.Refused {
			t.Errorf("%v: the work may be done", err)
		}
	}
	for _, err := range []error{slack.SlackErrorResponse{Err: "ratelimited"}, slack.StatusCodeError{Code: 403}, &slack.RateLimitedError{RetryAfter: time.Second}} {
		if r := readSlack("x", err); !r.err.Refused {
			t.Errorf("%v: nothing was done", err)
		}
	}
}

func TestTheFallbackChannel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.end()
		w.cfg.Slack.Fallback = "#" + lab.SlackFallbackName
		w.start()
		w.slack.RefuseChannel(lab.SlackChannel, "is_archived")
		w.fold(alert("1", incident.AlertOpened, ""))
		w.fold(alert("1", incident.AlertResolved, "1: over"))
		time.Sleep(time.Minute)
		roots := w.slack.Roots()
		if len(roots) != 1 || roots[0].Channel != lab.SlackFallback || len(w.slack.Replies(roots[0].TS)) != 1 {
			t.Fatalf("want one root with a reply in the fallback: %+v", roots)
		}
		if told := w.health(); len(told) != 1 || !strings.Contains(told[0], "is_archived") || !strings.Contains(told[0], "#fallback") {
			t.Errorf("health was told %q", told)
		}
		w.slack.RefuseChannel(lab.SlackChannel, "")
		w.fold(alert("2", incident.AlertOpened, ""))
		time.Sleep(time.Minute)
		if roots := w.slack.Roots(); len(roots) != 2 || roots[1].Channel != lab.SlackChannel {
			t.Errorf("the channel is back, but the next incident is elsewhere: %+v", roots)
		}
		if told := w.health(); len(told) != 2 || told[1] != "slack down=false: " {
			t.Errorf("health was told %q", told)
		}
	})
}

func TestWithoutAFallbackItWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.end()
		w.start()
		w.slack.RefuseChannel(lab.SlackChannel, "not_in_channel")
		w.fold(alert("1", incident.AlertOpened, ""))
		time.Sleep(time.Second)
		if told := w.health(); len(told) != 1 {
			t.Errorf("what only a person can change is told at once: %q", told)
		}
		time.Sleep(time.Hour + time.Minute)
		if n := len(w.slack.Calls()); n != 5 {
			t.Errorf("%d calls in an hour, want one at once and one each 15 min", n)
		}
		if told := w.health(); len(told) != 1 || !strings.Contains(told[0], "/invite @repwatch") {
			t.Errorf("health was told %q", told)
		}
		w.slack.RefuseChannel(lab.SlackChannel, "")
		time.Sleep(15 * time.Minute)
		if len(w.slack.Roots()) != 1 || len(w.pending("slack")) != 0 {
			t.Error("invited, but nothing arrived")
		}
	})
}

// The root was deleted: the thread goes on under a new one.
func TestADeletedRoot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.end()
		w.start()
		w.fold(alert("1", incident.AlertOpened, ""))
		time.Sleep(time.Minute)
		first := w.slack.Roots()[0]
		w.slack.Delete(first.Channel, first.TS)
		w.fold(alert("1", incident.AlertEdit, "evidence"))
		time.Sleep(time.Minute)
		w.fold(alert("1", incident.AlertResolved, "1: over"))
		time.Sleep(time.Minute)
		roots := w.slack.Roots()
		if len(roots) != 1 || roots[0].TS == first.TS || len(w.slack.Replies(roots[0].TS)) != 1 || roots[0].Color != slackTones[incident.ToneGood].color {
			t.Errorf("want one new root, green, with the end in its thread: %+v", roots)
		}
	})
}

// What interrupts is seen in the channel: a reply alone is seen by those who follow the thread.
func TestRepliesForTheChannel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.end()
		w.start()
		w.fold(alert("1", incident.AlertOpened, ""))
		news, loud := alert("1", incident.AlertNews, "1: more"), alert("1", incident.AlertNews, "1: a loss")
		loud.Broadcast = true
		w.fold(news)
		w.fold(loud)
		time.Sleep(time.Minute)
		got := w.slack.Replies(w.slack.Roots()[0].TS)
		if len(got) != 2 || got[0].Broadcast || !got[1].Broadcast {
			t.Errorf("replies %+v", got)
		}
	})
}

func TestARootThatMustNotBeEdited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.end()
		w.start()
		w.fold(alert("1", incident.AlertOpened, ""))
		time.Sleep(time.Minute)
		w.slack.SetRules(lab.SlackRules{Scopes: lab.AllSlackScopes, NoEdit: "edit_window_closed"})
		w.fold(alert("1", incident.AlertNews, "1: more"))
		w.fold(alert("1", incident.AlertResolved, "1: over"))
		time.Sleep(time.Minute)
		roots := w.slack.Roots()
		if len(roots) != 1 || len(w.slack.Replies(roots[0].TS)) != 2 || len(w.pending("slack")) != 0 || len(w.health()) != 0 {
			t.Errorf("want one root with both replies and no trouble: %+v, health %q", roots, w.health())
		}
		edits := slices.DeleteFunc(w.slack.Calls(), func(c lab.SlackCall) bool { return c.Method != "chat.update" })
		if len(edits) != 1 {
			t.Errorf("an edit that is refused for good was tried %d times", len(edits))
		}
	})
}

// Several pieces of news at once are one edit, and an edit that changes nothing is none.
func TestEditsAreCoalesced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.end()
		w.slack.SetRules(lab.SlackRules{Scopes: lab.AllSlackScopes, Pace: slackPace})
		w.start()
		w.fold(alert("1", incident.AlertOpened, ""))
		time.Sleep(time.Minute)
		w.slack.Fail(1, "", lab.SlackFault{Status: 503}) // while it is away, all of this is folded
		for i := range 5 {
			w.fold(alert("1", incident.AlertNews, fmt.Sprintf("news %d", i)))
		}
		time.Sleep(10 * time.Minute)
		root := w.slack.Roots()[0]
		if root.Edits != 1 || len(w.slack.Replies(root.TS)) != 5 {
			t.Errorf("%d edits and %d replies, want 1 and 5", root.Edits, len(w.slack.Replies(root.TS)))
		}
		last := alert("1", incident.AlertEdit, "news 4")
		w.fold(last)
		time.Sleep(time.Minute)
		if root := w.slack.Roots()[0]; root.Edits != 1 {
			t.Errorf("an edit that changes nothing was made")
		}
	})
}

// What is too much for Slack's form is said in plain text; what no form can carry is given up, loudly.
func TestMessagesThatSlackCannotTake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.end()
		w.start()
		w.slack.Fail(1, "chat.postMessage", lab.SlackFault{Error: "msg_blocks_too_long"})
		w.fold(alert("1", incident.AlertOpened, ""))
		time.Sleep(time.Minute)
		roots := w.slack.Roots()
		if len(roots) != 1 || string(roots[0].Attachments) != "[]" || !strings.Contains(roots[0].Text, "Lost:") || !strings.Contains(roots[0].Text, "&lt;203.0.113.7&gt;") {
			t.Fatalf("want the whole message as escaped plain text: %+v", roots)
		}
		w.slack.FailAlways("chat.postMessage", lab.SlackFault{Error: "msg_too_long"})
		w.fold(alert("2", incident.AlertOpened, ""))
		time.Sleep(time.Minute)
		given := slices.DeleteFunc(w.log.all(), func(s string) bool { return !strings.HasPrefix(s, "ERROR notifier: an alert was given up") })
		if len(w.pending("slack")) != 0 || len(given) != 1 || !strings.Contains(given[0], "contoso.com withdrew STARTTLS") {
			t.Errorf("given up: %q", given)
		}
		if n := len(w.slack.Calls()); n != 2+3 {
			t.Errorf("%d calls, want two shapes of the first and three of the second", n)
		}
	})
}

// kill -9 after the attempt was recorded, before its outcome was: both when the
// message got through and when it did not.
func TestKilledWhileSending(t *testing.T) {
	for _, got := range []bool{true, false} {
		t.Run(fmt.Sprintf("got through %t", got), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.cfg.Slack.Channel = "#" + lab.SlackChannelName // its id is not known after a restart
				w.start()
				w.slack.Fail(1, "", lab.SlackFault{Hang: true, Done: got})
				w.fold(alert("1", incident.AlertOpened, ""))
				time.Sleep(time.Second)
				file := copyOf(t, w.path) // what a killed process leaves
				w.end()
				w.path = file
				w.open()
				defer w.end()
				w.start()
				time.Sleep(time.Minute)
				w.fold(alert("1", incident.AlertResolved, "1: over"))
				time.Sleep(time.Minute)
				roots := w.slack.Roots()
				if len(roots) != 1 || len(w.slack.Replies(roots[0].TS)) != 1 || len(w.pending("slack")) != 0 {
					t.Errorf("want one root with one reply: %+v", roots)
				}
			})
		})
	}
}

// A store begun anew counts from 1 again: the messages of the old one are not taken for its own.
func TestAnotherStoreIsNotTakenForThisOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first := newWorld(t)
		first.start()
		first.fold(alert("1", incident.AlertOpened, ""))
		time.Sleep(time.Minute)
		first.end()
		second := newWorld(t)
		defer second.end()
		second.slack = first.slack
		second.start()
		second.slack.Fail(1, "", lab.SlackFault{Reset: true}) // in doubt, and not done
		second.fold(alert("1", incident.AlertOpened, ""))
		time.Sleep(time.Minute)
		if roots := second.slack.Roots(); len(roots) != 2 {
			t.Errorf("%d roots, want one of each store", len(roots))
		}
	})
}

// The state of a notifier outlives a restart, so its recovery is told.
func TestRecoveryAfterARestartIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.start()
		w.slack.FailAlways("", lab.SlackFault{Error: "invalid_auth"})
		w.fold(alert("1", incident.AlertOpened, ""))
		time.Sleep(time.Minute)
		w.end()
		w.slack.Recover()
		w.open()
		defer w.end()
		w.start()
		time.Sleep(time.Minute)
		if told := w.health(); len(told) != 2 || told[1] != "slack down=false: " {
			t.Errorf("health was told %q", told)
		}
		err := w.db.View(func(tx *store.Tx) error {
			n, _, err := tx.Notifiers().Get("slack")
			if n.Down || n.LastOK.IsZero() || n.LastFailure.IsZero() || n.Failures != 0 {
				t.Errorf("kept: %+v", n)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	})
}

// A long wait that Slack asked for is shown as down after 10 minutes, not at its end.
func TestALongWaitIsShown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.end()
		w.start()
		w.slack.FailNext(lab.SlackFault{Status: 429, RetryAfter: time.Hour})
		w.fold(alert("1", incident.AlertOpened, ""))
		time.Sleep(downAfter + time.Second)
		if told := w.health(); len(told) != 1 {
			t.Errorf("health was told %q", told)
		}
	})
}

// A webhook's 400 is answered in plainer words.
func TestAWebhookThatTakesOnlyPlainText(t *testing.T) {
	w := newWorld(t)
	defer w.end()
	w.slack.Fail(1, "webhook", lab.SlackFault{Status: 400})
	h := &slackHook{to: w.slack.HookURL(), client: w.env().client}
	if _, err := h.Send(t.Context(), Sending{Alert: alerts()["opened"]}); err != nil {
		t.Fatal(err)
	}
	if m := w.slack.Messages(); len(m) != 1 || m[0].Attachments != nil || len(w.slack.Calls()) != 2 {
		t.Errorf("%+v", m)
	}
}
