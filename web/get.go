package web

import (
	"errors"
	"net/http"
	"os"
	"strings"
	"time"

	"repwatch/api"
	"repwatch/incident"
	"repwatch/store"
)

func (h *handler) status(*http.Request) (any, error) {
	runtime := h.Daemon.Runtime()
	in := api.StatusInput{Now: now(), Runtime: &runtime, Path: h.DB.Path(), Bytes: fileSize(h.DB.Path())}
	return api.From(h.DB, func(tx *store.Tx) (api.Status, error) { return api.StatusOf(tx, h.Config(), in) })
}

func fileSize(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return info.Size()
}

func (h *handler) incidents(r *http.Request) (any, error) {
	at := now()
	f, err := filterOf(r, at)
	if err != nil {
		return nil, err
	}
	doc, err := api.From(h.DB, func(tx *store.Tx) (api.Incidents, error) { return api.IncidentsOf(tx, at, f) })
	if errors.Is(err, api.ErrCursor) {
		err = failed(http.StatusBadRequest, err)
	}
	return doc, err
}

// filterOf reads open, all, since (RFC 3339), limit and cursor.
func filterOf(r *http.Request, now time.Time) (f api.IncidentFilter, err error) {
	f.Cursor = r.FormValue("cursor")
	if f.OpenOnly, err = flagOf(r, "open"); err != nil {
		return f, err
	}
	if f.All, err = flagOf(r, "all"); err != nil {
		return f, err
	}
	if f.Since, err = sinceOf(r, now.Add(-api.Recently)); err != nil {
		return f, err
	}
	f.Limit, err = limitOf(r)
	return f, err
}

// idOf takes an incident's number as people write it, #3, too.
func idOf(r *http.Request) string { return strings.TrimPrefix(r.PathValue("id"), "#") }

func (h *handler) incident(r *http.Request) (any, error) {
	id := idOf(r)
	doc, err := api.From(h.DB, func(tx *store.Tx) (api.Story, error) { return api.StoryOf(tx, now(), id) })
	if errors.Is(err, api.ErrNoIncident) {
		err = failed(http.StatusNotFound, err)
	}
	return doc, err
}

func (h *handler) history(r *http.Request) (any, error) {
	subject := r.FormValue("subject")
	if subject == "" {
		return nil, failed(http.StatusBadRequest, errors.New("history of what?\n  hint: ?subject=203.0.113.7"))
	}
	since, err := sinceOf(r, time.Time{})
	if err != nil {
		return nil, err
	}
	return api.From(h.DB, func(tx *store.Tx) (api.History, error) { return api.HistoryOf(tx, now(), subject, since) })
}

func (h *handler) learned(*http.Request) (any, error) {
	return api.From(h.DB, func(tx *store.Tx) (api.Learned, error) { return api.LearnedOf(tx, h.Config(), now()) })
}

func (h *handler) ledger(r *http.Request) (any, error) {
	at := now()
	since, err := sinceOf(r, at.Add(-24*time.Hour))
	if err != nil {
		return nil, err
	}
	if err := h.DB.Flush(); err != nil {
		return nil, err
	}
	return api.From(h.DB, func(tx *store.Tx) (api.Ledger, error) { return api.LedgerOf(tx, h.Config(), at, since) })
}

func (h *handler) lists(*http.Request) (any, error) {
	return api.From(h.DB, func(tx *store.Tx) (api.Lists, error) { return api.ListsHealthOf(tx, h.Config(), now()) })
}

func (h *handler) stats(*http.Request) (any, error) {
	s, err := h.DB.Stats()
	return api.StatsOf(now(), s), err
}

// healthz: the process answers.
func (h *handler) healthz(w http.ResponseWriter, _ *http.Request) {
	send(w, http.StatusOK, []byte("{\"ok\": true}\n"))
}

// readyz: the store can be read, and a look has told something since the start. The
// daemon says so of itself; where it does not, the store is asked, which takes long
// with many pairs.
func (h *handler) readyz(w http.ResponseWriter, _ *http.Request) {
	run := h.Daemon.Runtime()
	err := h.DB.View(func(tx *store.Tx) (err error) {
		told := !run.Started.IsZero() && run.LastSuccess.After(run.Started)
		if !told && !run.Started.IsZero() {
			told, err = api.ToldSince(tx, run.Started)
		}
		if err == nil && !told {
			err = failed(http.StatusServiceUnavailable, errors.New("no look has told anything since the start: the first round is under way, or nothing can be told (repwatch status)"))
		}
		return err
	})
	if err != nil {
		refuse(w, err)
		return
	}
	send(w, http.StatusOK, []byte("{\"ok\": true}\n"))
}

// guarded is for what holds the whole history: only who may act gets it.
func (h *handler) guarded(serve func(http.ResponseWriter, *http.Request)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case !h.MayAct(r):
			h.turnAway(w)
		case r.Method == http.MethodHead: // a copy is much work for nobody
			w.WriteHeader(http.StatusOK)
		default:
			serve(w, r)
		}
	})
}

func (h *handler) backup(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/octet-stream")
	// A copy that broke off must not look whole: the connection is cut.
	if _, err := h.DB.BackupTo(hurried{w}); err != nil {
		panic(http.ErrAbortHandler)
	}
}

func (h *handler) dump(w http.ResponseWriter, r *http.Request) {
	events, err := flagOf(r, "events")
	if err != nil {
		refuse(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	if err := api.Dump(h.DB, hurried{w}, events, h.Config().Redact); err != nil {
		panic(http.ErrAbortHandler)
	}
}

// verbs are the last part of the path of an action.
var verbs = map[string]incident.Verb{"ack": incident.Ack, "snooze": incident.Snooze, "resolve": incident.Resolve, "unrelated": incident.RuleOut}
