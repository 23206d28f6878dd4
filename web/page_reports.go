package web

import (
	"context"
	"encoding/json"
	"net/http"
	"path"
	"strings"
	"sync"
	"time"

	"repwatch/api"
	"repwatch/report"
	"repwatch/store"
)

// reportView is one week's report, and the way to other weeks.
type reportView struct {
	report.Layout
	First, Rest, Appendix []report.Section // the picture stands behind the first
	Week, Last            string           // shown, and the latest there can be
	Weeks                 []link
	Before, After         string // the weeks beside it; empty: there is none yet
}

// weeksOffered is how many weeks have a link; others are typed.
const weeksOffered = 8

// appendixSections are those that few will ask for.
var appendixSections = map[string]bool{"pools": true, "appendix": true}

func (p *Page) reports(r *http.Request) (view, error) {
	at, zone := now(), p.h.Config().Schedule.Timezone.Loc()
	w, doc, err := p.reportOf(r.Context(), r.FormValue("week"), at)
	if err != nil {
		return view{}, err
	}
	this := report.WeekOf(at, zone)
	d := reportView{Layout: report.Lay(doc), Week: w.ID, Last: this.ID, Before: w.Before(1).ID}
	if w.ID != this.ID {
		d.After = w.Before(-1).ID
	}
	for n, s := range d.Sections {
		switch {
		case n == 0:
			d.First = append(d.First, s)
		case appendixSections[s.ID]:
			d.Appendix = append(d.Appendix, s)
		default:
			d.Rest = append(d.Rest, s)
		}
	}
	for n := range weeksOffered {
		id := this.Before(n).ID
		d.Weeks = append(d.Weeks, link{id, p.base(r) + "/reports?week=" + id, id == w.ID})
	}
	return view{name: "reports", Title: "Report " + w.ID, Nav: "reports", Data: d}, nil
}

// reportOf is the report of a week; of the last one that is over where it is empty.
func (p *Page) reportOf(ctx context.Context, week string, at time.Time) (report.Week, report.Report, error) {
	w, err := report.Asked(strings.ToUpper(strings.TrimSpace(week)), time.Time{}, at, p.h.Config().Schedule.Timezone.Loc())
	if err != nil {
		return w, report.Report{}, failed(http.StatusBadRequest, err)
	}
	doc, err := p.weeks.of(w.ID, func() *memo[report.Report] {
		m := newMemo(p.h.DB, func(context.Context) (report.Report, error) {
			if err := p.h.DB.Flush(); err != nil {
				return report.Report{}, err
			}
			return api.From(p.h.DB, func(tx *store.Tx) (report.Report, error) { return report.Build(tx, p.h.Config(), w, now()) })
		})
		m.lasting = weeksLasting
		return m
	}).get(ctx)
	return w, doc, err
}

// shapes are the files that a report can be had as.
var shapes = map[string]struct {
	kind   string
	render func(r report.Report, dark bool) ([]byte, error)
}{
	".svg": {"image/svg+xml", func(r report.Report, dark bool) ([]byte, error) {
		svg, err := report.SVG(r, dark)
		return []byte(svg), err
	}},
	".png":  {"image/png", func(r report.Report, _ bool) ([]byte, error) { return report.PNG(r) }},
	".json": {"application/json", func(r report.Report, _ bool) ([]byte, error) { return json.Marshal(r) }},
	".md":   {"text/markdown; charset=utf-8", func(r report.Report, _ bool) ([]byte, error) { return []byte(report.Markdown(r)), nil }},
	".txt":  {"text/plain; charset=utf-8", func(r report.Report, _ bool) ([]byte, error) { return []byte(report.Text(r, 100)), nil }},
	".html": {"text/html; charset=utf-8", func(r report.Report, _ bool) ([]byte, error) {
		page, err := report.HTML(r)
		return []byte(page), err
	}},
}

// reportFile is a week's report, or its picture, as a file: 2026-W46.html.
func (p *Page) reportFile(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("file")
	ext := path.Ext(name)
	shape, ok := shapes[ext]
	week := strings.TrimSuffix(name, ext)
	if !ok || week == "" {
		http.NotFound(w, r)
		return
	}
	_, doc, err := p.reportOf(r.Context(), week, now())
	var body []byte
	if err == nil {
		body, err = shape.render(doc, r.FormValue("dark") != "")
	}
	if err != nil {
		p.fail(w, r, err)
		return
	}
	h := w.Header()
	h.Set("Content-Type", shape.kind)
	h.Set("Cache-Control", "no-store")
	if ext == ".html" { // its style is inside it, which the policy of this site forbids: it is for elsewhere
		h.Set("Content-Disposition", `attachment; filename="mail-reputation-`+doc.Week.ID+`.html"`)
	}
	_, _ = w.Write(body) // who asked has gone; there is nobody to tell
}

// weeks are reports that were asked for of late: one reads a whole past, and page and
// picture are made of the same.
type weeks struct {
	mu   sync.Mutex
	kept map[string]*memo[report.Report]
}

const (
	weeksKept    = 16
	weeksLasting = time.Minute // ages in it grow
)

func (k *weeks) of(id string, build func() *memo[report.Report]) *memo[report.Report] {
	k.mu.Lock()
	defer k.mu.Unlock()
	m := k.kept[id]
	if m == nil {
		if len(k.kept) >= weeksKept {
			k.drop()
		}
		if k.kept == nil {
			k.kept = map[string]*memo[report.Report]{}
		}
		m = build()
		k.kept[id] = m
	}
	return m
}

// drop forgets all, once nothing is being built any more.
func (k *weeks) drop() {
	for _, m := range k.kept {
		m.close()
	}
	k.kept = nil
}

func (k *weeks) close() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.drop()
}
