package report

import (
	"bytes"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"repwatch/cause"
	"repwatch/checks/smtp"
	"repwatch/config"
	"repwatch/correlate"
	"repwatch/correlate/oracle"
	"repwatch/incident"
	"repwatch/reputation"
	"repwatch/store"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// yearSize is a small installation's year.
var yearSize = oracle.Size{IPs: 4, Partners: 12, Lists: 8, Days: 364.5}

// yearConfig watches what the simulated year is about.
func yearConfig(t testing.TB, zone string) *config.Loaded {
	t.Helper()
	var b bytes.Buffer
	b.WriteString("sending_ips:\n")
	for i := range yearSize.IPs {
		pool := "main"
		if i >= 2 {
			pool = "bulk"
		}
		fmt.Fprintf(&b, "  - {ip: 192.0.2.%d, name: mx%d.example.com, pool: %s}\n", 10+i, i+1, pool)
	}
	b.WriteString("partners:\n")
	for i := range yearSize.Partners {
		provider := "auto"
		if i%3 == 0 {
			provider = "exchange-online"
		}
		fmt.Fprintf(&b, "  - {domain: p%02d.example, provider: %s}\n", i, provider)
	}
	b.WriteString("control: [{name: office, socks5: \"127.0.0.1:1\"}]\ndns: {resolvers: [\"127.0.0.1:1\"]}\nnotify: {log: {}}\nblocklists:\n  use: [")
	for i := range yearSize.Lists {
		fmt.Fprintf(&b, "bl%02d, ", i)
	}
	b.WriteString("]\n  add:\n")
	for i := range yearSize.Lists {
		fmt.Fprintf(&b, "    - {id: bl%02d, zone: bl%02d.example, name: List %d, impact: %s, access: {per_day: 10000}}\n", i, i, i, []string{"critical", "high", "medium", "low"}[i%4])
	}
	fmt.Fprintf(&b, "schedule: {timezone: %s}\n", zone)
	return loadConfig(t, b.String())
}

func loadConfig(t testing.TB, text string) *config.Loaded {
	t.Helper()
	file := filepath.Join(t.TempDir(), "repwatch.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(file, nil)
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func openStore(t testing.TB, path string) *store.DB {
	t.Helper()
	db, err := store.Open(path, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// year is one simulated year in a file, made once for all tests.
var year = struct {
	sync.Once
	raw []byte
}{}

// yearStore is a store of its own with the simulated year in it.
func yearStore(t testing.TB) *store.DB {
	t.Helper()
	year.Do(func() {
		path := filepath.Join(t.TempDir(), "year.db")
		db, err := store.Open(path, store.Options{})
		if err != nil {
			t.Fatal(err)
		}
		simulate(t, db, yearConfig(t, "Europe/Vienna"))
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		if year.raw, err = os.ReadFile(path); err != nil {
			t.Fatal(err)
		}
	})
	path := filepath.Join(t.TempDir(), "year.db")
	if err := os.WriteFile(path, year.raw, 0o600); err != nil {
		t.Fatal(err)
	}
	return openStore(t, path)
}

// simulate folds the oracle's year as the daemon does, with the correlator's own
// verdicts at the time; and lists that were not believed, sessions and forecasts.
func simulate(t testing.TB, db *store.DB, cfg *config.Loaded) {
	t.Helper()
	events, _ := oracle.Simulate(oracle.Scenarios[1], yearSize, 7)
	l := newTape(t, db)
	check(t, db.View(func(tx *store.Tx) error {
		l.cause = correlate.New(cause.Options(tx, cfg))
		return nil
	}))
	for chunk := range slices.Chunk(events, 200) {
		at := chunk[len(chunk)-1].T
		check(t, db.Update(at, func(tx *store.Tx) error {
			for _, e := range chunk {
				if r, ok := recordOf(e); ok {
					l.step(tx, r, nil)
				}
			}
			return nil
		}))
	}
	l.standing(cfg)
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func recordOf(e correlate.Event) (incident.Record, bool) {
	r := incident.Record{At: e.T, Bracket: reputation.Bracket{After: e.Lo, By: e.Hi}}
	switch {
	case e.Kind == correlate.KindListing:
		list := strings.TrimSuffix(e.List, ".example")
		r.Subject = listing(e.Vantage, list)
		r.Listing = &reputation.Listing{Codes: []string{"127.0.0.2"}, Meaning: []string{"spam source"}, Impact: impactOf(list), Alert: incident.Now,
			Name: "List " + list[3:], DelistURL: "https://" + e.List + "/delist"}
		r.What = incident.Delisted
		if e.State == correlate.Listed {
			r.What = incident.Listed
		}
	case e.Kind == correlate.KindCap && e.Vantage == correlate.Control:
		r.Subject = reputation.Subject{Kind: reputation.KindControl, Domain: "office", Target: e.Partner}
		r.What = incident.Back
		if e.State == correlate.Lost {
			r.What = incident.Lost
		}
		r.Wire = &incident.Wire{Loss: smtp.LossKind(e.Loss), Control: string(r.What)}
	case e.Kind == correlate.KindCap:
		r.Subject, r.What = wire(e.Vantage, e.Partner), incident.Back
		r.Wire = &incident.Wire{MX: "mx." + e.Partner}
		if e.State == correlate.Lost {
			loss := smtp.LossKind(e.Loss)
			if e.Loss == correlate.LossBanner {
				loss = smtp.LossRejected
			}
			r.What, r.Wire.Loss, r.Wire.Looks = incident.Lost, loss, 2
			if loss == smtp.LossStartTLS {
				r.Wire.Went = []string{"STARTTLS"}
			}
		}
	default:
		return r, false
	}
	return r, true
}

// impactOf spreads impacts over the lists: List 0 hurts most.
func impactOf(list string) reputation.Impact {
	n := int(list[3] - '0')
	return []reputation.Impact{reputation.Critical, reputation.High, reputation.Medium, reputation.Low}[n%4]
}

func listing(ip, list string) reputation.Subject {
	return reputation.Subject{Kind: reputation.KindListing, IP: netip.MustParseAddr(ip), Target: list}
}

func wire(ip, partner string) reputation.Subject {
	return reputation.Subject{Kind: reputation.KindWire, IP: netip.MustParseAddr(ip), Target: partner}
}

// tape folds records into a store.
type tape struct {
	t     testing.TB
	db    *store.DB
	cause *correlate.Correlator
	inc   map[string]*incident.Incident
	eps   map[uint64]*incident.Episode
	open  map[reputation.Subject]uint64
	ended []uint64 // of late: their verdicts may still be revised
}

func newTape(t testing.TB, db *store.DB) *tape {
	return &tape{t: t, db: db, inc: map[string]*incident.Incident{}, eps: map[uint64]*incident.Episode{}, open: map[reputation.Subject]uint64{}}
}

var policy = incident.Policy{GroupWait: time.Minute, Reopen: 30 * time.Minute, Remind: 24 * time.Hour, DigestOver: 5, Zone: time.UTC}

// step folds one record; with a correlator, by its verdicts, else by what is given.
func (l *tape) step(tx *store.Tx, r incident.Record, given map[uint64]incident.Judgement) {
	id, known := l.open[r.Subject]
	begins := r.What == incident.Listed || r.What == incident.Lost || r.What == incident.Faulty
	if !begins && !known {
		return
	}
	if !known {
		var err error
		id, err = tx.NextEpisodeID()
		check(l.t, err)
	}
	r.Episode = id
	r, err := tx.Append(r)
	check(l.t, err)
	if l.cause != nil {
		check(l.t, cause.Observe(l.cause, r))
	}
	if begins {
		l.eps[id] = &incident.Episode{ID: id, Subject: r.Subject, Seq: r.Seq, Begin: r.Bracket, FirstSight: r.FirstSight, Listing: r.Listing, Wire: r.Wire, Fault: r.Fault}
		l.open[r.Subject] = id
	} else {
		l.eps[id].End, l.eps[id].Ended, l.eps[id].Unwatched = r.Bracket, r.At, r.What == incident.Unwatched
		delete(l.open, r.Subject)
		l.ended = append(l.ended, id)
		l.ended = l.ended[max(0, len(l.ended)-20):]
	}
	check(l.t, tx.Episodes().Put(id, *l.eps[id]))
	if given == nil {
		given = l.judge(r.At)
	}
	in := incident.Input{Now: r.At, Changes: []incident.Record{r}, Judged: given, NewID: func() string { n, _ := tx.NextIncidentID(); return n }}
	l.keep(tx, incident.Fold(incident.World{Incidents: l.inc, Episodes: l.eps, Unsent: map[string]bool{}, Notices: map[string]incident.Alert{}}, in, policy), r.At)
}

// judge asks for verdicts on what is lost.
func (l *tape) judge(now time.Time) map[uint64]incident.Judgement {
	out := map[uint64]incident.Judgement{}
	if l.cause == nil {
		return out
	}
	ids := slices.Clone(l.ended)
	for _, id := range l.open {
		ids = append(ids, id)
	}
	for _, id := range ids {
		e := l.eps[id]
		if e.Subject.Kind != reputation.KindWire || !e.Ended.IsZero() && now.Sub(e.Ended) > 3*time.Hour {
			continue
		}
		if v, ok := l.cause.Verdict(e.Seq, now); ok {
			why, _ := l.cause.Explain(e.Seq, now)
			out[id] = incident.Judgement{Verdict: v, Why: why}
		}
	}
	return out
}

func (l *tape) keep(tx *store.Tx, out incident.Output, now time.Time) {
	for _, i := range out.Incidents {
		l.inc[i.ID] = &i
		check(l.t, tx.Incidents().Put(i.ID, i))
		check(l.t, tx.Messages().Put(i.ID, out.Messages[i.ID]))
	}
	for _, e := range out.Episodes {
		l.eps[e.ID] = &e
		check(l.t, tx.Episodes().Put(e.ID, e))
	}
	for id, i := range l.inc { // what is long over is not looked at again
		if i.Status == incident.Resolved && now.Sub(i.Resolved) > 6*time.Hour {
			delete(l.inc, id)
		}
	}
}

// standing is what the last looks found, and what is no event: suspensions, sessions, forecasts, budgets.
func (l *tape) standing(cfg *config.Loaded) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	end := start.Add(time.Duration(yearSize.Days*24) * time.Hour)
	for i := range 12 {
		partner, ip := fmt.Sprintf("p%02d.example", i), fmt.Sprintf("192.0.2.%d", 10+i%4)
		check(l.t, l.db.Update(end, func(tx *store.Tx) error {
			w := store.Wire{State: smtp.State{Standing: smtp.StandingGood, LastLook: end.Add(-20 * time.Minute), LastSure: end.Add(-20 * time.Minute)}, Outcome: reputation.Advertised}
			if i == 4 {
				w.NotAfter = end.Add(9 * 24 * time.Hour)
			}
			check(l.t, tx.Subjects().Put(ip, store.Watched{Since: start}))
			f := store.Forecast{ListingSeq: uint64(i + 1), IP: ip, List: "bl00", Partner: partner, P: .3 + .05*float64(i), At: end.Add(time.Duration(i-30) * 24 * time.Hour),
				Outcome: []string{"hit", "miss"}[i%2], Judged: end.Add(time.Duration(i-29) * 24 * time.Hour)}
			check(l.t, tx.Forecasts().Put(store.ForecastKey(uint64(i+1), partner), f))
			for n := range yearSize.IPs {
				if err := tx.Wire().Put(wire(fmt.Sprintf("192.0.2.%d", 10+n), partner), w); err != nil {
					return err
				}
			}
			return tx.Budgets().Put("bl01", store.Budget{Day: end.Unix() / 86400, Spent: 9100})
		}))
		l.db.Ledger(smtp.LedgerEntry{Visit: smtp.Visit{Provider: partner, From: ip, Partner: partner, Why: "schedule"}, Opened: end.Add(-time.Duration(i) * time.Hour),
			Closed: end.Add(-time.Duration(i)*time.Hour + time.Second), Outcome: []reputation.Outcome{reputation.Advertised, reputation.Deferred, reputation.Rejected}[i%3]})
	}
	check(l.t, l.db.Flush())
}

func build(t testing.TB, db *store.DB, cfg *config.Loaded, w Week, now time.Time) Report {
	t.Helper()
	var r Report
	check(t, db.View(func(tx *store.Tx) (err error) {
		r, err = Build(tx, cfg, w, now)
		return err
	}))
	return r
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		check(t, os.MkdirAll("testdata", 0o755))
		check(t, os.WriteFile(path, got, 0o644))
		return
	}
	want, err := os.ReadFile(path)
	check(t, err)
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs from what is stored; look at it and run with -update if it is right\n%s", name, got)
	}
}
