package report

import (
	_ "embed"
	"fmt"
	"html/template"
	"slices"
	"strings"
	"unicode/utf8"
)

// page.html has no script and asks for nothing from anywhere: it can be mailed,
// archived and printed.
//
//go:embed page.html
var pageText string

var pageTemplate = template.Must(template.New("report").Parse(pageText))

// Layout is the report laid out for a page: everything in words, nothing escaped.
type Layout struct {
	Title, Words, LightWords, Than string
	Foot                           string // when it was written
	Light                          Light
	Alt                            string // the picture in words
	Sections                       []Section
}

// Section is one part of it: a table, or items, and what is said below.
type Section struct {
	ID, Title string
	Head      []string
	Rows      [][]string
	Items     []Item
	After     []string
}

// Item is one thing, and what belongs to it.
type Item struct {
	Incident string // its number; empty: it is none
	Text     string
	More     []string
}

// Lay lays a report out.
func Lay(r Report) Layout {
	t := shown(r)
	p := Layout{Title: t.title(), Words: oneLine(r.Words), LightWords: upper(lightWords[r.Light]), Than: oneLine(r.Than), Foot: t.foot(),
		Light: r.Light, Alt: oneLine(r.Picture.Alt)}
	for _, s := range t.sections() {
		part := Section{ID: s.id, Title: s.title}
		for _, i := range s.items {
			part.Items = append(part.Items, Item{i.incident, i.text, i.more})
		}
		for _, line := range s.after {
			part.After = append(part.After, upper(line)+".")
		}
		if s.table != nil {
			part.Head = s.table.head
			for _, row := range s.table.rows {
				part.Rows = append(part.Rows, unbroken(row))
			}
		}
		p.Sections = append(p.Sections, part)
	}
	return p
}

// shortCell is how long a cell may be, in characters, that is never broken into lines.
const shortCell = 20

// unbroken keeps short cells on one line: a length of time reads badly in three.
func unbroken(row []string) []string {
	out := slices.Clone(row)
	for i, cell := range out {
		if utf8.RuneCountInString(cell) <= shortCell {
			out[i] = strings.ReplaceAll(cell, " ", "\u00a0")
		}
	}
	return out
}

// HTML is the report as one self-contained page, the picture inside it as SVG in
// light and dark colours.
func HTML(r Report) (string, error) {
	light, err := SVG(r, false)
	if err != nil {
		return "", err
	}
	dark, err := SVG(r, true)
	if err != nil {
		return "", err
	}
	return pageOf(r, `<div class="on-light">`+light+`</div><div class="on-dark">`+dark+`</div>`)
}

// MailHTML is the report for a mail, whose readers show no SVG: the picture is the
// attached part with this content id (RFC 2392).
func MailHTML(r Report, contentID string) (string, error) {
	return pageOf(r, fmt.Sprintf(`<img src="cid:%s" width="800" alt="%s">`, template.HTMLEscapeString(contentID), template.HTMLEscapeString(oneLine(r.Picture.Alt))))
}

// pageOf builds the page around a picture that is markup of our own making.
func pageOf(r Report, picture string) (string, error) {
	var b strings.Builder
	if err := pageTemplate.Execute(&b, struct {
		Layout
		Picture template.HTML
	}{Lay(r), template.HTML(picture)}); err != nil {
		return "", fmt.Errorf("the page cannot be written: %w", err)
	}
	return b.String(), nil
}
