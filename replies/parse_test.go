package replies

import (
	"strings"
	"testing"
	"unicode/utf8"
)

// TestClean: what terminals, logs and mail programs put around a reply goes away, and what looks like it stays.
func TestClean(t *testing.T) {
	for name, tc := range map[string]struct{ in, want string }{
		"colours":          {"\x1b[31m550 5.1.1\x1b[0m no \x1b]0;title\x07such user", "550 5.1.1 no such user"},
		"CRLF":             {"550-one\r\n550 two\r", "550-one\n550 two\n"},
		"escaped CRLF":     {`550-one\r\n550 two`, "550-one\n550 two"},
		"escaped LF":       {`550-one\n550 two`, "550-one\n550 two"},
		"rsyslog":          {"550-one#015#012550 two#011three", "550-one\n550 two three"},
		"a domain user":    {`550 CORP\nancy unknown`, `550 CORP\nancy unknown`},
		"JSON":             {`550 \u003ca@b.example\u003e said \"no\" http:\/\/x.example\/`, `550 <a@b.example> said "no" http://x.example/`},
		"HTML":             {"<p>550 <b>5.1.1</b> &lt;a@b.example&gt;<br>no</p>", "550 5.1.1 <a@b.example>\nno\n"},
		"an address stays": {"550 <a@b.example> <host[192.0.2.1]>", "550 <a@b.example> <host[192.0.2.1]>"},
		"odd spaces":       {"550\u00a0no\u200b\u202e such\x00user\x85", "550 no such user "},
		"broken UTF-8":     {"550 caf\xe9", "550 caf "},
		"qmail":            {"Remote_host_said:_550_no_user/Giving_up_on_192.0.2.1./", "Remote host said: 550 no user\n\nGiving up on 192.0.2.1./"},
		"no qmail":         {"550 a_b", "550 a_b"},
	} {
		if got := clean(tc.in); got != tc.want {
			t.Errorf("%s: %q becomes %q, want %q", name, tc.in, got, tc.want)
		}
	}
}

func TestTruncate(t *testing.T) {
	for _, tc := range []struct {
		in    string
		limit int
		want  string
	}{{"abc", 3, "abc"}, {"abcd", 3, "abc"}, {"aé", 2, "a"}, {"aé", 3, "aé"}, {"a\xff\xffb", 9, "a\uFFFDb"}, {"€€", 4, "€"}} {
		if got := truncate(tc.in, tc.limit); got != tc.want {
			t.Errorf("%q at %d: %q, want %q", tc.in, tc.limit, got, tc.want)
		}
	}
}

// TestParse: the parts of a reply (RFC 5321 §4.2), however they are written.
func TestParse(t *testing.T) {
	for in, want := range map[string]Reply{
		"550 5.1.1 No":                      {Code: 550, Enhanced: "5.1.1", Text: "No"},
		"550":                               {Code: 550},
		"550-5.1.1 No\n550 5.1.1 such user": {Code: 550, Enhanced: "5.1.1", Text: "No such user"},
		"550-No\r\n550-5.1.1 such\r\n550":   {Code: 550, Enhanced: "5.1.1", Text: "No such"},
		"550 No\n250 Ok":                    {Code: 550, Text: "No"},
		"550 No\n\nHello":                   {Code: 550, Text: "No"},
		"550 No\nsuch user\nSubject: x":     {Code: 550, Text: "No such user"},
		"250 Ok\n550 No":                    {Code: 550, Text: "No"},
		"550 one\n554 two":                  {Code: 550, Text: "one"},
		"421 #4.4.5 Too many":               {Code: 421, Enhanced: "4.4.5", Text: "Too many"},
		"550 (5.1.1) No":                    {Code: 550, Enhanced: "5.1.1", Text: "No"},
		"550 5.1.1: No":                     {Code: 550, Enhanced: "5.1.1", Text: "No"},
		"550 5.7.1.2 is an address":         {Code: 550, Text: "5.7.1.2 is an address"},
		"dsn=5.1.1 said: 550 No":            {Code: 550, Enhanced: "5.1.1", Text: "No"},
		"dsn=4.1.1 said: 550 No":            {Code: 550, Text: "No"},
		"dsn=5.0.0 said: 550 No":            {Code: 550, Text: "No"},
		"5.1.1 No":                          {Enhanced: "5.1.1", Text: "5.1.1 No"},
		"from 5.1.1.9 No":                   {Text: "from 5.1.1.9 No"},
		"size=451 delay=250 S=450 id":       {Text: "size=451 delay=250 S=450 id"},
		"x (550 No) said: 451 Later":        {Code: 451, Text: "Later"},
		"a said: 451 4.4.0 b said: 550 No":  {Code: 550, Text: "No"},
		"said: 550-5.7.26 one 550-5.7.26 two 550-5.7.26 550 5.7.26 three": {Code: 550, Enhanced: "5.7.26", Text: "one two three"},
		"said: 550-one 550-two":                                                          {Code: 550, Text: "one two"},
		"said: 550-5.7.26 like 550 5.1.1 or 554-5.7.26 or 99":                            {Code: 550, Enhanced: "5.7.26", Text: "like 550 5.1.1 or 554-5.7.26 or 99"},
		"RCPT from a[192.0.2.1]: 550 5.1.1 No; from=<b@c> to=<d@e> proto=ESMTP helo=<a>": {Code: 550, Enhanced: "5.1.1", Text: "No"},
		"dsn=4.4.1, status=deferred (it broke)":                                          {Enhanced: "4.4.1", Text: "it broke"},
		"Remote-MTA: dns; 192.0.2.1":                                                     {Text: "Remote-MTA: dns; 192.0.2.1"},
		"Remote-MTA: dns; MX.example.org.":                                               {Text: "Remote-MTA: dns; MX.example.org.", Host: "mx.example.org"},
		"421 4.7.0 outer 4.3.2\n421 4.3.2 inner":                                         {Code: 421, Enhanced: "4.7.0", Text: "outer 4.3.2 inner"},
		"x: 450 later; y: 550 5.1.1 No":                                                  {Code: 550, Enhanced: "5.1.1", Text: "No"},
		"said: 550 No (really) (in reply to end of DATA command))":                       {Code: 550, Text: "No (really)", Phase: PhaseEndOfData},
		`returned '550 weren't sent'.`:                                                   {Code: 550, Text: "weren't sent'."},
		`returned '550 weren't sent', and`:                                               {Code: 550, Text: "weren't sent"},
		`was: "550 the "x" user" .`:                                                      {Code: 550, Text: `the "x`},
	} {
		if got := Parse(in); got != want {
			t.Errorf("%q\n got %+v\nwant %+v", in, got, want)
		}
	}
}

// TestPhases: each MTA's way to say which command was answered.
func TestPhases(t *testing.T) {
	for in, want := range map[string]Phase{
		"(in reply to MAIL FROM command)":                                           PhaseMail,
		"(in reply to RCPT TO\n    command)":                                        PhaseRcpt,
		"(in reply to DATA command)":                                                PhaseData,
		"(in reply to end of DATA command)":                                         PhaseEndOfData,
		"(in reply to EHLO command)":                                                PhaseEHLO,
		"(in reply to HELO command)":                                                PhaseEHLO,
		"(in reply to STARTTLS command)":                                            PhaseSTARTTLS,
		"(in reply to AUTH command)":                                                PhaseAuth,
		"host x[192.0.2.1] refused to talk to me: 554 no":                           PhaseGreeting,
		"lost connection with x while receiving the initial server greeting":        PhaseGreeting,
		"lost connection with x while performing the EHLO handshake":                PhaseEHLO,
		"lost connection with x while performing the HELO handshake":                PhaseEHLO,
		"lost connection with x while sending RCPT TO":                              PhaseRcpt,
		"timed out while sending end of data -- message may be sent more than once": PhaseEndOfData,
		"timed out while sending message body":                                      PhaseEndOfData,
		"connect to x.example[192.0.2.1]:25: Connection timed out":                  PhaseConnect,
		"SMTP error from remote mail server after initial connection: x":            PhaseGreeting,
		"SMTP error from remote mail server after EHLO out.example: x":              PhaseEHLO,
		"SMTP error from remote mail server after pipelined RCPT TO: x":             PhaseRcpt,
		"SMTP error from remote mail server after end of data: x":                   PhaseEndOfData,
		"SMTP timeout after DATA":                                                   PhaseData,
		"NOQUEUE: reject: CONNECT from x":                                           PhaseGreeting,
		"reject: END-OF-MESSAGE from x":                                             PhaseEndOfData,
		">>> MAIL From:<a>\n<<< 250 ok\n>>> RCPT To:<b>\n<<< 550 no":                PhaseRcpt,
		">>> QUIT\n<<< 221 bye":                                                     PhaseQuit,
		"550 reject your mail":                                                      "",
	} {
		if got := Parse(in).Phase; got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

// TestBounds: a long text is cut, a hostile one costs no more than its length.
func TestBounds(t *testing.T) {
	for name, text := range map[string]string{
		"codes":  strings.Repeat("550-", MaxInput),
		"greedy": "550 client host " + strings.Repeat("blocked rejected listed by on in ", MaxInput/16),
		"tags":   "550 " + strings.Repeat("<p <b host a[1.2.3.4 ", MaxInput/8),
		"broken": "550 " + strings.Repeat("€\xff", MaxInput),
	} {
		got := Explain(text)
		if len(got.Reply.Text) > MaxText || !utf8.ValidString(got.Reply.Text) || strings.ContainsAny(got.Reply.Text, "\n\x00\x1b") {
			t.Errorf("%s: %d bytes of text", name, len(got.Reply.Text))
		}
		if got.Reply.Code != 550 {
			t.Errorf("%s: code %d", name, got.Reply.Code)
		}
	}
	if got := (Explainer{}).ExplainReply(Reply{Code: 550, Text: strings.Repeat("a b\n", MaxText)}); len(got.Reply.Text) != MaxText-1 {
		t.Errorf("%d bytes of a reply that was taken apart before", len(got.Reply.Text))
	}
	if got := Parse(strings.Repeat("a\n", MaxInput/2) + "550 too late"); got.Code != 0 {
		t.Errorf("read beyond the limit: %+v", got.Code)
	}
	if got := Parse(strings.Repeat("a\n", MaxInput/2-10) + "550 in time"); got.Code != 550 {
		t.Errorf("not read to the limit")
	}
}
