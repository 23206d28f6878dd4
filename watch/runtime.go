package watch

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"repwatch/api"
	"repwatch/checks"
	"repwatch/store"
)

// maxNext is how many looks ahead Runtime tells.
const maxNext = 10

// Runtime is what only the running daemon knows of itself.
func (d *Daemon) Runtime() api.Runtime {
	d.mu.Lock()
	r, gen := d.state, d.gen
	for _, part := range slices.Sorted(maps.Keys(d.trouble)) {
		r.Problems = append(r.Problems, d.trouble[part])
	}
	d.mu.Unlock()
	r.PID = os.Getpid()
	r.LastSuccess = time.Unix(d.lastSuccess.Load(), 0).UTC()
	waiting, running := d.queue.list()
	r.UnderWay = running
	for _, a := range waiting {
		r.Next = append(r.Next, api.NextLook{What: askWords(a), At: a.At.UTC()})
	}
	if gen == nil {
		return r
	}
	for _, c := range gen.looks {
		if next := d.nextRound(gen, c); !next.IsZero() {
			r.Next = append(r.Next, api.NextLook{What: roundWords(c.Name()), At: next.UTC()})
		}
	}
	slices.SortFunc(r.Next, func(a, b api.NextLook) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.What, b.What)) })
	r.Next = r.Next[:min(len(r.Next), maxNext)]
	r.Notifiers = gen.dispatcher.Names()
	for _, p := range gen.problems {
		r.Problems = append(r.Problems, fmt.Sprint(p))
	}
	return r
}

// roundWords is a scheduled round in words.
func roundWords(check string) string {
	if check == "own" {
		return "look at our own side"
	}
	return "round of " + check
}

func askWords(a checks.Ask) string {
	var parts []string
	switch {
	case a.Partner != "":
		parts = append(parts, a.Partner)
		if len(a.From) > 0 && len(a.From) <= 3 {
			parts = append(parts, "from "+strings.Join(a.From, ", "))
		}
	case len(a.Lists) > 0 && len(a.Lists) <= 3:
		parts = append(parts, strings.Join(a.Lists, ", "))
	default:
		parts = append(parts, a.Check)
	}
	return strings.Join(append(parts, "("+a.Why+")"), " ")
}

// Alive reports that the loops go round and that folding is not stuck: what the
// watchdog is fed by. It does not block.
func (d *Daemon) Alive() bool {
	last := time.Unix(0, d.beat.Load())
	if d.beat.Load() == 0 || time.Since(last) > 3*tickEvery {
		return false
	}
	return true
}

// StatusLine is the daemon in one line, for `systemctl status`.
func (d *Daemon) StatusLine() string {
	r := d.Runtime()
	open := 0
	err := d.opt.DB.View(func(tx *store.Tx) error {
		for range tx.OpenIncidents() {
			open++
		}
		return tx.Err()
	})
	if err != nil {
		return "the store cannot be read: " + err.Error()
	}
	s := "nothing is wrong that we know of"
	if open > 0 {
		s = fmt.Sprintf("%d open incident(s): repwatch incidents", open)
	}
	s += fmt.Sprintf("; last sure look %s ago", time.Since(r.LastSuccess).Round(time.Second))
	if d.full.Load() {
		s = "DISK FULL, nothing is written; " + s
	}
	if r.ReloadError != "" {
		s += "; the last reload was refused"
	}
	return s
}

// TestNotifiers sends a test message through each notifier, past the outbox.
func (d *Daemon) TestNotifiers(ctx context.Context) []api.NotifierTest {
	d.mu.Lock()
	gen := d.gen
	d.mu.Unlock()
	var out []api.NotifierTest
	for _, t := range gen.dispatcher.Test(ctx) {
		one := api.NotifierTest{Notifier: t.Name, OK: t.Err == nil, TookMS: t.Took.Milliseconds(), Why: t.Trouble}
		if t.Err != nil {
			p := api.ProblemOf(t.Err)
			one.Why, one.Hint = p.Error, p.Hint
		}
		out = append(out, one)
	}
	return out
}
