package lab

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// slackAnswer is what a method says: fields beside "ok", or an error code.
type slackAnswer struct {
	code   string
	needed string // missing_scope: which
	retry  time.Duration
	fields map[string]any
}

func slackNo(code string) slackAnswer { return slackAnswer{code: code} }

// slackMethods are the methods and what each needs.
var slackMethods = map[string]struct {
	scope string // any of these, separated by spaces; empty: none
	do    func(*Slack, url.Values) slackAnswer
}{
	"auth.test":             {"", (*Slack).authTest},
	"chat.postMessage":      {"chat:write", (*Slack).postMessage},
	"chat.postEphemeral":    {"chat:write", (*Slack).postEphemeral},
	"chat.update":           {"chat:write", (*Slack).updateMessage},
	"conversations.history": {"channels:history groups:history", (*Slack).history},
	"conversations.replies": {"channels:history groups:history", (*Slack).replies},
	"conversations.list":    {"channels:read groups:read", (*Slack).list},
	"apps.connections.open": {"", (*Slack).openConnection},

	"files.getUploadURLExternal":   {"files:write", (*Slack).getUploadURL},
	"files.completeUploadExternal": {"files:write", (*Slack).completeUpload},
}

// ServeHTTP answers one request.
func (s *Slack) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch method, isAPI := strings.CutPrefix(r.URL.Path, "/api/"); {
	case r.URL.Path == "/socket":
		s.serveSocket(w, r)
	case isAPI:
		s.serveAPI(w, r, method)
	case strings.HasPrefix(r.URL.Path, uploadPath):
		s.serveUpload(w, r)
	case strings.HasPrefix(r.URL.Path, "/services/"):
		s.serveHook(w, r)
	default:
		http.NotFound(w, r)
	}
}

func (s *Slack) serveAPI(w http.ResponseWriter, r *http.Request, method string) {
	r.Body = http.MaxBytesReader(w, r.Body, 1<<20)
	if err := r.ParseForm(); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	token := r.Form.Get("token")
	if bearer, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
		token = bearer
	}
	fault, faulty := s.begin(method, r.Form.Get("channel"))
	answer := slackAnswer{}
	if !faulty || fault.Done {
		answer = s.call(method, token, r.Form)
	}
	if faulty {
		s.fail(w, r, fault)
		return
	}
	s.end(answer.code == "")
	writeSlack(w, answer)
}

func writeSlack(w http.ResponseWriter, a slackAnswer) {
	if a.retry > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int((a.retry+time.Second-1)/time.Second)))
		w.WriteHeader(http.StatusTooManyRequests)
		return
	}
	doc := map[string]any{"ok": a.code == ""}
	for k, v := range a.fields {
		doc[k] = v
	}
	if a.code != "" {
		doc["error"] = a.code
	}
	if a.needed != "" {
		doc["needed"] = a.needed
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(doc) // a caller that has gone needs no answer
}

// call does a method's work.
func (s *Slack) call(method, token string, form url.Values) slackAnswer {
	s.mu.Lock()
	defer s.mu.Unlock()
	m, known := slackMethods[method]
	want := s.Token
	if method == "apps.connections.open" {
		want = s.AppToken
	}
	switch {
	case !known:
		return slackNo("unknown_method")
	case token == "":
		return slackNo("not_authed")
	case token != want:
		return slackNo("invalid_auth")
	}
	if m.scope != "" && !slices.ContainsFunc(strings.Fields(m.scope), func(scope string) bool { return slices.Contains(s.rules.Scopes, scope) }) {
		return slackAnswer{code: "missing_scope", needed: strings.Fields(m.scope)[0]}
	}
	return m.do(s, form)
}

// begin notes a call and takes the fault that is meant for it.
func (s *Slack) begin(method, channel string) (SlackFault, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, SlackCall{Method: method, Channel: channel, At: time.Now()})
	found := -1
	for i := range s.faults {
		f := &s.faults[i]
		if f.method != "" && f.method != method {
			continue
		}
		if f.skip > 0 {
			f.skip--
			continue
		}
		if found < 0 {
			found = i
		}
	}
	if found < 0 {
		return SlackFault{}, false
	}
	f := s.faults[found]
	if !f.always {
		s.faults = slices.Delete(s.faults, found, found+1)
	}
	return f.SlackFault, true
}

func (s *Slack) end(ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls[len(s.calls)-1].OK = ok
}

// fail answers as a fault wants.
func (s *Slack) fail(w http.ResponseWriter, r *http.Request, f SlackFault) {
	switch {
	case f.Hang:
		select {
		case <-r.Context().Done():
		case <-s.gone:
		}
		panic(http.ErrAbortHandler)
	case f.Reset:
		panic(http.ErrAbortHandler) // net/http breaks the connection
	case f.Error != "":
		writeSlack(w, slackNo(f.Error))
	default:
		if f.RetryAfter > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(int(f.RetryAfter/time.Second)))
		}
		http.Error(w, "lab", max(f.Status, http.StatusBadRequest))
	}
}

func (s *Slack) authTest(url.Values) slackAnswer {
	return slackAnswer{fields: map[string]any{"url": "https://lab.slack.com/", "team": "lab", "user": "repwatch", "team_id": "T0LAB", "user_id": "U0REPWATCH", "bot_id": "B0REPWATCH"}}
}

func (s *Slack) postMessage(form url.Values) slackAnswer {
	c, answer := s.writable(form)
	if c == nil {
		return answer
	}
	if thread := form.Get("thread_ts"); thread != "" && s.find(c.id, thread) == nil {
		return slackNo("thread_not_found")
	}
	m, code := newSlackMessage(form)
	if code != "" {
		return slackNo(code)
	}
	m.Channel, m.ThreadTS = c.id, form.Get("thread_ts")
	m.Broadcast = m.ThreadTS != "" && form.Get("reply_broadcast") == "true"
	s.add(m)
	return slackAnswer{fields: map[string]any{"channel": c.id, "ts": m.TS, "message": m}}
}

func (s *Slack) postEphemeral(form url.Values) slackAnswer {
	c := s.channel(form.Get("channel"))
	if c == nil {
		return slackNo("channel_not_found")
	}
	if form.Get("user") == "" {
		return slackNo("user_not_in_channel")
	}
	m, code := newSlackMessage(form)
	if code != "" {
		return slackNo(code)
	}
	m.Channel, m.ThreadTS, m.Ephemeral = c.id, form.Get("thread_ts"), form.Get("user")
	s.add(m)
	return slackAnswer{fields: map[string]any{"message_ts": m.TS}}
}

func (s *Slack) updateMessage(form url.Values) slackAnswer {
	if id := form.Get("channel"); s.channels[id] == nil { // by id only
		return slackNo("channel_not_found")
	}
	c, answer := s.writable(form)
	if c == nil {
		return answer
	}
	m := s.find(c.id, form.Get("ts"))
	switch {
	case m == nil:
		return slackNo("message_not_found")
	case m.Hook:
		return slackNo("cant_update_message")
	case s.rules.NoEdit != "":
		return slackNo(s.rules.NoEdit)
	}
	is, code := newSlackMessage(form)
	if code != "" {
		return slackNo(code)
	}
	m.Text, m.Blocks, m.Attachments, m.Color = is.Text, is.Blocks, is.Attachments, is.Color
	if is.Metadata != nil {
		m.Metadata = is.Metadata
	}
	m.Edits++
	return slackAnswer{fields: map[string]any{"channel": c.id, "ts": m.TS, "text": m.Text}}
}

// writable finds the channel of a write, and refuses one that comes too soon.
func (s *Slack) writable(form url.Values) (*slackChannel, slackAnswer) {
	c := s.channel(form.Get("channel"))
	switch {
	case c == nil:
		return nil, slackNo("channel_not_found")
	case c.refuse != "":
		return nil, slackNo(c.refuse)
	}
	now := time.Now()
	if last, ok := s.written[c.id]; ok && now.Sub(last) < s.rules.Pace {
		return nil, slackAnswer{code: "ratelimited", retry: s.rules.Pace}
	}
	s.written[c.id] = now
	return c, slackAnswer{}
}

// add gives a message its ts: unique in the workspace and later than all before.
func (s *Slack) add(m *SlackMessage) {
	now := time.Now()
	s.lastTS = max(s.lastTS+1, now.UnixMicro())
	m.TS, m.At = fmt.Sprintf("%d.%06d", s.lastTS/1e6, s.lastTS%1e6), now
	s.messages = append(s.messages, m)
}

func (s *Slack) history(form url.Values) slackAnswer {
	return s.read(form, func(m *SlackMessage) bool { return m.ThreadTS == "" }, true)
}

func (s *Slack) replies(form url.Values) slackAnswer {
	ts := form.Get("ts")
	if c := s.channels[form.Get("channel")]; c != nil && s.find(c.id, ts) == nil {
		return slackNo("thread_not_found")
	}
	return s.read(form, func(m *SlackMessage) bool { return m.TS == ts || m.ThreadTS == ts }, false)
}

// read pages through a channel by id. History comes newest first, a thread oldest first.
func (s *Slack) read(form url.Values, in func(*SlackMessage) bool, newestFirst bool) slackAnswer {
	c := s.channels[form.Get("channel")]
	switch {
	case c == nil:
		return slackNo("channel_not_found")
	case c.refuse == "not_in_channel", c.refuse == "channel_not_found":
		return slackNo(c.refuse)
	}
	var found []SlackMessage
	for _, m := range s.messages {
		if m.Channel != c.id || m.Deleted || m.Ephemeral != "" || !in(m) || m.TS < form.Get("oldest") {
			continue
		}
		seen := *m
		if all := form.Get("include_all_metadata"); all != "1" && all != "true" {
			seen.Metadata = nil
		}
		found = append(found, seen)
	}
	if newestFirst {
		slices.Reverse(found)
	}
	limit, _ := strconv.Atoi(form.Get("limit")) // absent: 0
	if limit <= 0 {
		limit = 100
	}
	from, _ := strconv.Atoi(form.Get("cursor")) // absent: from the start
	from = min(from, len(found))
	to, next := min(from+limit, len(found)), ""
	if to < len(found) {
		next = strconv.Itoa(to)
	}
	return slackAnswer{fields: map[string]any{"messages": append([]SlackMessage{}, found[from:to]...), "has_more": next != "", "response_metadata": map[string]string{"next_cursor": next}}}
}

func (s *Slack) list(url.Values) slackAnswer {
	channels := []map[string]any{}
	for _, c := range s.channels {
		channels = append(channels, map[string]any{"id": c.id, "name": c.name, "is_channel": true, "is_archived": c.refuse == "is_archived"})
	}
	return slackAnswer{fields: map[string]any{"channels": channels, "response_metadata": map[string]string{"next_cursor": ""}}}
}

// serveHook is the incoming webhook: JSON in, "ok" or a word out.
func (s *Slack) serveHook(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
	if err != nil {
		http.Error(w, "invalid_payload", http.StatusBadRequest)
		return
	}
	fault, faulty := s.begin("webhook", SlackChannel)
	status, word := http.StatusOK, "ok"
	if !faulty || fault.Done {
		status, word = s.hook(r.URL.Path, body)
	}
	if faulty {
		s.fail(w, r, fault)
		return
	}
	s.end(status == http.StatusOK)
	w.Header().Set("Content-Type", "text/html")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, word) // a caller that has gone needs no answer
}

func (s *Slack) hook(path string, body []byte) (int, string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.channels[SlackChannel]
	switch {
	case path != s.Hook:
		return http.StatusNotFound, "no_service"
	case c.refuse == "is_archived":
		return http.StatusGone, "channel_is_archived"
	case c.refuse != "":
		return http.StatusNotFound, "channel_not_found"
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(body, &fields); err != nil {
		return http.StatusBadRequest, "invalid_payload"
	}
	form := url.Values{}
	for k, v := range fields {
		var text string
		if json.Unmarshal(v, &text) != nil {
			text = string(v)
		}
		form.Set(k, text)
	}
	m, code := newSlackMessage(form)
	if code != "" {
		return http.StatusBadRequest, code
	}
	m.Channel, m.Hook = c.id, true
	s.add(m)
	return http.StatusOK, "ok"
}
