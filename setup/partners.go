package setup

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
)

// Faults are the lines of a file that are no partners, in its order.
type Faults struct {
	File  string
	Lines []FaultyLine
}

// FaultyLine is one of them.
type FaultyLine struct {
	Line  int
	Words string
}

func (f *Faults) Error() string {
	var b strings.Builder
	for _, l := range f.Lines {
		fmt.Fprintf(&b, "%s:%d: %s\n", f.File, l.Line, l.Words)
	}
	b.WriteString("nothing was written\n  hint: a line holds one domain (contoso.com), one mail address, or a next hop ([mx.contoso.com], HOST:PORT)")
	return b.String()
}

// maxPartnerLine bounds a line, in bytes; a domain has at most 253.
const maxPartnerLine = 4096

// ReadPartners reads one partner per line: a domain; a mail address, of which the
// domain counts; or a next hop. What follows a # is comment. Again says how many
// lines named one that was there already. The error is a *Faults where lines are at
// fault, all of them at once.
func ReadPartners(file string, r io.Reader) (partners []Partner, again int, err error) {
	faults := &Faults{File: file}
	seen := map[string]bool{}
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxPartnerLine)
	n := 0
	for lines.Scan() {
		n++
		text, _, _ := strings.Cut(strings.TrimPrefix(lines.Text(), "\ufeff"), "#")
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		p, err := partnerLine(text, file)
		switch {
		case err != nil:
			faults.Lines = append(faults.Lines, FaultyLine{n, err.Error()})
		case seen[p.key()]:
			again++
		default:
			seen[p.key()] = true
			partners = append(partners, p)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, 0, fmt.Errorf("%s:%d: cannot be read: %w", file, n+1, err)
	}
	if len(faults.Lines) > 0 {
		return nil, 0, faults
	}
	return partners, again, nil
}

func partnerLine(text, file string) (Partner, error) {
	if len(strings.Fields(text)) > 1 && !strings.Contains(text, "<") {
		return Partner{}, fmt.Errorf("%q is more than one word", text)
	}
	if begin := strings.LastIndexByte(text, '<'); begin >= 0 { // Jane Doe <jane@contoso.com>
		text = strings.TrimSuffix(text[begin+1:], ">")
	}
	if at := strings.LastIndexByte(text, '@'); at >= 0 {
		text = text[at+1:]
	}
	return partnerOf(text, file)
}

// key is what makes two partners the same to the configuration.
func (p Partner) key() string { return net.JoinHostPort(p.name(), strconv.Itoa(int(p.Port))) }

// merge keeps the first of equal partners, with what any of them requires.
func merge(lists ...[]Partner) []Partner {
	var out []Partner
	at := map[string]int{}
	for _, list := range lists {
		for _, p := range list {
			i, ok := at[p.key()]
			switch {
			case !ok:
				at[p.key()] = len(out)
				out = append(out, p)
			case len(out[i].Require) == 0:
				out[i].Require = p.Require
			}
		}
	}
	return out
}
