package store

import (
	"bytes"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"time"

	"repwatch/incident"
	"repwatch/reputation"
)

// ForecastKey is the key of what was foretold of a listing and a partner: the
// forecasts of one listing stand together.
func ForecastKey(listing uint64, partner string) string {
	return fmt.Sprintf("%020d/%s", listing, partner)
}

// Incidents holds all incidents by id, in the order in which they were opened.
func (tx *Tx) Incidents() Table[string, incident.Incident] {
	t := table[string, incident.Incident](tx, bucketIncidents, incidentKeys)
	t.index = func(k []byte, _, is *incident.Incident) error {
		return tx.mark(bucketIncidentsOpen, k, is != nil && is.Status == incident.Open)
	}
	return t
}

// OpenIncidents yields the open ones, the oldest first.
func (tx *Tx) OpenIncidents() iter.Seq[incident.Incident] {
	t := tx.Incidents()
	return func(yield func(incident.Incident) bool) {
		for k := range tx.walk(bucketIncidentsOpen, nil, nil) {
			i, ok := pointed(tx, t, bucketIncidentsOpen, k, k)
			if !ok || !yield(i) {
				return
			}
		}
	}
}

// NextIncidentID returns "1", then "2", and so on, each once.
func (tx *Tx) NextIncidentID() (string, error) {
	n, err := tx.next(bucketIncidents)
	return strconv.FormatUint(n, 10), err
}

// Messages holds the message of each incident as it is now.
func (tx *Tx) Messages() Table[string, incident.Message] {
	return table[string, incident.Message](tx, bucketMessages, incidentKeys)
}

// Told holds when each notifier first delivered an alert of an incident.
func (tx *Tx) Told() Table[string, map[string]time.Time] {
	return table[string, map[string]time.Time](tx, bucketTold, incidentKeys)
}

// Episodes holds all episodes by id, the oldest first. An episode whose begin and
// evidence are those of the record that began it takes no room for them: append
// the record first.
func (tx *Tx) Episodes() Table[uint64, incident.Episode] {
	t := table[uint64, incident.Episode](tx, bucketEpisodes, numberKeys)
	t.encodeRow, t.decodeRow = tx.encodeEpisode, tx.decodeEpisode
	t.index = func(k []byte, was, is *incident.Episode) error {
		if err := tx.mark(bucketEpisodesOpen, k, is != nil && is.Open()); err != nil {
			return err
		}
		if was != nil && (is == nil || is.Subject != was.Subject) {
			if err := tx.markEpisode(k, was.Subject, false); err != nil {
				return err
			}
		}
		if is == nil {
			return nil
		}
		return tx.markEpisode(k, is.Subject, true)
	}
	return t
}

func (tx *Tx) markEpisode(k []byte, s reputation.Subject, there bool) error {
	n, err := tx.nameOf(s)
	if err != nil {
		return err
	}
	return tx.mark(bucketEpisodesOf, slices.Concat(number(n), k), there)
}

// OpenEpisodes yields the bad states that last, the oldest first.
func (tx *Tx) OpenEpisodes() iter.Seq[incident.Episode] {
	t := tx.Episodes()
	return func(yield func(incident.Episode) bool) {
		for k := range tx.walk(bucketEpisodesOpen, nil, nil) {
			e, ok := pointed(tx, t, bucketEpisodesOpen, k, k)
			if !ok || !yield(e) {
				return
			}
		}
	}
}

// EpisodesOf yields the episodes of a subject, the oldest first.
func (tx *Tx) EpisodesOf(s reputation.Subject) iter.Seq[incident.Episode] {
	t := tx.Episodes()
	return func(yield func(incident.Episode) bool) {
		name, err := subjectName(s)
		if err != nil {
			return // it has none
		}
		n, ok := subjectNames.known(tx, []byte(name))
		if !ok {
			return
		}
		prefix := number(n)
		for k := range tx.walk(bucketEpisodesOf, prefix, nil) {
			e, ok := pointed(tx, t, bucketEpisodesOf, k, bytes.TrimPrefix(k, prefix))
			if !ok || !yield(e) {
				return
			}
		}
	}
}

// NextEpisodeID returns 1, then 2, and so on, each once.
func (tx *Tx) NextEpisodeID() (uint64, error) { return tx.next(bucketEpisodes) }

func (tx *Tx) next(bucket string) (uint64, error) {
	tx.changes++
	return tx.bucket(bucket).NextSequence()
}

// pointed returns the row that an index entry points at.
func pointed[K comparable, V any](tx *Tx, t Table[K, V], index string, entry, row []byte) (V, bool) {
	v, ok, err := t.get(row)
	if err == nil && !ok {
		err = damage("%s has an entry %s without a row in %s", index, showKey(index, entry), t.name)
	}
	if err != nil {
		tx.fail(err)
	}
	return v, ok && err == nil
}
