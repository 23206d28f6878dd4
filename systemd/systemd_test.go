// Package systemd holds the files that systemd is given to their promises.
package systemd

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"repwatch"
	"repwatch/config"
)

// unit is a unit file: values by section and key, in the order of the file.
type unit map[string]map[string][]string

func (u unit) last(key string) string {
	values := u["Service"][key]
	if len(values) == 0 {
		return ""
	}
	return values[len(values)-1]
}

func read(t *testing.T, file string) unit {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	u, section := unit{}, ""
	for s := bufio.NewScanner(f); s.Scan(); {
		line := strings.TrimSpace(s.Text())
		switch {
		case line == "" || strings.HasPrefix(line, "#"):
		case strings.HasPrefix(line, "["):
			section = strings.Trim(line, "[]")
			u[section] = map[string][]string{}
		default:
			key, value, ok := strings.Cut(line, "=")
			if !ok || u[section] == nil {
				t.Fatalf("%s: neither a section nor KEY=VALUE: %s", file, line)
			}
			u[section][key] = append(u[section][key], value)
		}
	}
	return u
}

// TestPromises: what the daemon, the documents and the postmaster rely on.
func TestPromises(t *testing.T) {
	u := read(t, "repwatch.service")
	for key, want := range map[string]string{
		"Type": "notify", "NotifyAccess": "main", "WatchdogSec": "60", "Restart": "on-failure",
		"DynamicUser": "yes", "StateDirectory": "repwatch", "RuntimeDirectory": "repwatch", "RuntimeDirectoryMode": "0750",
		"ExecStart": "/usr/bin/repwatch run -c /etc/repwatch/repwatch.yaml", "ExecReload": "/bin/kill -HUP $MAINPID",
		"CapabilityBoundingSet": "", "NoNewPrivileges": "yes", "ProtectSystem": "strict", "MemoryDenyWriteExecute": "yes",
	} {
		if values, ok := u["Service"][key]; !ok || u.last(key) != want {
			t.Errorf("%s=%s, want %s", key, strings.Join(values, ", "), want)
		}
	}
	if u.last("MemoryMax") == "" {
		t.Error("no MemoryMax: a leak would take the mail server along")
	}
	if filter := u["Service"]["SystemCallFilter"]; !slices.Contains(filter, "@system-service") {
		t.Errorf("SystemCallFilter %v", filter)
	}
}

// TestNothingNeededIsForbidden: what the daemon does must stay possible.
func TestNothingNeededIsForbidden(t *testing.T) {
	u := read(t, "repwatch.service")
	families := strings.Fields(u.last("RestrictAddressFamilies"))
	for _, need := range []string{"AF_INET", "AF_INET6", "AF_UNIX"} { // the wire; systemd's and our own socket
		if !slices.Contains(families, need) {
			t.Errorf("RestrictAddressFamilies lacks %s", need)
		}
	}
	for key, why := range map[string]string{
		"PrivateNetwork": "mail leaves from this host's addresses", "IPAddressDeny": "lists and partners are anywhere",
		"SocketBindDeny": "source addresses are bound", "TemporaryFileSystem": "mail logs are read", "InaccessiblePaths": "mail logs are read",
	} {
		if _, ok := u["Service"][key]; ok {
			t.Errorf("%s is set, but %s", key, why)
		}
	}
}

// TestDirectoriesAreTheDefaults: the unit makes exactly those that the configuration's defaults name.
func TestDirectoriesAreTheDefaults(t *testing.T) {
	u := read(t, "repwatch.service")
	cfg, err := config.Load("", repwatch.Blocklists)
	if err != nil {
		t.Fatal(err)
	}
	if want := filepath.Dir(cfg.Store.Path); "/var/lib/"+u.last("StateDirectory") != want {
		t.Errorf("StateDirectory makes no %s", want)
	}
	if want := filepath.Dir(cfg.Socket); "/run/"+u.last("RuntimeDirectory") != want {
		t.Errorf("RuntimeDirectory makes no %s", want)
	}
}

// TestExampleConfiguration: it is good, warns of nothing, and each of its comments that shows keys is right too.
func TestExampleConfiguration(t *testing.T) {
	text, err := os.ReadFile("repwatch.yaml.example")
	if err != nil {
		t.Fatal(err)
	}
	cfg := load(t, string(text))
	if len(cfg.Addresses) != 1 || len(cfg.Partners) != 1 || cfg.Notify.Log == nil {
		t.Errorf("%d addresses, %d partners", len(cfg.Addresses), len(cfg.Partners))
	}
	if len(cfg.Warnings) > 0 {
		t.Errorf("warnings: %q", cfg.Warnings)
	}
	shown := regexp.MustCompile(`(?m)^( *)# ((?:  )*(?:[a-z_]+:).*)$`).ReplaceAllString(string(text), "$1$2")
	dir := t.TempDir()
	for _, name := range credentials(t) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("xoxb-1"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("CREDENTIALS_DIRECTORY", dir)
	cfg = load(t, shown)
	if cfg.Notify.Slack == nil || !cfg.MailLog.Postfix.Journal || len(cfg.DNS.Resolvers) != 1 || len(cfg.Blocklists.Keys) != 1 {
		t.Errorf("the comments do not show what they should:\n%s", shown)
	}
	for _, s := range []config.Secret{cfg.Notify.Slack.Token, cfg.Notify.Slack.AppToken, cfg.Blocklists.Keys["spamhaus"]} {
		if _, err := s.Value(); err != nil {
			t.Errorf("the credentials example does not hand over what the configuration example names: %v", err)
		}
	}
}

func load(t *testing.T, text string) *config.Loaded {
	t.Helper()
	file := filepath.Join(t.TempDir(), "repwatch.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(file, repwatch.Blocklists)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return cfg
}

// credentials are the names that the drop-in example hands over.
func credentials(t *testing.T) (names []string) {
	for _, value := range read(t, "repwatch.service.d/credentials.conf.example")["Service"]["LoadCredential"] {
		name, path, ok := strings.Cut(value, ":")
		if !ok || !strings.HasPrefix(path, "/") {
			t.Errorf("LoadCredential=%s is not NAME:PATH", value)
		}
		names = append(names, name)
	}
	return names
}

// analyze finds systemd-analyze on the PATH or where scripts/test-deps unpacks it.
func analyze(t *testing.T) *exec.Cmd {
	t.Helper()
	root := os.Getenv("REPWATCH_TEST_ROOT")
	if home, err := os.UserHomeDir(); root == "" && err == nil {
		root = filepath.Join(home, ".cache/repwatch-test/root")
	}
	cmd := exec.CommandContext(t.Context(), "systemd-analyze")
	if cmd.Err != nil {
		cmd = exec.CommandContext(t.Context(), filepath.Join(root, "usr/bin/systemd-analyze"))
		var libs []string
		for _, below := range []string{"lib/*-linux-gnu*", "usr/lib/*-linux-gnu*", "usr/lib/*-linux-gnu*/systemd"} {
			found, err := filepath.Glob(filepath.Join(root, below))
			if err != nil {
				t.Fatal(err)
			}
			libs = append(libs, found...)
		}
		cmd.Env = append(os.Environ(), "LD_LIBRARY_PATH="+strings.Join(libs, ":"))
	}
	if _, err := os.Stat(cmd.Path); err != nil {
		if ci := os.Getenv("CI"); ci != "" && ci != "0" && ci != "false" {
			t.Fatal("NOT RUN: needs systemd-analyze; run scripts/test-deps")
		}
		t.Skip("NOT RUN: needs systemd-analyze; run scripts/test-deps")
	}
	return cmd
}

// TestVerify: systemd itself finds nothing wrong with the unit.
func TestVerify(t *testing.T) {
	cmd := analyze(t)
	text, err := os.ReadFile("repwatch.service")
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable() // stands for /usr/bin/repwatch, which need not be installed here
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "repwatch.service")
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(string(text), "/usr/bin/repwatch", self)), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd.Args = append(cmd.Args, "verify", "--man=no", file)
	if out, err := cmd.CombinedOutput(); err != nil || strings.Contains(string(out), "repwatch.service:") {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
}

// maxExposure is the most that `systemd-analyze security` may say; measured 1.1 with systemd 252.
const maxExposure = 1.5

func TestExposure(t *testing.T) {
	cmd := analyze(t)
	cmd.Args = append(cmd.Args, "security", "--offline=true", "--no-pager", "repwatch.service")
	out, _ := cmd.CombinedOutput() // its exit code only repeats the number
	m := regexp.MustCompile(`Overall exposure level for repwatch\.service: ([0-9.]+)`).FindSubmatch(out)
	if m == nil {
		t.Fatalf("systemd-analyze security says no number:\n%s", out)
	}
	if n, err := strconv.ParseFloat(string(m[1]), 64); err != nil || n > maxExposure {
		t.Errorf("exposure %s, want at most %g:\n%s", m[1], maxExposure, out)
	}
}
