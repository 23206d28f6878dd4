package strictyaml

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// Limits against files made to exhaust us.
const (
	maxFile     = 8 << 20 // bytes
	maxKeys     = 10_000  // in one section
	maxDepth    = 64      // levels of nesting, aliases followed
	maxAliased  = 100_000 // values that come in through aliases
	maxMerges   = 3       // << within <<
	maxMerged   = 8       // mappings in the list behind one <<
	maxProblems = 200     // told at once
)

// parse reads the one document of a file.
func parse(file string, src []byte) (d *Document, ps Problems) {
	d = &Document{File: file, anchors: map[string]ast.Node{}}
	fail := func(at *token.Position, hint, format string, args ...any) {
		p := Problem{File: file, Hint: hint, Message: fmt.Sprintf(format, args...)}
		if at != nil {
			p.Line, p.Column = at.Line, at.Column
		}
		ps = append(ps, p)
	}
	src = bytes.TrimPrefix(src, []byte("\ufeff")) // some editors begin UTF-8 with a byte order mark
	if len(src) > maxFile {
		fail(nil, "", "the file is larger than %d MiB", maxFile>>20)
		return d, ps
	}
	if line, column, bad := notText(src); bad {
		fail(&token.Position{Line: line, Column: column}, "save the file as UTF-8", "this is not UTF-8 text")
		return d, ps
	}
	tree, at, err := parseTree(string(src))
	if err != nil {
		fail(at, syntaxHint(src, at), "not valid YAML: %v", err)
		return d, ps
	}
	for i, doc := range tree.Docs {
		if d.root == nil && doc.Body != nil {
			d.root = doc.Body
		} else if i > 0 && doc.Body != nil {
			fail(position(doc.Body), "remove the line --- before it and what follows, or put it into a file of its own", "a second document: one file holds one")
		}
	}
	if d.root != nil {
		ast.Walk(anchorCollector{d, fail}, d.root)
	}
	return d, ps
}

// parseTree keeps the YAML library's surprises in: it stops before nesting
// that its recursion could not bear, and turns a panic into an error.
func parseTree(src string) (tree *ast.File, at *token.Position, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = errors.New("the YAML reader gave up on it")
		}
	}()
	tokens := lexer.Tokenize(src)
	if t, err := overLimit(tokens); t != nil {
		return nil, t.Position, err
	}
	tree, err = parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err == nil {
		return tree, nil, nil
	}
	var e yaml.Error
	if errors.As(err, &e) {
		if t := e.GetToken(); t != nil {
			at = t.Position
		}
		return nil, at, errors.New(e.GetMessage())
	}
	return nil, nil, err
}

// overLimit finds the token that nests deeper than maxDepth, by brackets, by
// indentation, or by marks in a row (- - - -, a: b: c:, ? ? ?, tags, anchors), or
// that begins more than maxKeys keys of one section, whose number costs the
// parser its square.
func overLimit(tokens token.Tokens) (*token.Token, error) {
	flow, row, properties, line := 0, 0, 0, 0
	var open []level
	for _, t := range tokens {
		if t.Position.Line != line {
			line, row = t.Position.Line, row*min(flow, 1)
			open = reopen(open, t.Position.Column)
		}
		switch t.Type {
		case token.SequenceStartType, token.MappingStartType:
			flow, row = flow+1, 0
		case token.SequenceEndType, token.MappingEndType:
			flow, row = flow-1, 0
		case token.CollectEntryType:
			row = 0
		case token.SequenceEntryType, token.MappingValueType:
			row++
		case token.MappingKeyType, token.TagType, token.AnchorType:
			row, properties = row+1, properties+1
		default:
			properties = 0
		}
		if max(flow, row, properties, len(open)) > maxDepth {
			return t, fmt.Errorf("nested deeper than %d levels", maxDepth)
		}
		if t.Type == token.MappingValueType && flow == 0 && row == 1 {
			if open[len(open)-1].keys++; open[len(open)-1].keys > maxKeys {
				return t, fmt.Errorf("more than %d keys in one section", maxKeys)
			}
		}
	}
	return nil, nil
}

// level is one depth of indentation.
type level struct{ column, keys int }

// reopen is what stays open when a line begins at column.
func reopen(open []level, column int) []level {
	for len(open) > 0 && open[len(open)-1].column > column {
		open = open[:len(open)-1]
	}
	if len(open) == 0 || open[len(open)-1].column < column {
		open = append(open, level{column: column})
	}
	return open
}

func notText(src []byte) (line, column int, bad bool) {
	if utf8.Valid(src) {
		return 0, 0, false
	}
	line, column = 1, 1
	for len(src) > 0 {
		r, n := utf8.DecodeRune(src)
		if r == utf8.RuneError && n <= 1 {
			break
		}
		if column++; r == '\n' {
			line, column = line+1, 1
		}
		src = src[n:]
	}
	return line, column, true
}

// syntaxHint knows the two mistakes that people make most.
func syntaxHint(src []byte, at *token.Position) string {
	if at == nil || at.Line < 1 {
		return ""
	}
	lines := strings.Split(string(src), "\n")
	if at.Line > len(lines) {
		return ""
	}
	line := lines[at.Line-1]
	if indent := line[:len(line)-len(strings.TrimLeft(line, " \t"))]; strings.Contains(indent, "\t") {
		return "indent with spaces, not with tabs"
	}
	return "look at this line and the one before: indentation, a missing colon, quotes or brackets left open; text with : or # in it needs quotes"
}

// anchorCollector notes what each anchor names.
type anchorCollector struct {
	d    *Document
	fail func(at *token.Position, hint, format string, args ...any)
}

func (c anchorCollector) Visit(n ast.Node) ast.Visitor {
	if a, ok := n.(*ast.AnchorNode); ok {
		name := plainText(a.Name)
		if _, dup := c.d.anchors[name]; dup {
			c.fail(position(a), "give each its own name", "the anchor &%s is there twice", name)
		}
		c.d.anchors[name] = a.Value
	}
	return c
}
