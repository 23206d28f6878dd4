package lab

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/gorilla/websocket"
)

// Socket Mode: the app asks for an address, opens a websocket there, gets
// envelopes and acknowledges each.

func (s *Slack) openConnection(url.Values) slackAnswer {
	return slackAnswer{fields: map[string]any{"url": "ws://" + s.host() + "/socket"}}
}

func (s *Slack) serveSocket(w http.ResponseWriter, r *http.Request) {
	up := websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }}
	conn, err := up.Upgrade(w, r, nil)
	if err != nil {
		return // Upgrade has answered
	}
	defer conn.Close()
	s.mu.Lock()
	err = conn.WriteJSON(map[string]any{"type": "hello", "num_connections": len(s.sockets) + 1})
	s.sockets[conn] = true
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		delete(s.sockets, conn)
		s.mu.Unlock()
	}()
	for err == nil {
		var ack struct {
			EnvelopeID string `json:"envelope_id"`
		}
		if err = conn.ReadJSON(&ack); err == nil {
			s.mu.Lock()
			s.acks = append(s.acks, ack.EnvelopeID)
			s.mu.Unlock()
		}
	}
}

// Click presses a button of a message, as a person would, and returns the
// envelope's id. It waits until an app listens.
func (s *Slack) Click(ctx context.Context, user string, m SlackMessage, actionID, value string) (string, error) {
	for {
		if id, err := s.click(user, m, actionID, value); id != "" || err != nil {
			return id, err
		}
		select {
		case <-ctx.Done():
			return "", fmt.Errorf("lab Slack: no app listens: %w", ctx.Err())
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func (s *Slack) click(user string, m SlackMessage, actionID, value string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for conn := range s.sockets {
		s.envelope++
		id := fmt.Sprintf("envelope-%d", s.envelope)
		payload := map[string]any{
			"type":      "block_actions",
			"user":      map[string]string{"id": user, "name": user},
			"channel":   map[string]string{"id": m.Channel},
			"container": map[string]any{"type": "message", "message_ts": m.TS, "channel_id": m.Channel},
			"message":   json.RawMessage(fmt.Sprintf(`{"ts":%q,"thread_ts":%q}`, m.TS, m.ThreadTS)),
			"actions":   []map[string]string{{"type": "button", "block_id": "b", "action_id": actionID, "value": value, "action_ts": m.TS}},
		}
		return id, conn.WriteJSON(map[string]any{"type": "interactive", "envelope_id": id, "accepts_response_payload": true, "payload": payload})
	}
	return "", nil
}

// DropSockets breaks every websocket.
func (s *Slack) DropSockets() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for conn := range s.sockets {
		_ = conn.Close()
	}
}

// Acknowledged reports that an app confirmed an envelope.
func (s *Slack) Acknowledged(envelope string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Contains(s.acks, envelope)
}
