package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"repwatch/internal/lab"
)

// TestInterrupt sends SIGINT while a list keeps us waiting: the program ends at
// once, with the shells' code for it, one line and no result.
func TestInterrupt(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		t.Run(sig.String(), func(t *testing.T) {
			t.Parallel()
			d := lab.TestDNS(t, lab.DNSOptions{})
			d.Zone("dead.test").Set(lab.DNSBehaviour{DropAll: true})
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			cmd := command(ctx, t, silent(t, d), "check", "203.0.113.7")
			var out, errs bytes.Buffer
			cmd.Stdout, cmd.Stderr = &out, &errs
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			for len(d.Log()) == 0 && ctx.Err() == nil {
				asked(ctx)
			}
			if err := cmd.Process.Signal(sig); err != nil {
				t.Fatal(err)
			}
			err := cmd.Wait()
			var exit *exec.ExitError
			if !errors.As(err, &exit) || exit.ExitCode() != 130 {
				t.Errorf("ended with %v, want exit code 130", err)
			}
			if out.Len() > 0 || errs.String() != "repwatch: interrupted\n" {
				t.Errorf("stdout %q, stderr %q", out.String(), errs.String())
			}
		})
	}
}

// asked waits a moment for the first question.
func asked(ctx context.Context) {
	tick := time.NewTimer(5 * time.Millisecond)
	defer tick.Stop()
	select {
	case <-ctx.Done():
	case <-tick.C:
	}
}

// silent is a configuration with one list that never answers, and much patience.
func silent(t *testing.T, d *lab.DNS) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "repwatch.yaml")
	text := fmt.Sprintf("dns: {resolvers: [%q], timeout: 30s}\nblocklists: {use: [dead], add: [{id: dead, zone: dead.test}]}\n", d.Addr())
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// command runs this test binary as repwatch; see TestMain.
func command(ctx context.Context, t *testing.T, config string, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(ctx, self)
	cmd.Args = append([]string{"repwatch", "-c", config}, args...)
	return cmd
}

// broken cannot be written to.
type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("the disk is full") }

// TestLostOutputIsNoSuccess: in any format, and for help too.
func TestLostOutputIsNoSuccess(t *testing.T) {
	for _, args := range [][]string{{"version"}, {"version", "-o", "json"}, {"--help"}, {"lists"}, {"config", "schema"}, {"explain", "550 5.1.1 no"}, {"explain", "hello"}} {
		var errs bytes.Buffer
		if code := run(t.Context(), args, strings.NewReader(""), broken{}, &errs); code != 2 || errs.String() != "repwatch: cannot write the output: the disk is full\n" {
			t.Errorf("%v: exit %d, %q", args, code, errs.String())
		}
	}
}

// TestHelpFits: no line of help, usage or examples is wider than 80 columns.
func TestHelpFits(t *testing.T) {
	for _, args := range [][]string{{}, {"check"}, {"probe"}, {"explain"}, {"lists"}, {"lists", "test"}, {"config"}, {"config", "check"}, {"config", "schema"}, {"demo"}, {"replay"}, {"version"}} {
		var out, errs bytes.Buffer
		if code := run(t.Context(), append(args, "--help"), strings.NewReader(""), &out, &errs); code != 0 || errs.Len() > 0 {
			t.Fatalf("%v: exit %d, %s", args, code, errs.String())
		}
		for line := range strings.Lines(out.String()) {
			if n := len([]rune(strings.TrimSuffix(line, "\n"))); n > 80 {
				t.Errorf("%v --help: %d columns: %s", args, n, line)
			}
		}
	}
}

func TestFoldKeepsWordsAndWidth(t *testing.T) {
	text := "a list said so, and here is the page to read: https://lists.example/a/very/long/address/that/is/never/cut\nsecond  line"
	for _, tt := range []struct {
		tty  bool
		want string
	}{
		{false, "  next: a list said so, and here is the page to read: https://lists.example/a/very/long/address/that/is/never/cut\n        second line\n"},
		{true, "  next: a list said so, and here is\n        the page to read:\n        https://lists.example/a/very/long/address/that/is/never/cut\n        second line\n"},
	} {
		var out bytes.Buffer
		term := &term{Writer: &out, tty: tt.tty, width: 41}
		term.hang("  next: ", text)
		if out.String() != tt.want {
			t.Errorf("tty %t:\n%s\nwant\n%s", tt.tty, out.String(), tt.want)
		}
	}
}

// TestFoldIgnoresColour: escape sequences take no room.
func TestFoldIgnoresColour(t *testing.T) {
	var out bytes.Buffer
	term := &term{Writer: &out, tty: true, width: 32}
	term.hang(bold.Sprint("label")+" ", red.Sprint("four words of text")+" more")
	for line := range strings.Lines(out.String()) {
		if len(line) > 60 {
			t.Errorf("%q", line)
		}
	}
	if lines := strings.Count(out.String(), "\n"); lines != 1 {
		t.Errorf("%d lines: %q", lines, out.String())
	}
}

// TestProgressStaysAwayFromPipes, and leaves nothing behind on a terminal.
func TestProgress(t *testing.T) {
	var pipe bytes.Buffer
	p := (&term{Writer: &pipe}).progress("asking lists", 3)
	p.update(1, 3)
	p.finish()
	p.finish()
	if pipe.Len() > 0 {
		t.Errorf("a pipe is told %q", pipe.String())
	}
}
