package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"repwatch/api"
	"repwatch/reputation"
)

func (a *app) status() *cobra.Command {
	var verbose bool
	c := &cobra.Command{
		Use:   "status",
		Short: "Is something wrong? What, since when, and how well can we tell",
		Long: `Say whether something is wrong, what, and what to do first; then how well we can
tell: lists and partners that answered lately (within three of their intervals),
notifiers, and the daemon itself. Without a running daemon the same is read from
its file.

Exit codes: 1 incidents are open; else 3 when less than half of the lists, or of
the partners, gave a sure answer lately; else 0. With -o nagios 2 for incidents of
impact critical or high.`,
		Example: `  repwatch status
  repwatch status -o json | jq '.coverage'`,
		Args: noArgs,
	}
	format := outputFlag(c, "table", "json", "nagios")
	c.Flags().BoolVarP(&verbose, "verbose", "v", false, "every list and every pair, not only those in trouble")
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		doc, err := tell(a, cmd, *format, func(ctx context.Context, s source, _ view) (api.Status, error) { return s.Status(ctx) },
			func(v view, doc api.Status) { statusView{v, verbose}.print(doc) })
		if err != nil {
			return err
		}
		if *format == "nagios" {
			n := api.NagiosStatus(doc)
			a.out.printf("%s\n", n.Line)
			return exitWith(n.Code)
		}
		return exitWith(doc.Exit())
	}
	return c
}

// statusView prints what people look at at 3 a.m.: first whether something is
// wrong, then what, then how well we can tell.
type statusView struct {
	view
	verbose bool
}

// shownFew is how many of a kind are shown one by one; the rest is counted.
const shownFew = 8

func (v statusView) print(doc api.Status) {
	colour := green
	switch {
	case doc.Incidents.Open > doc.Incidents.InHand:
		colour = red
	case doc.Incidents.Open > 0, doc.Exit() != api.ExitOK:
		colour = yellow
	}
	words := doc.Words
	if doc.Incidents.Open == 1 {
		words = "1 incident is open" // it stands below
	}
	v.hang("", v.paint(colour, strings.ToUpper(words[:1])+words[1:]+"."))
	v.incidents(doc.Incidents)
	v.printf("\n")
	v.lists(doc)
	v.partners(doc)
	v.notifiers(doc.Notifiers)
	v.daemon(doc)
}

func (v statusView) line(label, words string) { v.hang(fmt.Sprintf("%-10s ", label), words) }

func (v statusView) incidents(open api.OpenIncidents) {
	for n, i := range open.Rows {
		if n == shownFew {
			v.printf("  and %d more: repwatch incidents\n", len(open.Rows)-n)
			return
		}
		colour, state := impactColour(i.Impact), i.Impact.String()
		if i.InHand {
			colour, state = faint, "in hand"
		}
		v.hang(fmt.Sprintf("  %-4s %s  ", "#"+i.ID, v.paint(colour, fmt.Sprintf("%-8s", state))), fmt.Sprintf("%s (%s)", bare(i.Words), v.ago(i.Opened)))
		if i.Next != "" {
			v.hang(strings.Repeat(" ", 17)+"next: ", i.Next)
		}
	}
}

func impactColour(i reputation.Impact) style {
	if i >= reputation.High {
		return red
	}
	return yellow
}

func (v statusView) lists(doc api.Status) {
	c := doc.Coverage
	words := fmt.Sprintf("%d of %d answered lately", c.ListsTold, c.Lists)
	if c.Suspended > 0 {
		words += fmt.Sprintf("; %d not believed", c.Suspended)
	}
	if c.Untested > 0 {
		words += fmt.Sprintf("; %d cannot be tested", c.Untested)
	}
	v.line("lists", v.toldColour(c.ListsTold, c.Lists, words))
	shown := 0
	for _, l := range doc.Lists {
		words := v.listWords(l)
		if words == "" && !v.verbose {
			continue
		}
		if shown++; shown > shownFew && !v.verbose {
			continue
		}
		v.hang("             ", v.paint(bold, l.ID)+": "+or(words, "ok, "+v.ago(l.Sure)))
	}
	v.more(shown, "list")
}

// toldColour is yellow where less than half could be told.
func (v statusView) toldColour(told, all int, words string) string {
	if told*2 < all {
		return v.paint(yellow, words)
	}
	return words
}

func (v statusView) more(shown int, noun string) {
	if shown > shownFew && !v.verbose {
		v.printf("             and %s more: repwatch status -v\n", plural(shown-shownFew, noun))
	}
}

// listWords says what is to be said of a list; nothing where all is well.
func (v statusView) listWords(l api.ListStatus) string {
	var parts []string
	switch {
	case l.Health == "suspended":
		parts = append(parts, v.paint(yellow, "not believed")+" since "+v.clock(l.Since)+": "+l.Why)
	case l.Sure == nil:
		parts = append(parts, v.paint(yellow, "no sure answer yet"))
	case !l.Told:
		parts = append(parts, v.paint(yellow, "silent")+": last sure answer "+v.ago(l.Sure)+prefix(": ", l.Why))
	case l.Health == "ok" && l.Why != "": // it is held back: rule of truth 2, second look
		parts = append(parts, v.paint(yellow, "held back")+": "+l.Why)
	}
	if l.Listed > 0 {
		parts = append(parts, v.paint(red, fmt.Sprintf("lists %d of %d", l.Listed, l.Subjects)))
	}
	if l.Unknown > 0 && l.Health != "suspended" { // of one that is not believed all is unknown
		parts = append(parts, fmt.Sprintf("%d of %d unknown", l.Unknown, l.Subjects))
	}
	if l.Interval > l.Wanted && l.Wanted > 0 {
		s := fmt.Sprintf("asked every %s, not %s, within its limit", lasting(time.Duration(l.Interval)*time.Second), lasting(time.Duration(l.Wanted)*time.Second))
		if l.PerDay > 0 {
			s += fmt.Sprintf(" (%d of %d a day spent)", l.Spent, l.PerDay)
		}
		parts = append(parts, s)
	}
	return strings.Join(parts, "; ")
}

func (v statusView) partners(doc api.Status) {
	c := doc.Coverage
	if c.Partners == 0 {
		return
	}
	lost := 0
	for _, p := range doc.Partners {
		lost += p.Lost
	}
	words := fmt.Sprintf("%d of %d answered lately", c.PartnersTold, c.Partners)
	if lost > 0 {
		words += "; " + v.paint(red, plural(lost, "pair")+" lost")
	}
	v.line("partners", v.toldColour(c.PartnersTold, c.Partners, words))
	shown := 0
	for _, p := range doc.Partners {
		words := v.pairs(p)
		if words == "" && !v.verbose {
			continue
		}
		if shown++; shown > shownFew && !v.verbose {
			continue
		}
		v.hang("             ", v.paint(bold, p.Partner)+prefix(" ", parenthesis(p.Provider))+": "+or(words, "ok"))
	}
	v.more(shown, "partner")
}

// pairs says which pairs of a partner are not as they should be.
func (v statusView) pairs(p api.PartnerStatus) string {
	var parts []string
	for n, pair := range append(p.Pairs[:len(p.Pairs):len(p.Pairs)], p.Control...) {
		words := v.pairWords(pair)
		if words == "" && v.verbose {
			words = pair.Standing + ", " + v.ago(pair.Sure)
		}
		if words == "" {
			continue
		}
		from := pair.From
		if n >= len(p.Pairs) {
			from = "control " + from
		}
		parts = append(parts, from+" "+words)
	}
	if len(p.Pairs)+len(p.Control) == 0 {
		parts = append(parts, v.paint(yellow, "not looked at yet"))
	}
	if len(parts) > shownFew && !v.verbose {
		parts = append(parts[:shownFew:shownFew], fmt.Sprintf("and %d more", len(parts)-shownFew))
	}
	return strings.Join(parts, "; ")
}

func (v statusView) pairWords(p api.Pair) string {
	var words []string
	switch {
	case p.Standing == "lost":
		words = append(words, v.paint(red, "lost "+p.Loss))
	case p.Flapping != nil:
		words = append(words, v.paint(yellow, "answers differently from look to look")+" since "+v.clock(p.Flapping))
	case p.Sure == nil:
		words = append(words, v.paint(yellow, "no sure answer yet")+prefix(" ", parenthesis(p.Why)))
	case p.Failed > 2:
		words = append(words, fmt.Sprintf("%s, the last one %s%s", v.paint(yellow, plural(p.Failed, "look")+" without a sure answer"), v.ago(p.Sure), prefix(": ", p.Why)))
	}
	if p.SeenIP != nil {
		words = append(words, v.paint(yellow, "is seen there as "+*p.SeenIP))
	}
	return strings.Join(words, ", ")
}

func (v statusView) notifiers(all []api.NotifierStatus) {
	if len(all) == 0 {
		v.line("notifiers", v.paint(yellow, "none: nobody is told (configure notify)"))
		return
	}
	for i, n := range all {
		label := ""
		if i == 0 {
			label = "notifiers"
		}
		words := n.Notifier + ": "
		switch {
		case n.Down:
			words += v.paint(red, "down") + prefix(": ", n.Why)
		case n.Failures > 0:
			words += v.paint(yellow, "failing") + prefix(": ", n.Why)
		case n.LastOK == nil:
			words += "nothing sent yet"
		default:
			words += "ok, " + v.ago(n.LastOK)
		}
		if n.Pending > 0 {
			words += fmt.Sprintf("; %s waiting since %s", plural(n.Pending, "alert"), v.clock(n.Oldest))
		}
		v.line(label, words)
	}
}

func (v statusView) daemon(doc api.Status) {
	d := doc.Daemon
	if d == nil {
		v.line("daemon", v.paint(yellow, "none runs")+"; last sure answer "+v.ago(doc.Success))
	} else {
		v.line("daemon", fmt.Sprintf("%s, up %s; last sure answer %s", d.Version, strings.TrimSuffix(v.ago(d.Since), " ago"), v.ago(doc.Success)))
		if d.ReloadError != "" {
			v.line("", v.paint(red, "the last reload was refused")+" "+v.ago(d.ReloadFailed)+": "+d.ReloadError)
		}
		for _, p := range d.Problems {
			v.line("", v.paint(yellow, p))
		}
		v.next(d)
	}
	v.line("store", fmt.Sprintf("%s, %s since %s", size(doc.Store.Bytes), plural(int(doc.Store.Records), "record"), or(v.clockOr(doc.Store.Oldest), "never")))
}

func (v statusView) clockOr(t *time.Time) string {
	if t == nil {
		return ""
	}
	return t.In(v.zone).Format(time.DateOnly)
}

func (v statusView) next(d *api.Daemon) {
	var parts []string
	for _, n := range d.Next[:min(3, len(d.Next))] {
		in := n.At.Sub(v.now)
		when := "now"
		if in > time.Second {
			when = "in " + lasting(in)
		}
		parts = append(parts, n.What+" "+when)
	}
	if len(parts) > 0 {
		v.line("next", strings.Join(parts, "; "))
	}
}
