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
	t, rest, ok := parseStamp(b)
	if !ok || len(rest) > 0 {
		return fmt.Errorf("%q is no time", b)
	}
	s.Time = t
	return nil
}

// parseStamp reads a time from the beginning of b and returns what follows it.
func parseStamp(b []byte) (t time.Time, rest []byte, ok bool) {
	sec, rest, ok := parseNumber(b)
	if !ok || sec > 1<<40 {
		return t, b, false
	}
	ns := uint64(0)
	if len(rest) > 0 && rest[0] == '.' {
		decimals := rest[1:]
		for rest = decimals; len(rest) > 0 && rest[0] >= '0' && rest[0] <= '9'; rest = rest[1:] {
			ns = ns*10 + uint64(rest[0]-'0')
		}
		digits := len(decimals) - len(rest)
		if digits == 0 || digits > 9 {
			return t, b, false
		}
		for ; digits < 9; digits++ {
			ns *= 10
		}
	}
	return time.Unix(int64(sec), int64(ns)).UTC(), rest, true
}

// parseNumber reads a number as JSON writes it from the beginning of b and returns what follows it.
func parseNumber(b []byte) (n uint64, rest []byte, ok bool) {
	const most = 19 // digits that surely fit
	for rest = b; len(rest) > 0 && rest[0] >= '0' && rest[0] <= '9'; rest = rest[1:] {
		n = n*10 + uint64(rest[0]-'0')
	}
	digits := len(b) - len(rest)
	return n, rest, digits > 0 && digits <= most && (digits == 1 || b[0] != '0')
}

// utc drops the zone and the monotonic clock, which no file keeps.
func utc(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC().Round(0)
}
