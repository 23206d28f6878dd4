package api

import (
	"time"

	"repwatch/config"
	"repwatch/incident"
	"repwatch/reputation"
	"repwatch/store"
)

// Evidence is an incident's losses with both sides of each: what our address was
// offered, and what a clean one is.
type Evidence struct {
	Schema   string     `json:"schema"`
	At       *time.Time `json:"at"`
	Incident string     `json:"incident"`
	Sides    []Sides    `json:"sides"`
	More     int        `json:"more"` // losses beyond those shown
}

// Sides is one loss.
type Sides struct {
	Subject    string       `json:"subject"`
	IP         string       `json:"ip"`
	Partner    string       `json:"partner"`
	Words      string       `json:"words"`
	MX         string       `json:"mx"`
	Addrs      []string     `json:"addrs"`
	Looks      int          `json:"looks"`
	Offers     []string     `json:"offers"` // when it was lost
	Went       []string     `json:"went"`
	Came       []string     `json:"came"`
	Reply      string       `json:"reply"`
	Meaning    string       `json:"meaning"`
	SeenIP     string       `json:"seen_ip"`
	Faults     []string     `json:"faults"`
	Transcript []string     `json:"transcript"`
	Control    *ControlSide `json:"control"` // null: no control looks there
}

// ControlSide is what a clean vantage is offered: while a loss lasts as of its last
// look, afterwards as it was when the loss ended.
type ControlSide struct {
	Name       string   `json:"name"`
	MX         string   `json:"mx"`
	Offers     []string `json:"offers"`
	Transcript []string `json:"transcript"`
	Pair
}

// sidesShown bounds the losses shown with their transcripts.
const sidesShown = 12

// EvidenceOf builds the document. ErrNoIncident: there is no such incident.
func EvidenceOf(tx *store.Tx, cfg *config.Loaded, now time.Time, id string) (Evidence, error) {
	doc := Evidence{Schema: Schema("evidence"), At: utc(now), Incident: id, Sides: []Sides{}}
	i, ok, err := tx.Incidents().Get(id)
	if err == nil && !ok {
		err = NoIncident(id)
	}
	if err != nil {
		return doc, err
	}
	for _, n := range i.Episodes {
		e, ok, err := tx.Episodes().Get(n)
		if err != nil {
			return doc, err
		}
		if !ok || e.Wire == nil || e.Subject.Kind != reputation.KindWire {
			continue
		}
		if len(doc.Sides) == sidesShown {
			doc.More++
			continue
		}
		w := e.Wire
		one := Sides{Subject: e.Subject.String(), IP: e.Subject.Who(), Partner: e.Subject.Target, Words: episodeWords(e), MX: w.MX, Addrs: orEmpty(w.Addrs), Looks: w.Looks,
			Offers: orEmpty(w.Offers), Went: orEmpty(w.Went), Came: orEmpty(w.Came), Reply: w.Reply, Meaning: w.Meaning, SeenIP: w.SeenIP, Faults: orEmpty(w.Faults), Transcript: orEmpty(w.Transcript)}
		if one.Control, err = controlSide(tx, cfg, e); err != nil {
			return doc, err
		}
		doc.Sides = append(doc.Sides, one)
	}
	return doc, tx.Err()
}

func controlSide(tx *store.Tx, cfg *config.Loaded, e incident.Episode) (*ControlSide, error) {
	if w := e.Witness; w != nil {
		return witnessSide(*w, Pair{From: w.Name, Outcome: w.Outcome, Sure: utc(w.At), Looked: utc(w.At)}), nil
	}
	names := make([]string, len(cfg.Control))
	for i, c := range cfg.Control {
		names[i] = c.Name
	}
	w, err := tx.Witness(e.Subject.Target, names)
	if err != nil || w == nil {
		return nil, err
	}
	s := reputation.Subject{Kind: reputation.KindControl, Target: e.Subject.Target}
	s.SetWho(w.Name)
	row, _, err := tx.Wire().Get(s)
	return witnessSide(*w, pairOf(s, row.Glance())), err
}

// witnessSide shows the sure look, whatever became of looks since.
func witnessSide(w incident.Witness, p Pair) *ControlSide {
	p.Outcome = w.Outcome
	return &ControlSide{Name: w.Name, MX: w.MX, Offers: orEmpty(w.Offers), Transcript: orEmpty(w.Transcript), Pair: p}
}
