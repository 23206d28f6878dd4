package web

import (
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"repwatch/api"
	"repwatch/store"
)

// timelineView is a span of time with its bars drawn.
type timelineView struct {
	api.Timeline
	Picture picture
	Table   []api.TimeBar // the latest first
	Left    int           // bars that are not in the table
	Spans   []link
	Moves   []link // earlier, later, closer, wider
	FromDay string
	ToDay   string
}

// link is a way to another span.
type link struct {
	Name string
	Href string
	Here bool
}

// tableShown bounds the table below the picture.
const tableShown = 150

func (p *Page) timeline(r *http.Request) (view, error) {
	at, zone := now(), p.h.Config().Schedule.Timezone.Loc()
	f, err := spanOf(r, at, zone)
	if err != nil {
		return view{}, err
	}
	last := r.FormValue("last")
	doc, err := api.From(p.h.DB, func(tx *store.Tx) (doc api.Timeline, err error) {
		if last == "" && r.FormValue("from") == "" && r.FormValue("to") == "" {
			if last, f.From, err = worthSeeing(tx, at, f); err != nil {
				return doc, err
			}
		}
		return api.TimelineOf(tx, at, f)
	})
	if err != nil {
		return view{}, err
	}
	d := timelineView{Timeline: doc, FromDay: f.From.In(zone).Format(dayForm), ToDay: f.To.In(zone).Format(dayForm), Moves: moves(p.base(r), f, at)}
	d.Picture = draw(p.base(r), doc, f, at, zone)
	for _, row := range doc.Rows {
		d.Table = append(d.Table, row.Bars...)
	}
	slices.SortStableFunc(d.Table, func(a, b api.TimeBar) int { return b.Since.Compare(*a.Since) })
	d.Left = max(0, len(d.Table)-tableShown)
	d.Table = d.Table[:min(len(d.Table), tableShown)]
	for _, s := range spans {
		d.Spans = append(d.Spans, link{s.Name, p.base(r) + "/timeline?" + filterQuery(f, "last", s.Name).Encode(), last == s.Name})
	}
	return view{name: "timeline", Title: "Timeline", Nav: "timeline", Data: d}, nil
}

// worthSeeing is the shortest span up to now, of at most 30 days, that shows the
// oldest trouble that lasts, else the latest that is over: with a tenth to spare, so
// that its beginning is seen.
func worthSeeing(tx *store.Tx, at time.Time, f api.TimelineFilter) (name string, from time.Time, err error) {
	const week, month = 3, 4
	f.From = at.Add(-spans[month].Long)
	begins, err := api.TimelineBegins(tx, f)
	chosen := spans[week]
	if !begins.IsZero() {
		chosen = spans[month]
		for _, s := range slices.Backward(spans[:month]) {
			if at.Sub(begins) <= s.Long*9/10 {
				chosen = s
			}
		}
	}
	return chosen.Name, at.Add(-chosen.Long), err
}

// leastSpan and mostSpan bound the zoom: looks are minutes apart, and what is older is not kept.
const (
	leastSpan = 10 * time.Minute
	mostSpan  = 732 * 24 * time.Hour
)

// moves lead to the spans beside this one, and around its middle.
func moves(base string, f api.TimelineFilter, at time.Time) (out []link) {
	long := f.To.Sub(f.From)
	move := func(name string, from, to time.Time) {
		if to.After(at) { // there is no future: the span keeps its length
			from, to = from.Add(at.Sub(to)), at
		}
		out = append(out, link{Name: name, Href: spanURL(base, f, from, to)})
	}
	move("earlier", f.From.Add(-long/2), f.To.Add(-long/2))
	if f.To.Before(at.Add(-time.Second)) {
		move("later", f.From.Add(long/2), f.To.Add(long/2))
	}
	if long/2 >= leastSpan {
		move("zoom in", f.From.Add(long/4), f.To.Add(-long/4))
	}
	if long*2 <= mostSpan {
		move("zoom out", f.From.Add(-long/2), f.To.Add(long/2))
	}
	return out
}

const dayForm = "2006-01-02"

// spanOf reads last=7d, or from and to (a day, or RFC 3339), and the filters.
func spanOf(r *http.Request, at time.Time, zone *time.Location) (f api.TimelineFilter, err error) {
	f.IP, f.Name = strings.TrimSpace(r.FormValue("ip")), strings.ToLower(strings.TrimSpace(r.FormValue("partner")))
	if ip, err := netip.ParseAddr(f.IP); err == nil {
		f.IP = ip.Unmap().String()
	}
	f.To, f.From = at, at.Add(-7*24*time.Hour)
	for _, s := range spans {
		if s.Name == r.FormValue("last") {
			f.From = at.Add(-s.Long)
		}
	}
	if r.FormValue("last") != "" {
		return f, nil
	}
	if f.From, err = momentOf(r, "from", f.From, zone); err != nil {
		return f, err
	}
	if f.To, err = momentOf(r, "to", f.To, zone); err != nil {
		return f, err
	}
	if text := r.FormValue("to"); len(text) == len(dayForm) {
		f.To = f.To.AddDate(0, 0, 1) // that day is meant to its end
	}
	if f.To.After(at) {
		f.To = at
	}
	if !f.From.Before(f.To) {
		return f, failed(http.StatusBadRequest, fmt.Errorf("the span ends (%s) before it begins (%s)", clock(&f.To, zone), clock(&f.From, zone)))
	}
	return f, nil
}

func momentOf(r *http.Request, key string, otherwise time.Time, zone *time.Location) (time.Time, error) {
	text := r.FormValue(key)
	if text == "" {
		return otherwise, nil
	}
	for _, form := range []string{dayForm, time.RFC3339} {
		if t, err := time.ParseInLocation(form, text, zone); err == nil {
			return t.UTC(), nil
		}
	}
	return otherwise, failed(http.StatusBadRequest, fmt.Errorf("%s=%q is no day\n  hint: %s", key, text, dayForm))
}

func filterQuery(f api.TimelineFilter, key, value string) url.Values {
	q := url.Values{key: {value}}
	if f.IP != "" {
		q.Set("ip", f.IP)
	}
	if f.Name != "" {
		q.Set("partner", f.Name)
	}
	return q
}

func spanURL(base string, f api.TimelineFilter, from, to time.Time) string {
	q := filterQuery(f, "from", from.UTC().Format(time.RFC3339))
	q.Set("to", to.UTC().Format(time.RFC3339))
	return base + "/timeline?" + q.Encode()
}
