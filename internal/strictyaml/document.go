package strictyaml

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// Document remembers where everything stood, so that checks made after
// decoding can point at places. It is read-only and safe for concurrent use.
type Document struct {
	File    string
	root    ast.Node // nil for an empty file
	anchors map[string]ast.Node
}

// Key as the last step of a path means the key itself, not its value.
type Key string

// At is the place a path leads to: steps are keys (string) and indices (int),
// with Key as the last one for the place of a key. A path that leads further
// than the file goes ends at the last thing that is there. Line and column are
// counted from 1; both are 0 in an empty file.
func (d *Document) At(steps ...any) (line, column int) {
	if d == nil || d.root == nil {
		return 0, 0
	}
	n, at := d.resolve(d.root), position(d.root)
	for _, step := range steps {
		var ok bool
		if n, at, ok = d.step(n, at, step); !ok {
			break
		}
	}
	if at == nil {
		return 0, 0
	}
	return at.Line, at.Column
}

// step goes one step down. at stays where it was if there is no such thing.
func (d *Document) step(n ast.Node, at *token.Position, step any) (ast.Node, *token.Position, bool) {
	switch s := step.(type) {
	case Key:
		if e, ok := d.find(n, string(s)); ok {
			return nil, position(e.key), true
		}
	case string:
		e, ok := d.find(n, s)
		if !ok {
			break
		}
		value := d.resolve(e.value)
		if isBlock(value) {
			return value, position(e.key), true // the key is what people look for
		}
		return value, position(e.value), true
	case int:
		seq, ok := n.(*ast.SequenceNode)
		if ok && s >= 0 && s < len(seq.Values) {
			return d.resolve(seq.Values[s]), position(seq.Values[s]), true
		}
	}
	return n, at, false
}

func (d *Document) find(n ast.Node, key string) (pair, bool) {
	for _, e := range d.pairs(n) {
		if e.text == key {
			return e, true
		}
	}
	return pair{}, false
}

// Problem makes a problem at a path (see At).
func (d *Document) Problem(at []any, hint, message string) Problem {
	p := Problem{Path: Path(at...), Hint: hint, Message: message}
	if d != nil {
		p.File = d.File
		p.Line, p.Column = d.At(at...)
	}
	return p
}

// Problemf is Problem with a format.
func (d *Document) Problemf(at []any, hint, format string, args ...any) Problem {
	return d.Problem(at, hint, fmt.Sprintf(format, args...))
}

// Path writes steps the way people do: partners[2].domain, codes["127.0.0.2"].
func Path(steps ...any) string {
	var b strings.Builder
	for _, step := range steps {
		switch s := step.(type) {
		case int:
			fmt.Fprintf(&b, "[%d]", s)
		default:
			key := fmt.Sprint(s)
			switch {
			case key == "" || strings.ContainsAny(key, `.[]"' `):
				b.WriteString("[" + strconv.Quote(key) + "]")
			case b.Len() > 0:
				b.WriteString("." + key)
			default:
				b.WriteString(key)
			}
		}
	}
	return b.String()
}
