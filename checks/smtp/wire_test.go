package smtp

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"repwatch/internal/lab"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func ip(s string) netip.Addr { return netip.MustParseAddr(s) }

const mxName = "mx.partner.example"

// wireWorld is one mail server and a prober that trusts its authority.
type wireWorld struct {
	*lab.SMTP
	t    *testing.T
	addr netip.AddrPort
	p    *Prober
}

var labCA = func() *lab.CA {
	ca, err := lab.NewCA()
	if err != nil {
		panic(err)
	}
	return ca
}()

// newServer makes the server without a listener. Scripts of several connections are parted by a line "====".
func newServer(t *testing.T, script string) *lab.SMTP {
	t.Helper()
	srv, err := lab.NewSMTP(lab.SMTPOptions{Host: mxName, CA: labCA, User: "postmaster@example.com", Pass: "s3cret&Pass"})
	if err != nil {
		t.Fatal(err)
	}
	if script != "" {
		if err := srv.Play(strings.Split(script, "\n====\n")...); err != nil {
			t.Fatal(err)
		}
	}
	return srv
}

// newWire makes a server on loopback.
func newWire(t *testing.T, script string) *wireWorld {
	t.Helper()
	srv := newServer(t, script)
	t.Cleanup(srv.Close)
	addr, err := srv.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return &wireWorld{SMTP: srv, t: t, addr: addr, p: &Prober{Roots: labCA.Pool()}}
}

func (w *wireWorld) target() Target {
	return Target{Partner: "partner.example", MX: mxName, Addr: w.addr.Addr(), Port: w.addr.Port()}
}

var vantage = Vantage{Name: "127.0.5.7", IP: ip("127.0.5.7"), Bind: ip("127.0.5.7"), EHLO: "mail.example.com"}

func (w *wireWorld) probe(ask Ask) Result {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Minute)
	defer cancel()
	res := w.p.ProbeAsking(ctx, w.target(), vantage, ask)
	if err := w.Wait(ctx); err != nil {
		w.t.Error(err)
	}
	return res
}

// inBubble probes over a pipe in a bubble of fake time: an hour of silence takes no time.
func inBubble(t *testing.T, script string, ask Ask, check func(t *testing.T, res Result, took time.Duration)) {
	inBubbleWith(t, &Prober{}, script, ask, check)
}

func inBubbleWith(t *testing.T, p *Prober, script string, ask Ask, check func(t *testing.T, res Result, took time.Duration)) {
	synctest.Test(t, func(t *testing.T) {
		srv := newServer(t, script)
		p.dial = func(_ context.Context, v Vantage, _ netip.AddrPort) (net.Conn, error) {
			ours, theirs := net.Pipe()
			go srv.Serve(theirs, v.IP)
			return ours, nil
		}
		began := time.Now()
		res := p.ProbeAsking(t.Context(), Target{Partner: "partner.example", MX: mxName, Addr: ip("192.0.2.25"), Port: 25}, vantage, ask)
		took := time.Since(began)
		srv.Close()
		check(t, res, took)
	})
}

// said is the transcript as text, one line each.
func said(res Result) string {
	var out strings.Builder
	for _, l := range res.Transcript {
		out.WriteString(l.From + ": " + l.Text + "\n")
	}
	return out.String()
}

func phaseNames(res Result) []string {
	var out []string
	for _, p := range res.Phases {
		out = append(out, p.Name)
	}
	return out
}
