package smtp

import (
	"cmp"
	"hash/fnv"
	"net/netip"
	"regexp"
	"slices"
	"strings"
)

// slowDown is how servers say that we come too often (Postfix anvil, Cisco ESA, Gmail, QQ, Orange).
var slowDown = regexp.MustCompile(`(?i)too (many|much|fast|frequent)|rate.?limit|frequency limit|unusual rate|throttl|try again later|slow down`)

// EndingOf reads from a result how the session ended, and whether the server
// asked for patience: 421 anywhere, or a refusal whose text says so.
func EndingOf(r Result) Ending {
	e := Ending{Outcome: r.Outcome}
	for _, reply := range []*Reply{r.Greeting, r.Reply} {
		if reply == nil || reply.Code < 400 {
			continue
		}
		if reply.Code == 421 || slowDown.MatchString(strings.Join(reply.Lines, " ")) {
			e.SlowDown = true
		}
	}
	return e
}

// PlannedPartner is a partner as the schedule sees it.
type PlannedPartner struct {
	Name     string
	Provider string       // see PoliteKey; empty: the partner by itself
	From     []netip.Addr // sending IPs it is looked at from; empty: all
}

// PlannedIP is a sending IP and its pool.
type PlannedIP struct {
	IP   netip.Addr
	Pool string
}

// ProviderLoad is what a schedule asks of one provider.
type ProviderLoad struct {
	Provider string
	Partners []string
	Sessions float64 // a day, from all our IPs together, the cap applied
	PerIP    float64 // a day, asked for by the busiest IP, the cap not applied
	// Stretch is how many times longer than scheduled the wait between looks gets
	// because of the cap: 1 as scheduled, 2 half as often.
	Stretch float64
}

// SessionsPerDay estimates the sessions of a schedule that looks at each
// partner looksPerDay times, from all its sending IPs or, of pools larger than
// canaries, from that many in turn (0: all). perDay caps what one IP opens to one
// provider (0: no cap). Confirmations come on top, they are few. Sorted by sessions, most first.
func SessionsPerDay(partners []PlannedPartner, ips []PlannedIP, looksPerDay float64, canaries, perDay int) []ProviderLoad {
	loads := map[string]*ProviderLoad{}
	asked := map[string]map[netip.Addr]float64{}
	for _, p := range partners {
		key := cmp.Or(p.Provider, p.Name)
		if loads[key] == nil {
			loads[key] = &ProviderLoad{Provider: key, Stretch: 1}
			asked[key] = map[netip.Addr]float64{}
		}
		loads[key].Partners = append(loads[key].Partners, p.Name)
		for _, pool := range poolsOf(ips, p.From) {
			share := 1.0
			if canaries > 0 && canaries < len(pool) {
				share = float64(canaries) / float64(len(pool))
			}
			for _, ip := range pool {
				asked[key][ip] += looksPerDay * share
			}
		}
	}
	var out []ProviderLoad
	for key, l := range loads {
		for _, n := range asked[key] {
			l.PerIP = max(l.PerIP, n)
			if perDay > 0 && n > float64(perDay) {
				l.Stretch = max(l.Stretch, n/float64(perDay))
				n = float64(perDay)
			}
			l.Sessions += n
		}
		slices.Sort(l.Partners)
		out = append(out, *l)
	}
	slices.SortFunc(out, func(a, b ProviderLoad) int {
		return cmp.Or(cmp.Compare(b.Sessions, a.Sessions), cmp.Compare(a.Provider, b.Provider))
	})
	return out
}

func poolsOf(ips []PlannedIP, only []netip.Addr) map[string][]netip.Addr {
	pools := map[string][]netip.Addr{}
	for _, ip := range ips {
		if len(only) == 0 || slices.Contains(only, ip.IP) {
			pools[ip.Pool] = append(pools[ip.Pool], ip.IP)
		}
	}
	return pools
}

// Canaries chooses which n IPs of a pool look at a provider in a round (0, 1, 2,
// ...), so that in turn each one does; providers start at different places. With
// n of 0, or at least as many as there are, it is all of them.
func Canaries(pool []netip.Addr, provider string, round, n int) []netip.Addr {
	sorted := slices.Clone(pool)
	slices.SortFunc(sorted, netip.Addr.Compare)
	sorted = slices.Compact(sorted)
	if n <= 0 || n >= len(sorted) {
		return sorted
	}
	h := fnv.New32a()
	h.Write([]byte(provider))
	start := (int(h.Sum32()%uint32(len(sorted))) + round%len(sorted)*n) % len(sorted)
	out := make([]netip.Addr, 0, n)
	for i := range n {
		out = append(out, sorted[(start+i)%len(sorted)])
	}
	return out
}
