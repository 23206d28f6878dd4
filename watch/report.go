package watch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"repwatch/config"
	"repwatch/incident"
	"repwatch/notify"
	"repwatch/report"
	"repwatch/store"
)

// lastReport of the store's settings holds a lastSent.
const lastReport = "last-report"

// lastSent is when schedule.report last fired, and which week was sent then.
type lastSent struct {
	At   time.Time `json:"at"`
	Week string    `json:"week,omitempty"`
}

// reportLate is how long after its time a report that was missed is still sent: a
// host that was down over the weekend sends it, one that was away for a week has
// a newer one soon.
const reportLate = 3 * 24 * time.Hour

// dueReport decides whether a report is to be sent now: the latest firing since the
// last one, if it is not too long ago, of the week that was over then. Each week is
// sent once, however often the schedule fires.
func dueReport(schedule config.Cron, zone *time.Location, last lastSent, now time.Time) (next lastSent, w report.Week, due bool) {
	next = last
	from := last.At
	if oldest := now.Add(-reportLate); from.Before(oldest) {
		from = oldest
	}
	var fired time.Time
	for t := schedule.Next(from.In(zone)); !t.IsZero() && !t.After(now); t = schedule.Next(t) {
		fired = t
	}
	if fired.IsZero() {
		return next, w, false
	}
	next.At = fired.UTC()
	w = report.LastWeek(fired, zone)
	if w.ID == last.Week {
		return next, w, false
	}
	next.Week = w.ID
	return next, w, true
}

// reports sends the weekly report when its time has come.
func (d *Daemon) reports(now time.Time) {
	cfg := d.config()
	last, known, err := d.lastReport()
	if err != nil {
		d.log.Error("when the last report was sent cannot be read", "err", err)
		return
	}
	if !known { // the first one falls due from now on
		d.stored(d.sendReport(now, lastSent{At: now}, nil))
		return
	}
	next, w, due := dueReport(cfg.Schedule.Report, cfg.Schedule.Timezone.Loc(), last, now)
	switch {
	case due:
		a, err := d.reportAlert(w, now)
		if err != nil {
			d.log.Error("the weekly report cannot be built", "week", w.ID, "err", err)
			return
		}
		d.stored(d.sendReport(now, next, &a))
	case next != last:
		d.stored(d.sendReport(now, next, nil))
	}
}

func (d *Daemon) config() *config.Loaded {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.gen.cfg
}

func (d *Daemon) lastReport() (last lastSent, known bool, err error) {
	err = d.opt.DB.View(func(tx *store.Tx) error {
		raw, ok, err := tx.Settings().Get(lastReport)
		if err != nil || !ok {
			return err
		}
		known = true
		return json.Unmarshal(raw, &last)
	})
	return last, known, err
}

// sendReport notes that the schedule fired, and puts the report into the outbox.
func (d *Daemon) sendReport(now time.Time, last lastSent, a *incident.Alert) error {
	raw, err := json.Marshal(last)
	if err != nil {
		return err
	}
	_, err = d.fold.update(now, func(x *fold) error {
		if err := x.tx.Settings().Put(lastReport, raw); err != nil || a == nil {
			return err
		}
		_, err := x.tx.Enqueue(*a, x.notifiers)
		return err
	})
	return err
}

// SendReport has a week's report sent now, whenever it was sent before.
func (d *Daemon) SendReport(_ context.Context, w report.Week) ([]string, error) {
	if w.ID == "" {
		return nil, errors.New("only a calendar week can be sent\n  hint: give it as week, like 2026-W46")
	}
	now := time.Now().UTC()
	a, err := d.reportAlert(w, now)
	if err != nil {
		return nil, err
	}
	var names []string
	_, err = d.fold.update(now, func(x *fold) error {
		names = x.notifiers
		_, err := x.tx.Enqueue(a, x.notifiers)
		return err
	})
	if d.stored(err); err == nil {
		d.wake()
	}
	return names, err
}

// reportAlert is what the outbox holds of a report: its week and its short form.
func (d *Daemon) reportAlert(w report.Week, now time.Time) (incident.Alert, error) {
	r, err := d.reportOf(w, now)
	return incident.Alert{Kind: incident.AlertReport, At: now, Week: w.ID, Key: "report " + w.ID, Message: report.Short(r)}, err
}

func (d *Daemon) reportOf(w report.Week, now time.Time) (r report.Report, err error) {
	if err := d.opt.DB.Flush(); err != nil {
		return r, err
	}
	err = d.opt.DB.View(func(tx *store.Tx) error {
		r, err = report.Build(tx, d.config(), w, now)
		return err
	})
	return r, err
}

// rendered is a week's report in every shape, built when it is sent.
func (d *Daemon) rendered(week string) (notify.Report, error) {
	w, err := report.ParseWeek(week, d.config().Schedule.Timezone.Loc())
	if err != nil {
		return notify.Report{}, err
	}
	r, err := d.reportOf(w, time.Now().UTC())
	if err != nil {
		return notify.Report{}, err
	}
	out, err := report.Render(r)
	if err != nil && len(out.Document) > 0 { // all but the picture
		d.log.Warn("the report goes without its picture", "week", week, "err", err)
		err = nil
	}
	if err != nil {
		return notify.Report{}, fmt.Errorf("the report of %s: %w", week, err)
	}
	return notify.Report(out), nil
}
