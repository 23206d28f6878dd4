package web

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
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
		"/ip/203.0.113.7":           {"listed on 1 list", "https://zen.test/203.0.113.7", "Pushdo seen 02:51 UTC"},
		"/partner/contoso.example":  {"it withholds something from 1 of 2 addresses", "Exchange Online", "office"},
		"/provider/exchange-online": {"contoso.example", "connection"},
		"/list/zen":                 {"it lists 1 of 2 watched", "127.0.0.4"},
		"/list/cop":                 {"it is not believed"},
		"/learned":                  {"came true"},
		"/timeline?last=30d":        {"<svg", "fabrikam.example", "cop"},
		"/ledger":                   {"At most 48 connections", "192.0.2.25"},
		"/health":                   {"temporary authentication failure", "9 failures"},
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
