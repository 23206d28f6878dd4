package strictyaml

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/token"
	"github.com/google/go-cmp/cmp"
)

// settings has one field of everything that can be read.
type settings struct {
	Name    string             `yaml:"name"`
	Count   int                `yaml:"count"`
	Port    uint16             `yaml:"port"`
	Rate    float64            `yaml:"rate"`
	On      bool               `yaml:"on"`
	Maybe   *bool              `yaml:"maybe"`
	IP      netip.Addr         `yaml:"ip"`
	Tags    []string           `yaml:"tags"`
	Words   map[string]string  `yaml:"words"`
	ByIP    map[netip.Addr]int `yaml:"by_ip"`
	Members []member           `yaml:"members"`
	Extra   *member            `yaml:"extra"`
	Codes   Pairs[either]      `yaml:"codes"`
	Small   int8               `yaml:"small"`
	Ignored string             `yaml:"-"`
}

type member struct {
	ID        string  `yaml:"id"`
	PerSecond float64 `yaml:"per_second"`
	Next      *member `yaml:"next"`
}

// either is a text or a section.
type either struct {
	Text string
	Sure bool
}

func (e *either) UnmarshalNode(n Node) {
	if text, ok := n.Scalar(); ok {
		e.Text = text
		return
	}
	var full struct {
		Text string `yaml:"text"`
		Sure bool   `yaml:"sure"`
	}
	n.Decode(&full)
	if full.Text == "" && n.Section() {
		n.Failf("say what it means", "a code needs a text")
	}
	e.Text, e.Sure = full.Text, full.Sure
}

func TestDecode(t *testing.T) {
	yes := true
	tests := []struct {
		name, src string
		want      settings
	}{
		{"empty", "", settings{}},
		{"only a comment", "# nothing\n", settings{}},
		{"only a header", "---\n", settings{}},
		{"scalars", "name: mx\ncount: 3\nport: 25\nrate: 2\non: true\nmaybe: true\nip: 203.0.113.7\n",
			settings{Name: "mx", Count: 3, Port: 25, Rate: 2, On: true, Maybe: &yes, IP: netip.MustParseAddr("203.0.113.7")}},
		{"text as written", `{name: 0x10, tags: [1.50, true, "a: b", 'it''s', null, 127.0]}`,
			settings{Name: "0x10", Tags: []string{"1.50", "true", "a: b", "it's", "", "127.0"}}},
		{"whole numbers in other clothes", "{count: 1_000, rate: 1e3, port: 0x19}", settings{Count: 1000, Rate: 1000, Port: 25}},
		{"null leaves alone", "name:\ncount: ~\nextra: null\ntags:\n", settings{}},
		{"keys are text", "words: {127.0.0.2: a, 2: b, 1.50: c, true: d, on: e, null: f, \"x: y\": g}",
			settings{Words: map[string]string{"127.0.0.2": "a", "2": "b", "1.50": "c", "true": "d", "on": "e", "null": "f", "x: y": "g"}}},
		{"keys that read themselves", "by_ip: {127.0.0.2: 4}", settings{ByIP: map[netip.Addr]int{netip.MustParseAddr("127.0.0.2"): 4}}},
		{"nested", "members:\n  - id: a\n    per_second: 0.5\n  - {id: b, next: {id: c}}\nextra: {id: d}\n",
			settings{Members: []member{{ID: "a", PerSecond: .5}, {ID: "b", Next: &member{ID: "c"}}}, Extra: &member{ID: "d"}}},
		{"text or section, in order", "codes: {127.0.0.9: nine, 127.0.0.2: {text: two, sure: true}}",
			settings{Codes: Pairs[either]{{"127.0.0.9", either{Text: "nine"}}, {"127.0.0.2", either{"two", true}}}}},
		{"literal block", "name: |\n  two\n  lines\n", settings{Name: "two\nlines\n"}},
		{"anchor, alias, merge", "extra: &x {id: a, per_second: 2}\nmembers:\n  - *x\n  - {<<: *x, id: b}\n  - {<<: [*x]}\n",
			settings{Extra: &member{ID: "a", PerSecond: 2}, Members: []member{{ID: "a", PerSecond: 2}, {ID: "b", PerSecond: 2}, {ID: "a", PerSecond: 2}}}},
		{"standard tags", "name: !!str 5\ntags: !!seq [x]\n", settings{Name: "5", Tags: []string{"x"}}},
		{"windows line ends", "name: a\r\ntags:\r\n  - b\r\n", settings{Name: "a", Tags: []string{"b"}}},
		{"byte order mark", "\ufeffname: a\n", settings{Name: "a"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got settings
			if _, err := Decode("f.yaml", []byte(tt.src), &got); err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tt.want, got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); d != "" {
				t.Error(d)
			}
		})
	}
}

// TestProblems holds each message as people see it.
func TestProblems(t *testing.T) {
	tests := []struct {
		name, src string
		want      string
	}{
		{"unknown key, near", "nmae: x\n", "f.yaml:1:1: unknown key \"nmae\"\n  hint: did you mean name?"},
		{"hyphen for underscore", "members: [{per-second: 1}]", "f.yaml:1:12: unknown key \"per-second\" in members[0]\n  hint: did you mean per_second?"},
		{"right key, wrong level", "per_second: 4\n", "f.yaml:1:1: unknown key \"per_second\"\n  hint: it belongs elsewhere: members[].per_second, extra.per_second"},
		{"unknown key", "members: [{zzzzzz: 1}]", "f.yaml:1:12: unknown key \"zzzzzz\" in members[0]\n  hint: allowed here: id, per_second, next"},
		{"ignored field is no key", "\"-\": x\n", "f.yaml:1:1: unknown key \"-\"\n  hint: allowed here: name, count, port, rate, on, maybe, ip, tags, words, by_ip, members, extra, codes, small"},
		{"doubled key", "name: a\ncount: 1\nname: b\n", "f.yaml:3:1: name is there twice, first in line 1\n  hint: keep one of them"},
		{"doubled map key", "words: {a: 1, b: 2, a: 3}", "f.yaml:1:21: a is there twice, first in line 1\n  hint: keep one of them"},
		{"number wanted", "members:\n  - per_second: \"fast\"\n", "f.yaml:2:17: per_second: want a number, got text \"fast\""},
		{"quoted number", "count: \"3\"", "f.yaml:1:8: count: want a whole number, got text \"3\"\n  hint: remove the quotes"},
		{"quoted exponent", "rate: \"1e3\"", "f.yaml:1:7: rate: want a number, got text \"1e3\"\n  hint: remove the quotes"},
		{"fraction", "count: 1.5", "f.yaml:1:8: count: want a whole number, got the number 1.5"},
		{"too large", "port: 70000", "f.yaml:1:7: port: 70000 is out of range"},
		{"negative", "port: -1", "f.yaml:1:7: port: -1 is out of range"},
		{"too large for its kind", "small: 200", "f.yaml:1:8: small: 200 is out of range"},
		{"too large for anything", "rate: 1.5e999", "f.yaml:1:7: rate: want a number, got text \"1.5e999\""},
		{"long text", "count: " + strings.Repeat("x", 50), "f.yaml:1:8: count: want a whole number, got text \"" + strings.Repeat("x", 40) + "…\""},
		{"not a number", "rate: .nan", "f.yaml:1:7: rate: want a number, got the number .nan"},
		{"yes", "on: yes", "f.yaml:1:5: on: want true or false, got text \"yes\"\n  hint: write true"},
		{"list wanted", "tags: a", "f.yaml:1:7: tags: want a list, got text\n  hint: put it in brackets, even when there is only one: [...]"},
		{"section wanted, secret kept", "words: s3cret", "f.yaml:1:8: words: want a section of keys, got text"},
		{"struct wanted", "extra: [1]", "f.yaml:1:8: extra: want a section of keys, got a list\n  hint: its keys are id, per_second, next"},
		{"text wanted", "name: [a]", "f.yaml:1:7: name: want text, got a list"},
		{"one value wanted", "ip: {a: b}", "f.yaml:1:5: ip: want one value, got a section of keys"},
		{"bad address", "ip: 203.0.113", "f.yaml:1:5: ip: ParseAddr(\"203.0.113\"): IPv4 address too short"},
		{"bad key", "by_ip: {x: 1}", "f.yaml:1:9: key x: ParseAddr(\"x\"): unable to parse IP"},
		{"doubled key of an own type, told once", "codes:\n  2: {sure: true, text: a}\n  2: {}\n", "f.yaml:3:3: 2 is there twice, first in line 2\n  hint: keep one of them"},
		{"own check", "codes:\n  2: {sure: true}\n", "f.yaml:2:6: a code needs a text\n  hint: say what it means"},
		{"own type, unknown key", "codes: {2: {txt: a}}", "f.yaml:1:12: a code needs a text\n  hint: say what it means\nf.yaml:1:13: unknown key \"txt\" in codes.2\n  hint: did you mean text?"},
		{"merge too deep", "extra: {<<: {<<: {<<: {<<: {id: a}}}}}", "f.yaml:1:24: unknown key \"<<\" in extra\n  hint: allowed here: id, per_second, next"},
		{"second document", "name: a\n---\nname: b\n", "f.yaml:3:1: a second document: one file holds one\n  hint: remove the line --- before it and what follows, or put it into a file of its own"},
		{"alias without anchor", "name: *x\n", "f.yaml:1:7: the alias *x has no anchor &x"},
		{"anchor twice", "name: &x a\ncount: &x 1\n", "f.yaml:2:8: the anchor &x is there twice\n  hint: give each its own name"},
		{"odd tag", "name: !secret a\n", "f.yaml:1:7: the tag !secret means nothing here\n  hint: remove it"},
		{"top level", "- a\n", "f.yaml:1:1: the file: want a section of keys, got a list\n  hint: its keys are name, count, port, rate, on, maybe, ip, tags, words, by_ip, members, extra, codes, small"},
		{"not UTF-8", "name: a\nx\xff", "f.yaml:2:2: this is not UTF-8 text\n  hint: save the file as UTF-8"},
		{"all at once, by place", "count: x\nnmae: 1\nrate: y\n", "f.yaml:1:8: count: want a whole number, got text \"x\"\nf.yaml:2:1: unknown key \"nmae\"\n  hint: did you mean name?\nf.yaml:3:7: rate: want a number, got text \"y\""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Decode("f.yaml", []byte(tt.src), &settings{})
			var ps Problems
			if !errors.As(err, &ps) {
				t.Fatalf("error is %v, want Problems", err)
			}
			if d := cmp.Diff(tt.want, err.Error()); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestSyntaxErrors(t *testing.T) {
	for _, tt := range []struct{ name, src, place, hint string }{
		{"tab", "members:\n\t- id: a\n", "f.yaml:2:", "with spaces, not with tabs"},
		{"open bracket", "tags: [a, b\nname: x\n", "f.yaml:", "brackets left open"},
		{"open quote", "name: \"abc\ncount: 1\n", "f.yaml:", "quotes"},
		{"colon in text", "name: a: b\n", "f.yaml:1:", "needs quotes"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Decode("f.yaml", []byte(tt.src), &settings{})
			if err == nil || !strings.HasPrefix(err.Error(), tt.place) || !strings.Contains(err.Error(), "not valid YAML") || !strings.Contains(err.Error(), tt.hint) {
				t.Errorf("got %v, want it at %s with hint %q", err, tt.place, tt.hint)
			}
		})
	}
}

// TestBombs: small files must not cost much, whatever they contain.
func TestBombs(t *testing.T) {
	laughs := "words:\n  a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
	for i := range 9 {
		laughs += fmt.Sprintf("  a%d: &a%d [%s]\n", i+1, i+1, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d, ", i), 10), ", "))
	}
	var deep strings.Builder
	for i := range 100 {
		deep.WriteString(strings.Repeat(" ", i) + "a:\n")
	}
	for name, src := range map[string]string{
		"billion laughs":   strings.Replace(laughs, "words:", "any:", 1),
		"circle":           "any: &a [*a, *a]\n",
		"merge circle":     "any: &a {<<: *a, <<: [*a, *a, *a, *a, *a, *a, *a, *a]}\n",
		"brackets":         "any: " + strings.Repeat("[", 1<<15),
		"braces":           "any: " + strings.Repeat("{a: ", 1<<14),
		"dashes":           strings.Repeat("- ", 1<<14),
		"question marks":   strings.Repeat("? ", 1<<14),
		"tags":             strings.Repeat("!!a ", 1<<14),
		"tags on lines":    strings.Repeat("!!a\n", 1<<14),
		"anchors":          strings.Repeat("&a ", 1<<14),
		"indentation":      deep.String(),
		"larger than ever": strings.Repeat("#", maxFile+1),
	} {
		t.Run(name, func(t *testing.T) {
			var into struct {
				Any tree `yaml:"any"`
			}
			if _, err := Decode("f.yaml", []byte(src), &into); err == nil {
				t.Error("accepted")
			} else if len(err.Error()) > 4000 {
				t.Errorf("the message has %d bytes", len(err.Error()))
			}
		})
	}
}

// tree takes anything, so that nothing but the limits stops a bomb.
type tree struct{ kids []tree }

func (t *tree) UnmarshalNode(n Node) {
	switch {
	case n.Section():
		n.Each(func(_ string, v Node) {
			var kid tree
			v.Decode(&kid)
			t.kids = append(t.kids, kid)
		})
	case n.List():
		n.Decode(&t.kids)
	}
}

func tooDeep(tokens token.Tokens) *token.Token {
	t, _ := overLimit(tokens)
	return t
}

func TestTooDeep(t *testing.T) {
	for name, one := range map[string]string{"brackets": "[", "braces": "{a: ", "dashes": "- ", "question marks": "? ", "tags": "!!a ", "tags on lines": "!!a\n", "anchors": "&a ", "colons": "a: "} {
		if tooDeep(lexer.Tokenize(strings.Repeat(one, 30))) != nil {
			t.Errorf("%s: 30 are too deep", name)
		}
		if tooDeep(lexer.Tokenize(strings.Repeat(one, 100))) == nil {
			t.Errorf("%s: 100 are not too deep", name)
		}
	}
	var steps, stairs strings.Builder
	for i := range 100 {
		steps.WriteString(strings.Repeat(" ", i) + "a:\n")
		stairs.WriteString(strings.Repeat(" ", i%5) + "a:\n")
	}
	if tooDeep(lexer.Tokenize(steps.String())) == nil {
		t.Error("100 levels of indentation are not too deep")
	}
	if tooDeep(lexer.Tokenize(stairs.String())) != nil {
		t.Error("100 lines with 5 levels are too deep")
	}
	if tooDeep(lexer.Tokenize("["+strings.Repeat("[a: b], ", 100)+"]")) != nil {
		t.Error("100 lists side by side are too deep")
	}
}

func TestManyKeys(t *testing.T) {
	section := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "  - {k%d: x, l: y}\n  - m: x\n    n: y\n", i)
		}
		return "members:\n" + b.String()
	}
	if _, err := overLimit(lexer.Tokenize(section(maxKeys + 1))); err != nil {
		t.Errorf("a long list of small sections: %v", err)
	}
	var b strings.Builder
	for i := range maxKeys {
		fmt.Fprintf(&b, "k%d:\n  a: x\n", i)
	}
	if _, err := overLimit(lexer.Tokenize(b.String())); err != nil {
		t.Errorf("%d keys: %v", maxKeys, err)
	}
	b.WriteString("one-more: x\n")
	if _, err := Decode("f.yaml", []byte(b.String()), &settings{}); err == nil || !strings.Contains(err.Error(), "more than 10000 keys in one section") {
		t.Errorf("one more: %v", err)
	}
}

func TestTooManyProblemsStop(t *testing.T) {
	_, err := Decode("f.yaml", []byte(strings.Repeat("x: 1\n", 5000)), &settings{})
	var ps Problems
	if !errors.As(err, &ps) || len(ps) != maxProblems {
		t.Errorf("%d problems, want %d", len(ps), maxProblems)
	}
}

func TestDecodePanicsOnProgramMistakes(t *testing.T) {
	for name, f := range map[string]func(){
		"no pointer": func() { _, _ = Decode("f", nil, settings{}) },
		"a channel": func() {
			var v struct {
				C chan int `yaml:"c"`
			}
			_, _ = Decode("f", []byte("c: 1"), &v)
		},
		"int map key": func() { var v map[int]int; _, _ = Decode("f", []byte("1: 1"), &v) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("did not panic")
				}
			}()
			f()
		})
	}
}
