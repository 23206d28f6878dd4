package main

import (
	"fmt"
	"strings"

	"repwatch/api"
	"repwatch/checks/dnsbl"
	"repwatch/reputation"
)

// manySubjects is how many are shown one by one even when there is nothing to say of them.
const manySubjects = 16

// printCheck shows what people need first: findings, then other answers, then what could not be told.
func (a *app) printCheck(doc api.Check, verbose bool) {
	groups := bySubject(doc.Results)
	var quiet []string
	more := map[string]int{}
	for _, group := range groups {
		head := a.subjectHead(group)
		if len(groups) > manySubjects && !verbose && !listedAnywhere(group) {
			if more[head] == 0 {
				quiet = append(quiet, head)
			}
			more[head]++
			continue
		}
		a.out.printf("%s  %s\n", a.out.paint(bold, group[0].Subject), head)
		a.printSubject(group, verbose)
	}
	for _, head := range quiet {
		a.out.printf("%s  %s\n", a.out.paint(bold, plural(more[head], "other subject")), head)
	}
	for _, o := range doc.Own {
		a.printOwn(o)
	}
	a.printCoverage(doc, verbose)
}

func bySubject(results []api.CheckResult) (groups [][]api.CheckResult) {
	for i, r := range results {
		if i == 0 || results[i-1].Subject != r.Subject {
			groups = append(groups, nil)
		}
		last := len(groups) - 1
		groups[last] = append(groups[last], r)
	}
	return groups
}

func listedAnywhere(results []api.CheckResult) bool {
	for _, r := range results {
		if r.Verdict == dnsbl.Listed {
			return true
		}
	}
	return false
}

// subjectHead is the answer in a few words.
func (a *app) subjectHead(results []api.CheckResult) string {
	findings, told := 0, 0
	for _, r := range results {
		if r.Finding() {
			findings++
		}
		if r.Verdict != dnsbl.Unknown {
			told++
		}
	}
	colour, words := green, "not listed"
	switch {
	case findings > 0:
		colour, words = red, "listed on "+plural(findings, "list")
	case told == 0:
		colour, words = yellow, "unknown: no list could be believed"
	case told < len(results):
		words = fmt.Sprintf("not listed on the %s that could tell", plural(told, "list"))
		if told*2 < len(results) {
			colour = yellow
		}
	}
	return a.out.paint(colour, words)
}

func (a *app) printSubject(results []api.CheckResult, verbose bool) {
	for _, r := range results {
		switch {
		case r.Verdict == dnsbl.Listed:
			a.printListing(r)
		case r.Verdict == dnsbl.NotListed && verbose:
			a.answer(faint, "not listed", r.List)
		case r.Verdict == dnsbl.Unknown && verbose:
			a.answer(yellow, "unknown", r.List+": "+r.Why)
		}
	}
}

// answer is one list's, the verdict in a column of its own.
func (a *app) answer(colour style, verdict, words string) {
	a.out.hang("  "+a.out.paint(colour, fmt.Sprintf("%-10s", verdict))+"  ", words)
}

func (a *app) printListing(r api.CheckResult) {
	facts := strings.Join(r.Codes, ", ")
	verdict, colour := "listed", red
	if r.Finding() {
		facts += ", impact " + r.Impact.String()
	} else {
		verdict, colour = r.Class.String(), faint
		if *r.Class == reputation.ClassGood {
			colour = green
		}
	}
	a.answer(colour, verdict, fmt.Sprintf("%s: %s (%s)", a.out.paint(bold, r.List), strings.Join(r.Meaning, "; "), facts))
	if r.Reason != "" {
		a.out.hang("    reason:   ", r.Reason)
	}
	if next := delistWords(r); next != "" && r.Finding() {
		a.out.hang("    next:     ", next)
	}
}

// delistWords is how to get off a list: where, and what is known of how.
func delistWords(r api.CheckResult) string {
	where := ""
	if r.DelistURL != "" {
		where = "delist at " + r.DelistURL
	}
	return strings.Join(nonEmpty(where, prefix("how: ", r.DelistHow)), "\n")
}

// printCoverage always says how much could be told, and why not more (rule of truth 7).
func (a *app) printCoverage(doc api.Check, verbose bool) {
	c := doc.Coverage
	words := fmt.Sprintf("%d of %s answered", c.Answered, plural(c.Asked, "list"))
	if c.Unknown > 0 {
		words += fmt.Sprintf("; %d unknown", c.Unknown)
	}
	if c.Untested > 0 {
		words += fmt.Sprintf("; %d untested (no test point: hits count as information, silence for nothing)", c.Untested)
	}
	a.out.printf("\n")
	a.out.hang("", words+".")
	a.printTrouble(doc.Trouble)
	for _, n := range doc.Notes {
		a.out.hang(a.out.paint(yellow, "note:")+" ", n)
	}
	if doc.Trouble != nil && !verbose {
		a.out.printf("  (repwatch check -v names each list)\n") // one trouble is one message, not forty
		return
	}
	for _, l := range doc.Lists {
		if l.Health == dnsbl.HealthSuspended || l.Health == dnsbl.HealthRetired {
			a.out.hang("  "+a.out.paint(yellow, string(l.Health))+"  ", l.ID+": "+l.Why)
		}
	}
}

func (a *app) printTrouble(t *api.Trouble) {
	if t == nil {
		return
	}
	a.out.hang(a.out.paint(yellow, "trouble:")+" ", t.Words)
	a.out.hang("  next:  ", t.Next)
}

// printOwn shows what others find about one of our addresses, where it hurts or is not known.
func (a *app) printOwn(o api.Own) {
	colour, words := green, "own side ok"
	switch o.Verdict {
	case reputation.Bad:
		colour, words = red, "own side needs work"
	case reputation.Unknown:
		colour, words = yellow, "own side not judged"
	}
	a.out.hang(a.out.paint(bold, o.IP)+"  ", fmt.Sprintf("%s: PTR %s, EHLO %s", a.out.paint(colour, words), or(join(o.PTR), "none"), or(o.EHLO, "not configured")))
	for _, f := range o.Findings {
		if f.Verdict == reputation.Clear {
			continue
		}
		a.out.hang("  ", f.Words)
		if f.Verdict == reputation.Bad && f.Next != "" {
			a.out.hang("    next:     ", f.Next)
		}
	}
}

func or(s, fallback string) string {
	if s == "" {
		return fallback
	}
	return s
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	if strings.HasSuffix(noun, "s") {
		noun += "e"
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
