package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

func (t told) hurt() section {
	return section{id: "hurt", title: "Listings that hurt", table: t.listings(t.Listings.Hurt, true)}
}

func (t told) harmless() section {
	return section{id: "harmless", title: "Listings that broke nothing", table: t.listings(t.Listings.Harmless, false)}
}

func (t told) listings(all []Listing, hurt bool) *table {
	if len(all) == 0 {
		return nil
	}
	out := &table{head: []string{"list", "impact", "listed", "for", "still listed"}}
	if day := t.asOf(); day != "" {
		out.head[4] = "listed on " + day
	}
	if hurt {
		out.head = append(out.head, "broke", "incidents")
	}
	for _, l := range all {
		still := none
		if l.Open > 0 {
			still = fmt.Sprint(l.Open)
		}
		row := []string{l.Name, l.Impact.String(), enumerate(l.Subjects, 3), l.Union.String(), still}
		if hurt {
			row = append(row, enumerate(l.Partners, 3), numbered(l.Incidents))
		}
		out.rows = append(out.rows, row)
	}
	return out
}

func numbered(ids []string) string {
	out := make([]string, len(ids))
	for i, id := range ids {
		out[i] = "#" + id
	}
	return enumerate(out, 5)
}

// maxPartners bounds the partners that are shown one by one.
const maxPartners = 20

func (t told) partners() section {
	if !t.watched() {
		return section{id: "partners", title: "Partners", after: []string{notWatched}}
	}
	out := t.trouble("partners", "Partner", t.Partners)
	if t.asOf() != "" && len(t.Partners) > 0 && !slices.ContainsFunc(t.Partners, func(p Partner) bool { return p.Looks != nil }) {
		out.after = append(out.after, "what our own looks met in that week is no longer kept")
	}
	return out
}

func (t told) providers() section {
	if len(t.Providers) < 2 {
		return section{}
	}
	return t.trouble("providers", "Provider", t.Providers)
}

func (t told) trouble(id, one string, all []Partner) section {
	out := section{id: id, title: one + "s"}
	rows := [][]string{}
	quiet := 0
	for _, p := range all {
		if p.Losses == 0 && !p.refused() || len(rows) == maxPartners {
			quiet++
			continue
		}
		provider, members, length := cmp.Or(p.Provider, none), none, Hours.String
		if id == "providers" { // several partners' hours in one number
			provider, members, length = none, fmt.Sprint(len(p.Members)), Hours.total
		}
		rows = append(rows, []string{p.Name, provider, members, orNone(p.Lost, length), orNone(p.Rejected, length), orNone(p.Deferred, length), p.TLS.String(), p.Looks.String(), cmp.Or(sides(p.Why), none)})
	}
	if len(rows) > 0 {
		out.table = &table{head: []string{one, "provider", "partners", "lost for", "refused for", "put off for", "TLS available", "our looks", "whose doing"}, rows: rows}
	}
	switch {
	case quiet > 0 && len(rows) > 0:
		out.after = []string{fmt.Sprintf("%d more had less trouble or none", quiet)}
	case quiet > 0 && id == "partners":
		out.after = []string{fmt.Sprintf("none of %d had trouble", quiet)}
	}
	return out
}

func (p Partner) refused() bool { return p.Looks != nil && p.Looks.Rejected+p.Looks.Deferred > 0 }

func orNone(h Hours, length func(Hours) string) string {
	if h.High == 0 {
		return none
	}
	return length(h)
}

// String is what our own sessions met.
func (l *Looks) String() string {
	if l == nil {
		return none
	}
	var parts []string
	for _, part := range []struct {
		n    int
		what string
	}{{l.Rejected, "refused"}, {l.Deferred, "put off"}, {l.NoTLS, "without TLS"}, {l.Unknown, "unknown"}} {
		if part.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", part.n, part.what))
		}
	}
	if len(parts) == 0 {
		return fmt.Sprint(l.All)
	}
	return fmt.Sprintf("%d (%s)", l.All, strings.Join(parts, ", "))
}

func (t told) pools() section {
	if len(t.Pools) < 2 {
		return section{}
	}
	out := section{id: "pools", title: "By pool", table: &table{head: []string{"pool", "light", "addresses", "partners affected", "partner-hours of loss", "listings", "hours with a listing"}}}
	for _, p := range t.Pools {
		out.table.rows = append(out.table.rows, []string{p.Pool, string(p.Light), fmt.Sprint(p.Addresses), fmt.Sprint(p.PartnersAffected), total(p.LossHours.Seen), fmt.Sprint(p.Listings), total(p.ListingHours.Seen)})
	}
	return out
}

func (t told) delisting() section {
	a := t.Appendix
	out := section{id: "appendix", title: "Appendix: time to delist, in all that is known"}
	if len(a.Delisting) > 0 {
		out.table = &table{head: []string{"list", "half are gone after", "listings", "of these ended", "length not known"}}
	}
	for _, d := range a.Delisting {
		half := "not half are gone yet"
		switch {
		case d.Median != nil:
			half = d.Median.String()
		case d.Listings == 0:
			half = "not known"
		}
		out.table.rows = append(out.table.rows, []string{d.Name, half, fmt.Sprint(d.Listings), fmt.Sprint(d.Ended), numberOrNone(d.LeftOut)})
	}
	if a.Sum.High > 0 {
		out.after = append(out.after, fmt.Sprintf("listing-hours of the week: %s summed over addresses and lists, %s with at least one listing", a.Sum.total(), a.Union.total()))
	}
	return out
}

func numberOrNone(n int) string {
	if n == 0 {
		return none
	}
	return fmt.Sprint(n)
}
