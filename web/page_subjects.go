package web

import (
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"time"

	"repwatch/api"
	"repwatch/report"
	"repwatch/store"
)

func escape(s string) string { return url.PathEscape(s) }

func (p *Page) subject(r *http.Request) (view, error) {
	who := r.PathValue("ip")
	doc, err := api.From(p.h.DB, func(tx *store.Tx) (api.Subject, error) { return api.SubjectOf(tx, p.h.Config(), now(), who) })
	if err == nil && !doc.Watched && len(doc.Changes)+len(doc.Listings) == 0 {
		err = unknownSubject(who)
	}
	return view{name: "subject", Title: doc.Subject, Data: doc}, err
}

// partnerView is a partner with what is learned of it.
type partnerView struct {
	api.PartnerPage
	Edges []api.Edge
	Rows  folded[api.PartnerPair]
}

func (p *Page) partner(r *http.Request) (view, error) {
	doc, err := api.From(p.h.DB, func(tx *store.Tx) (api.PartnerPage, error) {
		return api.PartnerPageOf(tx, p.h.Config(), now(), r.PathValue("name"))
	})
	if err != nil {
		return view{}, err
	}
	d := partnerView{PartnerPage: doc, Rows: foldAt(doc.Pairs, 2*rowsShown)}
	learned, err := p.learned.get(r.Context())
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
	return view{name: "provider", Title: doc.Name, Data: doc}, err
}

// listView is a list with who reacts to it.
type listView struct {
	api.ListPage
	Edges []api.Edge
	Rows  folded[api.ListedNow]
}

func (p *Page) list(r *http.Request) (view, error) {
	doc, err := api.From(p.h.DB, func(tx *store.Tx) (api.ListPage, error) {
		return api.ListPageOf(tx, p.h.Config(), now(), r.PathValue("id"))
	})
	if err != nil {
		return view{}, err
	}
	d := listView{ListPage: doc, Rows: foldAt(doc.Listed, 2*rowsShown)}
	learned, err := p.learned.get(r.Context())
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
	Graph graph
}

func (p *Page) learnedPage(r *http.Request) (view, error) {
	doc, err := p.learned.get(r.Context())
	return view{name: "learned", Title: "Learned reactions", Nav: "learned", Data: learnedView{doc, graphOf(doc.Edges)}}, err
}

type span struct {
	Name string
	Long time.Duration
}

// spans are the lengths of time that a page may look back.
var spans = []span{{"1d", 24 * time.Hour}, {"7d", 7 * 24 * time.Hour}, {"30d", 30 * 24 * time.Hour}, {"90d", 90 * 24 * time.Hour}, {"1y", 366 * 24 * time.Hour}}

type ledgerView struct {
	api.Ledger
	Span  string
	Lanes folded[api.Lane]
}

func (p *Page) ledger(r *http.Request) (view, error) {
	chosen := spans[0]
	for _, s := range spans[:3] { // the ledger is kept for weeks, not for years
		if s.Name == r.FormValue("last") {
			chosen = s
		}
	}
	doc, err := p.day(now().Add(-chosen.Long))
	return view{name: "ledger", Title: "Ledger", Nav: "ledger", Data: ledgerView{doc, chosen.Name, foldAt(doc.Lanes, 3*rowsShown)}}, err
}

func (p *Page) day(since time.Time) (api.Ledger, error) {
	if err := p.h.DB.Flush(); err != nil {
		return api.Ledger{}, err
	}
	return api.From(p.h.DB, func(tx *store.Tx) (api.Ledger, error) { return api.LedgerOf(tx, p.h.Config(), now(), since) })
}

type healthView struct {
	api.Status
	Unused []api.ListEntry // of the catalogue, with why
	Blind  []string
}

func (p *Page) health(r *http.Request) (view, error) {
	status, err := p.status.get(r.Context())
	if err != nil {
		return view{}, err
	}
	lists, err := api.From(p.h.DB, func(tx *store.Tx) (api.Lists, error) { return api.ListsHealthOf(tx, p.h.Config(), now()) })
	d := healthView{Status: status, Blind: blind(&status)}
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

// reportView is one week's report as text, and the way to other weeks.
type reportView struct {
	Text  string
	Week  string
	Weeks []link
}

// weeksOffered is how far back the page of reports leads; others have ?week=.
const weeksOffered = 8

func (p *Page) reports(r *http.Request) (view, error) {
	at, zone := now(), p.h.Config().Schedule.Timezone.Loc()
	week := report.LastWeek(at, zone)
	if text := r.FormValue("week"); text != "" {
		var err error
		if week, err = report.ParseWeek(text, zone); err != nil {
			return view{}, failed(http.StatusBadRequest, err)
		}
	}
	text, err := p.told.of(week.ID, p.seq(), func() (string, error) {
		if err := p.h.DB.Flush(); err != nil {
			return "", err
		}
		doc, err := api.From(p.h.DB, func(tx *store.Tx) (report.Report, error) { return report.Build(tx, p.h.Config(), week, at) })
		return report.Text(doc, 100), err
	})
	if err != nil {
		return view{}, err
	}
	d := reportView{Text: text, Week: week.ID}
	for n := range weeksOffered {
		w := report.WeekOf(at, zone).Before(n)
		d.Weeks = append(d.Weeks, link{w.ID, p.prefix + "/reports?week=" + w.ID, w.ID == week.ID})
	}
	return view{name: "reports", Title: "Report " + week.ID, Nav: "reports", Data: d}, nil
}

// texts keeps reports until something happens: one of a week reads a whole past.
type texts struct {
	mu   sync.Mutex
	seq  uint64
	kept map[string]string
}

// textsKept bounds them.
const textsKept = 16

func (t *texts) of(name string, seq uint64, build func() (string, error)) (string, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.kept == nil || t.seq != seq || len(t.kept) >= textsKept {
		t.seq, t.kept = seq, map[string]string{}
	}
	if text, ok := t.kept[name]; ok {
		return text, nil
	}
	text, err := build()
	if err == nil {
		t.kept[name] = text
	}
	return text, err
}
