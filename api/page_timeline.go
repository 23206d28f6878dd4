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
	Kind    string    `json:"kind"` // list or partner
	Name    string    `json:"name"`
	Bars    []TimeBar `json:"bars"`    // the oldest first
	Unknown []TimeGap `json:"unknown"` // when nothing sure could be said of it
	More    int       `json:"more"`    // bars left out
}

// TimeBar is one bad state: surely so from since to end_after, perhaps from after to until.
type TimeBar struct {
	Subject  string     `json:"subject"`
	Words    string     `json:"words"`
	After    *time.Time `json:"after"` // it may have begun then; null: before we looked
	Since    *time.Time `json:"since"`
	EndAfter *time.Time `json:"end_after"` // last seen so; null: not known
	Until    *time.Time `json:"until"`     // null: it lasts
	Incident string     `json:"incident"`
	Cause    Blame      `json:"cause"`
	Harmless bool       `json:"harmless"` // no accusation
}

// TimeGap is time in which a list was not believed, or we could not see.
type TimeGap struct {
	From *time.Time `json:"from"`
	To   *time.Time `json:"to"`
	Why  string     `json:"why"`
}

// Blame is on whose side the cause of a bad state lies, as an incident.Whose says it;
// or harmless.
type Blame = incident.Whose

// Who is to blame.
const (
	Ours           = incident.Ours
	Theirs         = incident.Theirs
	Path           = incident.Path
	Unclear        = incident.Unclear
	Harmless Blame = "harmless" // a listing that broke nothing
)

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
	b := timeline{tx: tx, now: now, f: f, rows: map[[2]string]*TimeRow{}, causes: map[string]Blame{}, seen: map[uint64]bool{}}
	if err := b.read(); err != nil {
		return Timeline{}, err
	}
	doc := Timeline{Schema: Schema("timeline"), At: utc(now), From: utc(f.From), To: utc(f.To), IP: f.IP, Name: f.Name, Rows: []TimeRow{}}
	b.gaps()
	doc.arrange(b.rows, now)
	return doc, tx.Err()
}

// timeline is one being built.
type timeline struct {
	tx     *store.Tx
	now    time.Time
	f      TimelineFilter
	rows   map[[2]string]*TimeRow
	causes map[string]Blame // by incident
	seen   map[uint64]bool  // episodes
	blind  map[string][]TimeGap
}

func (b *timeline) read() error {
	b.blind = suspensions(b.tx, b.now)
	for e := range b.tx.OpenEpisodes() {
		if err := b.add(e); err != nil {
			return err
		}
	}
	for r := range b.tx.Journal(b.f.From, time.Time{}) {
		if r.Episode == 0 || b.seen[r.Episode] || !b.f.mayWant(r.Subject) {
			continue
		}
		e, ok, err := b.tx.Episodes().Get(r.Episode)
		if err == nil && ok {
			err = b.add(e)
		}
		if err != nil {
			return err
		}
	}
	return b.tx.Err()
}

func (b *timeline) add(e incident.Episode) error {
	b.seen[e.ID] = true
	if e.Subject.Kind == reputation.KindHealth {
		b.blinded(e)
		return nil
	}
	if !b.f.wants(e) {
		return nil
	}
	cause, err := b.blame(e)
	if err != nil {
		return err
	}
	bar := barOf(e, cause)
	if e.Open() {
		if bar.EndAfter, err = b.lastSeen(e); err != nil {
			return err
		}
	}
	kind := "list"
	if e.Subject.Kind == reputation.KindWire {
		kind = "partner"
	}
	row := b.row(kind, e.Subject.Target)
	row.Bars = append(row.Bars, bar)
	return nil
}

func (b *timeline) row(kind, name string) *TimeRow {
	key := [2]string{kind, name}
	if b.rows[key] == nil {
		b.rows[key] = &TimeRow{Kind: kind, Name: name, Bars: []TimeBar{}, Unknown: []TimeGap{}}
	}
	return b.rows[key]
}

// blame is by the verdict of the incident that an episode is in.
func (b *timeline) blame(e incident.Episode) (Blame, error) {
	if e.Listing != nil && (!e.Listing.Accuses() || e.Incident == "") {
		return Harmless, nil
	}
	if cause, ok := b.causes[e.Incident]; ok || e.Incident == "" {
		return cmp.Or(cause, Unclear), nil
	}
	i, _, err := b.tx.Incidents().Get(e.Incident)
	b.causes[e.Incident] = BlameOf(i)
	return b.causes[e.Incident], err
}

// BlameOf says on whose side the cause of an incident lies.
func BlameOf(i incident.Incident) Blame {
	if i.Verdict == incident.JustListed {
		return Harmless
	}
	return i.Whose()
}

// lastSeen is when what lasts was last seen to be so.
func (b *timeline) lastSeen(e incident.Episode) (*time.Time, error) {
	if e.Subject.Kind == reputation.KindWire {
		w, _, err := b.tx.Wire().Get(e.Subject)
		return utc(w.LastSure), err
	}
	l, _, err := b.tx.Lists().Get(e.Subject.Target)
	return utc(l.SureEnded), err
}

func (f TimelineFilter) mayWant(s reputation.Subject) bool {
	switch s.Kind {
	case reputation.KindHealth:
		return true
	case reputation.KindListing, reputation.KindWire:
		return (f.IP == "" || s.Who() == f.IP) && (f.Name == "" || s.Target == f.Name)
	}
	return false
}

func (f TimelineFilter) wants(e incident.Episode) bool {
	if !f.mayWant(e.Subject) {
		return false
	}
	end := cmp.Or(e.End.By, e.Ended)
	return e.Begin.By.Before(f.To) && (end.IsZero() || !end.Before(f.From))
}

func barOf(e incident.Episode, cause Blame) TimeBar {
	return TimeBar{Subject: e.Subject.String(), Words: episodeWords(e), After: utc(e.Begin.After), Since: utc(e.Begin.By), EndAfter: utc(e.End.After),
		Until: utc(cmp.Or(e.End.By, e.Ended)), Incident: e.Incident, Cause: cause, Harmless: e.Listing != nil && !e.Listing.Accuses()}
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
		row.Unknown = row.Unknown[max(0, len(row.Unknown)-barsShown):]
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
