package store

import (
	"encoding/json"
	"iter"
	"time"

	"repwatch/checks/smtp"
	"repwatch/incident"
	"repwatch/reputation"
)

// Listing is a subject that is listed now.
type Listing struct {
	reputation.Listing
	Begin      reputation.Bracket `json:"begin"`
	FirstSight bool               `json:"first_sight,omitempty"`
	Episode    uint64             `json:"episode,omitempty"`
	Seq        uint64             `json:"seq,omitempty"` // of the record that began it
}

// List is how a list stands.
type List struct {
	Health string    `json:"health"`
	Why    string    `json:"why,omitempty"`
	Since  time.Time `json:"since,omitzero"`  // of this health
	Tested time.Time `json:"tested,omitzero"` // when its test points were last asked

	// Window of the last sweep that told something.
	SureStarted time.Time `json:"sure_started,omitzero"`
	SureEnded   time.Time `json:"sure_ended,omitzero"`

	ClearAge time.Duration `json:"clear_age,omitempty"` // nanoseconds
	HitAge   time.Duration `json:"hit_age,omitempty"`
	Interval time.Duration `json:"interval,omitempty"`

	LostAt time.Time `json:"lost_at,omitzero"` // when it became unbelieved
	// Stale says when a pair was last sure, by IP or domain; zero: never. It holds
	// only the pairs that the last sweep could not tell.
	Stale map[string]time.Time `json:"stale,omitempty"`
}

// Watched is an IP or domain that is watched.
type Watched struct {
	Since time.Time `json:"since"`
}

// Wire is how a sending IP, or a control, stands with a partner.
type Wire struct {
	smtp.State
	Provider string             `json:"provider,omitempty"`
	MX       string             `json:"mx,omitempty"`
	Why      string             `json:"why,omitempty"`
	Failure  smtp.Failure       `json:"failure,omitempty"`
	Outcome  reputation.Outcome `json:"outcome"` // of the last look
	Episode  uint64             `json:"episode,omitempty"`
	Seq      uint64             `json:"seq,omitempty"` // of the record that began the loss
	NotAfter time.Time          `json:"not_after,omitzero"`
	Offers   []string           `json:"offers,omitempty"`
	SeenIP   string             `json:"seen_ip,omitempty"`
	Heard    *incident.Witness  `json:"heard,omitempty"`    // a control's last sure look; nil for our own addresses, whose losses keep their evidence
	Interval time.Duration      `json:"interval,omitempty"` // nanoseconds
	Every    int                `json:"every,omitempty"`    // minutes between two looks by schedule, as the journal has it
	Vouched  time.Time          `json:"vouched,omitzero"`   // when the journal was told last that nothing is lost

	FlappingSince time.Time `json:"flapping_since,omitzero"`
}

// Fault is trouble of our own that lasts, or that may be about to begin or end.
type Fault struct {
	incident.Fault
	Since   time.Time `json:"since,omitzero"`
	Episode uint64    `json:"episode,omitempty"`
	Bad     int       `json:"bad,omitempty"`  // looks in a row that found it
	Good    int       `json:"good,omitempty"` // ... that did not
	Told    bool      `json:"told,omitempty"`
}

// Forecast is a reaction that was foretold, and what became of it.
type Forecast struct {
	ListingSeq uint64    `json:"listing_seq"`
	IP         string    `json:"ip"`
	List       string    `json:"list"`
	Partner    string    `json:"partner"`
	P          float64   `json:"p"`
	At         time.Time `json:"at"`
	From       time.Time `json:"from"`
	To         time.Time `json:"to"`
	Outcome    string    `json:"outcome,omitempty"` // "", hit, miss
	Judged     time.Time `json:"judged,omitzero"`
}

// Budget is what was spent of a list's questions of one day.
type Budget struct {
	Day   int64 `json:"day"`   // days since 1970-01-01, UTC
	Spent int   `json:"spent"` // questions
}

// Notifier is how a notifier does.
type Notifier struct {
	LastOK      time.Time `json:"last_ok,omitzero"`
	LastFailure time.Time `json:"last_failure,omitzero"`
	Why         string    `json:"why,omitempty"`
	Down        bool      `json:"down,omitempty"`
	Failures    int       `json:"failures,omitempty"` // in a row
}

// Listings holds what is listed now.
func (tx *Tx) Listings() Table[reputation.Subject, Listing] {
	return table[reputation.Subject, Listing](tx, bucketListings, subjectKeys)
}

// Lists holds how each list stands, by its id.
func (tx *Tx) Lists() Table[string, List] { return table[string, List](tx, bucketLists, textKeys) }

// Subjects holds which IPs and domains are watched, by their text.
func (tx *Tx) Subjects() Table[string, Watched] {
	return table[string, Watched](tx, bucketSubjects, textKeys)
}

// Wire holds how each sending IP and each control stands with each partner.
func (tx *Tx) Wire() Table[reputation.Subject, Wire] {
	return table[reputation.Subject, Wire](tx, bucketWire, subjectKeys)
}

// Glance is the part of a Wire that says how the pair stands. What it is offered, most of
// a row, is left unread.
type Glance struct {
	Standing      smtp.Standing      `json:"standing"`
	Loss          smtp.LossKind      `json:"loss"`
	LastLook      time.Time          `json:"last_look"`
	LastSure      time.Time          `json:"last_sure"`
	Failed        int                `json:"failed"`
	Provider      string             `json:"provider"`
	Why           string             `json:"why"`
	Outcome       reputation.Outcome `json:"outcome"`
	NotAfter      time.Time          `json:"not_after"`
	SeenIP        string             `json:"seen_ip"`
	Interval      time.Duration      `json:"interval"`
	FlappingSince time.Time          `json:"flapping_since"`
}

// Glance is what a look at the whole row says too.
func (w *Wire) Glance() Glance {
	return Glance{Standing: w.Standing, Loss: w.Loss, LastLook: w.LastLook, LastSure: w.LastSure, Failed: w.Failed, Provider: w.Provider, Why: w.Why,
		Outcome: w.Outcome, NotAfter: w.NotAfter, SeenIP: w.SeenIP, Interval: w.Interval, FlappingSince: w.FlappingSince}
}

// Glances yields how every pair stands, for those who tell of all of them.
func (tx *Tx) Glances() iter.Seq2[reputation.Subject, Glance] {
	return table[reputation.Subject, Glance](tx, bucketWire, subjectKeys).All()
}

// Faults holds what is wrong on our own side and with our own seeing.
func (tx *Tx) Faults() Table[reputation.Subject, Fault] {
	return table[reputation.Subject, Fault](tx, bucketFaults, subjectKeys)
}

// Forecasts holds what was foretold, by ForecastKey.
func (tx *Tx) Forecasts() Table[string, Forecast] {
	return table[string, Forecast](tx, bucketForecasts, textKeys)
}

// Budgets holds the questions spent today, by list id.
func (tx *Tx) Budgets() Table[string, Budget] {
	return table[string, Budget](tx, bucketBudgets, textKeys)
}

// Settings holds small things of whoever needs them, by a name of theirs.
func (tx *Tx) Settings() Table[string, json.RawMessage] {
	return table[string, json.RawMessage](tx, bucketSettings, textKeys)
}

// Notifiers holds how each notifier does, by its name.
func (tx *Tx) Notifiers() Table[string, Notifier] {
	return table[string, Notifier](tx, bucketNotifiers, textKeys)
}
