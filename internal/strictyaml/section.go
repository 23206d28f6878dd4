package strictyaml

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/agext/levenshtein"
	"github.com/goccy/go-yaml/ast"
)

// fieldsOf maps a struct's keys to its fields, embedded structs included.
func fieldsOf(t reflect.Type) (names []string, index map[string][]int) {
	index = map[string][]int{}
	for _, f := range reflect.VisibleFields(t) {
		name, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		if !f.IsExported() || name == "" || name == "-" {
			continue
		}
		if _, dup := index[name]; !dup {
			names = append(names, name)
			index[name] = f.Index
		}
	}
	return names, index
}

// section fills a struct.
func (dec *decoder) section(n ast.Node, v reflect.Value, path []any) {
	names, index := fieldsOf(v.Type())
	if !isMapping(n) {
		hint := "its keys are " + someOf(names)
		dec.fail(n, path, hint, "%s: want a section of keys, got %s", last(path), kindWords(n))
		return
	}
	dec.unique(n, path)
	for _, e := range dec.doc.pairs(n) {
		if dec.tooMuch() {
			return
		}
		at := append(path[:len(path):len(path)], e.text)
		i, known := index[e.text]
		if !known {
			dec.fail(e.key, at, dec.suggest(e.text, names), "unknown key %q%s", shorten(e.text), within(path))
			continue
		}
		dec.value(e.value, v.FieldByIndex(i), at)
	}
}

func within(path []any) string {
	if len(path) == 0 {
		return ""
	}
	return " in " + Path(path...)
}

// suggest helps with an unknown key: a slip of the pen, the right place for
// a key that exists elsewhere, or what is allowed.
func (dec *decoder) suggest(key string, names []string) string {
	if near := Nearest(key, names); near != "" {
		return fmt.Sprintf("did you mean %s?", near)
	}
	if dec.elsewhere == nil {
		dec.elsewhere = map[string][]string{}
		keyPaths(dec.root, "", nil, dec.elsewhere)
	}
	if places := dec.elsewhere[key]; len(places) > 0 {
		return "it belongs elsewhere: " + strings.Join(places[:min(3, len(places))], ", ")
	}
	if len(names) == 0 {
		return "no keys are allowed here"
	}
	return "allowed here: " + someOf(names)
}

func someOf(names []string) string {
	if len(names) > 40 {
		return strings.Join(names[:40], ", ") + ", …"
	}
	return strings.Join(names, ", ")
}

// Nearest is the candidate that word is most likely a slip of; empty if none is
// near: two letters, or a third of them, may differ (one in words of up to
// three); - and _ are alike, case does not count.
func Nearest(word string, candidates []string) string {
	if len(word) > 64 {
		return ""
	}
	plain := func(s string) string { return strings.ReplaceAll(strings.ToLower(s), "-", "_") }
	best, distance := "", max(2, len(word)/3)+1
	if len(word) < 4 {
		distance = 2
	}
	for _, c := range candidates {
		if d := levenshtein.Distance(plain(word), plain(c), nil); d < distance {
			best, distance = c, d
		}
	}
	return best
}

// keyPaths notes for each key the places where it is allowed. seen keeps
// recursive types from going on for ever.
func keyPaths(t reflect.Type, prefix string, seen []reflect.Type, out map[string][]string) {
	switch {
	case t.Kind() == reflect.Pointer:
		keyPaths(t.Elem(), prefix, seen, out)
	case t.Kind() == reflect.Slice:
		keyPaths(t.Elem(), prefix+"[]", seen, out)
	case t.Kind() == reflect.Struct && !slices.Contains(seen, t):
		names, index := fieldsOf(t)
		for _, name := range names {
			path := strings.TrimPrefix(prefix+"."+name, ".")
			out[name] = append(out[name], path)
			keyPaths(t.FieldByIndex(index[name]).Type, path, append(seen, t), out)
		}
	}
}
