package api

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"repwatch/checks/dnsbl"
	"repwatch/checks/smtp"
	"repwatch/config"
	"repwatch/incident"
	"repwatch/reputation"
	"repwatch/setup"
	"repwatch/store"
)

// TestExitsOfTests, of a verified store and of what a check found.
func TestExitsOfTests(t *testing.T) {
	ok, failed := NotifierTest{OK: true}, NotifierTest{}
	for name, tt := range map[string]struct{ got, want int }{
		"all arrived":      {TestsOf(at, []NotifierTest{ok, ok}).Exit(), ExitOK},
		"one did not":      {TestsOf(at, []NotifierTest{ok, failed}).Exit(), ExitFinding},
		"nobody to tell":   {TestsOf(at, nil).Exit(), ExitUnknown},
		"sound":            {VerifyOf(at, store.Report{}).Exit(), ExitOK},
		"unsound":          {VerifyOf(at, store.Report{Problems: []store.Problem{{}}}).Exit(), ExitFinding},
		"warnings tell":    {DoctorOf(at, []setup.Check{{State: setup.Warn}, {State: setup.Unknown}}, nil).Exit(), ExitOK},
		"what is not bad":  {exit(len(Bad([]Finding{{Verdict: reputation.Clear, Impact: reputation.High}, {Verdict: reputation.Bad, Impact: reputation.Info}})), 1, 1), ExitOK},
		"an answer of old": {Check{Results: []CheckResult{{Verdict: dnsbl.NotListed, Class: new(reputation.Class)}}}.Exit(), ExitOK},
	} {
		if tt.got != tt.want {
			t.Errorf("%s: exit %d, want %d", name, tt.got, tt.want)
		}
	}
	if next := DoctorOf(at, []setup.Check{{Next: "ask \x1b[31mthem"}}, nil).Checks[0].Next; next != `ask \x1b[31mthem` {
		t.Errorf("what is to be done: %q", next)
	}
}

// TestListsThatWereNeverAsked have no health, and nothing is covered; the interval is
// the real one where the store knows it.
func TestListsThatWereNeverAsked(t *testing.T) {
	db, cfg := empty(t), filledConfig(t)
	health := func() Lists {
		return from(t, db, func(tx *store.Tx) (Lists, error) { return ListsHealthOf(tx, cfg, at) })
	}
	if doc := health(); doc.Coverage != nil || doc.Lists[0].Health != nil {
		t.Errorf("%+v", doc)
	}
	change(t, db, func(tx *store.Tx) error {
		return errors.Join(tx.Lists().Put("zen", store.List{Health: "untested", Interval: 26 * time.Hour}), tx.Lists().Put("cop", store.List{Health: "suspended"}))
	})
	doc := health()
	zen := doc.Lists[slices.IndexFunc(doc.Lists, func(l ListEntry) bool { return l.ID == "zen" })]
	if doc.Coverage == nil || *doc.Coverage != (Coverage{Asked: 2, Untested: 1, Unknown: 1}) || *zen.Health != dnsbl.HealthUntested || zen.Interval != 26*3600 {
		t.Errorf("%+v, %+v", doc.Coverage, zen)
	}
}

// TestWordsOfTheJournal: what each kind of record says.
func TestWordsOfTheJournal(t *testing.T) {
	listing := &reputation.Listing{Codes: []string{"127.0.0.2"}, Meaning: []string{"spam traps"}}
	policy := &reputation.Listing{Class: reputation.ClassPolicy}
	wire := &incident.Wire{Loss: smtp.LossStartTLS, Reply: "554 \x1bno", Went: []string{"SIZE"}, Came: []string{"DSN"}, Changed: []smtp.Change{{Keyword: "AUTH", Was: "LOGIN", Now: "PLAIN"}}, Offers: []string{"8BITMIME", "DSN"}, Every: 30}
	for want, r := range map[string]incident.Record{
		"listed on x: spam traps (127.0.0.2)":                                       {What: incident.Listed, Listing: listing},
		"listed on x, policy: no accusation":                                        {What: incident.Listed, Listing: policy},
		"listed on x":                                                               {What: incident.Listed},
		"still listed on x, now: spam traps (127.0.0.2)":                            {What: incident.Relisted, Listing: listing},
		"no longer listed on x":                                                     {What: incident.Delisted},
		"x offers 8BITMIME, DSN: known from here on":                                {What: incident.Baseline, Wire: wire},
		"x offers no capability: known from here on":                                {What: incident.Baseline, Wire: &incident.Wire{}},
		"x withholds nothing here; looked at every 30 min":                          {What: incident.Fine, Wire: wire},
		"x withholds nothing here":                                                  {What: incident.Fine, Wire: &incident.Wire{}},
		`x withdrew STARTTLS; it said "554 \x1bno"`:                                 {What: incident.Lost, Wire: wire},
		`x does not offer STARTTLS; it said "554 \x1bno"`:                           {What: incident.Lost, Wire: wire, FirstSight: true},
		"x withdrew something":                                                      {What: incident.Lost},
		"x now rejects us":                                                          {What: incident.Turned, Wire: &incident.Wire{Loss: smtp.LossRejected}, FirstSight: true},
		"x offers DSN again":                                                        {What: incident.Back, Wire: wire},
		"x gives back what was lost":                                                {What: incident.Back, Wire: &incident.Wire{}},
		"x changed what it offers: gone SIZE; new DSN; AUTH PLAIN instead of LOGIN": {What: incident.Changed, Wire: wire},
		"x changed what it offers":                                                  {What: incident.Changed, Wire: &incident.Wire{}},
		"x changed what it offers: new DSN":                                         {What: incident.Changed, Wire: &incident.Wire{Came: []string{"DSN"}}},
		"x answers differently from look to look; no loss is concluded":             {What: incident.Flapping},
		"x answers alike again":                                                     {What: incident.Steady},
		"no PTR":                                                                    {What: incident.Faulty, Fault: &incident.Fault{What: "no PTR"}},
		"trouble":                                                                   {What: incident.Faulty},
		"no longer so: no PTR":                                                      {What: incident.Mended, Words: "no PTR"},
		"no longer watched":                                                         {What: incident.Unwatched},
		"x is not believed: it fails its test points":                               {What: incident.Suspended},
		"x is believed again":                                                       {What: incident.Believed},
		"zen ruled out as the cause: it was ours":                                   {What: incident.Unrelated, List: "zen", Words: "it was ours"},
		"any list ruled out as the cause":                                           {What: incident.Unrelated},
		"carol: on it":                                                              {What: incident.Acted, Words: "carol: on it"},
		"acted":                                                                     {What: incident.Acted},
	} {
		r.Subject = on(seven, "x")
		if got := recordWords(r); got != want {
			t.Errorf("%s: %q, want %q", r.What, got, want)
		}
	}
}

// TestHistoryOfAName that a domain of ours, a partner and a list share: all of it, once
// and in order. What nothing happened to is known all the same where it is watched.
func TestHistoryOfAName(t *testing.T) {
	db := empty(t)
	const both = "both.example"
	change(t, db, func(tx *store.Tx) error {
		var errs []error
		for n := range uint64(9) {
			s := []reputation.Subject{{Kind: reputation.KindWire, IP: seven, Target: both}, {Kind: reputation.KindListing, Domain: both, Target: fmt.Sprint("zen", n)}, {Kind: reputation.KindOwn, Domain: both, Target: both}}[n%3]
			_, err := tx.Append(incident.Record{What: incident.Listed, Subject: s, Episode: n + 1})
			errs = append(errs, err, tx.Episodes().Put(n+1, incident.Episode{ID: n + 1, Subject: s}))
		}
		return errors.Join(append(errs, tx.Lists().Put("quiet", store.List{}), tx.Subjects().Put("203.0.113.9", store.Watched{}))...)
	})
	history := func(subject string) History {
		return from(t, db, func(tx *store.Tx) (History, error) { return HistoryOf(tx, at, subject, time.Time{}) })
	}
	for range 3 { // episodes are gathered by subject, in no order
		doc := history("BOTH.example.")
		records := names(doc.Records, func(c Change) string { return fmt.Sprint(c.Seq) })
		episodes := names(doc.Episodes, func(e Episode) string { return fmt.Sprint(e.ID) })
		if records != "1 2 3 4 5 6 7 8 9" || episodes != "1 2 3 4 5 6 7 8 9" {
			t.Fatalf("records %s, episodes %s", records, episodes)
		}
	}
	for subject, want := range map[string]bool{"quiet": true, "203.0.113.9": true, "203.0.113.9@quiet": true, "203.0.113.9@zen": false, "203.0.113.10@quiet": false, "203.0.113.10": false} {
		if doc := history(subject); doc.Known != want {
			t.Errorf("%s: known %t", subject, doc.Known)
		}
	}
}

// TestOrderOfIncidents in each of its steps.
func TestOrderOfIncidents(t *testing.T) {
	open := func(id string, impact reputation.Impact, opened int, acked time.Time) incident.Incident {
		return incident.Incident{ID: id, Status: incident.Open, Impact: impact, Opened: at.Add(time.Duration(opened) * time.Hour), AckedAt: acked}
	}
	over := func(id string, resolved int) incident.Incident {
		return incident.Incident{ID: id, Status: incident.Resolved, Impact: reputation.Critical, Resolved: at.Add(time.Duration(resolved) * time.Hour)}
	}
	none := time.Time{}
	want := []incident.Incident{open("1", reputation.High, -5, none), open("3", reputation.Low, -1, none), open("10", reputation.Low, -2, none), open("9", reputation.Low, -2, none),
		open("4", reputation.Critical, 0, at), over("2", -1), over("12", -2), over("8", -2)}
	got := slices.Clone(want)
	slices.Reverse(got)
	slices.SortFunc(got, worstFirst)
	id := func(i incident.Incident) string { return "#" + i.ID }
	if names(got, id) != names(want, id) {
		t.Errorf("%s, want %s", names(got, id), names(want, id))
	}
}

// TestIncidentsNameWhatTheyAreAbout: by their root where its episode has expired, and
// what is of our own side by its address; those absorbed stand in order; what was ended
// by the watch's end is over.
func TestIncidentsNameWhatTheyAreAbout(t *testing.T) {
	db := empty(t)
	change(t, db, func(tx *store.Tx) error {
		errs := []error{
			tx.Incidents().Put("1", incident.Incident{ID: "1", Status: incident.Open, List: "zen", Partner: "contoso.example", IP: "203.0.113.7", Episodes: []uint64{1, 2, 99}}),
			tx.Episodes().Put(1, incident.Episode{ID: 1, Subject: reputation.Subject{Kind: reputation.KindOwn, IP: eight, Target: "ptr"}, Ended: at, Unwatched: true}),
			tx.Episodes().Put(2, incident.Episode{ID: 2, Subject: reputation.Subject{Kind: reputation.KindOwn, IP: eight, Target: "ehlo"}})}
		for _, id := range []string{"9", "10", "11"} {
			errs = append(errs, tx.Incidents().Put(id, incident.Incident{ID: id, Status: incident.Resolved, Merged: "1"}))
		}
		return errors.Join(errs...)
	})
	doc := from(t, db, func(tx *store.Tx) (Story, error) { return StoryOf(tx, at, "1") })
	i := doc.Incident()
	if strings.Join(i.Lists, " ") != "zen" || strings.Join(i.Partners, " ") != "contoso.example" || strings.Join(i.IPs, " ") != "203.0.113.7 203.0.113.8" || strings.Join(doc.Absorbed, " ") != "9 10 11" || doc.Open != 1 {
		t.Errorf("lists %v, partners %v, addresses %v, absorbed %v", i.Lists, i.Partners, i.IPs, doc.Absorbed)
	}
	if len(doc.Episodes) != 2 || doc.Episodes[0].Open() || !doc.Episodes[1].Open() {
		t.Errorf("%+v", doc.Episodes)
	}
}

// TestForecastsThatAreOpen are counted as such, and expected to do nothing yet.
func TestForecastsThatAreOpen(t *testing.T) {
	db, cfg := known(t)
	change(t, db, func(tx *store.Tx) error {
		return tx.Forecasts().Put(store.ForecastKey(9, "x"), store.Forecast{ListingSeq: 9, P: .5, At: at.Add(-time.Minute)})
	})
	doc := from(t, db, func(tx *store.Tx) (Learned, error) { return LearnedOf(tx, cfg, at) })
	if doc.Score.Hits != 1 || doc.Score.Misses != 1 || doc.Score.Open != 1 || fmt.Sprintf("%.2f", doc.Score.Expected) != "1.10" || doc.Forecasts[0].P != .5 {
		t.Errorf("%+v, the latest %+v", doc.Score, doc.Forecasts[0])
	}
}

// TestLedgerCounts: a lane's day is the last 24 hours whatever was asked for; sessions
// are those asked for, the latest first, so many of them.
func TestLedgerCounts(t *testing.T) {
	db, cfg := empty(t), filledConfig(t)
	visit := func(ago time.Duration, provider, from, partner string, slow bool) {
		db.Ledger(smtp.LedgerEntry{Visit: smtp.Visit{Provider: provider, From: from, Partner: partner}, Opened: at.Add(-ago), SlowDown: slow})
	}
	visit(30*time.Hour, "m", "203.0.113.7", "x", true)
	for n := range SessionsShown + 4 {
		visit(20*time.Hour-time.Duration(n)*time.Minute, "m", "203.0.113.7", []string{"x", "", "y"}[n%3], n == 0)
	}
	visit(3*time.Hour, "c", "203.0.113.7", "z", false)
	visit(2*time.Hour, "b", "203.0.113.8", "z", false)
	visit(time.Hour, "b", "203.0.113.7", "z", false)
	if err := db.Flush(); err != nil {
		t.Fatal(err)
	}
	ledger := func(since time.Duration) Ledger {
		return from(t, db, func(tx *store.Tx) (Ledger, error) { return LedgerOf(tx, cfg, at, at.Add(-since)) })
	}
	for since, want := range map[time.Duration]struct{ day, sessions, slow, more int }{
		48 * time.Hour: {SessionsShown + 4, SessionsShown + 5, 2, 8}, 24 * time.Hour: {SessionsShown + 4, SessionsShown + 4, 1, 7}, 4 * time.Hour: {SessionsShown + 4, 0, 1, 0},
	} {
		doc := ledger(since)
		if got := names(doc.Lanes, func(l Lane) string { return l.Provider + l.From[len(l.From)-1:] }); got != "m7 b7 b8 c7" {
			t.Errorf("since %s: lanes %s", since, got)
		}
		l := doc.Lanes[0]
		if l.Day != want.day || l.Sessions != want.sessions || l.SlowDowns != want.slow || doc.More != want.more || strings.Join(l.Partners, " ") != "x y" {
			t.Errorf("since %s: %+v, %d more", since, l, doc.More)
		}
		if s := doc.Sessions; len(s) > SessionsShown || s[0].Provider != "b" || s[0].From != "203.0.113.7" || s[0].To != nil || s[0].Closed != nil {
			t.Errorf("since %s: %d sessions, the latest %+v", since, len(s), s[0])
		}
	}
	if n := len(ledger(48 * time.Hour).Sessions); n != SessionsShown {
		t.Errorf("%d sessions", n)
	}
}

// TestNagiosSaysWhat is missing or wrong, why nothing is known, and counts incidents.
func TestNagiosSaysWhat(t *testing.T) {
	bad := Finding{Verdict: reputation.Bad, Impact: reputation.Medium, Words: "no PTR"}
	sure := ProbeResult{Partner: "a", Vantage: "v", Outcome: reputation.Advertised, Why: "all is well"}
	with := func(change func(*ProbeResult)) Probe { r := sure; change(&r); return Probe{Results: []ProbeResult{r}} }
	for want, p := range map[string]Probe{
		"REPWATCH CRITICAL: a from v: without DSN":                                  with(func(r *ProbeResult) { r.Missing = []string{"DSN"} }),
		"REPWATCH CRITICAL: a from v: without DSN, no PTR":                          with(func(r *ProbeResult) { r.Missing, r.Own = []string{"DSN"}, []Finding{bad} }),
		"REPWATCH WARNING: a from v: no PTR":                                        with(func(r *ProbeResult) { r.Own = []Finding{bad} }),
		"REPWATCH CRITICAL: a from v: 535 no":                                       with(func(r *ProbeResult) { r.Outcome, r.Auth = reputation.OutcomeUnknown, &Reply{Code: 535, Text: "no"} }),
		"REPWATCH UNKNOWN: too little could be told: 1 of 3 looks sure; it hangs |": {Results: []ProbeResult{sure, {Vantage: "w"}, {Vantage: "x", Why: "it hangs"}}},
	} {
		if n := NagiosProbe(p); !strings.HasPrefix(n.Line, want) {
			t.Errorf("%s, want %s", n.Line, want)
		}
	}
	if p := with(func(r *ProbeResult) { r.Outcome, r.Auth = reputation.OutcomeUnknown, &Reply{Code: 535} }); !p.Results[0].told() {
		t.Error("a login that was refused tells nothing")
	}
	for n, want := range map[int]string{5: "#5 e |", 7: "#5 e; and 2 more |"} {
		var s Status
		for i := range n {
			s.Incidents.Rows = append(s.Incidents.Rows, OpenIncident{ID: fmt.Sprint(i + 1), Words: string(rune('a' + i))})
		}
		s.Incidents.Open = n
		if line := NagiosStatus(s).Line; !strings.Contains(line, want) || !strings.Contains(line, ": #1 a; #2 b;") {
			t.Errorf("%d open: %s", n, line)
		}
	}
}

// TestOnlyTheSideThatLacks something required is told of it.
func TestOnlyTheSideThatLacks(t *testing.T) {
	look := func(name string, c smtp.Capabilities) smtp.Result {
		return smtp.Result{Target: smtp.Target{Partner: "a.example"}, Vantage: smtp.Vantage{Name: name}, Outcome: reputation.Advertised, Capabilities: c}
	}
	doc := ProbeOf(at, []Looked{{Partner: config.Partner{Domain: "a.example", Require: []string{"DSN"}}, Results: []smtp.Result{look("v", smtp.Capabilities{"STARTTLS": "", "DSN": ""}), look("w", smtp.Capabilities{"STARTTLS": ""})}}}, nothing)
	if got := names(doc.Comparisons, func(c Comparison) string { return c.From + ":" + c.Verdict }); strings.Contains(got, "v:missing") || !strings.Contains(got, "w:missing") {
		t.Errorf("%s", got)
	}
}

// TestWhoHasItInHand: acknowledged, snoozed until later, or to the end.
func TestWhoHasItInHand(t *testing.T) {
	for name, tt := range map[string]struct {
		i    incident.Incident
		want int
	}{
		"nobody": {incident.Incident{}, 0}, "acknowledged": {incident.Incident{AckedAt: at}, 1}, "snoozed": {incident.Incident{SnoozedUntil: at.Add(time.Minute)}, 1},
		"awake": {incident.Incident{SnoozedUntil: at.Add(-time.Minute)}, 0}, "to the end": {incident.Incident{SnoozedToEnd: true}, 1},
	} {
		db, cfg := empty(t), filledConfig(t)
		change(t, db, func(tx *store.Tx) error {
			tt.i.ID, tt.i.Status, tt.i.Opened = "1", incident.Open, at
			return tx.Incidents().Put("1", tt.i)
		})
		if got := statusOf(t, db, cfg, nil).Incidents; got.InHand != tt.want || got.Open != 1 {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// TestStatusOfAll: what is bad stands first, what is no longer watched not at all; sure
// answers count by the real interval, and one pair tells for its partner.
func TestStatusOfAll(t *testing.T) {
	db, cfg := empty(t), filledConfig(t)
	old := at.Add(-5 * time.Hour)
	good := func(sure time.Time, interval time.Duration) store.Wire {
		return store.Wire{State: smtp.State{Standing: smtp.StandingGood, LastSure: sure}, Interval: interval}
	}
	cfg.Partners = append(cfg.Partners, config.Partner{Domain: "third.example"})
	cfg.Lists = append(cfg.Lists, &dnsbl.List{ID: "domains"})
	change(t, db, func(tx *store.Tx) error {
		return errors.Join(
			tx.Lists().Put("zen", store.List{Health: "untested", SureEnded: at.Add(-time.Hour), Interval: 2 * time.Hour}),
			tx.Lists().Put("cop", store.List{Health: "ok", SureEnded: old, Interval: 2 * time.Hour}),
			tx.Listings().Put(on(seven, "cop"), store.Listing{Listing: reputation.Listing{}}),
			tx.Listings().Put(on(seven, "zen"), store.Listing{Listing: reputation.Listing{Class: reputation.ClassPolicy}}),
			tx.Wire().Put(to(seven, "contoso.example"), good(old, 2*time.Hour)),
			tx.Wire().Put(to(eight, "contoso.example"), good(old.Add(-48*time.Hour), time.Minute)),
			tx.Wire().Put(to(seven, "third.example"), store.Wire{State: smtp.State{Standing: smtp.StandingLost, LastSure: at.Add(-2 * time.Minute)}, Interval: time.Hour}),
			tx.Wire().Put(to(eight, "third.example"), store.Wire{}),
			tx.Wire().Put(to(seven, "gone.example"), good(at, time.Hour)),
			tx.Notifiers().Put("a", store.Notifier{}), tx.Notifiers().Put("b", store.Notifier{Down: true}))
	})
	s := statusOf(t, db, cfg, nil)
	if got := names(s.Lists, func(l ListStatus) string { return fmt.Sprintf("%s:%d:%t", l.ID, l.Listed, l.Told) }); got != "cop:1:true zen:0:true" {
		t.Errorf("lists: %s", got)
	}
	if got := names(s.Partners, func(p PartnerStatus) string { return fmt.Sprintf("%s:%d:%t", p.Partner, p.Lost, p.Told) }); got != "third.example:1:true fabrikam.example:0:false contoso.example:0:true" {
		t.Errorf("partners: %s", got)
	}
	if got := names(s.Partners[0].Pairs, func(p Pair) string { return p.Standing }); got != "lost new" {
		t.Errorf("pairs: %s", got)
	}
	if got := names(s.Notifiers, func(n NotifierStatus) string { return n.Notifier }); got != "b a" {
		t.Errorf("notifiers, without a daemon all that the store knows: %s", got)
	}
	if want := (Told{Lists: 2, ListsTold: 2, Untested: 1, Partners: 3, PartnersTold: 2}); s.Coverage != want || !s.Success.Equal(*utc(at.Add(-2 * time.Minute))) {
		t.Errorf("coverage %+v, last success %s", s.Coverage, s.Success)
	}
	s = Status{Lists: []ListStatus{{Sure: utc(old)}, {Sure: utc(at)}, {}, {Sure: utc(old)}}}
	if got := s.lastSuccess(); !got.Equal(*utc(at)) {
		t.Errorf("last success of lists: %s", got)
	}
	if got := (Told{Lists: 2, ListsTold: 1}).String(); got != "1 of 2 lists gave a sure answer lately" {
		t.Errorf("without partners: %q", got)
	}
}

// TestWhoHasTold since a moment: a list, or a partner.
func TestWhoHasTold(t *testing.T) {
	for name, tell := range map[string]func(*store.Tx) error{
		"nobody": func(tx *store.Tx) error { return tx.Lists().Put("zen", store.List{SureEnded: at.Add(-time.Hour)}) },
		"a list": func(tx *store.Tx) error { return tx.Lists().Put("zen", store.List{SureEnded: at}) },
		"a partner": func(tx *store.Tx) error {
			return tx.Wire().Put(to(seven, "x"), store.Wire{State: smtp.State{LastSure: at}})
		},
	} {
		db := empty(t)
		change(t, db, tell)
		if got := from(t, db, func(tx *store.Tx) (bool, error) { return ToldSince(tx, at.Add(-time.Minute)) }); got != (name != "nobody") {
			t.Errorf("%s: %t", name, got)
		}
	}
}
