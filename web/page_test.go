package web

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"repwatch/api"
	"repwatch/config"
	"repwatch/internal/filled"
	"repwatch/store"
)

const token = "correct horse battery"

// site is the page over a filled store, asked as a browser asks.
type site struct {
	*Page
	d   *daemon
	db  *store.DB
	jar map[string]*http.Cookie
}

func open(t *testing.T, more string) *site {
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
	if err := os.WriteFile(file, []byte(filled.Config+more), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(file, []byte("lists: []"))
	if err != nil {
		t.Fatal(err)
	}
	s := &site{d: &daemon{runtime: api.Runtime{Version: "1.2.3", Started: time.Now().Add(-time.Hour), Notifiers: []string{"log", "email"}}}, db: db, jar: map[string]*http.Cookie{}}
	if s.Page, err = NewPage(Options{DB: db, Config: func() *config.Loaded { return cfg }, Daemon: s.d}, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	s.learned.patience = time.Minute // a busy machine is no reason to say less
	t.Cleanup(func() {
		s.Close()
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func (s *site) ask(method, path string, form url.Values, header ...string) *http.Response {
	r := httptest.NewRequest(method, "http://127.0.0.1:8025"+path, strings.NewReader(form.Encode()))
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i < len(header); i += 2 {
		if header[i] == "Host" {
			r.Host = header[i+1]
		}
		r.Header.Set(header[i], header[i+1])
	}
	for _, c := range s.jar {
		r.AddCookie(c)
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	res := w.Result()
	for _, c := range res.Cookies() {
		if s.jar[c.Name] = c; c.MaxAge < 0 {
			delete(s.jar, c.Name)
		}
	}
	return res
}

func text(t *testing.T, res *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestPagesSayWhatIsKnown: each page has its first line, and what it is for.
func TestPagesSayWhatIsKnown(t *testing.T) {
	s := open(t, "")
	for path, says := range map[string][]string{
		"/":                         {"2 things are wrong", "First: ", "Notifier email delivers nothing", "#3", "in hand: carol", "contoso.example", "its test point does not answer"},
		"/incidents":                {"fabrikam.example", "#4", "private"},
		"/incidents?show=all":       {"#1 "},
		"/incidents/3":              {"What to do", "What is known", "<del><code>STARTTLS</code></del>", "S: 250-SIZE 157286400", "What the control office is offered"},
		"/ip/203.0.113.7":           {"Listed on 1 list", "https://zen.test/203.0.113.7", "Pushdo seen 02:51 UTC"},
		"/partner/contoso.example":  {"It withholds something from 1 of 2 addresses", "Exchange Online", "office"},
		"/provider/exchange-online": {"contoso.example", "connection"},
		"/list/zen":                 {"It lists 1 of 2 that it is asked about", "127.0.0.4"},
		"/list/cop":                 {"It is not believed"},
		"/learned":                  {"came true"},
		"/timeline?last=30d":        {"<svg", "fabrikam.example", "cop"},
		"/ledger":                   {"At most 48 connections", "192.0.2.25"},
		"/health":                   {"temporary authentication failure", "9 failures"},
		"/reports":                  {"Mail reputation, week", "In numbers", "<details"},
		"/find?q=nothing":           {"is nothing that is watched"},
		"/incidents/77":             {"no such incident"},
		"/ip/198.51.100.1":          {"no sending address"},
		"/partner/nobody.example":   {"nothing of that name is watched"},
	} {
		body := text(t, s.ask("GET", path, nil))
		for _, want := range says {
			if !strings.Contains(body, want) {
				t.Errorf("%s does not say %q", path, want)
			}
		}
		if strings.Contains(body, "style=") || strings.Contains(body, "onclick") || strings.Contains(body, "ZgotmplZ") || strings.Contains(body, "<no value>") {
			t.Errorf("%s holds what the policy forbids, or what html/template refused", path)
		}
		if t.Failed() && os.Getenv("SHOW") != "" {
			t.Log(body)
		}
	}
}

// TestNobodyActsUnasked: without web.token there is no button and no way in; with it
// only a session with its own form acts, a wrong token opens nothing, and a page of
// somebody else cannot make the browser act.
func TestNobodyActsUnasked(t *testing.T) {
	s := open(t, "")
	if body := text(t, s.ask("GET", "/incidents/3", nil)); strings.Contains(body, "<button") || strings.Contains(body, "Sign in") {
		t.Error("there is no token, and yet there are buttons")
	}
	for _, path := range []string{"/login", "/act/3/ack", "/recheck"} {
		if res := s.ask("POST", path, url.Values{"token": {""}, "name": {"x"}, "csrf": {""}, "subject": {"203.0.113.7"}}); res.StatusCode != http.StatusForbidden {
			t.Errorf("no token: POST %s is answered %s", path, res.Status)
		}
	}
	s = open(t, "web: {token: "+token+"}\n")
	if res := s.ask("POST", "/login", url.Values{"token": {"wrong"}, "name": {"x"}}); res.StatusCode != http.StatusForbidden || len(s.jar) != 0 {
		t.Errorf("a wrong token: %s, cookies %v", res.Status, s.jar)
	}
	if res := s.ask("POST", "/api/v1/incidents/3/ack", nil); res.StatusCode != http.StatusUnauthorized {
		t.Errorf("the API without the token: %s", res.Status)
	}
	if res := s.ask("GET", "/api/v1/db/backup", nil); res.StatusCode != http.StatusUnauthorized {
		t.Errorf("a backup without the token: %s", res.Status)
	}
	if len(s.d.acted) != 0 {
		t.Fatalf("the daemon was asked: %+v", s.d.acted)
	}
}

func (s *site) signIn(t *testing.T) (csrf string) {
	t.Helper()
	if res := s.ask("POST", "/login", url.Values{"token": {token}, "name": {"carol"}}); res.StatusCode != http.StatusSeeOther {
		t.Fatalf("signing in: %s", res.Status)
	}
	m := regexp.MustCompile(`name="csrf" value="([^"]+)"`).FindStringSubmatch(text(t, s.ask("GET", "/incidents/3", nil)))
	if m == nil {
		t.Fatal("signed in, and yet there is no form")
	}
	return m[1]
}

func TestActingFromThePage(t *testing.T) {
	s := open(t, "web: {token: "+token+"}\n")
	csrf := s.signIn(t)
	c := s.jar[sessionCookie]
	if !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || strings.Contains(c.Value, token) {
		t.Errorf("the cookie is %+v", c)
	}
	form := url.Values{"csrf": {csrf}, "reason": {"on it\x1b[31m"}}
	for name, res := range map[string]*http.Response{
		"a form of nobody's":     s.ask("POST", "/act/3/ack", url.Values{}),
		"a form of another's":    s.ask("POST", "/act/3/ack", url.Values{"csrf": {csrf[1:] + "A"}}),
		"another site's form":    s.ask("POST", "/act/3/ack", form, "Sec-Fetch-Site", "cross-site"),
		"another origin's form":  s.ask("POST", "/act/3/ack", form, "Origin", "http://evil.example"),
		"another port's form":    s.ask("POST", "/act/3/ack", form, "Origin", "http://127.0.0.1:9999"),
		"no such verb":           s.ask("POST", "/act/3/forget", form),
		"no such incident":       s.ask("POST", "/act/77/ack", form),
		"a snooze without a end": s.ask("POST", "/act/3/snooze", form),
	} {
		if res.StatusCode < 400 {
			t.Errorf("%s is taken: %s", name, res.Status)
		}
	}
	if len(s.d.acted) != 0 {
		t.Fatalf("the daemon was asked: %+v", s.d.acted)
	}
	if res := s.ask("POST", "/act/3/ack", form, "Sec-Fetch-Site", "same-origin"); res.StatusCode != http.StatusSeeOther || len(s.d.acted) != 1 || s.d.acted[0].By != "carol" || s.d.acted[0].Reason != "on it[31m" {
		t.Fatalf("%s, %+v", res.Status, s.d.acted)
	}
	if body := text(t, s.ask("GET", "/incidents/3", nil)); !strings.Contains(body, "Done: ack #3") {
		t.Error("what was done is not said")
	}
	if body := text(t, s.ask("GET", "/incidents/3", nil)); strings.Contains(body, "Done: ack #3") {
		t.Error("what was done is said twice")
	}
	s.doors.token = func() (string, error) { return "another", nil }
	if res := s.ask("POST", "/act/3/ack", form); res.StatusCode != http.StatusForbidden {
		t.Errorf("the token was changed, and yet the session goes on: %s", res.Status)
	}
}

// TestGuesses: the sixth guess within a moment is not even looked at.
func TestGuesses(t *testing.T) {
	s := open(t, "web: {token: "+token+"}\n")
	for range guesses.burst {
		s.ask("POST", "/login", url.Values{"token": {"wrong"}, "name": {"x"}})
	}
	if res := s.ask("POST", "/login", url.Values{"token": {token}, "name": {"x"}}); res.StatusCode != http.StatusTooManyRequests {
		t.Errorf("after %d guesses: %s", guesses.burst, res.Status)
	}
}

// TestProgramsBringTheToken to the API.
func TestProgramsBringTheToken(t *testing.T) {
	s := open(t, "web: {token: "+token+"}\n")
	if res := s.ask("POST", "/api/v1/incidents/3/ack", nil, "Authorization", "Bearer wrong"); res.StatusCode != http.StatusUnauthorized {
		t.Errorf("a wrong token: %s", res.Status)
	}
	r := httptest.NewRequest("POST", "http://127.0.0.1:8025/api/v1/incidents/3/ack", strings.NewReader(`{"by": "robot"}`))
	r.Header.Set("Authorization", "Bearer "+token)
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	if w.Code != http.StatusOK || len(s.d.acted) != 1 || s.d.acted[0].By != "robot" {
		t.Errorf("%d %s, %+v", w.Code, w.Body, s.d.acted)
	}
}

// TestHostIsTheOneMeant: a name that somebody else points to 127.0.0.1 gets nothing.
func TestHostIsTheOneMeant(t *testing.T) {
	s := open(t, "")
	for host, code := range map[string]int{"127.0.0.1:8025": 200, "localhost:8025": 200, "[::1]:8025": 200, "evil.example": 421, "evil.example:8025": 421, "127.0.0.1.evil.example": 421} {
		if res := s.ask("GET", "/api/v1/status", nil, "Host", host); res.StatusCode != code {
			t.Errorf("%s: %d, want %d", host, res.StatusCode, code)
		}
	}
}

func TestHeaders(t *testing.T) {
	s := open(t, "web: {prefix: mail/}\n")
	for path, code := range map[string]int{"/mail": 303, "/mail/": 200, "/mail/assets/live.js": 200, "/mail/metrics": 200, "/mail/healthz": 200, "/": 404} {
		res := s.ask("GET", path, nil)
		if res.StatusCode != code || res.Header.Get("Content-Security-Policy") != policy || res.Header.Get("X-Content-Type-Options") != "nosniff" || res.Header.Get("Referrer-Policy") != "no-referrer" {
			t.Errorf("%s: %d %v", path, res.StatusCode, res.Header)
		}
	}
	if links := regexp.MustCompile(`(?:href|src|action)="(/[^"]*)"`).FindAllStringSubmatch(text(t, s.ask("GET", "/mail/incidents/3", nil)), -1); len(links) < 10 {
		t.Errorf("only %d links", len(links))
	} else {
		for _, m := range links {
			if !strings.HasPrefix(m[1], "/mail/") {
				t.Errorf("%s leads out of the prefix", m[1])
			}
		}
	}
}
