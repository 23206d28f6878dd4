package web

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers/gorillamux"

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

// TestEveryRouteIsDescribed, and nothing is described that is not there.
func TestEveryRouteIsDescribed(t *testing.T) {
	doc := described(t)
	sources, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	route := regexp.MustCompile(`"(GET|POST) /api/v1(/[^"]*)"`)
	served := map[string]bool{}
	for _, file := range sources {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range route.FindAllStringSubmatch(string(text), -1) {
			served[m[1]+" "+m[2]] = true
		}
	}
	for name := range served {
		method, path, _ := strings.Cut(name, " ")
		if item := doc.Paths.Find(path); item == nil || item.GetOperation(method) == nil {
			t.Errorf("%s is served, but openapi.yaml does not tell of it", name)
		}
	}
	for path, item := range doc.Paths.Map() {
		for method := range item.Operations() {
			if !served[method+" "+path] {
				t.Errorf("openapi.yaml tells of %s %s, which is not served", method, path)
			}
		}
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
	for _, tt := range []struct{ method, path, body string }{
		{"GET", "status", ""}, {"GET", "incidents?all=1&limit=2", ""}, {"GET", "incidents/3", ""}, {"GET", "incidents/3/evidence", ""},
		{"GET", "history?subject=203.0.113.7", ""}, {"GET", "learned", ""}, {"GET", "ledger", ""}, {"GET", "lists", ""}, {"GET", "lists/zen", ""},
		{"GET", "subjects/203.0.113.7", ""}, {"GET", "partners/contoso.example", ""}, {"GET", "providers/exchange-online", ""}, {"GET", "timeline?last=30d", ""},
		{"GET", "db/stats", ""}, {"GET", "healthz", ""}, {"GET", "readyz", ""}, {"GET", "incidents/77", ""}, {"GET", "partners/nobody.example", ""}, {"GET", "history", ""},
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
