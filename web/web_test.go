package web

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"repwatch/api"
	"repwatch/config"
	"repwatch/correlate"
	"repwatch/incident"
	"repwatch/internal/filled"
	"repwatch/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// daemon answers with what a test set, and remembers what it was asked.
type daemon struct {
	runtime api.Runtime
	acted   []incident.Action
	actErr  error
	looks   []string
	asked   string
	lookErr error
	tests   []api.NotifierTest
}

func (d *daemon) Act(_ context.Context, a incident.Action) (string, error) {
	d.acted = append(d.acted, a)
	return a.Incident, d.actErr
}

func (d *daemon) Recheck(_ context.Context, subject string) ([]string, error) {
	d.asked = subject
	return d.looks, d.lookErr
}

func (d *daemon) Runtime() api.Runtime                             { return d.runtime }
func (d *daemon) TestNotifiers(context.Context) []api.NotifierTest { return d.tests }

// world is a handler served at a real socket over a filled store.
type world struct {
	d *daemon
	*Client
	db     *store.DB
	socket string
	http   *http.Client // raw, over the socket
	stop   context.CancelFunc
	done   chan error
}

func serve(t *testing.T) *world {
	t.Helper()
	dir := t.TempDir()
	db, err := store.Open(filepath.Join(dir, "repwatch.db"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := filled.Fill(db, time.Now()); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "repwatch.yaml")
	if err := os.WriteFile(file, []byte(filled.Config), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(file, []byte("lists: []"))
	if err != nil {
		t.Fatal(err)
	}
	w := &world{d: &daemon{runtime: api.Runtime{Version: "1.2.3", Started: time.Now().Add(-time.Hour)}}, db: db, socket: filepath.Join(dir, "sock"), done: make(chan error, 1)}
	l, err := Listen(w.socket)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	w.stop = cancel
	h := Handler(Options{DB: db, Config: func() *config.Loaded { return cfg }, Daemon: w.d})
	go func() { w.done <- Serve(ctx, l, h, slog.New(slog.DiscardHandler)) }()
	if w.Client, err = Dial(w.socket); err != nil {
		t.Fatal(err)
	}
	w.http = &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", w.socket)
	}}}
	t.Cleanup(func() {
		w.Client.Close()
		w.http.CloseIdleConnections()
		cancel()
		if err := <-w.done; err != nil {
			t.Error(err)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

// raw asks without the client.
func (w *world) raw(t *testing.T, method, path, body string, header ...string) (int, string, http.Header) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://x/api/v1/"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := w.http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(text), res.Header
}

func TestDocumentsOverTheSocket(t *testing.T) {
	w := serve(t)
	ctx := t.Context()
	status, err := w.Status(ctx)
	if err != nil || status.Daemon == nil || status.Daemon.Version != "1.2.3" || status.Incidents.Open != 2 || status.Store.Bytes == 0 {
		t.Errorf("status: %+v, %v", status, err)
	}
	all, err := w.Incidents(ctx, api.IncidentFilter{All: true, Limit: 3})
	if err != nil || len(all.Incidents) != 3 || all.Next == nil {
		t.Fatalf("incidents: %+v, %v", all, err)
	}
	rest, err := w.Incidents(ctx, api.IncidentFilter{All: true, Limit: 3, Cursor: *all.Next})
	if err != nil || len(rest.Incidents) != 1 || rest.Incidents[0].ID != "1" {
		t.Errorf("second page: %+v, %v", rest, err)
	}
	open, err := w.Incidents(ctx, api.IncidentFilter{OpenOnly: true})
	if err != nil || len(open.Incidents) != 2 {
		t.Errorf("open: %+v, %v", open, err)
	}
	lately, err := w.Incidents(ctx, api.IncidentFilter{Since: time.Now().Add(-30 * 24 * time.Hour)})
	if err != nil || len(lately.Incidents) != 4 {
		t.Errorf("30 days: %d, %v", len(lately.Incidents), err)
	}
	week, err := w.Incidents(ctx, api.IncidentFilter{})
	if err != nil || len(week.Incidents) != 3 {
		t.Errorf("a week is the default: %d, %v", len(week.Incidents), err)
	}
	story, err := w.Incident(ctx, "3")
	if err != nil || story.Incident().ID != "3" || len(story.Episodes) != 2 {
		t.Errorf("story: %+v, %v", story, err)
	}
	history, err := w.History(ctx, "203.0.113.7>contoso.example", time.Now().Add(-24*time.Hour))
	if err != nil || len(history.Records) != 1 {
		t.Errorf("history: %+v, %v", history, err)
	}
	learned, err := w.Learned(ctx)
	if err != nil || learned.Score.Hits != 1 || learned.Score.Misses != 1 {
		t.Errorf("learned: %+v, %v", learned, err)
	}
	ledger, err := w.Ledger(ctx, time.Now().Add(-50*time.Minute))
	if err != nil || len(ledger.Sessions) != 2 || ledger.Lanes[0].Day != 2 {
		t.Errorf("ledger: %+v, %v", ledger, err)
	}
	lists, err := w.Lists(ctx)
	if err != nil || lists.Coverage == nil || lists.Coverage.Unknown != 1 || lists.Coverage.Answered != 1 {
		t.Errorf("lists: %+v, %v", lists, err)
	}
	stats, err := w.Stats(ctx)
	if err != nil || stats.Records != 8 {
		t.Errorf("stats: %+v, %v", stats, err)
	}
}

func TestRefusals(t *testing.T) {
	w := serve(t)
	for _, tt := range []struct {
		method, path, body string
		code               int
		says               string
	}{
		{"GET", "incidents/77", "", 404, "there is no such incident as #77"},
		{"GET", "incidents?cursor=77", "", 400, "the list has changed"},
		{"GET", "incidents?limit=none", "", 400, `limit=\"none\" is no number above 0`},
		{"GET", "incidents?since=yesterday", "", 400, `since=\"yesterday\" is no time`},
		{"GET", "history", "", 400, "history of what?"},
		{"GET", "nothing", "", 404, "there is nothing at GET /api/v1/nothing"},
		{"POST", "incidents/3/forget", "", 404, `\"forget\" is nothing that can be done`},
		{"POST", "incidents/77/ack", "", 404, "there is no such incident as #77"},
		{"POST", "incidents/3/ack", `{"who": "me"}`, 400, `unknown field \"who\"`},
		{"POST", "incidents/3/ack", `{"reason": "` + strings.Repeat("x", maxBody) + `"}`, 400, "too large"},
		{"POST", "recheck", "", 400, "recheck what?"},
	} {
		code, body, header := w.raw(t, tt.method, tt.path, tt.body)
		var p api.Problem
		if err := json.Unmarshal([]byte(body), &p); err != nil || code != tt.code || !strings.Contains(body, tt.says) || header.Get("Content-Type") != "application/json" {
			t.Errorf("%s %s: %d %s (%v), want %d %s", tt.method, tt.path, code, body, err, tt.code, tt.says)
		}
	}
	if len(w.d.acted) != 0 {
		t.Errorf("the daemon was asked: %+v", w.d.acted)
	}
	var refused *Refused
	if _, err := w.Incident(t.Context(), "77"); !errors.As(err, &refused) || refused.Code != 404 || !strings.Contains(err.Error(), "hint: repwatch incidents --all") {
		t.Errorf("the client says %v", err)
	}
}

func TestUnchangedDocumentsAreNotSentAgain(t *testing.T) {
	w := serve(t)
	code, body, header := w.raw(t, "GET", "incidents", "")
	tag := header.Get("ETag")
	if code != 200 || tag == "" || body == "" {
		t.Fatalf("%d, tag %q", code, tag)
	}
	code, body, _ = w.raw(t, "GET", "incidents", "", "If-None-Match", `"other", `+strings.TrimPrefix(tag, "W/"))
	if code != 304 || body != "" {
		t.Errorf("unchanged, and yet %d with %d bytes: the time of the document is no change", code, len(body))
	}
	err := w.db.Update(time.Now(), func(tx *store.Tx) error {
		i, _, err := tx.Incidents().Get("3")
		if err != nil {
			return err
		}
		i.Reason = "something else"
		return tx.Incidents().Put("3", i)
	})
	if err != nil {
		t.Fatal(err)
	}
	if code, _, _ = w.raw(t, "GET", "incidents", "", "If-None-Match", tag); code != 200 {
		t.Errorf("changed, and yet %d", code)
	}
}

func TestActing(t *testing.T) {
	w := serve(t)
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range []incident.Action{
		{Verb: incident.Ack, Incident: "3", By: "carol", Reason: "asked them"},
		{Verb: incident.Snooze, Incident: "3", By: "carol", For: 4 * time.Hour},
		{Verb: incident.Snooze, Incident: "3", By: "carol", ToEnd: true},
		{Verb: incident.Resolve, Incident: "4", By: "carol"},
		{Verb: incident.RuleOut, Incident: "3"},
	} {
		w.d.acted = nil
		doc, err := w.Act(t.Context(), a)
		if a.By == "" {
			a.By = me.Username // as the kernel says
		}
		if err != nil || doc.Incident != a.Incident || doc.Verb != a.Verb || doc.By != a.By || len(w.d.acted) != 1 || w.d.acted[0] != a {
			t.Errorf("%+v: the daemon got %+v and answered %+v, %v", a, w.d.acted, doc, err)
		}
	}
	w.d.actErr = errors.New("it is over\n  hint: nothing to do")
	var refused *Refused
	if _, err := w.Act(t.Context(), incident.Action{Verb: incident.Ack, Incident: "3"}); !errors.As(err, &refused) || refused.Code != 409 || err.Error() != "it is over\n  hint: nothing to do" {
		t.Errorf("refused: %v", err)
	}
	w.d.actErr = fmt.Errorf("could not be stored: %w", &store.Error{Kind: store.ErrFull, What: "the disk is full"})
	if _, err := w.Act(t.Context(), incident.Action{Verb: incident.Ack, Incident: "3"}); !errors.As(err, &refused) || refused.Code != 507 {
		t.Errorf("a full disk is not the caller's mistake: %v", err)
	}
}

func TestRecheckAndNotifyTest(t *testing.T) {
	w := serve(t)
	w.d.looks = []string{"203.0.113.7, at its lists"}
	doc, err := w.Recheck(t.Context(), "203.0.113.7")
	if err != nil || w.d.asked != "203.0.113.7" || len(doc.Looks) != 1 {
		t.Errorf("recheck: %+v, %v; asked %q", doc, err, w.d.asked)
	}
	w.d.lookErr = errors.New("not watched")
	if _, err := w.Recheck(t.Context(), "203.0.113.9"); err == nil || err.Error() != "not watched" {
		t.Errorf("not watched: %v", err)
	}
	w.d.tests = []api.NotifierTest{{Notifier: "slack", OK: true}, {Notifier: "email", Why: "no route"}}
	tests, err := w.TestNotifiers(t.Context())
	if err != nil || len(tests.Tests) != 2 || tests.Exit() != api.ExitFinding {
		t.Errorf("notify test: %+v, %v", tests, err)
	}
}

// TestOnlyTheSocketMayAct: without MayAct, who comes by TCP reads and no more.
func TestOnlyTheSocketMayAct(t *testing.T) {
	w := serve(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	cfg := func() *config.Loaded { return &config.Loaded{} }
	go func() {
		done <- Serve(ctx, l, Handler(Options{DB: w.db, Config: cfg, Daemon: w.d}), slog.New(slog.DiscardHandler))
	}()
	client := &http.Client{Transport: &http.Transport{}}
	for path, want := range map[string]int{"GET incidents": 200, "POST incidents/3/ack": 403, "POST recheck": 403, "POST notify/test": 403, "GET db/backup": 403, "GET db/dump": 403} {
		method, path, _ := strings.Cut(path, " ")
		req, err := http.NewRequestWithContext(t.Context(), method, "http://"+l.Addr().String()+"/api/v1/"+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("%s %s: %d, want %d", method, path, res.StatusCode, want)
		}
	}
	client.CloseIdleConnections()
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if len(w.d.acted) > 0 || w.d.asked != "" {
		t.Error("the daemon was asked")
	}
}

func TestBackupAndDump(t *testing.T) {
	w := serve(t)
	file := filepath.Join(t.TempDir(), "copy.db")
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.Backup(t.Context(), f), f.Close()); err != nil {
		t.Fatal(err)
	}
	report, err := store.Verify(file)
	if err != nil || !report.OK() || report.Incidents != 4 {
		t.Errorf("the copy: %+v, %v", report, err)
	}
	var events, rows bytes.Buffer
	if err := w.Dump(t.Context(), true, &events); err != nil {
		t.Fatal(err)
	}
	if read, err := correlate.ReadEvents(&events); err != nil || len(read) != 6 {
		t.Errorf("%d events, %v", len(read), err)
	}
	if err := w.Dump(t.Context(), false, &rows); err != nil || !strings.Contains(rows.String(), `{"bucket":"incidents","key":"3"`) {
		t.Errorf("dump: %v\n%.300s", err, rows.String())
	}
}

// TestBrokenBackupIsNoBackup: a stream that is cut off is an error, not a short file.
func TestBrokenBackupIsNoBackup(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "sock")
	l, err := Listen(socket)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	cut := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "the first half")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})
	go func() { done <- Serve(ctx, l, cut, slog.New(slog.DiscardHandler)) }()
	c, err := Dial(socket)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := c.Backup(t.Context(), &b); err == nil || !strings.Contains(err.Error(), "broke off") {
		t.Errorf("half a backup: %v", err)
	}
	c.Close()
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// TestFailedCopyIsCutOff: a store that cannot be read answers with no copy that looks whole.
func TestFailedCopyIsCutOff(t *testing.T) {
	db, err := store.Open(filepath.Join(t.TempDir(), "repwatch.db"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	anybody := func(*http.Request) bool { return true }
	cfg := func() *config.Loaded { return &config.Loaded{} }
	s := httptest.NewUnstartedServer(Handler(Options{DB: db, Config: cfg, Daemon: &daemon{}, MayAct: anybody}))
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo)
	s.Start()
	defer s.Close()
	for _, path := range []string{"backup", "dump", "dump?events=1"} {
		res, err := s.Client().Get(s.URL + "/api/v1/db/" + path)
		if err == nil {
			_, err = io.Copy(io.Discard, res.Body)
			res.Body.Close()
		}
		if err == nil {
			t.Errorf("%s of a closed store looks whole", path)
		}
	}
}

func TestHealthAndReadiness(t *testing.T) {
	w := serve(t)
	if code, _, _ := w.raw(t, "GET", "healthz", ""); code != 200 {
		t.Errorf("healthz: %d", code)
	}
	if code, _, _ := w.raw(t, "GET", "readyz", ""); code != 200 {
		t.Errorf("readyz after a look: %d", code)
	}
	w.d.runtime.Started = time.Now()
	if code, body, _ := w.raw(t, "GET", "readyz", ""); code != 503 || !strings.Contains(body, "first round") {
		t.Errorf("readyz before any look: %d %s", code, body)
	}
	w.d.runtime = api.Runtime{LastSuccess: time.Unix(0, 0)}
	if code, _, _ := w.raw(t, "GET", "readyz", ""); code != 503 {
		t.Errorf("readyz before it has begun: %d", code)
	}
	w.d.runtime.Started = time.Now()
	w.d.runtime.LastSuccess = w.d.runtime.Started.Add(-time.Second) // of the run before
	if code, _, _ := w.raw(t, "GET", "readyz", ""); code != 503 {
		t.Errorf("readyz of the run before: %d", code)
	}
	w.d.runtime.LastSuccess = w.d.runtime.Started.Add(time.Second)
	if code, _, _ := w.raw(t, "GET", "readyz", ""); code != 200 {
		t.Errorf("readyz after the daemon's word: %d", code)
	}
	if err := w.db.Close(); err != nil {
		t.Fatal(err)
	}
	if code, _, _ := w.raw(t, "GET", "readyz", ""); code == 200 {
		t.Error("readyz of a store that cannot be read")
	}
}
