package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"repwatch/api"
	"repwatch/config"
	"repwatch/notify"
	"repwatch/web"
)

func (a *app) notifyCmd() *cobra.Command {
	c := &cobra.Command{
		Use:         "notify",
		Short:       "Test the notifiers, or see what they would send",
		Annotations: group,
		Args:        noArgs,
		RunE:        func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(a.notifyTest(), a.notifyPreview())
	return c
}

func (a *app) notifyTest() *cobra.Command {
	c := &cobra.Command{
		Use:   "test",
		Short: "Send a test message through each notifier",
		Long: `Send a test message through each notifier and say whether it arrived, and if not why
and what to do. The running daemon sends it, as it would send an alert; without
one it is sent from here. A notifier that the daemon had stopped goes on if it passes.

Exit code 1 says that a message did not arrive, 3 that no notifier is configured.`,
		Args: noArgs,
	}
	format := outputFlag(c, "table", "json")
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, err := a.load()
		if err != nil {
			return err
		}
		doc, err := a.testNotifiers(cmd.Context(), cfg)
		if err != nil {
			return err
		}
		if *format == "json" {
			err = a.out.json(doc)
		} else {
			a.printTests(doc)
		}
		if err != nil {
			return err
		}
		return exitWith(doc.Exit())
	}
	return c
}

func (a *app) testNotifiers(ctx context.Context, cfg *config.Loaded) (api.Tests, error) {
	daemon, err := web.Dial(cfg.Socket)
	if err == nil {
		defer daemon.Close()
		return daemon.TestNotifiers(ctx)
	}
	if !errors.Is(err, web.ErrNoDaemon) {
		return api.Tests{}, err
	}
	now := time.Now()
	notifiers, problems := notify.Build(cfg, slog.New(slog.NewTextHandler(a.err, nil)), cfg.Redact)
	var tests []api.NotifierTest
	for _, r := range notify.Test(ctx, notifiers, now) {
		one := api.NotifierTest{Notifier: r.Name, OK: r.Err == nil, TookMS: r.Took.Milliseconds(), Why: r.Trouble}
		if r.Err != nil {
			p := api.ProblemOf(r.Err)
			one.Why, one.Hint = p.Error, p.Hint
		}
		tests = append(tests, one)
	}
	for _, p := range problems {
		tests = append(tests, api.NotifierTest{Notifier: p.Name, Why: p.Words, Hint: p.Hint})
	}
	return api.TestsOf(now, tests), ctx.Err()
}

func (a *app) printTests(doc api.Tests) {
	if len(doc.Tests) == 0 {
		a.out.hang("", "no notifier is configured: nobody is told\n  hint: notify in the configuration; docs/configuration.md shows slack, email, webhook and log")
	}
	for _, t := range doc.Tests {
		label, words := a.out.paint(green, "arrived"), fmt.Sprintf("after %d ms", t.TookMS)
		if !t.OK {
			label, words = a.out.paint(red, "failed "), t.Why
		} else if t.Why != "" {
			words += "; " + a.out.paint(yellow, t.Why)
		}
		a.out.hang(label+"  "+a.out.paint(bold, t.Notifier)+"  ", words)
		if t.Hint != "" {
			a.out.hang("         hint: ", t.Hint)
		}
	}
}

func (a *app) notifyPreview() *cobra.Command {
	var news string
	c := &cobra.Command{
		Use:   "preview ID",
		Short: "Show an incident's messages as each notifier would send them",
		Long: `Show what each kind of notifier would send of an incident as it is now. Nothing is
sent. The piece of news in it is the latest one, or that of --news.`,
		Example: `  repwatch notify preview 3`,
		Args:    oneArg("ID", false),
	}
	format := outputFlag(c, "table", "json")
	c.Flags().StringVar(&news, "news", "", "`WORDS` instead of the latest news")
	a.completeIncidents(c)
	c.RunE = func(cmd *cobra.Command, args []string) error {
		id, err := incidentID(args[0])
		if err != nil {
			return err
		}
		ask := func(ctx context.Context, s source, _ view) (doc api.Preview, err error) {
			story, err := s.Incident(ctx, id)
			if err != nil {
				return doc, err
			}
			if said := story.Incident().Said; news == "" && len(said) > 0 {
				news = said[len(said)-1].Text
			}
			shown, err := notify.Preview(story.Told(), news)
			if err != nil {
				return doc, err
			}
			doc = api.Preview{Schema: api.Schema("notify-preview"), Incident: story.Incident().ID, Messages: []api.Previewed{}}
			for _, s := range shown {
				doc.Messages = append(doc.Messages, api.Previewed(s))
			}
			return doc, nil
		}
		_, err = tell(a, cmd, *format, ask, view.preview)
		return err
	}
	return c
}

func (v view) preview(doc api.Preview) {
	for i, m := range doc.Messages {
		if i > 0 {
			v.printf("\n")
		}
		v.printf("%s\n", v.paint(bold, m.Notifier+", "+m.What))
		for line := range strings.Lines(strings.TrimRight(m.Text, "\n")) {
			v.printf("  %s\n", strings.TrimRight(line, "\n"))
		}
	}
}
