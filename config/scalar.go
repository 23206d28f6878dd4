package config

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// The types of this file and of network.go, schedule.go and secret.go are each
// written as one YAML scalar. Their UnmarshalText errors are for people: what is
// wrong and, after a line break, "hint:" and how to write it.

// faulty is an error of UnmarshalText.
func faulty(hint, format string, args ...any) error {
	return fmt.Errorf("%s\nhint: %s", fmt.Sprintf(format, args...), hint)
}

// shown is a value as messages repeat it: bare where that reads well, else quoted and cut.
func shown(text string) string {
	if r := []rune(text); len(r) > 60 {
		text = string(r[:60]) + "…"
	}
	odd := func(r rune) bool { return r == ' ' || r == '"' || !unicode.IsPrint(r) }
	if text == "" || strings.ContainsFunc(text, odd) {
		return strconv.Quote(text)
	}
	return text
}

// Duration is a length of time written with ms, s, m, h or d: 90s, 1h30m, 400d. A day is 24 h.
type Duration time.Duration

// maxDuration is a century, and well below where nanoseconds overflow.
const maxDuration = 36500 * 24 * time.Hour

// D is the duration as the standard library knows it.
func (d Duration) D() time.Duration { return time.Duration(d) }

var durationUnits = []struct {
	name string
	size time.Duration
}{{"d", 24 * time.Hour}, {"h", time.Hour}, {"m", time.Minute}, {"s", time.Second}, {"ms", time.Millisecond}}

// String is the duration in whole units, largest first: 1d12h, 1m30s, 500ms.
func (d Duration) String() string {
	t := time.Duration(d)
	if t < 0 {
		return t.String() // nothing that was read is negative
	}
	var b strings.Builder
	for _, u := range durationUnits {
		if n := t / u.size; n > 0 {
			fmt.Fprintf(&b, "%d%s", n, u.name)
			t -= n * u.size
		}
	}
	if t > 0 { // part of a millisecond
		fmt.Fprintf(&b, "%sms", strconv.FormatFloat(float64(t)/float64(time.Millisecond), 'f', -1, 64))
	}
	if b.Len() == 0 {
		return "0s"
	}
	return b.String()
}

// MarshalText is String.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

const durationPattern = `^0$|^([0-9]+(\.[0-9]+)?(ms|s|m|h|d))+$`

var (
	durationForm  = regexp.MustCompile(durationPattern)
	durationParts = regexp.MustCompile(`([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d)`)
)

// UnmarshalText reads 90s, 1h30m, 400d, 1d12h or a bare 0; at most 100 years.
func (d *Duration) UnmarshalText(b []byte) error {
	const hint = "write it like 500ms, 30s, 15m, 1h or 7d"
	text := string(b)
	if !durationForm.MatchString(text) {
		if strings.HasPrefix(text, "-") && durationForm.MatchString(text[1:]) {
			return faulty("from 0 up", "%s: a duration cannot be negative here", shown(text))
		}
		return faulty(hint, "%s is no duration", shown(text))
	}
	total := time.Duration(0)
	for _, part := range durationParts.FindAllStringSubmatch(text, -1) {
		n, err := strconv.ParseFloat(part[1], 64)
		size := sizeOf(part[2])
		if err != nil || n*float64(size) > float64(maxDuration-total) {
			return faulty("at most 36500d", "%s is too long a time", shown(text))
		}
		total += time.Duration(n*float64(size) + 0.5)
	}
	*d = Duration(total)
	return nil
}

func sizeOf(unit string) time.Duration {
	for _, u := range durationUnits {
		if u.name == unit {
			return u.size
		}
	}
	return 0
}

// Percent is a share written as 10%.
type Percent float64

// String is the share with its sign: 10%.
func (p Percent) String() string { return strconv.FormatFloat(float64(p), 'f', -1, 64) + "%" }

// MarshalText is String.
func (p Percent) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

const percentPattern = `^0$|^[0-9]+(\.[0-9]+)?%$`

var percentForm = regexp.MustCompile(percentPattern)

// UnmarshalText reads 10% (0 to 100), or a bare 0.
func (p *Percent) UnmarshalText(b []byte) error {
	v, err := strconv.ParseFloat(strings.TrimSuffix(string(b), "%"), 64)
	if err != nil || v > 100 || !percentForm.Match(b) {
		return faulty("write it like 10%, from 0% to 100%", "%s is no share", shown(string(b)))
	}
	*p = Percent(v)
	return nil
}

// UnmarshalText reads active, warming or standby.
func (s *State) UnmarshalText(b []byte) error {
	switch v := State(b); v {
	case Active, Warming, Standby:
		*s = v
		return nil
	}
	return faulty("one of active, warming, standby", "%s is no state of a sending IP", shown(string(b)))
}
