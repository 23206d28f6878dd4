package report

import (
	"cmp"
	"math"
	"slices"

	"repwatch/checks/smtp"
	"repwatch/correlate"
	"repwatch/incident"
	"repwatch/reputation"
)

// byList sets the listings that hurt apart from those that did not.
func (b *builder) byList() error {
	b.doc.Listings = Listings{Hurt: []Listing{}, Harmless: []Listing{}}
	groups := by(b.listings, (*state).list)
	for _, id := range sortedKeys(groups) {
		states := groups[id]
		row := Listing{List: id, Name: cmp.Or(b.names[id], id), Impact: worst(states), Listings: len(states),
			Subjects: sortedKeys(by(states, func(s *state) string { return s.Subject.Who() })),
			Sum:      hoursOf(extents(states), sum), Union: hoursOf(extents(states), union)}
		for _, s := range states {
			if s.Open() {
				row.Open++
			}
		}
		row.Partners, row.Incidents = b.brokenBy(id, row.Subjects)
		to := &b.doc.Listings.Harmless
		if len(row.Partners) > 0 {
			to = &b.doc.Listings.Hurt
		}
		*to = append(*to, row)
	}
	byHours := func(x, y Listing) int {
		return cmp.Or(cmp.Compare(len(y.Partners), len(x.Partners)), cmp.Compare(y.Impact, x.Impact), cmp.Compare(y.Sum.Seen, x.Sum.Seen))
	}
	slices.SortStableFunc(b.doc.Listings.Hurt, byHours)
	slices.SortStableFunc(b.doc.Listings.Harmless, byHours)
	return nil
}

// brokenBy are the partners that were lost in the week because of a list, by the
// verdicts of their incidents. A partner may say that a list names an address which it
// does not, as far as was seen: that is none of the list's doing.
func (b *builder) brokenBy(list string, listed []string) (partners, incidents []string) {
	lost := map[string]bool{}
	blamed := map[string]bool{}
	for _, s := range b.losses {
		if b.blames(s, list) && slices.Contains(listed, s.Subject.Who()) {
			lost[s.partner()], blamed[s.Incident] = true, true
		}
	}
	return sortedKeys(lost), sortedKeys(blamed)
}

// blames: the verdict on a loss names the list. Where several lists fit, all that
// the incident holds are blamed.
func (b *builder) blames(s *state, list string) bool {
	i := b.past.incidents[s.Incident]
	if i == nil || !listingVerdict(i) {
		return false
	}
	if i.Verdict == correlate.ByListing && i.List != "" {
		return i.List == list
	}
	return i.List == list || slices.ContainsFunc(b.listings, func(l *state) bool { return l.Incident == i.ID && l.list() == list })
}

// byPartner says how mail to each partner, and to each provider, fared.
func (b *builder) byPartner() error {
	groups := by(b.losses, (*state).partner)
	looks := b.looks()
	rows := []Partner{}
	for _, name := range sortedKeys(b.pairs) {
		rows = append(rows, b.partnerRow(name, groups[name], looks[name]))
	}
	b.doc.Partners = rows
	b.doc.Providers = providerRows(rows)
	slices.SortStableFunc(b.doc.Partners, longestTrouble)
	slices.SortStableFunc(b.doc.Providers, longestTrouble)
	return b.tx.Err()
}

func longestTrouble(a, b Partner) int {
	return cmp.Or(cmp.Compare(b.Lost.Seen, a.Lost.Seen), cmp.Compare(b.Losses, a.Losses), cmp.Compare(a.Name, b.Name))
}

func (b *builder) partnerRow(name string, losses []*state, looks *Looks) Partner {
	kind := func(k smtp.LossKind) Hours {
		return hoursOf(extents(slices.DeleteFunc(slices.Clone(losses), func(s *state) bool { return s.loss() != k })), union)
	}
	row := Partner{Name: name, Provider: providerName(b.providers[name]), Pairs: len(b.pairs[name]), Losses: len(losses), Lost: hoursOf(extents(losses), union),
		Rejected: kind(smtp.LossRejected), Deferred: kind(smtp.LossDeferred), TLS: b.tls(losses, len(b.pairs[name])), Looks: looks, Why: []Whose{}, Members: []string{}}
	for _, s := range losses {
		if !slices.Contains(row.Why, s.whose) {
			row.Why = append(row.Why, s.whose)
		}
	}
	slices.Sort(row.Why)
	return row
}

// tls is the share of the watched time of all pairs in which STARTTLS worked.
func (b *builder) tls(losses []*state, pairs int) *Share {
	watched := float64(pairs) * b.seen.length().Hours()
	if watched <= 0 {
		return nil
	}
	var without Hours
	for _, states := range by(slices.DeleteFunc(slices.Clone(losses), func(s *state) bool { return !s.takesTLS() }), func(s *state) string { return s.Subject.Who() }) {
		without = without.plus(hoursOf(extents(states), union))
	}
	share := func(h float64) float64 { return round5(max(0, 1-h/watched)) }
	return &Share{Low: share(without.High), Seen: share(without.Seen), High: share(without.Low)}
}

// round5 keeps five digits of a share: a minute of a week is 0.0001.
func round5(x float64) float64 { return math.Round(x*1e5) / 1e5 }

// providerRows sums partners up by who runs their mail servers.
func providerRows(partners []Partner) []Partner {
	rows := map[string]*Partner{}
	for _, p := range partners {
		name := cmp.Or(p.Provider, "not recognised")
		row := rows[name]
		if row == nil {
			row = &Partner{Name: name, Provider: p.Provider, Why: []Whose{}, Members: []string{}}
			rows[name] = row
		}
		row.Members = append(row.Members, p.Name)
		row.Pairs += p.Pairs
		row.Losses += p.Losses
		row.Lost, row.Rejected, row.Deferred = row.Lost.plus(p.Lost), row.Rejected.plus(p.Rejected), row.Deferred.plus(p.Deferred)
		row.Looks = row.Looks.plus(p.Looks)
		for _, w := range p.Why {
			if !slices.Contains(row.Why, w) {
				row.Why = append(row.Why, w)
			}
		}
		slices.Sort(row.Why)
	}
	out := []Partner{}
	for _, name := range sortedKeys(rows) {
		rows[name].TLS = providerTLS(rows[name], partners)
		out = append(out, *rows[name])
	}
	return out
}

// providerTLS is the mean over its partners, each weighted by its pairs.
func providerTLS(row *Partner, partners []Partner) *Share {
	var out Share
	pairs := 0.0
	for _, p := range partners {
		if p.TLS == nil || !slices.Contains(row.Members, p.Name) {
			continue
		}
		n := float64(p.Pairs)
		pairs += n
		out.Low, out.Seen, out.High = out.Low+n*p.TLS.Low, out.Seen+n*p.TLS.Seen, out.High+n*p.TLS.High
	}
	if pairs == 0 {
		return nil
	}
	return &Share{round5(out.Low / pairs), round5(out.Seen / pairs), round5(out.High / pairs)}
}

// looks counts the sessions of the week by partner; nil where the ledger does not reach back.
func (b *builder) looks() map[string]*Looks {
	out := map[string]*Looks{}
	for e := range b.tx.Sessions(b.week.From, b.week.To) {
		l := out[e.Partner]
		if l == nil {
			l = &Looks{}
			out[e.Partner] = l
		}
		l.count(e.Outcome)
	}
	return out
}

func (l *Looks) count(o reputation.Outcome) {
	l.All++
	switch o {
	case reputation.Advertised:
		l.Good++
	case reputation.Rejected:
		l.Rejected++
	case reputation.Deferred:
		l.Deferred++
	case reputation.Absent, reputation.Masked, reputation.Broken:
		l.NoTLS++
	default:
		l.Unknown++
	}
}

func (l *Looks) plus(o *Looks) *Looks {
	switch {
	case l == nil && o == nil:
		return nil
	case l == nil:
		l = &Looks{}
	}
	if o == nil {
		return l
	}
	return &Looks{l.All + o.All, l.Good + o.Good, l.Rejected + o.Rejected, l.Deferred + o.Deferred, l.NoTLS + o.NoTLS, l.Unknown + o.Unknown}
}

func providerName(id string) string {
	if p, ok := smtp.ProviderByID(id); ok {
		return p.Name
	}
	return id
}

// listingVerdict: the incident blames listings.
func listingVerdict(i *incident.Incident) bool {
	return i.Verdict == correlate.ByListing || i.Verdict == correlate.ByLists
}
