package watch

import (
	"math/rand/v2"
	"sync"
	"time"

	"repwatch/checks"
	"repwatch/config"
)

// rounds remember over reloads whose turn it is: a daemon that is reloaded more
// often than partners are looked at looks at them all the same.
type rounds struct {
	mu sync.Mutex
	of map[string]turn // by check
}

type turn struct {
	n  int       // rounds so far
	at time.Time // when the last one was due; zero: there was none
}

func (r *rounds) get(check string) turn {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.of[check]
}

func (r *rounds) set(check string, t turn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.of[check] = t
}

// nextRound is when the check's next round begins; zero: never.
func (d *Daemon) nextRound(g *generation, c checks.Check) time.Time {
	last := d.rounds.get(c.Name()).at
	if now := time.Now(); last.IsZero() || last.Sub(now) > time.Minute { // well ahead: the clock was set back, and not only slowed down
		last = now
	}
	return c.Schedule().Next(last.In(g.cfg.Schedule.Timezone.Loc()))
}

// share is a percentage as a part of one.
func share(p config.Percent) float64 { return float64(p) / 100 }

// round plans the looks of a check whenever its schedule says so. What is still
// under way from the round before is not asked for again.
func (d *Daemon) round(g *generation, c checks.Check) {
	if d.rounds.get(c.Name()).at.IsZero() {
		d.rounds.set(c.Name(), turn{at: time.Now()})
	}
	for {
		last := d.rounds.get(c.Name())
		next := d.nextRound(g, c)
		if next.IsZero() {
			return
		}
		now := time.Now()
		if next.Before(now) { // the host slept, or a reload shortened the schedule
			next = now
		}
		timer := time.NewTimer(next.Sub(now))
		select {
		case <-g.ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
		d.rounds.set(c.Name(), turn{n: last.n + 1, at: next})
		spread := time.Duration(share(g.cfg.Schedule.Jitter) * float64(c.Schedule().Every(next)))
		for _, a := range c.Plan(time.Now(), last.n+1) {
			if spread > 0 {
				a.At = next.Add(rand.N(spread))
			}
			d.queue.add(a)
		}
	}
}
