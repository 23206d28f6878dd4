package setup

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"repwatch/config"
)

// LookAtConfig tells what loading warned of.
func LookAtConfig(cfg *config.Loaded) []Check {
	c := Check{Area: AreaConfig, Subject: cfg.File, State: OK, Why: cfg.File + " is good"}
	if cfg.File == "" {
		c.State, c.Why, c.Next = Warn, "there is no configuration: lists and resolvers are looked at, your addresses and partners are not known", "repwatch init writes one"
	}
	out := []Check{c}
	for _, w := range cfg.Warnings {
		out = append(out, Check{Area: AreaConfig, Subject: cfg.File, State: Warn, Why: w})
	}
	return out
}

// secret is one that the configuration names.
type secret struct {
	where string
	value config.Secret
}

// secrets in the order of the configuration.
func secrets(cfg *config.Loaded) (out []secret) {
	add := func(where string, s config.Secret) {
		if s.Set() {
			out = append(out, secret{where, s})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(cfg.Blocklists.Keys)) {
		add("blocklists.keys."+name, cfg.Blocklists.Keys[name])
	}
	n := &cfg.Notify
	add("notify.heartbeat", n.Heartbeat)
	if n.Slack != nil {
		add("notify.slack.token", n.Slack.Token)
		add("notify.slack.app_token", n.Slack.AppToken)
		add("notify.slack.webhook_url", n.Slack.WebhookURL)
	}
	if n.Email != nil {
		add("notify.email.password", n.Email.Password)
	}
	for i, w := range n.Webhook {
		add(fmt.Sprintf("notify.webhook[%d].url", i), w.URL)
		for _, name := range slices.Sorted(maps.Keys(w.Header)) {
			add(fmt.Sprintf("notify.webhook[%d].header.%s", i, name), w.Header[name])
		}
	}
	add("web.token", cfg.Web.Token)
	add("fleet.creds", cfg.Fleet.Creds)
	return out
}

// LookAtKeys reads every secret, and says of one that stands in the file who can read
// it too. No value is ever told.
func LookAtKeys(cfg *config.Loaded) []Check {
	all := secrets(cfg)
	if len(all) == 0 {
		return []Check{{Area: AreaKeys, State: Off, Why: "no secret is configured"}}
	}
	var out []Check
	for _, s := range all {
		c := Check{Area: AreaKeys, Subject: s.where, State: OK, Why: s.where + " can be read from " + s.value.String()}
		_, err := s.value.Value()
		credential := strings.HasPrefix(s.value.String(), "${credential:")
		switch {
		case err != nil && credential && os.Getenv("CREDENTIALS_DIRECTORY") == "":
			c.State, c.Why = Unknown, fmt.Sprintf("%s is %s, which systemd hands to the service alone", s.where, s.value)
			c.Next = "systemctl show repwatch -p LoadCredential lists what it gets"
		case err != nil:
			c.State, c.Why = Fail, fmt.Sprintf("%s: %v", s.where, err)
			c.Next = "what needs it will not work until it is there"
		case s.value.String() == "[secret]":
			c = literal(s, cfg.File)
		}
		out = append(out, c)
	}
	return out
}

func literal(s secret, file string) Check {
	c := Check{Area: AreaKeys, Subject: s.where, State: OK, Why: s.where + " stands in the configuration"}
	if st, err := os.Stat(file); err == nil && st.Mode().Perm()&0o004 != 0 {
		c.State, c.Why = Warn, fmt.Sprintf("%s stands in %s, which everybody on this host can read (mode %04o)", s.where, file, st.Mode().Perm())
		c.Next = "put it into a credential, ${credential:NAME}, or a file of its own, ${file:PATH}"
	}
	return c
}

// LookAtMailLog says whether the logs can be read by whoever asks.
func LookAtMailLog(cfg *config.Loaded) []Check {
	var out []Check
	look := func(key, path string, open func(string) error) {
		if path == "" {
			return
		}
		c := Check{Area: AreaMailLog, Subject: key, State: OK, Why: path + " can be read"}
		if err := open(path); err != nil {
			c.State, c.Why = Fail, fmt.Sprintf("%s: %v", key, err)
			c.Next = "name the right place, or let the service in: SupplementaryGroups= with the log's group, such as adm"
		}
		out = append(out, c)
	}
	if cfg.MailLog.Postfix.Journal {
		out = append(out, journal([]string{"/var/log/journal", "/run/log/journal"}))
	}
	look("mail_log.postfix.file", cfg.MailLog.Postfix.File, openFile)
	look("mail_log.exim.file", cfg.MailLog.Exim.File, openFile)
	look("mail_log.exchange.smtp_send", cfg.MailLog.Exchange.SMTPSend, openDir)
	if len(out) == 0 {
		out = append(out, Check{Area: AreaMailLog, State: Off, Why: "no mail log is configured: what partners answer to real mail is not seen", Next: "name what you run in mail_log"})
	}
	return out
}

func openFile(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	st, err := f.Stat()
	if err == nil && !st.Mode().IsRegular() {
		return fmt.Errorf("%s is no file", path)
	}
	return err
}

func openDir(path string) error {
	entries, err := os.ReadDir(path)
	if err == nil && len(entries) == 0 {
		return fmt.Errorf("%s is empty: is protocol logging on?", path)
	}
	return err
}

// journal looks for one journal file that can be read below the usual places, and for journalctl.
func journal(dirs []string) Check {
	c := Check{Area: AreaMailLog, Subject: "mail_log.postfix.journal", State: OK, Why: "the journal can be read"}
	if _, err := exec.LookPath("journalctl"); err != nil {
		c.State, c.Why, c.Next = Fail, "journalctl, which reads the journal, is not on the PATH", "name Postfix's log file instead: mail_log.postfix.file"
		return c
	}
	var refused error
	for _, dir := range dirs {
		files, err := filepath.Glob(filepath.Join(dir, "*", "*.journal"))
		if err != nil {
			continue // a pattern of ours cannot be bad
		}
		for _, file := range files {
			if refused = openFile(file); refused == nil {
				return c
			}
		}
		if _, err := os.ReadDir(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
			refused = err
		}
	}
	if refused != nil {
		c.State, c.Why, c.Next = Fail, fmt.Sprintf("the journal cannot be read: %v", refused), "let the service in: SupplementaryGroups=systemd-journal"
		return c
	}
	c.State, c.Why, c.Next = Fail, "there is no journal on this host", "name Postfix's log file instead: mail_log.postfix.file"
	return c
}

// LookAtNotify says who would be told. Nothing is sent.
func LookAtNotify(cfg *config.Loaded) []Check {
	var out []Check
	ok := func(subject, format string, args ...any) {
		out = append(out, Check{Area: AreaNotify, Subject: subject, State: OK, Why: fmt.Sprintf(format, args...)})
	}
	n := &cfg.Notify
	if n.Log != nil {
		ok("log", "messages go to the log")
	}
	if s := n.Slack; s != nil && s.Token.Set() {
		ok("slack", "Slack is configured for %s; nothing was sent", s.Channel)
	} else if s != nil {
		ok("slack", "Slack is configured by an incoming webhook, which can neither edit nor thread; nothing was sent")
	}
	if e := n.Email; e != nil {
		ok("email", "mail to %s through %s is configured; nothing was sent", strings.Join(e.To, ", "), e.Host)
	}
	if len(n.Webhook) > 0 {
		ok("webhook", "%d of them configured; nothing was sent", len(n.Webhook))
	}
	switch {
	case len(out) == 0:
		out = append(out, Check{Area: AreaNotify, State: Warn, Why: "nobody would be told but the daemon's log", Next: "configure notify: slack, email or webhook"})
	case len(out) == 1 && n.Log != nil:
		out[0].State, out[0].Why, out[0].Next = Warn, "messages go to the log only, where nobody is woken", "configure notify: slack, email or webhook"
	}
	return out
}

// lowSpace is where a store's file system has too little room, in bytes: ten years of
// history, twice over for a compaction.
const lowSpace = 256 << 20

// LookAtStore says whether the store's file can be written. It changes nothing.
func LookAtStore(path string) Check {
	c := Check{Area: AreaStore, Subject: path, State: OK, Why: path + " can be written"}
	if bad := directory(&c, filepath.Dir(path)); bad {
		return c
	}
	switch st, err := os.Stat(path); {
	case errors.Is(err, fs.ErrNotExist):
		c.Why = path + " is not there yet and can be made"
	case err != nil:
		c.State, c.Why = Fail, err.Error()
	case !st.Mode().IsRegular():
		c.State, c.Why, c.Next = Fail, path+" is no file", "name another in store.path"
	case writable(path) != nil:
		c.State, c.Why, c.Next = Fail, fmt.Sprintf("%s cannot be written: %v", path, writable(path)), "it belongs to the service's user"
	}
	if free, ok := freeBytes(filepath.Dir(path)); ok && free < lowSpace && c.State == OK {
		c.State, c.Why, c.Next = Warn, fmt.Sprintf("%s has %d MiB left, want %d", filepath.Dir(path), free>>20, lowSpace>>20), "make room: a full disk stops the recording"
	}
	return c
}

// made are the directories that the unit makes (StateDirectory, RuntimeDirectory).
var made = []string{"/var/lib/repwatch", "/run/repwatch"}

// directory judges where a file shall be; bad ends the look.
func directory(c *Check, dir string) (bad bool) {
	st, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist) && slices.Contains(made, dir):
		c.Why = dir + " is made by the service when it starts"
		return true
	case err != nil:
		c.State, c.Why, c.Next = Fail, err.Error(), "make the directory, and give it to the service's user"
	case !st.IsDir():
		c.State, c.Why = Fail, dir+" is no directory"
	case writable(dir) != nil:
		c.State, c.Why, c.Next = Fail, fmt.Sprintf("%s cannot be written: %v", dir, writable(dir)), "it belongs to the service's user: ask as that user, or as root"
	default:
		return false
	}
	return true
}

// LookAtSocket says whether a daemon answers there, or could.
func LookAtSocket(path string) Check {
	c := Check{Area: AreaSocket, Subject: path, State: OK}
	if conn, err := net.DialTimeout("unix", path, time.Second); err == nil {
		_ = conn.Close() // nothing was said
		c.Why = "a daemon answers at " + path
		return c
	} else if errors.Is(err, fs.ErrPermission) {
		c.State, c.Why, c.Next = Fail, "the daemon's socket does not let you in: "+err.Error(), "ask as root or as a member of the service's group (Group= in the unit)"
		return c
	}
	c.Why = path + " can be made; no daemon runs"
	if directory(&c, filepath.Dir(path)) {
		return c
	}
	if st, err := os.Lstat(path); err == nil && st.Mode().Type() != fs.ModeSocket {
		c.State, c.Why, c.Next = Fail, path+" is no socket", "name another in socket"
	}
	return c
}
