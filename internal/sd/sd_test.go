package sd

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// manager is systemd's end: a datagram socket named by NOTIFY_SOCKET.
func manager(t *testing.T) func() string {
	t.Helper()
	dir, err := os.MkdirTemp("", "sd") // t.TempDir may be too long for a socket's name (108 bytes)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	path := filepath.Join(dir, "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	t.Setenv("NOTIFY_SOCKET", path)
	return func() string {
		t.Helper()
		if err := conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 4096)
		n, err := conn.Read(buf)
		if err != nil {
			t.Fatalf("systemd hears nothing: %v", err)
		}
		return string(buf[:n])
	}
}

func TestWhatSystemdHears(t *testing.T) {
	heard := manager(t)
	for _, tt := range []struct {
		name string
		say  func() error
		want string
	}{
		{"ready", Ready, `^READY=1$`},
		{"stopping", Stopping, `^STOPPING=1$`},
		{"reloading", Reloading, `^RELOADING=1\nMONOTONIC_USEC=[1-9][0-9]*$`},
		{"status", func() error { return Status("96 of 100 lists answered") }, `^STATUS=96 of 100 lists answered$`},
		{"a status cannot say READY", func() error { return Status("bad\nREADY=1\n") }, `^STATUS=bad READY=1$`},
	} {
		if err := tt.say(); err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		if got := heard(); !regexp.MustCompile(tt.want).MatchString(got) {
			t.Errorf("%s: systemd hears %q, want %s", tt.name, got, tt.want)
		}
	}
}

// TestNobodyAsked: without NOTIFY_SOCKET nothing happens; with one that is gone the error says what was not told.
func TestNobodyAsked(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	all := []func() error{Ready, Stopping, Reloading, func() error { return Status("x") }}
	for i, say := range all {
		if err := say(); err != nil {
			t.Errorf("call %d without systemd: %v", i, err)
		}
	}
	t.Setenv("NOTIFY_SOCKET", filepath.Join(t.TempDir(), "gone"))
	for i, say := range all {
		if err := say(); err == nil || !strings.HasPrefix(err.Error(), "cannot tell systemd ") || strings.Contains(err.Error(), "\n") {
			t.Errorf("call %d to a socket that is gone: %v", i, err)
		}
	}
}

func TestWatchdogInterval(t *testing.T) {
	self := strconv.Itoa(os.Getpid())
	for _, tt := range []struct {
		usec, pid string
		want      time.Duration
		faulty    bool
	}{
		{"", "", 0, false},
		{"60000000", "", time.Minute, false},
		{"60000000", self, time.Minute, false},
		{"60000000", "1", 0, false}, // meant for another process
		{"soon", self, 0, true},
	} {
		for name, value := range map[string]string{"WATCHDOG_USEC": tt.usec, "WATCHDOG_PID": tt.pid} {
			t.Setenv(name, value)
			if value == "" {
				os.Unsetenv(name)
			}
		}
		got, err := WatchdogInterval()
		if got != tt.want || (err != nil) != tt.faulty {
			t.Errorf("WATCHDOG_USEC=%s WATCHDOG_PID=%s: %s, %v; want %s", tt.usec, tt.pid, got, err, tt.want)
		}
	}
}

// TestWatchdogStopsWithLife: signs come while alive says so, none while it does not.
func TestWatchdogStopsWithLife(t *testing.T) {
	heard := manager(t)
	ctx, cancel := context.WithCancel(t.Context())
	var asked atomic.Int64
	over := make(chan struct{})
	go func() {
		defer close(over)
		Watchdog(ctx, 2*time.Millisecond, func() bool { return asked.Add(1) > 5 }, func(err error) { t.Error(err) })
	}()
	if got := heard(); got != "WATCHDOG=1" {
		t.Errorf("systemd hears %q", got)
	}
	if n := asked.Load(); n < 6 {
		t.Errorf("a sign of life although alive said no: asked %d times", n)
	}
	cancel()
	<-over
}

// TestNoWatchdogNoLoop: it returns at once, and alive is not asked.
func TestNoWatchdogNoLoop(t *testing.T) {
	Watchdog(t.Context(), 0, func() bool { t.Error("asked"); return true }, func(error) {})
}

// TestWatchdogTellsOfFailure: systemd's socket is gone.
func TestWatchdogTellsOfFailure(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", filepath.Join(t.TempDir(), "gone"))
	ctx, cancel := context.WithCancel(t.Context())
	var failure error
	Watchdog(ctx, time.Hour, func() bool { return true }, func(err error) { failure = err; cancel() })
	if failure == nil {
		t.Error("nobody is told")
	}
}
