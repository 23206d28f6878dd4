package api

import (
	"repwatch/checks/smtp"
	"repwatch/reputation"
)

// Own is what others find when they look at one of our sending addresses.
type Own struct {
	IP       string             `json:"ip"`
	EHLO     string             `json:"ehlo"`
	PTR      []string           `json:"ptr"`
	Verdict  reputation.Verdict `json:"verdict"`
	Findings []Finding          `json:"findings"`
}

// Finding is one judged fact about our own side. Impact info is a note.
type Finding struct {
	ID      string             `json:"id"`
	Verdict reputation.Verdict `json:"verdict"`
	Impact  reputation.Impact  `json:"impact"`
	Words   string             `json:"words"`
	Why     string             `json:"why"`
	Next    string             `json:"next"`
}

// OwnOf builds the part of a document about one address.
func OwnOf(r smtp.OwnReport) Own {
	return Own{IP: addr(r.IP), EHLO: r.EHLO, PTR: orEmpty(r.PTR), Verdict: r.Verdict(), Findings: findings(r.Findings)}
}

func findings(in []smtp.Finding) []Finding {
	out := []Finding{}
	for _, f := range in {
		out = append(out, Finding{ID: f.ID, Verdict: f.Verdict, Impact: f.Impact, Words: f.What, Why: f.Why, Next: f.Do})
	}
	return out
}

// Bad are the findings that hurt.
func Bad(in []Finding) (out []Finding) {
	for _, f := range in {
		if f.Verdict == reputation.Bad && f.Impact > reputation.Info {
			out = append(out, f)
		}
	}
	return out
}
