package notify

import (
	"bytes"
	"encoding/json"
	"flag"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"repwatch/config"
	"repwatch/incident"
	"repwatch/reputation"
)

var update = flag.Bool("update", false, "write the golden files")

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}

func show(t *testing.T, v any) string {
	t.Helper()
	text, err := readable(v)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

var noon = time.Date(2026, 11, 24, 12, 20, 0, 0, time.UTC)

// alerts are one of each kind, as people would get them.
func alerts() map[string]incident.Alert {
	opened := alert("7", incident.AlertOpened, "")
	opened.Mention = true
	digest := incident.Alert{Kind: incident.AlertDigest, Message: incident.Message{Tone: incident.ToneInfo, At: noon,
		Title: "14 listings of low impact since yesterday, none of which broke anything",
		Fields: []incident.Field{
			{Name: "SORBS spam", Lines: []string{"203.0.113.64/28: 9 addresses (pool bulk)", "198.51.100.20"}},
			{Name: "UCEPROTECT level 2", Lines: []string{"203.0.113.0/24: 4 addresses"}}}}}
	own := alert("9", incident.AlertOpened, "")
	own.Message = incident.Message{Incident: "9", Kind: incident.Own, Status: incident.Open, Tone: incident.ToneWarn, Impact: reputation.Medium, At: noon,
		Title: "The PTR of 203.0.113.7 names mail.example.net, but it greets as mx1.example.com", Fields: []incident.Field{{Name: "Next", Lines: []string{"set the PTR to mx1.example.com"}}}}
	all := map[string]incident.Alert{
		"opened": opened, "news": alert("7", incident.AlertNews, "northwind.example rejects 203.0.113.7 too\n550 5.7.606 banned <http://evil.example|click> @here & <!channel>"),
		"reminder": alert("7", incident.AlertReminder, "still open after 24 h"), "resolved": alert("7", incident.AlertResolved, "over after 3 h 12 min"),
		"digest": digest, "notice": notice("contoso.com offers REQUIRETLS to all sending addresses now"), "own": own,
	}
	for name, a := range all {
		a.Seq, a.At, a.Message.At = 42, noon, noon
		all[name] = a
	}
	return all
}

func TestSlackMessages(t *testing.T) {
	for name, a := range alerts() {
		var got strings.Builder
		if a.Incident == "" {
			got.WriteString(show(t, slackOwn(a, "")))
		} else {
			got.WriteString("the root\n" + show(t, slackRoot(a.Message, mentionFor(a, "here"), true)))
			if a.Kind != incident.AlertOpened {
				got.WriteString("in its thread\n" + show(t, slackReply(a, "")))
			}
		}
		golden(t, "slack-"+name, got.String())
		golden(t, "slack-hook-"+name, show(t, slackOwn(a, mentionFor(a, "@U0POSTMASTER"))))
	}
}

func TestMails(t *testing.T) {
	m := &email{from: "repwatch@example.com", to: []string{"postmaster@example.com", "noc@example.com"}}
	for name, a := range alerts() {
		s := Sending{Alert: a, Origin: "0a1b2c3d4e5f"}
		if a.Kind != incident.AlertOpened && a.Incident != "" {
			first := s
			first.Alert.Seq = 40
			s.Handle = handle("email", a.Incident, m.messageID(first))
		}
		msg, err := m.compose(s)
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if _, err := msg.WriteTo(&b); err != nil {
			t.Fatal(err)
		}
		golden(t, "mail-"+name, sortedHeader(strings.ReplaceAll(b.String(), "\r\n", "\n")))
	}
}

// sortedHeader sorts a mail's header fields: go-mail writes them as its map yields them.
func sortedHeader(mail string) string {
	head, body, _ := strings.Cut(mail, "\n\n")
	fields := strings.Split(strings.ReplaceAll(head, "\n ", "\x00"), "\n")
	slices.Sort(fields)
	return strings.ReplaceAll(strings.Join(fields, "\n"), "\x00", "\n ") + "\n\n" + body
}

func TestWebhookBodies(t *testing.T) {
	for name, a := range alerts() {
		golden(t, "webhook-"+name, show(t, webhookBody(a)))
	}
}

func TestLogRecords(t *testing.T) {
	var b bytes.Buffer
	l := logOut{slog.New(slog.NewTextHandler(&b, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))}
	all := alerts()
	for _, name := range []string{"opened", "news", "resolved", "digest", "notice"} {
		if _, err := l.Send(t.Context(), Sending{Alert: all[name]}); err != nil {
			t.Fatal(err)
		}
	}
	edit := all["opened"]
	edit.Kind = incident.AlertEdit // says nothing
	if _, err := l.Send(t.Context(), Sending{Alert: edit}); err != nil {
		t.Fatal(err)
	}
	golden(t, "log", b.String())
}

func TestPreview(t *testing.T) {
	a := alerts()["news"]
	shown, err := Preview(a.Message, a.News)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, s := range shown {
		b.WriteString("== " + s.Notifier + ": " + s.What + "\n" + s.Text + "\n")
	}
	golden(t, "preview", b.String())
}

// What is missing costs only its own notifier, and secrets show nowhere.
func TestBuild(t *testing.T) {
	cfg := &config.Loaded{Config: config.Config{Notify: config.Notify{
		Log:   &config.LogOut{},
		Slack: &config.Slack{Token: config.NewSecret("${env:REPWATCH_TEST_NO_TOKEN}"), Channel: "C1"},
		Email: &config.Email{Host: "smtp.example.com", Port: 587, From: "a@example.com", To: []string{"b@example.com"}},
		Webhook: []config.Webhook{
			{URL: config.NewSecret("https://hooks.example.com/s3cr3t-path"), Header: map[string]config.Secret{"X-Token": config.NewSecret("${file:/nowhere/token}")}},
			{URL: config.NewSecret("https://hooks.example.com/s3cr3t-path"), Header: map[string]config.Secret{"X-Token": config.NewSecret("t0ps3cret")}},
		},
	}}}
	all, problems := Build(cfg, slog.New(slog.DiscardHandler), nil)
	if diff := cmp.Diff([]string{"log", "email", "webhook:2"}, Names(all)); diff != "" {
		t.Errorf("notifiers (-want +got):\n%s", diff)
	}
	var words []string
	for _, p := range problems {
		words = append(words, p.Error())
	}
	want := []string{
		"notify slack: token cannot be read: the environment has no REPWATCH_TEST_NO_TOKEN\n  hint: put the secret there and reload; until then nothing is sent there",
		"notify webhook:1: header X-Token cannot be read: open /nowhere/token: no such file or directory\n  hint: put the secret there and reload; until then nothing is sent there",
	}
	if diff := cmp.Diff(want, words); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
}

func TestSecretsNeverShow(t *testing.T) {
	e := newEnv(slog.New(slog.DiscardHandler), func(s string) string { return strings.ReplaceAll(s, "listkey", "[key]") })
	e.client.Transport = failing("dial https://hooks.example.com/s3cr3t-path: refused by listkey.dq.example.org")
	all, _ := build(&config.Loaded{Config: config.Config{Notify: config.Notify{Webhook: []config.Webhook{{URL: config.NewSecret("https://hooks.example.com/s3cr3t-path")}}}}}, e)
	_, err := all[0].Send(t.Context(), Sending{Alert: notice("x")})
	if err == nil || strings.Contains(err.Error(), "s3cr3t") || strings.Contains(err.Error(), "listkey") || !strings.Contains(err.Error(), "refused by") {
		t.Errorf("the error says %q", err)
	}
	var got WebhookAlert
	e.client.Transport = inProcess{http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := json.NewDecoder(r.Body).Decode(&got); err != nil {
			t.Error(err)
		}
	})}
	a := notice("asked listkey.dq.example.org")
	a.News, a.Message.Fields[0].Lines = "listkey", []string{"listkey"}
	if _, err := all[0].Send(t.Context(), Sending{Alert: a}); err != nil {
		t.Fatal(err)
	}
	if text := show(t, got); strings.Contains(text, "listkey") {
		t.Errorf("a list key was sent: %s", text)
	}
	if a.Message.Fields[0].Lines[0] != "listkey" {
		t.Error("the alert itself was changed")
	}
}
