package api

import (
	"time"

	"repwatch/setup"
)

// Doctor says whether repwatch can work on this host.
type Doctor struct {
	Schema string        `json:"schema"`
	At     *time.Time    `json:"at"`
	Checks []DoctorCheck `json:"checks"`
	Counts DoctorCounts  `json:"counts"`
	Notes  []string      `json:"notes"`
}

// DoctorCheck is one thing looked at.
type DoctorCheck struct {
	Area    string      `json:"area"`
	Subject string      `json:"subject"` // an address, a path, a key; empty where the area has but one
	State   setup.State `json:"state"`   // ok, warn, fail, unknown, off
	Why     string      `json:"why"`
	Next    string      `json:"next"` // empty where nothing is to be done
}

// DoctorCounts counts checks by state.
type DoctorCounts struct {
	OK      int `json:"ok"`
	Warn    int `json:"warn"`
	Fail    int `json:"fail"`
	Unknown int `json:"unknown"`
	Off     int `json:"off"`
}

// DoctorOf builds the document. What DNS, partners and files said is made printable.
func DoctorOf(at time.Time, checks []setup.Check, notes []string) Doctor {
	doc := Doctor{Schema: Schema("doctor"), At: utc(at), Checks: make([]DoctorCheck, 0, len(checks)), Notes: orEmpty(notes)}
	for _, c := range checks {
		doc.Checks = append(doc.Checks, DoctorCheck{Area: c.Area, Subject: c.Subject, State: c.State, Why: printable(c.Why), Next: printable(c.Next)})
		switch c.State {
		case setup.OK:
			doc.Counts.OK++
		case setup.Warn:
			doc.Counts.Warn++
		case setup.Fail:
			doc.Counts.Fail++
		case setup.Off:
			doc.Counts.Off++
		default:
			doc.Counts.Unknown++
		}
	}
	return doc
}

// Exit is 1 when something will not work; a warning is no finding. What is not
// configured was not asked for.
func (d Doctor) Exit() int {
	told := d.Counts.OK + d.Counts.Warn + d.Counts.Fail
	return exit(d.Counts.Fail, told, told+d.Counts.Unknown)
}
