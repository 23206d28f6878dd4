// Package filled makes a store with a known past, for tests: two sending
// addresses, two partners and two lists over three weeks.
//
//	#1  203.0.113.7 on cop, three weeks ago, over
//	#2  fabrikam.example refused 203.0.113.8 for two hours, three days ago, over
//	#3  203.0.113.7 on zen for three hours; contoso.example withdrew STARTTLS; open
//	#4  203.0.113.8 has no PTR; open, in hand
//
// Cop is suspended since an hour; e-mail has been down for as long.
package filled

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"repwatch/checks/smtp"
	"repwatch/correlate"
	"repwatch/incident"
	"repwatch/reputation"
	"repwatch/store"
)

// Config is a configuration for the store, but for store.path and socket.
const Config = `sending_ips: [{ip: 203.0.113.7, name: mx1.example.com}, {ip: 203.0.113.8, name: mx2.example.com}]
partners: [{domain: contoso.example, provider: exchange-online}, {domain: fabrikam.example}]
control: [{name: office, socks5: "127.0.0.1:1"}]
dns: {resolvers: ["127.0.0.1:1"]}
blocklists:
  use: [zen, cop]
  add:
    - {id: zen, zone: zen.test, impact: critical, delist: {url: "https://zen.test/{ip}"}}
    - {id: cop, zone: cop.test, impact: medium}
notify: {log: {}}
`

var (
	first  = netip.MustParseAddr("203.0.113.7")
	second = netip.MustParseAddr("203.0.113.8")
)

func listing(ip netip.Addr, list string) reputation.Subject {
	return reputation.Subject{Kind: reputation.KindListing, IP: ip, Target: list}
}

func wire(ip netip.Addr, partner string) reputation.Subject {
	return reputation.Subject{Kind: reputation.KindWire, IP: ip, Target: partner}
}

// Fill writes the past into an empty store, as it would stand at now.
func Fill(db *store.DB, now time.Time) error {
	f := &filler{db: db, now: now.UTC(), inc: map[string]*incident.Incident{}, eps: map[uint64]*incident.Episode{}, open: map[reputation.Subject]uint64{}}
	for _, step := range []func(*filler) error{longAgo, refused, blamed, unnamed, standing, told} {
		if err := step(f); err != nil {
			return err
		}
	}
	return db.Flush()
}

const day = 24 * time.Hour

func longAgo(f *filler) error {
	on := &reputation.Listing{Codes: []string{"127.0.0.2"}, Meaning: []string{"spam traps"}, Impact: reputation.Medium, Alert: incident.Now, Name: "Cop"}
	if err := f.step(20*day, nil, incident.Record{What: incident.Listed, Subject: listing(first, "cop"), Listing: on, Bracket: f.within(20*day, 15*time.Minute)}); err != nil {
		return err
	}
	return f.step(19*day, nil, incident.Record{What: incident.Delisted, Subject: listing(first, "cop"), Listing: on, Bracket: f.within(19*day, 15*time.Minute)})
}

func refused(f *filler) error {
	w := &incident.Wire{Loss: smtp.LossRejected, MX: "mx.fabrikam.example", Reply: "554 5.7.1 not today", Meaning: "refused by policy"}
	j := incident.Judgement{Verdict: correlate.Verdict{Cause: correlate.Private, Confidence: .85, Word: "likely"}, Why: []string{"the control still gets it"}}
	if err := f.step(3*day, &j, incident.Record{What: incident.Lost, Subject: wire(second, "fabrikam.example"), Wire: w, Bracket: f.within(3*day, time.Hour)}); err != nil {
		return err
	}
	end := 3*day - 2*time.Hour
	return f.step(end, &j, incident.Record{What: incident.Back, Subject: wire(second, "fabrikam.example"), Wire: &incident.Wire{MX: "mx.fabrikam.example"}, Bracket: f.within(end, time.Hour)})
}

func blamed(f *filler) error {
	on := &reputation.Listing{Codes: []string{"127.0.0.4"}, Meaning: []string{"exploited host"}, Impact: reputation.Critical, Alert: incident.Now, Name: "Zen",
		Reason: "Pushdo seen 02:51 UTC", DelistURL: "https://zen.test/203.0.113.7"}
	if err := f.step(3*time.Hour, nil, incident.Record{What: incident.Listed, Subject: listing(first, "zen"), Listing: on, Bracket: f.within(3*time.Hour, 15*time.Minute)}); err != nil {
		return err
	}
	w := &incident.Wire{Loss: smtp.LossStartTLS, Went: []string{"STARTTLS"}, Offers: []string{"8BITMIME", "SIZE"}, Provider: "exchange-online", MX: "mx.contoso.example",
		Looks: 2, Transcript: []string{"S: 220 mx.contoso.example ESMTP", "C: EHLO mx1.example.com", "S: 250-mx.contoso.example", "S: 250-SIZE 157286400", "S: 250 8BITMIME"}}
	j := incident.Judgement{Verdict: correlate.Verdict{Cause: correlate.ByListing, List: "zen", Confidence: .91, Word: "likely", Provisional: true,
		Shares: []correlate.Share{{Cause: correlate.ByListing, List: "zen", P: .91}}}, Why: []string{"zen listed the address 1-30 min before the loss", "the control still gets it"}}
	at := 170 * time.Minute
	return f.step(at, &j, incident.Record{What: incident.Lost, Subject: wire(first, "contoso.example"), Wire: w, Bracket: f.within(at, 30*time.Minute)})
}

func unnamed(f *filler) error {
	fault := &incident.Fault{ID: "ptr", Impact: reputation.High, What: "203.0.113.8 has no PTR", Why: "many receivers refuse mail from nameless addresses", Do: "have your provider set its PTR to mx2.example.com"}
	own := reputation.Subject{Kind: reputation.KindOwn, IP: second, Target: "ptr"}
	if err := f.step(time.Hour, nil, incident.Record{What: incident.Faulty, Subject: own, Fault: fault, Bracket: f.within(time.Hour, 6*time.Hour)}); err != nil {
		return err
	}
	return f.act(50*time.Minute, incident.Action{Verb: incident.Ack, Incident: "4", By: "carol", Reason: "asked the provider"})
}

// standing is what the last looks found.
func standing(f *filler) error {
	return f.db.Update(f.now, func(tx *store.Tx) error {
		suspended := f.before(time.Hour)
		puts := []error{
			tx.Lists().Put("zen", store.List{Health: "ok", Since: f.before(20 * day), Tested: f.before(10 * time.Minute), SureStarted: f.before(10 * time.Minute), SureEnded: f.before(9 * time.Minute), Interval: 15 * time.Minute}),
			tx.Lists().Put("cop", store.List{Health: "suspended", Why: "its test point does not answer", Since: suspended, Tested: f.before(10 * time.Minute), SureStarted: f.before(76 * time.Minute), SureEnded: f.before(75 * time.Minute), Interval: 15 * time.Minute, LostAt: suspended}),
			tx.Subjects().Put("203.0.113.7", store.Watched{Since: f.before(21 * day)}),
			tx.Subjects().Put("203.0.113.8", store.Watched{Since: f.before(21 * day)}),
			f.pair(tx, wire(first, "contoso.example"), smtp.StandingLost, smtp.LossStartTLS, reputation.Absent),
			f.pair(tx, wire(second, "contoso.example"), smtp.StandingGood, "", reputation.Advertised),
			f.pair(tx, wire(first, "fabrikam.example"), smtp.StandingGood, "", reputation.Advertised),
			f.pair(tx, wire(second, "fabrikam.example"), smtp.StandingGood, "", reputation.Advertised),
			f.pair(tx, reputation.Subject{Kind: reputation.KindControl, Domain: "office", Target: "contoso.example"}, smtp.StandingGood, "", reputation.Advertised),
			f.listed(tx, listing(first, "zen")),
			tx.Forecasts().Put(store.ForecastKey(1, "contoso.example"), store.Forecast{ListingSeq: 1, IP: "203.0.113.7", List: "cop", Partner: "contoso.example", P: .3, At: f.before(20 * day), From: f.before(20 * day), To: f.before(20*day - time.Hour), Outcome: "miss", Judged: f.before(20*day - 2*time.Hour)}),
			tx.Forecasts().Put(store.ForecastKey(5, "contoso.example"), store.Forecast{ListingSeq: 5, IP: "203.0.113.7", List: "zen", Partner: "contoso.example", P: .8, At: f.before(3 * time.Hour), From: f.before(175 * time.Minute), To: f.before(150 * time.Minute), Outcome: "hit", Judged: f.before(170 * time.Minute)}),
			f.fault(tx, reputation.Subject{Kind: reputation.KindOwn, IP: second, Target: "ptr"}),
			f.suspend(tx, suspended),
		}
		for _, err := range puts {
			if err != nil {
				return err
			}
		}
		return nil
	})
}

func (f *filler) pair(tx *store.Tx, s reputation.Subject, standing smtp.Standing, loss smtp.LossKind, outcome reputation.Outcome) error {
	w := store.Wire{State: smtp.State{Standing: standing, Loss: loss, LastLook: f.before(20 * time.Minute), LastSure: f.before(20 * time.Minute)}, Outcome: outcome, Episode: f.open[s]}
	if s.Target == "contoso.example" {
		w.Provider, w.MX = "exchange-online", "mx.contoso.example"
	}
	if s.Kind == reputation.KindControl {
		w.Heard = &incident.Witness{Name: s.Who(), At: w.LastSure, MX: w.MX, Outcome: outcome, Offers: []string{"SIZE", "STARTTLS"}, Transcript: []string{"S: 250-STARTTLS", "S: 250 SIZE 157286400"}}
	}
	return tx.Wire().Put(s, w)
}

func (f *filler) listed(tx *store.Tx, s reputation.Subject) error {
	e := f.eps[f.open[s]]
	return tx.Listings().Put(s, store.Listing{Listing: *e.Listing, Begin: e.Begin, Episode: e.ID, Seq: e.Seq})
}

func (f *filler) fault(tx *store.Tx, s reputation.Subject) error {
	e := f.eps[f.open[s]]
	return tx.Faults().Put(s, store.Fault{Fault: *e.Fault, Since: e.Begin.By, Episode: e.ID, Bad: 1, Told: true})
}

func (f *filler) suspend(tx *store.Tx, at time.Time) error {
	_, err := tx.Append(incident.Record{At: at, What: incident.Suspended, Subject: reputation.Subject{Kind: reputation.KindHealth, Domain: "list", Target: "cop"},
		Bracket: reputation.Bracket{After: at.Add(-15 * time.Minute), By: at}, Words: "its test point does not answer"})
	return err
}

const noLogin = "454 4.7.0 temporary authentication failure"

// told is what became of the alerts: the log has all, e-mail refuses since an hour.
func told(f *filler) error {
	for {
		q, ok, _, err := f.db.NextAlert("log", f.now)
		if err != nil || !ok {
			break
		}
		if err := f.db.Delivered("log", q.Seq, q.At.Add(time.Minute), nil); err != nil {
			return err
		}
	}
	var mails []store.Queued
	if err := f.db.View(func(tx *store.Tx) error { mails = slices.Collect(tx.Pending("email")); return nil }); err != nil {
		return err
	}
	tried := false
	for _, q := range mails {
		var err error
		switch {
		case q.Incident == "4", q.Incident == "3" && tried: // it just waits
		case q.Incident == "3":
			tried = true
			err = f.db.Failed("email", q.Seq, f.before(5*time.Minute), f.now.Add(time.Minute), noLogin)
		default:
			err = f.db.Delivered("email", q.Seq, q.At.Add(time.Minute), nil)
		}
		if err != nil {
			return err
		}
	}
	for n, partner := range []string{"contoso.example", "fabrikam.example", "contoso.example"} {
		opened := f.before(time.Duration(60-20*n) * time.Minute)
		e := smtp.LedgerEntry{Visit: smtp.Visit{Provider: partner, From: "203.0.113.7", To: netip.MustParseAddr("192.0.2.25"), Partner: partner, Why: "schedule"}, Opened: opened, Outcome: reputation.Advertised}
		if partner == "contoso.example" {
			e.Provider, e.Outcome = "exchange-online", reputation.Absent
		}
		e.Closed = opened.Add(2 * time.Second)
		f.db.Ledger(e)
	}
	return f.db.Update(f.now, func(tx *store.Tx) error {
		if err := tx.Notifiers().Put("log", store.Notifier{LastOK: f.before(50 * time.Minute)}); err != nil {
			return err
		}
		return tx.Notifiers().Put("email", store.Notifier{LastOK: f.before(2 * day), LastFailure: f.before(5 * time.Minute), Why: noLogin, Down: true, Failures: 9})
	})
}

// filler folds records as the daemon does, with verdicts that are given.
type filler struct {
	db   *store.DB
	now  time.Time
	inc  map[string]*incident.Incident
	eps  map[uint64]*incident.Episode
	open map[reputation.Subject]uint64
}

func (f *filler) before(d time.Duration) time.Time { return f.now.Add(-d) }

// within is a bracket that ends so long ago.
func (f *filler) within(ago, width time.Duration) reputation.Bracket {
	return reputation.Bracket{After: f.before(ago + width), By: f.before(ago)}
}

var policy = incident.Policy{GroupWait: time.Minute, Reopen: 30 * time.Minute, Remind: day, DigestOver: 5,
	Describe: func(ip string) (name, pool, owner string) {
		return map[string]string{"203.0.113.7": "mx1.example.com", "203.0.113.8": "mx2.example.com"}[ip], "main", ""
	}}

func (f *filler) step(ago time.Duration, j *incident.Judgement, r incident.Record) error {
	at := f.before(ago)
	return f.db.Update(at, func(tx *store.Tx) error {
		id, known := f.open[r.Subject]
		if !known {
			var err error
			if id, err = tx.NextEpisodeID(); err != nil {
				return err
			}
		}
		r.Episode = id
		r, err := tx.Append(r)
		if err != nil {
			return err
		}
		if known {
			e := f.eps[id]
			e.End, e.Ended = r.Bracket, at
			delete(f.open, r.Subject)
		} else {
			f.eps[id] = &incident.Episode{ID: id, Subject: r.Subject, Seq: r.Seq, Begin: r.Bracket, Listing: r.Listing, Wire: r.Wire, Fault: r.Fault}
			f.open[r.Subject] = id
		}
		if err := tx.Episodes().Put(id, *f.eps[id]); err != nil {
			return err
		}
		in := incident.Input{Now: at, Changes: []incident.Record{r}, NewID: func() string { id, _ := tx.NextIncidentID(); return id }}
		if j != nil {
			in.Judged = map[uint64]incident.Judgement{id: *j}
		}
		return f.keep(tx, incident.Fold(f.world(), in, policy))
	})
}

func (f *filler) act(ago time.Duration, a incident.Action) error {
	at := f.before(ago)
	return f.db.Update(at, func(tx *store.Tx) error {
		out, err := incident.Act(f.world(), a, at, policy)
		if err != nil {
			return fmt.Errorf("%s #%s: %w", a.Verb, a.Incident, err)
		}
		return f.keep(tx, out)
	})
}

func (f *filler) world() incident.World {
	return incident.World{Incidents: f.inc, Episodes: f.eps, Unsent: map[string]bool{}, Notices: map[string]incident.Alert{}}
}

func (f *filler) keep(tx *store.Tx, out incident.Output) error {
	for _, i := range out.Incidents {
		f.inc[i.ID] = &i
		if err := tx.Incidents().Put(i.ID, i); err != nil {
			return err
		}
		if err := tx.Messages().Put(i.ID, out.Messages[i.ID]); err != nil {
			return err
		}
	}
	for _, e := range out.Episodes {
		f.eps[e.ID] = &e
		if err := tx.Episodes().Put(e.ID, e); err != nil {
			return err
		}
	}
	for _, a := range out.Alerts {
		if _, err := tx.Enqueue(a, []string{"email", "log"}); err != nil {
			return err
		}
	}
	return nil
}
