package smtp

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"time"
)

const (
	maxTranscript     = 48 << 10 // bytes of text in one transcript
	maxTranscriptLine = 1024     // bytes of one wire line that are shown
)

// transcript lists a conversation as it went. Lines of the server are escaped so
// that nothing on the wire is invisible: CRLF is the normal end and not shown, a
// bare LF is \n, a bare CR \r, a backslash \\, all else outside ASCII \xNN.
type transcript struct {
	start time.Time
	lines []Line
	size  int
	full  bool
}

func (t *transcript) add(from, text string) {
	if t.full {
		return
	}
	at := time.Since(t.start)
	if t.size += len(text) + 1; t.size > maxTranscript {
		t.full = true
		t.lines = append(t.lines, Line{From: "*", Text: "what follows is left out: the transcript is full", At: at})
		return
	}
	t.lines = append(t.lines, Line{From: from, Text: text, At: at})
}

func (t *transcript) note(format string, args ...any) { t.add("*", fmt.Sprintf(format, args...)) }

func (t *transcript) server(raw []byte) {
	cut := ""
	if !bytes.HasSuffix(raw, []byte("\n")) && !bytes.HasSuffix(raw, []byte("\r")) {
		cut = " [no line end]"
	}
	raw = bytes.TrimSuffix(raw, []byte("\r\n"))
	if n := len(raw) - maxTranscriptLine; n > 0 {
		raw, cut = raw[:maxTranscriptLine], fmt.Sprintf(" … %d bytes more", n)
	}
	t.add("S", escape(raw)+cut)
}

// escape makes every byte visible.
func escape(b []byte) string {
	var out strings.Builder
	for _, c := range b {
		switch {
		case c == '\n':
			out.WriteString(`\n`)
		case c == '\r':
			out.WriteString(`\r`)
		case c == '\t':
			out.WriteString(`\t`)
		case c == '\\':
			out.WriteString(`\\`)
		case c < ' ' || c > '~':
			out.WriteString(`\x`)
			if c < 16 {
				out.WriteByte('0')
			}
			out.WriteString(strconv.FormatUint(uint64(c), 16))
		default:
			out.WriteByte(c)
		}
	}
	return out.String()
}
