package report

import (
	_ "embed"
	"fmt"
	"html/template"
	"strings"
)

// page.html has no script and asks for nothing from anywhere: it can be mailed,
// archived and printed.
//
//go:embed page.html
var pageText string

var pageTemplate = template.Must(template.New("report").Parse(pageText))

// page is what the template shows.
type page struct {
	Title, Words, LightWords, Than, At, Zone string
	Light                                    Light
	Picture                                  template.HTML
	Sections                                 []pageSection
}

type pageSection struct {
	ID, Title    string
	Head         []string
	Rows         [][]string
	Lines, After []string
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
	t := shown(r)
	p := page{Title: t.title(), Words: oneLine(r.Words), LightWords: upper(lightWords[r.Light]), Than: oneLine(r.Than), At: t.at(r.At), Zone: r.Week.Timezone,
		Light: r.Light, Picture: template.HTML(picture)}
	for _, s := range t.sections() {
		part := pageSection{ID: s.id, Title: s.title, Lines: s.lines}
		for _, line := range s.after {
			part.After = append(part.After, upper(line))
		}
		if s.table != nil {
			part.Head, part.Rows = s.table.head, s.table.rows
		}
		p.Sections = append(p.Sections, part)
	}
	var b strings.Builder
	if err := pageTemplate.Execute(&b, p); err != nil {
		return "", fmt.Errorf("the page cannot be written: %w", err)
	}
	return b.String(), nil
}
