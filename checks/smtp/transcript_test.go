package smtp

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"repwatch/reputation"
)

// The transcript shows the whole conversation, bytes that a terminal would hide included.
func TestTranscript(t *testing.T) {
	w := newWire(t, `
		S: 220 {host} caf\xe9 \\o/
		C: EHLO
		S: 250-{host}\n
		S: 250-SIZE 1\r250-X\x00\r\n
		S: 250 STARTTLS
		C: STARTTLS
		S: 454 4.7.0 not now
		S: injected`)
	res := w.probe(Ask{})
	want := `S: 220 mx.partner.example caf\xe9 \\o/
C: EHLO mail.example.com
S: 250-mx.partner.example\n
S: 250-SIZE 1\r
S: 250-X\x00
S: 250 STARTTLS
C: STARTTLS
S: 454 4.7.0 not now
S: injected
*: these bytes answer no command and were dropped
C: QUIT
S: 221 2.0.0 bye
`
	first, rest, _ := strings.Cut(said(res), "\n")
	if !strings.HasPrefix(first, "*: connected to 127.0.0.1:") || !strings.Contains(first, " from 127.0.5.7:") {
		t.Errorf("first line %q", first)
	}
	if diff := cmp.Diff(want, rest); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for i, l := range res.Transcript[1:] {
		if l.At < res.Transcript[i].At {
			t.Errorf("line %d is earlier than the one before", i+1)
		}
	}
}

func TestTranscriptTellsTLS(t *testing.T) {
	res := newWire(t, "").probe(Ask{})
	if !strings.Contains(said(res), "*: TLS 1.3 TLS_AES_128_GCM_SHA256; chain: ok; name: ok; expiry: ok (20") {
		t.Error(said(res))
	}
}

func TestTranscriptIsBounded(t *testing.T) {
	res := newWire(t, "S: 220 hi\nC: EHLO\n* endless\nS: 250-"+strings.Repeat("x", 2000)).probe(Ask{})
	size := 0
	for _, l := range res.Transcript {
		size += len(l.Text)
		if len(l.Text) > maxTranscriptLine+40 {
			t.Errorf("a line of %d bytes", len(l.Text))
		}
	}
	if res.Outcome != reputation.OutcomeUnknown || size > maxTranscript {
		t.Errorf("%s, %d bytes", res.Outcome, size)
	}
	var log transcript
	for range 3000 {
		log.server([]byte("250-" + strings.Repeat("x", 50) + "\r\n"))
	}
	last := log.lines[len(log.lines)-1]
	if !strings.Contains(last.Text, "left out") || len(log.lines) > 1000 {
		t.Errorf("%d lines, the last %q", len(log.lines), last.Text)
	}
}
