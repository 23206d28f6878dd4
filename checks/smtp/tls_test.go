package smtp

import (
	"crypto/x509"
	"strings"
	"testing"
	"time"

	"repwatch/internal/lab"
	"repwatch/reputation"
)

const inside = "\n-- inside TLS\nC: EHLO\nS: 250-{host}\nS: 250 SIZE 2000\n"

// A bad certificate is a fact beside a good handshake: TLS is advertised all the same.
func TestCertificateFacts(t *testing.T) {
	for _, c := range []struct {
		cert, chain, name, expiry string
	}{
		{"good", "ok", "ok", "ok"},
		{"expired", "ok", "ok", "expired on "},
		{"wrong-name", "ok", "the certificate is for other.example, not for mx.partner.example", "ok"},
		{"self-signed", "self-signed", "ok", "ok"},
		{"no-intermediate", `the certificate of its issuer "Lab Intermediate" is missing`, "ok", "ok"},
		{"foreign", `it ends at "Lab Root", which is no root we trust`, "ok", "ok"},
		{"early", "ok", "ok", "not valid before "},
		{"nameless", "ok", `names no host (its CN "mx.partner.example" does not count)`, "ok"},
		{"many", "ok", "a.example, b.example, c.example, d.example, 192.0.2.1, not", "ok"},
	} {
		t.Run(c.cert, func(t *testing.T) {
			t.Parallel()
			w := newWire(t, offer+startTLS+"* tls cert="+c.cert+inside)
			addOddCerts(t, w)
			res := w.probe(Ask{})
			if res.Outcome != reputation.Advertised || res.TLS == nil {
				t.Fatalf("%s: %s\n%s", res.Outcome, res.Why, said(res))
			}
			for _, f := range [][2]string{{res.TLS.Chain, c.chain}, {res.TLS.Name, c.name}, {res.TLS.Expiry, c.expiry}} {
				if !strings.Contains(f[0], f[1]) || f[1] == "ok" && f[0] != "ok" {
					t.Errorf("%q, want %q", f[0], f[1])
				}
			}
			if res.TLS.Handshake != "ok" || res.TLS.Version != "TLS 1.3" || res.TLS.Cipher == "" || res.TLS.NotAfter.IsZero() || res.TLS.Conservative {
				t.Errorf("%+v", res.TLS)
			}
			if res.CapabilitiesTLS["SIZE"] != "2000" || res.Capabilities["SIZE"] != "1000" {
				t.Errorf("before %v, inside %v", res.Capabilities, res.CapabilitiesTLS)
			}
		})
	}
}

func addOddCerts(t *testing.T, w *wireWorld) {
	t.Helper()
	foreign, err := lab.NewCA()
	if err != nil {
		t.Fatal(err)
	}
	for name, spec := range map[string]lab.Cert{
		"foreign":  {Hosts: []string{mxName}, Rooted: true},
		"early":    {Hosts: []string{mxName}, From: time.Now().Add(time.Hour)},
		"nameless": {CN: mxName},
		"many":     {Hosts: []string{"a.example", "b.example", "c.example", "d.example", "192.0.2.1"}},
	} {
		ca := labCA
		if name == "foreign" {
			ca = foreign
		}
		c, err := ca.Issue(spec)
		if err != nil {
			t.Fatal(err)
		}
		w.AddCert(name, c)
	}
}

func TestNoHostToCompare(t *testing.T) {
	cert, err := labCA.Issue(lab.Cert{Hosts: []string{"192.0.2.1"}})
	if err != nil {
		t.Fatal(err)
	}
	for host, want := range map[string]string{"": "not judged", "192.0.2.1": "ok", "192.0.2.2": "the certificate is for 192.0.2.1, not for 192.0.2.2"} {
		if got := nameWords(cert.Leaf, host); !strings.HasPrefix(got, want) {
			t.Errorf("%q: %q, want %q", host, got, want)
		}
	}
}

// Expiry is told once, where it belongs: the chain of an expired leaf holds, even
// where its authority has been renewed since and is younger than the leaf.
func TestExpiredChainStaysTrusted(t *testing.T) {
	for _, ended := range []time.Time{time.Now().AddDate(0, -6, 0), time.Now().AddDate(-30, 0, 0)} {
		cert, err := labCA.Issue(lab.Cert{Hosts: []string{mxName}, From: ended.AddDate(-1, 0, 0), Until: ended})
		if err != nil {
			t.Fatal(err)
		}
		middle, err := x509.ParseCertificate(cert.Certificate[1])
		if err != nil {
			t.Fatal(err)
		}
		if got := chainWords([]*x509.Certificate{cert.Leaf, middle}, labCA.Pool(), time.Now()); got != "ok" {
			t.Errorf("ended %s: chain %q", ended.Format(time.DateOnly), got)
		}
	}
}

// The second attempt is one connection, offers no hybrid, and is told as what it is.
func TestConservativeRetry(t *testing.T) {
	w := newWire(t, offer+startTLS+"* tls max=1.0"+inside)
	res := w.probe(Ask{})
	if res.Outcome != reputation.Advertised || !res.TLS.Conservative || res.TLS.Version != "TLS 1.0" || res.TLS.Handshake != "ok" {
		t.Fatalf("%s %+v\n%s", res.Outcome, res.TLS, said(res))
	}
	sessions := w.Sessions()
	if len(sessions) != 2 || !sessions[0].Hybrid || sessions[1].Hybrid || sessions[1].SNI != mxName {
		t.Errorf("sessions %+v", sessions)
	}
	if res.CapabilitiesTLS == nil {
		t.Error("no capabilities inside TLS")
	}
	names := strings.Join(phaseNames(res), " ")
	want := "connect greeting ehlo starttls handshake retry-connect retry-greeting retry-ehlo retry-starttls retry-handshake retry-ehlo-tls retry-quit"
	if names != want {
		t.Errorf("phases %s", names)
	}
	if !strings.Contains(res.Faults[0].Words, "protocol version not supported") && !strings.Contains(res.Faults[0].Words, "unsupported protocol version") {
		t.Errorf("fault %q does not say what failed first", res.Faults[0].Words)
	}
}

// Broken needs both attempts to fail by the server's doing (rule of truth 4).
func TestRetryThatShowsNothing(t *testing.T) {
	for _, c := range []struct {
		name, second string
		outcome      reputation.Outcome
		failure      Failure
		why          string
	}{
		{"no greeting on the second", "* close", reputation.OutcomeUnknown, FailTLS, "the second connection did not get that far"},
		{"421 on the second", "S: 421 4.7.0 too many connections\n* close", reputation.Deferred, "", "too many"},
		{"554 on the second", "S: 554 go away", reputation.OutcomeUnknown, FailTLS, "go away"},
		{"absent on the second", "S: 220 hi\nC: EHLO\nS: 250 {host}", reputation.OutcomeUnknown, FailTLS, "not STARTTLS"},
		{"454 on the second", offer + "C: STARTTLS\nS: 454 later", reputation.Deferred, "", "454"},
		{"refused too", offer + startTLS + "* tls refuse", reputation.Broken, "", "and so did a second one"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWire(t, offer+startTLS+"* read\n* reset\n====\n"+c.second)
			res := w.probe(Ask{})
			if res.Outcome != c.outcome || res.Failure != c.failure || !strings.Contains(res.Why, c.why) {
				t.Errorf("%s %q: %s\n%s", res.Outcome, res.Failure, res.Why, said(res))
			}
			if n := w.Counts(vantage.Bind); n.Connections != 2 {
				t.Errorf("%+v", n)
			}
		})
	}
}
