package notify

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf16"

	"repwatch/incident"
)

// Rules for text that people read, whatever carries it:
//
//   - The first line is the finding: what happened, to whom. It is never cut.
//   - Then what is new, if this is news of something known.
//   - Then the fields, in the message's order and words; a notifier adds none of
//     its own about what happened, only where to read more.
//   - One field is one label; its further lines hang below the first.
//   - What does not fit is counted, never dropped in silence:
//     "… (12 more, repwatch incidents 7)".
//   - No shouting, no exclamation marks. Colour only repeats what words say.

const (
	// mailWidth wraps lines in mail: quoted-printable breaks lines over 76 (RFC 2045 §6.7).
	mailWidth = 74
	// labelWidth is the widest label that shares its line with the text.
	labelWidth = 14
)

// Text is a message as plain text, its fields aligned. Lines are wrapped between
// words at width; 0: never.
func Text(m incident.Message, news string, width int) string {
	var b strings.Builder
	writeWrapped(&b, "", "", oneLine(m.Title), width)
	if news = strings.TrimSpace(news); news != "" {
		b.WriteByte('\n')
		for line := range strings.SplitSeq(news, "\n") {
			writeWrapped(&b, "", "", oneLine(line), width)
		}
	}
	label := 0
	for _, f := range m.Fields {
		if n := len([]rune(f.Name)); n <= labelWidth {
			label = max(label, n)
		}
	}
	if len(m.Fields) > 0 {
		b.WriteByte('\n')
	}
	hang := strings.Repeat(" ", label+2)
	for _, f := range m.Fields {
		name := oneLine(f.Name) + ":"
		first := fmt.Sprintf("%-*s", label+2, name)
		if len([]rune(f.Name)) > labelWidth {
			b.WriteString(name + "\n")
			first = hang
		}
		for _, line := range f.Lines {
			writeWrapped(&b, first, hang, oneLine(line), width)
			first = hang
		}
	}
	return b.String()
}

// writeWrapped writes text after first, and what does not fit below it after hang. A word is never split.
func writeWrapped(b *strings.Builder, first, hang, text string, width int) {
	b.WriteString(first)
	used := len([]rune(first))
	if width == 0 {
		b.WriteString(text + "\n")
		return
	}
	for i, word := range strings.Fields(text) {
		n := len([]rune(word))
		switch {
		case i > 0 && used+1+n > width:
			b.WriteString("\n" + hang)
			used = len([]rune(hang))
		case i > 0:
			b.WriteByte(' ')
			used++
		}
		b.WriteString(word)
		used += n
	}
	b.WriteByte('\n')
}

// oneLine makes foreign text harmless to any layout: one line, no control characters.
func oneLine(s string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		switch {
		case r == '\n', r == '\r', r == '\t', r == '\u2028', r == '\u2029':
			return ' '
		case unicode.IsControl(r), r == '\ufeff', r >= '\u202a' && r <= '\u202e', r >= '\u2066' && r <= '\u2069': // direction overrides could swap what is read
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "�")))
}

// more says what was left out, and where it can be read.
func more(n int, id string) string {
	if id == "" {
		return fmt.Sprintf("… (%d more)", n)
	}
	return fmt.Sprintf("… (%d more, %s)", n, look(id))
}

// look is the command that shows an incident in full.
func look(id string) string { return "repwatch incidents " + id }

// size is a text's length as Slack counts it: in UTF-16 units, never less than its characters.
func size(s string) int { return len(utf16.Encode([]rune(s))) }

// cut shortens text to limit units, with an ellipsis where something is missing.
func cut(s string, limit int) string {
	if size(s) <= limit {
		return s
	}
	used := 1 // the ellipsis
	for i, r := range s {
		used += max(utf16.RuneLen(r), 1)
		if used > limit {
			kept := s[:i]
			if amp := strings.LastIndexByte(kept, '&'); amp >= 0 && len(kept)-amp < len("&amp;") && !strings.Contains(kept[amp:], ";") {
				kept = kept[:amp] // not in the middle of an escape
			}
			return strings.TrimRight(kept, " ") + "…"
		}
	}
	return s
}

// fit joins lines to at most limit units; what is left out is counted.
func fit(lines []string, limit int, id string) string {
	whole := strings.Join(lines, "\n")
	if size(whole) <= limit {
		return whole
	}
	room := limit - size(more(len(lines), id)) - 1
	var kept []string
	for i, line := range lines {
		if n := size(line) + 1; n <= room {
			kept, room = append(kept, line), room-n
			continue
		}
		if i == 0 && room > 1 { // one line alone is too long: its beginning says more than nothing
			return strings.Join([]string{cut(line, room), rest(len(lines)-1, id)}, "\n")
		}
		return strings.Join(append(kept, more(len(lines)-i, id)), "\n")
	}
	return strings.Join(kept, "\n")
}

// rest points to the whole text where a line was cut, and counts the lines after it.
func rest(n int, id string) string {
	switch {
	case n > 0:
		return more(n, id)
	case id != "":
		return "… (" + look(id) + ")"
	default:
		return "…"
	}
}
