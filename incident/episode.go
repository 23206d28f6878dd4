package incident

import (
	"time"

	"repwatch/checks/smtp"
	"repwatch/reputation"
)

// What says what became of a subject. It is the word of the journal.
type What string

const (
	Listed    What = "listed"    // a list names the subject
	Relisted  What = "relisted"  // it still does, with other codes
	Delisted  What = "delisted"  // it does no longer
	Baseline  What = "baseline"  // looks agree on what a pair is offered: from now on a change is news
	Fine      What = "fine"      // a look found nothing lost: evidence where others have lost something
	Lost      What = "lost"      // a partner withdrew something from a sending IP, or from a control
	Turned    What = "turned"    // a loss is of another kind now
	Back      What = "back"      // what was lost is offered again
	Flapping  What = "flapping"  // sure answers contradict each other: no loss (rule of truth 4)
	Steady    What = "steady"    // they agree again
	Changed   What = "changed"   // capabilities went or came; no loss begins or ends
	Faulty    What = "faulty"    // our own side, or our own seeing, is in trouble
	Mended    What = "mended"    // ... no longer
	Unwatched What = "unwatched" // nobody looks at the subject any more (rule of truth 11)
	Suspended What = "suspended" // a list is not believed; Subject is the list alone
	Believed  What = "believed"  // ... again
	Replied   What = "replied"   // a partner's server said why
	Unrelated What = "unrelated" // a person ruled a list out as the cause of a loss
	Acted     What = "acted"     // a person acknowledged, snoozed or resolved an incident
)

// Record is one line of the journal: a transition, or a piece of evidence.
// Everything that repwatch knows of the past is in the journal; the
// correlator's events and the history of a subject are read from it.
type Record struct {
	Seq     uint64             `json:"seq"`
	At      time.Time          `json:"at"` // when it was folded, UTC
	What    What               `json:"what"`
	Subject reputation.Subject `json:"subject"`
	reputation.Bracket
	FirstSight bool `json:"first_sight,omitempty"`

	Listing *reputation.Listing `json:"listing,omitempty"` // listed, relisted
	Wire    *Wire               `json:"wire,omitempty"`    // lost, turned, back, flapping, steady, changed
	Fault   *Fault              `json:"fault,omitempty"`   // faulty

	Episode  uint64 `json:"episode,omitempty"`
	Incident string `json:"incident,omitempty"` // acted

	Of     uint64 `json:"of,omitempty"`     // unrelated: the seq of the loss that was judged
	List   string `json:"list,omitempty"`   // replied, unrelated: the list that is meant
	Policy string `json:"policy,omitempty"` // replied: what is blamed instead of a list
	Words  string `json:"words,omitempty"`  // in words, for people
	Who    string `json:"who,omitempty"`    // the person who acted
}

// Wire is the evidence of a look at a partner that made news.
type Wire struct {
	Loss    smtp.LossKind `json:"loss,omitempty"`
	Went    []string      `json:"went,omitempty"`
	Came    []string      `json:"came,omitempty"`
	Changed []smtp.Change `json:"changed,omitempty"`
	Mixed   bool          `json:"mixed,omitempty"`
	Offers  []string      `json:"offers,omitempty"` // keywords of the EHLO reply after the change, sorted

	Provider   string   `json:"provider,omitempty"`
	MX         string   `json:"mx,omitempty"`
	Addrs      []string `json:"addrs,omitempty"` // where it was seen
	Looks      int      `json:"looks,omitempty"` // sure looks that agree on it
	Why        string   `json:"why,omitempty"`
	Reply      string   `json:"reply,omitempty"`   // the server's deciding reply
	Meaning    string   `json:"meaning,omitempty"` // what that reply means
	Names      string   `json:"names,omitempty"`   // the list that the reply names, by its id
	Blames     string   `json:"blames,omitempty"`  // what the reply blames that is no list: a correlate.Policy
	SeenIP     string   `json:"seen_ip,omitempty"` // the address the partner saw, where it is not the one meant (rule of truth 10)
	Every      int      `json:"every,omitempty"`   // minutes between two looks at the pair, by schedule
	Faults     []string `json:"faults,omitempty"`
	Transcript []string `json:"transcript,omitempty"`
	// Control is what the control vantage saw at about the same time: advertised,
	// absent, ...; empty if it was not asked. In a control's own record it is what all
	// controls together say from now on, lost or back; empty if that did not change.
	Control string `json:"control,omitempty"`
}

// Fault is trouble on our own side (kind own) or with our own seeing (kind health).
type Fault struct {
	ID     string            `json:"id"` // stable: ptr, ehlo-name, resolver, port25, ...
	Impact reputation.Impact `json:"impact"`
	What   string            `json:"what"` // what was found, in words
	Why    string            `json:"why,omitempty"`
	Do     string            `json:"do,omitempty"`
}

// Witness is what a control was offered by a partner that withheld something from us.
type Witness struct {
	Name       string             `json:"name"`
	At         time.Time          `json:"at"` // of its last sure look
	MX         string             `json:"mx,omitempty"`
	Outcome    reputation.Outcome `json:"outcome"`
	Offers     []string           `json:"offers,omitempty"`
	Transcript []string           `json:"transcript,omitempty"`
}

// Episode is a bad state of a subject, with bracketed begin and end.
type Episode struct {
	ID      uint64             `json:"id"`
	Subject reputation.Subject `json:"subject"`
	Seq     uint64             `json:"seq"` // of the record that began it; the correlator knows it by this

	Begin      reputation.Bracket `json:"begin"`
	FirstSight bool               `json:"first_sight,omitempty"` // it began before we looked
	End        reputation.Bracket `json:"end,omitzero"`
	Ended      time.Time          `json:"ended,omitzero"`      // when the end was folded; zero: it lasts
	Unwatched  bool               `json:"unwatched,omitempty"` // it was closed because nobody looks any more

	Listing *reputation.Listing `json:"listing,omitempty"`
	Wire    *Wire               `json:"wire,omitempty"`
	Fault   *Fault              `json:"fault,omitempty"`
	Witness *Witness            `json:"witness,omitempty"` // of a loss that is over; nil: no control looks there

	Incident string `json:"incident,omitempty"` // empty: it is in none (policy and neutral listings)
}

// Open reports that the bad state lasts, as far as is known.
func (e *Episode) Open() bool { return e.Ended.IsZero() }

// Since is the best moment to tell people for the begin: the first time it was seen.
func (e *Episode) Since() time.Time { return e.Begin.By }
