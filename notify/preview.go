package notify

import (
	"encoding/json"
	"fmt"
	"strings"

	"repwatch/incident"
)

// Shown is what one notifier would send.
type Shown struct {
	Notifier string // slack, slack webhook, email, webhook, log
	What     string // the root, a reply, a mail, ...
	Text     string // as it goes over the wire, made readable
}

// Preview shows what each kind of notifier would send for a message and a piece
// of news about it; news may be empty.
func Preview(m incident.Message, news string) ([]Shown, error) {
	kind := incident.AlertOpened
	switch {
	case m.Status == incident.Resolved:
		kind = incident.AlertResolved
	case news != "":
		kind = incident.AlertNews
	}
	a := incident.Alert{Incident: m.Incident, Kind: kind, At: m.At, Message: m, News: news}
	shown := []Shown{}
	var failed error
	add := func(notifier, what string, v any) {
		text, err := readable(v)
		if err != nil && failed == nil {
			failed = err
		}
		shown = append(shown, Shown{notifier, what, text})
	}
	add("slack", "message, edited in place", slackRoot(m, "", true))
	if news != "" {
		add("slack", "reply in its thread", slackReply(a, ""))
	}
	add("slack webhook", "message", slackOwn(a, ""))
	shown = append(shown,
		Shown{"email", "mail", "Subject: " + mailSubject(a) + "\n\n" + mailText(a)},
		Shown{"log", "record", Text(m, news, 0)})
	add("webhook", "body", webhookBody(a))
	return shown, failed
}

func readable(v any) (string, error) {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		return "", fmt.Errorf("it cannot be written as JSON: %w", err)
	}
	// slack-go escapes its blocks for HTML, whatever we say here
	return strings.NewReplacer(`\u0026`, "&", `\u003c`, "<", `\u003e`, ">").Replace(b.String()), nil
}
