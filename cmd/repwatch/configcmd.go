package main

import (
	"os"

	"github.com/spf13/cobra"

	"repwatch/api"
	"repwatch/config"
)

func (a *app) configCmd() *cobra.Command {
	c := &cobra.Command{
		Use:         "config",
		Short:       "Check the configuration, or print its schema",
		Annotations: group,
		Args:        noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return misused("repwatch config check, or repwatch config schema", "say what to do with the configuration")
		},
	}
	c.AddCommand(a.configCheck(), a.configSchema())
	return c
}

func (a *app) configCheck() *cobra.Command {
	c := &cobra.Command{
		Use:   "check [FILE]",
		Short: "Check the configuration and say what it means",
		Long: `Check the configuration: every problem with its place and a hint. When it is
good, say what it means: how many pairs are asked how often, and how many SMTP
sessions a day it opens to whom.`,
		Args: oneArg("FILE", true),
	}
	format := outputFlag(c, "table", "json")
	c.RunE = func(_ *cobra.Command, args []string) error {
		if len(args) == 1 {
			a.file = args[0]
		}
		if a.file == "" {
			if _, err := os.Stat(a.defaultFile); err != nil {
				return misused("repwatch config check FILE", "no configuration to check: there is none at %s", a.defaultFile)
			}
		}
		cfg, err := a.load()
		if err != nil {
			return err
		}
		doc := api.ConfigOf(cfg)
		if *format == "json" {
			return a.out.json(doc)
		}
		a.printConfig(doc)
		return nil
	}
	return c
}

func (a *app) configSchema() *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the configuration's JSON Schema, for editors",
		Args:  noArgs,
		RunE:  func(*cobra.Command, []string) error { return config.Schema(a.out) },
	}
}

func (a *app) printConfig(doc api.Config) {
	a.out.printf("%s  %s\n", a.out.paint(green, "good"), doc.File)
	a.out.printf("  %s, %s, %s, %s in use\n", plural(doc.Addresses, "sending address"), plural(doc.Domains, "domain"),
		plural(doc.Partners, "partner"), plural(doc.Lists, "list"))
	a.out.printf("  lists:    %d questions a day; each list every %s\n", doc.QuestionsPerDay, doc.ListEvery)
	for _, l := range doc.Stretched {
		a.out.printf("            %s only every %s: its operator allows %d questions a day\n", l.ID, l.Every, l.PerDay)
	}
	a.out.printf("  partners: %d SMTP sessions a day\n", doc.SessionsPerDay)
	for _, p := range doc.Providers {
		a.out.printf("            %s: %d a day, %d from the busiest address, every %s\n", p.Provider, p.Sessions, p.PerIP, p.Every)
	}
}
