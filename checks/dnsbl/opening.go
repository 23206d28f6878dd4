package dnsbl

import (
	"context"
	"sync"
	"time"
)

// canaryLists are asked first: when even they are silent it is the resolver that
// is dead, and asking the other lists would only take long.
const canaryLists = 3

// opening lets a sweep's lists go once one of the canaries was heard, and turns
// them away when all stayed silent, even when asked patiently. Lists with a server of
// their own are not held up.
type opening struct {
	e        *Engine
	canaries map[*job]bool

	mu     sync.Mutex
	silent int
	done   chan struct{} // closed when decided
	once   sync.Once
	dead   bool
}

func newOpening(e *Engine, jobs []*job) *opening {
	o := &opening{e: e, canaries: map[*job]bool{}, done: make(chan struct{})}
	for _, j := range jobs {
		if len(o.canaries) < canaryLists && o.concerns(j) {
			o.canaries[j] = true
		}
	}
	return o
}

func (o *opening) concerns(j *job) bool { return !j.list.Resolver.IsValid() && j.list.askable() }

func (l *List) askable() bool { return l.Refused() == "" && l.Unusable() == "" }

// pass reports whether the list may be asked; it waits until that is known.
func (o *opening) pass(ctx context.Context, j *job) bool {
	if !o.concerns(j) {
		return true
	}
	if o.canaries[j] {
		o.try(ctx, j)
	}
	select {
	case <-o.done:
		return !o.dead
	case <-ctx.Done():
		return true // the questions themselves will say so
	}
}

// try tests a canary. The last one to stay silent is asked once more, patiently:
// the resolver may only be slow to begin.
func (o *opening) try(ctx context.Context, j *job) {
	if !o.e.Ready(ctx, j.list).Silent {
		o.decide(false)
		return
	}
	o.mu.Lock()
	o.silent++
	last := o.silent == len(o.canaries)
	o.mu.Unlock()
	if last {
		o.decide(o.e.Test(ctx, j.list, 0).Silent)
	}
}

// decide says once whether the resolver is dead; hearing one canary outweighs the silence of the others.
func (o *opening) decide(dead bool) {
	o.once.Do(func() {
		o.dead = dead
		close(o.done)
	})
}

// resolverSilent is the condition of a list that was not asked for the resolver's silence.
func resolverSilent(l *List) Condition {
	return Condition{List: l, Health: HealthSuspended, Cause: CauseSilent, Silent: true, Tested: time.Now().UTC(),
		Why: "not asked: our resolver answered none of the first lists' test points"}
}
