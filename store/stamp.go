package store

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// stamp is a time in the rows of which there are many: Unix seconds with as many
// decimals as it takes, 1793606400 or 1793606400.25. The zero time is left out.
type stamp struct{ time.Time }

func stampOf(t time.Time) stamp { return stamp{utc(t)} }

func (s stamp) IsZero() bool { return s.Time.IsZero() }

func (s stamp) MarshalJSON() ([]byte, error) {
	if s.Unix() < 0 {
		return nil, fmt.Errorf("the time %s cannot be stored: it is before 1970", s.Format(time.RFC3339))
	}
	b := strconv.AppendInt(nil, s.Unix(), 10)
	if ns := s.Nanosecond(); ns != 0 {
		b = append(b, '.')
		b = append(b, strings.TrimRight(fmt.Sprintf("%09d", ns), "0")...)
	}
	return b, nil
}

func (s *stamp) UnmarshalJSON(b []byte) error {
	t, rest := parseStamp(b)
	if len(rest) > 0 || len(b) == 0 {
		return fmt.Errorf("%q is no time", b)
	}
	s.Time = t
	return nil
}

// parseStamp reads a time from the beginning of b and returns what follows it.
func parseStamp(b []byte) (time.Time, []byte) {
	sec, rest := parseNumber(b)
	ns := uint64(0)
	if len(rest) > 0 && rest[0] == '.' {
		var decimals []byte
		decimals, rest = rest[1:], rest[1:]
		ns, rest = parseNumber(rest)
		for digits := len(decimals) - len(rest); digits < 9; digits++ {
			ns *= 10
		}
	}
	return time.Unix(int64(sec), int64(ns)).UTC(), rest
}

// parseNumber reads digits from the beginning of b and returns what follows them.
func parseNumber(b []byte) (n uint64, rest []byte) {
	for len(b) > 0 && b[0] >= '0' && b[0] <= '9' {
		n = n*10 + uint64(b[0]-'0')
		b = b[1:]
	}
	return n, b
}

// utc drops the zone and the monotonic clock, which no file keeps.
func utc(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC().Round(0)
}
