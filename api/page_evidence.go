package api

import (
	"slices"
	"time"

	"repwatch/config"
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

// ControlSide is what a clean vantage is offered, as of its last look.
type ControlSide struct {
	Name   string   `json:"name"`
	MX     string   `json:"mx"`
	Offers []string `json:"offers"`
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
		if one.Control, err = controlSide(tx, cfg, e.Subject.Target); err != nil {
			return doc, err
		}
		doc.Sides = append(doc.Sides, one)
	}
	return doc, tx.Err()
}

// controlSide is the control that looked last.
func controlSide(tx *store.Tx, cfg *config.Loaded, partner string) (*ControlSide, error) {
	var best *ControlSide
	for _, c := range cfg.Control {
		s := reputation.Subject{Kind: reputation.KindControl, Target: partner}
		s.SetWho(c.Name)
		w, ok, err := tx.Wire().Get(s)
		if err != nil {
			return nil, err
		}
		if ok && (best == nil || best.Sure == nil || w.LastSure.After(*best.Sure)) {
			best = &ControlSide{Name: c.Name, MX: w.MX, Offers: slices.Clone(orEmpty(w.Offers)), Pair: pairOf(s, w)}
		}
	}
	return best, nil
}
