package smtp

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"repwatch/internal/lab"
	"repwatch/reputation"
)

const startTLS = "C: STARTTLS\nS: 220 2.0.0 go\n"

// offer is the usual greeting and an EHLO reply with STARTTLS, to be followed by what happens then.
const offer = "S: 220 {host} ESMTP\nC: EHLO\nS: 250-{host} Hello [{ip}]\nS: 250-SIZE 1000\nS: 250 STARTTLS\n"

// dialogues: one server each, and what must be concluded from it.
var dialogues = []struct {
	name    string
	script  string
	outcome reputation.Outcome
	failure Failure
	why     string // part of it
	reply   int    // code of Result.Reply; 0: none
	faults  []string
}{
	{name: "story 1: clean", script: lab.Offering(lab.Exchange()...), outcome: reputation.Advertised, reply: 250},
	{
		name: "story 1: listed", script: lab.Offering(lab.Without(lab.Exchange(), "STARTTLS")...),
		outcome: reputation.Absent, why: "complete and offers 8 capabilities, but not STARTTLS", reply: 250,
	},
	{
		name: "story 2: low score", script: `
			S: 220 ironport.example ESMTP
			C: EHLO
			S: 250-8BITMIME
			S: 250 SIZE 20971520`,
		outcome: reputation.Absent, why: "not STARTTLS", reply: 250, faults: []string{FaultKeywordFirstLine},
	},
	{
		name: "story 3: bare LF", script: `
			S: 220 homemade
			C: EHLO
			S: 250-0.0.0.0
			S: 250-SIZE 33554432
			S: 250-8BITMIME
			S: 250-STARTTLS
			S: 250-AUTH PLAIN\n
			S: 250-MAIL\n
			S: 250 HELP
			C: STARTTLS
			S: 220 go
			* tls
			-- inside TLS
			C: EHLO
			S: 250 homemade`,
		outcome: reputation.Advertised, reply: 250, faults: []string{FaultBareLF, FaultBareLF},
	},
	{
		name: "masked capability", script: `
			S: 220 relay.example ESMTP
			C: EHLO
			S: 250-relay.example
			S: 250-XXXXXXXA
			S: 250 8BITMIME`,
		outcome: reputation.Masked, why: "overwritten with X", reply: 250, faults: []string{FaultMaskedCapability},
	},
	{
		name: "masked capability beside STARTTLS", script: offer + "C: EHLO mail\nS: 250-{host}\nS: 250-XXXXB\nS: 250 STARTTLS\n" + startTLS + "* tls\n-- inside TLS\nC: EHLO\nS: 250 {host}",
		outcome: reputation.Advertised, reply: 250, faults: []string{FaultMaskedCapability},
	},
	{
		name: "masked banner", script: `
			S: 220 ****************************2******0*****0*
			C: EHLO
			S: 250-relay.example
			S: 250 8BITMIME`,
		outcome: reputation.Masked, why: "asterisks", reply: 250, faults: []string{FaultMaskedBanner},
	},
	{
		name: "masked banner beside STARTTLS", script: strings.Replace(lab.Offering("STARTTLS"), "S: 220 {host} ESMTP ready", "S: 220 ***0*", 1),
		outcome: reputation.Advertised, reply: 250, faults: []string{FaultMaskedBanner},
	},
	{
		name: "EHLO 502, HELO taken", script: `
			S: 220 old ESMTP
			C: EHLO
			S: 502 5.5.1 unrecognized command`,
		outcome: reputation.Masked, why: "yet takes HELO", reply: 502,
	},
	{
		name: "EHLO 500, HELO refused", script: `
			S: 220 old ESMTP
			C: EHLO
			S: 500 what
			C: HELO
			S: 550 no`,
		outcome: reputation.Rejected, why: `"550 no" to HELO`, reply: 500,
	},
	{
		name: "EHLO 502, HELO deferred", script: `
			S: 220 old ESMTP
			C: EHLO
			S: 502 what
			C: HELO
			S: 450 later`,
		outcome: reputation.Deferred, why: "450 later", reply: 450,
	},
	{
		name: "EHLO 502, then gone", script: `
			S: 220 old ESMTP
			C: EHLO
			S: 502 what
			C: HELO
			* close`,
		outcome: reputation.OutcomeUnknown, failure: FailLost, why: `"502 what" to EHLO, and then`,
	},
	{name: "EHLO 550", script: "S: 220 hi\nC: EHLO\nS: 550 5.7.1 [127.0.5.7] is blocked", outcome: reputation.Rejected, why: "to EHLO", reply: 550},
	{name: "EHLO 504 is a refusal, not a reason for HELO", script: "S: 220 hi\nC: EHLO\nS: 504 5.5.2 need a host name", outcome: reputation.Rejected, why: "504", reply: 504},
	{name: "EHLO 501", script: "S: 220 hi\nC: EHLO\nS: 501 5.5.4 bad argument", outcome: reputation.Rejected, why: "501", reply: 501},
	{name: "EHLO 421", script: "S: 220 hi\nC: EHLO\nS: 421 4.7.0 try again later\n* close", outcome: reputation.Deferred, why: "421", reply: 421},
	{name: "EHLO 220", script: "S: 220 hi\nC: EHLO\nS: 220 hi again", outcome: reputation.OutcomeUnknown, failure: FailProtocol, why: "220 hi again", reply: 220},
	{name: "greeting 554", script: lab.Refusing("554 5.7.1 Client host [127.0.5.7] blocked"), outcome: reputation.Rejected, why: "instead of a greeting", reply: 554},
	{name: "greeting 554 and closed", script: "S: 554 no\n* close", outcome: reputation.Rejected, why: "554 no", reply: 554},
	{name: "greeting 421", script: "S: 421 4.7.0 too many connections\n* close", outcome: reputation.Deferred, why: "too many connections", reply: 421},
	{name: "closed without a greeting", script: "* close", outcome: reputation.OutcomeUnknown, failure: FailLost, why: "closed the connection during the wait for the greeting, before any reply"},
	{name: "reset before the greeting", script: "* reset", outcome: reputation.OutcomeUnknown, failure: FailLost, why: "reset"},
	{
		name: "truncated EHLO reply", script: "S: 220 hi\nC: EHLO\nS: 250-{host}\nS: 250-SIZE 1\n* close",
		outcome: reputation.OutcomeUnknown, failure: FailLost, why: "before the reply was complete",
	},
	{
		name: "EHLO reply truncated inside its last line", script: "S: 220 hi\nC: EHLO\nS: 250-{host}\nS: 250 STAR\\c\n* close",
		outcome: reputation.OutcomeUnknown, failure: FailLost, why: "before the reply was complete",
	},
	{name: "endless greeting", script: "* endless\nS: 220-still here", outcome: reputation.OutcomeUnknown, failure: FailEndless, why: "64 KiB"},
	{name: "endless line", script: "* endless\nS: 220-x\\c", outcome: reputation.OutcomeUnknown, failure: FailEndless, why: "8 KiB"},
	{name: "endless EHLO reply", script: "S: 220 hi\nC: EHLO\n* endless\nS: 250-SIZE 1", outcome: reputation.OutcomeUnknown, failure: FailEndless, why: "64 KiB"},
	{name: "454 to STARTTLS", script: offer + "C: STARTTLS\nS: 454 4.7.0 TLS not available", outcome: reputation.Deferred, why: "to it", reply: 454, faults: []string{FaultStartTLSRefused}},
	{name: "421 to STARTTLS", script: offer + "C: STARTTLS\nS: 421 4.3.2 closing\n* close", outcome: reputation.Deferred, why: "421", reply: 421, faults: []string{FaultStartTLSRefused}},
	{name: "502 to STARTTLS", script: offer + "C: STARTTLS\nS: 502 5.5.1 what", outcome: reputation.Deferred, why: "502", reply: 502, faults: []string{FaultStartTLSRefused}},
	{name: "250 to STARTTLS", script: offer + "C: STARTTLS\nS: 250 ok", outcome: reputation.OutcomeUnknown, failure: FailProtocol, why: "means nothing", reply: 250},
	{name: "gone at STARTTLS", script: offer + "C: STARTTLS\n* close", outcome: reputation.OutcomeUnknown, failure: FailLost, why: "STARTTLS"},
	{
		name: "early bytes", script: offer + startTLS + "S: 250 injected\n* tls\n-- inside TLS\nC: EHLO\nS: 250 {host}",
		outcome: reputation.Advertised, reply: 250, faults: []string{FaultEarlyBytes},
	},
	{
		name: "bytes before EHLO", script: "S: 220 hi\nS: 220 hi again\nC: EHLO\nS: 250-{host}\nS: 250 SIZE 1",
		outcome: reputation.Absent, why: "not STARTTLS", reply: 250, faults: []string{FaultEarlyBytes},
	},
	{
		name: "garbage instead of TLS", script: offer + startTLS + "* read\nS: this is no TLS\n* close",
		outcome: reputation.Broken, why: "garbage instead of TLS", reply: 250, faults: []string{FaultTLSGarbage, FaultTLSGarbage},
	},
	{name: "closed instead of TLS", script: offer + startTLS + "* read\n* close", outcome: reputation.Broken, why: "connection closed", reply: 250},
	{name: "reset instead of TLS", script: offer + startTLS + "* read\n* reset", outcome: reputation.Broken, why: "connection reset", reply: 250},
	{name: "alert", script: offer + startTLS + "* tls refuse", outcome: reputation.Broken, why: "alert: internal error", reply: 250},
	{name: "alert after the handshake", script: offer + startTLS + "* tls client-cert", outcome: reputation.Broken, why: "alert: certificate required right after the handshake", reply: 250},
	{name: "closed after the handshake", script: offer + startTLS + "* tls\n-- inside TLS\nC: EHLO\n* close", outcome: reputation.Broken, why: "connection closed right after the handshake", reply: 250},
	{name: "refuses post-quantum hybrids", script: offer + startTLS + "* tls classic\n-- inside TLS\nC: EHLO\nS: 250 {host}", outcome: reputation.Advertised, reply: 250, faults: []string{FaultConservativeTLS}},
	{name: "TLS 1.0 only", script: offer + startTLS + "* tls max=1.0\n-- inside TLS\nC: EHLO\nS: 250 {host}", outcome: reputation.Advertised, reply: 250, faults: []string{FaultConservativeTLS}},
	{name: "RSA key exchange with CBC only", script: offer + startTLS + "* tls rsa\n-- inside TLS\nC: EHLO\nS: 250 {host}", outcome: reputation.Advertised, reply: 250, faults: []string{FaultConservativeTLS}},
	{name: "421 inside TLS", script: offer + startTLS + "* tls\n-- inside TLS\nC: EHLO\nS: 421 4.3.2 closing\n* close", outcome: reputation.Deferred, why: "inside TLS", reply: 421},
	{name: "550 inside TLS", script: offer + startTLS + "* tls\n-- inside TLS\nC: EHLO\nS: 550 no", outcome: reputation.Rejected, why: "inside TLS", reply: 550},
	{
		name: "cut inside TLS", script: offer + startTLS + "* tls\n-- inside TLS\nC: EHLO\nS: 250-{host}\n* close",
		outcome: reputation.OutcomeUnknown, failure: FailLost, why: "before the reply was complete", reply: 250,
	},
	{
		name: "STARTTLS again inside TLS", script: offer + startTLS + "* tls\n-- inside TLS\nC: EHLO\nS: 250-{host}\nS: 250 STARTTLS",
		outcome: reputation.Advertised, reply: 250, faults: []string{FaultStartTLSInside},
	},
	{
		name: "no goodbye", script: "S: 220 hi\nC: EHLO\nS: 250-{host}\nS: 250 SIZE 1\nC: QUIT\n* close",
		outcome: reputation.Absent, why: "not STARTTLS", reply: 250, faults: []string{FaultNoGoodbye},
	},
	{
		name: "250 instead of a goodbye", script: "S: 220 hi\nC: EHLO\nS: 250-{host}\nS: 250 SIZE 1\nC: QUIT\nS: 250 fine",
		outcome: reputation.Absent, why: "not STARTTLS", reply: 250, faults: []string{FaultNoGoodbye},
	},
	{
		name: "mixed codes in the reply to EHLO", script: "S: 220 hi\nC: EHLO\nS: 250-{host}\nS: 550-SIZE 1\nS: 250 DSN",
		outcome: reputation.OutcomeUnknown, failure: FailProtocol, why: "no complete 250 reply", reply: 250, faults: []string{FaultMixedCodes, FaultMixedCodes},
	},
	{
		name: "control bytes in a refusal are escaped once", script: "S: 554 go \\x1b[31maway",
		outcome: reputation.Rejected, why: `"554 go \x1b[31maway"`, reply: 554, faults: []string{FaultControl},
	},
	{
		name: "a last line without text", script: "S: 220 hi\nC: EHLO\nS: 250-{host}\nS: 250-SIZE 1\nS: 250",
		outcome: reputation.Absent, why: "not STARTTLS", reply: 250, faults: []string{FaultMissingSpace},
	},
	{
		name: "missing space, long line and mixed codes", script: "S: 220-hi\nS: 221 " + strings.Repeat("x", 600) + "\n",
		outcome: reputation.OutcomeUnknown, failure: FailProtocol, why: "221", reply: 221, faults: []string{FaultLongLine, FaultMixedCodes},
	},
}

func TestDialogues(t *testing.T) {
	for _, c := range dialogues {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			res := newWire(t, c.script).probe(Ask{})
			if res.Outcome != c.outcome || res.Failure != c.failure {
				t.Errorf("outcome %s %q, want %s %q", res.Outcome, res.Failure, c.outcome, c.failure)
			}
			if !strings.Contains(res.Why, c.why) || (res.Why == "") != (c.outcome == reputation.Advertised) {
				t.Errorf("why %q, want %q in it", res.Why, c.why)
			}
			code := 0
			if res.Reply != nil {
				code = res.Reply.Code
			}
			if code != c.reply {
				t.Errorf("reply %d, want %d", code, c.reply)
			}
			if diff := cmp.Diff(c.faults, kinds(res.Faults)); diff != "" {
				t.Errorf("faults (-want +got):\n%s", diff)
			}
			for _, f := range res.Faults {
				if f.Words == "" || f.Where == "" {
					t.Errorf("fault without words or place: %+v", f)
				}
			}
			if t.Failed() {
				t.Log("\n" + said(res))
			}
		})
	}
}

// The stories' wire text, byte by byte through a socket and from two sources at once.
func TestStories(t *testing.T) {
	for _, c := range []struct {
		name, production, control string
		want                      reputation.Outcome
		faults                    []string
	}{
		{"1: listed, then delisted", "eop-listed", "eop-clean", reputation.Absent, []string{FaultSeenIPDiffers}},
		{"2: only our server", "ironport-low-score", "eop-clean", reputation.Absent, []string{FaultKeywordFirstLine}},
		{"3: bare LF", "bare-lf", "bare-lf", reputation.Advertised, []string{FaultBareLF, FaultBareLF}},
		{"a firewall of ours", "middlebox-masked", "eop-clean", reputation.Masked, []string{FaultMaskedCapability}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWire(t, playing(t, c.control))
			if err := w.PlayTo(vantage.Bind, playing(t, c.production)); err != nil {
				t.Fatal(err)
			}
			res := w.probe(Ask{})
			if res.Outcome != c.want {
				t.Errorf("production: %s: %s\n%s", res.Outcome, res.Why, said(res))
			}
			if diff := cmp.Diff(c.faults, kinds(res.Faults)); diff != "" {
				t.Errorf("faults (-want +got):\n%s", diff)
			}
			spare := Vantage{Name: "spare", Bind: ip("127.0.5.8"), EHLO: "spare.example.com", Control: true}
			if res := w.p.Probe(t.Context(), w.target(), spare); res.Outcome != reputation.Advertised || res.TLS.Handshake != "ok" {
				t.Errorf("control: %s: %s", res.Outcome, res.Why)
			}
		})
	}
}

// playing is a server whose reply to EHLO is a fixture. Scripts and transcripts share their escapes.
func playing(t *testing.T, fixture string) string {
	t.Helper()
	wire, err := os.ReadFile("testdata/" + fixture + ".ehlo")
	if err != nil {
		t.Fatal(err)
	}
	return "S: 220 partner.mail.example ESMTP\nC: EHLO\nS: " + escape(wire) + "\n" + startTLS + "* tls\n-- inside TLS\nC: EHLO\nS: 250 {host}"
}

// Slowness of every kind ends at the phase's deadline and concludes nothing.
func TestDeadlines(t *testing.T) {
	for _, c := range []struct {
		name, script string
		failure      Failure
		why          string
		atMost       time.Duration
		last         string // phase
	}{
		{"no greeting", "* hang", FailTimeout, "silence for 1m0s during the wait for the greeting", 60 * time.Second, "greeting"},
		{"greeting a byte a second", "* drip 1s\nS: 220 " + strings.Repeat("x", 200), FailTarpit, "bytes came within 1m0s", 61 * time.Second, "greeting"},
		{"line a second", strings.Repeat("* pause 1s\nS: 220-wait\n", 200), FailTarpit, "tarpit", 60 * time.Second, "greeting"},
		{"EHLO a byte a second", "S: 220 hi\nC: EHLO\n* drip 1s\nS: 250-{host}\nS: 250 SIZE 1000000", FailTarpit, "within 30s", 35 * time.Second, "quit"},
		{"no reply to EHLO", "S: 220 hi\nC: EHLO\n* hang", FailTimeout, "silence for 30s", 30 * time.Second, "quit"},
		{"no reply to STARTTLS", offer + "C: STARTTLS\n* hang", FailTimeout, "STARTTLS", 30 * time.Second, "quit"},
		{"hang in the handshake", offer + startTLS + "* hang", FailTimeout, "no end of the handshake within 30s", 60 * time.Second, "retry-handshake"},
		{"reset, then hang", offer + startTLS + "* read\n* close\n====\n" + offer + startTLS + "* hang", FailTimeout, "nothing is concluded", 30 * time.Second, "retry-handshake"},
		{"hang, then alert", offer + startTLS + "* hang\n====\n" + offer + startTLS + "* tls refuse", FailTimeout, "nothing is concluded", 30 * time.Second, "retry-handshake"},
		{"garbage too late", offer + startTLS + "* pause 40s\nS: garbage", FailTimeout, "nothing is concluded", 70 * time.Second, "retry-handshake"},
		{"hang inside TLS", offer + startTLS + "* tls\n-- inside TLS\nC: EHLO\n* hang", FailTimeout, "inside TLS", 31 * time.Second, "quit"},
	} {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, c.script, Ask{}, func(t *testing.T, res Result, took time.Duration) {
				if res.Outcome != reputation.OutcomeUnknown || res.Failure != c.failure || !strings.Contains(res.Why, c.why) {
					t.Errorf("%s, %q: %s", res.Outcome, res.Failure, res.Why)
				}
				if took > c.atMost+2*time.Second {
					t.Errorf("took %s", took)
				}
				if names := phaseNames(res); names[len(names)-1] != c.last {
					t.Errorf("phases %v", names)
				}
				if t.Failed() {
					t.Log("\n" + said(res))
				}
			})
		})
	}
}

// A greet pause of half a minute is a normal defence, not trouble.
func TestGreetPause(t *testing.T) {
	script := strings.Replace(lab.Offering(lab.Exchange()...), "S: 220", "* pause 45s\nS: 220", 1)
	inBubble(t, script, Ask{}, func(t *testing.T, res Result, _ time.Duration) {
		if res.Outcome != reputation.Advertised {
			t.Errorf("%s: %s\n%s", res.Outcome, res.Why, said(res))
		}
		for _, p := range res.Phases {
			if p.Name == "greeting" && p.Took != 45*time.Second {
				t.Errorf("greeting took %s", p.Took)
			}
		}
	})
}
