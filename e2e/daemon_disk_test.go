package e2e

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"repwatch/internal/realserver"
)

// TestDaemonOnAFullDisk: it says so past the outbox that it cannot write, keeps what
// it had, and goes on when there is room.
func TestDaemonOnAFullDisk(t *testing.T) {
	t.Parallel()
	realserver.RequireRoot(t, "a small file system is mounted")
	o := newOutside(t)
	d := newDaemon(t)
	if err := syscall.Mount("tmpfs", d.dir, "tmpfs", 0, "size=3m"); err != nil {
		t.Skipf("NOT RUN: no small file system can be mounted here: %v", err)
	}
	t.Cleanup(func() {
		if d.cmd != nil {
			d.kill()
		}
		if err := syscall.Unmount(d.dir, 0); err != nil {
			t.Error(err)
		}
	})
	d.write(o.yaml(o.usual(d.slack.URL()), d.dir))
	d.start()
	d.settled(4+2, len(listIDs))
	o.list("traps", otherIP, "127.0.0.2", "before the disk was full")
	d.only("an incident", func(i incidentDoc) bool { return deref(i.IP) == otherIP })
	d.wait("its message", func() bool { return len(d.slack.Roots()) == 1 })

	ballast := filepath.Join(d.dir, "ballast")
	fill(t, ballast)
	d.wait("the log says so", func() bool {
		return strings.Contains(d.said(), "the disk is full") && strings.Contains(d.said(), "make room")
	})
	d.wait("Slack says so", func() bool {
		return strings.Contains(d.channel(), "repwatch cannot write: the disk of its store is full")
	})
	o.list("xbl", listedIP, "127.0.0.4", "while the disk was full")
	if all := d.incidents(); len(all) != 1 {
		t.Errorf("with a full disk there are %d incidents", len(all))
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	d.wait("what happened meanwhile", func() bool {
		all := d.incidents()
		return len(all) == 2 && strings.Contains(d.channel(), listedIP+" is on xbl")
	})
	d.wait("the log says that it is over", func() bool { return strings.Contains(d.said(), "the store takes changes again") })
	d.toldOnce()
	d.stop()
	d.sound()
}

// fill takes all the room there is.
func fill(t *testing.T, file string) {
	t.Helper()
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for size := 64 << 10; size > 0; {
		if _, err := f.Write(make([]byte, size)); err != nil {
			size /= 2
		}
	}
}

// TestDaemonRefusesWhatIsNotItsStore: every file that cannot be used is refused in words, and left as it is.
func TestDaemonRefusesWhatIsNotItsStore(t *testing.T) {
	t.Parallel()
	realserver.Require(t, "unbound") // as long as they have to run at all
	dir := t.TempDir()
	file := filepath.Join(dir, "repwatch.db")
	whole := someStore(t)
	page := os.Getpagesize()
	torn := bytes.Clone(whole)
	for at := 2 * page; at < len(torn); at += page { // each page half old, half something else
		copy(torn[at:at+page/2], bytes.Repeat([]byte{0xa5}, page/2))
	}
	headless := bytes.Clone(whole)
	copy(headless, make([]byte, 2*page))
	for name, tt := range map[string]struct {
		content []byte
		says    string
	}{
		"truncated":        {whole[:3*page], "truncated"},
		"cut in its head":  {whole[:page/2], "truncated"},
		"torn":             {torn, "damaged"},
		"headless":         {headless, "damaged"},
		"a text":           {[]byte("dear diary\n"), "text file, no repwatch store"},
		"another database": {append([]byte("SQLite format 3\x00"), make([]byte, 8192)...), "SQLite"},
	} {
		if err := os.WriteFile(file, tt.content, 0o600); err != nil {
			t.Fatal(err)
		}
		for _, args := range [][]string{{"run"}, {"status"}} {
			out := refused(t, storeConfig(dir), args...)
			if out.code != 2 || !strings.Contains(out.stderr, tt.says) || !strings.Contains(out.stderr, "hint:") || !strings.Contains(out.stderr, file) || strings.Contains(out.stderr, "goroutine") {
				t.Errorf("%s, %s: exit %d\n%s", name, args, out.code, out.stderr)
			}
		}
		if now, err := os.ReadFile(file); err != nil || !bytes.Equal(now, tt.content) {
			t.Errorf("%s: the file was changed (%v)", name, err)
		}
	}

	if err := os.WriteFile(file, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	held, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	if err := syscall.Flock(int(held.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	out := refused(t, storeConfig(dir), "run")
	if out.code != 2 || !strings.Contains(out.stderr, "another process holds the file") || !strings.Contains(out.stderr, "hint:") {
		t.Errorf("locked: exit %d\n%s", out.code, out.stderr)
	}
	if now, err := os.ReadFile(file); err != nil || !bytes.Equal(now, whole) {
		t.Errorf("locked: the file was changed (%v)", err)
	}
}

// refused runs what has to end by itself, and stops it if it does not.
func refused(t *testing.T, config string, args ...string) output {
	t.Helper()
	bin, err := build()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "repwatch.yaml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, bin, append([]string{"-c", file}, args...)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	_ = cmd.Run() // how it ended is in its state
	return output{stderr: stderr.String(), code: cmd.ProcessState.ExitCode()}
}

// storeConfig watches next to nothing.
func storeConfig(dir string) string {
	return fmt.Sprintf("sending_ips: [{ip: %s, name: mx1.sender.test}]\nblocklists: {use: [none], add: [{id: none, zone: none.lists.test, resolver: \"127.0.0.1:1\"}]}\nstore: {path: %s/repwatch.db}\nsocket: %[2]s/socket\nweb: {listen: \"\"}\ndns: {resolvers: [\"127.0.0.1:1\"]}\n", listedIP, dir)
}

// someStore is what a daemon leaves behind.
func someStore(t *testing.T) []byte {
	t.Helper()
	d := newDaemon(t)
	d.write(storeConfig(d.dir))
	d.start()
	d.stop()
	whole, err := os.ReadFile(filepath.Join(d.dir, "repwatch.db"))
	if err != nil {
		t.Fatal(err)
	}
	return whole
}
