package dnsbl

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"repwatch/reputation"
)

func addrs(texts ...string) (out []netip.Addr) {
	for _, s := range texts {
		out = append(out, netip.MustParseAddr(s))
	}
	return out
}

// readLists are the kinds of list by how their answers are meant.
const readLists = `
lists:
  - id: zen
    zone: zen.example
    impact: critical
    codes:
      127.0.0.2: SBL
      127.0.0.3: {meaning: CSS, impact: high, delist: "https://example.org/css/{ip}"}
      127.0.0.4-7: XBL
      127.0.0.10-127.0.0.11: {meaning: PBL, class: policy}
      127.0.1-3.9: second octets
      "127.0.*.9": DROP
      127.0.2.9: exact
      127.0.0.30: {meaning: mild policy, class: policy, impact: high}
    refusals: {127.255.255.254: asked through a public resolver, 127.0.0.99: no such zone}
  - {id: bare, zone: bare.example, impact: low}
  - id: bits
    zone: bits.example
    impact: high
    bits: {2: black, 4: {meaning: grey, impact: low}, 0x100: third octet, 0x10000: second octet, red: 8, 48: both}
    refusals: {127.0.0.1: query refused}
    codes: {127.0.0.255: whole value}
  - {id: narrow, zone: narrow.example, codes: {127.0.0.2-254: listed}, refusals: {127.0.0.99: over the limit}}
  - {id: real1, zone: real1.example, bits: {1: botnet, 2: no authentication}}
  - {id: irc, zone: irc.example, codes: {127.0.0.1: open proxy}}
  - {id: allow, zone: allow.example, kind: allow, codes: {"127.0.*.1-3": trusted, 127.0.9.1: {meaning: lost it, class: neutral}}, refusals: {"127.0.*.255": volume}}
  - {id: score, zone: score.example, kind: score, bad_below: 70, impact: medium, codes: {127.0.4.0-100: Sender Score}}
  - {id: level, zone: level.example, kind: score, score_octet: 3, bad_above: 10}
`

func TestRead(t *testing.T) {
	c := load(t, readLists)
	const bad, policy, neutral, good = reputation.ClassBad, reputation.ClassPolicy, reputation.ClassNeutral, reputation.ClassGood
	const info, low, medium, high, critical = reputation.Info, reputation.Low, reputation.Medium, reputation.High, reputation.Critical
	for _, tt := range []struct {
		list, answer string
		meaning      string // worst first
		class        reputation.Class
		impact       reputation.Impact
		odd          bool
	}{
		{"zen", "127.0.0.2", "SBL", bad, critical, false},
		{"zen", "127.0.0.3", "CSS", bad, high, false},
		{"zen", "127.0.0.6", "XBL", bad, critical, false},
		{"zen", "127.0.0.11", "PBL", policy, info, false},
		{"zen", "127.0.2.9", "exact", bad, critical, false},         // exact beats range
		{"zen", "127.0.3.9", "second octets", bad, critical, false}, // narrower range beats wider
		{"zen", "127.0.8.9", "DROP", bad, critical, false},
		{"zen", "127.0.0.10 127.0.0.3 127.0.0.2", "SBL, CSS, PBL", bad, critical, false},
		{"zen", "127.0.0.3 127.0.0.10", "CSS, PBL", bad, high, false},
		{"zen", "127.0.0.3 127.0.0.30", "CSS, mild policy", bad, high, false},
		{"zen", "127.0.0.30 127.0.0.10", "mild policy, PBL", policy, high, false},
		{"zen", "127.0.0.4 127.0.0.5", "XBL", bad, critical, false}, // one meaning said once
		{"zen", "127.0.0.98", "undocumented code 127.0.0.98", bad, info, true},
		{"zen", "127.0.0.98 127.0.0.3", "CSS, undocumented code 127.0.0.98", bad, high, false},
		{"zen", "127.0.0.98 127.0.0.10", "undocumented code 127.0.0.98, PBL", bad, info, false},
		{"bare", "127.0.0.2", "listed", bad, low, false},
		{"bare", "127.3.2.1", "listed", bad, low, false},
		{"bits", "127.0.0.2", "black", bad, high, false},
		{"bits", "127.0.0.14", "black, red, grey", bad, high, false},
		{"bits", "127.0.0.4", "grey", bad, low, false},
		{"bits", "127.0.1.0", "third octet", bad, high, false},
		{"bits", "127.1.0.0", "second octet", bad, high, false},
		{"bits", "127.0.0.16", "undocumented code 127.0.0.16", bad, info, true}, // half of a mask is none of it
		{"bits", "127.0.0.48", "both", bad, high, false},
		{"bits", "127.0.0.66", "black, undocumented bits 0x40", bad, high, false},
		{"bits", "127.0.0.255", "whole value", bad, high, false},
		{"real1", "127.0.0.1", "botnet", bad, medium, false},
		{"real1", "127.0.0.3", "botnet, no authentication", bad, medium, false},
		{"irc", "127.0.0.1", "open proxy", bad, medium, false},
		{"allow", "127.0.5.2", "trusted", good, info, false},
		{"allow", "127.0.9.1", "lost it", neutral, info, false},
		{"allow", "127.0.9.1 127.0.5.2", "lost it, trusted", neutral, info, false},
		{"allow", "127.0.5.9", "undocumented code 127.0.5.9", good, info, true},
		{"score", "127.0.4.69", "Sender Score (69; bad is below 70)", bad, medium, false},
		{"score", "127.0.4.70", "Sender Score (70; bad is below 70)", neutral, info, false},
		{"score", "127.0.4.0", "Sender Score (0; bad is below 70)", bad, medium, false},
		{"level", "127.0.11.0", "score (11; bad is above 10)", bad, low, false}, // a bad score hurts at least a little
		{"level", "127.0.10.0", "score (10; bad is above 10)", neutral, info, false},
		{"level", "127.0.0.1", "score (0; bad is above 10)", neutral, info, false},
	} {
		l, _ := c.Get(tt.list)
		codes := addrs(strings.Fields(tt.answer)...)
		r := l.Read(codes, time.Minute)
		var words []string
		for _, m := range r.Meaning {
			words = append(words, m.Text)
		}
		got := strings.Join(words, ", ")
		if r.Verdict != Listed || got != tt.meaning || r.Class != tt.class || r.Impact != tt.impact || r.Undocumented() != tt.odd {
			t.Errorf("%s %s: %v %q %v %v odd=%v; want %q %v %v odd=%v", tt.list, tt.answer, r.Verdict, got, r.Class, r.Impact, r.Undocumented(), tt.meaning, tt.class, tt.impact, tt.odd)
		}
		if r.TTL != time.Minute || len(r.Codes) != len(codes) || r.Broken || r.Why != "" {
			t.Errorf("%s %s: %+v", tt.list, tt.answer, r)
		}
	}
}

func TestReadScoreValue(t *testing.T) {
	c := load(t, readLists)
	for list, want := range map[string]int{"score": 44, "level": 4} {
		l, _ := c.Get(list)
		if r := l.Read(addrs("127.0.4.44"), 0); r.Score == nil || *r.Score != want {
			t.Errorf("%s: score %v, want %d", list, r.Score, want)
		}
	}
	l, _ := c.Get("zen")
	if r := l.Read(addrs("127.0.0.2"), 0); r.Score != nil {
		t.Error("a list of codes has a score")
	}
}

func TestReadDelist(t *testing.T) {
	l, _ := load(t, readLists).Get("zen")
	r := l.Read(addrs("127.0.0.3"), 0)
	if r.Meaning[0].Delist != "https://example.org/css/{ip}" {
		t.Errorf("the code's own page is %q", r.Meaning[0].Delist)
	}
}

func TestReadNothing(t *testing.T) {
	for _, l := range load(t, readLists).Lists {
		r := l.Read(nil, time.Hour)
		if r.Verdict != NotListed || r.TTL != time.Hour || r.Undocumented() || r.Broken {
			t.Errorf("%s: %+v", l.ID, r)
		}
	}
}

// TestReadImpossible: what no working list answers is unknown, whatever stands beside it.
func TestReadImpossible(t *testing.T) {
	c := load(t, readLists)
	for _, tt := range []struct{ list, answer, why string }{
		{"zen", "127.255.255.254", `127.255.255.254 means "asked through a public resolver"`},
		{"zen", "127.255.255.252", "127.255.255.0/24 are refusals"},
		{"zen", "127.0.0.2 127.255.255.255", "127.255.255.0/24 are refusals"},
		{"zen", "127.0.0.99", `127.0.0.99 means "no such zone"`},
		{"zen", "127.0.0.99 127.0.0.2", `127.0.0.99 means "no such zone"`},
		{"zen", "127.0.0.1", "does not document"},
		{"zen", "127.0.0.1 127.0.0.2", "does not document"},
		{"zen", "127.0.0.0", "does not document"},
		{"zen", "203.0.113.80", "203.0.113.80, which is outside 127.0.0.0/8"},
		{"zen", "127.0.0.2 203.0.113.80", "outside 127.0.0.0/8"},
		{"zen", "0.0.0.0", "outside 127.0.0.0/8"},
		{"zen", "128.0.0.2", "outside 127.0.0.0/8"},
		{"zen", "::ffff:127.0.0.2", "outside 127.0.0.0/8"},
		{"bare", "127.0.0.1", "does not document"},
		{"bare", "127.255.255.0", "127.255.255.0/24 are refusals"},
		{"bits", "127.0.0.1", `127.0.0.1 means "query refused"`},
		{"narrow", "127.0.0.99", `127.0.0.99 means "over the limit"`}, // although a wider code holds it
		{"real1", "127.255.255.255", "127.255.255.0/24 are refusals"}, // although both bits are set
		{"allow", "127.0.7.255", `127.0.7.255 means "volume"`},
		{"score", "127.255.255.255", "127.255.255.0/24 are refusals"},
	} {
		l, _ := c.Get(tt.list)
		r := l.Read(addrs(strings.Fields(tt.answer)...), time.Minute)
		if r.Verdict != Unknown || !r.Broken || !strings.Contains(r.Why, tt.why) || len(r.Meaning) != 0 || len(r.Codes) == 0 {
			t.Errorf("%s %s: %+v, want unknown, broken, %q", tt.list, tt.answer, r, tt.why)
		}
	}
}

func TestQueryName(t *testing.T) {
	c := load(t, `
lists:
  - {id: v4, zone: V4.example}
  - {id: v6, zone: v6.example, families: [v6]}
  - {id: both, zone: both.example, families: [v4, v6]}
  - {id: names, zone: names.example, kind: domain}
  - {id: goodnames, zone: goodnames.example, kind: allow, domains: true}
  - {id: keyed, zone: "{key}.keyed.example", access: {key: spare}}
`)
	nibbles := "8.b.d.0.1.0.0.2"
	for _, tt := range []struct{ list, subject, want string }{
		{"v4", "203.0.113.7", "7.113.0.203.v4.example"},
		{"both", "203.0.113.7", "7.113.0.203.both.example"},
		{"v6", "2001:db8::7", "7" + strings.Repeat(".0", 23) + "." + nibbles + ".v6.example"},
		// RFC 5782 §5: nibbles of the mapped address, not octets of the IPv4 one.
		{"both", "::ffff:127.0.0.2", "2.0.0.0.0.0.f.7.f.f.f.f" + strings.Repeat(".0", 20) + ".both.example"},
		{"names", "Example.COM.", "example.com.names.example"},
		{"names", "BÜCHER.example", "xn--bcher-kva.example.names.example"},
		{"names", "_DNSBL_.test", "_dnsbl_.test.names.example"},
		{"goodnames", "TEST", "test.goodnames.example"},
		{"v4", "2001:db8::7", ""},
		{"v4", "::ffff:127.0.0.2", ""},
		{"v6", "203.0.113.7", ""},
		{"v4", "example.com", ""},
		{"names", "203.0.113.7", ""},
		{"names", "2001:db8::7", ""},
		{"names", "", ""},
		{"names", "a..b", ""},
		{"names", "203.0.113.777", ""},
		{"keyed", "203.0.113.7", ""},
	} {
		l, _ := c.Get(tt.list)
		name, err := l.QueryName(point(tt.subject))
		if name != tt.want || (err == nil) != (tt.want != "") {
			t.Errorf("%s %s: %q, %v; want %q", tt.list, tt.subject, name, err, tt.want)
		}
	}
	if l, _ := c.Get("v4"); l.Takes(point("2001:db8::7")) || l.Takes(point("example.com")) || !l.Takes(point("192.0.2.1")) {
		t.Error("a list of IPv4 takes the wrong things")
	}
}

// TestQueryNameRoundTrip: the labels in front of the zone, reversed, are the address again.
func TestQueryNameRoundTrip(t *testing.T) {
	l := load(t, "lists: [{id: a, zone: a.example, families: [v4, v6]}]").Lists[0]
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.SampledFrom([]int{4, 16}).Draw(t, "bytes")
		ip, _ := netip.AddrFromSlice(rapid.SliceOfN(rapid.Byte(), n, n).Draw(t, "ip"))
		name, err := l.QueryName(Point{IP: ip})
		if err != nil {
			t.Fatal(err)
		}
		labels := strings.Split(strings.TrimSuffix(name, ".a.example"), ".")
		for i, j := 0, len(labels)-1; i < j; i, j = i+1, j-1 {
			labels[i], labels[j] = labels[j], labels[i]
		}
		text := strings.Join(labels, ".")
		if n == 16 {
			text = ""
			for i, nibble := range labels {
				if i > 0 && i%4 == 0 {
					text += ":"
				}
				text += nibble
			}
		}
		if back, err := netip.ParseAddr(text); err != nil || back != ip {
			t.Fatalf("%s became %s and came back as %v (%v)", ip, name, back, err)
		}
	})
}

func TestTestPoints(t *testing.T) {
	for _, tt := range []struct {
		entry, listed, clean string
		stated               bool
	}{
		{"", "127.0.0.2", "127.0.0.1", false},
		{"families: [v4, v6]", "127.0.0.2", "127.0.0.1", false},
		{"families: [v6]", "::FFFF:7F00:2", "::FFFF:7F00:1", false},
		{"kind: domain", "test", "invalid", false},
		{"kind: allow, domains: true", "test", "invalid", false},
		{`families: [v4, v6], test: {listed: [127.0.0.2, "::ffff:7f00:2"], clean: [127.0.0.1, "::ffff:7f00:1"]}`, "127.0.0.2 ::FFFF:7F00:2", "127.0.0.1 ::FFFF:7F00:1", true},
		{"kind: domain, test: {listed: [DBLtest.com.]}", "dbltest.com", "invalid", true},
		{"test: {listed: [127.0.0.9]}", "127.0.0.9", "127.0.0.1", true},
		{"test: {listed: [127.0.0.2], clean: []}", "127.0.0.2", "", true},
		{"test: {none: true}", "", "127.0.0.1", false},
	} {
		l := load(t, "lists: [{id: a, zone: a.example, "+tt.entry+"}]").Lists[0]
		listed, clean, stated := l.TestPoints()
		if shown(listed) != tt.listed || shown(clean) != tt.clean || stated != tt.stated {
			t.Errorf("%s: %s | %s | %v; want %s | %s | %v", tt.entry, shown(listed), shown(clean), stated, tt.listed, tt.clean, tt.stated)
		}
	}
}

func shown(points []Point) string {
	var words []string
	for _, p := range points {
		words = append(words, p.String())
	}
	return strings.Join(words, " ")
}

func TestParseSubjects(t *testing.T) {
	got, err := ParseSubjects([]string{"203.0.113.7", " [2001:db8::7] ", "::ffff:192.0.2.1", "192.0.2.0/30", "2001:db8::/127", "Example.COM.", "bücher.example"})
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff("203.0.113.7 2001:db8::7 192.0.2.1 192.0.2.0 192.0.2.1 192.0.2.2 192.0.2.3 2001:db8:: 2001:db8::1 example.com xn--bcher-kva.example", shown(got)); d != "" {
		t.Error(d)
	}
	for _, bad := range []string{"", "203.0.113.777", "localhost", "a b.example", "10.0.0.0/8", "2001:db8::/64", "1.2.3.4/33", "x/24", "::ffff:10.0.0.0/8"} {
		if got, err := ParseSubjects([]string{bad}); err == nil || !strings.Contains(err.Error(), "hint:") {
			t.Errorf("%q: %v, %v", bad, got, err)
		}
	}
}

// FuzzRead: Read never panics and never calls listed what lies outside
// 127.0.0.0/8 or in 127.255.255.0/24, alone or beside anything else.
func FuzzRead(f *testing.F) {
	lists := load(f, readLists).Lists
	f.Add(uint8(0), []byte{127, 0, 0, 2, 127, 0, 0, 10})
	f.Add(uint8(2), []byte{127, 0, 0, 255})
	f.Add(uint8(6), []byte{127, 255, 255, 255, 8, 8, 8, 8})
	f.Fuzz(func(t *testing.T, which uint8, raw []byte) {
		l := lists[int(which)%len(lists)]
		var answer []netip.Addr
		forbidden := false
		for ; len(raw) >= 4; raw = raw[4:] {
			b := [4]byte(raw[:4])
			answer = append(answer, netip.AddrFrom4(b))
			forbidden = forbidden || b[0] != 127 || b[1] == 255 && b[2] == 255
		}
		r := l.Read(answer, 0)
		switch {
		case forbidden && (r.Verdict != Unknown || !r.Broken || r.Why == ""):
			t.Errorf("%s %v: %+v", l.ID, answer, r)
		case len(answer) == 0 && r.Verdict != NotListed:
			t.Errorf("%s: nothing is %v", l.ID, r.Verdict)
		case r.Verdict == Listed && (len(r.Meaning) == 0 || r.Class != r.Meaning[0].Class || r.Impact != r.Meaning[0].Impact):
			t.Errorf("%s %v: %+v", l.ID, answer, r)
		case r.Verdict == Unknown && !r.Broken:
			t.Errorf("%s %v: unknown without a reason: %+v", l.ID, answer, r)
		}
	})
}
