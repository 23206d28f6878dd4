package notify

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"repwatch/config"
	"repwatch/incident"
	"repwatch/internal/lab"
)

func weekly(week string) (Report, error) {
	return Report{Week: week, Message: incident.Message{Title: "Mail reputation, week 46: quiet"}, Text: "the report in words <b>\n", HTML: `<p>the report</p><img src="cid:picture@repwatch">`,
		Blocks: json.RawMessage(`[{"type":"section","text":{"type":"mrkdwn","text":"Green: nothing hurt"}}]`), PNG: []byte("\x89PNG picture"), Alt: "nothing was listed",
		Document: json.RawMessage(`{"schema":"repwatch/report/v1"}`)}, nil
}

func reportAlert() incident.Alert {
	return incident.Alert{Kind: incident.AlertReport, Week: "2026-W46", Message: incident.Message{Tone: incident.ToneGood, Title: "Mail reputation, week 46: quiet"}}
}

// playReport sends one report to a Slack, with build, and gives what is there then.
func playReport(t *testing.T, build func(string) (Report, error), prepare func(*world), look func(*world)) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.start()
		w.stop()
		<-w.gone
		w.d.Reports(build)
		if prepare != nil {
			prepare(w)
		}
		w.restart()
		w.fold(reportAlert())
		time.Sleep(time.Minute)
		synctest.Wait()
		look(w)
		w.end()
	})
}

// restart runs the same dispatcher again: Reports must come before Run.
func (w *world) restart() {
	ctx, cancel := context.WithCancel(w.t.Context())
	w.stop, w.gone = cancel, make(chan struct{})
	go func() { defer close(w.gone); w.d.Run(ctx) }()
}

// TestReportInSlack: one message with the report's blocks, the picture in its thread with words for it.
func TestReportInSlack(t *testing.T) {
	playReport(t, weekly, nil, func(w *world) {
		roots, files := w.slack.Roots(), w.slack.Files()
		if len(roots) != 1 || !strings.Contains(roots[0].Text, "week 46") || !strings.Contains(string(roots[0].Attachments), "Green: nothing hurt") {
			t.Fatalf("messages %+v", roots)
		}
		if len(files) != 1 || files[0].ThreadTS != roots[0].TS || files[0].Channel != lab.SlackChannel || files[0].Alt != "nothing was listed" || files[0].Name != "mail-reputation-2026-W46.png" {
			t.Errorf("files %+v", files)
		}
		if rows := w.pending("slack"); len(rows) != 0 {
			t.Errorf("still waiting: %+v", rows)
		}
	})
}

// TestFailedUploadFailsNoReport: wherever the upload breaks off, the report is there, once, and delivered.
func TestFailedUploadFailsNoReport(t *testing.T) {
	for name, prepare := range map[string]func(*world){
		"no scope":   func(w *world) { w.slack.SetRules(lab.SlackRules{Scopes: []string{"chat:write"}}) },
		"no address": func(w *world) { w.slack.FailAlways("files.getUploadURLExternal", lab.SlackFault{Status: 500}) },
		"not shared": func(w *world) {
			w.slack.FailAlways("files.completeUploadExternal", lab.SlackFault{Error: "internal_error"})
		},
		"broken off": func(w *world) { w.slack.FailAlways("files.completeUploadExternal", lab.SlackFault{Reset: true}) },
		"too often": func(w *world) {
			w.slack.FailAlways("files.getUploadURLExternal", lab.SlackFault{Status: 429, RetryAfter: time.Hour})
		},
	} {
		t.Run(name, func(t *testing.T) {
			playReport(t, weekly, prepare, func(w *world) {
				if roots, files := w.slack.Roots(), w.slack.Files(); len(roots) != 1 || len(files) != 0 {
					t.Errorf("%d messages, %d files", len(roots), len(files))
				}
				if rows := w.pending("slack"); len(rows) != 0 || len(w.health()) != 0 {
					t.Errorf("waiting %+v, health %q", rows, w.health())
				}
				if log := strings.Join(w.log.all(), "\n"); !strings.Contains(log, "its picture could not be uploaded") {
					t.Errorf("the log does not say so: %s", log)
				}
			})
		})
	}
}

// TestReportThatCannotBeBuilt: then its short form is sent.
func TestReportThatCannotBeBuilt(t *testing.T) {
	playReport(t, func(string) (Report, error) { return Report{}, errors.New("the store is torn") }, nil, func(w *world) {
		if roots := w.slack.Roots(); len(roots) != 1 || !strings.Contains(roots[0].Text, "week 46: quiet") {
			t.Errorf("messages %+v", roots)
		}
		if log := strings.Join(w.log.all(), "\n"); !strings.Contains(log, "the store is torn") {
			t.Errorf("the log does not say so: %s", log)
		}
	})
}

// TestReportAsMail: text, a page beside it, the picture inside.
func TestReportAsMail(t *testing.T) {
	r, err := weekly("2026-W46")
	if err != nil {
		t.Fatal(err)
	}
	m := &email{host: "smtp.example.com", from: "repwatch@example.com", to: []string{"boss@example.com"}, ehlo: "mon.example.com"}
	msg, err := m.compose(Sending{Alert: reportAlert(), Report: &r, Origin: "o"})
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if _, err := msg.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"multipart/related", "multipart/alternative", "text/plain", "the report in words", "text/html", "Content-Id: <picture@repwatch>", "image/png"} {
		if !strings.Contains(strings.ReplaceAll(b.String(), "Content-ID", "Content-Id"), part) {
			t.Errorf("%q is missing:\n%s", part, b.String())
		}
	}
}

// TestReportElsewhere: a webhook gets the document, an incoming webhook of Slack the blocks; secrets show in none.
func TestReportElsewhere(t *testing.T) {
	r, err := weekly("2026-W46")
	if err != nil {
		t.Fatal(err)
	}
	s := Sending{Alert: reportAlert(), Report: &r}
	if got := show(t, webhookOf(s)); !strings.Contains(got, `"schema": "repwatch/report/v1"`) || !strings.Contains(got, `"kind": "report"`) {
		t.Error(got)
	}
	if s.Threaded() {
		t.Error("a report belongs to no thread")
	}
	if m := slackAlone(s, ""); !strings.Contains(m.shapes()[1].Text, "the report in words &lt;b&gt;") || !strings.Contains(show(t, m), "Green: nothing hurt") {
		t.Errorf("%+v", m)
	}
	v := newVeil(func(text string) string { return strings.ReplaceAll(text, "report", "[list key]") })
	hidden := v.sending(s).Report
	for _, text := range []string{hidden.Text, hidden.HTML, string(hidden.Document)} {
		if !strings.Contains(text, "[list key]") {
			t.Errorf("a secret would show: %s", text)
		}
	}
	if !strings.Contains(r.Text, "report") {
		t.Error("veiling changed the report itself")
	}
}

// TestSendReport sends past the outbox.
func TestSendReport(t *testing.T) {
	w := newWorld(t)
	defer w.end()
	all, _ := build(&config.Loaded{Config: config.Config{Notify: w.cfg}}, w.env())
	r, _ := weekly("2026-W46")
	results := SendReport(t.Context(), all, r, time.Now())
	if len(results) != 1 || results[0].Err != nil || len(w.slack.Roots()) != 1 || len(w.slack.Files()) != 1 {
		t.Errorf("%+v, %d messages, %d files", results, len(w.slack.Roots()), len(w.slack.Files()))
	}
}
