package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"repwatch/internal/lab"
	"repwatch/internal/realserver"
)

// The daemon tests run `repwatch run` as a process. What it looks at are real
// servers; Slack alone is an imitation, over HTTP.

const (
	otherIP = "127.0.5.8"    // our second sending IP
	newIP   = "127.0.5.10"   // one that is added later
	contoso = "contoso.test" // its MX is Postfix
	woodgr  = "woodgrove.test"
)

// patience bounds every wait. What is waited for takes a second or two on an idle machine.
const patience = 40 * time.Second

// outside is the world that a daemon looks at.
type outside struct {
	t        *testing.T
	lists    *realserver.RbldnsdServer
	entries  map[string]realserver.Entries // by list
	resolver *realserver.UnboundServer
	postfix  *realserver.PostfixServer // contoso.test
	exim     *realserver.EximServer    // woodgrove.test
	before   map[string]*middlebox     // what stands before the mail server of a partner
}

// listIDs are the lists of the outside; the zone of each is ID.lists.test.
var listIDs = []string{"xbl", "traps", "drop", "spare1", "spare2", "spare3", "spare4"}

func newOutside(t *testing.T) *outside {
	t.Helper()
	o := &outside{t: t, entries: map[string]realserver.Entries{}}
	var zones []realserver.Zone
	stubs := map[string]netip.AddrPort{}
	for _, id := range listIDs {
		o.entries[id] = realserver.TestPoints()
		zones = append(zones, o.zone(id))
	}
	o.lists = realserver.Rbldnsd(t, zones...)
	for _, id := range listIDs {
		stubs[id+".lists.test"] = o.lists.Addr()
	}
	ca := realserver.NewCA(t)
	mx1, mx2 := ca.Valid(t, "mx."+contoso), ca.Valid(t, "mx."+woodgr)
	o.postfix = realserver.Postfix(t, realserver.PostfixOptions{TLS: &mx1, Hostname: "mx." + contoso, Conf: map[string]string{"smtpd_delay_reject": "no"}})
	o.exim = realserver.Exim(t, realserver.EximOptions{TLS: &mx2, Hostname: "mx." + woodgr})
	o.before = map[string]*middlebox{contoso: newMiddlebox(t, "127.0.6.3:0", o.postfix.Addr()), woodgr: newMiddlebox(t, "127.0.6.4:0", o.exim.Addr())}
	names := realserver.NSD(t,
		realserver.NSDZone{Name: contoso, Text: "@ MX 10 mx\nmx A 127.0.6.3"},
		realserver.NSDZone{Name: woodgr, Text: "@ MX 10 mx\nmx A 127.0.6.4"})
	stubs[contoso], stubs[woodgr] = names.Addr(), names.Addr()
	o.resolver = realserver.Unbound(t, realserver.UnboundOptions{Stubs: stubs})
	return o
}

// zone is a list as rbldnsd has it. Answers live for a second in the resolver's
// cache, as its default cache would keep them: a delisting shows late, and soon.
func (o *outside) zone(id string) realserver.Zone {
	return realserver.Zone{Name: id + ".lists.test", Type: "ip4set", Entries: o.entries[id],
		Text: "$TTL 1\n$SOA 1 ns.lists.test hostmaster.lists.test 0 600 300 86400 1"}
}

func (o *outside) list(id, ip, code, words string) {
	o.t.Helper()
	o.entries[id] = o.entries[id].With(realserver.Entries{ip: {A: code, TXT: words}})
	o.lists.Replace(o.t, o.zone(id))
}

func (o *outside) delist(id string, ips ...string) {
	o.t.Helper()
	for _, ip := range ips {
		delete(o.entries[id], ip)
	}
	o.lists.Replace(o.t, o.zone(id))
}

// serve has a list answer with other data for a while.
func (o *outside) serve(id string, entries realserver.Entries) {
	o.t.Helper()
	kept := o.entries[id]
	o.entries[id] = entries
	o.lists.Replace(o.t, o.zone(id))
	o.entries[id] = kept
}

// heal gives a list back its own data.
func (o *outside) heal(id string) { o.t.Helper(); o.lists.Replace(o.t, o.zone(id)) }

// setup is a configuration, part by part.
type setup struct {
	sending  string // lines of sending_ips
	partners string // lines of partners
	use      string
	slack    string // address of the API
	every    string // of both schedules
	more     string
}

func (o *outside) partner(domain, more string) string {
	return fmt.Sprintf("  - {domain: %s, port: %d%s}\n", domain, o.before[domain].addr().Port(), more)
}

const requireTLS = ", require: [STARTTLS]"

func sendingLine(ip, name string) string { return fmt.Sprintf("  - {ip: %s, name: %s}\n", ip, name) }

// usual is two addresses, two partners, and a control elsewhere.
func (o *outside) usual(slack string) setup {
	return setup{
		sending:  sendingLine(listedIP, "mx1.sender.test") + sendingLine(otherIP, "mx2.sender.test"),
		partners: o.partner(contoso, requireTLS) + o.partner(woodgr, requireTLS),
		use:      strings.Join(listIDs, ", "), slack: slack, every: "1s",
	}
}

func (o *outside) yaml(s setup, dir string) string {
	return fmt.Sprintf(`
sending_ips:
%s
partners:
%s
control: [{name: office, bind: %s, ehlo: office.sender.test}]
dns: {resolvers: ["%s"], timeout: 2s, tries: 2}
schedule: {blocklists: "@every %[5]s", partners: "@every %[5]s", confirm_after: 200ms, jitter: 0%%, timezone: UTC}
store: {path: %[6]s/repwatch.db}
socket: %[6]s/socket
web: {listen: ""}
notify:
  group_wait: 300ms
  log: {}
  slack: {token: xoxb-lab-bot-token, channel: %[7]s, api_url: "%[8]s"}
blocklists:
  use: [%[9]s]
  add:
    - {id: xbl, zone: xbl.lists.test, codes: {127.0.0.2: test point, 127.0.0.4: exploited host}, test: {listed: [127.0.0.2], clean: [127.0.0.1]}, impact: critical,
       delist: {url: "https://lists.test/remove/{ip}"}}
%s
%s`, s.sending, s.partners, controlIP, o.resolver.Addr(), s.every, dir, lab.SlackChannel, s.slack, s.use, plainLists(), s.more)
}

// plainLists are the entries of all lists but the first.
func plainLists() string {
	var b strings.Builder
	for _, id := range listIDs[1:] {
		fmt.Fprintf(&b, "    - {id: %s, zone: %[1]s.lists.test, %s, impact: high}\n", id, rfc5782)
	}
	return b.String()
}

// daemon is a `repwatch run` and what it keeps.
type daemon struct {
	t     *testing.T
	dir   string // holds store and socket
	log   string // what it prints
	file  string // its configuration
	slack *lab.Slack
	http  *http.Client

	cmd   *exec.Cmd
	ended chan error

	fate func() // called at every poll; may kill and start it
}

// newDaemon prepares one: its configuration is to be written, then it can start.
func newDaemon(t *testing.T) *daemon {
	t.Helper()
	slack, err := lab.NewSlack()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(slack.Close)
	dir, err := os.MkdirTemp("", "rw") // short: a socket's path holds 107 bytes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	d := &daemon{t: t, dir: dir, log: filepath.Join(t.TempDir(), "log"), file: filepath.Join(t.TempDir(), "repwatch.yaml"), slack: slack, fate: func() {}}
	d.http = &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", filepath.Join(dir, "socket"))
		}}}
	t.Cleanup(func() {
		if d.cmd != nil {
			d.kill()
		}
		if t.Failed() {
			t.Logf("the daemon said:\n%s", d.said())
		}
	})
	return d
}

// watching is a daemon that runs with the usual configuration and knows every pair.
func watching(t *testing.T, o *outside) *daemon {
	t.Helper()
	d := newDaemon(t)
	d.write(o.yaml(o.usual(d.slack.URL()), d.dir))
	d.start()
	d.settled(4+2, len(listIDs))
	return d
}

func (d *daemon) write(config string) {
	d.t.Helper()
	if err := os.WriteFile(d.file, []byte(config), 0o600); err != nil {
		d.t.Fatal(err)
	}
}

// start returns when the daemon answers at its socket.
func (d *daemon) start() {
	d.t.Helper()
	d.launch()
	d.wait("the socket", func() bool {
		select {
		case err := <-d.ended:
			d.ended <- err
			d.t.Fatalf("the daemon has ended: %v", err)
		default:
		}
		return d.get("status", &struct{}{}) == nil
	})
}

func (d *daemon) launch() {
	d.t.Helper()
	bin, err := build()
	if err != nil {
		d.t.Fatal(err)
	}
	log, err := os.OpenFile(d.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		d.t.Fatal(err)
	}
	defer log.Close()
	d.cmd, d.ended = exec.Command(bin, "run", "-c", d.file), make(chan error, 1)
	d.cmd.Stdout, d.cmd.Stderr = log, log
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := d.cmd.Start(); err != nil {
		d.t.Fatal(err)
	}
	cmd, ended := d.cmd, d.ended
	go func() { ended <- cmd.Wait() }()
}

func (d *daemon) signal(sig syscall.Signal) {
	d.t.Helper()
	if err := d.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		d.t.Fatal(err)
	}
}

// kill is kill -9.
func (d *daemon) kill() {
	_ = d.cmd.Process.Kill() // it may have ended
	<-d.ended
	d.cmd = nil
}

// stop is SIGTERM, which it has to obey within 15 s and with exit code 0.
func (d *daemon) stop() {
	d.t.Helper()
	d.signal(syscall.SIGTERM)
	select {
	case err := <-d.ended:
		if err != nil {
			d.t.Errorf("SIGTERM ended it with %v", err)
		}
	case <-time.After(15 * time.Second):
		d.t.Error("it does not stop within 15 s")
		_ = d.cmd.Process.Kill()
		<-d.ended
	}
	d.cmd = nil
}

func (d *daemon) said() string {
	text, err := os.ReadFile(d.log)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// wait polls until ok; what never comes ends the test with all that is known.
func (d *daemon) wait(what string, ok func() bool) {
	d.t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		d.fate()
		if ok() {
			return
		}
		select {
		case <-tick.C:
		case <-deadline.C:
			d.t.Fatalf("never: %s\n%s\n%s\nSlack:\n%s", what, d.raw("status"), d.raw("incidents?all=1"), d.channel())
		}
	}
}

func (d *daemon) raw(path string) []byte {
	resp, err := d.http.Get("http://repwatch/api/v1/" + path)
	if err != nil {
		return nil
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		return nil
	}
	return body
}

func (d *daemon) get(path string, into any) error {
	body := d.raw(path)
	if body == nil {
		return errors.New("no answer")
	}
	return json.Unmarshal(body, into)
}

// command runs another repwatch with the daemon's configuration.
func (d *daemon) command(args ...string) output {
	d.t.Helper()
	return repwatch(d.t, "", append([]string{"-c", d.file}, args...)...)
}

// incidentsDoc and statusDoc are read by the names in the contract.
type incidentsDoc struct {
	Schema    string
	Open      int
	Incidents []incidentDoc
}

type incidentDoc struct {
	ID, Kind, Status, Words string
	Verdict, List, Merged   *string
	IP, Partner, Fault      *string
	Lists, IPs, Partners    []string
	Lost                    []struct {
		IP, Partner, Loss   string
		Capabilities        []string
		After, Since, Until *time.Time
		Unwatched           bool
	}
	Evidence []string
	Said     []struct{ Text string }
	Alerts   []struct{ Notifier, State string }
}

// verdict, or "" where there is none.
func (i incidentDoc) verdict() string { return deref(i.Verdict) }

func (i incidentDoc) said() string {
	var b strings.Builder
	for _, s := range i.Said {
		b.WriteString(s.Text + "\n")
	}
	return b.String()
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

type statusDoc struct {
	Daemon *struct {
		PID         int
		ReloadError string `json:"reload_error"`
	}
	Lists    []listDoc
	Partners []struct {
		Partner        string
		Pairs, Control []pairDoc
	}
}

type listDoc struct {
	ID, Health, Why string
	Sure            *time.Time
	Listed, Unknown int
}

type pairDoc struct {
	From, Standing, Outcome, Why string
	Sure, Looked                 *time.Time
	Failed                       int
}

// incidents that were not merged into others, and the whole document's count of open ones.
func (d *daemon) incidents() []incidentDoc {
	var doc incidentsDoc
	if d.get("incidents", &doc) != nil {
		return nil
	}
	return doc.Incidents
}

// only waits for exactly one incident that is as wanted.
func (d *daemon) only(what string, is func(incidentDoc) bool) (found incidentDoc) {
	d.t.Helper()
	d.wait(what, func() bool {
		all := d.incidents()
		if len(all) == 1 && is(all[0]) {
			found = all[0]
			return true
		}
		return false
	})
	return found
}

func (d *daemon) status() (doc statusDoc) {
	_ = d.get("status", &doc)
	return doc
}

// settled waits until so many pairs have their baseline and so many lists are believed.
func (d *daemon) settled(pairs, lists int) {
	d.t.Helper()
	d.wait("a baseline of every pair", func() bool {
		good, ok := 0, 0
		s := d.status()
		for _, p := range s.Partners {
			for _, pair := range append(p.Pairs, p.Control...) {
				if pair.Standing == "good" {
					good++
				}
			}
		}
		for _, l := range s.Lists {
			if l.Health == "ok" && l.Sure != nil {
				ok++
			}
		}
		return good == pairs && ok == lists
	})
}

// looks waits until every pair was looked at, and every list asked, once more from now on.
func (d *daemon) looks(times int) {
	d.t.Helper()
	for range times {
		begun := time.Now()
		d.wait("another round of looks", func() bool {
			s := d.status()
			for _, p := range s.Partners {
				for _, pair := range append(p.Pairs, p.Control...) {
					if pair.Looked == nil || pair.Looked.Before(begun) {
						return false
					}
				}
			}
			return len(s.Partners) > 0
		})
	}
}

// channel is all that Slack shows, for a person who looks into a failure.
func (d *daemon) channel() string {
	var b strings.Builder
	for _, root := range d.slack.Roots() {
		fmt.Fprintf(&b, "%s (edited %d times)\n", root.Text, root.Edits)
		for _, reply := range d.slack.Replies(root.TS) {
			fmt.Fprintf(&b, "  > %s\n", strings.ReplaceAll(reply.Text, "\n", "\n    "))
		}
	}
	return b.String()
}

// thread is the text of all replies below a root.
func (d *daemon) thread(root lab.SlackMessage) string {
	var b strings.Builder
	for _, reply := range d.slack.Replies(root.TS) {
		b.WriteString(reply.Text + "\n")
	}
	return b.String()
}

// slackGreen is the colour of what is over.
const slackGreen = "#2e7d32"
