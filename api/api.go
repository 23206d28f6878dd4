// Package api builds the JSON documents that the command line, the socket and
// the page share. Each carries "schema": "repwatch/NAME/v1"; times are RFC 3339
// in UTC, absent ones null; arrays are never null. Fields are only ever added
// within a version.
package api

import (
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Exit codes of commands that judge (DESIGN: 1 a finding; else 3 if under half could be told; else 0).
const (
	ExitOK      = 0
	ExitFinding = 1
	ExitUsage   = 2
	ExitUnknown = 3
)

// Schema of a document by its name and version 1.
func Schema(name string) string { return "repwatch/" + name + "/v1" }

// exit decides an exit code from counts of findings and of subjects told and
// asked. Nothing asked is nothing told.
func exit(findings, told, asked int) int {
	switch {
	case findings > 0:
		return ExitFinding
	case told*2 < asked || asked == 0:
		return ExitUnknown
	default:
		return ExitOK
	}
}

func utc(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC().Truncate(time.Millisecond)
	return &t
}

func orEmpty[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}

func minutes(d time.Duration) string { return fmt.Sprintf("%d min", int(d.Minutes())) }

// printable makes foreign text harmless for a terminal, a page and a log: control
// characters and broken UTF-8 become visible escapes. Line ends stay.
func printable(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, "\\x%02x", s[i])
		case r == '\n' || r == '\t' || unicode.IsPrint(r):
			b.WriteRune(r)
		case r < 0x80:
			fmt.Fprintf(&b, "\\x%02x", r)
		default:
			fmt.Fprintf(&b, "\\u%04x", r)
		}
		i += n
	}
	return b.String()
}
