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
