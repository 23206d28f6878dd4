package main

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"repwatch/api"
	"repwatch/config"
	"repwatch/incident"
	"repwatch/web"
)

// defaultSnooze is the first of the lengths that messages offer.
const defaultSnooze = 4 * time.Hour

// acting runs a command that needs the daemon.
func acting[D any](a *app, cmd *cobra.Command, format string, do func(context.Context, *web.Client) (D, error), print func(D)) (doc D, err error) {
	cfg, err := a.load()
	if err != nil {
		return doc, err
	}
	daemon, err := a.running(cfg)
	if err != nil {
		return doc, err
	}
	defer daemon.Close()
	if doc, err = do(cmd.Context(), daemon); err != nil {
		return doc, err
	}
	if format == "json" {
		return doc, a.out.json(doc)
	}
	print(doc)
	return doc, nil
}

// verb is a command that does one thing with an incident.
func (a *app) verb(c *cobra.Command, verb incident.Verb, done string, fill func(*incident.Action) error) *cobra.Command {
	var by, reason string
	c.Args = oneArg("ID", false)
	format := outputFlag(c, "table", "json")
	c.Flags().StringVar(&reason, "reason", "", "`WORDS` for the others, kept with the incident")
	c.Flags().StringVar(&by, "by", "", "`NAME` to be shown (default: the user at the socket)")
	a.completeIncidents(c)
	c.RunE = func(cmd *cobra.Command, args []string) error {
		id, err := incidentID(args[0])
		if err != nil {
			return err
		}
		action := incident.Action{Verb: verb, Incident: id, By: by, Reason: reason}
		if err := fill(&action); err != nil {
			return err
		}
		do := func(ctx context.Context, daemon *web.Client) (api.Acted, error) { return daemon.Act(ctx, action) }
		_, err = acting(a, cmd, *format, do, func(doc api.Acted) { a.out.printf("#%s %s\n", doc.Incident, done) })
		return err
	}
	return c
}

func noMore(*incident.Action) error { return nil }

func (a *app) ack() *cobra.Command {
	return a.verb(&cobra.Command{
		Use:   "ack ID",
		Short: "Say that an incident is in hand: no more reminders",
		Long: `Say that somebody has an incident in hand. Everybody who was told of it is told
this too; reminders end, news and the end of it are still told.`,
		Example: `  repwatch ack 3 --reason "asked Spamhaus for delisting"`,
	}, incident.Ack, "is in hand", noMore)
}

func (a *app) snooze() *cobra.Command {
	var span config.Duration
	var toEnd bool
	c := &cobra.Command{
		Use:   "snooze ID",
		Short: "No news of an incident for a while, or until it is over",
		Long: `Have no news of an incident sent for a while (--for), or until it is over
(--until-end, such as "until delisted"). What happens meanwhile is recorded all
the same; when the time is over and it is still open you are reminded.`,
		Example: `  repwatch snooze 3 --for 4h
  repwatch snooze 3 --until-end --reason "their maintenance, known"`,
	}
	length := &scalarFlag{value: &span, kind: "TIME"}
	c.Flags().Var(length, "for", "how long: `TIME` such as 4h or 2d (default 4h)")
	c.Flags().BoolVar(&toEnd, "until-end", false, "until it is over")
	return a.verb(c, incident.Snooze, "is quiet now", func(act *incident.Action) error {
		if err := exclusive(c, "for", "until-end"); err != nil {
			return err
		}
		act.ToEnd, act.For = toEnd, span.D()
		if !toEnd && !length.set {
			act.For = defaultSnooze
		}
		if !toEnd && act.For <= 0 {
			return misused("repwatch snooze "+act.Incident+" --for 4h", "--for: a snooze lasts some time")
		}
		return nil
	})
}

func (a *app) resolve() *cobra.Command {
	return a.verb(&cobra.Command{
		Use:   "resolve ID",
		Short: "Close an incident by hand, whatever the looks say",
		Long: `Close an incident that you are done with. It closes by itself when what it is about
is over; this is for what you do not want to hear of again. What was bad when last
seen may still be so, and if it comes anew it is a new incident.`,
		Example: `  repwatch resolve 3 --reason "partner is being migrated away"`,
	}, incident.Resolve, "is closed", noMore)
}

func (a *app) unrelated() *cobra.Command {
	return a.verb(&cobra.Command{
		Use:   "unrelated ID",
		Short: "Say that the listing has nothing to do with the loss",
		Long: `Say that the listing which an incident blames has nothing to do with what was lost.
That is evidence and stays: the losses are judged again at once, and what was
learned of the partner changes with it.`,
		Example: `  repwatch unrelated 3 --reason "their postmaster: a policy of their own"`,
	}, incident.RuleOut, "is judged again without that listing", noMore)
}

func (a *app) recheck() *cobra.Command {
	c := &cobra.Command{
		Use:   "recheck SUBJECT",
		Short: "Have the daemon look now",
		Long: `Have the daemon look at a subject now instead of at its time: IP, PARTNER, LIST, a
domain of yours, IP@LIST, IP>PARTNER, or #ID for what an incident is about.
Politeness and the lists' budgets hold for these looks too. What they bring shows
in repwatch history and repwatch incidents.`,
		Example: `  repwatch recheck 203.0.113.7@spamhaus-zen
  repwatch recheck '203.0.113.7>contoso.com'
  repwatch recheck '#3'`,
		Args: oneArg("SUBJECT", false),
	}
	format := outputFlag(c, "table", "json")
	c.RunE = func(cmd *cobra.Command, args []string) error {
		do := func(ctx context.Context, daemon *web.Client) (api.Recheck, error) {
			return daemon.Recheck(ctx, args[0])
		}
		_, err := acting(a, cmd, *format, do, func(doc api.Recheck) {
			a.out.hang("Looking now: ", strings.Join(doc.Looks, "; "))
		})
		return err
	}
	return c
}
