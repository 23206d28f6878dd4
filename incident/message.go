package incident

import (
	"time"

	"repwatch/reputation"
)

// Message is what people are shown of an incident, in words. Notifiers only lay
// it out; they write no words of their own about what happened. Foreign text in
// it (replies, TXT records) is printable, but not escaped for any markup.
type Message struct {
	Incident string            `json:"incident,omitempty"`
	Kind     Kind              `json:"kind,omitempty"`
	Status   Status            `json:"status,omitempty"`
	Tone     Tone              `json:"tone"`
	Impact   reputation.Impact `json:"impact"`
	// Title is one sentence: what happened, to whom.
	Title string `json:"title"`
	// Fields are shown in order: Since, Lost, Because, Evidence, Probably next, Next, ...
	Fields []Field   `json:"fields,omitempty"`
	At     time.Time `json:"at"`
	// Owner is to be mentioned instead of the configured mention, if set.
	Owner string `json:"owner,omitempty"`
	// Actions that make sense now: ack, snooze-4h, snooze-24h, snooze-end, unrelated, recheck.
	Actions []string `json:"actions,omitempty"`
}

// Field is one labelled part of a message; each line is a sentence or an item.
type Field struct {
	Name  string   `json:"name"`
	Lines []string `json:"lines"`
}

// Tone is the colour of a message.
type Tone string

const (
	ToneBad  Tone = "bad"  // red: something is broken
	ToneWarn Tone = "warn" // yellow: something may break
	ToneGood Tone = "good" // green: over
	ToneInfo Tone = "info" // grey: for your information, acknowledged, merged
)
