package api

import (
	"cmp"
	"slices"
	"time"

	"repwatch/config"
	"repwatch/reputation"
	"repwatch/store"
)

// Ledger is which mail servers were visited, so that nobody has to take our
// politeness on trust.
type Ledger struct {
	Schema   string     `json:"schema"`
	At       *time.Time `json:"at"`
	Since    *time.Time `json:"since"`
	Cap      int        `json:"per_provider_day"` // 0: no limit
	Lanes    []Lane     `json:"lanes"`
	Sessions []Session  `json:"sessions"` // the latest first
	More     int        `json:"more"`     // older ones since then that were left out
}

// Lane is what one sender opened at one provider.
type Lane struct {
	Provider  string     `json:"provider"`
	From      string     `json:"from"`
	Day       int        `json:"last_24h"`
	Sessions  int        `json:"sessions"`   // since the beginning of the document
	SlowDowns int        `json:"slow_downs"` // they said that we come too often
	Last      *time.Time `json:"last"`
	Partners  []string   `json:"partners"`
}

// Session is one connection that was opened.
type Session struct {
	Opened   *time.Time         `json:"opened"`
	Closed   *time.Time         `json:"closed"` // null: under way, or cut off by our end
	Provider string             `json:"provider"`
	From     string             `json:"from"`
	To       *string            `json:"to"`
	Partner  string             `json:"partner"`
	Why      string             `json:"why"`
	Outcome  reputation.Outcome `json:"outcome"`
	SlowDown bool               `json:"slow_down"`
}

// SessionsShown bounds the sessions told one by one.
const SessionsShown = 200

// LedgerOf builds the document.
func LedgerOf(tx *store.Tx, cfg *config.Loaded, now, since time.Time) (Ledger, error) {
	doc := Ledger{Schema: Schema("ledger"), At: utc(now), Since: utc(since), Cap: cfg.Probes.PerProviderDay, Lanes: []Lane{}, Sessions: []Session{}}
	day := now.Add(-24 * time.Hour)
	from := day
	if since.Before(from) {
		from = since
	}
	lanes := map[[2]string]*Lane{}
	for e := range tx.Sessions(from, time.Time{}) {
		key := [2]string{e.Provider, e.From}
		lane := lanes[key]
		if lane == nil {
			lane = &Lane{Provider: providerName(e.Provider), From: e.From, Partners: []string{}}
			lanes[key] = lane
		}
		if !e.Opened.Before(day) {
			lane.Day++
		}
		lane.Last = utc(e.Opened)
		if e.SlowDown {
			lane.SlowDowns++
		}
		if e.Partner != "" && !slices.Contains(lane.Partners, e.Partner) {
			lane.Partners = append(lane.Partners, e.Partner)
		}
		if e.Opened.Before(since) {
			continue
		}
		lane.Sessions++
		s := Session{Opened: utc(e.Opened), Closed: utc(e.Closed), Provider: lane.Provider, From: e.From, Partner: e.Partner, Why: e.Why, Outcome: e.Outcome, SlowDown: e.SlowDown}
		if e.To.IsValid() {
			s.To = orNull(e.To.String())
		}
		doc.Sessions = append(doc.Sessions, s)
	}
	slices.Reverse(doc.Sessions)
	if over := len(doc.Sessions) - SessionsShown; over > 0 {
		doc.More, doc.Sessions = over, doc.Sessions[:SessionsShown]
	}
	for _, lane := range lanes {
		doc.Lanes = append(doc.Lanes, *lane)
	}
	slices.SortFunc(doc.Lanes, func(a, b Lane) int {
		return cmp.Or(cmp.Compare(b.Day, a.Day), cmp.Compare(a.Provider, b.Provider), cmp.Compare(a.From, b.From))
	})
	return doc, tx.Err()
}
