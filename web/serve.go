package web

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// Listen opens the unix socket for the user and the group that repwatch runs as
// (mode 0660). A socket left behind by a daemon that died is replaced; one that
// somebody answers at, and a file that is no socket, are not.
func Listen(path string) (*net.UnixListener, error) {
	if err := vacate(path); err != nil {
		return nil, err
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, listenError(path, err)
	}
	if err := os.Chmod(path, 0o660); err != nil {
		return nil, errors.Join(listenError(path, err), l.Close())
	}
	return l, nil
}

func vacate(path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return listenError(path, err)
	case info.Mode()&fs.ModeSocket == 0:
		return fmt.Errorf("socket %s: there is a file of that name that is no socket\n  hint: give socket another path", path)
	}
	c, err := net.DialTimeout("unix", path, dialTimeout)
	if err == nil {
		c.Close()
		return fmt.Errorf("socket %s: another daemon answers there\n  hint: stop it first, or give this one another socket and store.path", path)
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return listenError(path, err)
	}
	return os.Remove(path)
}

func listenError(path string, err error) error {
	dir := filepath.Dir(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("socket %s: the directory %s does not exist\n  hint: create it for the user that repwatch runs as (systemd: RuntimeDirectory=repwatch), or change socket", path, dir)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("socket %s: no permission\n  hint: give %s to the user that repwatch runs as, or change socket", path, dir)
	case errors.Is(err, syscall.EINVAL) && len(path) > 107: // unix(7): sun_path holds 108 bytes
		return fmt.Errorf("socket %s: the path is longer than the 107 bytes that a socket's may have\n  hint: choose a shorter one", path)
	}
	return fmt.Errorf("socket %s: %w", path, err)
}

// drain is how long requests under way may finish once ctx ended.
const drain = 5 * time.Second

// Serve answers at a listener until ctx ends; requests under way may finish. It
// closes the listener, and with it removes the socket's file.
func Serve(ctx context.Context, l net.Listener, h http.Handler, log *slog.Logger) error {
	s := &http.Server{
		Handler: h, ConnContext: withPeer, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn),
		ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second, IdleTimeout: 2 * time.Minute,
		WriteTimeout:   time.Minute, // of what sets no deadline of its own (hurry)
		MaxHeaderBytes: 64 << 10,
		BaseContext:    func(net.Listener) context.Context { return withStopping(ctx) },
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	late, cancel := context.WithTimeout(context.WithoutCancel(ctx), drain)
	defer cancel()
	err := s.Shutdown(late)
	if err != nil {
		err = errors.Join(err, s.Close())
	}
	<-done
	return err
}
