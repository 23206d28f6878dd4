package checks

import (
	"context"
	"fmt"
	"strings"
	"time"

	"repwatch/checks/dnsbl"
)

// doubtDelistings keeps back what would be delistings until the list has shown that
// it did not just lose its data: an emptied list answers for everybody as for one that
// was let go. The listed test points must have been answered since, and not from a
// resolver's cache (rules of truth 2 and 7). The ask is the look that will tell.
func (c *listsCheck) doubtDelistings(ctx context.Context, col *column, subjects []dnsbl.Point, known map[string]bool, everybody bool) (again Ask, doubt bool) {
	gone := col.gone(subjects, known)
	since := c.Memory.gone(col.list.ID, col.Ended, names(subjects, gone), everybody)
	if len(gone) == 0 || !col.believable() || col.cond.Health == dnsbl.HealthUntested {
		return Ask{}, false
	}
	col.cond = c.Engine.Test(ctx, col.list, 0)
	switch {
	case !col.believable(), !col.cond.Vouched.Before(since):
		return Ask{}, false
	case col.cond.Health == dnsbl.HealthUntested: // the default test point has gone: nobody's absence says anything
		col.known = len(col.hits)
		clear(col.clear)
		return Ask{}, false
	}
	col.forget(gone)
	who := names(subjects, gone)
	col.Why = fmt.Sprintf("%s may be off it; believed when its test point was answered afresh, from %s on", strings.Join(who[:min(len(who), 3)], ", "), col.cond.Renewed.Format(time.RFC3339))
	return Ask{Check: c.Name(), Why: "delisting", At: col.cond.Renewed, Lists: []string{col.list.ID}, Who: who}, true
}

// gone are those that the list is known to name and that it says now it does not.
func (c *column) gone(subjects []dnsbl.Point, known map[string]bool) (at []int) {
	if len(known) == 0 {
		return nil
	}
	for i, p := range subjects {
		if c.clear[i/64]>>(i%64)&1 == 1 && known[who(p)] {
			at = append(at, i)
		}
	}
	return at
}

// forget makes what was clear unknown.
func (c *column) forget(at []int) {
	for _, i := range at {
		c.clear[i/64] &^= 1 << (i % 64)
		c.known--
	}
}

func names(subjects []dnsbl.Point, at []int) []string {
	out := make([]string, len(at))
	for n, i := range at {
		out[n] = who(subjects[i])
	}
	return out
}
