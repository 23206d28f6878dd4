package main

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"repwatch/api"
	"repwatch/checks/dnsbl"
	"repwatch/config"
)

func (a *app) lists() *cobra.Command {
	var all bool
	c := &cobra.Command{
		Use:   "lists",
		Short: "Show the catalogue of lists; \"lists test\" asks their test points now",
		Long: `Show the lists in use: what a listing there means for delivery, when it alerts,
and how often it is really asked within its operator's limits. With --all the
whole catalogue, with the reason why a list is not asked.`,
		Args: noArgs,
	}
	format := outputFlag(c, "table", "json")
	c.Flags().BoolVar(&all, "all", false, "the whole catalogue, closed lists included")
	c.RunE = func(*cobra.Command, []string) error {
		cfg, err := a.load()
		if err != nil {
			return err
		}
		lists := cfg.Lists
		if all {
			lists = cfg.Catalogue.Lists
		}
		doc := api.ListsOf(time.Now(), cfg, lists, nil, nil)
		if *format == "json" {
			return a.out.json(doc)
		}
		a.printLists(doc, all)
		return nil
	}
	c.AddCommand(a.listsTest())
	return c
}

func (a *app) listsTest() *cobra.Command {
	var ids []string
	var all bool
	c := &cobra.Command{
		Use:   "test",
		Short: "Ask each list its own test points, through the configured resolver",
		Long: `Ask each list its own test points through the configured resolver: the listed
point must answer with a documented code; the clean address, a random address and
a random label must not. A list that fails is suspended, with the reason.`,
		Args: noArgs,
	}
	format := outputFlag(c, "table", "json")
	c.Flags().StringSliceVarP(&ids, "list", "l", nil, "only these lists, by id")
	c.Flags().BoolVar(&all, "all", false, "every list that may be asked")
	a.completeLists(c)
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := exclusive(c, "list", "all"); err != nil {
			return err
		}
		cfg, err := a.load()
		if err != nil {
			return err
		}
		lists, err := pickLists(cfg, ids, all)
		if err != nil {
			return err
		}
		doc, err := a.runListsTest(cmd.Context(), cfg, lists)
		if err != nil {
			return err
		}
		if *format == "json" {
			err = a.out.json(doc)
		} else {
			a.printListsTest(doc)
		}
		if err != nil {
			return err
		}
		return exitWith(doc.Exit())
	}
	return c
}

func (a *app) runListsTest(ctx context.Context, cfg *config.Loaded, lists []*dnsbl.List) (api.Lists, error) {
	client, err := a.resolver(cfg)
	if err != nil {
		return api.Lists{}, err
	}
	defer client.Close()
	engine := dnsbl.New(dnsbl.Options{Resolver: client, TestBudget: cfg.DNS.Timeout.D(), Redact: cfg.Redact})
	bar := a.err.progress("testing lists")
	defer bar.done()
	conditions := make([]dnsbl.Condition, len(lists))
	var wg sync.WaitGroup
	var done atomic.Int64
	for i, l := range lists {
		wg.Go(func() {
			conditions[i] = engine.Test(ctx, l, 0)
			bar.update(int(done.Add(1)), len(lists))
		})
	}
	wg.Wait()
	if ctx.Err() != nil {
		return api.Lists{}, ctx.Err()
	}
	return api.ListsOf(time.Now(), cfg, lists, conditions, dnsbl.Diagnose(conditions, client.asked)), nil
}

func (a *app) printLists(doc api.Lists, all bool) {
	t := a.out.table("list", "zone", "kind", "impact", "alert", "asked every")
	for _, l := range doc.Lists {
		every := "not in use"
		switch {
		case l.InUse && l.Subjects == 0:
			every = "nothing configured for it"
		case l.InUse:
			every = config.Duration(time.Duration(l.Interval) * time.Second).String()
		case l.Why != "":
			every = a.out.wrap("", l.Why)
		}
		t.AppendRow([]any{l.ID, l.Zone, string(l.Kind), l.Impact.String(), string(l.Alert), every})
	}
	t.Render()
	if !all {
		a.out.printf("\n%s in use. repwatch lists --all shows the others; repwatch lists test asks their test points.\n", plural(len(doc.Lists), "list"))
	}
}

func (a *app) printListsTest(doc api.Lists) {
	for _, l := range doc.Lists {
		if l.Health == nil {
			continue
		}
		label := fmt.Sprintf("%-9s", *l.Health)
		switch *l.Health {
		case dnsbl.HealthOK:
			label = a.out.paint(green, label)
		case dnsbl.HealthSuspended:
			label = a.out.paint(red, label)
		default:
			label = a.out.paint(yellow, label)
		}
		a.out.printf("%s  %s", label, a.out.paint(bold, l.ID))
		if l.Why != "" {
			a.out.printf(": %s", a.out.wrap("           ", l.Why))
		}
		a.out.printf("\n")
	}
	c := doc.Coverage
	if c == nil {
		return
	}
	a.out.printf("\n%d of %s passed; %d suspended, %d untested.\n", c.Answered, plural(c.Asked, "list"), c.Unknown, c.Untested)
	if doc.Trouble != nil {
		a.out.printf("%s %s\n  next: %s\n", a.out.paint(yellow, "trouble:"), a.out.wrap("  ", doc.Trouble.Words), a.out.wrap("        ", doc.Trouble.Next))
	}
}
