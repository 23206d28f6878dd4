package dnsbl

import (
	"os"
	"reflect"
	"strings"
	"testing"
)

// TestDocs: docs/lists.md names every key of an entry, and its examples load.
func TestDocs(t *testing.T) {
	src, err := os.ReadFile("../../docs/lists.md")
	if err != nil {
		t.Fatal(err)
	}
	doc := string(src)
	for _, key := range entryKeys(reflect.TypeFor[Entry](), "") {
		short := key // access.per_day is written as .per_day behind access.per_second
		if i := strings.LastIndexByte(key, '.'); i >= 0 {
			short = key[i:]
		}
		if !strings.Contains(doc, "`"+key+"`") && !strings.Contains(doc, "`"+short+"`") {
			t.Errorf("docs/lists.md says nothing of %s", key)
		}
	}
	blocks := strings.Split(doc, "```yaml\n")[1:]
	for i, b := range blocks {
		b, _, _ = strings.Cut(b, "```")
		if _, err := LoadCatalogue("docs/lists.md", []byte(b)); err != nil {
			t.Errorf("example %d: %v", i+1, err)
		}
	}
	if len(blocks) < 2 {
		t.Error("the examples are gone")
	}
}

// entryKeys are the keys of an entry and of its sections, as in access.key.
func entryKeys(t reflect.Type, prefix string) (keys []string) {
	for i := range t.NumField() {
		f := t.Field(i)
		name, inner := f.Tag.Get("yaml"), f.Type
		if inner.Kind() == reflect.Pointer {
			inner = inner.Elem()
		}
		if inner.Kind() == reflect.Struct {
			keys = append(keys, entryKeys(inner, prefix+name+".")...)
		} else {
			keys = append(keys, prefix+name)
		}
	}
	return keys
}
