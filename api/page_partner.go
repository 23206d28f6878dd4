package api

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"repwatch/checks/smtp"
	"repwatch/config"
	"repwatch/incident"
	"repwatch/reputation"
	"repwatch/store"
)

// ErrUnknownName: nothing of that name is or was watched.
var ErrUnknownName = errors.New("nothing of that name is watched")

// PartnerPage is how one partner treats each of our addresses.
type PartnerPage struct {
	Schema     string         `json:"schema"`
	At         *time.Time     `json:"at"`
	Partner    string         `json:"partner"`
	Watched    bool           `json:"watched"`
	Own        bool           `json:"own"` // it is our own MX
	Provider   string         `json:"provider"`
	ProviderID string         `json:"provider_id"`
	Require    []string       `json:"require"`
	Words      string         `json:"words"`
	Pairs      []PartnerPair  `json:"pairs"`   // the lost first
	Control    []PartnerPair  `json:"control"` // what a clean address is offered
	Open       []OpenIncident `json:"incidents"`
	Changes    []Change       `json:"changes"` // the latest first
	More       int            `json:"more"`
}

// PartnerPair is one address, or control, at the partner.
type PartnerPair struct {
	MX     string   `json:"mx"`
	Offers []string `json:"offers"`
	Pair
}

// PartnerPageOf builds the document; ErrUnknownName where there is nothing.
func PartnerPageOf(tx *store.Tx, cfg *config.Loaded, now time.Time, name string) (PartnerPage, error) {
	doc := PartnerPage{Schema: Schema("partner"), At: utc(now), Partner: name, Require: []string{}, Pairs: []PartnerPair{}, Control: []PartnerPair{}, Open: []OpenIncident{}}
	if p, ok := cfg.PartnerNamed(name); ok {
		doc.Partner, doc.Watched, doc.Own, doc.Require = p.Name(), true, p.Own, orEmpty(p.Require)
	}
	for _, s := range sendersTo(cfg, doc.Partner) {
		w, ok, err := tx.Wire().Get(s)
		if err != nil {
			return doc, err
		}
		if !ok {
			continue
		}
		doc.ProviderID = first(doc.ProviderID, w.Provider)
		row := PartnerPair{MX: w.MX, Offers: orEmpty(w.Offers), Pair: pairOf(s, w.Glance())}
		if s.Kind == reputation.KindControl {
			doc.Control = append(doc.Control, row)
		} else {
			doc.Pairs = append(doc.Pairs, row)
		}
	}
	doc.Provider = providerName(doc.ProviderID)
	slices.SortStableFunc(doc.Pairs, func(a, b PartnerPair) int { return worstPair(a.Pair, b.Pair) })
	var err error
	if doc.Open, err = openAbout(tx, now, func(e incident.Episode) bool {
		return e.Subject.Target == doc.Partner && (e.Subject.Kind == reputation.KindWire || e.Subject.Kind == reputation.KindControl)
	}); err != nil {
		return doc, err
	}
	records := slices.Collect(tx.HistoryOfTarget(doc.Partner, ""))
	doc.Changes, doc.More = latest(records)
	doc.Words = doc.words()
	if !doc.Watched && len(records) == 0 {
		return doc, fmt.Errorf("%s: %w\n  hint: partners are those of the configuration", name, ErrUnknownName)
	}
	return doc, tx.Err()
}

// sendersTo are the pairs that may be known of a partner, by the configuration in force.
func sendersTo(cfg *config.Loaded, partner string) []reputation.Subject {
	var out []reputation.Subject
	for _, a := range cfg.Addresses {
		out = append(out, reputation.Subject{Kind: reputation.KindWire, IP: a.IP, Target: partner})
	}
	for _, c := range cfg.Control {
		s := reputation.Subject{Kind: reputation.KindControl, Target: partner}
		s.SetWho(c.Name)
		out = append(out, s)
	}
	return out
}

func (p *PartnerPage) words() string {
	lost, fresh := 0, 0
	for _, pair := range p.Pairs {
		switch pair.Standing {
		case "lost":
			lost++
		case "new":
			fresh++
		}
	}
	switch {
	case len(p.Pairs) == 0:
		return "no sure answer from it yet"
	case lost > 0:
		return fmt.Sprintf("it withholds something from %d of %s", lost, count(len(p.Pairs), "address", "addresses"))
	case fresh == len(p.Pairs):
		return "what it usually offers is not known yet: that takes two sure answers that agree"
	default:
		return "it treats " + count(len(p.Pairs), "address", "addresses") + " as usual"
	}
}

// ProviderPage is who runs the mail servers of some partners.
type ProviderPage struct {
	Schema     string          `json:"schema"`
	At         *time.Time      `json:"at"`
	ID         string          `json:"id"`
	Name       string          `json:"name"`
	Hides      string          `json:"withdraws_starttls"` // known to hide STARTTLS from bad reputations, and where that is known from
	Rejects    string          `json:"rejects"`
	Delist     string          `json:"delist"`
	Postmaster string          `json:"postmaster"`
	Words      string          `json:"words"`
	Partners   []PartnerStatus `json:"partners"`
	Lanes      []Lane          `json:"lanes"` // what was opened there in the last 24 hours
}

// ProviderPageOf builds the document from the status and a day's ledger.
func ProviderPageOf(status Status, ledger Ledger, id string) (ProviderPage, error) {
	doc := ProviderPage{Schema: Schema("provider"), At: status.At, ID: id, Name: providerName(id), Partners: []PartnerStatus{}, Lanes: []Lane{}}
	p, known := smtp.ProviderByID(id)
	if known {
		doc.Hides, doc.Rejects, doc.Delist, doc.Postmaster = p.WithdrawsStartTLS, p.Rejects, p.Delist, p.Postmaster
	}
	lost := 0
	for _, row := range status.Partners {
		if row.Provider == doc.Name {
			doc.Partners = append(doc.Partners, row)
			if row.Lost > 0 {
				lost++
			}
		}
	}
	for _, l := range ledger.Lanes {
		if l.Provider == doc.Name {
			doc.Lanes = append(doc.Lanes, l)
		}
	}
	if !known && len(doc.Partners) == 0 {
		return doc, fmt.Errorf("%s: %w", id, ErrUnknownName)
	}
	doc.Words = servedWords(lost, len(doc.Partners))
	return doc, nil
}

// servedWords says how a provider treats us: lost of the partners that it serves.
func servedWords(lost, served int) string {
	switch {
	case served == 0:
		return "it serves none of our partners"
	case served == 1 && lost == 1:
		return "the one partner that it serves withholds something from us"
	case lost == 1:
		return fmt.Sprintf("1 of the %d partners that it serves withholds something from us", served)
	case lost > 0:
		return fmt.Sprintf("%d of the %d partners that it serves withhold something from us", lost, served)
	case served == 1:
		return "the one partner that it serves treats us as usual, as far as we can tell"
	default:
		return fmt.Sprintf("the %d partners that it serves treat us as usual, as far as we can tell", served)
	}
}

// ListPage is one list: how it stands, whom it lists, what it said so far.
type ListPage struct {
	Schema   string         `json:"schema"`
	At       *time.Time     `json:"at"`
	Words    string         `json:"words"`
	List     ListEntry      `json:"list"`
	Operator string         `json:"operator"`
	Note     string         `json:"note"`
	Lookup   string         `json:"lookup"`
	Delist   ListDelist     `json:"delist"`
	Status   *ListStatus    `json:"status"` // null: it is not asked
	Listed   []ListedNow    `json:"listed"` // the worst first
	Unknown  []string       `json:"unknown"`
	Open     []OpenIncident `json:"incidents"`
	Changes  []Change       `json:"changes"`
	More     int            `json:"more"`
}

// ListDelist says how a listing ends.
type ListDelist struct {
	How     string `json:"how"`
	Typical string `json:"typical"`
	URL     string `json:"url"`
}

// ListPageOf builds the document; ErrUnknownName where the catalogue has no such list.
func ListPageOf(tx *store.Tx, cfg *config.Loaded, now time.Time, id string) (ListPage, error) {
	doc := ListPage{Schema: Schema("list"), At: utc(now), Listed: []ListedNow{}, Unknown: []string{}, Open: []OpenIncident{}}
	all, err := ListsHealthOf(tx, cfg, now)
	if err != nil {
		return doc, err
	}
	at := slices.IndexFunc(all.Lists, func(l ListEntry) bool { return l.ID == id })
	if at < 0 {
		return doc, fmt.Errorf("%s: %w\n  hint: repwatch lists shows the catalogue", id, ErrUnknownName)
	}
	doc.List = all.Lists[at]
	for _, l := range cfg.Lists {
		if l.ID == id {
			doc.Operator, doc.Note, doc.Lookup, doc.Delist = l.Operator, l.Note, l.Lookup, ListDelist{How: l.Delist.How, Typical: l.Delist.Typical, URL: l.Delist.URL}
		}
	}
	states, err := listStatus(tx, cfg, now)
	if err != nil {
		return doc, err
	}
	if at := slices.IndexFunc(states, func(l ListStatus) bool { return l.ID == id }); at >= 0 {
		doc.Status = &states[at]
	}
	for s, l := range tx.Listings().All() {
		if s.Target == id {
			doc.Listed = append(doc.Listed, listedNow(s, l))
		}
	}
	slices.SortStableFunc(doc.Listed, worstListing)
	row, _, err := tx.Lists().Get(id)
	if err != nil {
		return doc, err
	}
	for who := range row.Stale {
		doc.Unknown = append(doc.Unknown, who)
	}
	slices.Sort(doc.Unknown)
	if doc.Open, err = openAbout(tx, now, func(e incident.Episode) bool {
		return e.Subject.Kind == reputation.KindListing && e.Subject.Target == id
	}); err != nil {
		return doc, err
	}
	doc.Changes, doc.More = latest(slices.Collect(tx.HistoryOfTarget(id, "")))
	doc.Words = doc.words()
	return doc, tx.Err()
}

func (l *ListPage) words() string {
	switch {
	case l.Status == nil:
		return first(l.List.Why, "it is not asked: it takes nothing of ours, or is not in use")
	case l.Status.Health == "suspended":
		return "it is not believed: " + first(l.Status.Why, "it fails its own test points")
	case l.Status.Listed > 0:
		return fmt.Sprintf("it lists %d of %d that it is asked about", l.Status.Listed, l.Status.Subjects)
	case !l.Status.Told:
		return "it has given no sure answer lately"
	default:
		return cmp.Or(map[string]string{"untested": "it lists nothing of ours, but it has no test points: its silence proves nothing"}[l.Status.Health], "it lists nothing of ours")
	}
}
