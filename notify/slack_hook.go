package notify

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"

	"repwatch/incident"
)

// slackHook is an incoming webhook of Slack: it can neither edit nor thread, so
// each piece of news is a message of its own.
// https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks
type slackHook struct {
	to      string
	mention string
	client  *http.Client
}

func (h *slackHook) Name() string { return "slack" }

func (h *slackHook) Send(ctx context.Context, s Sending) (Receipt, error) {
	if s.Alert.Kind == incident.AlertEdit {
		return Receipt{}, nil
	}
	m := slackAlone(s, mentionFor(s.Alert, h.mention))
	for _, shape := range m.shapes() {
		body, err := json.Marshal(shape)
		if err != nil {
			return Receipt{}, &Error{Kind: Drop, Words: "the alert cannot be written as JSON: " + err.Error()}
		}
		a, err := post(ctx, h.client, h.to, nil, body)
		if err != nil {
			return Receipt{}, err
		}
		if a.status == http.StatusBadRequest { // too long or malformed for Slack: say it more plainly
			continue
		}
		return Receipt{}, a.slackHookError()
	}
	return Receipt{}, &Error{Kind: Drop, Words: "Slack takes this message in no form, not even as short plain text", Refused: true}
}

// slackHookError says who must act on an incoming webhook's answer.
// https://api.slack.com/changelog/2016-05-17-changes-to-errors-for-incoming-webhooks
func (a answer) slackHookError() error {
	e := &Error{Words: a.said(), Refused: true}
	switch {
	case a.ok():
		return nil
	case a.status == http.StatusTooManyRequests:
		e.After = max(a.retryAfter, slackPace)
	case a.status >= 500:
		e.Refused = false
	case strings.Contains(a.text, "channel_is_archived"), strings.Contains(a.text, "channel_not_found"), strings.Contains(a.text, "action_prohibited"),
		strings.Contains(a.text, "posting_to_general_channel_denied"):
		e.Kind, e.Hint = Hold, "its channel is gone or closed: restore it, or make a new webhook and put it into notify.slack.webhook_url"
	case a.status == http.StatusNotFound, a.status == http.StatusGone, a.status == http.StatusForbidden:
		e.Kind, e.Hint = Stop, "the webhook was revoked: make a new one, put it into notify.slack.webhook_url and reload"
	default:
		e.Kind = Hold
	}
	return e
}
