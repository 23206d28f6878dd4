package setup

import (
	"bytes"
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"repwatch"
	"repwatch/config"
)

var update = flag.Bool("update", false, "write golden files")

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

func written(t *testing.T, d Draft) string {
	t.Helper()
	var b bytes.Buffer
	if err := d.Write(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func load(t *testing.T, text string) *config.Loaded {
	t.Helper()
	file := filepath.Join(t.TempDir(), "repwatch.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return loadFile(t, file)
}

func loadFile(t *testing.T, file string) *config.Loaded {
	t.Helper()
	cfg, err := config.Load(file, repwatch.Blocklists)
	if err != nil {
		text, _ := os.ReadFile(file)
		t.Fatalf("what was written is no good configuration: %v\n%s", err, text)
	}
	return cfg
}

// full has something of everything.
func full() Draft {
	return Draft{
		Host: Host{Name: "mx1.example.com", Public: []netip.Addr{addr("203.0.113.7"), addr("2001:db8::7")}, Private: []netip.Addr{addr("10.0.0.7")},
			Resolvers: Resolvers{System: []netip.AddrPort{netip.MustParseAddrPort("8.8.8.8:53")}, Local: netip.MustParseAddrPort("127.0.0.1:53")},
			Names:     map[netip.Addr]Name{addr("203.0.113.7"): {Host: "mx1.example.com", Confirmed: true}, addr("2001:db8::7"): {}}},
		SPF: &SPF{Domain: "example.com", OwnMX: true, Ranges: []SPFRange{{netip.MustParsePrefix("203.0.113.0/29"), "ip4:203.0.113.0/29"}, {netip.MustParsePrefix("2001:db8::8/128"), "mx"}},
			Skipped: []Skipped{{"include:_spf.google.com", "these addresses belong to whoever runs _spf.google.com"}, {"x\x1b[31m\nsending_ips: [{ip: 192.0.2.1}]", "foreign"}}},
		Postfix: &Postfix{HELO: "out.example.com", Sources: []Source{{addr("203.0.113.7"), "out.example.com", "smtp_bind_address"}, {addr("2001:db8::7"), "out.example.com", "smtp_bind_address6"}},
			Partners: []Partner{{Domain: "contoso.com", Port: 25, Require: []string{"STARTTLS"}, From: "/etc/postfix/tls_policy: encrypt"}, {Host: "2001:db8::25", Port: 2525, From: "/etc/postfix/transport: mail for x.example"}}},
		Partners: []Partner{{Domain: "fabrikam.net", Port: 25, From: "partners.txt"}, {Domain: "contoso.com", Port: 25, From: "partners.txt"}},
	}
}

// TestDraftGolden holds the text that people read, down to where it follows from config.Keys.
func TestDraftGolden(t *testing.T) {
	for name, d := range map[string]Draft{"full": full(), "bare": {Host: Host{Private: []netip.Addr{addr("10.0.0.7")}}}} {
		got, _, _ := strings.Cut(written(t, d), "# Which lists are asked")
		file := "testdata/" + name + ".yaml"
		if *update {
			if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", file, diff)
		}
	}
}

// TestDraftSays: what the configuration written says once it is loaded.
func TestDraftSays(t *testing.T) {
	cfg := load(t, written(t, full()))
	if len(cfg.Addresses) != 10 { // a /29 with ours in it, and two of IPv6
		t.Errorf("%d addresses: %+v", len(cfg.Addresses), cfg.Addresses)
	}
	for _, a := range cfg.Addresses {
		ours := a.IP == addr("203.0.113.7") || a.IP == addr("2001:db8::7")
		if ours && (a.Name != "out.example.com" || a.State != config.Active) || !ours && a.State != config.Standby {
			t.Errorf("%+v", a)
		}
	}
	var partners []string
	for _, p := range cfg.Partners {
		partners = append(partners, p.Name()+" "+strings.Join(p.Require, ","))
	}
	if diff := cmp.Diff([]string{"fabrikam.net ", "contoso.com STARTTLS", "2001:db8::25 "}, partners); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if !slices.Equal(cfg.Domains, []string{"example.com"}) || !slices.Equal(cfg.OwnMX, cfg.Domains) || !cfg.MailLog.Postfix.Journal || len(cfg.DNS.Resolvers) != 1 || cfg.Notify.Log == nil {
		t.Errorf("domains %v, own_mx %v, journal %t, resolvers %v", cfg.Domains, cfg.OwnMX, cfg.MailLog.Postfix.Journal, cfg.DNS.Resolvers)
	}
	if len(cfg.Warnings) > 0 {
		t.Errorf("warnings: %q", cfg.Warnings)
	}
}

// TestEverythingShownIsRight: with all comments that show keys uncommented it is a good configuration still.
func TestEverythingShownIsRight(t *testing.T) {
	shown := regexp.MustCompile(`(?m)^( *)# ( *(?:[a-z0-9_]+:|- \{).*)$`)
	for name, d := range map[string]Draft{"full": full(), "bare": {}} {
		text := shown.ReplaceAllString(written(t, d), "$1$2")
		cfg := load(t, text)
		if cfg.Notify.Slack == nil || cfg.Notify.Email == nil || len(cfg.Notify.Webhook) != 1 || len(cfg.Maintenance) != 1 || len(cfg.Control) != 1 || cfg.MailLog.Exim.File == "" || len(cfg.Addresses) == 0 || len(cfg.Partners) == 0 {
			t.Errorf("%s: not everything is shown:\n%s", name, text)
		}
	}
}

// TestEveryKeyIsDecided: a key is written by hand, has a default or an example, or is hidden on purpose.
func TestEveryKeyIsDecided(t *testing.T) {
	y := &yaml{}
	for _, k := range config.Keys() {
		path := strings.ReplaceAll(k.Path, "[]", "")
		top, _, _ := strings.Cut(path, ".")
		if byHand[top] || strings.Contains(k.Path, "[].") {
			continue
		}
		if value, show := y.value(path, k); show && value == "" && !section(path) {
			t.Errorf("%s has no default: add an example to examples in draft.go, or hide it there", k.Path)
		}
	}
}

func section(path string) bool {
	return slices.ContainsFunc(config.Keys(), func(k config.Key) bool { return strings.HasPrefix(strings.ReplaceAll(k.Path, "[]", ""), path+".") })
}

// TestSendingDecisions: whose address it is decides whether it is probed from.
func TestSendingDecisions(t *testing.T) {
	spf := func(prefixes ...string) *SPF {
		s := &SPF{Domain: "example.com"}
		for _, p := range prefixes {
			s.Ranges = append(s.Ranges, SPFRange{netip.MustParsePrefix(p), "ip4:" + p})
		}
		return s
	}
	here := Host{Name: "host.example.com", Public: []netip.Addr{addr("203.0.113.7")}}
	named := func(n Name) Host { h := here; h.Names = map[netip.Addr]Name{addr("203.0.113.7"): n}; return h }
	behind := Host{Private: []netip.Addr{addr("10.0.0.7")}}
	for _, tt := range []struct {
		name string
		d    Draft
		want string
		says string
	}{
		{"the host's name", Draft{Host: here}, "{ip: 203.0.113.7, name: host.example.com}", "the name is this host's"},
		{"a PTR that leads back", Draft{Host: named(Name{Host: "mx.example.com", Confirmed: true})}, "{ip: 203.0.113.7, name: mx.example.com}", "its PTR gives the name"},
		{"a PTR that does not", Draft{Host: named(Name{Host: "pool-7.isp.example"})}, "{ip: 203.0.113.7, name: host.example.com}", "pool-7.isp.example does not lead back"},
		{"no PTR", Draft{Host: named(Name{})}, "{ip: 203.0.113.7, name: host.example.com}", "it has no PTR"},
		{"DNS does not answer", Draft{Host: named(Name{Unknown: true})}, "{ip: 203.0.113.7, name: host.example.com}", "its PTR could not be looked up"},
		{"Postfix binds to one of several", Draft{Host: here, Postfix: &Postfix{Sources: []Source{{IP: addr("203.0.113.9")}}}}, "{ip: 203.0.113.9, name: host.example.com}", "bound by Postfix"},
		{"Postfix binds to none", Draft{Host: here, Postfix: &Postfix{HELO: "out.example.com"}}, "{ip: 203.0.113.7, name: out.example.com}", "Postfix says this name"},
		{"Postfix behind NAT", Draft{Host: behind, Postfix: &Postfix{Sources: []Source{{IP: addr("10.0.0.9")}}}}, "", "10.0.0.9 is a private address"},
		{"another host's", Draft{Host: here, SPF: spf("203.0.113.7/32", "203.0.113.8/32")}, "{ip: 203.0.113.7, name: host.example.com} {ip: 203.0.113.8, state: standby}", "not an address of this host"},
		{"the one address behind NAT", Draft{Host: behind, SPF: spf("203.0.113.8/32")}, "{ip: 203.0.113.8}", "mail seems to leave through NAT"},
		{"which of two behind NAT", Draft{Host: behind, SPF: spf("203.0.113.8/32", "203.0.113.9/32")}, "{ip: 203.0.113.8, state: standby} {ip: 203.0.113.9, state: standby}", "remove the state"},
		{"a range around ours", Draft{Host: here, SPF: spf("203.0.113.4/30")}, "{ip: 203.0.113.7, name: host.example.com} {range: 203.0.113.4/31, state: standby} {ip: 203.0.113.6, state: standby}", ""},
		{"nothing", Draft{Host: behind}, "", "10.0.0.7 is a private address"},
	} {
		var got []string
		for _, e := range tt.d.sending() {
			got = append(got, e.yaml())
		}
		if strings.Join(got, " ") != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
		text := written(t, tt.d)
		if flat := strings.Join(strings.Fields(strings.ReplaceAll(text, "#", "")), " "); !strings.Contains(flat, tt.says) {
			t.Errorf("%s: does not say %q:\n%s", tt.name, tt.says, text)
		}
		load(t, text)
	}
}

// TestWithoutCoversTheRest: cutting a prefix leaves every other address, once.
func TestWithoutCoversTheRest(t *testing.T) {
	for _, tt := range [][2]string{{"203.0.113.0/24", "203.0.113.77/32"}, {"203.0.113.0/28", "203.0.113.0/30"}, {"2001:db8::/120", "2001:db8::ff/128"}, {"203.0.113.0/30", "203.0.112.0/22"}, {"203.0.113.0/30", "198.51.100.0/24"}} {
		from, cut := netip.MustParsePrefix(tt[0]), netip.MustParsePrefix(tt[1])
		rest := without([]netip.Prefix{from}, cut)
		for ip := from.Addr(); from.Contains(ip); ip = ip.Next() {
			n := 0
			for _, p := range rest {
				if p.Contains(ip) {
					n++
				}
			}
			if want := !cut.Contains(ip); n > 1 || (n == 1) != want {
				t.Errorf("%s without %s: %s stands %d times in %v", from, cut, ip, n, rest)
			}
		}
	}
}

func TestWarnings(t *testing.T) {
	d := Draft{Again: 2, Host: Host{Resolvers: Resolvers{System: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.53:53")}, Upstream: []netip.AddrPort{netip.MustParseAddrPort("8.8.8.8:53")}}},
		SPF: &SPF{Skipped: []Skipped{{"a", "b"}}}, Postfix: &Postfix{Relay: &Partner{Host: "smart.example"}, Skipped: []Skipped{{"a", "b"}}}}
	all := strings.Join(d.Warnings(), "\n")
	for _, says := range []string{"8.8.8.8 is a public resolver (Google Public DNS)", "no sending address was found", "hands all mail to smart.example", "2 repeated", "2 settings were seen and not taken over"} {
		if !strings.Contains(all, says) {
			t.Errorf("does not warn %q:\n%s", says, all)
		}
	}
	if w := full().Warnings(); len(w) != 1 { // the local resolver is taken, so the public one does not matter
		t.Errorf("%q", w)
	}
}
