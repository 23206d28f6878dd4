package resolve

import (
	"context"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"repwatch/internal/lab"
)

// An attacker who guesses everything but one thing is not believed.
func TestForgedAnswersAreNotBelieved(t *testing.T) {
	for _, wrong := range []lab.DNSWrong{lab.WrongID, lab.WrongSource, lab.WrongCase, lab.WrongQuestion, lab.WrongType} {
		d := testWorld(t, oneName)
		d.Zone(".").Set(lab.DNSBehaviour{Forge: []lab.DNSForgery{{Wrong: wrong, Times: 5, With: rrs(t, ". 60 IN A 192.0.2.66")}}})
		c := testClient(t, Options{}, d)
		together(200, func(int) {
			if a, err := askName(c); err != nil || len(a.Values) != 1 || a.Values[0].String() != "192.0.2.1" {
				t.Errorf("wrong %s: %v, %v", wrong, a.Values, err)
			}
		})
		if s := c.Servers()[0]; !s.KeepsCase || s.Down {
			t.Errorf("wrong %s: forgeries changed what we think of the server: %+v", wrong, s)
		}
	}
}

// Right in all but case, against a server known to keep case: nothing but a timeout comes of it.
func TestForgedCaseAgainstASilentServer(t *testing.T) {
	t.Parallel()
	d := testWorld(t, oneName)
	c := testClient(t, Options{Timeout: 50 * time.Millisecond}, d)
	for range 3 { // one echo in mixed case is enough; the name may come out all lower case
		if _, err := c.Lookup(context.Background(), Query{Name: "name.example", Type: 1, Budget: time.Minute}); err != nil {
			t.Fatal(err)
		}
	}
	d.Zone(".").Set(lab.DNSBehaviour{LowerCase: true})
	before := d.Zone(".").Stats().Questions
	for i := range 4 {
		got, err := askName(c)
		if len(got.Values) != 0 || FailureOf(err) != FailMalformed || !strings.Contains(err.Error(), "case") {
			t.Errorf("question %d: %v, %v", i+1, got.Values, err)
		}
	}
	if n := d.Zone(".").Stats().Questions - before; n != 12 {
		t.Errorf("%d queries for 4 questions of 3 tries: a forger must not make us ask more", n)
	}
}

// A server that writes every name in lower case is understood from the first question on.
func TestServerThatDoesNotKeepCase(t *testing.T) {
	d := testWorld(t, oneName)
	d.Zone(".").Set(lab.DNSBehaviour{LowerCase: true})
	burst := testClient(t, Options{Tries: 1}, d)
	together(20, func(int) { mustAnswer(t, burst, Query{Name: "name.example"}) })
	before := d.Zone(".").Stats().Questions
	c := testClient(t, Options{Tries: 1}, d)
	if a := mustAnswer(t, c, Query{Name: "name.example"}); a.Elapsed < casePatience || a.Elapsed > 10*time.Second {
		t.Errorf("believed after %v, want %v", a.Elapsed, casePatience)
	}
	if n := d.Zone(".").Stats().Questions - before; n != caseMisses {
		t.Errorf("believed after %d answers in another case", n)
	}
	before = d.Zone(".").Stats().Questions
	if a := mustAnswer(t, c, Query{Name: "name.example"}); a.Tries != 1 || c.Servers()[0].KeepsCase {
		t.Errorf("%+v, %+v", a.Answer, c.Servers()[0])
	}
	log := d.Log()
	if last := log[len(log)-1]; len(log) != before+1 || last.Name != "name.example." {
		t.Errorf("0x20 is not off: %d queries more, last %q", len(log)-before, last.Name)
	}
}

func TestOffChainRecordsAreIgnored(t *testing.T) {
	d := testWorld(t, oneName)
	d.Zone(".").Set(lab.DNSBehaviour{Forge: []lab.DNSForgery{{Wrong: "", With: rrs(t, "evil.example. 60 IN A 192.0.2.66")}}})
	a, err := askName(testClient(t, Options{}, d))
	if err != nil || !a.NoData() {
		t.Errorf("records of another owner: %v, %v", a.Values, err)
	}
}

func TestSocketHolds256(t *testing.T) {
	s := &sock{pending: map[uint16]*try{}}
	id := uint64(0)
	random := func() uint64 { id++; return id / 2 } // every other one is taken
	seen := map[uint16]bool{}
	for i := range 300 {
		try := &try{}
		if ok := s.register(try, random); ok != (i < 256) {
			t.Fatalf("query %d: %v", i+1, ok)
		} else if ok && seen[try.id] {
			t.Fatalf("ID %d is used twice", try.id)
		}
		seen[try.id] = true
	}
}

// Sockets are replaced now and then; what waits on an old one is still answered.
func TestSocketsAreReplaced(t *testing.T) {
	d := testWorld(t, oneName)
	arrived := make(chan struct{}, 100)
	d.Zone(".").Set(lab.DNSBehaviour{Delay: 200 * time.Millisecond, Rewrite: func(*dns.Msg) { arrived <- struct{}{} }})
	c := testClient(t, Options{}, d)
	s := c.own[0]
	var waiting sync.WaitGroup
	for range 8 {
		waiting.Go(func() { mustAnswer(t, c, Query{Name: "name.example"}) })
	}
	for range 8 {
		<-arrived
	}
	s.mu.Lock()
	old := append([]*sock(nil), s.socks...)
	for _, sock := range old {
		sock.born = sock.born.Add(-sockLife - time.Second)
	}
	s.mu.Unlock()
	waiting.Go(func() { mustAnswer(t, c, Query{Name: "name.example"}) })
	waiting.Wait()
	for i, sock := range old {
		sock.mu.Lock()
		if _, err := sock.conn.Write([]byte{0}); !sock.retired || err == nil {
			t.Errorf("old socket %d: retired %v, write: %v", i, sock.retired, err)
		}
		sock.mu.Unlock()
	}
	ports := map[netip.AddrPort]bool{}
	for _, q := range d.Log() {
		ports[q.Source] = true
	}
	if len(ports) != 5 {
		t.Errorf("%d ports, want four old ones and a new one", len(ports))
	}
}
