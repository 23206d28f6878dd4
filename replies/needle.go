package replies

import (
	"regexp"
	"regexp/syntax"
	"strings"
	"unicode/utf8"
)

// needle is a cheap test before a pattern is tried: a text that matches holds
// one of these strings. Empty means that nothing can be said. It makes a miss,
// which is what nearly all entries are, some fifty times cheaper.
type needle []string

// in reports whether a text may match, given folded(text).
func (n needle) in(folded string) bool {
	if len(n) == 0 || folded == "" {
		return true
	}
	for _, s := range n {
		if strings.Contains(folded, s) {
			return true
		}
	}
	return false
}

// folded is text in lower case. It is empty for text beyond ASCII, of which
// nothing is said: letters such as the Kelvin sign fold into ASCII.
func folded(text string) string {
	if !isASCII(text) {
		return ""
	}
	return strings.ToLower(text)
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// guarded is a pattern that is tried only where its needle is.
type guarded struct {
	*regexp.Regexp
	needle needle
}

func guard(pattern string) guarded {
	re := regexp.MustCompile(pattern)
	return guarded{re, needleOf(re)}
}

// all is FindAllStringSubmatch, given folded(s).
func (g guarded) all(s, low string, n int) [][]string {
	if !g.needle.in(low) {
		return nil
	}
	return g.FindAllStringSubmatch(s, n)
}

func needleOf(re *regexp.Regexp) needle {
	tree, err := syntax.Parse(re.String(), syntax.Perl)
	if err != nil {
		return nil
	}
	return required(tree.Simplify())
}

// required is the best set of strings of which a match of re holds one. Simplify has left no x{n,m}.
func required(re *syntax.Regexp) needle {
	switch re.Op {
	case syntax.OpLiteral:
		s := strings.ToLower(string(re.Rune))
		if len(s) < 2 || !isASCII(s) {
			return nil
		}
		return needle{s}
	case syntax.OpCapture, syntax.OpPlus:
		return required(re.Sub[0])
	case syntax.OpConcat:
		var best needle
		for _, sub := range re.Sub {
			if n := required(sub); n.better(best) {
				best = n
			}
		}
		return best
	case syntax.OpAlternate:
		var all needle
		for _, sub := range re.Sub {
			n := required(sub)
			if len(n) == 0 {
				return nil
			}
			all = append(all, n...)
		}
		return all
	}
	return nil
}

// better: longer strings are rarer, fewer are faster.
func (n needle) better(than needle) bool {
	if len(n) == 0 || len(than) == 0 {
		return len(n) > len(than)
	}
	return n.shortest() > than.shortest()
}

func (n needle) shortest() int {
	least := len(n[0])
	for _, s := range n[1:] {
		least = min(least, len(s))
	}
	return least
}
