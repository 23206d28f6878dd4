package api

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"repwatch/checks/smtp"
	"repwatch/config"
	"repwatch/replies"
	"repwatch/reputation"
)

// Probe is what `repwatch probe` read on the wire.
type Probe struct {
	Schema      string        `json:"schema"`
	At          *time.Time    `json:"at"`
	Results     []ProbeResult `json:"results"`
	Comparisons []Comparison  `json:"comparisons"`
}

// ProbeResult is one look at one address from one vantage.
type ProbeResult struct {
	Partner         string             `json:"partner"`
	Provider        string             `json:"provider"`
	MX              string             `json:"mx"`
	Addr            string             `json:"addr"`
	Port            uint16             `json:"port"`
	From            string             `json:"from"`
	Vantage         string             `json:"vantage"`
	Control         bool               `json:"control"`
	Outcome         reputation.Outcome `json:"outcome"`
	Why             string             `json:"why"`
	Missing         []string           `json:"missing"` // required capabilities that a complete reply did not offer
	Capabilities    map[string]string  `json:"capabilities"`
	CapabilitiesTLS map[string]string  `json:"capabilities_tls"`
	TLS             *TLS               `json:"tls"`
	SeenIP          string             `json:"seen_ip"`
	Faults          []Fault            `json:"faults"`
	Reply           *Reply             `json:"reply"`
	RCPT            *Reply             `json:"rcpt,omitempty"`
	Auth            *Reply             `json:"auth,omitempty"`
	Message         *Reply             `json:"message,omitempty"`
	PhasesMS        map[string]float64 `json:"phases_ms"`
	Transcript      []string           `json:"transcript"`
	Own             []Finding          `json:"own,omitempty"` // only for our own MX: what other senders will trip over

	mixed bool // the partner's addresses disagree: told, never a loss
}

// TLS holds the handshake's facts, each "ok" or the reason.
type TLS struct {
	Version      string     `json:"version"`
	Cipher       string     `json:"cipher"`
	Handshake    string     `json:"handshake"`
	Chain        string     `json:"chain"`
	Name         string     `json:"name"`
	Expiry       string     `json:"expiry"`
	NotAfter     *time.Time `json:"not_after"`
	Conservative bool       `json:"conservative"`
}

// Fault is something wrong on the wire with its bytes, escaped.
type Fault struct {
	Fault string `json:"fault"`
	Bytes string `json:"bytes"`
	Where string `json:"where"`
	Words string `json:"words"`
}

// Reply is an SMTP reply and what it means.
type Reply struct {
	Code     int    `json:"code"`
	Enhanced string `json:"enhanced"`
	Text     string `json:"text"`
	Meaning  string `json:"meaning"`
	Class    string `json:"class"`
	Next     string `json:"next"`
}

// Comparison says what one sending address's look means beside the controls' at the same partner.
type Comparison struct {
	Partner string   `json:"partner"`
	From    string   `json:"from"`
	Verdict string   `json:"verdict"`
	Lost    []string `json:"lost"` // capabilities that a control is offered and we are not
	Words   string   `json:"words"`
	Next    string   `json:"next"`
}

// Looked is what was read of one partner, for ProbeOf.
type Looked struct {
	Partner config.Partner
	Route   smtp.Route
	Results []smtp.Result
}

// ProbeOf builds the document: a result per address tried, then what production and control mean side by side.
func ProbeOf(at time.Time, looked []Looked, explain func(string) replies.Explanation) Probe {
	doc := Probe{Schema: Schema("probe"), At: utc(at), Results: []ProbeResult{}, Comparisons: []Comparison{}}
	for _, l := range looked {
		mixed := map[string]bool{}
		for _, side := range sides(l.Results) {
			mixed[side.Vantage.Name] = side.Mixed
		}
		for _, r := range l.Results {
			out := probeResult(r, explain)
			out.mixed = mixed[r.Vantage.Name]
			out.Missing = missing(r, l.Partner.Require)
			if l.Partner.Own {
				out.Own = findings(smtp.JudgeOwnMX(r))
			}
			doc.Results = append(doc.Results, out)
		}
		doc.Comparisons = append(doc.Comparisons, compare(l.Results, l.Partner.Require)...)
	}
	return doc
}

// compare sets each sending address's look beside those of the controls.
func compare(results []smtp.Result, require []string) (out []Comparison) {
	var us, controls []smtp.Side
	for _, side := range sides(results) {
		if side.Vantage.Control {
			controls = append(controls, side)
		} else {
			us = append(us, side)
		}
	}
	for _, side := range us {
		c := smtp.Compare(side, controls)
		if lacks := required(results, side, require); len(lacks) > 0 && side.Outcome.Verdict() == reputation.Clear {
			c.ID, c.Words = "missing", fmt.Sprintf("%s offers STARTTLS to %s, but not %s, which your configuration requires", side.Partner, side.Vantage.Name, strings.Join(lacks, ", "))
			c.Next = "ask the partner whether that changed, or take it out of require; with --control it shows whether only we miss it"
		}
		out = append(out, Comparison{Partner: side.Partner, From: side.Vantage.Name, Verdict: c.ID, Lost: orEmpty(c.Lost), Words: c.Words, Next: c.Next})
	}
	return out
}

// required are the capabilities that the configuration requires and some complete reply to this side lacked.
func required(results []smtp.Result, side smtp.Side, require []string) (lacks []string) {
	for _, r := range results {
		if r.Vantage.Name == side.Vantage.Name {
			lacks = append(lacks, missing(r, require)...)
		}
	}
	slices.Sort(lacks)
	return slices.Compact(lacks)
}

// sides groups results by vantage, in their order.
func sides(results []smtp.Result) (out []smtp.Side) {
	var order []string
	by := map[string][]smtp.Result{}
	for _, r := range results {
		if by[r.Vantage.Name] == nil {
			order = append(order, r.Vantage.Name)
		}
		by[r.Vantage.Name] = append(by[r.Vantage.Name], r)
	}
	for _, name := range order {
		out = append(out, smtp.Summarise(by[name]))
	}
	return out
}

// missing are the required capabilities that a complete EHLO reply lacked, before and inside TLS.
func missing(r smtp.Result, require []string) []string {
	out := []string{}
	if r.Capabilities == nil {
		return out
	}
	for _, c := range require {
		_, plain := r.Capabilities[c]
		_, inside := r.CapabilitiesTLS[c]
		if !plain && !inside {
			out = append(out, c)
		}
	}
	return out
}

// Exit is 1 when a sending address met a loss or a required capability is
// missing, or our own MX has a fault; 3 when less than half of the pairs of
// partner and vantage could be told.
func (p Probe) Exit() int {
	findings, told := 0, map[string]bool{}
	for _, r := range p.Results {
		pair := r.Partner + ">" + r.Vantage
		told[pair] = told[pair] || r.told()
		if !r.Control && r.bad() {
			findings++
		}
	}
	n := 0
	for _, ok := range told {
		if ok {
			n++
		}
	}
	return exit(findings, n, len(told))
}

// bad reports a finding: what was looked at or asked for is sure, and not as it should be.
func (r ProbeResult) bad() bool {
	lost := !r.mixed && (r.Outcome.Verdict() == reputation.Bad || len(r.Missing) > 0)
	return lost || len(Bad(r.Own)) > 0 ||
		slices.ContainsFunc(r.steps(), func(s *Reply) bool { return s.Code >= 500 })
}

// told reports that the look, and whatever it asked for, came to a sure end.
func (r ProbeResult) told() bool {
	return r.bad() || r.Outcome.Verdict() != reputation.Unknown &&
		!slices.ContainsFunc(r.steps(), func(s *Reply) bool { return s.Code == 0 || s.Code >= 400 })
}

// steps are what was asked for beyond looking.
func (r ProbeResult) steps() []*Reply {
	return slices.DeleteFunc([]*Reply{r.RCPT, r.Auth, r.Message}, func(s *Reply) bool { return s == nil })
}

func probeResult(r smtp.Result, explain func(string) replies.Explanation) ProbeResult {
	out := ProbeResult{
		Partner: r.Target.Partner, Provider: r.Target.Provider, MX: r.Target.MX, Port: r.Target.Port,
		From: addr(r.Vantage.IP), Vantage: r.Vantage.Name, Control: r.Vantage.Control,
		Outcome: r.Outcome, Why: printable(r.Why), Addr: addr(r.Target.Addr), SeenIP: addr(r.SeenIP),
		Missing: []string{}, Capabilities: capabilities(r.Capabilities), CapabilitiesTLS: capabilities(r.CapabilitiesTLS),
		Faults: []Fault{}, PhasesMS: map[string]float64{}, Transcript: []string{},
	}
	if t := r.TLS; t != nil {
		out.TLS = &TLS{Version: t.Version, Cipher: t.Cipher, Handshake: printable(t.Handshake), Chain: printable(t.Chain), Name: printable(t.Name),
			Expiry: t.Expiry, NotAfter: utc(t.NotAfter), Conservative: t.Conservative}
	}
	for _, f := range r.Faults {
		out.Faults = append(out.Faults, Fault{Fault: f.Fault, Bytes: escape(f.Bytes), Where: f.Where, Words: f.Words})
	}
	for _, p := range r.Phases {
		out.PhasesMS[p.Name] += float64(p.Took.Microseconds()) / 1000
	}
	for _, l := range r.Transcript {
		out.Transcript = append(out.Transcript, l.From+": "+printable(l.Text))
	}
	out.Reply = replyOf(r.Reply, explain)
	out.RCPT, out.Auth, out.Message = step(r.Rcpt, explain), step(r.Auth, explain), step(r.Message, explain)
	return out
}

// step is what came of something asked for beyond looking; without a reply its reason stands in the text.
func step(s *smtp.Step, explain func(string) replies.Explanation) *Reply {
	if s == nil {
		return nil
	}
	if s.Reply == nil {
		return &Reply{Text: printable(s.Why)}
	}
	return replyOf(s.Reply, explain)
}

// replyOf explains a reply; nil stays nil.
func replyOf(r *smtp.Reply, explain func(string) replies.Explanation) *Reply {
	if r == nil {
		return nil
	}
	text := printable(strings.Join(r.Lines, "\n"))
	out := &Reply{Code: r.Code, Enhanced: r.Enhanced, Text: text}
	if r.Code >= 400 {
		best := explain(strconv.Itoa(r.Code) + " " + strings.Join(r.Lines, " ")).Matches
		if len(best) > 0 {
			out.Meaning, out.Class, out.Next = best[0].Meaning, string(best[0].Class), best[0].Next
		}
	}
	return out
}

func capabilities(c smtp.Capabilities) map[string]string {
	out := make(map[string]string, len(c))
	for k, v := range c {
		out[printable(k)] = printable(v)
	}
	return out
}

// escape shows bytes as Go would quote them, without the quotes: \r\n stays visible.
func escape(b []byte) string {
	q := strconv.QuoteToASCII(string(b))
	return q[1 : len(q)-1]
}
