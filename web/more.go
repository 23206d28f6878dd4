package web

import (
	"errors"
	"net/http"
	"time"

	"repwatch/api"
	"repwatch/store"
)

// more are the documents behind the page, the events, and what describes them all.
func (h *handler) more(mux *http.ServeMux) {
	for pattern, answer := range map[string]func(*http.Request) (any, error){
		"GET /api/v1/incidents/{id}/evidence": h.evidence,
		"GET /api/v1/subjects/{subject}":      h.subjectDoc,
		"GET /api/v1/partners/{partner}":      h.partnerDoc,
		"GET /api/v1/providers/{provider}":    h.providerDoc,
		"GET /api/v1/lists/{list}":            h.listDoc,
		"GET /api/v1/timeline":                h.timelineDoc,
	} {
		mux.Handle(pattern, document(answer))
	}
	mux.Handle("GET /api/v1/events", h.events(new(listeners)))
	mux.HandleFunc("GET /api/v1/openapi.yaml", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/yaml")
		_, _ = w.Write(api.OpenAPI) // who asked has gone; there is nobody to tell
	})
}

// known404 turns what is not known into 404.
func known404[D any](doc D, err error) (any, error) {
	if errors.Is(err, api.ErrUnknownName) || errors.Is(err, api.ErrNoIncident) {
		err = failed(http.StatusNotFound, err)
	}
	return doc, err
}

func (h *handler) evidence(r *http.Request) (any, error) {
	return known404(api.From(h.DB, func(tx *store.Tx) (api.Evidence, error) {
		return api.EvidenceOf(tx, h.Config(), now(), r.PathValue("id"))
	}))
}

func (h *handler) subjectDoc(r *http.Request) (any, error) {
	return api.From(h.DB, func(tx *store.Tx) (api.Subject, error) {
		return api.SubjectOf(tx, h.Config(), now(), r.PathValue("subject"))
	})
}

func (h *handler) partnerDoc(r *http.Request) (any, error) {
	return known404(api.From(h.DB, func(tx *store.Tx) (api.PartnerPage, error) {
		return api.PartnerPageOf(tx, h.Config(), now(), r.PathValue("partner"))
	}))
}

func (h *handler) providerDoc(r *http.Request) (any, error) {
	if err := h.DB.Flush(); err != nil {
		return nil, err
	}
	at := now()
	return known404(api.From(h.DB, func(tx *store.Tx) (api.ProviderPage, error) {
		status, err := api.StatusOf(tx, h.Config(), api.StatusInput{Now: at})
		if err != nil {
			return api.ProviderPage{}, err
		}
		ledger, err := api.LedgerOf(tx, h.Config(), at, at.Add(-24*time.Hour))
		if err != nil {
			return api.ProviderPage{}, err
		}
		return api.ProviderPageOf(status, ledger, r.PathValue("provider"))
	}))
}

func (h *handler) listDoc(r *http.Request) (any, error) {
	return known404(api.From(h.DB, func(tx *store.Tx) (api.ListPage, error) {
		return api.ListPageOf(tx, h.Config(), now(), r.PathValue("list"))
	}))
}

func (h *handler) timelineDoc(r *http.Request) (any, error) {
	at := now()
	f, err := spanOf(r, at, time.UTC)
	if err != nil {
		return nil, err
	}
	return api.From(h.DB, func(tx *store.Tx) (api.Timeline, error) { return api.TimelineOf(tx, at, f) })
}
