package lab

import (
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// plan is all that was decided about one question under the lock.
type plan struct {
	zone   *DNSZone
	how    DNSBehaviour
	source netip.AddrPort
	tcp    bool
	wait   time.Duration
	drop   bool
	junk   []byte
	answer *dns.Msg
}

func (d *DNS) serve(w dns.ResponseWriter, q *dns.Msg) {
	if len(q.Question) != 1 {
		return
	}
	p := d.plan(w, q)
	if p.wait > 0 {
		timer := time.NewTimer(p.wait)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-d.done:
			p.drop = true
		}
	}
	d.settle(p)
	if p.drop || p.tcp && p.how.NoTCP {
		_ = w.Close() // closes a TCP connection, means nothing for UDP
		return
	}
	if !p.tcp {
		d.forge(w, q, p)
	}
	if p.how.Garbage {
		_, _ = w.Write(p.junk)
		return
	}
	_ = w.WriteMsg(p.answer)
}

// plan takes the question in: counts it, decides its fate and makes its answer.
func (d *DNS) plan(w dns.ResponseWriter, q *dns.Msg) *plan {
	d.mu.Lock()
	defer d.mu.Unlock()
	asked := q.Question[0]
	name := dns.CanonicalName(asked.Name)
	z := d.zoneOf(name)
	p := &plan{zone: z, how: z.how}
	switch a := w.RemoteAddr().(type) {
	case *net.UDPAddr:
		p.source = a.AddrPort()
	case *net.TCPAddr:
		p.source, p.tcp = a.AddrPort(), true
	}
	d.count(p)
	p.drop = d.drops(z, name, asked.Qtype)
	if p.wait = p.how.Delay; p.how.Jitter > 0 {
		p.wait += time.Duration(d.random.Int64N(int64(p.how.Jitter)))
	}
	if p.how.Garbage {
		p.junk = make([]byte, 1+d.random.IntN(200))
		for i := range p.junk {
			p.junk[i] = byte(d.random.Uint32())
		}
	}
	p.answer = d.answer(q, p)
	d.note(DNSQuestion{
		Name: asked.Name, Type: asked.Qtype, ID: q.Id, Source: p.source, TCP: p.tcp,
		EDNS: q.IsEdns0() != nil, At: z.stats.Last, Dropped: p.drop,
	})
	return p
}

func (d *DNS) count(p *plan) {
	s := &p.zone.stats
	s.Last = time.Now()
	if s.Questions == 0 {
		s.First = s.Last
	}
	s.Questions++
	if p.tcp {
		s.TCP++
	}
	s.InHand++
	s.Max = max(s.Max, s.InHand)
	d.sources[p.source]++
	s.MaxPerSource = max(s.MaxPerSource, d.sources[p.source])
}

func (d *DNS) settle(p *plan) {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := &p.zone.stats
	s.InHand--
	if p.drop {
		s.Dropped++
	} else {
		s.Answered++
	}
	if d.sources[p.source]--; d.sources[p.source] == 0 {
		delete(d.sources, p.source)
	}
}

func (d *DNS) drops(z *DNSZone, name string, qtype uint16) bool {
	how := &z.how
	if how.DropFirst > 0 {
		key := name + dns.TypeToString[qtype]
		z.asked[key]++
		if z.asked[key] <= how.DropFirst {
			return true
		}
	}
	return how.DropAll ||
		how.DropEvery > 0 && z.stats.Questions%how.DropEvery == 0 ||
		how.Loss > 0 && d.random.Float64() < how.Loss
}

// answer makes the reply of the world, bent as the zone behaves.
func (d *DNS) answer(q *dns.Msg, p *plan) *dns.Msg {
	asked, how := q.Question[0], p.how
	m := new(dns.Msg).SetReply(q)
	m.RecursionAvailable, m.Authoritative = !how.Authoritative, how.Authoritative
	opt := q.IsEdns0()
	switch {
	case opt != nil && how.NoEDNS:
		m.Rcode, m.Question = dns.RcodeFormatError, nil
		return m
	case how.Rcode != 0:
		m.Rcode = how.Rcode
	case how.Referral:
		m.RecursionAvailable = false
		m.Ns = []dns.RR{&dns.NS{Hdr: dns.RR_Header{Name: ".", Rrtype: dns.TypeNS, Class: dns.ClassINET, Ttl: 300}, Ns: "a.root."}}
	default:
		look := d.resolve
		if how.Aging {
			look = d.aged
		}
		r := look(dns.CanonicalName(asked.Name), asked.Qtype, how.BareCNAME)
		m.Rcode, m.Answer, m.Ns = r.rcode, echoCase(r.answer, asked.Name), r.authy
	}
	d.fit(m, q, opt, p)
	if how.NoQuestion {
		m.Question = nil
	}
	if how.LowerCase && len(m.Question) > 0 {
		m.Question[0].Name = strings.ToLower(asked.Name)
	}
	if how.WrongQuestion && len(m.Question) > 0 {
		m.Question[0].Name = "wrong." + asked.Name
	}
	if how.WrongID {
		m.Id++
	}
	if how.Rewrite != nil {
		how.Rewrite(m)
	}
	return m
}

// fit adds the OPT record and truncates what the asker cannot take.
func (d *DNS) fit(m, q *dns.Msg, opt *dns.OPT, p *plan) {
	size := dns.MinMsgSize
	if opt != nil {
		m.SetEdns0(1232, false)
		size = max(size, int(opt.UDPSize()))
	}
	switch {
	case p.tcp:
	case p.how.Truncate:
		m.Truncated, m.Answer, m.Ns = true, nil, nil
	default:
		m.Truncate(size)
	}
}

// echoCase writes the asked name's own case where the answer speaks of it, as name compression does.
func echoCase(rrs []dns.RR, asked string) []dns.RR {
	out := make([]dns.RR, len(rrs))
	for i, rr := range rrs {
		out[i] = rr
		if strings.EqualFold(rr.Header().Name, asked) {
			out[i] = dns.Copy(rr)
			out[i].Header().Name = asked
		}
	}
	return out
}

func (d *DNS) forge(w dns.ResponseWriter, q *dns.Msg, p *plan) {
	for _, f := range p.how.Forge {
		m := new(dns.Msg).SetReply(q)
		m.RecursionAvailable = true
		m.Answer = own(f.With, q.Question[0].Name)
		for i, rr := range f.With {
			if rr.Header().Name != "." {
				m.Answer[i].Header().Name = rr.Header().Name
			}
		}
		switch f.Wrong {
		case WrongID:
			m.Id += 7
		case WrongCase:
			m.Question[0].Name = strings.ToLower(m.Question[0].Name)
		case WrongQuestion:
			m.Question[0].Name = "x" + m.Question[0].Name
		case WrongType:
			m.Question[0].Qtype++
		}
		wire, err := m.Pack()
		if err != nil {
			continue
		}
		for range max(1, f.Times) {
			if f.Wrong == WrongSource {
				_, _ = d.stranger.WriteToUDPAddrPort(wire, p.source)
			} else {
				_, _ = w.Write(wire)
			}
		}
	}
}
