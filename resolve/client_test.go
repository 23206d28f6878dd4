package resolve

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"

	"repwatch/internal/lab"
)

func TestFollowsChainsAcrossAnswers(t *testing.T) {
	d := testWorld(t, `
		a.example. 300 IN CNAME b.example.
		b.example. 20 IN CNAME c.example.
		c.example. 300 IN A 192.0.2.1
		dead.example. 300 IN CNAME nowhere.example.
		round.example. 300 IN CNAME about.example.
		about.example. 300 IN CNAME round.example.
		self.example. 300 IN CNAME self.example.
		h0. 300 IN CNAME h1.
		h1. 300 IN CNAME h2.
		h2. 300 IN CNAME h3.
		h3. 300 IN CNAME h4.
		h4. 300 IN CNAME h5.
		h5. 300 IN CNAME h6.
		h6. 300 IN CNAME h7.
		h7. 300 IN CNAME h8.
		h8. 300 IN CNAME h9.
		h9. 300 IN A 192.0.2.1`)
	for _, bare := range []bool{false, true} {
		d.Zone(".").Set(lab.DNSBehaviour{BareCNAME: bare})
		c := testClient(t, Options{}, d)
		a := mustAnswer(t, c, Query{Name: "A.example"})
		if diff := cmp.Diff([]string{"b.example.", "c.example."}, a.CNAMEs); diff != "" || a.TTL != 20*time.Second {
			t.Errorf("bare %v: TTL %v, chain %s", bare, a.TTL, diff)
		}
		if bare && a.Tries != 3 {
			t.Errorf("%d tries for three names", a.Tries)
		}
		mustAnswer(t, c, Query{Name: "h1"})
		dead, err := A(context.Background(), c, Query{Name: "dead.example"})
		if err != nil || !dead.NXDomain() || len(dead.CNAMEs) != 1 || dead.TTL != 60*time.Second {
			t.Errorf("bare %v: a chain to no name: %+v, %v", bare, dead, err)
		}
		for _, name := range []string{"h0", "round.example", "self.example"} {
			_, err := c.Lookup(context.Background(), Query{Name: name, Type: dns.TypeA})
			if FailureOf(err) != FailMalformed {
				t.Errorf("bare %v: %s: %v", bare, name, err)
			}
			if e, _ := err.(*Error); bare && e != nil && name == "round.example" && e.Tries > 2 {
				t.Errorf("%s was gone round with %d queries", name, e.Tries)
			}
		}
	}
}

// Each way a server can fail, alone: the failure; beside a good server: no failure.
func TestFailures(t *testing.T) {
	t.Parallel()
	rows := []struct {
		name string
		how  lab.DNSBehaviour
		want Failure
	}{
		{"silent", lab.DNSBehaviour{DropAll: true}, FailTimeout},
		{"servfail", lab.DNSBehaviour{Rcode: dns.RcodeServerFailure}, FailServer},
		{"refused", lab.DNSBehaviour{Rcode: dns.RcodeRefused}, FailRefused},
		{"refused briefly", lab.DNSBehaviour{Rcode: dns.RcodeRefused, NoQuestion: true}, FailRefused},
		{"not implemented", lab.DNSBehaviour{Rcode: dns.RcodeNotImplemented}, FailRcode},
		{"format error", lab.DNSBehaviour{Rcode: dns.RcodeFormatError}, FailRcode},
		{"wrong ID", lab.DNSBehaviour{WrongID: true}, FailMalformed},
		{"wrong question", lab.DNSBehaviour{WrongQuestion: true}, FailMalformed},
		{"garbage", lab.DNSBehaviour{Garbage: true}, FailMalformed},
		{"lame", lab.DNSBehaviour{Referral: true}, FailMalformed},
		{"no question", lab.DNSBehaviour{NoQuestion: true}, FailMalformed},
		{"truncated, no TCP", lab.DNSBehaviour{Truncate: true, NoTCP: true}, FailNetwork},
	}
	together(len(rows), func(i int) {
		c := rows[i]
		bad, good := testWorld(t, oneName), testWorld(t, oneName)
		bad.Zone(".").Set(c.how)
		_, err := askName(testClient(t, Options{Timeout: 400 * time.Millisecond}, bad))
		if FailureOf(err) != c.want {
			t.Errorf("%s alone: %v, want %s", c.name, err, c.want)
		}
		a, err := A(context.Background(), testClient(t, Options{}, bad, good), Query{Name: "name.example", Budget: 1500 * time.Millisecond})
		if err != nil || len(a.Values) != 1 || a.Server != good.Addr() {
			t.Errorf("%s beside a good server: %v, %v", c.name, a, err)
		}
	})
}

func TestUnreachablePort(t *testing.T) {
	t.Parallel()
	gone, good := testWorld(t, oneName), testWorld(t, oneName)
	gone.Close()
	_, err := askName(testClient(t, Options{}, gone))
	if FailureOf(err) != FailNetwork || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("alone: %v", err)
	}
	began := time.Now()
	mustAnswer(t, testClient(t, Options{}, gone, good), Query{Name: "name.example"})
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("an unreachable port cost %v, as much as a timeout", took)
	}
}

// The words of a server are final, yet every server is heard once, and only once.
func TestEveryServerIsAskedOnce(t *testing.T) {
	a, b := testWorld(t, oneName), testWorld(t, oneName)
	a.Zone(".").Set(lab.DNSBehaviour{Rcode: dns.RcodeServerFailure})
	b.Zone(".").Set(lab.DNSBehaviour{Rcode: dns.RcodeRefused})
	got, err := askName(testClient(t, Options{}, a, b))
	e, _ := err.(*Error)
	if e == nil || e.Failure != FailRefused || e.Rcode != dns.RcodeRefused || e.Server != b.Addr() || e.Tries != 2 {
		t.Errorf("%+v", err)
	}
	if got.Rcode != dns.RcodeRefused || got.Server != b.Addr() || !got.RecursionAvailable {
		t.Errorf("the last answer is not returned beside the error: %+v", got.Answer)
	}
	if n := a.Zone(".").Stats().Questions; n != 1 {
		t.Errorf("the first server was asked %d times", n)
	}
}

// A retry shares nothing with the query before: neither ID nor port nor spelling.
func TestRetriesAreUnlike(t *testing.T) {
	t.Parallel()
	d := testWorld(t, "*.a-rather-long-name-with-many-letters.example. 60 IN A 192.0.2.1")
	d.Zone(".").Set(lab.DNSBehaviour{DropFirst: 3})
	c := testClient(t, Options{Timeout: 300 * time.Millisecond, Tries: 4}, d)
	together(20, func(n int) {
		name := fmt.Sprintf("n%d.a-rather-long-name-with-many-letters.example", n)
		if a, err := A(context.Background(), c, Query{Name: name}); err != nil || a.Tries != 4 {
			t.Errorf("%d tries, want 4: %v", a.Tries, err)
		}
	})
	before := map[string]lab.DNSQuestion{}
	for _, q := range d.Log() {
		name := strings.ToLower(q.Name)
		if b, ok := before[name]; ok && (b.ID == q.ID || b.Source == q.Source || b.Name == q.Name) {
			t.Errorf("a query is like the one before: %+v, %+v", b, q)
		}
		before[name] = q
	}
}

func TestIDsAndPortsAreSpread(t *testing.T) {
	d := testWorld(t, oneName)
	c := testClient(t, Options{}, d)
	ids, ports, names := map[uint16]int{}, map[uint16]int{}, map[string]int{}
	for range 300 {
		mustAnswer(t, c, Query{Name: "name.example"})
	}
	var high, sum int
	for _, q := range d.Log() {
		ids[q.ID]++
		ports[q.Source.Port()]++
		names[q.Name]++
		sum += int(q.ID >> 15)
		high++
	}
	if len(ids) < 290 || sum < high/4 || sum > high*3/4 {
		t.Errorf("%d IDs of 300 differ, %d have the top bit", len(ids), sum)
	}
	if len(ports) != 4 || len(names) < 200 {
		t.Errorf("%d ports, %d spellings", len(ports), len(names))
	}
}

// An answer to an earlier try counts, even from another server.
func TestLateAnswersCount(t *testing.T) {
	t.Parallel()
	slow, dead := testWorld(t, oneName), testWorld(t, oneName)
	slow.Zone(".").Set(lab.DNSBehaviour{Delay: 300 * time.Millisecond})
	dead.Zone(".").Set(lab.DNSBehaviour{DropAll: true})
	c := testClient(t, Options{Timeout: 200 * time.Millisecond, Tries: 2}, slow, dead)
	if a := mustAnswer(t, c, Query{Name: "name.example"}); a.Server != slow.Addr() || a.Tries != 2 {
		t.Errorf("%+v", a.Answer)
	}
}

func TestTruncatedGoesToTCP(t *testing.T) {
	var big strings.Builder
	for i := range 100 {
		fmt.Fprintf(&big, "big.example. 300 IN A 192.0.2.%d\n", i)
	}
	d := testWorld(t, oneName+"\n"+big.String())
	c := testClient(t, Options{}, d)
	a, err := A(context.Background(), c, Query{Name: "big.example"})
	if err != nil || len(a.Values) != 100 || a.Server != d.Addr() || a.Tries != 1 {
		t.Errorf("%d records, %+v, %v", len(a.Values), a.Answer, err)
	}
	d.Zone(".").Set(lab.DNSBehaviour{Truncate: true})
	mustAnswer(t, c, Query{Name: "name.example"})
	if n := d.Zone(".").Stats().TCP; n != 2 {
		t.Errorf("%d questions over TCP", n)
	}
}

func TestTCPKeepsTheBudget(t *testing.T) {
	t.Parallel()
	d := testWorld(t, oneName)
	d.Zone(".").Set(lab.DNSBehaviour{Truncate: true, Rewrite: func(m *dns.Msg) {
		if !m.Truncated {
			m.Id++ // over TCP: not our answer
		}
	}})
	if _, err := askName(testClient(t, Options{}, d)); FailureOf(err) != FailMalformed {
		t.Errorf("a strange answer over TCP: %v", err)
	}
	d.Zone(".").Set(lab.DNSBehaviour{Truncate: true, Delay: 250 * time.Millisecond})
	began := time.Now()
	_, err := testClient(t, Options{Tries: 1}, d).Lookup(context.Background(), Query{Name: "name.example", Type: dns.TypeA, Budget: 400 * time.Millisecond})
	if took := time.Since(began); FailureOf(err) != FailTimeout || took > 2*time.Second {
		t.Errorf("%v after %v", err, took)
	}
}

// What an earlier server says late, other than an answer, does not end the try of the next.
func TestLateErrorsDoNotCount(t *testing.T) {
	t.Parallel()
	slow, good := testWorld(t, oneName), testWorld(t, oneName)
	slow.Zone(".").Set(lab.DNSBehaviour{Delay: 900 * time.Millisecond, Rcode: dns.RcodeServerFailure})
	good.Zone(".").Set(lab.DNSBehaviour{Delay: 500 * time.Millisecond})
	c := testClient(t, Options{Timeout: 700 * time.Millisecond, Tries: 2}, slow, good)
	if a := mustAnswer(t, c, Query{Name: "name.example"}); a.Server != good.Addr() {
		t.Errorf("%+v", a.Answer)
	}
}

func TestServersThatDislikeEDNS(t *testing.T) {
	d := testWorld(t, oneName)
	d.Zone(".").Set(lab.DNSBehaviour{NoEDNS: true})
	c := testClient(t, Options{}, d)
	if a := mustAnswer(t, c, Query{Name: "name.example"}); a.Tries != 1 {
		t.Errorf("%d tries", a.Tries)
	}
	mustAnswer(t, c, Query{Name: "name.example"})
	var edns []bool
	for _, q := range d.Log() {
		edns = append(edns, q.EDNS)
	}
	if diff := cmp.Diff([]bool{true, false, false}, edns); diff != "" || c.Servers()[0].EDNS {
		t.Errorf("EDNS in the queries: %v", edns)
	}
}

// Budget bounds the question with all its tries, which share it evenly.
func TestBudget(t *testing.T) {
	t.Parallel()
	d := testWorld(t, oneName)
	arrived := make(chan struct{}, 100)
	d.Zone(".").Set(lab.DNSBehaviour{DropAll: true, Rewrite: func(*dns.Msg) { arrived <- struct{}{} }})
	c := testClient(t, Options{Timeout: time.Hour}, d)
	began := time.Now()
	_, err := A(context.Background(), c, Query{Name: "name.example", Budget: 600 * time.Millisecond})
	took := time.Since(began)
	e, _ := err.(*Error)
	if e == nil || e.Failure != FailTimeout || e.Tries != 3 || took < 600*time.Millisecond || took > 5*time.Second {
		t.Fatalf("%v after %v", err, took)
	}
	for range 3 {
		<-arrived
	}
	for i, q := range d.Log() {
		if at, want := q.At.Sub(began), time.Duration(i)*200*time.Millisecond; at < want {
			t.Errorf("try %d came after %v, want %v", i+1, at, want)
		}
	}
}

func TestTimeoutIsPerTry(t *testing.T) {
	t.Parallel()
	d := testWorld(t, oneName)
	d.Zone(".").Set(lab.DNSBehaviour{DropAll: true})
	_, err := askName(testClient(t, Options{Timeout: 100 * time.Millisecond}, d))
	if e, _ := err.(*Error); e == nil || e.Tries != 3 || e.Elapsed < 300*time.Millisecond || e.Server != d.Addr() {
		t.Errorf("%+v", err)
	}
	// Timers fire late; that must not take time, and in the end tries, from the question.
	_, err = askName(testClient(t, Options{Timeout: time.Millisecond, Tries: 200}, d))
	if e, _ := err.(*Error); e == nil || e.Tries != 200 {
		t.Errorf("%+v", err)
	}
}

func TestQuestionsOfTheirOwnServers(t *testing.T) {
	own, feed := testWorld(t, ""), testWorld(t, oneName)
	c := testClient(t, Options{}, own)
	mustAnswer(t, c, Query{Name: "name.example", Servers: []netip.AddrPort{feed.Addr()}})
	if n := own.Zone(".").Stats().Questions; n != 0 {
		t.Errorf("the client's own server got %d questions", n)
	}
}

func TestCancel(t *testing.T) {
	d := testWorld(t, oneName)
	d.Zone(".").Set(lab.DNSBehaviour{DropAll: true})
	c := testClient(t, Options{InFlight: 1, MaxInFlight: 1}, d)
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(50*time.Millisecond, cancel)
	together(2, func(i int) { // one is asked, one waits for the slot
		if _, err := A(ctx, c, Query{Name: "name.example"}); FailureOf(err) != FailCanceled {
			t.Errorf("question %d: %v", i, err)
		}
	})
	if s := c.Servers()[0]; s.InFlight != 0 || s.Waiting != 0 {
		t.Errorf("left behind: %+v", s)
	}
	if _, err := A(ctx, c, Query{Name: "name.example"}); FailureOf(err) != FailCanceled {
		t.Errorf("asked with a canceled context: %v", err)
	}
}

func TestCloseFailsWhatWaits(t *testing.T) {
	d := testWorld(t, oneName)
	d.Zone(".").Set(lab.DNSBehaviour{DropAll: true})
	c := testClient(t, Options{InFlight: 1, MaxInFlight: 1}, d)
	time.AfterFunc(50*time.Millisecond, c.Close)
	together(3, func(i int) {
		if _, err := askName(c); FailureOf(err) != FailCanceled {
			t.Errorf("question %d: %v", i, err)
		}
	})
	if _, err := askName(c); FailureOf(err) != FailCanceled {
		t.Errorf("after Close: %v", err)
	}
	c.Close()
}
