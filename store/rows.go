package store

import (
	"bytes"
	"encoding/json"
	"reflect"
	"unicode/utf8"

	"repwatch/incident"
	"repwatch/reputation"
)

// Records and episodes are the bulk of the file, so their rows have short keys,
// and refer to subjects and listings by number (intern.go).

// recordRow is a record as stored. The order of the fields is that of the bytes:
// quickRecord relies on it.
type recordRow struct {
	At         stamp         `json:"t"`
	What       incident.What `json:"w"`
	Subject    uint64        `json:"s,omitempty"`
	After      stamp         `json:"a,omitzero"`
	By         stamp         `json:"b,omitzero"`
	FirstSight bool          `json:"f,omitempty"`
	Text       uint64        `json:"x,omitempty"` // what the list says
	Episode    uint64        `json:"e,omitempty"`
	More       *moreOfRecord `json:"more,omitempty"`
}

// moreOfRecord is what few records have.
type moreOfRecord struct {
	Listing  *reputation.Listing `json:"listing,omitempty"` // only where it cannot be numbered
	Wire     *incident.Wire      `json:"wire,omitempty"`
	Fault    *incident.Fault     `json:"fault,omitempty"`
	Incident string              `json:"incident,omitempty"`
	Of       uint64              `json:"of,omitempty"`
	List     string              `json:"list,omitempty"`
	Policy   string              `json:"policy,omitempty"`
	Words    string              `json:"words,omitempty"`
	Who      string              `json:"who,omitempty"`
}

func (tx *Tx) recordRow(r incident.Record) (row recordRow, err error) {
	row = recordRow{At: stampOf(r.At), What: r.What, After: stampOf(r.After), By: stampOf(r.By), FirstSight: r.FirstSight, Episode: r.Episode}
	if row.Subject, err = tx.nameOf(r.Subject); err != nil {
		return row, err
	}
	more := moreOfRecord{Wire: r.Wire, Fault: r.Fault, Incident: r.Incident, Of: r.Of, List: r.List, Policy: r.Policy, Words: r.Words, Who: r.Who}
	if row.Text, more.Listing, err = tx.splitListing(r.Listing, r.Subject.Who()); err != nil {
		return row, err
	}
	if more != (moreOfRecord{}) {
		row.More = &more
	}
	return row, nil
}

// splitListing gives a listing a number, or gives it back if it cannot have one.
func (tx *Tx) splitListing(l *reputation.Listing, who string) (uint64, *reputation.Listing, error) {
	if l == nil {
		return 0, nil, nil
	}
	n, err := tx.textOf(*l, who)
	if err != nil || n > 0 {
		return n, nil, err
	}
	return 0, l, nil
}

func (tx *Tx) record(seq uint64, row recordRow) (incident.Record, error) {
	r := incident.Record{Seq: seq, At: row.At.Time, What: row.What, FirstSight: row.FirstSight, Episode: row.Episode,
		Bracket: reputation.Bracket{After: row.After.Time, By: row.By.Time}}
	var err error
	if r.Subject, err = tx.named(row.Subject); err != nil {
		return r, err
	}
	if row.Text > 0 {
		if r.Listing, err = tx.text(row.Text, r.Subject.Who()); err != nil {
			return r, err
		}
	}
	if m := row.More; m != nil {
		r.Wire, r.Fault, r.Incident, r.Of, r.List, r.Policy, r.Words, r.Who = m.Wire, m.Fault, m.Incident, m.Of, m.List, m.Policy, m.Words, m.Who
		if m.Listing != nil {
			r.Listing = m.Listing
		}
	}
	return r, nil
}

func decodeRecordRow(raw []byte) (row recordRow, err error) {
	if quickRecord(raw, &row) {
		return row, nil
	}
	row = recordRow{}
	return row, json.Unmarshal(raw, &row)
}

// quickRecord reads a row as Append writes it, ten times as fast as encoding/json.
// It says false to anything unexpected; then encoding/json has the word.
func quickRecord(raw []byte, row *recordRow) bool {
	b := raw
	eat := func(lit string) bool {
		ok := len(b) >= len(lit) && string(b[:len(lit)]) == lit
		if ok {
			b = b[len(lit):]
		}
		return ok
	}
	ok := true
	stamp := func(key string, to *stamp) {
		if ok && eat(key) {
			to.Time, b, ok = parseStamp(b)
		}
	}
	number := func(key string, to *uint64) {
		if ok && eat(key) {
			*to, b, ok = parseNumber(b)
		}
	}
	if stamp(`{"t":`, &row.At); row.At.IsZero() || !eat(`,"w":"`) {
		return false
	}
	end := bytes.IndexByte(b, '"')
	if end < 0 || bytes.ContainsFunc(b[:end], func(r rune) bool { return r == '\\' || r < ' ' || r == utf8.RuneError }) {
		return false
	}
	row.What, b = whatOf(b[:end]), b[end+1:]
	number(`,"s":`, &row.Subject)
	stamp(`,"a":`, &row.After)
	stamp(`,"b":`, &row.By)
	row.FirstSight = eat(`,"f":true`)
	number(`,"x":`, &row.Text)
	number(`,"e":`, &row.Episode)
	if !ok {
		return false
	}
	if eat(`,"more":`) && len(b) > 0 {
		row.More = new(moreOfRecord)
		return b[len(b)-1] == '}' && json.Unmarshal(b[:len(b)-1], row.More) == nil
	}
	return string(b) == "}"
}

// whatOf makes the word without a copy where it is one of the usual.
func whatOf(b []byte) incident.What {
	switch string(b) {
	case string(incident.Listed):
		return incident.Listed
	case string(incident.Delisted):
		return incident.Delisted
	case string(incident.Lost):
		return incident.Lost
	case string(incident.Back):
		return incident.Back
	default:
		return incident.What(b)
	}
}

// episodeRow is an episode as stored. Most begin as their record says; then only
// the record's number is kept.
type episodeRow struct {
	Subject   uint64 `json:"s"`
	Seq       uint64 `json:"q,omitempty"`
	EndAfter  stamp  `json:"ea,omitzero"`
	EndBy     stamp  `json:"eb,omitzero"`
	Ended     stamp  `json:"t,omitzero"`
	Unwatched bool   `json:"u,omitempty"`
	Incident  string `json:"i,omitempty"`

	Witness *incident.Witness `json:"witness,omitempty"`

	More *moreOfEpisode `json:"more,omitempty"` // nil: begin and evidence are the record's
}

type moreOfEpisode struct {
	After      stamp               `json:"a,omitzero"`
	By         stamp               `json:"b,omitzero"`
	FirstSight bool                `json:"f,omitempty"`
	Text       uint64              `json:"x,omitempty"`
	Listing    *reputation.Listing `json:"listing,omitempty"`
	Wire       *incident.Wire      `json:"wire,omitempty"`
	Fault      *incident.Fault     `json:"fault,omitempty"`
}

func (tx *Tx) encodeEpisode(_ uint64, e incident.Episode) ([]byte, error) {
	row := episodeRow{Seq: e.Seq, EndAfter: stampOf(e.End.After), EndBy: stampOf(e.End.By), Ended: stampOf(e.Ended),
		Unwatched: e.Unwatched, Incident: e.Incident, Witness: e.Witness}
	var err error
	if row.Subject, err = tx.nameOf(e.Subject); err != nil {
		return nil, err
	}
	same, err := tx.asRecorded(e)
	if err != nil {
		return nil, err
	}
	if !same {
		m := &moreOfEpisode{After: stampOf(e.Begin.After), By: stampOf(e.Begin.By), FirstSight: e.FirstSight, Wire: e.Wire, Fault: e.Fault}
		if m.Text, m.Listing, err = tx.splitListing(e.Listing, e.Subject.Who()); err != nil {
			return nil, err
		}
		row.More = m
	}
	return json.Marshal(row)
}

// asRecorded reports that the episode began as its record says.
func (tx *Tx) asRecorded(e incident.Episode) (bool, error) {
	r, ok, err := tx.Record(e.Seq)
	if err != nil || !ok {
		return false, err
	}
	return r.Subject == e.Subject && r.FirstSight == e.FirstSight &&
		r.After.Equal(e.Begin.After) && r.By.Equal(e.Begin.By) &&
		sameJSON(r.Listing, e.Listing) && sameJSON(r.Wire, e.Wire) && sameJSON(r.Fault, e.Fault), nil
}

// sameJSON reports that two values would be stored alike.
func sameJSON(a, b any) bool {
	if reflect.DeepEqual(a, b) {
		return true
	}
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}

func (tx *Tx) decodeEpisode(id uint64, raw []byte) (e incident.Episode, err error) {
	var row episodeRow
	if err := json.Unmarshal(raw, &row); err != nil {
		return e, damage("episode %d cannot be read: %w", id, err)
	}
	e = incident.Episode{ID: id, Seq: row.Seq, End: reputation.Bracket{After: row.EndAfter.Time, By: row.EndBy.Time},
		Ended: row.Ended.Time, Unwatched: row.Unwatched, Incident: row.Incident, Witness: row.Witness}
	if e.Subject, err = tx.named(row.Subject); err != nil {
		return e, err
	}
	if row.More == nil {
		r, ok, err := tx.Record(row.Seq)
		if err == nil && !ok {
			err = damage("episode %d began with record %d, which is missing", id, row.Seq)
		}
		e.Begin, e.FirstSight, e.Listing, e.Wire, e.Fault = r.Bracket, r.FirstSight, r.Listing, r.Wire, r.Fault
		return e, err
	}
	m := row.More
	e.Begin, e.FirstSight, e.Wire, e.Fault, e.Listing = reputation.Bracket{After: m.After.Time, By: m.By.Time}, m.FirstSight, m.Wire, m.Fault, m.Listing
	if m.Text > 0 {
		e.Listing, err = tx.text(m.Text, e.Subject.Who())
	}
	return e, err
}
