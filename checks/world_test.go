package checks

import (
	"context"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"repwatch/checks/dnsbl"
	"repwatch/checks/smtp"
	"repwatch/config"
	"repwatch/resolve"
)

// world is DNS made of data: lists by zone, and records. What it does not hold is NXDOMAIN.
type world struct {
	mu      sync.Mutex
	lists   map[string]list
	records []dns.RR
	asked   map[string][]string      // by zone: who was asked for
	empty   map[string]bool          // zones without data, test points included
	left    map[string]time.Duration // what a cache has left of the TTL, by who was asked for; else all of it
}

// list answers for an address or domain: its codes, or a failure.
type list func(who string) (codes []string, fail resolve.Failure)

func listing(codes string, who ...string) list {
	return func(w string) ([]string, resolve.Failure) {
		for _, l := range who {
			if l == w {
				return strings.Fields(codes), ""
			}
		}
		return nil, ""
	}
}

// failing answers nothing; failingFor fails for these alone.
func failing(f resolve.Failure) list {
	return func(string) ([]string, resolve.Failure) { return nil, f }
}

func (l list) failingFor(f resolve.Failure, who ...string) list {
	return func(w string) ([]string, resolve.Failure) {
		for _, bad := range who {
			if bad == w {
				return nil, f
			}
		}
		return l(w)
	}
}

func newWorld() *world {
	return &world{lists: map[string]list{}, asked: map[string][]string{}, left: map[string]time.Duration{}, empty: map[string]bool{}}
}

func (w *world) set(zone string, l list) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lists[zone] = l
}

func (w *world) add(t *testing.T, records string) {
	t.Helper()
	for line := range strings.Lines(records) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		rr, err := dns.NewRR(line)
		if err != nil {
			t.Fatal(err)
		}
		w.records = append(w.records, rr)
	}
}

// questions to a zone about those who are not test points.
func (w *world) questions(zone string) (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, who := range w.asked[zone] {
		if !strings.HasPrefix(who, "127.") && !strings.HasPrefix(who, "rw") {
			n++
		}
	}
	return n
}

// Lookup implements resolve.Lookuper.
func (w *world) Lookup(ctx context.Context, q resolve.Query) (resolve.Answer, error) {
	if ctx.Err() != nil {
		return resolve.Answer{}, &resolve.Error{Failure: resolve.FailCanceled, What: q.Name, Err: ctx.Err()}
	}
	name := strings.TrimSuffix(strings.ToLower(q.Name), ".")
	w.mu.Lock()
	defer w.mu.Unlock()
	for zone, l := range w.lists {
		label, ok := strings.CutSuffix(name, "."+zone)
		if !ok {
			continue
		}
		if q.Type == dns.TypeTXT {
			return answer(q, &dns.TXT{Txt: []string{"seen at\x1b[1m a trap"}}), nil
		}
		who := asWho(label)
		w.asked[zone] = append(w.asked[zone], who)
		codes, fail := l(who)
		switch {
		case fail != "":
			return resolve.Answer{}, &resolve.Error{Failure: fail, What: q.Zone}
		case w.empty[zone]:
			codes = nil
		case who == "127.0.0.2" || who == "test":
			codes = []string{"127.0.0.2"}
		}
		var rrs []dns.RR
		for _, c := range codes {
			rrs = append(rrs, &dns.A{A: net.ParseIP(c)})
		}
		a := answer(q, rrs...)
		if left, aged := w.left[who]; aged {
			a.TTL = left
		}
		return a, nil
	}
	var rrs []dns.RR
	for _, rr := range w.records {
		if h := rr.Header(); strings.EqualFold(h.Name, name+".") && h.Rrtype == q.Type {
			rrs = append(rrs, rr)
		}
	}
	return answer(q, rrs...), nil
}

func answer(q resolve.Query, rrs ...dns.RR) resolve.Answer {
	a := resolve.Answer{Records: rrs, TTL: 5 * time.Minute}
	if len(rrs) == 0 {
		a.Rcode = dns.RcodeNameError
	}
	return a
}

// asWho undoes RFC 5782 §2.1; a domain stays as it is.
func asWho(label string) string {
	p := strings.Split(label, ".")
	if len(p) != 4 {
		return label
	}
	if ip, err := netip.ParseAddr(strings.Join([]string{p[3], p[2], p[1], p[0]}, ".")); err == nil {
		return ip.String()
	}
	return label
}

const catalogue = `lists:
  - {id: alpha, zone: alpha.example, name: Alpha, impact: critical, codes: {127.0.0.2: spam, 127.0.0.10: {meaning: dynamic, class: policy, impact: info}}, lookup: "https://alpha.example/{ip}", delist: {how: self-service, typical: 1d}}
  - {id: beta, zone: beta.example}
  - {id: gamma, zone: gamma.example}
  - {id: six, zone: six.example, families: [v6]}
  - {id: names, zone: names.example, kind: domain}
`

// load reads a configuration with the small catalogue above.
func load(t testing.TB, yaml string) *config.Loaded {
	t.Helper()
	file := filepath.Join(t.TempDir(), "repwatch.yaml")
	if err := os.WriteFile(file, []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(file, []byte(catalogue))
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// envOf is an environment in which nothing is limited.
func envOf(cfg *config.Loaded, w resolve.Lookuper) Env {
	return Env{Config: cfg, DNS: w, Engine: dnsbl.New(dnsbl.Options{Resolver: w}), Prober: &smtp.Prober{},
		Gate: smtp.NewGate(smtp.GateConfig{}, nil, nil), Memory: NewMemory()}
}

// checkOf builds all kinds and gives one.
func checkOf(t testing.TB, env Env, name string) Check {
	t.Helper()
	all, err := Build(env)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range all {
		if c.Name() == name {
			return c
		}
	}
	t.Fatalf("no check is called %s", name)
	return nil
}

// look takes one look, which has to give one batch.
func look(t testing.TB, c Check, a Ask) Batch {
	t.Helper()
	a.Check = c.Name()
	out := c.Look(t.Context(), a)
	if len(out) != 1 {
		t.Fatalf("%d batches, want one", len(out))
	}
	b := out[0]
	if b.Version != Version || b.ID == "" || b.Check != c.Name() || b.Started.IsZero() || b.Ended.Before(b.Started) {
		t.Errorf("head of the batch: %+v", b)
	}
	return b
}
