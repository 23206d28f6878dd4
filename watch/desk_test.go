package watch

import (
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"repwatch/checks"
	"repwatch/checks/dnsbl"
	"repwatch/checks/smtp"
	"repwatch/config"
	"repwatch/incident"
	"repwatch/reputation"
	"repwatch/store"
)

// house is what most tests watch: two addresses, three partners of three
// providers, a control, two lists.
const house = `
sending_ips: [{ip: 203.0.113.7}, {ip: 203.0.113.8}]
partners:
  - {domain: contoso.com, require: [STARTTLS]}
  - {domain: fabrikam.net, require: [STARTTLS]}
  - {domain: tailspin.org, require: [STARTTLS]}
control: [{name: office, socks5: "127.0.0.1:1080"}]
dns: {resolvers: ["127.0.0.1:53"]}
schedule: {timezone: UTC}
blocklists:
  use: [xbl, traps]
  add: [{id: xbl, zone: xbl.example, impact: critical}, {id: traps, zone: traps.example, impact: low}]
`

// other replaces parts of a configuration: old and new by turns.
func other(text string, parts ...string) string {
	for i := 0; i < len(parts); i += 2 {
		if !strings.Contains(text, parts[i]) {
			panic("no " + parts[i])
		}
		text = strings.ReplaceAll(text, parts[i], parts[i+1])
	}
	return text
}

func load(t testing.TB, text string) *config.Loaded {
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

func openStore(t testing.TB, file string) *store.DB {
	t.Helper()
	db, err := store.Open(file, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return db
}

var morning = time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC)

// desk is a folder without a daemon around it: tests hand it batches and read what came of them.
type desk struct {
	t     testing.TB
	file  string
	db    *store.DB
	f     *folder
	cfg   *config.Loaded
	now   time.Time
	wants []checks.Ask // of the last batch
}

func newDesk(t testing.TB, text string) *desk {
	t.Helper()
	d := &desk{t: t, file: filepath.Join(t.TempDir(), "repwatch.db"), now: morning.Add(-time.Minute)}
	d.sit(text)
	d.later(time.Minute)
	t.Cleanup(func() {
		d.whole()
		if err := d.db.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

// sit opens the file and puts a configuration in force, as a start of the daemon does.
func (d *desk) sit(text string) {
	d.t.Helper()
	d.db = openStore(d.t, d.file)
	d.f = newFolder(d.db, slog.New(slog.DiscardHandler))
	if err := d.f.begin(d.now, load(d.t, text)); err != nil {
		d.t.Fatal(err)
	}
	d.adopt(text)
}

// restart closes the file and sits down anew.
func (d *desk) restart(text string) {
	d.t.Helper()
	if err := d.db.Close(); err != nil {
		d.t.Fatal(err)
	}
	d.sit(text)
}

func (d *desk) adopt(text string) {
	d.t.Helper()
	d.cfg = load(d.t, text)
	if err := d.f.adopt(d.now, d.cfg, []string{"ear"}, nil); err != nil {
		d.t.Fatal(err)
	}
}

// later lets time pass.
func (d *desk) later(by time.Duration) *desk {
	d.now = d.now.Add(by)
	return d
}

func (d *desk) fold(b checks.Batch) {
	d.t.Helper()
	wants, err := d.f.Fold(b, d.now)
	if err != nil {
		d.t.Fatal(err)
	}
	d.wants = wants
}

// whole fails the test unless the store holds to its invariants.
func (d *desk) whole() {
	d.t.Helper()
	if r, err := d.db.Verify(); err != nil || !r.OK() {
		d.t.Errorf("the store is not whole: %v %v", err, r.Problems)
	}
}

// accused is a listing that is bad news.
func accused(list string) reputation.Listing {
	return reputation.Listing{Codes: []string{"127.0.0.4"}, Meaning: []string{"exploited host"}, Class: reputation.ClassBad, Impact: reputation.Critical, Alert: incident.Now, Name: list}
}

// sweep asks one list about everything, a second long and over now. Words name those it
// lists; "?WHO" is unknown.
func (d *desk) sweep(list string, words ...string) {
	d.t.Helper()
	d.fold(checks.Batch{Version: checks.Version, Check: "lists", Lists: []checks.ListLook{d.listLook(list, words...)}})
}

func (d *desk) listLook(list string, words ...string) checks.ListLook {
	l := checks.ListLook{List: list, Health: dnsbl.HealthOK, Started: d.now.Add(-time.Second), Ended: d.now}
	for _, w := range words {
		if who, unknown := strings.CutPrefix(w, "?"); unknown {
			l.Unknown = append(l.Unknown, who)
			continue
		}
		l.Hits = append(l.Hits, checks.Hit{Who: w, Listing: accused(list)})
	}
	return l
}

func pairOf(from, partner string) reputation.Subject {
	s := reputation.Subject{Kind: reputation.KindWire, Target: partner}
	if s.SetWho(from); s.Domain != "" {
		s.Kind = reputation.KindControl
	}
	return s
}

var offered = smtp.Capabilities{"SIZE": "1000", "STARTTLS": ""}

// lookThat saw an outcome; a failure tells nothing.
func lookThat(s reputation.Subject, at time.Time, o reputation.Outcome, fail smtp.Failure) checks.WireLook {
	l := smtp.Look{Outcome: o, Addr: netip.MustParseAddr("198.51.100.25"), Addrs: 1}
	switch o {
	case reputation.Advertised:
		l.Plain = offered
	case reputation.Absent:
		l.Plain = smtp.Capabilities{"SIZE": "1000"}
	}
	return checks.WireLook{Subject: s, At: at, Looks: []smtp.Look{l}, Failure: fail, Evidence: incident.Wire{Provider: s.Target}}
}

// look is one look from an address or a control at a partner.
func (d *desk) look(from, partner string, o reputation.Outcome) {
	d.t.Helper()
	d.fold(checks.Batch{Version: checks.Version, Check: "partners", Wire: []checks.WireLook{lookThat(pairOf(from, partner), d.now, o, "")}})
}

// silent is a look that got nowhere.
func (d *desk) silent(from, partner string) {
	d.t.Helper()
	d.fold(checks.Batch{Version: checks.Version, Check: "partners", Wire: []checks.WireLook{lookThat(pairOf(from, partner), d.now, reputation.OutcomeUnknown, smtp.FailTimeout)}})
}

// baseline looks twice at everybody from everywhere, and finds all well.
func (d *desk) baseline() {
	d.t.Helper()
	for _, l := range d.cfg.Lists {
		d.sweep(l.ID)
	}
	for range 2 {
		d.later(3 * time.Minute)
		for _, p := range d.cfg.Partners {
			for _, c := range d.cfg.Control {
				d.look(c.Name, p.Name(), reputation.Advertised)
			}
			for _, a := range d.cfg.Addresses {
				d.look(a.IP.String(), p.Name(), reputation.Advertised)
			}
		}
	}
	d.later(time.Hour)
}

// lose has an address lose a partner, seen twice.
func (d *desk) lose(from, partner string) {
	d.t.Helper()
	d.look(from, partner, reputation.Absent)
	d.later(2*time.Minute).look(from, partner, reputation.Absent)
}

func incidentsOf(t testing.TB, db *store.DB) (out []incident.Incident) {
	t.Helper()
	err := db.View(func(tx *store.Tx) error {
		for _, i := range tx.Incidents().All() {
			out = append(out, i)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// recordsOf is the journal, but for the baselines, which are news of nothing.
func recordsOf(t testing.TB, db *store.DB) (out []incident.Record) {
	t.Helper()
	err := db.View(func(tx *store.Tx) error {
		for r := range tx.Journal(time.Time{}, time.Time{}) {
			if r.What != incident.Baseline {
				out = append(out, r)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// open are the incidents that are open, in words: "#1 listing 203.0.113.7".
func (d *desk) open() (out []string) {
	d.t.Helper()
	for _, i := range incidentsOf(d.t, d.db) {
		if i.Status == incident.Open {
			out = append(out, "#"+i.ID+" "+about(i))
		}
	}
	return out
}

func about(i incident.Incident) string {
	return strings.Join(strings.Fields(fmt.Sprintln(i.Root, i.Fault, i.IP, i.Partner, i.List)), " ")
}

func (d *desk) isOpen(want ...string) {
	d.t.Helper()
	if got := d.open(); !slices.Equal(got, want) {
		d.t.Errorf("at %s open are %q, want %q", d.now.Format("15:04:05"), got, want)
	}
}

// story is what the journal says, in words: "listed 203.0.113.7@xbl (09:00, 09:15]".
func (d *desk) story() (out []string) {
	d.t.Helper()
	for _, r := range recordsOf(d.t, d.db) {
		out = append(out, fmt.Sprintf("%s %s %s", r.What, r.Subject, between(r.Bracket)))
	}
	return out
}

func between(b reputation.Bracket) string {
	after := "-"
	if !b.After.IsZero() {
		after = b.After.Format("15:04:05")
	}
	return "(" + after + ", " + b.By.Format("15:04:05") + "]"
}

func (d *desk) tells(want ...string) {
	d.t.Helper()
	if got := d.story(); !slices.Equal(got, want) {
		d.t.Errorf("the journal says\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

// asks are the looks wanted by the last batch, in words: "confirm contoso.com from 203.0.113.7 in 2m0s".
func (d *desk) asks() (out []string) {
	for _, a := range d.wants {
		s := fmt.Sprintf("%s %s from %s", a.Why, a.Partner, strings.Join(a.From, ","))
		if a.Partner == "" {
			s = a.Why + " " + a.Check
		}
		if in := a.At.Sub(d.now); in > 0 {
			s += " in " + in.String()
		}
		if a.Every > 0 {
			s += fmt.Sprintf(" every %s for %s", a.Every, a.Until.Sub(d.now))
		}
		out = append(out, s)
	}
	slices.Sort(out)
	return out
}

func (d *desk) wantsLooks(want ...string) {
	d.t.Helper()
	if got := d.asks(); !slices.Equal(got, want) {
		d.t.Errorf("wanted are\n  %s\nnot\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

// alerts are those that wait for the ear, in words.
func (d *desk) alerts() (out []string) {
	d.t.Helper()
	err := d.db.View(func(tx *store.Tx) error {
		for q := range tx.Pending("ear") {
			out = append(out, string(q.Kind)+" "+q.Incident)
		}
		return nil
	})
	if err != nil {
		d.t.Fatal(err)
	}
	return out
}

// deliver empties the outbox, as a notifier that works does.
func (d *desk) deliver() (out []incident.Alert) {
	d.t.Helper()
	for {
		q, ok, _, err := d.db.NextAlert("ear", d.now)
		if err != nil {
			d.t.Fatal(err)
		}
		if !ok {
			return out
		}
		if err := d.db.Delivered("ear", q.Seq, d.now, nil); err != nil {
			d.t.Fatal(err)
		}
		out = append(out, q.Alert)
	}
}
