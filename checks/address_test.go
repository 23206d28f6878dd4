package checks

import (
	"net/netip"
	"strings"
	"testing"

	"repwatch/checks/smtp"
	"repwatch/internal/lab"
	"repwatch/reputation"
)

const behindNAT = `
sending_ips: [{ip: 203.0.113.7, bind: 127.0.0.7, name: mx1.example.com}]
control: [{name: spare, bind: 127.0.0.9, ehlo: spare.example.com}]
`

// greeting is what a partner offers a client that it sees as another address.
func greeting(seen string, without ...string) string {
	return strings.ReplaceAll(lab.Offering(lab.Without(lab.Exchange(), without...)...), "{ip}", seen)
}

func TestNATSurpriseIsToldBeforeAnythingIsBlamed(t *testing.T) {
	s := newStage(t)
	c := checkOf(t, s.env(t, behindNAT), "partners")
	ask := func(partner string) Batch { return look(t, c, Ask{Partner: partner, From: []string{"203.0.113.7"}}) }

	s.playTo(t, "127.0.0.7", greeting("198.51.100.1", "STARTTLS"))
	b := ask("contoso.example")
	w := wireOf(t, b, "203.0.113.7>contoso.example")
	l := w.Looks[0]
	if l.Outcome != reputation.OutcomeUnknown || l.Plain != nil || !strings.Contains(l.Why, "saw 198.51.100.1, not 203.0.113.7 (NAT") {
		t.Errorf("look: %+v", l)
	}
	if w.Failure != FailAddress || w.Evidence.SeenIP != "198.51.100.1" || w.Evidence.Why != l.Why {
		t.Errorf("%+v", w)
	}
	h := healthOf(t, b, "address")
	if h.Subject.Kind != reputation.KindHealth || h.Subject.Target != "203.0.113.7" || h.Fault == nil || h.Fault.Impact != reputation.High ||
		!strings.Contains(h.Fault.Do, "make 203.0.113.7 the source") ||
		!strings.HasSuffix(h.Fault.What, "; it does not offer STARTTLS to that address") {
		t.Errorf("%+v %+v", h, h.Fault)
	}

	s.playTo(t, "127.0.0.7", greeting("198.51.100.1"))
	if h := healthOf(t, ask("contoso.example"), "address"); h.Fault == nil || strings.Contains(h.Fault.What, "; ") {
		t.Errorf("nothing is wrong there: %+v", h.Fault)
	}

	s.playTo(t, "127.0.0.7", greeting("203.0.113.7", "STARTTLS"))
	b = ask("fabrikam.example")
	if len(b.Health) > 0 {
		t.Errorf("one partner sees it right, and what the other saw is forgotten: %+v", b.Health)
	}
	if w := wireOf(t, b, "203.0.113.7>fabrikam.example"); w.Looks[0].Outcome != reputation.Absent || w.Evidence.SeenIP != "" {
		t.Errorf("%+v", w)
	}
	b = ask("contoso.example")
	if h := healthOf(t, b, "address"); h.Fault != nil {
		t.Errorf("all see it right: %+v", h.Fault)
	}
}

func TestPartnersGatewayIsNoSurprise(t *testing.T) {
	s := newStage(t)
	s.playTo(t, "127.0.0.7", greeting("10.1.2.3", "STARTTLS"))
	b := look(t, checkOf(t, s.env(t, behindNAT), "partners"), Ask{Partner: "contoso.example", From: []string{"203.0.113.7"}})
	w := wireOf(t, b, "203.0.113.7>contoso.example")
	if w.Looks[0].Outcome != reputation.Absent || w.Failure != "" || w.Evidence.SeenIP != "10.1.2.3" || len(b.Health) > 0 {
		t.Errorf("%+v %+v", w, b.Health)
	}
}

func TestControlThatIsSeenAsUsVouchesForNothing(t *testing.T) {
	s := newStage(t)
	s.playTo(t, "127.0.0.7", greeting("203.0.113.7", "STARTTLS"))
	s.playTo(t, "127.0.0.9", greeting("203.0.113.7", "STARTTLS"))
	c := checkOf(t, s.env(t, behindNAT), "partners")
	b := look(t, c, Ask{Partner: "contoso.example"})
	if w := wireOf(t, b, "spare>contoso.example"); w.Looks[0].Outcome != reputation.OutcomeUnknown || w.Failure != FailAddress {
		t.Errorf("control: %+v", w)
	}
	if w := wireOf(t, b, "203.0.113.7>contoso.example"); w.Looks[0].Outcome != reputation.Absent || w.Looks[0].Control != reputation.OutcomeUnknown {
		t.Errorf("ours: %+v", w)
	}
	told := map[string]bool{}
	for _, h := range b.Health {
		told[h.Subject.String()] = h.Fault != nil
	}
	if !told["address/spare"] || told["address/203.0.113.7"] || len(told) != 2 {
		t.Errorf("health: %v", told)
	}

	s.playTo(t, "127.0.0.9", greeting("198.51.100.9"))
	b = look(t, c, Ask{Partner: "contoso.example"})
	if w := wireOf(t, b, "spare>contoso.example"); w.Looks[0].Outcome != reputation.Advertised {
		t.Errorf("a control may stand behind address translation: %+v", w)
	}
	if w := wireOf(t, b, "203.0.113.7>contoso.example"); w.Looks[0].Control != reputation.Advertised {
		t.Errorf("%+v", w)
	}
}

func TestPartnersThatAreNoLongerWatchedDoNotCount(t *testing.T) {
	m, wrong := NewMemory(), netip.MustParseAddr("198.51.100.1")
	all := func(string) bool { return true }
	if !m.saw("203.0.113.7", "contoso.com", wrong, all) || !m.saw("203.0.113.7", "fabrikam.net", netip.Addr{}, all) {
		t.Error("forgotten")
	}
	if m.saw("203.0.113.7", "fabrikam.net", netip.Addr{}, func(p string) bool { return p != "contoso.com" }) {
		t.Error("a partner that nobody looks at any more keeps the address in trouble")
	}
}

func TestEvidenceIsBounded(t *testing.T) {
	c := &partnersCheck{Env: Env{Config: load(t, "")}}
	c.Config.Redact = func(s string) string { return strings.ReplaceAll(s, "sesame", "{key}") }
	var lines []smtp.Line
	for range 200 {
		lines = append(lines, smtp.Line{From: "S", Text: "250-sesame"})
	}
	out := c.transcript(lines)
	if len(out) != maxTranscriptLines || out[0] != "S: 250-{key}" || out[len(out)-1] != "*: 137 lines more" {
		t.Errorf("%d lines, %q to %q", len(out), out[0], out[len(out)-1])
	}
	if exact := c.transcript(lines[:maxTranscriptLines]); len(exact) != maxTranscriptLines || exact[maxTranscriptLines-1] != out[0] {
		t.Errorf("%d lines that fit became %d, the last %q", maxTranscriptLines, len(exact), exact[len(exact)-1])
	}
	long := c.transcript([]smtp.Line{{From: "S", Text: strings.Repeat("x", 5000)}, {From: "S", Text: "y"}})
	if len(long) != 2 || len(long[0]) > maxReply+8 {
		t.Errorf("%d bytes in a line", len(long[0]))
	}
	for range 30 {
		lines = append([]smtp.Line{{From: "S", Text: strings.Repeat("x", 500)}}, lines...)
	}
	size := 0
	for _, l := range c.transcript(lines) {
		size += len(l) + 1
	}
	if size > maxTranscript+64 {
		t.Errorf("%d bytes", size)
	}
}
