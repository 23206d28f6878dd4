package api

import (
	"cmp"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"repwatch/incident"
	"repwatch/reputation"
	"repwatch/store"
)

// History is what a subject went through.
type History struct {
	Schema   string     `json:"schema"`
	At       *time.Time `json:"at"`
	Subject  string     `json:"subject"`
	Since    *time.Time `json:"since"` // null: all that is kept
	Known    bool       `json:"known"` // it is watched, or was
	Episodes []Episode  `json:"episodes"`
	Records  []Change   `json:"records"` // oldest first
}

// Change is one record of the journal. It happened after after (null: before we looked) and by by.
type Change struct {
	Seq        uint64          `json:"seq"`
	At         *time.Time      `json:"at"`
	What       incident.What   `json:"what"`
	Kind       reputation.Kind `json:"kind"`
	Subject    string          `json:"subject"`
	About      string          `json:"about"`  // its IP, domain or control
	Target     string          `json:"target"` // its list, partner or aspect
	After      *time.Time      `json:"after"`
	By         *time.Time      `json:"by"`
	FirstSight bool            `json:"first_sight"`
	Words      string          `json:"words"`
	Incident   *string         `json:"incident"`
	Who        *string         `json:"who"`
}

// HistoryOf builds the document for an IP, PARTNER, LIST, domain, IP@LIST or
// IP>PARTNER. A subject that nothing is known of has Known false.
func HistoryOf(tx *store.Tx, now time.Time, subject string, since time.Time) (History, error) {
	doc := History{Schema: Schema("history"), At: utc(now), Subject: subject, Since: utc(since), Episodes: []Episode{}, Records: []Change{}}
	subjects := map[reputation.Subject]bool{}
	for r := range recordsOf(tx, subject) {
		subjects[r.Subject] = true
		if r.At.Before(since) {
			continue
		}
		doc.Records = append(doc.Records, changeOf(r))
	}
	for s := range subjects {
		for e := range tx.EpisodesOf(s) {
			if e.Open() || !e.Ended.Before(since) {
				doc.Episodes = append(doc.Episodes, episodeOf(e))
			}
		}
	}
	slices.SortFunc(doc.Episodes, func(a, b Episode) int { return cmp.Compare(a.ID, b.ID) })
	known, err := watched(tx, subject)
	doc.Known = known || len(subjects) > 0
	return doc, cmp.Or(err, tx.Err())
}

// recordsOf yields the records of whatever the text may name, the oldest first.
func recordsOf(tx *store.Tx, subject string) iter.Seq[incident.Record] {
	if pair, err := reputation.ParsePair(subject); err == nil {
		return tx.History(pair)
	}
	var one reputation.Subject
	one.SetWho(strings.ToLower(strings.TrimSuffix(subject, ".")))
	name := one.Who()
	if one.IP.IsValid() {
		return tx.HistoryOf(name, "")
	}
	// One name may be a partner, a domain of ours and a control.
	about := slices.Collect(tx.HistoryOf(name, ""))
	about = slices.AppendSeq(about, tx.HistoryOfTarget(name, ""))
	slices.SortFunc(about, func(a, b incident.Record) int { return cmp.Compare(a.Seq, b.Seq) })
	return slices.Values(slices.CompactFunc(about, func(a, b incident.Record) bool { return a.Seq == b.Seq }))
}

// watched reports that the store knows the subject though nothing ever happened to it.
func watched(tx *store.Tx, subject string) (bool, error) {
	who, target := subject, subject
	pair, err := reputation.ParsePair(subject)
	if err == nil {
		who, target = pair.Who(), pair.Target
	}
	_, list, errList := tx.Lists().Get(target)
	_, ours, errOurs := tx.Subjects().Get(who)
	partner := false
	for s := range tx.Wire().All() {
		if s.Target == target && (err != nil || s == pair) || err != nil && s.Who() == who {
			partner = true
			break
		}
	}
	known := list || ours || partner
	if err == nil {
		known = partner || list && ours
	}
	return known, cmp.Or(errList, errOurs)
}

func changeOf(r incident.Record) Change {
	return Change{Seq: r.Seq, At: utc(r.At), What: r.What, Kind: r.Subject.Kind, Subject: r.Subject.String(), About: r.Subject.Who(), Target: r.Subject.Target, After: utc(r.After), By: utc(r.By),
		FirstSight: r.FirstSight, Words: recordWords(r), Incident: orNull(r.Incident), Who: orNull(r.Who)}
}

// recordWords says in a line what a record tells.
func recordWords(r incident.Record) string {
	target := r.Subject.Target
	switch r.What {
	case incident.Listed:
		return "listed on " + target + listingWords(r.Listing)
	case incident.Relisted:
		return "still listed on " + target + ", now" + listingWords(r.Listing)
	case incident.Delisted:
		return "no longer listed on " + target
	case incident.Baseline:
		return target + " offers " + offersWords(r.Wire) + ": known from here on"
	case incident.Fine:
		return target + " withholds nothing here" + everyWords(r.Wire)
	case incident.Lost:
		return target + " " + lossWords(r.Wire, r.FirstSight)
	case incident.Turned:
		return target + " now " + lossWords(r.Wire, false)
	case incident.Back:
		return target + backWords(r.Wire)
	case incident.Flapping:
		return target + " answers differently from look to look; no loss is concluded"
	case incident.Steady:
		return target + " answers alike again"
	case incident.Changed:
		return target + " changed what it offers" + cameWords(r.Wire)
	case incident.Faulty:
		return faultWords(r.Fault)
	case incident.Mended:
		return "no longer so: " + first(r.Words, target, r.Subject.Who())
	case incident.Unwatched:
		return "no longer watched"
	case incident.Suspended:
		return target + " is not believed: " + first(r.Words, "it fails its test points")
	case incident.Believed:
		return target + " is believed again"
	case incident.Unrelated:
		return fmt.Sprintf("%s ruled out as the cause%s", first(r.List, "any list"), spaced(": ", r.Words))
	default: // replied, acted: in words already
		return first(r.Words, string(r.What))
	}
}

// everyWords says how often a pair is looked at.
func everyWords(w *incident.Wire) string {
	if w == nil || w.Every == 0 {
		return ""
	}
	return fmt.Sprintf("; looked at every %d min", w.Every)
}

func episodeWords(e incident.Episode) string {
	switch {
	case e.Listing != nil:
		return "on " + e.Subject.Target + listingWords(e.Listing)
	case e.Wire != nil:
		return e.Subject.Target + " " + lossWords(e.Wire, e.FirstSight)
	case e.Fault != nil:
		return faultWords(e.Fault)
	default:
		return e.Subject.String()
	}
}

func listingWords(l *reputation.Listing) string {
	if l == nil {
		return ""
	}
	s := spaced(": ", strings.Join(l.Meaning, ", "))
	if len(l.Codes) > 0 {
		s += " (" + strings.Join(l.Codes, ", ") + ")"
	}
	if !l.Accuses() {
		s += ", " + l.Class.String() + ": no accusation"
	}
	return s
}

// lossWords say what a partner does, without naming to whom.
func lossWords(w *incident.Wire, firstSight bool) string {
	if w == nil {
		return "withdrew something"
	}
	went := first(strings.Join(w.Went, ", "), "a required capability")
	verb := "withdrew "
	if firstSight {
		verb = "does not offer "
	}
	words := map[string]string{"starttls": verb + "STARTTLS", "capability": verb + went, "masked": "shows masked capabilities", "rejected": "rejects us",
		"deferred": "defers mail", "broken": "offers STARTTLS but breaks the handshake"}[string(w.Loss)]
	return first(words, "withdrew "+went) + spaced("; it said ", quoted(w.Reply))
}

// backWords say that a loss is over, and what is there again.
func backWords(w *incident.Wire) string {
	if w != nil && len(w.Came) > 0 {
		return " offers " + strings.Join(w.Came, ", ") + " again"
	}
	return " gives back what was lost"
}

func cameWords(w *incident.Wire) string {
	if w == nil {
		return ""
	}
	var parts []string
	if len(w.Went) > 0 {
		parts = append(parts, "gone "+strings.Join(w.Went, ", "))
	}
	if len(w.Came) > 0 {
		parts = append(parts, "new "+strings.Join(w.Came, ", "))
	}
	for _, c := range w.Changed {
		parts = append(parts, fmt.Sprintf("%s %s instead of %s", c.Keyword, c.Now, c.Was))
	}
	return spaced(": ", strings.Join(parts, "; "))
}

func faultWords(f *incident.Fault) string {
	if f == nil {
		return "trouble"
	}
	return f.What
}

func quoted(s string) string {
	if s == "" {
		return ""
	}
	return fmt.Sprintf("%q", s)
}

// spaced is s behind a prefix, or nothing at all.
func spaced(prefix, s string) string {
	if s == "" {
		return ""
	}
	return prefix + s
}

// offersWords are the capabilities of a complete reply.
func offersWords(w *incident.Wire) string {
	if w == nil || len(w.Offers) == 0 {
		return "no capability"
	}
	return strings.Join(w.Offers, ", ")
}
