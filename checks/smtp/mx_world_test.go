package smtp

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"repwatch/resolve"
)

// dnsWorld answers from records: a name without any is NXDOMAIN, a name
// without the asked type NODATA, a name in failing SERVFAIL or a timeout.
type dnsWorld struct {
	records []dns.RR
	failing map[string]resolve.Failure // "name TYPE" or "name"
}

// newWorld reads records in zone file form. "fail NAME [TYPE] FAILURE" makes a question fail.
func newWorld(t testing.TB, zone string) *dnsWorld {
	t.Helper()
	w := &dnsWorld{failing: map[string]resolve.Failure{}}
	for line := range strings.Lines(zone) {
		f := strings.Fields(line)
		switch {
		case len(f) == 0:
		case f[0] == "fail":
			w.failing[strings.Join(f[1:len(f)-1], " ")] = resolve.Failure(f[len(f)-1])
		default:
			rr, err := dns.NewRR(strings.TrimSpace(line))
			if err != nil {
				t.Fatal(err)
			}
			w.records = append(w.records, rr)
		}
	}
	return w
}

func (w *dnsWorld) Lookup(ctx context.Context, q resolve.Query) (resolve.Answer, error) {
	if err := ctx.Err(); err != nil {
		return resolve.Answer{}, &resolve.Error{Failure: resolve.FailCanceled, What: q.Name, Err: err}
	}
	name := dns.CanonicalName(q.Name)
	a := resolve.Answer{TTL: time.Hour}
	for hops := 0; hops < 8; hops++ {
		plain := strings.TrimSuffix(name, ".")
		for _, key := range []string{plain, plain + " " + dns.TypeToString[q.Type]} {
			if f, ok := w.failing[key]; ok {
				return resolve.Answer{Rcode: dns.RcodeServerFailure}, &resolve.Error{Failure: f, What: plain}
			}
		}
		exists, next := false, ""
		for _, rr := range w.records {
			h := rr.Header()
			if dns.CanonicalName(h.Name) != name {
				continue
			}
			exists = true
			switch c, isCNAME := rr.(*dns.CNAME); {
			case h.Rrtype == q.Type:
				a.Records = append(a.Records, rr)
			case isCNAME:
				next = dns.CanonicalName(c.Target)
			default:
				continue
			}
			a.TTL = min(a.TTL, time.Duration(h.Ttl)*time.Second)
		}
		if len(a.Records) > 0 || next == "" {
			if !exists {
				a.Rcode = dns.RcodeNameError
			}
			return a, nil
		}
		a.CNAMEs = append(a.CNAMEs, next)
		name = next
	}
	return a, &resolve.Error{Failure: resolve.FailServer, What: q.Name}
}
