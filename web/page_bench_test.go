package web

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"repwatch/api"
	"repwatch/checks/smtp"
	"repwatch/config"
	"repwatch/correlate"
	"repwatch/incident"
	"repwatch/reputation"
	"repwatch/store"
)

// BenchmarkPages builds each page over a year of history, of a small sender and of a
// large one. The goal is 200 ms a page.
func BenchmarkPages(b *testing.B) {
	for _, size := range []struct{ ips, partners, lists int }{{8, 30, 20}, {4096, 50, 20}} {
		b.Run(fmt.Sprintf("%dx%dx%d", size.ips, size.partners, size.lists), func(b *testing.B) {
			p := year(b, size.ips, size.partners, size.lists, 1)
			for _, path := range []string{"/", "/incidents", "/incidents/1", "/ip/10.0.0.1", "/partner/p1.example", "/provider/cisco", "/list/l1", "/learned", "/timeline?last=7d", "/timeline?last=1y", "/ledger", "/reports", "/health", "/metrics"} {
				b.Run(strings.Trim(path, "/"), func(b *testing.B) {
					ask := func() int {
						w := httptest.NewRecorder()
						p.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "http://127.0.0.1:8025"+path, nil))
						if w.Code != http.StatusOK {
							b.Fatalf("%s: %d %s", path, w.Code, w.Body)
						}
						return w.Body.Len()
					}
					size := ask() // the first builds what is kept
					for b.Loop() {
						ask()
					}
					b.ReportMetric(float64(size)/1024, "KiB")
				})
			}
		})
	}
}

// year is the page over a year in which listings and losses come and go. Each
// every-th address looks at the partners.
func year(b testing.TB, ips, partners, lists, every int) *Page {
	b.Helper()
	dir := b.TempDir()
	db, err := store.Open(filepath.Join(dir, "repwatch.db"), store.Options{})
	if err != nil {
		b.Fatal(err)
	}
	var text strings.Builder
	fmt.Fprintf(&text, "sending_ips: [{range: 10.0.0.0/%d}]\nprobes: {canaries: 0}\ndns: {resolvers: [\"127.0.0.1:1\"]}\nnotify: {log: {}}\npartners:\n", 32-bits(ips))
	for n := range partners {
		fmt.Fprintf(&text, "  - {domain: p%d.example, provider: cisco}\n", n)
	}
	fmt.Fprint(&text, "blocklists:\n  use: [all]\n  add:\n")
	for n := range lists {
		fmt.Fprintf(&text, "    - {id: l%d, zone: l%d.test}\n", n, n)
	}
	file := filepath.Join(dir, "repwatch.yaml")
	if err := os.WriteFile(file, []byte(text.String()), 0o600); err != nil {
		b.Fatal(err)
	}
	cfg, err := config.Load(file, []byte("lists: []"))
	if err != nil {
		b.Fatal(err)
	}
	if err := history(db, ips, partners, lists, every); err != nil {
		b.Fatal(err)
	}
	p, err := NewPage(Options{DB: db, Config: func() *config.Loaded { return cfg }, Daemon: &daemon{runtime: api.Runtime{Version: "1", Started: time.Now()}}}, slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		p.Close()
		if err := db.Close(); err != nil {
			b.Error(err)
		}
	})
	return p
}

func bits(n int) (k int) {
	for ; n > 1; n /= 2 {
		k++
	}
	return k
}

// events are the bad states of the year: a few a day.
const events = 2500

func history(db *store.DB, ips, partners, lists, every int) error {
	rng, end := rand.New(rand.NewPCG(1, 2)), time.Now().UTC()
	addr := func(n int) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, byte(n / 256), byte(n % 256)}) }
	at := end.AddDate(-1, 0, 0)
	for n := range events {
		at = at.Add(time.Duration(365*24/float64(events)*rng.Float64()*2) * time.Hour)
		if at.After(end) {
			at = end
		}
		err := db.Update(at, func(tx *store.Tx) error {
			s := reputation.Subject{Kind: reputation.KindListing, IP: addr(rng.IntN(ips)), Target: fmt.Sprintf("l%d", rng.IntN(lists))}
			r := incident.Record{What: incident.Listed, Listing: &reputation.Listing{Codes: []string{"127.0.0.2"}, Class: reputation.ClassBad, Impact: reputation.High}}
			if n%2 == 1 {
				s = reputation.Subject{Kind: reputation.KindWire, IP: s.IP, Target: fmt.Sprintf("p%d.example", rng.IntN(partners))}
				r = incident.Record{What: incident.Lost, Wire: &incident.Wire{Loss: smtp.LossStartTLS, Went: []string{"STARTTLS"}}}
			}
			return one(tx, s, r, at, fmt.Sprint(n/2+1), n < events-60)
		})
		if err != nil {
			return err
		}
	}
	for from := 0; from < ips; from += 64 { // a transaction of all would move its one leaf about for half a minute
		err := db.Update(end, func(tx *store.Tx) error {
			for i := from; i < min(from+64, ips); i += every {
				for n := range partners {
					if err := pair(tx, addr(i), fmt.Sprintf("p%d.example", n), end); err != nil {
						return err
					}
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return db.Update(end, func(tx *store.Tx) error {
		for n := range lists {
			l := store.List{Health: "ok", SureStarted: end, SureEnded: end, Interval: 15 * time.Minute}
			if n%20 == 7 {
				l.Health, l.Why, l.LostAt = "suspended", "its test point does not answer", end.AddDate(0, 0, -3)
			}
			if err := tx.Lists().Put(fmt.Sprintf("l%d", n), l); err != nil {
				return err
			}
		}
		return lasting(tx, end)
	})
}

// pair is an address that a partner treats as usual.
func pair(tx *store.Tx, ip netip.Addr, partner string, at time.Time) error {
	s := reputation.Subject{Kind: reputation.KindWire, IP: ip, Target: partner}
	return tx.Wire().Put(s, store.Wire{State: smtp.State{Standing: smtp.StandingGood, LastLook: at, LastSure: at}, Provider: "cisco", MX: "mx.example", Outcome: reputation.Advertised, Offers: []string{"8BITMIME", "SIZE", "STARTTLS"}})
}

// lasting gives what has not ended its row.
func lasting(tx *store.Tx, at time.Time) error {
	for e := range tx.OpenEpisodes() {
		var err error
		if e.Listing != nil {
			err = tx.Listings().Put(e.Subject, store.Listing{Listing: *e.Listing, Begin: e.Begin, Episode: e.ID, Seq: e.Seq})
		} else {
			w := store.Wire{State: smtp.State{Standing: smtp.StandingLost, Loss: e.Wire.Loss, LastLook: at, LastSure: at}, Provider: "cisco", MX: "mx.example", Outcome: reputation.Absent, Offers: []string{"8BITMIME", "SIZE"}, Why: "the reply to EHLO is complete, but without STARTTLS", Episode: e.ID}
			err = tx.Wire().Put(e.Subject, w)
		}
		if err != nil {
			return err
		}
	}
	return tx.Err()
}

// one is a bad state with its incident; it ends two hours later unless it lasts.
func one(tx *store.Tx, s reputation.Subject, r incident.Record, at time.Time, id string, over bool) error {
	n, err := tx.NextEpisodeID()
	if err != nil {
		return err
	}
	r.Subject, r.Episode, r.Bracket = s, n, reputation.Bracket{After: at.Add(-15 * time.Minute), By: at}
	if r, err = tx.Append(r); err != nil {
		return err
	}
	e := incident.Episode{ID: n, Subject: s, Seq: r.Seq, Begin: r.Bracket, Listing: r.Listing, Wire: r.Wire, Incident: id}
	i, _, err := tx.Incidents().Get(id)
	if err != nil {
		return err
	}
	i.ID, i.Kind, i.Status, i.Opened, i.Updated, i.Impact, i.Verdict = id, incident.Reputation, incident.Open, at, at, reputation.High, correlate.ByListing
	i.Episodes, i.Evidence, i.Next = append(i.Episodes, n), []string{"a list names it"}, []string{"ask for delisting"}
	if over {
		e.End, e.Ended = reputation.Bracket{After: at.Add(90 * time.Minute), By: at.Add(2 * time.Hour)}, at.Add(2*time.Hour)
		i.Status, i.Resolved = incident.Resolved, e.Ended
		end := incident.Record{At: at, What: map[incident.What]incident.What{incident.Listed: incident.Delisted, incident.Lost: incident.Back}[r.What], Subject: s, Episode: n, Bracket: e.End, Listing: r.Listing, Wire: r.Wire}
		if _, err := tx.Append(end); err != nil {
			return err
		}
	}
	if err := tx.Episodes().Put(n, e); err != nil {
		return err
	}
	if err := tx.Messages().Put(id, incident.Message{Incident: id, Title: s.String() + " is in trouble", Fields: []incident.Field{{Name: "Since", Lines: []string{"a while"}}}}); err != nil {
		return err
	}
	return tx.Incidents().Put(id, i)
}
