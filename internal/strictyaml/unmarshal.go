package strictyaml

import (
	"reflect"

	"github.com/goccy/go-yaml/ast"
)

// Node is a value in the file, handed to an Unmarshaler.
type Node struct {
	dec  *decoder
	n    ast.Node
	path []any
}

// Scalar reports whether the value is a single one, and its text with quotes undone.
func (n Node) Scalar() (text string, ok bool) {
	_, ok = n.n.(ast.ScalarNode)
	return plainText(n.n), ok
}

// Section reports whether the value is a section of keys.
func (n Node) Section() bool { return isMapping(n.n) }

// List reports whether the value is a list.
func (n Node) List() bool { _, ok := n.n.(*ast.SequenceNode); return ok }

// Path is where the value stands.
func (n Node) Path() []any { return n.path }

// What says in words what kind of value it is.
func (n Node) What() string { return kindWords(n.n) }

// Decode reads the value into what into points to, whose own UnmarshalNode is
// not called again: hand over a type without one.
func (n Node) Decode(into any) { n.dec.value(n.n, reflect.ValueOf(into).Elem(), n.path) }

// Failf reports a mistake in the value.
func (n Node) Failf(hint, format string, args ...any) { n.dec.fail(n.n, n.path, hint, format, args...) }

// Each calls f once for each key of a section, in the order of the file. It
// reports doubled keys, and a value that is no section.
func (n Node) Each(f func(key string, value Node)) {
	if !n.Section() {
		n.Failf("", "%s: want a section of keys, got %s", last(n.path), kindWords(n.n))
		return
	}
	n.dec.unique(n.n, n.path)
	seen := map[string]bool{}
	for _, e := range n.dec.doc.pairs(n.n) {
		if n.dec.tooMuch() {
			return
		}
		if seen[e.text] {
			continue
		}
		seen[e.text] = true
		f(e.text, Node{n.dec, e.value, append(n.path[:len(n.path):len(n.path)], e.text)})
	}
}

// Pair is one key with its value.
type Pair[V any] struct {
	Key   string
	Value V
}

// Pairs is a section whose order counts, which a Go map forgets.
type Pairs[V any] []Pair[V]

// UnmarshalNode implements Unmarshaler.
func (ps *Pairs[V]) UnmarshalNode(n Node) {
	n.Each(func(key string, value Node) {
		p := Pair[V]{Key: key}
		value.Decode(&p.Value)
		*ps = append(*ps, p)
	})
}
