package replies

import (
	_ "embed"
	"fmt"
	"slices"
	"sync"

	"repwatch/internal/strictyaml"
)

//go:embed replies.yaml
var embedded []byte

// tableFile is the form of replies.yaml: the section of an entry is its tier,
// its place within the section its rank.
type tableFile struct {
	Provider []*Entry `yaml:"provider"`
	List     []*Entry `yaml:"list"`
	Text     []*Entry `yaml:"text"`
	Enhanced []*Entry `yaml:"enhanced"`
	Code     []*Entry `yaml:"code"`
}

type entries struct {
	entries []*Entry // best first
}

// table is the embedded one. That it loads is tested, so a failure is a broken build.
var table = sync.OnceValue(func() *entries {
	t, err := load("replies.yaml", embedded)
	if err != nil {
		panic(fmt.Sprintf("replies: the built-in table does not load: %v", err))
	}
	return t
})

// Entries is the table, in the order in which matches are ranked. The entries
// are shared: do not change them.
func Entries() []*Entry { return slices.Clone(table().entries) }

// load reads a table strictly and reports every mistake in it at once, with its place.
func load(name string, src []byte) (*entries, error) {
	var f tableFile
	doc, err := strictyaml.Decode(name, src, &f)
	if err != nil {
		return nil, err
	}
	t, seen := &entries{}, map[string]bool{}
	var mistakes strictyaml.Problems
	for tier, list := range [][]*Entry{f.Provider, f.List, f.Text, f.Enhanced, f.Code} {
		for i, e := range list {
			bad := func(format string, args ...any) {
				at := []any{Tier(tier).String(), i}
				mistakes = append(mistakes, doc.Problem(at, "", fmt.Sprintf(format, args...)))
			}
			if e == nil {
				bad("an empty entry under %s", Tier(tier))
				continue
			}
			if seen[e.ID] {
				bad("entry %q is there twice", e.ID)
			}
			seen[e.ID] = true
			e.prepare(Tier(tier), func(format string, args ...any) {
				bad("entry %q: "+format, append([]any{e.ID}, args...)...)
			})
			t.entries = append(t.entries, e)
		}
	}
	return t, mistakes.Err()
}
