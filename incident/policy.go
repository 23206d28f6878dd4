package incident

import (
	"time"

	"repwatch/reputation"
)

// Levels of urgency, as a list's entry in the catalogue says them.
const (
	Now    = "now"    // interrupts
	Digest = "digest" // once a day
	Never  = "never"  // shown where people look, never sent
)

// Policy is what people decided about being told. It is read-only; its functions
// are pure. Nil functions say nothing special.
type Policy struct {
	GroupWait  time.Duration // wait before the first message, to group what belongs together
	Reopen     time.Duration // what comes back within this time is the same incident
	Remind     time.Duration // say again that it is open; 0: never
	DigestOver int           // more addresses than this, hit within massWindow, are one incident
	Zone       *time.Location

	// Quiet says whether t lies in quiet hours, and when they end.
	Quiet func(t time.Time) (until time.Time, quiet bool)
	// Warming: alerts about the address are quiet.
	Warming func(ip string) bool
	// Maintenance gives the reason of a planned window over the pair at t, and its
	// end. Either may be empty.
	Maintenance func(t time.Time, ip, partner string) (reason string, until time.Time, ok bool)
	// Describe gives an address's EHLO name, pool and owner.
	Describe func(ip string) (name, pool, owner string)
	// Provider names who runs a partner's mail servers; empty: unknown.
	Provider func(partner string) string
	// Proven: enough verdicts on this installation were confirmed, so that
	// confidence needs no "from simulation" (CORRELATION, demand 5).
	Proven bool
}

const (
	massWindow  = 10 * time.Minute // hits by one list within it may be one incident
	campaign    = 3 * time.Hour    // listings of one address within it are one incident
	together    = 70 * time.Minute // losses within it may have one cause: one round of hourly looks
	plausible   = 0.2              // from this share of listings on, an undetermined loss is told with the listing
	loudReact   = 0.5              // from this probability on, a forecast reaction interrupts
	maxSaid     = 50
	maxEvidence = 8
)

func (p *Policy) describe(ip string) (name, pool, owner string) {
	if p.Describe == nil {
		return "", "", ""
	}
	return p.Describe(ip)
}

func (p *Policy) warming(ip string) bool { return p.Warming != nil && p.Warming(ip) }

func (p *Policy) provider(partner string) string {
	if p.Provider == nil {
		return ""
	}
	return p.Provider(partner)
}

func (p *Policy) maintenance(t time.Time, ip, partner string) (string, time.Time, bool) {
	if p.Maintenance == nil {
		return "", time.Time{}, false
	}
	return p.Maintenance(t, ip, partner)
}

// due is when the first message about an incident may go out.
func (p *Policy) due(now time.Time, impact reputation.Impact) time.Time {
	due := now.Add(p.GroupWait)
	if p.Quiet == nil || impact == reputation.Critical {
		return due
	}
	if until, quiet := p.Quiet(due); quiet {
		return until
	}
	return due
}

// hush: quiet hours hold back what hurts less than critical.
func (p *Policy) hush(now time.Time, impact reputation.Impact) bool {
	if p.Quiet == nil || impact == reputation.Critical {
		return false
	}
	_, quiet := p.Quiet(now)
	return quiet
}

// reminds: nobody has it in hand and nothing was said of it for so long that people are
// to be told again. Quiet hours hold that back, also when it is critical: it is no news.
func (p *Policy) reminds(now time.Time, i *Incident) bool {
	if p.Remind <= 0 || !i.Told || !i.AckedAt.IsZero() || i.quiet(now) {
		return false
	}
	last := i.Reminded
	if n := len(i.Said); n > 0 && i.Said[n-1].At.After(last) {
		last = i.Said[n-1].At
	}
	return now.Sub(last) >= p.Remind && !p.hush(now, reputation.Info)
}

// urgency orders levels.
func urgency(level string) int {
	switch level {
	case Now:
		return 2
	case Digest:
		return 1
	default:
		return 0
	}
}

func moreUrgent(a, b string) string {
	if urgency(a) >= urgency(b) {
		return a
	}
	return b
}
