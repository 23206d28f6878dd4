// Package web serves what repwatch knows as HTTP under /api/v1, over a unix
// socket, and asks for it: handler, listener and client are one contract.
//
// GET answers with the documents of package api, built from one view of the
// store. POST takes people's words to the daemon. Errors are {"error","hint"}.
package web

import (
	"context"
	"errors"
	"net/http"
	"time"

	"repwatch/api"
	"repwatch/config"
	"repwatch/incident"
	"repwatch/store"
)

// Daemon is what the handler needs of the running daemon.
type Daemon interface {
	// Act carries out a person's action and returns the incident's id.
	Act(ctx context.Context, a incident.Action) (id string, err error)
	// Recheck has a subject looked at now and says in words what will be looked at.
	Recheck(ctx context.Context, subject string) ([]string, error)
	Runtime() api.Runtime
	// TestNotifiers sends a test message through each notifier.
	TestNotifiers(ctx context.Context) []api.NotifierTest
}

// Options of Handler.
type Options struct {
	DB     *store.DB
	Config func() *config.Loaded // the one in force
	Daemon Daemon
	// MayAct decides who may change something; nil: whoever comes through the unix
	// socket, whose file mode says who that is.
	MayAct func(*http.Request) bool
}

// Handler serves /api/v1.
func Handler(o Options) http.Handler {
	if o.MayAct == nil {
		o.MayAct = func(r *http.Request) bool { _, local := PeerOf(r.Context()); return local }
	}
	h := &handler{o}
	mux := http.NewServeMux()
	for pattern, answer := range map[string]func(*http.Request) (any, error){
		"GET /api/v1/status":         h.status,
		"GET /api/v1/incidents":      h.incidents,
		"GET /api/v1/incidents/{id}": h.incident,
		"GET /api/v1/history":        h.history,
		"GET /api/v1/learned":        h.learned,
		"GET /api/v1/ledger":         h.ledger,
		"GET /api/v1/lists":          h.lists,
		"GET /api/v1/report":         h.report,
		"GET /api/v1/db/stats":       h.stats,
	} {
		mux.Handle(pattern, document(answer))
	}
	for pattern, act := range map[string]func(*http.Request) (any, error){
		"POST /api/v1/incidents/{id}/{verb}": h.act,
		"POST /api/v1/recheck":               h.recheck,
		"POST /api/v1/notify/test":           h.testNotifiers,
		"POST /api/v1/report":                h.sendReport,
	} {
		mux.Handle(pattern, h.acting(act))
	}
	h.more(mux)
	mux.HandleFunc("GET /api/v1/healthz", h.healthz)
	mux.HandleFunc("GET /api/v1/readyz", h.readyz)
	mux.Handle("GET /api/v1/db/backup", h.guarded(h.backup))
	mux.Handle("GET /api/v1/db/dump", h.guarded(h.dump))
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		refuse(w, failed(http.StatusNotFound, errors.New("there is nothing at "+r.Method+" "+r.URL.Path)))
	})
	return mux
}

type handler struct{ Options }

// now is fixed once per request.
func now() time.Time { return time.Now().UTC().Round(0) }
