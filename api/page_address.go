package api

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"repwatch/checks/dnsbl"
	"repwatch/config"
	"repwatch/incident"
	"repwatch/reputation"
	"repwatch/store"
)

// ChangesShown bounds the changes that a subject's document tells one by one.
const ChangesShown = 100

// Subject is one sending address or domain: who lists it, what partners offer it.
type Subject struct {
	Schema   string         `json:"schema"`
	At       *time.Time     `json:"at"`
	Subject  string         `json:"subject"`
	Watched  bool           `json:"watched"` // by the configuration in force
	Name     string         `json:"name"`    // EHLO
	Pool     string         `json:"pool"`
	State    config.State   `json:"state"`
	Owner    string         `json:"owner"`
	Tags     []string       `json:"tags"`
	Words    string         `json:"words"`
	Listings []ListedNow    `json:"listings"` // the worst first
	Lists    int            `json:"lists"`    // in use that take it
	Unknown  []string       `json:"unknown"`  // lists that the last sweep could not tell of it
	Partners []SubjectPair  `json:"partners"` // the lost first
	Faults   []OwnFault     `json:"faults"`
	Open     []OpenIncident `json:"incidents"`
	Changes  []Change       `json:"changes"` // the latest first
	More     int            `json:"more"`    // older ones
}

// ListedNow is one listing that lasts.
type ListedNow struct {
	Subject string             `json:"subject"`
	List    string             `json:"list"`
	After   *time.Time         `json:"after"` // null: before we looked
	Since   *time.Time         `json:"since"`
	Words   string             `json:"words"`
	Listing reputation.Listing `json:"listing"`
}

// SubjectPair is how one partner treats an address.
type SubjectPair struct {
	Partner  string   `json:"partner"`
	Provider string   `json:"provider"`
	Offers   []string `json:"offers"`
	Pair
}

// OwnFault is trouble of our own side that lasts.
type OwnFault struct {
	ID     string            `json:"id"`
	Impact reputation.Impact `json:"impact"`
	Words  string            `json:"words"`
	Why    string            `json:"why"`
	Next   string            `json:"next"`
	Since  *time.Time        `json:"since"`
}

// SubjectOf builds the document. A subject that nothing is known of is not watched and empty.
func SubjectOf(tx *store.Tx, cfg *config.Loaded, now time.Time, who string) (Subject, error) {
	var s reputation.Subject
	s.SetWho(strings.ToLower(strings.TrimSuffix(who, ".")))
	who = s.Who()
	doc := Subject{Schema: Schema("subject"), At: utc(now), Subject: who, Tags: []string{}, Listings: []ListedNow{}, Unknown: []string{},
		Partners: []SubjectPair{}, Faults: []OwnFault{}, Open: []OpenIncident{}, Changes: []Change{}}
	doc.configured(cfg, s.IP)
	for _, l := range cfg.Lists {
		row, _, err := tx.Lists().Get(l.ID)
		if err != nil {
			return doc, err
		}
		if !takes(cfg, l.ID, who) {
			continue
		}
		doc.Lists++
		if _, stale := row.Stale[who]; stale || row.SureEnded.IsZero() || row.Health == "suspended" {
			doc.Unknown = append(doc.Unknown, l.ID)
		}
	}
	for at, l := range tx.Listings().Prefix(string(reputation.KindListing) + " " + who + "@") {
		doc.Listings = append(doc.Listings, listedNow(at, l))
	}
	slices.SortStableFunc(doc.Listings, worstListing)
	for at, w := range tx.Wire().Prefix(string(reputation.KindWire) + " " + who + ">") {
		doc.Partners = append(doc.Partners, SubjectPair{Partner: at.Target, Provider: w.Provider, Offers: orEmpty(w.Offers), Pair: pairOf(at, w.Glance())})
	}
	slices.SortStableFunc(doc.Partners, func(a, b SubjectPair) int { return worstPair(a.Pair, b.Pair) })
	for at, f := range tx.Faults().Prefix(string(reputation.KindOwn) + " " + who) {
		if at.Who() == who && f.Episode != 0 {
			doc.Faults = append(doc.Faults, OwnFault{ID: f.ID, Impact: f.Impact, Words: f.What, Why: f.Why, Next: f.Do, Since: utc(f.Since)})
		}
	}
	var err error
	if doc.Open, err = openAbout(tx, now, func(e incident.Episode) bool {
		return e.Subject.Who() == who && e.Subject.Kind != reputation.KindHealth
	}); err != nil {
		return doc, err
	}
	var kinds []incident.Record
	for _, kind := range []reputation.Kind{reputation.KindListing, reputation.KindWire, reputation.KindOwn} {
		kinds = slices.AppendSeq(kinds, tx.HistoryOf(who, kind))
	}
	slices.SortFunc(kinds, func(a, b incident.Record) int { return cmp.Compare(a.Seq, b.Seq) })
	doc.Changes, doc.More = latest(kinds)
	doc.Words = doc.words()
	return doc, tx.Err()
}

func (s *Subject) configured(cfg *config.Loaded, ip netip.Addr) {
	if slices.Contains(cfg.Domains, s.Subject) {
		s.Watched = true
	}
	for _, a := range cfg.Addresses {
		if ip.IsValid() && a.IP == ip {
			s.Watched, s.Name, s.Pool, s.State, s.Owner, s.Tags = true, a.Name, a.Pool, a.State, a.Owner, orEmpty(a.Tags)
		}
	}
}

// words is the first line about a subject.
func (s *Subject) words() string {
	var bad []string
	accused := 0
	for _, l := range s.Listings {
		if l.Listing.Accuses() {
			accused++
		}
	}
	if accused > 0 {
		bad = append(bad, "listed on "+count(accused, "list", "lists"))
	}
	lost := 0
	for _, p := range s.Partners {
		if p.Standing == "lost" {
			lost++
		}
	}
	if lost > 0 {
		bad = append(bad, count(lost, "partner withholds", "partners withhold")+" something from it")
	}
	for _, f := range s.Faults {
		bad = append(bad, f.Words)
	}
	told := fmt.Sprintf("%d of %s gave a sure answer", s.Lists-len(s.Unknown), count(s.Lists, "list", "lists"))
	if len(bad) == 0 {
		return "nothing is wrong with it as far as we can tell: " + told
	}
	return strings.Join(bad, "; ") + "; " + told
}

func takes(cfg *config.Loaded, list, who string) bool {
	for _, l := range cfg.Lists {
		if l.ID == list {
			ip, err := netip.ParseAddr(who)
			if err != nil {
				return l.Takes(dnsbl.Point{Domain: who})
			}
			return l.Takes(dnsbl.Point{IP: ip})
		}
	}
	return false
}

func listedNow(s reputation.Subject, l store.Listing) ListedNow {
	return ListedNow{Subject: s.Who(), List: s.Target, After: utc(l.Begin.After), Since: utc(l.Begin.By),
		Words: strings.TrimPrefix(listingWords(&l.Listing), ": "), Listing: l.Listing}
}

func worstListing(a, b ListedNow) int {
	return cmp.Or(-compareBool(a.Listing.Accuses(), b.Listing.Accuses()), cmp.Compare(b.Listing.Impact, a.Listing.Impact), cmp.Compare(a.Subject, b.Subject), cmp.Compare(a.List, b.List))
}

// worstPair: lost first, then those of which nothing was ever sure, then by the address.
func worstPair(a, b Pair) int {
	rank := map[string]int{"lost": 0, "new": 1, "good": 2}
	return cmp.Or(cmp.Compare(rank[a.Standing], rank[b.Standing]), -cmp.Compare(a.Failed, b.Failed))
}

// openAbout are the open incidents with an open episode that is meant.
func openAbout(tx *store.Tx, now time.Time, meant func(incident.Episode) bool) ([]OpenIncident, error) {
	ids := map[string]bool{}
	for e := range tx.OpenEpisodes() {
		if e.Incident != "" && meant(e) {
			ids[e.Incident] = true
		}
	}
	all, err := openIncidents(tx, now)
	return slices.DeleteFunc(all.Rows, func(i OpenIncident) bool { return !ids[i.ID] }), err
}

// latest turns records, the oldest first, into the latest changes, and counts the rest.
func latest(records []incident.Record) (changes []Change, more int) {
	changes = []Change{}
	for _, r := range slices.Backward(records) {
		if len(changes) == ChangesShown {
			return changes, len(records) - ChangesShown
		}
		changes = append(changes, changeOf(r))
	}
	return changes, 0
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
