package replies

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the tables in docs/replies.md")

const docs = "../docs/replies.md"

// TestDocs keeps the tables in docs/replies.md in step with replies.yaml: each
// stands between a begin and an end mark. Run with -update to rewrite them.
func TestDocs(t *testing.T) {
	src, err := os.ReadFile(docs)
	if err != nil {
		t.Fatal(err)
	}
	want := string(src)
	for name, table := range map[string]string{"classes": classTable(), "entries": entryTable()} {
		begin, end := "<!-- begin "+name+" -->\n", "<!-- end "+name+" -->"
		before, rest, ok := strings.Cut(want, begin)
		_, after, ok2 := strings.Cut(rest, end)
		if !ok || !ok2 {
			t.Fatalf("%s has no marks for %s", docs, name)
		}
		want = before + begin + table + end + after
	}
	if *update {
		if err := os.WriteFile(docs, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, string(src)); diff != "" {
		t.Errorf("%s is out of step (go test ./replies -update rewrites it):\n%s", docs, diff)
	}
}

func classTable() string {
	var b strings.Builder
	b.WriteString("| class | what it is about |\n| --- | --- |\n")
	for _, c := range classWords {
		fmt.Fprintf(&b, "| %s | %s |\n", c.Class, c.Words)
	}
	return b.String()
}

func entryTable() string {
	var b strings.Builder
	tier := Tier(-1)
	for _, e := range Entries() {
		if e.Tier != tier {
			tier = e.Tier
			fmt.Fprintf(&b, "\n### %s\n\n| id | class | who | list | evidence | code | example |\n| --- | --- | --- | --- | --- | --- | --- |\n", tier)
		}
		example, _, _ := strings.Cut(e.Examples[0], "\n")
		if r := []rune(example); len(r) > 90 {
			example = string(r[:90]) + "…"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s | `%s` |\n", e.ID, e.Class, e.Provider, e.List, e.Evidence,
			strings.Join(append(append([]string{}, e.Code...), e.Enhanced...), " "), strings.ReplaceAll(strings.ReplaceAll(example, "|", `\|`), "`", "'"))
	}
	return b.String()
}
