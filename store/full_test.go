package store

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// smallDisk is a directory with room for so much; only root may mount one.
func smallDisk(t *testing.T, size string) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		why := "NOT RUN: needs a small file system, which only root may mount: " + err.Error()
		if os.Getenv("CI") != "" {
			t.Fatal(why)
		}
		t.Skip(why)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// On a full disk writing stops and says so. What was acknowledged stays; once there
// is room, it goes on.
func TestFullDisk(t *testing.T) {
	dir := smallDisk(t, "3m")
	db := openAt(t, filepath.Join(dir, "repwatch.db"))
	w := newWorld(db, 3)
	w.steps(t, 20)
	ballast := filepath.Join(dir, "ballast")
	fill(t, ballast)

	var full error
	for range 2000 {
		if full = w.step(); full != nil {
			break
		}
	}
	if !errors.Is(full, ErrFull) || !strings.Contains(full.Error(), "the disk is full") || !strings.Contains(full.Error(), "hint: make room on "+dir) {
		t.Fatalf("it ended with %v", full)
	}
	for range 10 { // and again, with what is left over in memory
		if err := w.step(); err != nil && !errors.Is(err, ErrFull) {
			t.Fatal(err)
		}
	}
	if d := w.holds(); d != "" {
		t.Errorf("on the full disk: %s", d)
	}
	if err := db.Backup(filepath.Join(dir, "backup.db")); !errors.Is(err, ErrFull) {
		t.Errorf("a backup onto the full disk: %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "backup*")); len(left) > 0 {
		t.Errorf("it left %v behind", left)
	}

	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	w.steps(t, 20)
	if d := w.holds(); d != "" {
		t.Errorf("with room again: %s", d)
	}
}

// A new store on a full disk: none is there afterwards, or a good one.
func TestFullDiskFromTheStart(t *testing.T) {
	dir := smallDisk(t, "64k")
	fill(t, filepath.Join(dir, "ballast"))
	path := filepath.Join(dir, "repwatch.db")
	if _, err := Open(path, Options{}); !errors.Is(err, ErrFull) {
		t.Errorf("said %v", err)
	}
	if err := os.Remove(filepath.Join(dir, "ballast")); err != nil {
		t.Fatal(err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*")); len(left) > 0 {
		t.Errorf("it left %v behind", left)
	}
}

func fill(t *testing.T, file string) {
	t.Helper()
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, size := range []int{64 << 10, 4 << 10} {
		for err = nil; err == nil; {
			_, err = f.Write(make([]byte, size))
		}
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
}
