package realserver

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// helperEnv makes the test binary play another one, which starts servers.
const helperEnv = "REALSERVER_HELPER"

// TestHelper is that other test binary.
func TestHelper(t *testing.T) {
	switch os.Getenv(helperEnv) {
	case "":
		return
	case "fails":
		Rbldnsd(t, Zone{Name: "bl.test", Type: "ip4set", Entries: TestPoints()})
		t.Error("as told")
	case "hangs":
		startAll(t)
		fmt.Println("ready")
		select {}
	}
}

// startAll starts each kind of server that this machine can run, and keeps a
// process of theirs busy with a conversation where there is one.
func startAll(t *testing.T) (pids []int) {
	t.Helper()
	p := []*process{
		Rbldnsd(t, Zone{Name: "bl.test", Type: "ip4set", Entries: TestPoints()}).process,
		Unbound(t, UnboundOptions{}).process, NSD(t).process, Exim(t, EximOptions{}).process,
	}
	if os.Geteuid() == 0 {
		p = append(p, Postfix(t, PostfixOptions{}).process)
	}
	for _, p := range p {
		pids = append(pids, p.cmd.Process.Pid)
	}
	return pids
}

func helper(t *testing.T, kind, tmp string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestHelper$", "-test.v", "-test.timeout=60s")
	cmd.Env = append(os.Environ(), helperEnv+"="+kind, "TMPDIR="+tmp)
	return cmd
}

func TestLogIsShownWhenTheTestFails(t *testing.T) {
	Require(t, "rbldnsd")
	out, err := helper(t, "fails", tempDir(t, "helper")).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "rbldnsd said:") || !strings.Contains(string(out), "zones reloaded") {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestServersAndTheirFilesAreGoneAfterTheTest(t *testing.T) {
	Require(t, "rbldnsd", "unbound", "nsd", "exim4")
	tmp := tempDir(t, "scope")
	t.Setenv("TMPDIR", tmp)
	var family []int
	t.Run("inner", func(t *testing.T) {
		pids := startAll(t)
		family = descendants(t, pids)
	})
	if len(family) < 4 {
		t.Fatalf("saw only processes %v", family)
	}
	waitGone(t, family)
	if left, _ := filepath.Glob(filepath.Join(tmp, "*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestNoOrphansWhenTheTestBinaryIsKilled(t *testing.T) {
	Require(t, "rbldnsd", "unbound", "nsd", "exim4")
	cmd := helper(t, "hangs", tempDir(t, "helper"))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() && lines.Text() != "ready" {
	}
	family := descendants(t, []int{cmd.Process.Pid})
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // killed
	if len(family) < 5 {
		t.Fatalf("saw only processes %v", family)
	}
	waitGone(t, family)
}

// descendants are these processes and all that they started.
func descendants(t *testing.T, pids []int) []int {
	t.Helper()
	parents := map[int]int{}
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, name := range stats {
		if text, err := os.ReadFile(name); err == nil {
			_, rest, _ := strings.Cut(string(text), ") ")
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(name)))
			parents[pid], _ = strconv.Atoi(strings.Fields(rest)[1])
		}
	}
	family := append([]int(nil), pids...)
	for i := 0; i < len(family); i++ {
		for pid, parent := range parents {
			if parent == family[i] {
				family = append(family, pid)
			}
		}
	}
	return family
}

// waitGone allows what the kernel kills a moment to be gone.
func waitGone(t *testing.T, pids []int) {
	t.Helper()
	pause := time.NewTicker(pollEvery)
	defer pause.Stop()
	deadline := time.After(5 * time.Second)
	for _, pid := range pids {
		for alive(pid) {
			select {
			case <-pause.C:
			case <-deadline:
				status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
				t.Fatalf("process %d of %v lives on:\n%s", pid, pids, status)
			}
		}
	}
}
