package store

import (
	"fmt"
	"os"
	"testing"
	"time"

	"repwatch/incident"
	"repwatch/reputation"
)

// yearOf fills a store with a year of 1,024 IPs and 60 lists: 25,000 listings that
// begin and end, each an episode.
func yearOf(tb testing.TB, db *DB) {
	tb.Helper()
	const pairs = 25_000
	step := 365 * 24 * time.Hour / pairs
	for i := 0; i < pairs; i += 50 {
		at := t0.Add(time.Duration(i) * step)
		err := db.Update(at, func(tx *Tx) error {
			for j := i; j < i+50; j++ {
				if err := comeAndGo(tx, j, t0.Add(time.Duration(j)*step)); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			tb.Fatal(err)
		}
	}
}

func comeAndGo(tx *Tx, i int, at time.Time) error {
	ip := fmt.Sprintf("203.0.%d.%d", i*7%4+110, i*13%256)
	list := fmt.Sprintf("list-%d", i*31%60)
	s := listing(ip, list)
	l := &reputation.Listing{Codes: []string{"127.0.0.4"}, Meaning: []string{"exploited host, open proxy or botnet member"},
		Impact: reputation.High, Alert: "now", Reason: "https://www.example.org/query/ip/" + ip, Name: "Example list of exploits " + list,
		DelistURL: "https://check.example.org/listed/?searchterm=" + ip, DelistHow: "self-service, usually within a day"}
	b := reputation.Bracket{After: at.Add(-15 * time.Minute), By: at}
	r, err := tx.Append(incident.Record{At: at, What: incident.Listed, Subject: s, Bracket: b, Listing: l, Episode: uint64(i + 1)})
	if err != nil {
		return err
	}
	e := incident.Episode{ID: uint64(i + 1), Subject: s, Seq: r.Seq, Begin: b, Listing: l, Incident: fmt.Sprint(i/5 + 1),
		End: b, Ended: at}
	if err := tx.Episodes().Put(e.ID, e); err != nil {
		return err
	}
	_, err = tx.Append(incident.Record{At: at, What: incident.Delisted, Subject: s, Bracket: b, Episode: e.ID})
	return err
}

func BenchmarkYear(b *testing.B) {
	db := openTemp(b)
	yearOf(b, db)
	reportSize(b, db)
	from := t0.Add(180 * 24 * time.Hour)
	n := 0
	for b.Loop() {
		err := db.View(func(tx *Tx) error {
			n = 0
			for range tx.Journal(from, from.Add(7*24*time.Hour)) {
				n++
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(n), "records")
}

// reportSize logs what a year takes, as written and compacted.
func reportSize(b *testing.B, db *DB) {
	b.Helper()
	s, err := db.Stats()
	if err != nil {
		b.Fatal(err)
	}
	for _, bucket := range s.Buckets {
		if bucket.Keys > 0 {
			b.Logf("%-14s %6d keys %8.2f MB", bucket.Name, bucket.Keys, float64(bucket.Bytes)/1e6)
		}
	}
	small := db.Path() + ".small"
	if err := db.copyTo(small); err != nil {
		b.Fatal(err)
	}
	info, err := os.Stat(small)
	if err != nil {
		b.Fatal(err)
	}
	b.Logf("file %.1f MB, %.1f MB free; compacted %.1f MB; said to grow %.1f MB a year",
		float64(s.Size)/1e6, float64(s.Free)/1e6, float64(info.Size())/1e6, float64(s.PerYear)/1e6)
}
