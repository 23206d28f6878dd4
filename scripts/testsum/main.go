// Testsum reads `go test -json` and prints what `go test` would, followed by the
// tests that did not run and why: go test itself hides them, and a suite that
// quietly tests less looks like one that passes. When it has added that list it
// repeats go test's own lines, so that they always come last.
//
// Exit: 1 when a test, a package or the build failed.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

// event is one line of test2json's output.
type event struct {
	Action  string
	Package string
	Test    string
	Output  string
}

type key struct{ pkg, test string }

// summary collects the output of tests until their end is known.
type summary struct {
	out     io.Writer
	said    map[key][]string
	results []string // go test's own lines, one per package
	notRun  []string
	failed  bool
}

func main() {
	failed, err := summarize(os.Stdin, os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "testsum:", err)
		os.Exit(1)
	}
	if failed {
		os.Exit(1)
	}
}

func summarize(in io.Reader, out io.Writer) (failed bool, err error) {
	s := &summary{out: out, said: map[key][]string{}}
	lines := bufio.NewReader(in)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			s.line(line)
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return true, err
		}
	}
	s.finish()
	return s.failed, nil
}

func (s *summary) line(raw []byte) {
	var e event
	if json.Unmarshal(raw, &e) != nil {
		fmt.Fprint(s.out, string(raw)) // go itself, before it speaks JSON
		return
	}
	k := key{e.Package, e.Test}
	switch e.Action {
	case "output":
		s.output(k, e.Output)
	case "build-output":
		fmt.Fprint(s.out, e.Output)
	case "pass":
		delete(s.said, k)
	case "skip":
		if e.Test != "" {
			s.notRun = append(s.notRun, fmt.Sprintf("%s.%s: %s", e.Package, e.Test, why(s.said[k])))
		}
		delete(s.said, k)
	case "fail":
		s.failed = true
		fmt.Fprint(s.out, strings.Join(s.said[k], ""))
		delete(s.said, k)
	}
}

func (s *summary) output(k key, text string) {
	switch {
	case k.test == "" && isResult(text):
		s.results = append(s.results, text)
		fmt.Fprint(s.out, text)
	case strings.HasPrefix(text, "=== ") || text == "PASS\n":
	default:
		s.said[k] = append(s.said[k], text)
	}
}

// isResult knows the lines by which go test tells how a package went.
func isResult(text string) bool {
	return slices.ContainsFunc([]string{"ok  \t", "FAIL\t", "?   \t", "---\t", "\t"}, func(p string) bool {
		return strings.HasPrefix(text, p)
	})
}

// why is what a test said when it skipped itself, without file and line.
func why(said []string) string {
	text := strings.TrimSpace(strings.Join(slices.DeleteFunc(slices.Clone(said), func(l string) bool {
		return strings.HasPrefix(strings.TrimSpace(l), "--- SKIP")
	}), ""))
	if _, after, ok := strings.Cut(text, ".go:"); ok {
		if _, reason, ok := strings.Cut(after, ": "); ok {
			return reason
		}
	}
	return text
}

func (s *summary) finish() {
	for k, said := range s.said { // never ended: the test binary died
		if k.test != "" {
			s.failed = true
			fmt.Fprint(s.out, strings.Join(said, ""))
		}
	}
	if len(s.notRun) == 0 {
		return
	}
	slices.Sort(s.notRun)
	bar := strings.Repeat("=", 72)
	fmt.Fprintf(s.out, "%s\n%d TESTS DID NOT RUN:\n  %s\n%s\n", bar, len(s.notRun), strings.Join(s.notRun, "\n  "), bar)
	fmt.Fprint(s.out, strings.Join(s.results, ""))
	if s.failed {
		fmt.Fprintln(s.out, "FAIL")
	}
}
