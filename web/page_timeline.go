package web

import (
	"cmp"
	"fmt"
	"html/template"
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
	Earlier string
	Later   string // empty: that would be the future
	FromDay string
	ToDay   string
}

// link is a way to another span.
type link struct {
	Name string
	Href string
	Here bool
}

// picture is the timeline as SVG, in its own units.
type picture struct {
	Width, Height int
	Rows          []pictureRow
	Ticks         []tick
	Alt           string
}

type pictureRow struct {
	Name, Href string
	Kind       string
	Y          int
	Bars       template.HTML // a year has thousands: html/template would take longer than all the rest
}

type tick struct {
	X     string
	Label string
}

// Measures of the picture: the names' gutter, the rest is time.
const (
	gutter     = 190
	timeWide   = 800
	rowHigh    = 26
	headHigh   = 24
	tableShown = 150
	leastBar   = 3 // what lasted for minutes must still be seen in a year
)

func (p *Page) timeline(r *http.Request) (view, error) {
	at, zone := now(), p.h.Config().Schedule.Timezone.Loc()
	f, err := spanOf(r, at, zone)
	if err != nil {
		return view{}, err
	}
	doc, err := api.From(p.h.DB, func(tx *store.Tx) (api.Timeline, error) { return api.TimelineOf(tx, at, f) })
	if err != nil {
		return view{}, err
	}
	d := timelineView{Timeline: doc, Picture: p.draw(doc, at, zone), FromDay: f.From.In(zone).Format(dayForm), ToDay: f.To.In(zone).Format(dayForm)}
	long := f.To.Sub(f.From)
	for _, row := range doc.Rows {
		d.Table = append(d.Table, row.Bars...)
	}
	slices.SortStableFunc(d.Table, func(a, b api.TimeBar) int { return b.Since.Compare(*a.Since) })
	d.Left = max(0, len(d.Table)-tableShown)
	d.Table = d.Table[:min(len(d.Table), tableShown)]
	last := r.FormValue("last")
	if last == "" && r.FormValue("from") == "" {
		last = "7d"
	}
	for _, s := range spans {
		d.Spans = append(d.Spans, link{s.Name, p.prefix + "/timeline?" + filterQuery(f, "last", s.Name).Encode(), last == s.Name})
	}
	d.Earlier = p.span(f, f.From.Add(-long/2), f.To.Add(-long/2))
	if f.To.Before(at) {
		d.Later = p.span(f, f.From.Add(long/2), f.To.Add(long/2))
	}
	return view{name: "timeline", Title: "Timeline", Nav: "timeline", Data: d}, nil
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

func (p *Page) span(f api.TimelineFilter, from, to time.Time) string {
	q := filterQuery(f, "from", from.UTC().Format(time.RFC3339))
	q.Set("to", to.UTC().Format(time.RFC3339))
	return p.prefix + "/timeline?" + q.Encode()
}

// draw lays the bars out.
func (p *Page) draw(doc api.Timeline, at time.Time, zone *time.Location) picture {
	from, to := *doc.From, *doc.To
	x := func(t time.Time) float64 {
		return gutter + timeWide*min(1, max(0, float64(t.Sub(from))/float64(to.Sub(from))))
	}
	out := picture{Width: gutter + timeWide + 10, Height: headHigh + len(doc.Rows)*rowHigh + 8}
	for i, r := range doc.Rows {
		row := pictureRow{Name: r.Name, Kind: r.Kind, Href: p.prefix + "/" + r.Kind + "/" + escape(r.Name), Y: headHigh + i*rowHigh}
		var bars strings.Builder
		for _, b := range r.Bars {
			p.bar(&bars, b, r.Kind, row.Y, x, at, zone)
		}
		row.Bars = template.HTML(bars.String())
		out.Rows = append(out.Rows, row)
	}
	for _, t := range ticks(from.In(zone), to.In(zone)) {
		out.Ticks = append(out.Ticks, tick{fmt.Sprintf("%.1f", x(t)), label(t, to.Sub(from))})
	}
	out.Alt = fmt.Sprintf("%d lists and partners that were in a bad state between %s and %s; the table below says the same", len(doc.Rows), clock(doc.From, zone), clock(doc.To, zone))
	return out
}

// bar writes one bad state: pale where it may have begun already, and leading to its
// incident. All text in it is escaped here.
func (p *Page) bar(out *strings.Builder, b api.TimeBar, kind string, y int, x func(time.Time) float64, at time.Time, zone *time.Location) {
	end := at
	title := b.Subject + ": " + b.Words + ", since " + clock(b.Since, zone)
	if b.Until != nil {
		end = *b.Until
		title += ", until " + clock(b.Until, zone)
	}
	title = template.HTMLEscapeString(title)
	if b.Harmless {
		kind = "harmless"
	}
	begin := x(*b.Since)
	if b.After != nil && begin-x(*b.After) >= 1 {
		fmt.Fprintf(out, `<rect class="faint %s" x="%.1f" y="%d" width="%.1f" height="20"/>`, kind, x(*b.After), y, begin-x(*b.After))
	}
	bar := fmt.Sprintf(`<rect class="%s" x="%.1f" y="%d" width="%.1f" height="20" rx="1"><title>%s</title></rect>`, kind, begin, y, max(leastBar, x(end)-begin), title)
	if b.Incident != "" {
		bar = fmt.Sprintf(`<a href="%s" aria-label="%s">%s</a>`, template.HTMLEscapeString(p.prefix+"/incidents/"+escape(b.Incident)), title, bar)
	}
	out.WriteString(bar)
}

// ticks are round moments, about eight of them.
func ticks(from, to time.Time) (out []time.Time) {
	long := to.Sub(from)
	day := time.Date(from.Year(), from.Month(), from.Day(), 0, 0, 0, 0, from.Location())
	step := func(t time.Time) time.Time { return t.Add(3 * time.Hour) }
	switch days := int(long.Hours() / 24); {
	case days >= 120:
		day = time.Date(from.Year(), from.Month(), 1, 0, 0, 0, 0, from.Location())
		step = func(t time.Time) time.Time { return t.AddDate(0, cmp.Or(days/240, 1), 0) }
	case days >= 2:
		step = func(t time.Time) time.Time { return t.AddDate(0, 0, max(1, days/7)) }
	case long < 6*time.Hour:
		step = func(t time.Time) time.Time { return t.Add(30 * time.Minute) }
	}
	for t := day; t.Before(to) && len(out) < 20; t = step(t) {
		if t.After(from) {
			out = append(out, t)
		}
	}
	return out
}

func label(t time.Time, long time.Duration) string {
	switch {
	case long >= 120*24*time.Hour:
		return t.Format("Jan 06")
	case long >= 48*time.Hour:
		return t.Format("Mon 2 Jan")
	default:
		return t.Format("15:04")
	}
}
