package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"repwatch/api"
	"repwatch/config"
	"repwatch/report"
	"repwatch/store"
	"repwatch/web"
)

// source is where reading commands get their documents from: the running daemon,
// or the file when none runs. Both build them with the same functions.
type source interface {
	Status(context.Context) (api.Status, error)
	Incidents(context.Context, api.IncidentFilter) (api.Incidents, error)
	Incident(ctx context.Context, id string) (api.Story, error)
	History(ctx context.Context, subject string, since time.Time) (api.History, error)
	Learned(context.Context) (api.Learned, error)
	Ledger(ctx context.Context, since time.Time) (api.Ledger, error)
	Report(ctx context.Context, week string, since time.Time) (report.Report, error)
	Stats(context.Context) (api.Stats, error)
	Backup(context.Context, io.Writer) error
	Dump(ctx context.Context, events bool, w io.Writer) error
	Close()
}

// source asks the socket; where nobody answers it opens the file, for reading only.
func (a *app) source(cfg *config.Loaded) (source, error) {
	client, err := web.Dial(cfg.Socket)
	if err == nil {
		return client, nil
	}
	absent := errors.Is(err, web.ErrNoDaemon)
	if !absent && !errors.Is(err, web.ErrDenied) {
		return nil, err
	}
	db, openErr := store.Open(cfg.Store.Path, store.Options{ReadOnly: true})
	switch {
	case openErr == nil:
		return &file{db: db, cfg: cfg}, nil
	case !absent:
		return nil, err // the socket is there; that it is not for us is what matters
	case errors.Is(openErr, store.ErrLocked):
		return nil, fmt.Errorf("another process holds %s, but no daemon answers at %s\n  hint: does the daemon run with another configuration? its log says which socket it serves; name that configuration with -c", cfg.Store.Path, cfg.Socket)
	case errors.Is(openErr, store.ErrMissing):
		return nil, fmt.Errorf("no daemon answers at %s, and there is no store at %s yet\n  hint: repwatch run begins to watch; is this the daemon's configuration (-c FILE)?", cfg.Socket, cfg.Store.Path)
	default:
		return nil, openErr
	}
}

// running is the daemon, for commands that change something.
func (a *app) running(cfg *config.Loaded) (*web.Client, error) {
	client, err := web.Dial(cfg.Socket)
	if errors.Is(err, web.ErrNoDaemon) {
		return nil, fmt.Errorf("%w\n  hint: this needs the running daemon: systemctl start repwatch, or repwatch run; -c FILE if it has another configuration", err)
	}
	return client, err
}

// file answers from the store when no daemon runs.
type file struct {
	db  *store.DB
	cfg *config.Loaded
}

func (f *file) Close() { _ = f.db.Close() } // nothing was written

func (f *file) Status(context.Context) (api.Status, error) {
	in := api.StatusInput{Now: time.Now(), Path: f.db.Path()}
	if info, err := os.Stat(in.Path); err == nil {
		in.Bytes = info.Size()
	}
	return api.From(f.db, func(tx *store.Tx) (api.Status, error) { return api.StatusOf(tx, f.cfg, in) })
}

func (f *file) Incidents(_ context.Context, filter api.IncidentFilter) (api.Incidents, error) {
	return api.From(f.db, func(tx *store.Tx) (api.Incidents, error) { return api.IncidentsOf(tx, time.Now(), filter) })
}

func (f *file) Incident(_ context.Context, id string) (api.Story, error) {
	return api.From(f.db, func(tx *store.Tx) (api.Story, error) { return api.StoryOf(tx, time.Now(), id) })
}

func (f *file) History(_ context.Context, subject string, since time.Time) (api.History, error) {
	return api.From(f.db, func(tx *store.Tx) (api.History, error) { return api.HistoryOf(tx, time.Now(), subject, since) })
}

func (f *file) Learned(context.Context) (api.Learned, error) {
	return api.From(f.db, func(tx *store.Tx) (api.Learned, error) { return api.LearnedOf(tx, f.cfg, time.Now()) })
}

func (f *file) Ledger(_ context.Context, since time.Time) (api.Ledger, error) {
	return api.From(f.db, func(tx *store.Tx) (api.Ledger, error) { return api.LedgerOf(tx, f.cfg, time.Now(), since) })
}

func (f *file) Stats(context.Context) (api.Stats, error) {
	s, err := f.db.Stats()
	return api.StatsOf(time.Now(), s), err
}

func (f *file) Backup(_ context.Context, w io.Writer) error {
	_, err := f.db.BackupTo(w)
	return err
}

func (f *file) Dump(_ context.Context, events bool, w io.Writer) error {
	return api.Dump(f.db, w, events, f.cfg.Redact)
}
