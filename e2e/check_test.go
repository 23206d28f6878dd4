package e2e

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"repwatch/internal/realserver"
)

// world lists every address with one code, as rbldnsd does for 0.0.0.0/1 and 128.0.0.0/1.
func world(name, code string) realserver.Zone {
	return realserver.Zone{Name: name, Type: "ip4set", Entries: realserver.Entries{"0.0.0.0/1": {A: code}, "128.0.0.0/1": {A: code}}}
}

func ip4(name string, entries realserver.Entries) realserver.Zone {
	return realserver.Zone{Name: name, Type: "ip4set", Entries: entries}
}

const rfc5782 = `test: {listed: [127.0.0.2], clean: [127.0.0.1]}`

// TestClassificationTable runs the program against real lists, each broken in
// its own way, through a real unbound with its defaults.
func TestClassificationTable(t *testing.T) {
	t.Parallel()
	listed := realserver.Entries{"127.0.5.7": {A: "127.0.0.2", TXT: "Pushdo seen from $ on 2026-11-20"}}
	lists := realserver.Rbldnsd(t,
		ip4("good.example", realserver.TestPoints().With(listed)),
		ip4("empty.example", nil),
		world("refuses.example", "127.255.255.254"),
		world("parked.example", "203.0.113.80"),
		world("world.example", "127.0.0.2"),
		world("docrefusal.example", "127.0.0.1"),
		ip4("bits.example", realserver.TestPoints().With(realserver.Entries{"127.0.5.7": {A: "127.0.0.10"}})),
		ip4("untested.example", realserver.Entries{"127.0.5.7": {A: "127.0.0.2"}}),
		realserver.Zone{Name: "six.example", Type: "ip6trie", Text: "0:0:0:0:0:ffff:7f00:2\n2001:db8:5::7 :127.0.0.3:six\n"},
		realserver.Zone{Name: "names.example", Type: "dnset", Entries: realserver.Entries{"test": {}, "bad.test.example": {A: "127.0.0.4", TXT: "spamvertised"}}},
	)
	several := realserver.NSD(t, realserver.NSDZone{Name: "several.example", Text: `
2.0.0.127 A 127.0.0.2
7.5.0.127 A 127.0.0.2
7.5.0.127 A 127.0.0.4
7.5.0.127 A 127.0.0.10
7.5.0.127 TXT "first part, " "second part"
`})
	dead := deadServer(t)
	stubs := map[string]netip.AddrPort{"several.example": several.Addr(), "servfail.example": dead.addr}
	for _, id := range []string{"good", "empty", "refuses", "parked", "world", "docrefusal", "bits", "untested", "six", "names"} {
		stubs[id+".example"] = lists.Addr()
	}
	resolver := realserver.Unbound(t, realserver.UnboundOptions{Stubs: stubs, Conf: "infra-host-ttl: 1"})
	config := fmt.Sprintf(`
dns: {resolvers: ["%s"], timeout: 2s, tries: 2}
blocklists:
  use: []
  add:
    - {id: good, zone: good.example, %[2]s, delist: {url: "https://good.example/remove/{ip}"}, impact: high}
    - {id: empty, zone: empty.example, %[2]s}
    - {id: refuses, zone: refuses.example, %[2]s, refusals: {127.255.255.254: asked through a public resolver}}
    - {id: parked, zone: parked.example, %[2]s}
    - {id: world, zone: world.example, %[2]s}
    - {id: docrefusal, zone: docrefusal.example, %[2]s, refusals: {127.0.0.1: query refused}}
    - {id: nxdomain, zone: nxdomain.good.example, %[2]s}
    - {id: servfail, zone: servfail.example, %[2]s}
    - {id: refused, zone: refused.example, %[2]s}
    - {id: timeout, zone: timeout.example, resolver: "%[3]s", %[2]s}
    - {id: bits, zone: bits.example, %[2]s, bits: {2: black, 8: {meaning: red, impact: critical}}}
    - {id: several, zone: several.example, %[2]s, codes: {127.0.0.2: SBL, 127.0.0.4: XBL, 127.0.0.10: {meaning: PBL, class: policy, impact: info}}}
    - {id: untested, zone: untested.example}
    - {id: six, zone: six.example, families: [v6], test: {listed: ["::FFFF:7F00:2"], clean: ["::FFFF:7F00:1"]}}
    - {id: names, zone: names.example, kind: domain, test: {listed: [test], clean: [invalid]}}
`, resolver.Addr(), rfc5782, dead.addr)
	config = strings.Replace(config, "use: []", "use: [good]", 1)
	out := repwatch(t, config, "check", "-o", "json", "127.0.5.7", "127.0.5.8", "2001:db8:5::7", "bad.test.example", "--list",
		"good,empty,refuses,parked,world,docrefusal,nxdomain,servfail,refused,timeout,bits,several,untested,six,names")
	doc := decode[checkDoc](t, out)
	if out.code != 1 || doc.Schema != "repwatch/check/v1" {
		t.Errorf("exit %d, schema %q: want 1 and repwatch/check/v1\n%s", out.code, doc.Schema, out.stderr)
	}
	verdicts := map[string]string{}
	why := map[string]string{}
	for _, r := range doc.Results {
		key := r.Subject + "@" + r.List
		verdicts[key], why[key] = r.Verdict, r.Why
		switch key {
		case "127.0.5.7@good":
			if r.Reason == "" || !strings.Contains(r.Reason, "Pushdo seen from 127.0.5.7") || r.DelistURL != "https://good.example/remove/127.0.5.7" || r.TTL < 1 {
				t.Errorf("good: %+v: want the TXT, the delisting page and a TTL", r)
			}
		case "127.0.5.7@bits":
			if !slices.Equal(r.Meaning, []string{"red", "black"}) || *r.Impact != "critical" {
				t.Errorf("bits: %v impact %s, want red before black, critical", r.Meaning, *r.Impact)
			}
		case "127.0.5.7@several":
			if len(r.Codes) != 3 || len(r.Meaning) != 3 || *r.Class != "bad" || r.Reason != "first part, second part" {
				t.Errorf("several: %+v, want three codes, class bad", r)
			}
		case "127.0.5.7@untested":
			if *r.Impact != "info" {
				t.Errorf("untested: impact %s, want info", *r.Impact)
			}
		}
	}
	want := map[string]string{
		"127.0.5.7@good": "listed", "127.0.5.8@good": "not-listed", "127.0.5.7@bits": "listed", "127.0.5.8@bits": "not-listed",
		"127.0.5.7@several": "listed", "127.0.5.8@several": "not-listed", "127.0.5.7@untested": "listed", "127.0.5.8@untested": "unknown",
		"2001:db8:5::7@six": "listed", "bad.test.example@names": "listed",
	}
	for _, id := range []string{"empty", "refuses", "parked", "world", "docrefusal", "nxdomain", "servfail", "refused", "timeout"} {
		want["127.0.5.7@"+id], want["127.0.5.8@"+id] = "unknown", "unknown"
	}
	for key, v := range want {
		if verdicts[key] != v {
			t.Errorf("%s is %q (%s), want %q", key, verdicts[key], why[key], v)
		}
	}
	if len(verdicts) != len(want) {
		t.Errorf("%d pairs, want %d: %v", len(verdicts), len(want), verdicts)
	}
	health := map[string]string{}
	for _, l := range doc.Lists {
		health[l.ID] = l.Health
		if l.Health == "suspended" && l.Why == "" {
			t.Errorf("%s is suspended without a reason", l.ID)
		}
	}
	for id, want := range map[string]string{"good": "ok", "world": "suspended", "parked": "suspended", "timeout": "suspended", "untested": "untested", "six": "ok"} {
		if health[id] != want {
			t.Errorf("health of %s is %q, want %q", id, health[id], want)
		}
	}
	if c := doc.Coverage; c.Asked != 15 || c.Answered != 5 || c.Unknown != 9 || c.Untested != 1 {
		t.Errorf("coverage %+v, want 15 asked, 5 answered, 9 unknown, 1 untested", c)
	}
}

// dead is a server that takes questions and never answers.
type dead struct {
	addr  netip.AddrPort
	asked atomic.Int64
}

func deadServer(t *testing.T) *dead {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	d := &dead{addr: conn.LocalAddr().(*net.UDPAddr).AddrPort()}
	go func() {
		for b := make([]byte, 512); ; d.asked.Add(1) {
			if _, _, err := conn.ReadFrom(b); err != nil {
				return
			}
		}
	}()
	return d
}

// manyLists makes n healthy lists of which one names 127.0.5.7, and the entries to ask them.
func manyLists(t *testing.T, n int) (*realserver.RbldnsdServer, map[string]netip.AddrPort, []string) {
	t.Helper()
	var zones []realserver.Zone
	var entries []string
	for i := range n {
		name := fmt.Sprintf("l%02d.example", i)
		zones = append(zones, ip4(name, realserver.TestPoints()))
		entries = append(entries, fmt.Sprintf("    - {id: l%02d, zone: %s, %s, access: {per_second: 0, per_day: 0}}", i, name, rfc5782))
	}
	server := realserver.Rbldnsd(t, zones...)
	stubs := map[string]netip.AddrPort{}
	for _, z := range zones {
		stubs[z.Name] = server.Addr()
	}
	return server, stubs, entries
}

// TestDefaultUnboundMakesNoUnknown asks 256 addresses on 60 lists through an
// unbound with its defaults whose upstream is 30 ms away.
func TestDefaultUnboundMakesNoUnknown(t *testing.T) {
	server, stubs, entries := manyLists(t, 60)
	slow := realserver.SlowUDP(t, server.Addr(), 30*time.Millisecond, 0)
	for zone := range stubs {
		stubs[zone] = slow.Addr()
	}
	resolver := realserver.Unbound(t, realserver.UnboundOptions{Stubs: stubs})
	config := fmt.Sprintf("dns: {resolvers: [\"%s\"]}\nblocklists:\n  add:\n%s\n", resolver.Addr(), strings.Join(entries, "\n"))
	ids := make([]string, 60)
	for i := range ids {
		ids[i] = fmt.Sprintf("l%02d", i)
	}
	out := repwatch(t, config, "check", "-o", "json", "198.51.100.0/24", "--list", strings.Join(ids, ","))
	doc := decode[checkDoc](t, out)
	unknown := 0
	for _, r := range doc.Results {
		if r.Verdict != "not-listed" {
			if unknown++; unknown < 5 {
				t.Errorf("%s@%s is %s: %s", r.Subject, r.List, r.Verdict, r.Why)
			}
		}
	}
	asked, answered, _ := slow.Counts()
	t.Logf("%d pairs, %d unknown, %s; upstream asked %d, answered %d", len(doc.Results), unknown, out.took.Round(time.Millisecond), asked, answered)
	if len(doc.Results) != 256*60 || unknown > 0 || out.code != 0 {
		t.Errorf("%d pairs, %d unknown, exit %d: want 15360, 0, 0", len(doc.Results), unknown, out.code)
	}
}

// TestOneDeadListHoldsNobodyUp: a list that never answers is asked its test points
// and left alone. That this costs a run one timeout is shown in fake time beside the engine.
func TestOneDeadListHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	_, stubs, entries := manyLists(t, 19)
	resolver := realserver.Unbound(t, realserver.UnboundOptions{Stubs: stubs})
	dead := deadServer(t)
	entries = append(entries, fmt.Sprintf("    - {id: dead, zone: dead.example, resolver: \"%s\", %s}", dead.addr, rfc5782))
	config := fmt.Sprintf("dns: {resolvers: [\"%s\"], timeout: 1s, tries: 3}\nblocklists:\n  add:\n%s\n", resolver.Addr(), strings.Join(entries, "\n"))
	ids := []string{"dead"}
	for i := range 19 {
		ids = append(ids, fmt.Sprintf("l%02d", i))
	}
	out := repwatch(t, config, "check", "-o", "json", "198.51.100.0/26", "--list", strings.Join(ids, ","))
	doc := decode[checkDoc](t, out)
	if c := doc.Coverage; c.Asked != 20 || c.Answered != 19 || c.Unknown != 1 {
		t.Errorf("coverage %+v, want 19 of 20", c)
	}
	// Four test questions of three tries, perhaps once more while the others work: never one of the 64 addresses.
	if n := dead.asked.Load(); n == 0 || n > 2*4*3 {
		t.Errorf("the dead list was sent %d packets, want its test questions only", n)
	}
	t.Logf("the whole run took %s", out.took.Round(time.Millisecond))
}

// TestRebindProtectionIsOneTrouble shows one diagnosis instead of as many suspended lists.
func TestRebindProtectionIsOneTrouble(t *testing.T) {
	t.Parallel()
	_, stubs, entries := manyLists(t, 6)
	resolver := realserver.Unbound(t, realserver.UnboundOptions{Stubs: stubs, PrivateAddress: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	config := fmt.Sprintf("dns: {resolvers: [\"%s\"]}\nblocklists:\n  add:\n%s\n", resolver.Addr(), strings.Join(entries, "\n"))
	out := repwatch(t, config, "check", "-o", "json", "198.51.100.7", "--list", "l00,l01,l02,l03,l04,l05")
	doc := decode[checkDoc](t, out)
	if doc.Trouble == nil || doc.Trouble.Kind != "rebind-protection" || out.code != 3 {
		t.Errorf("trouble %+v, exit %d: want rebind-protection and 3\n%s", doc.Trouble, out.code, out.stdout)
	}
}

// TestListTurnsBadAndRecovers reloads a real rbldnsd: listed, delisted, the list
// empties, lists the world, and is itself again.
func TestListTurnsBadAndRecovers(t *testing.T) {
	t.Parallel()
	listed := realserver.TestPoints().With(realserver.Entries{"127.0.5.7": {A: "127.0.0.2"}})
	server := realserver.Rbldnsd(t, ip4("turns.example", listed))
	config := fmt.Sprintf("blocklists:\n  use: [turns]\n  add:\n    - {id: turns, zone: turns.example, resolver: \"%s\", %s}\n", server.Addr(), rfc5782)
	look := func(step string, code int, verdict, health string) {
		t.Helper()
		out := repwatch(t, config, "check", "127.0.5.7", "-o", "json")
		doc := decode[checkDoc](t, out)
		if out.code != code || doc.Results[0].Verdict != verdict || doc.Lists[0].Health != health {
			t.Errorf("%s: exit %d, %s, list %s (%s); want %d, %s, %s", step, out.code, doc.Results[0].Verdict, doc.Lists[0].Health, doc.Lists[0].Why, code, verdict, health)
		}
	}
	look("listed", 1, "listed", "ok")
	server.Replace(t, ip4("turns.example", realserver.TestPoints()))
	look("delisted", 0, "not-listed", "ok")
	server.Replace(t, ip4("turns.example", nil))
	look("emptied: no delisting", 3, "unknown", "suspended")
	server.Replace(t, world("turns.example", "127.0.0.2"))
	look("lists the world: no listing", 3, "unknown", "suspended")
	server.Replace(t, ip4("turns.example", listed))
	look("itself again", 1, "listed", "ok")
}
