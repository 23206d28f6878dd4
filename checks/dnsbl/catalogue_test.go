package dnsbl

import (
	"errors"
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"repwatch/internal/strictyaml"
	"repwatch/reputation"
)

var update = flag.Bool("update", false, "write the .err files of testdata/faulty anew (then read them)")

// TestFaultyEntries: each mistake has a file and the exact words it is answered with.
func TestFaultyEntries(t *testing.T) {
	files, err := filepath.Glob("testdata/faulty/*.yaml")
	if err != nil || len(files) < 25 {
		t.Fatalf("%d files, want at least 25 (%v)", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml"), func(t *testing.T) {
			src := read(t, file)
			c, err := LoadCatalogue(filepath.Base(file), src)
			var problems strictyaml.Problems
			if c != nil || !errors.As(err, &problems) {
				t.Fatalf("got %v, %v: want no catalogue and Problems", c, err)
			}
			golden := strings.TrimSuffix(file, ".yaml") + ".err"
			if *update {
				if err := os.WriteFile(golden, []byte(err.Error()+"\n"), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if d := cmp.Diff(string(read(t, golden)), err.Error()+"\n"); d != "" {
				t.Error(d)
			}
			for _, p := range problems {
				if p.Line == 0 {
					t.Errorf("no place: %s", p)
				}
			}
		})
	}
}

func read(t testing.TB, file string) []byte {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func load(t testing.TB, src string) *Catalogue {
	t.Helper()
	c, err := LoadCatalogue("test.yaml", []byte(src))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestWholeEntry loads an entry that uses the documented keys as the schema shows them.
func TestWholeEntry(t *testing.T) {
	c := load(t, string(read(t, "testdata/whole.yaml")))
	no := false
	perSecond, perDay := 10.0, 100000
	policy := Meaning{Text: "PBL", Class: reputation.ClassPolicy, Impact: reputation.Info, Delist: "https://example.org/pbl/{ip}"}
	want := []*List{{
		ID: "example-zen", Zone: "{key}.zen.example.org", Name: "Example ZEN", Operator: "Example", Kind: KindIP, V4: true, V6: true,
		Codes: []Code{
			{Lo: [4]byte{127, 0, 0, 2}, Hi: [4]byte{127, 0, 0, 2}, Meaning: Meaning{Text: "SBL", Impact: reputation.Critical}},
			{Lo: [4]byte{127, 0, 0, 10}, Hi: [4]byte{127, 0, 0, 11}, Meaning: policy},
			{Lo: [4]byte{127, 0, 0, 9}, Hi: [4]byte{127, 0, 255, 9}, Meaning: Meaning{Text: "DROP", Impact: reputation.Critical}},
		},
		Refusals: []Refusal{{Lo: [4]byte{127, 255, 255, 254}, Hi: [4]byte{127, 255, 255, 254}, Why: "asked through a public resolver"}},
		Test:     Test{Stated: true, Listed: points("127.0.0.2"), Clean: points("127.0.0.1")},
		Impact:   reputation.Critical, Alert: AlertNow, Lookup: "https://example.org/q/{ip}",
		Delist: Delist{How: "self-service", Typical: "1d", URL: "https://example.org/remove/{ip}"},
		Access: Access{Key: "example", PublicResolvers: &no, PerSecond: &perSecond, PerDay: &perDay, Commercial: &no},
	}, {
		ID: "bare", Zone: "bare.example", Name: "bare", Kind: KindIP, V4: true, Impact: reputation.Medium, Alert: AlertDigest, Expanded: "bare.example",
	}, {
		ID: "bits", Zone: "bits.example", Name: "bits", Kind: KindDomain, Impact: reputation.High, Alert: AlertNow, Expanded: "bits.example",
		Bits: []Bit{
			{Mask: 2, Meaning: Meaning{Text: "black", Impact: reputation.High}},
			{Mask: 4, Meaning: Meaning{Text: "grey", Impact: reputation.Low}},
			{Mask: 8, Meaning: Meaning{Text: "red", Impact: reputation.High}},
			{Mask: 0x10000, Meaning: Meaning{Text: "second octet", Impact: reputation.High}},
			{Mask: 48, Meaning: Meaning{Text: "two bits", Impact: reputation.High}},
		},
	}}
	opts := cmp.Options{cmp.AllowUnexported(List{}), cmp.Comparer(func(a, b netip.Addr) bool { return a == b }), cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })}
	if d := cmp.Diff(want, c.Lists, opts); d != "" {
		t.Error(d)
	}
}

func TestDesignExample(t *testing.T) {
	c := load(t, string(read(t, "testdata/design.yaml")))
	l := c.Lists[0]
	if len(l.Codes) != 3 || l.Refused() != "" || l.Resolver.IsValid() || l.Access.Key != "example" {
		t.Errorf("the example of the contract became %+v", l)
	}
}

func TestDefaults(t *testing.T) {
	for _, tt := range []struct {
		entry  string
		impact reputation.Impact
		alert  Alert
		class  reputation.Class
	}{
		{"", reputation.Medium, AlertDigest, reputation.ClassBad},
		{"kind: domain", reputation.Medium, AlertDigest, reputation.ClassBad},
		{"kind: allow", reputation.Info, AlertNever, reputation.ClassGood},
		{"kind: score, bad_below: 10", reputation.Info, AlertNever, reputation.ClassNeutral},
		{"impact: critical", reputation.Critical, AlertNow, reputation.ClassBad},
		{"impact: high", reputation.High, AlertNow, reputation.ClassBad},
		{"impact: low", reputation.Low, AlertDigest, reputation.ClassBad},
		{"impact: info", reputation.Info, AlertNever, reputation.ClassBad},
		{"impact: high, alert: never", reputation.High, AlertNever, reputation.ClassBad},
		{"resolver: 127.0.0.1", reputation.Medium, AlertDigest, reputation.ClassBad},
	} {
		l := load(t, "lists: [{id: a, zone: a.example, "+tt.entry+"}]").Lists[0]
		r := l.Read(addrs("127.0.0.20"), 0)
		if l.Impact != tt.impact || l.Alert != tt.alert || r.Class != tt.class {
			t.Errorf("%s: %v, %v, %v; want %v, %v, %v", tt.entry, l.Impact, l.Alert, r.Class, tt.impact, tt.alert, tt.class)
		}
		if strings.Contains(tt.entry, "resolver") != (l.Resolver == netip.MustParseAddrPort("127.0.0.1:53")) {
			t.Errorf("%s: resolver %v", tt.entry, l.Resolver)
		}
	}
}

func TestLimits(t *testing.T) {
	for _, tt := range []struct {
		entry     string
		perSecond float64
		perDay    int
	}{
		{"", DefaultPerSecond, DefaultPerDay},
		{"access: {per_second: 0, per_day: 0}", 0, 0}, // stated: no limit
		{"access: {per_second: 0.5}", 0.5, DefaultPerDay},
		{"access: {per_day: 250000}", DefaultPerSecond, 250000},
		{`resolver: "[::1]:5300", access: {per_second: 1, per_day: 10}`, 0, 0}, // a feed on this host
		{`resolver: "192.0.2.1:53", access: {per_second: 1, per_day: 10}`, 1, 10},
	} {
		l := load(t, "lists: [{id: a, zone: bl.spamcop.net, "+tt.entry+"}]").Lists[0]
		if s, d := l.Limits(); s != tt.perSecond || d != tt.perDay {
			t.Errorf("%s: %v/s, %d a day; want %v, %d", tt.entry, s, d, tt.perSecond, tt.perDay)
		}
	}
}

const small = `
lists:
  - {id: spamhaus-xbl, zone: xbl.spamhaus.org, name: Spamhaus XBL, default: true}
  - {id: spare, zone: "{key}.spare.example", access: {key: spare}, also: ["{key}.second.example"]}
  - {id: own, zone: own.example, also: [older.example]}
  - {id: cbl, zone: cbl.abuseat.org, retired: "(date unknown) merged into XBL; use spamhaus-xbl, whose code is 127.0.0.4"}
  - {id: sorbs, zone: dnsbl.sorbs.net, also: [spam.dnsbl.sorbs.net], retired: "2024-06-05: closed"}
  - {id: hashes, zone: hash.example, refuse: takes hashes}
`

func TestFind(t *testing.T) {
	c := load(t, small)
	for _, tt := range []struct{ name, id, err string }{
		{"own", "own", ""},
		{" OWN ", "own", ""},
		{"own.example", "own", ""},
		{"Own.Example.", "own", ""},
		{"older.example", "own", ""},
		{"spare", "spare", ""}, // its key is missing, which the health says
		{"cbl", "", "cbl (cbl.abuseat.org) is retired: (date unknown) merged into XBL; use spamhaus-xbl, whose code is 127.0.0.4\n  hint: ask spamhaus-xbl (Spamhaus XBL) instead"},
		{"cbl.abuseat.org", "", "cbl (cbl.abuseat.org) is retired: (date unknown) merged into XBL; use spamhaus-xbl, whose code is 127.0.0.4\n  hint: ask spamhaus-xbl (Spamhaus XBL) instead"},
		{"spam.dnsbl.sorbs.net", "", "sorbs (dnsbl.sorbs.net) is retired: 2024-06-05: closed\n  hint: repwatch lists shows what can be asked"},
		{"hashes", "", "hashes (hash.example) is not asked: takes hashes\n  hint: repwatch lists shows what can be asked"},
		{"cb", "", "there is no list \"cb\"\n  hint: repwatch lists --all shows the catalogue"}, // never towards a closed list
		{"haus-xb", "", "there is no list \"haus-xb\"\n  hint: did you mean spamhaus-xbl?"},
		{"spamhaus-xlb", "", "there is no list \"spamhaus-xlb\"\n  hint: did you mean spamhaus-xbl?"},
		{"xbl", "", "there is no list \"xbl\"\n  hint: did you mean spamhaus-xbl?"},
		{"qqqqqqqq", "", "there is no list \"qqqqqqqq\"\n  hint: repwatch lists --all shows the catalogue"},
	} {
		l, err := c.Find(tt.name)
		if tt.err != "" {
			if err == nil || err.Error() != tt.err {
				t.Errorf("%s: got %v, want %s", tt.name, err, tt.err)
			}
			continue
		}
		if err != nil || l.ID != tt.id {
			t.Errorf("%s: got %v, %v; want %s", tt.name, l, err, tt.id)
		}
	}
}

func TestFindPrefersWords(t *testing.T) {
	c := load(t, "lists: [{id: xb1, zone: a.example}, {id: acme-xbl, zone: b.example}]")
	if _, err := c.Find("xbl"); err == nil || !strings.Contains(err.Error(), "did you mean acme-xbl?") {
		t.Errorf("xbl: %v", err)
	}
}

func TestIDByZone(t *testing.T) {
	c := load(t, small)
	for zone, want := range map[string]string{"XBL.Spamhaus.org.": "spamhaus-xbl", "0key0.spare.example": "spare", "x.second.example": "spare", "spam.dnsbl.sorbs.net": "sorbs", "example": "", "spare.example": ""} {
		if id, ok := c.IDByZone(zone); id != want || ok != (want != "") {
			t.Errorf("%s: %q, %v; want %q", zone, id, ok, want)
		}
	}
}

func TestSets(t *testing.T) {
	c := load(t, small)
	ids := func(lists []*List) (out []string) {
		for _, l := range lists {
			out = append(out, l.ID)
		}
		return out
	}
	if d := cmp.Diff([]string{"spamhaus-xbl", "own"}, ids(c.Askable())); d != "" {
		t.Error("askable without a key:", d)
	}
	if d := cmp.Diff([]string{"spamhaus-xbl"}, ids(c.DefaultSet())); d != "" {
		t.Error("default set:", d)
	}
	c.Expand(map[string]string{"spare": "k3y"})
	if d := cmp.Diff([]string{"spamhaus-xbl", "spare", "own"}, ids(c.Askable())); d != "" {
		t.Error("askable with the key:", d)
	}
	if d := cmp.Diff([]string{"spare"}, c.KeyNames()); d != "" {
		t.Error("key names:", d)
	}
	plain := load(t, "lists: [{id: a, zone: a.example}, {id: b, zone: b.example, refuse: no}]")
	if d := cmp.Diff([]string{"a"}, ids(plain.DefaultSet())); d != "" {
		t.Error("a catalogue without marks:", d)
	}
}

// TestAdd: entries of the configuration replace by id and stand beside by zone, and
// their problems point into the configuration.
func TestAdd(t *testing.T) {
	c := load(t, small)
	add := func(src string) error {
		var f struct {
			Blocklists struct {
				Add []Entry `yaml:"add"`
			} `yaml:"blocklists"`
		}
		doc, err := strictyaml.Decode("repwatch.yaml", []byte(src), &f)
		if err != nil {
			t.Fatal(err)
		}
		return c.Add(f.Blocklists.Add, doc, "blocklists", "add")
	}
	if err := add("blocklists: {add: [{id: cbl, zone: local.example}, {id: feed, zone: own.example, resolver: 127.0.0.1}]}"); err != nil {
		t.Fatal(err)
	}
	if l, err := c.Find("cbl"); err != nil || l.Zone != "local.example" {
		t.Errorf("cbl is %v (%v), want the added one", l, err)
	}
	if id, ok := c.IDByZone("cbl.abuseat.org"); ok {
		t.Errorf("the replaced list's zone still leads to %s", id)
	}
	if n := len(c.Lists); n != 7 {
		t.Errorf("%d lists after replacing one and adding one, want 7", n)
	}
	if l, err := c.Find("own.example"); err != nil || l.ID != "feed" {
		t.Errorf("own.example is %v (%v), want the feed", l, err)
	}
	if _, ok := c.Get("own"); !ok {
		t.Error("the list with the same zone is gone")
	}
	err := add("blocklists:\n  add:\n    - {id: x, zone: x.example}\n    - id: y\n      zone: y.example\n      codes: {10.0.0.1: bad}\n")
	if want := "repwatch.yaml:6:15: 10.0.0.1 is outside 127.0.0.0/8\n  hint: answers outside it are never believed"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestKeys(t *testing.T) {
	c := load(t, small)
	l, _ := c.Get("spare")
	if want := "needs an access key: set blocklists.keys.spare"; l.Unusable() != want {
		t.Errorf("without key: %q", l.Unusable())
	}
	for _, bad := range []string{"two.labels", "späce", "-a", "a-", "a b", strings.Repeat("x", 64)} {
		c.Expand(map[string]string{"spare": bad})
		if why := l.Unusable(); l.Expanded != "" || !strings.Contains(why, "its access key (blocklists.keys.spare)") || strings.Contains(why, bad) {
			t.Errorf("key %q: expanded to %q, %q", bad, l.Expanded, why)
		}
		if err := CheckKey(bad); err == nil || strings.Contains(err.Error(), bad) {
			t.Errorf("CheckKey(%q) says %v", bad, err)
		}
	}
	if err := CheckKey(strings.Repeat("x", 64)); err == nil || !strings.Contains(err.Error(), "64 characters") {
		t.Errorf("a long key: %v", err)
	}
	c.Expand(map[string]string{"spare": "K3y"})
	if l.Expanded != "k3y.spare.example" || l.Unusable() != "" || l.Zone != "{key}.spare.example" {
		t.Errorf("with key: %q, %q, %q", l.Expanded, l.Zone, l.Unusable())
	}
	c.Expand(nil)
	if l.Expanded != "" {
		t.Error("the key outlives its removal")
	}
}

func TestRedactor(t *testing.T) {
	keys := map[string]string{"a": "s3cret", "b": "s3cret-longer", "c": "", "d": "x.y+z"}
	for in, want := range map[string]string{
		"2.0.0.127.s3cret.zen.example":  "2.0.0.127.{key}.zen.example",
		"2.0.0.127.S3CrEt.zen.example.": "2.0.0.127.{key}.zen.example.",
		"s3cret-LONGER":                 "{key}",
		"x.y+z or xay+z":                "{key} or xay+z",
		"nothing here":                  "nothing here",
	} {
		for range 20 { // whatever the order of the map
			if got := Redactor(keys)(in); got != want {
				t.Errorf("%s: got %s, want %s", in, got, want)
			}
		}
	}
	if got := Redactor(nil)("as it is"); got != "as it is" {
		t.Errorf("without keys: %s", got)
	}
}

// FuzzCatalogue: any text gives a catalogue or problems with words; what loads
// can be asked and read without panic, and never asks with a key it was not given.
func FuzzCatalogue(f *testing.F) {
	files, _ := filepath.Glob("testdata/faulty/*.yaml")
	for _, file := range append(files, "testdata/whole.yaml") {
		f.Add(read(f, file))
	}
	f.Add([]byte(small))
	f.Fuzz(func(t *testing.T, src []byte) {
		c, err := LoadCatalogue("f.yaml", src)
		if err != nil {
			if strings.TrimSpace(err.Error()) == "" {
				t.Error("an error without words")
			}
			return
		}
		for _, l := range c.Lists {
			if got, ok := c.Get(l.ID); !ok || got != l {
				t.Errorf("%s is not found by its id", l.ID)
			}
			listed, clean, _ := l.TestPoints()
			for _, p := range slices.Concat(listed, clean) {
				name, err := l.QueryName(p)
				if err == nil && (l.Unusable() != "" || !strings.HasSuffix(name, l.Expanded)) {
					t.Errorf("%s asks %s", l.ID, name)
				}
			}
			l.Read(addrs("127.0.0.2", "127.0.0.1"), 0)
		}
	})
}
