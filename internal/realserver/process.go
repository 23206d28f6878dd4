package realserver

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// startTimeout is how long a server may take until it answers. Two busy cores
// are slow; a server that works is up in a tenth of a second.
const startTimeout = 20 * time.Second

// pollEvery is the pause between two questions to a server that is starting.
const pollEvery = 5 * time.Millisecond

// process is one running server.
type process struct {
	name  string
	logs  []string // files to show on failure, the first holds stdout and stderr
	cmd   *exec.Cmd
	done  chan struct{} // closed when it has ended
	guard *guard
}

// launch describes a server to start.
type launch struct {
	name string
	dir  string // working directory; its output goes to dir/output.log
	argv []string
	env  []string // added to environment(argv[0])
	logs []string // more files to show on failure
}

// start runs a server until the test ends.
func start(t testing.TB, l launch) *process {
	t.Helper()
	output := filepath.Join(l.dir, "output.log")
	p := &process{name: l.name, logs: append([]string{output}, l.logs...), done: make(chan struct{})}
	if err := p.run(l, output); err != nil {
		t.Fatalf("%s does not start: %v", l.name, err)
	}
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			t.Logf("%s said:\n%s", p.name, p.said())
		}
	})
	return p
}

// run starts the program and its guard, in this order: a guard has to know whom.
func (p *process) run(l launch, output string) error {
	log, err := os.OpenFile(output, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	p.cmd = exec.Command(l.argv[0], l.argv[1:]...)
	p.cmd.Dir = l.dir
	p.cmd.Env = append(environment(l.argv[0]), l.env...)
	p.cmd.Stdout, p.cmd.Stderr = log, log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if ownNamespace() {
		p.cmd.SysProcAttr.Cloneflags = syscall.CLONE_NEWPID
	}
	if err := p.cmd.Start(); err != nil {
		return err
	}
	go func() {
		defer close(p.done)
		_ = p.cmd.Wait() // killed, as a rule: how it ended is in the log
	}()
	if p.guard, err = newGuard(p.cmd.Process.Pid); err != nil {
		p.kill()
	}
	return err
}

// guard is a process that outlives a killed test binary just long enough to kill a
// server's process group. The kernel's own means, a death signal, does not reach
// servers that changed their user since they were started.
type guard struct {
	cmd  *exec.Cmd
	line io.WriteCloser // its end without a word means that we were killed
}

func newGuard(group int) (*guard, error) {
	g := &guard{cmd: exec.Command("/bin/sh", "-c", `read -r released && exit; kill -s KILL -- "-$1"`, "guard", strconv.Itoa(group))}
	g.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // ^C is for the test, not for its guard
	var err error
	if g.line, err = g.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	return g, g.cmd.Start()
}

func (g *guard) release() {
	_, _ = io.WriteString(g.line, "released\n")
	_ = g.cmd.Wait()
}

// ownNamespace says whether each server can be process 1 of a PID namespace. All
// processes in it end with the first one, even those that made a session of their
// own. Where the right to make one is lacking, the process group has to do.
var ownNamespace = sync.OnceValue(func() bool {
	if os.Geteuid() != 0 {
		return false
	}
	try := exec.Command("/bin/true")
	try.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID}
	return try.Run() == nil
})

// kill ends the server and all it started, and waits for it. Nothing it holds is
// worth an orderly end.
func (p *process) kill() {
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	<-p.done
	if p.guard != nil {
		p.guard.release()
	}
}

func (p *process) signal(sig syscall.Signal) error {
	if err := p.cmd.Process.Signal(sig); err != nil {
		return fmt.Errorf("realserver: signal %s: %w", p.name, err)
	}
	return nil
}

// said is everything the server logged so far.
func (p *process) said() string {
	var b strings.Builder
	for _, name := range p.logs {
		text, err := os.ReadFile(name)
		if err != nil || len(text) == 0 {
			continue
		}
		if len(p.logs) > 1 {
			fmt.Fprintf(&b, "-- %s\n", filepath.Base(name))
		}
		b.Write(text)
	}
	return b.String()
}

// AwaitLog returns when the server has logged text. Servers log behind their
// answers: what a client was told may not be in the log yet.
func (p *process) AwaitLog(t testing.TB, text string) {
	t.Helper()
	p.mustUntil(t, "waiting for the log", func() error {
		if !strings.Contains(p.said(), text) {
			return fmt.Errorf("no %q in it", text)
		}
		return nil
	})
}

// until asks again and again until ask returns nil; it gives up when the server
// has ended or at the deadline, with what it was last told.
func (p *process) until(ask func() error) error {
	deadline := time.NewTimer(startTimeout)
	defer deadline.Stop()
	pause := time.NewTicker(pollEvery)
	defer pause.Stop()
	for {
		err := ask()
		if err == nil {
			return nil
		}
		select {
		case <-p.done:
			return fmt.Errorf("%s has ended: %w", p.name, err)
		case <-deadline.C:
			return fmt.Errorf("%s: no success within %v: %w", p.name, startTimeout, err)
		case <-pause.C:
		}
	}
}

// mustUntil is until for a test: it ends it with what the server said.
func (p *process) mustUntil(t testing.TB, what string, ask func() error) {
	t.Helper()
	if err := p.until(ask); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

// offspring are the processes that the server started and that they started, of
// these programs.
func (p *process) offspring(programs ...string) []int {
	type proc struct {
		pid, parent int
		program     string
	}
	var all []proc
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, name := range stats {
		text, err := os.ReadFile(name)
		if err != nil { // gone meanwhile
			continue
		}
		var q proc
		before, after, _ := strings.Cut(string(text), ") ") // the name may have spaces
		var state string
		_, err = fmt.Sscanf(after, "%s %d", &state, &q.parent)
		pid, program, ok := strings.Cut(before, " (")
		if q.pid, _ = strconv.Atoi(pid); ok && err == nil {
			q.program = program
			all = append(all, q)
		}
	}
	var found []int
	family := []int{p.cmd.Process.Pid}
	for i := 0; i < len(family); i++ {
		for _, q := range all {
			if q.parent != family[i] {
				continue
			}
			family = append(family, q.pid)
			if slices.Contains(programs, q.program) {
				found = append(found, q.pid)
			}
		}
	}
	return found
}

// outlive waits until the processes have gone, or for as long as limit.
func (p *process) outlive(old []int, limit time.Duration) {
	deadline := time.Now().Add(limit)
	_ = p.until(func() error {
		for _, pid := range old {
			if alive(pid) && time.Now().Before(deadline) {
				return fmt.Errorf("process %d is still there", pid)
			}
		}
		return nil
	})
}

// alive is false for a zombie too: nothing is left of it but its number.
func alive(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, rest, _ := strings.Cut(string(text), ") ")
	return err == nil && !strings.HasPrefix(rest, "Z")
}
