package store

import (
	"repwatch/incident"
	"repwatch/reputation"
)

// Witness is what the control that looked at a partner last was offered there; nil:
// none of these controls was told anything yet.
func (tx *Tx) Witness(partner string, controls []string) (*incident.Witness, error) {
	var latest *incident.Witness
	for _, name := range controls {
		s := reputation.Subject{Kind: reputation.KindControl, Target: partner}
		s.SetWho(name)
		w, _, err := tx.Wire().Get(s)
		if err != nil {
			return nil, err
		}
		if w.Heard != nil && (latest == nil || w.Heard.At.After(latest.At)) {
			latest = w.Heard
		}
	}
	return latest, nil
}
