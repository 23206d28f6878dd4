package main

import (
	"fmt"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
)

// progress shows a bar on a terminal once work has taken a second. Its methods
// may be called from several goroutines; without a terminal they do nothing.
type progress struct {
	t    *term
	what string
	stop chan struct{}
	gone sync.WaitGroup
	once sync.Once

	mu          sync.Mutex
	done, total int
}

const patience = time.Second

// progress begins the wait for a person's patience to end; finish ends it.
func (t *term) progress(what string, total int) *progress {
	p := &progress{t: t, what: what, total: max(total, 1), stop: make(chan struct{})}
	if t.tty {
		p.gone.Go(p.show)
	}
	return p
}

// update says how much is done.
func (p *progress) update(done, total int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done, p.total = max(done, p.done), max(total, 1)
}

// finish removes the bar. It may be called again.
func (p *progress) finish() {
	p.once.Do(func() { close(p.stop) })
	p.gone.Wait()
}

// show draws on a clock of its own: the work may wait long for one answer.
func (p *progress) show() {
	select {
	case <-p.stop:
		return
	case <-time.After(patience):
	}
	since := time.Now().Add(-patience)
	bar := progressbar.NewOptions(1, progressbar.OptionSetWriter(p.t), progressbar.OptionUseANSICodes(p.t.tty), progressbar.OptionShowCount(),
		progressbar.OptionSetWidth(20), progressbar.OptionSetElapsedTime(false), progressbar.OptionSetPredictTime(false))
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		p.mu.Lock()
		done, total := p.done, p.total
		p.mu.Unlock()
		bar.ChangeMax(total)
		bar.Describe(fmt.Sprintf("%s, %.0f s", p.what, time.Since(since).Seconds()))
		_ = bar.Set(min(done, total-1)) // a bar that cannot be drawn must not fail the work; a full one would end its line
		select {
		case <-p.stop:
			_ = bar.Clear()
			return
		case <-tick.C:
		}
	}
}
