// Package checks looks: at lists, at partners, at our own side. What a look
// brings is a Batch; that is all that passes from looking to folding, so that
// both may one day happen on different hosts.
//
// A new kind of check is one file, and one line in kinds.
package checks

import (
	"time"

	"repwatch/checks/dnsbl"
	"repwatch/checks/smtp"
	"repwatch/incident"
	"repwatch/reputation"
)

// Version of Batch on the wire.
const Version = 1

// Batch is what one run of a check found. It marshals to JSON.
type Batch struct {
	Version int       `json:"v"`
	ID      string    `json:"id"`    // unique, so that a batch delivered twice is folded once
	Check   string    `json:"check"` // the kind that looked: lists, partners, own
	Why     string    `json:"why"`   // schedule, start, confirm, control, peers, listing, delisting, asked for, ...
	Started time.Time `json:"started"`
	Ended   time.Time `json:"ended"`

	Lists  []ListLook   `json:"lists,omitempty"`
	Wire   []WireLook   `json:"wire,omitempty"`
	Own    []OwnLook    `json:"own,omitempty"`
	Health []HealthLook `json:"health,omitempty"`

	// Wants are looks that this one calls for; Skipped says in words what was not
	// looked at, for politeness' sake or because it is no longer configured.
	Wants   []Ask    `json:"wants,omitempty"`
	Skipped []string `json:"skipped,omitempty"`
}

// ListLook is one list's part of a sweep. It is columnar: what was asked and is
// neither in Hits nor Unknown is not listed, and takes no bytes.
type ListLook struct {
	List    string       `json:"list"`
	Health  dnsbl.Health `json:"health"`
	Why     string       `json:"why,omitempty"` // why it is not believed
	Tested  time.Time    `json:"tested,omitzero"`
	Started time.Time    `json:"started"`
	Ended   time.Time    `json:"ended"`

	// Asked are the subjects asked (text of the IP, or the domain); nil: every
	// configured subject that the list takes.
	Asked []string `json:"asked,omitempty"`
	Hits  []Hit    `json:"hits,omitempty"`
	// Unknown are those asked that could not be told; AllUnknown: none could.
	Unknown    []string `json:"unknown,omitempty"`
	AllUnknown bool     `json:"all_unknown,omitempty"`
	// ClearAge and HitAge bound how old the answers may have been in a resolver's cache (rule of truth 7).
	ClearAge time.Duration `json:"clear_age,omitempty"`
	HitAge   time.Duration `json:"hit_age,omitempty"`
	// Interval is how often the list is really asked, budgets considered.
	Interval time.Duration `json:"interval,omitempty"`
}

// Hit is one subject that a believed list lists, whatever the class of its codes.
type Hit struct {
	Who string `json:"who"`
	reputation.Listing
}

// WireLook is one look at a partner from one vantage: all addresses that were tried.
type WireLook struct {
	Subject reputation.Subject `json:"subject"` // KindWire or KindControl
	At      time.Time          `json:"at"`
	Looks   []smtp.Look        `json:"looks"` // in the order tried; never empty (a look that told nothing is one with OutcomeUnknown)
	// Failure says why nothing could be told, for those who count failures.
	Failure  smtp.Failure  `json:"failure,omitempty"`
	Evidence incident.Wire `json:"evidence"` // of the most telling result: Provider, MX, Why, Reply, Meaning, SeenIP, Faults, Transcript, Offers
	// NotAfter is when the partner's certificate ends; zero if none was seen.
	NotAfter time.Time `json:"not_after,omitzero"`
}

// OwnLook is what was found on our own side of one subject (KindOwn with an empty Target).
// Every aspect that could be told is in Faults or Fine; what is in neither is unknown.
type OwnLook struct {
	Subject reputation.Subject `json:"subject"`
	At      time.Time          `json:"at"`
	Faults  []incident.Fault   `json:"faults,omitempty"`
	Fine    []string           `json:"fine,omitempty"` // ids of aspects that are as they should be
}

// HealthLook is what a check noticed of our own seeing. A nil Fault says that it is fine.
type HealthLook struct {
	Subject reputation.Subject `json:"subject"` // KindHealth
	At      time.Time          `json:"at"`
	Fault   *incident.Fault    `json:"fault,omitempty"`
}
