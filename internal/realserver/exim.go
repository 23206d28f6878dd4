package realserver

import (
	"fmt"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// EximOptions describes an MX. It accepts mail for everybody and lets it lie in
// its queue.
type EximOptions struct {
	Listen   []netip.AddrPort // where it receives mail; port 0 takes a free one; none: 127.0.6.2
	Hostname string           // mx.exim.test where empty
	TLS      *Cert            // none: STARTTLS is not offered at all
	// Withdraw hides keywords from clients, as the method does later.
	Withdraw map[netip.Addr][]string
	Conf     string // added to the main section
}

// EximServer is a running Exim.
type EximServer struct {
	*process
	listen []netip.AddrPort
	dir    string
	mu     sync.Mutex
	hidden map[string]map[netip.Addr]bool // option, clients
	refuse map[string]map[netip.Addr]string
}

// withdrawable maps an EHLO keyword to the option that says who is offered it.
// Exim shows the others (SIZE, 8BITMIME) to everybody or to nobody.
var withdrawable = map[string]string{
	"STARTTLS":    "tls_advertise_hosts",
	"PIPELINING":  "pipelining_advertise_hosts",
	"PIPECONNECT": "pipelining_connect_advertise_hosts",
	"CHUNKING":    "chunking_advertise_hosts",
	"DSN":         "dsn_advertise_hosts",
}

// stages are the moments at which a client can be refused.
var stages = []string{"connect", "helo"}

// Exim starts an Exim with a configuration and a spool of its own.
func Exim(t testing.TB, o EximOptions) *EximServer {
	t.Helper()
	Require(t, "exim4")
	s := &EximServer{dir: tempDir(t, "exim"), hidden: map[string]map[netip.Addr]bool{}, refuse: map[string]map[netip.Addr]string{}}
	if len(o.Listen) == 0 {
		o.Listen = []netip.AddrPort{netip.MustParseAddrPort("127.0.6.2:0")}
	}
	for _, ap := range o.Listen {
		s.listen = append(s.listen, orFree(t, ap))
	}
	env := s.layOut(t)
	conf := filepath.Join(s.dir, "exim.conf")
	writeFile(t, conf, s.conf(o))
	for client, keywords := range o.Withdraw {
		s.Withdraw(t, client, keywords...)
	}
	s.process = start(t, launch{
		name: "exim", dir: s.dir, argv: []string{find("exim4"), "-bdf", "-C", conf}, env: env,
		logs: []string{s.LogFile(), filepath.Join(s.dir, "log/paniclog")},
	})
	s.mustUntil(t, "exim does not greet", func() error {
		for _, ap := range s.listen {
			if err := askGreeting(ap); err != nil {
				return err
			}
		}
		return nil
	})
	return s
}

// Addr is its first address.
func (s *EximServer) Addr() netip.AddrPort { return s.listen[0] }

// Addrs are all addresses, in the order of EximOptions.Listen.
func (s *EximServer) Addrs() []netip.AddrPort { return slices.Clone(s.listen) }

// LogFile is its main log.
func (s *EximServer) LogFile() string { return filepath.Join(s.dir, "log/mainlog") }

// Withdraw hides EHLO keywords (STARTTLS, PIPELINING, PIPECONNECT, CHUNKING, DSN) from one
// client, from its next connection on. It replaces an earlier withdrawal.
func (s *EximServer) Withdraw(t testing.TB, client netip.Addr, keywords ...string) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, option := range withdrawable {
		delete(s.hidden[option], client)
	}
	for _, keyword := range keywords {
		option, ok := withdrawable[strings.ToUpper(keyword)]
		if !ok {
			t.Fatalf("exim cannot withdraw %s from one client", keyword)
		}
		if s.hidden[option] == nil {
			s.hidden[option] = map[netip.Addr]bool{}
		}
		s.hidden[option][client] = true
	}
	s.writeFiles(t)
}

// Restore offers everything to one client again.
func (s *EximServer) Restore(t testing.TB, client netip.Addr) {
	t.Helper()
	s.Withdraw(t, client)
}

// RefuseConnect greets one client with a reply such as "554 5.7.1 listed" or
// "421 4.7.0 try later". RefuseHelo gives it to HELO and EHLO. Both count from the
// next connection on, and an empty reply ends them.
func (s *EximServer) RefuseConnect(t testing.TB, client netip.Addr, reply string) {
	t.Helper()
	s.refuseAt(t, "connect", client, reply)
}

// RefuseHelo is described at RefuseConnect.
func (s *EximServer) RefuseHelo(t testing.TB, client netip.Addr, reply string) {
	t.Helper()
	s.refuseAt(t, "helo", client, reply)
}

func (s *EximServer) refuseAt(t testing.TB, stage string, client netip.Addr, reply string) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	verb := "deny"
	if strings.HasPrefix(reply, "4") {
		verb = "defer"
	}
	for _, v := range []string{"deny", "defer"} {
		table := stage + "." + v
		if s.refuse[table] == nil {
			s.refuse[table] = map[netip.Addr]string{}
		}
		delete(s.refuse[table], client)
		if v == verb && reply != "" {
			s.refuse[table][client] = reply
		}
	}
	s.writeFiles(t)
}

// writeFiles writes all lists that the configuration refers to. Exim handles each
// connection in a process that opens them anew.
func (s *EximServer) writeFiles(t testing.TB) {
	t.Helper()
	for _, option := range withdrawable {
		var b strings.Builder
		for _, client := range slices.SortedFunc(maps.Keys(s.hidden[option]), netip.Addr.Compare) {
			fmt.Fprintln(&b, client)
		}
		writeFile(t, filepath.Join(s.dir, option), b.String())
	}
	for _, stage := range stages {
		for _, verb := range []string{"deny", "defer"} {
			table := stage + "." + verb
			var b strings.Builder
			for _, client := range slices.SortedFunc(maps.Keys(s.refuse[table]), netip.Addr.Compare) {
				fmt.Fprintf(&b, "%q: %s\n", client, s.refuse[table][client])
			}
			writeFile(t, filepath.Join(s.dir, table), b.String())
		}
	}
}

// layOut makes the directories and shows Exim the account it was built for, which
// only an installed Exim has: nss_wrapper(1) answers in place of /etc/passwd.
func (s *EximServer) layOut(t testing.TB) (env []string) {
	t.Helper()
	uid, gid := os.Getuid(), os.Getgid()
	if uid == 0 {
		uid, gid = int(mustID(t, mailOwner)), int(mustGID(t, mailOwner))
	}
	for _, name := range []string{"spool", "log"} {
		path := filepath.Join(s.dir, name)
		if err := os.Mkdir(path, 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(path, uid, gid); err != nil {
			t.Fatal(err)
		}
	}
	s.writeFiles(t)
	passwd, group := filepath.Join(s.dir, "passwd"), filepath.Join(s.dir, "group")
	writeFile(t, passwd, fmt.Sprintf("root:x:0:0::/root:/bin/sh\nDebian-exim:x:%d:%d::%s:/bin/false\n", uid, gid, s.dir))
	writeFile(t, group, fmt.Sprintf("root:x:0:\nDebian-exim:x:%d:\nadm:x:4:\nmail:x:8:\n", gid))
	return []string{"LD_PRELOAD=" + find("nss_wrapper"), "NSS_WRAPPER_PASSWD=" + passwd, "NSS_WRAPPER_GROUP=" + group}
}

// conf names ports by number: a minimal system has no /etc/services.
func (s *EximServer) conf(o EximOptions) string {
	var b strings.Builder
	hostname := o.Hostname
	if hostname == "" {
		hostname = "mx.exim.test"
	}
	fmt.Fprintf(&b, `primary_hostname = %[1]s
spool_directory = %[2]s/spool
log_file_path = %[2]s/log/%%slog
pid_file_path = %[2]s/spool/pid
log_selector = +smtp_connection +incoming_interface
keep_environment = ^LD_ : ^NSS_WRAPPER_
local_interfaces = <; %[3]s
daemon_smtp_ports = 25
host_lookup =
smtp_accept_max_per_host = 100
queue_only = true
acl_smtp_rcpt = accept
acl_smtp_data = accept
acl_smtp_connect = acl_connect
acl_smtp_helo = acl_helo
`, hostname, s.dir, eximInterfaces(s.listen))
	for keyword, option := range withdrawable {
		if keyword == "STARTTLS" && o.TLS == nil {
			fmt.Fprintf(&b, "%s =\n", option)
			continue
		}
		fmt.Fprintf(&b, "%s = !%s/%s : *\n", option, s.dir, option)
	}
	if o.TLS != nil {
		fmt.Fprintf(&b, "tls_certificate = %s\ntls_privatekey = %s\n", o.TLS.CertFile, o.TLS.KeyFile)
	}
	b.WriteString(o.Conf + "\nbegin acl\n")
	for _, stage := range stages {
		fmt.Fprintf(&b, "acl_%s:\n", stage)
		for _, verb := range []string{"deny", "defer"} {
			lookup := fmt.Sprintf("${lookup{$sender_host_address}lsearch{%s/%s.%s}{$value}}", s.dir, stage, verb)
			fmt.Fprintf(&b, "  %s condition = ${if !eq{%s}{}}\n    message = %s\n", verb, lookup, lookup)
		}
		b.WriteString("  accept\n")
	}
	return b.String()
}

// eximInterfaces writes 127.0.6.2.2525 for 127.0.6.2:2525.
func eximInterfaces(listen []netip.AddrPort) string {
	out := make([]string, len(listen))
	for i, ap := range listen {
		out[i] = joined(ap, ".")
	}
	return strings.Join(out, " ; ")
}
