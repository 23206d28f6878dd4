package store

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// helperPath makes this test binary open a store as somebody without rights, and say what came of it.
const helperPath = "REPWATCH_STORE_TEST_OPEN"

func TestMain(m *testing.M) {
	if path := os.Getenv(helperPath); path != "" {
		db, err := Open(path, Options{})
		if err == nil {
			err = db.Close()
		}
		switch {
		case errors.Is(err, ErrDenied):
			os.Stdout.WriteString("denied: " + err.Error())
		case err != nil:
			os.Stdout.WriteString("other: " + err.Error())
		default:
			os.Stdout.WriteString("opened")
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// asNobody opens a store in a process that may write nowhere but where everybody may.
func asNobody(t *testing.T, path string) string {
	t.Helper()
	exe := filepath.Join(publicDir(t), "store.test")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(exe, readFile(t, self), 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env, cmd.Dir = []string{helperPath + "=" + path}, "/"
	if os.Getuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	}
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// publicDir is a directory that everybody may enter.
func publicDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "store-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestNoPermission(t *testing.T) {
	dir := publicDir(t)
	if err := os.Chmod(dir, 0o555); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "repwatch.db")
	if got := asNobody(t, path); !strings.HasPrefix(got, "denied: "+path+": no permission\n  hint: run as the user that owns it, or give "+dir) {
		t.Errorf("in a directory that cannot be written to: %s", got)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	db, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o400); err != nil {
		t.Fatal(err)
	}
	if got := asNobody(t, path); os.Getuid() == 0 && !strings.HasPrefix(got, "denied: ") {
		t.Errorf("somebody else's file: %s", got)
	}
}

func TestReadOnlyFileSystem(t *testing.T) {
	dir := smallDisk(t, "4m")
	path := filepath.Join(dir, "repwatch.db")
	db, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("", dir, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{path, filepath.Join(dir, "new.db")} {
		if _, err := Open(p, Options{}); !errors.Is(err, ErrDenied) || !strings.Contains(err.Error(), "the file system is read-only\n  hint: ") {
			t.Errorf("%s: %v", p, err)
		}
	}
	db, err = Open(path, Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
}
