package main

// Rules for what people read here:
//   - a finding first, then why we think so, then what to do ("next:", "hint:");
//   - words, not shouting; colour repeats what the words say, never replaces them;
//   - a terminal gets colour and progress, a pipe plain text without either.

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/jedib0t/go-pretty/v6/text"
	xterm "golang.org/x/term"
)

// term is an output stream that knows whether a person watches it.
type term struct {
	io.Writer
	tty    bool
	width  int
	failed error // of the first write that did
}

// Write remembers failure: output that is lost must not end in exit code 0.
func (t *term) Write(p []byte) (int, error) {
	n, err := t.Writer.Write(p)
	if err != nil && t.failed == nil {
		t.failed = err
	}
	return n, err
}

func newTerm(w io.Writer) *term {
	t := &term{Writer: w, width: 100}
	f, ok := w.(*os.File)
	if !ok {
		return t
	}
	t.tty = xterm.IsTerminal(int(f.Fd()))
	if width, _, err := xterm.GetSize(int(f.Fd())); err == nil && width > 40 {
		t.width = width
	}
	return t
}

// colour reports whether to colour: a terminal that is not dumb, unless NO_COLOR is set (no-color.org).
func (t *term) colour() bool {
	return t.tty && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

func (t *term) paint(c style, s string) string {
	if !t.colour() {
		return s
	}
	return "\x1b[" + string(c) + "m" + s + "\x1b[0m"
}

// style is what a terminal is told before text (ECMA-48, SGR).
type style string

const (
	red    style = "31;1"
	yellow style = "33"
	green  style = "32"
	faint  style = "2"
	bold   style = "1"
)

func (t *term) printf(format string, args ...any) { fmt.Fprintf(t, format, args...) }
func (t *term) warn(format string, args ...any) {
	t.hang(t.paint(yellow, "warning:")+" ", fmt.Sprintf(format, args...))
}

// json writes a document, indented for people, ending in a newline.
func (t *term) json(doc any) error {
	enc := json.NewEncoder(t)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(doc)
}

// hang writes a label and text behind it, folded at the terminal's width and kept
// behind the label. A pipe gets one line for each of the text's own. Long words
// (web addresses) are never cut.
func (t *term) hang(label, s string) {
	indent := text.StringWidthWithoutEscSequences(label)
	pad := strings.Repeat(" ", indent)
	for i, line := range strings.Split(s, "\n") {
		if i > 0 {
			label = pad
		}
		folded := strings.Join(t.fold(line, indent), "\n"+pad)
		t.printf("%s\n", strings.TrimRight(label+folded, " "))
	}
}

func (t *term) fold(line string, indent int) (lines []string) {
	words := strings.Fields(line)
	if !t.tty { // one line, however long: whoever reads it by machine wants it whole
		return []string{strings.Join(words, " ")}
	}
	room, used, begin := max(20, t.width-indent), 0, 0
	for i, word := range words {
		w := text.StringWidthWithoutEscSequences(word)
		if i > begin && used+1+w > room {
			lines, used, begin = append(lines, strings.Join(words[begin:i], " ")), 0, i
		}
		if i > begin {
			used++
		}
		used += w
	}
	return append(lines, strings.Join(words[begin:], " "))
}

// columns writes rows in columns as wide as needed, two spaces apart; the first
// row is the head. A row's notes stand below it.
func (t *term) columns(rows []row) {
	var widths []int
	for _, r := range rows {
		for i, cell := range r.cells {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], text.StringWidthWithoutEscSequences(cell))
		}
	}
	for i, r := range rows {
		var b strings.Builder
		for j, cell := range r.cells {
			b.WriteString(text.Pad(cell, widths[j]+2, ' '))
		}
		line := strings.TrimRight(b.String(), " ")
		if i == 0 {
			line = t.paint(faint, line)
		}
		t.printf("%s\n", line)
		if r.note != "" {
			t.hang("    ", r.note)
		}
	}
}

type row struct {
	cells []string
	note  string
}

// choice is a flag that takes one of a few words.
type choice struct {
	value   *string
	allowed []string
}

func (c *choice) String() string {
	if c.value == nil {
		return ""
	}
	return *c.value
}

func (c *choice) Type() string { return "format" }

func (c *choice) Set(s string) error {
	if !slices.Contains(c.allowed, s) {
		return fmt.Errorf("%q is not one of %s", s, join(c.allowed))
	}
	*c.value = s
	return nil
}

func join(words []string) string { return strings.Join(words, ", ") }

func isTTY(f *os.File) bool { return xterm.IsTerminal(int(f.Fd())) }
