package web

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"repwatch/api"
	"repwatch/store"
)

// openapi describes it all.
func openapi(w http.ResponseWriter, r *http.Request) {
	if !unchanged(w, r, tagOf(api.OpenAPI)) {
		sendAs(w, http.StatusOK, "application/yaml", api.OpenAPI)
	}
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
		return api.EvidenceOf(tx, h.Config(), now(), idOf(r))
	}))
}

func (h *handler) subjectDoc(r *http.Request) (any, error) {
	who := r.PathValue("subject")
	doc, err := api.From(h.DB, func(tx *store.Tx) (api.Subject, error) { return api.SubjectOf(tx, h.Config(), now(), who) })
	if err == nil && !doc.Watched && len(doc.Changes)+len(doc.Listings) == 0 {
		err = unknownSubject(who)
	}
	return doc, err
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
	if last := r.FormValue("last"); last != "" && !slices.ContainsFunc(spans, func(s span) bool { return s.Name == last }) {
		return nil, failed(http.StatusBadRequest, fmt.Errorf("last=%q is no span\n  hint: 1d, 7d, 30d, 90d or 1y; or from and to", last))
	}
	f, err := spanOf(r, at, time.UTC)
	if err != nil {
		return nil, err
	}
	return api.From(h.DB, func(tx *store.Tx) (api.Timeline, error) { return api.TimelineOf(tx, at, f) })
}
