package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

	"repwatch/config"
)

// man writes what packages and docs/ ship: man pages, completion scripts and the
// configuration reference. It is hidden: people have no use for it.
func (a *app) man() *cobra.Command {
	var pages, completion, reference string
	c := &cobra.Command{
		Use:    "generate",
		Short:  "Write man pages, completion scripts and the configuration reference",
		Hidden: true,
		Args:   noArgs,
	}
	c.Flags().StringVar(&pages, "man", "", "`FOLDER` for man pages")
	c.Flags().StringVar(&completion, "completion", "", "`FOLDER` for completion scripts")
	c.Flags().StringVar(&reference, "reference", "", "`FILE` for the configuration reference")
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		root := cmd.Root()
		root.DisableAutoGenTag = true
		if pages != "" {
			if err := manPages(root, pages); err != nil {
				return err
			}
		}
		if completion != "" {
			if err := completions(root, completion); err != nil {
				return err
			}
		}
		if reference != "" {
			return writeReference(reference)
		}
		return nil
	}
	return c
}

func manPages(c *cobra.Command, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() || sub.IsAdditionalHelpTopicCommand() {
			if err := manPages(sub, dir); err != nil {
				return err
			}
		}
	}
	var page bytes.Buffer
	// A fixed date keeps the pages identical from build to build.
	date := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	if err := doc.GenMan(c, &doc.GenManHeader{Section: "1", Source: "repwatch", Manual: "repwatch manual", Date: &date}, &page); err != nil {
		return err
	}
	name := strings.ReplaceAll(c.CommandPath(), " ", "-") + ".1"
	return os.WriteFile(filepath.Join(dir, name), []byte(manPage(page.String(), !c.HasParent())), 0o644)
}

// manPage mends what the generator leaves behind, and gives the first page what
// belongs to all commands.
func manPage(page string, root bool) string {
	page = strings.ReplaceAll(page, "\n.PP\n.SH", "\n.SH") // mandoc: empty paragraph
	if root {
		before, after, _ := strings.Cut(page, ".SH SEE ALSO\n")
		page = before + manAll + ".SH SEE ALSO\n" + after
	}
	lines := strings.Split(page, "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return strings.TrimRight(strings.Join(lines, "\n"), "\n") + "\n"
}

const manAll = `.SH EXIT STATUS
.TP
.B 0
nothing was found
.TP
.B 1
a finding: a listing that accuses, a capability withheld, a rejection, a login refused
.TP
.B 2
wrong usage, a faulty configuration, or output that could not be written
.TP
.B 3
no finding, but less than half could be told
.PP
With
.B \-o nagios
the codes are those of monitoring plugins: 0 OK, 1 WARNING, 2 CRITICAL (an impact of high or critical), 3 UNKNOWN.
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
the authorities that certificates are judged by, where the system's are not meant
`

func completions(root *cobra.Command, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for name, write := range map[string]func(string) error{
		"repwatch.bash": func(f string) error { return root.GenBashCompletionFileV2(f, true) },
		"_repwatch":     root.GenZshCompletionFile,
		"repwatch.fish": func(f string) error { return root.GenFishCompletionFile(f, true) },
	} {
		if err := write(filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	return nil
}

func writeReference(file string) error {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := config.Reference(f); err != nil {
		return err
	}
	return f.Close()
}
