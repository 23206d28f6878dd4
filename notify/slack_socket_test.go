package notify

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"repwatch/config"
	"repwatch/incident"
	"repwatch/internal/lab"
)

// clicks are buttons that listen to a lab Slack, and what became of it.
type clicks struct {
	slack *lab.Slack
	log   *records
	mu    sync.Mutex
	acted []string
	told  []string
	fail  error
}

// listen starts the buttons; they end with the test.
func listen(t *testing.T, appToken string) *clicks {
	t.Helper()
	slack, err := lab.NewSlack()
	if err != nil {
		t.Fatal(err)
	}
	c := &clicks{slack: slack, log: &records{}}
	cfg := &config.Loaded{Config: config.Config{Notify: config.Notify{Slack: &config.Slack{Token: config.NewSecret(slack.Token),
		AppToken: config.NewSecret(appToken), Channel: lab.SlackChannel, APIURL: slack.URL()}}}}
	b := NewButtons(cfg, slog.New(c.log), nil, c.act, func(name string, down bool, why string) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.told = append(c.told, fmt.Sprintf("%s down=%t %s", name, down, why))
	})
	b.retry = 20 * time.Millisecond
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); b.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		<-done
		slack.Close()
		goleak.VerifyNone(t, goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop"), goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop"))
	})
	return c
}

// actions are those carried out so far.
func (c *clicks) actions() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.acted)
}

func (c *clicks) act(_ context.Context, action, id, user string) (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.acted = append(c.acted, action+" "+id+" by "+user)
	return "Acknowledged <#" + id + ">", c.fail
}

// eventually waits for what happens over the network.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	end := time.After(10 * time.Second)
	for !ok() {
		select {
		case <-end:
			t.Fatalf("never: %s", what)
		case <-time.After(2 * time.Millisecond):
		}
	}
}

func (c *clicks) whispers() (texts []string) {
	for _, m := range c.slack.Messages() {
		if m.Ephemeral != "" {
			texts = append(texts, m.Ephemeral+": "+m.Text)
		}
	}
	return texts
}

func TestButtons(t *testing.T) {
	c := listen(t, "xapp-lab-app-token")
	m := lab.SlackMessage{Channel: lab.SlackChannel, TS: "1.000001"}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	id, err := c.slack.Click(ctx, "U0POSTMASTER", m, "repwatch:ack", "7")
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the click is acknowledged and answered", func() bool { return c.slack.Acknowledged(id) && len(c.whispers()) == 1 })
	if c.actions()[0] != "ack 7 by U0POSTMASTER (U0POSTMASTER)" || c.whispers()[0] != "U0POSTMASTER: Acknowledged &lt;#7&gt;" {
		t.Errorf("acted %q, answered %q", c.actions(), c.whispers())
	}
	c.slack.DropSockets() // the library connects again
	c.mu.Lock()
	c.fail = errors.New("incident 7 is over")
	c.mu.Unlock()
	eventually(t, "a click after the connection broke is answered", func() bool {
		if _, err := c.slack.Click(ctx, "U0POSTMASTER", m, "repwatch:snooze-4h", "7"); err != nil {
			return false // written to the old connection
		}
		return len(c.whispers()) > 1
	})
	if got := c.whispers()[1]; got != "U0POSTMASTER: That did not work: incident 7 is over" {
		t.Errorf("answered %q", got)
	}
	before := len(c.actions())
	id, err = c.slack.Click(ctx, "U0POSTMASTER", m, "someone-elses:button", "7")
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "a foreign click is acknowledged", func() bool { return c.slack.Acknowledged(id) })
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, a := range c.acted[before:] {
		if !strings.HasPrefix(a, "snooze-4h") {
			t.Errorf("a foreign button was acted on: %q", a)
		}
	}
}

// A bad app token is shown as down, does not show itself, and is tried again.
func TestButtonsWithABadToken(t *testing.T) {
	c := listen(t, "xapp-not-this-one")
	eventually(t, "two tries", func() bool { return len(c.slack.Calls()) >= 2 })
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.told) != 1 || c.told[0] != "slack-buttons down=true invalid_auth" {
		t.Errorf("health was told %q", c.told)
	}
	for _, line := range c.log.all() {
		if strings.Contains(line, "xapp-not") {
			t.Errorf("the token shows: %s", line)
		}
	}
}

func TestButtonsNeedSecrets(t *testing.T) {
	for name, c := range map[string]*config.Slack{
		"no slack": nil, "no app token": {Token: config.NewSecret("xoxb-1")}, "webhook": {WebhookURL: config.NewSecret("https://hooks.example.com/x")},
		"missing": {Token: config.NewSecret("xoxb-1"), AppToken: config.NewSecret("${env:REPWATCH_TEST_NO_TOKEN}")},
	} {
		cfg := &config.Loaded{Config: config.Config{Notify: config.Notify{Slack: c}}}
		if NewButtons(cfg, slog.New(slog.DiscardHandler), nil, nil, nil) != nil {
			t.Errorf("%s: there are buttons", name)
		}
		built, _ := Build(cfg, slog.New(slog.DiscardHandler), nil)
		for _, n := range built {
			if b, ok := n.(veiled).Notifier.(*slackBot); ok && b.buttons {
				t.Errorf("%s: messages show buttons that nobody listens to", name)
			}
		}
	}
	m := listed("7", incident.ToneBad)
	if n := len(slackActions(m)); n != 1 {
		t.Errorf("%d blocks of buttons", n)
	}
	if m.Actions = []string{"unheard-of"}; slackActions(m) != nil {
		t.Error("a button without words")
	}
}
