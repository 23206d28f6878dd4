package realserver

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// recorder is a test that only notes how it would have ended.
type recorder struct {
	testing.TB
	skipped, failed string
}

func (r *recorder) Helper()           {}
func (r *recorder) Skip(args ...any)  { r.skipped = fmt.Sprint(args...); runtime.Goexit() }
func (r *recorder) Fatal(args ...any) { r.failed = fmt.Sprint(args...); runtime.Goexit() }

func record(f func(testing.TB)) *recorder {
	r := &recorder{}
	done := make(chan struct{})
	go func() { defer close(done); f(r) }()
	<-done
	return r
}

func TestRequireSaysWhatIsMissing(t *testing.T) {
	empty := t.TempDir()
	t.Setenv("REPWATCH_TEST_ROOT", empty)
	t.Setenv("PATH", empty)
	ask := func(r testing.TB) { Require(r, "no-such-server", "nor-this") }
	const want = "NOT RUN: needs real no-such-server, nor-this; run scripts/test-deps"

	t.Setenv("CI", "")
	if got := record(ask); got.skipped != want || got.failed != "" {
		t.Errorf("locally: %+v, want a skip", got)
	}
	for _, ci := range []string{"true", "1", "woodpecker"} {
		t.Setenv("CI", ci)
		if got := record(ask); got.failed != want || got.skipped != "" {
			t.Errorf("CI=%s: %+v, want a failure", ci, got)
		}
	}
	for _, ci := range []string{"false", "0", "FALSE"} {
		t.Setenv("CI", ci)
		if got := record(ask); got.failed != "" {
			t.Errorf("CI=%s: %+v, want a skip", ci, got)
		}
	}
}

func TestRequireFindsToolsBelowTheRootAndOnThePath(t *testing.T) {
	root, path := t.TempDir(), t.TempDir()
	t.Setenv("REPWATCH_TEST_ROOT", root)
	t.Setenv("PATH", path)
	put := func(name string, mode os.FileMode) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, nil, mode); err != nil {
			t.Fatal(err)
		}
	}
	put(filepath.Join(path, "one-server"), 0o755)
	put(filepath.Join(path, "two-server"), 0o644) // no program
	if got, want := find("one-server"), filepath.Join(path, "one-server"); got != want {
		t.Errorf("on the PATH: %q, want %q", got, want)
	}
	if got := find("two-server"); got != "" {
		t.Errorf("found %q, which is not executable", got)
	}
	ours := filepath.Join(root, "usr/sbin/one-server")
	put(ours, 0o755)
	if got := find("one-server"); got != ours {
		t.Errorf("below the root: %q, want %q", got, ours)
	}
	lib := filepath.Join(root, "usr/lib/x86_64-linux-gnu")
	put(filepath.Join(lib, "libnss_wrapper.so"), 0o644)
	if got := find("nss_wrapper"); !strings.HasPrefix(got, lib) {
		t.Errorf("library: %q", got)
	}
	if got := libraryPath(ours); got != lib {
		t.Errorf("library path of ours: %q, want %q", got, lib)
	}
	if got := libraryPath(filepath.Join(path, "one-server")); got != "" {
		t.Errorf("an installed program gets our libraries: %q", got)
	}
}

func TestEximNeedsItsAccountShown(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("REPWATCH_TEST_ROOT", dir)
	if err := os.MkdirAll(filepath.Join(dir, "usr/sbin"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "usr/sbin/exim4"), nil, 0o755); err != nil {
		t.Fatal(err)
	}
	if find("nss_wrapper") != "" {
		t.Skip("libnss_wrapper is installed here, so it cannot be missing")
	}
	t.Setenv("CI", "")
	if got := record(func(r testing.TB) { Require(r, "exim4") }); !strings.Contains(got.skipped, "real nss_wrapper") {
		t.Errorf("exim without nss_wrapper: %+v", got)
	}
}

func TestZoneData(t *testing.T) {
	z := Zone{Name: "bl.test", Type: "ip4set", Text: "$TTL 30", Entries: TestPoints().With(Entries{
		"10.0.0.0/8": {A: "127.0.0.3", TXT: "see https://bl.test/$"},
		"!10.1.1.1":  {},
		"127.0.0.2":  {A: "127.0.0.9"},
	})}
	const want = "$TTL 30\n!10.1.1.1\n10.0.0.0/8 :127.0.0.3:see https://bl.test/$\n127.0.0.2 :127.0.0.9:\n"
	if diff := cmp.Diff(want, z.data()); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	if got := (Entries)(nil).With(TestPoints()); len(got) != 1 {
		t.Errorf("no entries with test points: %v", got)
	}
}

func TestNSDZoneData(t *testing.T) {
	if got := (NSDZone{Name: "Contoso.Test.", Text: "@ MX 0 ."}).data(); !strings.HasPrefix(got, "$ORIGIN contoso.test.\n$TTL 60\n@ SOA ") || !strings.HasSuffix(got, "\n@ MX 0 .\n") {
		t.Errorf("without SOA:\n%s", got)
	}
	own := NSDZone{Name: "a.test", Text: "@ 5 IN SOA x. y. 1 2 3 4 5\n@ NS x."}
	if got := own.data(); strings.Count(got, "SOA") != 1 {
		t.Errorf("with its own SOA:\n%s", got)
	}
}
