// Package realserver starts the servers that real mail and real lists run on
// (rbldnsd, unbound, NSD, Postfix, Exim), for the length of one test, on loopback.
//
// Every server has a directory and a port of its own, says what it logged when
// its test fails, and is gone when the test ends or when the test binary is
// killed. A constructor returns when the server answers, not when it was started.
//
//	list := realserver.Rbldnsd(t, realserver.Zone{Name: "bl.example", Type: "ip4set",
//		Entries: realserver.Entries{"203.0.113.7": {A: "127.0.0.4", TXT: "seen sending spam"}}})
//	resolver := realserver.Unbound(t, realserver.UnboundOptions{
//		Stubs: map[string]netip.AddrPort{"bl.example": list.Addr()}})
//
// The programs are found below REPWATCH_TEST_ROOT, where scripts/test-deps unpacks
// them, or else on the PATH. By custom, clients speak from 127.0.5.x and mail
// servers listen on 127.0.6.x. Methods of all servers may be called concurrently;
// those that take a testing.TB must run on the test's own goroutine, because they
// end the test when they fail.
package realserver

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// proofs says, for what is no program, which file below /usr shows that it is there.
var proofs = map[string]string{
	"nss_wrapper": "lib/*-linux-gnu*/libnss_wrapper.so",
	"net-ssleay":  "lib/*-linux-gnu*/perl5/*/Net/SSLeay.pm",
	"chromium":    "lib/chromium/chromium", // what /usr/bin has is a script that knows only where it is installed
	"axe-core":    "share/javascript/axe-core/axe.min.js",
}

// needs lists what a tool is no use without.
var needs = map[string][]string{
	"exim4": {"nss_wrapper"},
	"swaks": {"net-ssleay"},
}

// Require skips the test, loudly, unless every tool is there: rbldnsd, unbound,
// nsd, postfix, exim4, swaks, openssl, promtool, prometheus. Where CI is set it fails instead: a suite
// that quietly tests less is no suite. With -short it skips in any case.
func Require(t testing.TB, tools ...string) {
	t.Helper()
	var missing []string
	for _, tool := range tools {
		for _, part := range append([]string{tool}, needs[tool]...) {
			if find(part) == "" {
				missing = append(missing, part)
			}
		}
	}
	if len(missing) > 0 {
		notRun(t, "needs real "+strings.Join(missing, ", ")+"; run scripts/test-deps")
	}
	if testing.Short() {
		t.Skip("NOT RUN: -short leaves real servers out")
	}
}

// RequireRoot skips the test, loudly, unless it runs as root; why completes
// "needs root: …". Where CI is set it fails instead.
func RequireRoot(t testing.TB, why string) {
	t.Helper()
	if os.Geteuid() != 0 {
		notRun(t, "needs root: "+why)
	}
}

func notRun(t testing.TB, why string) {
	t.Helper()
	if inCI(os.Getenv("CI")) {
		t.Fatal("NOT RUN: " + why)
	}
	t.Skip("NOT RUN: " + why)
}

func inCI(value string) bool {
	return !slices.Contains([]string{"", "0", "false"}, strings.ToLower(value))
}

// Command prepares a tool such as swaks or promtool with the environment it needs
// where it was unpacked rather than installed. It is killed when the test ends.
func Command(t testing.TB, tool string, args ...string) *exec.Cmd {
	t.Helper()
	Require(t, tool)
	path := find(tool)
	cmd := exec.CommandContext(t.Context(), path, args...)
	if tool == "swaks" { // its #! line would pick a perl without the modules below our root
		cmd = exec.CommandContext(t.Context(), perl(), append([]string{path}, args...)...)
	}
	cmd.Env = environment(path)
	return cmd
}

// File is the path of what is no program, such as axe-core; empty where it is not there.
func File(tool string) string { return find(tool) }

func perl() string {
	if path := find("perl"); path != "" {
		return path
	}
	return "/usr/bin/perl"
}

// root is where scripts/test-deps unpacks.
func root() string {
	if dir := os.Getenv("REPWATCH_TEST_ROOT"); dir != "" {
		return dir
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "/nonexistent"
	}
	return filepath.Join(home, ".cache/repwatch-test/root")
}

// find returns the path that proves a tool, or "" where there is none.
func find(tool string) string {
	if pattern, ok := proofs[tool]; ok {
		for _, usr := range []string{root() + "/usr", "/usr"} {
			if found, _ := filepath.Glob(filepath.Join(usr, pattern)); len(found) > 0 {
				return found[0]
			}
		}
		return ""
	}
	dirs := []string{root() + "/usr/sbin", root() + "/usr/bin"}
	dirs = append(dirs, filepath.SplitList(os.Getenv("PATH"))...)
	dirs = append(dirs, "/usr/sbin", "/usr/local/sbin") // often absent from a user's PATH
	for _, dir := range dirs {
		path := filepath.Join(dir, tool)
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return path
		}
	}
	return ""
}

// environment is the test's own, plus what a program below our root needs to
// find its libraries and Perl modules. Installed programs get no library path:
// our copies may be of another version.
func environment(program string) []string {
	env := slices.DeleteFunc(os.Environ(), func(v string) bool {
		return strings.HasPrefix(v, "LD_") || strings.HasPrefix(v, "MAIL_CONFIG=")
	})
	dirs := globAll("etc/perl", "usr/lib/*-linux-gnu*/perl5/*", "usr/share/perl5",
		"usr/lib/*-linux-gnu*/perl/*", "usr/share/perl/*")
	if len(dirs) > 0 {
		env = append(env, "PERL5LIB="+strings.Join(dirs, ":"))
	}
	if libs := libraryPath(program); libs != "" {
		env = append(env, "LD_LIBRARY_PATH="+libs)
	}
	return env
}

func libraryPath(program string) string {
	if !strings.HasPrefix(program, root()+"/") {
		return ""
	}
	return strings.Join(globAll("usr/lib/*-linux-gnu*", "lib/*-linux-gnu*", "usr/lib/*-linux-gnu*/pulseaudio", "usr/lib/postfix"), ":")
}

func globAll(patterns ...string) []string {
	var out []string
	for _, p := range patterns {
		found, _ := filepath.Glob(filepath.Join(root(), p))
		out = append(out, found...)
	}
	return out
}

// tempDir is a directory that servers without root's rights can enter, which
// t.TempDir is not.
func tempDir(t testing.TB, tool string) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "repwatch-"+tool+"-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func writeFile(t testing.TB, path, text string) {
	t.Helper()
	if err := replaceFile(path, text); err != nil {
		t.Fatal(err)
	}
}

// replaceFile puts text in place at once: a server never reads half of it.
func replaceFile(path, text string) error {
	tmp := path + ".new"
	if err := os.WriteFile(tmp, []byte(text), 0o644); err != nil {
		return fmt.Errorf("realserver: %w", err)
	}
	if err := os.Chmod(tmp, 0o644); err != nil { // whatever the umask
		return fmt.Errorf("realserver: %w", err)
	}
	return os.Rename(tmp, path)
}
