package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"repwatch/api"
	"repwatch/config"
)

// tell runs a command that shows what is known: a document from the daemon or
// the file, as JSON or as print lays it out.
func tell[D any](a *app, cmd *cobra.Command, format string, ask func(context.Context, source, view) (D, error), print func(view, D)) (doc D, err error) {
	cfg, err := a.load()
	if err != nil {
		return doc, err
	}
	src, err := a.source(cfg)
	if err != nil {
		return doc, err
	}
	defer src.Close()
	v := view{a.out, time.Now(), cfg.Schedule.Timezone.Loc()}
	if doc, err = ask(cmd.Context(), src, v); err != nil {
		return doc, err
	}
	switch format {
	case "json":
		return doc, a.out.json(doc)
	case "table":
		print(v, doc)
		if _, offline := src.(*file); offline {
			a.err.hang(a.err.paint(yellow, "note:")+" ", "no daemon runs; this is from "+cfg.Store.Path)
		}
	}
	return doc, nil
}

// view is where, when and in which zone something is shown.
type view struct {
	*term
	now  time.Time
	zone *time.Location
}

// clock is a time for people; today's and yesterday's still carry their date, for
// what is read here is pasted into tickets.
func (v view) clock(t *time.Time) string {
	if t == nil {
		return "never"
	}
	return t.In(v.zone).Format("2006-01-02 15:04")
}

// when is a bracket: as exact as it was seen, no more.
func (v view) when(after, by *time.Time) string {
	switch {
	case by == nil:
		return "?"
	case after == nil:
		return "by " + v.clock(by)
	case by.Sub(*after) < time.Minute:
		return v.clock(by)
	case after.In(v.zone).Format(time.DateOnly) == by.In(v.zone).Format(time.DateOnly):
		return after.In(v.zone).Format("2006-01-02 15:04") + "-" + by.In(v.zone).Format("15:04")
	default:
		return v.clock(after) + " - " + v.clock(by)
	}
}

// ago is how long a time lies back.
func (v view) ago(t *time.Time) string {
	if t == nil {
		return "never"
	}
	if d := v.now.Sub(*t); d >= 0 {
		return lasting(d) + " ago"
	}
	return "just now" // clocks of two processes
}

// lasting is a length of time as people say it.
func lasting(d time.Duration) string {
	switch {
	case d < time.Second:
		return "under 1 s"
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 24*time.Hour:
		return strings.TrimSuffix(fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60), " 0 min")
	default:
		return strings.TrimSuffix(fmt.Sprintf("%d d %d h", int(d.Hours())/24, int(d.Hours())%24), " 0 h")
	}
}

func size(bytes int64) string {
	switch {
	case bytes >= 1<<30:
		return fmt.Sprintf("%.1f GB", float64(bytes)/(1<<30))
	case bytes >= 1<<20:
		return fmt.Sprintf("%.1f MB", float64(bytes)/(1<<20))
	default:
		return fmt.Sprintf("%d kB", (bytes+1023)>>10)
	}
}

// sinceFlag is how far back: a length of time or a date.
type sinceFlag struct {
	ago  config.Duration
	date string
}

func (f *sinceFlag) Type() string { return "since" }

func (f *sinceFlag) String() string {
	switch {
	case f == nil:
		return ""
	case f.date != "":
		return f.date
	case f.ago == 0:
		return ""
	}
	return f.ago.String()
}

func (f *sinceFlag) Set(s string) error {
	if _, err := f.at(s, time.UTC); err == nil {
		f.ago, f.date = 0, s
		return nil
	}
	if err := f.ago.UnmarshalText([]byte(s)); err != nil {
		return fmt.Errorf("%q is neither a length of time nor a date\n  hint: 7d, 12h, 2026-11-24 or 2026-11-24T09:00:00Z", s)
	}
	f.date = ""
	return nil
}

func (f *sinceFlag) at(s string, zone *time.Location) (time.Time, error) {
	if t, err := time.ParseInLocation(time.DateOnly, s, zone); err == nil {
		return t, nil
	}
	return time.Parse(time.RFC3339, s)
}

// from is the moment meant; zero: no limit was given.
func (f *sinceFlag) from(v view) time.Time {
	switch {
	case f.date != "":
		t, _ := f.at(f.date, v.zone) // Set has read it
		return t
	case f.ago > 0:
		return v.now.Add(-f.ago.D())
	default:
		return time.Time{}
	}
}

// incidentID takes "3" and "#3".
func incidentID(arg string) (string, error) {
	id := strings.TrimPrefix(arg, "#")
	if id == "" || strings.Trim(id, "0123456789") != "" {
		return "", misused("repwatch incidents lists them", "%q is no incident", arg)
	}
	return id, nil
}

// completeIncidents offers the open incidents on TAB.
func (a *app) completeIncidents(c *cobra.Command) {
	c.ValidArgsFunction = func(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		const nothing = cobra.ShellCompDirectiveNoFileComp
		if len(args) > 0 {
			return nil, nothing
		}
		quiet := &app{stdin: a.stdin, out: a.out, err: newTerm(io.Discard), file: a.file, defaultFile: a.defaultFile}
		cfg, err := quiet.load()
		if err != nil {
			return nil, nothing
		}
		src, err := a.source(cfg)
		if err != nil {
			return nil, nothing
		}
		defer src.Close()
		doc, err := src.Incidents(cmd.Context(), api.IncidentFilter{OpenOnly: true})
		if err != nil {
			return nil, nothing
		}
		var out []cobra.Completion
		for _, i := range doc.Incidents {
			out = append(out, cobra.CompletionWithDesc(i.ID, i.Words))
		}
		return out, nothing
	}
}
