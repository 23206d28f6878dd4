package main

import (
	"crypto/x509"
	"io"
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"repwatch/config"
)

// app is what every command shares: where it reads and writes, and the configuration.
type app struct {
	stdin    io.Reader
	out, err *term

	file        string         // -c
	defaultFile string         // read where -c is not given, if it is there
	roots       *x509.CertPool // whom partners' certificates are judged by; nil: the system's roots
}

const defaultConfig = "/etc/repwatch/repwatch.yaml"

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "repwatch",
		Short: "Tells you why your mail is stuck, before your users do",
		Long: `repwatch asks DNS blocklists about your sending addresses and reads, from those
very addresses, what your partners' mail servers offer them. It knows that a
receiver may withdraw STARTTLS from a listed address, what the misleading
"451 5.7.3 Must issue a STARTTLS command first" means, and where to delist.

Every command works without a configuration where it can.

Exit codes: 0 nothing found; 1 a finding; 2 wrong usage or configuration;
3 less than half could be told.`,
		Annotations:   group,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          noArgs,
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.SetFlagErrorFunc(flagError)
	root.SetUsageTemplate(usageTemplate)
	root.PersistentFlags().StringVarP(&a.file, "config", "c", "", "configuration in `FILE` (default "+defaultConfig+" if there)")
	root.AddCommand(a.demo(), a.runCmd(), a.initCmd(), a.doctor(), a.check(), a.probe(), a.explain(), a.lists(), a.status(), a.incidents(), a.history(), a.learned(), a.ledger(), a.report(), a.ack(), a.snooze(), a.resolve(), a.unrelated(), a.recheck(), a.notifyCmd(), a.dbCmd(), a.replay(), a.configCmd(), a.version(), a.man())
	return root
}

// load reads the configuration named by -c, the default one if it is there, or
// none at all. Warnings go to stderr, once.
func (a *app) load() (*config.Loaded, error) {
	c, err := config.Load(a.configPath(), embeddedCatalogue())
	if err != nil {
		return nil, err
	}
	for _, w := range c.Warnings {
		a.err.warn("%s", w)
	}
	return c, nil
}

// configPath is the file to read, empty for none.
func (a *app) configPath() string {
	if a.file == "" {
		if _, err := os.Stat(a.defaultFile); err == nil {
			return a.defaultFile
		}
	}
	return a.file
}

// outputFlag adds -o with the formats a command knows, the first being the default.
func outputFlag(c *cobra.Command, formats ...string) *string {
	format := formats[0]
	c.Flags().VarP(&choice{value: &format, allowed: formats}, "output", "o", "output: "+join(formats))
	must(c.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(formats, cobra.ShellCompDirectiveNoFileComp)))
	return &format
}

// must stops on mistakes in the program itself, never on input.
func must(err error) {
	if err != nil {
		slog.Error("repwatch: bug", "err", err)
		panic(err)
	}
}
