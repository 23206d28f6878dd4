package main

import (
	"context"
	"net/netip"

	"github.com/spf13/cobra"

	"repwatch"
	"repwatch/api"
	"repwatch/checks"
	"repwatch/config"
	"repwatch/resolve"
)

func embeddedCatalogue() []byte { return repwatch.Blocklists }

// resolver is the DNS client of a command: the configured servers, or the system's.
type resolver struct {
	*resolve.Client
	asked []netip.AddrPort
}

func (a *app) resolver(cfg *config.Loaded) (*resolver, error) {
	opt := resolve.Options{}
	for _, s := range cfg.DNS.Resolvers {
		opt.Servers = append(opt.Servers, s.AddrPort)
	}
	if len(opt.Servers) == 0 {
		system, err := resolve.FromResolvConf("/etc/resolv.conf")
		if err != nil {
			return nil, err
		}
		opt.Servers = system.Servers
	}
	opt.Timeout, opt.Tries, opt.InFlight = cfg.DNS.Timeout.D(), cfg.DNS.Tries, cfg.DNS.InFlight
	client, err := resolve.New(opt)
	if err != nil {
		return nil, err
	}
	return &resolver{client, opt.Servers}, nil
}

// ownSide looks at PTR and EHLO name of each configured sending address.
func (a *app) ownSide(ctx context.Context, cfg *config.Loaded, dns resolve.Lookuper) []api.Own {
	var out []api.Own
	for _, r := range checks.OwnSide(ctx, dns, cfg.Addresses) {
		out = append(out, api.OwnOf(r))
	}
	return out
}

// completeLists completes --list with the catalogue's ids.
func (a *app) completeLists(c *cobra.Command) {
	must(c.RegisterFlagCompletionFunc("list", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		cfg, err := a.load()
		if err != nil {
			return nil, cobra.ShellCompDirectiveError
		}
		var ids []string
		for _, l := range cfg.Catalogue.Askable() {
			ids = append(ids, l.ID+"\t"+l.Name)
		}
		return ids, cobra.ShellCompDirectiveNoFileComp
	}))
}
