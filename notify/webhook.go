package notify

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"repwatch/config"
	"repwatch/incident"
)

// webhook POSTs each alert as JSON to a program. It is told everything, edits
// too: a program keeps state where people would only be disturbed.
type webhook struct {
	name   string
	to     string
	header http.Header
	client *http.Client
}

// WebhookAlert is the body, schema repwatch/alert/v1. The header Idempotency-Key
// is the same for each try of one alert.
type WebhookAlert struct {
	Schema   string             `json:"schema"`
	Kind     incident.AlertKind `json:"kind"`
	Incident *string            `json:"incident"` // null: a digest, notice or test
	Seq      uint64             `json:"seq"`
	At       time.Time          `json:"at"`
	News     string             `json:"news"`
	Message  incident.Message   `json:"message"`
	Report   json.RawMessage    `json:"report,omitempty"` // kind report: the document repwatch/report/v1
}

func buildWebhooks(cfg config.Notify, e env) (all []Notifier, problems []Problem) {
	for i, w := range cfg.Webhook {
		name := fmt.Sprintf("webhook:%d", i+1)
		to, err := e.secret(w.URL)
		if err != nil {
			problems = append(problems, missing(name, "url", err)...)
			continue
		}
		header := http.Header{}
		for key, s := range w.Header {
			v, miss := e.secret(s)
			if miss != nil {
				err = miss
				problems = append(problems, missing(name, "header "+key, miss)...)
				continue
			}
			header.Set(key, v)
		}
		if err == nil {
			all = append(all, &webhook{name, to, header, e.client})
		}
	}
	return all, problems
}

func (w *webhook) Name() string { return w.name }

func (w *webhook) Send(ctx context.Context, s Sending) (Receipt, error) {
	body, err := json.Marshal(webhookOf(s))
	if err != nil {
		return Receipt{}, &Error{Kind: Drop, Words: "the alert cannot be written as JSON: " + err.Error()}
	}
	header := w.header.Clone()
	header.Set("Idempotency-Key", s.ID())
	a, err := post(ctx, w.client, w.to, header, body)
	if err != nil {
		return Receipt{}, err
	}
	return Receipt{}, a.webhookError()
}

func webhookBody(a incident.Alert) WebhookAlert {
	w := WebhookAlert{Schema: "repwatch/alert/v1", Kind: a.Kind, Seq: a.Seq, At: a.At.UTC(), News: a.News, Message: a.Message}
	if a.Incident != "" {
		w.Incident = &a.Incident
	}
	return w
}

// webhookError says who must act on a webhook's answer.
func (a answer) webhookError() error {
	e := &Error{Words: a.said(), Refused: true}
	switch {
	case a.ok():
		return nil
	case a.status == http.StatusTooManyRequests, a.status == http.StatusServiceUnavailable && a.retryAfter > 0:
		e.After = a.retryAfter
	case a.status >= 500, a.status == http.StatusRequestTimeout:
		e.Refused = false // it may have worked before it failed
	case a.status == http.StatusNotFound, a.status == http.StatusGone:
		e.Kind, e.Hint = Hold, "the endpoint is gone: correct notify.webhook url"
	case a.status == http.StatusUnauthorized, a.status == http.StatusForbidden, a.status == http.StatusMethodNotAllowed:
		e.Kind, e.Hint = Hold, "the endpoint refuses us: check its url and header in notify.webhook"
	case a.status < 400:
		e.Kind, e.Hint = Hold, "redirects are not followed: give the final address in notify.webhook url"
	default: // 400, 413, 422: about this message
		e.Kind, e.After, e.Hint = Skip, retryRefused, "the endpoint cannot take this message; docs/notify.md shows its form, repwatch notify preview its content"
	}
	return e
}
