package lab

import (
	"encoding/json"
	"net/url"
	"slices"
	"unicode/utf16"
)

// Limits of messages, in UTF-16 units unless said otherwise.
// https://docs.slack.dev/reference/block-kit
const (
	slackMaxText     = 40000
	slackMaxBlocks   = 50 // in a message
	slackMaxAll      = 10000
	slackMaxSection  = 3000
	slackMaxField    = 2000
	slackMaxHeader   = 150
	slackMaxFields   = 10
	slackMaxElements = 25 // of an actions block
	slackMaxContext  = 10
	slackMaxButton   = 75
	slackMaxValue    = 2000
	slackMaxMetadata = 8 << 10 // bytes
)

type slackText struct {
	Type string `json:"type"`
	Text string `json:"text"`
}

func (t *slackText) ok(limit int, kinds ...string) bool {
	return t != nil && t.Text != "" && units(t.Text) <= limit && slices.Contains(kinds, t.Type)
}

type slackBlock struct {
	Type     string       `json:"type"`
	Text     *slackText   `json:"text"`
	Fields   []*slackText `json:"fields"`
	Elements []struct {
		Type     string          `json:"type"`
		Text     json.RawMessage `json:"text"`
		ActionID string          `json:"action_id"`
		Value    string          `json:"value"`
	} `json:"elements"`
}

type slackAttachment struct {
	Color    string       `json:"color"`
	Text     string       `json:"text"`
	Fallback string       `json:"fallback"`
	Blocks   []slackBlock `json:"blocks"`
}

// newSlackMessage reads what was sent, and refuses what Slack would refuse.
func newSlackMessage(form url.Values) (*SlackMessage, string) {
	m := &SlackMessage{Text: form.Get("text")}
	var blocks []slackBlock
	var attachments []slackAttachment
	if raw := form.Get("blocks"); raw != "" {
		if json.Unmarshal([]byte(raw), &blocks) != nil {
			return nil, "invalid_blocks_format"
		}
		m.Blocks = json.RawMessage(raw)
	}
	if raw := form.Get("attachments"); raw != "" {
		if json.Unmarshal([]byte(raw), &attachments) != nil {
			return nil, "invalid_attachments"
		}
		m.Attachments = json.RawMessage(raw)
	}
	if raw := form.Get("metadata"); raw != "" {
		if !json.Valid([]byte(raw)) || len(raw) > slackMaxMetadata {
			return nil, "invalid_metadata_format"
		}
		m.Metadata = json.RawMessage(raw)
	}
	all := blocks
	for _, a := range attachments {
		if len(a.Blocks) == 0 && a.Text == "" && a.Fallback == "" {
			return nil, "invalid_attachments"
		}
		all = append(all, a.Blocks...)
		if m.Color == "" {
			m.Color = a.Color
		}
	}
	return m, checkSlack(m.Text, all, len(attachments))
}

func checkSlack(text string, blocks []slackBlock, attachments int) string {
	total, ids := 0, map[string]bool{}
	for _, b := range blocks {
		n, ok := b.check(ids)
		if !ok {
			return "invalid_blocks"
		}
		total += n
	}
	switch {
	case text == "" && len(blocks) == 0 && attachments == 0:
		return "no_text"
	case units(text) > slackMaxText:
		return "msg_too_long"
	case len(blocks) > slackMaxBlocks:
		return "invalid_blocks"
	case total > slackMaxAll:
		return "msg_blocks_too_long"
	}
	return ""
}

// check says how much text a block has, and whether its form is allowed.
func (b slackBlock) check(ids map[string]bool) (total int, ok bool) {
	switch b.Type {
	case "divider":
		return 0, true
	case "header":
		return 0, b.Text.ok(slackMaxHeader, "plain_text")
	case "section":
		ok = (b.Text != nil || len(b.Fields) > 0) && len(b.Fields) <= slackMaxFields
		if b.Text != nil {
			total, ok = units(b.Text.Text), ok && b.Text.ok(slackMaxSection, "mrkdwn", "plain_text")
		}
		for _, f := range b.Fields {
			ok = ok && f.ok(slackMaxField, "mrkdwn", "plain_text")
		}
		return total, ok
	case "context":
		return 0, len(b.Elements) > 0 && len(b.Elements) <= slackMaxContext
	case "actions":
		if len(b.Elements) == 0 || len(b.Elements) > slackMaxElements {
			return 0, false
		}
		for _, e := range b.Elements {
			var label slackText
			if e.Type != "button" || json.Unmarshal(e.Text, &label) != nil || !label.ok(slackMaxButton, "plain_text") || e.ActionID == "" || ids[e.ActionID] || units(e.Value) > slackMaxValue {
				return 0, false
			}
			ids[e.ActionID] = true
		}
		return 0, true
	default:
		return 0, false
	}
}

func units(s string) int { return len(utf16.Encode([]rune(s))) }
