package checks

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"repwatch/checks/dnsbl"
	"repwatch/incident"
	"repwatch/reputation"
)

// tellsOfAll: a round of so many of all lists says something about our own
// seeing, and not only about those lists.
func tellsOfAll(asked, all int) bool { return asked > 0 && (asked*2 >= all || asked >= 8) }

// sweepHealth says how well we see (rule of truth 7): one trouble of the resolver
// instead of fifty silent lists, else how many lists answered. What neither sweep
// nor diagnosis can tell is left out.
func sweepHealth(columns []*column, resolvers []netip.AddrPort, at time.Time) []HealthLook {
	var conditions []dnsbl.Condition
	var silent []string
	asked, answered := 0, 0
	for _, c := range columns {
		conditions = append(conditions, c.cond)
		if c.cond.Health == dnsbl.HealthUntested {
			continue // its silence proves nothing, here neither
		}
		asked++
		if c.answered() {
			answered++
		} else {
			silent = append(silent, c.List+" ("+c.silence()+")")
		}
	}
	look := func(domain string, f *incident.Fault) HealthLook {
		return HealthLook{Subject: reputation.Subject{Kind: reputation.KindHealth, Domain: domain}, At: at, Fault: f}
	}
	var out []HealthLook
	trouble := dnsbl.Diagnose(conditions, resolvers)
	switch {
	case trouble != nil:
		out = append(out, look("resolver", &incident.Fault{ID: trouble.Kind, Impact: reputation.Critical, What: trouble.Words, Do: trouble.Next}))
	case answered > 0:
		out = append(out, look("resolver", nil))
	}
	switch {
	case asked == 0:
	case answered*2 >= asked:
		out = append(out, look("coverage", nil))
	case trouble == nil:
		out = append(out, look("coverage", thin(asked, answered, silent)))
	}
	return out
}

// namedSilent is how many silent lists a fault names.
const namedSilent = 3

func thin(asked, answered int, silent []string) *incident.Fault {
	words := strings.Join(silent[:min(len(silent), namedSilent)], "; ")
	if more := len(silent) - namedSilent; more > 0 {
		words += fmt.Sprintf("; and %d more", more)
	}
	return &incident.Fault{ID: "coverage", Impact: reputation.High,
		What: fmt.Sprintf("%d of %d lists answered", answered, asked),
		Why:  "a listing on the others would go unnoticed: " + words,
		Do:   "repwatch lists test shows what each list answers to its test points; fix the reasons, or take lists that are gone out with blocklists.skip"}
}

// answered: the list is believed and could tell of half of those asked.
func (c *column) answered() bool {
	return c.believable() && c.known*2 >= c.takes
}

// silence is why the list does not count as one that answered.
func (c *column) silence() string {
	if c.cond.Why != "" {
		return printable(c.cond.Why, 160)
	}
	return fmt.Sprintf("%d of %d questions stayed without an answer", c.takes-c.known, c.takes)
}
