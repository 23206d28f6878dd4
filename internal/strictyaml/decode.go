// Package strictyaml reads YAML in which every mistake has a place, plain words
// and a hint, and all mistakes of a file are told at once.
//
// Keys are fixed by struct tags (`yaml:"name"`): an unknown, doubled or misplaced
// key is a mistake, and so is a value of another type than the field wants. A
// type reads itself through encoding.TextUnmarshaler (from any scalar), or
// through Unmarshaler where a value may be a scalar or a section. The Document
// that Decode returns lets later checks point at places too.
//
// Differences from plain YAML, for the sake of people: map keys are text
// whatever they look like (2, 127.0, on); a number where text is wanted is taken as
// it is written; a key without a value leaves its field alone; one file holds one document.
package strictyaml

import (
	"encoding"
	"fmt"
	"reflect"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// Unmarshaler reads itself, typically from a scalar or a section.
// It reports mistakes through the node and returns nothing.
type Unmarshaler interface{ UnmarshalNode(n Node) }

var (
	unmarshalerType     = reflect.TypeFor[Unmarshaler]()
	textUnmarshalerType = reflect.TypeFor[encoding.TextUnmarshaler]()
)

// Decode reads src into the struct (or map, slice, ...) that into points to. An
// empty file changes nothing. The error, if any, is a Problems with every
// mistake; into then holds what could be read. It panics on a Go type it cannot
// fill, which is a mistake in the program.
func Decode(file string, src []byte, into any) (*Document, error) {
	d, ps := parse(file, src)
	v := reflect.ValueOf(into)
	if v.Kind() != reflect.Pointer || v.IsNil() {
		panic("strictyaml: Decode needs a pointer")
	}
	dec := &decoder{doc: d, root: v.Type().Elem(), problems: ps}
	if len(ps) == 0 && d.root != nil {
		dec.value(d.root, v.Elem(), nil)
	}
	return d, dec.problems.Err()
}

type decoder struct {
	doc       *Document
	root      reflect.Type
	problems  Problems
	elsewhere map[string][]string // key -> paths where it belongs; built on the first unknown key

	depth   int
	inAlias int
	aliased int
}

func (dec *decoder) fail(n ast.Node, path []any, hint, format string, args ...any) {
	if len(dec.problems) >= maxProblems {
		return
	}
	p := Problem{File: dec.doc.File, Path: Path(path...), Message: fmt.Sprintf(format, args...), Hint: hint}
	if at := position(n); at != nil {
		p.Line, p.Column = at.Line, at.Column
	}
	dec.problems = append(dec.problems, p)
}

// value fills v from a node. A null leaves it alone.
func (dec *decoder) value(n ast.Node, v reflect.Value, path []any) {
	if len(dec.problems) >= maxProblems {
		return
	}
	dec.depth++
	defer func() { dec.depth-- }()
	if dec.depth > maxDepth {
		dec.fail(n, nil, "an alias may lead back to itself", "nested deeper than %d levels", maxDepth)
		dec.aliased = maxAliased // a circle has more such places than anyone wants to read
		return
	}
	switch x := n.(type) {
	case *ast.AnchorNode:
		dec.value(x.Value, v, path)
		return
	case *ast.AliasNode:
		dec.alias(x, v, path)
		return
	case *ast.TagNode:
		dec.tag(x, v, path)
		return
	}
	if dec.inAlias > 0 {
		if dec.aliased++; dec.aliased == maxAliased {
			dec.fail(n, path, "", "aliases bring in more than %d values", maxAliased)
		}
		if dec.aliased >= maxAliased {
			return
		}
	}
	dec.plain(n, v, path)
}

func (dec *decoder) alias(n *ast.AliasNode, v reflect.Value, path []any) {
	target, ok := dec.doc.anchors[aliasName(n)]
	if !ok {
		dec.fail(n, path, "", "the alias *%s has no anchor &%s", aliasName(n), aliasName(n))
		return
	}
	dec.inAlias++
	dec.value(target, v, path)
	dec.inAlias--
}

// tag reads the standard tags; they can only say what the field wants anyway.
func (dec *decoder) tag(n *ast.TagNode, v reflect.Value, path []any) {
	switch name := n.GetToken().Value; name {
	case "!!str", "!!int", "!!float", "!!bool", "!!null", "!!map", "!!seq":
		dec.value(n.Value, v, path)
	default:
		dec.fail(n, path, "remove it", "the tag %s means nothing here", name)
	}
}

func (dec *decoder) plain(n ast.Node, v reflect.Value, path []any) {
	if _, null := n.(*ast.NullNode); null || n == nil {
		return
	}
	if v.CanAddr() {
		switch {
		case v.Addr().Type().Implements(unmarshalerType):
			v.Addr().Interface().(Unmarshaler).UnmarshalNode(Node{dec, n, path})
			return
		case v.Addr().Type().Implements(textUnmarshalerType):
			dec.text(n, v.Addr().Interface().(encoding.TextUnmarshaler), path)
			return
		}
	}
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			v.Set(reflect.New(v.Type().Elem()))
		}
		dec.plain(n, v.Elem(), path)
	case reflect.Struct:
		dec.section(n, v, path)
	case reflect.Map:
		dec.mapping(n, v, path)
	case reflect.Slice:
		dec.list(n, v, path)
	default:
		dec.scalar(n, v, path)
	}
}

func (dec *decoder) text(n ast.Node, v encoding.TextUnmarshaler, path []any) {
	if _, ok := n.(ast.ScalarNode); !ok {
		dec.fail(n, path, "", "%s: want one value, got %s", last(path), kindWords(n))
		return
	}
	if err := v.UnmarshalText([]byte(plainText(n))); err != nil {
		message, hint, _ := strings.Cut(err.Error(), "\n")
		dec.fail(n, path, strings.TrimPrefix(strings.TrimSpace(hint), "hint: "), "%s: %s", last(path), message)
	}
}

func (dec *decoder) list(n ast.Node, v reflect.Value, path []any) {
	seq, ok := n.(*ast.SequenceNode)
	if !ok {
		hint := "begin each member with \"- \""
		if _, scalar := n.(ast.ScalarNode); scalar {
			hint = "put it in brackets, even when there is only one: [...]"
		}
		dec.fail(n, path, hint, "%s: want a list, got %s", last(path), kindWords(n))
		return
	}
	out := reflect.MakeSlice(v.Type(), len(seq.Values), len(seq.Values))
	for i, member := range seq.Values {
		if dec.tooMuch() {
			break
		}
		dec.value(member, out.Index(i), append(path[:len(path):len(path)], i))
	}
	v.Set(out)
}

func (dec *decoder) mapping(n ast.Node, v reflect.Value, path []any) {
	if len(mappingValues(n)) == 0 && !isMapping(n) {
		dec.fail(n, path, "", "%s: want a section of keys, got %s", last(path), kindWords(n))
		return
	}
	if v.IsNil() {
		v.Set(reflect.MakeMap(v.Type()))
	}
	dec.unique(n, path)
	for _, e := range dec.doc.pairs(n) {
		if dec.tooMuch() {
			return
		}
		at := append(path[:len(path):len(path)], e.text)
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		if key.Kind() == reflect.String && !key.Addr().Type().Implements(textUnmarshalerType) {
			key.SetString(e.text)
		} else if t, ok := key.Addr().Interface().(encoding.TextUnmarshaler); !ok {
			panic(fmt.Sprintf("strictyaml: cannot read keys of %s", v.Type()))
		} else if err := t.UnmarshalText([]byte(e.text)); err != nil {
			dec.fail(e.key, at, "", "key %s: %v", e.text, err)
			continue
		}
		dec.value(e.value, value, at)
		v.SetMapIndex(key, value)
	}
}

// tooMuch stops loops that would only go on spending time.
func (dec *decoder) tooMuch() bool {
	return len(dec.problems) >= maxProblems || dec.aliased >= maxAliased
}

// unique reports keys that are there twice.
func (dec *decoder) unique(n ast.Node, path []any) {
	first := map[string]ast.Node{}
	for _, v := range mappingValues(n) {
		key := keyText(v.Key)
		if v.Key == nil {
			continue
		}
		if before, dup := first[key]; dup {
			line := 0
			if at := position(before); at != nil {
				line = at.Line
			}
			dec.fail(v.Key, append(path[:len(path):len(path)], key), "keep one of them", "%s is there twice, first in line %d", key, line)
			continue
		}
		first[key] = v.Key
	}
}

// last names the value in messages: the nearest key, with the index behind it.
func last(path []any) string {
	for i := len(path) - 1; i >= 0; i-- {
		if _, isKey := path[i].(string); isKey {
			return Path(path[i:]...)
		}
	}
	if len(path) > 0 {
		return Path(path...)
	}
	return "the file"
}
