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
	"sync"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/schollz/progressbar/v3"
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

func (t *term) paint(c text.Colors, s string) string {
	if !t.colour() {
		return s
	}
	return c.Sprint(s)
}

var (
	red    = text.Colors{text.FgRed, text.Bold}
	yellow = text.Colors{text.FgYellow}
	green  = text.Colors{text.FgGreen}
	faint  = text.Colors{text.Faint}
	bold   = text.Colors{text.Bold}
)

func (t *term) printf(format string, args ...any) { fmt.Fprintf(t, format, args...) }
func (t *term) warn(format string, args ...any) {
	t.printf("%s %s\n", t.paint(yellow, "warning:"), fmt.Sprintf(format, args...))
}

// json writes a document, indented for people, ending in a newline.
func (t *term) json(doc any) error {
	enc := json.NewEncoder(t)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(doc)
}

// table is a borderless table that fits the terminal.
func (t *term) table(header ...any) table.Writer {
	w := table.NewWriter()
	w.SetOutputMirror(t)
	style := table.StyleLight
	style.Options = table.OptionsNoBordersAndSeparators
	style.Format.Header = text.FormatDefault
	style.Box.PaddingLeft = ""
	style.Box.PaddingRight = "  "
	if t.colour() {
		style.Color.Header = faint
	}
	w.SetStyle(style)
	w.SuppressTrailingSpaces()
	if len(header) > 0 {
		w.AppendHeader(table.Row(header))
	}
	return w
}

// wrap folds text to the terminal's width, the following lines indented.
func (t *term) wrap(indent, s string) string {
	folded := text.WrapSoft(s, max(20, t.width-len(indent)))
	lines := strings.Split(folded, "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return strings.Join(lines, "\n"+indent)
}

// progress shows a bar on a terminal once work has taken a second. Its methods
// may be called from several goroutines.
type progress struct {
	mu    sync.Mutex
	t     *term
	what  string
	since time.Time
	bar   *progressbar.ProgressBar
}

func (t *term) progress(what string) *progress {
	return &progress{t: t, what: what, since: time.Now()}
}

func (p *progress) update(done, total int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.t.tty || time.Since(p.since) < time.Second {
		return
	}
	if p.bar == nil {
		p.bar = progressbar.NewOptions(total, progressbar.OptionSetWriter(p.t), progressbar.OptionSetDescription(p.what),
			progressbar.OptionClearOnFinish(), progressbar.OptionShowCount(), progressbar.OptionSetWidth(30),
			progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionSetPredictTime(true))
	}
	_ = p.bar.Set(done) // a bar that cannot be drawn must not fail the work
}

func (p *progress) done() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bar != nil {
		_ = p.bar.Clear()
	}
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
