package web

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"repwatch/report"
)

// TestReportOverTheSocket: the client gets the document that the daemon builds.
func TestReportOverTheSocket(t *testing.T) {
	w := serve(t)
	r, err := w.Report(t.Context(), "", time.Now().Add(-7*24*time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	if r.Schema != report.Schema || len(r.Open) != 2 || r.Sum.PartnersAffected != 2 || r.Light != report.Red || !r.Told() {
		t.Errorf("%s %s: %d open, %+v", r.Schema, r.Light, len(r.Open), r.Sum.Numbers)
	}
	if len(r.Partners) == 0 || r.Partners[0].Looks == nil {
		t.Errorf("the ledger is missing: %+v", r.Partners)
	}
	for query, want := range map[string]string{"week=soon": "is no week", "since=soon": "is no time", "week=2026-W46&since=2026-11-01T00:00:00Z": "exclude each other"} {
		if code, text, _ := w.raw(t, "GET", "report?"+query, ""); code != http.StatusBadRequest || !strings.Contains(text, want) {
			t.Errorf("%s: %d %s", query, code, text)
		}
	}
}

// TestSendingAReport needs a daemon that can.
func TestSendingAReport(t *testing.T) {
	w := serve(t)
	if code, text, _ := w.raw(t, "POST", "report", `{"week": ""}`); code != http.StatusNotImplemented {
		t.Errorf("%d %s", code, text)
	}
}

// TestFormsOfAReport: each has a tag of its own, for who has one has not the others;
// the page that it is may use the style that it brings, and nothing else.
func TestFormsOfAReport(t *testing.T) {
	w := serve(t)
	tags := map[string]string{}
	for form, media := range map[string]string{"json": "application/json", "text": "text/plain; charset=utf-8", "md": "text/markdown; charset=utf-8", "html": "text/html; charset=utf-8", "png": "image/png"} {
		path := "report?week=2026-W46&format=" + form
		code, _, header := w.raw(t, "GET", path, "")
		tag := header.Get("ETag")
		if code != http.StatusOK || header.Get("Content-Type") != media || tag == "" || tags[tag] != "" {
			t.Errorf("%s: %d %v, the tag is also of %s", form, code, header, tags[tag])
		}
		tags[tag] = form
		if policy := header.Get("Content-Security-Policy"); (policy == reportPolicy) != (form == "html") {
			t.Errorf("%s: policy %q", form, policy)
		}
		if code, body, _ := w.raw(t, "GET", path, "", "If-None-Match", tag); code != http.StatusNotModified || body != "" {
			t.Errorf("%s again: %d, %d bytes", form, code, len(body))
		}
	}
}
