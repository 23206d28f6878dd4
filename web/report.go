package web

import (
	"context"
	"errors"
	"net/http"
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

// report is the report of ?week=2026-W46, or ?since=TIME; of last week without either.
func (h *handler) report(r *http.Request) (any, error) {
	at := now()
	w, err := h.weekOf(r.FormValue("week"), r, at)
	if err != nil {
		return nil, err
	}
	if err := h.DB.Flush(); err != nil {
		return nil, err
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
