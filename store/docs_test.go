package store

import (
	"os"
	"regexp"
	"slices"
	"testing"
)

// docs/store.md documents every bucket, and no other.
func TestDocumentedBuckets(t *testing.T) {
	page, err := os.ReadFile("../docs/store.md")
	if err != nil {
		t.Fatal(err)
	}
	var got, want []string
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z.]+)` \\|").FindAllSubmatch(page, -1) {
		got = append(got, string(m[1]))
	}
	for _, l := range layouts {
		want = append(want, l.name)
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("documented are\n%v\nbuckets are\n%v", got, want)
	}
}
