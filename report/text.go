package report

import (
	"strings"
	"unicode/utf8"
)

// Text is the report for a terminal or the plain part of a mail. Lines are folded
// at width between words; 0: never.
func Text(r Report, width int) string {
	t := shown(r)
	w := &textWriter{width: width}
	w.line(t.title())
	w.line(strings.Repeat("=", utf8.RuneCountInString(t.title())))
	w.line("")
	w.fold("", oneLine(r.Words)+".")
	w.fold("", upper(lightWords[r.Light])+". "+oneLine(r.Than)+".")
	for _, s := range t.sections() {
		w.line("")
		w.line(s.title)
		w.line(strings.Repeat("-", utf8.RuneCountInString(s.title)))
		w.table(s.table)
		for _, i := range s.items {
			w.fold("* ", i.line())
			for _, l := range i.more {
				w.fold("  - ", l)
			}
		}
		for _, l := range s.after {
			w.fold("", upper(l)+".")
		}
	}
	w.line("")
	w.fold("", t.foot()+".")
	return w.b.String()
}

type textWriter struct {
	b     strings.Builder
	width int
}

func (w *textWriter) line(s string) { w.b.WriteString(strings.TrimRight(s, " ") + "\n") }

// fold writes text behind a mark, and what does not fit below it.
func (w *textWriter) fold(mark, text string) {
	hang := strings.Repeat(" ", len(mark))
	line, used := mark, len(mark)
	for i, word := range strings.Fields(text) {
		n := utf8.RuneCountInString(word)
		if i > 0 && w.width > 0 && used+1+n > w.width {
			w.line(line)
			line, used = hang, len(hang)
		} else if i > 0 {
			line += " "
			used++
		}
		line += word
		used += n
	}
	w.line(line)
}

// table sets columns as wide as needed. A table that is wider than the page is
// written row by row, each cell behind the name of its column.
func (w *textWriter) table(t *table) {
	if t == nil {
		return
	}
	widths := make([]int, len(t.head))
	total := 0
	for i := range t.head {
		for _, row := range append([][]string{t.head}, t.rows...) {
			widths[i] = max(widths[i], utf8.RuneCountInString(row[i]))
		}
		total += widths[i] + 2
	}
	if w.width > 0 && total > w.width {
		w.records(t)
		return
	}
	for _, row := range append([][]string{t.head}, t.rows...) {
		line := ""
		for i, cell := range row {
			line += cell + strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell)+2)
		}
		w.line(line)
	}
}

func (w *textWriter) records(t *table) {
	for _, row := range t.rows {
		w.fold("* ", t.line(row))
	}
}
