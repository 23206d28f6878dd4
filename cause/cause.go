// Package cause lets the correlator work on the journal: it tells it what is
// watched, and rebuilds what it has learned from what was stored.
package cause

import (
	"fmt"
	"time"

	"repwatch/config"
	"repwatch/correlate"
	"repwatch/incident"
	"repwatch/store"
)

// Options are what the correlator knows before the first event: everything that
// is watched, whose mail servers are whose, and sourced beliefs about providers.
func Options(tx *store.Tx, cfg *config.Loaded) correlate.Options {
	o := correlate.Options{Control: len(cfg.Control) > 0, Provider: map[string]string{}}
	for _, a := range cfg.Addresses {
		if a.State != config.Standby {
			o.IPs = append(o.IPs, a.IP.String())
		}
	}
	for _, p := range cfg.Partners {
		o.Partners = append(o.Partners, p.Name())
		if p.Provider != "" && p.Provider != "auto" {
			o.Provider[p.Name()] = p.Provider
		}
	}
	for subject, w := range tx.Wire().All() {
		if w.Provider != "" && o.Provider[subject.Target] == "" {
			o.Provider[subject.Target] = w.Provider
		}
	}
	for r := range tx.Journal(time.Time{}, time.Time{}) {
		o.Since = r.At
		break
	}
	o.Priors = priors(cfg)
	return o
}

// Rebuild feeds a new correlator all events of the journal: the same verdicts as
// one long run gives, to the bit.
func Rebuild(tx *store.Tx, cfg *config.Loaded) (*correlate.Correlator, error) {
	c := correlate.New(Options(tx, cfg))
	for r := range tx.Journal(time.Time{}, time.Time{}) {
		if err := Observe(c, r); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// Observe feeds one record, if it is an event.
func Observe(c *correlate.Correlator, r incident.Record) error {
	e, ok := incident.EventOf(r)
	if !ok {
		return nil
	}
	if err := c.Observe(e); err != nil {
		return fmt.Errorf("journal record %d is no event that can be: %w", r.Seq, err)
	}
	return nil
}
