package setup

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

const mainText = `# main.cf
myhostname = mx1.example.com
smtp_helo_name = $myhostname
smtp_bind_address = 203.0.113.7
smtp_tls_policy_maps = hash:/p/tls, mysql:/p/x.cf
transport_maps = hash:/p/transport
  texthash:/p/gone
maillog_file = /var/log/postfix.log
`

const masterText = `# service type private unpriv chroot wakeup maxproc command
smtp      inet  n  -  y  -  -  smtpd
  -o smtp_bind_address=192.0.2.1
smtp      unix  -  -  y  -  -  smtp
relay     unix  -  -  y  -  -  smtp
  -o syslog_name=postfix/$service_name
out2      unix  -  -  y  -  -  smtp
  -o smtp_bind_address=203.0.113.8
  -o { smtp_helo_name = out2.example.com }
out3      unix  -  -  y  -  -  smtp -o smtp_bind_address6=2001:db8::8
again     unix  -  -  y  -  -  smtp -o smtp_bind_address=203.0.113.7
any       unix  -  -  y  -  -  smtp -o smtp_bind_address=0.0.0.0
#off      unix  -  -  y  -  -  smtp -o smtp_bind_address=203.0.113.9
`

var postfixFiles = map[string]string{
	"/p/tls": "contoso.com encrypt\nfabrikam.net\tsecure match=nexthop\n[mx.litware.com]:587 dane-only\nadatum.com may\n.example.org encrypt\nwingtip.example dane\n",
	"/p/transport": `contoso.com   relay:[gw.contoso.com]
fabrikam.net  slow:
here.example  lmtp:unix:private/lmtp
filter.example smtp:[127.0.0.1]:10025
jane@one.example smtp:[mx.one.example]
.sub.example  slow:
*             smtp:
two.example   smtp:[a.two.example], [b.two.example]
bad.example   smtp:[no_host
`,
}

func readFile(path string) (string, error) {
	text, ok := postfixFiles[path]
	if !ok {
		return "", fmt.Errorf("there is no %s", path)
	}
	return text, nil
}

func TestReadPostfix(t *testing.T) {
	got := ReadPostfix(ParseMainCF(mainText, "host.example.com"), masterText, readFile)
	ip := netip.MustParseAddr
	want := Postfix{
		HELO: "mx1.example.com", LogFile: "/var/log/postfix.log",
		Sources: []Source{
			{ip("203.0.113.7"), "mx1.example.com", "smtp_bind_address"},
			{ip("203.0.113.8"), "out2.example.com", "smtp_bind_address of out2 in master.cf"},
			{ip("2001:db8::8"), "mx1.example.com", "smtp_bind_address6 of out3 in master.cf"}},
		Partners: []Partner{
			{Domain: "contoso.com", Port: 25, Require: []string{"STARTTLS"}, From: "/p/tls: encrypt"},
			{Domain: "fabrikam.net", Port: 25, Require: []string{"STARTTLS"}, From: "/p/tls: secure"},
			{Host: "mx.litware.com", Port: 587, Require: []string{"STARTTLS"}, From: "/p/tls: dane-only"},
			{Domain: "wingtip.example", Port: 25, Require: []string{"STARTTLS"}, From: "/p/tls: dane"},
			{Host: "gw.contoso.com", Port: 25, From: "/p/transport: mail for contoso.com"},
			{Domain: "fabrikam.net", Port: 25, From: "/p/transport: mail for fabrikam.net"},
			{Host: "a.two.example", Port: 25, From: "/p/transport: mail for two.example"}},
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(Postfix{}, "Skipped"), cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	told := fmt.Sprint(got.Skipped)
	for _, says := range []string{"mysql:/p/x.cf", "texthash:/p/gone its text cannot be read: there is no /p/gone", ".example.org encrypt it stands for all names below example.org", "bad.example"} {
		if !strings.Contains(told, says) {
			t.Errorf("does not tell of %q: %s", says, told)
		}
	}
}

func TestPostfixDetails(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		ok         func(Postfix) bool
	}{
		{"inet_interfaces names the source", "inet_interfaces = 127.0.0.1, [2001:db8::7] 203.0.113.7", func(p Postfix) bool {
			return len(p.Sources) == 2 && p.Sources[0].IP == netip.MustParseAddr("2001:db8::7") && p.Sources[1].From == "inet_interfaces"
		}},
		{"all interfaces name none", "", func(p Postfix) bool { return len(p.Sources) == 0 && p.HELO == "host.example.com" }},
		{"a bind address wins", "inet_interfaces = 203.0.113.7\nsmtp_bind_address = 203.0.113.8", func(p Postfix) bool {
			return len(p.Sources) == 1 && p.Sources[0].IP == netip.MustParseAddr("203.0.113.8")
		}},
		{"relay", "relayhost = [smarthost.example.net]:587", func(p Postfix) bool {
			return p.Relay != nil && p.Relay.Host == "smarthost.example.net" && p.Relay.Port == 587
		}},
		{"a reference to nothing is told", "smtp_bind_address = ${nobody?x}", func(p Postfix) bool {
			return len(p.Sources) == 0 && len(p.Skipped) == 1 && strings.Contains(p.Skipped[0].Why, "could not be expanded")
		}},
		{"references", "dom = example.net\nmyhostname = mx9.${dom}\nsmtp_helo_name = $(myhostname)", func(p Postfix) bool { return p.HELO == "mx9.example.net" }},
		{"a circle ends", "a = $b\nb = $a\nsmtp_helo_name = $a", func(p Postfix) bool { return p.HELO == "" && len(p.Skipped) == 0 || len(p.Skipped) == 1 }},
		{"a short EHLO name is told", "myhostname = mail", func(p Postfix) bool { return p.HELO == "" && strings.Contains(p.Skipped[0].Why, "no full host name") }},
		{"logging to the container's output is no file", "maillog_file = /dev/stdout", func(p Postfix) bool { return p.LogFile == "" }},
	} {
		if p := ReadPostfix(ParseMainCF(tt.text, "host.example.com"), "", readFile); !tt.ok(p) {
			t.Errorf("%s: %+v", tt.name, p)
		}
	}
}

// TestAgainstPostconf: what we read ourselves is what the real postconf says of the same file.
func TestAgainstPostconf(t *testing.T) {
	binary, err := exec.LookPath("postconf")
	root := os.Getenv("REPWATCH_TEST_ROOT")
	if home, homeErr := os.UserHomeDir(); root == "" && homeErr == nil {
		root = filepath.Join(home, ".cache/repwatch-test/root")
	}
	if err != nil {
		binary = filepath.Join(root, "usr/sbin/postconf")
	}
	if _, err := os.Stat(binary); err != nil {
		t.Skip("NOT RUN: needs real postconf; run scripts/test-deps")
	}
	dir := t.TempDir()
	text := strings.ReplaceAll(mainText, "$myhostname", "${myhostname}") + "relayhost =\n [smarthost.$mydomain]:587\n# a comment\n  # indented comment\n"
	for name, text := range map[string]string{"main.cf": text, "master.cf": masterText} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	ours := ParseMainCF(text, "host.example.com")
	for _, name := range []string{"myhostname", "smtp_helo_name", "smtp_bind_address", "inet_interfaces", "relayhost", "transport_maps", "smtp_tls_policy_maps", "maillog_file"} {
		cmd := exec.CommandContext(t.Context(), binary, "-c", dir, "-x", "-h", name)
		libs, err := filepath.Glob(filepath.Join(root, "usr/lib/*-linux-gnu*"))
		if err != nil {
			t.Fatal(err)
		}
		cmd.Env = append(os.Environ(), "LD_LIBRARY_PATH="+strings.Join(append(libs, filepath.Join(root, "usr/lib/postfix")), ":"))
		out, err := cmd.Output() // it warns that the mysql table is away
		if err != nil {
			t.Fatal(err)
		}
		if theirs := strings.Join(strings.Fields(string(out)), " "); theirs != ours[name] {
			t.Errorf("%s: postconf says %q, we read %q", name, theirs, ours[name])
		}
	}
}
