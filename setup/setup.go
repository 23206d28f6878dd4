// Package setup looks at a host before repwatch runs there: what a first
// configuration should say (Draft, for `repwatch init`) and whether the host can
// do what the configuration asks (the checks of `repwatch doctor`).
//
// What it sees is data (Host, SPF, Postfix, Partner), gathered by functions that
// say so; what follows from it is pure. It never guesses in silence: what is not
// taken over stands beside the rest, with the reason.
package setup

import (
	"fmt"
	"net/netip"
	"regexp"
	"strings"

	"golang.org/x/net/idna"

	"repwatch/checks/smtp"
)

// Host is what setup knows of this machine.
type Host struct {
	Name      string       // its full host name; empty if it has none with a domain
	Public    []netip.Addr // of its interfaces, reachable from outside by their kind
	Private   []netip.Addr // ... and those that only exist inside
	Resolvers Resolvers
	Names     map[netip.Addr]Name // of Public, as far as DNS tells
	MailLog   string              // the first file mail is logged to; empty: none seen
}

// Name is what DNS calls an address.
type Name struct {
	Host      string // a PTR name; empty: none
	Confirmed bool   // it leads back to the address (forward-confirmed reverse DNS)
	Unknown   bool   // DNS could not tell
}

// Partner is one that may be written down.
type Partner struct {
	Domain, Host string // one of them
	Port         uint16
	Require      []string
	From         string // where it was found, in words
}

// name is the partner as people call it.
func (p Partner) name() string {
	if p.Domain != "" {
		return p.Domain
	}
	return p.Host
}

// partnerOf reads a partner as Postfix and people write it: a domain, or a next
// hop without MX lookup in brackets or with a port.
func partnerOf(text, from string) (Partner, error) {
	hop, err := smtp.ParseNextHop(text)
	if err != nil {
		return Partner{}, err
	}
	p := Partner{Port: smtp.DefaultPort, From: from}
	if hop.Port != 0 {
		p.Port = hop.Port
	}
	if hop.Direct {
		p.Host = hop.Name
		return p, nil
	}
	p.Domain = hop.Name
	return p, isDomain(hop.Name)
}

// public reports whether partners may see the address as it is. Documentation
// addresses count: they stand for public ones.
func public(ip netip.Addr) bool {
	return ip.IsGlobalUnicast() && !ip.IsPrivate() && !sharedSpace.Contains(ip)
}

// sharedSpace lies behind a carrier's NAT (RFC 6598).
var sharedSpace = netip.MustParsePrefix("100.64.0.0/10")

// isDomain refuses what the configuration would, so that a draft is always good.
func isDomain(name string) error {
	if !strings.Contains(name, ".") {
		return fmt.Errorf("%q has no dot: a domain such as contoso.com is meant", name)
	}
	ascii, err := idna.Lookup.ToASCII(name)
	top := name[strings.LastIndexByte(name, '.')+1:]
	if err != nil || ascii != name || !domain.MatchString(name) || strings.Trim(top, "0123456789") == "" {
		return fmt.Errorf("%q is no domain", name)
	}
	return nil
}

// domain is a name in A-labels and lower case; labels below the top may have underscores.
var domain = regexp.MustCompile(`^([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\.)+[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)
