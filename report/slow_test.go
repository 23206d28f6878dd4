package report

import (
	"fmt"
	"math"
	"slices"
	"sort"
	"strings"
	"testing"
	"time"

	"repwatch/checks/smtp"
	"repwatch/incident"
	"repwatch/reputation"
	"repwatch/store"
)

// The slow reckoning counts a week once more, second by second, from the raw rows of
// the store and by the words of docs/report.md alone. It shares no code with the product.

// slow is what it reads.
type slow struct {
	t         *testing.T
	now       time.Time
	episodes  []incident.Episode
	incidents map[string]incident.Incident
	lastSure  map[reputation.Subject]time.Time
	forecasts []store.Forecast
	sessions  []smtp.LedgerEntry
	clocks    map[time.Time]*clock // weeks that were counted already
}

func readSlow(t *testing.T, db *store.DB, now time.Time) *slow {
	s := &slow{t: t, now: now, incidents: map[string]incident.Incident{}, lastSure: map[reputation.Subject]time.Time{}, clocks: map[time.Time]*clock{}}
	check(t, db.View(func(tx *store.Tx) error {
		for _, e := range tx.Episodes().All() {
			s.episodes = append(s.episodes, e)
		}
		for id, i := range tx.Incidents().All() {
			s.incidents[id] = i
		}
		for subject, w := range tx.Wire().All() {
			s.lastSure[subject] = w.LastSure
		}
		for _, f := range tx.Forecasts().All() {
			s.forecasts = append(s.forecasts, f)
		}
		for e := range tx.Sessions(time.Time{}, now.AddDate(1, 0, 0)) {
			s.sessions = append(s.sessions, e)
		}
		return tx.Err()
	}))
	return s
}

// The three values of a length.
const (
	least = iota
	asSeen
	most
)

// cells are a bit for each second of a week.
type cells []bool

// clock holds cells by the name of what is counted, for each of the three values.
type clock struct {
	from, to time.Time
	of       [3]map[string]cells
	any      [3]map[string]float64 // hours in which a cell is on
	sums     [3]map[string]float64 // hours of each state by itself, summed
	n        map[string]int
	names    map[string]map[string]bool // sets
}

func (s *slow) clock(from, to time.Time) *clock {
	if c := s.clocks[from]; c != nil {
		return c
	}
	c := &clock{from: from, to: to, n: map[string]int{}, names: map[string]map[string]bool{}}
	for v := range c.of {
		c.of[v], c.any[v], c.sums[v] = map[string]cells{}, map[string]float64{}, map[string]float64{}
	}
	for _, e := range s.episodes {
		s.mark(c, e)
	}
	for v := range c.of {
		for name, cells := range c.of[v] {
			n := 0
			for _, on := range cells {
				if on {
					n++
				}
			}
			c.any[v][name] = float64(n) / 3600
		}
		c.of[v] = nil
	}
	s.clocks[from] = c
	return c
}

// stretch is when an episode lasted, by the table's three values.
func (s *slow) stretch(e incident.Episode, value int) (from, to time.Time) {
	from, to = e.Begin.By, s.now
	if !e.Ended.IsZero() {
		to = e.End.By
	}
	sure := e.End.After
	if e.Ended.IsZero() {
		sure = s.lastSure[e.Subject]
	}
	switch value {
	case least:
		if !sure.IsZero() && sure.Before(to) {
			to = sure
		}
		if to.Before(from) {
			to = from
		}
	case most:
		if !e.FirstSight && !e.Begin.After.IsZero() && e.Begin.After.Before(from) {
			from = e.Begin.After
		}
	}
	return from, to
}

// side answers for an incident, by the table of sum.whose.
func (s *slow) side(id string) string {
	i := s.incidents[id]
	switch {
	case i.Kind == incident.Own || i.Kind == incident.Health:
		return "ours"
	case strings.Contains(" listing listing-ambiguous common-cause private listed ", " "+string(i.Verdict)+" "):
		return "ours"
	case i.Verdict == "partner-wide":
		return "theirs"
	case i.Verdict == "network-path":
		return "path"
	}
	return "unclear"
}

func poolOfSlow(ip string) string {
	if ip == "192.0.2.10" || ip == "192.0.2.11" {
		return "main"
	}
	return "bulk"
}

// mark enters an episode under every name that it counts for.
func (s *slow) mark(c *clock, e incident.Episode) {
	first, last := s.stretch(e, asSeen)
	if !first.Before(c.to) || !last.After(c.from) && !(first.Equal(last) && first.Equal(c.from)) {
		return
	}
	var names []string
	set := func(name, member string) {
		if c.names[name] == nil {
			c.names[name] = map[string]bool{}
		}
		c.names[name][member] = true
	}
	ip, target := e.Subject.Who(), e.Subject.Target
	switch {
	case e.Subject.Kind == reputation.KindWire:
		kind := string(e.Wire.Loss)
		names = []string{"lost/" + target, "whose/" + s.side(e.Incident) + "/" + target, kind + "/" + target, "pool/" + poolOfSlow(ip) + "/lost/" + target, "incident/" + e.Incident + "/" + target}
		if kind == "starttls" || kind == "masked" || kind == "broken" || kind == "capability" && slices.Contains(e.Wire.Went, "STARTTLS") {
			names = append(names, "tls/"+target+"/"+ip)
		}
		c.n["losses/"+target]++
		set("partners", target)
		set("partners/"+s.side(e.Incident), target)
		set("incidents/"+s.side(e.Incident), e.Incident)
		set("partners/pool/"+poolOfSlow(ip), target)
		set("why/"+target, s.side(e.Incident))
		if i := s.incidents[e.Incident]; i.Verdict == "listing" || i.Verdict == "listing-ambiguous" {
			set("blamed", e.Incident)
			set("broken by/"+e.Incident, target)
		}
	case e.Subject.Kind == reputation.KindListing && e.Listing.Class == reputation.ClassBad:
		names = []string{"any list", "listed/" + target, "pool/" + poolOfSlow(ip) + "/any list"}
		c.n["listings"]++
		c.n["listings/"+target]++
		c.n["listings/pool/"+poolOfSlow(ip)]++
		if e.Ended.IsZero() {
			c.n["still/"+target]++
		}
		set("lists", target)
		set("addresses/"+target, ip)
		set("lists of/"+e.Incident, target)
	}
	for value := range c.of {
		from, to := s.stretch(e, value)
		a, b := max(0, int(math.Round(from.Sub(c.from).Seconds()))), min(int(c.to.Sub(c.from).Seconds()), int(math.Round(to.Sub(c.from).Seconds())))
		for _, name := range names {
			if c.of[value][name] == nil {
				c.of[value][name] = make(cells, int(c.to.Sub(c.from).Seconds()))
			}
			on := c.of[value][name]
			for i := a; i < b; i++ {
				on[i] = true
			}
			c.sums[value][name] += float64(max(0, b-a)) / 3600
		}
	}
}

// hours of everything whose name begins so, each name by itself.
func (c *clock) hours(prefix string) (h [3]float64) {
	for value := range c.any {
		for name, hours := range c.any[value] {
			if strings.HasPrefix(name, prefix) {
				h[value] += hours
			}
		}
	}
	return h
}

func (c *clock) sum(name string) (h [3]float64) {
	for value := range c.sums {
		h[value] = c.sums[value][name]
	}
	return h
}

func near(t *testing.T, what string, got Hours, want [3]float64) {
	t.Helper()
	for n, g := range []float64{got.Low, got.Seen, got.High} {
		if math.Abs(g-want[n]) > .02 { // a thousandth of an hour, rounded for each partner
			t.Errorf("%s: %+v, slowly reckoned %.3f", what, got, want)
			return
		}
	}
}

func same(t *testing.T, what string, got, want any) {
	t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%s: %v, slowly reckoned %v", what, got, want)
	}
}

// TestNumbersBySlowReckoning counts weeks over a whole year again.
func TestNumbersBySlowReckoning(t *testing.T) {
	db, cfg := yearStore(t), yearConfig(t, "Europe/Vienna")
	s := readSlow(t, db, yearEnd)
	seen := map[string]int{}
	for _, n := range []int{2, 3, 13, 22, 23, 24, 35, 43, 52, 53} { // 13 and 43: the clock changes
		monday := time.Date(2025, 12, 29+7*(n-1), 0, 0, 0, 0, vienna(t))
		end := monday.AddDate(0, 0, 7)
		r := build(t, db, cfg, must(ParseWeek(fmt.Sprintf("2026-W%02d", n), vienna(t))), yearEnd)
		t.Run(r.Week.ID, func(t *testing.T) {
			s := *s
			s.t = t
			c := s.clock(monday, end)
			s.sums(r, c)
			s.before(r, monday)
			s.lists(r, c)
			s.partners(r, c)
			s.rest(r, c)
			for _, f := range r.Sum.Whose {
				seen[string(f.Whose)]++
			}
			seen["hurt"] += len(r.Listings.Hurt)
			seen["harmless"] += len(r.Listings.Harmless)
		})
	}
	for _, kind := range []string{"ours", "theirs", "hurt", "harmless"} {
		if seen[kind] < 2 {
			t.Errorf("the year is too calm for this test: %v", seen)
		}
	}
}

func (s *slow) sums(r Report, c *clock) {
	t := s.t
	near(t, "partner-hours", r.Sum.LossHours, c.hours("lost/"))
	near(t, "hours with a listing", r.Sum.ListingHours, c.hours("any list"))
	near(t, "appendix: with a listing", r.Appendix.Union, c.hours("any list"))
	near(t, "appendix: summed", r.Appendix.Sum, c.sum("any list"))
	same(t, "listings", r.Sum.Listings, c.n["listings"])
	same(t, "partners affected", r.Sum.PartnersAffected, len(c.names["partners"]))
	same(t, "partners watched", r.Sum.PartnersWatched, 12)
	left := map[string]bool{"ours": true, "theirs": true, "path": true, "unclear": true}
	for _, f := range r.Sum.Whose {
		w := string(f.Whose)
		near(t, w, f.Hours, c.hours("whose/"+w+"/"))
		same(t, w+" partners", f.Partners, len(c.names["partners/"+w]))
		same(t, w+" incidents", f.Incidents, len(c.names["incidents/"+w]))
		delete(left, w)
	}
	for w := range left {
		same(t, w+" partners that were left out", 0, len(c.names["partners/"+w]))
	}
	same(t, "light", r.Light, lightSlow(c.hours("lost/")[asSeen], len(c.names["partners"]), c.n["listings"]))
}

func lightSlow(lost float64, partners, listings int) string {
	if lost > 59.5/60 {
		return "red"
	}
	if partners+listings > 0 {
		return "yellow"
	}
	return "green" // the simulated year sees all
}

// before: the four weeks before, as far as the year reaches back.
func (s *slow) before(r Report, monday time.Time) {
	var clocks []*clock
	year := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for n := 1; n <= 4; n++ {
		if from := monday.AddDate(0, 0, -7*n); from.After(year) {
			clocks = append(clocks, s.clock(from, from.AddDate(0, 0, 7)))
		}
	}
	same(s.t, "weeks before", r.Sum.MedianWeeks, len(clocks))
	if len(clocks) == 0 {
		same(s.t, "weeks before", r.Sum.LastWeek == nil && r.Sum.Median == nil, true)
		return
	}
	middle := func(count func(*clock) float64) float64 {
		var all []float64
		for _, c := range clocks {
			all = append(all, count(c))
		}
		sort.Float64s(all)
		for len(all) > 2 {
			all = all[1 : len(all)-1]
		}
		return (all[0] + all[len(all)-1]) / 2
	}
	numbers := func(what string, got *Numbers, of func(func(*clock) float64) float64) {
		hours := func(prefix string) (h [3]float64) {
			for v := range h {
				h[v] = of(func(c *clock) float64 { return c.hours(prefix)[v] })
			}
			return h
		}
		near(s.t, what+": partner-hours", got.LossHours, hours("lost/"))
		near(s.t, what+": hours with a listing", got.ListingHours, hours("any list"))
		same(s.t, what+": listings", got.Listings, int(of(func(c *clock) float64 { return float64(c.n["listings"]) })))
		same(s.t, what+": partners", got.PartnersAffected, int(of(func(c *clock) float64 { return float64(len(c.names["partners"])) })))
	}
	numbers("last week", r.Sum.LastWeek, func(f func(*clock) float64) float64 { return f(clocks[0]) })
	numbers("median", r.Sum.Median, middle)
}

// lists: what each said, and whether a loss is blamed on it.
func (s *slow) lists(r Report, c *clock) {
	t := s.t
	var hurt []string
	for _, part := range [][]Listing{r.Listings.Hurt, r.Listings.Harmless} {
		for _, l := range part {
			near(t, l.List+" union", l.Union, c.hours("listed/"+l.List))
			near(t, l.List+" sum", l.Sum, c.sum("listed/"+l.List))
			same(t, l.List+" listings", l.Listings, c.n["listings/"+l.List])
			same(t, l.List+" open", l.Open, c.n["still/"+l.List])
			same(t, l.List+" addresses", l.Subjects, sortedNames(c.names["addresses/"+l.List]))
			partners := map[string]bool{}
			for id := range c.names["blamed"] {
				i := s.incidents[id]
				if i.List == l.List || (i.Verdict == "listing-ambiguous" || i.List == "") && c.names["lists of/"+id][l.List] {
					for p := range c.names["broken by/"+id] {
						partners[p] = true
					}
				}
			}
			same(t, l.List+" broke", l.Partners, sortedNames(partners))
			if len(partners) > 0 {
				hurt = append(hurt, l.List)
			}
		}
	}
	same(t, "lists", len(r.Listings.Hurt)+len(r.Listings.Harmless), len(c.names["lists"]))
	same(t, "lists that hurt", len(r.Listings.Hurt), len(hurt))
}

func sortedNames(set map[string]bool) []string {
	var out []string
	for name := range set {
		out = append(out, name)
	}
	sort.Strings(out)
	return out
}

// partners and their providers: every third is Exchange Online, by the configuration.
func (s *slow) partners(r Report, c *clock) {
	t := s.t
	week := c.to.Sub(c.from).Hours()
	if s.now.Before(c.to) {
		week = s.now.Sub(c.from).Hours()
	}
	type sums struct {
		lost, rejected, deferred, without [3]float64
		losses, partners                  int
	}
	providers := map[string]*sums{"Exchange Online": {}, "": {}}
	same(t, "partners", len(r.Partners), 12)
	for _, p := range r.Partners {
		var n int
		_, err := fmt.Sscanf(p.Name, "p%d.example", &n)
		check(t, err)
		provider := ""
		if n%3 == 0 {
			provider = "Exchange Online"
		}
		same(t, p.Name+" provider", p.Provider, provider)
		lost, rejected, deferred, without := c.hours("lost/"+p.Name), c.hours("rejected/"+p.Name), c.hours("deferred/"+p.Name), c.hours("tls/"+p.Name+"/")
		near(t, p.Name+" lost", p.Lost, lost)
		near(t, p.Name+" rejected", p.Rejected, rejected)
		near(t, p.Name+" deferred", p.Deferred, deferred)
		same(t, p.Name+" losses", p.Losses, c.n["losses/"+p.Name])
		same(t, p.Name+" pairs", p.Pairs, 4)
		same(t, p.Name+" whose", p.Why, sortedNames(c.names["why/"+p.Name]))
		tls(t, p, without, 4*week)
		s.looks(p, c)
		sum := providers[provider]
		for v := range 3 {
			sum.lost[v] += lost[v]
			sum.rejected[v] += rejected[v]
			sum.deferred[v] += deferred[v]
			sum.without[v] += without[v]
		}
		sum.losses += c.n["losses/"+p.Name]
		sum.partners++
	}
	same(t, "providers", len(r.Providers), 2)
	for _, p := range r.Providers {
		sum := providers[p.Provider]
		near(t, p.Name+" lost", p.Lost, sum.lost)
		near(t, p.Name+" rejected", p.Rejected, sum.rejected)
		near(t, p.Name+" deferred", p.Deferred, sum.deferred)
		same(t, p.Name+" losses", p.Losses, sum.losses)
		same(t, p.Name+" members", len(p.Members), sum.partners)
		tls(t, p, sum.without, float64(4*sum.partners)*week)
	}
}

func tls(t *testing.T, p Partner, without [3]float64, watched float64) {
	t.Helper()
	for n, got := range []float64{p.TLS.High, p.TLS.Seen, p.TLS.Low} { // the less was lost, the more was there
		if want := 1 - without[n]/watched; math.Abs(got-want) > 1e-4 {
			t.Errorf("%s: TLS %+v, slowly reckoned %v at %d", p.Name, p.TLS, want, n)
		}
	}
}

func (s *slow) looks(p Partner, c *clock) {
	all, refused, putOff := 0, 0, 0
	for _, e := range s.sessions {
		if e.Partner != p.Name || e.Opened.Before(c.from) || !e.Opened.Before(c.to) {
			continue
		}
		all++
		switch e.Outcome.String() {
		case "rejected":
			refused++
		case "deferred":
			putOff++
		}
	}
	if p.Looks == nil {
		same(s.t, p.Name+" looks", 0, all)
		return
	}
	same(s.t, p.Name+" looks", []int{p.Looks.All, p.Looks.Rejected, p.Looks.Deferred, p.Looks.Good}, []int{all, refused, putOff, all - refused - putOff})
}

// rest: pools, incidents, forecasts and how long listings last.
func (s *slow) rest(r Report, c *clock) {
	t := s.t
	for _, p := range r.Pools {
		near(t, p.Pool+" partner-hours", p.LossHours, c.hours("pool/"+p.Pool+"/lost/"))
		near(t, p.Pool+" hours with a listing", p.ListingHours, c.hours("pool/"+p.Pool+"/any list"))
		same(t, p.Pool+" listings", p.Listings, c.n["listings/pool/"+p.Pool])
		same(t, p.Pool+" partners", p.PartnersAffected, len(c.names["partners/pool/"+p.Pool]))
		same(t, p.Pool+" light", p.Light, lightSlow(c.hours("pool/" + p.Pool + "/lost/")[asSeen], len(c.names["partners/pool/"+p.Pool]), c.n["listings/pool/"+p.Pool]))
	}
	same(t, "pools", len(r.Pools), 2)
	open := 0
	for _, i := range s.incidents {
		if i.Merged == "" && i.Opened.Before(c.to) && (i.Resolved.IsZero() || i.Resolved.After(c.from)) {
			open++
		}
	}
	same(t, "incidents", len(r.Incidents), open)
	for _, i := range r.Incidents {
		near(t, "#"+i.ID, i.Hours, c.hours("incident/"+i.ID+"/"))
	}
	s.scores(r, c)
	for _, d := range r.Appendix.Delisting {
		for value := range 3 {
			want := s.halfGone(d.List, value)
			if d.Median == nil || math.Abs([]float64{d.Median.Low, d.Median.Seen, d.Median.High}[value]-want) > .001 {
				t.Errorf("%s: half are gone after %+v, slowly reckoned %v", d.List, d.Median, want)
			}
		}
	}
}

func (s *slow) scores(r Report, c *clock) {
	for what, score := range map[string]struct {
		got  Score
		from time.Time
	}{"of the week": {r.Learned.Score, c.from}, "ever": {r.Learned.Ever, time.Time{}}} {
		hits, misses, expected, square := 0, 0, 0., 0.
		for _, f := range s.forecasts {
			if f.Judged.Before(score.from) || !f.Judged.Before(c.to) {
				continue
			}
			came := 0.
			if misses++; f.Outcome == "hit" {
				misses--
				hits++
				came = 1
			}
			expected += f.P
			square += math.Pow(f.P-came, 2)
		}
		same(s.t, what+" forecasts", []int{score.got.Hits, score.got.Misses}, []int{hits, misses})
		if n := hits + misses; n > 0 && (math.Abs(score.got.Expected-expected) > .001 || math.Abs(*score.got.Brier-square/float64(n)) > .001) {
			s.t.Errorf("%s: %+v, slowly reckoned %v and %v", what, score.got, expected, square/float64(n))
		}
	}
}

// halfGone is Kaplan and Meier's median by Efron's rule (1967): each listing has the
// same weight; one that has not ended gives its own to those that lasted longer.
func (s *slow) halfGone(list string, value int) float64 {
	type life struct {
		hours  float64
		ended  bool
		weight float64
	}
	var all []life
	for _, e := range s.episodes {
		if e.Subject.Kind == reputation.KindListing && e.Subject.Target == list && !e.FirstSight {
			from, to := s.stretch(e, value)
			all = append(all, life{hours: to.Sub(from).Hours(), ended: !e.Ended.IsZero() && !e.Unwatched})
		}
	}
	sort.Slice(all, func(a, b int) bool {
		return all[a].hours < all[b].hours || all[a].hours == all[b].hours && all[a].ended && !all[b].ended
	})
	for n := range all {
		all[n].weight = 1 / float64(len(all))
	}
	gone := 0.
	for n, l := range all {
		if l.ended {
			if gone += l.weight; gone >= .5-1e-9 {
				return l.hours
			}
			continue
		}
		for m := n + 1; m < len(all); m++ {
			all[m].weight += l.weight / float64(len(all)-n-1)
		}
	}
	return math.NaN()
}
