package report

import (
	"encoding/json"
	"fmt"
	"strings"

	"repwatch/incident"
)

// ContentID names the picture inside a mail (RFC 2392).
const ContentID = "picture@repwatch"

// mailWidth wraps lines in mail: quoted-printable breaks lines over 76 (RFC 2045 §6.7).
const mailWidth = 74

// Rendered is a report in every shape that is sent. Foreign text in it is escaped
// for the shape that it is in.
type Rendered struct {
	Week     string           // empty: no calendar week
	Message  incident.Message // the short form
	Text     string
	HTML     string // for a mail; refers to the picture by ContentID
	Blocks   json.RawMessage
	PNG      []byte
	Alt      string
	Document json.RawMessage
}

// Render makes every shape. A picture that cannot be drawn is left out, and said
// by the error beside everything else.
func Render(r Report) (out Rendered, err error) {
	out = Rendered{Week: r.Week.ID, Message: Short(r), Text: Text(r, mailWidth), Alt: oneLine(r.Picture.Alt)}
	if out.HTML, err = MailHTML(r, ContentID); err != nil {
		return out, err
	}
	if out.Blocks, err = slackJSON(r); err != nil {
		return out, err
	}
	if out.Document, err = json.Marshal(r); err != nil {
		return out, fmt.Errorf("the document cannot be written: %w", err)
	}
	out.PNG, err = PNG(r)
	return out, err
}

var tones = map[Light]incident.Tone{Green: incident.ToneGood, Yellow: incident.ToneWarn, Red: incident.ToneBad, Grey: incident.ToneInfo}

// few are the first items, each on one line, and how many more there are.
func (s section) few(most int) (lines []string) {
	for n, i := range s.items {
		if n == most {
			return append(lines, fmt.Sprintf("and %d more", len(s.items)-n))
		}
		lines = append(lines, strings.Join(append([]string{i.line()}, i.more...), "; "))
	}
	return lines
}

// Short is the report in a few lines, for those who get no more.
func Short(r Report) incident.Message {
	t := shown(r)
	m := incident.Message{Tone: tones[r.Light], Title: t.title() + ": " + r.Words, Fields: []incident.Field{{Name: "Compared", Lines: []string{r.Than}}}}
	if r.At != nil {
		m.At = *r.At
	}
	for _, s := range t.sections() {
		switch s.id {
		case "open", "due":
			m.Fields = append(m.Fields, incident.Field{Name: s.title, Lines: s.few(5)})
		}
	}
	return m
}
