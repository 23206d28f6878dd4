// Package incident turns what changed, and what caused it, into what people are
// told: incidents and alerts.
//
// It is pure. Fold takes the incidents so far, the changes of one transaction
// and the correlator's verdicts, and returns the incidents as they are now and
// the alerts to send; it never asks the time, logs, stores or sends.
package incident

import (
	"time"

	"repwatch/correlate"
	"repwatch/reputation"
)

// Kind sorts incidents.
type Kind string

const (
	Reputation Kind = "reputation" // listings and losses
	Own        Kind = "own"        // PTR, EHLO name, our MX, certificates
	Health     Kind = "health"     // resolver, coverage, port 25, notifiers, control
)

// Status of an incident.
type Status string

const (
	Open     Status = "open"
	Resolved Status = "resolved"
)

// Root is the kind of cause that holds an incident together.
type Root string

const (
	RootListing Root = "listing" // an address (or many) got onto a list
	RootPartner Root = "partner" // a partner changed for everyone
	RootPath    Root = "path"    // our own way out from an address is disturbed
	RootPair    Root = "pair"    // a partner treats an address badly, and no list is to blame as far as we know
	RootFault   Root = "fault"   // own side or health
)

// JustListed is the verdict on a listing that has broken nothing yet; all other
// verdicts on reputation incidents are the correlator's.
const JustListed correlate.Cause = "listed"

// Incident is one cause and all it did. It is a value; Fold returns new ones.
type Incident struct {
	ID     string `json:"id"` // "1", "2", ...; people see #1
	Kind   Kind   `json:"kind"`
	Status Status `json:"status"`

	// The verdict, as people are shown it.
	Verdict     correlate.Cause `json:"verdict,omitempty"` // own and health incidents have none
	Confidence  float64         `json:"confidence,omitempty"`
	Word        string          `json:"word,omitempty"` // confirmed, likely, possible
	Provisional bool            `json:"provisional,omitempty"`

	// Root says what kind of cause holds it together.
	Root Root `json:"root"`
	// What it is all about. Empty where it does not apply.
	List    string `json:"list,omitempty"`
	IP      string `json:"ip,omitempty"` // or the domain that is listed
	Partner string `json:"partner,omitempty"`
	Fault   string `json:"fault,omitempty"` // own, health: the fault's id

	// Episodes belong to it, in the order in which they joined.
	Episodes []uint64 `json:"episodes"`

	Opened   time.Time `json:"opened"`
	Resolved time.Time `json:"resolved,omitzero"`
	Updated  time.Time `json:"updated"`
	// Merged names the incident that this one turned out to be part of.
	Merged string `json:"merged,omitempty"`

	AckedAt      time.Time `json:"acked_at,omitzero"`
	AckedBy      string    `json:"acked_by,omitempty"`
	SnoozedUntil time.Time `json:"snoozed_until,omitzero"`
	// SnoozedToEnd: quiet until it is over ("until delisted").
	SnoozedToEnd bool   `json:"snoozed_to_end,omitempty"`
	Reason       string `json:"reason,omitempty"` // of who has it in hand, or closed it
	// ClosedBy is the person who resolved it by hand; its episodes may still be open.
	ClosedBy string `json:"closed_by,omitempty"`

	Impact    reputation.Impact `json:"impact"`
	Alert     string            `json:"alert"`               // now, digest or never: the most urgent it deserves so far
	Told      bool              `json:"told,omitempty"`      // people were told (an alert is in the outbox or sent)
	Mentioned bool              `json:"mentioned,omitempty"` // somebody was mentioned: once is enough
	Reminded  time.Time         `json:"reminded,omitzero"`
	// Hushed: quiet hours kept news of it out of the channel; it is told when they are over.
	Hushed bool `json:"hushed,omitempty"`
	// Maintenance is the reason of the window that it, or a loss of it, began in.
	Maintenance string `json:"maintenance,omitempty"`
	// Held are the losses that nobody is told of while their window lasts.
	Held []uint64 `json:"held,omitempty"`

	Evidence  []string   `json:"evidence,omitempty"`  // why we think so, strongest first
	Next      []string   `json:"next,omitempty"`      // what to do
	Forecasts []Forecast `json:"forecasts,omitempty"` // what a listing will probably break next
	Said      []Said     `json:"said,omitempty"`      // news so far, oldest first; the last maxSaid of them
}

// Forecast is a partner that will probably react to a listing of the incident.
type Forecast struct {
	Partner string    `json:"partner"`
	List    string    `json:"list"`
	IP      string    `json:"ip"`
	P       float64   `json:"p"`
	From    time.Time `json:"from"`
	To      time.Time `json:"to"`
	Record  string    `json:"record,omitempty"` // "4 of 4"
}

// Said is one piece of news about an incident.
type Said struct {
	At   time.Time `json:"at"`
	Text string    `json:"text"`
}

// AlertKind says what an alert is for, and so how a notifier shows it.
type AlertKind string

const (
	AlertOpened   AlertKind = "opened"   // the first message of an incident: a notifier that can, makes it the root
	AlertNews     AlertKind = "news"     // something happened: a reply in the thread, and the root is edited
	AlertEdit     AlertKind = "edit"     // nothing to say, but the root is to be edited (evidence, forecast, acknowledgement)
	AlertResolved AlertKind = "resolved" // the end: the root turns green
	AlertReminder AlertKind = "reminder" // it is still open
	AlertDigest   AlertKind = "digest"   // what was not worth an interruption, once a day; belongs to no incident
	AlertNotice   AlertKind = "notice"   // news that is no incident: flapping, capabilities that went or came
	AlertTest     AlertKind = "test"     // a person asked for it
	AlertReport   AlertKind = "report"   // the weekly report; it is built when it is sent
)

// Alert is one piece of news for people, as it waits in the outbox.
type Alert struct {
	Seq      uint64    `json:"seq"`                // set by the store; alerts of one incident are delivered in its order
	Incident string    `json:"incident,omitempty"` // empty: digest, notice, test
	Kind     AlertKind `json:"kind"`
	At       time.Time `json:"at"`           // when it was folded
	Due      time.Time `json:"due,omitzero"` // not to be sent before (group_wait, quiet hours)
	// Broadcast: a reply in the thread is to be seen in the channel too (a loss joined what
	// was only a listing, it is back, it is still open).
	Broadcast bool `json:"broadcast,omitempty"`
	// Key: an alert still unsent with the same key is replaced by this one.
	Key     string `json:"key,omitempty"`
	Mention bool   `json:"mention,omitempty"`
	// Subjects of a notice: the pairs it is about.
	Subjects []string `json:"subjects,omitempty"`
	// Week of a report, as 2026-W46.
	Week    string  `json:"week,omitempty"`
	Message Message `json:"message"`        // the whole story as of At, for notifiers that cannot edit
	News    string  `json:"news,omitempty"` // what is new, one or a few lines: the reply in the thread
}
