package watch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"repwatch/checks"
	"repwatch/checks/dnsbl"
	"repwatch/config"
	"repwatch/incident"
	"repwatch/notify"
	"repwatch/reputation"
	"repwatch/store"
)

// What time alone brings, and how often it is thought of.
const (
	tickEvery   = 10 * time.Second
	judgeEvery  = 5 * time.Minute
	expireEvery = 24 * time.Hour
	beatEvery   = 5 * time.Minute
	digestHour  = 9 // in schedule.timezone
	// silentFor is how long without one sure look our seeing itself is in doubt (at
	// least two rounds of what is looked at most often).
	silentFor = time.Hour
)

// ticks does what falls due by time: reminders, verdicts that settle, digests,
// scores of forecasts, expiry, our own pulse.
func (d *Daemon) ticks(ctx context.Context) {
	ticker := time.NewTicker(tickEvery)
	defer ticker.Stop()
	var judged, expired, beat time.Time
	d.beat.Store(time.Now().UnixNano())
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		now := time.Now().UTC()
		d.tryFull(now)
		d.tick(now)
		d.reports(now)
		d.beat.Store(time.Now().UnixNano()) // folding is not stuck
		if now.Sub(judged) >= judgeEvery {
			judged = now
			d.stored(d.fold.judgeAgain(now))
			d.keepBudgets()
		}
		if now.Sub(expired) >= expireEvery {
			expired = now
			d.expire(now)
		}
		if now.Sub(beat) >= beatEvery {
			beat = now
			d.heartbeat(ctx, now)
		}
		d.wake()
	}
}

func (d *Daemon) tick(now time.Time) {
	d.stored(d.fold.tick(now))
	d.pulse(now)
}

// tick sends reminders and digests, wakes the snoozed, and scores forecasts.
func (f *folder) tick(now time.Time) error {
	_, err := f.update(now, func(x *fold) error {
		for _, step := range []func() error{x.stir, x.digest, x.forecastMisses} {
			if err := step(); err != nil {
				return err
			}
		}
		return nil
	})
	return err
}

// stir has the incidents looked at of which time alone may have something to say: mostly none.
func (x *fold) stir() error {
	w := emptyWorld()
	for i := range x.tx.OpenIncidents() {
		if incident.Stirs(&i, x.now, x.policy) {
			w.Incidents[i.ID] = &i
		}
	}
	if err := x.tx.Err(); err != nil || len(w.Incidents) == 0 {
		return err
	}
	if err := errors.Join(x.loadEpisodes(w), x.waiting(w)); err != nil {
		return err
	}
	return x.apply(incident.Tick(w, x.now, x.policy))
}

const lastDigest = "last-digest"

// digest sends the day's small things once a day.
func (x *fold) digest() error {
	raw, ok, err := x.tx.Settings().Get(lastDigest)
	if err != nil {
		return err
	}
	var last time.Time
	if ok {
		if err := json.Unmarshal(raw, &last); err != nil {
			return fmt.Errorf("setting %s: %w", lastDigest, err)
		}
	}
	local := x.now.In(x.policy.Zone)
	due := time.Date(local.Year(), local.Month(), local.Day(), digestHour, 0, 0, 0, local.Location())
	if due.After(local) {
		due = due.AddDate(0, 0, -1)
	}
	if ok && !last.Before(due) && !last.After(x.now) { // later than now: the clock was set back
		return nil
	}
	if raw, err = json.Marshal(x.now); err != nil {
		return err
	}
	if err := x.tx.Settings().Put(lastDigest, raw); err != nil || !ok {
		return err // the first day begins now
	}
	w, err := x.world()
	if err == nil {
		err = x.endedSince(w, last)
	}
	if err != nil {
		return err
	}
	a := incident.DigestOf(w, last, x.now, x.policy)
	if a == nil {
		return nil
	}
	_, err = x.tx.Enqueue(*a, x.notifiers)
	return err
}

// endedSince adds the incidents that ended since last to the world, which by itself
// goes back no further than verdicts may still be revised.
func (x *fold) endedSince(w incident.World, last time.Time) error {
	for id, i := range x.tx.Incidents().All() {
		if w.Incidents[id] != nil || i.Status != incident.Resolved || !i.Resolved.After(last) {
			continue
		}
		w.Incidents[id] = &i
		for _, e := range i.Episodes {
			if err := x.loadEpisode(w, e); err != nil {
				return err
			}
		}
	}
	return x.tx.Err()
}

// pulse tells when nothing could be seen for long: silence then is ours, and no
// alert will come however bad things are.
func (d *Daemon) pulse(now time.Time) {
	d.mu.Lock()
	cfg := d.gen.cfg
	d.mu.Unlock()
	last := time.Unix(d.lastSuccess.Load(), 0).UTC()
	limit := max(silentFor, 2*min(cfg.Schedule.Blocklists.Every(now), cfg.Schedule.Partners.Every(now)))
	if len(cfg.Partners) == 0 || len(cfg.Addresses) == 0 {
		limit = max(silentFor, 2*cfg.Schedule.Blocklists.Every(now))
	}
	look := checks.HealthLook{Subject: reputation.Subject{Kind: reputation.KindHealth, Domain: "looking"}, At: now}
	if now.Sub(last) > limit && len(cfg.Addresses)+len(cfg.Domains) > 0 {
		look.Fault = &incident.Fault{ID: "looking", Impact: reputation.Critical,
			What: fmt.Sprintf("repwatch has seen nothing for sure since %s", last.Format("2006-01-02 15:04 MST")),
			Why:  "as long as this lasts no listing and no loss is noticed",
			Do:   "look at the network and the resolver of this host: repwatch doctor"}
	}
	d.quietly(look)
}

// quietly folds a look at our own health only if it is news: no transaction otherwise.
func (d *Daemon) quietly(look checks.HealthLook) {
	known := false
	err := d.opt.DB.View(func(tx *store.Tx) error {
		_, ok, err := tx.Faults().Get(look.Subject)
		known = ok
		return err
	})
	if err == nil && known == (look.Fault != nil) {
		return
	}
	_, err = d.fold.Fold(checks.Batch{Version: checks.Version, Check: "health", Started: look.At, Ended: look.At, Health: []checks.HealthLook{look}}, look.At)
	d.stored(err)
}

func notifierLook(name string, down bool, why string, now time.Time) checks.Batch {
	look := checks.HealthLook{Subject: reputation.Subject{Kind: reputation.KindHealth, Domain: "notifier", Target: name}, At: now}
	if down {
		look.Fault = &incident.Fault{ID: "notifier", Impact: reputation.High, What: fmt.Sprintf("the notifier %s cannot deliver: %s", name, why),
			Why: "what it should have told waits for it, and nothing is lost", Do: "repwatch notify test shows what it needs"}
	}
	return checks.Batch{Version: checks.Version, Check: "health", Started: now, Ended: now, Health: []checks.HealthLook{look}}
}

func (d *Daemon) expire(now time.Time) {
	d.mu.Lock()
	keep := d.gen.cfg.Store.Keep.D()
	d.mu.Unlock()
	n, err := d.opt.DB.Expire(now, keep)
	if err != nil {
		d.stored(err)
		return
	}
	if n > 0 {
		d.log.Info("what was older than store.keep is gone", "rows", n)
	}
}

// heartbeat tells a dead man's switch that looking works. It stays silent when it does not.
func (d *Daemon) heartbeat(ctx context.Context, now time.Time) {
	d.mu.Lock()
	cfg := d.gen.cfg
	d.mu.Unlock()
	if !cfg.Notify.Heartbeat.Set() || d.full.Load() || now.Sub(time.Unix(d.lastSuccess.Load(), 0)) > silentFor {
		return
	}
	d.sending.Go(func() {
		if err := ping(ctx, cfg.Notify.Heartbeat); err != nil && ctx.Err() == nil {
			d.log.Warn("the heartbeat did not get through", "err", err)
		}
	})
}

var heartbeatClient = &http.Client{Timeout: 10 * time.Second}

// ping calls the heartbeat's address, which is a secret: errors do not hold it.
func ping(ctx context.Context, address config.Secret) error {
	url, err := address.Value()
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return errors.New("notify.heartbeat is no web address")
	}
	resp, err := heartbeatClient.Do(req)
	if err != nil {
		return errors.New("no answer from notify.heartbeat")
	}
	if err := resp.Body.Close(); err != nil || resp.StatusCode >= 300 {
		return fmt.Errorf("notify.heartbeat answered %s", resp.Status)
	}
	return nil
}

// shoutFull tells people directly, past the outbox that cannot be written, that the disk is full.
func (d *Daemon) shoutFull() {
	d.mu.Lock()
	gen := d.gen
	d.mu.Unlock()
	now := time.Now().UTC()
	a := incident.Alert{Kind: incident.AlertNotice, At: now, Message: incident.Message{Tone: incident.ToneBad, Impact: reputation.Critical, Kind: incident.Health, At: now,
		Title: "repwatch cannot write: the disk of its store is full",
		Fields: []incident.Field{
			{Name: "What it means", Lines: []string{"nothing that was acknowledged is lost, but from now on nothing is remembered and no other alert can be sent"}},
			{Name: "What to do", Lines: []string{"make room where " + d.opt.DB.Path() + " is; watching goes on by itself"}}}}}
	for _, n := range gen.notifiers {
		if _, err := n.Send(gen.ctx, notify.Sending{Alert: a}); err != nil {
			d.log.Error("the full disk could not be told", "notifier", n.Name(), "err", err)
		}
	}
}

// restoreBudgets and keepBudgets carry what lists were asked today over a restart.
func (d *Daemon) restoreBudgets(e *dnsbl.Engine, cfg *config.Loaded) {
	err := d.opt.DB.View(func(tx *store.Tx) error {
		for _, l := range cfg.Lists {
			b, ok, err := tx.Budgets().Get(l.ID)
			if err != nil {
				return err
			}
			if ok {
				e.Spend(l, b.Day, b.Spent)
			}
		}
		return nil
	})
	if err != nil {
		d.log.Warn("what lists were asked today could not be read", "err", err)
	}
}

func (d *Daemon) keepBudgets() {
	d.mu.Lock()
	gen := d.gen
	d.mu.Unlock()
	d.stored(d.opt.DB.Update(time.Now(), func(tx *store.Tx) error {
		for _, l := range gen.cfg.Lists {
			if day, spent := gen.engine.Spent(l); spent > 0 {
				if err := tx.Budgets().Put(l.ID, store.Budget{Day: day, Spent: spent}); err != nil {
					return err
				}
			}
		}
		return nil
	}))
}
