package replies

import (
	"cmp"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
)

func dash(s string) string { return cmp.Or(s, "-") }

func addr(ip netip.Addr) string {
	if !ip.IsValid() {
		return "-"
	}
	return ip.String()
}

// TestLines reads testdata/lines.txt, which says itself what it holds.
func TestLines(t *testing.T) {
	src, err := os.ReadFile("testdata/lines.txt")
	if err != nil {
		t.Fatal(err)
	}
	blocks := strings.Split(string(src), "\nwant: ")[1:]
	if len(blocks) < 40 {
		t.Errorf("%d lines", len(blocks))
	}
	for _, block := range blocks {
		want, text, _ := strings.Cut(block, "\n")
		x := Explain(text)
		got := strings.Join([]string{
			strconv.Itoa(x.Reply.Code), dash(x.Reply.Enhanced), dash(string(x.Reply.Phase)), dash(x.Reply.Host), addr(x.Reply.IP),
			x.Best().ID, addr(x.Best().IP),
		}, " ")
		if got != want {
			t.Errorf("%s\n got %s\nwant %s\ntext %q", text, got, want, x.Reply.Text)
		}
	}
}

// TestStory1 is the reply that reads as if our side forgot STARTTLS.
func TestStory1(t *testing.T) {
	got := Explain(`451 4.4.0 Primary target IP address responded with: "451 5.7.3 Must issue a STARTTLS command first." Attempted failover to alternate host, but that did not succeed.`)
	want := Reply{Code: 451, Enhanced: "5.7.3", Text: "Must issue a STARTTLS command first."}
	if diff := gocmp.Diff(want, got.Reply, gocmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
		t.Error(diff)
	}
	m := got.Best()
	if m.Class != ClassTLSRequired || m.Evidence != SupportsListing || got.Duration != Temporary {
		t.Errorf("class %s, evidence %s, %s", m.Class, m.Evidence, got.Duration)
	}
	for _, words := range []string{"reads as if our server forgot STARTTLS", "did not offer STARTTLS to this IP"} {
		if !strings.Contains(m.Meaning, words) {
			t.Errorf("the meaning does not say %q: %s", words, m.Meaning)
		}
	}
	for _, words := range []string{"repwatch probe PARTNER --control", "repwatch check IP", "delist"} {
		if !strings.Contains(m.Next, words) {
			t.Errorf("the next step does not say %q: %s", words, m.Next)
		}
	}
}

// TestListByZone: a zone is looked up for the entries that capture one, and never overrides a named list.
func TestListByZone(t *testing.T) {
	var asked []string
	x := Explainer{ListByZone: func(zone string) (string, bool) {
		asked = append(asked, zone)
		return "mine", zone == "bl.example.net" || zone == "psbl.surriel.com"
	}}
	for text, want := range map[string]string{
		"554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using BL.Example.NET; see there": "mine",
		"554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using bl.example.org":            "",
		"554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using psbl.surriel.com":          "psbl",
		"550 5.1.1 User unknown": "",
	} {
		if got := x.Explain(text).Best().List; got != want {
			t.Errorf("%q: list %q, want %q", text, got, want)
		}
	}
	for _, zone := range asked {
		if zone != strings.ToLower(zone) {
			t.Errorf("asked for %q", zone)
		}
	}
	if len(asked) == 0 {
		t.Error("never asked")
	}
}

// TestSecrets: the key of a data feed shows nowhere, whoever's it is (rule of truth 8).
func TestSecrets(t *testing.T) {
	for _, key := range []string{"abcdefghijklmnopqrstuvwxyz", "0123456789abcdef0123456789abcdef"} {
		for _, zone := range []string{".zen.dq.spamhaus.net", ".combined.mail.abusix.zone"} {
			text := "554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using " + strings.ToUpper(key) + zone
			for _, got := range []Explanation{Explain(text), Explainer{}.ExplainReply(Reply{Code: 554, Text: text})} {
				if want := "{key}" + zone; got.Best().Zone != want {
					t.Errorf("zone %q, want %q", got.Best().Zone, want)
				}
				if strings.Contains(strings.ToLower(got.Reply.Text), key) {
					t.Errorf("the key shows: %q", got.Reply.Text)
				}
			}
		}
	}
}

// TestOrder: a provider's words come before a list's name, that before general words, those before codes.
func TestOrder(t *testing.T) {
	got := Explain("553 5.7.1 [BL23] Connections not accepted from IP addresses on Spamhaus XBL, your IP is blocked")
	var ids []string
	for _, m := range got.Matches {
		ids = append(ids, m.ID)
	}
	want := []string{"yahoo-bl23", "spamhaus-xbl", "spamhaus-any", "ip-reputation", "x-7-policy", "x-7", "code-553", "code-5xx"}
	if diff := gocmp.Diff(want, ids); diff != "" {
		t.Error(diff)
	}
}

// TestNeverEmpty: each reply code is explained, and what nobody knows is said honestly.
func TestNeverEmpty(t *testing.T) {
	for code := 200; code < 600; code++ {
		got := Explainer{}.ExplainReply(Reply{Code: code})
		if len(got.Matches) == 0 || got.Best().ID == "unknown" {
			t.Fatalf("%d: %+v", code, got.Matches)
		}
		if accepted := got.Best().Class == ClassAccepted; accepted != (code < 400) {
			t.Errorf("%d: class %s", code, got.Best().Class)
		}
	}
	for _, text := range []string{"", "hello", "\x00\xff\xfe", "took 451 ms"} {
		got := Explain(text)
		if m := got.Best(); m.Class != ClassUnknown || !strings.Contains(m.Meaning, "cannot tell") || m.Next == "" || m.Evidence != Neutral {
			t.Errorf("%q: %+v", text, m)
		}
	}
}

func TestDuration(t *testing.T) {
	for text, want := range map[string]Duration{
		"450 4.2.0 Greylisted": Temporary, "550 5.1.1 User unknown": Permanent, "451 5.7.3 No": Temporary, "550 4.7.1 No": Permanent,
		"4.7.1 No": Temporary, "5.7.1 No": Permanent, "250 OK": DurationUnknown, "No": DurationUnknown,
	} {
		if got := Explain(text).Duration; got != want {
			t.Errorf("%q is %q, want %q", text, got, want)
		}
	}
}

// TestCaptures: what a reply quotes, beside the list.
func TestCaptures(t *testing.T) {
	m := Explain("554 5.7.1 Service unavailable; Sender address [bounce@News.Example.org] blocked using rhsbl.example.net; see https://example.net/q?d=news.example.org.").Best()
	if m.Domain != "news.example.org" || m.Zone != "rhsbl.example.net" || m.URL != "https://example.net/q?d=news.example.org" {
		t.Errorf("%+v", m)
	}
	for text, want := range map[string]string{
		"550 5.7.25 192.0.2.1: Access denied, the sending IPv6 address [2001:db8::25] must have a reverse DNS record": "2001:db8::25",
		"550 5.7.1 [IPv6:2001:DB8::1] refused":                                                             "2001:db8::1",
		"550 5.7.1 ::ffff:192.0.2.9 refused":                                                               "192.0.2.9",
		"550 5.7.1 refused (192.0.2.9).":                                                                   "192.0.2.9",
		"550 5.7.1 version 1.2.3.4.5 at 12:30:45 refused":                                                  "-",
		"550 5.7.1 999.1.1.1 refused, 192.0.2.9 too":                                                       "192.0.2.9",
		"550 5.7.1 server 5.7.1.2-beta refused":                                                            "-",
		"host mx.example.net[198.51.100.7] said: 550 5.7.1 mx.example.net[198.51.100.7] refuses 192.0.2.9": "192.0.2.9",
	} {
		if got := addr(Explain(text).Best().IP); got != want {
			t.Errorf("%q: IP %s, want %s", text, got, want)
		}
	}
}
