package reputation

import (
	"fmt"
	"net/netip"
	"strings"
)

// Kind says which kind of state a Subject names.
type Kind string

const (
	// KindListing is an IP or domain on a list: 203.0.113.7@spamhaus-zen.
	KindListing Kind = "listing"
	// KindWire is what a partner offers a sending IP: 203.0.113.7>contoso.com.
	KindWire Kind = "wire"
	// KindControl is what a partner offers a control vantage: office>contoso.com.
	// Domain holds the control's name.
	KindControl Kind = "control"
	// KindOwn is our own side: PTR, EHLO name, our MX. Target is what was looked at.
	KindOwn Kind = "own"
	// KindHealth is whether repwatch itself can see and speak. Domain is the part
	// (resolver, coverage, port25, control, notifier, looking, store), Target what of it.
	KindHealth Kind = "health"
)

// Subject names one watched state. It is comparable and serves as map key and
// store key; its text form is the one used on the command line. Exactly one
// of IP and Domain is set. Target is the list's id or the partner's name.
type Subject struct {
	Kind   Kind
	IP     netip.Addr
	Domain string
	Target string
}

// Who is the watched IP or domain as text.
func (s Subject) Who() string {
	if s.IP.IsValid() {
		return s.IP.String()
	}
	return s.Domain
}

// SetWho sets the watched IP or domain from its text.
func (s *Subject) SetWho(text string) {
	if ip, err := netip.ParseAddr(text); err == nil {
		s.IP, s.Domain = ip.Unmap(), ""
		return
	}
	s.IP, s.Domain = netip.Addr{}, text
}

// String is IP@LIST for a listing, IP>PARTNER for the wire and the control, WHO/TARGET
// for our own side and health, the bare IP or domain otherwise.
func (s Subject) String() string {
	switch s.Kind {
	case KindListing:
		return s.Who() + "@" + s.Target
	case KindWire, KindControl:
		return s.Who() + ">" + s.Target
	case KindOwn, KindHealth:
		if s.Target != "" {
			return s.Who() + "/" + s.Target
		}
		return s.Who()
	default:
		return s.Who()
	}
}

// ParsePair reads IP@LIST, DOMAIN@LIST or IP>PARTNER, the inverse of String for
// those kinds. The IP is unmapped; names are lower-cased.
func ParsePair(text string) (Subject, error) {
	sep, kind := "@", KindListing
	if strings.Contains(text, ">") {
		sep, kind = ">", KindWire
	}
	who, target, ok := strings.Cut(text, sep)
	if !ok || who == "" || target == "" {
		return Subject{}, fmt.Errorf("%q is no subject: write IP@LIST or IP>PARTNER", text)
	}
	s := Subject{Kind: kind, Target: strings.ToLower(target)}
	if ip, err := netip.ParseAddr(who); err == nil {
		s.IP = ip.Unmap()
	} else if kind == KindWire {
		return Subject{}, fmt.Errorf("%q is no subject: %q before '>' must be a sending IP", text, who)
	} else {
		s.Domain = strings.TrimSuffix(strings.ToLower(who), ".")
	}
	return s, nil
}
