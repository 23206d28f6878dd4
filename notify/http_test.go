package notify

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"repwatch/config"
	"repwatch/internal/lab"
)

// receiver answers with a status, and keeps what it got.
type receiver struct {
	status int
	header http.Header
	body   string
	got    []WebhookAlert
	keys   []string
	token  string
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	var a WebhookAlert
	if err := json.NewDecoder(req.Body).Decode(&a); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	r.got, r.keys, r.token = append(r.got, a), append(r.keys, req.Header.Get("Idempotency-Key")), req.Header.Get("X-Token")
	for k, v := range r.header {
		w.Header()[k] = v
	}
	w.WriteHeader(r.status)
	_, _ = w.Write([]byte(r.body)) // a recorder takes everything
}

func hooked(t *testing.T, r http.Handler) Notifier {
	t.Helper()
	e := newEnv(slog.New(slog.DiscardHandler), nil)
	e.client.Transport = inProcess{r}
	cfg := config.Notify{Webhook: []config.Webhook{{URL: config.NewSecret("https://hooks.example.com/in"), Header: map[string]config.Secret{"X-Token": config.NewSecret("t0ps3cret")}}}}
	all, problems := build(&config.Loaded{Config: config.Config{Notify: cfg}}, e)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	return all[0]
}

func TestWebhook(t *testing.T) {
	r := &receiver{status: http.StatusNoContent}
	n := hooked(t, r)
	for _, name := range []string{"opened", "digest"} {
		if _, err := n.Send(t.Context(), Sending{Alert: alerts()[name], Origin: "0a1b"}); err != nil {
			t.Fatal(err)
		}
	}
	if len(r.got) != 2 || r.got[0].Schema != "repwatch/alert/v1" || *r.got[0].Incident != "7" || r.got[1].Incident != nil || r.token != "t0ps3cret" {
		t.Errorf("got %+v with token %q", r.got, r.token)
	}
	if r.keys[0] != "0a1b-7-42" || r.keys[1] != "0a1b-42" {
		t.Errorf("keys %q", r.keys)
	}
}

func TestWhatWebhooksAnswer(t *testing.T) {
	for name, c := range map[string]struct {
		receiver
		kind    Kind
		after   time.Duration
		refused bool
		words   string
	}{
		"too many":      {receiver{status: 429, header: http.Header{"Retry-After": {"17"}}}, Retry, 17 * time.Second, true, "HTTP 429 Too Many Requests"},
		"busy":          {receiver{status: 503, header: http.Header{"Retry-After": {"9"}}}, Retry, 9 * time.Second, true, "HTTP 503"},
		"broken":        {receiver{status: 500, body: "oops\n"}, Retry, 0, false, "HTTP 500 Internal Server Error: oops"},
		"gone":          {receiver{status: 410}, Hold, 0, true, "HTTP 410 Gone (the endpoint is gone"},
		"not found":     {receiver{status: 404}, Hold, 0, true, "HTTP 404"},
		"forbidden":     {receiver{status: 403}, Hold, 0, true, "HTTP 403"},
		"moved":         {receiver{status: 302, header: http.Header{"Location": {"/elsewhere"}}}, Hold, 0, true, "HTTP 302 Found (redirects are not followed"},
		"unprocessable": {receiver{status: 422, body: "no such field"}, Skip, retryRefused, true, "HTTP 422 Unprocessable Entity: no such field"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := hooked(t, &c.receiver).Send(t.Context(), Sending{Alert: alerts()["opened"]})
			e := asError(err)
			if err == nil || e.Kind != c.kind || e.After != c.after || e.Refused != c.refused || !strings.HasPrefix(e.Error(), c.words) {
				t.Errorf("%+v, want %+v", e, c)
			}
		})
	}
	at := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Duration{"": 0, "30": 30 * time.Second, "-1": 0, "soon": 0, "Tue, 24 Nov 2026 12:01:30 GMT": 90 * time.Second,
		"Tue, 24 Nov 2026 11:00:00 GMT": 0, "999999999": 24 * time.Hour} {
		if got := retryAfter(http.Header{"Retry-After": {text}}, at); got != want {
			t.Errorf("Retry-After %q: %s, want %s", text, got, want)
		}
	}
}

// A Slack webhook can neither edit nor thread: each piece of news is a message.
func TestSlackWebhook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.end()
		w.cfg.Slack = &config.Slack{WebhookURL: config.NewSecret(w.slack.HookURL())}
		w.start()
		w.slack.FailNext(lab.SlackFault{Status: 500}, lab.SlackFault{Status: 429, RetryAfter: 40 * time.Second})
		w.story(func() {})
		time.Sleep(10 * time.Minute)
		if got := w.slack.Messages(); len(got) != 7 || len(w.pending("slack")) != 0 { // all but the edit
			t.Errorf("%d messages, want 7", len(got))
		}
		calls := w.slack.Calls()
		if waited := calls[2].At.Sub(calls[1].At); waited != 40*time.Second {
			t.Errorf("waited %s, want 40 s", waited)
		}
		w.slack.Hook = "/services/another"
		w.fold(notice("x"))
		time.Sleep(24 * time.Hour)
		if told := w.health(); len(w.slack.Calls()) != len(calls)+1 || len(told) != 1 || !strings.Contains(told[0], "no_service (the webhook was revoked") {
			t.Errorf("a revoked webhook stops the sender: %q", told)
		}
	})
}

func TestWhatSlackWebhooksAnswer(t *testing.T) {
	for text, c := range map[string]struct {
		status int
		kind   Kind
	}{
		"channel_is_archived": {410, Hold}, "channel_not_found": {404, Hold}, "action_prohibited": {403, Hold}, "no_service": {404, Stop}, "no_team": {404, Stop},
		"invalid_token": {403, Stop}, "rollup_error": {500, Retry},
	} {
		if err := (answer{status: c.status, text: text}).slackHookError(); asError(err).Kind != c.kind {
			t.Errorf("%s: kind %d, want %d", text, asError(err).Kind, c.kind)
		}
	}
}

// A notifier that is down holds back no other; one that refuses a message holds back no other message.
func TestOneNotifierDoesNotHoldBackAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.end()
		picky := &pickyNotifier{refuse: "1"}
		w.cfg.Log = &config.LogOut{}
		w.extra = []Notifier{picky}
		w.start()
		w.slack.FailAlways("", lab.SlackFault{Hang: true})
		w.story(func() {})
		time.Sleep(5 * time.Second)
		if n := len(w.pending("log")); n != 0 {
			t.Errorf("%d alerts of the log wait for Slack", n)
		}
		if got := strings.Fields(picky.all()); !slices.Equal(got, []string{"2", "2"}) { // beside a notice of none; of incident 1 none, as its first is refused
			t.Errorf("delivered of incidents %q", got)
		}
		picky.allow()
		time.Sleep(15*time.Minute + time.Second)
		if got := strings.Fields(picky.all()); !slices.Equal(got, strings.Fields("2 2 1 1 1 1 1")) {
			t.Errorf("delivered of incidents %q", got)
		}
	})
}

// pickyNotifier refuses the alerts of one incident.
type pickyNotifier struct {
	mu     sync.Mutex
	refuse string
	got    []string
}

func (*pickyNotifier) Name() string { return "picky" }

func (p *pickyNotifier) Send(_ context.Context, s Sending) (Receipt, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.refuse != "" && s.Alert.Incident == p.refuse {
		return Receipt{}, &Error{Kind: Skip, After: retryRefused, Words: "not this one", Refused: true}
	}
	p.got = append(p.got, s.Alert.Incident)
	return Receipt{}, nil
}

func (p *pickyNotifier) allow() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refuse = ""
}

func (p *pickyNotifier) all() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.got, " ")
}
