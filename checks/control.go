package checks

import (
	"context"
	"fmt"
	"strings"

	"repwatch/checks/dnsbl"
	"repwatch/incident"
	"repwatch/reputation"
)

// controlsListed asks the lists about the controls' own addresses: a control that
// is listed itself can no longer vouch for how others are treated. A control
// behind a proxy has an address that we do not know.
func (c *listsCheck) controlsListed(ctx context.Context, lists []*dnsbl.List) []HealthLook {
	names := map[dnsbl.Point]string{}
	var points []dnsbl.Point
	for _, control := range c.Config.Control {
		if ip := control.Bind.Addr; ip.IsValid() && ip.IsGlobalUnicast() && !ip.IsPrivate() {
			names[dnsbl.Point{IP: ip}] = control.Name
			points = append(points, dnsbl.Point{IP: ip})
		}
	}
	if len(points) == 0 {
		return nil
	}
	s := c.Engine.Sweep(ctx, lists, points, nil)
	if ctx.Err() != nil {
		return nil
	}
	named, told := map[dnsbl.Point][]string{}, map[dnsbl.Point]bool{}
	for _, r := range s.Results {
		p := dnsbl.Point{IP: r.Subject.IP}
		told[p] = told[p] || r.Reading.Verdict != dnsbl.Unknown
		if r.Finding() && r.Reading.Impact >= reputation.High {
			named[p] = append(named[p], r.List.ID)
		}
	}
	var out []HealthLook
	for _, p := range points {
		look := HealthLook{Subject: reputation.Subject{Kind: reputation.KindHealth, Domain: "control-listed", Target: names[p]}, At: now()}
		switch {
		case len(named[p]) > 0:
			look.Fault = &incident.Fault{ID: "control-listed", Impact: reputation.High,
				What: fmt.Sprintf("the control %s (%s) is itself on %s", names[p], p.IP, strings.Join(named[p], ", ")),
				Why:  "partners may treat it as badly as a listed sending address, so what it sees no longer tells our reputation from a partner's change",
				Do:   fmt.Sprintf("delist %s (repwatch check %s), or configure another control", p.IP, p.IP)}
		case !told[p]:
			continue
		}
		out = append(out, look)
	}
	return out
}
