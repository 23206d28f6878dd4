package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"repwatch/api"
)

// printProbe shows, per partner, what it means first and the evidence below.
func (a *app) printProbe(doc api.Probe, transcript bool) {
	for i, group := range byPartner(doc.Results) {
		if i > 0 {
			a.out.printf("\n")
		}
		name := group[0].Partner
		if p := group[0].Provider; p != "" {
			name += " (" + p + ")"
		}
		a.out.printf("%s\n", a.out.paint(bold, name))
		for _, c := range doc.Comparisons {
			if c.Partner == group[0].Partner {
				a.printComparison(c)
			}
		}
		for _, r := range group {
			a.printLook(r, transcript)
		}
	}
}

func byPartner(results []api.ProbeResult) (groups [][]api.ProbeResult) {
	for i, r := range results {
		if i == 0 || results[i-1].Partner != r.Partner {
			groups = append(groups, nil)
		}
		last := len(groups) - 1
		groups[last] = append(groups[last], r)
	}
	return groups
}

func (a *app) printComparison(c api.Comparison) {
	colour := red
	switch c.Verdict {
	case "ok":
		colour = green
	case "unknown", "deferred", "mixed":
		colour = yellow
	}
	a.out.hang("  ", a.out.paint(colour, c.Words))
	if c.Next != "" {
		a.out.hang("  next: ", c.Next)
	}
}

func (a *app) printLook(r api.ProbeResult, transcript bool) {
	where := r.MX
	if r.Addr != "" && r.Addr != r.MX {
		where = strings.TrimSpace(r.MX + " [" + r.Addr + "]")
	}
	if where != "" {
		where += fmt.Sprintf(":%d", r.Port)
	}
	vantage := r.Vantage
	if r.Control {
		vantage = "control " + vantage
	}
	a.out.printf("\n")
	a.out.hang("  "+a.out.paint(bold, r.Outcome.String())+"  ", strings.TrimSpace("from "+vantage+"  "+prefix("at ", where)))
	line := func(label, s string) {
		if s != "" {
			a.out.hang(fmt.Sprintf("    %-9s ", label), s)
		}
	}
	line("why", r.Why)
	line("missing", strings.Join(r.Missing, ", "))
	line("offers", capabilityWords(r.Capabilities))
	line("in TLS", capabilityWords(r.CapabilitiesTLS))
	line("TLS", tlsWords(r.TLS))
	if r.SeenIP != "" && r.SeenIP != r.From {
		line("sees us", r.SeenIP)
	}
	a.printReply("reply", r.Reply)
	a.printReply("rcpt", r.RCPT)
	a.printReply("auth", r.Auth)
	a.printReply("message", r.Message)
	for _, f := range r.Faults {
		s := f.Fault
		if f.Words != "" {
			s += ": " + f.Words
		}
		if f.Bytes != "" {
			s += "\n" + a.out.paint(faint, f.Bytes)
		}
		line("fault", s)
	}
	for _, f := range api.Bad(r.Own) {
		line("our MX", strings.Join(nonEmpty(f.Words, f.Why, f.Next), ". "))
	}
	if transcript {
		for _, l := range r.Transcript {
			a.out.hang("    "+a.out.paint(faint, "|")+" ", l)
		}
	}
}

func (a *app) printReply(label string, r *api.Reply) {
	if r == nil || r.Code < 400 && label == "reply" {
		return
	}
	words := strings.ReplaceAll(r.Text, "\n", " ")
	if r.Code != 0 {
		words = fmt.Sprintf("%d %s", r.Code, words)
	}
	a.out.hang(fmt.Sprintf("    %-9s ", label), words)
	if r.Meaning != "" {
		a.out.hang("              ", r.Meaning)
		a.out.hang("              next: ", r.Next)
	}
}

func capabilityWords(caps map[string]string) string {
	var words []string
	for _, k := range slices.Sorted(maps.Keys(caps)) {
		words = append(words, strings.TrimSpace(k+" "+caps[k]))
	}
	return strings.Join(words, ", ")
}

func tlsWords(t *api.TLS) string {
	if t == nil {
		return ""
	}
	words := []string{t.Version, t.Cipher, "handshake " + t.Handshake}
	if t.Handshake == "ok" {
		words = append(words, "chain "+t.Chain, "name "+t.Name, "expiry "+t.Expiry)
	}
	if t.NotAfter != nil {
		words = append(words, "valid until "+t.NotAfter.Format("2006-01-02"))
	}
	return strings.Join(nonEmpty(words...), ", ")
}
