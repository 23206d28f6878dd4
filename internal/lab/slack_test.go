package lab

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// callSlack calls a method and returns the answer, or how it failed.
func callSlack(t *testing.T, s *Slack, method string, form url.Values) (map[string]any, string) {
	t.Helper()
	if form.Get("token") == "" {
		form.Set("token", s.Token)
	}
	resp, err := http.PostForm(s.URL()+method, form)
	if err != nil {
		return nil, "broken"
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Sprintf("%d %s", resp.StatusCode, resp.Header.Get("Retry-After"))
	}
	var doc map[string]any
	if err := json.NewDecoder(resp.Body).Decode(&doc); err != nil {
		t.Fatal(err)
	}
	code, _ := doc["error"].(string)
	return doc, code
}

func say(text string, more ...string) url.Values {
	form := url.Values{"channel": {SlackChannel}, "text": {text}}
	for i := 0; i < len(more); i += 2 {
		form.Set(more[i], more[i+1])
	}
	return form
}

func startSlack(t *testing.T) *Slack {
	t.Helper()
	s, err := NewSlack()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// It refuses what Slack refuses.
func TestSlackIsStrict(t *testing.T) {
	s := startSlack(t)
	block := func(text string) string {
		return fmt.Sprintf(`[{"type":"section","text":{"type":"mrkdwn","text":%q}}]`, text)
	}
	for name, c := range map[string]struct {
		method string
		form   url.Values
		want   string
	}{
		"fine":              {"chat.postMessage", say("hello"), ""},
		"by name":           {"chat.postMessage", say("hello", "channel", "#"+SlackChannelName), ""},
		"another token":     {"chat.postMessage", say("hello", "token", "xoxb-other"), "invalid_auth"},
		"no such channel":   {"chat.postMessage", say("hello", "channel", "C404"), "channel_not_found"},
		"nothing":           {"chat.postMessage", say(""), "no_text"},
		"long text":         {"chat.postMessage", say(strings.Repeat("x", 40001)), "msg_too_long"},
		"a long section":    {"chat.postMessage", say("x", "blocks", block(strings.Repeat("x", 3001))), "invalid_blocks"},
		"an empty section":  {"chat.postMessage", say("x", "blocks", block("")), "invalid_blocks"},
		"no JSON":           {"chat.postMessage", say("x", "blocks", "{"), "invalid_blocks_format"},
		"empty attachment":  {"chat.postMessage", say("x", "attachments", `[{"color":"#fff"}]`), "invalid_attachments"},
		"no such thread":    {"chat.postMessage", say("x", "thread_ts", "1.000000"), "thread_not_found"},
		"no such message":   {"chat.update", say("x", "ts", "1.000000"), "message_not_found"},
		"an edit by name":   {"chat.update", say("x", "ts", "1.000000", "channel", "#"+SlackChannelName), "channel_not_found"},
		"history by name":   {"conversations.history", say("", "channel", "#"+SlackChannelName), "channel_not_found"},
		"an unknown method": {"chat.shout", say("x"), "unknown_method"},
	} {
		if _, got := callSlack(t, s, c.method, c.form); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
	s.SetRules(SlackRules{Scopes: []string{"chat:write"}, Pace: time.Hour, NoEdit: "edit_window_closed"})
	if doc, got := callSlack(t, s, "conversations.history", say("")); got != "missing_scope" || doc["needed"] != "channels:history" {
		t.Errorf("without a scope: %v", doc)
	}
	if _, got := callSlack(t, s, "chat.postMessage", say("too soon")); got != "429 3600" {
		t.Errorf("too soon: %q", got)
	}
}

// What is posted can be read, a page at a time, with its metadata for those who ask.
func TestSlackHistory(t *testing.T) {
	s := startSlack(t)
	for i := range 5 {
		if _, code := callSlack(t, s, "chat.postMessage", say(fmt.Sprint(i), "metadata", `{"event_type":"e","event_payload":{}}`)); code != "" {
			t.Fatal(code)
		}
	}
	root := s.Messages()[0]
	for _, text := range []string{"reply", "another"} {
		if _, code := callSlack(t, s, "chat.postMessage", say(text, "thread_ts", root.TS)); code != "" {
			t.Fatal(code)
		}
	}
	doc, _ := callSlack(t, s, "conversations.history", say("", "limit", "3", "include_all_metadata", "1"))
	page := doc["messages"].([]any)
	if first := page[0].(map[string]any); len(page) != 3 || first["text"] != "4" || first["metadata"] == nil {
		t.Errorf("newest first, with metadata: %v", page)
	}
	doc, _ = callSlack(t, s, "conversations.history", say("", "limit", "3", "cursor", doc["response_metadata"].(map[string]any)["next_cursor"].(string)))
	if page = doc["messages"].([]any); len(page) != 2 || page[1].(map[string]any)["text"] != "0" || page[0].(map[string]any)["metadata"] != nil {
		t.Errorf("the second page: %v", page)
	}
	doc, _ = callSlack(t, s, "conversations.replies", say("", "ts", root.TS))
	if page = doc["messages"].([]any); len(page) != 3 || page[2].(map[string]any)["text"] != "another" {
		t.Errorf("the thread: %v", page)
	}
	if len(s.Roots()) != 5 || len(s.Replies(root.TS)) != 2 {
		t.Errorf("%d roots, %d replies", len(s.Roots()), len(s.Replies(root.TS)))
	}
}

// A fault hits the call it is meant for, and may come after the work.
func TestSlackFaults(t *testing.T) {
	s := startSlack(t)
	s.Fail(2, "chat.postMessage", SlackFault{Reset: true, Done: true})
	s.Fail(3, "chat.postMessage", SlackFault{Status: 429, RetryAfter: 7 * time.Second})
	for i, want := range []string{"", "broken", "429 7", ""} {
		if _, got := callSlack(t, s, "auth.test", url.Values{}); got != "" {
			t.Errorf("another method: %q", got)
		}
		if _, got := callSlack(t, s, "chat.postMessage", say(fmt.Sprint(i))); got != want {
			t.Errorf("call %d: %q, want %q", i, got, want)
		}
	}
	if got := s.Messages(); len(got) != 3 || got[1].Text != "1" {
		t.Errorf("the work of the second was done, of the third not: %+v", got)
	}
	s.FailAlways("", SlackFault{Error: "internal_error"})
	for range 2 {
		if _, got := callSlack(t, s, "auth.test", url.Values{}); got != "internal_error" {
			t.Errorf("%q", got)
		}
	}
	s.Recover()
	if _, got := callSlack(t, s, "auth.test", url.Values{}); got != "" {
		t.Errorf("recovered: %q", got)
	}
}

func TestSlackHook(t *testing.T) {
	s := startSlack(t)
	post := func(to, body string) string {
		resp, err := http.Post(to, "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		said, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("%d %s", resp.StatusCode, said)
	}
	for body, want := range map[string]string{`{"text":"hi","attachments":[{"color":"#fff","text":"x"}]}`: "200 ok", `{`: "400 invalid_payload", `{}`: "400 no_text"} {
		if got := post(s.HookURL(), body); got != want {
			t.Errorf("%s: %q, want %q", body, got, want)
		}
	}
	if got := post(s.HookURL()+"x", `{"text":"hi"}`); got != "404 no_service" {
		t.Errorf("another path: %q", got)
	}
	s.RefuseChannel(SlackChannel, "is_archived")
	if got := post(s.HookURL(), `{"text":"hi"}`); got != "410 channel_is_archived" {
		t.Errorf("archived: %q", got)
	}
	if m := s.Messages(); len(m) != 1 || !m[0].Hook || m[0].Color != "#fff" {
		t.Errorf("%+v", m)
	}
}
