package web

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers/gorillamux"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"repwatch/api"
)

func described(t *testing.T) *openapi3.T {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData(api.OpenAPI)
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Validate(context.Background()); err != nil {
		t.Fatal(err)
	}
	return doc
}

// TestEveryRouteIsDescribed with its parameters, and nothing is described that is not there.
func TestEveryRouteIsDescribed(t *testing.T) {
	doc := described(t)
	h := &handler{Options{MayAct: func(*http.Request) bool { return true }}}
	served := map[string][]string{}
	for pattern, q := range h.questions() {
		served[strings.Replace(pattern, "/api/v1", "", 1)] = q.params
	}
	for pattern, o := range h.others() {
		served[strings.Replace(pattern, "/api/v1", "", 1)] = o.params
	}
	told := map[string][]string{}
	for path, item := range doc.Paths.Map() {
		for method, operation := range item.Operations() {
			var params []string
			for _, p := range operation.Parameters {
				if p.Value.In == "query" {
					params = append(params, p.Value.Name)
				}
			}
			told[method+" "+path] = params
		}
	}
	if diff := cmp.Diff(served, told, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("-served +described in openapi.yaml:\n%s", diff)
	}
}

// TestAnswersAreAsDescribed: real documents of a store with a past, held against openapi.yaml.
func TestAnswersAreAsDescribed(t *testing.T) {
	w := serve(t)
	w.d.looks = []string{"203.0.113.7, at its lists"}
	w.d.tests = []api.NotifierTest{{Notifier: "log", OK: true}}
	router, err := gorillamux.NewRouter(described(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, media := range []string{"application/yaml", "text/markdown", "text/html", "image/png", "application/octet-stream", "application/x-ndjson"} {
		openapi3filter.RegisterBodyDecoder(media, openapi3filter.FileBodyDecoder) // text, as far as a schema can say
		defer openapi3filter.UnregisterBodyDecoder(media)
	}
	for _, tt := range []struct{ method, path, body string }{
		{"GET", "status", ""}, {"GET", "incidents?all=true&limit=2", ""}, {"GET", "incidents?open=true&since=2026-01-01T00:00:00Z", ""}, {"GET", "incidents/3", ""}, {"GET", "incidents/3/evidence", ""},
		{"GET", "history?subject=203.0.113.7", ""}, {"GET", "learned", ""}, {"GET", "ledger", ""}, {"GET", "lists", ""}, {"GET", "lists/zen", ""},
		{"GET", "subjects/203.0.113.7", ""}, {"GET", "partners/contoso.example", ""}, {"GET", "providers/exchange-online", ""}, {"GET", "timeline?last=30d", ""},
		{"GET", "db/stats", ""}, {"GET", "healthz", ""}, {"GET", "readyz", ""}, {"GET", "incidents/77", ""}, {"GET", "partners/nobody.example", ""}, {"GET", "history", ""},
		{"GET", "report", ""}, {"GET", "report?format=text", ""}, {"GET", "report?format=md", ""}, {"GET", "report?format=html", ""}, {"GET", "report?format=png", ""}, {"GET", "report?week=2026-W46", ""},
		{"GET", "openapi.yaml", ""}, {"GET", "status?verbose=1", ""}, {"GET", "report?format=pdf", ""}, {"GET", "db/dump?events=true", ""}, {"GET", "db/backup", ""},
		{"POST", "incidents/3/ack", `{"by": "carol", "reason": "on it"}`}, {"POST", "recheck", `{"subject": "203.0.113.7"}`}, {"POST", "notify/test", `{}`},
	} {
		req, err := http.NewRequestWithContext(t.Context(), tt.method, "/api/v1/"+tt.path, strings.NewReader(tt.body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		route, params, err := router.FindRoute(req)
		if err != nil {
			t.Errorf("%s %s: %v", tt.method, tt.path, err)
			continue
		}
		code, body, header := w.raw(t, tt.method, tt.path, tt.body, "Content-Type", "application/json")
		in := &openapi3filter.RequestValidationInput{Request: req, Route: route, PathParams: params,
			Options: &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, IncludeResponseStatus: true}}
		if err := openapi3filter.ValidateRequest(t.Context(), in); err != nil && code == http.StatusOK {
			t.Errorf("%s %s is asked otherwise than described: %v", tt.method, tt.path, err)
		}
		out := &openapi3filter.ResponseValidationInput{RequestValidationInput: in, Status: code, Header: header, Body: io.NopCloser(bytes.NewReader([]byte(body))), Options: in.Options}
		if err := openapi3filter.ValidateResponse(t.Context(), out); err != nil {
			t.Errorf("%s %s (%d) is answered otherwise than described: %v", tt.method, tt.path, code, err)
		}
	}
}

// TestWhatIsAskedWronglyIsRefused: by the description, and by the handler alike, with
// words that say what would be right.
func TestWhatIsAskedWronglyIsRefused(t *testing.T) {
	w := serve(t)
	router, err := gorillamux.NewRouter(described(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		method, path string
		code         int
		says         string
	}{
		{"GET", "incidents?opne=true", 400, "there is no parameter \"opne\" here\n  hint: there are open, all, since, limit, cursor"},
		{"GET", "status?verbose=1", 400, "there is no parameter \"verbose\" here\n  hint: it takes none"},
		{"POST", "notify/test?to=slack", 400, "there is no parameter \"to\""},
		{"GET", "incidents?limit=1&limit=2", 400, "limit is given 2 times"},
		{"GET", "history?subject=50%", 400, "percent-encode it"},
		{"GET", "incidents?open=perhaps", 400, "open=\"perhaps\" is neither true nor false"},
		{"GET", "incidents?all=perhaps", 400, "all=\"perhaps\""},
		{"GET", "incidents?limit=0", 400, "is no number above 0"},
		{"GET", "db/dump?events=perhaps", 400, "events=\"perhaps\""},
		{"GET", "report?format=pdf", 400, "format=\"pdf\" is none that a report comes in\n  hint: html, json, md, png, text"},
		{"GET", "timeline?last=2d", 400, "last=\"2d\" is no span"},
		{"POST", "status", 405, "/api/v1/status is not for POST\n  hint: it takes GET, HEAD"},
		{"DELETE", "incidents/3", 405, "it takes GET, HEAD"},
		{"GET", "recheck", 405, "it takes POST"},
		{"PUT", "report", 405, "it takes GET, HEAD, POST"},
		{"GET", "nothing", 404, "there is nothing at GET /api/v1/nothing\n  hint: /api/v1/openapi.yaml tells what there is"},
	} {
		code, body, header := w.raw(t, tt.method, tt.path, "")
		var p api.Problem
		if err := json.Unmarshal([]byte(body), &p); err != nil || code != tt.code || header.Get("Content-Type") != "application/json" {
			t.Errorf("%s %s: %d %s, %v", tt.method, tt.path, code, body, err)
			continue
		}
		if words := (&Refused{Problem: p}).Error(); !strings.Contains(words, tt.says) || p.Hint == "" && code != 400 {
			t.Errorf("%s %s: %s, want %s", tt.method, tt.path, words, tt.says)
		}
		if allow := header.Get("Allow"); (code == 405) != (allow != "") || code == 405 && !strings.HasSuffix(p.Hint, allow) {
			t.Errorf("%s %s: Allow %q", tt.method, tt.path, allow)
		}
		if code == http.StatusBadRequest && strings.Contains(tt.says, "=") {
			req, err := http.NewRequestWithContext(t.Context(), tt.method, "/api/v1/"+tt.path, nil)
			if err != nil {
				t.Fatal(err)
			}
			route, params, err := router.FindRoute(req)
			if err != nil {
				t.Fatal(err)
			}
			in := &openapi3filter.RequestValidationInput{Request: req, Route: route, PathParams: params, Options: &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc}}
			if openapi3filter.ValidateRequest(t.Context(), in) == nil {
				t.Errorf("%s is fine as openapi.yaml has it", tt.path)
			}
		}
	}
	for path, want := range map[string]int{"incidents?open": 2, "incidents?open=0&all=1": 4, "incidents?open=false&all=T": 4} {
		var doc api.Incidents
		if _, body, _ := w.raw(t, "GET", path, ""); json.Unmarshal([]byte(body), &doc) != nil || len(doc.Incidents) != want {
			t.Errorf("%s: %d incidents, want %d", path, len(doc.Incidents), want)
		}
	}
}

// TestHead is GET without the body, and ends even where GET would not.
func TestHead(t *testing.T) {
	w := serve(t)
	for path, media := range map[string]string{"status": "application/json", "report?format=png": "image/png", "openapi.yaml": "application/yaml", "events": "text/event-stream", "db/backup": "", "healthz": "application/json"} {
		code, body, header := w.raw(t, "HEAD", path, "")
		if code != 200 || body != "" || header.Get("Content-Type") != media {
			t.Errorf("HEAD %s: %d, %d bytes, %v", path, code, len(body), header)
		}
		if path == "report?format=png" {
			if _, body, get := w.raw(t, "GET", path, ""); get.Get("Content-Length") != fmt.Sprint(len(body)) || header.Get("ETag") != get.Get("ETag") {
				t.Errorf("HEAD %v, but GET %v", header, get)
			}
		}
	}
}

// TestTheTokenIsAskedFor of who acts over TCP: 401 with how to bring it.
func TestTheTokenIsAskedFor(t *testing.T) {
	s := open(t, "web: {token: "+token+"}\n")
	s.d.looks = []string{"203.0.113.7, at its lists"}
	ask := func(method, path, header string, want int) {
		t.Helper()
		r := httptest.NewRequest(method, "http://127.0.0.1:8025/api/v1/"+path, strings.NewReader(map[string]string{"recheck": `{"subject": "203.0.113.7"}`}[path]))
		r.Header.Set("Authorization", header)
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if asks := w.Header().Get("WWW-Authenticate"); w.Code != want || (asks == `Bearer realm="repwatch"`) != (want == 401) {
			t.Errorf("%s %s with %q: %d, %q", method, path, header, w.Code, asks)
		}
	}
	for _, path := range []string{"POST incidents/3/ack", "POST notify/test", "POST recheck", "GET db/backup", "HEAD db/dump"} {
		method, path, _ := strings.Cut(path, " ")
		ask(method, path, "", 401)
		ask(method, path, "Basic "+token, 401)
		ask(method, path, "Bearer "+token, 200)
		ask(method, path, "bearer "+token, 200)
	}
	if len(s.d.acted) != 2 || s.d.asked == "" {
		t.Errorf("the daemon was asked %v, %q", s.d.acted, s.d.asked)
	}
	for range guesses.burst { // the right ones have cost nothing
		ask("GET", "db/dump", "Bearer "+token, 200)
		ask("GET", "db/dump", "Bearer wrong", 401)
	}
	ask("GET", "db/dump", "Bearer "+token, 401) // not even looked at
}

// TestNamesInPaths are taken as people write them; what there never was is not found.
func TestNamesInPaths(t *testing.T) {
	w := serve(t)
	for path, want := range map[string]int{"incidents/%233": 200, "incidents/%233/evidence": 200, "incidents/x": 404, "incidents/77/evidence": 404, "subjects/203.0.113.7": 200,
		"subjects/10.9.9.9": 404, "subjects/nonsense": 404, "partners/CONTOSO.example": 200, "partners/nobody.example": 404, "providers/nobody": 404, "lists/nothing": 404} {
		code, body, _ := w.raw(t, "GET", path, "")
		if code != want || want == 404 && !strings.Contains(body, `"error": `) {
			t.Errorf("%s: %d %s", path, code, body)
		}
	}
}
