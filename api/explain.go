package api

import (
	"net/netip"

	"repwatch/replies"
)

// Explain says what an SMTP reply means.
type Explain struct {
	Schema   string         `json:"schema"`
	Reply    ExplainedReply `json:"reply"`
	Duration string         `json:"duration"` // temporary, permanent, or empty when the text does not say
	Matches  []ExplainMatch `json:"matches"`
}

// ExplainedReply is the reply found in the text.
type ExplainedReply struct {
	Code     int    `json:"code"`
	Enhanced string `json:"enhanced"`
	Text     string `json:"text"`
	Phase    string `json:"phase"`
	Host     string `json:"host"`
	IP       string `json:"ip"`
}

// ExplainMatch is one meaning, best first.
type ExplainMatch struct {
	ID       string `json:"id"`
	Class    string `json:"class"`
	Meaning  string `json:"meaning"`
	Next     string `json:"next"`
	Provider string `json:"provider"`
	Evidence string `json:"evidence"`
	List     string `json:"list"`
	Zone     string `json:"zone"`
	IP       string `json:"ip"`
	Domain   string `json:"domain"`
	URL      string `json:"url"`
}

// ExplainOf builds the document.
func ExplainOf(e replies.Explanation) Explain {
	doc := Explain{Schema: Schema("explain"), Duration: string(e.Duration), Matches: []ExplainMatch{},
		Reply: ExplainedReply{Code: e.Reply.Code, Enhanced: e.Reply.Enhanced, Text: printable(e.Reply.Text),
			Phase: string(e.Reply.Phase), Host: e.Reply.Host, IP: addr(e.Reply.IP)}}
	for _, m := range e.Matches {
		doc.Matches = append(doc.Matches, ExplainMatch{ID: m.ID, Class: string(m.Class), Meaning: m.Meaning, Next: m.Next,
			Provider: m.Provider, Evidence: string(m.Evidence), List: m.List, Zone: m.Zone, IP: addr(m.IP), Domain: m.Domain, URL: m.URL})
	}
	return doc
}

// Exit is 3 when nobody knows what the text means, 0 otherwise: an explanation is no finding.
func (e Explain) Exit() int {
	if len(e.Matches) == 0 || e.Matches[0].Class == string(replies.ClassUnknown) {
		return ExitUnknown
	}
	return ExitOK
}

// addr is the address as text, empty when there is none.
func addr(ip netip.Addr) string {
	if !ip.IsValid() {
		return ""
	}
	return ip.String()
}
