package checks

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"repwatch/config"
	"repwatch/incident"
	"repwatch/reputation"
)

// The check that docs/writing-a-check.md builds. The document quotes it from here.

// queueCheck counts what waits in the queue of the mail server beside us.
type queueCheck struct {
	Env
	dir  string
	many int
}

func newQueue(env Env) Check { return &queueCheck{env, "/var/spool/postfix/deferred", 1000} }

func (c *queueCheck) Name() string { return "queue" }

func (c *queueCheck) Schedule() config.Cron { return every("5m") }

func (c *queueCheck) Plan(now time.Time, _ int) []Ask {
	return []Ask{{Check: c.Name(), Why: WhySchedule, At: now}}
}

func (c *queueCheck) Look(ctx context.Context, a Ask) []Batch {
	b := begin(a)
	look := HealthLook{Subject: reputation.Subject{Kind: reputation.KindHealth, Domain: c.Name(), Target: c.dir}, At: now()}
	n, err := c.count(ctx)
	switch {
	case err != nil: // not told: neither well nor bad
		b.Skipped = append(b.Skipped, fmt.Sprintf("the queue cannot be counted: %v", err))
	case n >= c.many:
		look.Fault = &incident.Fault{ID: "queue", Impact: reputation.High,
			What: fmt.Sprintf("%d messages wait in %s", n, c.dir),
			Why:  fmt.Sprintf("%d or more mean that some partner has not taken mail for a while", c.many),
			Do:   "see whom they are for (qshape deferred), and what that partner said (repwatch explain)"}
		b.Health = append(b.Health, look)
	default:
		b.Health = append(b.Health, look)
	}
	b.Ended = now()
	return []Batch{b}
}

func (c *queueCheck) count(ctx context.Context) (n int, err error) {
	err = filepath.WalkDir(c.dir, func(_ string, e fs.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() {
			n++
		}
		return err
	})
	if err == nil {
		err = ctx.Err()
	}
	return n, err
}

// end of the check

func TestQueueExample(t *testing.T) {
	dir := t.TempDir()
	c := &queueCheck{dir: dir, many: 2}
	if b := look(t, c, Ask{Why: WhySchedule}); len(b.Health) != 1 || b.Health[0].Fault != nil {
		t.Errorf("an empty queue: %+v", b.Health)
	}
	for _, name := range []string{"A1", "B2"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if b := look(t, c, Ask{Why: WhySchedule}); len(b.Health) != 1 || b.Health[0].Fault == nil || b.Health[0].Fault.What != "2 messages wait in "+dir {
		t.Errorf("a long queue: %+v", b.Health)
	}
	c.dir = filepath.Join(dir, "none")
	if b := look(t, c, Ask{Why: WhySchedule}); len(b.Health) != 0 || len(b.Skipped) != 1 {
		t.Errorf("a queue that cannot be read tells nothing, but it told %+v and skipped %q", b.Health, b.Skipped)
	}
	if name := newQueue(Env{}).Name(); name != "queue" {
		t.Errorf("it is called %q", name)
	}
}

// The document shows the code that runs.
func TestQueueExampleIsDocumented(t *testing.T) {
	source, err := os.ReadFile("queue_example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := os.ReadFile("../docs/writing-a-check.md")
	if err != nil {
		t.Fatal(err)
	}
	_, code, _ := strings.Cut(string(source), "from here.\n\n")
	code, _, _ = strings.Cut(code, "// end of the check")
	for part := range strings.SplitSeq(strings.TrimSpace(code), "\n\n") {
		if !strings.Contains(string(doc), part) {
			t.Errorf("docs/writing-a-check.md does not have this any more:\n%s", part)
		}
	}
}
