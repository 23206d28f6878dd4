package smtp

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"repwatch/reputation"
)

// showFindings is a line each: id, verdict, impact if bad.
func showFindings(fs []Finding) string {
	var out []string
	for _, f := range fs {
		line := fmt.Sprintf("%s %s", f.ID, f.Verdict)
		if f.Verdict == reputation.Bad {
			line += " " + f.Impact.String()
		}
		out = append(out, line)
	}
	return strings.Join(out, "\n")
}

func wellWorded(t *testing.T, fs []Finding) {
	t.Helper()
	for _, f := range fs {
		if f.What == "" || f.Verdict != reputation.Clear && (f.Why == "" || f.Do == "") {
			t.Errorf("%s lacks words: %+v", f.ID, f)
		}
		if strings.Contains(f.String(), "..") || strings.Contains(f.String(), "%!") || strings.Contains(f.String(), "!") {
			t.Errorf("%s: %s", f.ID, f)
		}
	}
}

func TestCheckOwn(t *testing.T) {
	const v4, v6 = "5.9.24.7", "2a01:4f8:10a::7"
	const good = `
		7.24.9.5.in-addr.arpa. 60 PTR mx1.example.com.
		mx1.example.com. 60 A 5.9.24.7`
	const goodV6 = "7.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.a.0.1.0.8.f.4.0.1.0.a.2.ip6.arpa. 60 PTR mx1.example.com."
	tests := []struct {
		name, ip, ehlo, zone, want string
		verdict                    reputation.Verdict
	}{
		{"as it should be", v4, "mx1.example.com", good, `
			ehlo-name clear
			ptr clear
			ptr-forward clear
			ehlo-forward clear
			ehlo-ptr clear`, reputation.Clear},
		{"case and final dot do not matter", v4, "MX1.Example.com.", good + `
			7.24.9.5.in-addr.arpa. 60 PTR MX1.EXAMPLE.COM.`, `
			ehlo-name clear
			ptr clear
			ptr-forward clear
			ehlo-forward clear
			ehlo-ptr clear`, reputation.Clear},
		{"mapped IPv6", "::ffff:5.9.24.7", "mx1.example.com", good, `
			ehlo-name clear
			ptr clear
			ptr-forward clear
			ehlo-forward clear
			ehlo-ptr clear`, reputation.Clear},
		{"IPv6", v6, "mx1.example.com", goodV6 + `
			mx1.example.com. 60 A 5.9.24.7
			mx1.example.com. 60 AAAA 2a01:4f8:10a::7`, `
			ehlo-name clear
			ptr clear
			ptr-forward clear
			ehlo-forward clear
			ehlo-ptr clear`, reputation.Clear},
		{"no PTR", v4, "mx1.example.com", "mx1.example.com. 60 A 5.9.24.7", `
			ehlo-name clear
			ptr bad high
			ehlo-forward clear`, reputation.Bad},
		{"IPv6 without PTR", v6, "mx1.example.com", "mx1.example.com. 60 AAAA 2a01:4f8:10a::7", `
			ehlo-name clear
			ptr bad critical
			ehlo-forward clear`, reputation.Bad},
		{"IPv6: an A record does not confirm", v6, "mx1.example.com", goodV6 + `
			mx1.example.com. 60 A 5.9.24.7`, `
			ehlo-name clear
			ptr clear
			ptr-forward bad high
			ehlo-forward bad medium
			ehlo-ptr clear`, reputation.Bad},
		{"the PTR name leads elsewhere", v4, "mx1.example.com", `
			7.24.9.5.in-addr.arpa. 60 PTR other.example.com.
			other.example.com. 60 A 5.9.24.8
			mx1.example.com. 60 A 5.9.24.7`, `
			ehlo-name clear
			ptr clear
			ptr-forward bad high
			ehlo-forward clear
			ehlo-ptr bad low`, reputation.Bad},
		{"the EHLO name does not exist", v4, "gone.example.com", good, `
			ehlo-name clear
			ptr clear
			ptr-forward clear
			ehlo-forward bad medium
			ehlo-ptr bad medium`, reputation.Bad},
		{"another name in EHLO, both lead here", v4, "out.example.com", good + `
			out.example.com. 60 A 5.9.24.7`, `
			ehlo-name clear
			ptr clear
			ptr-forward clear
			ehlo-forward clear
			ehlo-ptr bad low`, reputation.Bad},
		{"several PTRs, one stray", v4, "mx1.example.com", good + `
			7.24.9.5.in-addr.arpa. 60 PTR stray.example.com.`, `
			ehlo-name clear
			ptr clear
			ptr-forward clear
			ptr-stray bad info
			ptr-many bad info
			ehlo-forward clear
			ehlo-ptr clear`, reputation.Clear},
		{"a name made from the address", v4, "static.7.24.9.5.clients.example.net", `
			7.24.9.5.in-addr.arpa. 60 PTR static.7.24.9.5.clients.example.net.
			static.7.24.9.5.clients.example.net. 60 A 5.9.24.7`, `
			ehlo-name clear
			ptr clear
			ptr-forward clear
			ptr-generic bad info
			ehlo-forward clear
			ehlo-ptr clear`, reputation.Clear},
		{"classless delegation (RFC 2317)", v4, "mx1.example.com", `
			7.24.9.5.in-addr.arpa. 60 CNAME 7.0-15.24.9.5.in-addr.arpa.
			7.0-15.24.9.5.in-addr.arpa. 60 PTR mx1.example.com.
			mx1.example.com. 60 A 5.9.24.7`, `
			ehlo-name clear
			ptr clear
			ptr-forward clear
			ehlo-forward clear
			ehlo-ptr clear`, reputation.Clear},
		{"the PTR lookup fails: unknown, not absent", v4, "mx1.example.com", `
			fail 7.24.9.5.in-addr.arpa timeout
			mx1.example.com. 60 A 5.9.24.7`, `
			ehlo-name clear
			ptr unknown
			ehlo-forward clear`, reputation.Unknown},
		{"the forward lookup fails: unknown", v4, "mx1.example.com", `
			7.24.9.5.in-addr.arpa. 60 PTR mx1.example.com.
			fail mx1.example.com servfail`, `
			ehlo-name clear
			ptr clear
			ptr-forward unknown
			ehlo-forward unknown
			ehlo-ptr clear`, reputation.Unknown},
		{"one of two forward lookups fails, the other confirms", v4, "mx1.example.com", good + `
			7.24.9.5.in-addr.arpa. 60 PTR a.example.com.
			fail a.example.com servfail`, `
			ehlo-name clear
			ptr clear
			ptr-forward clear
			ptr-many bad info
			ehlo-forward clear
			ehlo-ptr clear`, reputation.Clear},
		{"something is bad, something unknown", v4, "mx1.example.com", `
			fail mx1.example.com servfail`, `
			ehlo-name clear
			ptr bad high
			ehlo-forward unknown`, reputation.Bad},
		{"private", "10.0.0.7", "mx1.example.com", "", `
			ehlo-name clear
			ip-not-public unknown`, reputation.Unknown},
		{"no EHLO name known", v4, "", good, `
			ehlo-name unknown
			ptr clear
			ptr-forward clear`, reputation.Unknown},
		{"localhost", v4, "localhost.localdomain", good, `
			ehlo-name bad high
			ptr clear
			ptr-forward clear`, reputation.Bad},
		{"a literal", v4, "[5.9.24.7]", good, `
			ehlo-name bad medium
			ptr clear
			ptr-forward clear`, reputation.Bad},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := CheckOwn(t.Context(), newWorld(t, tt.zone), OwnIP{IP: netip.MustParseAddr(tt.ip), EHLO: tt.ehlo})
			want := strings.ReplaceAll(strings.TrimSpace(tt.want), "\t", "")
			if diff := cmp.Diff(want, showFindings(r.Findings)); diff != "" {
				t.Error(diff)
			}
			if r.Verdict() != tt.verdict {
				t.Errorf("verdict %s, want %s", r.Verdict(), tt.verdict)
			}
			wellWorded(t, r.Findings)
		})
	}
}

func TestCheckOwnEHLOName(t *testing.T) {
	for ehlo, want := range map[string]string{
		"mail.example.com":          "clear",
		"localhost":                 "bad high",
		"mail":                      "bad high",
		"mail.local":                "bad high",
		"mail.corp":                 "bad high",
		"my_host.example.com":       "bad high",
		"-- -":                      "bad high",
		"5.9.24.7":                  "bad high",
		"[5.9.24.7]":                "bad medium",
		"[IPv6:2a01:4f8:10a::7]":    "bad medium",
		"xn--bcher-kva.example.org": "clear",
	} {
		r := CheckOwn(t.Context(), newWorld(t, ""), OwnIP{IP: netip.MustParseAddr("5.9.24.7"), EHLO: ehlo})
		if got := showFindings(r.Findings[:1]); got != "ehlo-name "+want {
			t.Errorf("%q: %s, want %s", ehlo, got, want)
		}
		wellWorded(t, r.Findings)
	}
}

// Inside a private network a private name may well be right: nobody outside looks.
func TestPrivateNameOfAPrivateAddressIsNotJudged(t *testing.T) {
	r := CheckOwn(t.Context(), newWorld(t, ""), OwnIP{IP: netip.MustParseAddr("127.0.5.7"), EHLO: "out.sender.test"})
	if r.Verdict() != reputation.Unknown {
		t.Errorf("verdict %s (%v), want unknown: nothing was looked up", r.Verdict(), r.Findings)
	}
}

func TestNotPublic(t *testing.T) {
	for text, public := range map[string]bool{
		"5.9.24.7": true, "2a01:4f8::1": true, "100.63.255.255": true, "172.32.0.1": true,
		"127.0.0.1": false, "::1": false, "10.1.2.3": false, "172.16.0.1": false, "192.168.1.1": false, "169.254.0.1": false,
		"100.64.0.1": false, "192.0.2.1": false, "198.51.100.1": false, "203.0.113.7": false, "198.18.0.1": false, "240.0.0.1": false,
		"0.1.2.3": false, "0.0.0.0": false, "224.0.0.1": false, "255.255.255.255": false,
		"fd00::1": false, "fe80::1": false, "2001:db8::1": false, "3fff::1": false, "100::1": false, "ff02::1": false, "::": false,
	} {
		if why := notPublic(netip.MustParseAddr(text)); (why == "") != public {
			t.Errorf("%s: %q", text, why)
		}
	}
	r := CheckOwn(t.Context(), newWorld(t, ""), OwnIP{EHLO: "mail.example.com"})
	if _, ok := r.Find(OwnNotPublic); !ok {
		t.Errorf("no address at all: %+v", r.Findings)
	}
	if _, ok := r.Find(OwnPTR); ok {
		t.Error("the PTR of no address was judged")
	}
}

func TestLooksGeneric(t *testing.T) {
	const v4, v6 = "5.9.24.7", "2a01:4f8:10a::7"
	for _, tt := range []struct {
		name, ip string
		want     bool
	}{
		{"mx1.example.com", v4, false},
		{"mail-24.example.com", v4, false},
		{"smtp5.out9.example.com", v4, false},
		{"poolside.example.com", v4, false},
		{"static.7.24.9.5.clients.example.net", v4, true},
		{"ip-5-9-24-7.example.net", v4, true},
		{"host005009024007.example.net", v4, true},
		{"h-9-24-7.example.net", v4, true},
		{"x05091807.example.net", v4, true},
		{"p4fd1.dip0.example.net", v4, true},
		{"foo.dynamic.example.net", v4, true},
		{"cust-12.dsl.example.net", v4, true},
		{"mx1.example.com", v6, false},
		{"2a01-4f8-10a--7.example.net", v6, true},
		{"2a0104f8010a00000000000000000007.example.net", v6, true},
	} {
		if got := looksGeneric(tt.name, netip.MustParseAddr(tt.ip)); got != tt.want {
			t.Errorf("%s of %s: %v", tt.name, tt.ip, got)
		}
	}
}

func TestJudgeOwnMX(t *testing.T) {
	at := time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC)
	day := 24 * time.Hour
	fine := func() Result {
		return Result{At: at, Outcome: reputation.Advertised, Target: Target{MX: "mx.example.com"},
			TLS: &TLS{Version: "TLS 1.3", Handshake: "ok", Chain: "ok", Name: "ok", Expiry: "ok", NotAfter: at.Add(60 * day)}}
	}
	const tlsFine = "\nmx-cert-name clear\nmx-cert-chain clear\nmx-cert-expiry clear"
	const reached = "mx-reach clear\nmx-starttls clear"
	tests := []struct {
		name   string
		change func(*Result)
		want   string
		words  string
	}{
		{"fine", func(*Result) {}, reached + "\nmx-wire clear" + tlsFine, ""},
		{"bare LF (story 3)", func(r *Result) {
			r.Faults = []Fault{{Fault: FaultBareLF, Bytes: []byte("250-AUTH PLAIN\n250-MAIL\n"), Where: "ehlo"}, {Fault: FaultBareLF, Where: "ehlo"}}
		}, "mx-bare-lf bad critical\n" + reached + tlsFine, "450 4.4.317"},
		{"missing space", func(r *Result) {
			r.Faults = []Fault{{Fault: FaultMissingSpace, Bytes: []byte("250HELP"), Where: "ehlo"}}
		},
			"mx-missing-space bad medium\n" + reached + tlsFine, `"250HELP"`},
		{"a fault nobody described here", func(r *Result) {
			r.Faults = []Fault{{Fault: "odd-code", Where: "ehlo", Words: "the words of the reader"}}
		},
			"mx-odd-code bad low\n" + reached + tlsFine, "the words of the reader"},
		{"worst first", func(r *Result) {
			r.Faults = []Fault{{Fault: FaultNoGoodbye}, {Fault: FaultBareCR}, {Fault: FaultLongLine}}
		},
			"mx-bare-cr bad critical\nmx-long-line bad medium\nmx-no-goodbye bad info\n" + reached + tlsFine, ""},
		{"no STARTTLS", func(r *Result) { r.Outcome, r.TLS = reputation.Absent, nil },
			"mx-starttls bad high\nmx-reach clear\nmx-wire clear", "does not offer STARTTLS"},
		{"masked", func(r *Result) { r.Outcome, r.TLS, r.Why = reputation.Masked, nil, "XXXXXXXA" },
			"mx-starttls bad high\nmx-wire clear", "inspect esmtp"},
		{"rejects", func(r *Result) {
			r.Outcome, r.TLS, r.Reply = reputation.Rejected, nil, &Reply{Code: 554, Lines: []string{"go away"}}
		}, "mx-reach bad high\nmx-wire clear", "554 go away"},
		{"broken", func(r *Result) {
			r.Outcome, r.TLS = reputation.Broken, &TLS{Handshake: "alert", Version: "TLS 1.0", Name: "no certificate", Chain: "no certificate"}
		},
			"mx-starttls bad critical\nmx-wire clear", "no handshake succeeds"},
		{"not reached", func(r *Result) { r.Outcome, r.TLS, r.Why = reputation.OutcomeUnknown, nil, "timeout while connecting" },
			"mx-reach unknown", "timeout while connecting"},
		{"deferred", func(r *Result) {
			r.Outcome, r.TLS, r.Reply = reputation.Deferred, nil, &Reply{Code: 421, Lines: []string{"busy"}}
		}, "mx-reach unknown", "421 busy"},
		{"wrong name", func(r *Result) { r.TLS.Name = "it is for www.example.com" },
			"mx-cert-name bad medium\n" + reached + "\nmx-wire clear\nmx-cert-chain clear\nmx-cert-expiry clear", "www.example.com"},
		{"untrusted", func(r *Result) { r.TLS.Chain = "signed by itself" },
			"mx-cert-chain bad medium\n" + reached + "\nmx-wire clear\nmx-cert-name clear\nmx-cert-expiry clear", "signed by itself"},
		{"expired", func(r *Result) { r.TLS.NotAfter, r.TLS.Expiry = at.Add(-day), "expired yesterday" },
			"mx-cert-expiry bad high\n" + reached + "\nmx-wire clear\nmx-cert-name clear\nmx-cert-chain clear", "expired on 2026-11-20"},
		{"expires soon", func(r *Result) { r.TLS.NotAfter = at.Add(5 * day) },
			"mx-cert-expiry bad low\n" + reached + "\nmx-wire clear\nmx-cert-name clear\nmx-cert-chain clear", "in 5 days"},
		{"not valid yet", func(r *Result) { r.TLS.Expiry = "not valid before tomorrow" },
			"mx-cert-expiry bad high\n" + reached + "\nmx-wire clear\nmx-cert-name clear\nmx-cert-chain clear", "not valid before tomorrow"},
		{"old TLS", func(r *Result) { r.TLS.Version, r.TLS.Conservative = "TLS 1.0", true },
			"mx-tls-old bad medium\n" + reached + "\nmx-wire clear" + tlsFine, "TLS 1.0"},
		{"conservative handshake", func(r *Result) {
			r.TLS.Version, r.TLS.Conservative = "TLS 1.2", true
			r.Faults = []Fault{{Fault: FaultConservativeTLS}}
		}, "mx-tls-old bad medium\n" + reached + tlsFine, "modern handshake"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := fine()
			tt.change(&r)
			got := JudgeOwnMX(r)
			want := tt.want
			if tt.name == "conservative handshake" {
				want = "mx-tls-old bad medium\n" + reached + "\nmx-wire clear" + tlsFine
			}
			if diff := cmp.Diff(want, showFindings(got)); diff != "" {
				t.Error(diff)
			}
			if tt.words != "" && !strings.Contains(got[0].String(), tt.words) {
				t.Errorf("%q is not in: %s", tt.words, got[0])
			}
			wellWorded(t, got)
		})
	}
}

// Every fault the reader can tell of has words for the owner.
func TestJudgeOwnMXFaults(t *testing.T) {
	for fault := range faultWords {
		if fault == FaultConservativeTLS {
			continue
		}
		got := JudgeOwnMX(Result{Outcome: reputation.Advertised, Faults: []Fault{{Fault: fault, Words: faultWords[fault], Bytes: []byte(strings.Repeat("x", 300)), Where: "ehlo"}}})
		if got[0].ID != "mx-"+fault || got[0].Verdict != reputation.Bad {
			t.Errorf("%s: %s", fault, showFindings(got))
		}
		if len(got[0].What) > 200 {
			t.Errorf("%s: %d octets of evidence in the words", fault, len(got[0].What))
		}
	}
}
