// Package web serves what repwatch knows as HTTP under /api/v1, over a unix
// socket, and asks for it: handler, listener and client are one contract.
//
// GET answers with the documents of package api, built from one view of the
// store, except for the report, which comes in several forms. POST takes people's
// words to the daemon. Errors are {"error","hint"}.
package web

import (
	"context"
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
	for pattern, q := range h.questions() {
		mux.Handle(pattern, document(q))
	}
	for pattern, q := range h.others() {
		mux.Handle(pattern, asked(q.params, q.serve))
	}
	return answered(mux)
}

// questions are answered with documents.
func (h *handler) questions() map[string]question {
	return map[string]question{
		"GET /api/v1/status":                  {nil, h.status},
		"GET /api/v1/incidents":               {[]string{"open", "all", "since", "limit", "cursor"}, h.incidents},
		"GET /api/v1/incidents/{id}":          {nil, h.incident},
		"GET /api/v1/incidents/{id}/evidence": {nil, h.evidence},
		"GET /api/v1/history":                 {[]string{"subject", "since"}, h.history},
		"GET /api/v1/learned":                 {nil, h.learned},
		"GET /api/v1/ledger":                  {[]string{"since"}, h.ledger},
		"GET /api/v1/lists":                   {nil, h.lists},
		"GET /api/v1/lists/{list}":            {nil, h.listDoc},
		"GET /api/v1/subjects/{subject}":      {nil, h.subjectDoc},
		"GET /api/v1/partners/{partner}":      {nil, h.partnerDoc},
		"GET /api/v1/providers/{provider}":    {nil, h.providerDoc},
		"GET /api/v1/timeline":                {[]string{"last", "from", "to", "ip", "partner"}, h.timelineDoc},
		"GET /api/v1/db/stats":                {nil, h.stats},
	}
}

// other is what answers with something else.
type other struct {
	params []string // of the query
	serve  http.Handler
}

func (h *handler) others() map[string]other {
	return map[string]other{
		"GET /api/v1/report":                 {[]string{"week", "since", "format"}, http.HandlerFunc(h.reportAs)},
		"GET /api/v1/events":                 {nil, h.events(new(listeners))},
		"GET /api/v1/openapi.yaml":           {nil, http.HandlerFunc(openapi)},
		"GET /api/v1/healthz":                {nil, http.HandlerFunc(h.healthz)},
		"GET /api/v1/readyz":                 {nil, http.HandlerFunc(h.readyz)},
		"GET /api/v1/db/backup":              {nil, h.guarded(h.backup)},
		"GET /api/v1/db/dump":                {[]string{"events"}, h.guarded(h.dump)},
		"POST /api/v1/incidents/{id}/{verb}": {nil, h.acting(h.act)},
		"POST /api/v1/recheck":               {nil, h.acting(h.recheck)},
		"POST /api/v1/notify/test":           {nil, h.acting(h.testNotifiers)},
		"POST /api/v1/report":                {nil, h.acting(h.sendReport)},
	}
}

type handler struct{ Options }

// now is fixed once per request.
func now() time.Time { return time.Now().UTC().Round(0) }
