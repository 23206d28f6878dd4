package api

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"repwatch/config"
	"repwatch/incident"
	"repwatch/reputation"
	"repwatch/store"
)

// Status is how everything stands: what is wrong, then how well we can tell.
type Status struct {
	Schema    string           `json:"schema"`
	At        *time.Time       `json:"at"`
	Words     string           `json:"words"`  // whether something is wrong, in one sentence
	Daemon    *Daemon          `json:"daemon"` // null: none runs
	Success   *time.Time       `json:"last_success"`
	Incidents OpenIncidents    `json:"incidents"`
	Coverage  Told             `json:"coverage"`
	Lists     []ListStatus     `json:"lists"`    // those in trouble first
	Partners  []PartnerStatus  `json:"partners"` // those in trouble first
	Notifiers []NotifierStatus `json:"notifiers"`
	Store     StoreStatus      `json:"store"`
}

// Daemon is the running daemon's own part.
type Daemon struct {
	Version      string     `json:"version"`
	PID          int        `json:"pid"`
	Since        *time.Time `json:"since"`
	ConfigFile   string     `json:"config"`
	Reloaded     *time.Time `json:"reloaded"`
	ReloadFailed *time.Time `json:"reload_failed"`
	ReloadError  string     `json:"reload_error"`
	Next         []NextLook `json:"next"`
	UnderWay     int        `json:"under_way"`
	Watchdog     int        `json:"watchdog_seconds"`
	Problems     []string   `json:"problems"`
}

// OpenIncidents sums up what is open.
type OpenIncidents struct {
	Open   int               `json:"open"`
	InHand int               `json:"in_hand"` // acknowledged or snoozed
	Impact reputation.Impact `json:"impact"`  // the worst
	Rows   []OpenIncident    `json:"rows"`    // the worst first
}

// OpenIncident is one that is open.
type OpenIncident struct {
	ID     string            `json:"id"`
	Kind   incident.Kind     `json:"kind"`
	Impact reputation.Impact `json:"impact"`
	Words  string            `json:"words"`
	Opened *time.Time        `json:"opened"`
	InHand bool              `json:"in_hand"`
	Next   string            `json:"next"` // the first thing to do
}

// Told counts the lists and partners that gave a sure answer lately: within three
// of their intervals.
type Told struct {
	Lists        int `json:"lists"`
	ListsTold    int `json:"lists_told"`
	Suspended    int `json:"suspended"`
	Untested     int `json:"untested"`
	Partners     int `json:"partners"`
	PartnersTold int `json:"partners_told"`
}

// StoreStatus is how the one file does.
type StoreStatus struct {
	Path    string     `json:"path"`
	Bytes   int64      `json:"bytes"`
	Records uint64     `json:"records"` // of the journal, in all
	Oldest  *time.Time `json:"oldest"`
}

// StatusInput is what the store does not say of itself.
type StatusInput struct {
	Now     time.Time
	Runtime *Runtime // nil: no daemon runs
	Path    string
	Bytes   int64
}

// StatusOf builds the document.
func StatusOf(tx *store.Tx, cfg *config.Loaded, in StatusInput) (Status, error) {
	doc := Status{Schema: Schema("status"), At: utc(in.Now), Daemon: daemonOf(in.Runtime),
		Store: StoreStatus{Path: in.Path, Bytes: in.Bytes, Records: tx.LastSeq()}}
	for r := range tx.Journal(time.Time{}, time.Time{}) {
		doc.Store.Oldest = utc(r.At)
		break
	}
	var err error
	if doc.Incidents, err = openIncidents(tx, in.Now); err != nil {
		return doc, err
	}
	if doc.Lists, err = listStatus(tx, cfg, in.Now); err != nil {
		return doc, err
	}
	doc.Partners = partnerStatus(tx, cfg, in.Now)
	doc.Notifiers = notifierStatus(tx, in)
	doc.Coverage = doc.told()
	doc.Success = doc.lastSuccess()
	doc.Words = doc.words()
	return doc, tx.Err()
}

func daemonOf(r *Runtime) *Daemon {
	if r == nil {
		return nil
	}
	next := []NextLook{}
	for _, n := range r.Next {
		next = append(next, NextLook{What: n.What, At: *utc(n.At)})
	}
	return &Daemon{Version: r.Version, PID: r.PID, Since: utc(r.Started), ConfigFile: r.ConfigFile, Reloaded: utc(r.Reloaded), ReloadFailed: utc(r.ReloadFailed),
		ReloadError: r.ReloadError, Next: next, UnderWay: r.UnderWay, Watchdog: int(r.Watchdog.Seconds()), Problems: orEmpty(r.Problems)}
}

func openIncidents(tx *store.Tx, now time.Time) (OpenIncidents, error) {
	out := OpenIncidents{Rows: []OpenIncident{}}
	open := slices.SortedFunc(tx.OpenIncidents(), worstFirst)
	for _, i := range open {
		m, _, err := tx.Messages().Get(i.ID)
		if err != nil {
			return out, err
		}
		row := OpenIncident{ID: i.ID, Kind: i.Kind, Impact: i.Impact, Words: m.Title, Opened: utc(i.Opened),
			InHand: !i.AckedAt.IsZero() || i.SnoozedToEnd || now.Before(i.SnoozedUntil)}
		if len(i.Next) > 0 {
			row.Next = i.Next[0]
		}
		out.Open++
		if row.InHand {
			out.InHand++
		}
		out.Impact = max(out.Impact, i.Impact)
		out.Rows = append(out.Rows, row)
	}
	return out, nil
}

func (s *Status) told() Told {
	t := Told{Lists: len(s.Lists), Partners: len(s.Partners)}
	for _, l := range s.Lists {
		switch {
		case l.Health == "suspended":
			t.Suspended++
		case l.Health == "untested":
			t.Untested++
		}
		if l.Told {
			t.ListsTold++
		}
	}
	for _, p := range s.Partners {
		if p.Told {
			t.PartnersTold++
		}
	}
	return t
}

// lastSuccess is when the last sure answer came.
func (s *Status) lastSuccess() *time.Time {
	var last time.Time
	for _, l := range s.Lists {
		if l.Sure != nil && l.Sure.After(last) {
			last = *l.Sure
		}
	}
	for _, p := range s.Partners {
		for _, pair := range p.Pairs {
			if pair.Sure != nil && pair.Sure.After(last) {
				last = *pair.Sure
			}
		}
	}
	return utc(last)
}

// words is the first line that people read.
func (s *Status) words() string {
	n := s.Incidents.Open
	switch {
	case n == 1:
		return "1 incident is open: " + s.Incidents.Rows[0].Words
	case n > 1:
		return fmt.Sprintf("%d incidents are open, the worst of impact %s", n, s.Incidents.Impact)
	case s.Exit() == ExitUnknown:
		return "too little is known: " + s.Coverage.String()
	default:
		return "nothing is wrong as far as we can tell: " + s.Coverage.String()
	}
}

// String is the coverage in words.
func (t Told) String() string {
	s := fmt.Sprintf("%d of %d lists", t.ListsTold, t.Lists)
	if t.Partners > 0 {
		s += fmt.Sprintf(" and %d of %d partners", t.PartnersTold, t.Partners)
	}
	return s + " gave a sure answer lately"
}

// Exit is 1 when incidents are open, 3 when under half of the lists, or of the
// partners, gave a sure answer lately.
func (s *Status) Exit() int {
	if s.Incidents.Open > 0 {
		return ExitFinding
	}
	lists, partners := ExitOK, ExitOK
	if s.Coverage.Lists > 0 {
		lists = exit(0, s.Coverage.ListsTold, s.Coverage.Lists)
	}
	if s.Coverage.Partners > 0 {
		partners = exit(0, s.Coverage.PartnersTold, s.Coverage.Partners)
	}
	if s.Coverage.Lists+s.Coverage.Partners == 0 {
		return ExitUnknown
	}
	return cmp.Or(lists, partners)
}

// ToldSince reports whether a look has told something since t.
func ToldSince(tx *store.Tx, t time.Time) (bool, error) {
	for _, l := range tx.Lists().All() {
		if l.SureEnded.After(t) {
			return true, nil
		}
	}
	for _, w := range tx.Glances() {
		if w.LastSure.After(t) {
			return true, nil
		}
	}
	return false, tx.Err()
}
