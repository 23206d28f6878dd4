package report

import (
	"strings"
)

// Markdown is the report for wikis and tickets (GitHub's flavour: with tables).
func Markdown(r Report) string {
	t := shown(r)
	var b strings.Builder
	line := func(s string) { b.WriteString(s + "\n") }
	line("# " + mdEscape(t.title()))
	line("")
	line("**" + mdEscape(r.Words) + ".**")
	line("")
	line(mdEscape(upper(lightWords[r.Light]) + ". " + r.Than + "."))
	for _, s := range t.sections() {
		line("")
		line("## " + mdEscape(s.title))
		line("")
		if s.table != nil {
			mdTable(line, s.table)
		}
		for _, i := range s.items {
			line("- " + mdEscape(i.line()))
			for _, l := range i.more {
				line("  - " + mdEscape(l))
			}
		}
		if s.table != nil && len(s.after) > 0 {
			line("")
		}
		for _, l := range s.after {
			line("- " + mdEscape(l))
		}
	}
	line("")
	line(mdEscape(t.foot()) + ".")
	return b.String()
}

func mdTable(line func(string), t *table) {
	row := func(cells []string) {
		out := make([]string, len(cells))
		for i, c := range cells {
			out[i] = mdEscape(c)
		}
		line("| " + strings.Join(out, " | ") + " |")
	}
	row(t.head)
	line("|" + strings.Repeat(" --- |", len(t.head)))
	for _, r := range t.rows {
		row(r)
	}
}

// mdEscape makes foreign text harmless: no markup, no link, no HTML, no mention.
func mdEscape(s string) string { return mdSpecial.Replace(oneLine(s)) }

var mdSpecial = strings.NewReplacer(`\`, `\\`, "`", "\\`", "*", `\*`, "_", `\_`, "[", `\[`, "]", `\]`, "<", "&lt;", ">", "&gt;", "|", `\|`, "#", `\#`, "@", "@\u200b", "!", `\!`)

// oneLine leaves no line end and no control character in foreign text.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n', r == '\r', r == '\t', r == '\u2028', r == '\u2029':
			return ' '
		case r < ' ', r >= 0x7f && r < 0xa0, r == '\ufeff', r >= '\u202a' && r <= '\u202e', r >= '\u2066' && r <= '\u2069': // direction overrides could swap what is read
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "\ufffd"))
}
