package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/spf13/cobra"

	"repwatch/api"
	"repwatch/config"
	"repwatch/notify"
	"repwatch/report"
	"repwatch/store"
	"repwatch/web"
)

// reportFlags are what the command is told.
type reportFlags struct {
	week   string
	since  sinceFlag
	format *string
	file   string
	send   bool
}

func (a *app) report() *cobra.Command {
	var f reportFlags
	c := &cobra.Command{
		Use:   "report",
		Short: "The week: what was disturbed, whose doing, what comes next",
		Long: `Write the report of a calendar week (in schedule.timezone; without --week of the last
one that is over), or of the time since a moment: one sentence and a light, the
week in numbers against last week and the median of four, a picture, what is open,
which listings hurt, how partners and providers fared, blind spots, what falls due
and what was learned. docs/report.md says what each number means.

The daemon sends it by schedule.report; --send sends it now through all notifiers.

Exit code 3 says that less than half of the time could be told of.`,
		Args: noArgs,
	}
	c.Flags().StringVar(&f.week, "week", "", "calendar `WEEK` such as 2026-W46")
	c.Flags().Var(&f.since, "since", "instead of a week, since `TIME`: 7d, or a date")
	f.format = outputFlag(c, "text", "md", "html", "json", "png")
	c.Flags().StringVarP(&f.file, "output-file", "O", "", "write to `FILE` instead of standard output")
	c.Flags().BoolVar(&f.send, "send", false, "send it through all notifiers now, and write nothing")
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, err := a.load()
		if err != nil {
			return err
		}
		if f.send {
			return a.sendReport(cmd.Context(), cfg, f)
		}
		return a.writeReport(cmd.Context(), cfg, f)
	}
	return c
}

// readReport gets the document from the daemon, or builds it from the file.
func (a *app) readReport(ctx context.Context, cfg *config.Loaded, f reportFlags) (report.Report, error) {
	v := view{a.out, time.Now(), cfg.Schedule.Timezone.Loc()}
	since := f.since.from(v)
	if _, err := report.Asked(f.week, since, v.now, v.zone); err != nil { // before anything is opened
		return report.Report{}, err
	}
	src, err := a.source(cfg)
	if err != nil {
		return report.Report{}, err
	}
	defer src.Close()
	r, err := src.Report(ctx, f.week, since)
	if _, offline := src.(*file); offline && err == nil {
		a.err.hang(a.err.paint(yellow, "note:")+" ", "no daemon runs; this is from "+cfg.Store.Path)
	}
	return r, err
}

// Report builds the document from the file.
func (f *file) Report(_ context.Context, week string, since time.Time) (report.Report, error) {
	now := time.Now()
	w, err := report.Asked(week, since, now, f.cfg.Schedule.Timezone.Loc())
	if err != nil {
		return report.Report{}, err
	}
	return api.From(f.db, func(tx *store.Tx) (report.Report, error) { return report.Build(tx, f.cfg, w, now) })
}

func (a *app) writeReport(ctx context.Context, cfg *config.Loaded, f reportFlags) error {
	if *f.format == "png" && f.file == "" && a.out.tty {
		return errors.New("a picture cannot be shown in a terminal\n  hint: add --output-file report.png")
	}
	r, err := a.readReport(ctx, cfg, f)
	if err != nil {
		return err
	}
	out := a.out
	if f.file != "" {
		to, err := os.Create(f.file)
		if err != nil {
			return fmt.Errorf("the report cannot be written: %w", err)
		}
		defer to.Close()
		out = newTerm(to)
	}
	if err := out.report(r, *f.format); err != nil {
		return err
	}
	if out.failed != nil {
		return fmt.Errorf("the report cannot be written: %w", out.failed)
	}
	return reportExit(r)
}

func (t *term) report(r report.Report, format string) error {
	var text string
	var err error
	switch format {
	case "json":
		return t.json(r)
	case "md":
		text = report.Markdown(r)
	case "html":
		text, err = report.HTML(r)
	case "png":
		var raw []byte
		raw, err = report.PNG(r)
		text = string(raw)
	default:
		width := 0
		if t.tty {
			width = t.width
		}
		text = report.Text(r, width)
	}
	if err != nil {
		return err
	}
	t.printf("%s", text)
	return nil
}

func reportExit(r report.Report) error {
	if !r.Told() {
		return exitWith(api.ExitUnknown)
	}
	return nil
}

// sendReport has the daemon send it, or sends it from here where none runs.
func (a *app) sendReport(ctx context.Context, cfg *config.Loaded, f reportFlags) error {
	if f.since != (sinceFlag{}) {
		return errors.New("only calendar weeks are sent\n  hint: --week 2026-W46, or no --since for the last one")
	}
	daemon, err := web.Dial(cfg.Socket)
	switch {
	case err == nil:
		defer daemon.Close()
		sent, err := daemon.SendReport(ctx, f.week)
		if err != nil {
			return err
		}
		if len(sent.Notifiers) == 0 {
			return errNobody
		}
		a.out.printf("The report of %s is on its way to %s.\n", sent.Week, join(sent.Notifiers))
		return nil
	case !errors.Is(err, web.ErrNoDaemon):
		return err
	}
	r, err := a.readReport(ctx, cfg, f)
	if err != nil {
		return err
	}
	return a.sendFromHere(ctx, cfg, r)
}

var errNobody = errors.New("no notifier is configured: nobody is told\n  hint: notify in the configuration; docs/configuration.md shows slack, email, webhook and log")

// sendFromHere sends past the outbox.
func (a *app) sendFromHere(ctx context.Context, cfg *config.Loaded, r report.Report) error {
	rendered, err := report.Render(r)
	if err != nil && len(rendered.Document) == 0 {
		return err
	}
	if err != nil {
		a.err.warn("the report goes without its picture: %v", err)
	}
	now := time.Now()
	notifiers, problems := notify.Build(cfg, slog.New(slog.NewTextHandler(a.err, nil)), cfg.Redact)
	if len(notifiers)+len(problems) == 0 {
		return errNobody
	}
	var tests []api.NotifierTest
	for _, t := range notify.SendReport(ctx, notifiers, notify.Report(rendered), now) {
		one := api.NotifierTest{Notifier: t.Name, OK: t.Err == nil, TookMS: t.Took.Milliseconds(), Why: t.Trouble}
		if t.Err != nil {
			p := api.ProblemOf(t.Err)
			one.Why, one.Hint = p.Error, p.Hint
		}
		tests = append(tests, one)
	}
	for _, p := range problems {
		tests = append(tests, api.NotifierTest{Notifier: p.Name, Why: p.Words, Hint: p.Hint})
	}
	doc := api.TestsOf(now, tests)
	a.printTests(doc)
	return exitWith(doc.Exit())
}
