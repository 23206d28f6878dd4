package web

import (
	"fmt"
	"net/http"
	"net/url"
	"time"

	"repwatch/api"
	"repwatch/store"
)

func escape(s string) string { return url.PathEscape(s) }

func (p *Page) subject(r *http.Request) (view, error) {
	who := r.PathValue("ip")
	doc, err := api.From(p.h.DB, func(tx *store.Tx) (api.Subject, error) { return api.SubjectOf(tx, p.h.Config(), now(), who) })
	if err == nil && !doc.Watched && len(doc.Changes)+len(doc.Listings) == 0 {
		err = unknownSubject(who)
	}
	return view{name: "subject", Title: doc.Subject, Data: subjectView{doc, foldAt(doc.Listings, rowsShown), foldAt(doc.Partners, rowsShown)}}, err
}

// subjectView is an address or domain with its worst rows first.
type subjectView struct {
	api.Subject
	On folded[api.ListedNow]
	At folded[api.SubjectPair]
}

// partnerView is a partner with what is learned of it.
type partnerView struct {
	api.PartnerPage
	Edges     []api.Edge
	Reckoning bool // what was learned is not known yet
	Rows      folded[api.PartnerPair]
}

func (p *Page) partner(r *http.Request) (view, error) {
	doc, err := api.From(p.h.DB, func(tx *store.Tx) (api.PartnerPage, error) {
		return api.PartnerPageOf(tx, p.h.Config(), now(), r.PathValue("name"))
	})
	if err != nil {
		return view{}, err
	}
	d := partnerView{PartnerPage: doc, Rows: foldAt(doc.Pairs, rowsShown)}
	learned, ok, err := p.learned.soon(r.Context())
	d.Reckoning = !ok
	for _, e := range learned.Edges {
		if e.Partner == doc.Partner {
			d.Edges = append(d.Edges, e)
		}
	}
	return view{name: "partner", Title: doc.Partner, Data: d}, err
}

func (p *Page) provider(r *http.Request) (view, error) {
	status, err := p.status.get(r.Context())
	if err != nil {
		return view{}, err
	}
	ledger, err := p.day(now().Add(-24 * time.Hour))
	if err != nil {
		return view{}, err
	}
	doc, err := api.ProviderPageOf(status, ledger, r.PathValue("id"))
	return view{name: "provider", Title: doc.Name, Data: providerView{doc, foldAt(doc.Partners, 2*rowsShown), foldAt(doc.Lanes, rowsShown)}}, err
}

// providerView is a provider with its worst rows first.
type providerView struct {
	api.ProviderPage
	Served folded[api.PartnerStatus]
	Visits folded[api.Lane]
}

// listView is a list with who reacts to it.
type listView struct {
	api.ListPage
	Edges     []api.Edge
	Reckoning bool // what was learned is not known yet
	Rows      folded[api.ListedNow]
}

func (p *Page) list(r *http.Request) (view, error) {
	doc, err := api.From(p.h.DB, func(tx *store.Tx) (api.ListPage, error) {
		return api.ListPageOf(tx, p.h.Config(), now(), r.PathValue("id"))
	})
	if err != nil {
		return view{}, err
	}
	d := listView{ListPage: doc, Rows: foldAt(doc.Listed, 2*rowsShown)}
	learned, ok, err := p.learned.soon(r.Context())
	d.Reckoning = !ok
	for _, e := range learned.Edges {
		if e.List == doc.List.ID {
			d.Edges = append(d.Edges, e)
		}
	}
	return view{name: "list", Title: doc.List.Name, Data: d}, err
}

// learnedView is what is believed, as a graph and as a table.
type learnedView struct {
	api.Learned
	Graph     graph
	Rows      folded[api.Edge]
	Reckoning bool // it is not known yet
}

func (p *Page) learnedPage(r *http.Request) (view, error) {
	doc, ok, err := p.learned.soon(r.Context())
	return view{name: "learned", Title: "Learned reactions", Nav: "learned", Data: learnedView{doc, graphOf(doc.Edges), foldAt(doc.Edges, 3*rowsShown), !ok}}, err
}

type span struct {
	Name string
	Long time.Duration
}

// spans are the lengths of time that a page may look back.
var spans = []span{{"1h", time.Hour}, {"6h", 6 * time.Hour}, {"1d", 24 * time.Hour}, {"7d", 7 * 24 * time.Hour}, {"30d", 30 * 24 * time.Hour}, {"90d", 90 * 24 * time.Hour}, {"1y", 366 * 24 * time.Hour}}

type ledgerView struct {
	api.Ledger
	Spans []link
	Lanes folded[api.Lane]
	Rows  folded[api.Session]
}

func (p *Page) ledger(r *http.Request) (view, error) {
	offered := spans[2:5] // the ledger is kept for weeks, not for years
	chosen := offered[0]
	for _, s := range offered {
		if s.Name == r.FormValue("last") {
			chosen = s
		}
	}
	doc, err := p.day(now().Add(-chosen.Long))
	d := ledgerView{Ledger: doc, Lanes: foldAt(doc.Lanes, rowsShown), Rows: foldAt(doc.Sessions, 2*rowsShown)}
	for _, s := range offered {
		d.Spans = append(d.Spans, link{s.Name, p.base(r) + "/ledger?last=" + s.Name, s == chosen})
	}
	return view{name: "ledger", Title: "Ledger", Nav: "ledger", Data: d}, err
}

func (p *Page) day(since time.Time) (api.Ledger, error) {
	if err := p.h.DB.Flush(); err != nil {
		return api.Ledger{}, err
	}
	return api.From(p.h.DB, func(tx *store.Tx) (api.Ledger, error) { return api.LedgerOf(tx, p.h.Config(), now(), since) })
}

type healthView struct {
	api.Status
	Rows   folded[api.ListStatus]
	Unused []api.ListEntry // of the catalogue, with why
	Blind  []string
}

func (p *Page) health(r *http.Request) (view, error) {
	status, err := p.status.get(r.Context())
	if err != nil {
		return view{}, err
	}
	lists, err := api.From(p.h.DB, func(tx *store.Tx) (api.Lists, error) { return api.ListsHealthOf(tx, p.h.Config(), now()) })
	d := healthView{Status: status, Rows: foldAt(status.Lists, rowsShown), Blind: blind(&status)}
	for _, l := range lists.Lists {
		if !l.InUse {
			d.Unused = append(d.Unused, l)
		}
	}
	return view{name: "health", Title: "Health", Nav: "health", Data: d}, err
}

func unknownSubject(who string) error {
	return failed(http.StatusNotFound, fmt.Errorf("%q is no sending address or domain that is or was watched", who))
}
