package api

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"time"

	"repwatch/correlate"
	"repwatch/incident"
	"repwatch/reputation"
	"repwatch/store"
)

// Incidents are those open, the worst first, then those over, the latest first.
type Incidents struct {
	Schema    string     `json:"schema"`
	At        *time.Time `json:"at"`
	Open      int        `json:"open"` // in all, whatever the filter shows
	Incidents []Incident `json:"incidents"`
	More      int        `json:"more"` // how many the limit left out
	Next      *string    `json:"next"` // cursor of the next page; null: there is none
}

// Incident is one cause and all it did.
type Incident struct {
	ID          string            `json:"id"`
	Kind        incident.Kind     `json:"kind"`
	Status      incident.Status   `json:"status"`
	Verdict     *string           `json:"verdict"` // null for kinds own and health
	Confidence  *float64          `json:"confidence"`
	Word        *string           `json:"word"` // confirmed, likely or possible
	Provisional bool              `json:"provisional"`
	Impact      reputation.Impact `json:"impact"`
	Words       string            `json:"words"` // what happened, to whom: the title of its message

	// The root's, null where it has none or many; then what any of its episodes is about.
	List     *string  `json:"list"`
	Lists    []string `json:"lists"`
	IP       *string  `json:"ip"`
	IPs      []string `json:"ips"`
	Partner  *string  `json:"partner"`
	Partners []string `json:"partners"`
	Fault    *string  `json:"fault"`

	Lost []Lost `json:"lost"`

	Opened       *time.Time `json:"opened"`
	Resolved     *time.Time `json:"resolved"`
	Updated      *time.Time `json:"updated"`
	AckedAt      *time.Time `json:"acked_at"`
	AckedBy      *string    `json:"acked_by"`
	SnoozedUntil *time.Time `json:"snoozed_until"`
	SnoozedToEnd bool       `json:"snoozed_to_end"`
	ClosedBy     *string    `json:"closed_by"`
	Reason       *string    `json:"reason"` // a person's, at the last action
	Merged       *string    `json:"merged"` // the incident it turned out to be part of
	Maintenance  *string    `json:"maintenance"`

	Evidence  []string   `json:"evidence"`
	Next      []string   `json:"next"`
	Forecasts []Foretold `json:"forecasts"`
	Said      []Said     `json:"said"`
	Alerts    []Alert    `json:"alerts"`
}

// Lost is one pair that lost something.
type Lost struct {
	IP           string     `json:"ip"`
	Partner      string     `json:"partner"`
	Loss         string     `json:"loss"`
	Capabilities []string   `json:"capabilities"` // that went
	After        *time.Time `json:"after"`        // it was fine then; null: never seen so
	Since        *time.Time `json:"since"`        // first seen lost
	Until        *time.Time `json:"until"`        // first seen back; null: it lasts
	Unwatched    bool       `json:"unwatched"`    // until is when we ceased to look, not when it came back
}

// Foretold is a partner that will probably react to a listing.
type Foretold struct {
	Partner string     `json:"partner"`
	List    string     `json:"list"`
	IP      string     `json:"ip"`
	P       float64    `json:"p"`
	From    *time.Time `json:"from"`
	To      *time.Time `json:"to"`
	Record  string     `json:"record"` // "4 of 4"
}

// Said is one piece of news.
type Said struct {
	At   *time.Time `json:"at"`
	Text string     `json:"text"`
}

// Alert is what one notifier delivered of an incident, or is still to deliver.
type Alert struct {
	Notifier string             `json:"notifier"`
	Kind     incident.AlertKind `json:"kind"`
	At       *time.Time         `json:"at"`    // sent: when it was first delivered; else when it was written
	State    string             `json:"state"` // sent, pending or failing
	Why      string             `json:"why"`   // failing: the last attempt's reason
}

// IncidentFilter says which incidents are wanted.
type IncidentFilter struct {
	OpenOnly bool
	All      bool      // all that are over too, and those merged into others
	Since    time.Time // without All: over since then
	Limit    int       // 0: no limit
	Cursor   string    // continue after this incident
}

// Recently is how far back incidents that are over are shown by default.
const Recently = 7 * 24 * time.Hour

// IncidentsOf builds the document.
func IncidentsOf(tx *store.Tx, now time.Time, f IncidentFilter) (Incidents, error) {
	doc := Incidents{Schema: Schema("incidents"), At: utc(now), Incidents: []Incident{}}
	var chosen []incident.Incident
	for _, i := range tx.Incidents().All() {
		if i.Status == incident.Open {
			doc.Open++
		}
		if f.wants(i) {
			chosen = append(chosen, i)
		}
	}
	slices.SortFunc(chosen, worstFirst)
	chosen, err := f.page(chosen, &doc)
	if err != nil {
		return doc, err
	}
	pending, err := pendingRows(tx)
	if err != nil {
		return doc, err
	}
	for _, i := range chosen {
		one, err := incidentOf(tx, i, pending)
		if err != nil {
			return doc, err
		}
		doc.Incidents = append(doc.Incidents, one)
	}
	return doc, tx.Err()
}

func (f IncidentFilter) wants(i incident.Incident) bool {
	switch {
	case i.Status == incident.Open:
		return true
	case f.OpenOnly:
		return false
	case f.All:
		return true
	default:
		return i.Merged == "" && !i.Resolved.Before(f.Since)
	}
}

// page cuts out what was asked for, and says what is left.
func (f IncidentFilter) page(all []incident.Incident, doc *Incidents) ([]incident.Incident, error) {
	if f.Cursor != "" {
		at := slices.IndexFunc(all, func(i incident.Incident) bool { return i.ID == f.Cursor })
		if at < 0 {
			return nil, fmt.Errorf("%w: #%s is not in it any more\n  hint: ask for the first page again", ErrCursor, f.Cursor)
		}
		all = all[at+1:]
	}
	if f.Limit > 0 && len(all) > f.Limit {
		doc.More = len(all) - f.Limit
		all = all[:f.Limit]
		doc.Next = &all[f.Limit-1].ID
	}
	return all, nil
}

// worstFirst: open before over; among the open what nobody has in hand first, then
// by impact, then the latest; among the others the latest end.
func worstFirst(a, b incident.Incident) int {
	aOpen, bOpen := a.Status == incident.Open, b.Status == incident.Open
	switch {
	case aOpen != bOpen:
		return -compareBool(aOpen, bOpen)
	case !aOpen:
		return cmp.Or(b.Resolved.Compare(a.Resolved), compareID(b.ID, a.ID))
	default:
		return cmp.Or(compareBool(!a.AckedAt.IsZero(), !b.AckedAt.IsZero()), cmp.Compare(b.Impact, a.Impact),
			b.Opened.Compare(a.Opened), compareID(b.ID, a.ID))
	}
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	default:
		return -1
	}
}

// compareID orders numbers as numbers.
func compareID(a, b string) int {
	x, _ := strconv.ParseUint(a, 10, 64)
	y, _ := strconv.ParseUint(b, 10, 64)
	return cmp.Or(cmp.Compare(x, y), cmp.Compare(a, b))
}

// pendingRows is the outbox by incident, each in its order. It is read once for a
// document: its rows are kept by notifier.
func pendingRows(tx *store.Tx) (map[string][]store.Queued, error) {
	rows := map[string][]store.Queued{}
	for q := range tx.AllPending() {
		rows[q.Incident] = append(rows[q.Incident], q)
	}
	return rows, tx.Err()
}

// incidentOf is one incident with what the store holds of it; pending is the outbox.
func incidentOf(tx *store.Tx, i incident.Incident, pending map[string][]store.Queued) (Incident, error) {
	out := Incident{ID: i.ID, Kind: i.Kind, Status: i.Status, Provisional: i.Provisional, Impact: i.Impact,
		List: orNull(i.List), IP: orNull(i.IP), Partner: orNull(i.Partner), Fault: orNull(i.Fault),
		Lists: []string{}, IPs: []string{}, Partners: []string{}, Lost: []Lost{},
		Opened: utc(i.Opened), Resolved: utc(i.Resolved), Updated: utc(i.Updated),
		AckedAt: utc(i.AckedAt), AckedBy: orNull(i.AckedBy), SnoozedUntil: utc(i.SnoozedUntil), SnoozedToEnd: i.SnoozedToEnd,
		ClosedBy: orNull(i.ClosedBy), Reason: orNull(i.Reason), Merged: orNull(i.Merged), Maintenance: orNull(i.Maintenance),
		Evidence: orEmpty(i.Evidence), Next: orEmpty(i.Next), Forecasts: []Foretold{}, Said: []Said{}, Alerts: []Alert{}}
	out.judged(i)
	if i.Kind == incident.Health {
		out.IP = nil // a part of repwatch, no address
	}
	for _, f := range i.Forecasts {
		out.Forecasts = append(out.Forecasts, Foretold{Partner: f.Partner, List: f.List, IP: f.IP, P: f.P, From: utc(f.From), To: utc(f.To), Record: f.Record})
	}
	for _, s := range i.Said {
		out.Said = append(out.Said, Said{At: utc(s.At), Text: s.Text})
	}
	message, _, err := tx.Messages().Get(i.ID)
	if err != nil {
		return out, err
	}
	out.Words = message.Title
	if err := out.episodes(tx, i); err != nil {
		return out, err
	}
	return out, out.alerts(tx, pending[i.ID])
}

func (out *Incident) judged(i incident.Incident) {
	if i.Verdict == "" {
		return
	}
	verdict := string(i.Verdict)
	out.Verdict = &verdict
	if i.Verdict != incident.JustListed && i.Verdict != correlate.Undetermined {
		confidence := i.Confidence
		out.Confidence, out.Word = &confidence, orNull(i.Word)
	}
}

func (out *Incident) episodes(tx *store.Tx, i incident.Incident) error {
	add := func(to *[]string, s string) {
		if s != "" && !slices.Contains(*to, s) {
			*to = append(*to, s)
		}
	}
	add(&out.Lists, i.List)
	add(&out.Partners, i.Partner)
	if i.Kind != incident.Health {
		add(&out.IPs, i.IP)
	}
	for _, id := range i.Episodes {
		e, ok, err := tx.Episodes().Get(id)
		if err != nil {
			return err
		}
		if !ok {
			continue // it has expired
		}
		switch e.Subject.Kind {
		case reputation.KindListing:
			add(&out.IPs, e.Subject.Who())
			add(&out.Lists, e.Subject.Target)
		case reputation.KindWire:
			add(&out.IPs, e.Subject.Who())
			add(&out.Partners, e.Subject.Target)
			out.Lost = append(out.Lost, lostOf(e))
		case reputation.KindOwn:
			add(&out.IPs, e.Subject.Who())
		}
	}
	return nil
}

func lostOf(e incident.Episode) Lost {
	l := Lost{IP: e.Subject.Who(), Partner: e.Subject.Target, Capabilities: []string{},
		After: utc(e.Begin.After), Since: utc(e.Begin.By), Until: utc(e.End.By), Unwatched: e.Unwatched}
	if e.Wire != nil {
		l.Loss, l.Capabilities = string(e.Wire.Loss), orEmpty(e.Wire.Went)
	}
	return l
}

// alerts says what was delivered, then what waits.
func (out *Incident) alerts(tx *store.Tx, pending []store.Queued) error {
	told, _, err := tx.Told().Get(out.ID)
	if err != nil {
		return err
	}
	for notifier, at := range told {
		out.Alerts = append(out.Alerts, Alert{Notifier: notifier, Kind: incident.AlertOpened, At: utc(at), State: "sent"})
	}
	slices.SortFunc(out.Alerts, func(a, b Alert) int { return cmp.Compare(a.Notifier, b.Notifier) })
	for _, q := range pending {
		a := Alert{Notifier: q.Notifier, Kind: q.Kind, At: utc(q.At), State: "pending", Why: q.Failed}
		if q.Failed != "" {
			a.State = "failing"
		}
		out.Alerts = append(out.Alerts, a)
	}
	return nil
}

// orNull is null where there is none.
func orNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
