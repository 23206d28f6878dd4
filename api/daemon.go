package api

import (
	"strings"
	"time"

	"repwatch/incident"
)

// Runtime is what only the running daemon knows of itself.
type Runtime struct {
	Version    string
	PID        int
	Started    time.Time
	ConfigFile string
	// Reloaded is when the configuration in force was read; ReloadError says why a
	// later one was refused, at ReloadFailed.
	Reloaded     time.Time
	ReloadFailed time.Time
	ReloadError  string
	Next         []NextLook // what will be looked at next, the soonest first
	UnderWay     int        // looks under way
	LastSuccess  time.Time  // when something was last looked at, told and stored
	// Watchdog is how often systemd is told that we live; 0: never.
	Watchdog  time.Duration
	Notifiers []string // as the outbox knows them
	// Problems are parts of the configuration that cannot work, in words; the rest does.
	Problems []string
}

// NextLook is a look that is due.
type NextLook struct {
	What string    `json:"what"`
	At   time.Time `json:"at"` // never zero
}

// Tests say how a test message fared at each notifier.
type Tests struct {
	Schema string         `json:"schema"`
	At     *time.Time     `json:"at"`
	Tests  []NotifierTest `json:"tests"`
}

// NotifierTest is one notifier's.
type NotifierTest struct {
	Notifier string `json:"notifier"`
	OK       bool   `json:"ok"`
	TookMS   int64  `json:"took_ms"`
	// Why it did not arrive, or not as configured.
	Why  string `json:"why"`
	Hint string `json:"hint"`
}

// TestsOf builds the document.
func TestsOf(now time.Time, tests []NotifierTest) Tests {
	return Tests{Schema: Schema("notify-test"), At: utc(now), Tests: orEmpty(tests)}
}

// Exit is 1 when a message did not arrive, 3 when there is nobody to tell.
func (t Tests) Exit() int {
	failed := 0
	for _, one := range t.Tests {
		if !one.OK {
			failed++
		}
	}
	return exit(failed, len(t.Tests), len(t.Tests))
}

// Recheck says what will be looked at because a person asked.
type Recheck struct {
	Schema  string     `json:"schema"`
	At      *time.Time `json:"at"`
	Subject string     `json:"subject"`
	Looks   []string   `json:"looks"` // in words
}

// RecheckOf builds the document.
func RecheckOf(now time.Time, subject string, looks []string) Recheck {
	return Recheck{Schema: Schema("recheck"), At: utc(now), Subject: subject, Looks: orEmpty(looks)}
}

// Acted says that a person's word was taken.
type Acted struct {
	Schema   string        `json:"schema"`
	At       *time.Time    `json:"at"`
	Incident string        `json:"incident"`
	Verb     incident.Verb `json:"verb"`
	By       string        `json:"by"`
}

// ActedOf builds the document; id is the incident that the action came to.
func ActedOf(now time.Time, id string, a incident.Action) Acted {
	return Acted{Schema: Schema("acted"), At: utc(now), Incident: id, Verb: a.Verb, By: a.By}
}

// Problem is what the socket answers where it cannot do what was asked.
type Problem struct {
	Error string `json:"error"`
	Hint  string `json:"hint"`
}

// ProblemOf splits an error in our words, "what\n  hint: what to do".
func ProblemOf(err error) Problem {
	what, hint, _ := strings.Cut(err.Error(), "\n")
	return Problem{Error: what, Hint: strings.TrimPrefix(strings.TrimSpace(hint), "hint: ")}
}

// Preview is what notifiers would send of an incident.
type Preview struct {
	Schema   string      `json:"schema"`
	Incident string      `json:"incident"`
	Messages []Previewed `json:"messages"`
}

// Previewed is one message.
type Previewed struct {
	Notifier string `json:"notifier"`
	What     string `json:"what"`
	Text     string `json:"text"` // as it goes over the wire, made readable
}
