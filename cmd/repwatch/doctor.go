package main

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"repwatch/api"
	"repwatch/checks/dnsbl"
	"repwatch/checks/smtp"
	"repwatch/config"
	"repwatch/resolve"
	"repwatch/setup"
)

func (a *app) doctor() *cobra.Command {
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Say whether repwatch can work on this host",
		Long: `Say whether repwatch can work on this host, with this configuration: the
resolver and what lists say through it, the way out to port 25 from each sending
address and the address that partners then see, PTR and EHLO names, keys, mail
logs, notifiers, the store, the socket and the clock.

One connection is made from each address (eight at most) to one of the first
three partners, to the next only when that one does not answer. Nothing is sent
to notifiers, and nothing is changed.`,
		Example: `  repwatch doctor -c repwatch.yaml
  repwatch doctor -o json | jq '.checks[] | select(.state == "fail")'`,
		Args: noArgs,
	}
	format := outputFlag(c, "table", "json")
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		path := a.configPath()
		cfg, err := config.Load(path, embeddedCatalogue()) // warnings are checks here
		if err != nil {
			return err
		}
		doc, err := a.examine(cmd.Context(), cfg)
		if err != nil {
			return err
		}
		if *format == "json" {
			err = a.out.json(doc)
		} else {
			a.printDoctor(doc)
		}
		if err != nil {
			return err
		}
		return exitWith(doc.Exit())
	}
	return c
}

// examine looks at everything; what waits for others goes on at the same time.
func (a *app) examine(ctx context.Context, cfg *config.Loaded) (api.Doctor, error) {
	client, err := a.resolver(cfg)
	if err != nil {
		return api.Doctor{}, err
	}
	defer client.Close()
	bar := a.err.progress("looking", len(cfg.Lists))
	defer bar.finish()
	var resolvers, lists, names, doors []setup.Check
	var wg sync.WaitGroup
	wg.Go(func() { resolvers = lookAtResolvers(ctx, cfg, client.asked) })
	wg.Go(func() { lists = lookAtLists(ctx, cfg, client, bar.update) })
	wg.Go(func() { names = lookAtNames(ctx, cfg, client) })
	wg.Go(func() { doors = a.lookAtDoors(ctx, cfg, client) })
	wg.Wait()
	bar.finish()
	if ctx.Err() != nil {
		return api.Doctor{}, ctx.Err()
	}
	checks := setup.LookAtConfig(cfg)
	checks = append(checks, setup.LookAtClock(time.Now()))
	for _, more := range [][]setup.Check{resolvers, lists, names, doors, setup.LookAtKeys(cfg), setup.LookAtMailLog(cfg), setup.LookAtNotify(cfg)} {
		checks = append(checks, more...)
	}
	checks = append(checks, setup.LookAtStore(cfg.Store.Path), setup.LookAtSocket(cfg.Socket))
	return api.DoctorOf(time.Now(), checks, doctorNotes(cfg)), nil
}

func doctorNotes(cfg *config.Loaded) (notes []string) {
	if os.Geteuid() == 0 {
		notes = append(notes, "looked at as root: the service has a user of its own, which may be allowed less (logs, files)")
	}
	if len(cfg.Control) == 0 && len(cfg.Partners) > 0 {
		notes = append(notes, "no control is configured: a loss cannot be told from a change at the partner")
	}
	return notes
}

func lookAtResolvers(ctx context.Context, cfg *config.Loaded, servers []netip.AddrPort) []setup.Check {
	out := make([]setup.Check, len(servers))
	var wg sync.WaitGroup
	for i, s := range servers {
		wg.Go(func() {
			began := time.Now()
			err := setup.Answers(ctx, s, cfg.DNS.Timeout.D(), cfg.DNS.Tries)
			out[i] = setup.JudgeResolver(s, err, time.Since(began))
		})
	}
	wg.Wait()
	return out
}

func lookAtLists(ctx context.Context, cfg *config.Loaded, client *resolver, update func(done, total int)) []setup.Check {
	conditions := testLists(ctx, cfg, client, cfg.Lists, update)
	return []setup.Check{setup.JudgeLists(conditions, dnsbl.Diagnose(conditions, client.asked))}
}

// maxNames bounds how many addresses are looked up: the first of a large range stand for it.
const maxNames = 256

func lookAtNames(ctx context.Context, cfg *config.Loaded, dns resolve.Lookuper) []setup.Check {
	addresses := cfg.Addresses[:min(len(cfg.Addresses), maxNames)]
	if len(addresses) == 0 {
		return []setup.Check{{Area: setup.AreaNames, State: setup.Off, Why: "no sending_ips are configured", Next: "repwatch init finds those of this host"}}
	}
	checks := make([]setup.Check, len(addresses))
	each(addresses, 32, func(i int, addr config.Address) {
		checks[i] = setup.JudgeNames(smtp.CheckOwn(ctx, dns, smtp.OwnIP{IP: addr.IP, EHLO: addr.Name}))
	})
	checks = setup.Fold(setup.AreaNames, checks)
	if left := len(cfg.Addresses) - len(addresses); left > 0 {
		checks = append(checks, setup.Check{Area: setup.AreaNames, State: setup.Off, Why: fmt.Sprintf("%d more addresses were not looked up", left), Next: "repwatch check looks at all"})
	}
	return checks
}

// each runs do for all members, so many at a time, and waits.
func each[T any](all []T, limit int, do func(int, T)) {
	slots := make(chan struct{}, limit)
	var wg sync.WaitGroup
	for i, member := range all {
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			do(i, member)
		})
	}
	wg.Wait()
}

func (a *app) printDoctor(doc api.Doctor) {
	colours := map[setup.State]style{setup.OK: green, setup.Warn: yellow, setup.Fail: red, setup.Unknown: yellow, setup.Off: faint}
	area := ""
	for _, c := range doc.Checks {
		name := c.Area
		if name == area {
			name = ""
		}
		area = c.Area
		label := a.out.paint(colours[c.State], fmt.Sprintf("%-8s", c.State)) + " " + a.out.paint(bold, fmt.Sprintf("%-12s", name)) + "  "
		a.out.hang(label, c.Why)
		if c.Next != "" {
			a.out.hang(strings.Repeat(" ", 23)+"next: ", c.Next)
		}
	}
	n := doc.Counts
	a.out.printf("\n%d ok, %d to warn of, %d that will not work, %d could not be told, %d off.\n", n.OK, n.Warn, n.Fail, n.Unknown, n.Off)
	for _, note := range doc.Notes {
		a.out.hang("- ", note)
	}
}
