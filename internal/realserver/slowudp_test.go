package realserver

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// echoDNS answers every question with a TXT record of the name asked for.
func echoDNS(t *testing.T) netip.AddrPort {
	t.Helper()
	ap := freePort(t, localhost)
	answer := dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		name := q.Question[0].Name
		m.Answer = []dns.RR{&dns.TXT{Hdr: dns.RR_Header{Name: name, Rrtype: dns.TypeTXT, Class: dns.ClassINET}, Txt: []string{name}}}
		_ = w.WriteMsg(m)
	})
	for _, network := range []string{"udp", "tcp"} {
		up := make(chan struct{})
		s := &dns.Server{Addr: ap.String(), Net: network, Handler: answer, NotifyStartedFunc: func() { close(up) }}
		done := make(chan error, 1)
		go func() { done <- s.ListenAndServe() }()
		select {
		case <-up:
		case err := <-done:
			t.Fatal(err)
		}
		t.Cleanup(func() {
			_ = s.Shutdown()
			<-done
		})
	}
	return ap
}

// ask returns the name that came back, or "" where nothing came in time.
func ask(t *testing.T, network string, server netip.AddrPort, name string, timeout time.Duration) string {
	t.Helper()
	c := dns.Client{Net: network, Timeout: timeout}
	in, _, err := c.Exchange(new(dns.Msg).SetQuestion(dns.Fqdn(name), dns.TypeTXT), server.String())
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return ""
	}
	if err != nil {
		t.Errorf("%s: %v", name, err)
		return ""
	}
	return in.Answer[0].(*dns.TXT).Txt[0]
}

func TestSlowDelaysAndKeepsQuestionsApart(t *testing.T) {
	const delay = 20 * time.Millisecond
	s := SlowUDP(t, echoDNS(t), delay, 0)
	for _, network := range []string{"udp", "tcp"} {
		var all sync.WaitGroup
		for i := range 50 {
			all.Go(func() {
				begun := time.Now()
				want := fmt.Sprintf("n%d.test.", i)
				if got := ask(t, network, s.Addr(), want, 10*time.Second); got != want {
					t.Errorf("%s: asked %s, told %q", network, want, got)
				}
				if took := time.Since(begun); took < delay {
					t.Errorf("%s: took %v, less than %v", network, took, delay)
				}
			})
		}
		all.Wait()
	}
	// Alone, so that a busy machine's own delay is not taken for the line's.
	const long = 150 * time.Millisecond
	lone := SlowUDP(t, s.upstream, long, 0)
	begun := time.Now()
	ask(t, "tcp", lone.Addr(), "lone.test.", 10*time.Second)
	if took := time.Since(begun); took < long {
		t.Errorf("tcp: took %v, less than %v", took, long)
	}
	if asked, answered, lost := s.Counts(); asked != 50 || answered != 50 || lost != 0 {
		t.Errorf("counts %d, %d, %d; want 50, 50, 0", asked, answered, lost)
	}
}

func TestSlowLosesTheShareItIsTold(t *testing.T) {
	upstream := echoDNS(t)
	everything := SlowUDP(t, upstream, 0, 1)
	if got := ask(t, "udp", everything.Addr(), "gone.test.", 50*time.Millisecond); got != "" {
		t.Errorf("with all lost, told %q", got)
	}
	if got := ask(t, "tcp", everything.Addr(), "whole.test.", 10*time.Second); got != "whole.test." {
		t.Errorf("TCP loses nothing, yet %q", got)
	}

	s := SlowUDP(t, upstream, 0, 0.25)
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(s.Addr()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	const questions = 1000
	q, err := new(dns.Msg).SetQuestion("n.test.", dns.TypeTXT).Pack()
	if err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 512)
	for range questions { // one at a time, so that no buffer overflows
		before := settled(s)
		if _, err := conn.Write(q); err != nil {
			t.Fatal(err)
		}
		for settled(s) == before {
			if err := conn.SetReadDeadline(time.Now().Add(time.Millisecond)); err != nil {
				t.Fatal(err)
			}
			_, _ = conn.Read(buf)
		}
	}
	// 1 - 0.75² of the exchanges fail: 437.5, standard deviation 16.
	if asked, answered, lost := s.Counts(); asked != questions || asked != answered+lost || lost < 360 || lost > 515 {
		t.Errorf("asked %d, answered %d, lost %d of both ways", asked, answered, lost)
	}
}

// settled is how many exchanges have ended, one way or the other.
func settled(s *Slow) int64 {
	_, answered, lost := s.Counts()
	return answered + lost
}

func TestSlowOutlivesADeadUpstream(t *testing.T) {
	nobody := freePort(t, localhost)
	s := SlowUDP(t, nobody, 0, 0)
	for range 3 {
		if got := ask(t, "udp", s.Addr(), "x.test.", 20*time.Millisecond); got != "" {
			t.Errorf("told %q by nobody", got)
		}
	}
	if asked, _, _ := s.Counts(); asked != 3 {
		t.Errorf("asked %d times, want 3", asked)
	}
}

func TestSlowEndsWithConversationsOpen(t *testing.T) {
	upstream := echoDNS(t)
	var conn net.Conn
	begun := time.Now()
	t.Run("inner", func(t *testing.T) {
		s := SlowUDP(t, upstream, 0, 0)
		var err error
		if conn, err = net.Dial("tcp", s.Addr().String()); err != nil {
			t.Fatal(err)
		}
		c := dns.Conn{Conn: conn}
		if err := c.WriteMsg(new(dns.Msg).SetQuestion("n.test.", dns.TypeTXT)); err != nil {
			t.Fatal(err)
		}
		if _, err := c.ReadMsg(); err != nil {
			t.Fatal(err)
		}
	})
	defer conn.Close()
	if took := time.Since(begun); took > 6*time.Second { // the upstream itself hangs up after 8
		t.Errorf("it took %v to end the relay", took)
	}
	if err := conn.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if n, err := conn.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the relay has ended, but its conversation goes on: %d bytes, %v", n, err)
	}
}
