package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// manPages writes a page for each command: repwatch.1, repwatch-check.1, ...
// They are generated from the command tree and the same from build to build.
func manPages(root *cobra.Command, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, c := range pages(root) {
		if err := os.WriteFile(filepath.Join(dir, pageName(c)+".1"), []byte(manPage(c)), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// pages are the commands with a page of their own. A shell's completion needs none beside that of them all.
func pages(c *cobra.Command) []*cobra.Command {
	out := []*cobra.Command{c}
	if c.Name() == "completion" {
		return out
	}
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() {
			out = append(out, pages(sub)...)
		}
	}
	return out
}

func pageName(c *cobra.Command) string { return strings.ReplaceAll(c.CommandPath(), " ", "-") }

func manPage(c *cobra.Command) string {
	c.InitDefaultHelpFlag()
	var p manual
	p.line(`.TH %s 1 2026-01-01 repwatch "repwatch manual"`, roff(strings.ToUpper(pageName(c))))
	p.line(".SH NAME\n%s \\- %s", roff(pageName(c)), roff(lower(c.Short)))
	p.line(".SH SYNOPSIS")
	p.synopsis(c)
	p.line(".SH DESCRIPTION")
	p.prose(or(c.Long, c.Short+"."))
	p.commands(c)
	p.line(".SH OPTIONS")
	c.NonInheritedFlags().VisitAll(p.option)
	c.InheritedFlags().VisitAll(p.option)
	if c.Example != "" {
		p.line(".SH EXAMPLES")
		p.literal(c.Example)
	}
	if !c.HasParent() {
		p.line("%s", manOfAll)
	}
	p.seeAlso(c)
	return p.String()
}

// manual is a page in roff's man macros, man(7).
type manual struct{ strings.Builder }

func (p *manual) line(format string, args ...any) { fmt.Fprintf(p, format+"\n", args...) }

func (p *manual) synopsis(c *cobra.Command) {
	rest := strings.TrimPrefix(c.UseLine(), c.CommandPath())
	if c.Annotations["group"] != "" {
		rest = " COMMAND"
	}
	p.line(".B %s\n%s", roff(c.CommandPath()), roff(strings.TrimSpace(rest)))
}

// prose writes paragraphs; indented lines stay as they are.
func (p *manual) prose(text string) {
	for i, paragraph := range strings.Split(strings.TrimSpace(text), "\n\n") {
		if i > 0 {
			p.line(".PP")
		}
		if strings.HasPrefix(paragraph, " ") || strings.HasPrefix(paragraph, "\t") {
			p.literal(paragraph)
			continue
		}
		for line := range strings.SplitSeq(paragraph, "\n") {
			p.line("%s", roff(strings.TrimSpace(line)))
		}
	}
}

func (p *manual) literal(text string) {
	p.line(".nf")
	for line := range strings.SplitSeq(strings.Trim(text, "\n"), "\n") {
		p.line("%s", roff(strings.ReplaceAll(line, "\t", "    ")))
	}
	p.line(".fi")
}

func (p *manual) commands(c *cobra.Command) {
	if !c.HasAvailableSubCommands() {
		return
	}
	p.line(".SH COMMANDS")
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() {
			p.line(".TP\n.B %s\n%s", roff(sub.Name()), roff(sub.Short))
		}
	}
}

func (p *manual) option(f *pflag.Flag) {
	if f.Hidden {
		return
	}
	name := fmt.Sprintf(`\fB%s\fP`, roff("--"+f.Name))
	if f.Shorthand != "" {
		name = fmt.Sprintf(`\fB%s\fP, %s`, roff("-"+f.Shorthand), name)
	}
	value, usage := pflag.UnquoteUsage(f)
	if value != "" {
		name += fmt.Sprintf(` \fI%s\fP`, roff(value))
	}
	if f.DefValue != "" && f.DefValue != "false" && f.DefValue != "[]" {
		usage += " (default " + f.DefValue + ")"
	}
	p.line(".TP\n%s", name)
	words := &term{width: 76, tty: true}
	for _, line := range words.fold(usage, 0) {
		p.line("%s", roff(line))
	}
}

func (p *manual) seeAlso(c *cobra.Command) {
	var names []string
	for _, other := range pages(c.Root()) {
		if other != c && (other.Parent() == c || c.Parent() == other || other == c.Root()) {
			names = append(names, pageName(other))
		}
	}
	p.line(".SH SEE ALSO")
	for i, name := range names {
		comma := ","
		if i == len(names)-1 {
			comma = ""
		}
		p.line(".BR %s (1)%s", roff(name), comma)
	}
}

// roff escapes text: backslashes, hyphens that are typed as such, and what would be a macro.
func roff(s string) string {
	s = strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(s)
	if strings.HasPrefix(s, ".") || strings.HasPrefix(s, "'") {
		s = `\&` + s
	}
	return s
}

func lower(s string) string { return strings.ToLower(s[:1]) + s[1:] }

// manOfAll is what belongs to all commands.
const manOfAll = `.SH EXIT STATUS
.TP
.B 0
nothing was found
.TP
.B 1
a finding: a listing that accuses, a capability withheld, a rejection,
a login refused
.TP
.B 2
wrong usage, a faulty configuration, or output that could not be written
.TP
.B 3
no finding, but less than half could be told
.PP
With
.B \-o nagios
the codes are those of monitoring plugins: 0 OK, 1 WARNING,
2 CRITICAL (a finding of impact high or critical), 3 UNKNOWN.
.SH FILES
.TP
.I /etc/repwatch/repwatch.yaml
the configuration, where
.B \-c
names no other; every command works without one where it can
.TP
.I /etc/resolv.conf
the resolvers, where
.B dns.resolvers
names none
.SH ENVIRONMENT
.TP
.B NO_COLOR
if set, no colour on terminals
.TP
.B CREDENTIALS_DIRECTORY
where
.B ${credential:NAME}
in the configuration is looked for; systemd's LoadCredential sets it
.TP
.B SSL_CERT_FILE, SSL_CERT_DIR
the authorities that certificates are judged by, in place of the system's`
