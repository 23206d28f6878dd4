package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"repwatch/api"
	"repwatch/config"
	"repwatch/store"
	"repwatch/web"
)

func (a *app) dbCmd() *cobra.Command {
	c := &cobra.Command{
		Use:         "db",
		Short:       "The one file that remembers: size, soundness, backup, dump",
		Annotations: group,
		Args:        noArgs,
		RunE:        func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(a.dbStats(), a.dbVerify(), a.dbBackup(), a.dbDump(), a.dbCompact())
	return c
}

func (a *app) dbStats() *cobra.Command {
	c := &cobra.Command{Use: "stats", Short: "How large it is, and how fast it grows", Args: noArgs}
	format := outputFlag(c, "table", "json")
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		ask := func(ctx context.Context, s source, _ view) (api.Stats, error) { return s.Stats(ctx) }
		_, err := tell(a, cmd, *format, ask, view.stats)
		return err
	}
	return c
}

func (v view) stats(doc api.Stats) {
	v.hang("file      ", fmt.Sprintf("%s, format %d: %s, %s of it free (repwatch db compact)", doc.Path, doc.Format, size(doc.Bytes), size(doc.Free)))
	words := plural(doc.Records, "record")
	if doc.Oldest != nil {
		words += fmt.Sprintf(", %s to %s", v.clock(doc.Oldest), v.clock(doc.Newest))
	}
	v.hang("journal   ", words)
	if doc.PerYear > 0 {
		v.hang("growth    ", size(doc.PerYear)+" a year, by the time so far")
	}
	v.printf("\n")
	rows := []row{{cells: []string{"bucket", "rows", "bytes"}}}
	for _, b := range doc.Buckets {
		rows = append(rows, row{cells: []string{b.Name, fmt.Sprint(b.Keys), fmt.Sprint(b.Bytes)}})
	}
	v.columns(rows)
}

func (a *app) dbVerify() *cobra.Command {
	c := &cobra.Command{
		Use:   "verify [FILE]",
		Short: "Is it sound? Its pages, and that what it says fits together",
		Long: `Check every page of the store, and that what it says fits together: each open
incident was told or waits to be, each bad state has an episode, indexes agree
with their tables. While the daemon runs a copy is checked, so it is not held up.
With FILE a backup is checked instead. Nothing is changed.

Exit code 1 says that something is wrong.`,
		Args: oneArg("FILE", true),
	}
	format := outputFlag(c, "table", "json")
	c.RunE = func(cmd *cobra.Command, args []string) error {
		report, err := a.verify(cmd.Context(), args)
		if err != nil {
			return err
		}
		doc := api.VerifyOf(time.Now(), report)
		if *format == "json" {
			err = a.out.json(doc)
		} else {
			a.printVerify(doc)
		}
		if err != nil {
			return err
		}
		return exitWith(doc.Exit())
	}
	return c
}

func (a *app) verify(ctx context.Context, args []string) (store.Report, error) {
	if len(args) == 1 {
		return store.Verify(args[0])
	}
	cfg, err := a.load()
	if err != nil {
		return store.Report{}, err
	}
	daemon, err := web.Dial(cfg.Socket)
	if errors.Is(err, web.ErrNoDaemon) {
		return store.Verify(cfg.Store.Path)
	}
	if err != nil {
		return store.Report{}, err
	}
	defer daemon.Close()
	dir, err := os.MkdirTemp("", "repwatch-verify-")
	if err != nil {
		return store.Report{}, err
	}
	defer os.RemoveAll(dir)
	copied := filepath.Join(dir, filepath.Base(cfg.Store.Path))
	if err := backup(ctx, daemon, copied); err != nil {
		return store.Report{}, err
	}
	report, err := store.Verify(copied)
	report.Path = cfg.Store.Path
	return report, err
}

func (a *app) printVerify(doc api.Verify) {
	if doc.OK {
		a.out.hang("", a.out.paint(green, "sound")+fmt.Sprintf(": %s: %s, %s, %s", doc.Path, plural(doc.Records, "record"), plural(doc.Episodes, "episode"), plural(doc.Incidents, "incident")))
		return
	}
	a.out.hang("", a.out.paint(red, "not sound")+": "+doc.Path)
	for _, p := range doc.Problems {
		a.out.hang("  "+p.Rule+": ", p.What)
	}
	if doc.More > 0 {
		a.out.printf("  and %d more\n", doc.More)
	}
	a.out.hang("hint: ", "restore a backup that repwatch db verify FILE calls sound; keep this file for whoever looks into it")
}

func (a *app) dbBackup() *cobra.Command {
	c := &cobra.Command{
		Use:   "backup FILE",
		Short: "Copy the store, while the daemon runs",
		Long: `Write a copy of the store as it is at this moment, while the daemon goes on. FILE is
for its owner only, appears when it is whole, and must not be there yet. To go
back to it: stop the daemon, put it in the place of store.path, start.`,
		Example: `  repwatch db backup /var/backups/repwatch-$(date +%F).db`,
		Args:    oneArg("FILE", false),
	}
	c.RunE = func(cmd *cobra.Command, args []string) error {
		cfg, err := a.load()
		if err != nil {
			return err
		}
		src, err := a.source(cfg)
		if err != nil {
			return err
		}
		defer src.Close()
		if err := backup(cmd.Context(), src, args[0]); err != nil {
			return err
		}
		info, err := os.Stat(args[0])
		if err != nil {
			return err
		}
		a.out.printf("%s  %s\n", args[0], size(info.Size()))
		return nil
	}
	return c
}

// backup writes a whole copy under the file's name, or nothing.
func backup(ctx context.Context, from interface {
	Backup(context.Context, io.Writer) error
}, file string) (err error) {
	if _, err := os.Lstat(file); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s exists already; nothing was written\n  hint: give the backup another name", file)
	}
	tmp, err := os.CreateTemp(filepath.Dir(file), filepath.Base(file)+".*.tmp") // mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(tmp.Name()))
		}
	}()
	if err := errors.Join(from.Backup(ctx, tmp), tmp.Sync(), tmp.Close()); err != nil {
		return err
	}
	// A link, unlike a rename, does not replace what came there meanwhile.
	if err := os.Link(tmp.Name(), file); err != nil {
		return err
	}
	return os.Remove(tmp.Name())
}

func (a *app) dbDump() *cobra.Command {
	var events bool
	c := &cobra.Command{
		Use:   "dump",
		Short: "Write it all as JSON lines, or only what the correlator learned from",
		Long: `Write every row of the store as a line of JSON: {"bucket","key","value"}. With --events
only what the correlator learned from, one event a line as repwatch replay reads it.`,
		Example: `  repwatch db dump --events > events.jsonl && repwatch replay events.jsonl`,
		Args:    noArgs,
	}
	c.Flags().BoolVar(&events, "events", false, "only the correlator's events")
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, err := a.load()
		if err != nil {
			return err
		}
		src, err := a.source(cfg)
		if err != nil {
			return err
		}
		defer src.Close()
		return src.Dump(cmd.Context(), events, a.out)
	}
	return c
}

func (a *app) dbCompact() *cobra.Command {
	c := &cobra.Command{
		Use:   "compact",
		Short: "Give back the room that expired history left (daemon stopped)",
		Long: `Rewrite the file without the pages that are no longer used. The new one is verified
before it takes the old one's place. The daemon must be stopped for it. It is
rarely worth it: free pages are used again.`,
		Args: noArgs,
	}
	c.RunE = func(*cobra.Command, []string) error {
		cfg, err := a.load()
		if err != nil {
			return err
		}
		return a.compact(cfg)
	}
	return c
}

func (a *app) compact(cfg *config.Loaded) error {
	path := cfg.Store.Path
	before, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s: there is no such file yet\n  hint: is store.path another one (-c FILE)?", path)
	}
	if err != nil {
		return err
	}
	err = store.Compact(path)
	if errors.Is(err, store.ErrLocked) {
		return fmt.Errorf("%s is in use\n  hint: stop the daemon for it: systemctl stop repwatch", path)
	}
	if err != nil {
		return err
	}
	after, err := os.Stat(path)
	if err != nil {
		return err
	}
	a.out.printf("%s  %s, was %s\n", path, size(after.Size()), size(before.Size()))
	return nil
}
