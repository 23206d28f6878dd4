package e2e

import (
	"fmt"
	"net/netip"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"repwatch/internal/realserver"
)

// probeConfig is one partner by host, one sending address, one control.
func probeConfig(partner netip.AddrPort, extra string) string {
	return fmt.Sprintf(`
sending_ips: [{ip: %s, name: mx1.sender.test}]
partners: [{host: %s, port: %d, require: [STARTTLS]}]
control: [{name: spare, bind: %s, ehlo: spare.sender.test}]
%s`, listedIP, partner.Addr(), partner.Port(), controlIP, extra)
}

// TestStoryOne is the first case of all: listed, so STARTTLS and more are
// withdrawn from that address alone; then it comes back.
func TestStoryOne(t *testing.T) {
	t.Parallel()
	cert := realserver.NewCA(t).Valid(t, "mx.postfix.test")
	p := realserver.Postfix(t, realserver.PostfixOptions{TLS: &cert})
	config := probeConfig(p.Addr(), "")

	out := repwatch(t, config, "probe", "--control", "-o", "json")
	doc := decode[probeDoc](t, out)
	if out.code != 0 || len(doc.Results) != 2 || doc.Schema != "repwatch/probe/v1" {
		t.Fatalf("exit %d, %d results: want 0 and two\n%s%s", out.code, len(doc.Results), out.stdout, out.stderr)
	}
	for _, r := range doc.Results {
		if r.Outcome != "advertised" || r.TLS == nil || r.TLS.Handshake != "ok" || r.CapabilitiesTLS["SIZE"] == "" || r.PhasesMS["handshake"] == 0 {
			t.Errorf("%s: %s, TLS %+v, inside TLS %v", r.Vantage, r.Outcome, r.TLS, r.CapabilitiesTLS)
		}
		if _, again := r.CapabilitiesTLS["STARTTLS"]; again {
			t.Errorf("%s: STARTTLS is offered inside TLS", r.Vantage)
		}
	}
	if us := doc.Results[0]; us.From != listedIP || us.Vantage != listedIP || us.Control {
		t.Errorf("first result is from %q at %q, want the sending address", us.From, us.Vantage)
	}

	p.Withdraw(addr(listedIP), "starttls", "size", "dsn")
	out = repwatch(t, config, "probe", "--control", "-o", "json")
	doc = decode[probeDoc](t, out)
	if out.code != 1 || doc.Results[0].Outcome != "absent" || doc.Results[1].Outcome != "advertised" {
		t.Errorf("exit %d, outcomes %s and %s: want 1, absent for us, advertised for the control", out.code, doc.Results[0].Outcome, doc.Results[1].Outcome)
	}
	for _, gone := range []string{"STARTTLS", "SIZE", "DSN"} {
		if _, there := doc.Results[0].Capabilities[gone]; there {
			t.Errorf("%s is still shown as offered", gone)
		}
	}
	if len(doc.Comparisons) != 1 || doc.Comparisons[0].Verdict != "withheld" {
		t.Errorf("comparisons %+v, want withheld from us", doc.Comparisons)
	}
	people := repwatch(t, config, "probe", "--control")
	for _, says := range []string{"does not offer STARTTLS to " + listedIP, "control spare", "451 5.7.3 Must issue a STARTTLS command first"} {
		if !strings.Contains(strings.Join(strings.Fields(people.stdout), " "), says) {
			t.Errorf("people are not told %q:\n%s", says, people.stdout)
		}
	}

	p.Restore(addr(listedIP))
	if out = repwatch(t, config, "probe", "-o", "nagios"); out.code != 0 || !strings.HasPrefix(out.stdout, "REPWATCH OK") {
		t.Errorf("after the end: exit %d: %s", out.code, out.stdout)
	}
}

// TestStoryTwo is IronPort's: no list knows, only we cannot see STARTTLS.
func TestStoryTwoOnExim(t *testing.T) {
	t.Parallel()
	cert := realserver.NewCA(t).Valid(t, "mx.exim.test")
	x := realserver.Exim(t, realserver.EximOptions{TLS: &cert, Withdraw: map[netip.Addr][]string{addr(listedIP): {"STARTTLS"}}})
	out := repwatch(t, probeConfig(x.Addr(), ""), "probe", "--control", "-o", "json")
	doc := decode[probeDoc](t, out)
	if out.code != 1 || doc.Results[0].Outcome != "absent" || doc.Results[1].Outcome != "advertised" || doc.Comparisons[0].Verdict != "withheld" {
		t.Errorf("exit %d: %s", out.code, out.stdout)
	}
	if got := doc.Results[0].SeenIP; got != listedIP {
		t.Errorf("seen_ip %q, want %s: Exim says whom it sees", got, listedIP)
	}
	x.Withdraw(t, addr(controlIP), "STARTTLS")
	doc = decode[probeDoc](t, repwatch(t, probeConfig(x.Addr(), ""), "probe", "--control", "-o", "json"))
	if doc.Comparisons[0].Verdict != "partner-wide" {
		t.Errorf("lost for the control too: %+v, want partner-wide", doc.Comparisons)
	}
}

// TestRefusals: a 554 greeting is a finding, 421 and 450 say nothing.
func TestRefusals(t *testing.T) {
	t.Parallel()
	p := realserver.Postfix(t, realserver.PostfixOptions{Conf: map[string]string{"smtpd_delay_reject": "no"}})
	for _, tt := range []struct {
		action, outcome string
		code            int
	}{
		{"521 5.7.1 your address has a poor reputation", "rejected", 1},
		{"421 4.7.0 try again later", "deferred", 3},
		{"450 4.7.1 greylisted", "deferred", 3},
	} {
		p.Refuse(addr(listedIP), tt.action)
		out := repwatch(t, probeConfig(p.Addr(), ""), "probe", "-o", "json")
		doc := decode[probeDoc](t, out)
		if out.code != tt.code || doc.Results[0].Outcome != tt.outcome {
			t.Errorf("%s: %s, exit %d; want %s, %d\n%s", tt.action, doc.Results[0].Outcome, out.code, tt.outcome, tt.code, strings.Join(doc.Results[0].Transcript, "\n"))
		}
	}
}

// TestRoutesByMX goes by real DNS: two MX of one preference, one dead, null MX, CNAME, implicit MX.
func TestRoutesByMX(t *testing.T) {
	t.Parallel()
	p := realserver.Postfix(t, realserver.PostfixOptions{Listen: []netip.AddrPort{netip.MustParseAddrPort("127.0.6.21:0")}})
	port := p.Addr().Port()
	zone := realserver.NSD(t, realserver.NSDZone{Name: "partner.test", Text: `
@ MX 10 dead
@ MX 20 mx
mx A 127.0.6.21
dead A 127.0.6.22
implicit A 127.0.6.21
alias CNAME implicit
null MX 0 .
broken MX 10 nowhere
`})
	resolver := realserver.Unbound(t, realserver.UnboundOptions{Stubs: map[string]netip.AddrPort{"partner.test": zone.Addr()}})
	config := fmt.Sprintf("dns: {resolvers: [\"%s\"]}\nsending_ips: [{ip: %s, name: mx1.sender.test}]", resolver.Addr(), listedIP)
	probe := func(who string) probeDoc {
		return decode[probeDoc](t, repwatch(t, config, "probe", who, "--port", fmt.Sprint(port), "-o", "json"))
	}
	doc := probe("partner.test")
	if len(doc.Results) != 2 || doc.Results[0].MX != "dead.partner.test" || doc.Results[0].Outcome != "unknown" || doc.Results[1].Outcome != "absent" {
		t.Errorf("partner.test: want the dead MX unknown, then the next one read: %+v", doc.Results)
	}
	for _, who := range []string{"implicit.partner.test", "alias.partner.test"} {
		if doc := probe(who); len(doc.Results) != 1 || doc.Results[0].Addr != "127.0.6.21" || doc.Results[0].Outcome != "absent" {
			t.Errorf("%s: %+v, want its own address read", who, doc.Results)
		}
	}
	for who, why := range map[string]string{"null.partner.test": "no mail", "broken.partner.test": "MX", "missing.partner.test": "does not exist"} {
		if doc := probe(who); len(doc.Results) != 1 || doc.Results[0].Outcome != "unknown" || !strings.Contains(doc.Results[0].Why, why) {
			t.Errorf("%s: %+v, want no connection and a reason with %q", who, doc.Results, why)
		}
	}
}

// TestAgreesWithSwaksAndOpenSSL: three tools read the same servers and see the same.
func TestAgreesWithSwaksAndOpenSSL(t *testing.T) {
	t.Parallel()
	realserver.Require(t, "swaks", "openssl")
	ca := realserver.NewCA(t)
	good, old := ca.Valid(t, "mx.postfix.test"), ca.Expired(t, "mx.exim.test")
	p := realserver.Postfix(t, realserver.PostfixOptions{TLS: &good})
	x := realserver.Exim(t, realserver.EximOptions{TLS: &old})
	p.Withdraw(addr(listedIP), "starttls")
	for _, server := range []netip.AddrPort{p.Addr(), x.Addr()} {
		for _, from := range []string{listedIP, controlIP} {
			t.Run(fmt.Sprintf("%s from %s", server, from), func(t *testing.T) {
				doc := decode[probeDoc](t, repwatch(t, fmt.Sprintf("sending_ips: [{ip: %s, name: mx1.sender.test}]", from), "probe", server.String(), "-o", "json"))
				r := doc.Results[0]
				plain, inside := swaksSees(t, from, server)
				if got := keywords(r.Capabilities); !slices.Equal(got, plain) {
					t.Errorf("before TLS repwatch sees %v, swaks %v", got, plain)
				}
				if got := keywords(r.CapabilitiesTLS); !slices.Equal(got, inside) {
					t.Errorf("inside TLS repwatch sees %v, swaks %v", got, inside)
				}
				version, ok := opensslSees(t, from, server)
				if seen := r.TLS != nil && r.TLS.Handshake == "ok"; seen != ok {
					t.Errorf("handshake: repwatch %v, openssl %v", seen, ok)
				}
				if ok && strings.ReplaceAll(r.TLS.Version, " ", "v") != version {
					t.Errorf("version: repwatch %s, openssl %s", r.TLS.Version, version)
				}
				if expired := server == x.Addr(); ok && (r.TLS.Expiry == "ok") == expired {
					t.Errorf("expiry %q, certificate expired: %v", r.TLS.Expiry, expired)
				}
			})
		}
	}
}

func keywords(caps map[string]string) (out []string) {
	for k := range caps {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

// swaksSees quits after EHLO; its transcript marks lines in TLS with ~.
func swaksSees(t *testing.T, from string, server netip.AddrPort) (plain, inside []string) {
	t.Helper()
	out, _ := realserver.Command(t, "swaks", "--server", server.Addr().String(), "--port", fmt.Sprint(server.Port()), "--local-interface", from,
		"--helo", "mx1.sender.test", "--to", "postmaster@example.com", "--quit-after", "HELO", "-tlso").CombinedOutput()
	seen := map[string]*[]string{"<-  250": &plain, "<~  250": &inside}
	first := map[string]bool{}
	for line := range strings.Lines(string(out)) {
		for mark, into := range seen {
			rest, ok := strings.CutPrefix(strings.TrimRight(line, "\r\n"), mark)
			if !ok || rest == "" {
				continue
			}
			if !first[mark] { // the line with the server's name
				first[mark] = true
				continue
			}
			*into = append(*into, strings.ToUpper(strings.Fields(rest[1:])[0]))
		}
	}
	slices.Sort(plain)
	slices.Sort(inside)
	return plain, inside
}

func opensslSees(t *testing.T, from string, server netip.AddrPort) (version string, ok bool) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "openssl", "s_client", "-starttls", "smtp", "-brief", "-connect", server.String(), "-bind", from+":0")
	out, err := cmd.CombinedOutput()
	for line := range strings.Lines(string(out)) {
		if v, found := strings.CutPrefix(line, "Protocol version: "); found {
			return strings.TrimSpace(v), true
		}
	}
	if err == nil {
		t.Logf("openssl said:\n%s", out)
	}
	return "", false
}
