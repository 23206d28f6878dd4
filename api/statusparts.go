package api

import (
	"cmp"
	"slices"
	"time"

	"repwatch/checks/dnsbl"
	"repwatch/checks/smtp"
	"repwatch/config"
	"repwatch/reputation"
	"repwatch/store"
)

// A sure answer within this many intervals counts as lately; never less than the
// floor, for a look takes its time.
const (
	lateAfter = 3
	lateFloor = time.Hour
)

func lately(now, sure time.Time, interval time.Duration) bool {
	return !sure.IsZero() && now.Sub(sure) <= max(lateAfter*interval, lateFloor)
}

// ListStatus is how one list in use stands.
type ListStatus struct {
	ID       string            `json:"id"`
	Impact   reputation.Impact `json:"impact"`
	Health   string            `json:"health"` // ok, suspended, untested, retired; empty: not asked yet
	Why      string            `json:"why"`
	Since    *time.Time        `json:"since"` // of this health
	Tested   *time.Time        `json:"tested"`
	Sure     *time.Time        `json:"sure"` // end of the last sweep with a sure answer
	Told     bool              `json:"told"` // lately
	Subjects int               `json:"subjects"`
	Listed   int               `json:"listed"`
	Unknown  int               `json:"unknown"` // subjects that the last sweep could not tell
	// Interval is the real one; Wanted what the schedule asks for.
	Interval int `json:"interval_seconds"`
	Wanted   int `json:"wanted_seconds"`
	Spent    int `json:"spent_today"`
	PerDay   int `json:"per_day"` // 0: no limit
}

// listStatus tells of the lists in use that take something of ours.
func listStatus(tx *store.Tx, cfg *config.Loaded, now time.Time) ([]ListStatus, error) {
	listed := map[string]int{}
	for s, l := range tx.Listings().All() {
		if l.Accuses() {
			listed[s.Target]++
		}
	}
	points, want := cfg.Points(), cfg.Schedule.Blocklists.Every(now)
	out := []ListStatus{}
	for _, l := range cfg.Lists {
		subjects := 0
		for _, p := range points {
			if l.Takes(p) {
				subjects++
			}
		}
		if subjects == 0 {
			continue
		}
		row, _, err := tx.Lists().Get(l.ID)
		if err != nil {
			return nil, err
		}
		s := ListStatus{ID: l.ID, Impact: l.Impact, Health: row.Health, Why: row.Why, Since: utc(row.Since), Tested: utc(row.Tested), Sure: utc(row.SureEnded),
			Subjects: subjects, Listed: listed[l.ID], Unknown: len(row.Stale), Wanted: int(want.Seconds())}
		if !row.LostAt.IsZero() {
			s.Unknown = subjects // nothing at all
		}
		real := cmp.Or(row.Interval, l.Interval(subjects, want))
		s.Interval = int(real.Seconds())
		_, s.PerDay = l.Limits()
		if s.Spent, err = spentToday(tx, l, now); err != nil {
			return nil, err
		}
		s.Told = s.Health != string(dnsbl.HealthSuspended) && lately(now, row.SureEnded, real)
		out = append(out, s)
	}
	slices.SortStableFunc(out, func(a, b ListStatus) int {
		return cmp.Or(compareBool(a.Told, b.Told), -compareBool(a.Listed > 0, b.Listed > 0))
	})
	return out, nil
}

func spentToday(tx *store.Tx, l *dnsbl.List, now time.Time) (int, error) {
	b, _, err := tx.Budgets().Get(l.ID)
	if b.Day != now.Unix()/86400 {
		return 0, err
	}
	return b.Spent, err
}

// PartnerStatus is how one partner treats us.
type PartnerStatus struct {
	Partner  string `json:"partner"`
	Provider string `json:"provider"`
	Told     bool   `json:"told"` // of at least one pair, lately
	Lost     int    `json:"lost"` // pairs
	Pairs    []Pair `json:"pairs"`
	Control  []Pair `json:"control"`
}

// Pair is one sending address, or control, at a partner.
type Pair struct {
	From     string             `json:"from"`
	Standing string             `json:"standing"` // good, lost, or new: no baseline yet
	Loss     string             `json:"loss"`
	Outcome  reputation.Outcome `json:"outcome"` // of the last look
	Why      string             `json:"why"`
	Sure     *time.Time         `json:"sure"` // the last sure answer
	Looked   *time.Time         `json:"looked"`
	Failed   int                `json:"failed"` // looks since then without one
	Flapping *time.Time         `json:"flapping_since"`
	SeenIP   *string            `json:"seen_ip"` // where it is not the address meant
	NotAfter *time.Time         `json:"not_after"`
}

func partnerStatus(tx *store.Tx, cfg *config.Loaded, now time.Time) []PartnerStatus {
	rows := map[string]*PartnerStatus{}
	order := []string{}
	for _, p := range cfg.Partners {
		rows[p.Name()] = &PartnerStatus{Partner: p.Name(), Pairs: []Pair{}, Control: []Pair{}}
		order = append(order, p.Name())
	}
	every := cfg.Schedule.Partners.Every(now)
	for s, w := range tx.Glances() {
		row := rows[s.Target]
		if row == nil {
			continue // no longer watched
		}
		row.Provider = first(row.Provider, providerName(w.Provider))
		if s.Kind == reputation.KindControl {
			row.Control = append(row.Control, pairOf(s, w))
			continue
		}
		row.Pairs = append(row.Pairs, pairOf(s, w))
		if w.Standing == smtp.StandingLost {
			row.Lost++
		}
		row.Told = row.Told || lately(now, w.LastSure, cmp.Or(w.Interval, every))
	}
	out := make([]PartnerStatus, 0, len(order))
	for _, name := range order {
		out = append(out, *rows[name])
	}
	slices.SortStableFunc(out, func(a, b PartnerStatus) int {
		return cmp.Or(-compareBool(a.Lost > 0, b.Lost > 0), compareBool(a.Told, b.Told))
	})
	return out
}

func pairOf(s reputation.Subject, w store.Glance) Pair {
	return Pair{From: s.Who(), Standing: cmp.Or(string(w.Standing), "new"), Loss: string(w.Loss), Outcome: w.Outcome, Why: w.Why,
		Sure: utc(w.LastSure), Looked: utc(w.LastLook), Failed: w.Failed, Flapping: utc(w.FlappingSince), SeenIP: orNull(w.SeenIP), NotAfter: utc(w.NotAfter)}
}

// NotifierStatus is how one notifier does.
type NotifierStatus struct {
	Notifier string     `json:"notifier"`
	Down     bool       `json:"down"`
	Pending  int        `json:"pending"` // alerts that are due and wait
	Oldest   *time.Time `json:"oldest"`  // of these
	Why      string     `json:"why"`
	LastOK   *time.Time `json:"last_ok"`
	Failed   *time.Time `json:"last_failure"`
	Failures int        `json:"failures"` // in a row
}

func notifierStatus(tx *store.Tx, in StatusInput) []NotifierStatus {
	known := map[string]store.Notifier{}
	if in.Runtime != nil {
		for _, name := range in.Runtime.Notifiers {
			known[name] = store.Notifier{}
		}
	}
	for name, n := range tx.Notifiers().All() {
		if _, configured := known[name]; configured || in.Runtime == nil {
			known[name] = n
		}
	}
	out := []NotifierStatus{}
	for name, n := range known {
		s := NotifierStatus{Notifier: name, Down: n.Down, Why: n.Why, LastOK: utc(n.LastOK), Failed: utc(n.LastFailure), Failures: n.Failures}
		for q := range tx.Pending(name) {
			if q.Due.After(in.Now) {
				continue
			}
			if s.Pending++; s.Oldest == nil {
				s.Oldest = utc(q.At)
			}
		}
		out = append(out, s)
	}
	slices.SortFunc(out, func(a, b NotifierStatus) int {
		return cmp.Or(-compareBool(a.Down, b.Down), cmp.Compare(a.Notifier, b.Notifier))
	})
	return out
}
