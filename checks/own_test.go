package checks

import (
	"context"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"repwatch/checks/smtp"
	"repwatch/config"
	"repwatch/incident"
	"repwatch/internal/lab"
	"repwatch/reputation"
	"repwatch/resolve"
)

func ownOf(t *testing.T, b Batch, who string) OwnLook {
	t.Helper()
	i := slices.IndexFunc(b.Own, func(l OwnLook) bool { return l.Subject.Who() == who })
	if i < 0 {
		t.Fatalf("nothing of %s: %+v", who, b)
	}
	return b.Own[i]
}

func faultIDs(faults []incident.Fault) (out []string) {
	for _, f := range faults {
		out = append(out, f.ID)
	}
	return out
}

func TestNamesOfOurAddresses(t *testing.T) {
	w := newWorld()
	w.add(t, `
		7.24.9.5.in-addr.arpa. 300 IN PTR mx1.example.com.
		7.24.9.5.in-addr.arpa. 300 IN PTR mx.example.com.
		mx.example.com. 300 IN A 5.9.24.7
		mx1.example.com. 300 IN A 5.9.24.7
		9.24.9.5.in-addr.arpa. 300 IN PTR stray.example.com.`)
	dns := failingNames{w, "10.24.9.5.in-addr.arpa."}
	cfg := load(t, `
sending_ips:
  - {ip: 5.9.24.7, name: mx1.example.com}
  - {ip: 5.9.24.8, name: mx2.example.com}
  - {ip: 5.9.24.9, name: mx3.example.com}
  - {ip: 5.9.24.10, name: mx1.example.com}
  - {ip: 10.0.0.7, name: mx1.example.com}
`)
	c := checkOf(t, envOf(cfg, dns), "own")
	asks := c.Plan(time.Now(), 0)
	if len(asks) != 1 || asks[0].Why != WhySchedule || c.Schedule().String() != "@every 6h" {
		t.Fatalf("plan: %+v", asks)
	}
	b := look(t, c, asks[0])
	for _, tc := range []struct {
		ip           string
		faults, fine []string
	}{
		{"5.9.24.7", nil, []string{"ehlo-name", "ptr", "ptr-forward", "ehlo-forward", "ehlo-ptr"}},
		{"5.9.24.8", []string{"ptr", "ehlo-forward"}, []string{"ehlo-name"}},
		{"5.9.24.9", []string{"ptr-forward", "ehlo-forward"}, []string{"ehlo-name", "ptr"}},
		{"5.9.24.10", []string{"ehlo-forward"}, []string{"ehlo-name"}}, // what could not be looked up is in neither
	} {
		l := ownOf(t, b, tc.ip)
		got := slices.DeleteFunc(faultIDs(l.Faults), func(id string) bool { return id == "ehlo-ptr" })
		if d := cmp.Diff(tc.faults, got, cmpopts.EquateEmpty()); d != "" || !slices.Equal(l.Fine, tc.fine) || l.Subject.Kind != reputation.KindOwn || l.Subject.Target != "" {
			t.Errorf("%s: fine %q, faults %+v", tc.ip, l.Fine, l.Faults)
		}
	}
	if f := ownOf(t, b, "5.9.24.8").Faults[0]; f.Impact != reputation.High || f.What == "" || f.Why == "" || !strings.Contains(f.Do, "mx2.example.com") {
		t.Errorf("fault: %+v", f)
	}
	if len(b.Own) != 4 {
		t.Errorf("a private address is judged: %+v", b.Own)
	}
	roundTrip(t, b)

	b = look(t, c, Ask{Who: []string{"5.9.24.9", "192.0.2.1"}})
	if len(b.Own) != 1 || ownOf(t, b, "5.9.24.9").Faults == nil || len(b.Skipped) != 1 {
		t.Errorf("%+v", b)
	}
}

// failingNames cannot say anything about one name.
type failingNames struct {
	resolve.Lookuper
	name string
}

func (f failingNames) Lookup(ctx context.Context, q resolve.Query) (resolve.Answer, error) {
	if q.Name == f.name {
		return resolve.Answer{}, &resolve.Error{Failure: resolve.FailServer, What: q.Name}
	}
	return f.Lookuper.Lookup(ctx, q)
}

// readOwn reads an own MX of the stage at all its addresses.
func readOwn(t *testing.T, s *stage, domain string) []smtp.Result {
	t.Helper()
	env := s.env(t, senders)
	surveyor := Surveyor{DNS: env.DNS, Gate: env.Gate, Prober: env.Prober, Everywhere: true}
	p := config.Partner{Domain: domain, Port: config.Port(s.port), Own: true}
	return surveyor.Look(t.Context(), p, []smtp.Vantage{ControlVantage(env.Config.Control[0])}, nil).Results[0]
}

func TestOwnMXIsJudgedAtAllAddresses(t *testing.T) {
	s := newStage(t)
	good := lab.Offering(lab.Exchange()...)
	for _, tc := range []struct {
		name    string
		scripts []string // one for each address
		faults  []string
		fine    []string // some of what is fine
		unknown []string // what is neither
	}{
		{"all is well", []string{good}, nil, []string{"mx-reach", "mx-starttls", "mx-cert-name", "mx-cert-chain", "mx-cert-expiry", "mx-tls-old", "mx-bare-lf", "mx-route"}, nil},
		{"one address has the fault, whichever is looked at first", []string{good, strings.Replace(good, "{host} ESMTP ready", `{host} ESMTP ready\n`, 1)},
			[]string{"mx-bare-lf"}, []string{"mx-reach", "mx-starttls", "mx-long-line"}, nil},
		{"no STARTTLS", []string{lab.Offering("SIZE 1000")}, []string{"mx-starttls"}, []string{"mx-reach", "mx-bare-lf"}, []string{"mx-cert-name", "mx-tls-old"}},
		{"one address does not tell", []string{good, lab.Refusing("421 4.3.2 later")}, nil, nil, []string{"mx-reach", "mx-starttls", "mx-bare-lf"}},
		{"self-signed, for another name", []string{strings.Replace(good, "* tls", "* tls cert=self-signed", 1)}, []string{"mx-cert-chain"}, []string{"mx-starttls"}, nil},
		{"a note is no fault", []string{good + "C: QUIT\n* close"}, nil, []string{"mx-reach", "mx-bare-lf"}, nil},
		{"expired", []string{strings.Replace(good, "* tls", "* tls cert=expired", 1)}, []string{"mx-cert-expiry"}, []string{"mx-cert-chain"}, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if err := s.Play(tc.scripts...); err != nil {
				t.Fatal(err)
			}
			// Both addresses share the certificate's name here: it is for mx.contoso.example.
			results := readOwn(t, s, "fabrikam.example")
			if len(results) != 2 {
				t.Fatalf("%d addresses were read", len(results))
			}
			l := ownMX("fabrikam.example", results)
			for _, f := range l.Faults { // a title is understood alone
				if host := results[0].Target.MX; !strings.HasPrefix(f.What, "our MX "+host+" (for fabrikam.example)") || strings.Count(f.What, host) != 1 && f.ID == "mx-starttls" {
					t.Errorf("%s: %q does not say whose it is", f.ID, f.What)
				}
			}
			faults := slices.DeleteFunc(faultIDs(l.Faults), func(id string) bool { return id == "mx-cert-name" })
			if d := cmp.Diff(tc.faults, faults, cmpopts.EquateEmpty()); d != "" {
				t.Errorf("faults: %s", d)
			}
			for _, id := range tc.fine {
				if id != "mx-cert-name" && !slices.Contains(l.Fine, id) {
					t.Errorf("%s is not fine: %q", id, l.Fine)
				}
			}
			for _, id := range tc.unknown {
				if slices.Contains(l.Fine, id) {
					t.Errorf("%s passes for fine", id)
				}
			}
		})
	}
}

func TestOwnMXWithoutARoute(t *testing.T) {
	s := newStage(t)
	l := ownMX("gone.example", readOwn(t, s, "gone.example"))
	if len(l.Faults) != 1 || l.Faults[0].ID != OwnMXRoute || l.Faults[0].Impact != reputation.Critical || len(l.Fine) > 0 ||
		!strings.HasPrefix(l.Faults[0].What, "our MX for gone.example: ") {
		t.Errorf("%+v", l)
	}
}

func TestCertificateIsRenewedInTime(t *testing.T) {
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	const day = 24 * time.Hour
	ending := func(left time.Duration) smtp.Result {
		return smtp.Result{At: now, Outcome: reputation.Advertised, TLS: &smtp.TLS{Version: "TLS 1.3", Handshake: "ok", Chain: "ok", Name: "ok", Expiry: "ok", NotAfter: now.Add(left)}}
	}
	for _, both := range [][]smtp.Result{{ending(5 * day), ending(15 * day)}, {ending(15 * day), ending(5 * day)}} {
		if l := ownMX("example.com", both); len(l.Faults) != 1 || l.Faults[0].Impact != reputation.Critical {
			t.Errorf("the worse of two: %+v", l.Faults)
		}
	}
	for _, tc := range []struct {
		left   time.Duration
		impact reputation.Impact // info: no fault
		words  string
	}{
		{60 * day, reputation.Info, ""},
		{21*day + time.Hour, reputation.Info, ""},
		{21 * day, reputation.High, "in 21 days"},
		{15 * day, reputation.High, "in 15 days"},
		{8 * day, reputation.High, "in 8 days"},
		{7 * day, reputation.Critical, "in 7 days"},
		{time.Hour, reputation.Critical, "in 0 days"},
		{-time.Hour, reputation.Critical, "expired on 2026-11-24"},
	} {
		l := ownMX("example.com", []smtp.Result{ending(tc.left)})
		fine := slices.Contains(l.Fine, smtp.OwnMXExpiry)
		switch {
		case tc.impact == reputation.Info:
			if !fine || len(l.Faults) > 0 {
				t.Errorf("%s left: %+v", tc.left, l)
			}
		case fine || len(l.Faults) != 1 || l.Faults[0].Impact != tc.impact || !strings.Contains(l.Faults[0].What, tc.words) || l.Faults[0].Do == "":
			t.Errorf("%s left: %+v", tc.left, l.Faults)
		}
	}
}

func TestOwnMXIsReadFromOutside(t *testing.T) {
	for _, tc := range []struct {
		name, control string
		from          []string // who went there, in order
	}{
		{"a control", `[{name: spare, bind: 127.0.0.9}]`, []string{"spare"}},
		{"a control that cannot leave", `[{name: office, socks5: "127.0.0.1:1"}]`, []string{"office", "127.0.0.8"}},
		{"none", `[]`, []string{"127.0.0.8"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld()
			w.add(t, "own.example. 300 IN MX 10 mx.own.example.\nmx.own.example. 300 IN A 127.66.0.25")
			env := envOf(load(t, `
sending_ips: [{ip: 127.0.0.6, name: s.example.com, state: standby}, {ip: 127.0.0.8, name: a.example.com}, {ip: 127.0.0.7, name: b.example.com}]
own_mx: [own.example]
control: `+tc.control), w)
			var from []string
			env.Gate = smtp.NewGate(smtp.GateConfig{}, nil, func(e smtp.LedgerEntry) {
				if e.Closed.IsZero() {
					from = append(from, e.From)
				}
			})
			l := ownOf(t, look(t, checkOf(t, env, "own"), Ask{Why: WhySchedule}), "own.example")
			if !slices.Equal(from, tc.from) {
				t.Errorf("read from %q", from)
			}
			if len(l.Faults) > 0 || !slices.Equal(l.Fine, []string{OwnMXRoute}) {
				t.Errorf("silence is judged: %+v", l)
			}
		})
	}
}

// Each fault that the wire can show must be seen to end, too.
func TestEveryWireFaultIsKnown(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "smtp/fault.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	ast.Inspect(file, func(node ast.Node) bool {
		spec, ok := node.(*ast.ValueSpec)
		if !ok || !strings.HasPrefix(spec.Names[0].Name, "Fault") || len(spec.Values) != 1 {
			return true
		}
		id, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
		if err != nil {
			t.Fatal(err)
		}
		if n++; !slices.Contains(wireFaults, id) && id != smtp.FaultConservativeTLS {
			t.Errorf("wireFaults lacks %s", id)
		}
		return true
	})
	if n < 20 {
		t.Errorf("only %d faults found in the source", n)
	}
}

func TestBuildSaysWhatIsMissing(t *testing.T) {
	whole := envOf(load(t, two), newWorld())
	for name, take := range map[string]func(*Env){
		"configuration": func(e *Env) { e.Config = nil },
		"resolver":      func(e *Env) { e.DNS = nil },
		"engine":        func(e *Env) { e.Engine = nil },
		"gate":          func(e *Env) { e.Gate = nil },
		"prober":        func(e *Env) { e.Prober = nil },
	} {
		env := whole
		take(&env)
		if _, err := Build(env); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("without a %s: %v", name, err)
		}
	}
	whole.Memory = nil
	all, err := Build(whole)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, c := range all {
		names = append(names, fmt.Sprintf("%s %s", c.Name(), c.Schedule()))
	}
	if want := []string{"lists @every 15m", "partners @every 1h", "own @every 6h"}; !slices.Equal(names, want) {
		t.Errorf("%q", names)
	}
}

func TestPrintable(t *testing.T) {
	for in, want := range map[string]string{
		"250 ok\r\n\x1b[31m":             `250 ok\x0d\x0a\x1b[31m`,
		"grüße \xff\u202e":               `grüße \xff\u202e`,
		"0123456789abcdefghij0123456789": "0123456789abcdefghij0123…",
		"0123456789abcdefghij012é":       "0123456789abcdefghij012…",
	} {
		if got := printable(in, 24); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}
