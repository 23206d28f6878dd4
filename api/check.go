package api

import (
	"fmt"
	"time"

	"repwatch/checks/dnsbl"
	"repwatch/reputation"
)

// Check is what `repwatch check` found.
type Check struct {
	Schema   string        `json:"schema"`
	At       *time.Time    `json:"at"`
	Coverage Coverage      `json:"coverage"`
	Results  []CheckResult `json:"results"`
	Lists    []ListHealth  `json:"lists"`
	Own      []Own         `json:"own,omitempty"`
	Trouble  *Trouble      `json:"trouble,omitempty"`
	Notes    []string      `json:"notes,omitempty"`
}

// Coverage counts lists: those asked, those that answered for every subject,
// those that left an unknown, and those that nobody can test.
type Coverage struct {
	Asked    int `json:"asked"`
	Answered int `json:"answered"`
	Unknown  int `json:"unknown"`
	Untested int `json:"untested"`
}

// CheckResult is one pair of subject and list.
type CheckResult struct {
	Subject   string             `json:"subject"`
	List      string             `json:"list"`
	Verdict   dnsbl.Verdict      `json:"verdict"`
	Codes     []string           `json:"codes"`
	Meaning   []string           `json:"meaning"`
	Class     *reputation.Class  `json:"class"`
	Impact    *reputation.Impact `json:"impact"`
	Reason    string             `json:"reason"`
	Why       string             `json:"why"`
	DelistURL string             `json:"delist_url"`
	DelistHow string             `json:"delist_how"` // in words, with the usual time where known
	TTL       int                `json:"ttl"`        // seconds
	Age       int                `json:"age"`        // seconds the answer may have lain in a cache
	Score     *int               `json:"score,omitempty"`
	ListName  string             `json:"-"` // for tables
}

// Finding reports that the pair is bad news. Allow, neutral, good and policy answers are none.
func (r CheckResult) Finding() bool {
	return r.Verdict == dnsbl.Listed && r.Class != nil && *r.Class == reputation.ClassBad
}

// ListHealth is whether a list was believed.
type ListHealth struct {
	ID     string       `json:"id"`
	Health dnsbl.Health `json:"health"`
	Why    string       `json:"why"`
}

// Trouble is one cause of ours behind many silent lists.
type Trouble struct {
	Kind  string `json:"kind"`
	Words string `json:"words"`
	Next  string `json:"next"`
}

// CheckOf builds the document from a sweep and the troubles told about it.
func CheckOf(s *dnsbl.Sweep, trouble *dnsbl.Trouble, own []Own) Check {
	doc := Check{Schema: Schema("check"), At: utc(s.At), Coverage: Coverage(s.Coverage()),
		Results: make([]CheckResult, 0, len(s.Results)), Lists: make([]ListHealth, 0, len(s.Conditions)), Own: own}
	for _, r := range s.Results {
		doc.Results = append(doc.Results, checkResult(r))
	}
	for _, c := range s.Conditions {
		doc.Lists = append(doc.Lists, ListHealth{ID: c.List.ID, Health: c.Health, Why: c.Why})
	}
	for _, l := range s.LookAgain {
		doc.Notes = append(doc.Notes, fmt.Sprintf("%s lists more than half of the addresses asked at once: it passed its test points, ask again in %s before acting on it", l.ID, minutes(dnsbl.SecondLook)))
	}
	if trouble != nil {
		doc.Trouble = &Trouble{Kind: trouble.Kind, Words: trouble.Words, Next: trouble.Next}
	}
	return doc
}

func checkResult(r dnsbl.Result) CheckResult {
	out := CheckResult{Subject: r.Subject.Who(), List: r.List.ID, ListName: r.List.Name, Verdict: r.Reading.Verdict,
		Codes: []string{}, Meaning: []string{}, Reason: printable(r.Reason), Why: r.Reading.Why, Score: r.Reading.Score,
		TTL: int(r.Reading.TTL / time.Second), Age: int(r.Reading.Age / time.Second)}
	for _, c := range r.Reading.Codes {
		out.Codes = append(out.Codes, c.String())
	}
	for _, m := range r.Reading.Meaning {
		out.Meaning = append(out.Meaning, m.Text)
	}
	if r.Reading.Verdict == dnsbl.Listed {
		class, impact := r.Reading.Class, r.Reading.Impact
		out.Class, out.Impact = &class, &impact
		out.DelistURL, out.DelistHow = r.DelistURL(), r.List.Delist.Words()
	}
	return out
}

// Exit is the command's exit code: findings on lists and, for public addresses, on our own side.
func (c Check) Exit() int {
	findings, told := 0, 0
	for _, r := range c.Results {
		if r.Finding() {
			findings++
		}
		if r.Verdict != dnsbl.Unknown {
			told++
		}
	}
	for _, o := range c.Own {
		findings += len(Bad(o.Findings))
	}
	return exit(findings, told, len(c.Results))
}
