package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"repwatch/config"
	"repwatch/internal/sd"
	"repwatch/resolve"
	"repwatch/store"
	"repwatch/watch"
	"repwatch/web"
)

func (a *app) runCmd() *cobra.Command {
	c := &cobra.Command{
		Use:   "run",
		Short: "The daemon: watch, remember, alert",
		Long: `Watch for good: ask the lists about every sending address, look at what partners
offer, work out which listing caused which loss, and tell people. Looks once at
start, then by schedule.

SIGHUP reads the configuration again; a bad one leaves the running one in force and
says so. SIGTERM and SIGINT stop it: looks under way are given up, nothing that
was acknowledged is lost. Under systemd it reports readiness, its state and a
watchdog.`,
		Example: `  repwatch run -c /etc/repwatch/repwatch.yaml`,
		Args:    noArgs,
	}
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, err := a.load()
		if err != nil {
			return err
		}
		if len(cfg.Addresses)+len(cfg.Domains) == 0 {
			return fmt.Errorf("nothing to watch: the configuration names no sending_ips and no domains\n  hint: repwatch init writes a first configuration")
		}
		return a.daemon(cmd.Context(), cfg)
	}
	return c
}

// daemon runs until ctx ends. What is opened first is closed last: the store.
func (a *app) daemon(ctx context.Context, cfg *config.Loaded) error {
	log := slog.New(slog.NewTextHandler(a.err, logOptions()))
	for _, path := range []string{cfg.Store.Path, cfg.Socket} {
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			return fmt.Errorf("%w\n  hint: create it for the user that repwatch runs as, or choose another path", err)
		}
	}
	db, err := store.Open(cfg.Store.Path, store.Options{})
	if err != nil {
		return err
	}
	defer func() {
		if err := db.Close(); err != nil {
			log.Error("closing the store", "err", err)
		}
	}()
	d, err := watch.New(watch.Options{DB: db, Config: cfg, Log: log, Version: buildVersion().Version, Roots: a.roots,
		Resolvers: systemResolvers, Load: a.reload})
	if err != nil {
		return err
	}
	listener, err := web.Listen(cfg.Socket)
	if err != nil {
		return err
	}
	var sides sync.WaitGroup
	ctx, stop := context.WithCancel(ctx)
	defer sides.Wait()
	defer stop()
	d.OnReady(func() {
		say(log, sd.Ready())
		log.Info("watching", "version", buildVersion().Version, "config", cfg.File, "addresses", len(cfg.Addresses), "domains", len(cfg.Domains), "lists", len(cfg.Lists), "partners", len(cfg.Partners), "store", db.Path(), "socket", cfg.Socket)
	})
	sides.Go(func() {
		if err := web.Serve(ctx, listener, web.Handler(web.Options{DB: db, Config: d.Config, Daemon: d}), log); err != nil && ctx.Err() == nil {
			log.Error("the socket is gone", "err", err)
		}
	})
	sides.Go(func() {
		servePage(ctx, web.Options{DB: db, Config: d.Config, Daemon: d}, log, func(words string) { d.Trouble("page", words) })
	})
	sides.Go(func() { hangups(ctx, d, log) })
	sides.Go(func() { a.underSystemd(ctx, d, log) })
	err = d.Run(ctx)
	say(log, sd.Stopping())
	return err
}

// reload reads the configuration as at start. Its warnings go to the log.
func (a *app) reload() (*config.Loaded, error) {
	quiet := &app{stdin: a.stdin, out: a.out, err: newTerm(io.Discard), file: a.file, defaultFile: a.defaultFile}
	return quiet.load()
}

// hangups reloads the configuration whenever SIGHUP asks for it.
func hangups(ctx context.Context, d *watch.Daemon, log *slog.Logger) {
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	for {
		select {
		case <-ctx.Done():
			return
		case <-hup:
			say(log, sd.Reloading())
			_ = d.Reload(ctx) // it has said all there is to say
			say(log, sd.Ready())
		}
	}
}

// underSystemd feeds the watchdog and the status line.
func (a *app) underSystemd(ctx context.Context, d *watch.Daemon, log *slog.Logger) {
	interval, err := sd.WatchdogInterval()
	say(log, err)
	var feeds sync.WaitGroup
	feeds.Go(func() { sd.Watchdog(ctx, interval, d.Alive, func(err error) { say(log, err) }) })
	if os.Getenv("NOTIFY_SOCKET") != "" {
		feeds.Go(func() {
			tick := time.NewTicker(30 * time.Second)
			defer tick.Stop()
			for {
				select {
				case <-ctx.Done():
					return
				case <-tick.C:
					say(log, sd.Status(d.StatusLine()))
				}
			}
		})
	}
	feeds.Wait()
}

func say(log *slog.Logger, err error) {
	if err != nil {
		log.Warn(err.Error())
	}
}

// logOptions leaves out the time where the journal adds its own (systemd.exec(5), JOURNAL_STREAM).
func logOptions() *slog.HandlerOptions {
	if os.Getenv("JOURNAL_STREAM") == "" {
		return nil
	}
	return &slog.HandlerOptions{ReplaceAttr: func(groups []string, at slog.Attr) slog.Attr {
		if at.Key == slog.TimeKey && len(groups) == 0 {
			return slog.Attr{}
		}
		return at
	}}
}

func systemResolvers() ([]netip.AddrPort, error) {
	o, err := resolve.FromResolvConf("/etc/resolv.conf")
	return o.Servers, err
}
