package main

import (
	"encoding"
	"errors"
	"fmt"
	"strings"

	"github.com/agext/levenshtein"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// misused is a mistake on the command line, with a hint.
func misused(hint, format string, args ...any) error {
	return fmt.Errorf("%s\n  hint: %s", fmt.Sprintf(format, args...), hint)
}

// title is a command's name in messages, which begin with "repwatch:" already.
func title(c *cobra.Command) string {
	if !c.HasParent() {
		return "repwatch alone"
	}
	return strings.TrimPrefix(c.CommandPath(), c.Root().Name()+" ")
}

// noArgs is for commands without arguments; where there are commands below, the
// argument is taken for a misspelt one.
func noArgs(c *cobra.Command, args []string) error {
	switch {
	case len(args) == 0:
		return nil
	case !c.HasAvailableSubCommands():
		return misused(c.CommandPath()+" --help", "%s takes no arguments, but got %q", title(c), args[0])
	}
	var names []string
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() {
			names = append(names, sub.Name())
		}
	}
	if near := nearest(args[0], names); near != "" {
		return misused(fmt.Sprintf("did you mean %s %s?", c.CommandPath(), near), "there is no command %q", args[0])
	}
	return misused(c.CommandPath()+" --help lists the commands", "there is no command %q", args[0])
}

// oneArg wants exactly one argument, or at most one where it is optional.
func oneArg(name string, optional bool) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		switch {
		case len(args) == 0 && !optional:
			return misused(c.CommandPath()+" --help", "%s needs a %s", title(c), name)
		case len(args) > 1:
			return misused(c.CommandPath()+" --help", "%s takes one %s, but got %d", title(c), name, len(args))
		}
		return nil
	}
}

// exclusive refuses two flags that contradict each other.
func exclusive(c *cobra.Command, a, b string) error {
	if c.Flags().Changed(a) && c.Flags().Changed(b) {
		return misused("leave one of them out", "--%s and --%s exclude each other", a, b)
	}
	return nil
}

// flagError puts the flag library's errors into words.
func flagError(c *cobra.Command, err error) error {
	help := c.CommandPath() + " --help shows the flags"
	var unknown *pflag.NotExistError
	var missing *pflag.ValueRequiredError
	var invalid *pflag.InvalidValueError
	switch {
	case errors.As(err, &unknown) && unknown.GetSpecifiedShortnames() != "":
		return misused(help, "%s has no flag -%s", title(c), unknown.GetSpecifiedName()[:1])
	case errors.As(err, &unknown):
		var names []string
		c.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
		if near := nearest(unknown.GetSpecifiedName(), names); near != "" {
			help = fmt.Sprintf("did you mean --%s?", near)
		}
		return misused(help, "%s has no flag --%s", title(c), unknown.GetSpecifiedName())
	case errors.As(err, &missing):
		return misused(help, "--%s needs a value", missing.GetFlag().Name)
	case errors.As(err, &invalid):
		message, hint, _ := strings.Cut(invalid.Unwrap().Error(), "\n")
		if hint = strings.TrimPrefix(strings.TrimSpace(hint), "hint: "); hint == "" {
			hint = help
		}
		return misused(hint, "--%s: %s", invalid.GetFlag().Name, message)
	}
	return misused(help, "%v", err)
}

// nearest is the candidate that word is most likely a slip of; empty if none is near.
func nearest(word string, candidates []string) string {
	best, distance := "", max(2, len(word)/3)+1
	for _, c := range candidates {
		if d := levenshtein.Distance(word, c, nil); d < distance {
			best, distance = c, d
		}
	}
	return best
}

// scalarFlag is a flag read as the configuration reads such a value.
type scalarFlag struct {
	value interface {
		encoding.TextUnmarshaler
		String() string
	}
	kind string
	set  bool
}

func (f *scalarFlag) Set(s string) error {
	f.set = true
	return f.value.UnmarshalText([]byte(s))
}

// String is empty until the flag is given: its default is told in words.
func (f *scalarFlag) String() string {
	if !f.set {
		return ""
	}
	return f.value.String()
}

func (f *scalarFlag) Type() string { return f.kind }

// usageTemplate is cobra's with flags folded at 80 columns, and groups of
// commands not shown as if they did something themselves.
const usageTemplate = `Usage:{{if not (index .Annotations "group")}}
  {{.UseLine}}{{end}}{{if .HasAvailableSubCommands}}
  {{.CommandPath}} COMMAND{{end}}{{if .HasExample}}

Examples:
{{.Example}}{{end}}{{if .HasAvailableSubCommands}}

Commands:{{range .Commands}}{{if .IsAvailableCommand}}
  {{rpad .Name .NamePadding}} {{.Short}}{{end}}{{end}}{{end}}{{if .HasAvailableLocalFlags}}

Flags:
{{.LocalFlags.FlagUsagesWrapped 80 | trimTrailingWhitespaces}}{{end}}{{if .HasAvailableInheritedFlags}}

Flags of all commands:
{{.InheritedFlags.FlagUsagesWrapped 80 | trimTrailingWhitespaces}}{{end}}{{if .HasAvailableSubCommands}}

"{{.CommandPath}} COMMAND --help" says more about each.{{end}}
`

// group marks commands that only hold others.
var group = map[string]string{"group": "yes"}
