package checks

import (
	"context"
	"fmt"
	"iter"
	"net/netip"
	"slices"
	"strings"
	"time"

	"repwatch/checks/dnsbl"
	"repwatch/config"
)

// listsCheck asks the blocklists about our addresses and domains (RFC 5782).
type listsCheck struct {
	Env
	points []dnsbl.Point  // all that is configured
	takes  map[string]int // by list: how many of them it takes
}

func newLists(env Env) Check {
	c := &listsCheck{Env: env, points: distinct(env.Config.Points()), takes: map[string]int{}}
	for _, l := range env.Config.Lists {
		for _, p := range c.points {
			if l.Takes(p) {
				c.takes[l.ID]++
			}
		}
	}
	return c
}

func (c *listsCheck) Name() string { return "lists" }

func (c *listsCheck) Schedule() config.Cron { return c.Config.Schedule.Blocklists }

// Plan asks the lists whose budget allows it now: one piece for those that are
// done before the next round, one for each that is not, so that a slow list
// holds up no other.
func (c *listsCheck) Plan(now time.Time, _ int) []Ask {
	want := c.Config.Schedule.Blocklists.Every(now)
	quick := Ask{Check: c.Name(), Why: WhySchedule, At: now}
	var out []Ask
	for _, l := range c.Config.Lists {
		n := c.takes[l.ID]
		if n == 0 || !c.Memory.allows(l.ID, now, l.Interval(n, want), want) {
			continue
		}
		if perSecond, _ := l.Limits(); perSecond > 0 && float64(n)/perSecond > want.Seconds() {
			slow := quick
			slow.Lists = []string{l.ID}
			out = append(out, slow)
			continue
		}
		quick.Lists = append(quick.Lists, l.ID)
	}
	if len(quick.Lists) > 0 {
		out = slices.Insert(out, 0, quick)
	}
	return out
}

// Look sweeps the lists over the subjects.
func (c *listsCheck) Look(ctx context.Context, a Ask) []Batch {
	b := begin(a)
	lists, subjects := c.chosen(a, &b)
	columns, whole := c.sweep(ctx, lists, subjects)
	if !whole {
		b.Skipped = append(b.Skipped, "the sweep was interrupted; it says nothing")
		columns = nil
	}
	want := c.Config.Schedule.Blocklists.Every(b.Started)
	for _, col := range columns {
		var known map[string]bool
		if c.Listed != nil {
			known = c.Listed(col.list.ID)
		}
		if again, doubt := c.doubtDelistings(ctx, col, subjects, known, len(a.Who) == 0); doubt {
			b.Wants = append(b.Wants, again)
		}
		if again := c.holdBack(col, b.Started, known, len(a.Who) == 0); !again.IsZero() {
			b.Wants = append(b.Wants, Ask{Check: c.Name(), Why: "second look", At: again, Lists: []string{col.list.ID}})
		}
		look := col.look(subjects)
		look.Interval = col.list.Interval(c.takes[col.list.ID], want)
		if len(a.Who) > 0 {
			look.Asked = col.asked(subjects)
		}
		b.Lists = append(b.Lists, look)
	}
	b.Ended = now()
	if whole && len(a.Who) == 0 && tellsOfAll(len(columns), len(c.takes)) {
		b.Health = append(sweepHealth(columns, c.Resolvers, b.Ended), c.controlsListed(ctx, lists)...)
	}
	return []Batch{b}
}

// chosen are the lists and subjects that an ask names, as far as they are still configured.
func (c *listsCheck) chosen(a Ask, b *Batch) ([]*dnsbl.List, []dnsbl.Point) {
	lists, subjects := c.Config.Lists, c.points
	if len(a.Lists) > 0 {
		lists = nil
		for _, id := range a.Lists {
			i := slices.IndexFunc(c.Config.Lists, func(l *dnsbl.List) bool { return l.ID == id })
			if i < 0 {
				b.Skipped = append(b.Skipped, id+" is not among the lists in use")
				continue
			}
			lists = append(lists, c.Config.Lists[i])
		}
	}
	if len(a.Who) > 0 {
		subjects = nil
		for _, who := range a.Who {
			p := pointOf(who)
			if !slices.Contains(c.points, p) {
				b.Skipped = append(b.Skipped, who+" is not among the configured addresses and domains")
				continue
			}
			subjects = append(subjects, p)
		}
	}
	return lists, distinct(subjects)
}

// pairsAtOnce bounds the answers held in memory: about a kilobyte each while a sweep collects them.
const pairsAtOnce = 1 << 13

// sweep asks in chunks of subjects and gathers the answers in columns. A list
// that fails is not asked again in the same sweep. It reports false when it was interrupted.
func (c *listsCheck) sweep(ctx context.Context, lists []*dnsbl.List, subjects []dnsbl.Point) ([]*column, bool) {
	started := now()
	columns := make([]*column, len(lists))
	byList := map[*dnsbl.List]*column{}
	for i, l := range lists {
		columns[i] = newColumn(l, subjects, started)
		byList[l] = columns[i]
	}
	columns = slices.DeleteFunc(columns, func(c *column) bool { return c.takes == 0 })
	for at, chunk := range chunks(subjects, len(lists)) {
		var working []*dnsbl.List
		for _, col := range columns {
			if col.believable() {
				working = append(working, col.list)
			}
		}
		if len(working) == 0 {
			break
		}
		s := c.Engine.Sweep(ctx, working, chunk, nil)
		if ctx.Err() != nil {
			return nil, false
		}
		for _, cond := range s.Conditions {
			byList[cond.List].cond = cond
		}
		i := 0
		for _, r := range s.Results { // by subject, in the order given
			for chunk[i] != (dnsbl.Point{IP: r.Subject.IP, Domain: r.Subject.Domain}) {
				i++
			}
			byList[r.List].add(at+i, r)
		}
		for _, l := range working {
			byList[l].Ended = now()
		}
	}
	return columns, true
}

// chunks cuts subjects into even pieces that make at most pairsAtOnce pairs, with the index of each one's first.
func chunks(subjects []dnsbl.Point, lists int) iter.Seq2[int, []dnsbl.Point] {
	return func(yield func(int, []dnsbl.Point) bool) {
		most := max(1, pairsAtOnce/max(1, lists))
		pieces := (len(subjects) + most - 1) / most
		for i := range pieces {
			from, to := i*len(subjects)/pieces, (i+1)*len(subjects)/pieces
			if !yield(from, subjects[from:to]) {
				return
			}
		}
	}
}

func pointOf(who string) dnsbl.Point {
	if ip, err := netip.ParseAddr(who); err == nil {
		return dnsbl.Point{IP: ip.Unmap()}
	}
	return dnsbl.Point{Domain: strings.TrimSuffix(strings.ToLower(who), ".")}
}

// distinct drops repeats, keeping the order.
func distinct[T comparable](in []T) []T {
	seen := make(map[T]bool, len(in))
	out := make([]T, 0, len(in))
	for _, v := range in {
		if !seen[v] {
			seen[v] = true
			out = append(out, v)
		}
	}
	return out
}

// holdBack decides rule of truth 2 for a list that names most of those asked: what
// it says is kept back until a look SecondLook later says the same. again is
// when; zero: nothing is held back.
func (c *listsCheck) holdBack(col *column, started time.Time, known map[string]bool, everybody bool) (again time.Time) {
	mass := massHit{mass: col.mass(), news: col.news(known), everybody: everybody && col.told()}
	since, held := c.Memory.hold(col.list.ID, started, mass)
	if !held {
		return time.Time{}
	}
	again = since.Add(dnsbl.SecondLook)
	col.withhold(fmt.Sprintf("it names %d of %d asked at once, though it passed its test points: believed if it still does at %s",
		col.findings, col.takes, again.Format(time.RFC3339)))
	return again
}
