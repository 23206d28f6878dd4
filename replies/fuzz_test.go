package replies

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzExplain: whatever a stranger's server says is explained without a panic,
// in bounds, in valid UTF-8, the same each time, and never with nothing.
func FuzzExplain(f *testing.F) {
	for _, e := range Entries() {
		f.Add(e.Examples[0])
	}
	f.Add("550-5.7.1 a\r\n550-5.7.1 b\r\n550 5.7.1 c (in reply to RCPT TO command)")
	f.Add(`[{LED=451 4.4.0 responded with: "451 5.7.3 x."};{FQDN=a};{IP=1.2.3.4}]`)
	f.Add("\x1b[31m550\x1b[0m <p>&lt;a&gt;\\n\xff#012")
	x := Explainer{ListByZone: func(zone string) (string, bool) { return "list", len(zone)%2 == 0 }}
	f.Fuzz(func(t *testing.T, text string) {
		got := x.Explain(text)
		if again := x.Explain(text); !reflect.DeepEqual(got, again) {
			t.Fatalf("not the same twice:\n%+v\n%+v", got, again)
		}
		if len(got.Matches) == 0 || len(got.Reply.Text) > MaxText {
			t.Fatalf("%d matches, %d bytes", len(got.Matches), len(got.Reply.Text))
		}
		if c := got.Reply.Code; c != 0 && (c < 200 || c > 599 || got.Best().ID == "unknown") {
			t.Fatalf("code %d, best %s", c, got.Best().ID)
		}
		all := []string{got.Reply.Text, got.Reply.Host, got.Reply.Enhanced, string(got.Reply.Phase)}
		for _, m := range got.Matches {
			all = append(all, m.Zone, m.Domain, m.URL, m.List)
			if m.Class.Words() == "" || m.Meaning == "" || m.Next == "" {
				t.Fatalf("%s says nothing", m.ID)
			}
		}
		if i := slices.IndexFunc(all, func(s string) bool { return !utf8.ValidString(s) || strings.ContainsAny(s, "\n\r\x00\x1b") }); i >= 0 {
			t.Fatalf("not plain text: %q", all[i])
		}
	})
}

func BenchmarkExplain(b *testing.B) {
	for name, text := range map[string]string{
		"postfix": `Nov 21 08:00:01 out1 postfix/smtp[250]: 4XyZ1: to=<a@example.net>, relay=mx.example.net[198.51.100.7]:25, delay=250, delays=0.1/0/250/0, dsn=5.7.1, status=bounced (host mx.example.net[198.51.100.7] said: 554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org; https://www.spamhaus.org/query/ip/192.0.2.1 (in reply to RCPT TO command))`,
		"reply":   "550 5.1.1 <a@example.net>: Recipient address rejected: User unknown in local recipient table",
		"hostile": "550 client host " + strings.Repeat("blocked rejected listed by on in ", MaxInput/32),
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				Explain(text)
			}
		})
	}
}
