package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestSecretValue(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	file := write("token", "hunter2\n")
	write("empty", " \n")
	write("huge", strings.Repeat("x", maxSecret+1))
	t.Setenv("CREDENTIALS_DIRECTORY", dir)
	t.Setenv("REPWATCH_TOKEN", " hunter2 ")
	t.Setenv("REPWATCH_EMPTY", "")
	for _, tt := range []struct {
		raw, want string // a want after ! is part of the error
	}{
		{"hunter2", "hunter2"},
		{" hunter2 ", " hunter2 "},
		{"pa${ss", "pa${ss"},
		{"", ""},
		{"${env:REPWATCH_TOKEN}", "hunter2"},
		{"${file:" + file + "}", "hunter2"},
		{"${credential:token}", "hunter2"},
		{"${env:REPWATCH_EMPTY}", "!the environment has no REPWATCH_EMPTY"},
		{"${env:REPWATCH_NOT_THERE}", "!the environment has no REPWATCH_NOT_THERE"},
		{"${file:" + dir + "/none}", "!no such file"},
		{"${file:" + dir + "/empty}", "!is empty"},
		{"${file:" + dir + "/huge}", "!is larger than 64 KiB"},
		{"${file:" + dir + "}", "!directory"},
		{"${credential:none}", "!no such file"},
		{"${credential:../token}", "!is no name of a credential"},
		{"${credential:..}", "!is no name of a credential"},
	} {
		var s Secret
		if err := s.UnmarshalText([]byte(tt.raw)); err != nil {
			t.Errorf("%s: %v", tt.raw, err)
			continue
		}
		got, err := s.Value()
		if wrong, ok := strings.CutPrefix(tt.want, "!"); ok {
			if !errors.Is(err, ErrMissing) || !strings.Contains(err.Error(), wrong) {
				t.Errorf("%s: error %v, want ErrMissing and %q", tt.raw, err, wrong)
			}
			continue
		}
		if got != tt.want || err != nil {
			t.Errorf("%s is %q (%v), want %q", tt.raw, got, err, tt.want)
		}
	}
	for _, raw := range []string{"${env:}", "${evn:X}", "${env:X", "${}", "${file:a}b", "${env:${env:X}}"} {
		var s Secret
		if err := s.UnmarshalText([]byte(raw)); err == nil || strings.Contains(err.Error(), raw) {
			t.Errorf("%s: error %v, want one that does not repeat it", raw, err)
		}
	}
	t.Setenv("CREDENTIALS_DIRECTORY", "")
	if _, err := NewSecret("${credential:token}").Value(); !errors.Is(err, ErrMissing) || !strings.Contains(err.Error(), "LoadCredential") {
		t.Errorf("without systemd: %v", err)
	}
}

// TestSecretsNeverShow prints a whole configuration in every way there is.
func TestSecretsNeverShow(t *testing.T) {
	loaded, err := load(t, `
sending_ips: [{ip: 203.0.113.7, via: "socks5://me:hunter2@10.0.0.9:1080"}]
control: [{name: office, socks5: "me:hunter2@127.0.0.1:1080"}]
blocklists: {keys: {spamhaus: hunter2}}
notify:
  slack: {token: xoxb-hunter2, app_token: hunter2, channel: "#mail"}
  email: {host: smtp.example.com, user: me, password: hunter2, from: a@example.com, to: [b@example.com]}
  webhook: [{url: "https://hook.example/hunter2", header: {X-Token: hunter2}}]
web: {token: hunter2}
fleet: {creds: hunter2}
`)
	if err != nil {
		t.Fatal(err)
	}
	shown := map[string]string{}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		for name, part := range map[string]any{
			"config": loaded.Config, "slack": *loaded.Notify.Slack, "email": *loaded.Notify.Email,
			"webhook": loaded.Notify.Webhook, "keys": loaded.Blocklists.Keys, "web": loaded.Web, "fleet": loaded.Fleet,
			"control": loaded.Control, "addresses": loaded.Addresses, "secret": loaded.Web.Token, "pointer": &loaded.Web.Token,
		} {
			shown[verb+" of "+name] = fmt.Sprintf(verb, part)
		}
	}
	b, err := json.Marshal(loaded.Config)
	if err != nil {
		t.Fatal(err)
	}
	shown["JSON"] = string(b)
	for how, text := range shown {
		if strings.Contains(strings.ToLower(text), "hunter2") || strings.Contains(text, fmt.Sprintf("%x", "hunter2")) {
			t.Errorf("%s shows a secret: %s", how, text)
		}
	}
	if !strings.Contains(shown["%v of secret"], "[secret]") || loaded.Web.Token.String() != "[secret]" {
		t.Errorf("a secret that is set shows as %q", shown["%v of secret"])
	}
	if got := loaded.Redact("1.zen.HUNTER2.zen.dq.test"); strings.Contains(got, "HUNTER2") {
		t.Errorf("Redact leaves %s", got)
	}
}

// TestMissingSecretCostsOnlyWhatNeedsIt: the rest is loaded, with a warning.
func TestMissingSecretCostsOnlyWhatNeedsIt(t *testing.T) {
	t.Setenv("CREDENTIALS_DIRECTORY", "")
	loaded, err := load(t, `
blocklists: {use: [default, mail-intelligence, zen-dqs], keys: {spamhaus: "${credential:dqs}"}}
notify: {slack: {token: "${env:REPWATCH_NOT_THERE}", channel: "#mail"}}
`)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"notify.slack.token: secret missing: the environment has no REPWATCH_NOT_THERE; this notifier is not used",
		"blocklists.keys.spamhaus: secret missing: ${credential:dqs} needs systemd's LoadCredential (CREDENTIALS_DIRECTORY is not set); lists that need it are not asked",
		"list mail-intelligence stays unknown: it needs an access key: set blocklists.keys.abusix",
	}
	equal(t, "warnings", loaded.Warnings, want)
	equal(t, "lists", ids(loaded.Lists), []string{"spamhaus-zen", "spamcop", "zen-dqs", "mail-intelligence"})
	if _, err := loaded.Notify.Slack.Token.Value(); !errors.Is(err, ErrMissing) {
		t.Errorf("the Slack token: %v", err)
	}
}
