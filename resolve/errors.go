package resolve

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"time"

	"github.com/miekg/dns"
)

// Error says what happened in words for the person who runs the mail server,
// without the asked name: the caller knows it and says it where it is no secret.
// The words for FailZoneBroken and FailBadQuestion name What.
func (e *Error) Error() string {
	switch e.Failure {
	case FailTimeout:
		return fmt.Sprintf("%s did not answer within %s%s", e.server(), e.within(), e.tries())
	case FailServer, FailRefused, FailRcode:
		return e.rcodeWords()
	case FailNetwork:
		return e.because(fmt.Sprintf("%s cannot be reached", e.server()))
	case FailMalformed:
		return e.because(fmt.Sprintf("%s sent no usable answer", e.server()))
	case FailZoneBroken:
		return fmt.Sprintf("%s did not answer lately and is not asked for another %s", e.What, words(e.RetryIn))
	case FailCanceled:
		return e.because("stopped waiting for the answer")
	case FailBadQuestion:
		return e.because(fmt.Sprintf("%s cannot be asked in DNS", e.what()))
	default:
		return e.because("no answer (" + string(e.Failure) + ")")
	}
}

// Unwrap gives the underlying error: of the network, the context, the message reader.
func (e *Error) Unwrap() error { return e.Err }

// Is makes errors.Is work for context.Canceled on every FailCanceled (also when
// the client was closed) and for &Error{Failure: F} on every error of that kind.
func (e *Error) Is(target error) bool {
	if target == context.Canceled {
		return e.Failure == FailCanceled
	}
	t, ok := target.(*Error)
	return ok && *t == (Error{Failure: e.Failure})
}

// Timeout reports that waiting ended without any answer.
func (e *Error) Timeout() bool { return e.Failure == FailTimeout }

// FailureOf is the Failure of an error of this package, wrapped or not; empty for nil and for foreign errors.
func FailureOf(err error) Failure {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Failure
	}
	return ""
}

func (e *Error) rcodeWords() string {
	rcode := dns.RcodeToString[e.Rcode]
	if rcode == "" {
		rcode = "rcode " + strconv.Itoa(e.Rcode)
	}
	who := "the resolver"
	if e.Server.IsValid() {
		who = "resolver " + bare(e.Server)
	}
	if name, ok := PublicResolver(e.Server.Addr()); ok && e.Failure == FailRefused {
		return fmt.Sprintf("%s answered %s (it is a public resolver, %s, which many lists do not serve; use a resolver of your own)", who, rcode, name)
	}
	return who + " answered " + rcode
}

func (e *Error) server() string {
	if !e.Server.IsValid() {
		return "the resolver"
	}
	return e.Server.String()
}

// bare leaves out the port everybody expects.
func bare(s netip.AddrPort) string {
	if s.Port() == 53 {
		return s.Addr().String()
	}
	return s.String()
}

func (e *Error) what() string {
	if e.What == "" {
		return "this name"
	}
	return e.What
}

func (e *Error) within() string { return words(e.Elapsed) }

func (e *Error) tries() string {
	switch e.Tries {
	case 0:
		return ""
	case 1:
		return " (1 try)"
	default:
		return fmt.Sprintf(" (%d tries)", e.Tries)
	}
}

func (e *Error) because(text string) string {
	if e.Err == nil {
		return text
	}
	return text + ": " + e.Err.Error()
}

// words rounds a duration to what a person cares for: "9 s", "1.5 s", "250 ms".
func words(d time.Duration) string {
	switch {
	case d < 100*time.Millisecond:
		return strconv.FormatInt(max(1, d.Round(time.Millisecond).Milliseconds()), 10) + " ms"
	case d < 995*time.Millisecond:
		return strconv.FormatInt(d.Round(10*time.Millisecond).Milliseconds(), 10) + " ms"
	case d < 10*time.Second:
		return strconv.FormatFloat(d.Round(100*time.Millisecond).Seconds(), 'f', -1, 64) + " s"
	default:
		return strconv.FormatInt(int64(d.Round(time.Second).Seconds()), 10) + " s"
	}
}
