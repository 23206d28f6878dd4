package notify

import (
	"context"
	"log/slog"
	"strings"
	"time"

	"github.com/slack-go/slack"
	"github.com/slack-go/slack/socketmode"

	"repwatch/config"
	"repwatch/incident"
)

// Buttons listens to the buttons of Slack messages through Socket Mode: a
// websocket that we open, so nothing of ours need be reachable from outside.
// https://docs.slack.dev/apis/events-api/using-socket-mode
type Buttons struct {
	api    *slack.Client
	log    *slog.Logger
	hide   *veil
	act    Act
	health func(name string, down bool, why string)
	retry  time.Duration

	told  string    // what health was told last: "", "up" or "down"
	since time.Time // without a connection; zero: there is one
}

// Act carries out what a person asked for: action is one of Message.Actions.
// What it returns is shown to that person alone.
type Act func(ctx context.Context, action, incident, user string) (string, error)

// ButtonsName is the buttons' name for health.
const ButtonsName = "slack-buttons"

const (
	actionPrefix = "repwatch:"
	actLimit     = 30 * time.Second // of one action
	socketRetry  = time.Minute      // after Slack would not have us at all
)

// NewButtons returns nil where buttons are not configured, or their secrets are
// missing: Build says so. Health may be nil.
func NewButtons(cfg *config.Loaded, log *slog.Logger, redact func(string) string, act Act, health func(name string, down bool, why string)) *Buttons {
	c := cfg.Notify.Slack
	if c == nil || !c.AppToken.Set() || !c.Token.Set() {
		return nil
	}
	e := newEnv(log, redact)
	token, err := e.secret(c.Token)
	if err != nil {
		return nil
	}
	appToken, err := e.secret(c.AppToken)
	if err != nil {
		return nil
	}
	if health == nil {
		health = func(string, bool, string) {}
	}
	return &Buttons{api: slackClient(c, e, token, appToken), log: log, hide: e.hide, act: act, health: health, retry: socketRetry}
}

// slackActionLabels are the buttons' words.
var slackActionLabels = map[string]string{
	"ack": "Acknowledge", "snooze-4h": "Snooze 4 h", "snooze-24h": "Snooze 24 h", "snooze-end": "Snooze until it is over",
	"unrelated": "Not the cause", "recheck": "Look again",
}

// slackActions is a row of buttons; what nobody has words for has no button.
func slackActions(m incident.Message) []slack.Block {
	var elements []slack.BlockElement
	for _, action := range m.Actions {
		label := slackActionLabels[action]
		if label == "" {
			continue
		}
		b := slack.NewButtonBlockElement(actionPrefix+action, m.Incident, slack.NewTextBlockObject(slack.PlainTextType, cut(label, slackButton), false, false))
		elements = append(elements, b)
	}
	if len(elements) == 0 {
		return nil
	}
	return []slack.Block{slack.NewActionBlock("", elements...)}
}

// Run listens until ctx ends. The library connects again by itself; what it gives
// up on (a bad token) is tried again every minute, and shown as down.
func (b *Buttons) Run(ctx context.Context) {
	for ctx.Err() == nil {
		client := socketmode.New(b.api, socketmode.OptionReadLimit(1<<20))
		listening := make(chan struct{})
		session, cancel := context.WithCancel(ctx)
		go func() {
			defer close(listening)
			b.listen(session, client)
		}()
		err := client.RunContext(session)
		cancel()
		<-listening
		if ctx.Err() != nil {
			return
		}
		why := b.hide.text(inner(err).Error())
		b.log.Warn("slack buttons: not connected", "why", why, "hint", "notify.slack.app_token must be an app-level token (xapp-) with connections:write, and Socket Mode be on")
		b.tell(true, why)
		if sleep(ctx, b.retry) != nil {
			return
		}
	}
}

func (b *Buttons) listen(ctx context.Context, client *socketmode.Client) {
	for {
		select {
		case <-ctx.Done():
			return
		case event := <-client.Events:
			b.handle(ctx, client, event)
		}
	}
}

func (b *Buttons) handle(ctx context.Context, client *socketmode.Client, event socketmode.Event) {
	switch event.Type {
	case socketmode.EventTypeConnected:
		b.since = time.Time{}
		b.tell(false, "")
	case socketmode.EventTypeConnectionError:
		why := "no connection"
		if e, ok := event.Data.(*slack.ConnectionErrorEvent); ok && e.ErrorObj != nil {
			why = b.hide.text(inner(e.ErrorObj).Error())
		}
		now := time.Now()
		if b.since.IsZero() {
			b.since = now
			b.log.Warn("slack buttons: not connected, trying again", "why", why)
		}
		if now.Sub(b.since) >= downAfter {
			b.tell(true, why)
		}
	case socketmode.EventTypeInteractive:
		if event.Request != nil { // within 3 s, or Slack shows a warning and sends it again
			if err := client.AckCtx(ctx, event.Request.EnvelopeID, nil); err != nil {
				b.log.Warn("slack buttons: a click could not be acknowledged", "why", b.hide.text(err.Error()))
			}
		}
		if click, ok := event.Data.(slack.InteractionCallback); ok && click.Type == slack.InteractionTypeBlockActions {
			b.clicked(ctx, click)
		}
	}
}

// tell tells health what changed.
func (b *Buttons) tell(down bool, why string) {
	state := "up"
	if down {
		state = "down"
	}
	if b.told != state {
		b.told = state
		b.health(ButtonsName, down, why)
	}
}

// clicked acts on each button of a click and answers the person alone.
func (b *Buttons) clicked(ctx context.Context, click slack.InteractionCallback) {
	for _, a := range click.ActionCallback.BlockActions {
		action, ours := strings.CutPrefix(a.ActionID, actionPrefix)
		if !ours || a.Value == "" {
			continue
		}
		ctx, cancel := context.WithTimeout(ctx, actLimit)
		answer, err := b.act(ctx, action, a.Value, clicker(click.User))
		if err != nil {
			answer = "That did not work: " + err.Error()
		}
		b.answer(ctx, click, b.hide.text(answer))
		cancel()
	}
}

// clicker names a person for the record: a name to read, and the id that stays.
func clicker(u slack.User) string {
	if name := join("", u.Name); name != "" && u.ID != "" {
		return name + " (" + u.ID + ")"
	}
	return join("", u.Name, u.ID)
}

func (b *Buttons) answer(ctx context.Context, click slack.InteractionCallback, text string) {
	options := []slack.MsgOption{slack.MsgOptionText(slackEscape(cut(text, slackPlain)), false)}
	if ts := click.Message.ThreadTimestamp; ts != "" {
		options = append(options, slack.MsgOptionTS(ts))
	}
	if _, err := b.api.PostEphemeralContext(ctx, click.Channel.ID, click.User.ID, options...); err != nil {
		b.log.Warn("slack buttons: an answer could not be shown", "why", b.hide.text(inner(err).Error()))
	}
}
