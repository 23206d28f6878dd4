package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"repwatch/api"
	"repwatch/incident"
)

func (a *app) history() *cobra.Command {
	var since sinceFlag
	c := &cobra.Command{
		Use:   "history SUBJECT",
		Short: "What an address, partner, list or pair went through",
		Long: `Show what a subject went through, oldest first: IP, PARTNER, LIST, a domain of
yours, IP@LIST or IP>PARTNER (quote the latter). Times are as exact as they were
seen: 09:12-09:27 means that it was still fine at 09:12 and no longer at 09:27.`,
		Example: `  repwatch history 203.0.113.7
  repwatch history '203.0.113.7>contoso.com' --since 7d
  repwatch history spamhaus-zen --since 2026-11-01 -o json`,
		Args: oneArg("SUBJECT", false),
	}
	format := outputFlag(c, "table", "json")
	c.Flags().Var(&since, "since", "since `TIME`: 7d, or a date (default: all that is kept)")
	c.RunE = func(cmd *cobra.Command, args []string) error {
		ask := func(ctx context.Context, s source, v view) (doc api.History, err error) {
			if doc, err = s.History(ctx, args[0], since.from(v)); err == nil && !doc.Known {
				err = fmt.Errorf("nothing is known of %s: it is not watched, and was not in the time that is kept\n  hint: an IP, PARTNER, LIST, domain, IP@LIST or IP>PARTNER of the configuration; repwatch status -v shows them", args[0])
			}
			return doc, err
		}
		_, err := tell(a, cmd, *format, ask, view.history)
		return err
	}
	return c
}

func (v view) history(doc api.History) {
	over := "since " + v.clock(doc.Since)
	if doc.Since == nil {
		over = "in the time that is kept"
	}
	if len(doc.Records) == 0 {
		v.hang(v.paint(bold, doc.Subject)+"  ", "nothing happened "+over)
	} else {
		v.printf("%s  %s %s\n", v.paint(bold, doc.Subject), plural(len(doc.Records), "change"), over)
	}
	for _, r := range doc.Records {
		v.change(doc.Subject, r)
	}
	v.lasting(doc.Episodes)
}

func (v view) change(subject string, r api.Change) {
	words := v.paint(changeColour(r), r.Words)
	if r.About != subject && r.Subject != subject {
		words = r.About + ": " + words
	}
	if r.Who != nil {
		words += ", said " + *r.Who
	}
	if r.Incident != nil {
		words += " (#" + *r.Incident + ")"
	}
	when := v.when(r.After, r.By)
	if r.By == nil {
		when = v.clock(r.At)
	}
	v.hang(fmt.Sprintf("  %-22s  ", when), words)
}

func changeColour(r api.Change) style {
	switch r.What {
	case incident.Listed, incident.Lost, incident.Faulty:
		return red
	case incident.Delisted, incident.Back, incident.Mended:
		return green
	case incident.Suspended, incident.Flapping, incident.Turned:
		return yellow
	default:
		return bold
	}
}

// lasting lists what is still bad.
func (v view) lasting(episodes []api.Episode) {
	head := false
	for _, e := range episodes {
		if !e.Open() {
			continue
		}
		if !head {
			v.printf("\n%s\n", v.paint(bold, "Still so"))
			head = true
		}
		in := ""
		if e.Incident != nil {
			in = " (#" + *e.Incident + ")"
		}
		v.hang("  ", fmt.Sprintf("%s: %s, for %s%s", e.Subject, e.Words, lasting(v.now.Sub(since(e))), in))
	}
}

func since(e api.Episode) time.Time {
	if e.Since == nil {
		return time.Time{}
	}
	return *e.Since
}
