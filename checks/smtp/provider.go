package smtp

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"

	"golang.org/x/net/publicsuffix"
)

// Provider is who runs a mail exchanger, with the habits that are known of it.
// A field that is empty is unknown, not "no". Values are read-only.
type Provider struct {
	ID   string // in configurations, the store and documents
	Name string

	// MX holds the host names by which the provider is recognised: "*.example.com"
	// is every name below it, "example.com" that name alone.
	MX []string

	// WithdrawsStartTLS: its receivers are known to hide STARTTLS from clients of
	// bad reputation (stories 1 and 2), and where that is known from.
	WithdrawsStartTLS string
	// Rejects tells how it refuses clients of bad reputation.
	Rejects string
	// Delist and Postmaster are pages of its own for senders.
	Delist     string
	Postmaster string
	// Connections it allows at once from one address, where it publishes that; 0: unknown.
	Connections int
	// Reacts are lists that it is said to act upon: the correlator's prior, shown as such.
	Reacts []Reacts

	Source string // where the patterns and the rest are known from
}

// Reacts says that a provider acts upon lists (ids of the catalogue), how
// probably that is so before anything was seen, and who says it.
type Reacts struct {
	Lists  []string `yaml:"lists"`
	P      float64  `yaml:"p"`
	Source string   `yaml:"source"`
}

// Providers lists those we know, sorted by ID.
func Providers() []Provider { return slices.Clone(providerTable().list) }

// ProviderByID finds one, for `provider: ID` in a configuration.
func ProviderByID(id string) (Provider, bool) {
	i, ok := slices.BinarySearchFunc(providerTable().list, id, func(p Provider, id string) int { return cmp.Compare(p.ID, id) })
	if !ok {
		return Provider{}, false
	}
	return providerTable().list[i], true
}

// ProviderOf tells who runs the mail exchangers of a domain: pass those of the
// lowest preference. Most of them decide, hosts we do not know together
// counting as one candidate; in a tie a known provider wins over those, and
// between two the smaller ID, so that shuffled hosts give one answer.
func ProviderOf(mxHosts []string) (Provider, bool) {
	votes := map[string]int{}
	for _, h := range mxHosts {
		p, _ := providerOfHost(h)
		votes[p.ID]++
	}
	winner := ""
	for id, n := range votes {
		if id == "" {
			continue
		}
		if winner == "" || n > votes[winner] || n == votes[winner] && id < winner {
			winner = id
		}
	}
	if winner == "" || votes[""] > votes[winner] {
		return Provider{}, false
	}
	return ProviderByID(winner)
}

// providerOfHost looks for the longest pattern that fits: *.olc.protection.outlook.com before *.protection.outlook.com.
func providerOfHost(host string) (Provider, bool) {
	t := providerTable()
	name := plainName(host)
	if i, ok := t.exact[name]; ok {
		return t.list[i], true
	}
	for {
		_, parent, ok := strings.Cut(name, ".")
		if !ok {
			return Provider{}, false
		}
		if i, ok := t.below[parent]; ok {
			return t.list[i], true
		}
		name = parent
	}
}

// Provider tells who runs this route's most preferred exchangers.
func (r Route) Provider() (Provider, bool) {
	for group := range r.groups() {
		hosts := make([]string, len(group))
		for i, h := range group {
			hosts[i] = h.Host
		}
		return ProviderOf(hosts)
	}
	return Provider{}, false
}

// PoliteKey names whose patience a connection to the target costs: its
// provider, or else the registered domain of its host, or else its address.
// It is what a Gate counts by.
func PoliteKey(t Target) string {
	if t.Provider != "" {
		return t.Provider
	}
	if _, err := netip.ParseAddr(t.MX); t.MX == "" || err == nil {
		return t.Addr.String()
	}
	name := plainName(t.MX)
	if d, err := publicsuffix.EffectiveTLDPlusOne(name); err == nil {
		return d
	}
	return name
}
