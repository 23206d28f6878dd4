package resolve

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"
)

func TestErrorWords(t *testing.T) {
	local, google := netip.MustParseAddrPort("127.0.0.1:53"), netip.MustParseAddrPort("8.8.8.8:53")
	for _, c := range []struct {
		err  Error
		want string
	}{
		{Error{Failure: FailTimeout, Server: local, Tries: 3, Elapsed: 9003 * time.Millisecond}, "127.0.0.1:53 did not answer within 9 s (3 tries)"},
		{Error{Failure: FailTimeout, Server: local, Tries: 1, Elapsed: 251 * time.Millisecond}, "127.0.0.1:53 did not answer within 250 ms (1 try)"},
		{Error{Failure: FailServer, Server: local, Rcode: dns.RcodeServerFailure}, "resolver 127.0.0.1 answered SERVFAIL"},
		{Error{Failure: FailRefused, Server: netip.MustParseAddrPort("192.0.2.1:5353"), Rcode: dns.RcodeRefused}, "resolver 192.0.2.1:5353 answered REFUSED"},
		{Error{Failure: FailRefused, Server: google, Rcode: dns.RcodeRefused}, "resolver 8.8.8.8 answered REFUSED (it is a public resolver, Google Public DNS, which many lists do not serve; use a resolver of your own)"},
		{Error{Failure: FailRcode, Server: local, Rcode: 4000}, "resolver 127.0.0.1 answered rcode 4000"},
		{Error{Failure: FailNetwork, Server: local, Err: syscall.ECONNREFUSED}, "127.0.0.1:53 cannot be reached: connection refused"},
		{Error{Failure: FailMalformed, Server: local, Err: errLame}, "127.0.0.1:53 sent no usable answer: it refers to other servers (it does not serve this zone, or does not recurse)"},
		{Error{Failure: FailZoneBroken, What: "zen", RetryIn: 12 * time.Second}, "zen did not answer lately and is not asked for another 12 s"},
		{Error{Failure: FailCanceled, Err: context.Canceled}, "stopped waiting for the answer: context canceled"},
		{Error{Failure: FailBadQuestion, What: "zen", Err: errName}, "zen cannot be asked in DNS: a label is empty or over 63 octets, or the name over 255 (RFC 1035 section 2.3.4)"},
	} {
		if got := c.err.Error(); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.err.Failure, got, c.want)
		}
	}
}

func TestErrorIs(t *testing.T) {
	wrapped := fmt.Errorf("looking up: %w", &Error{Failure: FailCanceled, What: "zen", Err: context.DeadlineExceeded})
	if !errors.Is(wrapped, context.Canceled) || !errors.Is(wrapped, context.DeadlineExceeded) {
		t.Error("a canceled question must look like both its context error and context.Canceled")
	}
	if !errors.Is(wrapped, &Error{Failure: FailCanceled}) || errors.Is(wrapped, &Error{Failure: FailTimeout}) {
		t.Error("an error must be told by its Failure")
	}
	if FailureOf(wrapped) != FailCanceled || FailureOf(nil) != "" || FailureOf(errors.New("x")) != "" {
		t.Error("FailureOf is wrong")
	}
	timeout := &Error{Failure: FailTimeout}
	if errors.Is(timeout, context.Canceled) || !timeout.Timeout() {
		t.Error("a timeout is no cancellation")
	}
}

// A list's key is a label of the name: no failure may show it (rule of truth 8).
func TestErrorsHideTheNameOfAZone(t *testing.T) {
	const key = "s3cr3tk3y"
	c := testClient(t, Options{Timeout: time.Millisecond, Tries: 1}, testWorld(t, ""))
	long := strings.Repeat("x", 64)
	for _, name := range []string{"2.0.0.127." + key + ".zen.example", key + "." + long + ".example", key + `.\999.example`, key + "..example"} {
		for _, zone := range []string{"zen", "zen-closed"} {
			ctx, cancel := context.WithCancel(context.Background())
			if zone == "zen-closed" {
				cancel()
			}
			_, err := c.Lookup(ctx, Query{Name: name, Type: dns.TypeA, Zone: zone, Servers: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:9")}})
			cancel()
			if err == nil || strings.Contains(strings.ToLower(fmt.Sprintf("%v %+v", err, errors.Unwrap(err))), key) {
				t.Errorf("%s: error %v", zone, err)
			}
			if e, ok := errors.AsType[*Error](err); !ok || e.What != zone {
				t.Errorf("What is %q, want %q", e.What, zone)
			}
		}
	}
}
