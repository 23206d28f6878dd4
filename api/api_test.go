package api

import (
	"encoding/json"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"repwatch/checks/dnsbl"
	"repwatch/checks/smtp"
	"repwatch/config"
	"repwatch/replies"
	"repwatch/reputation"
)

var update = flag.Bool("update", false, "write golden files")

// at is a moment that is neither in UTC nor whole: documents say it in UTC.
var at = time.Date(2026, 11, 20, 3, 12, 44, 123456789, time.FixedZone("CET", 3600))

// golden compares a document with testdata/NAME.json.
func golden(t *testing.T, name string, doc any) {
	t.Helper()
	got, err := json.MarshalIndent(doc, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, '\n')
	file := "testdata/" + name + ".json"
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
	wellFormed(t, name, got)
}

var rfc3339UTC = regexp.MustCompile(`^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$`)

// wellFormed holds what all documents promise: a schema, times in UTC.
func wellFormed(t *testing.T, name string, doc []byte) {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal(doc, &v); err != nil {
		t.Fatal(err)
	}
	if kind, _, _ := strings.Cut(name, "-"); v["schema"] != "repwatch/"+kind+"/v1" {
		t.Errorf("%s: schema %v", name, v["schema"])
	}
	var walk func(path string, v any)
	walk = func(path string, v any) {
		switch v := v.(type) {
		case map[string]any:
			for k, member := range v {
				if text, ok := member.(string); ok && (k == "at" || k == "not_after") && !rfc3339UTC.MatchString(text) {
					t.Errorf("%s.%s: %q is no time in UTC", path, k, text)
				}
				walk(path+"."+k, member)
			}
		case []any:
			for i, member := range v {
				walk(fmt.Sprintf("%s[%d]", path, i), member)
			}
		}
	}
	walk(name, v)
}

// TestArraysAreNeverNull builds each document from nothing and looks for null where its type says array or object.
func TestArraysAreNeverNull(t *testing.T) {
	cfg, err := config.Load("", []byte("lists: [{id: a, zone: a.test, kind: domain}]"))
	if err != nil {
		t.Fatal(err)
	}
	cfg.Warnings = nil
	for _, doc := range []any{
		CheckOf(&dnsbl.Sweep{Results: []dnsbl.Result{{List: &dnsbl.List{}}}}, nil, []Own{OwnOf(smtp.OwnReport{})}),
		ProbeOf(time.Time{}, []Looked{{Results: []smtp.Result{{}}}}, nothing),
		ExplainOf(replies.Explanation{}),
		ListsOf(time.Time{}, cfg, cfg.Catalogue.Lists, nil, nil),
		ConfigOf(cfg),
	} {
		noNullArrays(t, reflect.TypeOf(doc).Name(), reflect.ValueOf(doc))
	}
}

func noNullArrays(t *testing.T, path string, v reflect.Value) {
	t.Helper()
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			noNullArrays(t, path, v.Elem())
		}
	case reflect.Slice, reflect.Map:
		if v.IsNil() {
			t.Errorf("%s is null", path)
		}
		for i := range v.Len() {
			if v.Kind() == reflect.Slice {
				noNullArrays(t, fmt.Sprintf("%s[%d]", path, i), v.Index(i))
			}
		}
	case reflect.Struct:
		for i := range v.NumField() {
			f := v.Type().Field(i)
			if f.IsExported() && !strings.Contains(f.Tag.Get("json"), "omitempty") {
				noNullArrays(t, path+"."+f.Name, v.Field(i))
			}
		}
	}
}

func nothing(string) replies.Explanation { return replies.Explanation{} }

func TestExit(t *testing.T) {
	for _, tt := range []struct{ findings, told, asked, want int }{
		{0, 10, 10, ExitOK},
		{1, 10, 10, ExitFinding},
		{1, 1, 10, ExitFinding}, // a finding stands whoever else is silent
		{0, 5, 10, ExitOK},      // half is enough
		{0, 4, 10, ExitUnknown},
		{0, 4, 9, ExitUnknown},
		{0, 5, 9, ExitOK},
		{0, 0, 1, ExitUnknown},
		{0, 0, 0, ExitUnknown}, // nothing asked is no good news
	} {
		if got := exit(tt.findings, tt.told, tt.asked); got != tt.want {
			t.Errorf("%d findings, %d of %d told: exit %d, want %d", tt.findings, tt.told, tt.asked, got, tt.want)
		}
	}
}

func pair(verdict dnsbl.Verdict, class reputation.Class, impact reputation.Impact) CheckResult {
	r := CheckResult{Subject: "203.0.113.7", List: "zen", Verdict: verdict, Meaning: []string{"meaning"}}
	if verdict == dnsbl.Listed {
		r.Class, r.Impact = &class, &impact
	}
	return r
}

// TestCheckExit: only accusations are findings, on lists and on our own side.
func TestCheckExit(t *testing.T) {
	const good, bad = reputation.ClassGood, reputation.ClassBad
	hurts := []Own{{Findings: []Finding{{Verdict: reputation.Bad, Impact: reputation.Medium, Words: "no PTR"}}}}
	severe := []Own{{Findings: []Finding{{Verdict: reputation.Bad, Impact: reputation.High, Words: "no PTR"}}}}
	note := []Own{{Findings: []Finding{{Verdict: reputation.Bad, Impact: reputation.Info}, {Verdict: reputation.Unknown, Impact: reputation.High}}}}
	clean := pair(dnsbl.NotListed, good, 0)
	for _, tt := range []struct {
		name         string
		results      []CheckResult
		own          []Own
		exit, nagios int
	}{
		{"critical", []CheckResult{clean, pair(dnsbl.Listed, bad, reputation.Critical)}, nil, 1, 2},
		{"high", []CheckResult{pair(dnsbl.Listed, bad, reputation.High)}, nil, 1, 2},
		{"medium", []CheckResult{pair(dnsbl.Listed, bad, reputation.Medium)}, nil, 1, 1},
		{"info", []CheckResult{pair(dnsbl.Listed, bad, reputation.Info)}, nil, 1, 1},
		{"allow", []CheckResult{pair(dnsbl.Listed, good, reputation.Critical)}, nil, 0, 0},
		{"neutral", []CheckResult{pair(dnsbl.Listed, reputation.ClassNeutral, reputation.Critical)}, nil, 0, 0},
		{"policy", []CheckResult{pair(dnsbl.Listed, reputation.ClassPolicy, reputation.Critical)}, nil, 0, 0},
		{"unknown", []CheckResult{pair(dnsbl.Unknown, bad, 0), pair(dnsbl.Unknown, bad, 0), clean}, nil, 3, 3},
		{"half", []CheckResult{pair(dnsbl.Unknown, bad, 0), clean}, nil, 0, 0},
		{"nothing", nil, nil, 3, 3},
		{"own side", []CheckResult{clean}, hurts, 1, 1},
		{"own side, severe", []CheckResult{clean}, severe, 1, 2},
		{"own side, notes", []CheckResult{clean}, note, 0, 0},
	} {
		doc := Check{Results: tt.results, Own: tt.own}
		if got := doc.Exit(); got != tt.exit {
			t.Errorf("%s: exit %d, want %d", tt.name, got, tt.exit)
		}
		if n := NagiosCheck(doc); n.Code != tt.nagios {
			t.Errorf("%s: nagios %d, want %d: %s", tt.name, n.Code, tt.nagios, n.Line)
		}
	}
}

func TestProbeExit(t *testing.T) {
	look := func(o reputation.Outcome) ProbeResult {
		return ProbeResult{Partner: "contoso.com", Vantage: "203.0.113.7", Outcome: o}
	}
	with := func(r ProbeResult, change func(*ProbeResult)) ProbeResult { change(&r); return r }
	good := look(reputation.Advertised)
	for _, tt := range []struct {
		name         string
		results      []ProbeResult
		exit, nagios int
	}{
		{"advertised", []ProbeResult{good}, 0, 0},
		{"absent", []ProbeResult{look(reputation.Absent)}, 1, 2},
		{"masked", []ProbeResult{look(reputation.Masked)}, 1, 2},
		{"rejected", []ProbeResult{look(reputation.Rejected)}, 1, 2},
		{"broken", []ProbeResult{look(reputation.Broken)}, 1, 2},
		{"deferred", []ProbeResult{look(reputation.Deferred)}, 3, 3},
		{"unknown", []ProbeResult{look(reputation.OutcomeUnknown)}, 3, 3},
		{"nothing looked at", nil, 3, 3},
		{"first address dead, second good", []ProbeResult{look(reputation.OutcomeUnknown), good}, 0, 0},
		{"first address good, second dead", []ProbeResult{good, look(reputation.OutcomeUnknown)}, 0, 0},
		{"the control alone loses", []ProbeResult{good, with(look(reputation.Absent), func(r *ProbeResult) { r.Control, r.Vantage = true, "spare" })}, 0, 0},
		{"required is missing", []ProbeResult{with(good, func(r *ProbeResult) { r.Missing = []string{"SIZE"} })}, 1, 2},
		{"recipient refused", []ProbeResult{with(good, func(r *ProbeResult) { r.RCPT = &Reply{Code: 550} })}, 1, 2},
		{"recipient greylisted", []ProbeResult{with(good, func(r *ProbeResult) { r.RCPT = &Reply{Code: 450} })}, 3, 3},
		{"recipient taken", []ProbeResult{with(good, func(r *ProbeResult) { r.RCPT = &Reply{Code: 250} })}, 0, 0},
		{"login refused", []ProbeResult{with(good, func(r *ProbeResult) { r.Auth = &Reply{Code: 535} })}, 1, 2},
		{"login not tried", []ProbeResult{with(good, func(r *ProbeResult) { r.Auth = &Reply{Text: "no"} })}, 3, 3},
		{"message refused", []ProbeResult{with(good, func(r *ProbeResult) { r.Message = &Reply{Code: 554} })}, 1, 2},
		{"our own MX, a little", []ProbeResult{with(good, func(r *ProbeResult) { r.Own = []Finding{{Verdict: reputation.Bad, Impact: reputation.Medium}} })}, 1, 1},
		{"our own MX, badly", []ProbeResult{with(good, func(r *ProbeResult) { r.Own = []Finding{{Verdict: reputation.Bad, Impact: reputation.High}} })}, 1, 2},
		{"our own MX, a note", []ProbeResult{with(good, func(r *ProbeResult) { r.Own = []Finding{{Verdict: reputation.Bad, Impact: reputation.Info}} })}, 0, 0},
	} {
		doc := Probe{Results: tt.results}
		if got := doc.Exit(); got != tt.exit {
			t.Errorf("%s: exit %d, want %d", tt.name, got, tt.exit)
		}
		if n := NagiosProbe(doc); n.Code != tt.nagios {
			t.Errorf("%s: nagios %d, want %d: %s", tt.name, n.Code, tt.nagios, n.Line)
		}
	}
}

func TestOtherExits(t *testing.T) {
	if got := (Explain{}).Exit(); got != ExitUnknown {
		t.Errorf("no meaning: exit %d", got)
	}
	if got := (Explain{Matches: []ExplainMatch{{Class: string(replies.ClassUnknown)}}}).Exit(); got != ExitUnknown {
		t.Errorf("unknown meaning: exit %d", got)
	}
	if got := (Explain{Matches: []ExplainMatch{{Class: "listed"}}}).Exit(); got != ExitOK {
		t.Errorf("a meaning: exit %d", got)
	}
	for _, tt := range []struct {
		coverage *Coverage
		want     int
	}{{nil, 0}, {&Coverage{Asked: 2, Answered: 1}, 0}, {&Coverage{Asked: 3, Answered: 1}, 3}, {&Coverage{Asked: 3, Untested: 2}, 0}} {
		if got := (Lists{Coverage: tt.coverage}).Exit(); got != tt.want {
			t.Errorf("lists %+v: exit %d, want %d", tt.coverage, got, tt.want)
		}
	}
}

func TestPrintable(t *testing.T) {
	for in, want := range map[string]string{
		"plain":            "plain",
		"über 100 %":       "über 100 %",
		"two\nlines\there": "two\nlines\there",
		"\x1b[31mred\x07":  `\x1b[31mred\x07`,
		"\xff\xfe":         `\xff\xfe`,
		"\u202egnp.exe":    `\u202egnp.exe`, // turns the reading direction round
		"\x7f\r":           `\x7f\x0d`,
		"a\u0085b":         `a\u0085b`,
	} {
		if got := printable(in); got != want {
			t.Errorf("%q becomes %q, want %q", in, got, want)
		}
	}
}

var zen = &dnsbl.List{ID: "zen", Name: "Zen", Zone: "zen.test", Kind: dnsbl.KindIP, V4: true, Impact: reputation.Critical, Alert: dnsbl.AlertNow,
	Expanded: "zen.test", Delist: dnsbl.Delist{How: "self-service", Typical: "1d", URL: "https://zen.test/remove/{ip}"}}

func TestCheckDocument(t *testing.T) {
	score := -5
	subject := reputation.Subject{Kind: reputation.KindListing, IP: netip.MustParseAddr("203.0.113.7"), Target: "zen"}
	sweep := &dnsbl.Sweep{At: at,
		Results: []dnsbl.Result{
			{Subject: subject, List: zen, Reason: "Pushdo \x1b[31mseen", Reading: dnsbl.Reading{Verdict: dnsbl.Listed, Codes: []netip.Addr{netip.MustParseAddr("127.0.0.4")},
				Meaning: []dnsbl.Meaning{{Text: "XBL"}}, Class: reputation.ClassBad, Impact: reputation.Critical, TTL: 40 * time.Second, Age: 260 * time.Second, Score: &score}},
			{Subject: subject, List: zen, Reading: dnsbl.Reading{Verdict: dnsbl.NotListed, TTL: time.Minute}},
			{Subject: subject, List: zen, Reading: dnsbl.Reading{Why: "no answer"}},
		},
		Conditions: []dnsbl.Condition{{List: zen, Health: dnsbl.HealthOK}},
		LookAgain:  []*dnsbl.List{zen},
	}
	own := []Own{OwnOf(smtp.OwnReport{IP: subject.IP, EHLO: "mx1.example.com", Findings: []smtp.Finding{{ID: "ptr-missing", Verdict: reputation.Bad, Impact: reputation.High, What: "no PTR", Why: "many refuse", Do: "set it"}}})}
	golden(t, "check", CheckOf(sweep, &dnsbl.Trouble{Kind: "silent", Words: "words", Next: "next"}, own))
	golden(t, "check-empty", CheckOf(&dnsbl.Sweep{}, nil, nil))
}

func TestProbeDocument(t *testing.T) {
	us := smtp.Vantage{Name: "203.0.113.7", IP: netip.MustParseAddr("203.0.113.7"), EHLO: "mx1.example.com"}
	control := smtp.Vantage{Name: "spare", IP: netip.MustParseAddr("198.51.100.9"), Control: true}
	target := smtp.Target{Partner: "contoso.com", MX: "mx.contoso.com", Addr: netip.MustParseAddr("192.0.2.25"), Port: 25, Provider: "exchange-online"}
	results := []smtp.Result{
		{Target: target, Vantage: us, At: at, Outcome: reputation.Absent, Why: "no STARTTLS", SeenIP: us.IP,
			Greeting: &smtp.Reply{Code: 220, Lines: []string{"mx.contoso.com"}}, Capabilities: smtp.Capabilities{"SIZE": "157286400", "AUTH": ""},
			Faults: []smtp.Fault{{Fault: smtp.FaultBareLF, Bytes: []byte("250-AUTH\n"), Where: "ehlo", Words: "bare LF"}},
			Reply:  &smtp.Reply{Code: 451, Enhanced: "5.7.3", Lines: []string{"Must issue a STARTTLS command first", "second\x1b"}},
			Phases: []smtp.Phase{{Name: "connect", Took: 1500 * time.Microsecond}, {Name: "ehlo", Took: time.Second}, {Name: "ehlo", Took: time.Second}},
			Rcpt:   &smtp.Step{Command: "RCPT", Reply: &smtp.Reply{Code: 250, Lines: []string{"ok"}}}, Auth: &smtp.Step{Why: "not tried"},
			Transcript: []smtp.Line{{From: "S", Text: "220 mx.contoso.com"}}},
		{Target: target, Vantage: control, At: at, Outcome: reputation.Advertised, Capabilities: smtp.Capabilities{"STARTTLS": ""}, CapabilitiesTLS: smtp.Capabilities{"SIZE": "1"},
			TLS: &smtp.TLS{Version: "TLS 1.3", Cipher: "TLS_AES_128_GCM_SHA256", Handshake: "ok", Chain: "ok", Name: "ok", Expiry: "ok", NotAfter: at.AddDate(0, 3, 0)}},
	}
	partner := config.Partner{Domain: "contoso.com", Require: []string{"STARTTLS", "SIZE"}}
	explained := func(text string) replies.Explanation {
		return replies.Explanation{Matches: []replies.Match{{Meaning: "meaning of " + text, Class: "tls-required", Next: "next"}}}
	}
	golden(t, "probe", ProbeOf(at, []Looked{{Partner: partner, Results: results}}, explained))
	golden(t, "probe-empty", ProbeOf(time.Time{}, nil, nothing))
}

// TestOwnMX: the findings that others will trip over stand with each look at our own MX, and with no other.
func TestOwnMX(t *testing.T) {
	r := smtp.Result{Outcome: reputation.Absent, Greeting: &smtp.Reply{Code: 220, Lines: []string{"x"}}, Capabilities: smtp.Capabilities{"SIZE": ""},
		Faults: []smtp.Fault{{Fault: smtp.FaultBareLF, Bytes: []byte("250-AUTH\n")}}}
	looked := func(own bool) Probe {
		return ProbeOf(at, []Looked{{Partner: config.Partner{Domain: "example.com", Own: own}, Results: []smtp.Result{r}}}, nothing)
	}
	if got := looked(true); len(got.Results[0].Own) == 0 || got.Exit() != 1 {
		t.Errorf("our own MX: %+v", got.Results[0].Own)
	}
	if got := looked(false); got.Results[0].Own != nil {
		t.Errorf("a partner's MX: %+v", got.Results[0].Own)
	}
}

// TestMixedAddressesAreNoLoss: a partner whose addresses disagree is told of, and is no finding (rule of truth 4).
func TestMixedAddressesAreNoLoss(t *testing.T) {
	look := func(o reputation.Outcome, vantage string) smtp.Result {
		return smtp.Result{Target: smtp.Target{Partner: "contoso.com"}, Vantage: smtp.Vantage{Name: vantage}, Outcome: o, Capabilities: smtp.Capabilities{"SIZE": ""}}
	}
	mixed := []smtp.Result{look(reputation.Absent, "a"), look(reputation.Advertised, "a")}
	doc := ProbeOf(at, []Looked{{Results: mixed}}, nothing)
	if doc.Comparisons[0].Verdict != "mixed" || doc.Exit() != ExitOK || NagiosProbe(doc).Code != 0 {
		t.Errorf("mixed: %+v, exit %d, %s", doc.Comparisons, doc.Exit(), NagiosProbe(doc).Line)
	}
	doc = ProbeOf(at, []Looked{{Results: append(mixed, look(reputation.Absent, "b"))}}, nothing)
	if doc.Exit() != ExitFinding {
		t.Errorf("another address of ours loses it surely: exit %d", doc.Exit())
	}
}

// TestRequiredIsCompared: STARTTLS is there, but not what the configuration requires beside it.
func TestRequiredIsCompared(t *testing.T) {
	r := smtp.Result{Target: smtp.Target{Partner: "contoso.com"}, Vantage: smtp.Vantage{Name: "a"}, Outcome: reputation.Advertised,
		Capabilities: smtp.Capabilities{"STARTTLS": ""}, CapabilitiesTLS: smtp.Capabilities{"SIZE": "1"}}
	partner := config.Partner{Domain: "contoso.com", Require: []string{"STARTTLS", "SIZE", "DSN"}}
	doc := ProbeOf(at, []Looked{{Partner: partner, Results: []smtp.Result{r}}}, nothing)
	if c := doc.Comparisons[0]; c.Verdict != "missing" || !strings.Contains(c.Words, "but not DSN, which your configuration requires") || doc.Exit() != ExitFinding {
		t.Errorf("%+v, exit %d", c, doc.Exit())
	}
	if got := doc.Results[0].Missing; !reflect.DeepEqual(got, []string{"DSN"}) {
		t.Errorf("missing %v", got)
	}
}

// TestUnheardLacksNothing: without a complete reply nothing is missing from it.
func TestUnheardLacksNothing(t *testing.T) {
	partner := config.Partner{Domain: "contoso.com", Require: []string{"STARTTLS"}}
	doc := ProbeOf(at, []Looked{{Partner: partner, Results: []smtp.Result{{Why: "timeout"}}}}, nothing)
	if got := doc.Results[0].Missing; len(got) > 0 || doc.Exit() != ExitUnknown {
		t.Errorf("missing %v, exit %d", got, doc.Exit())
	}
}

// TestForeignTextIsPrintable, wherever a server can put some.
func TestForeignTextIsPrintable(t *testing.T) {
	const evil = "\x1b[31m"
	r := smtp.Result{Why: evil, Capabilities: smtp.Capabilities{"SIZE" + evil: evil}, CapabilitiesTLS: smtp.Capabilities{evil: evil},
		TLS: &smtp.TLS{Handshake: evil, Chain: evil, Name: evil}, Reply: &smtp.Reply{Code: 250, Lines: []string{evil}}, Rcpt: &smtp.Step{Why: evil},
		Faults: []smtp.Fault{{Bytes: []byte(evil)}}, Transcript: []smtp.Line{{Text: evil}}}
	doc, err := json.Marshal(ProbeOf(at, []Looked{{Results: []smtp.Result{r}}}, nothing).Results)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(doc), `\u001b`) {
		t.Errorf("an escape sequence reaches the reader: %s", doc)
	}
}

func TestExplainDocument(t *testing.T) {
	golden(t, "explain", ExplainOf(replies.Explanation{
		Reply: replies.Reply{Code: 554, Enhanced: "5.7.1", Text: "blocked using zen.test\x1b", Phase: "rcpt", Host: "mx.contoso.com", IP: netip.MustParseAddr("192.0.2.25")}, Duration: "permanent",
		Matches: []replies.Match{{ID: "dnsbl", Class: "listed", Meaning: "listed", Next: "delist", List: "zen", Zone: "zen.test", IP: netip.MustParseAddr("203.0.113.7"), URL: "https://zen.test"}}}))
	golden(t, "explain-empty", ExplainOf(replies.Explanation{}))
}

const configuration = `
sending_ips: [{range: 203.0.113.64/30, pool: bulk}, {ip: 203.0.113.7}, {ip: 203.0.113.8, state: standby}]
domains: [example.com]
partners: [{domain: contoso.com, provider: exchange-online}, {domain: outlook.example, provider: exchange-online}, {host: mx.fabrikam.net}]
own_mx: [example.com]
control: [{name: spare, bind: 198.51.100.9}]
schedule: {blocklists: "@every 15m", partners: "@every 30m"}
probes: {per_provider_day: 48, canaries: 2}
`

const catalogue = `
lists:
  - {id: zen, zone: zen.test, families: [v4, v6], impact: critical, access: {per_second: 0, per_day: 0}}
  - {id: small, zone: small.test, access: {per_day: 60}}
  - {id: six, zone: six.test, families: [v6]}
  - {id: names, zone: names.test, kind: domain}
  - {id: keyed, zone: "{key}.keyed.test", access: {key: theirs}}
  - {id: old, zone: old.test, retired: "2021: use zen"}
`

func loaded(t *testing.T) *config.Loaded {
	t.Helper()
	file := t.TempDir() + "/repwatch.yaml"
	if err := os.WriteFile(file, []byte(configuration), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(file, []byte(catalogue))
	if err != nil {
		t.Fatal(err)
	}
	cfg.File = "repwatch.yaml"
	return cfg
}

func TestListsDocument(t *testing.T) {
	cfg := loaded(t)
	golden(t, "lists", ListsOf(at, cfg, cfg.Catalogue.Lists, nil, nil))
	var conditions []dnsbl.Condition
	for i, health := range []dnsbl.Health{dnsbl.HealthOK, dnsbl.HealthSuspended, dnsbl.HealthUntested} {
		conditions = append(conditions, dnsbl.Condition{List: cfg.Catalogue.Lists[i], Health: health, Why: "why " + string(health)})
	}
	golden(t, "lists-tested", ListsOf(at, cfg, cfg.Catalogue.Lists[:3], conditions, &dnsbl.Trouble{Kind: "silent", Words: "words", Next: "next"}))
}

// TestConfigDocument reckons by hand what the golden says: lists 6 addresses and
// 1 domain; 5 addresses probe (one is standby), 2 of the pool of 4 in turn. Our own MX is looked at like a partner.
func TestConfigDocument(t *testing.T) {
	doc := ConfigOf(loaded(t))
	golden(t, "config", doc)
	if doc.Addresses != 6 || doc.Partners != 3 || len(doc.Providers) != 3 {
		t.Errorf("%+v", doc)
	}
	every15m := 96
	if small := doc.QuestionsPerDay - 6*every15m - every15m; small < 6 || small > 60 {
		t.Errorf("%d questions a day, want %d for zen, %d for names, and up to 60 for small, whose test points count too", doc.QuestionsPerDay, 6*every15m, every15m)
	}
	// Two partners at exchange-online: the single address wants 96 sessions a day and may have 48; the pool's four want 48 each.
	if p := doc.Providers[0]; p.Provider != "exchange-online" || p.Sessions != 5*48 || p.PerIP != 48 || p.Every != "1h" {
		t.Errorf("%+v", p)
	}
	if p := doc.Providers[1]; p.Provider != "example.com" || p.Sessions != 48+4*24 {
		t.Errorf("%+v", p)
	}
	if p := doc.Providers[2]; p.Provider != "mx.fabrikam.net" || p.Sessions != 48+4*24 || p.PerIP != 48 || p.Every != "30m" {
		t.Errorf("%+v", p)
	}
}

// A partner whose addresses disagree has lost nothing: it is told, and no finding (rule of truth 4).
func TestMixedAnswersAreNoFinding(t *testing.T) {
	us := smtp.Vantage{Name: "203.0.113.7"}
	at := func(o reputation.Outcome) smtp.Result {
		return smtp.Result{Target: smtp.Target{Partner: "contoso.com"}, Vantage: us, Outcome: o, Capabilities: smtp.Capabilities{"SIZE": "1"}}
	}
	doc := ProbeOf(time.Now(), []Looked{{Results: []smtp.Result{at(reputation.Absent), at(reputation.Advertised)}}}, replies.Explain)
	if doc.Exit() != ExitOK || doc.Comparisons[0].Verdict != "mixed" || NagiosProbe(doc).Code != 0 {
		t.Errorf("exit %d, verdict %s: want 0 and mixed", doc.Exit(), doc.Comparisons[0].Verdict)
	}
	doc = ProbeOf(time.Now(), []Looked{{Results: []smtp.Result{at(reputation.Absent), at(reputation.Absent)}}}, replies.Explain)
	if doc.Exit() != ExitFinding {
		t.Errorf("two that agree: exit %d, want 1", doc.Exit())
	}
}

// What the configuration requires and the partner lacks is the headline, not a detail below "offers STARTTLS".
func TestMissingRequirementIsTheVerdict(t *testing.T) {
	r := smtp.Result{Target: smtp.Target{Partner: "contoso.com"}, Vantage: smtp.Vantage{Name: "203.0.113.7"}, Outcome: reputation.Advertised, Capabilities: smtp.Capabilities{"STARTTLS": ""}}
	doc := ProbeOf(time.Now(), []Looked{{Partner: config.Partner{Require: []string{"STARTTLS", "REQUIRETLS"}}, Results: []smtp.Result{r}}}, replies.Explain)
	if c := doc.Comparisons[0]; c.Verdict != "missing" || !strings.Contains(c.Words, "REQUIRETLS") || c.Next == "" || doc.Exit() != ExitFinding {
		t.Errorf("%+v, exit %d: want missing, REQUIRETLS named, a next step, exit 1", c, doc.Exit())
	}
}
