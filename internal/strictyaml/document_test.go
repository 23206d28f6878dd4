package strictyaml

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const placed = `# a comment
base: &base {zone: z.example}
lists:
  - id: a
    codes:
      127.0.0.2: one
      127.0.0.10-11: {meaning: two,
        class: policy}
  - {<<: *base, id: b}
word: "x"
`

func TestAt(t *testing.T) {
	var into struct {
		Base  any3         `yaml:"base"`
		Lists Pairs[any3]  `yaml:"-"`
		Word  string       `yaml:"word"`
		L     []listOfTest `yaml:"lists"`
	}
	d, err := Decode("f.yaml", []byte(placed), &into)
	if err != nil {
		t.Fatal(err)
	}
	type steps = []any
	for _, tt := range []struct {
		at           steps
		line, column int
	}{
		{nil, 2, 1},
		{steps{"word"}, 10, 7},
		{steps{Key("word")}, 10, 1},
		{steps{"lists"}, 3, 1}, // written over several lines: its key
		{steps{"lists", 0}, 4, 5},
		{steps{"lists", -1}, 3, 1},
		{steps{"lists", 0, "codes"}, 5, 5},
		{steps{"lists", 0, "id"}, 4, 9},
		{steps{"lists", 0, "codes", "127.0.0.2"}, 6, 18},
		{steps{"lists", 0, "codes", Key("127.0.0.2")}, 6, 7},
		{steps{"lists", 0, "codes", "127.0.0.10-11", "class"}, 8, 16},
		{steps{"lists", 0, "missing", "deeper"}, 4, 5}, // as far as the file goes
		{steps{"lists", 7}, 3, 1},
		{steps{"lists", 1, "zone"}, 2, 20}, // merged in from there
		{steps{"lists", "0"}, 3, 1},
	} {
		line, column := d.At(tt.at...)
		if line != tt.line || column != tt.column {
			t.Errorf("%v is at %d:%d, want %d:%d", tt.at, line, column, tt.line, tt.column)
		}
	}
}

type any3 struct{}

func (*any3) UnmarshalNode(Node) {}

type listOfTest struct {
	ID    string      `yaml:"id"`
	Zone  string      `yaml:"zone"`
	Codes Pairs[any3] `yaml:"codes"`
}

func TestAtWithoutPlace(t *testing.T) {
	d, err := Decode("", nil, &struct{}{})
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range []*Document{d, nil} {
		if line, column := d.At("a", 1); line != 0 || column != 0 {
			t.Errorf("%d:%d, want no place", line, column)
		}
		if got := d.Problemf([]any{"a", 1, "b"}, "", "no %s", "luck"); got.String() != "no luck" || got.Path != "a[1].b" {
			t.Errorf("got %q at %q", got, got.Path)
		}
	}
}

func TestPath(t *testing.T) {
	got := Path("lists", 3, "codes", Key("127.0.0.2"), "x y", "")
	if want := `lists[3].codes["127.0.0.2"]["x y"][""]`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestProblemsInOrder(t *testing.T) {
	ps := Problems{{File: "b", Line: 1}, {File: "a", Line: 3, Message: "second"}, {File: "a", Line: 2, Column: 9, Message: "first"}, {File: "a", Message: "whole"}}
	var words []string
	var sorted Problems
	if !errors.As(ps.Err(), &sorted) {
		t.Fatal("no Problems")
	}
	for _, p := range sorted {
		words = append(words, p.String())
	}
	if d := cmp.Diff([]string{"a: whole", "a:2:9: first", "a:3:0: second", "b:1:0: "}, words); d != "" {
		t.Error(d)
	}
	if Problems(nil).Err() != nil {
		t.Error("no problems are an error")
	}
}

func TestNearest(t *testing.T) {
	for _, tt := range []struct{ word, want string }{
		{"per-second", "per_second"}, {"PER-SECOND", "per_second"}, {"Zone", "zone"}, {"zoen", "zone"}, {"idd", "id"}, {"ids", "id"},
		{"xyz", ""}, {"access_key_of_mine", ""}, {strings.Repeat("z", 1000), ""},
	} {
		if got := Nearest(tt.word, []string{"id", "zone", "per_second"}); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.word, got, tt.want)
		}
	}
}

// FuzzDecode: foreign text never panics, never takes long, and every problem
// has a message and a place inside the file.
func FuzzDecode(f *testing.F) {
	for _, s := range []string{placed, "members: [{id: a, next: {id: b}}]", "a: [", "? x", "!!str &a *a", "a: |\n b\n---\n", "{<<: *x}", "\"\\u0000\": ~", "a:\n\t- b", "- - - -", "%YAML 1.2\n---\nname: x\n..."} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, src string) {
		begin := time.Now()
		var into struct {
			settings `yaml:"-"`
			Name     string        `yaml:"name"`
			Members  []member      `yaml:"members"`
			Lists    []listOfTest  `yaml:"lists"`
			Codes    Pairs[either] `yaml:"codes"`
			Any      tree          `yaml:"any"`
		}
		d, err := Decode("f", []byte(src), &into)
		if took := time.Since(begin); took > 5*time.Second {
			t.Errorf("took %v for %d bytes", took, len(src))
		}
		lines := strings.Count(src, "\n") + strings.Count(src, "\r") + 2
		var ps Problems
		if err != nil && !errors.As(err, &ps) {
			t.Fatalf("%T is no Problems", err)
		}
		for _, p := range ps {
			if p.Message == "" || p.Line < 0 || p.Line > lines {
				t.Errorf("a problem without words or outside the file: %+v", p)
			}
		}
		d.At("members", 0, "next", "id")
	})
}
