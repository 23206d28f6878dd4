package api

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"repwatch/checks/smtp"
	"repwatch/config"
	"repwatch/correlate"
	"repwatch/incident"
	"repwatch/reputation"
	"repwatch/store"
)

var (
	seven = netip.MustParseAddr("203.0.113.7")
	eight = netip.MustParseAddr("203.0.113.8")
)

func on(ip netip.Addr, list string) reputation.Subject {
	return reputation.Subject{Kind: reputation.KindListing, IP: ip, Target: list}
}

func to(ip netip.Addr, partner string) reputation.Subject {
	return reputation.Subject{Kind: reputation.KindWire, IP: ip, Target: partner}
}

func part(name, of string) reputation.Subject {
	return reputation.Subject{Kind: reputation.KindHealth, Domain: name, Target: of}
}

// TestDocumentsOfThePages: each document that the page shows of one thing, byte for byte.
func TestDocumentsOfThePages(t *testing.T) {
	db, cfg := known(t)
	golden(t, "subject", subjectOf(t, db, cfg, "203.0.113.7"))
	golden(t, "subject-nameless", subjectOf(t, db, cfg, "203.0.113.8"))
	golden(t, "partner", partnerOf(t, db, cfg, "contoso.example"))
	golden(t, "list", listOf(t, db, cfg, "zen"))
	golden(t, "list-suspended", listOf(t, db, cfg, "cop"))
	golden(t, "evidence", from(t, db, func(tx *store.Tx) (Evidence, error) { return EvidenceOf(tx, cfg, at, "3") }))
	golden(t, "timeline", timelineOf(t, db, TimelineFilter{From: at.Add(-30 * 24 * time.Hour), To: at}))
	golden(t, "lists-known", from(t, db, func(tx *store.Tx) (Lists, error) { return ListsHealthOf(tx, cfg, at) }))
	ledger := from(t, db, func(tx *store.Tx) (Ledger, error) { return LedgerOf(tx, cfg, at, at.Add(-24*time.Hour)) })
	provider, err := ProviderPageOf(statusOf(t, db, cfg, nil), ledger, "exchange-online")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "provider", provider)
}

func subjectOf(t *testing.T, db *store.DB, cfg *config.Loaded, who string) Subject {
	t.Helper()
	return from(t, db, func(tx *store.Tx) (Subject, error) { return SubjectOf(tx, cfg, at, who) })
}

func partnerOf(t *testing.T, db *store.DB, cfg *config.Loaded, name string) PartnerPage {
	t.Helper()
	return from(t, db, func(tx *store.Tx) (PartnerPage, error) { return PartnerPageOf(tx, cfg, at, name) })
}

func listOf(t *testing.T, db *store.DB, cfg *config.Loaded, id string) ListPage {
	t.Helper()
	return from(t, db, func(tx *store.Tx) (ListPage, error) { return ListPageOf(tx, cfg, at, id) })
}

func timelineOf(t *testing.T, db *store.DB, f TimelineFilter) Timeline {
	t.Helper()
	return from(t, db, func(tx *store.Tx) (Timeline, error) { return TimelineOf(tx, at, f) })
}

// change writes into a store at the moment of the tests.
func change(t *testing.T, db *store.DB, write func(*store.Tx) error) {
	t.Helper()
	if err := db.Update(at, write); err != nil {
		t.Fatal(err)
	}
}

// TestEachPageTellsOfItsOwn: beside much that is of others, a page shows what is of
// its subject, the worst first.
func TestEachPageTellsOfItsOwn(t *testing.T) {
	db, cfg := known(t)
	seventy := netip.MustParseAddr("203.0.113.70")
	change(t, db, func(tx *store.Tx) error {
		wire := &incident.Wire{Loss: smtp.LossRejected}
		_, relisted := tx.Append(incident.Record{What: incident.Relisted, Subject: on(seven, "zen"), Listing: &reputation.Listing{Codes: []string{"127.0.0.9"}}})
		return errors.Join(relisted,
			tx.Listings().Put(on(seven, "aaa"), store.Listing{Listing: reputation.Listing{Class: reputation.ClassPolicy, Impact: reputation.Critical}}),
			tx.Listings().Put(on(seven, "bbb"), store.Listing{Listing: reputation.Listing{Impact: reputation.Low}}),
			tx.Listings().Put(on(eight, "zen"), store.Listing{Listing: reputation.Listing{Class: reputation.ClassPolicy, Impact: reputation.Critical}}),
			tx.Listings().Put(on(seventy, "zen"), store.Listing{Listing: reputation.Listing{Impact: reputation.Critical}}),
			tx.Wire().Put(to(seven, "fabrikam.example"), store.Wire{State: smtp.State{Failed: 4}}),
			tx.Wire().Put(to(eight, "fabrikam.example"), store.Wire{State: smtp.State{Standing: smtp.StandingLost}}),
			tx.Wire().Put(to(seven, "aardvark.example"), store.Wire{State: smtp.State{Standing: smtp.StandingGood}}),
			tx.Faults().Put(reputation.Subject{Kind: reputation.KindOwn, IP: seven, Target: "perhaps"}, store.Fault{Fault: incident.Fault{ID: "perhaps"}}),
			tx.Faults().Put(reputation.Subject{Kind: reputation.KindOwn, IP: seventy, Target: "ptr"}, store.Fault{Fault: incident.Fault{ID: "ptr"}, Episode: 9}),
			tx.Lists().Put("zen", store.List{Health: "ok", SureEnded: at, Stale: map[string]time.Time{"203.0.113.9": {}, "203.0.113.10": {}, "b": {}, "a": {}, "d": {}, "c": {}}}),
			tx.Incidents().Put("6", incident.Incident{ID: "6", Status: incident.Open, Opened: at}),
			tx.Episodes().Put(61, incident.Episode{ID: 61, Subject: to(eight, "fabrikam.example"), Wire: wire, Incident: "6"}),
			tx.Episodes().Put(62, incident.Episode{ID: 62, Subject: on(eight, "cop"), Listing: &reputation.Listing{}, Incident: "6"}),
			tx.Incidents().Put("7", incident.Incident{ID: "7", Kind: incident.Health, Status: incident.Open, Opened: at}),
			tx.Episodes().Put(71, incident.Episode{ID: 71, Subject: part("control", "contoso.example"), Incident: "7"}),
			tx.Episodes().Put(72, incident.Episode{ID: 72, Subject: reputation.Subject{Kind: reputation.KindOwn, IP: eight, Target: "zen"}, Incident: "7"}),
		)
	})
	s := subjectOf(t, db, cfg, "203.0.113.7")
	if got := names(s.Listings, func(l ListedNow) string { return l.List }); got != "zen bbb aaa" {
		t.Errorf("listings: %s", got)
	}
	if got := names(s.Partners, func(p SubjectPair) string { return p.Partner + " " + p.Standing }); got != "contoso.example lost fabrikam.example new aardvark.example good" {
		t.Errorf("partners: %s", got)
	}
	if got := names(s.Changes, func(c Change) string { return string(c.What) }); got != "relisted lost listed delisted listed" {
		t.Errorf("changes, the latest first: %s", got)
	}
	if len(s.Faults) != 0 || opened(s.Open) != "3" || s.Words != "listed on 2 lists; 1 partner withholds something from it; 1 of 2 lists gave a sure answer" {
		t.Errorf("faults %v, open %s, %q", s.Faults, opened(s.Open), s.Words)
	}
	if s := subjectOf(t, db, cfg, "control"); len(s.Open) != 0 {
		t.Errorf("a part of repwatch is no subject of ours: %v", s.Open)
	}
	p := partnerOf(t, db, cfg, "contoso.example")
	if got := names(p.Pairs, func(p PartnerPair) string { return p.From }); got != "203.0.113.7 203.0.113.8" || opened(p.Open) != "3" || p.ProviderID != "exchange-online" {
		t.Errorf("partner: pairs %s, open %s, %s", got, opened(p.Open), p.ProviderID)
	}
	if got := names(partnerOf(t, db, cfg, "fabrikam.example").Pairs, func(p PartnerPair) string { return p.From }); got != "203.0.113.8 203.0.113.7" {
		t.Errorf("the lost pair does not stand first: %s", got)
	}
	if worstPair(Pair{Standing: "good", Failed: 1}, Pair{Standing: "good"}) >= 0 {
		t.Error("of two good pairs, the one that failed of late does not stand first")
	}
	for range 20 { // they are kept in no order
		if l := listOf(t, db, cfg, "zen"); strings.Join(l.Unknown, " ") != "203.0.113.10 203.0.113.9 a b c d" {
			t.Fatalf("unknown %v", l.Unknown)
		}
	}
	l := listOf(t, db, cfg, "zen")
	if got := names(l.Listed, func(l ListedNow) string { return l.Subject }); got != "203.0.113.7 203.0.113.70 203.0.113.8" || opened(l.Open) != "3" {
		t.Errorf("list: %s, open %s", got, opened(l.Open))
	}
	if got := opened(listOf(t, db, cfg, "cop").Open); got != "6" {
		t.Errorf("the other list: open %s", got)
	}
}

func names[T any](all []T, name func(T) string) string {
	var out []string
	for _, one := range all {
		out = append(out, name(one))
	}
	return strings.Join(out, " ")
}

func opened(rows []OpenIncident) string {
	return names(rows, func(i OpenIncident) string { return i.ID })
}

// TestListsThatCannotTell of a subject: they could not at the last sweep, never could,
// or are not believed. A list that does not take it is not counted.
func TestListsThatCannotTell(t *testing.T) {
	for name, tt := range map[string]struct {
		row  store.List
		want string
	}{
		"sure":      {store.List{Health: "ok", SureEnded: at, Stale: map[string]time.Time{"203.0.113.8": at}}, ""},
		"stale":     {store.List{Health: "ok", SureEnded: at, Stale: map[string]time.Time{"203.0.113.7": at}}, "zen"},
		"never":     {store.List{Health: "ok"}, "zen"},
		"suspended": {store.List{Health: "suspended", SureEnded: at}, "zen"},
	} {
		db, cfg := empty(t), filledConfig(t)
		change(t, db, func(tx *store.Tx) error {
			return errors.Join(tx.Lists().Put("zen", tt.row), tx.Lists().Put("cop", store.List{Health: "ok", SureEnded: at}))
		})
		if s := subjectOf(t, db, cfg, "203.0.113.7"); strings.Join(s.Unknown, " ") != tt.want || s.Lists != 2 {
			t.Errorf("%s: unknown %v of %d", name, s.Unknown, s.Lists)
		}
		cfg.Domains = append(cfg.Domains, "example.com")
		if s := subjectOf(t, db, cfg, "Example.COM."); !s.Watched || s.Subject != "example.com" || s.Lists != 0 || len(s.Unknown) != 0 {
			t.Errorf("%s: a domain, which these lists do not take: %+v", name, s)
		}
	}
	if s := subjectOf(t, empty(t), filledConfig(t), "203.0.113.9"); s.Watched || s.Name != "" {
		t.Errorf("nobody's address: %+v", s)
	}
}

// TestNamesThatAreNot: what is neither watched nor was is no partner, provider or list;
// a partner of the past still has its past.
func TestNamesThatAreNot(t *testing.T) {
	db, cfg := known(t)
	_, partner := From(db, func(tx *store.Tx) (PartnerPage, error) { return PartnerPageOf(tx, cfg, at, "nobody.example") })
	_, list := From(db, func(tx *store.Tx) (ListPage, error) { return ListPageOf(tx, cfg, at, "nothing") })
	_, provider := ProviderPageOf(Status{}, Ledger{}, "nobody")
	for _, err := range []error{partner, list, provider} {
		if !errors.Is(err, ErrUnknownName) {
			t.Errorf("%v", err)
		}
	}
	if _, err := ProviderPageOf(Status{Partners: []PartnerStatus{{Partner: "a.example", Provider: "mx.a.example"}}}, Ledger{}, "mx.a.example"); err != nil {
		t.Errorf("a provider that only our partners know: %v", err)
	}
	if _, err := ProviderPageOf(Status{}, Ledger{}, "exchange-online"); err != nil {
		t.Errorf("a provider that serves none: %v", err)
	}
	cfg.Partners = append(cfg.Partners, config.Partner{Domain: "fresh.example"})
	if p := partnerOf(t, db, cfg, "fresh.example"); !p.Watched || p.Words != "no sure answer from it yet" {
		t.Errorf("a partner that nothing happened to yet: %+v", p)
	}
	cfg.Partners = slices.DeleteFunc(cfg.Partners, func(p config.Partner) bool { return p.Name() == "fabrikam.example" })
	if p := partnerOf(t, db, cfg, "fabrikam.example"); p.Watched || len(p.Changes) != 2 {
		t.Errorf("no longer watched: %+v", p)
	}
}

// TestFirstLines of pages.
func TestFirstLines(t *testing.T) {
	pairs := func(standings ...string) (p PartnerPage) {
		for _, s := range standings {
			p.Pairs = append(p.Pairs, PartnerPair{Pair: Pair{Standing: s}})
		}
		return p
	}
	for want, p := range map[string]PartnerPage{
		"no sure answer from it yet":                                                      pairs(),
		"it withholds something from 1 of 3 addresses":                                    pairs("lost", "new", "good"),
		"what it usually offers is not known yet: that takes two sure answers that agree": pairs("new", "new"),
		"it treats 2 addresses as usual":                                                  pairs("new", "good"),
	} {
		if got := p.words(); got != want {
			t.Errorf("partner: %q, want %q", got, want)
		}
	}
	list := func(s ListStatus) *ListPage { return &ListPage{Status: &s} }
	for want, l := range map[string]*ListPage{
		"it is not asked: it takes nothing of ours, or is not in use": {},
		"it is retired": {List: ListEntry{Why: "it is retired"}},
		"it is not believed: it answers everything":                                       list(ListStatus{Health: "suspended", Why: "it answers everything", Listed: 1}),
		"it is not believed: it fails its own test points":                                list(ListStatus{Health: "suspended"}),
		"it lists 1 of 2 that it is asked about":                                          list(ListStatus{Health: "ok", Listed: 1, Subjects: 2}),
		"it has given no sure answer lately":                                              list(ListStatus{Health: "untested"}),
		"it lists nothing of ours, but it has no test points: its silence proves nothing": list(ListStatus{Health: "untested", Told: true}),
		"it lists nothing of ours":                                                        list(ListStatus{Health: "ok", Told: true}),
	} {
		if got := l.words(); got != want {
			t.Errorf("list: %q, want %q", got, want)
		}
	}
	for want, n := range map[string][2]int{
		"it serves none of our partners":                                           {0, 0},
		"the one partner that it serves withholds something from us":               {1, 1},
		"1 of the 3 partners that it serves withholds something from us":           {1, 3},
		"2 of the 3 partners that it serves withhold something from us":            {2, 3},
		"the one partner that it serves treats us as usual, as far as we can tell": {0, 1},
		"the 3 partners that it serves treat us as usual, as far as we can tell":   {0, 3},
	} {
		if got := servedWords(n[0], n[1]); got != want {
			t.Errorf("provider: %q, want %q", got, want)
		}
	}
	s := Subject{Lists: 3, Unknown: []string{"zen"}}
	if got := s.words(); got != "nothing is wrong with it as far as we can tell: 2 of 3 lists gave a sure answer" {
		t.Errorf("subject: %q", got)
	}
	s.Faults, s.Listings = []OwnFault{{Words: "it has no PTR"}}, []ListedNow{{Listing: reputation.Listing{Class: reputation.ClassPolicy}}}
	if got := s.words(); got != "it has no PTR; 2 of 3 lists gave a sure answer" {
		t.Errorf("subject with a fault, on a policy list: %q", got)
	}
}

// TestProvidersPartners: those that it serves, and what was opened there, no others.
func TestProvidersPartners(t *testing.T) {
	doc, err := ProviderPageOf(Status{Partners: []PartnerStatus{{Partner: "a", Provider: "x", Lost: 1}, {Partner: "b", Provider: "x"}, {Partner: "c", Provider: "y", Lost: 1}}},
		Ledger{Lanes: []Lane{{Provider: "y", Day: 1}, {Provider: "x", Day: 2}}}, "x")
	if err != nil || len(doc.Partners) != 2 || len(doc.Lanes) != 1 || doc.Lanes[0].Day != 2 || doc.Words != "1 of the 2 partners that it serves withholds something from us" {
		t.Errorf("%+v, %v", doc, err)
	}
}

// TestChangesAreBounded: the latest first, and what is left out is counted.
func TestChangesAreBounded(t *testing.T) {
	var records []incident.Record
	for n := range ChangesShown + 30 {
		records = append(records, incident.Record{Seq: uint64(n + 1)})
	}
	changes, more := latest(records)
	if len(changes) != ChangesShown || more != 30 || changes[0].Seq != ChangesShown+30 {
		t.Errorf("%d changes from #%d on, %d more", len(changes), changes[0].Seq, more)
	}
	if changes, more = latest(records[:ChangesShown]); len(changes) != ChangesShown || more != 0 {
		t.Errorf("%d changes, %d more", len(changes), more)
	}
}

// TestEvidenceHasTwoSides: a loss that is over keeps the witness of its time; one that
// lasts has the control's last sure look, whatever became of looks since; a control's
// own loss is no loss of ours.
func TestEvidenceHasTwoSides(t *testing.T) {
	db, cfg := known(t)
	const over = 3
	change(t, db, func(tx *store.Tx) error {
		s := reputation.Subject{Kind: reputation.KindControl, Domain: "office", Target: "contoso.example"}
		row, _, err := tx.Wire().Get(s)
		row.Outcome, row.Failed = reputation.OutcomeUnknown, 1
		i := incident.Incident{ID: "8", Status: incident.Open, Episodes: []uint64{800}}
		errs := []error{err, tx.Wire().Put(s, row), tx.Episodes().Put(800, incident.Episode{ID: 800, Subject: s, Wire: &incident.Wire{}})}
		for n := range uint64(sidesShown + over) {
			e := incident.Episode{ID: 801 + n, Subject: to(seven, "contoso.example"), Wire: &incident.Wire{}}
			if n == 1 {
				e.Ended, e.Witness = at, &incident.Witness{Name: "cellar", At: at.Add(-48 * time.Hour), Outcome: reputation.Absent}
			}
			errs, i.Episodes = append(errs, tx.Episodes().Put(e.ID, e)), append(i.Episodes, e.ID)
		}
		return errors.Join(append(errs, tx.Incidents().Put("8", i))...)
	})
	doc := from(t, db, func(tx *store.Tx) (Evidence, error) { return EvidenceOf(tx, cfg, at, "8") })
	if len(doc.Sides) != sidesShown || doc.More != over {
		t.Fatalf("%d sides, %d more", len(doc.Sides), doc.More)
	}
	lasts, ended := doc.Sides[0].Control, doc.Sides[1].Control
	if lasts == nil || lasts.Name != "office" || lasts.Outcome != reputation.Advertised || lasts.Failed != 1 {
		t.Errorf("while it lasts: %+v", lasts)
	}
	if ended == nil || ended.Name != "cellar" || ended.Outcome != reputation.Absent || !ended.Sure.Equal(at.Add(-48*time.Hour).Truncate(time.Millisecond)) {
		t.Errorf("when it is over: %+v", ended)
	}
	if _, err := From(db, func(tx *store.Tx) (Evidence, error) { return EvidenceOf(tx, cfg, at, "99") }); !errors.Is(err, ErrNoIncident) {
		t.Errorf("%v", err)
	}
}

// TestWhenListsWereNotBelieved: from the first suspension to the belief, or to the end
// of the watch; what lasts ends now.
func TestWhenListsWereNotBelieved(t *testing.T) {
	db := empty(t)
	for n, what := range []incident.What{incident.Suspended, incident.Suspended, incident.Believed, incident.Believed, incident.Suspended, incident.Unwatched, incident.Unwatched, incident.Suspended} {
		err := db.Update(at, func(tx *store.Tx) error {
			_, err := tx.Append(incident.Record{At: at.Add(time.Duration(n-10) * time.Hour), What: what, Subject: part("list", "zen"), Words: fmt.Sprint(n)})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	gaps := from(t, db, func(tx *store.Tx) (map[string][]TimeGap, error) { return suspensions(tx, at), nil })["zen"]
	got := names(gaps, func(g TimeGap) string {
		return fmt.Sprintf("%s:%.0f-%.0f", g.Why, at.Sub(*g.From).Hours(), at.Sub(*g.To).Hours())
	})
	if got != "0:10-8 4:6-5 7:3-0" {
		t.Errorf("not believed (why:hours ago): %s", got)
	}
}

// TestWhatIsBlind while a part of our own seeing is in trouble.
func TestWhatIsBlind(t *testing.T) {
	for _, tt := range []struct {
		name, of, ip    string
		lists, partners bool
	}{
		{"resolver", "", "", true, false}, {"coverage", "", "", true, false}, {"looking", "", "", true, true}, {"port25", "", "", false, true}, {"port25", "", "203.0.113.7", false, true},
		{"port25", "203.0.113.7", "203.0.113.7", false, true}, {"port25", "203.0.113.8", "203.0.113.7", false, false}, {"port25", "203.0.113.8", "", false, false}, {"notifier", "email", "", false, false},
	} {
		b := timeline{now: at, f: TimelineFilter{IP: tt.ip}, blind: map[string][]TimeGap{}}
		e := incident.Episode{Subject: part(tt.name, tt.of), Begin: reputation.Bracket{By: at.Add(-3 * time.Hour)}, Ended: at.Add(-time.Hour), Fault: &incident.Fault{What: "trouble"}}
		b.blinded(e)
		e.Ended = time.Time{}
		b.blinded(e)
		for key, want := range map[string]bool{allLists: tt.lists, allPartners: tt.partners} {
			gaps := b.blind[key]
			if (len(gaps) == 2) != want || len(gaps) == 2 && (at.Sub(*gaps[0].To).Round(time.Second) != time.Hour || !gaps[1].To.Equal(*utc(at))) {
				t.Errorf("%s %s, asked of %q: %s %v", tt.name, tt.of, tt.ip, key[1:], gaps)
			}
		}
		b.blinded(incident.Episode{Subject: part("looking", "")}) // nothing is known of it
	}
}

// TestGapsOfRows: each row has its own and what blinds its kind, in order and cut to
// the span; a list that was not believed has a row though it listed nothing, where it is asked for.
func TestGapsOfRows(t *testing.T) {
	gap := func(from, to int) TimeGap {
		return TimeGap{From: utc(at.Add(time.Duration(from) * time.Hour)), To: utc(at.Add(time.Duration(to) * time.Hour))}
	}
	for name, tt := range map[string]struct {
		f    TimelineFilter
		want string
	}{
		"all":          {TimelineFilter{}, "cop:-5..-4,-4..-3,-1..0 old: quiet:-5..-4,-3..-2 x.example:-2..-1"},
		"one address":  {TimelineFilter{IP: "203.0.113.7"}, "cop:-5..-4,-4..-3,-1..0 x.example:-2..-1"},
		"one list":     {TimelineFilter{Name: "quiet"}, "cop:-5..-4,-4..-3,-1..0 quiet:-5..-4,-3..-2 x.example:-2..-1"},
		"another list": {TimelineFilter{Name: "cop"}, "cop:-5..-4,-4..-3,-1..0 x.example:-2..-1"},
	} {
		tt.f.From, tt.f.To = at.Add(-5*time.Hour), at
		b := timeline{now: at, f: tt.f, rows: map[[2]string]*TimeRow{}, blind: map[string][]TimeGap{
			"cop": {gap(-1, 1), gap(-4, -3)}, "quiet": {gap(-3, -2)}, "old": {gap(-9, -8)}, allLists: {gap(-6, -4)}, allPartners: {gap(-2, -1)}}}
		b.row("list", "cop")
		b.row("partner", "x.example")
		b.gaps()
		var got []string
		for _, row := range b.rows {
			var gaps []string
			for _, g := range row.Unknown {
				gaps = append(gaps, fmt.Sprintf("%.0f..%.0f", g.From.Sub(*utc(at)).Hours(), g.To.Sub(*utc(at)).Hours()))
			}
			got = append(got, row.Name+":"+strings.Join(gaps, ","))
		}
		slices.Sort(got)
		if want := strings.ReplaceAll(tt.want, "old: ", ""); strings.ReplaceAll(strings.Join(got, " "), "-0", "0") != want {
			t.Errorf("%s: %s, want %s", name, strings.Join(got, " "), want)
		}
	}
}

// TestRowsOfTheTimeline: lists before partners, of each the one that was bad longest
// first; of too many rows and bars what is left out is counted, the latest bars stay.
func TestRowsOfTheTimeline(t *testing.T) {
	bar := func(from, to int, harmless bool) TimeBar {
		b := TimeBar{Since: utc(at.Add(time.Duration(from) * time.Hour)), Harmless: harmless}
		if to != 0 {
			b.Until = utc(at.Add(time.Duration(to) * time.Hour))
		}
		return b
	}
	rows := map[[2]string]*TimeRow{}
	add := func(kind, name string, bars ...TimeBar) {
		rows[[2]string{kind, name}] = &TimeRow{Kind: kind, Name: name, Bars: bars}
	}
	add("partner", "p", bar(-90, 0, false))
	add("list", "short", bar(-9, -8, false), bar(-5, -4, false))
	add("list", "harmless", bar(-99, 0, true))
	add("list", "lasting", bar(-7, 0, false))
	var many []TimeBar
	for n := range barsShown + 5 {
		many = append(many, bar(-n-1, -n-1, false))
	}
	add("list", "many", many...)
	for n := range rowsShown {
		add("list", fmt.Sprintf("z%02d", n))
		rows[[2]string{"list", fmt.Sprintf("z%02d", n)}].Unknown = make([]TimeGap, barsShown+1)
	}
	var doc Timeline
	doc.arrange(rows, at)
	if got := names(doc.Rows[:4], func(r TimeRow) string { return r.Name }); got != "lasting short harmless many" || doc.More != 4 || len(doc.Rows) != rowsShown+1 || doc.Rows[rowsShown].Name != "p" {
		t.Errorf("%s, %d rows, %d more, last %s", got, len(doc.Rows), doc.More, doc.Rows[len(doc.Rows)-1].Name)
	}
	if r := doc.Rows[3]; len(r.Bars) != barsShown || r.More != 5 || !r.Bars[barsShown-1].Since.Equal(*utc(at.Add(-time.Hour))) || !r.Bars[0].Since.Before(*r.Bars[1].Since) {
		t.Errorf("%d bars, %d more, the last since %s", len(r.Bars), r.More, r.Bars[len(r.Bars)-1].Since)
	}
	if r := doc.Rows[5]; len(r.Unknown) != barsShown {
		t.Errorf("%d gaps", len(r.Unknown))
	}
}

// TestWhatTheTimelineWants: of the address and the name that were asked for, and what
// reaches into the span. Whose fault it is, is the incident's verdict.
func TestWhatTheTimelineWants(t *testing.T) {
	db, _ := known(t)
	day := 24 * time.Hour
	change(t, db, func(tx *store.Tx) error {
		past := func(id uint64, s reputation.Subject, from, to time.Duration) error {
			_, err := tx.Append(incident.Record{What: incident.Mended, Subject: s, Episode: id}) // folded late
			return errors.Join(err, tx.Episodes().Put(id, incident.Episode{ID: id, Subject: s, Begin: reputation.Bracket{By: at.Add(-from)}, Ended: at.Add(-to), Listing: &reputation.Listing{}, Fault: &incident.Fault{What: "nothing looked"}}))
		}
		return errors.Join(past(54, part("looking", ""), 36*time.Hour, 30*time.Hour), past(55, on(seven, "older"), 50*day, 40*day),
			tx.Episodes().Put(50, incident.Episode{ID: 50, Subject: on(seven, "pbl"), Begin: reputation.Bracket{By: at.Add(-day)}, Listing: &reputation.Listing{Class: reputation.ClassPolicy}, Incident: "3"}),
			tx.Episodes().Put(51, incident.Episode{ID: 51, Subject: on(eight, "new"), Begin: reputation.Bracket{By: at.Add(-day)}, Listing: &reputation.Listing{}}),
			tx.Episodes().Put(52, incident.Episode{ID: 52, Subject: to(eight, "new.example"), Begin: reputation.Bracket{By: at.Add(-day)}, Wire: &incident.Wire{}}),
			tx.Episodes().Put(53, incident.Episode{ID: 53, Subject: part("looking", ""), Begin: reputation.Bracket{By: at.Add(-day)}, Fault: &incident.Fault{What: "nothing looks"}}))
	})
	for name, tt := range map[string]struct {
		f    TimelineFilter
		want string
	}{
		"month":   {TimelineFilter{From: at.Add(-30 * day)}, "cop:harmless new:harmless pbl:harmless zen:ours contoso.example:ours fabrikam.example:ours new.example:unclear"},
		"week":    {TimelineFilter{From: at.Add(-7 * day)}, "cop: new:harmless pbl:harmless zen:ours contoso.example:ours fabrikam.example:ours new.example:unclear"},
		"past":    {TimelineFilter{From: at.Add(-7 * day), To: at.Add(-2 * day)}, "fabrikam.example:ours"},
		"address": {TimelineFilter{From: at.Add(-30 * day), IP: "203.0.113.7"}, "cop:harmless pbl:harmless zen:ours contoso.example:ours"},
		"name":    {TimelineFilter{From: at.Add(-30 * day), Name: "fabrikam.example"}, "fabrikam.example:ours"},
	} {
		if tt.f.To.IsZero() {
			tt.f.To = at
		}
		doc := timelineOf(t, db, tt.f)
		slices.SortFunc(doc.Rows, func(a, b TimeRow) int { return strings.Compare(a.Kind+a.Name, b.Kind+b.Name) })
		got := names(doc.Rows, func(r TimeRow) string {
			return r.Name + ":" + names(r.Bars, func(b TimeBar) string { return string(b.Cause) })
		})
		if got != tt.want {
			t.Errorf("%s: %s, want %s", name, got, tt.want)
		}
		for _, r := range doc.Rows {
			if r.Name == "contoso.example" && (names(r.Unknown, func(g TimeGap) string { return g.Why }) != "nothing looked nothing looks" || !r.Bars[0].EndAfter.Equal(*utc(at.Add(-20 * time.Minute)))) {
				t.Errorf("%s: blind %v, last seen so %v", name, r.Unknown, r.Bars[0].EndAfter)
			}
		}
	}
	for verdict, want := range map[correlate.Cause]Blame{correlate.ByListing: Ours, correlate.ByLists: Ours, correlate.ByAbuse: Ours, correlate.Private: Ours, correlate.ByPartner: Theirs,
		correlate.ByPath: Path, incident.JustListed: Harmless, correlate.Undetermined: Unclear, "": Unclear} {
		if got := BlameOf(incident.Incident{Kind: incident.Reputation, Verdict: verdict}); got != want {
			t.Errorf("%q is laid to %s, want %s", verdict, got, want)
		}
	}
}

// TestWhereTheTimelineBegins: with the oldest trouble that lasts and is somebody's
// business, else with the latest that is over.
func TestWhereTheTimelineBegins(t *testing.T) {
	day := 24 * time.Hour
	f := TimelineFilter{From: at.Add(-30 * day), To: at}
	begins := func(db *store.DB, f TimelineFilter) string {
		b := from(t, db, func(tx *store.Tx) (time.Time, error) { return TimelineBegins(tx, f) })
		if b.IsZero() {
			return "nothing"
		}
		return at.Sub(b).Round(time.Minute).String()
	}
	db, _ := known(t)
	if got := begins(db, f); got != "3h0m0s" {
		t.Errorf("with trouble that lasts: %s ago", got)
	}
	f.IP = "203.0.113.8"
	if got := begins(db, f); got != "72h0m0s" {
		t.Errorf("of another address, the latest that is over: %s ago", got)
	}
	f.IP, f.From = "", at.Add(-90*day)
	change(t, db, func(tx *store.Tx) error {
		lasts := func(id uint64, s reputation.Subject, days int, l *reputation.Listing, in string) error {
			return tx.Episodes().Put(id, incident.Episode{ID: id, Subject: s, Begin: reputation.Bracket{By: at.Add(-time.Duration(days) * day)}, Listing: l, Incident: in})
		}
		_, err := tx.Append(incident.Record{At: at.Add(-time.Minute), What: incident.Mended, Subject: part("looking", ""), Episode: 64})
		return errors.Join(err, tx.Episodes().Put(64, incident.Episode{ID: 64, Subject: part("looking", ""), Begin: reputation.Bracket{By: at.Add(-time.Hour)}, Ended: at}), lasts(60, on(seven, "pbl"), 50, &reputation.Listing{Class: reputation.ClassPolicy}, "3"), lasts(61, on(seven, "quiet"), 50, &reputation.Listing{}, ""),
			lasts(62, part("looking", ""), 50, nil, "3"), lasts(63, on(eight, "bad"), 1, &reputation.Listing{}, "4"))
	})
	if got := begins(db, f); got != "24h0m0s" {
		t.Errorf("harmless, untold and our own trouble are none: %s ago", got)
	}
	f.Name = "zen"
	if got := begins(db, f); got != "3h0m0s" {
		t.Errorf("of one list: %s ago", got)
	}
	f.Name, f.IP = "fabrikam.example", "203.0.113.8"
	if got := begins(db, f); got != "72h0m0s" {
		t.Errorf("the latest that is over, but for our own trouble: %s ago", got)
	}
	f.Name = "nothing"
	if got := begins(db, f); got != "nothing" {
		t.Errorf("of what never was: %s ago", got)
	}
}
