package store

import (
	"bytes"
	"encoding/json"
	"slices"
	"time"

	"repwatch/incident"
)

const (
	// ledgerKeep is how long sessions are kept: the daily cap looks back a day, people a month.
	ledgerKeep = 31 * 24 * time.Hour
	// expireRows bounds one transaction of Expire, so that nobody waits for it long.
	expireRows = 1000
)

// expired is the row "expired" of the bucket meta.
type expired struct {
	// Before: of the records below this number only those are kept that something still refers to.
	Before uint64 `json:"before"`
}

var expiredKey = []byte("expired")

func (tx *Tx) expiredBefore() (uint64, error) {
	raw := tx.get(bucketMeta, expiredKey)
	if raw == nil {
		return 0, nil
	}
	var e expired
	if err := json.Unmarshal(raw, &e); err != nil {
		return 0, damage("what has expired cannot be read: %w", err)
	}
	return e.Before, nil
}

// Expire removes what ended longer than keep ago: resolved incidents with all that
// was said of them, closed episodes, judged forecasts, records of the journal;
// and sessions of the ledger after 31 days. What is open stays, and what
// something open refers to. It works in transactions of bounded size and
// returns how many rows went.
func (db *DB) Expire(now time.Time, keep time.Duration) (int, error) {
	cutoff := now.Add(-keep)
	total := 0
	for _, step := range []func(*Tx, *expiry) error{
		expireSessions, expireForecasts, expireIncidents, expireEpisodes, expireRecords, expireInterned,
	} {
		x := &expiry{now: now, cutoff: cutoff}
		for done := false; !done; {
			x.gone = 0
			if err := db.Update(now, func(tx *Tx) error { return step(tx, x) }); err != nil {
				return total, err
			}
			total += x.gone
			done = x.gone < expireRows
		}
	}
	return total, nil
}

// expiry is one step of Expire. A step looks again from `from` on.
type expiry struct {
	now, cutoff time.Time
	from        []byte
	gone        int // rows removed in this transaction
}

// full reports that the transaction has done enough; key is where the next goes on.
func (x *expiry) full(key []byte) bool {
	if x.gone < expireRows {
		return false
	}
	x.from = slices.Clone(key)
	return true
}

func (x *expiry) remove(tx *Tx, bucket string, key []byte) error {
	x.gone++
	return tx.delete(bucket, key)
}

func expireSessions(tx *Tx, x *expiry) error {
	last := number(uint64(x.now.Add(-ledgerKeep).UnixNano()))
	for k := range tx.walk(bucketLedger, nil, nil) {
		if bytes.Compare(k[:min(8, len(k))], last) >= 0 || x.full(k) {
			return nil
		}
		if err := x.remove(tx, bucketLedger, k); err != nil {
			return err
		}
	}
	return nil
}

func expireForecasts(tx *Tx, x *expiry) error {
	for key, f := range tx.Forecasts().All() {
		if f.Outcome == "" || !f.Judged.Before(x.cutoff) {
			continue
		}
		if x.full(nil) {
			return nil
		}
		if err := x.remove(tx, bucketForecasts, []byte(key)); err != nil {
			return err
		}
	}
	return nil
}

func expireIncidents(tx *Tx, x *expiry) error {
	for key := range tx.walk(bucketIncidents, nil, x.from) {
		if x.full(key) {
			return nil
		}
		i, _, err := tx.Incidents().get(key)
		if err != nil {
			return err
		}
		over, err := tx.over(i, x.cutoff)
		if err != nil {
			return err
		}
		if !over {
			continue
		}
		if err := x.removeIncident(tx, i.ID); err != nil {
			return err
		}
	}
	return nil
}

// over reports that an incident and all its episodes ended before the cutoff, and nothing of it waits to be sent.
func (tx *Tx) over(i incident.Incident, cutoff time.Time) (bool, error) {
	if i.Status == incident.Open || !i.Resolved.Before(cutoff) {
		return false, nil
	}
	for _, id := range i.Episodes {
		e, ok, err := tx.Episodes().Get(id)
		if err != nil {
			return false, err
		}
		if ok && e.Incident == i.ID && (e.Open() || !e.Ended.Before(cutoff)) {
			return false, nil
		}
	}
	for range tx.PendingOf(i.ID) {
		return false, nil
	}
	return true, nil
}

func (x *expiry) removeIncident(tx *Tx, id string) error {
	x.gone++
	for h := range tx.HandlesOf(id) {
		if err := tx.handles().Delete(handleKey(h.Notifier, id)); err != nil {
			return err
		}
	}
	if err := tx.Told().Delete(id); err != nil {
		return err
	}
	if err := tx.Messages().Delete(id); err != nil {
		return err
	}
	return tx.Incidents().Delete(id)
}

// expireEpisodes keeps those whose incident is still there.
func expireEpisodes(tx *Tx, x *expiry) error {
	for key := range tx.walk(bucketEpisodes, nil, x.from) {
		if x.full(key) {
			return nil
		}
		e, _, err := tx.Episodes().get(key)
		if err != nil {
			return err
		}
		if e.Open() || !e.Ended.Before(x.cutoff) {
			continue
		}
		if _, ok, err := tx.Incidents().Get(e.Incident); err != nil || ok {
			if err != nil {
				return err
			}
			continue
		}
		x.gone++
		if err := tx.Episodes().Delete(e.ID); err != nil {
			return err
		}
	}
	return nil
}

func expireRecords(tx *Tx, x *expiry) error {
	first, err := tx.firstAt(x.cutoff)
	if err != nil || first == 0 {
		return err
	}
	needed, err := tx.needed()
	if err != nil {
		return err
	}
	for key, raw := range tx.walk(bucketJournal, nil, x.from) {
		seq, err := numberKeys.decode(key)
		if err != nil {
			return damage("%s: %w", bucketJournal, err)
		}
		if seq >= first || x.full(key) {
			return tx.putExpired(seq)
		}
		if needed[seq] {
			continue
		}
		row, err := decodeRecordRow(raw)
		if err != nil {
			return damage("record %d cannot be read: %w", seq, err)
		}
		if err := tx.mark(bucketJournalOf, slices.Concat(number(row.Subject), key), false); err != nil {
			return err
		}
		if err := x.remove(tx, bucketJournal, key); err != nil {
			return err
		}
	}
	return tx.putExpired(tx.LastSeq() + 1)
}

func (tx *Tx) putExpired(before uint64) error {
	was, err := tx.expiredBefore()
	if err != nil || before <= was || before <= tx.oldestSeq() && was == 0 {
		return err
	}
	raw, err := json.Marshal(expired{before})
	if err != nil {
		return err
	}
	return tx.put(bucketMeta, expiredKey, raw)
}

// needed are the records that something refers to.
func (tx *Tx) needed() (map[uint64]bool, error) {
	needed := map[uint64]bool{}
	for _, e := range tx.Episodes().All() {
		needed[e.Seq] = true
	}
	for _, f := range tx.Forecasts().All() {
		needed[f.ListingSeq] = true
	}
	for _, l := range tx.Listings().All() {
		needed[l.Seq] = true
	}
	for _, w := range tx.Wire().All() {
		needed[w.Seq] = true
	}
	return needed, tx.err
}

// expireInterned removes names and texts that nothing refers to any more.
func expireInterned(tx *Tx, x *expiry) error {
	used, err := tx.usedTexts()
	if err != nil {
		return err
	}
	if err := x.unused(tx, listingTexts, func(n []byte) bool { return used[string(n)] }); err != nil {
		return err
	}
	return x.unused(tx, subjectNames, func(n []byte) bool {
		for range tx.walk(bucketJournalOf, n, nil) {
			return true
		}
		for range tx.walk(bucketEpisodesOf, n, nil) {
			return true
		}
		return false
	})
}

func (x *expiry) unused(tx *Tx, i interned, used func(number []byte) bool) error {
	for id, n := range tx.walk(i.by, nil, nil) {
		n := slices.Clone(n)
		if used(n) {
			continue
		}
		if x.full(nil) {
			return nil
		}
		if err := tx.delete(i.texts, n); err != nil {
			return err
		}
		if err := x.remove(tx, i.by, id); err != nil {
			return err
		}
	}
	return nil
}

// usedTexts are the numbers, as keys, of the texts that records and episodes refer to.
func (tx *Tx) usedTexts() (map[string]bool, error) {
	used := map[string]bool{}
	for _, raw := range tx.walk(bucketJournal, nil, nil) {
		row, err := decodeRecordRow(raw)
		if err != nil {
			return nil, damage("%s: %w", bucketJournal, err)
		}
		used[string(number(row.Text))] = true
	}
	for _, raw := range tx.walk(bucketEpisodes, nil, nil) {
		var row episodeRow
		if err := json.Unmarshal(raw, &row); err != nil {
			return nil, damage("%s: %w", bucketEpisodes, err)
		}
		if row.More != nil {
			used[string(number(row.More.Text))] = true
		}
	}
	return used, nil
}
