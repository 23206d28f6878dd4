package config

import (
	"fmt"
	"maps"
	"slices"
)

// needed is a secret, where it stands, and what goes without it.
type needed struct {
	at     string
	secret Secret
	lost   string
}

// secrets warns of those that cannot be read, at once rather than in the night in
// which they are needed. Its words hold where a secret was looked for, never the secret.
func (v *validator) secrets() {
	const notifier = "this notifier is not used"
	n := &v.Notify
	all := []needed{
		{"notify.heartbeat", n.Heartbeat, "no heartbeat is sent"},
		{"web.token", v.Web.Token, "the page is read-only"},
	}
	if s := n.Slack; s != nil {
		all = append(all, needed{"notify.slack.token", s.Token, notifier}, needed{"notify.slack.app_token", s.AppToken, "there are no buttons"},
			needed{"notify.slack.webhook_url", s.WebhookURL, notifier})
	}
	if e := n.Email; e != nil {
		all = append(all, needed{"notify.email.password", e.Password, notifier})
	}
	for i, w := range n.Webhook {
		at := fmt.Sprintf("notify.webhook[%d]", i)
		all = append(all, needed{at + ".url", w.URL, notifier})
		for _, name := range slices.Sorted(maps.Keys(w.Header)) {
			all = append(all, needed{at + ".header." + name, w.Header[name], notifier})
		}
	}
	for _, s := range all {
		if _, err := s.secret.Value(); err != nil {
			v.warn("%s: %v; %s", s.at, err, s.lost)
		}
	}
}
