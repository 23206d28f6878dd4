package smtp

import (
	"bytes"
	"errors"
	"io"
	"os"
)

const (
	maxReply = 64 << 10 // octets of one reply, line ends included
	maxLine  = 8 << 10  // octets of one line, line end included
	rfcLine  = 512      // the same as RFC 5321 §4.5.3.1.5 allows it
)

var (
	errEndlessLine  = errors.New("a line of more than 8 KiB")
	errEndlessReply = errors.New("a reply of more than 64 KiB")
)

// replyReader takes replies off a byte stream (RFC 5321 §4.2). It accepts what
// any client could still make sense of and notes everything a strict one would
// stumble over. It keeps no deadline of its own: the stream does, and an
// absolute one beats a server that sends a byte a second.
//
// Which line decides: the last one. §4.2.1 wants the same code on all lines;
// where they differ, only the last is known to be the server's final word.
type replyReader struct {
	src io.Reader
	// heard, if set, gets every line as soon as it is there, line end included; the
	// rest of a reply that was cut comes without one.
	heard func(raw []byte)
	// secrets are blanked in everything that comes, before anybody sees it.
	secrets [][]byte

	buf   []byte // received, not yet part of a reply
	chunk [4096]byte
}

// reply takes one reply off the stream. With an error comes what had arrived of it; its Code means nothing then.
func (r *replyReader) reply() (Reply, faultList, error) {
	var rep Reply
	var faults faultList
	for {
		raw, err := r.line()
		if err != nil {
			return r.cut(rep, faults, err)
		}
		rep.Raw = append(rep.Raw, raw...)
		if len(rep.Raw) > maxReply {
			return r.cut(rep, faults, errEndlessReply)
		}
		if last := rep.take(raw, &faults); last {
			return rep, faults, nil
		}
	}
}

// take adds one wire line to the reply and reports whether it was the last.
func (rep *Reply) take(raw []byte, faults *faultList) (last bool) {
	noteLineEnd(raw, faults)
	noteBytes(raw, faults)
	code, sep, text, ok := splitLine(raw)
	if !ok {
		faults.add(FaultNonReply, "", raw)
		return false
	}
	if len(rep.Lines) > 0 && code != rep.Code {
		faults.add(FaultMixedCodes, "", raw)
	}
	if raw[1] > '5' {
		faults.add(FaultOddCode, "", raw)
	}
	if sep == 0 && len(text) > 0 {
		faults.add(FaultMissingSpace, "", raw)
	}
	rep.Code = code
	rep.Lines = append(rep.Lines, string(text))
	if e := enhanced(text); e != "" && rep.Enhanced == "" {
		rep.Enhanced = e
		if e[0] != raw[0] {
			faults.add(FaultEnhancedClass, "", raw)
		}
	}
	return sep != '-'
}

// cut ends a reply that err keeps from being complete. A refusal whose last line
// lacks only its line end at a clean close still counts: its code is whole. A 2xx
// does not: "250 STAR" may have been on its way to "250 STARTTLS".
func (r *replyReader) cut(rep Reply, faults faultList, err error) (Reply, faultList, error) {
	rest := r.early()
	rest = rest[:min(len(rest), maxLine)]
	if len(rest) == 0 || errors.Is(err, errEndlessReply) {
		return rep, faults, err
	}
	r.tell(rest)
	rep.Raw = append(rep.Raw, rest...)
	if silent := errors.Is(err, os.ErrDeadlineExceeded); hasBareCR(rest, silent) {
		faults.add(FaultBareCR, "", rest)
	}
	code, sep, _, ok := splitLine(rest)
	if errors.Is(err, io.EOF) && ok && sep == ' ' && code >= 400 {
		faults.add(FaultNoLineEnd, "", rest)
		rep.take(append(bytes.Clone(rest), "\r\n"...), &faults)
		return rep, faults, nil
	}
	return rep, faults, err
}

// line takes the next line off the stream, line end included.
func (r *replyReader) line() ([]byte, error) {
	for {
		if n := lineLen(r.buf); n > maxLine || n == 0 && len(r.buf) > maxLine {
			return nil, errEndlessLine
		} else if n > 0 {
			raw := r.blank(r.buf[:n:n])
			r.buf = r.buf[n:]
			r.tell(raw)
			return raw, nil
		}
		n, err := r.src.Read(r.chunk[:])
		r.buf = append(r.buf, r.chunk[:n]...)
		if err != nil && n == 0 {
			return nil, err
		}
	}
}

func (r *replyReader) tell(raw []byte) {
	if r.heard != nil {
		r.heard(raw)
	}
}

// early hands out bytes that came without being asked for, and forgets them.
func (r *replyReader) early() []byte {
	b := r.blank(r.buf)
	r.buf = nil
	return b
}

// blank removes secrets a server quotes back. The code stays, whatever the password is.
func (r *replyReader) blank(raw []byte) []byte {
	if len(r.secrets) == 0 || len(raw) <= 4 {
		return raw
	}
	return append(raw[:4:4], scrub(raw[4:], r.secrets)...)
}

// lineLen is the length of the first line in b, 0 while its end is missing. LF
// ends a line. A bare CR does so only inside a multi-line reply where the next
// line of the same reply visibly begins after it.
func lineLen(b []byte) int {
	end := bytes.IndexByte(b, '\n') + 1
	if end < 4 || b[3] != '-' {
		return end
	}
	for i := 4; i+5 < end; i++ {
		if b[i] == '\r' && bytes.Equal(b[i+1:i+4], b[:3]) && (b[i+4] == '-' || b[i+4] == ' ') {
			return i + 1
		}
	}
	return end
}

// splitLine takes a line apart: sep is ' ' or '-', 0 when neither follows the code.
func splitLine(raw []byte) (code int, sep byte, text []byte, ok bool) {
	b := bytes.TrimRight(raw, "\r\n")
	if len(b) < 3 || b[0] < '2' || b[0] > '5' || !digit(b[1]) || !digit(b[2]) {
		return 0, 0, nil, false
	}
	code = int(b[0]-'0')*100 + int(b[1]-'0')*10 + int(b[2]-'0')
	text = b[3:]
	switch {
	case len(text) > 0 && digit(text[0]):
		return 0, 0, nil, false // four digits are a number, not a code
	case len(text) > 0 && (text[0] == ' ' || text[0] == '-'):
		return code, text[0], text[1:], true
	}
	return code, 0, text, true
}

func digit(c byte) bool { return '0' <= c && c <= '9' }

func noteLineEnd(raw []byte, faults *faultList) {
	switch {
	case bytes.HasSuffix(raw, []byte("\r\n")):
		raw = raw[:len(raw)-2]
	case bytes.HasSuffix(raw, []byte("\n")):
		faults.add(FaultBareLF, "", raw)
		raw = raw[:len(raw)-1]
	}
	if hasBareCR(raw, true) {
		faults.add(FaultBareCR, "", raw)
	}
}

// hasBareCR looks for a CR without LF. The last byte counts only where its LF had time to come.
func hasBareCR(b []byte, atEnd bool) bool {
	for i, c := range b {
		if c == '\r' && (i+1 < len(b) && b[i+1] != '\n' || i+1 == len(b) && atEnd) {
			return true
		}
	}
	return false
}

func noteBytes(raw []byte, faults *faultList) {
	if len(raw) > rfcLine {
		faults.add(FaultLongLine, "", raw)
	}
	var nul, high, control bool
	for _, c := range raw {
		switch {
		case c == 0:
			nul = true
		case c > 127:
			high = true
		case c < ' ' && c != '\t' && c != '\r' && c != '\n', c == 127:
			control = true
		}
	}
	if nul {
		faults.add(FaultNUL, "", raw)
	}
	if high {
		faults.add(Fault8Bit, "", raw)
	}
	if control {
		faults.add(FaultControl, "", raw)
	}
}

// enhanced reads the enhanced code at the head of a reply text (RFC 2034 §4, RFC 3463 §2).
func enhanced(text []byte) string {
	word, _, _ := bytes.Cut(text, []byte(" "))
	if len(word) < 5 || word[0] != '2' && word[0] != '4' && word[0] != '5' || word[1] != '.' {
		return ""
	}
	subject, detail, ok := bytes.Cut(word[2:], []byte("."))
	if !ok || !threeDigits(subject) || !threeDigits(detail) {
		return ""
	}
	return string(word)
}

func threeDigits(b []byte) bool {
	for _, c := range b {
		if !digit(c) {
			return false
		}
	}
	return 1 <= len(b) && len(b) <= 3
}
