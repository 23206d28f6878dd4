package dnsbl

import (
	"context"
	"fmt"
	"math"
	"net/netip"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"repwatch/resolve"
)

// gate keeps one list's politeness: questions a second and questions a day (UTC).
// A feed on this host costs its operator nothing and is not limited. Safe for concurrent use.
type gate struct {
	limiter *rate.Limiter
	perDay  int

	mu    sync.Mutex
	day   int64 // days since the epoch
	spent int
}

// errBudget says that a list's daily budget is used up.
type errBudget struct{ perDay int }

func (e errBudget) Error() string {
	return fmt.Sprintf("not asked: today's budget of %d questions to this list is used up (it is free again at 00:00 UTC)", e.perDay)
}

func newGate(l *List) *gate {
	perSecond, perDay := l.Limits()
	if perSecond == 0 {
		return &gate{limiter: rate.NewLimiter(rate.Inf, 1), perDay: perDay}
	}
	return &gate{limiter: rate.NewLimiter(rate.Limit(perSecond), max(1, int(math.Ceil(perSecond)))), perDay: perDay}
}

// enter waits for the list's turn. It fails with errBudget, or when ctx ends first.
func (g *gate) enter(ctx context.Context, now time.Time) error {
	if err := g.spend(now); err != nil {
		return err
	}
	if err := g.limiter.Wait(ctx); err != nil {
		return &resolve.Error{Failure: resolve.FailCanceled, What: "list", Err: context.Cause(ctx)}
	}
	return nil
}

func (g *gate) spend(now time.Time) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.perDay == 0 {
		return nil
	}
	if day := now.Unix() / 86400; day != g.day {
		g.day, g.spent = day, 0
	}
	if g.spent >= g.perDay {
		return errBudget{g.perDay}
	}
	g.spent++
	return nil
}

// heard lifts the limits when the answer came with authority from this very
// host: a local rbldnsd feed, not a resolver that asks the operator for us.
func (g *gate) heard(a resolve.Answer) {
	if !a.Authoritative || !a.Server.Addr().IsLoopback() || g.limiter.Limit() == rate.Inf {
		return
	}
	g.limiter.SetLimit(rate.Inf)
	g.mu.Lock()
	g.perDay = 0
	g.mu.Unlock()
}

// Limits of a list: questions a second and a day; 0 is no limit. Published
// limits hold. Unpublished ones are assumed only where there is an operator to be
// polite to: not for a feed on this host, nor for a name that nobody can own.
func (l *List) Limits() (perSecond float64, perDay int) {
	if l.Resolver.IsValid() && isLocal(l.Resolver.Addr()) {
		return 0, 0
	}
	perSecond, perDay = l.Access.Limits()
	if reserved(l.Zone) {
		if l.Access.PerSecond == nil {
			perSecond = 0
		}
		if l.Access.PerDay == nil {
			perDay = 0
		}
	}
	return perSecond, perDay
}

// reserved are names that the public DNS never delegates (RFC 2606, RFC 6761,
// RFC 6762, RFC 8375, and ICANN's .internal): such a zone is served by its user.
func reserved(zone string) bool {
	for _, name := range []string{"test", "example", "invalid", "localhost", "local", "internal", "home.arpa", "example.com", "example.net", "example.org"} {
		if strings.HasSuffix(zone, "."+name) {
			return true
		}
	}
	return false
}

func isLocal(ip netip.Addr) bool { return ip.Unmap().IsLoopback() }

// questionsPerTest is what one health test of a list costs at most: two points
// (or four with IPv6), a random address and a random label.
const questionsPerTest = 6

// Interval is how often a list can be swept over n addresses without breaking
// its daily budget, never shorter than want. A sweep costs n questions and a
// health test; a tenth of the budget is kept for second looks and people.
func (l *List) Interval(n int, want time.Duration) time.Duration {
	perSecond, perDay := l.Limits()
	cost := float64(n + questionsPerTest)
	need := want
	if perDay > 0 {
		need = max(need, time.Duration(cost/(0.9*float64(perDay))*float64(24*time.Hour)))
	}
	if perSecond > 0 {
		need = max(need, time.Duration(cost/perSecond*float64(time.Second)))
	}
	return need.Round(time.Second)
}

func (g *gate) state() (day int64, spent int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.day, g.spent
}

func (g *gate) resume(day int64, spent int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if day >= g.day {
		g.day, g.spent = day, max(spent, g.spent)
	}
}
