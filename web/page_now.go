package web

import (
	"cmp"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"repwatch/api"
	"repwatch/config"
	"repwatch/incident"
	"repwatch/reputation"
	"repwatch/store"
)

// Rows shown before the rest is folded away: the worst come first.
const (
	openShown = 12
	rowsShown = 12
	pageSize  = 50
)

// nowView is the first page: what is wrong, why, what to do; then how well we can tell.
type nowView struct {
	Words    string
	First    string // what to do first
	FirstID  string
	Open     []api.Incident
	Rest     []api.Incident
	More     int
	Over     []api.Incident // of the last day
	Status   api.Status
	Blind    []string // what keeps us from seeing
	Lists    folded[api.ListStatus]
	Others   string // what the lists folded away are
	Partners folded[api.PartnerStatus]
}

// folded is rows of which the first few are shown at once.
type folded[R any] struct {
	Shown, Rest []R
	Left        int // beyond these: of thousands that are all well nobody reads the names
}

// restShown bounds what is folded away.
const restShown = 200

func foldAt[R any](rows []R, at int) folded[R] {
	at = min(at, len(rows))
	rest := rows[at:]
	left := max(0, len(rest)-restShown)
	return folded[R]{rows[:at], rest[:len(rest)-left], left}
}

// maxOpen bounds the open incidents told in full; beyond them the list of incidents has pages.
const maxOpen = 60

func (p *Page) now(r *http.Request) (view, error) {
	at := now()
	doc, err := api.From(p.h.DB, func(tx *store.Tx) (api.Incidents, error) {
		return api.IncidentsOf(tx, at, api.IncidentFilter{Since: at.Add(-24 * time.Hour), Limit: maxOpen})
	})
	if err != nil {
		return view{}, err
	}
	status, err := p.status.get(r.Context())
	if err != nil {
		return view{}, err
	}
	d := nowView{Status: status}
	for _, i := range doc.Incidents {
		if i.Status == incident.Open {
			d.Open = append(d.Open, i)
		} else {
			d.Over = append(d.Over, i)
		}
	}
	d.More = max(0, doc.Open-len(d.Open))
	split := foldAt(d.Open, openShown)
	d.Words, d.First, d.FirstID = headline(doc.Open, d.Open, &status)
	d.Open, d.Rest = split.Shown, split.Rest
	d.Over = foldAt(d.Over, 6).Shown
	d.Blind = blind(&status)
	troubled := slices.IndexFunc(status.Lists, func(l api.ListStatus) bool { return l.Told && l.Listed == 0 && l.Health != "suspended" })
	if troubled < 0 {
		troubled = len(status.Lists)
	}
	d.Lists = foldAt(status.Lists, min(troubled, rowsShown))
	d.Others = others(d.Lists)
	d.Partners = foldAt(status.Partners, rowsShown)
	return view{name: "now", Title: d.Words, Nav: "now", Data: d}, nil
}

// others says of the lists folded away what they have in common.
func others(lists folded[api.ListStatus]) string {
	n, more := len(lists.Rest)+lists.Left, "more "
	if len(lists.Shown) == 0 {
		more = ""
	}
	words := count(n, more+"list", more+"lists")
	if slices.ContainsFunc(lists.Rest, func(l api.ListStatus) bool { return !l.Told || l.Listed > 0 || l.Health == "suspended" }) {
		return words + ", less urgent"
	}
	return words + ": nothing of ours on " + map[bool]string{true: "it", false: "them"}[n == 1]
}

// headline says whether something is wrong, and what to do first.
func headline(n int, open []api.Incident, status *api.Status) (words, first, id string) {
	at := slices.IndexFunc(open, func(i api.Incident) bool { return i.AckedAt == nil && len(i.Next) > 0 })
	if at >= 0 {
		first, id = open[at].Next[0], open[at].ID
	}
	switch {
	case n == 1:
		return "One thing is wrong", first, id
	case n > 1:
		return fmt.Sprintf("%d things are wrong", n), first, id
	case status.Exit() == api.ExitUnknown:
		return "Too little is known to say that all is well", "", ""
	default:
		return "Nothing is wrong", "", ""
	}
}

// blind says what keeps us from seeing, in words.
func blind(s *api.Status) (out []string) {
	if d := s.Daemon; d != nil {
		if d.ReloadError != "" {
			out = append(out, "The configuration was changed, but it is refused and the earlier one goes on: "+d.ReloadError)
		}
		out = append(out, d.Problems...)
	}
	for _, n := range s.Notifiers {
		if n.Down {
			out = append(out, fmt.Sprintf("Notifier %s delivers nothing: %s", n.Notifier, n.Why))
		}
	}
	return out
}

// openCount is for the menu.
func (p *Page) openCount() (n int, worst reputation.Impact) {
	_ = p.h.DB.View(func(tx *store.Tx) error { // a file in trouble is told by the page itself
		for i := range tx.OpenIncidents() {
			n, worst = n+1, max(worst, i.Impact)
		}
		return nil
	})
	return n, worst
}

// incidentsView is one page of incidents.
type incidentsView struct {
	api.Incidents
	Filter string // open, week or all
	Cursor string
}

func (p *Page) incidents(r *http.Request) (view, error) {
	at := now()
	show := cmp.Or(r.FormValue("show"), "week")
	f := api.IncidentFilter{OpenOnly: show == "open", All: show == "all", Since: at.Add(-api.Recently), Limit: pageSize, Cursor: r.FormValue("cursor")}
	doc, err := api.From(p.h.DB, func(tx *store.Tx) (api.Incidents, error) { return api.IncidentsOf(tx, at, f) })
	if err != nil {
		return view{}, failed(http.StatusBadRequest, err)
	}
	return view{name: "incidents", Title: "Incidents", Nav: "incidents", Data: incidentsView{doc, show, f.Cursor}}, nil
}

// incidentView is one incident with its evidence.
type incidentView struct {
	api.Story
	Evidence api.Evidence
	Eps      folded[api.Episode]
	Can      map[string]bool
}

func (p *Page) incident(r *http.Request) (view, error) {
	at, id := now(), strings.TrimPrefix(r.PathValue("id"), "#")
	var d incidentView
	err := p.h.DB.View(func(tx *store.Tx) (err error) {
		if d.Story, err = api.StoryOf(tx, at, id); err != nil {
			return err
		}
		d.Evidence, err = api.EvidenceOf(tx, p.h.Config(), at, id)
		return err
	})
	if err != nil {
		return view{}, err
	}
	d.Eps = foldAt(d.Episodes, 2*rowsShown)
	d.Can = map[string]bool{}
	for _, a := range d.Message.Actions {
		d.Can[a] = true
	}
	return view{name: "incident", Title: "#" + id + " " + d.Incident().Words, Nav: "incidents", Data: d}, nil
}

// find takes what people type into the field above: an incident, an address, a
// domain, a partner or a list.
func (p *Page) find(w http.ResponseWriter, r *http.Request) {
	text := strings.ToLower(strings.TrimSpace(r.FormValue("q")))
	if to := whereIs(p.h.Config(), text); to != "" {
		p.redirect(w, r, to)
		return
	}
	p.fail(w, r, failed(http.StatusNotFound, fmt.Errorf("%q is nothing that is watched\n  hint: an incident (#3), a sending address, a domain, a partner or a list", text)))
}

func whereIs(cfg *config.Loaded, text string) string {
	if id, ok := strings.CutPrefix(text, "#"); ok {
		return "/incidents/" + escape(id)
	}
	if ip, err := netip.ParseAddr(text); err == nil {
		return "/ip/" + escape(ip.Unmap().String())
	}
	if partner, ok := cfg.PartnerNamed(text); ok {
		return "/partner/" + escape(partner.Name())
	}
	for _, l := range cfg.Catalogue.Lists {
		if l.ID == text {
			return "/list/" + escape(l.ID)
		}
	}
	if slices.Contains(cfg.Domains, text) {
		return "/ip/" + escape(text)
	}
	return ""
}
