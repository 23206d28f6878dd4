package store

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"repwatch/incident"
	"repwatch/reputation"
)

// breaker makes a sound store unsound in one way.
type breaker struct {
	name string
	do   func(tx *Tx, w *world) error
	want string // part of what verify says
}

func (w *world) openSubject(kind reputation.Kind) reputation.Subject {
	for _, e := range w.episodesWhere(func(e incident.Episode) bool { return e.Open() && e.Subject.Kind == kind }) {
		return e.Subject
	}
	panic("the world has no open " + kind)
}

func (w *world) openEpisode() incident.Episode {
	return w.episodesWhere(func(e incident.Episode) bool { return e.Open() })[0]
}

var breakers = []breaker{
	{"a listing without episode", func(tx *Tx, _ *world) error {
		return tx.Listings().Put(listing("198.51.100.1", "xbl"), Listing{Episode: 999})
	}, "198.51.100.1@xbl is listed, but has no episode 999"},
	{"a listing whose episode is over", func(tx *Tx, w *world) error {
		e := w.openEpisodeOf(reputation.KindListing)
		e.Ended = w.now
		return tx.Episodes().Put(e.ID, e)
	}, "is listed, but its episode"},
	{"an open episode without listing", func(tx *Tx, w *world) error {
		return tx.Listings().Delete(w.openSubject(reputation.KindListing))
	}, "is open, but there is no such listing now"},
	{"a loss without episode", func(tx *Tx, w *world) error {
		s := w.openSubject(reputation.KindWire)
		row := w.wire[s]
		row.Episode = 998
		return tx.Wire().Put(s, row)
	}, "is lost, but has no episode 998"},
	{"an open episode whose partner is back", func(tx *Tx, w *world) error {
		s := w.openSubject(reputation.KindWire)
		row := w.wire[s]
		row.Standing = "good"
		return tx.Wire().Put(s, row)
	}, "is open, but there is no such loss now"},
	{"a fault without episode", func(tx *Tx, _ *world) error {
		return tx.Faults().Put(reputation.Subject{Kind: reputation.KindHealth, Domain: "port25"}, Fault{Episode: 997})
	}, "port25 is faulty, but has no episode 997"},
	{"an open episode without fault", func(tx *Tx, w *world) error {
		return tx.Faults().Delete(w.openSubject(reputation.KindHealth))
	}, "is open, but there is no such fault now"},
	{"an episode in a lost incident", func(tx *Tx, w *world) error {
		e := w.openEpisode()
		e.Incident = "777"
		return tx.Episodes().Put(e.ID, e)
	}, "is in incident 777, which is missing"},
	{"an open episode in a resolved incident", func(tx *Tx, w *world) error {
		i := w.incidents[w.openEpisode().Incident]
		i.Status = incident.Resolved
		return tx.Incidents().Put(i.ID, i)
	}, "is open, its incident"},
	{"an incident that does not know its episode", func(tx *Tx, w *world) error {
		i := w.incidents[w.openEpisode().Incident]
		i.Episodes = nil
		return tx.Incidents().Put(i.ID, i)
	}, "which does not know it"},
	{"an incident with an episode that is gone", func(tx *Tx, w *world) error {
		i := w.incidents[w.openEpisode().Incident]
		i.Episodes = append(slices.Clone(i.Episodes), 996)
		return tx.Incidents().Put(i.ID, i)
	}, "holds episode 996, which is missing"},
	{"an incident nobody was told of", func(tx *Tx, w *world) error {
		id := w.openEpisode().Incident
		for _, n := range notifiers {
			for q := range tx.Pending(n) {
				if q.Incident == id {
					if err := tx.DropPending(n, q.Seq); err != nil {
						return err
					}
				}
			}
			if err := tx.handles().Delete(handleKey(n, id)); err != nil {
				return err
			}
		}
		return tx.Told().Delete(id)
	}, "is open, but nobody was told and no alert waits"},
	{"an alert of no incident", func(tx *Tx, _ *world) error {
		_, err := tx.Enqueue(incident.Alert{Incident: "776"}, []string{"log"})
		return err
	}, "is about incident 776, which is missing"},
	{"a handle of no incident", func(tx *Tx, _ *world) error {
		return tx.PutHandle(Handle{Notifier: "log", Incident: "775"})
	}, "log has a message of incident 775, which is missing"},
	{"told of no incident", func(tx *Tx, _ *world) error {
		return tx.Told().Put("774", map[string]time.Time{"log": t0})
	}, "people were told of incident 774, which is missing"},
	{"a message of no incident", func(tx *Tx, _ *world) error {
		return tx.Messages().Put("773", incident.Message{})
	}, "a message of incident 773, which is missing"},
	{"a hole in the journal", func(tx *Tx, _ *world) error {
		return tx.delete(bucketJournal, number(5))
	}, "records 5 to 5 are missing"},
	{"the journal's beginning is lost", func(tx *Tx, _ *world) error {
		return tx.delete(bucketJournal, number(1))
	}, "records 1 to 1 are missing"},
	{"the journal's end is lost", func(tx *Tx, _ *world) error {
		return tx.delete(bucketJournal, number(tx.LastSeq()))
	}, "the last record is"},
	{"time goes back", func(tx *Tx, _ *world) error {
		return tx.put(bucketJournal, number(tx.LastSeq()), []byte(`{"t":1000000000,"w":"acted"}`))
	}, "before the one ahead of it"},
	{"a record without index entry", func(tx *Tx, _ *world) error {
		for k := range tx.walk(bucketJournalOf, nil, nil) {
			return tx.delete(bucketJournalOf, k)
		}
		return nil
	}, "is missing from journal.of"},
	{"an index entry without record", func(tx *Tx, _ *world) error {
		return tx.mark(bucketJournalOf, slices.Concat(number(1), number(12345)), true)
	}, "journal.of has"},
	{"a name without number", func(tx *Tx, _ *world) error { return tx.delete(bucketNames, number(1)) }, "names.by has number 1, which names does not have"},
	{"a number without name", func(tx *Tx, _ *world) error {
		for k := range tx.walk(bucketNamesBy, nil, nil) {
			return tx.delete(bucketNamesBy, k)
		}
		return nil
	}, "names.by has"},
	{"a name that is another's", func(tx *Tx, _ *world) error {
		return tx.put(bucketNames, number(1), []byte("listing 192.0.2.9@none"))
	}, "number 1 is"},
	{"a text that is gone", func(tx *Tx, _ *world) error { return tx.delete(bucketTexts, number(1)) }, "texts: number 1"},
	{"an open episode not known as open", func(tx *Tx, w *world) error {
		return tx.delete(bucketEpisodesOpen, number(w.openEpisode().ID))
	}, "in episodes.open false"},
	{"a closed episode known as open", func(tx *Tx, _ *world) error {
		return tx.mark(bucketEpisodesOpen, number(12345), true)
	}, "episodes.open has"},
	{"an episode its subject does not know", func(tx *Tx, w *world) error {
		return tx.markEpisode(number(w.openEpisode().ID), w.openEpisode().Subject, false)
	}, "is missing from episodes.of"},
	{"a subject with an episode that is not there", func(tx *Tx, w *world) error {
		return tx.markEpisode(number(12345), w.openEpisode().Subject, true)
	}, "episodes.of has"},
	{"an open incident not known as open", func(tx *Tx, w *world) error {
		k, err := incidentKeys.encode(w.openEpisode().Incident)
		if err != nil {
			return err
		}
		return tx.delete(bucketIncidentsOpen, k)
	}, "in incidents.open false"},
	{"an entry for no incident", func(tx *Tx, _ *world) error {
		return tx.mark(bucketIncidentsOpen, []byte("\x03772"), true)
	}, "incidents.open has"},
	{"a forecast of no listing", func(tx *Tx, _ *world) error {
		return tx.Forecasts().Put(ForecastKey(12345, "contoso.com"), Forecast{ListingSeq: 12345, Partner: "contoso.com"})
	}, "is about record 12345, which is missing"},
	{"a forecast of a loss", func(tx *Tx, w *world) error {
		seq := w.wire[w.openSubject(reputation.KindWire)].Seq
		return tx.Forecasts().Put(ForecastKey(seq, "contoso.com"), Forecast{ListingSeq: seq, Partner: "contoso.com"})
	}, "which is no listing (lost)"},
	{"a forecast under another's key", func(tx *Tx, _ *world) error {
		return tx.Forecasts().Put("elsewhere", Forecast{ListingSeq: 12345, Partner: "contoso.com"})
	}, `stands at "elsewhere"`},
	{"an unreadable list", func(tx *Tx, _ *world) error { return tx.put(bucketLists, []byte("xbl"), []byte("[]")) }, "row xbl of lists cannot be read"},
	{"an unreadable session", func(tx *Tx, _ *world) error {
		return tx.put(bucketLedger, make([]byte, 12), []byte("{"))
	}, "of ledger cannot be read"},
	{"a bucket is gone", func(tx *Tx, _ *world) error {
		tx.changes++
		return tx.bolt.DeleteBucket([]byte(bucketTold))
	}, "bucket told is missing"},
}

func (w *world) openEpisodeOf(kind reputation.Kind) incident.Episode {
	return w.episodes[w.open(w.openSubject(kind))]
}

// Verify finds each thing that can be wrong, and nothing in what is sound.
func TestVerifyFindsWhatIsBroken(t *testing.T) {
	db := openTemp(t)
	w := newWorld(db, 5)
	w.steps(t, 60)
	for _, b := range breakers {
		err := db.Update(w.now, func(tx *Tx) error {
			if err := b.do(tx, w); err != nil {
				t.Fatalf("%s: %v", b.name, err)
			}
			r := Report{Path: db.path}
			verifier{&Tx{db: db, bolt: tx.bolt, buckets: map[string]*bolt.Bucket{}}, &r}.all()
			if !slices.ContainsFunc(r.Problems, func(p Problem) bool { return strings.Contains(p.What, b.want) }) {
				t.Errorf("%s: verify found %+v, want %q", b.name, r.Problems, b.want)
			}
			return errDiscard
		})
		if !errors.Is(err, errDiscard) {
			t.Fatal(err)
		}
	}
	if r, err := db.Verify(); err != nil || !r.OK() || r.Records != len(w.records) || r.Episodes != len(w.episodes) || r.Incidents != len(w.incidents) || r.Format != Format {
		t.Errorf("of a sound store: %+v, %v", r, err)
	}
}

// Who is not to be told need not be.
func TestQuietIncidentsAreSound(t *testing.T) {
	db := openTemp(t) // its end verifies
	update(t, db, t0, func(tx *Tx) error {
		for id, i := range map[string]incident.Incident{"1": {Alert: "never", Told: true}, "2": {Alert: "digest", Told: true}, "3": {Alert: "now"}} {
			i.ID, i.Status = id, incident.Open
			if err := tx.Incidents().Put(id, i); err != nil {
				return err
			}
		}
		return nil
	})
}
