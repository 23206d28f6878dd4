package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"repwatch/api"
	"repwatch/replies"
)

func (a *app) explain() *cobra.Command {
	c := &cobra.Command{
		Use:   "explain [TEXT|-|FILE]",
		Short: "Say what an SMTP reply means",
		Long: `Say what an SMTP reply means, who has to act, and what to do next. The reply may
stand alone, be folded over several lines, or be inside a log line.

TEXT is the reply itself, FILE a file that holds it, - standard input (also the
default when something is piped in).`,
		Example: `  repwatch explain '451 5.7.3 Must issue a STARTTLS command first'
  journalctl -u postfix | grep status=deferred | tail -1 | repwatch explain`,
		Args: cobra.ArbitraryArgs,
	}
	format := outputFlag(c, "table", "json")
	c.RunE = func(cmd *cobra.Command, args []string) error {
		text, err := a.explainInput(cmd.Context(), args)
		if err != nil {
			return err
		}
		cfg, err := a.load()
		if err != nil {
			return err
		}
		explainer := replies.Explainer{ListByZone: cfg.Catalogue.IDByZone}
		doc := api.ExplainOf(explainer.Explain(text))
		if *format == "json" {
			err = a.out.json(doc)
		} else {
			a.printExplain(doc)
		}
		if err != nil {
			return err
		}
		return exitWith(doc.Exit())
	}
	return c
}

func (a *app) explainInput(ctx context.Context, args []string) (string, error) {
	var b []byte
	var err error
	switch {
	case len(args) == 0 && isTerminal(a.stdin):
		return "", errors.New("nothing to explain: give the reply as an argument or on standard input\n  hint: repwatch explain '550 5.7.606 Access denied, banned sending IP [203.0.113.7]'")
	case len(args) == 0 || len(args) == 1 && args[0] == "-":
		b, err = io.ReadAll(io.LimitReader(a.input(ctx), replies.MaxInput))
	case len(args) == 1 && isFile(args[0]):
		b, err = readHead(args[0], replies.MaxInput)
	default:
		b = []byte(strings.Join(args, " "))
	}
	if err != nil {
		return "", fmt.Errorf("cannot read the reply: %w", err)
	}
	if len(strings.TrimSpace(string(b))) == 0 {
		return "", errors.New("nothing to explain: the input is empty")
	}
	return string(b), nil
}

func isTerminal(r io.Reader) bool {
	f, ok := r.(*os.File)
	return ok && isTTY(f)
}

func isFile(path string) bool {
	st, err := os.Stat(path)
	return err == nil && st.Mode().IsRegular()
}

func readHead(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, limit))
}

func (a *app) printExplain(doc api.Explain) {
	r := doc.Reply
	if r.Code != 0 {
		words := strings.Join(nonEmpty(fmt.Sprint(r.Code), r.Enhanced, parenthesis(doc.Duration)), " ")
		a.out.hang(a.out.paint(bold, words)+" ", r.Text)
	}
	said := strings.TrimSpace(fmt.Sprintf("%s %s", r.Host, bracket(r.IP)))
	if said != "" || r.Phase != "" {
		a.out.printf("said %s\n", strings.Join(nonEmpty(prefix("by ", said), prefix("at ", r.Phase)), ", "))
	}
	for i, m := range doc.Matches {
		if i > 0 && generic(m.ID) {
			continue // what any reply with this code means adds nothing to a better match
		}
		if i > 0 {
			a.out.hang(a.out.paint(faint, "also:")+" ", fmt.Sprintf("%s (%s)", m.Meaning, m.ID))
			continue
		}
		a.out.printf("\n")
		a.out.hang("", a.out.paint(yellow, m.Class)+": "+m.Meaning)
		a.out.hang("  next: ", m.Next)
		facts := nonEmpty(prefix("provider ", m.Provider), prefix("list ", m.List), prefix("zone ", m.Zone),
			prefix("about ", m.IP), prefix("domain ", m.Domain), m.URL, "entry "+m.ID)
		a.out.hang("  ", a.out.paint(faint, strings.Join(facts, ", ")))
		if m.List != "" && m.IP != "" {
			a.out.printf("  ask it: repwatch check %s --list %s\n", m.IP, m.List)
		}
	}
}

// generic entries are the fallbacks by enhanced or bare code.
func generic(id string) bool { return strings.HasPrefix(id, "x-") || strings.HasPrefix(id, "code-") }

func nonEmpty(words ...string) (out []string) {
	for _, w := range words {
		if w != "" {
			out = append(out, w)
		}
	}
	return out
}

func prefix(p, s string) string {
	if s == "" {
		return ""
	}
	return p + s
}

func parenthesis(s string) string {
	if s == "" {
		return ""
	}
	return "(" + s + ")"
}

func bracket(s string) string {
	if s == "" {
		return ""
	}
	return "[" + s + "]"
}
