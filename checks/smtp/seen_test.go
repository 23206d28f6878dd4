package smtp

import (
	"net/netip"
	"strings"
	"testing"

	"repwatch/reputation"
)

func TestSeenInHello(t *testing.T) {
	for _, c := range []struct{ line, ehlo, want string }{
		{"mx.example Hello [203.0.113.7]", "mail.example.com", "203.0.113.7"},
		{"mx.google.com at your service, [203.0.113.7]", "mail.example.com", "203.0.113.7"},
		{"mx.example Hello mail.example.com [203.0.113.7], pleased to meet you", "mail.example.com", "203.0.113.7"},
		{"mx.example hello mail.example.com (203.0.113.7)", "mail.example.com", "203.0.113.7"},
		{"mx.example Hello 203.0.113.7", "mail.example.com", "203.0.113.7"},
		{"mx.example Hello [IPv6:2001:db8::7]", "mail.example.com", "2001:db8::7"},
		{"mx.example Hello [2001:db8::7]", "mail.example.com", "2001:db8::7"},
		{"mx.example Hello [::ffff:203.0.113.7]", "mail.example.com", "203.0.113.7"},
		{"[198.51.100.1] Hello [203.0.113.7]", "mail.example.com", "203.0.113.7"},
		{"[198.51.100.1]", "mail.example.com", ""},                                           // their own name
		{"mx.example Hello [192.0.2.25]", "mail.example.com", ""},                            // their own address
		{"mx.example Hello [203.0.113.7]", "[203.0.113.7]", ""},                              // may be an echo of what we said
		{"mx.example Hello [203.0.113.7] ([198.51.100.3])", "[203.0.113.7]", "198.51.100.3"}, // echo and address
		{"mx.example Hello [203.0.113.7] and [203.0.113.8]", "mail.example.com", ""},
		{"mx.example Hello [203.0.113.7] and [203.0.113.7]", "mail.example.com", "203.0.113.7"},
		{"mx.example Hello 203.0.113.7.static.example", "mail.example.com", ""},
		{"mx.example Hello 203-0-113-7.example.net", "mail.example.com", ""},
		{"mx.example", "mail.example.com", ""},
		{"", "", ""},
	} {
		if got := seenInHello(c.line, ip("192.0.2.25"), c.ehlo); got != maybe(c.want) {
			t.Errorf("%q: %s, want %s", c.line, got, c.want)
		}
	}
}

func maybe(s string) netip.Addr {
	a, _ := netip.ParseAddr(s)
	return a
}

func TestSeenInRefusal(t *testing.T) {
	for _, c := range []struct{ text, expected, want string }{
		{"5.7.606 Access denied, banned sending IP [203.0.113.7]. To request removal", "", "203.0.113.7"},
		{"Messages from 203.0.113.7 temporarily deferred due to unexpected volume or user complaints - 4.16.55.1", "", "203.0.113.7"},
		{"temporarily deferred due to user complaints - 4.16.55.1", "", ""}, // Yahoo's number is no address
		{"Client host [203.0.113.7] blocked using zen; https://www.spamhaus.org/query/ip/203.0.113.7", "", "203.0.113.7"},
		{"Client host [203.0.113.7] blocked, see [198.51.100.9]", "", ""},
		{"Client host [203.0.113.7] blocked, see [198.51.100.9]", "198.51.100.9", "198.51.100.9"},
		{"http://bbl.example/q.cgi?ip=203.0.113.7", "", "203.0.113.7"},
		{"mail from 203.0.113.0/24 is blocked", "", ""},
		{"[203.0.113.7] and [203.0.113.8] are not welcome, nor is mail from 203.0.113.9", "", ""},
		{"mail from IP 203.0.113.7 was rejected by 192.0.2.25", "", "203.0.113.7"},
		{"from 203.0.113.7 and from 203.0.113.8", "", ""},
		{"Connections from ::1 refused", "", "::1"},
		{"the sending IPv6 address [2001:db8::1] must have a reverse DNS record", "", "2001:db8::1"},
		{"at 12:30:45 try again", "", ""},
	} {
		if got := seenInRefusal(c.text, ip("192.0.2.25"), maybe(c.expected)); got != maybe(c.want) {
			t.Errorf("%q: %s, want %s", c.text, got, c.want)
		}
	}
}

// Rule of truth 10: the address the partner saw is compared with the one meant, wherever it is told.
func TestSeenIPDiffers(t *testing.T) {
	for _, c := range []struct {
		name, script, seen, words string
	}{
		{"the same", helloing("[{ip}]"), "127.0.5.7", ""},
		{"another", helloing("[198.51.100.3]"), "198.51.100.3", "address translation"},
		{"a private one", helloing("[10.1.2.3]"), "10.1.2.3", "load balancer"},
		{"not told", helloing("you"), "invalid IP", ""},
		{"in a refusal", "S: 554 5.7.1 Client host [198.51.100.3] blocked", "198.51.100.3", "address translation"},
		{"in a reply to EHLO", "S: 220 hi\nC: EHLO\nS: 450 4.7.1 too much from 198.51.100.3", "198.51.100.3", "address translation"},
	} {
		t.Run(c.name, func(t *testing.T) {
			res := newWire(t, c.script).probe(Ask{})
			if res.SeenIP.String() != c.seen {
				t.Errorf("seen %s, want %s", res.SeenIP, c.seen)
			}
			var words string
			for _, f := range res.Faults {
				if f.Fault == FaultSeenIPDiffers {
					words = f.Words
					if string(f.Bytes) != c.seen {
						t.Errorf("bytes %q", f.Bytes)
					}
				}
			}
			if (words == "") != (c.words == "") || !strings.Contains(words, c.words) {
				t.Errorf("words %q, want %q in them", words, c.words)
			}
			if res.Outcome == reputation.OutcomeUnknown {
				t.Errorf("%s", res.Why)
			}
		})
	}
}

func helloing(who string) string {
	return "S: 220 hi\nC: EHLO\nS: 250-{host} Hello " + who + "\nS: 250 SIZE 1\n"
}
