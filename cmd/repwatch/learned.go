package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"repwatch/api"
	"repwatch/correlate"
	"repwatch/reputation"
)

func (a *app) learned() *cobra.Command {
	c := &cobra.Command{
		Use:   "learned",
		Short: "Which partner reacts to which list, and how well that was foretold",
		Long: `Show what was learned from what happened here: which partner withdraws something
when which list names one of your addresses, how often, how fast, and whether it
gives it back after the delisting. Below, what receivers say of themselves and
nobody has seen here yet, and how forecasts turned out.`,
		Args: noArgs,
	}
	format := outputFlag(c, "table", "json")
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		ask := func(ctx context.Context, s source, _ view) (api.Learned, error) { return s.Learned(ctx) }
		_, err := tell(a, cmd, *format, ask, view.learned)
		return err
	}
	return c
}

func (v view) learned(doc api.Learned) {
	if len(doc.Edges) == 0 {
		v.printf("Nothing was learned yet: no listing of your addresses was followed by a loss.\n")
	}
	for _, e := range doc.Edges {
		colour := faint
		switch e.Standing {
		case correlate.Learned:
			colour = green
		case correlate.Suspected:
			colour = yellow
		}
		v.hang(v.paint(colour, fmt.Sprintf("%-9s", e.Standing))+"  ", e.Words+fmt.Sprintf(" [reacts with %s]", reputation.Percent(e.PIP)))
	}
	v.priors(doc.Priors)
	v.forecasts(doc)
}

func (v view) priors(priors []api.Prior) {
	if len(priors) == 0 {
		return
	}
	v.printf("\n%s\n", v.paint(bold, "Believed before anything was seen here"))
	for _, p := range priors {
		v.hang("  ", fmt.Sprintf("%s reacts to %s with %s: %s", or(p.Provider, p.Partner), p.List, reputation.Percent(p.P), p.Source))
	}
}

func (v view) forecasts(doc api.Learned) {
	if len(doc.Forecasts) == 0 {
		return
	}
	s := doc.Score
	v.printf("\n%s\n", v.paint(bold, "Forecasts"))
	if s.Hits+s.Misses > 0 {
		v.hang("  ", fmt.Sprintf("%d of %d came true; by their probabilities %.1f should have", s.Hits, s.Hits+s.Misses, s.Expected))
	}
	for n, f := range doc.Forecasts {
		if n == shownFew {
			v.printf("  and %d more: -o json\n", len(doc.Forecasts)-n)
			return
		}
		v.hang("  "+v.outcome(f)+"  ", fmt.Sprintf("%s because of %s on %s, with %s, %s to %s", f.Partner, f.IP, f.List, reputation.Percent(f.P), v.clock(f.From), v.clock(f.To)))
	}
}

func (v view) outcome(f api.Forecast) string {
	switch f.Outcome {
	case "hit":
		return v.paint(green, "came true")
	case "miss":
		return v.paint(yellow, "did not  ")
	default:
		return "open     "
	}
}

func (a *app) ledger() *cobra.Command {
	var since sinceFlag
	c := &cobra.Command{
		Use:   "ledger",
		Short: "Which mail servers were visited, how often, and why",
		Long: `Show the sessions that repwatch opened at partners' servers: per provider and sender
how many in the last 24 hours of those allowed (probes.per_provider_day), whether
anybody said that we come too often, and the latest one by one.`,
		Args: noArgs,
	}
	format := outputFlag(c, "table", "json")
	c.Flags().Var(&since, "since", "since `TIME`: 7d, or a date (default 24h; kept for 31d)")
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		ask := func(ctx context.Context, s source, v view) (api.Ledger, error) {
			from := since.from(v)
			if from.IsZero() {
				from = v.now.Add(-24 * time.Hour)
			}
			return s.Ledger(ctx, from)
		}
		_, err := tell(a, cmd, *format, ask, view.ledger)
		return err
	}
	return c
}

// shownSessions is how many sessions a table shows; JSON has more.
const shownSessions = 20

func (v view) ledger(doc api.Ledger) {
	if len(doc.Lanes) == 0 {
		v.printf("No session was opened since %s.\n", v.clock(doc.Since))
		return
	}
	rows := []row{{cells: []string{"provider", "from", "24 h", "allowed", "in all", "too often", "last"}}}
	for _, l := range doc.Lanes {
		allowed := "no limit"
		if doc.Cap > 0 {
			allowed = fmt.Sprint(doc.Cap)
		}
		day, slow := fmt.Sprint(l.Day), "no"
		if doc.Cap > 0 && l.Day >= doc.Cap {
			day = v.paint(yellow, day)
		}
		if l.SlowDowns > 0 {
			slow = v.paint(yellow, fmt.Sprintf("%d times", l.SlowDowns))
		}
		rows = append(rows, row{cells: []string{l.Provider, l.From, day, allowed, fmt.Sprint(l.Sessions), slow, v.clock(l.Last)}})
	}
	v.columns(rows)
	v.printf("\n")
	rows = []row{{cells: []string{"opened", "took", "from", "partner", "at", "why", "outcome"}}}
	for _, s := range doc.Sessions[:min(shownSessions, len(doc.Sessions))] {
		rows = append(rows, v.session(s))
	}
	v.columns(rows)
	if more := len(doc.Sessions) + doc.More - shownSessions; more > 0 {
		v.printf("and %d more: -o json\n", more)
	}
}

func (v view) session(s api.Session) row {
	took, to := "open", "-"
	if s.Closed != nil {
		took = lasting(s.Closed.Sub(*s.Opened))
	}
	if s.To != nil {
		to = *s.To
	}
	return row{cells: []string{s.Opened.In(v.zone).Format("2006-01-02 15:04:05"), took, s.From, s.Partner, to, s.Why, s.Outcome.String()}}
}
