package watch

import (
	"fmt"
	"testing"
	"time"

	"repwatch/checks"
	"repwatch/incident"
	"repwatch/reputation"
	"repwatch/store"
)

// lists60 is a configuration of 1,024 addresses and 60 lists.
func lists60() string {
	text := "sending_ips: [{range: 203.0.112.0/22}]\ndns: {resolvers: [\"127.0.0.1:53\"]}\nschedule: {timezone: UTC}\nblocklists:\n  use: [" + "l0"
	for i := 1; i < 60; i++ {
		text += fmt.Sprintf(", l%d", i)
	}
	text += "]\n  add:\n"
	for i := range 60 {
		text += fmt.Sprintf("    - {id: l%d, zone: l%d.example}\n", i, i)
	}
	return text
}

// BenchmarkFoldSweepWithoutChange is a sweep of 1,024 addresses at 60 lists in
// which nothing changed, with 100 listings that last.
func BenchmarkFoldSweepWithoutChange(b *testing.B) {
	d := newDesk(b, lists60())
	sweep := func() checks.Batch {
		batch := checks.Batch{Version: checks.Version, Check: "lists", Started: d.now, Ended: d.now}
		for i, l := range d.cfg.Lists {
			var listed []string
			for n := range d.cfg.Addresses[:100] {
				if n%len(d.cfg.Lists) == i {
					listed = append(listed, d.cfg.Addresses[n].IP.String())
				}
			}
			batch.Lists = append(batch.Lists, d.listLook(l.ID, listed...))
		}
		return batch
	}
	d.fold(sweep())
	for b.Loop() {
		d.later(15 * time.Minute).fold(sweep())
	}
}

// BenchmarkFoldWireLook is a look at a partner that brings nothing new.
func BenchmarkFoldWireLook(b *testing.B) {
	d := newDesk(b, house)
	d.baseline()
	for b.Loop() {
		d.later(time.Hour).look(seven, "contoso.com", reputation.Advertised)
	}
}

// year fills a store with the journal of a year: 8 addresses, 30 partners and 20
// lists of which each pair changes now and then, about 5,000 records.
func year(tb testing.TB, db *store.DB, now time.Time) (records int) {
	tb.Helper()
	at := now.Add(-365 * 24 * time.Hour)
	write := func(s reputation.Subject, from, to time.Time) {
		err := db.Update(to, func(tx *store.Tx) error {
			id, err := tx.NextEpisodeID()
			if err != nil {
				return err
			}
			begin, end := incident.Record{What: incident.Listed, Subject: s, Episode: id}, incident.Record{What: incident.Delisted, Subject: s, Episode: id}
			if s.Kind == reputation.KindListing {
				l := accused(s.Target)
				begin.Listing, end.Listing = &l, &l
			} else {
				begin.What, end.What = incident.Lost, incident.Back
				begin.Wire, end.Wire = &incident.Wire{Loss: "starttls", Provider: s.Target}, &incident.Wire{Loss: "starttls"}
			}
			begin.Bracket, end.Bracket = reputation.Bracket{After: from.Add(-15 * time.Minute), By: from}, reputation.Bracket{After: to.Add(-15 * time.Minute), By: to}
			if begin, err = tx.Append(begin); err != nil {
				return err
			}
			if _, err = tx.Append(end); err != nil {
				return err
			}
			return tx.Episodes().Put(id, incident.Episode{ID: id, Subject: s, Seq: begin.Seq, Begin: begin.Bracket, End: end.Bracket, Ended: to, Listing: begin.Listing, Wire: begin.Wire})
		})
		if err != nil {
			tb.Fatal(err)
		}
		records += 2
	}
	for n := 0; at.Before(now.Add(-24 * time.Hour)); n++ {
		ip := fmt.Sprintf("203.0.113.%d", 1+n%8)
		write(pairOn(fmt.Sprintf("l%d", n%20), ip), at, at.Add(6*time.Hour))
		for p := range 3 {
			write(pairOf(ip, fmt.Sprintf("p%d.example", (n+p*7)%30)), at.Add(30*time.Minute), at.Add(7*time.Hour))
		}
		at = at.Add(14 * time.Hour)
	}
	return records
}

// BenchmarkStartAfterAYear is what a restart costs before the daemon is ready, and
// before it says its first verdict.
func BenchmarkStartAfterAYear(b *testing.B) {
	text := "sending_ips: [{range: 203.0.113.0/29}, {ip: 203.0.113.8}]\ndns: {resolvers: [\"127.0.0.1:53\"]}\nschedule: {timezone: UTC}\npartners:\n"
	for i := range 30 {
		text += fmt.Sprintf("  - {domain: p%d.example}\n", i)
	}
	text += lists60()[len("sending_ips: [{range: 203.0.112.0/22}]\ndns: {resolvers: [\"127.0.0.1:53\"]}\nschedule: {timezone: UTC}\n"):]
	d := newDesk(b, text)
	n := year(b, d.db, d.now)
	b.Run("ready", func(b *testing.B) {
		for b.Loop() {
			d.restart(text)
		}
		b.ReportMetric(float64(n), "records")
	})
	b.Run("verdict", func(b *testing.B) {
		for b.Loop() {
			d.f.cause = nil
			if err := d.f.judgeAgain(d.now); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkTick is what falls due by time, every ten seconds: with 5,000 incidents that
// were over a moment ago, or are open, and 5,000 forecasts that were scored long since.
func BenchmarkTick(b *testing.B) {
	for name, status := range map[string]incident.Status{"over": incident.Resolved, "open": incident.Open} {
		b.Run(name, func(b *testing.B) {
			d := newDesk(b, house)
			err := d.db.Update(d.now, func(tx *store.Tx) error {
				for n := range uint64(5000) {
					if err := old(tx, n+1, d.now, status); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				b.Fatal(err)
			}
			if err := d.f.begin(d.now, d.cfg); err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				if err := d.f.tick(d.now); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// old writes an incident of one listing, with a forecast that was scored.
func old(tx *store.Tx, id uint64, now time.Time, status incident.Status) error {
	ip, l := fmt.Sprintf("198.51.%d.%d", id/250, id%250), accused("xbl")
	r, err := tx.Append(incident.Record{What: incident.Listed, Subject: pairOn("xbl", ip), Bracket: reputation.Bracket{By: now.Add(-time.Hour)}, Listing: &l, Episode: id})
	if err != nil {
		return err
	}
	name := fmt.Sprint(id)
	e := incident.Episode{ID: id, Subject: r.Subject, Seq: r.Seq, Begin: r.Bracket, Listing: &l, Incident: name}
	i := incident.Incident{ID: name, Kind: incident.Reputation, Status: status, Root: incident.RootListing, List: "xbl", IP: ip, Episodes: []uint64{id},
		Opened: now.Add(-time.Hour), Updated: now, Told: true, Reminded: now, Alert: incident.Now}
	if status == incident.Open {
		if err := tx.Told().Put(name, map[string]time.Time{"ear": now}); err != nil {
			return err
		}
		if err := tx.Listings().Put(r.Subject, store.Listing{Listing: l, Begin: r.Bracket, Episode: id, Seq: r.Seq}); err != nil {
			return err
		}
	} else {
		e.Ended, e.End, i.Resolved = now, reputation.Bracket{By: now}, now
	}
	fc := store.Forecast{ListingSeq: r.Seq, IP: ip, List: "xbl", Partner: "contoso.com", At: now, To: now.Add(time.Hour), Outcome: "hit", Judged: now}
	if err := tx.Forecasts().Put(store.ForecastKey(r.Seq, "contoso.com"), fc); err != nil {
		return err
	}
	if err := tx.Episodes().Put(id, e); err != nil {
		return err
	}
	return tx.Incidents().Put(name, i)
}

// BenchmarkMassDelisting is a sweep that ends 256 listings, with 20 partners.
func BenchmarkMassDelisting(b *testing.B) {
	text := other(house, "sending_ips: [", "sending_ips: [{range: 198.51.100.0/24}, ")
	for n := range 17 {
		text = other(text, "partners:\n", fmt.Sprintf("partners:\n  - {domain: p%d.example}\n", n))
	}
	d := newDesk(b, text)
	var all []string
	var looks checks.Batch
	for _, a := range d.cfg.Addresses {
		all = append(all, a.IP.String())
		for _, p := range d.cfg.Partners {
			looks.Wire = append(looks.Wire, lookThat(pairOf(a.IP.String(), p.Name()), d.now, reputation.Advertised, ""))
		}
	}
	d.fold(looks)
	for b.Loop() {
		b.StopTimer()
		d.later(24*time.Hour).sweep("xbl", all...)
		b.StartTimer()
		d.later(15 * time.Minute).sweep("xbl")
	}
}
