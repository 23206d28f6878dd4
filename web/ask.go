package web

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// asked refuses a query that the handler would not understand in whole: what is
// misspelt must not look as if it had been heeded.
func asked(params []string, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := understood(r.URL.RawQuery, params); err != nil {
			refuse(w, failed(http.StatusBadRequest, err))
			return
		}
		h.ServeHTTP(w, r)
	})
}

func understood(query string, params []string) error {
	values, err := url.ParseQuery(query)
	if err != nil {
		return fmt.Errorf("the query cannot be read: %w\n  hint: percent-encode it: %%3E for >, %%25 for %%", err)
	}
	for _, name := range slices.Sorted(keys(values)) {
		switch {
		case !slices.Contains(params, name) && len(params) == 0:
			return fmt.Errorf("there is no parameter %q here\n  hint: it takes none", name)
		case !slices.Contains(params, name):
			return fmt.Errorf("there is no parameter %q here\n  hint: there are %s", name, strings.Join(params, ", "))
		case len(values[name]) > 1:
			return fmt.Errorf("%s is given %d times\n  hint: give it once", name, len(values[name]))
		}
	}
	return nil
}

func keys(v url.Values) func(func(string) bool) {
	return func(yield func(string) bool) {
		for name := range v {
			if !yield(name) {
				return
			}
		}
	}
}

// flagOf reads open=true; ?open alone is meant as true.
func flagOf(r *http.Request, name string) (bool, error) {
	text := r.FormValue(name)
	if text == "" {
		return r.URL.Query().Has(name), nil
	}
	set, err := strconv.ParseBool(text)
	if err != nil {
		return false, failed(http.StatusBadRequest, fmt.Errorf("%s=%q is neither true nor false", name, text))
	}
	return set, nil
}

func limitOf(r *http.Request) (int, error) {
	text := r.FormValue("limit")
	if text == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		return 0, failed(http.StatusBadRequest, fmt.Errorf("limit=%q is no number above 0", text))
	}
	return n, nil
}

func sinceOf(r *http.Request, otherwise time.Time) (time.Time, error) {
	text := r.FormValue("since")
	if text == "" {
		return otherwise, nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return t, failed(http.StatusBadRequest, fmt.Errorf("since=%q is no time\n  hint: 2026-11-24T00:00:00Z", text))
	}
	return t, nil
}

// answered gives what no pattern takes an answer in words: 405 with what is allowed
// where the path is there for another method, else 404.
func answered(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		refusal, pattern := mux.Handler(r)
		if pattern != "" {
			mux.ServeHTTP(w, r)
			return
		}
		look := glance{header: http.Header{}}
		refusal.ServeHTTP(&look, r)
		if allow := look.header.Get("Allow"); look.code == http.StatusMethodNotAllowed {
			w.Header().Set("Allow", allow)
			refuse(w, failed(http.StatusMethodNotAllowed, fmt.Errorf("%s is not for %s\n  hint: it takes %s", r.URL.Path, r.Method, allow)))
			return
		}
		refuse(w, failed(http.StatusNotFound, errors.New("there is nothing at "+r.Method+" "+r.URL.Path+"\n  hint: /api/v1/openapi.yaml tells what there is")))
	})
}

// glance keeps of an answer what it would have said at its head.
type glance struct {
	header http.Header
	code   int
}

func (g *glance) Header() http.Header         { return g.header }
func (g *glance) WriteHeader(code int)        { g.code = code }
func (g *glance) Write(b []byte) (int, error) { return len(b), nil }
