package web

import (
	"bufio"
	"net/http"
	"strings"
	"testing"
	"time"

	"repwatch/incident"
	"repwatch/reputation"
	"repwatch/store"
)

// TestEvents: who listens is told at once where things stand, then of each change;
// and the daemon can stop though somebody listens.
func TestEvents(t *testing.T) {
	w := serve(t)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://x/api/v1/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := w.http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.Header.Get("Content-Type") != "text/event-stream" {
		t.Errorf("%s, %v", res.Status, res.Header)
	}
	lines := bufio.NewScanner(res.Body)
	next := func() string {
		for lines.Scan() {
			if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
				return data
			}
		}
		return "the end"
	}
	if got := next(); got != `{"seq": 8}` {
		t.Errorf("at once: %s", got)
	}
	err = w.db.Update(time.Now(), func(tx *store.Tx) error {
		_, err := tx.Append(incident.Record{What: incident.Acted, Subject: reputation.Subject{Kind: reputation.KindHealth, Domain: "incident", Target: "3"}, Words: "ack"})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := next(); got != `{"seq": 9}` {
		t.Errorf("after a change: %s", got)
	}
	began := time.Now()
	w.stop()
	if got := next(); got != "the end" || time.Since(began) >= drain {
		t.Errorf("after the stop: %s, %s later", got, time.Since(began))
	}
}
