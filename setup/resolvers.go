package setup

import (
	"fmt"
	"net/netip"
	"strings"

	"repwatch/resolve"
)

// Resolvers are the name servers of this host.
type Resolvers struct {
	Named    []netip.AddrPort // what the person named; nothing else counts then
	System   []netip.AddrPort // of /etc/resolv.conf
	Upstream []netip.AddrPort // those behind systemd-resolved, where that is the system's
	Local    netip.AddrPort   // a server on this host that answers; invalid: none does
}

// Choose says which to write down; none means the system's. The words tell what is wrong with them.
func (r Resolvers) Choose() (servers []netip.AddrPort, words []string) {
	asked := append(r.System[:len(r.System):len(r.System)], r.Upstream...)
	switch {
	case len(r.Named) > 0:
		servers, asked = r.Named, r.Named
	case r.Local.IsValid():
		return []netip.AddrPort{r.Local}, nil
	}
	for _, s := range asked {
		if name, ok := resolve.PublicResolver(s.Addr()); ok {
			words = append(words, PublicWords(s.Addr(), name))
		}
	}
	return servers, words
}

// PublicWords says why a public resolver will not do.
func PublicWords(addr netip.Addr, name string) string {
	return fmt.Sprintf("%s is a public resolver (%s): many lists refuse to answer it. Run one of your own (unbound with its defaults will do)", addr, name)
}

func servers(addrs []netip.AddrPort) string {
	quoted := make([]string, len(addrs))
	for i, a := range addrs {
		quoted[i] = fmt.Sprintf("%q", a)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}
