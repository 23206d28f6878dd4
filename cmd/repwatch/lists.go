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
		Short: "Show the lists; \"lists test\" asks their test points",
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
point must answer with a documented code; the clean address, a random address
and a random label must not. A list that fails is suspended, with the reason.`,
		Args: noArgs,
	}
	format := outputFlag(c, "table", "json")
	c.Flags().StringSliceVarP(&ids, "list", "l", nil, "only these lists: `ID,...`")
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
	bar := a.err.progress("testing lists", len(lists))
	defer bar.finish()
	conditions := testLists(ctx, cfg, client, lists, bar.update)
	if ctx.Err() != nil {
		return api.Lists{}, ctx.Err()
	}
	return api.ListsOf(time.Now(), cfg, lists, conditions, dnsbl.Diagnose(conditions, client.asked)), nil
}

// testLists asks all lists their test points at once.
func testLists(ctx context.Context, cfg *config.Loaded, client *resolver, lists []*dnsbl.List, update dnsbl.Progress) []dnsbl.Condition {
	engine := dnsbl.New(dnsbl.Options{Resolver: client, TestBudget: cfg.DNS.Timeout.D(), Redact: cfg.Redact})
	conditions := make([]dnsbl.Condition, len(lists))
	var wg sync.WaitGroup
	var done atomic.Int64
	for i, l := range lists {
		wg.Go(func() {
			conditions[i] = engine.Test(ctx, l, 0)
			update(int(done.Add(1)), len(lists))
		})
	}
	wg.Wait()
	return conditions
}

func (a *app) printLists(doc api.Lists, all bool) {
	rows := []row{{cells: []string{"list", "zone", "kind", "impact", "asked"}}}
	idle := 0
	for _, l := range doc.Lists {
		r := row{cells: []string{l.ID, l.Zone, string(l.Kind), l.Impact.String(), "no"}, note: l.Why}
		switch {
		case l.InUse && l.Subjects == 0:
			r.cells[4] = "-"
			idle++
		case l.InUse:
			r.cells[4] = "every " + config.Duration(time.Duration(l.Interval)*time.Second).String()
		}
		rows = append(rows, r)
	}
	a.out.columns(rows)
	a.out.printf("\n")
	if idle > 0 {
		a.out.hang("- ", "in use, but nothing is configured that it takes: see sending_ips and domains")
	}
	if !all {
		a.out.hang("", plural(len(doc.Lists), "list")+" in use. repwatch lists --all shows the others; repwatch lists test asks their test points.")
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
		a.out.hang(label+"  ", a.out.paint(bold, l.ID)+prefix(": ", l.Why))
	}
	c := doc.Coverage
	if c == nil {
		return
	}
	a.out.printf("\n%d of %s passed; %d suspended, %d untested.\n", c.Answered, plural(c.Asked, "list"), c.Unknown, c.Untested)
	a.printTrouble(doc.Trouble)
}
