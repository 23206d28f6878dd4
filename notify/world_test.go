package notify

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"repwatch/config"
	"repwatch/incident"
	"repwatch/internal/lab"
	"repwatch/reputation"
	"repwatch/store"
)

// inProcess calls a handler as if over a network, so that tests in a bubble have
// no sockets: there real time would have to pass.
type inProcess struct{ http.Handler }

func (t inProcess) RoundTrip(r *http.Request) (resp *http.Response, err error) {
	defer func() {
		if p := recover(); p != nil { // http.ErrAbortHandler: the connection breaks
			if resp, err = nil, r.Context().Err(); err == nil {
				err = io.ErrUnexpectedEOF
			}
		}
	}()
	w := httptest.NewRecorder()
	t.ServeHTTP(w, r)
	return w.Result(), nil
}

// world is a store, a Slack and a dispatcher between them.
type world struct {
	t        *testing.T
	path     string
	db       *store.DB
	slack    *lab.Slack
	cfg      config.Notify
	log      *records
	d        *Dispatcher
	stop     context.CancelFunc
	gone     chan struct{}
	mu       sync.Mutex
	told     []string // what health was told
	extra    []Notifier
	problems []Problem
	moved    bool // a thread may have begun anew
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, path: filepath.Join(quickDir(t), "repwatch.db"), slack: lab.NewSlackHandler(), log: &records{}}
	w.cfg.Slack = &config.Slack{Token: config.NewSecret(w.slack.Token), Channel: lab.SlackChannel, APIURL: w.slack.URL(), Mention: "here"}
	w.open()
	return w
}

// quickDir is in memory where there is such a place: the matrix of faults commits
// some ten thousand times, and none of it is about the disk.
func quickDir(t *testing.T) string {
	dir, err := os.MkdirTemp("/dev/shm", "repwatch-notify-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

func (w *world) open() {
	w.t.Helper()
	db, err := store.Open(w.path, store.Options{})
	if err != nil {
		w.t.Fatal(err)
	}
	w.db = db
}

func (w *world) env() env {
	e := newEnv(slog.New(w.log), nil)
	e.client.Transport = inProcess{w.slack}
	return e
}

// start runs the dispatcher, as after a start of the program.
func (w *world) start() {
	w.t.Helper()
	all, problems := build(&config.Loaded{Config: config.Config{Notify: w.cfg}}, w.env())
	w.problems = problems
	d, err := New(w.db, append(all, w.extra...), slog.New(w.log), func(name string, down bool, why string) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.told = append(w.told, fmt.Sprintf("%s down=%t: %s", name, down, why))
	})
	if err != nil {
		w.t.Fatal(err)
	}
	var ctx context.Context
	ctx, w.stop = context.WithCancel(w.t.Context())
	w.d, w.gone = d, make(chan struct{})
	go func() { defer close(w.gone); d.Run(ctx) }()
}

func (w *world) end() {
	w.t.Helper()
	if w.stop != nil {
		w.stop()
		<-w.gone
		w.stop = nil
	}
	if err := w.db.Close(); err != nil {
		w.t.Error(err)
	}
}

func (w *world) health() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]string(nil), w.told...)
}

// fold is what a fold does: the message as it is now and an alert, in one transaction.
func (w *world) fold(a incident.Alert) {
	w.t.Helper()
	a.At = time.Now().UTC()
	a.Message.At = a.At
	err := w.db.Update(a.At, func(tx *store.Tx) error {
		if a.Incident != "" {
			if err := tx.Messages().Put(a.Incident, a.Message); err != nil {
				return err
			}
		}
		_, err := tx.Enqueue(a, w.d.Names())
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.d.Wake()
}

func (w *world) pending(notifier string) (rows []store.Queued) {
	w.t.Helper()
	err := w.db.View(func(tx *store.Tx) error {
		for q := range tx.Pending(notifier) {
			rows = append(rows, q)
		}
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return rows
}

// records is a log that a test can read.
type records struct {
	mu    sync.Mutex
	lines []string
}

func (r *records) Enabled(context.Context, slog.Level) bool { return true }
func (r *records) WithAttrs([]slog.Attr) slog.Handler       { return r }
func (r *records) WithGroup(string) slog.Handler            { return r }
func (r *records) Handle(_ context.Context, rec slog.Record) error {
	line := rec.Level.String() + " " + rec.Message
	rec.Attrs(func(a slog.Attr) bool { line += " " + a.String(); return true })
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines = append(r.lines, line)
	return nil
}

func (r *records) all() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string(nil), r.lines...)
}

// listed is an incident as story 1 tells it: a listing, and what it broke.
func listed(id string, tone incident.Tone) incident.Message {
	m := incident.Message{
		Incident: id, Kind: incident.Reputation, Status: incident.Open, Tone: tone, Impact: reputation.Critical,
		Title: "contoso.com withdrew STARTTLS from mx1.example.com (203.0.113.7), most likely because Spamhaus ZEN lists it",
		Fields: []incident.Field{
			{Name: "Since", Lines: []string{"Tue 24 Nov 12:04 to 12:19 (first seen 12:19)"}},
			{Name: "Lost", Lines: []string{"contoso.com: STARTTLS, SIZE 157286400 -> 10485760", "fabrikam.net: rejected (550 5.7.1 <203.0.113.7> blocked & listed)"}},
			{Name: "Because", Lines: []string{"listed 38 min before, codes 127.0.0.4 (XBL); 4 of 4 earlier listings had the same effect"}},
			{Name: "Next", Lines: []string{"find the infected host behind the address, then ask for removal: https://check.example.org/query/203.0.113.7?a=1&b=2"}},
		},
		At:      time.Date(2026, 11, 24, 12, 20, 0, 0, time.UTC),
		Actions: []string{"ack", "snooze-4h", "recheck"},
	}
	if tone == incident.ToneGood {
		m.Status, m.Title, m.Actions = incident.Resolved, "Over after 3 h 12 min: contoso.com offers STARTTLS to 203.0.113.7 again", nil
	}
	return m
}

func alert(id string, kind incident.AlertKind, news string) incident.Alert {
	tone := incident.ToneBad
	if kind == incident.AlertResolved {
		tone = incident.ToneGood
	}
	a := incident.Alert{Incident: id, Kind: kind, News: news, Message: listed(id, tone)}
	if news != "" {
		a.Message.Fields = append(a.Message.Fields, incident.Field{Name: "So far", Lines: []string{news}})
	}
	return a
}

func notice(title string) incident.Alert {
	return incident.Alert{Kind: incident.AlertNotice, Message: incident.Message{Tone: incident.ToneInfo, Title: title,
		Fields: []incident.Field{{Name: "Came", Lines: []string{"REQUIRETLS"}}}}}
}

func copyOf(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	to := filepath.Join(t.TempDir(), "copy.db")
	if err := os.WriteFile(to, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return to
}
