// Package house keeps the import arrows of docs/design.md true: the table there
// and the one this test holds the code to are the same table.
package house

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "repwatch"

type pkg struct {
	ImportPath string
	Name       string
	Standard   bool
	GoFiles    []string
	Imports    []string
}

func TestImportsFollowTheTable(t *testing.T) {
	allowed := readTable(t, "../../docs/design.md")
	for _, p := range listPackages(t) {
		room := strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/")
		if room == "" {
			room = "(root)"
		}
		may, ok := allowed[room]
		if !ok {
			if len(p.GoFiles) > 0 {
				t.Errorf("package %s has no row in the table of docs/design.md: say which room it is and what it may import", p.ImportPath)
			}
			continue
		}
		for _, imp := range p.Imports {
			if problem := forbidden(room, may, imp); problem != "" {
				t.Error(problem)
			}
		}
		delete(allowed, room)
	}
	for room := range allowed {
		t.Errorf("docs/design.md has a row for %s, but there is no such package", room)
	}
}

func forbidden(room string, may []string, imp string) string {
	inner, ours := strings.CutPrefix(imp, module+"/")
	switch {
	case imp == module:
		inner, ours = "(root)", true
	case !ours && !strings.Contains(strings.SplitN(imp, "/", 2)[0], "."):
		return "" // the standard library is everybody's
	}
	switch {
	case ours && slices.Contains(may, inner), !ours && !slices.Contains(may, "stdlib only"):
		return ""
	case ours:
		return fmt.Sprintf("%s imports %s, which docs/design.md does not allow (allowed: %s)", room, inner, strings.Join(may, ", "))
	default:
		return fmt.Sprintf("%s imports %s, but docs/design.md allows it the standard library only", room, imp)
	}
}

// readTable reads the rows between the markers "imports:begin" and "imports:end".
func readTable(t *testing.T, file string) map[string][]string {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	table, in := map[string][]string{}, false
	for s := bufio.NewScanner(f); s.Scan(); {
		line := s.Text()
		switch {
		case strings.Contains(line, "imports:begin"):
			in = true
		case strings.Contains(line, "imports:end"):
			in = false
		case in && strings.HasPrefix(line, "| `"):
			cells := strings.Split(strings.Trim(line, "| "), "|")
			if len(cells) < 3 {
				t.Fatalf("%s: row without three cells: %s", file, line)
			}
			may := strings.FieldsFunc(strings.ReplaceAll(cells[1], "`", ""), func(r rune) bool { return r == ',' })
			for i := range may {
				may[i] = strings.TrimSpace(may[i])
			}
			table[strings.Trim(cells[0], "` ")] = may
		}
	}
	if len(table) == 0 {
		t.Fatalf("%s: no table between imports:begin and imports:end", file)
	}
	return table
}

func listPackages(t *testing.T) []pkg {
	t.Helper()
	cmd := exec.Command("go", "list", "-json", "./...")
	cmd.Dir, cmd.Stderr = "../..", os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []pkg
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		err := dec.Decode(&p)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}
