package main

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestGeneratedDocsAreCurrent compares what is committed with what the program
// writes now: `make docs` brings them together.
func TestGeneratedDocsAreCurrent(t *testing.T) {
	fresh := t.TempDir()
	var errs bytes.Buffer
	code := run(t.Context(), []string{"generate", "--man", filepath.Join(fresh, "man"), "--completion", filepath.Join(fresh, "completion"),
		"--reference", filepath.Join(fresh, "configuration.md")}, strings.NewReader(""), &bytes.Buffer{}, &errs)
	if code != 0 {
		t.Fatalf("exit %d: %s", code, errs.String())
	}
	for _, part := range []string{"man", "completion", "configuration.md"} {
		now, committed := tree(t, filepath.Join(fresh, part)), tree(t, filepath.Join("../../docs", part))
		for name, text := range now {
			if committed[name] != text {
				t.Errorf("docs/%s is stale: run make docs", filepath.Join(part, name))
			}
		}
		for name := range committed {
			if _, ok := now[name]; !ok {
				t.Errorf("docs/%s belongs to nothing: run make docs", filepath.Join(part, name))
			}
		}
	}
}

func tree(t *testing.T, root string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		files[strings.TrimPrefix(path, root)] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// TestManPages: each command has one, its options are all there, and nothing in it is taken for a macro by mistake.
func TestManPages(t *testing.T) {
	a := &app{out: newTerm(&bytes.Buffer{}), err: newTerm(&bytes.Buffer{}), stdin: strings.NewReader("")}
	root := a.root()
	root.InitDefaultCompletionCmd()
	names := map[string]bool{}
	for _, c := range pages(root) {
		page := manPage(c)
		names[pageName(c)] = true
		for _, section := range []string{".TH REPWATCH", ".SH NAME", ".SH SYNOPSIS", ".SH DESCRIPTION", ".SH OPTIONS", ".SH SEE ALSO"} {
			if !strings.Contains(page, section) {
				t.Errorf("%s lacks %s", pageName(c), section)
			}
		}
		for line := range strings.Lines(page) {
			if strings.HasPrefix(line, "'") || strings.ContainsRune(line, '\t') || strings.TrimSpace(line) == "" {
				t.Errorf("%s: roff misreads %q", pageName(c), line)
			}
		}
		if strings.HasPrefix(pageName(c), "repwatch-check") && !strings.Contains(page, `\fB\-l\fP, \fB\-\-list\fP \fIID,...\fP`) {
			t.Errorf("%s does not tell of --list:\n%s", pageName(c), page)
		}
	}
	for _, want := range []string{"repwatch", "repwatch-check", "repwatch-probe", "repwatch-lists-test", "repwatch-config-check"} {
		if !names[want] {
			t.Errorf("no page %s.1", want)
		}
	}
	page := manPage(root)
	for _, says := range []string{".SH EXIT STATUS", ".SH FILES", "/etc/repwatch/repwatch.yaml", ".SH ENVIRONMENT", "NO_COLOR", "CREDENTIALS_DIRECTORY", `.BR repwatch\-check (1),`} {
		if !strings.Contains(page, says) {
			t.Errorf("repwatch.1 lacks %s", says)
		}
	}
}

func TestRoffEscapes(t *testing.T) {
	for in, want := range map[string]string{
		`a\nb`: `a\enb`, "--all": `\-\-all`, ".conf": `\&.conf`, "'quoted'": `\&'quoted'`, "plain text": "plain text",
	} {
		if got := roff(in); got != want {
			t.Errorf("%q becomes %q, want %q", in, got, want)
		}
	}
}
