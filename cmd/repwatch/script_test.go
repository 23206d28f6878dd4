package main

import (
	"encoding/pem"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"repwatch/internal/lab"
)

var update = flag.Bool("update", false, "write the goldens in testdata/script")

// TestMain lets scripts run the real main as a process of its own.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"repwatch": func() { os.Exit(mainWith(os.Getenv("DEFAULT_CONFIG"))) },
	})
}

// TestScripts plays sessions of users; see testdata/script. Beside testscript's
// own commands there are
//
//	expand FILE...     put the world's addresses ($DNS, $MX, ...) into files
//	code N [ARG...]     run repwatch; its exit code must be N
//	secret             none of the world's secrets stands in the last outputs
//	plain              no escape sequence stands in the last outputs
//	scrub FILE         name ports and dates in a file, which differ from run to run
//	fill DIR           make a store with a known past, and a configuration for it
//	await FILE         wait until somebody answers at a unix socket
//	still FILE...      name moments and the script's folder in files
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		Setup:               world,
		Cmds:                map[string]func(*testscript.TestScript, bool, []string){"expand": expand, "code": code, "secret": secret, "plain": plain, "scrub": scrub, "fill": fill, "await": await, "still": still},
		UpdateScripts:       *update,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
	})
}

const (
	listKey  = "hunter2key"     // of the list "keyed"
	password = "hunter2-pass+w" // of the submission server
)

// world starts the world of one script.
func world(env *testscript.Env) error {
	ca, err := lab.NewCA()
	if err != nil {
		return err
	}
	d, err := lab.NewDNS(lab.DNSOptions{Records: records, Seed: 1})
	if err != nil {
		return err
	}
	env.Defer(d.Close)
	lists(d)
	vars := map[string]string{"DNS": d.Addr().String(), "LIST_KEY": listKey, "SMTP_PASSWORD": password,
		"DEFAULT_CONFIG": filepath.Join(env.WorkDir, "none.yaml"), "HOME": env.WorkDir,
		"GORACE": "atexit_sleep_ms=0"} // a second less for each command under the race detector
	for name, server := range servers(ca) {
		s, err := lab.NewSMTP(server.SMTPOptions)
		if err != nil {
			return err
		}
		env.Defer(s.Close)
		if err := s.Play(server.script); err != nil {
			return err
		}
		if server.toUs != "" {
			if err := s.PlayTo(sender, server.toUs); err != nil {
				return err
			}
		}
		at, err := s.Listen(server.listen + ":0")
		if err != nil {
			return err
		}
		vars[name], vars[name+"_PORT"] = at.String(), fmt.Sprint(at.Port())
	}
	root, err := rootsOf(ca)
	if err != nil {
		return err
	}
	roots := filepath.Join(env.WorkDir, ".roots.pem")
	if err := os.WriteFile(roots, root, 0o600); err != nil {
		return err
	}
	vars["SSL_CERT_FILE"], vars["SSL_CERT_DIR"] = roots, env.WorkDir
	for name, value := range vars {
		env.Setenv(name, value)
	}
	for _, name := range []string{"world.yaml", "lists.yaml"} {
		text, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(env.WorkDir, name), []byte(filled(string(text), env.Getenv)), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// rootsOf is the authority's root, which a chain that is sent whole ends with.
func rootsOf(ca *lab.CA) ([]byte, error) {
	c, err := ca.Issue(lab.Cert{Hosts: []string{"any.example"}, Rooted: true})
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Certificate[len(c.Certificate)-1]}), nil
}

// sender is where production mail leaves from: loopback stands for public addresses.
var sender = netip.MustParseAddr("127.0.7.1")

const records = `
contoso.example.            300 IN MX 10 mx.contoso.example.
mx.contoso.example.         300 IN A  127.0.8.25
7.113.0.203.in-addr.arpa.   300 IN PTR mx1.example.com.
mx1.example.com.            300 IN A  203.0.113.7
8.113.0.203.in-addr.arpa.   300 IN PTR pool-8.isp.example.
pool-8.isp.example.         300 IN A  203.0.113.8
smtp.example.com.           300 IN A  127.0.8.87
null.example.               300 IN MX 0 .
example.com.                300 IN TXT "v=spf1 ip4:203.0.113.200 ip4:203.0.113.208/29 ?ip4:203.0.113.9 include:spf.provider.example -all"
`

// lists fills the world's blocklists; testdata/script/lists.yaml describes them to repwatch.
func lists(d *lab.DNS) {
	zen := d.Blocklist("zen.test")
	zen.ListTXT("203.0.113.7", "Pushdo seen 02:51 UTC | https://zen.test/203.0.113.7", "127.0.0.4")
	zen.List("203.0.113.10", "127.0.0.10")
	zen.List("2001:db8::7", "127.0.0.2")
	cop := d.Blocklist("cop.test")
	cop.List("203.0.113.7")
	cop.List("203.0.113.8")
	d.Blocklist("allow.test").List("203.0.113.7", "127.0.0.3")
	d.Blocklist("mixed.test").List("203.0.113.9", "127.0.0.3")
	d.Blocklist(listKey+".keyed.test").ListTXT("203.0.113.7", "your key is "+listKey+", in capitals HUNTER2KEY", "127.0.0.2")
	names := d.DomainBlocklist("names.test")
	names.ListTXT("bad.example", "spamvertised", "127.0.0.2")
	d.Blocklist("world.test").ListWorld("127.0.0.2")
	d.Blocklist("refuses.test").ListWorld("127.255.255.254")
	d.Zone("dead.test").Set(lab.DNSBehaviour{DropAll: true})
	d.Zone("untested.test")
}

type server struct {
	lab.SMTPOptions
	listen, script, toUs string
}

// servers of the world by the name of the variable with their address.
func servers(ca *lab.CA) map[string]server {
	mx := lab.SMTPOptions{Host: "mx.contoso.example", CA: ca}
	submission := lab.SMTPOptions{Host: "smtp.example.com", CA: ca, User: "me@example.com", Pass: password}
	return map[string]server{
		"MX":       {mx, "127.0.8.25", offering(lab.Exchange()), ""},
		"WITHHELD": {mx, "127.0.8.25", offering(lab.Exchange()), offering(lab.Without(lab.Exchange(), "STARTTLS", "DSN"))},
		"GONE":     {mx, "127.0.8.25", offering([]string{"SIZE 1000", "8BITMIME"}), ""},
		"HELLO":    {mx, "127.0.8.25", lab.Offering("STARTTLS"), ""},
		"EVIL":     {mx, "127.0.8.25", evil, ""},
		"REJECTS":  {mx, "127.0.8.25", rejects, ""},
		"DEFERS":   {mx, "127.0.8.25", lab.Refusing("421 4.7.0 try again later"), ""},
		"LF":       {mx, "127.0.8.25", bareLF, ""},
		"SUBMIT":   {submission, "127.0.8.87", submit, ""},
	}
}

// offering is a partner that does not say whom it sees: loopback would be no public address.
func offering(capabilities []string) string {
	return strings.ReplaceAll(lab.Offering(capabilities...), " [{ip}]", "")
}

// rejects tries to reach the reader's terminal and monitoring.
const rejects = `S: 554 5.7.1 Client host [203.0.113.7] blocked using zen.test | see\x1b[31m there
C: *
S: 503 5.5.1 bad sequence of commands
`

// evil has escape sequences wherever a server can say something.
const evil = `S: 220 \x1b]0;owned\x07 ESMTP
C: EHLO
S: 250-\x1b[2J hello
S: 250-SIZE \x1b[31m1000
S: 250-\x1b[31mX 1
S: 250 DSN
C: RCPT
S: 550 5.1.1 \x1b[31mno
`

// bareLF is the server of story 3.
const bareLF = `S: 220 {host} ESMTP
C: EHLO
S: 250-{host}
S: 250-8BITMIME
S: 250-AUTH PLAIN\n250-MAIL\n250 HELP
`

const submit = `S: 220 {host} ESMTP submission
C: EHLO
S: 250-{host}
S: 250-STARTTLS
S: 250 SIZE 1000
C: STARTTLS
S: 220 2.0.0 go
* tls
-- inside TLS
C: EHLO
S: 250-{host}
S: 250-AUTH PLAIN LOGIN
S: 250 SIZE 1000
C: AUTH
* auth
S: 235 2.7.0 welcome
`

func expand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: expand FILE...")
	}
	for _, name := range args {
		ts.Check(os.WriteFile(ts.MkAbs(name), []byte(filled(ts.ReadFile(name), ts.Getenv)), 0o600))
	}
}

func filled(text string, getenv func(string) string) string {
	return variable.ReplaceAllStringFunc(text, func(s string) string { return getenv(s[1:]) })
}

// variable is $NAME; ${env:NAME} is repwatch's own.
var variable = regexp.MustCompile(`\$[A-Z_]+`)

func code(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: code N [ARGUMENT...]")
	}
	got := "0"
	if err := ts.Exec("repwatch", args[1:]...); err != nil {
		got = strings.TrimPrefix(err.Error(), "exit status ")
	}
	if got != args[0] {
		ts.Fatalf("exit code %s, want %s", got, args[0])
	}
}

func outputs(ts *testscript.TestScript) string { return ts.ReadFile("stdout") + ts.ReadFile("stderr") }

func secret(ts *testscript.TestScript, neg bool, args []string) {
	out := strings.ToLower(outputs(ts))
	for _, s := range []string{listKey, password, "hunter2", "aHVudGVyMi1wYXNzK3c"} { // the last is AUTH LOGIN's form
		if strings.Contains(out, strings.ToLower(s)) {
			ts.Fatalf("the secret %s shows", s)
		}
	}
}

func plain(ts *testscript.TestScript, neg bool, args []string) {
	if strings.ContainsAny(outputs(ts), "\x1b\r\a\b") {
		ts.Fatalf("an escape sequence in the output")
	}
}

func scrub(ts *testscript.TestScript, neg bool, args []string) {
	for _, name := range args {
		text := anyPort.ReplaceAllString(ts.ReadFile(name), "$1:PORT")
		ts.Check(os.WriteFile(ts.MkAbs(name), []byte(anyDate.ReplaceAllString(text, "DATE")), 0o600))
	}
}

var (
	anyPort = regexp.MustCompile(`(127\.0\.8\.25\]?):[0-9]{4,5}`)
	anyDate = regexp.MustCompile(`20[0-9]{2}-[0-9]{2}-[0-9]{2}`)
)
