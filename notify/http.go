package notify

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// answer is what a server said to a POST.
type answer struct {
	status     int
	text       string // the body's beginning, one line
	retryAfter time.Duration
}

// maxAnswer bounds how much of a body is read, in bytes: it is for an error message.
const maxAnswer = 4 << 10

// post sends JSON. Its error is an *Error without the address, which may hold a secret.
func post(ctx context.Context, client *http.Client, to string, header http.Header, body []byte) (answer, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(body))
	if err != nil {
		return answer{}, &Error{Kind: Stop, Words: "the address cannot be used: " + inner(err).Error(), Refused: true}
	}
	for k, v := range header {
		req.Header[k] = v
	}
	req.Header.Set("Content-Type", "application/json; charset=utf-8")
	req.Header.Set("User-Agent", "repwatch")
	resp, err := client.Do(req)
	if err != nil {
		return answer{}, unreachable(err)
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(resp.Body, maxAnswer)) // the status has decided already
	return answer{resp.StatusCode, cut(oneLine(string(text)), 200), retryAfter(resp.Header, time.Now())}, nil
}

// inner is what went wrong, without the address that net/http puts before it.
func inner(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err
	}
	return err
}

// unreachable explains a request without an answer. Only where no connection
// came about is it certain that nothing got through.
func unreachable(err error) *Error {
	e := &Error{Kind: Retry, Words: "no answer: " + inner(err).Error()}
	op, isOp := errors.AsType[*net.OpError](err)
	_, isDNS := errors.AsType[*net.DNSError](err)
	e.Refused = isDNS || isOp && op.Op == "dial" || errors.Is(err, syscall.ECONNREFUSED)
	if t, ok := errors.AsType[net.Error](err); ok && t.Timeout() {
		e.Words = "no answer in time"
	}
	return e
}

// retryAfter reads Retry-After (RFC 9110 §10.2.3): seconds, or a date.
func retryAfter(h http.Header, now time.Time) time.Duration {
	text := h.Get("Retry-After")
	if n, err := strconv.Atoi(text); err == nil && n >= 0 {
		return time.Duration(min(n, maxRetryAfter)) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(0, min(at.Sub(now), maxRetryAfter*time.Second))
	}
	return 0
}

// maxRetryAfter bounds what a server may ask for, in seconds: after a day somebody should look.
const maxRetryAfter = 24 * 60 * 60

func (a answer) ok() bool { return a.status >= 200 && a.status < 300 }

// said is the answer in words.
func (a answer) said() string {
	words := fmt.Sprintf("HTTP %d %s", a.status, http.StatusText(a.status))
	if a.text != "" {
		words += ": " + a.text
	}
	return strings.TrimSpace(words)
}
