package realserver

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// PostfixOptions describes an MX. It accepts mail for everybody and discards it.
type PostfixOptions struct {
	// Listen is where it receives mail; port 0 takes a free one. None: 127.0.6.1.
	Listen   []netip.AddrPort
	Hostname string // mx.postfix.test where empty
	TLS      *Cert  // none: STARTTLS is not offered at all
	// DiscardEHLO withdraws keywords from clients, as Withdraw does later.
	DiscardEHLO map[netip.Addr][]string
	// Access treats clients when they connect, as Refuse does later.
	Access map[netip.Addr]string
	// Postscreen puts postscreen in front. It makes clients wait for the greeting
	// (1 s) only when Conf turns that on; see PostscreenDeep for a newcomer's EHLO.
	Postscreen bool
	// Conf is added to main.cf and wins over what is there.
	Conf map[string]string
	// Master is added to master.cf.
	Master string
}

// PostscreenDeep is the Conf that makes postscreen test what a client says after
// the greeting. A newcomer then talks to postscreen itself, which offers less than
// smtpd behind it and ends with 450, until the client has passed once.
func PostscreenDeep() map[string]string {
	return map[string]string{
		"postscreen_greet_action": "enforce", "postscreen_greet_wait": "1s",
		"postscreen_pipelining_enable": "yes", "postscreen_pipelining_action": "enforce",
	}
}

// PostfixServer is a running Postfix.
type PostfixServer struct {
	*process
	listen []netip.AddrPort
	dir    string
	tables *tables
	mu     sync.Mutex
	conf   map[string]string
}

// Postfix starts a Postfix with a configuration and a queue of its own. It needs
// root, because Postfix's master does.
func Postfix(t testing.TB, o PostfixOptions) *PostfixServer {
	t.Helper()
	Require(t, "postfix")
	RequireRoot(t, "Postfix's master process runs as nobody else")
	s := &PostfixServer{dir: tempDir(t, "postfix"), tables: newTables(t)}
	if len(o.Listen) == 0 {
		o.Listen = []netip.AddrPort{netip.MustParseAddrPort("127.0.6.1:0")}
	}
	for _, ap := range o.Listen {
		s.listen = append(s.listen, orFree(t, ap))
	}
	s.layOut(t)
	s.conf = s.mainCF(o)
	s.writeMainCF(t)
	writeFile(t, filepath.Join(s.dir, "etc/master.cf"), s.masterCF(o))
	for client, keywords := range o.DiscardEHLO {
		s.Withdraw(client, keywords...)
	}
	for client, action := range o.Access {
		s.Refuse(client, action)
	}
	s.start(t, o.Postscreen)
	return s
}

func (s *PostfixServer) start(t testing.TB, postscreen bool) {
	t.Helper()
	daemons := filepath.Join(filepath.Dir(filepath.Dir(find("postfix"))), "lib/postfix/sbin")
	stay := "-d" // in the foreground
	if ownNamespace() {
		stay = "-i" // the same, as process 1
	}
	argv := []string{filepath.Join(daemons, "master"), stay, "-c", filepath.Join(s.dir, "etc")}
	s.process = start(t, launch{name: "postfix", dir: s.dir, argv: argv, logs: []string{s.LogFile()}})
	s.mustUntil(t, "postfix does not listen", func() error {
		ask := askGreeting
		if postscreen { // which would take our visit for a client's
			ask = askConnects
		}
		for _, ap := range s.listen {
			if err := ask(ap); err != nil {
				return err
			}
		}
		return nil
	})
}

// Addr is its first address.
func (s *PostfixServer) Addr() netip.AddrPort { return s.listen[0] }

// Addrs are all addresses, in the order of PostfixOptions.Listen.
func (s *PostfixServer) Addrs() []netip.AddrPort { return slices.Clone(s.listen) }

// LogFile is its mail log.
func (s *PostfixServer) LogFile() string { return filepath.Join(s.dir, "log/mail.log") }

// Withdraw hides EHLO keywords from one client, from its next connection on:
// smtpd_discard_ehlo_keyword_address_maps. It replaces an earlier withdrawal.
func (s *PostfixServer) Withdraw(client netip.Addr, keywords ...string) {
	s.tables.set("discard", client.String(), strings.ToLower(strings.Join(keywords, ",")))
}

// Restore offers everything to one client again.
func (s *PostfixServer) Restore(client netip.Addr) { s.tables.set("discard", client.String(), "") }

// Refuse answers one client's connections with an action of access(5), such as
// "554 5.7.1 listed at bl.example", "421 4.7.0 try later" or "450 4.7.1 busy".
func (s *PostfixServer) Refuse(client netip.Addr, action string) {
	s.tables.set("access", client.String(), action)
}

// Accept ends what Refuse began.
func (s *PostfixServer) Accept(client netip.Addr) { s.tables.set("access", client.String(), "") }

// Set changes parameters of main.cf, as `postconf` and `postfix reload` do.
// Connections made after it returns are treated accordingly; conversations that
// have begun go on as they were.
func (s *PostfixServer) Set(t testing.TB, params map[string]string) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.Copy(s.conf, params)
	s.writeMainCF(t)
	before := strings.Count(s.said(), reloaded)
	old := s.receivers()
	if err := s.signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	s.mustUntil(t, "postfix does not reload", func() error {
		if strings.Count(s.said(), reloaded) == before {
			return errors.New("nothing about it in the log")
		}
		return nil
	})
	// An idle one may still accept a connection although the master told it to end.
	s.outlive(old, busyTime)
}

const reloaded = "reload -- version"

// busyTime is how long Set waits for the processes that received mail before.
// Idle ones end in a few milliseconds, busy ones with their conversation.
const busyTime = 2 * time.Second

// receivers are the processes that speak SMTP with clients.
func (s *PostfixServer) receivers() []int { return s.offspring("smtpd", "postscreen") }

// writeMainCF also makes the file look a minute old. Postfix rereads one that
// changed within the last second until it has settled, and so would lose two.
func (s *PostfixServer) writeMainCF(t testing.TB) {
	t.Helper()
	name := filepath.Join(s.dir, "etc/main.cf")
	writeFile(t, name, s.render())
	at := time.Now().Add(-time.Minute)
	if err := os.Chtimes(name, at, at); err != nil {
		t.Fatal(err)
	}
}

// Postfix wants three unprivileged accounts that differ. Those that every Debian
// has will do: no account is made for a test.
const (
	mailOwner    = "daemon"
	setgidGroup  = "mail"
	defaultPrivs = "nobody"
)

func (s *PostfixServer) layOut(t testing.TB) {
	t.Helper()
	owner, group := int(mustID(t, mailOwner)), int(mustGID(t, setgidGroup))
	mk := func(name string, uid, gid int, mode os.FileMode) {
		t.Helper()
		path := filepath.Join(s.dir, name)
		err := errors.Join(os.MkdirAll(path, 0o755), os.Chown(path, uid, gid), os.Chmod(path, mode))
		if err != nil {
			t.Fatal(err)
		}
	}
	mk("etc", 0, 0, 0o755)
	mk("log", 0, 0, 0o755)
	mk("queue", 0, 0, 0o755)
	mk("queue/pid", 0, 0, 0o755)
	mk("data", owner, 0, 0o700)
	for _, name := range []string{"active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming", "private", "saved", "trace"} {
		mk("queue/"+name, owner, 0, 0o700)
	}
	mk("queue/maildrop", owner, group, 0o730)
	mk("queue/public", owner, group, 0o710|os.ModeSetgid)
}

func mustID(t testing.TB, name string) uint32 {
	t.Helper()
	u, err := user.Lookup(name)
	if err != nil {
		t.Fatal(err)
	}
	return number(t, u.Uid)
}

func mustGID(t testing.TB, name string) uint32 {
	t.Helper()
	g, err := user.LookupGroup(name)
	if err != nil {
		t.Fatal(err)
	}
	return number(t, g.Gid)
}

func number(t testing.TB, s string) uint32 {
	t.Helper()
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	return uint32(n)
}

func (s *PostfixServer) render() string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(s.conf)) {
		fmt.Fprintf(&b, "%s = %s\n", name, s.conf[name])
	}
	return b.String()
}
