package api

import (
	"fmt"
	"slices"
	"strings"

	"repwatch/checks/dnsbl"
	"repwatch/reputation"
)

// Nagios is one line of a monitoring plugin with its exit code: 0 OK, 1
// WARNING, 2 CRITICAL, 3 UNKNOWN (Monitoring Plugins Development Guidelines).
type Nagios struct {
	Code int
	Line string
}

var nagiosWords = []string{"OK", "WARNING", "CRITICAL", "UNKNOWN"}

func nagios(service string, code int, words string, perf []string) Nagios {
	// A pipe begins perfdata and a line end the long output, so neither may stand in the words.
	words = strings.NewReplacer("|", "/", "\n", " ", "\t", " ").Replace(printable(words))
	return Nagios{code, fmt.Sprintf("%s %s: %s | %s", service, nagiosWords[code], words, strings.Join(perf, " "))}
}

// NagiosCheck is critical for a listing of impact critical or high, a warning
// for any other finding, unknown when less than half could be told.
func NagiosCheck(c Check) Nagios {
	code := c.Exit() // 0, 1 or 3 mean the same here
	var words []string
	for _, r := range c.Results {
		if !r.Finding() {
			continue
		}
		if *r.Impact >= reputation.High {
			code = 2
		}
		words = append(words, fmt.Sprintf("%s on %s (%s)", r.Subject, r.List, strings.Join(r.Meaning, ", ")))
	}
	for _, o := range c.Own {
		for _, f := range Bad(o.Findings) {
			if f.Impact >= reputation.High {
				code = 2
			}
			words = append(words, f.Words)
		}
	}
	listed := len(words)
	if listed > 5 {
		words = append(slices.Clip(words[:5]), fmt.Sprintf("and %d more", listed-5))
	}
	answered := fmt.Sprintf("%d of %d lists answered", c.Coverage.Answered, c.Coverage.Asked)
	switch {
	case code == ExitUnknown && c.Trouble != nil:
		words = []string{"too little could be told: " + c.Trouble.Words}
	case code == ExitUnknown:
		words = []string{"too little could be told: " + answered}
	case listed == 0:
		words = []string{"nothing listed, " + answered}
	}
	unknown := 0
	for _, r := range c.Results {
		if r.Verdict == dnsbl.Unknown {
			unknown++
		}
	}
	return nagios("REPWATCH", code, strings.Join(words, "; "), []string{
		fmt.Sprintf("findings=%d;;;0", listed), fmt.Sprintf("pairs=%d", len(c.Results)), fmt.Sprintf("unknown=%d;;;0", unknown),
		fmt.Sprintf("lists=%d;;;0;%d", c.Coverage.Answered, c.Coverage.Asked)})
}

// NagiosProbe is critical for a lost or broken STARTTLS, a rejection, a missing
// required capability or a login refused; for faults of our own MX by their
// impact; unknown when less than half could be told.
func NagiosProbe(p Probe) Nagios {
	code := p.Exit()
	var words []string
	for _, r := range p.Results {
		if !r.Control && r.bad() {
			if r.severe() {
				code = 2
			}
			words = append(words, fmt.Sprintf("%s from %s: %s", r.Partner, r.Vantage, r.trouble()))
		}
	}
	findings := len(words)
	if findings > 5 {
		words = append(slices.Clip(words[:5]), fmt.Sprintf("and %d more", findings-5))
	}
	unknown := 0
	for _, r := range p.Results {
		if !r.told() {
			unknown++
		}
	}
	sure := fmt.Sprintf("%d of %d looks sure", len(p.Results)-unknown, len(p.Results))
	switch {
	case code == ExitUnknown:
		words = []string{"too little could be told: " + sure + why(p)}
	case findings == 0:
		words = []string{sure + ", no loss"}
	}
	return nagios("REPWATCH", code, strings.Join(words, "; "), []string{
		fmt.Sprintf("findings=%d;;;0", findings), fmt.Sprintf("looks=%d", len(p.Results)), fmt.Sprintf("unknown=%d;;;0", unknown)})
}

// severe: mail is affected now, or our own MX has a fault of impact high or critical.
func (r ProbeResult) severe() bool {
	own := Bad(r.Own)
	return len(own) == 0 || r.Outcome.Verdict() == reputation.Bad || len(r.Missing) > 0 ||
		slices.ContainsFunc(own, func(f Finding) bool { return f.Impact >= reputation.High })
}

// why is the reason of the first look that told nothing.
func why(p Probe) string {
	for _, r := range p.Results {
		if !r.told() && r.Why != "" {
			return "; " + r.Why
		}
	}
	return ""
}

// trouble says in a few words what is wrong with a bad result.
func (r ProbeResult) trouble() string {
	var words []string
	if r.Outcome.Verdict() == reputation.Bad {
		words = append(words, r.Outcome.String())
	}
	if len(r.Missing) > 0 {
		words = append(words, "without "+strings.Join(r.Missing, " "))
	}
	for _, f := range Bad(r.Own) {
		words = append(words, f.Words)
	}
	for _, s := range r.steps() {
		if s.Code >= 500 {
			words = append(words, fmt.Sprintf("%d %s", s.Code, s.Text))
		}
	}
	return strings.Join(words, ", ")
}

// NagiosStatus is critical for an open incident of impact critical or high, a
// warning for any other, unknown when less than half gave a sure answer lately.
func NagiosStatus(s Status) Nagios {
	code := s.Exit()
	if s.Incidents.Open > 0 && s.Incidents.Impact >= reputation.High {
		code = 2
	}
	words := []string{s.Words}
	if s.Incidents.Open > 1 {
		words = words[:0]
		for _, i := range s.Incidents.Rows {
			words = append(words, "#"+i.ID+" "+i.Words)
		}
		if len(words) > 5 {
			words = append(words[:5:5], fmt.Sprintf("and %d more", len(s.Incidents.Rows)-5))
		}
	}
	lost, pending := 0, 0
	for _, p := range s.Partners {
		lost += p.Lost
	}
	for _, n := range s.Notifiers {
		pending += n.Pending
	}
	return nagios("REPWATCH", code, strings.Join(words, "; "), []string{
		fmt.Sprintf("incidents=%d;;;0", s.Incidents.Open), fmt.Sprintf("lost=%d;;;0", lost),
		fmt.Sprintf("lists=%d;;;0;%d", s.Coverage.ListsTold, s.Coverage.Lists), fmt.Sprintf("partners=%d;;;0;%d", s.Coverage.PartnersTold, s.Coverage.Partners),
		fmt.Sprintf("pending=%d;;;0", pending)})
}
