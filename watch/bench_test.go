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
