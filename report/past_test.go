package report

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"repwatch/checks/smtp"
	"repwatch/correlate"
	"repwatch/incident"
	"repwatch/reputation"
	"repwatch/store"
)

// TestExtents: the three values of a length, by docs/report.md.
func TestExtents(t *testing.T) {
	h := func(n int) time.Time {
		if n == 0 {
			return time.Time{}
		}
		return time.Unix(int64(n)*3600, 0)
	}
	const now = 100
	for name, c := range map[string]struct {
		after, by        int // of the begin
		endAfter, endBy  int // zero: it lasts
		ended, sure      int
		first            bool
		low, seen, early [2]int
	}{
		"seen from outside":           {10, 11, 20, 21, 21, 0, false, [2]int{11, 20}, [2]int{11, 21}, [2]int{10, 21}},
		"at first sight":              {10, 11, 20, 21, 21, 0, true, [2]int{11, 20}, [2]int{11, 21}, [2]int{11, 21}},
		"nobody looked before":        {0, 11, 20, 21, 21, 0, false, [2]int{11, 20}, [2]int{11, 21}, [2]int{11, 21}},
		"lasts, seen a while ago":     {10, 11, 0, 0, 0, 90, false, [2]int{11, 90}, [2]int{11, now}, [2]int{10, now}},
		"lasts, last look unknown":    {10, 11, 0, 0, 0, 0, false, [2]int{11, now}, [2]int{11, now}, [2]int{10, now}},
		"lasts, a look is under way":  {10, 11, 0, 0, 0, 101, false, [2]int{11, now}, [2]int{11, now}, [2]int{10, now}},
		"one look found it":           {10, 11, 9, 21, 21, 0, false, [2]int{11, 11}, [2]int{11, 21}, [2]int{10, 21}},
		"its end has no bracket":      {10, 11, 0, 0, 21, 0, false, [2]int{11, 21}, [2]int{11, 21}, [2]int{10, 21}},
		"a bracket that is no window": {12, 11, 20, 21, 21, 0, false, [2]int{11, 20}, [2]int{11, 21}, [2]int{11, 21}},
	} {
		e := &incident.Episode{Begin: reputation.Bracket{After: h(c.after), By: h(c.by)}, End: reputation.Bracket{After: h(c.endAfter), By: h(c.endBy)}, Ended: h(c.ended), FirstSight: c.first}
		got := extentOf(e, h(now), h(c.sure))
		want := extent{span{h(c.low[0]), h(c.low[1])}, span{h(c.seen[0]), h(c.seen[1])}, span{h(c.early[0]), h(c.early[1])}}
		if got != want {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
}

// TestLossesThatTakeTLS: a refusal is no lack of it.
func TestLossesThatTakeTLS(t *testing.T) {
	for loss, want := range map[smtp.LossKind]bool{smtp.LossStartTLS: true, smtp.LossMasked: true, smtp.LossBroken: true, smtp.LossRejected: false, smtp.LossDeferred: false, smtp.LossCapability: false} {
		if s := (&state{Episode: &incident.Episode{Wire: &incident.Wire{Loss: loss}}}); s.takesTLS() != want {
			t.Errorf("%s: %v", loss, !want)
		}
	}
	if s := (&state{Episode: &incident.Episode{Wire: &incident.Wire{Loss: smtp.LossCapability, Went: []string{"SIZE", "STARTTLS"}}}}); !s.takesTLS() {
		t.Error("it went with other capabilities")
	}
	if (&state{Episode: &incident.Episode{}}).takesTLS() {
		t.Error("nothing is known of it")
	}
}

// put stores what a test needs, as of a moment.
func (s *scene) put(at time.Time, f func(tx *store.Tx) error) {
	s.Helper()
	check(s, s.db.Update(at, f))
}

// TestLastSureOfLists: what a list still says is sure as of its last sweep; an address
// that this sweep could not tell, as of an earlier one.
func TestLastSureOfLists(t *testing.T) {
	s := newScene(t)
	s.watchedSince(at("2026-10-01T00:00:00Z"))
	a, b := listing("203.0.113.7", "zen"), listing("203.0.113.8", "cop")
	s.record(at("2026-11-10T00:00:00Z"), incident.Listed, a, 0, "", "")
	s.record(at("2026-11-10T00:00:00Z"), incident.Listed, b, 0, "", "")
	s.put(at("2026-11-11T00:00:00Z"), func(tx *store.Tx) error {
		check(t, tx.Lists().Put("zen", store.List{SureStarted: at("2026-11-10T10:00:00Z"), SureEnded: at("2026-11-10T11:00:00Z")}))
		check(t, tx.Lists().Put("cop", store.List{SureStarted: at("2026-11-10T10:00:00Z"), SureEnded: at("2026-11-10T11:00:00Z"), Stale: map[string]time.Time{"203.0.113.8": at("2026-11-10T02:00:00Z")}}))
		check(t, tx.Listings().Put(a, store.Listing{}))
		return tx.Listings().Put(b, store.Listing{})
	})
	r := s.build("2026-W46", at("2026-11-10T12:00:00Z"))
	got := map[string]Hours{}
	for _, l := range r.Listings.Harmless {
		got[l.List] = l.Sum
	}
	if diff := cmp.Diff(map[string]Hours{"zen": {10, 12, 12}, "cop": {2, 12, 12}}, got); diff != "" {
		t.Error(diff)
	}
}

// TestWhatCannotBeTold: each part of our seeing takes what it takes, and no more.
func TestWhatCannotBeTold(t *testing.T) {
	monday, after := at("2026-11-08T23:00:00Z"), at("2026-11-16T08:00:00Z")
	share := func(h, of float64) float64 { return round5(h / of) }
	for name, c := range map[string]struct {
		part, target    string
		lists, partners float64
	}{
		"the resolver":         {"resolver", "", 42. / 168, 0},
		"coverage":             {"coverage", "", 42. / 168, 0},
		"looking":              {"looking", "", 42. / 168, 42. / 168},
		"port 25":              {"port25", "", 0, 42. / 168},
		"port 25 of one":       {"port25", "203.0.113.7", 0, 21. / 168},
		"a notifier: not ours": {"notifier", "log", 0, 0},
	} {
		s := newScene(t)
		s.watchedSince(at("2026-10-01T00:00:00Z"))
		subject := reputation.Subject{Kind: reputation.KindHealth, Domain: c.part, Target: c.target}
		s.record(monday.Add(-10*time.Hour), incident.Faulty, subject, 0, "", "") // 42 h of it lie in the week
		s.record(monday.Add(42*time.Hour), incident.Mended, subject, 0, "", "")
		b := s.build("2026-W46", after).Blind
		if b.Lists != share(c.lists, 1) || b.Partners != share(c.partners, 1) || b.Told != round5(1-max(b.Lists, b.Partners)) {
			t.Errorf("%s: %v of lists, %v of partners, told %v", name, b.Lists, b.Partners, b.Told)
		}
		if n := len(b.Spans); (n == 1) != (c.lists+c.partners > 0) || n == 1 && (b.Spans[0].Hours != 42 || b.Spans[0].To == nil) {
			t.Errorf("%s: %+v", name, b.Spans)
		}
	}
	// several at once are not counted twice; a list that is watched no longer is not suspended for ever
	s := newScene(t)
	s.watchedSince(at("2026-10-01T00:00:00Z"))
	cop := reputation.Subject{Kind: reputation.KindHealth, Domain: "list", Target: "cop"}
	for _, r := range []incident.Record{{At: monday.Add(-time.Hour), What: incident.Suspended, Subject: cop}, {At: monday.Add(5 * time.Hour), What: incident.Unwatched, Subject: cop}} {
		s.put(r.At, func(tx *store.Tx) error { _, err := tx.Append(r); return err })
	}
	for _, part := range []string{"resolver", "coverage"} {
		s.record(monday.Add(10*time.Hour), incident.Faulty, reputation.Subject{Kind: reputation.KindHealth, Domain: part}, 0, "", "")
	}
	r := s.build("2026-W46", monday.Add(20*time.Hour))
	if want := round5((10 + 15) / (2. * 20)); r.Blind.Lists != want || r.Light != Grey {
		t.Errorf("%v of lists, want %v; %s", r.Blind.Lists, want, r.Light)
	}
	if b := r.Blind.Spans; len(b) != 3 || b[0].To != nil || b[2].List != "cop" || b[2].Hours != 5 {
		t.Errorf("%+v", b)
	}
	if rows := r.Picture.Rows; len(rows) != 1 || rows[0].Name != "Cop" || len(rows[0].Unknown) != 2 {
		t.Errorf("%+v", rows)
	}
}

// TestKeysNearTheirLimit: from four fifths of a day's questions.
func TestKeysNearTheirLimit(t *testing.T) {
	for spent, want := range map[int]int{0: 0, 799: 0, 800: 1, 5000: 1} {
		s := newScene(t)
		s.cfg = loadConfig(t, `sending_ips: [{ip: 203.0.113.7}]
dns: {resolvers: ["127.0.0.1:1"]}
notify: {log: {}}
blocklists: {use: [zen], add: [{id: zen, zone: zen.test, access: {per_day: 1000}}]}
`)
		s.put(at("2026-11-10T00:00:00Z"), func(tx *store.Tx) error {
			return tx.Budgets().Put("zen", store.Budget{Day: at("2026-11-10T00:00:00Z").Unix() / 86400, Spent: spent})
		})
		if keys := s.build("2026-W46", at("2026-11-10T12:00:00Z")).Blind.Keys; len(keys) != want || want == 1 && (keys[0].Day != "2026-11-10" || keys[0].PerDay != 1000) {
			t.Errorf("%d spent: %+v", spent, keys)
		}
	}
}

// TestDue: what runs out within 30 days, the soonest first, and what is wrong already before it.
func TestDue(t *testing.T) {
	s := newScene(t)
	s.cfg = loadConfig(t, smallConfig+"own_mx: [example.com]\n")
	now := at("2026-11-16T08:00:00Z")
	day := 24 * time.Hour
	s.put(now, func(tx *store.Tx) error {
		for subject, end := range map[reputation.Subject]time.Duration{
			wire("203.0.113.7", "contoso.example"): 29 * day, wire("203.0.113.8", "contoso.example"): 12 * day, wire("203.0.113.7", "fabrikam.example"): 31 * day,
			wire("203.0.113.7", "example.com"): 20 * day, wire("203.0.113.7", "late.example"): -day,
		} {
			check(t, tx.Wire().Put(subject, store.Wire{NotAfter: now.Add(end)}))
		}
		return nil
	})
	ptr := reputation.Subject{Kind: reputation.KindOwn, IP: wire("203.0.113.8", "").IP, Target: "ptr"}
	s.put(now, func(tx *store.Tx) error {
		s.l.step(tx, incident.Record{At: now, What: incident.Faulty, Subject: ptr, Bracket: reputation.Bracket{By: now},
			Fault: &incident.Fault{ID: "ptr", What: "203.0.113.8 has no PTR", Do: "have it set", Impact: reputation.High}}, map[uint64]incident.Judgement{})
		return nil
	})
	var got []string
	for _, d := range s.build("2026-W46", now).Due {
		got = append(got, d.Text)
	}
	want := []string{"203.0.113.8 has no PTR: have it set", "the certificate of late.example ran out; tell its postmaster if you require a valid one",
		"the certificate of contoso.example runs out; tell its postmaster if you require a valid one", "the certificate of our MX of example.com runs out: renew it"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestTimeToDelist: what is no longer watched lasts at least so long, and what began
// before we looked has no length.
func TestTimeToDelist(t *testing.T) {
	s := newScene(t)
	s.watchedSince(at("2026-10-01T00:00:00Z"))
	begin := at("2026-10-10T00:00:00Z")
	s.put(at("2026-11-01T00:00:00Z"), func(tx *store.Tx) error {
		for n, e := range []incident.Episode{
			{Ended: begin.Add(2 * time.Hour)},
			{Ended: begin.Add(4 * time.Hour), Unwatched: true},
			{Ended: begin.Add(8 * time.Hour)},
			{Ended: begin.Add(time.Hour), FirstSight: true},
			{}, // lasts
		} {
			e.ID, e.Subject, e.Listing = uint64(n+1), listing("203.0.113.7", "zen"), &reputation.Listing{}
			e.Begin, e.End = reputation.Bracket{After: begin, By: begin}, reputation.Bracket{After: e.Ended, By: e.Ended}
			check(t, tx.Episodes().Put(e.ID, e))
		}
		return nil
	})
	d := s.build("2026-W46", at("2026-11-16T08:00:00Z")).Appendix.Delisting
	// 4 at risk: .75 after 2 h; two are left at 8 h: .375
	want := []Delisting{{List: "zen", Name: "Zen", Listings: 4, Ended: 2, LeftOut: 1, Median: &Hours{8, 8, 8}}}
	if diff := cmp.Diff(want, d); diff != "" {
		t.Error(diff)
	}
}

// TestOpenNow: the worst first, then the oldest; in hand is who said so, or sleeps.
func TestOpenNow(t *testing.T) {
	s := newScene(t)
	now := at("2026-11-12T00:00:00Z")
	s.put(now, func(tx *store.Tx) error {
		for _, i := range []incident.Incident{
			{ID: "1", Impact: reputation.Low, Opened: now.Add(-9 * time.Hour), AckedAt: now},
			{ID: "2", Impact: reputation.Critical, Opened: now.Add(-time.Hour), SnoozedToEnd: true},
			{ID: "3", Impact: reputation.Critical, Opened: now.Add(-2 * time.Hour), SnoozedUntil: now.Add(time.Hour), Next: []string{"do this", "and that"}},
			{ID: "4", Impact: reputation.Low, Opened: now.Add(-time.Hour), SnoozedUntil: now.Add(-time.Hour)},
			{ID: "5", Impact: reputation.High, Opened: now.Add(-time.Hour), Status: incident.Resolved, Resolved: now},
			{ID: "6", Opened: now.Add(-time.Hour), Status: incident.Open, Merged: "2"},
			{ID: "7", Opened: now.Add(-900 * time.Hour), Status: incident.Resolved, Resolved: at("2026-11-08T23:00:00Z")},
		} {
			if i.Status == "" {
				i.Status = incident.Open
			}
			i.Kind = incident.Reputation
			check(t, tx.Incidents().Put(i.ID, i))
		}
		return nil
	})
	r := s.build("2026-W46", now)
	type row struct {
		id     string
		age    float64
		inHand bool
		next   string
	}
	var got []row
	for _, o := range r.Open {
		if o.ID != "6" { // whether the store counts a merged one as open is its own matter
			got = append(got, row{o.ID, o.Age, o.InHand, o.Next})
		}
	}
	want := []row{{"3", 2, true, "do this"}, {"2", 1, true, ""}, {"1", 9, true, ""}, {"4", 1, false, ""}}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(row{})); diff != "" {
		t.Error(diff)
	}
	var ids []string
	for _, i := range r.Incidents {
		ids = append(ids, i.ID)
	}
	if diff := cmp.Diff([]string{"5", "4", "3", "2", "1"}, ids); diff != "" {
		t.Errorf("of the week: %s", diff)
	}
}

// TestListingsOfDomains belong to no pool; those of several that fit all hurt.
func TestListingsOfDomains(t *testing.T) {
	s := newScene(t)
	s.watchedSince(at("2026-10-01T00:00:00Z"))
	monday := at("2026-11-09T12:00:00Z")
	domain := reputation.Subject{Kind: reputation.KindListing, Domain: "example.com", Target: "cop"}
	s.record(monday, incident.Listed, domain, 0, "", "")
	r := s.build("2026-W46", at("2026-11-16T08:00:00Z"))
	if r.Sum.Listings != 1 || r.Pools[0].Listings+r.Pools[1].Listings != 0 {
		t.Errorf("%d listings, pools %+v", r.Sum.Listings, r.Pools)
	}
}

// TestWhichListsHurt: the one that is named; where several fit, all that the incident holds.
func TestWhichListsHurt(t *testing.T) {
	zen, cop := &state{Episode: &incident.Episode{Subject: listing("203.0.113.7", "zen"), Incident: "1"}}, &state{Episode: &incident.Episode{Subject: listing("203.0.113.7", "cop"), Incident: "1"}}
	other := &state{Episode: &incident.Episode{Subject: listing("203.0.113.7", "far"), Incident: "2"}}
	loss := &state{Episode: &incident.Episode{Subject: wire("203.0.113.7", "contoso.example"), Incident: "1"}}
	for name, c := range map[string]struct {
		i    incident.Incident
		want string
	}{
		"named":            {incident.Incident{Verdict: correlate.ByListing, List: "zen"}, "zen"},
		"several fit":      {incident.Incident{Verdict: correlate.ByLists, List: "zen"}, "zen cop"},
		"none is named":    {incident.Incident{Verdict: correlate.ByLists}, "zen cop"},
		"a common cause":   {incident.Incident{Verdict: correlate.ByAbuse, List: "zen"}, ""},
		"the partner":      {incident.Incident{Verdict: correlate.ByPartner, List: "zen"}, ""},
		"named, from afar": {incident.Incident{Verdict: correlate.ByListing, List: "far"}, "far"},
	} {
		c.i.ID = "1"
		b := &builder{past: &past{incidents: map[string]*incident.Incident{"1": &c.i}}, listings: []*state{zen, cop, other}}
		got := ""
		for _, list := range []string{"zen", "cop", "far"} {
			if b.blames(loss, list) {
				got += " " + list
			}
		}
		if len(got) > 0 {
			got = got[1:]
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// TestAListHurtsWhomItLists: a reply may name a list that does not list the address.
func TestAListHurtsWhomItLists(t *testing.T) {
	loss := &state{Episode: &incident.Episode{Subject: wire("203.0.113.7", "contoso.example"), Incident: "1"}}
	b := &builder{past: &past{incidents: map[string]*incident.Incident{"1": {ID: "1", Verdict: correlate.ByListing, List: "zen"}}}, losses: []*state{loss}}
	if partners, incidents := b.brokenBy("zen", []string{"203.0.113.7"}); len(partners) != 1 || len(incidents) != 1 {
		t.Errorf("it broke %q (%q)", partners, incidents)
	}
	if partners, incidents := b.brokenBy("zen", []string{"203.0.113.8"}); len(partners)+len(incidents) > 0 {
		t.Errorf("of another address it broke %q (%q)", partners, incidents)
	}
}

// TestProviders: as configured, or as a look found it, now or at a loss in the past.
func TestProviders(t *testing.T) {
	s := newScene(t)
	s.cfg = loadConfig(t, smallConfig)
	now := at("2026-11-12T00:00:00Z")
	s.put(now, func(tx *store.Tx) error {
		check(t, tx.Wire().Put(wire("203.0.113.7", "contoso.example"), store.Wire{Provider: "google"})) // the configuration knows better
		check(t, tx.Wire().Put(wire("203.0.113.7", "fabrikam.example"), store.Wire{Provider: "google"}))
		return tx.Episodes().Put(1, incident.Episode{ID: 1, Subject: wire("203.0.113.7", "gone.example"), Begin: reputation.Bracket{By: now}, Ended: now, Wire: &incident.Wire{Provider: "exchange-online"}})
	})
	got := map[string]string{}
	for _, p := range s.build("2026-W46", now).Partners {
		got[p.Name] = p.Provider
	}
	google, _ := smtp.ProviderByID("google")
	if diff := cmp.Diff(map[string]string{"contoso.example": "Exchange Online", "fabrikam.example": google.Name, "gone.example": "Exchange Online"}, got); diff != "" {
		t.Error(diff)
	}
}

// TestWhatIsLearned: a belief that begins is told, and one that is lost is too.
func TestWhatIsLearned(t *testing.T) {
	s := newScene(t)
	s.watchedSince(at("2026-10-01T00:00:00Z"))
	zen, contoso := listing("203.0.113.7", "zen"), wire("203.0.113.7", "contoso.example")
	begin := at("2026-11-02T12:00:00Z")
	s.record(begin, incident.Listed, zen, 5*time.Minute, "", "")
	s.record(begin.Add(6*time.Minute), incident.Lost, contoso, 5*time.Minute, correlate.ByListing, "zen")
	s.record(begin.Add(6*time.Hour), incident.Delisted, zen, 5*time.Minute, "", "")
	s.record(begin.Add(6*time.Hour+6*time.Minute), incident.Back, contoso, 5*time.Minute, "", "")
	for n := range 12 {
		begin := at("2026-11-09T12:00:00Z").Add(time.Duration(n) * 10 * time.Hour)
		s.record(begin, incident.Listed, zen, 5*time.Minute, "", "")
		s.record(begin.Add(5*time.Hour), incident.Delisted, zen, 5*time.Minute, "", "")
	}
	type change struct{ was, is correlate.Standing }
	for week, want := range map[string]change{"2026-W45": {"", correlate.Suspected}, "2026-W46": {correlate.Suspected, correlate.Weak}} {
		r := s.build(week, at("2026-11-16T08:00:00Z"))
		if e := r.Learned.Edges; len(e) != 1 || (change{e[0].Was, e[0].Is}) != want || e[0].Partner != "contoso.example" || e[0].List != "zen" {
			t.Errorf("%s: %+v", week, e)
		}
	}
}
