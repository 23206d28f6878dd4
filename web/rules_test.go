package web

import (
	"bufio"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"repwatch/api"
	"repwatch/checks/smtp"
	"repwatch/config"
	"repwatch/incident"
	"repwatch/report"
	"repwatch/reputation"
	"repwatch/store"
)

// patient is a daemon whose notifiers take minutes to fail.
type patient struct{ daemon }

func (*patient) TestNotifiers(context.Context) []api.NotifierTest {
	time.Sleep(5 * time.Minute)
	return []api.NotifierTest{{Notifier: "email", Why: "no route"}}
}

// TestSlowNotifiersAreWaitedFor: who asked gets the answer, however long after the
// deadlines of the connection.
func TestSlowNotifiersAreWaitedFor(t *testing.T) {
	servedBy(t, &patient{}, func(t *testing.T, p pipes, _ *store.DB) {
		ours, theirs := net.Pipe()
		p <- theirs
		defer ours.Close()
		if _, err := io.WriteString(ours, "POST /api/v1/notify/test HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}"); err != nil {
			t.Fatal(err)
		}
		res, err := http.ReadResponse(bufio.NewReader(ours), nil)
		if err != nil {
			t.Fatal(err)
		}
		if body, err := io.ReadAll(res.Body); err != nil || res.StatusCode != http.StatusOK || !strings.Contains(string(body), "no route") {
			t.Errorf("%s: %s, %v", res.Status, body, err)
		}
	})
}

// TestWhoListensToNothing is told at once where things stand; who leaves makes room
// before the next word would find out; who is refused takes none.
func TestWhoListensToNothing(t *testing.T) {
	served(t, func(t *testing.T, p pipes, db *store.DB) {
		c, res := p.ask(t, "events")
		if line, err := bufio.NewReader(res.Body).ReadString('\n'); err != nil || line != "retry: 3000\n" {
			t.Errorf("%q, %v", line, err)
		}
		if h := res.Header; h.Get("Cache-Control") != "no-store" || h.Get("X-Accel-Buffering") != "no" {
			t.Errorf("a proxy may hold it back: %v", h)
		}
		c.Close()
		synctest.Wait() // until the server has seen it; no time passes
		for range 2 {
			var open []net.Conn
			for n := range maxListeners + 3 {
				c, res := p.ask(t, "events")
				if open = append(open, c); (res.StatusCode == http.StatusOK) != (n < maxListeners) {
					t.Fatalf("the listener after %d: %s", n, res.Status)
				}
				go io.Copy(io.Discard, c)
			}
			synctest.Wait()
			for _, c := range open {
				c.Close()
			}
			time.Sleep(eventsEvery)
		}
		c, res = p.ask(t, "events")
		defer c.Close()
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadAll(res.Body); err != nil {
			t.Errorf("a store that cannot be read does not end the stream: %v", err)
		}
	})
}

// TestHeadsOfAnswers: nothing is kept without asking again, nothing is sniffed.
func TestHeadsOfAnswers(t *testing.T) {
	w := serve(t)
	for path, media := range map[string]string{"status": "application/json", "db/backup": "application/octet-stream", "db/dump": "application/x-ndjson", "openapi.yaml": "application/yaml"} {
		code, _, header := w.raw(t, "GET", path, "")
		stream := strings.HasPrefix(path, "db/")
		if code != 200 || header.Get("Content-Type") != media || !stream && (header.Get("Cache-Control") != "no-cache" || header.Get("X-Content-Type-Options") != "nosniff") {
			t.Errorf("%s: %d %v", path, code, header)
		}
		if stream {
			continue
		}
		for _, tag := range []string{"*", header.Get("ETag"), `"x" , ` + header.Get("ETag")} {
			if code, body, _ := w.raw(t, "GET", path, "", "If-None-Match", tag); code != 304 || body != "" {
				t.Errorf("%s, If-None-Match %s: %d", path, tag, code)
			}
		}
	}
	if _, body, _ := w.raw(t, "GET", "history?subject=203.0.113.7%3Econtoso.example", ""); !strings.Contains(body, `"203.0.113.7>contoso.example"`) {
		t.Error("a pair is not written as people write it")
	}
}

// TestLedgerIsOfToday, and of this moment: what is not yet in the file is told too.
func TestLedgerIsOfToday(t *testing.T) {
	w := serve(t)
	visit := func(ago time.Duration, provider string) {
		w.db.Ledger(smtp.LedgerEntry{Visit: smtp.Visit{Provider: provider, From: "203.0.113.8", To: netip.MustParseAddr("192.0.2.1")}, Opened: time.Now().Add(-ago)})
	}
	visit(30*time.Hour, "old")
	visit(time.Minute, "new")
	if _, body, _ := w.raw(t, "GET", "ledger", ""); !strings.Contains(body, `"new"`) || strings.Contains(body, `"old"`) {
		t.Errorf("the ledger of a day:\n%s", body)
	}
	w.db.Ledger(smtp.LedgerEntry{Visit: smtp.Visit{Provider: "exchange-online", From: "cellar"}, Opened: time.Now()})
	if _, body, _ := w.raw(t, "GET", "providers/exchange-online", ""); !strings.Contains(body, `"cellar"`) {
		t.Error("the provider's page does not know the latest visit")
	}
	s := open(t, "")
	s.db.Ledger(smtp.LedgerEntry{Visit: smtp.Visit{Provider: "newest", From: "203.0.113.8"}, Opened: time.Now()})
	if !strings.Contains(text(t, s.ask("GET", "/ledger", nil)), "newest") {
		t.Error("the page does not know the latest visit")
	}
}

// TestDumpHoldsNoSecrets, though a reply once repeated one.
func TestDumpHoldsNoSecrets(t *testing.T) {
	s := open(t, "")
	err := s.db.Update(time.Now(), func(tx *store.Tx) error {
		_, err := tx.Append(incident.Record{What: incident.Acted, Subject: reputation.Subject{Kind: reputation.KindHealth, Domain: "incident", Target: "3"}, Words: "sent k3yofours"})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	cfg := &config.Loaded{Redact: strings.NewReplacer("k3yofours", "***").Replace}
	h := Handler(Options{DB: s.db, Config: func() *config.Loaded { return cfg }, Daemon: s.d, MayAct: func(*http.Request) bool { return true }})
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/api/v1/db/dump", nil))
	if !strings.Contains(w.Body.String(), `"sent ***"`) || strings.Contains(w.Body.String(), "k3yofours") {
		t.Error("the dump holds the key of a list, or not the record")
	}
}

// TestWhatWentWrong is the caller's to mend or not: a request that was given up, and
// trouble with the file, are no conflict.
func TestWhatWentWrong(t *testing.T) {
	for want, err := range map[int]error{409: errors.New("it is over"), 500: fmt.Errorf("acting: %w", context.Canceled), 507: &store.Error{Kind: store.ErrFull, What: "full"}} {
		if got := codeOf(senseless(err)); got != want {
			t.Errorf("%v: %d, want %d", err, got, want)
		}
	}
}

// stub is a client of a daemon that answers with what a test wants.
func stub(t *testing.T, answer http.HandlerFunc) *Client {
	t.Helper()
	l, err := Listen(filepath.Join(t.TempDir(), "sock"))
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(answer)
	s.Listener.Close()
	s.Listener = l
	s.Start()
	c, err := Dial(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(); s.Close() })
	return c
}

// TestAnswersThatAreNone: who asks is told what became of it, in words.
func TestAnswersThatAreNone(t *testing.T) {
	for says, answer := range map[string]http.HandlerFunc{
		"the daemon answered 502 Bad Gateway":           func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "<html>", http.StatusBadGateway) },
		"the daemon answered 500 Internal Server Error": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500); io.WriteString(w, `{"hint": "x"}`) },
		"the daemon answered 503 Service Unavailable": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(503)
			fmt.Fprintf(w, `{"error": %q}`, strings.Repeat("x", maxBody))
		},
		"what this repwatch does not understand": func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, `[]`) },
		" broke off: ":                           func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"\n  hint: ask later": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(503)
			io.WriteString(w, `{"error": "busy", "hint": "ask later"}`)
		},
	} {
		if _, err := stub(t, answer).Status(t.Context()); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v, want %q", err, says)
		}
	}
	hangs := make(chan struct{})
	c := stub(t, func(_ http.ResponseWriter, r *http.Request) { close(hangs); <-r.Context().Done() })
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-hangs; cancel() }()
	if _, err := c.Status(ctx); err != context.Canceled {
		t.Errorf("given up: %v", err)
	}
}

// TestWhatIsAsked of the daemon stands in the address as it is meant.
func TestWhatIsAsked(t *testing.T) {
	var asked string
	c := stub(t, func(w http.ResponseWriter, r *http.Request) {
		asked = r.Method + " " + r.RequestURI
		io.WriteString(w, "{}")
	})
	ctx, since := t.Context(), time.Date(2026, 11, 20, 4, 0, 0, 0, time.FixedZone("", 3600))
	for want, ask := range map[string]func() error{
		"GET /api/v1/status":                                func() error { _, err := c.Status(ctx); return err },
		"GET /api/v1/incidents/a%2Fb%3Fc":                   func() error { _, err := c.Incident(ctx, "a/b?c"); return err },
		"POST /api/v1/incidents/a%2Fb%3Fc/ack":              func() error { _, err := c.Act(ctx, incident.Action{Verb: incident.Ack, Incident: "a/b?c"}); return err },
		"GET /api/v1/ledger?since=2026-11-20T03%3A00%3A00Z": func() error { _, err := c.Ledger(ctx, since); return err },
		"GET /api/v1/report?week=2026-W46":                  func() error { _, err := c.Report(ctx, "2026-W46", time.Time{}); return err },
		"GET /api/v1/report?since=2026-11-20T03%3A00%3A00Z": func() error { _, err := c.Report(ctx, "", since); return err },
		"GET /api/v1/report":                                func() error { _, err := c.Report(ctx, "", time.Time{}); return err },
		"GET /api/v1/db/dump?events=true":                   func() error { return c.Dump(ctx, true, io.Discard) },
		"GET /api/v1/incidents?cursor=3&limit=2&open=true": func() error {
			_, err := c.Incidents(ctx, api.IncidentFilter{OpenOnly: true, Cursor: "3", Limit: 2})
			return err
		},
	} {
		if err := ask(); err != nil || asked != want {
			t.Errorf("%s, %v, want %s", asked, err, want)
		}
	}
}

// TestDialling: a path through a file leads to no daemon.
func TestDialling(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Dial(filepath.Join(file, "sock")); !errors.Is(err, ErrNoDaemon) {
		t.Errorf("%v", err)
	}
}

// TestSubjectsOfThePast are told of though nobody watches them; those that were never, not.
func TestSubjectsOfThePast(t *testing.T) {
	w := serve(t)
	err := w.db.Update(time.Now(), func(tx *store.Tx) error {
		return tx.Listings().Put(reputation.Subject{Kind: reputation.KindListing, IP: netip.MustParseAddr("198.51.100.9"), Target: "zen"}, store.Listing{})
	})
	if err != nil {
		t.Fatal(err)
	}
	for who, want := range map[string]int{"198.51.100.9": 200, "198.51.100.10": 404} {
		if code, _, _ := w.raw(t, "GET", "subjects/"+who, ""); code != want {
			t.Errorf("%s: %d", who, code)
		}
	}
	s := open(t, "domains: [fresh.example]\n")
	for path, want := range map[string]int{"/ip/fresh.example": 200, "/api/v1/subjects/fresh.example": 200, "/ip/stale.example": 404, "/provider/nobody": 404, "/list/nothing": 404} {
		if res := s.ask("GET", path, nil); res.StatusCode != want {
			t.Errorf("%s, that nothing happened to yet or never was: %s", path, res.Status)
		}
	}
}

// TestActingInWords: how long, by whom, and what is said of it afterwards.
func TestActingInWords(t *testing.T) {
	for text, want := range map[string]string{"end": "0s true", "4h": "4h0m0s false", "1d": "24h0m0s false", "": "no", "-4h": "no", "0h": "no", "soon": "no"} {
		d, end, err := howLong(text)
		got := fmt.Sprint(d, " ", end)
		if err != nil {
			got = "no"
		}
		if got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
	if got := nameOf(strings.Repeat("x", maxName-1) + "é"); got != strings.Repeat("x", maxName-1) {
		t.Errorf("a name is cut within a letter: %q", got)
	}
	s := open(t, "web: {token: "+token+"}\n")
	if res := s.ask("POST", "/login", url.Values{"token": {token}, "name": {" \t"}}); res.StatusCode != http.StatusBadRequest || len(s.jar) != 0 {
		t.Errorf("nobody signs in: %s", res.Status)
	}
	csrf := s.signIn(t)
	act := func(path string, form url.Values) *http.Response {
		form.Set("csrf", csrf)
		return s.ask("POST", path, form)
	}
	if res := act("/recheck", url.Values{"subject": {strings.Repeat("x", maxBody)}}); res.StatusCode != http.StatusForbidden || s.d.asked != "" {
		t.Errorf("a form of any size is read: %s", res.Status)
	}
	if act("/act/3/snooze", url.Values{"for": {"end"}}); len(s.d.acted) != 1 || !s.d.acted[0].ToEnd {
		t.Errorf("snoozed to the end: %+v", s.d.acted)
	}
	for subject, to := range map[string]string{"#3": "incidents/3", "203.0.113.7": "ip/203.0.113.7", "contoso.example": "partner/contoso.example", "nothing.example": "/"} {
		s.d.looks = []string{"all of it"}
		if res := act("/recheck", url.Values{"subject": {subject}}); res.StatusCode != http.StatusSeeOther || !strings.HasSuffix(res.Header.Get("Location"), to) {
			t.Errorf("after a look at %s: %s to %s", subject, res.Status, res.Header.Get("Location"))
		}
	}
	s.d.looks = []string{strings.Repeat("ä", 900)}
	act("/recheck", url.Values{"subject": {"203.0.113.7"}})
	if c := s.jar[saidCookie]; c == nil || len(c.Value) > 1200 || c.MaxAge != 60 || !strings.HasSuffix(c.Value, url.QueryEscape(" …")) {
		t.Errorf("what is said: %+v", c)
	}
	s.d.actErr, s.d.lookErr = errors.New("it is over"), errors.New("it is not watched")
	for path, form := range map[string]url.Values{"/act/3/ack": {}, "/recheck": {"subject": {"x"}}} {
		if res := act(path, form); res.StatusCode != http.StatusConflict {
			t.Errorf("%s that the daemon refuses: %s", path, res.Status)
		}
	}
	s.ask("POST", "/logout", nil)
	if _, ok := s.jar[sessionCookie]; ok {
		t.Error("signed out, and the cookie stays")
	}
	if res := s.ask("POST", "/login", url.Values{"token": {token}, "name": {strings.Repeat("x", maxBody)}}); res.StatusCode != http.StatusForbidden {
		t.Errorf("a form of any size is read: %s", res.Status)
	}
	var said strings.Builder
	s.log = slog.New(slog.NewTextHandler(&said, nil))
	s.doors.limit.SetBurst(2 * guesses.burst) // some were spent above
	for range 2 * guesses.burst {
		s.ask("POST", "/login", url.Values{"token": {"wrong"}})
	}
	if !strings.Contains(said.String(), "a wrong token was tried on the page") || strings.Contains(said.String(), "wrong\"") {
		t.Errorf("the log says of guesses: %s", &said)
	}
	if res := s.ask("POST", "/login", url.Values{"token": {"wrong"}}); res.StatusCode != http.StatusTooManyRequests || res.Header.Get("Retry-After") != "10" {
		t.Errorf("%s, %v", res.Status, res.Header)
	}
	if res := open(t, "").ask("GET", "/login", nil); res.StatusCode != http.StatusForbidden {
		t.Errorf("nothing to sign in with: %s", res.Status)
	}
}

// TestFind leads to what was typed, as people write it.
func TestFind(t *testing.T) {
	s := open(t, "domains: [example.com]\n")
	for text, to := range map[string]string{" #3 ": "incidents/3", "203.0.113.7": "ip/203.0.113.7", "::ffff:203.0.113.7": "ip/203.0.113.7", "2001:DB8::1": "ip/2001:db8::1", "Contoso.example": "partner/contoso.example",
		"ZEN": "list/zen", "example.com": "ip/example.com"} {
		if res := s.ask("GET", "/find?q="+url.QueryEscape(text), nil); res.StatusCode != http.StatusSeeOther || !strings.HasSuffix(res.Header.Get("Location"), to) {
			t.Errorf("%q: %s to %s, want %s", text, res.Status, res.Header.Get("Location"), to)
		}
	}
}

// TestAssetsAreAskedForAgain: they change with the program.
func TestAssetsAreAskedForAgain(t *testing.T) {
	s := open(t, "")
	if h := s.ask("GET", "/assets/style.css", nil).Header; h.Get("Cache-Control") != "no-cache" {
		t.Errorf("%v", h)
	}
	if res := s.ask("GET", "/", nil, "Host", "evil\x1b[2J\u00e9.example"); res.StatusCode != http.StatusMisdirectedRequest || !strings.Contains(text(t, res), ": evil?[2J?.example.\n") {
		t.Errorf("what a stranger sent reaches the terminal: %s", res.Status)
	}
}

// TestWhoDoesNotAskIsCutOff: half a request, none at all, and one with a head beyond measure.
func TestWhoDoesNotAskIsCutOff(t *testing.T) {
	served(t, func(t *testing.T, p pipes, _ *store.DB) {
		for text, after := range map[string]time.Duration{"GET /api/v1/healthz HT": 10 * time.Second, "GET /api/v1/healthz HTTP/1.1\r\nHost: x\r\n\r\n": 2 * time.Minute} {
			ours, theirs := net.Pipe()
			p <- theirs
			began := time.Now()
			if _, err := io.WriteString(ours, text); err != nil {
				t.Fatal(err)
			}
			if _, err := io.Copy(io.Discard, ours); err != nil || time.Since(began).Round(time.Second) != after {
				t.Errorf("%q is waited for %s, %v", text, time.Since(began), err)
			}
			ours.Close()
		}
		ours, theirs := net.Pipe()
		p <- theirs
		defer ours.Close()
		go io.WriteString(ours, "GET / HTTP/1.1\r\nHost: x\r\nX: "+strings.Repeat("x", 128<<10)+"\r\n\r\n")
		if res, err := http.ReadResponse(bufio.NewReader(ours), nil); err != nil || res.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
			t.Errorf("a head of 128 KiB: %v, %v", res, err)
		}
	})
}

// TestNoTokenNoSession: the seal of an empty token is one that everybody can make.
func TestNoTokenNoSession(t *testing.T) {
	s := open(t, "")
	if _, err := s.doors.open("carol", time.Now(), false); err == nil {
		t.Error("a session without a token")
	}
	sum := sha256.Sum256([]byte("repwatch page\x00"))
	body := "bm9uY2U.Y2Fyb2w." + fmt.Sprint(time.Now().Add(time.Hour).Unix())
	if _, ok := s.doors.of(asking(&http.Cookie{Name: sessionCookie, Value: body + "." + seal(sum[:], "session", body)})); ok {
		t.Error("a session that anybody can seal")
	}
	if h := s.ask("GET", "/health", nil); h.Header.Get("Cache-Control") != "no-store" || !strings.Contains(text(t, h), "Notifier email delivers nothing") {
		t.Errorf("%v", h.Header)
	}
}

// sender is a daemon that sends reports.
type sender struct {
	daemon
	week string
	err  error
}

func (s *sender) SendReport(_ context.Context, w report.Week) ([]string, error) {
	s.week = w.ID
	return []string{"log"}, s.err
}

// TestReportsAreSentAndKept: of the week that was asked for; and what is unchanged is
// not drawn again, form by form.
func TestReportsAreSentAndKept(t *testing.T) {
	s, d := open(t, ""), &sender{}
	h := Handler(Options{DB: s.db, Config: s.h.Config, Daemon: d, MayAct: func(*http.Request) bool { return true }})
	c := stub(t, h.ServeHTTP)
	if sent, err := c.SendReport(t.Context(), "2026-W46"); err != nil || d.week != "2026-W46" || len(sent.Notifiers) != 1 {
		t.Errorf("%+v of %s, %v", sent, d.week, err)
	}
	d.err = errors.New("no notifier wants reports")
	var refused *Refused
	if _, err := c.SendReport(t.Context(), ""); !errors.As(err, &refused) || refused.Code != http.StatusConflict {
		t.Errorf("%v", err)
	}
	ask := func(format, tag string) *httptest.ResponseRecorder {
		w, r := httptest.NewRecorder(), httptest.NewRequest("GET", "/api/v1/report?week=2026-W46&format="+format, nil)
		r.Header.Set("If-None-Match", tag)
		h.ServeHTTP(w, r)
		return w
	}
	tag := ask("text", "").Header().Get("ETag")
	if a, b := ask("text", tag), ask("md", tag).Code; tag == "" || a.Code != 304 || a.Body.Len() != 0 || b != 200 {
		t.Errorf("%q: text %d with %d bytes, md %d", tag, a.Code, a.Body.Len(), b)
	}
}

// TestSpanWorthSeeing has a tenth to spare, and goes back a month at most.
func TestSpanWorthSeeing(t *testing.T) {
	s := open(t, "")
	for later, want := range map[time.Duration]string{0: "6h", 17 * time.Hour: "1d", 20 * time.Hour: "7d"} {
		var name string
		err := s.db.View(func(tx *store.Tx) (err error) {
			name, _, err = worthSeeing(tx, time.Now().Add(later), api.TimelineFilter{To: time.Now().Add(later)})
			return err
		})
		if err != nil || name != want {
			t.Errorf("trouble of 3 h, and %s later: %s, %v", later, name, err)
		}
	}
	for days, want := range map[int]string{3: "7d", 20: "30d", 40: "7d"} {
		var name string
		at := time.Now().AddDate(0, 0, days)
		err := s.db.View(func(tx *store.Tx) (err error) {
			name, _, err = worthSeeing(tx, at, api.TimelineFilter{To: at, IP: "203.0.113.8"})
			return err
		})
		if err != nil || name != want {
			t.Errorf("what was over 3 days ago, and %d days later: %s, %v", days, name, err)
		}
	}
}
