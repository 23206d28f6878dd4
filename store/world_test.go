package store

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"repwatch/checks/smtp"
	"repwatch/incident"
	"repwatch/reputation"
)

// world plays what a daemon does to a store, whole transactions at a time, and keeps
// beside it what the store should hold: the model of the tests.
type world struct {
	db  *DB
	rnd *rand.Rand
	now time.Time
	n   int // transactions so far

	listings  map[reputation.Subject]Listing
	wire      map[reputation.Subject]Wire
	faults    map[reputation.Subject]Fault
	episodes  map[uint64]incident.Episode
	incidents map[string]incident.Incident
	messages  map[string]incident.Message
	told      map[string]map[string]time.Time
	records   []incident.Record
	outbox    map[string][]Queued // by notifier, in order
	budgets   map[string]Budget
	forecasts map[string]Forecast
}

var notifiers = []string{"log", "slack"}

func newWorld(db *DB, seed uint64) *world {
	return &world{db: db, rnd: rand.New(rand.NewPCG(seed, 1)), now: t0,
		listings: map[reputation.Subject]Listing{}, wire: map[reputation.Subject]Wire{}, faults: map[reputation.Subject]Fault{},
		episodes: map[uint64]incident.Episode{}, incidents: map[string]incident.Incident{}, messages: map[string]incident.Message{},
		told: map[string]map[string]time.Time{}, outbox: map[string][]Queued{}, budgets: map[string]Budget{}, forecasts: map[string]Forecast{}}
}

func (w *world) subject() reputation.Subject {
	ip := fmt.Sprintf("203.0.113.%d", w.rnd.IntN(6))
	switch w.rnd.IntN(5) {
	case 0, 1:
		return listing(ip, []string{"xbl", "zen", "sorbs"}[w.rnd.IntN(3)])
	case 2:
		return reputation.Subject{Kind: reputation.KindListing, Domain: "example.com", Target: "dbl"}
	case 3:
		return wireOf(ip, []string{"contoso.com", "fabrikam.net"}[w.rnd.IntN(2)])
	default:
		return reputation.Subject{Kind: reputation.KindHealth, Domain: "resolver", Target: fmt.Sprintf("127.0.0.%d:53", w.rnd.IntN(2))}
	}
}

// step is one transaction of the daemon; it returns what Update said.
func (w *world) step() error {
	w.n++
	w.now = w.now.Add(time.Duration(w.rnd.Int64N(int64(time.Hour))))
	switch w.rnd.IntN(10) {
	case 0:
		return w.deliver()
	case 1:
		return w.spend()
	default:
		return w.turn(w.subject())
	}
}

func (w *world) open(s reputation.Subject) uint64 {
	switch s.Kind {
	case reputation.KindListing:
		return w.listings[s].Episode
	case reputation.KindWire:
		return w.wire[s].Episode
	default:
		return w.faults[s].Episode
	}
}

// turn makes a good subject bad and a bad one good.
func (w *world) turn(s reputation.Subject) error {
	if id := w.open(s); id > 0 {
		return w.end(s, id)
	}
	return w.begin(s)
}

func (w *world) begin(s reputation.Subject) error {
	r := incident.Record{Subject: s, Bracket: reputation.Bracket{After: w.now.Add(-15 * time.Minute), By: w.now}}
	switch s.Kind {
	case reputation.KindListing:
		r.What, r.Listing = incident.Listed, listingOf(s)
		r.FirstSight = w.rnd.IntN(4) == 0
	case reputation.KindWire:
		r.What, r.Wire = incident.Lost, &incident.Wire{Loss: smtp.LossStartTLS, Went: []string{"STARTTLS"}, Transcript: []string{"S: 250 \"ok\""}}
	default:
		r.What, r.Fault = incident.Faulty, &incident.Fault{ID: "resolver", Impact: reputation.High, What: "the resolver is silent"}
	}
	var e incident.Episode
	var i incident.Incident
	var alert incident.Alert
	var f Forecast
	err := w.db.Update(w.now, func(tx *Tx) (err error) {
		if e.ID, err = tx.NextEpisodeID(); err != nil {
			return err
		}
		if i.ID, err = tx.NextIncidentID(); err != nil {
			return err
		}
		r.Episode = e.ID
		if r, err = tx.Append(r); err != nil {
			return err
		}
		e = incident.Episode{ID: e.ID, Subject: s, Seq: r.Seq, Begin: r.Bracket, FirstSight: r.FirstSight, Listing: r.Listing, Wire: r.Wire, Fault: r.Fault, Incident: i.ID}
		i = incident.Incident{ID: i.ID, Kind: incident.Reputation, Status: incident.Open, Episodes: []uint64{e.ID}, Opened: w.now, Updated: w.now, Alert: "now", Told: true}
		if err := tx.Episodes().Put(e.ID, e); err != nil {
			return err
		}
		if err := tx.Incidents().Put(i.ID, i); err != nil {
			return err
		}
		if err := tx.Messages().Put(i.ID, messageOf(i)); err != nil {
			return err
		}
		if s.Kind == reputation.KindListing {
			f = Forecast{ListingSeq: r.Seq, IP: s.Who(), List: s.Target, Partner: "contoso.com", P: 0.5, At: w.now, From: w.now, To: w.now.Add(time.Hour)}
			if err := tx.Forecasts().Put(ForecastKey(r.Seq, f.Partner), f); err != nil {
				return err
			}
		}
		if err := w.putState(tx, s, e, r); err != nil {
			return err
		}
		alert, err = tx.Enqueue(incident.Alert{Incident: i.ID, Kind: incident.AlertOpened, Message: messageOf(i), Due: w.now.Add(time.Minute)}, notifiers)
		return err
	})
	if err != nil {
		return err
	}
	w.records = append(w.records, r)
	w.episodes[e.ID], w.incidents[i.ID], w.messages[i.ID] = e, i, messageOf(i)
	w.remember(s, e, r)
	if f.Partner != "" {
		w.forecasts[ForecastKey(r.Seq, f.Partner)] = f
	}
	for _, n := range notifiers {
		w.outbox[n] = append(w.outbox[n], Queued{Notifier: n, Alert: alert})
	}
	return nil
}

func (w *world) putState(tx *Tx, s reputation.Subject, e incident.Episode, r incident.Record) error {
	switch s.Kind {
	case reputation.KindListing:
		return tx.Listings().Put(s, listingRow(e, r))
	case reputation.KindWire:
		return tx.Wire().Put(s, wireRow(e, r))
	default:
		return tx.Faults().Put(s, faultRow(e, r))
	}
}

func (w *world) remember(s reputation.Subject, e incident.Episode, r incident.Record) {
	switch s.Kind {
	case reputation.KindListing:
		w.listings[s] = listingRow(e, r)
	case reputation.KindWire:
		w.wire[s] = wireRow(e, r)
	default:
		w.faults[s] = faultRow(e, r)
	}
}

func listingRow(e incident.Episode, r incident.Record) Listing {
	return Listing{Listing: *r.Listing, Begin: r.Bracket, FirstSight: r.FirstSight, Episode: e.ID, Seq: r.Seq}
}

func wireRow(e incident.Episode, r incident.Record) Wire {
	return Wire{State: smtp.State{Standing: smtp.StandingLost, Loss: r.Wire.Loss, LastLook: r.By}, MX: "mx.example.net",
		Outcome: reputation.Absent, Episode: e.ID, Seq: r.Seq, Offers: []string{"SIZE"}}
}

func faultRow(e incident.Episode, r incident.Record) Fault {
	return Fault{Fault: *r.Fault, Since: r.By, Episode: e.ID, Bad: 2, Told: true}
}

func listingOf(s reputation.Subject) *reputation.Listing {
	return &reputation.Listing{Codes: []string{"127.0.0.4"}, Meaning: []string{"exploited host"}, Impact: reputation.High, Alert: "now",
		Reason: "see https://list.example/q?" + s.Who() + "&x=<1>", Name: "List", DelistURL: "https://list.example/" + s.Who()}
}

func messageOf(i incident.Incident) incident.Message {
	return incident.Message{Incident: i.ID, Kind: i.Kind, Status: i.Status, Tone: incident.ToneBad, Title: "incident " + i.ID, At: i.Updated}
}

func (w *world) end(s reputation.Subject, id uint64) error {
	e := w.episodes[id]
	i := w.incidents[e.Incident]
	e.End = reputation.Bracket{After: w.now.Add(-15 * time.Minute), By: w.now}
	e.Ended = w.now
	i.Status, i.Resolved, i.Updated = incident.Resolved, w.now, w.now
	r := incident.Record{Subject: s, Bracket: e.End, Episode: id, What: map[reputation.Kind]incident.What{reputation.KindListing: incident.Delisted,
		reputation.KindWire: incident.Back, reputation.KindHealth: incident.Mended}[s.Kind]}
	var alert incident.Alert
	err := w.db.Update(w.now, func(tx *Tx) (err error) {
		if r, err = tx.Append(r); err != nil {
			return err
		}
		if err := tx.Episodes().Put(e.ID, e); err != nil {
			return err
		}
		if err := tx.Incidents().Put(i.ID, i); err != nil {
			return err
		}
		if err := tx.Messages().Put(i.ID, messageOf(i)); err != nil {
			return err
		}
		for _, f := range w.judged(e.Seq) {
			if err := tx.Forecasts().Put(ForecastKey(f.ListingSeq, f.Partner), f); err != nil {
				return err
			}
		}
		switch s.Kind {
		case reputation.KindListing:
			err = tx.Listings().Delete(s)
		case reputation.KindWire:
			err = tx.Wire().Put(s, Wire{State: smtp.State{Standing: smtp.StandingGood}})
		default:
			err = tx.Faults().Delete(s)
		}
		if err != nil {
			return err
		}
		alert, err = tx.Enqueue(incident.Alert{Incident: i.ID, Kind: incident.AlertResolved, Message: messageOf(i)}, notifiers)
		return err
	})
	if err != nil {
		return err
	}
	w.records = append(w.records, r)
	w.episodes[id], w.incidents[i.ID], w.messages[i.ID] = e, i, messageOf(i)
	for _, f := range w.judged(e.Seq) {
		w.forecasts[ForecastKey(f.ListingSeq, f.Partner)] = f
	}
	delete(w.listings, s)
	delete(w.faults, s)
	if s.Kind == reputation.KindWire {
		w.wire[s] = Wire{State: smtp.State{Standing: smtp.StandingGood}}
	}
	for _, n := range notifiers {
		w.outbox[n] = append(w.outbox[n], Queued{Notifier: n, Alert: alert})
	}
	return nil
}

// judged are the forecasts of a listing, as missed.
func (w *world) judged(seq uint64) (fs []Forecast) {
	for _, f := range w.forecasts {
		if f.ListingSeq == seq {
			f.Outcome, f.Judged = "miss", w.now
			fs = append(fs, f)
		}
	}
	return fs
}

// deliver sends the next alert of a notifier, which works or does not.
func (w *world) deliver() error {
	n := notifiers[w.rnd.IntN(len(notifiers))]
	at := slices.IndexFunc(w.outbox[n], func(q Queued) bool { return !q.ready().After(w.now) && w.first(n, q) })
	q, ok, _, err := w.db.NextAlert(n, w.now)
	if err != nil {
		return err
	}
	if ok != (at >= 0) || ok && q.Seq != w.outbox[n][at].Seq {
		return fmt.Errorf("%s is to be sent %d (%t), want row %d of %+v", n, q.Seq, ok, at, w.outbox[n])
	}
	if !ok {
		return nil
	}
	if err := w.db.Attempt(n, q.Seq, w.now); err != nil {
		return err
	}
	row := &w.outbox[n][at]
	row.Attempts, row.Tried, row.Failed = row.Attempts+1, w.now, ""
	if w.rnd.IntN(3) == 0 {
		if err := w.db.Failed(n, q.Seq, w.now, w.now.Add(time.Minute), "503"); err != nil {
			return err
		}
		row.Failed, row.Retry = "503", w.now.Add(time.Minute)
		return nil
	}
	if err := w.db.Delivered(n, q.Seq, w.now, &Handle{Notifier: n, Incident: q.Incident, TS: fmt.Sprint(q.Seq), At: w.now}); err != nil {
		return err
	}
	w.outbox[n] = slices.Delete(w.outbox[n], at, at+1)
	if w.told[q.Incident] == nil {
		w.told[q.Incident] = map[string]time.Time{}
	}
	if w.told[q.Incident][n].IsZero() {
		w.told[q.Incident][n] = w.now
	}
	return nil
}

// first reports that no earlier row of the same incident waits.
func (w *world) first(notifier string, q Queued) bool {
	at := slices.IndexFunc(w.outbox[notifier], func(o Queued) bool { return o.Incident == q.Incident })
	return w.outbox[notifier][at].Seq == q.Seq
}

func (w *world) spend() error {
	b := Budget{Day: 20759, Spent: w.rnd.IntN(10000)}
	list := fmt.Sprint("list", w.rnd.IntN(3))
	if err := w.db.Update(w.now, func(tx *Tx) error { return tx.Budgets().Put(list, b) }); err != nil {
		return err
	}
	w.budgets[list] = b
	return nil
}

func (w *world) steps(t testing.TB, n int) {
	t.Helper()
	for range n {
		if err := w.step(); err != nil {
			t.Fatalf("transaction %d: %v", w.n, err)
		}
	}
}
