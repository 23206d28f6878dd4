package watch

import (
	"encoding/json"
	"net/netip"
	"slices"
	"time"

	"repwatch/config"
	"repwatch/incident"
	"repwatch/notify"
	"repwatch/reputation"
	"repwatch/store"
)

// begin reads what is remembered, before anything is looked at.
func (f *folder) begin(now time.Time, cfg *config.Loaded) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.cfg, f.policy = cfg, policyOf(cfg)
	return f.db.View(func(tx *store.Tx) error {
		for _, i := range tx.Incidents().All() {
			if i.Status == incident.Resolved && now.Sub(i.Updated) <= revisable {
				f.recent[i.ID] = i.Updated
			}
		}
		f.policy.Proven = proven(tx)
		for s, w := range tx.Wire().All() {
			f.provider(s, w)
		}
		for key, fc := range tx.Forecasts().All() {
			if fc.Outcome == "" {
				f.foretold[key] = fc
			}
		}
		return tx.Err()
	})
}

func (f *folder) provider(s reputation.Subject, w store.Wire) {
	if w.Provider != "" {
		f.providers[s.Target] = w.Provider
	}
}

// adopt puts a configuration in force: what is new is watched from now on, what is
// no longer watched is closed as that (rule of truth 11), notifiers that are new
// hear of what is open, and what waits for those that are gone is dropped.
// What waits for a broken notifier, one that is configured but cannot be used now, stays.
// After an error the configuration before is in force.
func (f *folder) adopt(now time.Time, cfg *config.Loaded, notifiers, broken []string) error {
	f.mu.Lock()
	oldCfg, oldPolicy, oldNotifiers, oldBroken := f.cfg, f.policy, f.notifiers, f.broken
	f.cfg, f.policy, f.notifiers, f.broken, f.cause = cfg, policyOf(cfg), notifiers, broken, nil
	f.policy.Proven = oldPolicy.Proven
	f.policy.Provider = func(partner string) string { return f.providers[partner] }
	f.mu.Unlock()
	_, err := f.update(now, func(x *fold) error {
		for _, step := range []func() error{x.watchSubjects, x.closeListings, x.closeWires, x.closeFaults, x.notifierRows, x.introduce} {
			if err := step(); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		f.mu.Lock()
		f.cfg, f.policy, f.notifiers, f.broken, f.cause = oldCfg, oldPolicy, oldNotifiers, oldBroken, nil
		f.mu.Unlock()
	}
	return err
}

// watchSubjects notes since when each address and domain is watched: before that
// nothing is known of it.
func (x *fold) watchSubjects() error {
	want := map[string]bool{}
	for _, p := range x.cfg.Points() {
		who := p.Domain
		if p.IP.IsValid() {
			who = p.IP.String()
		}
		want[who] = true
		if _, ok, err := x.tx.Subjects().Get(who); err != nil {
			return err
		} else if !ok {
			if err := x.tx.Subjects().Put(who, store.Watched{Since: x.now}); err != nil {
				return err
			}
		}
	}
	for who := range x.tx.Subjects().All() {
		if !want[who] {
			if err := x.tx.Subjects().Delete(who); err != nil {
				return err
			}
		}
	}
	return x.tx.Err()
}

func (x *fold) closeListings() error {
	used := map[string]bool{}
	for _, l := range x.cfg.Lists {
		used[l.ID] = true
	}
	for s, row := range x.tx.Listings().All() {
		_, watched, err := x.tx.Subjects().Get(s.Who())
		if err != nil {
			return err
		}
		if watched && used[s.Target] {
			continue
		}
		listing := row.Listing
		if err := x.shut(row.Episode, incident.Record{What: incident.Unwatched, Subject: s, Bracket: reputation.Bracket{By: x.now}, Listing: &listing}); err != nil {
			return err
		}
		if err := x.tx.Listings().Delete(s); err != nil {
			return err
		}
	}
	for id := range x.tx.Lists().All() {
		if !used[id] {
			if err := x.tx.Lists().Delete(id); err != nil {
				return err
			}
		}
	}
	return x.tx.Err()
}

// stillProbed: the pair of a vantage and a partner is configured.
func (x *fold) stillProbed(s reputation.Subject) bool {
	p, ok := x.cfg.PartnerNamed(s.Target)
	if !ok || p.Own {
		return false
	}
	if s.Kind == reputation.KindControl {
		return slices.ContainsFunc(x.cfg.Control, func(c config.Control) bool { return c.Name == s.Domain })
	}
	if from := p.Sources(); len(from) > 0 {
		return slices.Contains(from, s.IP)
	}
	return slices.ContainsFunc(x.cfg.Addresses, func(a config.Address) bool { return a.IP == s.IP && a.State != config.Standby })
}

func (x *fold) closeWires() error {
	for s, row := range x.tx.Wire().All() {
		if x.stillProbed(s) {
			continue
		}
		if _, t := row.State.Close(x.now); t != nil && t.Loss != "" && row.Episode != 0 {
			r := incident.Record{What: incident.Unwatched, Subject: s, Bracket: reputation.Bracket{After: t.After, By: t.By}, Wire: &incident.Wire{Loss: t.Loss, Why: t.Why}}
			if err := x.shut(row.Episode, r); err != nil {
				return err
			}
		}
		if err := x.tx.Wire().Delete(s); err != nil {
			return err
		}
	}
	return x.tx.Err()
}

func (x *fold) closeFaults() error {
	for s, row := range x.tx.Faults().All() {
		if x.stillOurs(s) {
			continue
		}
		if row.Episode != 0 {
			fault := row.Fault
			if err := x.shut(row.Episode, incident.Record{What: incident.Unwatched, Subject: s, Bracket: reputation.Bracket{By: x.now}, Fault: &fault}); err != nil {
				return err
			}
		}
		if err := x.tx.Faults().Delete(s); err != nil {
			return err
		}
	}
	return x.tx.Err()
}

// stillOurs: the part of our own side, or of our seeing, is configured.
func (x *fold) stillOurs(s reputation.Subject) bool {
	sends := func(text string) bool {
		ip, err := netip.ParseAddr(text)
		return err == nil && slices.ContainsFunc(x.cfg.Addresses, func(a config.Address) bool { return a.IP == ip })
	}
	switch {
	case s.Kind == reputation.KindOwn && s.IP.IsValid():
		return sends(s.Who())
	case s.Kind == reputation.KindOwn:
		return slices.Contains(x.cfg.OwnMX, s.Domain)
	case s.Domain == "port25", s.Domain == "address":
		return sends(s.Target)
	case s.Domain == "control", s.Domain == "control-listed":
		return slices.ContainsFunc(x.cfg.Control, func(c config.Control) bool { return c.Name == s.Target })
	case s.Domain == "notifier":
		return x.configured(s.Target) || s.Target == notify.ButtonsName
	}
	return true
}

const knownNotifiers = "notifiers"

// configured: the notifier is wanted, whether it can be used or not.
func (x *fold) configured(name string) bool {
	return slices.Contains(x.notifiers, name) || slices.Contains(x.broken, name)
}

// notifierRows drops what waits for notifiers that are no longer configured.
func (x *fold) notifierRows() error {
	known, err := x.knownNotifiers()
	if err != nil {
		return err
	}
	for _, name := range known {
		if x.configured(name) {
			continue
		}
		n := 0
		for _, q := range slices.Collect(x.tx.Pending(name)) {
			n++
			if err := x.tx.DropPending(name, q.Seq); err != nil {
				return err
			}
		}
		if n > 0 {
			x.log.Warn("a notifier is no longer configured; what waited for it is dropped", "notifier", name, "alerts", n)
		}
	}
	raw, err := json.Marshal(slices.Concat(x.notifiers, x.broken))
	if err != nil {
		return err
	}
	return x.tx.Settings().Put(knownNotifiers, raw)
}

func (x *fold) knownNotifiers() (names []string, err error) {
	raw, ok, err := x.tx.Settings().Get(knownNotifiers)
	if err != nil || !ok {
		return nil, err
	}
	return names, json.Unmarshal(raw, &names)
}

// introduce tells notifiers what is open, was told to others, and not to them: those
// that are new, and those that could not be used for a while.
func (x *fold) introduce() error {
	for i := range x.tx.OpenIncidents() {
		if !i.Told {
			continue
		}
		missed, err := x.missed(i.ID)
		if err != nil {
			return err
		}
		m, ok, err := x.tx.Messages().Get(i.ID)
		if err != nil {
			return err
		}
		if len(missed) == 0 || !ok {
			continue
		}
		a := incident.Alert{Incident: i.ID, Kind: incident.AlertOpened, At: x.now, Due: x.now, Key: string(incident.AlertOpened), Message: m}
		if _, err := x.tx.Enqueue(a, missed); err != nil {
			return err
		}
	}
	return x.tx.Err()
}

// missed are the notifiers that neither told of the incident nor are about to.
func (x *fold) missed(id string) (out []string, err error) {
	told, _, err := x.tx.Told().Get(id)
	if err != nil {
		return nil, err
	}
	about := map[string]bool{}
	for q := range x.tx.PendingOf(id) {
		about[q.Notifier] = true
	}
	for _, n := range x.notifiers {
		if told[n].IsZero() && !about[n] {
			out = append(out, n)
		}
	}
	return out, nil
}
