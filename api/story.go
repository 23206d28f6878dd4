package api

import (
	"cmp"
	"time"

	"repwatch/incident"
	"repwatch/reputation"
	"repwatch/store"
)

// Story is all that is known of one incident: the document of incidents with that
// one in it, and beside it what only the story of one tells.
type Story struct {
	Incidents
	Message  Message   `json:"message"` // as notifiers show it
	Episodes []Episode `json:"episodes"`
	Absorbed []string  `json:"absorbed"` // incidents that turned out to be part of it
}

// Incident is the one that the story is of.
func (s Story) Incident() Incident {
	if len(s.Incidents.Incidents) == 0 {
		return Incident{} // not of our making
	}
	return s.Incidents.Incidents[0]
}

// Message is what people are shown.
type Message struct {
	Tone   incident.Tone    `json:"tone"`
	Title  string           `json:"title"`
	Fields []incident.Field `json:"fields"`
	At     *time.Time       `json:"at"`
	Owner  *string          `json:"owner"` // who is mentioned
	// Actions are what can be done with it now.
	Actions []string `json:"actions"`
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

// StoryOf builds the document. ErrNoIncident: there is no such incident.
func StoryOf(tx *store.Tx, now time.Time, id string) (Story, error) {
	i, ok, err := tx.Incidents().Get(id)
	if err == nil && !ok {
		err = NoIncident(id)
	}
	if err != nil {
		return Story{}, err
	}
	doc := Story{Incidents: Incidents{Schema: Schema("incidents"), At: utc(now)}, Episodes: []Episode{}, Absorbed: []string{}}
	pending, err := pendingRows(tx)
	if err != nil {
		return doc, err
	}
	one, err := incidentOf(tx, i, pending)
	if err != nil {
		return doc, err
	}
	doc.Incidents.Incidents = []Incident{one}
	m, _, err := tx.Messages().Get(id)
	if err != nil {
		return doc, err
	}
	doc.Message = Message{Tone: m.Tone, Title: m.Title, Fields: orEmpty(m.Fields), At: utc(m.At), Owner: orNull(m.Owner), Actions: orEmpty(m.Actions)}
	for _, n := range i.Episodes {
		e, ok, err := tx.Episodes().Get(n)
		if err != nil {
			return doc, err
		}
		if ok {
			doc.Episodes = append(doc.Episodes, episodeOf(e))
		}
	}
	for _, other := range tx.Incidents().All() { // in the order of their numbers
		if other.Status == incident.Open {
			doc.Open++
		}
		if other.Merged == id {
			doc.Absorbed = append(doc.Absorbed, other.ID)
		}
	}
	return doc, tx.Err()
}

func episodeOf(e incident.Episode) Episode {
	return Episode{ID: e.ID, Kind: e.Subject.Kind, Subject: e.Subject.String(), Words: episodeWords(e),
		After: utc(e.Begin.After), Since: utc(e.Begin.By), EndAfter: utc(e.End.After), Until: utc(cmp.Or(e.End.By, e.Ended)),
		Unwatched: e.Unwatched, FirstSight: e.FirstSight, Incident: orNull(e.Incident), Listing: e.Listing, Wire: e.Wire, Fault: e.Fault}
}

// Told is the message as notifiers are given it.
func (s Story) Told() incident.Message {
	i := s.Incident()
	m := incident.Message{Incident: i.ID, Kind: i.Kind, Status: i.Status, Tone: s.Message.Tone, Impact: i.Impact,
		Title: s.Message.Title, Fields: s.Message.Fields, Actions: s.Message.Actions}
	if s.Message.At != nil {
		m.At = *s.Message.At
	}
	if s.Message.Owner != nil {
		m.Owner = *s.Message.Owner
	}
	return m
}
