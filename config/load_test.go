package config

import (
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"repwatch"
	"repwatch/checks/dnsbl"
)

// load reads a configuration from text.
func load(t testing.TB, src string) (*Loaded, error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "repwatch.yaml")
	if err := os.WriteFile(file, []byte(src), 0o600); err != nil {
		t.Fatal(err)
	}
	return Load(file, testCatalogue(t))
}

func mustLoad(t testing.TB, src string) *Loaded {
	t.Helper()
	loaded, err := load(t, src)
	if err != nil {
		t.Fatalf("%v\nin\n%s", err, src)
	}
	return loaded
}

func equal(t testing.TB, what string, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func ids(lists []*dnsbl.List) (out []string) {
	for _, l := range lists {
		out = append(out, l.ID)
	}
	return out
}

// TestDesignExample loads what the design prints, letter by letter.
func TestDesignExample(t *testing.T) {
	t.Setenv("CREDENTIALS_DIRECTORY", "")
	c, err := Load("testdata/good/design.yaml", repwatch.Blocklists)
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Addresses) != 17 {
		t.Fatalf("%d addresses, want 1 and 16", len(c.Addresses))
	}
	first, last := c.Addresses[0], c.Addresses[16]
	if first.IP != netip.MustParseAddr("203.0.113.7") || first.Bind != netip.MustParseAddr("10.0.0.7") || first.Name != "mx1.example.com" ||
		first.Owner != "@mail-ops" || first.State != Active || first.Pool != "main" || !slices.Equal(first.Tags, []string{"eu"}) {
		t.Errorf("first address %+v", first)
	}
	if last.IP != netip.MustParseAddr("203.0.113.79") || last.Name != "out16.example.com" || last.Pool != "bulk" || last.Via.Address() != "10.0.0.9:1080" {
		t.Errorf("last address %+v", last)
	}
	if p := c.Partners[0]; p.Domain != "contoso.com" || p.Port != 25 || p.Provider != "auto" || !slices.Equal(p.Require, []string{"STARTTLS"}) || !slices.Equal(p.Sources(), []netip.Addr{first.IP}) {
		t.Errorf("first partner %+v", p)
	}
	if p := c.Partners[1]; p.Host != "mx.fabrikam.net" || p.Name() != "mx.fabrikam.net" || len(p.Sources()) != 0 {
		t.Errorf("second partner %+v", p)
	}
	if len(c.Control) != 2 || c.Control[0].Bind.String() != "198.51.100.9" || c.Control[1].SOCKS5.Address() != "127.0.0.1:1080" {
		t.Errorf("control %+v", c.Control)
	}
	if c.DNS.Timeout.D() != 3*time.Second || c.DNS.Tries != 3 || c.DNS.InFlight != 64 || c.DNS.Resolvers[0].String() != "127.0.0.1:53" {
		t.Errorf("dns %+v", c.DNS)
	}
	if c.Schedule.Blocklists.String() != "@every 15m" || c.Schedule.Timezone.String() != "Europe/Vienna" || c.Schedule.ConfirmAfter.D() != 2*time.Minute || c.Schedule.Jitter != 10 {
		t.Errorf("schedule %+v", c.Schedule)
	}
	if c.Store.Keep.D() != 400*24*time.Hour || c.Notify.Quiet.String() != "22:00-07:00" || !c.MailLog.Postfix.Journal || c.Notify.Slack != nil {
		t.Errorf("store %+v, notify %+v, mail_log %+v", c.Store, c.Notify, c.MailLog)
	}
	if m := c.Maintenance[0]; m.To.Sub(m.From.Time) != 3*time.Hour || m.Reason != "their upgrade" {
		t.Errorf("maintenance %+v", m)
	}
	equal(t, "warnings", c.Warnings, []string{"blocklists.keys.spamhaus: secret missing: ${credential:dqs} needs systemd's LoadCredential (CREDENTIALS_DIRECTORY is not set); lists that need it are not asked"})
	if len(c.Lists) < 20 {
		t.Errorf("%d lists in use", len(c.Lists))
	}
}

// TestShippedExample loads docs/repwatch.example.yaml without a warning but for the secrets that only its owner has.
func TestShippedExample(t *testing.T) {
	t.Setenv("CREDENTIALS_DIRECTORY", "")
	c, err := Load("../docs/repwatch.example.yaml", repwatch.Blocklists)
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range c.Warnings {
		if !strings.Contains(w, "secret missing") {
			t.Errorf("warning %q", w)
		}
	}
	if len(c.Addresses) == 0 || len(c.Partners) == 0 || len(c.Control) == 0 || c.Notify.Slack == nil {
		t.Errorf("the example shows too little: %d addresses, %d partners, %d controls", len(c.Addresses), len(c.Partners), len(c.Control))
	}
}

func TestNothingIsAGoodConfiguration(t *testing.T) {
	none, err := Load("", testCatalogue(t))
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]*Loaded{"no file": none, "empty file": mustLoad(t, ""), "comments": mustLoad(t, "# later\n"), "empty sections": mustLoad(t, "dns:\nprobes: {}\nnotify: {}\n")} {
		if c.DNS.Tries != 3 || c.DNS.Timeout.D() != 3*time.Second || c.Probes.Spacing.D() != 30*time.Second || c.Probes.PerProviderDay != 48 || c.Probes.Canaries != 2 {
			t.Errorf("%s: dns %+v, probes %+v", name, c.DNS, c.Probes)
		}
		if c.Schedule.Partners.String() != "@every 1h" || c.Store.Path != "/var/lib/repwatch/repwatch.db" || c.Web.Listen != "127.0.0.1:8025" || c.Socket == "" || c.Notify.Remind.D() != 24*time.Hour {
			t.Errorf("%s: %+v", name, c.Config)
		}
		equal(t, name+": lists", ids(c.Lists), []string{"spamhaus-zen", "spamcop"})
		if len(c.Warnings) > 0 || len(c.Points()) > 0 || c.Notify.Slack != nil || c.Notify.Log != nil {
			t.Errorf("%s: warnings %q, points %v, notify %+v", name, c.Warnings, c.Points(), c.Notify)
		}
	}
}

// TestZeroStands: what the file says is not mistaken for what it leaves out.
func TestZeroStands(t *testing.T) {
	c := mustLoad(t, `
blocklists: {use: []}
probes: {spacing: 0, per_provider_day: 0, canaries: 0}
schedule: {confirm_after: 0s, jitter: 0%}
notify: {group_wait: 0s, remind: 0, reopen: 0, log: {}}
web: {listen: ""}
`)
	if c.Probes != (Probes{}) || c.Schedule.ConfirmAfter != 0 || c.Schedule.Jitter != 0 || c.Notify.GroupWait != 0 || c.Notify.Remind != 0 || c.Notify.Reopen != 0 {
		t.Errorf("probes %+v, schedule %+v, notify %+v", c.Probes, c.Schedule, c.Notify)
	}
	if len(c.Lists) != 0 || c.Web.Listen != "" || c.Notify.Log == nil {
		t.Errorf("lists %v, web %+v, log %v", ids(c.Lists), c.Web, c.Notify.Log)
	}
}

func TestOptionalSectionsHaveDefaults(t *testing.T) {
	c := mustLoad(t, "sending_ips: [{ip: 203.0.113.7}]\npartners: [{domain: contoso.com}]\nnotify: {email: {host: smtp.example.com, from: a@example.com, to: [b@example.com]}}\n")
	if a := c.Addresses[0]; a.Pool != "main" || a.State != Active {
		t.Errorf("address %+v", a)
	}
	if p := c.Partners[0]; p.Port != 25 || p.Provider != "auto" {
		t.Errorf("partner %+v", p)
	}
	if c.Notify.Email.Port != 587 {
		t.Errorf("email %+v", c.Notify.Email)
	}
}

func TestRangesAreSpelledOut(t *testing.T) {
	c := mustLoad(t, `
sending_ips:
  - {range: 203.0.113.64/30, name: "out{n}.example.com", pool: bulk, state: warming}
  - {range: 2001:db8::/127, name: mx6.example.com}
  - {ip: ::ffff:203.0.113.7, bind: ::ffff:10.0.0.7, name: "mx{n}.example.com"}
`)
	var got []string
	for _, a := range c.Addresses {
		got = append(got, a.IP.String()+" "+a.Name+" "+a.Pool+" "+string(a.State))
	}
	equal(t, "addresses", got, []string{
		"203.0.113.64 out1.example.com bulk warming", "203.0.113.65 out2.example.com bulk warming",
		"203.0.113.66 out3.example.com bulk warming", "203.0.113.67 out4.example.com bulk warming",
		"2001:db8:: mx6.example.com main active", "2001:db8::1 mx6.example.com main active",
		"203.0.113.7 mx1.example.com main active",
	})
	if bind := c.Addresses[6].Bind; bind != netip.MustParseAddr("10.0.0.7") {
		t.Errorf("bind %s", bind)
	}
	if n := len(mustLoad(t, "sending_ips: [{range: 198.18.0.0/16}]").Addresses); n != 65536 {
		t.Errorf("a /16 has %d addresses", n)
	}
	if got := c.Sending(netip.MustParseAddr("203.0.113.65")).Name; got != "out2.example.com" {
		t.Errorf("Sending finds %q", got)
	}
	if a := c.Sending(netip.MustParseAddr("192.0.2.1")); a.Name != "" || a.State != Active {
		t.Errorf("Sending makes %+v of a stranger", a)
	}
}

// TestPrivateAddressesWarnOncePerEntry, and are no error.
func TestPrivateAddressesWarnOncePerEntry(t *testing.T) {
	c := mustLoad(t, "sending_ips:\n  - ip: 10.0.0.7\n  - range: 192.168.1.0/28\n  - ip: 127.0.0.1\n  - ip: fe80::1\n  - ip: 203.0.113.7\n")
	equal(t, "warnings", c.Warnings, []string{
		"sending IP 10.0.0.7 is a private address: public lists know nothing of it and partners see another address; behind NAT, put the public one into ip and this one into bind",
		"sending IP 192.168.1.0/28 is a range of private addresses: public lists know nothing of it and partners see another address; behind NAT, name the public addresses, each with its own as bind",
		"sending IP 127.0.0.1 is a loopback address: public lists know nothing of it and partners see another address; behind NAT, put the public one into ip and this one into bind",
		"sending IP fe80::1 is a link-local address: public lists know nothing of it and partners see another address; behind NAT, put the public one into ip and this one into bind",
	})
}

func TestWarnings(t *testing.T) {
	for _, tt := range []struct{ name, src, want string }{
		{"key nobody uses", `blocklists: {keys: {spamhas: abc}}`, "blocklists.keys.spamhas: no list uses a key of this name; did you mean spamhaus?"},
		{"key far off", `blocklists: {keys: {x: abc}}`, "blocklists.keys.x: no list uses a key of this name; they use abusix, spamhaus"},
		{"commercial", `blocklists: {commercial: true}`, "list spamhaus-zen is left out: it is free for non-commercial use only and blocklists.commercial is true"},
		{"open page", `web: {listen: ":8025"}`, "web.listen :8025 is open to the network: put a reverse proxy with a login before it"},
		{"open page by name", `web: {listen: "mail.example.com:8025"}`, "web.listen mail.example.com:8025 is open to the network: put a reverse proxy with a login before it"},
	} {
		t.Run(tt.name, func(t *testing.T) { equal(t, "warnings", mustLoad(t, tt.src).Warnings, []string{tt.want}) })
	}
	t.Run("secrets that cannot be read", func(t *testing.T) {
		c := mustLoad(t, `
notify:
  heartbeat: "${env:REPWATCH_NONE}"
  slack: {token: "${env:REPWATCH_NONE}", app_token: "${env:REPWATCH_NONE}", channel: C1}
  email: {host: mx.example.com, from: a@example.com, to: [b@example.com], password: "${env:REPWATCH_NONE}"}
  webhook: [{url: "https://example.com/sesame", header: {X-Token: "${env:REPWATCH_NONE}", X-Fine: sesame}}, {url: "${env:REPWATCH_NONE}"}]
web: {token: "${env:REPWATCH_NONE}"}`)
		var want []string
		for _, w := range []string{"notify.heartbeat: %; no heartbeat is sent", "web.token: %; the page is read-only", "notify.slack.token: %; this notifier is not used",
			"notify.slack.app_token: %; there are no buttons", "notify.email.password: %; this notifier is not used",
			"notify.webhook[0].header.X-Token: %; this notifier is not used", "notify.webhook[1].url: %; this notifier is not used"} {
			want = append(want, strings.Replace(w, "%", "secret missing: the environment has no REPWATCH_NONE", 1))
		}
		equal(t, "warnings", c.Warnings, want)
	})
	for _, src := range []string{`web: {listen: "[::1]:80"}`, `web: {listen: "localhost:80"}`, `blocklists: {keys: {spamhaus: abc}}`} {
		if got := mustLoad(t, src).Warnings; len(got) > 0 {
			t.Errorf("%s: warnings %q", src, got)
		}
	}
}

func TestListsInUse(t *testing.T) {
	folder := t.TempDir()
	own := filepath.Join(folder, "own.yaml")
	if err := os.WriteFile(own, []byte("lists:\n  - {id: a, zone: a.test}\n  - {id: b, zone: b.test, retired: 2020}\n  - {id: c, zone: \"{key}.c.test\", access: {key: c}}\n  - {id: d, zone: d.test}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		src  string
		want []string
	}{
		{`{}`, []string{"spamhaus-zen", "spamcop"}},
		{`{use: [all]}`, []string{"spamhaus-zen", "spamcop", "names"}},
		{`{use: [default], keys: {spamhaus: abc}}`, []string{"spamhaus-zen", "spamcop", "zen-dqs"}},
		{`{use: [default, names], skip: [spamcop, cbl]}`, []string{"spamhaus-zen", "names"}},
		{`{use: [default], skip: [bl.spamcop.test]}`, []string{"spamhaus-zen"}},
		{`{use: [names, bl.spamcop.test, names]}`, []string{"spamcop", "names"}},
		{`{use: [default], add: [{id: mine, zone: mine.test}]}`, []string{"spamhaus-zen", "spamcop", "mine"}},
		{`{use: [spamcop], add: [{id: mine, zone: mine.test}]}`, []string{"spamcop"}},
		{`{use: [mine], add: [{id: mine, zone: mine.test}]}`, []string{"mine"}},
		{`{add: [{id: spamcop, zone: rsync.spamcop.test}]}`, []string{"spamhaus-zen", "spamcop"}},
		{`{add: [{id: spamcop, zone: bl.spamcop.test, retired: "we do not want it"}]}`, []string{"spamhaus-zen"}},
		{`{file: ` + own + `}`, []string{"a", "d"}}, // no default marked: all that may be asked
		{`{file: ` + own + `, use: [d]}`, []string{"d"}},
		{`{commercial: true, use: [paid, spamhaus-zen], keys: {spamhaus: abc}}`, []string{"paid"}}, // paid for by its key
		{`{commercial: true, use: [all]}`, []string{"spamcop", "names"}},
	} {
		t.Run(tt.src, func(t *testing.T) {
			c := mustLoad(t, "blocklists: "+tt.src)
			got, want := ids(c.Lists), tt.want
			slices.Sort(got)
			slices.Sort(want)
			equal(t, "lists", got, want)
		})
	}
	c, err := Load(filepath.Join(folder, "none.yaml"), nil)
	if err == nil || c != nil || !strings.Contains(err.Error(), "none.yaml") {
		t.Errorf("a file that is not there: %v", err)
	}
}

// TestCatalogueIsFoundBesideTheConfiguration, whatever the working directory.
func TestCatalogueIsFoundBesideTheConfiguration(t *testing.T) {
	folder := t.TempDir()
	for name, content := range map[string]string{"repwatch.yaml": "blocklists: {file: lists.yaml}", "lists.yaml": "lists: [{id: a, zone: a.test}]"} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c, err := Load(filepath.Join(folder, "repwatch.yaml"), testCatalogue(t))
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "lists", ids(c.Lists), []string{"a"})
}

func TestProbers(t *testing.T) {
	c := mustLoad(t, `
sending_ips:
  - {range: 203.0.113.64/30, pool: bulk}
  - {ip: 203.0.113.7}
  - {ip: 203.0.113.8, state: standby}
  - {ip: 203.0.113.9, state: warming}
own_mx: [example.com]
partners: [{domain: contoso.com}, {host: "MX.fabrikam.net.", from: [203.0.113.8, 203.0.113.67]}]
`)
	probers := func(p Partner) (out []string, left int) {
		chosen, left := c.Probers(p)
		for _, a := range chosen {
			out = append(out, a.IP.String())
		}
		return out, left
	}
	got, left := probers(c.Partners[0])
	equal(t, "canaries", got, []string{"203.0.113.64", "203.0.113.65", "203.0.113.7", "203.0.113.9"})
	if left != 3 {
		t.Errorf("%d left out, want two of the pool and the standby one", left)
	}
	got, left = probers(c.Partners[1])
	equal(t, "named by from", got, []string{"203.0.113.67", "203.0.113.8"})
	if left != 0 {
		t.Errorf("%d left out by from", left)
	}
	c.Config.Probes.Canaries = 0
	if got, _ := probers(c.Partners[0]); len(got) != 6 {
		t.Errorf("without canaries %v probe, want all but the standby one", got)
	}
	for name, own := range map[string]bool{"contoso.com": false, "CONTOSO.com.": false, "mx.fabrikam.net": false, "example.com": true} {
		if p, ok := c.PartnerNamed(name); !ok || p.Own != own {
			t.Errorf("%s: %+v, %t", name, p, ok)
		}
	}
	if _, ok := c.PartnerNamed("nobody.example"); ok {
		t.Error("nobody.example is a partner")
	}
	if points := c.Points(); len(points) != 7 {
		t.Errorf("%d points", len(points))
	}
}

// TestNamesAreCanonical: A-labels, lower case, no final dot, mapped addresses unmapped.
func TestNamesAreCanonical(t *testing.T) {
	c := mustLoad(t, `
domains: [Bücher.Example., example.COM]
partners:
  - {domain: Contoso.COM, require: [starttls, Size]}
  - {host: "[2001:db8::25]:2525"}
`)
	equal(t, "domains", c.Domains, []string{"xn--bcher-kva.example", "example.com"})
	equal(t, "require", c.Partners[0].Require, []string{"STARTTLS", "SIZE"})
	if p := c.Partners[1]; p.Host != "2001:db8::25" || p.Port != 2525 {
		t.Errorf("host %+v", p)
	}
}

func TestFileLimits(t *testing.T) {
	folder := t.TempDir()
	if _, err := Load(folder, testCatalogue(t)); err == nil || !strings.Contains(err.Error(), "no regular file") {
		t.Errorf("a folder: %v", err)
	}
	huge := filepath.Join(folder, "huge.yaml")
	if err := os.WriteFile(huge, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(huge, maxFile+1); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(huge, testCatalogue(t)); err == nil || !strings.Contains(err.Error(), "at most 8 MiB") {
		t.Errorf("a huge file: %v", err)
	}
}
