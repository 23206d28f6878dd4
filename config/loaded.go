package config

import (
	"net/netip"
	"slices"
	"strings"

	"repwatch/checks/dnsbl"
)

// Loaded is a configuration that was read, filled with defaults and found
// consistent, with what follows from it. It is read-only.
type Loaded struct {
	Config
	File     string   // empty: no file, defaults only
	Warnings []string // in words, for people; nothing that stops work

	Addresses []Address // sending_ips with ranges spelled out
	Catalogue *dnsbl.Catalogue
	Lists     []*dnsbl.List // those of blocklists.use, in catalogue order

	// Redact takes list keys out of any text (rule of truth 8).
	Redact func(string) string
}

// Address is one sending address.
type Address struct {
	IP    netip.Addr
	Name  string // EHLO name; empty: not configured
	Bind  netip.Addr
	Via   Proxy
	Pool  string
	Owner string
	Tags  []string
	State State
}

// Points are the configured subjects of lists: sending addresses, then domains.
func (l *Loaded) Points() []dnsbl.Point {
	var points []dnsbl.Point
	for _, a := range l.Addresses {
		points = append(points, dnsbl.Point{IP: a.IP})
	}
	for _, d := range l.Domains {
		points = append(points, dnsbl.Point{Domain: d})
	}
	return points
}

// Sending is the configured sending address ip, or one made of ip alone.
func (l *Loaded) Sending(ip netip.Addr) Address {
	for _, a := range l.Addresses {
		if a.IP == ip {
			return a
		}
	}
	return Address{IP: ip, State: Active}
}

// Probers are the addresses that probe a partner, and how many of those that
// might are left out: standby ones never probe, and of a pool with more than
// probes.canaries addresses only the first so many do (rule of truth 6).
func (l *Loaded) Probers(p Partner) (chosen []Address, left int) {
	inPool := map[string]int{}
	for _, a := range l.Addresses {
		if len(p.From) > 0 {
			if slices.Contains(p.From, IP{a.IP}) {
				chosen = append(chosen, a)
			}
			continue
		}
		limit := l.Probes.Canaries
		if a.State == Standby || limit > 0 && inPool[a.Pool] >= limit {
			left++
			continue
		}
		inPool[a.Pool]++
		chosen = append(chosen, a)
	}
	return chosen, left
}

// PartnerNamed finds a configured partner by its domain or host.
func (l *Loaded) PartnerNamed(name string) (Partner, bool) {
	name = strings.TrimSuffix(strings.ToLower(name), ".")
	for _, p := range l.Partners {
		if p.Name() == name {
			return p, true
		}
	}
	if slices.Contains(l.OwnMX, name) {
		return Partner{Domain: name, Port: 25, Provider: "auto", Own: true}, true
	}
	return Partner{}, false
}
