package web

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestSocketIsForOwnerAndGroup(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sock")
	l, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if mode := info.Mode().Perm(); mode != 0o660 {
		t.Errorf("mode %o, want 660", mode)
	}
}

// TestSocketOfADeadDaemonIsReplaced: it left its file behind; nobody answers there.
func TestSocketOfADeadDaemonIsReplaced(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sock")
	dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	dead.SetUnlinkOnClose(false)
	dead.Close()
	l, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket stays behind: %v", err)
	}
}

func TestSocketThatIsTaken(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "sock")
	living, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	defer living.Close()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, says := range map[string]string{
		path:                               "another daemon answers there\n  hint: ",
		file:                               "a file of that name that is no socket\n  hint: ",
		filepath.Join(dir, "none", "sock"): "does not exist\n  hint: ",
		filepath.Join(dir, strings.Repeat("x", 120)): "longer than the 107 bytes",
	} {
		if _, err := Listen(path); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, want %q", path, err, says)
		}
	}
	if text, err := os.ReadFile(file); err != nil || string(text) != "precious" {
		t.Errorf("the file is %q, %v", text, err)
	}
	if c, err := net.Dial("unix", path); err != nil {
		t.Errorf("the living daemon's socket is gone: %v", err)
	} else {
		c.Close()
	}
}

func TestNobodyAnswers(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "sock")
	if _, err := Dial(path); !errors.Is(err, ErrNoDaemon) {
		t.Errorf("no socket: %v", err)
	}
	dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	dead.SetUnlinkOnClose(false)
	dead.Close()
	if _, err := Dial(path); !errors.Is(err, ErrNoDaemon) {
		t.Errorf("a dead daemon's socket: %v", err)
	}
}

// TestRequestsUnderWayMayFinish when the daemon stops.
func TestRequestsUnderWayMayFinish(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sock")
	l, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	served := make(chan error, 1)
	h := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		stop()
		for { // until nobody new is let in
			c, err := net.Dial("unix", path)
			if err != nil {
				break
			}
			c.Close()
		}
		send(w, http.StatusOK, []byte(`{"schema": "repwatch/status/v1"}`))
	})
	go func() { served <- Serve(ctx, l, h, slog.New(slog.DiscardHandler)) }()
	c := &Client{path: path, http: &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", path)
	}}}}
	defer c.Close()
	doc, err := c.Status(t.Context())
	if err != nil || doc.Schema != "repwatch/status/v1" {
		t.Errorf("cut off: %+v, %v", doc, err)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
}
