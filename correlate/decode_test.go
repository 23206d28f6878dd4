package correlate_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"repwatch/correlate"
)

const goodLine = `{"seq":1,"t":"2026-01-02T13:49:16Z","kind":"listing","vantage":"192.0.2.14","list":"bl03.example","state":"listed","lo":"2026-01-02T12:34:16Z","hi":"2026-01-02T13:49:16Z"}`

func TestDecodeErrorsNameLineAndField(t *testing.T) {
	change := func(old, new string) string { return strings.Replace(goodLine, old, new, 1) }
	lostLine := `{"seq":2,"t":"2026-01-02T14:00:00Z","kind":"cap","vantage":"192.0.2.14","partner":"p.example","state":"lost","loss":"starttls","lo":"2026-01-02T13:00:00Z","hi":"2026-01-02T14:00:00Z"}`
	for _, c := range []struct{ name, input, want string }{
		{"no seq", change(`"seq":1,`, ``), `line 1: field "seq" is missing: events are numbered from 1`},
		{"seq is text", change(`"seq":1`, `"seq":"1"`), `line 1: field "seq" is a JSON string: want uint64`},
		{"no time", change(`"t":"2026-01-02T13:49:16Z",`, ``), `line 1: field "t" is missing`},
		{"bad time", change(`"lo":"2026-01-02T12:34:16Z"`, `"lo":"yesterday"`), `line 1: field "lo" is no RFC 3339 time: "yesterday"`},
		{"unknown field", change(`"list":`, `"lists":`), `line 1: field "lists" is unknown: an event has seq, t, kind, vantage, list, partner, state, loss, verbs, every, policy, of, lo, hi`},
		{"unknown kind", change(`"listing"`, `"rumour"`), `line 1: field "kind" is "rumour": one of listing, cap, reply, unrelated`},
		{"no list", change(`"list":"bl03.example",`, ``), `line 1: field "list" is missing in a listing event`},
		{"control listed", change(`192.0.2.14`, `control`), `line 1: field "vantage" is "control": only sending IPs are listed`},
		{"no vantage", change(`"vantage":"192.0.2.14",`, ``), `line 1: field "vantage" is missing: a sending IP or "control"`},
		{"wrong state", change(`"listed"`, `"lost"`), `line 1: field "state" is "lost": listed or clear in a listing event`},
		{"no lo", change(`"lo":"2026-01-02T12:34:16Z",`, ``), `line 1: field "lo" is missing: the last moment known to be before the change`},
		{"no hi", change(`,"hi":"2026-01-02T13:49:16Z"`, ``), `line 1: field "hi" is missing: the first moment known to be after the change`},
		{"lo after hi", change(`12:34:16`, `14:34:16`), `line 1: field "lo" is after hi: the change happened in (lo, hi]`},
		{"seen before it was over", change(`"t":"2026-01-02T13:49:16Z"`, `"t":"2026-01-02T13:49:15Z"`), `line 1: field "t" is before hi: a change cannot be seen before it is over`},
		{"no partner", strings.Replace(lostLine, `"partner":"p.example",`, ``, 1), `line 1: field "partner" is missing in a cap event`},
		{"no loss", strings.Replace(lostLine, `"loss":"starttls",`, ``, 1), `line 1: field "loss" is "": one of starttls, banner, masked, rejected, deferred, broken, capability`},
		{"looks less than never", strings.Replace(lostLine, `"loss":"starttls"`, `"loss":"starttls","every":-5`, 1), `line 1: field "every" is -5: minutes between two looks`},
		{"not JSON, on line 3", goodLine + "\n\nhello\n", `line 3: is no JSON object: invalid character 'h' looking for beginning of value`},
		{"an array", `[1]`, `line 1: is no JSON object: json: cannot unmarshal array into Go value of type correlate.Event`},
		{"two values", goodLine + goodLine, `line 1: has more than one JSON value`},
		{"seq again", goodLine + "\n" + goodLine, `line 2: field "seq" is 1 after 1: events are numbered upwards`},
		{"back in time", goodLine + "\n" + strings.Replace(lostLine, "2026-01-02", "2026-01-01", 3), `line 2: field "t" goes back in time, before the event with seq 1`},
		{"reply blames two", `{"seq":1,"t":"2026-01-02T13:49:16Z","kind":"reply","vantage":"192.0.2.14","partner":"p","list":"l","policy":"tls"}`, `line 1: field "list" or policy: exactly one of them says what the reply blames`},
		{"reply with a strange policy", `{"seq":1,"t":"2026-01-02T13:49:16Z","kind":"reply","vantage":"192.0.2.14","partner":"p","policy":"mood"}`, `line 1: field "policy" is "mood": one of tls, ptr, greylisting, content, rate, auth`},
		{"reply to the control", `{"seq":1,"t":"2026-01-02T13:49:16Z","kind":"reply","vantage":"control","partner":"p","list":"l"}`, `line 1: field "vantage" must be the sending IP the reply was meant for`},
		{"unrelated to what", `{"seq":1,"t":"2026-01-02T13:49:16Z","kind":"unrelated"}`, `line 1: field "of" is missing: the seq of the loss that was judged`},
		{"endless line", `{"seq":` + strings.Repeat(" ", correlate.MaxLine) + "1}", `line 1: is longer than 1048576 bytes`},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := correlate.ReadEvents(strings.NewReader(c.input))
			if err == nil || err.Error() != c.want {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
		})
	}
}

func TestDecodeReadsBackWhatWasWritten(t *testing.T) {
	events := smallWorld(t, "hidden", 3)
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	for _, e := range events {
		if err := enc.Encode(e); err != nil {
			t.Fatal(err)
		}
	}
	got, err := correlate.ReadEvents(&b)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(events, got); d != "" {
		t.Error(d)
	}
}

// An event that makes no sense is refused and changes nothing.
func TestObserveRefusesInvalidEvents(t *testing.T) {
	c := correlate.New(world())
	err := c.Observe(correlate.Event{Seq: 1, T: at(0), Kind: correlate.KindCap, Vantage: ipA, State: correlate.Lost})
	var field *correlate.FieldError
	if !errors.As(err, &field) || field.Field != "partner" {
		t.Errorf("got %v", err)
	}
	if v := c.Verdicts(at(1)); len(v) != 0 {
		t.Errorf("verdicts %+v", v)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(goodLine))
	f.Add([]byte(`{"seq":1,"t":"2026-01-02T13:49:16Z","kind":"reply","vantage":"192.0.2.14","partner":"p","policy":"tls"}`))
	f.Add([]byte("{}\n[]\nnull\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		d := correlate.NewDecoder(bytes.NewReader(b))
		c := correlate.New(correlate.Options{})
		for range 50 {
			e, err := d.Decode()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				var line *correlate.LineError
				if !errors.As(err, &line) {
					t.Fatalf("no line in %v", err)
				}
				continue
			}
			if err := c.Observe(e); err != nil {
				t.Fatalf("decoded but refused: %v", err)
			}
		}
		c.Verdicts(at(0))
	})
}
