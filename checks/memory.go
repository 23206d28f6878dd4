package checks

import (
	"maps"
	"net/netip"
	"sync"
	"time"

	"repwatch/checks/dnsbl"
)

// Memory is what looking remembers from one look to the next. It is no state of
// anything watched: losing it costs a few questions or minutes, no truth. It is
// safe for concurrent use.
type Memory struct {
	mu   sync.Mutex
	due  map[string]time.Time             // by list: when its budget allows the next scheduled sweep
	mass map[string]time.Time             // by list: since when it names most of those asked
	seen map[string]map[string]netip.Addr // by vantage and partner: the wrong address that the partner saw
	left map[string]map[string]time.Time  // by list and who was listed: since when it does not say so any more, though nobody believed it yet
}

// NewMemory is an empty one.
func NewMemory() *Memory {
	return &Memory{due: map[string]time.Time{}, mass: map[string]time.Time{}, seen: map[string]map[string]netip.Addr{}, left: map[string]map[string]time.Time{}}
}

// allows reports that a list's interval lets it be swept now, and books the
// sweep. It books from the moment when the list was due, not from the round that
// came after it: 20 minutes, in rounds of 15, are 0, 30, 45, 60, 90, ... and so 20 on
// average. A list whose budget is no concern is asked in every round.
func (m *Memory) allows(list string, now time.Time, interval, round time.Duration) bool {
	if interval <= round {
		return true
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	due := m.due[list]
	if now.Sub(due).Abs() > interval { // the first time, after a pause, or the clock was set back
		due = now
	}
	if now.Before(due) {
		return false
	}
	m.due[list] = due.Add(interval)
	return true
}

// massHit is how a sweep found a list, for rule of truth 2.
type massHit struct {
	mass      bool // it names more than half of eight or more
	news      bool // most of whom it names were not known
	everybody bool // all subjects were asked, and some could be told
}

// hold decides whether what a list says at a time is to be kept back, and since
// when it names most of those asked.
func (m *Memory) hold(list string, at time.Time, h massHit) (since time.Time, held bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	since, known := m.mass[list]
	switch {
	case known && h.everybody && !h.mass: // it has passed
		delete(m.mass, list)
		return time.Time{}, false
	case known:
		return since, h.news && at.Sub(since) < dnsbl.SecondLook
	case h.mass && h.news:
		m.mass[list] = at
		return at, true
	}
	return time.Time{}, false
}

// saw notes which wrong address a partner saw of a vantage, the zero one where it
// was the right one, and tells whether any partner that is still watched sees a wrong one.
func (m *Memory) saw(vantage, partner string, wrong netip.Addr, watched func(partner string) bool) (anyWrong bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	at := m.seen[vantage]
	if at == nil {
		at = map[string]netip.Addr{}
		m.seen[vantage] = at
	}
	delete(at, partner)
	if wrong.IsValid() {
		at[partner] = wrong
	}
	maps.DeleteFunc(at, func(p string, _ netip.Addr) bool { return !watched(p) })
	if len(at) == 0 {
		delete(m.seen, vantage)
	}
	return len(at) > 0
}

// gone notes who a list does not name any more though it was known to, and returns since
// when that was seen of the latest of them. Unless everybody was asked, others stay as noted.
func (m *Memory) gone(list string, at time.Time, who []string, everybody bool) (since time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	was, now := m.left[list], map[string]time.Time{}
	for _, w := range who {
		now[w] = at
		if first, ok := was[w]; ok {
			now[w] = first
		}
		if now[w].After(since) {
			since = now[w]
		}
	}
	if !everybody {
		for w, first := range was {
			if _, asked := now[w]; !asked {
				now[w] = first
			}
		}
	}
	delete(m.left, list)
	if len(now) > 0 {
		m.left[list] = now
	}
	return since
}
