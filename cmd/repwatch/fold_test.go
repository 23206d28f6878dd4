package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
)

// A terminal gets lines of its width, whatever colours are in them; a pipe gets one.
func TestFold(t *testing.T) {
	narrow := newTerm(io.Discard)
	narrow.tty, narrow.width = true, 30
	for text, want := range map[string][]string{
		"":                                     {""},
		"one two":                              {"one two"},
		"twenty characters so and no more":     {"twenty characters so", "and no more"},
		"\x1b[31mtwenty\x1b[0m characters so!": {"\x1b[31mtwenty\x1b[0m characters", "so!"},
		"aVeryLongWordThatFitsNowhere a":       {"aVeryLongWordThatFitsNowhere", "a"},
		"a aVeryLongWordThatFitsNowhere":       {"a", "aVeryLongWordThatFitsNowhere"},
	} {
		if got := narrow.fold(text, 10); !slices.Equal(got, want) {
			t.Errorf("%q is folded to %q, want %q", text, got, want)
		}
		if got := newTerm(io.Discard).fold(text+"  x", 10); !slices.Equal(got, []string{strings.TrimSpace(text + " x")}) {
			t.Errorf("a pipe gets %q", got)
		}
	}
}

// BenchmarkHang is a line of status -v about 512 pairs, into a pipe.
func BenchmarkHang(b *testing.B) {
	var pairs []string
	for n := range 512 {
		pairs = append(pairs, fmt.Sprintf("198.51.100.%d good, 3 min ago", n))
	}
	line, out := strings.Join(pairs, "; "), newTerm(io.Discard)
	for b.Loop() {
		out.hang("partner: ", line)
	}
}
