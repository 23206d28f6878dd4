package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"repwatch/correlate"
)

func (a *app) replay() *cobra.Command {
	c := &cobra.Command{
		Use:   "replay FILE",
		Short: "Say what caused what in recorded events",
		Long: `Feed recorded events to the correlator and print what it would have said, one
JSON object a line: a verdict on each loss 65 minutes after it was seen and once
more at the end, which partner will react as each listing was seen, and what was
learned.

FILE holds one event a line, - is standard input. The addresses and partners in
it are taken to be all that was watched. docs/correlation.md describes both
formats.`,
		Example: `  repwatch replay events.jsonl | jq -c 'select(.stage == "final")'`,
		Args:    oneArg("FILE", false),
	}
	c.RunE = func(cmd *cobra.Command, args []string) error {
		events, err := a.recording(cmd.Context(), args[0])
		if err != nil {
			return err
		}
		return correlate.Replay(events, correlate.Universe(events), a.out)
	}
	return c
}

func (a *app) recording(ctx context.Context, name string) ([]correlate.Event, error) {
	in, what := a.input(ctx), "standard input"
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, fmt.Errorf("cannot read the recording: %w", err)
		}
		defer f.Close()
		in, what = io.Reader(f), name
	}
	events, err := correlate.ReadEvents(in)
	if ctx.Err() != nil {
		return nil, ctx.Err() // what was cut off reads as faulty
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w\n  hint: replay reads one JSON event a line; docs/correlation.md shows them", what, err)
	}
	return events, nil
}
