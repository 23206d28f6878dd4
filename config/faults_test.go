package config

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write golden files")

// testCatalogue stands for the one built in.
func testCatalogue(t testing.TB) []byte {
	t.Helper()
	b, err := os.ReadFile("testdata/catalogue.lists")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestFaults holds what each faulty configuration in testdata is told, word for
// word. No secret stands in any of it: in the files each one is called hunter2.
func TestFaults(t *testing.T) {
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(files) < 35 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	catalogue := testCatalogue(t)
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".yaml")
		t.Run(name, func(t *testing.T) {
			loaded, err := Load(file, catalogue)
			if err == nil {
				t.Fatalf("loads, with warnings %q", loaded.Warnings)
			}
			got, golden := err.Error()+"\n", "testdata/"+name+".err"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("message changed (-want +got):\n%s", diff)
			}
			if strings.Contains(strings.ToLower(got), "hunter2") {
				t.Error("the message shows a secret")
			}
		})
	}
}
