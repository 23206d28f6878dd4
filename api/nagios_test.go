package api

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"pgregory.net/rapid"

	"repwatch/checks/dnsbl"
	"repwatch/reputation"
)

// perfdata as the Monitoring Plugins Development Guidelines have it, for labels
// without spaces: 'label'=value[UOM];[warn];[crit];[min];[max].
var perfdata = regexp.MustCompile(`^[a-z]+=[0-9]+(;[0-9]*){0,4}$`)

// text is anything a list or a server may say.
func text(t *rapid.T, label string) string {
	pieces := rapid.SliceOfN(rapid.OneOf(rapid.Just("|"), rapid.Just("\n"), rapid.Just("\x1b[31m"), rapid.Just("\r"), rapid.Just("\xff"), rapid.String()), 0, 5)
	return strings.Join(pieces.Draw(t, label), "")
}

func TestNagiosLinesAreValid(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		class := rapid.SampledFrom([]reputation.Class{reputation.ClassBad, reputation.ClassPolicy, reputation.ClassNeutral, reputation.ClassGood})
		impact := rapid.SampledFrom([]reputation.Impact{reputation.Info, reputation.Low, reputation.Medium, reputation.High, reputation.Critical})
		verdict := rapid.SampledFrom([]dnsbl.Verdict{dnsbl.Unknown, dnsbl.NotListed, dnsbl.Listed})
		var c Check
		for range rapid.IntRange(0, 8).Draw(t, "pairs") {
			r := pair(verdict.Draw(t, "verdict"), class.Draw(t, "class"), impact.Draw(t, "impact"))
			r.Subject, r.List, r.Meaning = text(t, "subject"), text(t, "list"), []string{text(t, "meaning")}
			c.Results = append(c.Results, r)
		}
		if rapid.Bool().Draw(t, "own") {
			c.Own = []Own{{Findings: []Finding{{Verdict: reputation.Bad, Impact: impact.Draw(t, "own impact"), Words: "PTR: " + text(t, "words")}}}}
		}
		if rapid.Bool().Draw(t, "trouble") {
			c.Trouble = &Trouble{Words: text(t, "trouble words")}
		}
		c.Coverage = Coverage{Asked: 9, Answered: rapid.IntRange(0, 9).Draw(t, "answered")}
		valid(t, NagiosCheck(c), c.Exit())

		var p Probe
		for range rapid.IntRange(0, 8).Draw(t, "looks") {
			p.Results = append(p.Results, ProbeResult{Partner: text(t, "partner"), Vantage: text(t, "vantage"), Why: text(t, "why"),
				Outcome: rapid.SampledFrom([]reputation.Outcome{reputation.OutcomeUnknown, reputation.Advertised, reputation.Absent, reputation.Rejected, reputation.Deferred}).Draw(t, "outcome"),
				Control: rapid.Bool().Draw(t, "control"), Missing: []string{}, RCPT: &Reply{Code: rapid.SampledFrom([]int{0, 250, 450, 550}).Draw(t, "rcpt"), Text: text(t, "rcpt text")}})
		}
		valid(t, NagiosProbe(p), p.Exit())
	})
}

// valid checks one line, and that it agrees with the exit code of the other formats.
func valid(t *rapid.T, n Nagios, exit int) {
	words, perf, found := strings.Cut(n.Line, " | ")
	if !found || strings.Contains(words, "|") || strings.ContainsFunc(n.Line, unicode.IsControl) {
		t.Fatalf("%q: the words must be one line without a pipe", n.Line)
	}
	state := []string{"OK", "WARNING", "CRITICAL", "UNKNOWN"}[n.Code]
	if !strings.HasPrefix(words, "REPWATCH "+state+": ") || len(words) == len("REPWATCH "+state+": ") {
		t.Fatalf("%q: code %d and its words differ", n.Line, n.Code)
	}
	for field := range strings.FieldsSeq(perf) {
		if !perfdata.MatchString(field) {
			t.Fatalf("%q is no perfdata", field)
		}
	}
	want := map[int][]int{ExitOK: {0}, ExitFinding: {1, 2}, ExitUnknown: {3}}[exit]
	if !slices.Contains(want, n.Code) {
		t.Fatalf("nagios %d where other formats end with %d", n.Code, exit)
	}
}

// TestNagiosNamesTheFirstFindings, and counts the others.
func TestNagiosNamesTheFirstFindings(t *testing.T) {
	var c Check
	for range 7 {
		c.Results = append(c.Results, pair(dnsbl.Listed, reputation.ClassBad, reputation.Medium))
	}
	line := NagiosCheck(c).Line
	if strings.Count(line, "203.0.113.7 on zen (meaning)") != 5 || !strings.Contains(line, "; and 2 more | findings=7;") {
		t.Errorf("%s", line)
	}
}

func TestNagiosCountsFromTheSixth(t *testing.T) {
	var c Check
	var p Probe
	for range 6 {
		c.Results = append(c.Results, pair(dnsbl.Listed, reputation.ClassBad, reputation.Medium))
		p.Results = append(p.Results, ProbeResult{Partner: "contoso.com", Vantage: "203.0.113.7", Outcome: reputation.Absent})
	}
	for _, line := range []string{NagiosCheck(c).Line, NagiosProbe(p).Line} {
		if !strings.Contains(line, "; and 1 more | findings=6;") {
			t.Errorf("%s", line)
		}
	}
}

func TestNagiosSaysWhyNothingIsKnown(t *testing.T) {
	unknown := pair(dnsbl.Unknown, 0, 0)
	if line := NagiosCheck(Check{Results: []CheckResult{unknown}, Coverage: Coverage{Asked: 3}, Trouble: &Trouble{Words: "3 of 3 lists cannot be heard"}}).Line; !strings.Contains(line, "too little could be told: 3 of 3 lists cannot be heard") {
		t.Errorf("%s", line)
	}
	if line := NagiosProbe(Probe{Results: []ProbeResult{{Why: "port 25 refuses"}}}).Line; !strings.Contains(line, "too little could be told: 0 of 1 looks sure; port 25 refuses") {
		t.Errorf("%s", line)
	}
}
