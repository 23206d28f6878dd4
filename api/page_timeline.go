package api

import (
	"cmp"
	"slices"
	"time"

	"repwatch/incident"
	"repwatch/reputation"
	"repwatch/store"
)

// Timeline is bad states over time: lists above, partners below.
type Timeline struct {
	Schema string     `json:"schema"`
	At     *time.Time `json:"at"`
	From   *time.Time `json:"from"`
	To     *time.Time `json:"to"`
	IP     string     `json:"ip"`      // the filter
	Name   string     `json:"partner"` // the filter: a partner or a list
	Rows   []TimeRow  `json:"rows"`    // lists, then partners; of each the one that was bad longest first
	More   int        `json:"more"`    // rows left out
}

// TimeRow is one list or partner.
type TimeRow struct {
	Kind string    `json:"kind"` // list or partner
	Name string    `json:"name"`
	Bars []TimeBar `json:"bars"` // the oldest first
	More int       `json:"more"` // bars left out
}

// TimeBar is one bad state: surely so from since to until.
type TimeBar struct {
	Subject  string     `json:"subject"`
	Words    string     `json:"words"`
	After    *time.Time `json:"after"` // it may have begun then; null: before we looked
	Since    *time.Time `json:"since"`
	EndAfter *time.Time `json:"end_after"`
	Until    *time.Time `json:"until"` // null: it lasts
	Incident string     `json:"incident"`
	Harmless bool       `json:"harmless"` // no accusation
}

// Rows and bars shown at most: what is left out is counted.
const (
	rowsShown = 40
	barsShown = 400
)

// TimelineFilter says what is wanted.
type TimelineFilter struct {
	From, To time.Time
	IP       string // of one sending address or domain
	Name     string // of one partner or list
}

// TimelineOf builds the document. It reads the journal from f.From on, so a short
// span of a long past costs what a short past does.
func TimelineOf(tx *store.Tx, now time.Time, f TimelineFilter) (Timeline, error) {
	doc := Timeline{Schema: Schema("timeline"), At: utc(now), From: utc(f.From), To: utc(f.To), IP: f.IP, Name: f.Name, Rows: []TimeRow{}}
	rows := map[[2]string]*TimeRow{}
	seen := map[uint64]bool{}
	add := func(e incident.Episode) {
		if seen[e.ID] || !f.wants(e) {
			return
		}
		seen[e.ID] = true
		kind := "list"
		if e.Subject.Kind == reputation.KindWire {
			kind = "partner"
		}
		key := [2]string{kind, e.Subject.Target}
		if rows[key] == nil {
			rows[key] = &TimeRow{Kind: kind, Name: e.Subject.Target, Bars: []TimeBar{}}
		}
		rows[key].Bars = append(rows[key].Bars, barOf(e))
	}
	for e := range tx.OpenEpisodes() {
		add(e)
	}
	for r := range tx.Journal(f.From, time.Time{}) {
		if r.Episode == 0 || seen[r.Episode] || r.Subject.Kind != reputation.KindListing && r.Subject.Kind != reputation.KindWire {
			continue
		}
		if f.IP != "" && r.Subject.Who() != f.IP || f.Name != "" && r.Subject.Target != f.Name {
			continue
		}
		e, ok, err := tx.Episodes().Get(r.Episode)
		if err != nil {
			return doc, err
		}
		if ok {
			add(e)
		}
	}
	doc.arrange(rows, now)
	return doc, tx.Err()
}

func (f TimelineFilter) wants(e incident.Episode) bool {
	if e.Subject.Kind != reputation.KindListing && e.Subject.Kind != reputation.KindWire {
		return false
	}
	end := cmp.Or(e.End.By, e.Ended)
	return (f.IP == "" || e.Subject.Who() == f.IP) && (f.Name == "" || e.Subject.Target == f.Name) &&
		e.Begin.By.Before(f.To) && (end.IsZero() || !end.Before(f.From))
}

func barOf(e incident.Episode) TimeBar {
	return TimeBar{Subject: e.Subject.String(), Words: episodeWords(e), After: utc(e.Begin.After), Since: utc(e.Begin.By), EndAfter: utc(e.End.After),
		Until: utc(cmp.Or(e.End.By, e.Ended)), Incident: e.Incident, Harmless: e.Listing != nil && !e.Listing.Accuses()}
}

func (doc *Timeline) arrange(rows map[[2]string]*TimeRow, now time.Time) {
	length := map[[2]string]time.Duration{}
	for key, row := range rows {
		slices.SortFunc(row.Bars, func(a, b TimeBar) int { return cmp.Or(a.Since.Compare(*b.Since), cmp.Compare(a.Subject, b.Subject)) })
		for _, b := range row.Bars {
			if !b.Harmless {
				length[key] += cmp.Or(b.Until, utc(now)).Sub(*b.Since)
			}
		}
		if over := len(row.Bars) - barsShown; over > 0 {
			row.Bars, row.More = row.Bars[over:], over
		}
		doc.Rows = append(doc.Rows, *row)
	}
	slices.SortFunc(doc.Rows, func(a, b TimeRow) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(length[[2]string{b.Kind, b.Name}], length[[2]string{a.Kind, a.Name}]), cmp.Compare(a.Name, b.Name))
	})
	shown := map[string]int{}
	doc.Rows = slices.DeleteFunc(doc.Rows, func(r TimeRow) bool {
		if shown[r.Kind]++; shown[r.Kind] > rowsShown {
			doc.More++
			return true
		}
		return false
	})
}
