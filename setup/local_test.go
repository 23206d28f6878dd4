package setup

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// checksOf looks at a configuration file that has this mode.
func checksOf(t *testing.T, text string, mode os.FileMode, look func(file string) []Check) []Check {
	t.Helper()
	file := filepath.Join(t.TempDir(), "repwatch.yaml")
	if err := os.WriteFile(file, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(file, mode); err != nil { // whatever the umask
		t.Fatal(err)
	}
	return look(file)
}

func TestLookAtKeys(t *testing.T) {
	const token = "xoxb-very-secret"
	t.Setenv("REPWATCH_TEST_TOKEN", token)
	credentials := t.TempDir()
	if err := os.WriteFile(filepath.Join(credentials, "there"), []byte(token), 0o600); err != nil {
		t.Fatal(err)
	}
	slack := func(reference string) string {
		return fmt.Sprintf("notify: {slack: {token: %q, channel: \"#mail\"}}", reference)
	}
	for _, tt := range []struct {
		name, text, directory string
		mode                  os.FileMode
		state                 State
		why                   string
	}{
		{"none", "{}", "", 0o644, Off, "no secret is configured"},
		{"env", slack("${env:REPWATCH_TEST_TOKEN}"), "", 0o644, OK, "notify.slack.token can be read from ${env:REPWATCH_TEST_TOKEN}"},
		{"env missing", slack("${env:REPWATCH_TEST_NONE}"), "", 0o644, Fail, "the environment has no REPWATCH_TEST_NONE"},
		{"file missing", slack("${file:/nonexistent/token}"), "", 0o644, Fail, "/nonexistent/token"},
		{"credential, seen from outside", slack("${credential:there}"), "", 0o644, Unknown, "which systemd hands to the service alone"},
		{"credential", slack("${credential:there}"), credentials, 0o644, OK, "can be read"},
		{"credential missing", slack("${credential:gone}"), credentials, 0o644, Fail, "gone"},
		{"in a private file", slack(token), "", 0o600, OK, "stands in the configuration"},
		{"in a file for everybody", slack(token), "", 0o644, Warn, "which everybody on this host can read (mode 0644)"},
	} {
		t.Setenv("CREDENTIALS_DIRECTORY", tt.directory)
		got := checksOf(t, tt.text, tt.mode, func(file string) []Check { return LookAtKeys(loadFile(t, file)) })
		if len(got) != 1 || got[0].State != tt.state || !strings.Contains(got[0].Why, tt.why) {
			t.Errorf("%s: %+v, want %s: %s", tt.name, got, tt.state, tt.why)
		}
		if strings.Contains(fmt.Sprint(got), token) {
			t.Errorf("%s: the secret shows: %+v", tt.name, got)
		}
	}
}

// TestEverySecretIsLookedAt: all keys that are secrets, with their place.
func TestEverySecretIsLookedAt(t *testing.T) {
	cfg := load(t, `
blocklists: {keys: {spamhaus: "${env:A}"}}
notify:
  heartbeat: "${env:H}"
  slack: {token: "${env:B}", app_token: "${env:C}", channel: "#mail"}
  email: {host: smtp.example.com, from: a@example.com, to: [b@example.com], user: u, password: "${env:D}"}
  webhook: [{url: "${env:E}", header: {X-Token: "${env:F}"}}]
web: {token: "${env:G}"}
fleet: {creds: "${env:I}"}
`)
	var where []string
	for _, s := range secrets(cfg) {
		where = append(where, s.where)
	}
	const want = "blocklists.keys.spamhaus notify.heartbeat notify.slack.token notify.slack.app_token notify.email.password notify.webhook[0].url notify.webhook[0].header.X-Token web.token fleet.creds"
	if got := strings.Join(where, " "); got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
}

func TestLookAtMailLog(t *testing.T) {
	dir := t.TempDir()
	log := filepath.Join(dir, "mail.log")
	if err := os.WriteFile(log, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	empty := filepath.Join(dir, "empty")
	if err := os.Mkdir(empty, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		text  string
		state State
		why   string
	}{
		{"{}", Off, "no mail log is configured"},
		{"mail_log: {postfix: {file: " + log + "}}", OK, log + " can be read"},
		{"mail_log: {exim: {file: " + dir + "}}", Fail, "is no file"},
		{"mail_log: {exim: {file: /nonexistent}}", Fail, "mail_log.exim.file: "},
		{"mail_log: {exchange: {smtp_send: " + dir + "}}", OK, dir + " can be read"},
		{"mail_log: {exchange: {smtp_send: " + empty + "}}", Fail, "is protocol logging on?"},
	} {
		got := LookAtMailLog(load(t, tt.text))
		if len(got) != 1 || got[0].State != tt.state || !strings.Contains(got[0].Why, tt.why) {
			t.Errorf("%s: %+v, want %s: %s", tt.text, got, tt.state, tt.why)
		}
	}
}

// TestJournal: a file that can be read is proof; none, or no journalctl, is not.
func TestJournal(t *testing.T) {
	bin, logs := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(bin, "journalctl"), []byte("#!/bin/sh\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin)
	holds(t, "none", journal([]string{logs, filepath.Join(logs, "gone")}), Fail, "there is no journal", "mail_log.postfix.file")
	machine := filepath.Join(logs, "0123")
	if err := os.Mkdir(machine, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(machine, "system.journal"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	holds(t, "there", journal([]string{filepath.Join(logs, "gone"), logs}), OK, "can be read", "")
	t.Setenv("PATH", logs)
	holds(t, "no journalctl", journal([]string{logs}), Fail, "journalctl", "mail_log.postfix.file")
}

func TestLookAtNotify(t *testing.T) {
	for _, tt := range []struct {
		text  string
		state State
		why   string
	}{
		{"{}", Warn, "nobody would be told but the daemon's log"},
		{"notify: {log: {}}", Warn, "log only"},
		{`notify: {slack: {token: "${env:A}", channel: "#mail"}}`, OK, "Slack is configured for #mail"},
		{`notify: {slack: {webhook_url: "https://hooks.example/x"}}`, OK, "neither edit nor thread"},
		{`notify: {email: {host: smtp.example.com, from: a@example.com, to: [b@example.com]}}`, OK, "mail to b@example.com through smtp.example.com"},
		{`notify: {webhook: [{url: "https://example.com/hook"}]}`, OK, "1 of them"},
	} {
		got := LookAtNotify(load(t, tt.text))
		if len(got) != 1 || got[0].State != tt.state || !strings.Contains(got[0].Why, tt.why) {
			t.Errorf("%s: %+v, want %s: %s", tt.text, got, tt.state, tt.why)
		}
	}
}

func TestLookAtStoreAndSocket(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	holds(t, "new store", LookAtStore(filepath.Join(dir, "new.db")), OK, "is not there yet and can be made", "")
	holds(t, "store", LookAtStore(file), OK, file+" can be written", "")
	holds(t, "a directory for a store", LookAtStore(dir), Fail, "is no file", "store.path")
	holds(t, "nowhere", LookAtStore("/nonexistent/deep/x.db"), Fail, "no such file", "make the directory")
	holds(t, "below a file", LookAtStore(filepath.Join(file, "x.db")), Fail, "is no directory", "")
	holds(t, "new socket", LookAtSocket(filepath.Join(dir, "s")), OK, "can be made; no daemon runs", "")
	holds(t, "a file for a socket", LookAtSocket(file), Fail, "is no socket", "socket")
	if after, err := os.ReadDir(dir); err != nil || len(after) != len(before) {
		t.Errorf("looking changed something: %v, %v", after, err)
	}
	short, err := os.MkdirTemp("", "s") // a socket's name has at most 108 bytes
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(short)
	l, err := net.Listen("unix", filepath.Join(short, "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	holds(t, "a daemon", LookAtSocket(l.Addr().String()), OK, "a daemon answers", "")
	for _, path := range made {
		if _, err := os.Stat(path); err != nil {
			holds(t, "not started yet", LookAtStore(filepath.Join(path, "x")), OK, "is made by the service", "")
		}
	}
}

// TestReadOnly: root may write anywhere, others not.
func TestReadOnly(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("NOT RUN: root may write everywhere")
	}
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	holds(t, "store", LookAtStore(filepath.Join(dir, "x.db")), Fail, "cannot be written", "service's user")
	holds(t, "socket", LookAtSocket(filepath.Join(dir, "s")), Fail, "cannot be written", "service's user")
}

func TestLookAtConfig(t *testing.T) {
	got := LookAtConfig(load(t, "sending_ips: [{ip: 10.0.0.7}]"))
	if len(got) != 2 || got[0].State != OK || got[1].State != Warn || !strings.Contains(got[1].Why, "private address") {
		t.Errorf("%+v", got)
	}
	cfg := load(t, "{}")
	cfg.File = ""
	holds(t, "none", LookAtConfig(cfg)[0], Warn, "there is no configuration", "repwatch init")
}
