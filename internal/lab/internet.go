package lab

import (
	"crypto/x509"
	"fmt"
	"net/netip"
	"strings"
)

// Internet is the world of the demo: lists, a resolver, partners that treat
// badly reputed clients as receivers do, and a proxy through which a control
// vantage sees the partners from elsewhere. Everything is on 127.0.0.1.
type Internet struct {
	DNS   *DNS
	SOCKS *SOCKS
	Roots *x509.CertPool // trust these, and the partners' certificates hold

	// XBL names exploited hosts, Traps those that wrote to spam traps. Broken lists the world.
	XBL, Traps, Broken *DNSBlocklist

	// Contoso is run like Exchange Online, Fabrikam like a Cisco gateway. Tailspin never minds anybody.
	Contoso, Fabrikam, Tailspin *Partner

	// Sender is the public address that Contoso knows us by, Other the one that Fabrikam and Tailspin do.
	Sender, Other netip.Addr
}

// Partner is a domain with one MX, as we see it and as everybody else does.
type Partner struct {
	Domain string
	Port   uint16

	sender       netip.Addr
	offers       []string
	toUs, others *SMTP
}

// NewInternet starts the world for a sending address, or two. Close ends it.
func NewInternet(sender netip.Addr, other ...netip.Addr) (*Internet, error) {
	w := &Internet{Sender: sender, Other: sender}
	if len(other) > 0 {
		w.Other = other[0]
	}
	if err := w.start(); err != nil {
		w.Close()
		return nil, err
	}
	return w, nil
}

func (w *Internet) start() (err error) {
	if w.DNS, err = NewDNS(DNSOptions{}); err != nil {
		return err
	}
	w.XBL = w.DNS.Blocklist("xbl.lists.example")
	w.XBL.List("127.0.0.2", "127.0.0.4")
	w.Traps = w.DNS.Blocklist("traps.lists.example")
	w.Broken = w.DNS.Blocklist("expired.lists.example")
	w.Broken.ListWorld("127.0.0.2")
	ca, err := NewCA()
	if err != nil {
		return err
	}
	w.Roots = ca.Pool()
	routes := map[netip.AddrPort]netip.AddrPort{}
	if w.Contoso, err = w.partner(ca, "contoso.example", w.Sender, Exchange(), routes); err != nil {
		return err
	}
	if w.Fabrikam, err = w.partner(ca, "fabrikam.example", w.Other, []string{"8BITMIME", "SIZE 20971520", "STARTTLS"}, routes); err != nil {
		return err
	}
	if w.Tailspin, err = w.partner(ca, "tailspin.example", w.Other, []string{"8BITMIME", "SIZE 35882577", "STARTTLS"}, routes); err != nil {
		return err
	}
	w.SOCKS, err = NewSOCKS(routes)
	return err
}

// partner makes two servers with one name: ours, and the one that others reach.
func (w *Internet) partner(ca *CA, domain string, sender netip.Addr, offers []string, routes map[netip.AddrPort]netip.AddrPort) (*Partner, error) {
	p := &Partner{Domain: domain, sender: sender, offers: offers}
	host := "mx." + domain
	var at [2]netip.AddrPort
	for i, s := range []**SMTP{&p.toUs, &p.others} {
		var err error
		if *s, err = NewSMTP(SMTPOptions{Host: host, CA: ca}); err != nil {
			return p, err
		}
		if at[i], err = (*s).Listen("127.0.0.1:0"); err != nil {
			return p, err
		}
	}
	p.Port = at[0].Port()
	routes[at[0]] = at[1]
	records := fmt.Sprintf("%s. 300 IN MX 10 %s.\n%[2]s. 300 IN A 127.0.0.1\n", domain, host)
	if err := w.DNS.Add(records); err != nil {
		return p, err
	}
	if err := p.others.Play(Offering(offers...)); err != nil {
		return p, err
	}
	return p, p.Restore()
}

// Withdraw hides capabilities from us alone, from the next connection on.
func (p *Partner) Withdraw(keywords ...string) error {
	return p.play(Without(p.offers, keywords...))
}

// Restore offers us what others are offered.
func (p *Partner) Restore() error { return p.play(p.offers) }

func (p *Partner) play(offers []string) error {
	return p.toUs.Play(strings.ReplaceAll(Offering(offers...), "{ip}", p.sender.String()))
}

// Close ends everything that was started.
func (w *Internet) Close() {
	for _, p := range []*Partner{w.Contoso, w.Fabrikam, w.Tailspin} {
		if p == nil {
			continue
		}
		for _, s := range []*SMTP{p.toUs, p.others} {
			if s != nil {
				s.Close()
			}
		}
	}
	if w.SOCKS != nil {
		w.SOCKS.Close()
	}
	if w.DNS != nil {
		w.DNS.Close()
	}
}
