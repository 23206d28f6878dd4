package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// TestInterrupt sends SIGINT while a list keeps us waiting: the program ends at
// once, with the shells' code for it, one line and no result.
func TestInterrupt(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		t.Run(sig.String(), func(t *testing.T) {
			t.Parallel()
			resolver, err := net.ListenPacket("udp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer resolver.Close()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			cmd := command(ctx, t, silent(t, resolver.LocalAddr()), "check", "203.0.113.7")
			var out, errs bytes.Buffer
			cmd.Stdout, cmd.Stderr = &out, &errs
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			if _, _, err := resolver.ReadFrom(make([]byte, 512)); err != nil { // the first question; nobody answers
				t.Fatal(err)
			}
			if err := cmd.Process.Signal(sig); err != nil {
				t.Fatal(err)
			}
			err = cmd.Wait()
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

// TestInterruptWhileReading: nobody types anything.
func TestInterruptWhileReading(t *testing.T) {
	for _, args := range [][]string{{"explain", "-"}, {"replay", "-"}} {
		ctx, cancel := context.WithCancel(t.Context())
		in, keyboard := io.Pipe()
		var out, errs bytes.Buffer
		go func() {
			_, _ = keyboard.Write([]byte("550 ")) // read by now: the program waits for more
			cancel()
		}()
		if code := run(ctx, args, in, &out, &errs); code != 130 || out.Len() > 0 || errs.String() != "repwatch: interrupted\n" {
			t.Errorf("%v: exit %d, stdout %q, stderr %q", args, code, out.String(), errs.String())
		}
		keyboard.Close()
	}
}

// TestZonesAreBuiltIn: schedule.timezone must work on a host without zone files.
func TestZonesAreBuiltIn(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(strings.Fields(string(out)), "time/tzdata") {
		t.Error("time/tzdata is not linked")
	}
}

// silent is a configuration with one list that never answers, and much patience.
func silent(t *testing.T, resolver net.Addr) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "repwatch.yaml")
	text := fmt.Sprintf("dns: {resolvers: [%q], timeout: 30s}\nblocklists: {use: [dead], add: [{id: dead, zone: dead.test}]}\n", resolver.String())
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
	cmd.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0")
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
		term := &term{Writer: &out, tty: tt.tty, width: 38}
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
	term.hang("\x1b[1mlabel\x1b[0m ", "\x1b[31;1mfour words of text\x1b[0m more")
	for line := range strings.Lines(out.String()) {
		if len(line) > 60 {
			t.Errorf("%q", line)
		}
	}
	if lines := strings.Count(out.String(), "\n"); lines != 1 {
		t.Errorf("%d lines: %q", lines, out.String())
	}
}

// TestProgress: a terminal gets a bar after a second, gone when the work is done; a pipe gets nothing.
func TestProgress(t *testing.T) {
	for _, tt := range []struct {
		tty  bool
		work time.Duration
		says string
	}{
		{true, 900 * time.Millisecond, ""},
		{true, 2500 * time.Millisecond, "asking lists, 2 s"},
		{false, time.Hour, ""},
	} {
		synctest.Test(t, func(t *testing.T) {
			var out bytes.Buffer
			p := (&term{Writer: &out, tty: tt.tty, width: 80}).progress("asking lists", 3)
			time.Sleep(tt.work)
			p.update(2, 3)
			time.Sleep(time.Millisecond)
			p.finish()
			p.finish()
			switch text := out.String(); {
			case tt.says == "" && text != "":
				t.Errorf("tty %t, %s: says %q", tt.tty, tt.work, text)
			case !strings.Contains(text, tt.says):
				t.Errorf("tty %t, %s: says %q, want %q", tt.tty, tt.work, text, tt.says)
			case tt.says != "" && (!strings.HasSuffix(text, "\x1b[2K\r") || strings.Contains(text, "\n")):
				t.Errorf("the bar is left behind: %q", text)
			}
		})
	}
}
