package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"repwatch/api"
	"repwatch/checks/dnsbl"
	"repwatch/config"
)

func (a *app) check() *cobra.Command {
	var ids []string
	var all, verbose bool
	c := &cobra.Command{
		Use:   "check [IP|CIDR|DOMAIN]...",
		Short: "Ask the blocklists now",
		Long: `Ask the blocklists about addresses, ranges and domains; without arguments about
the configured sending_ips and domains, and about their own side too (PTR, EHLO
name).

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
	c.Flags().StringSliceVarP(&ids, "list", "l", nil, "only these lists: `ID,...`")
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
		if !slices.Contains(lists, l) { // an id and its zone may both be given
			lists = append(lists, l)
		}
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
	bar := a.err.progress("asking lists", len(lists))
	defer bar.finish()
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

// nagiosCheck prints one line with perfdata (Monitoring Plugins guidelines) and returns its state.
func (a *app) nagiosCheck(doc api.Check) int {
	n := api.NagiosCheck(doc)
	a.out.printf("%s\n", n.Line)
	return n.Code
}
