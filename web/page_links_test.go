package web

import (
	"strings"
	"testing"
	"time"
)

// TestOnlyOurOwnWordsLead: an address in a sentence of ours is a link if the catalogue
// leads there; what somebody else said, and whatever else looks like one, is text.
func TestOnlyOurOwnWordsLead(t *testing.T) {
	known := func(host string) bool { return host == "zen.test" }
	a := func(address string) string {
		return `<a href="` + address + `" rel="noreferrer noopener">` + address + `</a>`
	}
	for text, want := range map[string]string{
		"ask for delisting: https://zen.test/203.0.113.7":     "ask for delisting: " + a("https://zen.test/203.0.113.7"),
		"https://zen.test/a, then http://zen.test/b.":         a("https://zen.test/a") + ", then " + a("http://zen.test/b") + ".",
		"removal (https://zen.test/?q=1&r=2)!":                "removal (" + a("https://zen.test/?q=1&amp;r=2") + ")!",
		"see https://zen.test/x_(y)?":                         "see " + a("https://zen.test/x_(y)") + "?",
		`it said "see https://zen.test/x" to us`:              `it said &#34;see https://zen.test/x&#34; to us`,
		`it said "\" https://zen.test/x" to us`:               `it said &#34;\&#34; https://zen.test/x&#34; to us`,
		`it said "a" and https://zen.test/x`:                  `it said &#34;a&#34; and ` + a("https://zen.test/x"),
		"https://evil.test/x":                                 "https://evil.test/x",
		"https://zen.test.evil.test/":                         "https://zen.test.evil.test/",
		"https://zen.test@evil.test/":                         "https://zen.test@evil.test/",
		"https://evil@zen.test/":                              "https://evil@zen.test/",
		"xhttps://zen.test/":                                  "xhttps://zen.test/",
		"javascript:alert(1) data:text/html,x ftp://zen.test": "javascript:alert(1) data:text/html,x ftp://zen.test",
		"javascript://zen.test/%0aalert(1)":                   "javascript://zen.test/%0aalert(1)",
		`https://zen.test/"onmouseover="alert(1)`:             a("https://zen.test/") + `&#34;onmouseover=&#34;alert(1)`,
		"https://zen.test/'onclick='x":                        a("https://zen.test/&#39;onclick=&#39;x"),
		"https://zen.test/<script>alert(1)</script>":          a("https://zen.test/") + "&lt;script&gt;alert(1)&lt;/script&gt;",
		"<b>https://zen.test/":                                "&lt;b&gt;https://zen.test/",
		"https://zen.test/\u202egnp.exe":                      a("https://zen.test/") + "\u202egnp.exe",
		"https://":                                            "https://",
		"":                                                    "",
	} {
		if got := string(linked(text, known)); got != want {
			t.Errorf("%q:\n got %s\nwant %s", text, got, want)
		}
	}
}

// FuzzLinked: whatever is in it, there is no tag but ours.
func FuzzLinked(f *testing.F) {
	f.Add(`stop it, then ask: https://zen.test/203.0.113.7 (or "https://zen.test/")`)
	f.Add("https://zen.test/\">'<script>")
	f.Fuzz(func(t *testing.T, text string) {
		out := string(linked(text, func(host string) bool { return host == "zen.test" }))
		for _, tag := range []string{`<a href="https://zen.test`, `<a href="http://zen.test`, `</a>`} {
			out = strings.ReplaceAll(out, tag, "")
		}
		if strings.ContainsRune(out, '<') {
			t.Errorf("%q becomes %s", text, out)
		}
	})
}

// TestSentencesLead: on every page that says what to do, the catalogue's address is a
// link; the same address in what a list says of us is not.
func TestSentencesLead(t *testing.T) {
	s := open(t, "")
	link := `<a href="https://zen.test/203.0.113.7" rel="noreferrer noopener">`
	for path, times := range map[string]int{"/": 2, "/incidents/3": 2, "/ip/203.0.113.7": 2, "/list/zen": 2, "/partner/contoso.example": 1} {
		if n := strings.Count(text(t, s.ask("GET", path, nil)), link); n != times {
			t.Errorf("%s: %d links, want %d", path, n, times)
		}
	}
}

func TestTimesAsPeopleSayThem(t *testing.T) {
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	for ago, want := range map[time.Duration]string{0: "just now", 1900 * time.Millisecond: "just now", 2 * time.Second: "2 s ago", 90 * time.Second: "1 min ago", -time.Second: "now", -2 * time.Second: "in 2 s", 26 * time.Hour: "1 d 2 h ago"} {
		at := now.Add(-ago)
		if got := string(when(&at, now, time.UTC)); !strings.Contains(got, ">"+want+"<") {
			t.Errorf("%s: %s, want %s", ago, got, want)
		}
	}
	if got := when(nil, now, time.UTC); got != "never" {
		t.Errorf("never is %q", got)
	}
}
