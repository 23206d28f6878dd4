package watch

import (
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"repwatch/cause"
	"repwatch/checks"
	"repwatch/config"
	"repwatch/correlate"
	"repwatch/incident"
	"repwatch/reputation"
	"repwatch/store"
)

// folder turns what was looked at into what is known and what people are told:
// one transaction holds state, transition, episode, incident and alert. It never
// looks itself; it returns the looks that it would like to see taken. It is safe
// for concurrent use: one fold at a time.
type folder struct {
	db  *store.DB
	log *slog.Logger

	write func(time.Time, func(*store.Tx) error) error // runs a transaction

	mu     sync.Mutex
	cfg    *config.Loaded
	policy incident.Policy

	notifiers []string // whose outbox gets a copy of each alert
	broken    []string // notifiers that are configured, but cannot be used now

	// cause has observed all records up to seen; nil: it is to be rebuilt.
	cause     *correlate.Correlator
	seen      uint64
	judged    map[uint64]spoken         // what was last said of losses, by episode
	recent    map[string]time.Time      // incidents resolved of late
	foretold  map[string]store.Forecast // forecasts that time has not judged yet, by key
	vouchers  map[voucher]int           // how many have vouched so far
	asked     map[string]time.Time      // derived looks that were wanted of late, so that none is wanted twice a minute
	providers map[string]string         // who runs a partner's mail servers, as last seen
}

func newFolder(db *store.DB, log *slog.Logger) *folder {
	return &folder{db: db, log: log, write: db.Update,
		judged: map[uint64]spoken{}, recent: map[string]time.Time{}, foretold: map[string]store.Forecast{}, asked: map[string]time.Time{}, vouchers: map[voucher]int{}, providers: map[string]string{}}
}

// revisable is how long after its end an incident's verdict may still be revised
// (90 min after recovery, and what was learned since).
const revisable = 6 * time.Hour

// fold is one transaction of the folder.
type fold struct {
	*folder
	tx      *store.Tx
	now     time.Time
	records []incident.Record
	wants   []checks.Ask
	edges   map[[2]string]correlate.Edge    // by partner and list; nil: not asked for yet
	listed  map[string][]reputation.Subject // by list, as before this batch; nil: not read yet
	lost    map[string][]string             // the partners that an address has lost; nil: not read yet
	undo    []func()                        // puts back what the folder remembers beside the store
}

// remember changes what the folder remembers beside the store. It is forgotten
// again if the transaction fails: what was never stored was never said.
func remember[K comparable, V any](x *fold, m map[K]V, k K, v V) {
	old, was := m[k]
	x.undo = append(x.undo, func() { restore(m, k, old, was) })
	m[k] = v
}

func forget[K comparable, V any](x *fold, m map[K]V, k K) {
	old, was := m[k]
	x.undo = append(x.undo, func() { restore(m, k, old, was) })
	delete(m, k)
}

func restore[K comparable, V any](m map[K]V, k K, old V, was bool) {
	if was {
		m[k] = old
		return
	}
	delete(m, k)
}

// Fold takes in a batch. The asks are looks that it wants because of it.
func (f *folder) Fold(b checks.Batch, now time.Time) ([]checks.Ask, error) {
	return f.update(now, func(x *fold) error {
		for _, l := range b.Lists {
			if err := x.list(l); err != nil {
				return err
			}
		}
		for _, w := range b.Wire {
			if err := x.wire(w); err != nil {
				return err
			}
		}
		for _, o := range b.Own {
			if err := x.own(o); err != nil {
				return err
			}
		}
		for _, h := range b.Health {
			if err := x.health(h); err != nil {
				return err
			}
		}
		x.wants = append(x.wants, b.Wants...)
		return x.paths(b.Wire)
	})
}

// update runs one transaction: what change does, then what follows from it.
func (f *folder) update(now time.Time, change func(*fold) error) ([]checks.Ask, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var x *fold
	err := f.write(now, func(tx *store.Tx) error {
		x = &fold{folder: f, tx: tx, now: tx.Now()}
		if err := change(x); err != nil {
			return err
		}
		return x.conclude()
	})
	if err != nil {
		f.cause = nil // it may have observed what was rolled back
		if x != nil {
			for _, undo := range slices.Backward(x.undo) {
				undo()
			}
		}
		return nil, fmt.Errorf("what was seen could not be stored: %w", err)
	}
	return x.wants, nil
}

// append writes a record. An episode that it begins or ends is put by the caller.
func (x *fold) append(r incident.Record) (incident.Record, error) {
	r, err := x.tx.Append(r)
	if err == nil {
		x.records = append(x.records, r)
	}
	return r, err
}

// open begins an episode with a record.
func (x *fold) open(r incident.Record) (incident.Episode, error) {
	id, err := x.tx.NextEpisodeID()
	if err != nil {
		return incident.Episode{}, err
	}
	r.Episode = id
	if r, err = x.append(r); err != nil {
		return incident.Episode{}, err
	}
	e := incident.Episode{ID: id, Subject: r.Subject, Seq: r.Seq, Begin: r.Bracket, FirstSight: r.FirstSight, Listing: r.Listing, Wire: r.Wire, Fault: r.Fault}
	return e, x.tx.Episodes().Put(id, e)
}

// shut ends an episode with a record.
func (x *fold) shut(id uint64, r incident.Record) error {
	r.Episode = id
	r, err := x.append(r)
	if err != nil {
		return err
	}
	e, ok, err := x.tx.Episodes().Get(id)
	if err != nil || !ok {
		return err
	}
	forget(x, x.vouchers, voucher{id, false})
	forget(x, x.vouchers, voucher{id, true})
	e.End, e.Ended, e.Unwatched = r.Bracket, x.now, r.What == incident.Unwatched
	if e.Subject.Kind == reputation.KindWire {
		if e.Witness, err = x.tx.Witness(e.Subject.Target, x.controlNames()); err != nil {
			return err
		}
	}
	return x.tx.Episodes().Put(id, e)
}

// conclude feeds the correlator, places what changed, and fills the outbox.
func (x *fold) conclude() error {
	if len(x.records) == 0 {
		return nil
	}
	if err := x.learn(); err != nil {
		return err
	}
	w, err := x.world()
	if err != nil {
		return err
	}
	in := incident.Input{Now: x.now, Changes: x.records, Judged: x.judgements(w), NewID: x.newID}
	in.Forecasts = x.forecasts(w)
	return x.apply(incident.Fold(w, in, x.policy))
}

// newID cannot fail in a way that a fold could mend: an error ends the transaction at its next step.
func (x *fold) newID() string {
	id, err := x.tx.NextIncidentID()
	if err != nil {
		x.log.Error("no id for an incident", "err", err)
	}
	return id
}

// learn feeds the new records to the correlator.
func (x *fold) learn() error {
	if x.cause == nil {
		return x.relearn()
	}
	for _, r := range x.records {
		if err := cause.Observe(x.cause, r); err != nil {
			return err
		}
		x.seen = r.Seq
	}
	return nil
}

// relearn rebuilds the correlator from the journal, this transaction's records included.
func (x *fold) relearn() error {
	c, err := cause.Rebuild(x.tx, x.cfg)
	if err != nil {
		return err
	}
	x.cause, x.seen = c, x.tx.LastSeq()
	return nil
}

// world is what the incident room needs to know of the past.
func (x *fold) world() (incident.World, error) {
	w := emptyWorld()
	for i := range x.tx.OpenIncidents() {
		w.Incidents[i.ID] = &i
	}
	for id, at := range x.recent {
		if x.now.Sub(at) > revisable {
			forget(x, x.recent, id)
			continue
		}
		i, ok, err := x.tx.Incidents().Get(id)
		if err != nil {
			return w, err
		}
		if ok {
			w.Incidents[id] = &i
		}
	}
	if err := x.loadEpisodes(w); err != nil {
		return w, err
	}
	for e := range x.tx.OpenEpisodes() {
		w.Episodes[e.ID] = &e
	}
	for _, r := range x.records {
		if r.Episode != 0 {
			if err := x.loadEpisode(w, r.Episode); err != nil {
				return w, err
			}
		}
	}
	return w, x.waiting(w)
}

func emptyWorld() incident.World {
	return incident.World{Incidents: map[string]*incident.Incident{}, Episodes: map[uint64]*incident.Episode{}, Unsent: map[string]bool{}, Notices: map[string]incident.Alert{}}
}

// loadEpisodes reads those of the incidents in the world.
func (x *fold) loadEpisodes(w incident.World) error {
	for _, i := range w.Incidents {
		for _, id := range i.Episodes {
			if err := x.loadEpisode(w, id); err != nil {
				return err
			}
		}
	}
	return nil
}

func (x *fold) loadEpisode(w incident.World, id uint64) error {
	if w.Episodes[id] != nil {
		return nil
	}
	e, ok, err := x.tx.Episodes().Get(id)
	if err == nil && ok {
		w.Episodes[id] = &e
	}
	return err
}

// waiting finds out which first alerts and notices nobody has got yet.
func (x *fold) waiting(w incident.World) error {
	tried := map[string]bool{}
	for _, n := range x.notifiers {
		for q := range x.tx.Pending(n) {
			switch {
			case q.Kind == incident.AlertNotice && q.Attempts == 0:
				w.Notices[q.Key] = q.Alert
			case q.Kind == incident.AlertOpened && q.Attempts == 0:
				w.Unsent[q.Incident] = true
			case q.Kind == incident.AlertOpened:
				tried[q.Incident] = true
			}
		}
	}
	for id := range w.Unsent {
		told, ok, err := x.tx.Told().Get(id)
		if err != nil {
			return err
		}
		if tried[id] || ok && len(told) > 0 {
			delete(w.Unsent, id)
		}
	}
	return x.tx.Err()
}

// apply writes what the incident room decided.
func (x *fold) apply(o incident.Output) error {
	for _, i := range o.Incidents {
		if err := x.tx.Incidents().Put(i.ID, i); err != nil {
			return err
		}
		if i.Status == incident.Resolved {
			remember(x, x.recent, i.ID, x.now)
		} else {
			forget(x, x.recent, i.ID)
		}
		if err := x.tx.Messages().Put(i.ID, o.Messages[i.ID]); err != nil {
			return err
		}
	}
	for _, e := range o.Episodes {
		if err := x.tx.Episodes().Put(e.ID, e); err != nil {
			return err
		}
	}
	for _, id := range o.Withdrawn {
		for _, q := range slices.Collect(x.tx.PendingOf(id)) {
			if err := x.tx.DropPending(q.Notifier, q.Seq); err != nil {
				return err
			}
		}
	}
	for _, a := range o.Alerts {
		if _, err := x.tx.Enqueue(a, x.notifiers); err != nil {
			return err
		}
	}
	return x.tx.Err()
}
