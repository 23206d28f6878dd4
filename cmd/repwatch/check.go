package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"repwatch/api"
	"repwatch/checks/dnsbl"
	"repwatch/config"
	"repwatch/reputation"
)

func (a *app) check() *cobra.Command {
	var ids []string
	var all, verbose bool
	c := &cobra.Command{
		Use:   "check [IP|CIDR|DOMAIN]...",
		Short: "Ask the blocklists now",
		Long: `Ask the blocklists about addresses, ranges and domains; without arguments about
the configured sending_ips and domains, and about their own side too (PTR, EHLO name).

Each list is asked its own test points first and again after any hit, so a list
that is dead, refuses us or lists the world is not believed: it is shown as
unknown with the reason. Allowlists, policy codes (PBL) and neutral answers are
shown but are no finding.`,
		Example: `  repwatch check 203.0.113.7
  repwatch check 203.0.113.0/28 example.com --list spamhaus-zen,spamcop
  repwatch check -o json | jq '.results[] | select(.verdict == "listed")'`,
		Args: cobra.ArbitraryArgs,
	}
	format := outputFlag(c, "table", "json", "nagios")
	c.Flags().StringSliceVarP(&ids, "list", "l", nil, "only these lists, by id")
	c.Flags().BoolVar(&all, "all", false, "every list that may be asked, not only the configured set")
	c.Flags().BoolVarP(&verbose, "verbose", "v", false, "show lists that do not list the subject too")
	a.completeLists(c)
	c.RunE = func(cmd *cobra.Command, args []string) error {
		if err := exclusive(c, "list", "all"); err != nil {
			return err
		}
		cfg, err := a.load()
		if err != nil {
			return err
		}
		subjects, err := subjectsOf(cfg, args)
		if err != nil {
			return err
		}
		lists, err := pickLists(cfg, ids, all)
		if err != nil {
			return err
		}
		doc, err := a.runCheck(cmd.Context(), cfg, lists, subjects, len(args) == 0)
		if err != nil {
			return err
		}
		switch *format {
		case "json":
			err = a.out.json(doc)
		case "nagios":
			return exitWith(a.nagiosCheck(doc))
		default:
			a.printCheck(doc, verbose)
		}
		if err != nil {
			return err
		}
		return exitWith(doc.Exit())
	}
	return c
}

// subjectsOf reads the arguments, or takes what is configured.
func subjectsOf(cfg *config.Loaded, args []string) ([]dnsbl.Point, error) {
	if len(args) > 0 {
		return dnsbl.ParseSubjects(args)
	}
	points := cfg.Points()
	if len(points) == 0 {
		return nil, fmt.Errorf("nothing to check: name an IP, CIDR or domain, or configure sending_ips\n  hint: repwatch check 203.0.113.7")
	}
	return points, nil
}

// pickLists are the lists to ask: named ones, all that may be asked, or the configured set.
func pickLists(cfg *config.Loaded, ids []string, all bool) ([]*dnsbl.List, error) {
	switch {
	case all:
		return cfg.Catalogue.Askable(), nil
	case len(ids) == 0:
		return cfg.Lists, nil
	}
	var lists []*dnsbl.List
	for _, id := range ids {
		l, err := cfg.Catalogue.Find(id)
		if err != nil {
			return nil, err
		}
		lists = append(lists, l)
	}
	return lists, nil
}

func (a *app) runCheck(ctx context.Context, cfg *config.Loaded, lists []*dnsbl.List, subjects []dnsbl.Point, own bool) (api.Check, error) {
	client, err := a.resolver(cfg)
	if err != nil {
		return api.Check{}, err
	}
	defer client.Close()
	engine := dnsbl.New(dnsbl.Options{Resolver: client, TestBudget: cfg.DNS.Timeout.D(), Redact: cfg.Redact})
	bar := a.err.progress("asking lists")
	defer bar.done()
	sweep := engine.Sweep(ctx, lists, subjects, bar.update)
	if ctx.Err() != nil {
		return api.Check{}, ctx.Err()
	}
	if len(sweep.Results) == 0 {
		return api.Check{}, errors.New("nothing to ask: none of these lists takes such subjects\n  hint: domain lists take domains, IPv6 needs lists with families: [v6]; repwatch lists --all shows them")
	}
	trouble := dnsbl.Diagnose(sweep.Conditions, client.asked)
	var ownSide []api.Own
	if own {
		ownSide = a.ownSide(ctx, cfg, client)
	}
	return api.CheckOf(sweep, trouble, ownSide), nil
}

// printCheck shows what people need first: findings, then other answers, then what could not be told.
func (a *app) printCheck(doc api.Check, verbose bool) {
	for _, group := range bySubject(doc.Results) {
		a.printSubject(group, verbose)
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

func (a *app) printSubject(results []api.CheckResult, verbose bool) {
	findings, told := 0, 0
	for _, r := range results {
		if r.Finding() {
			findings++
		}
		if r.Verdict != dnsbl.Unknown {
			told++
		}
	}
	head := a.out.paint(green, "not listed")
	switch {
	case findings > 0:
		head = a.out.paint(red, fmt.Sprintf("listed on %s", plural(findings, "list")))
	case told == 0:
		head = a.out.paint(yellow, "unknown: no list could be believed")
	case told < len(results):
		head = fmt.Sprintf("not listed on the %s that could tell", plural(told, "list"))
		if told*2 < len(results) {
			head = a.out.paint(yellow, head)
		} else {
			head = a.out.paint(green, head)
		}
	}
	a.out.printf("%s  %s\n", a.out.paint(bold, results[0].Subject), head)
	for _, r := range results {
		switch {
		case r.Verdict == dnsbl.Listed:
			a.printListing(r)
		case r.Verdict == dnsbl.NotListed && verbose:
			a.out.printf("  %s  %s\n", a.out.paint(faint, "not listed"), r.List)
		case r.Verdict == dnsbl.Unknown && verbose:
			a.out.printf("  %s     %s  %s\n", a.out.paint(yellow, "unknown"), r.List, r.Why)
		}
	}
}

func (a *app) printListing(r api.CheckResult) {
	label, colour := "listed", red
	if !r.Finding() {
		label, colour = r.Class.String(), faint
		if *r.Class == reputation.ClassGood {
			colour = green
		}
	}
	a.out.printf("  %s  %s: %s (%s, impact %s)\n", a.out.paint(colour, label), a.out.paint(bold, r.List),
		strings.Join(r.Meaning, "; "), strings.Join(r.Codes, ", "), r.Impact)
	const indent = "          "
	if r.Reason != "" {
		a.out.printf("  %s%s\n", "reason: ", a.out.wrap(indent, r.Reason))
	}
	if next := delistWords(r); next != "" && r.Finding() {
		a.out.printf("  next:   %s\n", a.out.wrap(indent, next))
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
	a.out.printf("\n%d of %s answered", c.Answered, plural(c.Asked, "list"))
	if c.Unknown > 0 {
		a.out.printf("; %d unknown", c.Unknown)
	}
	if c.Untested > 0 {
		a.out.printf("; %d untested (no test point: hits count as information, silence for nothing)", c.Untested)
	}
	a.out.printf(".\n")
	if doc.Trouble != nil {
		a.out.printf("%s %s\n  next: %s\n", a.out.paint(yellow, "trouble:"), a.out.wrap("  ", doc.Trouble.Words), a.out.wrap("  ", doc.Trouble.Next))
	}
	for _, n := range doc.Notes {
		a.out.printf("%s %s\n", a.out.paint(yellow, "note:"), a.out.wrap("  ", n))
	}
	if doc.Trouble != nil && !verbose {
		a.out.printf("  (repwatch check -v names each list)\n") // one trouble is one message, not forty
		return
	}
	for _, l := range doc.Lists {
		if l.Health == dnsbl.HealthSuspended || l.Health == dnsbl.HealthRetired {
			a.out.printf("  %s %s: %s\n", a.out.paint(yellow, string(l.Health)), l.ID, a.out.wrap("    ", l.Why))
		}
	}
}

// nagiosCheck prints one line with perfdata (Monitoring Plugins guidelines) and returns its state.
func (a *app) nagiosCheck(doc api.Check) int {
	n := api.NagiosCheck(doc)
	a.out.printf("%s\n", n.Line)
	return n.Code
}

// printOwn shows what others find about one of our addresses, where it hurts or is not known.
func (a *app) printOwn(o api.Own) {
	head := a.out.paint(green, "own side ok")
	switch o.Verdict {
	case reputation.Bad:
		head = a.out.paint(red, "own side needs work")
	case reputation.Unknown:
		head = a.out.paint(yellow, "own side not judged")
	}
	a.out.printf("%s  %s  PTR %s, EHLO %s\n", a.out.paint(bold, o.IP), head, or(join(o.PTR), "none"), or(o.EHLO, "not configured"))
	for _, f := range o.Findings {
		if f.Verdict == reputation.Clear {
			continue
		}
		a.out.printf("  %s\n", a.out.wrap("  ", f.Words))
		if f.Verdict == reputation.Bad && f.Next != "" {
			a.out.printf("    next: %s\n", a.out.wrap("          ", f.Next))
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
