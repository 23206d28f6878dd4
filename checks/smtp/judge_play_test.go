package smtp

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"repwatch/reputation"
)

func playStory(t *testing.T, require []string, looks string) {
	t.Helper()
	var state State
	now := storyStart
	for line := range strings.Lines(strings.TrimSpace(looks)) {
		cols := strings.Split(strings.TrimSpace(line), "|")
		fields := strings.Fields(cols[0])
		wait, err := time.ParseDuration(strings.TrimPrefix(fields[0], "+"))
		if err != nil && fields[0] != "+0" {
			t.Fatal(err)
		}
		now = now.Add(wait)
		before := mustJSON(t, state)
		next, tr, wants := state.Observe(parseLook(t, fields[1:]), now, JudgeConfig{Require: require})
		if after := mustJSON(t, state); before != after {
			t.Fatalf("%s: the old state changed:\n%s\n%s", line, before, after)
		}
		state = throughJSON(t, next)
		want := strings.TrimSpace(cols[1])
		got := tell(tr)
		if !strings.Contains(want, " at ") {
			got, _, _ = strings.Cut(got, " at ")
		}
		if got != want {
			t.Fatalf("%s\ngot  %s\nwant %s", line, got, want)
		}
		if len(cols) > 2 {
			if got, want := tellWants(wants, now), strings.TrimSpace(cols[2]); got != want {
				t.Fatalf("%s\ngot wants  %q\nwant wants %q", line, got, want)
			}
		}
	}
}

func parseLook(t *testing.T, fields []string) Look {
	t.Helper()
	var l Look
	if err := l.Outcome.UnmarshalText([]byte(fields[0])); err != nil {
		t.Fatal(err)
	}
	l.Addr = netip.AddrFrom4([4]byte{192, 0, 2, fields[1][0]})
	l.Why = "because"
	plain := parseCaps(eopOffer)
	l.ControlPlain = nil
	if l.Outcome == reputation.Absent {
		delete(plain, "STARTTLS")
	}
	for _, f := range fields[2:] {
		key, value, _ := strings.Cut(f, "=")
		value = strings.ReplaceAll(value, ",", " ")
		switch {
		case key == "addrs":
			fmt.Sscan(value, &l.Addrs)
		case key == "control":
			if err := l.Control.UnmarshalText([]byte(value)); err != nil {
				t.Fatal(err)
			}
		case key == "controlcaps":
			l.ControlPlain = parseCaps(eopOffer)
		case strings.HasPrefix(key, "tls+"):
			if l.TLS == nil {
				l.TLS = Capabilities{}
			}
			l.TLS[key[4:]] = value
		case key[0] == '-':
			delete(plain, key[1:])
		default:
			plain[strings.TrimPrefix(key, "+")] = value
		}
	}
	switch l.Outcome {
	case reputation.Advertised, reputation.Absent, reputation.Broken:
		l.Plain = plain
	}
	return l
}

func parseCaps(text string) Capabilities {
	c := Capabilities{}
	for f := range strings.FieldsSeq(text) {
		k, v, _ := strings.Cut(f, "=")
		c[k] = v
	}
	return c
}

func tell(tr *Transition) string {
	if tr == nil {
		return "-"
	}
	words := []string{string(tr.Kind)}
	if tr.Mixed {
		words = append(words, "mixed")
	}
	if tr.Loss != "" {
		words = append(words, string(tr.Loss))
	}
	after := "before we looked"
	if !tr.FirstSight {
		after = since(tr.After)
	}
	words = append(words, fmt.Sprintf("(%s,%s]", after, since(tr.By)))
	var diff []string
	for _, w := range tr.Went {
		diff = append(diff, "-"+w)
	}
	for _, c := range tr.Came {
		diff = append(diff, "+"+c)
	}
	if tr.Kind == Lost {
		slices.Sort(diff) // one order, whatever came in
	}
	for _, c := range tr.Changed {
		diff = append(diff, fmt.Sprintf("~%s:%s>%s", c.Keyword, c.Was, c.Now))
	}
	words = append(words, diff...)
	words = append(words, "at")
	for _, a := range tr.Addrs {
		words = append(words, string(rune(a.As4()[3])))
	}
	return strings.Join(words, " ")
}

func since(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	d := t.Sub(storyStart)
	if d%time.Minute == 0 && d > 0 {
		return fmt.Sprintf("%dm", d/time.Minute)
	}
	return d.String()
}

func tellWants(wants []Want, now time.Time) string {
	var words []string
	for _, w := range wants {
		wait := w.At.Sub(now)
		text := fmt.Sprintf("%s@%ds", w.Who, wait/time.Second)
		if wait%time.Minute == 0 {
			text = fmt.Sprintf("%s@%dm", w.Who, wait/time.Minute)
		}
		text = strings.Replace(text, "@0m", "@0", 1)
		if w.AvoidAddr.IsValid() {
			text += "!" + string(rune(w.AvoidAddr.As4()[3]))
		}
		words = append(words, text)
	}
	return strings.Join(words, " ")
}

// fatal is what *testing.T and *rapid.T share here.
type fatal interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

func mustJSON(t fatal, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// throughJSON plays a restart after every look.
func throughJSON(t fatal, s State) State {
	t.Helper()
	var out State
	if err := json.Unmarshal([]byte(mustJSON(t, s)), &out); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(s, out, cmpopts.EquateComparable(netip.Addr{})); diff != "" {
		t.Fatalf("the state does not survive JSON: %s", diff)
	}
	return out
}
