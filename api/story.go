package api

import (
	"cmp"
	"slices"
	"time"

	"repwatch/incident"
	"repwatch/reputation"
	"repwatch/store"
)

// Story is all that is known of one incident.
type Story struct {
	Schema   string     `json:"schema"`
	At       *time.Time `json:"at"`
	Incident Incident   `json:"incident"`
	Message  Message    `json:"message"` // as notifiers show it
	Episodes []Episode  `json:"episodes"`
	Absorbed []string   `json:"absorbed"` // incidents that turned out to be part of it
}

// Message is what people are shown.
type Message struct {
	Tone   incident.Tone    `json:"tone"`
	Title  string           `json:"title"`
	Fields []incident.Field `json:"fields"`
	At     *time.Time       `json:"at"`
}

// Episode is a bad state of one subject, with bracketed begin and end: it began
// after after (null: before we looked) and by since.
type Episode struct {
	ID         uint64          `json:"id"`
	Kind       reputation.Kind `json:"kind"`
	Subject    string          `json:"subject"`
	Words      string          `json:"words"`
	After      *time.Time      `json:"after"`
	Since      *time.Time      `json:"since"`
	EndAfter   *time.Time      `json:"end_after"`
	Until      *time.Time      `json:"until"` // null: it lasts
	Unwatched  bool            `json:"unwatched"`
	FirstSight bool            `json:"first_sight"`
	Incident   *string         `json:"incident"`

	Listing *reputation.Listing `json:"listing"`
	Wire    *incident.Wire      `json:"wire"`
	Fault   *incident.Fault     `json:"fault"`
}

// Open reports that it lasts.
func (e Episode) Open() bool { return e.Until == nil }

// StoryOf builds the document; ok is false where there is no such incident.
func StoryOf(tx *store.Tx, now time.Time, id string) (doc Story, ok bool, err error) {
	i, ok, err := tx.Incidents().Get(id)
	if err != nil || !ok {
		return doc, ok, err
	}
	doc = Story{Schema: Schema("incident"), At: utc(now), Episodes: []Episode{}, Absorbed: []string{}}
	if doc.Incident, err = incidentOf(tx, i); err != nil {
		return doc, true, err
	}
	m, _, err := tx.Messages().Get(id)
	if err != nil {
		return doc, true, err
	}
	doc.Message = Message{Tone: m.Tone, Title: m.Title, Fields: orEmpty(m.Fields), At: utc(m.At)}
	for _, n := range i.Episodes {
		e, ok, err := tx.Episodes().Get(n)
		if err != nil {
			return doc, true, err
		}
		if ok {
			doc.Episodes = append(doc.Episodes, episodeOf(e))
		}
	}
	for _, other := range tx.Incidents().All() {
		if other.Merged == id {
			doc.Absorbed = append(doc.Absorbed, other.ID)
		}
	}
	slices.SortFunc(doc.Absorbed, compareID)
	return doc, true, tx.Err()
}

func episodeOf(e incident.Episode) Episode {
	return Episode{ID: e.ID, Kind: e.Subject.Kind, Subject: e.Subject.String(), Words: episodeWords(e),
		After: utc(e.Begin.After), Since: utc(e.Begin.By), EndAfter: utc(e.End.After), Until: utc(cmp.Or(e.End.By, e.Ended)),
		Unwatched: e.Unwatched, FirstSight: e.FirstSight, Incident: orNull(e.Incident), Listing: e.Listing, Wire: e.Wire, Fault: e.Fault}
}
