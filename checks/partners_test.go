package checks

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"repwatch/checks/smtp"
	"repwatch/internal/lab"
	"repwatch/reputation"
)

var (
	oneIP = netip.MustParseAddr("127.0.0.1")
	twoIP = netip.MustParseAddr("127.0.0.2")
)

// stage is one mail server at 127.0.0.1 and 127.0.0.2, and a world in which
// contoso.example, fabrikam.example and example.com have it as their MX.
type stage struct {
	*lab.SMTP
	*world
	port uint16
}

func newStage(t *testing.T) *stage {
	t.Helper()
	s, err := lab.NewSMTP(lab.SMTPOptions{Host: "mx.contoso.example"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	at, err := s.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Listen(netip.AddrPortFrom(twoIP, at.Port()).String()); err != nil {
		t.Fatal(err)
	}
	w := newWorld()
	w.add(t, `
		contoso.example. 300 IN MX 10 mx.contoso.example.
		mx.contoso.example. 300 IN A 127.0.0.1
		fabrikam.example. 300 IN MX 10 mx.fabrikam.example.
		mx.fabrikam.example. 300 IN A 127.0.0.1
		mx.fabrikam.example. 300 IN A 127.0.0.2
		six.example. 300 IN MX 10 mx.six.example.
		mx.six.example. 300 IN AAAA 2001:db8::25`)
	return &stage{s, w, at.Port()}
}

// env has the partners contoso, fabrikam and six, and what the YAML adds. Certificates of the stage hold.
func (s *stage) env(t *testing.T, yaml string) Env {
	t.Helper()
	partners := ""
	for _, p := range []string{"contoso.example", "fabrikam.example", "six.example", "gone.example"} {
		partners += fmt.Sprintf("  - {domain: %s, port: %d}\n", p, s.port)
	}
	env := envOf(load(t, "partners:\n"+partners+yaml), s.world)
	env.Prober.Roots = s.CA().Pool()
	return env
}

func (s *stage) playTo(t *testing.T, client, script string) {
	t.Helper()
	if err := s.PlayTo(netip.MustParseAddr(client), script); err != nil {
		t.Fatal(err)
	}
}

const senders = `
sending_ips: [{ip: 127.0.0.7, name: mx1.example.com}, {ip: 127.0.0.8, name: mx2.example.com}]
control: [{name: spare, bind: 127.0.0.9, ehlo: spare.example.com}]
`

func wireOf(t *testing.T, b Batch, subject string) WireLook {
	t.Helper()
	i := slices.IndexFunc(b.Wire, func(w WireLook) bool { return w.Subject.String() == subject })
	if i < 0 {
		t.Fatalf("nothing of %s; skipped: %q", subject, b.Skipped)
	}
	return b.Wire[i]
}

func TestControlIsLookedAtWithUs(t *testing.T) {
	s := newStage(t)
	s.playTo(t, "127.0.0.7", lab.Offering(lab.Without(lab.Exchange(), "STARTTLS", "CHUNKING")...))
	c := checkOf(t, s.env(t, senders), "partners")
	b := look(t, c, c.Plan(time.Now(), 0)[0])

	if order := []string{b.Wire[0].Subject.String(), b.Wire[1].Subject.String(), b.Wire[2].Subject.String()}; !slices.Equal(order,
		[]string{"spare>contoso.example", "127.0.0.7>contoso.example", "127.0.0.8>contoso.example"}) || len(b.Wire) != 3 {
		t.Errorf("looks: %q", order)
	}
	control := wireOf(t, b, "spare>contoso.example")
	if l := control.Looks[0]; control.Subject.Kind != reputation.KindControl || l.Outcome != reputation.Advertised || l.Control != reputation.OutcomeUnknown {
		t.Errorf("control: %+v", control)
	}
	if control.NotAfter.Before(time.Now()) {
		t.Errorf("certificate until %s", control.NotAfter)
	}
	lost := wireOf(t, b, "127.0.0.7>contoso.example")
	l := lost.Looks[0]
	if lost.Subject.Kind != reputation.KindWire || len(lost.Looks) != 1 || l.Outcome != reputation.Absent || l.Addr != oneIP || l.Addrs != 1 {
		t.Errorf("ours: %+v", lost)
	}
	if l.Control != reputation.Advertised || !l.ControlPlain.Has("STARTTLS") || l.Plain.Has("CHUNKING") || lost.Evidence.Control != "advertised" {
		t.Errorf("beside the control: %+v", l)
	}
	e := lost.Evidence
	if !slices.Equal(e.Offers, []string{"8BITMIME", "AUTH", "BINARYMIME", "DSN", "ENHANCEDSTATUSCODES", "PIPELINING", "SIZE"}) ||
		e.MX != "mx.contoso.example" || !slices.Equal(e.Addrs, []string{"127.0.0.1"}) || !strings.HasPrefix(e.Reply, "250 mx.contoso.example Hello [127.0.0.7]") || e.Meaning != "" {
		t.Errorf("evidence: %+v", e)
	}
	if !slices.Contains(e.Transcript, "C: EHLO mx1.example.com") || !slices.Contains(e.Transcript, "C: QUIT") {
		t.Errorf("transcript: %q", e.Transcript)
	}
	if fine := wireOf(t, b, "127.0.0.8>contoso.example"); fine.Looks[0].Outcome != reputation.Advertised || fine.Failure != "" {
		t.Errorf("the other address: %+v", fine)
	}
	roundTrip(t, b)
}

func TestControlsAreCombinedByFamily(t *testing.T) {
	v4, v6 := netip.MustParseAddr("192.0.2.25"), netip.MustParseAddr("2001:db8::25")
	view := controlView{}
	view.add([]smtp.Look{{Addr: v4, Outcome: reputation.Rejected}, {Addr: v6, Outcome: reputation.OutcomeUnknown}})
	view.add([]smtp.Look{{Addr: v4, Outcome: reputation.Advertised, Plain: smtp.Capabilities{"STARTTLS": ""}}})
	view.add([]smtp.Look{{Addr: v4, Outcome: reputation.Absent}, {Outcome: reputation.OutcomeUnknown}})
	w := WireLook{Subject: reputation.Subject{Kind: reputation.KindWire}, Looks: []smtp.Look{{Addr: v4}, {Addr: v6}, {}}}
	view.into(&w)
	if l := w.Looks[0]; l.Control != reputation.Advertised || !l.ControlPlain.Has("STARTTLS") {
		t.Errorf("one control is offered it, and we hear %+v", l)
	}
	if w.Looks[1].Control != reputation.OutcomeUnknown || w.Looks[2].Control != reputation.OutcomeUnknown {
		t.Errorf("IPv4 vouches for IPv6: %+v", w.Looks[1:])
	}
	view = controlView{}
	view.add([]smtp.Look{{Addr: v4, Outcome: reputation.Absent}, {Addr: v6, Outcome: reputation.Advertised}})
	view.into(&w)
	if w.Looks[0].Control != reputation.Absent || w.Looks[1].Control != reputation.Advertised {
		t.Errorf("families are mixed up: %+v", w.Looks)
	}
}

func TestRefusalIsExplained(t *testing.T) {
	s := newStage(t)
	s.playTo(t, "127.0.0.7", lab.Refusing("554 5.7.1 Service unavailable; Client host [127.0.0.7] blocked using zen.spamhaus.org\x07"))
	c := checkOf(t, s.env(t, senders), "partners")
	b := look(t, c, Ask{Partner: "fabrikam.example", From: []string{"127.0.0.7"}})
	w := wireOf(t, b, "127.0.0.7>fabrikam.example")
	if len(b.Wire) != 1 || len(w.Looks) != 2 || w.Looks[0].Outcome != reputation.Rejected || w.Looks[1].Addrs != 2 || w.Looks[0].Addr == w.Looks[1].Addr {
		t.Errorf("looks: %+v", w.Looks)
	}
	e := w.Evidence
	if !strings.HasPrefix(e.Reply, "554 5.7.1 Service unavailable") || !strings.HasSuffix(e.Reply, `\x07`) || e.Meaning == "" {
		t.Errorf("evidence: %+v", e)
	}
	if e.Names != "spamhaus-zen" || e.Blames != "" {
		t.Errorf("the reply names %q and blames %q, want spamhaus-zen and nothing else", e.Names, e.Blames)
	}
	if len(e.Faults) == 0 || !strings.HasPrefix(e.Faults[0], "control: a control character") {
		t.Errorf("faults: %q", e.Faults)
	}
	s.playTo(t, "127.0.0.7", lab.Refusing("550 5.7.25 Client host has no PTR record"))
	e = wireOf(t, look(t, c, Ask{Partner: "fabrikam.example", From: []string{"127.0.0.7"}}), "127.0.0.7>fabrikam.example").Evidence
	if e.Names != "" || e.Blames != "ptr" {
		t.Errorf("the reply names %q and blames %q, want no list and ptr", e.Names, e.Blames)
	}
}

func TestWhyNothingCouldBeTold(t *testing.T) {
	s := newStage(t)
	c := checkOf(t, s.env(t, senders), "partners")
	for _, tc := range []struct {
		partner string
		failure smtp.Failure
	}{{"six.example", smtp.FailFamily}, {"gone.example", smtp.FailRoute}} {
		w := wireOf(t, look(t, c, Ask{Partner: tc.partner, From: []string{"127.0.0.7"}}), "127.0.0.7>"+tc.partner)
		if w.Failure != tc.failure || len(w.Looks) != 1 || w.Looks[0].Outcome != reputation.OutcomeUnknown || w.Looks[0].Why == "" {
			t.Errorf("%s: %+v", tc.partner, w)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if b := c.Look(ctx, Ask{Partner: "contoso.example"})[0]; b.Wire != nil || len(b.Skipped) == 0 {
		t.Errorf("stopped on the way: %+v", b)
	}
	b := look(t, c, Ask{Partner: "contoso.example", From: []string{"127.0.0.77", "127.0.0.7"}})
	if len(b.Wire) != 1 || len(b.Skipped) != 1 || !strings.Contains(b.Skipped[0], "127.0.0.77 is neither") {
		t.Errorf("an address that is no longer configured: %q, %d looks", b.Skipped, len(b.Wire))
	}
	if b = look(t, c, Ask{Partner: "example.net"}); b.Wire != nil || len(b.Skipped) != 1 {
		t.Errorf("a partner that is no longer configured: %+v", b)
	}
}

func TestSecondLookIsAtAnotherAddress(t *testing.T) {
	s := newStage(t)
	c := checkOf(t, s.env(t, senders), "partners")
	for _, avoid := range []netip.Addr{oneIP, twoIP} {
		for range 4 { // hosts of one preference are shuffled
			w := wireOf(t, look(t, c, Ask{Partner: "fabrikam.example", From: []string{"127.0.0.7"}, Avoid: avoid}), "127.0.0.7>fabrikam.example")
			if len(w.Looks) != 1 || w.Looks[0].Addrs != 2 {
				t.Errorf("%d looks, %d addresses", len(w.Looks), w.Looks[0].Addrs)
			}
			if w.Looks[0].Addr == avoid {
				t.Fatalf("looked at %s again", avoid)
			}
		}
	}
}

func TestAvoidingKeepsTheRestOfTheRoute(t *testing.T) {
	route := smtp.Route{Partner: "p.example", Port: 25, Hops: []smtp.Hop{
		{Host: "aspmx.l.google.com", Preference: 10, V4: []netip.Addr{oneIP}},
		{Host: "mx.other.example", Preference: 20, V4: []netip.Addr{twoIP}},
		{Host: "mx.last.example", Preference: 30, V4: []netip.Addr{netip.MustParseAddr("127.0.0.3")}},
	}}
	order := func(r smtp.Route) (out []string) {
		for _, t := range r.Plan(true, true) {
			out = append(out, fmt.Sprintf("%s %s %s", t.Addr, t.MX, t.Provider))
		}
		return out
	}
	want := []string{"127.0.0.2 mx.other.example google", "127.0.0.3 mx.last.example google", "127.0.0.1 aspmx.l.google.com google"}
	if d := cmp.Diff(want, order(avoiding(route, oneIP))); d != "" {
		t.Error(d)
	}
	for _, other := range []netip.Addr{{}, netip.MustParseAddr("127.0.0.4")} {
		if d := cmp.Diff(order(route), order(avoiding(route, other))); d != "" {
			t.Errorf("avoiding %v: %s", other, d)
		}
	}
}

func TestCapReachedIsNoLook(t *testing.T) {
	env := envOf(load(t, `
sending_ips: [{ip: 127.0.0.7, name: mx1.example.com}]
partners: [{host: 192.0.2.25}]
`), newWorld())
	visit := smtp.Visit{Provider: "192.0.2.25", From: "127.0.0.7", To: netip.MustParseAddr("192.0.2.25")}
	env.Gate = smtp.NewGate(smtp.GateConfig{PerDay: 1}, []smtp.LedgerEntry{{Visit: visit, Opened: time.Now().Add(-time.Hour)}}, nil)
	c := checkOf(t, env, "partners")
	b := look(t, c, c.Plan(time.Now(), 0)[0])
	if len(b.Wire)+len(b.Health) > 0 || len(b.Skipped) != 1 || !strings.Contains(b.Skipped[0], "1 sessions allowed in 24 hours are used up") {
		t.Errorf("%+v", b)
	}
}

func TestConsentingAddressIsAsked(t *testing.T) {
	s := newStage(t)
	env := envOf(load(t, fmt.Sprintf("partners: [{domain: contoso.example, port: %d, rcpt: probe@contoso.example}]\n%s", s.port, senders)), s.world)
	env.Prober.Roots = s.CA().Pool()
	look(t, checkOf(t, env, "partners"), Ask{Partner: "contoso.example", From: []string{"127.0.0.7"}})
	if seen := s.Sessions(); len(seen) != 1 || !slices.Contains(seen[0].Commands, "RCPT TO:<probe@contoso.example>") {
		t.Errorf("%+v", seen)
	}
}

func TestCanariesRotate(t *testing.T) {
	cfg := load(t, `
sending_ips:
  - {range: 203.0.113.0/30, pool: main}
  - {range: 203.0.113.4/31, pool: bulk}
  - {ip: 203.0.113.9, pool: main, state: standby}
control: [{name: office, socks5: "127.0.0.1:1080"}]
partners: [{domain: contoso.com, provider: google}, {domain: adatum.com, provider: google}, {domain: own.example, from: [203.0.113.9]}]
own_mx: [example.com]
probes: {canaries: 2}
`)
	c := checkOf(t, envOf(cfg, newWorld()), "partners")
	for partner, from := range map[string]string{"example.com": "office", "contoso.com": "203.0.113.9"} { // our own MX; an address on standby
		if b := look(t, c, Ask{Partner: partner, From: []string{from}}); b.Wire != nil || len(b.Skipped) != 1 {
			t.Errorf("%s: %+v", partner, b)
		}
	}
	turns := map[string]int{}
	for round := range 4 {
		asks := c.Plan(time.Now(), round)
		if len(asks) != 3 {
			t.Fatalf("%d looks in a round", len(asks))
		}
		for _, a := range asks {
			if a.Check != "partners" || a.Why != WhySchedule {
				t.Errorf("%+v", a)
			}
		}
		if got := asks[2]; !slices.Equal(got.From, []string{"203.0.113.9", "office"}) {
			t.Errorf("an entry with from: %+v", got)
		}
		if rotation(cfg.Partners[0]) != "google" || rotation(cfg.Partners[2]) != "own.example" || !slices.Equal(asks[0].From, asks[1].From) {
			t.Errorf("two partners of one provider: %v and %v", asks[0].From, asks[1].From)
		}
		for _, from := range asks[0].From {
			turns[from]++
		}
	}
	want := map[string]int{"203.0.113.0": 2, "203.0.113.1": 2, "203.0.113.2": 2, "203.0.113.3": 2, "203.0.113.4": 4, "203.0.113.5": 4, "office": 4}
	if d := cmp.Diff(want, turns); d != "" {
		t.Error(d)
	}
}

// How long it takes until an address's turn comes again.
func TestBetweenTwoLooks(t *testing.T) {
	for _, c := range []struct {
		name, yaml, ip string
		want           time.Duration
	}{
		{"two of two", `sending_ips: [{ip: 203.0.113.7}, {ip: 203.0.113.8}]`, "203.0.113.7", time.Hour},
		{"two of five", `sending_ips: [{range: 203.0.113.8/30}, {ip: 203.0.113.13}]`, "203.0.113.9", 3 * time.Hour},
		{"a pool of its own", `sending_ips: [{ip: 203.0.113.7, pool: bulk}, {range: 203.0.113.64/28}]`, "203.0.113.7", time.Hour},
		{"standby does not look", `sending_ips: [{ip: 203.0.113.7}, {ip: 203.0.113.8}, {ip: 203.0.113.9, state: standby}]`, "203.0.113.7", time.Hour},
		{"named", `sending_ips: [{range: 203.0.113.64/28}]`, "203.0.113.70", 8 * time.Hour},
		{"no limit", "sending_ips: [{range: 203.0.113.64/28}]\nprobes: {canaries: 0}", "203.0.113.70", time.Hour},
	} {
		cfg := load(t, c.yaml+"\npartners: [{domain: contoso.com}, {domain: named.example, from: ["+c.ip+"]}]\nschedule: {partners: \"@every 1h\"}\ndns: {resolvers: [\"127.0.0.1:53\"]}\nblocklists: {use: [alpha]}\n")
		if got := Between(cfg, cfg.Partners[0], netip.MustParseAddr(c.ip), now()); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
		if got := Between(cfg, cfg.Partners[1], netip.MustParseAddr(c.ip), now()); got != time.Hour {
			t.Errorf("%s: %s at a partner that names who looks, want every round", c.name, got)
		}
	}
}
