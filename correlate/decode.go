package correlate

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"
)

// MaxLine is the longest line the decoder takes, in bytes.
const MaxLine = 1 << 20

// LineError says on which line of the input (from 1) something is wrong.
type LineError struct {
	Line int
	Err  error
}

func (e *LineError) Error() string { return fmt.Sprintf("line %d: %v", e.Line, e.Err) }
func (e *LineError) Unwrap() error { return e.Err }

// Decoder reads events, one JSON object a line. Empty lines are skipped.
// It is not safe for concurrent use.
type Decoder struct {
	scan *bufio.Scanner
	line int
	last Event
}

// NewDecoder reads events from r.
func NewDecoder(r io.Reader) *Decoder {
	s := bufio.NewScanner(r)
	s.Buffer(make([]byte, 0, 64<<10), MaxLine)
	return &Decoder{scan: s}
}

// Decode returns the next event, io.EOF at the end, or a *LineError that names
// line and field. Events must come in order: seq grows, t does not go back.
// After an error the decoder may be asked again; it goes on with the next line.
func (d *Decoder) Decode() (Event, error) {
	for d.scan.Scan() {
		d.line++
		text := bytes.TrimSpace(d.scan.Bytes())
		if len(text) == 0 {
			continue
		}
		e, err := parseEvent(text)
		if err == nil {
			err = d.order(&e)
		}
		if err != nil {
			return Event{}, &LineError{d.line, err}
		}
		d.last = e
		return e, nil
	}
	if err := d.scan.Err(); err != nil {
		if errors.Is(err, bufio.ErrTooLong) {
			err = fmt.Errorf("is longer than %d bytes", MaxLine)
		}
		return Event{}, &LineError{d.line + 1, err}
	}
	return Event{}, io.EOF
}

func (d *Decoder) order(e *Event) error {
	switch {
	case d.last.Seq == 0:
		return nil
	case e.Seq <= d.last.Seq:
		return wrong("seq", "is %d after %d: events are numbered upwards", e.Seq, d.last.Seq)
	case e.T.Before(d.last.T):
		return wrong("t", "goes back in time, before the event with seq %d", d.last.Seq)
	}
	return nil
}

func parseEvent(text []byte) (Event, error) {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	var e Event
	if err := dec.Decode(&e); err != nil {
		return e, readable(err, text)
	}
	if dec.More() {
		return e, errors.New("has more than one JSON value")
	}
	return e, e.Validate()
}

// readable turns an error of encoding/json into one that names the field.
func readable(err error, text []byte) error {
	var typ *json.UnmarshalTypeError
	if errors.As(err, &typ) && typ.Field != "" {
		return wrong(typ.Field, "is a JSON %s: want %s", typ.Value, typ.Type)
	}
	var raw map[string]json.RawMessage
	if json.Unmarshal(text, &raw) != nil {
		return fmt.Errorf("is no JSON object: %w", err)
	}
	for _, field := range []string{"t", "lo", "hi"} {
		var probe struct {
			T time.Time `json:"t"`
		}
		if v, ok := raw[field]; ok {
			if e := json.Unmarshal([]byte(`{"t":`+string(v)+`}`), &probe); e != nil {
				return wrong(field, "is no RFC 3339 time: %s", v)
			}
		}
	}
	names := make([]string, 0, len(raw))
	for name := range raw {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if !slices.Contains(eventFields, name) {
			return wrong(name, "is unknown: an event has %s", join(eventFields))
		}
	}
	return err
}

var eventFields = []string{"seq", "t", "kind", "vantage", "list", "partner", "state", "loss", "verbs", "every", "policy", "of", "lo", "hi"}
