package lab

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// Slack is a workspace in memory that answers Slack's Web API, incoming webhooks
// and Socket Mode, as strictly as Slack does where it matters to a sender of
// messages: tokens, scopes, channels, the form and length of blocks, one message
// a second. It can be told to fail any call, with or without doing the work.
//
// It is an http.Handler, so that a test in a bubble can call it without a network.
type Slack struct {
	// Token, AppToken and Hook (the path of the incoming webhook) are what callers must know.
	Token, AppToken, Hook string

	mu       sync.Mutex
	rules    SlackRules
	channels map[string]*slackChannel // by id
	messages []*SlackMessage
	calls    []SlackCall
	faults   []slackFault
	lastTS   int64
	written  map[string]time.Time // per channel, for the rate limit
	sockets  map[*websocket.Conn]bool
	acks     []string
	envelope int
	gone     chan struct{} // closed by Close: what hangs lets go

	server   *http.Server
	listener net.Listener
	done     sync.WaitGroup
	files    []*SlackFile
}

// SlackRules is how strict the workspace is.
type SlackRules struct {
	Scopes []string // of the bot token
	// Pace: a write to a channel sooner than this after the last one is refused with 429; 0: never.
	Pace time.Duration
	// NoEdit: the code with which each edit is refused; empty: edits work.
	NoEdit string
}

type slackChannel struct {
	id, name string
	refuse   string // code with which it is refused; empty: it takes messages
}

// SlackMessage is a message of the workspace, as it is now.
type SlackMessage struct {
	Channel     string          `json:"channel"`
	TS          string          `json:"ts"`
	ThreadTS    string          `json:"thread_ts,omitempty"`
	Broadcast   bool            `json:"-"` // a reply that is shown in the channel too
	Text        string          `json:"text"`
	Blocks      json.RawMessage `json:"blocks,omitempty"`
	Attachments json.RawMessage `json:"attachments,omitempty"`
	Color       string          `json:"-"` // of the first attachment
	Metadata    json.RawMessage `json:"metadata,omitempty"`
	Edits       int             `json:"-"`
	Deleted     bool            `json:"-"`
	Ephemeral   string          `json:"-"` // the one user who sees it; empty: everybody
	Hook        bool            `json:"-"` // it came through the incoming webhook
	At          time.Time       `json:"-"`
}

// SlackCall is one request, in the order in which they came.
type SlackCall struct {
	Method  string // chat.postMessage, ..., or "webhook"
	Channel string
	At      time.Time
	OK      bool
}

// SlackFault is one way to fail a call. The zero value fails nothing.
type SlackFault struct {
	Done       bool          // the work is done all the same: the caller cannot know
	Status     int           // HTTP status to answer with
	Error      string        // or "ok":false with this code
	RetryAfter time.Duration // header of a 429
	Hang       bool          // no answer until the caller goes
	Reset      bool          // the connection breaks
}

type slackFault struct {
	skip   int // calls to let through first
	always bool
	method string // empty: any
	SlackFault
}

// SlackChannel and SlackFallback exist from the start.
const (
	SlackChannel      = "C0MAILOPS1"
	SlackChannelName  = "mail-ops"
	SlackFallback     = "C0FALLBACK"
	SlackFallbackName = "fallback"
)

// AllSlackScopes are what docs/slack-app.md asks for.
var AllSlackScopes = []string{"chat:write", "chat:write.public", "channels:history", "groups:history", "channels:read", "groups:read", "files:write"}

// NewSlack starts a workspace on loopback. Close ends it.
func NewSlack() (*Slack, error) {
	s := NewSlackHandler()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("lab Slack: %w", err)
	}
	s.listener = l
	s.server = &http.Server{Handler: s}
	s.done.Go(func() { _ = s.server.Serve(l) })
	return s, nil
}

// NewSlackHandler is a workspace without a listener, for a RoundTripper to call.
func NewSlackHandler() *Slack {
	s := &Slack{Token: "xoxb-lab-bot-token", AppToken: "xapp-lab-app-token", Hook: "/services/T0LAB/B0LAB/labhooksecret",
		rules: SlackRules{Scopes: AllSlackScopes}, channels: map[string]*slackChannel{}, written: map[string]time.Time{},
		sockets: map[*websocket.Conn]bool{}, gone: make(chan struct{})}
	s.AddChannel(SlackChannel, SlackChannelName)
	s.AddChannel(SlackFallback, SlackFallbackName)
	return s
}

// URL is the API's base address, for notify.slack.api_url.
func (s *Slack) URL() string { return "http://" + s.host() + "/api/" }

// HookURL is the incoming webhook's address.
func (s *Slack) HookURL() string { return "http://" + s.host() + s.Hook }

func (s *Slack) host() string {
	if s.listener == nil {
		return "slack.lab"
	}
	return s.listener.Addr().String()
}

// Close ends the workspace and every connection.
func (s *Slack) Close() {
	s.mu.Lock()
	select {
	case <-s.gone:
	default:
		close(s.gone)
	}
	for conn := range s.sockets {
		_ = conn.Close()
	}
	s.mu.Unlock()
	if s.server != nil {
		_ = s.server.Close()
	}
	s.done.Wait()
}

// SetRules changes how strict the workspace is.
func (s *Slack) SetRules(r SlackRules) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rules = r
}

// AddChannel makes a channel.
func (s *Slack) AddChannel(id, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.channels[id] = &slackChannel{id: id, name: name}
}

// RefuseChannel has a channel refused with a code (is_archived, ...); an empty one opens it again.
func (s *Slack) RefuseChannel(id, code string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.channels[id]; c != nil {
		c.refuse = code
	}
}

// SetToken changes the bot token that is accepted, as a revocation does.
func (s *Slack) SetToken(token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.Token = token
}

// Fail fails the n-th call from now (1: the next) of a method, or of any if it is empty.
func (s *Slack) Fail(n int, method string, f SlackFault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, slackFault{skip: n - 1, method: method, SlackFault: f})
}

// FailNext fails the next calls, one fault each, whatever they are.
func (s *Slack) FailNext(faults ...SlackFault) {
	for i, f := range faults {
		s.Fail(i+1, "", f)
	}
}

// FailAlways fails every call of a method, or of any if it is empty, until Recover.
func (s *Slack) FailAlways(method string, f SlackFault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, slackFault{always: true, method: method, SlackFault: f})
}

// Recover forgets all faults.
func (s *Slack) Recover() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

// Delete removes a message, as a person may.
func (s *Slack) Delete(channel, ts string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if m := s.find(channel, ts); m != nil {
		m.Deleted = true
	}
}

// Messages are copies of all messages in the order in which they were posted.
func (s *Slack) Messages() []SlackMessage {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]SlackMessage, len(s.messages))
	for i, m := range s.messages {
		out[i] = *m
	}
	return out
}

// Roots are the visible messages that are no replies.
func (s *Slack) Roots() []SlackMessage {
	return slices.DeleteFunc(s.Messages(), func(m SlackMessage) bool { return m.ThreadTS != "" || m.Deleted || m.Ephemeral != "" })
}

// Replies are the visible replies in a thread.
func (s *Slack) Replies(ts string) []SlackMessage {
	return slices.DeleteFunc(s.Messages(), func(m SlackMessage) bool { return m.ThreadTS != ts || m.Deleted || m.Ephemeral != "" })
}

// Calls are all requests so far.
func (s *Slack) Calls() []SlackCall {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.calls)
}

func (s *Slack) find(channel, ts string) *SlackMessage {
	for _, m := range s.messages {
		if m.Channel == channel && m.TS == ts && !m.Deleted {
			return m
		}
	}
	return nil
}

// channel finds a channel by id, #name or name.
func (s *Slack) channel(key string) *slackChannel {
	if c := s.channels[key]; c != nil {
		return c
	}
	for _, c := range s.channels {
		if c.name == strings.TrimPrefix(key, "#") {
			return c
		}
	}
	return nil
}
