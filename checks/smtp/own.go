package smtp

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/miekg/dns"

	"repwatch/reputation"
	"repwatch/resolve"
)

// OwnIP is one of our sending addresses with the name it says in EHLO.
type OwnIP struct {
	IP   netip.Addr // the public address that partners see
	EHLO string     // the production EHLO name; empty if not known
}

// Finding is one thing about our own side, in words for those who run it.
type Finding struct {
	ID      string // stable, see the Own constants
	Verdict reputation.Verdict
	Impact  reputation.Impact // how much it hurts if Bad; Info is a note
	What    string            // what was found
	Why     string            // why it matters; empty if Clear
	Do      string            // what to do; empty if Clear
}

// String is the finding as one line.
func (f Finding) String() string {
	return strings.Join(slices.DeleteFunc([]string{f.What, f.Why, f.Do}, func(s string) bool { return s == "" }), ". ")
}

// What CheckOwn looks at.
const (
	OwnPTR         = "ptr"           // the address has a name
	OwnPTRForward  = "ptr-forward"   // ... that leads back to it
	OwnPTRGeneric  = "ptr-generic"   // a note: the name looks assigned by machine
	OwnPTRMany     = "ptr-many"      // a note: several names
	OwnPTRStray    = "ptr-stray"     // a note: one of several names does not lead back
	OwnEHLOName    = "ehlo-name"     // the EHLO name is a full host name
	OwnEHLOForward = "ehlo-forward"  // ... that leads to the address
	OwnEHLOPTR     = "ehlo-ptr"      // ... and is one of its PTR names
	OwnNotPublic   = "ip-not-public" // nothing can be known of a private address
)

// OwnReport is what others find when they look at a sending address of ours.
type OwnReport struct {
	IP       netip.Addr
	EHLO     string
	PTR      []string // names, lower case, no final dot, sorted
	Findings []Finding
}

// Verdict is Bad if anything that hurts is, else Unknown if anything is, else Clear. Notes do not count.
func (r OwnReport) Verdict() reputation.Verdict {
	v := reputation.Clear
	for _, f := range r.Findings {
		switch {
		case f.Verdict == reputation.Bad && f.Impact > reputation.Info:
			return reputation.Bad
		case f.Verdict == reputation.Unknown:
			v = reputation.Unknown
		}
	}
	return v
}

// Find gives the finding with an ID.
func (r OwnReport) Find(id string) (Finding, bool) {
	i := slices.IndexFunc(r.Findings, func(f Finding) bool { return f.ID == id })
	if i < 0 {
		return Finding{}, false
	}
	return r.Findings[i], true
}

// maxPTRNames are looked up forward; hosting machines with hundreds of names exist.
const maxPTRNames = 10

// CheckOwn looks at one of our addresses as a receiver does: has it a name, does
// the name lead back (forward-confirmed reverse DNS), does the EHLO name fit.
// RFC 5321 §4.1.4 asks for none of it, receivers do: 450 4.7.1, and 550 5.7.25
// (RFC 7372) where it is missing. A failed lookup is Unknown, apart from "there is none".
func CheckOwn(ctx context.Context, lookups resolve.Lookuper, own OwnIP) OwnReport {
	c := &ownCheck{ctx: ctx, dns: lookups, ip: own.IP.Unmap(), ehlo: plainName(strings.TrimSpace(own.EHLO))}
	c.IP, c.EHLO = c.ip, c.ehlo
	why := notPublic(c.ip)
	c.public = why == ""
	named := c.ehloName()
	if !c.public {
		c.add(Finding{ID: OwnNotPublic, Verdict: reputation.Unknown, What: fmt.Sprintf("%s is %s: no public PTR can exist, so its names are not judged", c.ip, why),
			Why: "partners see another address, behind which ours is hidden", Do: "configure the public address as the sending IP, and this one as bind"})
		return c.OwnReport
	}
	known := c.reverse()
	if named {
		c.ehloForward()
		if known {
			c.ehloPTR()
		}
	}
	return c.OwnReport
}

type ownCheck struct {
	OwnReport
	ctx  context.Context
	dns  resolve.Lookuper
	ip   netip.Addr
	ehlo string

	public        bool // the address can be reached and looked up by others
	ehloLeadsHere bool
}

func (c *ownCheck) add(f Finding) { c.Findings = append(c.Findings, f) }

func (c *ownCheck) clear(id, format string, args ...any) {
	c.add(Finding{ID: id, Verdict: reputation.Clear, What: fmt.Sprintf(format, args...)})
}

func (c *ownCheck) unknown(id, what string, err error) {
	c.add(Finding{ID: id, Verdict: reputation.Unknown, What: fmt.Sprintf("%s could not be looked up: %v", what, err),
		Why: "without an answer nothing is said for or against it", Do: "check the resolver, or wait for the next look"})
}

// reverse looks at the PTR names; known is false if they could not be looked up.
func (c *ownCheck) reverse() (known bool) {
	arpa, err := dns.ReverseAddr(c.ip.String())
	if err != nil { // an invalid address
		c.unknown(OwnPTR, "the PTR of the address", err)
		return false
	}
	a, err := c.dns.Lookup(c.ctx, resolve.Query{Name: arpa, Type: dns.TypePTR})
	if err != nil {
		c.unknown(OwnPTR, fmt.Sprintf("the PTR of %s", c.ip), err)
		return false
	}
	for _, rr := range a.Records {
		if p, ok := rr.(*dns.PTR); ok {
			c.PTR = append(c.PTR, plainName(p.Ptr))
		}
	}
	slices.Sort(c.PTR)
	c.PTR = slices.Compact(c.PTR)
	if len(c.PTR) == 0 {
		c.add(c.noPTR())
		return true
	}
	c.clear(OwnPTR, "%s has the name %s", c.ip, strings.Join(c.PTR, ", "))
	c.forward()
	c.notes()
	return true
}

func (c *ownCheck) noPTR() Finding {
	f := Finding{ID: OwnPTR, Verdict: reputation.Bad, Impact: reputation.High,
		What: fmt.Sprintf("%s has no name in DNS (no PTR record)", c.ip),
		Why:  "many receivers defer or refuse mail from such an address, with texts like 450 4.7.1 cannot find your reverse hostname",
		Do:   "ask whoever gave you the address to set its PTR to " + c.wantedName()}
	if c.ip.Is6() {
		f.Impact = reputation.Critical
		f.Why = "Exchange Online (550 5.7.25) and Gmail refuse mail from an IPv6 address without one"
		f.Do += ", or send over IPv4 until it is there"
	}
	return f
}

func (c *ownCheck) wantedName() string {
	if c.ehlo != "" {
		return c.ehlo
	}
	return "the name your server says in EHLO"
}

// forward checks that a PTR name leads back to the address.
func (c *ownCheck) forward() {
	var back, stray []string
	var failed error
	for _, name := range c.PTR[:min(len(c.PTR), maxPTRNames)] {
		switch here, _, err := c.leadsHere(name); {
		case err != nil:
			failed = err
		case here:
			back = append(back, name)
		default:
			stray = append(stray, name)
		}
	}
	switch {
	case len(back) > 0:
		c.clear(OwnPTRForward, "%s leads back to %s", back[0], c.ip)
	case failed != nil:
		c.unknown(OwnPTRForward, "the address of a PTR name", failed)
		return
	default:
		c.add(Finding{ID: OwnPTRForward, Verdict: reputation.Bad, Impact: reputation.High,
			What: fmt.Sprintf("%s is called %s, but that name does not lead back to it", c.ip, strings.Join(stray, ", ")),
			Why:  "anybody can write any name into a PTR, so receivers believe only one that its own zone confirms; the rest counts as no name at all",
			Do:   fmt.Sprintf("add %s to the %s records of %s, or have the PTR changed", c.ip, c.recordType(), stray[0])})
		return
	}
	if len(stray) > 0 {
		c.add(Finding{ID: OwnPTRStray, Verdict: reputation.Bad, Impact: reputation.Info,
			What: fmt.Sprintf("of the names of %s, %s does not lead back to it", c.ip, strings.Join(stray, ", ")),
			Why:  "a receiver may look at that one only", Do: "remove that PTR record"})
	}
}

func (c *ownCheck) notes() {
	if n := len(c.PTR); n > 1 {
		c.add(Finding{ID: OwnPTRMany, Verdict: reputation.Bad, Impact: reputation.Info,
			What: fmt.Sprintf("%s has %d PTR records", c.ip, n),
			Why:  "receivers take whichever comes first, so what they see changes from mail to mail", Do: "keep one, " + c.wantedName()})
	}
	for _, name := range c.PTR {
		if looksGeneric(name, c.ip) {
			c.add(Finding{ID: OwnPTRGeneric, Verdict: reputation.Bad, Impact: reputation.Info,
				What: fmt.Sprintf("the name %s looks as if a machine had made it from the address", name),
				Why:  "receivers take such names for dial-up and dynamic addresses, which should not send mail", Do: "have the PTR changed to " + c.wantedName()})
			return
		}
	}
}

// leadsHere looks a name up in the family of our address.
func (c *ownCheck) leadsHere(name string) (here bool, addrs []netip.Addr, err error) {
	qtype := dns.TypeA
	if c.ip.Is6() {
		qtype = dns.TypeAAAA
	}
	a, err := c.dns.Lookup(c.ctx, resolve.Query{Name: name, Type: qtype})
	if err != nil {
		return false, nil, err
	}
	for _, rr := range a.Records {
		if ip := recordAddr(rr); ip.IsValid() {
			addrs = append(addrs, ip)
		}
	}
	return slices.Contains(addrs, c.ip), addrs, nil
}

func (c *ownCheck) recordType() string {
	if c.ip.Is6() {
		return "AAAA"
	}
	return "A"
}
