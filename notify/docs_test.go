package notify

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"repwatch/incident"
	"repwatch/internal/lab"
)

// The shipped manifest asks for what the code needs, and the docs explain each scope.
func TestTheSlackManifest(t *testing.T) {
	raw, err := os.ReadFile("../docs/slack-app-manifest.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var m struct {
		OAuth struct {
			Scopes struct{ Bot []string }
		} `yaml:"oauth_config"`
		Settings struct {
			Interactivity struct {
				On bool `yaml:"is_enabled"`
			}
			Socket bool `yaml:"socket_mode_enabled"`
		}
	}
	if err := yaml.Unmarshal(raw, &m); err != nil {
		t.Fatal(err)
	}
	if got := m.OAuth.Scopes.Bot; !slices.Equal(got, lab.AllSlackScopes) {
		t.Errorf("the manifest asks for %q, the lab's workspace gives %q", got, lab.AllSlackScopes)
	}
	if !m.Settings.Interactivity.On || !m.Settings.Socket {
		t.Errorf("buttons need interactivity and Socket Mode: %+v", m.Settings)
	}
	doc, err := os.ReadFile("../docs/slack-app.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, scope := range append(lab.AllSlackScopes, "connections:write") {
		if !strings.Contains(string(doc), "`"+scope+"`") {
			t.Errorf("docs/slack-app.md does not explain %s", scope)
		}
	}
}

// The codes that docs/slack-app.md names have the answer that it promises.
func TestTheDocumentedRefusals(t *testing.T) {
	for code, want := range map[string]slackVerdict{"invalid_auth": slackDenied, "missing_scope": slackDenied, "is_archived": slackNoChannel,
		"message_not_found": slackNoRoot, "edit_window_closed": slackNoEdit, "invalid_blocks": slackTooMuch, "msg_too_long": slackTooMuch} {
		if !slices.Contains(slackCodes[want], code) {
			t.Errorf("%s has another answer", code)
		}
	}
	seen := map[string]bool{}
	for _, codes := range slackCodes {
		for _, c := range codes {
			if seen[c] {
				t.Errorf("%s has two answers", c)
			}
			seen[c] = true
		}
	}
}

// docs/notify.md tells programs every kind of alert they may get.
func TestTheDocumentedKinds(t *testing.T) {
	doc, err := os.ReadFile("../docs/notify.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range []incident.AlertKind{incident.AlertOpened, incident.AlertNews, incident.AlertEdit, incident.AlertResolved, incident.AlertReminder,
		incident.AlertDigest, incident.AlertNotice, incident.AlertTest, incident.AlertReport} {
		if !strings.Contains(string(doc), "`"+string(kind)+"`") {
			t.Errorf("docs/notify.md does not name %s", kind)
		}
	}
}
