package main

import (
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

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
