package web

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"repwatch/api"
	"repwatch/checks/dnsbl"
	"repwatch/config"
	"repwatch/correlate"
	"repwatch/incident"
	"repwatch/reputation"
	"repwatch/store"
)

// shown is what a page tells, before it is laid out.
func shown[D any](t *testing.T, v view, err error) D {
	t.Helper()
	d, ok := v.Data.(D)
	if err != nil || !ok {
		t.Fatalf("%T, %v", v.Data, err)
	}
	return d
}

// TestPagesAreBounded: however much there is, the worst is shown, the next is folded
// away, and the rest is counted.
func TestPagesAreBounded(t *testing.T) {
	s := open(t, "")
	const many = 70
	err := s.db.Update(time.Now(), func(tx *store.Tx) error {
		var errs []error
		for n := range many {
			id, at := fmt.Sprint(100+n), time.Now().Add(-time.Minute*time.Duration(n))
			i := incident.Incident{ID: id, Status: incident.Open, Opened: at}
			over := incident.Incident{ID: fmt.Sprint(200 + n), Status: incident.Resolved, Opened: at, Resolved: at}
			for e := range uint64(many) {
				i.Episodes = append(i.Episodes, 1000+e)
			}
			ip := netip.AddrFrom4([4]byte{203, 0, 113, byte(100 + n)})
			errs = append(errs, tx.Incidents().Put(i.ID, i), tx.Incidents().Put(over.ID, over),
				tx.Episodes().Put(1000+uint64(n), incident.Episode{ID: 1000 + uint64(n), Subject: reputation.Subject{Kind: reputation.KindWire, IP: ip, Target: "contoso.example"}, Begin: reputation.Bracket{By: at}, Wire: &incident.Wire{}, Incident: id}),
				tx.Listings().Put(reputation.Subject{Kind: reputation.KindListing, IP: ip, Target: "zen"}, store.Listing{}),
				tx.Listings().Put(reputation.Subject{Kind: reputation.KindListing, IP: netip.MustParseAddr("203.0.113.7"), Target: "l" + id}, store.Listing{}),
				tx.Wire().Put(reputation.Subject{Kind: reputation.KindWire, IP: netip.MustParseAddr("203.0.113.7"), Target: "p" + id}, store.Wire{}))
		}
		old := incident.Incident{ID: "300", Status: incident.Resolved, Resolved: time.Now().Add(-25 * time.Hour)}
		return errors.Join(append(errs, tx.Incidents().Put("300", old))...)
	})
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest("GET", "/", nil)
	v, err := s.now(r)
	d := shown[nowView](t, v, err)
	if len(d.Open) != openShown || len(d.Rest) != maxOpen-openShown || d.More != many+2-maxOpen || d.Words != "72 things are wrong" {
		t.Errorf("now: %d shown, %d folded, %d more: %s", len(d.Open), len(d.Rest), d.More, d.Words)
	}
	v, err = s.incidents(r)
	if d := shown[incidentsView](t, v, err); len(d.Incidents.Incidents) != pageSize || d.Next == nil || d.Filter != "week" {
		t.Errorf("incidents: %d, next %v, %s", len(d.Incidents.Incidents), d.Next, d.Filter)
	}
	if code := s.ask("GET", "/incidents?cursor=9999", nil).StatusCode; code != 400 {
		t.Errorf("a cursor that is gone: %d", code)
	}
	r.SetPathValue("id", "#100")
	v, err = s.incident(r)
	if d := shown[incidentView](t, v, err); len(d.Eps.Shown) != 2*rowsShown || len(d.Eps.Rest) != many-2*rowsShown || d.Incident().ID != "100" {
		t.Errorf("incident: %d and %d episodes of %s", len(d.Eps.Shown), len(d.Eps.Rest), d.Incident().ID)
	}
	r.SetPathValue("ip", "203.0.113.7")
	v, err = s.subject(r)
	if d := shown[subjectView](t, v, err); len(d.On.Shown) != rowsShown || len(d.At.Shown) != rowsShown {
		t.Errorf("subject: %d listings, %d partners", len(d.On.Shown), len(d.At.Shown))
	}
	r.SetPathValue("id", "zen")
	v, err = s.list(r)
	if d := shown[listView](t, v, err); len(d.Rows.Shown) != 2*rowsShown {
		t.Errorf("list: %d rows", len(d.Rows.Shown))
	}
	if text(t, s.ask("GET", "/ip/203.0.113.170", nil)); s.ask("GET", "/ip/203.0.113.99", nil).StatusCode != 404 {
		t.Error("nobody's address has a page")
	}
	for n, want := range map[int][3]int{5: {5, 0, 0}, 100: {12, 88, 0}, 500: {12, 200, 288}} {
		if f := foldAt(make([]int, n), rowsShown); [3]int{len(f.Shown), len(f.Rest), f.Left} != want {
			t.Errorf("%d rows: %d, %d, %d", n, len(f.Shown), len(f.Rest), f.Left)
		}
	}
}

// TestWhatIsOverOfTheDay: six at most, and none of before.
func TestWhatIsOverOfTheDay(t *testing.T) {
	s := open(t, "")
	err := s.db.Update(time.Now(), func(tx *store.Tx) error {
		var errs []error
		for n := range 9 {
			errs = append(errs, tx.Incidents().Put(fmt.Sprint(20+n), incident.Incident{ID: fmt.Sprint(20 + n), Status: incident.Resolved, Resolved: time.Now().Add(-time.Duration(n) * 5 * time.Hour)}))
		}
		return errors.Join(errs...)
	})
	if err != nil {
		t.Fatal(err)
	}
	v, err := s.now(httptest.NewRequest("GET", "/", nil))
	d := shown[nowView](t, v, err)
	if ids := names(d.Over, func(i api.Incident) string { return i.ID }); ids != "20 21 22 23 24" {
		t.Errorf("over: %s", ids)
	}
	err = s.db.Update(time.Now(), func(tx *store.Tx) error {
		return errors.Join(tx.Incidents().Put("30", incident.Incident{ID: "30", Status: incident.Resolved, Resolved: time.Now()}), tx.Incidents().Put("31", incident.Incident{ID: "31", Status: incident.Resolved, Resolved: time.Now()}))
	})
	if err != nil {
		t.Fatal(err)
	}
	v, err = s.now(httptest.NewRequest("GET", "/", nil))
	if d := shown[nowView](t, v, err); len(d.Over) != 6 {
		t.Errorf("%d are over", len(d.Over))
	}
}

func names[T any](all []T, name func(T) string) string {
	var out []string
	for _, one := range all {
		out = append(out, name(one))
	}
	return strings.Join(out, " ")
}

// TestFirstWords of the page, and what to do first: of what nobody has in hand.
func TestFirstWords(t *testing.T) {
	acked := time.Now()
	inHand, idle, first := api.Incident{ID: "1", AckedAt: &acked, Next: []string{"wait"}}, api.Incident{ID: "2"}, api.Incident{ID: "3", Next: []string{"delist", "more"}}
	told, blank := api.Status{Coverage: api.Told{Lists: 1, ListsTold: 1}}, api.Status{}
	for want, got := range map[string][]string{
		"One thing is wrong|delist|3":                   words3(headline(1, []api.Incident{first}, &told)),
		"3 things are wrong|delist|3":                   words3(headline(3, []api.Incident{inHand, idle, first}, &told)),
		"2 things are wrong||":                          words3(headline(2, []api.Incident{inHand, idle}, &told)),
		"Nothing is wrong||":                            words3(headline(0, nil, &told)),
		"Too little is known to say that all is well||": words3(headline(0, nil, &blank)),
	} {
		if strings.Join(got, "|") != want {
			t.Errorf("%q, want %s", got, want)
		}
	}
	list := func(told bool, listed int, health string) api.ListStatus {
		return api.ListStatus{Told: told, Listed: listed, Health: health}
	}
	well := list(true, 0, "ok")
	for want, f := range map[string]folded[api.ListStatus]{
		"1 more list: nothing of ours on it": {Shown: []api.ListStatus{well}, Rest: []api.ListStatus{well}},
		"3 lists: nothing of ours on them":   {Rest: []api.ListStatus{well}, Left: 2},
		"1 more list, less urgent":           {Shown: []api.ListStatus{well}, Rest: []api.ListStatus{list(false, 0, "ok")}},
		"2 more lists, less urgent":          {Shown: []api.ListStatus{well}, Rest: []api.ListStatus{well, list(true, 1, "ok")}},
		"3 more lists, less urgent":          {Shown: []api.ListStatus{well}, Rest: []api.ListStatus{well, well, list(true, 0, "suspended")}},
	} {
		if got := others(f); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	got := blind(&api.Status{Daemon: &api.Daemon{ReloadError: "no address", Problems: []string{"slack: no token"}}, Notifiers: []api.NotifierStatus{{Notifier: "log"}, {Notifier: "email", Down: true, Why: "no route"}}})
	if strings.Join(got, "|") != "The configuration was changed, but it is refused and the earlier one goes on: no address|slack: no token|Notifier email delivers nothing: no route" {
		t.Errorf("blind: %q", got)
	}
}

func words3(a, b, c string) []string { return []string{a, b, c} }

// TestTheMenuCounts what is open, with the worst of it.
func TestTheMenuCounts(t *testing.T) {
	s := open(t, "")
	err := s.db.Update(time.Now(), func(tx *store.Tx) error {
		return tx.Incidents().Put("9", incident.Incident{ID: "9", Status: incident.Open, Impact: reputation.Low, Opened: time.Now()})
	})
	if err != nil {
		t.Fatal(err)
	}
	if n, worst := s.openCount(); n != 3 || worst != reputation.Critical {
		t.Errorf("%d, %s", n, worst)
	}
}

// TestTroubledListsStandOpen: those that tell nothing, list something of ours or are
// not believed; twelve at most.
func TestTroubledListsStandOpen(t *testing.T) {
	well := api.ListStatus{Told: true, Health: "ok"}
	for name, tt := range map[string]struct {
		lists []api.ListStatus
		want  int
	}{
		"untold":    {[]api.ListStatus{{Health: "ok"}, well}, 1},
		"listed":    {[]api.ListStatus{{Health: "ok", Told: true, Listed: 1}, well}, 1},
		"suspended": {[]api.ListStatus{{Health: "suspended", Told: true}, well, well}, 1},
		"all":       {[]api.ListStatus{{}, {}}, 2},
		"none":      {[]api.ListStatus{well}, 0},
		"many":      {make([]api.ListStatus, 30), rowsShown},
	} {
		s := open(t, "")
		s.status = newMemo(s.db, func(context.Context) (api.Status, error) {
			return api.Status{Lists: tt.lists, Partners: make([]api.PartnerStatus, 30), Daemon: &api.Daemon{}}, nil
		})
		v, err := s.now(httptest.NewRequest("GET", "/", nil))
		if d := shown[nowView](t, v, err); len(d.Lists.Shown) != tt.want || len(d.Partners.Shown) != rowsShown {
			t.Errorf("%s: %d of %d lists, %d partners", name, len(d.Lists.Shown), len(tt.lists), len(d.Partners.Shown))
		}
		v, err = s.health(httptest.NewRequest("GET", "/", nil))
		if d := shown[healthView](t, v, err); len(d.Rows.Shown) != min(len(tt.lists), rowsShown) || slices.ContainsFunc(d.Unused, func(l api.ListEntry) bool { return l.InUse }) {
			t.Errorf("%s: health shows %d, unused %v", name, len(d.Rows.Shown), d.Unused)
		}
		r := httptest.NewRequest("GET", "/", nil)
		r.SetPathValue("id", "exchange-online")
		s.status = newMemo(s.db, func(context.Context) (api.Status, error) {
			return api.Status{Partners: slices.Repeat([]api.PartnerStatus{{Provider: "Exchange Online"}}, 30)}, nil
		})
		v, err = s.provider(r)
		if d := shown[providerView](t, v, err); len(d.Served.Shown) != 2*rowsShown {
			t.Errorf("provider: %d partners", len(d.Served.Shown))
		}
	}
}

// TestEdgesOfAPage are those of its partner or list; the graph and the table have theirs.
func TestEdgesOfAPage(t *testing.T) {
	s := open(t, "")
	var edges []api.Edge
	for n := range 90 {
		edges = append(edges, api.Edge{Partner: []string{"contoso.example", "other.example"}[n%2], List: []string{"zen", "cop", "x"}[n%3], PIP: .5, Standing: correlate.Weak})
	}
	s.learned = newMemo(s.db, func(context.Context) (api.Learned, error) { return api.Learned{Edges: edges}, nil })
	s.learned.patience = time.Minute
	r := httptest.NewRequest("GET", "/", nil)
	r.SetPathValue("name", "contoso.example")
	r.SetPathValue("id", "zen")
	v, err := s.partner(r)
	if d := shown[partnerView](t, v, err); len(d.Edges) != 45 || d.Edges[0].Partner != "contoso.example" {
		t.Errorf("partner: %d edges", len(d.Edges))
	}
	v, err = s.list(r)
	if d := shown[listView](t, v, err); len(d.Edges) != 30 || d.Edges[0].List != "zen" {
		t.Errorf("list: %d edges", len(d.Edges))
	}
	v, err = s.learnedPage(r)
	if d := shown[learnedView](t, v, err); len(d.Rows.Shown) != 3*rowsShown || d.Graph.More != 30 || len(d.Graph.Lines) != edgesDrawn {
		t.Errorf("learned: %d rows, %d lines, %d more", len(d.Rows.Shown), len(d.Graph.Lines), d.Graph.More)
	}
}

// TestGraph: names with the surest edges first, evenly spaced, lines as thick as the belief.
func TestGraph(t *testing.T) {
	g := graphOf([]api.Edge{{Partner: "b", List: "z", PIP: .5, Standing: "likely"}, {Partner: "a", List: "y", PIP: .25, Standing: "weak"}, {Partner: "c", List: "x", PIP: .25, Standing: "weak"}, {Partner: "c", List: "w", PIP: .2, Standing: "weak"}})
	name := func(n node) string { return fmt.Sprint(n.Name, n.Y) }
	if p, l := names(g.Partners, name), names(g.Lists, name); p != "b20 c48 a76" || l != "z20 x48 y76 w104" || g.Height != 4*graphRow+12 || strings.Join(g.Standings, " ") != "likely weak" {
		t.Errorf("%s; %s; high %d; %v", p, l, g.Height, g.Standings)
	}
	if g.Lines[0].Width != "3.5" || g.Lines[0].Path != "M270 20C450 20 450 20 630 20" || g.More != 0 {
		t.Errorf("%+v", g.Lines[0])
	}
}

// TestLedgerLooksBack a day, a week or a month, and no further.
func TestLedgerLooksBack(t *testing.T) {
	s := open(t, "")
	for last, want := range map[string]string{"": "1d", "7d": "7d", "30d": "30d", "1y": "1d", "1h": "1d"} {
		v, err := s.Page.ledger(httptest.NewRequest("GET", "/ledger?last="+last, nil))
		d := shown[ledgerView](t, v, err)
		here := ""
		for _, l := range d.Spans {
			if l.Here {
				here += l.Name
			}
		}
		if here != want || len(d.Spans) != 3 {
			t.Errorf("last=%s: %s of %d", last, here, len(d.Spans))
		}
	}
}

// TestSpansThatAreAsked: days are those of the zone, and are meant to their end; none
// lies in the future.
func TestSpansThatAreAsked(t *testing.T) {
	at, zone := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC), time.FixedZone("", 3600)
	for query, want := range map[string]string{
		"":                              "11-17 12:00 11-24 12:00",
		"last=1d":                       "11-23 12:00 11-24 12:00",
		"from=2026-11-20&to=2026-11-21": "11-19 23:00 11-21 23:00",
		"from=2026-11-20T01:00:00Z&to=2026-11-21T02:00:00Z":      "11-20 01:00 11-21 02:00",
		"from=2026-11-20&to=2026-12-24":                          "11-19 23:00 11-24 12:00",
		"from=2026-11-22&to=2026-11-20":                          "ends",
		"from=2026-11-25":                                        "ends",
		"to=tomorrow":                                            "is no day",
		"last=1d&ip=::ffff:203.0.113.7&partner=+Contoso.Example": "11-23 12:00 11-24 12:00 203.0.113.7 contoso.example",
	} {
		f, err := spanOf(httptest.NewRequest("GET", "/timeline?"+query, nil), at, zone)
		got := strings.TrimSpace(f.From.Format("01-02 15:04") + " " + f.To.Format("01-02 15:04") + " " + strings.TrimSpace(f.IP+" "+f.Name))
		if err != nil {
			got = err.Error()
		}
		if err == nil && got != want || !strings.Contains(got, want) {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
	q := filterQuery(api.TimelineFilter{IP: "203.0.113.7", Name: "zen"}, "last", "1d").Encode()
	if q != "ip=203.0.113.7&last=1d&partner=zen" {
		t.Errorf("%s", q)
	}
}

// TestTimelineTable: the latest first, so many, and the rest is counted.
func TestTimelineTable(t *testing.T) {
	s := open(t, "")
	const many = tableShown + 20
	err := s.db.Update(time.Now(), func(tx *store.Tx) error {
		var errs []error
		for n := range uint64(many) {
			errs = append(errs, tx.Episodes().Put(500+n, incident.Episode{ID: 500 + n, Subject: reputation.Subject{Kind: reputation.KindWire, IP: netip.MustParseAddr("203.0.113.7"), Target: fmt.Sprint("p", n%30)}, Begin: reputation.Bracket{By: time.Now().Add(-time.Duration(n%7+1) * time.Hour)}, Wire: &incident.Wire{}, Incident: "3"}))
		}
		return errors.Join(errs...)
	})
	if err != nil {
		t.Fatal(err)
	}
	v, err := s.timeline(httptest.NewRequest("GET", "/timeline?last=1d", nil))
	d := shown[timelineView](t, v, err)
	if len(d.Table) != tableShown || d.Left < 20 || !slices.IsSortedFunc(d.Table, func(a, b api.TimeBar) int { return b.Since.Compare(*a.Since) }) {
		t.Errorf("%d rows, %d left", len(d.Table), d.Left)
	}
	here := slices.IndexFunc(d.Spans, func(l link) bool { return l.Here })
	if here < 0 || d.Spans[here].Name != "1d" {
		t.Errorf("%+v", d.Spans)
	}
	if marks := string(d.Picture.Rows[len(d.Picture.Rows)-1].Marks); !strings.Contains(marks, `tabindex="-1"`) {
		t.Errorf("%d bars are gone through one by one", d.Left+len(d.Table))
	}
	for query, want := range map[string]bool{"from=2026-01-01": false, "to=2030-01-01": false, "": true} {
		v, err := s.timeline(httptest.NewRequest("GET", "/timeline?"+query, nil))
		d := shown[timelineView](t, v, err)
		if chosen := slices.ContainsFunc(d.Spans, func(l link) bool { return l.Here }); chosen != want {
			t.Errorf("%q: a span is chosen for who asked for one: %t", query, chosen)
		}
	}
}

// TestPictureStaysInside: what began before the span and lasts beyond it is cut at its
// edges; a gap of a moment is seen; what is not sure is pale.
func TestPictureStaysInside(t *testing.T) {
	at := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	hour := func(h int) *time.Time { t := at.Add(time.Duration(h) * time.Hour); return &t }
	doc := api.Timeline{From: hour(-10), To: hour(0), Rows: []api.TimeRow{{Kind: "list", Name: "zen", Bars: []api.TimeBar{
		{Since: hour(-20), EndAfter: hour(3), Until: hour(5), Cause: api.Ours}, {After: hour(-8), Since: hour(-6), EndAfter: hour(-4), Until: hour(-2), Cause: api.Path}},
		Unknown: []api.TimeGap{{From: hour(-5), To: hour(-5)}}}}}
	p := draw("/mail", doc, api.TimelineFilter{}, at, time.UTC)
	marks := string(p.Rows[0].Marks)
	for _, want := range []string{`x="6.0" y="28" width="900.0"`, `fill="url(#ours)" x="6.0" y="28" width="900.0"`, `class="pale" x="186.0" y="28" width="540.0"`, `fill="url(#path)" x="366.0" y="28" width="180.0"`, `class="unknown" fill="url(#unknown)" x="456.0" y="28" width="2.0"`} {
		if !strings.Contains(marks, want) {
			t.Errorf("there is no %s in %s", want, marks)
		}
	}
	if got := names(p.Causes, func(k causeKey) string { return string(k.Cause) }); got != "ours path" || !p.Unknown || strings.Contains(marks, "tabindex") {
		t.Errorf("causes %s, unknown %t", got, p.Unknown)
	}
	first, last := p.Ticks[0], p.Ticks[len(p.Ticks)-1]
	if first.Label != "03:00" || first.Anchor != "middle" || last.Label != "11:00" || !strings.Contains(last.Href, "to=2026-11-24T12%3A00%3A00Z") || !strings.Contains(first.Href, "to=2026-11-24T04%3A00%3A00Z") {
		t.Errorf("%+v, %+v", first, last)
	}
	doc.From, doc.To = hour(-24*7), hour(0)
	if p := draw("", doc, api.TimelineFilter{}, at.Add(-11*time.Hour), time.UTC); p.Ticks[0].Anchor != "middle" {
		t.Errorf("%+v", p.Ticks[0])
	}
	near := at.Add(-10 * time.Minute)
	doc.From, doc.To = &near, hour(10)
	if p := draw("", doc, api.TimelineFilter{}, at, time.UTC); p.Ticks[0].Anchor != "start" {
		t.Errorf("a label at the edge is cut: %+v", p.Ticks[0])
	}
	near = at.Add(10*time.Hour + time.Minute)
	doc.From, doc.To = hour(0), &near
	if p := draw("", doc, api.TimelineFilter{}, at, time.UTC); p.Ticks[len(p.Ticks)-1].Anchor != "end" {
		t.Errorf("a label at the edge is cut: %+v", p.Ticks[len(p.Ticks)-1])
	}
}

// TestWhatIsDearIsBuiltOnce, and shown as it was while a newer one is being built; what
// is cheap is of this moment. A failure keeps what there was.
func TestWhatIsDearIsBuiltOnce(t *testing.T) {
	for name, took := range map[string]time.Duration{"cheap": 0, "dear": 2 * cheap} {
		synctest.Test(t, func(t *testing.T) {
			db, err := store.Open(filepath.Join(t.TempDir(), "repwatch.db"), store.Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			built, fail := 0, error(nil)
			m := newMemo(db, func(ctx context.Context) (int, error) {
				built++
				n := built
				time.Sleep(took)
				return n, errors.Join(fail, ctx.Err())
			})
			get := func(want int) {
				t.Helper()
				ctx, cancel := context.WithCancel(t.Context())
				doc, err := m.get(ctx)
				cancel() // who asked is gone; what is being built is for all
				if err != nil || doc != want {
					t.Fatalf("%s: %d, %v, want %d", name, doc, err, want)
				}
			}
			then := map[bool]int{true: 1}[took == 0] // what is cheap is built at once
			get(1)
			get(1)
			happen(t, db)
			get(1 + then)
			get(1 + then) // one is being built already
			time.Sleep(took)
			synctest.Wait()
			get(2)
			time.Sleep(m.lasting - took)
			get(2 + then)
			m.close()
			if get(3); built != 3 {
				t.Errorf("%s: built %d times", name, built)
			}
			fail = errors.New("not now")
			happen(t, db)
			if took > 0 {
				get(3)
				m.close()
				get(3)
				m.close()
			} else if _, err := m.get(t.Context()); !errors.Is(err, fail) {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
}

// TestWhoGoesDoesNotWait for the first one, which is built all the same, once.
func TestWhoGoesDoesNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db, err := store.Open(filepath.Join(t.TempDir(), "repwatch.db"), store.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		built := 0
		m := newMemo(db, func(ctx context.Context) (string, error) { built++; time.Sleep(time.Minute); return "it", ctx.Err() })
		m.patience, m.lasting = time.Hour, time.Hour
		defer m.close()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, ok, err := m.soon(ctx); ok || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%t, %v", ok, err)
		}
		if doc, ok, err := m.soon(t.Context()); doc != "it" || !ok || err != nil || built != 1 {
			t.Errorf("%q, %t, %v, built %d times", doc, ok, err, built)
		}
	})
}

// TestSoonAgain: where the first one failed nobody waits for the next either.
func TestSoonAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db, err := store.Open(filepath.Join(t.TempDir(), "repwatch.db"), store.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		m := newMemo(db, func(context.Context) (string, error) { time.Sleep(time.Minute); return "", errors.New("not now") })
		defer m.close()
		for range 3 {
			began := time.Now()
			if _, ok, err := m.soon(t.Context()); ok || err != nil || time.Since(began) > m.patience {
				t.Fatalf("%t, %v after %s", ok, err, time.Since(began))
			}
			time.Sleep(2 * time.Minute)
		}
	})
}

// TestReportsLeadToOthers: one week is shown, its summary first.
func TestReportsLeadToOthers(t *testing.T) {
	s := open(t, "")
	v, err := s.reports(httptest.NewRequest("GET", "/reports", nil))
	d := shown[reportView](t, v, err)
	here := slices.DeleteFunc(slices.Clone(d.Weeks), func(l link) bool { return !l.Here })
	if len(d.First) != 1 || d.First[0].ID != d.Sections[0].ID || len(here) != 1 || here[0].Name != d.Week || len(d.Weeks) != weeksOffered {
		t.Errorf("%d sections first, %v of %v for %s", len(d.First), here, d.Weeks, d.Week)
	}
}

// TestMetricsTell: zero where nothing is, nothing where it is not known, sums by label.
func TestMetricsTell(t *testing.T) {
	lately, before := time.Now().Add(-time.Minute), time.Now().Add(-time.Hour)
	lines := scraped(t, &api.Status{Daemon: &api.Daemon{ReloadError: "no"}, Lists: []api.ListStatus{{ID: "zen", Sure: &lately}, {ID: "cop", Health: "ok", Sure: &before}},
		Partners: []api.PartnerStatus{{Partner: "a", Pairs: []api.Pair{{Standing: "lost", Sure: &lately}, {Standing: "good", Loss: "starttls", Sure: &before}}}}},
		[]api.Lane{{Provider: "x", Day: 2, SlowDowns: 1}, {Provider: "x", Day: 3, SlowDowns: 1}})
	for _, want := range []string{`repwatch_config_reload_failed 1`, `repwatch_list_health{health="none",list="zen"} 1`, `repwatch_pairs{state="new"} 0`, `repwatch_pairs{state="lost"} 1`, `repwatch_losses{loss="capability",partner="a"} 1`,
		`repwatch_incidents_open{impact="high",kind="own"} 0`, `repwatch_sessions_day{provider="x"} 5`, `repwatch_slow_downs_day{provider="x"} 2`} {
		if !slices.Contains(lines, want) {
			t.Errorf("there is no %s", want)
		}
	}
	for _, line := range lines {
		var age float64
		if _, err := fmt.Sscanf(line, `repwatch_look_age_seconds{check="lists"} %g`, &age); err == nil && (age < 59 || age > 90) || strings.Contains(line, `loss="starttls"`) || strings.HasPrefix(line, "repwatch_start_timestamp") {
			t.Errorf("%s", line)
		}
	}
	s := open(t, "")
	s.Close()
	if err := s.db.Close(); err != nil {
		t.Fatal(err)
	}
	if res := s.ask("GET", "/metrics", nil); res.StatusCode != 500 {
		t.Errorf("of a store that cannot be read: %s", res.Status)
	}
}

// TestOnlyTheCatalogueLeads: lookup, delisting and codes' own pages, of the configuration in force.
func TestOnlyTheCatalogueLeads(t *testing.T) {
	load := func(host string) *config.Loaded {
		return &config.Loaded{Lists: []*dnsbl.List{{Lookup: "https://lookup." + host + "/{ip}", Delist: dnsbl.Delist{URL: "https://delist." + host + "/{domain}"},
			Codes: []dnsbl.Code{{Meaning: dnsbl.Meaning{Delist: "https://code." + host}}}, Bits: []dnsbl.Bit{{Meaning: dnsbl.Meaning{Delist: "https://bit." + host}}}}}}
	}
	one, two := load("one.test"), load("two.test")
	var h hosts
	for _, host := range []string{"lookup.", "delist.", "code.", "bit."} {
		if !h.known(one, host+"one.test") || h.known(one, host+"two.test") || !h.known(two, host+"two.test") || h.known(two, host+"one.test") {
			t.Errorf("%s is not known where it should be", host)
		}
	}
}
