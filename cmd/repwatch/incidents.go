package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"repwatch/api"
	"repwatch/incident"
	"repwatch/reputation"
)

func (a *app) incidents() *cobra.Command {
	var open, all bool
	var limit int
	var since sinceFlag
	c := &cobra.Command{
		Use:   "incidents [ID]",
		Short: "What is wrong, or was: one cause and all it did",
		Long: `Show the open incidents, the worst first, then those of the last 7 days that are
over. With an ID the whole story of one: what was lost and what is listed, why we
think so, what to do, what was said, and the conversations with the partner's
servers.`,
		Example: `  repwatch incidents
  repwatch incidents 3
  repwatch incidents --open -o json | jq '.incidents[].lost'`,
		Args: oneArg("ID", true),
	}
	format := outputFlag(c, "table", "json")
	c.Flags().BoolVar(&open, "open", false, "only those that are open")
	c.Flags().BoolVar(&all, "all", false, "also all that are over, and those that turned out to be part of another")
	c.Flags().Var(&since, "since", "over since `TIME`: 30d, or a date (default 7d)")
	c.Flags().IntVar(&limit, "limit", 0, "at most `N`; 0: no limit")
	a.completeIncidents(c)
	c.RunE = func(cmd *cobra.Command, args []string) error {
		if err := exclusive(c, "open", "all"); err != nil {
			return err
		}
		if limit < 0 {
			return misused("0 is no limit", "--limit: %d is below 0", limit)
		}
		if len(args) == 1 {
			return a.oneIncident(cmd, args[0], *format)
		}
		ask := func(ctx context.Context, s source, v view) (api.Incidents, error) {
			f := api.IncidentFilter{OpenOnly: open, All: all, Limit: limit, Since: since.from(v)}
			if f.Since.IsZero() {
				f.Since = v.now.Add(-api.Recently)
			}
			return s.Incidents(ctx, f)
		}
		_, err := tell(a, cmd, *format, ask, func(v view, doc api.Incidents) { v.incidents(doc, open) })
		return err
	}
	return c
}

func (a *app) oneIncident(cmd *cobra.Command, arg, format string) error {
	id, err := incidentID(arg)
	if err != nil {
		return err
	}
	ask := func(ctx context.Context, s source, _ view) (api.Story, error) { return s.Incident(ctx, id) }
	_, err = tell(a, cmd, format, ask, view.story)
	return err
}

func (v view) incidents(doc api.Incidents, openOnly bool) {
	switch {
	case len(doc.Incidents) == 0 && openOnly:
		v.printf("%s\n", v.paint(green, "No incident is open."))
		return
	case len(doc.Incidents) == 0:
		v.printf("%s Nothing else was wrong in this time; repwatch incidents --all goes back further.\n", v.paint(green, "No incident is open."))
		return
	}
	if doc.Incidents[0].Status != incident.Open {
		v.printf("%s\n", v.paint(green, "No incident is open."))
	}
	for n, i := range doc.Incidents {
		if n > 0 && i.Status != doc.Incidents[n-1].Status {
			v.printf("\n")
		}
		v.incident(i)
	}
	if doc.More > 0 {
		v.printf("and %d more\n", doc.More)
	}
	v.printf("\n")
	v.hang("", "repwatch incidents ID tells the whole story of one.")
}

// incident is one in a list: what, since when, how bad, and what to do.
func (v view) incident(i api.Incident) {
	colour, state := impactColour(i.Impact), i.Impact.String()
	when := v.ago(i.Opened)
	switch {
	case i.Status != incident.Open:
		colour, state, when = faint, "over", v.ago(i.Resolved)
		if i.Merged != nil {
			state = "part of"
		}
	case i.AckedAt != nil:
		colour, state = faint, "in hand"
	case i.SnoozedToEnd || i.SnoozedUntil != nil && i.SnoozedUntil.After(v.now):
		colour, state = faint, "snoozed"
	}
	label := fmt.Sprintf("%-5s %s  ", "#"+i.ID, v.paint(colour, fmt.Sprintf("%-8s", state)))
	v.hang(label, v.paint(bold, or(bare(i.Words), string(i.Kind)))+" ("+when+")")
	pad := strings.Repeat(" ", 16)
	if i.Status != incident.Open {
		return
	}
	if sure := sureness(i); sure != "" {
		v.hang(pad, sure)
	}
	if len(i.Next) > 0 {
		v.hang(pad+"next: ", i.Next[0])
	}
	for _, al := range i.Alerts {
		if al.State == "failing" {
			v.hang(pad, v.paint(yellow, al.Notifier+" was not told")+": "+al.Why)
			break
		}
	}
}

// bare is a title without the state in front, where that stands beside it already.
func bare(title string) string {
	for _, state := range []string{"Over: ", "In hand: ", "Snoozed: "} {
		title = strings.TrimPrefix(title, state)
	}
	return title
}

// sureness says how sure the cause is, where there is one to be sure of.
func sureness(i api.Incident) string {
	if i.Confidence == nil || i.Word == nil {
		return ""
	}
	s := fmt.Sprintf("cause %s (%s)", *i.Word, reputation.Percent(*i.Confidence))
	if i.Provisional {
		s += ", provisional"
	}
	return s
}

// story is one incident as its message tells it, then what was said and seen.
func (v view) story(doc api.Story) {
	i := doc.Incident()
	v.hang(v.paint(bold, "#"+i.ID)+"  ", v.paint(toneColour(doc.Message.Tone), i.Words))
	for _, f := range doc.Message.Fields {
		v.section(f.Name, f.Lines)
	}
	if len(doc.Absorbed) > 0 {
		v.section("Includes", []string{"#" + strings.Join(doc.Absorbed, ", #")})
	}
	var told []string
	for _, al := range i.Alerts {
		s := fmt.Sprintf("%s: %s %s, %s", al.Notifier, al.Kind, al.State, v.clock(al.At))
		told = append(told, s+prefix(": ", al.Why))
	}
	v.section("Told", told)
	var said []string
	for _, s := range i.Said {
		said = append(said, v.clock(s.At)+"  "+strings.ReplaceAll(s.Text, "\n", "; "))
	}
	v.section("Said so far", said)
	for _, e := range doc.Episodes {
		v.transcript(e)
	}
}

func (v view) section(name string, lines []string) {
	if len(lines) == 0 {
		return
	}
	v.printf("\n%s\n", v.paint(bold, name))
	for _, l := range lines {
		v.hang("  ", l)
	}
}

func (v view) transcript(e api.Episode) {
	if e.Wire == nil || len(e.Wire.Transcript) == 0 {
		return
	}
	v.printf("\n")
	v.hang("", v.paint(bold, "Conversation")+fmt.Sprintf(" for %s, %s%s", e.Subject, v.when(e.After, e.Since), prefix(", at ", e.Wire.MX)))
	for _, l := range e.Wire.Transcript {
		v.hang("  "+v.paint(faint, "|")+" ", l)
	}
}

func toneColour(t incident.Tone) style {
	switch t {
	case incident.ToneBad:
		return red
	case incident.ToneWarn:
		return yellow
	case incident.ToneGood:
		return green
	default:
		return bold
	}
}
