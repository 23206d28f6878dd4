package replies

import (
	"bufio"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

// TestExamples: every example is won by the entry it stands under, with its class, list and duration.
func TestExamples(t *testing.T) {
	for _, e := range Entries() {
		for _, example := range e.Examples {
			got := Explain(example)
			if got.Best().ID != e.ID {
				t.Errorf("%s: its example is won by %s: %q", e.ID, got.Best().ID, example)
			}
			if got.Best().Class != e.Class || got.Best().Evidence != e.Evidence || e.List != "" && got.Best().List != e.List {
				t.Errorf("%s: match %+v does not carry what the entry says", e.ID, got.Best())
			}
		}
	}
}

// original says which entry came from each line of testdata/smtp-replies.tsv.
var original = map[string]string{
	"1": "exchange-starttls-withheld", "2": "starttls-first", "3": "google-tls-required-domain", "4": "google-bulk-tls",
	"5": "mimecast-tls-route", "6": "exchange-banned-ip", "7": "exchange-banned-ip-mail", "8": "exchange-tenant-blocklist",
	"9": "exchange-rejected-by-recipient", "10": "exchange-bad-helo", "11": "outlook-block-list", "12": "outlook-rate-limited",
	"13": "exchange-ipv6-ptr", "14": "exchange-no-ipv6", "15": "outlook-legacy-block", "16": "exchange-cannot-connect",
	"17": "google-low-reputation-ip", "18": "google-unusual-rate-ip", "19": "google-try-again-helo", "20": "google-bad-helo",
	"21": "google-unauthenticated", "22": "yahoo-deferred", "23": "yahoo-permanently-deferred", "24": "yahoo-bl23",
	"25": "yahoo-ip-throttled", "26": "apple-spamhaus-sbl", "27": "apple-deferred", "28": "proofpoint-pdr",
	"29": "barracuda-brbl", "30": "spamhaus-zen", "31": "cbl", "32": "nixspam", "33": "dnsbl-ip", "34": "cloudmark-csi",
	"35": "invaluement", "36": "cisco-poor-reputation", "37": "cisco-too-many-connections", "38": "gmx-banner",
	"39": "gmx-listed", "40": "t-online-unknown", "41": "orange-ip-blocked", "42": "comcast-zen", "43": "comcast-dynamic",
	"44": "cox-zen", "45": "cox-own", "46": "spectrum-spamhaus", "47": "att-rbl", "48": "mimecast-reputation",
	"49": "mimecast-greylisting", "50": "sfr-abuse", "51": "free-spams", "52": "earthlink-blocked", "53": "trend-ers",
	"54": "qq-frequency", "55": "too-many-connections", "56": "greylisted", "57": "ptr-missing", "58": "exim-synchronization",
}

func TestOriginalPatterns(t *testing.T) {
	f, err := os.Open("testdata/smtp-replies.tsv")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines := 0
	for in := bufio.NewScanner(f); in.Scan(); {
		field := strings.Split(in.Text(), "\t")
		if len(field) != 4 {
			t.Fatalf("line %q has %d fields", in.Text(), len(field))
		}
		lines++
		if got := Explain(field[3]).Best().ID; got != original[field[0]] {
			t.Errorf("%s: %q is won by %s, want %s", field[0], field[3], got, original[field[0]])
		}
	}
	if lines != len(original) {
		t.Errorf("%d lines, want %d", lines, len(original))
	}
}

// TestTable holds what every entry promises to its readers.
func TestTable(t *testing.T) {
	used := map[Class]bool{}
	shouting := regexp.MustCompile(`!|\b(?:[A-Z]{4,} ){2}[A-Z]{4,}\b`)
	last := TierProvider
	for _, e := range Entries() {
		used[e.Class] = true
		if e.Tier < last {
			t.Errorf("%s: tier %s after %s", e.ID, e.Tier, last)
		}
		last = e.Tier
		for _, words := range []string{e.Meaning, e.Next} {
			if shouting.MatchString(words) || !strings.HasSuffix(strings.TrimSpace(words), ".") && !strings.HasSuffix(words, "/.") {
				t.Errorf("%s: words that shout or do not end: %q", e.ID, words)
			}
		}
		if e.Class == ClassListed && e.List == "" && e.groups["zone"] == 0 && e.ID != "rbl-unnamed" {
			t.Errorf("%s: a listed reply names its list or captures its zone", e.ID)
		}
		if e.List != "" && e.Class != ClassListed {
			t.Errorf("%s: names a list and is of class %s", e.ID, e.Class)
		}
	}
	for _, c := range Classes() {
		if !used[c] {
			t.Errorf("class %s is never used", c)
		}
		if c.Words() == "" {
			t.Errorf("class %s has no words", c)
		}
	}
	if n := len(Entries()); n < 130 {
		t.Errorf("%d entries", n)
	}
}

// TestCodeDigit: an entry that asks for 4xx is never given to a 5xx, and the other way round.
func TestCodeDigit(t *testing.T) {
	for _, e := range Entries() {
		if len(e.codes) == 0 {
			continue
		}
		for _, example := range e.Examples {
			r := Parse(example)
			for code := 200; code < 600; code++ {
				r.Code = code
				wanted := false
				for _, c := range e.codes {
					wanted = wanted || c.lo <= code && code <= c.hi
				}
				if got := e.match(r, folded(r.Text)) != nil; got != wanted {
					t.Fatalf("%s: code %d matches: %v, want %v", e.ID, code, got, wanted)
				}
			}
		}
	}
}

// TestWithoutCode: wording alone is enough when there is no code, but an enhanced code of the other class refuses.
func TestWithoutCode(t *testing.T) {
	for text, want := range map[string]string{
		"Greylisted, come back later":                       "greylisted",
		"4.7.1 Greylisted, come back later":                 "greylisted",
		"5.7.1 Greylisted, go away":                         "greylist-refused",
		"banned sending IP [192.0.2.1]":                     "ip-reputation",
		"5.7.606 Access denied, banned sending IP":          "exchange-banned-ip",
		"status=bounced (Service currently unavailable)":    "postscreen-currently-unavailable",
		"smtp; 5.7.1 SMTP synchronization error":            "exim-synchronization",
		"dsn=4.7.5, status=deferred (handshake went wrong)": "x-7-5",
	} {
		if got := Explain(text).Best().ID; got != want {
			t.Errorf("%q is won by %s, want %s", text, got, want)
		}
	}
}

// TestNeedle: the cheap test before a pattern never changes what matches.
func TestNeedle(t *testing.T) {
	var examples []string
	without := 0
	for _, e := range Entries() {
		examples = append(examples, e.Examples...)
		if e.pattern != nil && len(e.needle) == 0 {
			without++
		}
	}
	if without > 3 {
		t.Errorf("%d patterns have no string that a match must hold: they are slow", without)
	}
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.SampledFrom(examples).Draw(t, "text")
		switch rapid.IntRange(0, 3).Draw(t, "change") {
		case 0:
			text = strings.ToUpper(text)
		case 1:
			text += " " + rapid.SampledFrom(examples).Draw(t, "more")
		case 2:
			text = text[:rapid.IntRange(0, len(text)).Draw(t, "cut")]
		}
		text = strings.NewReplacer("k", rapid.SampledFrom([]string{"k", "\u212a"}).Draw(t, "kelvin"),
			"s", rapid.SampledFrom([]string{"s", "\u017f"}).Draw(t, "long s")).Replace(text)
		text = tidyText(text)
		for _, e := range Entries() {
			if e.pattern != nil && e.pattern.MatchString(text) && !e.needle.in(folded(text)) {
				t.Fatalf("%s matches %q, which holds none of %q", e.ID, text, e.needle)
			}
		}
	})
}

// TestRequired: a needle is in whatever the pattern matches, and nothing is claimed where nothing can be.
func TestRequired(t *testing.T) {
	for pattern, want := range map[string]needle{
		`blocked using`: {"blocked using"}, `a (blocked|refused) b`: {"blocked", "refused"}, `(blocked)?`: nil, `(blocked)*x`: nil,
		`(blocked)+`: {"blocked"}, `(blocked ){2}`: {"blocked "}, `(blocked ){0,2}ip`: {"ip"}, `blocked|\d+`: nil, `[a-z]+`: nil,
		`ip .* address`: {" address"}, `öl`: nil, `x(y|z?)`: nil,
	} {
		if diff := cmp.Diff(want, needleOf(regexp.MustCompile(`(?i)`+pattern)), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s: %s", pattern, diff)
		}
	}
}

const goodEntry = `
text:
  - id: some-words
    class: policy
    pattern: 'some words'
    meaning: "It says so."
    next: "Ask."
    source: "here"
    examples: ["550 some words"]
`

func TestLoadMistakes(t *testing.T) {
	if _, err := load("t.yaml", []byte(goodEntry)); err != nil {
		t.Fatalf("a good table: %v", err)
	}
	for name, tc := range map[string]struct{ old, new, want string }{
		"id":             {"id: some-words", "id: Some Words", `entry "Some Words": the id must be lower-case words joined by hyphens`},
		"class":          {"class: policy", "class: rude", `unknown class "rude"`},
		"evidence":       {"class: policy", "class: policy\n    evidence: maybe", `unknown evidence "maybe": neutral, supports-listing or against-listing`},
		"meaning":        {`meaning: "It says so."`, `meaning: " "`, `meaning is missing`},
		"next":           {`next: "Ask."`, `next: ""`, `next is missing`},
		"source":         {`source: "here"`, `source: ""`, `source is missing`},
		"examples":       {`examples: ["550 some words"]`, `examples: []`, `an entry without an example is not tested`},
		"provider":       {"text:", "provider:", `an entry under provider names its provider`},
		"code":           {"class: policy", "class: policy\n    code: [5x]", `code "5x" is no reply code: write 550 or 5xx`},
		"enhanced":       {"class: policy", "class: policy\n    enhanced: [7.1]", `enhanced "7.1" is no status code: write 5.7.1, 5.7.606-649, x.7.26 or x.7.*`},
		"enhanced range": {"class: policy", "class: policy\n    enhanced: [x.7.9-3]", `enhanced "x.7.9-3" is an empty range`},
		"pattern":        {"'some words'", "'some (words'", "pattern: error parsing regexp: missing closing ): `(?i)some (words`"},
		"all":            {"'some words'", "'some|'", `the pattern matches everything`},
		"nothing":        {"    pattern: 'some words'\n", "", `nothing to match: give pattern, enhanced or code`},
		"group":          {"'some words'", "'some (?P<colour>words)'", `unknown group "colour" in the pattern: ip, zone, domain`},
		"twice":          {"text:", "list:" + strings.TrimPrefix(goodEntry, "\ntext:") + "text:", `entry "some-words" is there twice`},
		"unknown key":    {"    class: policy", "    class: policy\n    colour: red", `colour`},
		"unknown tier":   {"text:", "texts:", `texts`},
		"empty entry":    {"text:\n", "text:\n  -\n", `an empty entry under text`},
	} {
		t.Run(name, func(t *testing.T) {
			src := strings.Replace(goodEntry, tc.old, tc.new, 1)
			if src == goodEntry {
				t.Fatal("the mistake was not made")
			}
			_, err := load("t.yaml", []byte(src))
			if err == nil || !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), "t.yaml") {
				t.Errorf("error %v, want %q in t.yaml", err, tc.want)
			}
		})
	}
}

// TestAllMistakesAtOnce: one look at the error is enough to repair a file.
func TestAllMistakesAtOnce(t *testing.T) {
	_, err := load("t.yaml", []byte("text:\n  - {id: X, class: rude}\n"))
	var got []string
	for _, line := range strings.Split(err.Error(), "\n") {
		got = append(got, strings.TrimPrefix(line, `t.yaml:2:5: entry "X": `))
	}
	want := []string{
		"the id must be lower-case words joined by hyphens", `unknown class "rude"`, "meaning is missing", "next is missing",
		"source is missing", "an entry without an example is not tested", "nothing to match: give pattern, enhanced or code",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestListsAreInTheCatalogue: an id that the catalogue does not know would link a reply to nothing.
func TestListsAreInTheCatalogue(t *testing.T) {
	catalogue, err := os.ReadFile("../blocklists.yaml")
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^\s*(?:- )?\{?id: *([\w-]+)`).FindAllStringSubmatch(string(catalogue), -1) {
		known[m[1]] = true
	}
	for _, e := range Entries() {
		if e.List != "" && !known[e.List] {
			t.Errorf("%s: list %s is not in blocklists.yaml", e.ID, e.List)
		}
	}
}
