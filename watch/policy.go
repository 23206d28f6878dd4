package watch

import (
	"net/netip"
	"slices"
	"time"

	"repwatch/config"
	"repwatch/incident"
	"repwatch/store"
)

// policyOf is what the configuration says about being told.
func policyOf(cfg *config.Loaded) incident.Policy {
	p := incident.Policy{
		GroupWait: cfg.Notify.GroupWait.D(), Reopen: cfg.Notify.Reopen.D(), Remind: cfg.Notify.Remind.D(),
		DigestOver: cfg.Notify.DigestOver, Zone: cfg.Schedule.Timezone.Loc(),
	}
	sending := map[string]config.Address{}
	for _, a := range cfg.Addresses {
		sending[a.IP.String()] = a
	}
	p.Warming = func(ip string) bool { return sending[ip].State == config.Warming }
	p.Describe = func(ip string) (name, pool, owner string) {
		a := sending[ip]
		return a.Name, a.Pool, a.Owner
	}
	p.Maintenance = maintenance(cfg)
	if quiet := cfg.Notify.Quiet; quiet != (config.Quiet{}) {
		p.Quiet = func(t time.Time) (time.Time, bool) { return quietEnd(quiet, t.In(p.Zone)) }
	}
	return p
}

func maintenance(cfg *config.Loaded) func(t time.Time, ip, partner string) (string, time.Time, bool) {
	return func(t time.Time, ip, partner string) (string, time.Time, bool) {
		addr, _ := netip.ParseAddr(ip)
		for _, m := range cfg.Maintenance {
			switch {
			case t.Before(m.From.Time) || !t.Before(m.To.Time):
			case len(m.Partners) > 0 && !slices.Contains(m.Partners, partner):
			case len(m.IPs) > 0 && !slices.Contains(m.IPs, config.IP{Addr: addr}):
			default:
				reason := m.Reason
				if reason == "" {
					reason = "planned"
				}
				return reason, m.To.Time, true
			}
		}
		return "", time.Time{}, false
	}
}

// quietEnd says whether t lies in the quiet hours, and when these end.
func quietEnd(q config.Quiet, t time.Time) (time.Time, bool) {
	minute := t.Hour()*60 + t.Minute()
	in := q.From <= minute && minute < q.To
	if q.From > q.To {
		in = minute >= q.From || minute < q.To
	}
	if !in {
		return time.Time{}, false
	}
	end := time.Date(t.Year(), t.Month(), t.Day(), q.To/60, q.To%60, 0, 0, t.Location())
	if !end.After(t) {
		end = time.Date(t.Year(), t.Month(), t.Day()+1, q.To/60, q.To%60, 0, 0, t.Location())
	}
	return end, true
}

// provenFrom is how many verdicts a reversal must have confirmed here before
// confidence is shown without "from simulation".
const provenFrom = 20

// proven counts verdicts that were confirmed by what came back when.
func proven(tx *store.Tx) bool {
	n := 0
	for _, i := range tx.Incidents().All() {
		if i.Status == incident.Resolved && i.Verdict == "listing" && i.Word == "confirmed" && i.ClosedBy == "" {
			n++
		}
	}
	return n >= provenFrom
}
