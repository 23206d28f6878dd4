package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	bolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

// What can be wrong with a store, for errors.Is.
var (
	ErrLocked  = errors.New("another process holds the file")
	ErrMissing = errors.New("there is no such file")
	ErrForeign = errors.New("this is no repwatch store")
	ErrDamaged = errors.New("the file is damaged")
	ErrOlder   = errors.New("the file is of an older format")
	ErrNewer   = errors.New("the file was written by a newer repwatch")
	ErrDenied  = errors.New("the file may not be used")
	ErrFull    = errors.New("the disk is full")
)

// Error is trouble with the file. Its text is for the person who has to act.
type Error struct {
	Kind error  // one of those above
	Path string // of the file
	What string // what was found
	Hint string // what to do
	Err  error  // the cause, may be nil
}

func (e *Error) Error() string {
	s := e.What
	if e.Path != "" {
		s = e.Path + ": " + s
	}
	if e.Hint != "" {
		s += "\n  hint: " + e.Hint
	}
	return s
}

func (e *Error) Unwrap() []error { return []error{e.Kind, e.Err} }

const hintDamaged = "nothing was changed; restore a backup (repwatch db backup makes them), or move the file away to begin anew"

// damage is an error about the file's content.
func damage(format string, a ...any) error {
	err := fmt.Errorf(format, a...)
	return &Error{Kind: ErrDamaged, What: err.Error(), Hint: hintDamaged, Err: err}
}

// brokenFlag is set when a fault left the mapped file in doubt.
type brokenFlag struct{ err atomic.Pointer[Error] }

// guard makes errors of panics and faults that a damaged file causes in bbolt.
// A panic of the caller's own goes on.
func (db *DB) guard(err *error) func() {
	old := debug.SetPanicOnFault(true)
	return func() {
		debug.SetPanicOnFault(old)
		if p := recover(); p != nil {
			e := faultError(db.path, p)
			db.broken.err.CompareAndSwap(nil, e)
			*err = e
		}
	}
}

// faultError says what a panic means for the file; a panic that has nothing to do with it goes on.
func faultError(path string, p any) *Error {
	_, fault := p.(interface{ Addr() uintptr }) // SetPanicOnFault: the mapped file is shorter than it was, or its disk fails
	if !fault && !panicInBolt() {
		panic(p)
	}
	return &Error{Kind: ErrDamaged, Path: path, Hint: hintDamaged,
		What: fmt.Sprintf("the file is damaged: %v", p), Err: fmt.Errorf("%v", p)}
}

// panicInBolt reports whether the panic now being recovered was raised by bbolt.
func panicInBolt() bool {
	pcs := make([]uintptr, 64)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs)])
	panicking := false
	for {
		f, more := frames.Next()
		switch {
		case strings.HasPrefix(f.Function, "runtime."):
			panicking = panicking || strings.Contains(f.Function, "anic")
		case panicking:
			return strings.HasPrefix(f.Function, "go.etcd.io/bbolt")
		}
		if !more {
			return false
		}
	}
}

// explain says in our words what went wrong with the file; other errors pass.
func (db *DB) explain(err error) error {
	var e *Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &e):
		if e.Path == "" {
			e.Path = db.path
		}
		return err
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT), errors.Is(err, syscall.EFBIG):
		return &Error{Kind: ErrFull, Path: db.path, Err: err,
			What: fmt.Sprintf("the disk is full: the change was not written (%v)", err),
			Hint: "make room on " + filepath.Dir(db.path) + "; nothing that was written before is lost"}
	case errors.Is(err, berrors.ErrDatabaseReadOnly):
		return &Error{Kind: ErrDenied, Path: db.path, What: "the file was opened for reading only", Err: err}
	}
	return err
}

// openError explains why the file could not be opened.
func openError(path string, err error) error {
	e := &Error{Path: path, Err: err}
	dir := filepath.Dir(path)
	switch {
	case errors.Is(err, berrors.ErrTimeout), errors.Is(err, syscall.EWOULDBLOCK):
		e.Kind, e.What = ErrLocked, "another process holds the file"
		e.Hint = "the daemon holds it while it runs: ask the daemon (repwatch status), or stop it first"
	case errors.Is(err, fs.ErrNotExist):
		if _, statErr := os.Stat(dir); errors.Is(statErr, fs.ErrNotExist) {
			e.Kind, e.What = ErrMissing, "the directory "+dir+" does not exist"
			e.Hint = "create it for the user that repwatch runs as, or change store.path"
			break
		}
		e.Kind, e.What = ErrMissing, "there is no such file yet"
		e.Hint = "the daemon creates it (repwatch run); or is store.path another one?"
	case errors.Is(err, syscall.EROFS):
		e.Kind, e.What, e.Hint = ErrDenied, "the file system is read-only", "put store.path on a file system that can be written to"
	case errors.Is(err, fs.ErrPermission):
		e.Kind, e.What = ErrDenied, "no permission"
		e.Hint = fmt.Sprintf("run as the user that owns it, or give %s and the file to user %d", dir, os.Geteuid())
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		e.Kind, e.What, e.Hint = ErrFull, "the disk is full", "make room on "+dir
	case errors.Is(err, syscall.EISDIR):
		e.Kind, e.What, e.Hint = ErrForeign, "this is a directory", "store.path names a file"
	case errors.Is(err, berrors.ErrInvalid), errors.Is(err, berrors.ErrChecksum), errors.Is(err, berrors.ErrVersionMismatch):
		e.Kind, e.What, e.Hint = ErrDamaged, "the file is damaged: "+err.Error(), hintDamaged
	default:
		return fmt.Errorf("%s: %w", path, err)
	}
	return e
}

// closeFile closes a file whose locks may be held for good by a transaction that
// died of a fault: it is waited for, but not longer than a process can afford.
func (db *DB) closeFile() error {
	if db.broken.err.Load() == nil {
		return db.bolt.Close()
	}
	done := make(chan error, 1)
	go func(b *bolt.DB) {
		defer func() {
			if p := recover(); p != nil {
				done <- fmt.Errorf("closing a damaged file: %v", p)
			}
		}()
		done <- b.Close()
	}(db.bolt)
	select {
	case err := <-done:
		return err
	case <-time.After(time.Second):
		return nil
	}
}
