package notify

import (
	"bytes"
	"context"
	"encoding/json"
	"sync"
	"time"

	"github.com/slack-go/slack"
	"github.com/wneessen/go-mail"

	"repwatch/incident"
)

// Report is a weekly report in every shape that is sent. It is too big for the
// outbox, which holds only its week: it is built when it is sent.
type Report struct {
	Week     string           // empty: no calendar week
	Message  incident.Message // the short form, for those who take no other
	Text     string
	HTML     string          // for a mail; refers to the picture by pictureID
	Blocks   json.RawMessage // for Slack
	PNG      []byte          // empty: it could not be drawn
	Alt      string          // the picture in words
	Document json.RawMessage // repwatch/report/v1
}

// pictureID names the picture inside a mail (RFC 2392).
const pictureID = "picture@repwatch"

// Reports says who builds weekly reports. It is to be called before Run.
func (d *Dispatcher) Reports(build func(week string) (Report, error)) {
	for _, s := range d.senders {
		s.report = build
	}
}

// build makes the report that an alert is about; nil where there is none.
func (s *sender) build(a incident.Alert) *Report {
	if a.Kind != incident.AlertReport || s.report == nil {
		return nil
	}
	r, err := s.report(a.Week)
	if err != nil {
		s.log.Error("the report cannot be built; its short form is sent", "notifier", s.Name(), "week", a.Week, "error", err)
		return nil
	}
	return &r
}

// SendReport sends a report through each notifier at once, past the outbox.
func SendReport(ctx context.Context, notifiers []Notifier, r Report, now time.Time) []TestResult {
	now = now.UTC()
	s := Sending{Origin: "report", Report: &r, Alert: incident.Alert{Seq: uint64(now.UnixMilli()), Kind: incident.AlertReport, At: now, Week: r.Week, Message: r.Message}}
	results := make([]TestResult, len(notifiers))
	var wg sync.WaitGroup
	for i, n := range notifiers {
		wg.Go(func() {
			start := time.Now()
			receipt, err := n.Send(ctx, s)
			results[i] = TestResult{Name: n.Name(), Took: time.Since(start), Trouble: receipt.Trouble, Err: err}
		})
	}
	wg.Wait()
	return results
}

// slackAlone is what belongs to no incident.
func slackAlone(s Sending, mention string) slackMessage {
	m := slackOwn(s.Alert, mention)
	if s.Report == nil {
		return m
	}
	var blocks slack.Blocks
	if err := json.Unmarshal(s.Report.Blocks, &blocks); err != nil || len(blocks.BlockSet) == 0 {
		return m // the short form
	}
	m.Attachments[0].Blocks = blocks
	m.plain = m.Text + "\n" + slackEscape(s.Report.Text)
	return m
}

// picture puts the report's picture into its thread. Without it the report still
// stands: a failure is logged and nothing else.
func (b *slackBot) picture(ctx context.Context, at slackPlace, r *Report) {
	if len(r.PNG) == 0 {
		return
	}
	name := "mail-reputation.png"
	if r.Week != "" {
		name = "mail-reputation-" + r.Week + ".png"
	}
	_, err := b.api.UploadFileContext(ctx, slack.UploadFileParameters{Filename: name, FileSize: len(r.PNG), Reader: bytes.NewReader(r.PNG),
		Title: cut(oneLine(r.Message.Title), 200), AltTxt: cut(oneLine(r.Alt), slackAlt), Channel: at.channel, ThreadTimestamp: at.ts})
	if err != nil {
		refused := readSlack("files.upload", err)
		b.log.Warn("slack: the report is there, but its picture could not be uploaded", "why", refused.err.Words, "hint", refused.err.Hint)
	}
}

// slackAlt bounds the words for a picture, in characters
// (https://docs.slack.dev/reference/methods/files.getUploadURLExternal).
const slackAlt = 1000

// mailReport makes a mail of a report: text, and beside it a page with the picture inside.
func mailReport(msg *mail.Msg, r *Report) error {
	msg.SetBodyString(mail.TypeTextPlain, r.Text)
	msg.AddAlternativeString(mail.TypeTextHTML, r.HTML)
	if len(r.PNG) == 0 {
		return nil
	}
	return msg.EmbedReader("mail-reputation.png", bytes.NewReader(r.PNG), mail.WithFileContentID("<"+pictureID+">"), mail.WithFileContentType("image/png"))
}

// webhookOf is an alert's body; a report's document is part of it.
func webhookOf(s Sending) WebhookAlert {
	w := webhookBody(s.Alert)
	if s.Report != nil {
		w.Report = s.Report.Document
	}
	return w
}

// report veils every word of a report.
func (v *veil) report(r *Report) *Report {
	if r == nil {
		return nil
	}
	c := *r
	c.Message, c.Text, c.HTML, c.Alt = v.message(r.Message), v.text(r.Text), v.text(r.HTML), v.text(r.Alt)
	c.Blocks, c.Document = json.RawMessage(v.text(string(r.Blocks))), json.RawMessage(v.text(string(r.Document)))
	return &c
}
