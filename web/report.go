package web

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"repwatch/api"
	"repwatch/report"
	"repwatch/store"
)

// ReportSender is a daemon that can send reports.
type ReportSender interface {
	// SendReport has a week's report sent through the notifiers that it names.
	SendReport(ctx context.Context, w report.Week) (notifiers []string, err error)
}

// forms that ?format= names, as repwatch report -o does, and the file that each is on the page; json is the document.
var forms = map[string]string{"json": "", "text": ".txt", "md": ".md", "html": ".html", "png": ".png"}

// reportPolicy lets a report, which brings its style and pictures along, use these and nothing else.
const reportPolicy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"

// reportAs is the report of ?week=2026-W46, or ?since=TIME; of last week without either.
func (h *handler) reportAs(w http.ResponseWriter, r *http.Request) {
	name := cmp.Or(r.FormValue("format"), "json")
	ext, ok := forms[name]
	if !ok {
		refuse(w, failed(http.StatusBadRequest, fmt.Errorf("format=%q is none that a report comes in\n  hint: %s", name, strings.Join(slices.Sorted(maps.Keys(forms)), ", "))))
		return
	}
	doc, err := h.report(r)
	body, ok := encoded(w, doc, err)
	if !ok {
		return
	}
	// All forms say the same: what is unchanged as a document is not drawn again.
	if tag := strings.TrimSuffix(tagOf(body), `"`) + "-" + name + `"`; unchanged(w, r, tag) {
		return
	}
	media := "application/json"
	if shape, drawn := shapes[ext]; drawn {
		media = shape.kind
		if body, err = shape.render(doc, false); err != nil {
			refuse(w, err)
			return
		}
	}
	if name == "html" {
		w.Header().Set("Content-Security-Policy", reportPolicy)
	}
	sendAs(w, http.StatusOK, media, body)
}

func (h *handler) report(r *http.Request) (doc report.Report, err error) {
	at := now()
	w, err := h.weekOf(r.FormValue("week"), r, at)
	if err != nil {
		return doc, err
	}
	if err := h.DB.Flush(); err != nil {
		return doc, err
	}
	return api.From(h.DB, func(tx *store.Tx) (report.Report, error) { return report.Build(tx, h.Config(), w, at) })
}

func (h *handler) weekOf(week string, r *http.Request, at time.Time) (report.Week, error) {
	since, err := sinceOf(r, time.Time{})
	if err != nil {
		return report.Week{}, err
	}
	w, err := report.Asked(week, since, at, h.Config().Schedule.Timezone.Loc())
	if err != nil {
		return w, failed(http.StatusBadRequest, err)
	}
	return w, nil
}

func (h *handler) sendReport(r *http.Request) (any, error) {
	var body struct {
		Week string `json:"week"`
	}
	if err := read(r, &body); err != nil {
		return nil, err
	}
	at := now()
	w, err := h.weekOf(body.Week, r, at)
	if err != nil {
		return nil, err
	}
	d, ok := h.Daemon.(ReportSender)
	if !ok {
		return nil, failed(http.StatusNotImplemented, errors.New("this daemon sends no reports"))
	}
	names, err := d.SendReport(r.Context(), w)
	if err != nil {
		return nil, senseless(err)
	}
	return report.SentTo(at, w.ID, names), nil
}

// Report is the report of a week; of the time since a moment where week is empty,
// of last week where both are.
func (c *Client) Report(ctx context.Context, week string, since time.Time) (report.Report, error) {
	q := sinceQuery(since)
	if week != "" {
		q.Set("week", week)
	}
	return get[report.Report](ctx, c, "report", q)
}

// SendReport has the daemon send a week's report; of last week where it is empty.
func (c *Client) SendReport(ctx context.Context, week string) (report.Sent, error) {
	return post[report.Sent](ctx, c, "report", map[string]string{"week": week})
}
