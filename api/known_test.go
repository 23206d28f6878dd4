package api

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"repwatch/config"
	"repwatch/correlate"
	"repwatch/incident"
	"repwatch/internal/filled"
	"repwatch/reputation"
	"repwatch/store"
)

// known opens a store, filled with the past of package filled as it stands at `at`.
func known(t *testing.T) (*store.DB, *config.Loaded) {
	t.Helper()
	db := empty(t)
	if err := filled.Fill(db, at); err != nil {
		t.Fatal(err)
	}
	return db, filledConfig(t)
}

func empty(t *testing.T) *store.DB {
	t.Helper()
	db, err := store.Open(filepath.Join(t.TempDir(), "repwatch.db"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

func filledConfig(t *testing.T) *config.Loaded {
	t.Helper()
	file := filepath.Join(t.TempDir(), "repwatch.yaml")
	writeFile(t, file, filled.Config)
	cfg, err := config.Load(file, []byte("lists: []"))
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// from builds a document that must succeed.
func from[D any](t *testing.T, db *store.DB, build func(*store.Tx) (D, error)) D {
	t.Helper()
	doc, err := From(db, build)
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

func incidentsOf(t *testing.T, db *store.DB, f IncidentFilter) Incidents {
	t.Helper()
	return from(t, db, func(tx *store.Tx) (Incidents, error) { return IncidentsOf(tx, at, f) })
}

func statusOf(t *testing.T, db *store.DB, cfg *config.Loaded, r *Runtime) Status {
	t.Helper()
	return from(t, db, func(tx *store.Tx) (Status, error) {
		return StatusOf(tx, cfg, StatusInput{Now: at, Runtime: r, Path: "/var/lib/repwatch/repwatch.db", Bytes: 4 << 20})
	})
}

func running() *Runtime {
	return &Runtime{Version: "1.2.3", PID: 42, Started: at.Add(-72 * time.Hour), ConfigFile: "/etc/repwatch/repwatch.yaml", Reloaded: at.Add(-2 * time.Hour),
		ReloadFailed: at.Add(-time.Hour), ReloadError: "sending_ips[0].ip: not an address", Next: []NextLook{{What: "lists", At: at.Add(5 * time.Minute).UTC()}},
		Watchdog: 30 * time.Second, Notifiers: []string{"log", "email", "slack"}}
}

// TestDocumentsOfTheStore: each document of a known past, byte for byte.
func TestDocumentsOfTheStore(t *testing.T) {
	db, cfg := known(t)
	golden(t, "status", statusOf(t, db, cfg, running()))
	golden(t, "incidents", incidentsOf(t, db, IncidentFilter{Since: at.Add(-Recently)}))
	golden(t, "incidents-one", from(t, db, func(tx *store.Tx) (Story, error) { return StoryOf(tx, at, "3") }))
	golden(t, "history", from(t, db, func(tx *store.Tx) (History, error) { return HistoryOf(tx, at, "203.0.113.7", time.Time{}) }))
	golden(t, "learned", from(t, db, func(tx *store.Tx) (Learned, error) { return LearnedOf(tx, cfg, at) }))
	golden(t, "ledger", from(t, db, func(tx *store.Tx) (Ledger, error) { return LedgerOf(tx, cfg, at, at.Add(-24*time.Hour)) }))
}

// TestEmptyStoreHasNoNullArrays: what nobody has seen anything of yet is empty, not null.
func TestEmptyStoreHasNoNullArrays(t *testing.T) {
	db, cfg := empty(t), filledConfig(t)
	for _, doc := range []any{
		statusOf(t, db, cfg, &Runtime{}),
		incidentsOf(t, db, IncidentFilter{All: true}),
		from(t, db, func(tx *store.Tx) (History, error) { return HistoryOf(tx, at, "203.0.113.7", time.Time{}) }),
		from(t, db, func(tx *store.Tx) (Learned, error) { return LearnedOf(tx, cfg, at) }),
		from(t, db, func(tx *store.Tx) (Ledger, error) { return LedgerOf(tx, cfg, at, at) }),
		from(t, db, func(tx *store.Tx) (Lists, error) { return ListsHealthOf(tx, cfg, at) }),
		StatsOf(at, store.Stats{}), VerifyOf(at, store.Report{}), TestsOf(at, nil), RecheckOf(at, "x", nil),
	} {
		noNullArrays(t, reflect.TypeOf(doc).Name(), reflect.ValueOf(doc))
	}
	full, cfg := known(t)
	for _, doc := range []any{
		incidentsOf(t, full, IncidentFilter{All: true}),
		statusOf(t, full, cfg, nil),
		from(t, full, func(tx *store.Tx) (Story, error) { return StoryOf(tx, at, "4") }).Incident(),
	} {
		noNullArrays(t, reflect.TypeOf(doc).Name(), reflect.ValueOf(doc))
	}
}

func ids(doc Incidents) string {
	var out []string
	for _, i := range doc.Incidents {
		out = append(out, i.ID)
	}
	return strings.Join(out, " ")
}

func TestWhichIncidentsAreShown(t *testing.T) {
	db, _ := known(t)
	for _, tt := range []struct {
		name string
		f    IncidentFilter
		want string
	}{
		{"open, then lately over; what is in hand after what is not", IncidentFilter{Since: at.Add(-Recently)}, "3 4 2"},
		{"open ones alone", IncidentFilter{OpenOnly: true, Since: at.Add(-Recently)}, "3 4"},
		{"all", IncidentFilter{All: true}, "3 4 2 1"},
		{"over since yesterday", IncidentFilter{Since: at.Add(-24 * time.Hour)}, "3 4"},
	} {
		if got := ids(incidentsOf(t, db, tt.f)); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}

func TestMergedIncidentsAreShownOnlyAmongAll(t *testing.T) {
	db, _ := known(t)
	err := db.Update(at, func(tx *store.Tx) error {
		return tx.Incidents().Put("5", incident.Incident{ID: "5", Kind: incident.Reputation, Status: incident.Resolved, Opened: at, Resolved: at, Merged: "3"})
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := ids(incidentsOf(t, db, IncidentFilter{Since: at.Add(-Recently)})); got != "3 4 2" {
		t.Errorf("lately: %s", got)
	}
	if got := ids(incidentsOf(t, db, IncidentFilter{All: true})); got != "3 4 5 2 1" {
		t.Errorf("all: %s", got)
	}
	story := from(t, db, func(tx *store.Tx) (Story, error) { return StoryOf(tx, at, "3") })
	if !slices.Equal(story.Absorbed, []string{"5"}) {
		t.Errorf("#3 took in %v, want 5", story.Absorbed)
	}
}

// TestWorstFirst: what nobody has in hand yet comes before what somebody has, however bad that is.
func TestWorstFirst(t *testing.T) {
	open := func(id string, impact reputation.Impact, ackedAt time.Time) incident.Incident {
		return incident.Incident{ID: id, Status: incident.Open, Impact: impact, Opened: at, AckedAt: ackedAt}
	}
	all := []incident.Incident{open("10", reputation.Low, time.Time{}), open("9", reputation.Critical, at), open("8", reputation.High, time.Time{}), open("11", reputation.High, time.Time{})}
	slices.SortFunc(all, worstFirst)
	var got []string
	for _, i := range all {
		got = append(got, i.ID)
	}
	if want := []string{"11", "8", "10", "9"}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// TestHealthHasNoAddress: "resolver" is a part of repwatch, and no sending IP.
func TestHealthHasNoAddress(t *testing.T) {
	db := empty(t)
	err := db.Update(at, func(tx *store.Tx) error {
		return tx.Incidents().Put("1", incident.Incident{ID: "1", Kind: incident.Health, Status: incident.Open, IP: "resolver", Fault: "resolver", Opened: at})
	})
	if err != nil {
		t.Fatal(err)
	}
	if i := incidentsOf(t, db, IncidentFilter{}).Incidents[0]; i.IP != nil || len(i.IPs) != 0 || i.Verdict != nil {
		t.Errorf("ip %v, ips %v, verdict %v", i.IP, i.IPs, i.Verdict)
	}
}

// TestStatusOfLists: one that is not believed told nothing, however lately it was
// swept; questions of yesterday are not today's.
func TestStatusOfLists(t *testing.T) {
	db, cfg := empty(t), filledConfig(t)
	err := db.Update(at, func(tx *store.Tx) error {
		lately, today := at.Add(-time.Minute), at.Unix()/86400
		return errors.Join(
			tx.Lists().Put("zen", store.List{Health: "suspended", SureEnded: lately}),
			tx.Lists().Put("cop", store.List{Health: "ok", SureEnded: lately}),
			tx.Budgets().Put("zen", store.Budget{Day: today - 1, Spent: 70}),
			tx.Budgets().Put("cop", store.Budget{Day: today, Spent: 30}))
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range statusOf(t, db, cfg, nil).Lists {
		want := map[string]ListStatus{"zen": {Told: false, Spent: 0}, "cop": {Told: true, Spent: 30}}[l.ID]
		if l.Told != want.Told || l.Spent != want.Spent {
			t.Errorf("%s: told %t, %d spent today, want %t, %d", l.ID, l.Told, l.Spent, want.Told, want.Spent)
		}
	}
}

// TestAlertsThatAreNotDueDoNotWait: group_wait and quiet hours are no trouble of a notifier.
func TestAlertsThatAreNotDueDoNotWait(t *testing.T) {
	db, cfg := empty(t), filledConfig(t)
	err := db.Update(at, func(tx *store.Tx) error {
		for _, due := range []time.Time{at.Add(-time.Minute), at.Add(time.Hour)} {
			if _, err := tx.Enqueue(incident.Alert{Kind: incident.AlertNotice, At: at.Add(-time.Minute), Due: due}, []string{"log"}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if n := statusOf(t, db, cfg, running()).Notifiers[1]; n.Notifier != "log" || n.Pending != 1 {
		t.Errorf("%s: %d waiting, want 1", n.Notifier, n.Pending)
	}
}

// TestPagesMeetWithoutGapOrOverlap reads one list page by page.
func TestPagesMeetWithoutGapOrOverlap(t *testing.T) {
	db, _ := known(t)
	var got []string
	f := IncidentFilter{All: true, Limit: 3}
	doc := incidentsOf(t, db, f)
	if doc.More != 1 || doc.Next == nil || doc.Open != 2 {
		t.Fatalf("first page: %d more, next %v, %d open", doc.More, doc.Next, doc.Open)
	}
	got = append(got, ids(doc))
	f.Cursor = *doc.Next
	doc = incidentsOf(t, db, f)
	if got = append(got, ids(doc)); doc.Next != nil || doc.More != 0 || strings.Join(got, " ") != "3 4 2 1" {
		t.Errorf("pages %q, then next %v", got, doc.Next)
	}
	f.Cursor = "77"
	_, err := From(db, func(tx *store.Tx) (Incidents, error) { return IncidentsOf(tx, at, f) })
	if !errors.Is(err, ErrCursor) {
		t.Errorf("a cursor that is gone: %v", err)
	}
}

// TestVerdictsAreNullWhereThereAreNone: own and health have none; a listing that
// broke nothing and a loss without a cause have no confidence.
func TestVerdictsAreNullWhereThereAreNone(t *testing.T) {
	for _, tt := range []struct {
		verdict        correlate.Cause
		want           string
		wantConfidence bool
	}{
		{"", "<nil>", false}, {incident.JustListed, "listed", false}, {correlate.Undetermined, "undetermined", false}, {correlate.ByListing, "listing", true},
	} {
		var out Incident
		out.judged(incident.Incident{Verdict: tt.verdict, Confidence: .5, Word: "possible"})
		got := "<nil>"
		if out.Verdict != nil {
			got = *out.Verdict
		}
		if got != tt.want || (out.Confidence != nil) != tt.wantConfidence || (out.Word != nil) != tt.wantConfidence {
			t.Errorf("verdict %q: %s, confidence %v, word %v", tt.verdict, got, out.Confidence, out.Word)
		}
	}
}

func TestNoSuchIncident(t *testing.T) {
	db := empty(t)
	_, err := From(db, func(tx *store.Tx) (Story, error) { return StoryOf(tx, at, "9") })
	if !errors.Is(err, ErrNoIncident) || !strings.Contains(err.Error(), "hint: ") {
		t.Errorf("%v", err)
	}
}

func TestHistoryOfEveryKindOfSubject(t *testing.T) {
	db, _ := known(t)
	for subject, want := range map[string]int{
		"203.0.113.7":                  4, // listed and delisted at cop, listed at zen, lost at contoso
		"203.0.113.8":                  3,
		"contoso.example":              1,
		"Fabrikam.example.":            2,
		"cop":                          3, // and its own suspension
		"203.0.113.7@cop":              2,
		"203.0.113.7>contoso.example":  1,
		"203.0.113.8>contoso.example":  0, // watched, and nothing ever happened
		"203.0.113.9":                  -1,
		"203.0.113.7@nolist":           -1,
		"203.0.113.9>contoso.example":  -1,
		"nobody.example":               -1,
		"office":                       0,
		"203.0.113.8@zen":              0,
		"203.0.113.7>fabrikam.example": 0,
	} {
		doc := from(t, db, func(tx *store.Tx) (History, error) { return HistoryOf(tx, at, subject, time.Time{}) })
		if doc.Known != (want >= 0) || len(doc.Records) != max(want, 0) {
			t.Errorf("%s: known %t with %d records, want %d", subject, doc.Known, len(doc.Records), want)
		}
		if !slices.IsSortedFunc(doc.Records, func(a, b Change) int { return int(a.Seq) - int(b.Seq) }) {
			t.Errorf("%s: not in order", subject)
		}
	}
}

func TestHistorySince(t *testing.T) {
	db, _ := known(t)
	doc := from(t, db, func(tx *store.Tx) (History, error) { return HistoryOf(tx, at, "203.0.113.7", at.Add(-24*time.Hour)) })
	if len(doc.Records) != 2 || len(doc.Episodes) != 2 {
		t.Errorf("%d records and %d episodes since yesterday, want 2 and 2: what ended before is left out", len(doc.Records), len(doc.Episodes))
	}
}

// TestStatusExit: incidents are a finding; half of the lists, and half of the partners, must have answered lately.
func TestStatusExit(t *testing.T) {
	for _, tt := range []struct {
		open     int
		coverage Told
		want     int
	}{
		{1, Told{Lists: 4}, ExitFinding},
		{0, Told{Lists: 4, ListsTold: 2, Partners: 2, PartnersTold: 1}, ExitOK},
		{0, Told{Lists: 4, ListsTold: 1, Partners: 2, PartnersTold: 2}, ExitUnknown},
		{0, Told{Lists: 4, ListsTold: 4, Partners: 3, PartnersTold: 1}, ExitUnknown},
		{0, Told{Lists: 4, ListsTold: 4}, ExitOK},
		{0, Told{Partners: 4, PartnersTold: 4}, ExitOK},
		{0, Told{}, ExitUnknown}, // nothing watched is no good news
	} {
		s := Status{Incidents: OpenIncidents{Open: tt.open}, Coverage: tt.coverage}
		if got := s.Exit(); got != tt.want {
			t.Errorf("%d open, %+v: exit %d, want %d", tt.open, tt.coverage, got, tt.want)
		}
	}
}

// TestOfLate: a list asked every 6 hours is not late after 2.
func TestOfLate(t *testing.T) {
	for _, tt := range []struct {
		ago, interval time.Duration
		want          bool
	}{
		{10 * time.Minute, 15 * time.Minute, true}, {50 * time.Minute, 15 * time.Minute, true}, {61 * time.Minute, 15 * time.Minute, false},
		{2 * time.Hour, 6 * time.Hour, true}, {19 * time.Hour, 6 * time.Hour, false},
	} {
		if got := lately(at, at.Add(-tt.ago), tt.interval); got != tt.want {
			t.Errorf("%s ago, every %s: %t", tt.ago, tt.interval, got)
		}
	}
	if lately(at, time.Time{}, 280*365*24*time.Hour/3) {
		t.Error("never is late")
	}
}

// TestStaleStoreIsUnknown: a file that nobody has written to for a day tells nothing of today.
func TestStaleStoreIsUnknown(t *testing.T) {
	db, cfg := empty(t), filledConfig(t)
	err := db.Update(at, func(tx *store.Tx) error {
		for _, id := range []string{"zen", "cop"} {
			if err := tx.Lists().Put(id, store.List{Health: "ok", SureEnded: at.Add(-24 * time.Hour), Interval: 15 * time.Minute}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	doc := statusOf(t, db, cfg, nil)
	if doc.Exit() != ExitUnknown || !strings.HasPrefix(doc.Words, "too little is known: 0 of 2 lists") {
		t.Errorf("exit %d, %q", doc.Exit(), doc.Words)
	}
}

func TestNagiosStatus(t *testing.T) {
	db, cfg := known(t)
	doc := statusOf(t, db, cfg, running())
	n := NagiosStatus(doc)
	if n.Code != 2 || !strings.HasPrefix(n.Line, "REPWATCH CRITICAL: #3 contoso.example withdrew STARTTLS") || !strings.HasSuffix(n.Line, "incidents=2;;;0 lost=1;;;0 lists=1;;;0;2 partners=2;;;0;2 pending=4;;;0") {
		t.Errorf("%d %s", n.Code, n.Line)
	}
	doc.Incidents.Impact = reputation.Medium
	if n := NagiosStatus(doc); n.Code != 1 {
		t.Errorf("impact medium: %d", n.Code)
	}
	doc.Incidents = OpenIncidents{}
	if n := NagiosStatus(doc); n.Code != 0 {
		t.Errorf("nothing open: %d", n.Code)
	}
	doc.Coverage = Told{Lists: 3, ListsTold: 1}
	if n := NagiosStatus(doc); n.Code != 3 {
		t.Errorf("too little told: %d", n.Code)
	}
}

// TestNotifiersNoLongerConfiguredAreNotShown, but their rows stay until they are again.
func TestNotifiersNoLongerConfiguredAreNotShown(t *testing.T) {
	db, cfg := known(t)
	r := running()
	r.Notifiers = []string{"log"}
	doc := statusOf(t, db, cfg, r)
	if len(doc.Notifiers) != 1 || doc.Notifiers[0].Notifier != "log" {
		t.Errorf("%+v", doc.Notifiers)
	}
}

// TestEventsDumpIsWhatReplayReads: learned from the dump equals learned from the journal.
func TestEventsDumpIsWhatReplayReads(t *testing.T) {
	db, cfg := known(t)
	var b bytes.Buffer
	if err := Dump(db, &b, true, cfg.Redact); err != nil {
		t.Fatal(err)
	}
	events, err := correlate.ReadEvents(&b)
	if err != nil {
		t.Fatal(err)
	}
	var told []string
	for _, e := range events {
		told = append(told, fmt.Sprintf("%s %s %s%s %s", e.Kind, e.Vantage, e.List, e.Partner, e.State))
	}
	want := []string{"listing 203.0.113.7 cop listed", "listing 203.0.113.7 cop clear", "cap 203.0.113.8 fabrikam.example lost", "cap 203.0.113.8 fabrikam.example ok",
		"listing 203.0.113.7 zen listed", "cap 203.0.113.7 contoso.example lost"}
	if !slices.Equal(told, want) {
		t.Errorf("events\n%s\nwant\n%s", strings.Join(told, "\n"), strings.Join(want, "\n"))
	}
}

func TestToldSince(t *testing.T) {
	db, _ := known(t)
	for ago, want := range map[time.Duration]bool{time.Hour: true, 5 * time.Minute: false} {
		got := from(t, db, func(tx *store.Tx) (bool, error) { return ToldSince(tx, at.Add(-ago)) })
		if got != want {
			t.Errorf("told since %s ago: %t", ago, got)
		}
	}
}

func TestProblemOf(t *testing.T) {
	got := ProblemOf(errors.New("it cannot be\n  hint: do this"))
	if got != (Problem{"it cannot be", "do this"}) {
		t.Errorf("%+v", got)
	}
}

func writeFile(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
