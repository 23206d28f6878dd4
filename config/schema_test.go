package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

func schema(t testing.TB) map[string]any {
	t.Helper()
	var b bytes.Buffer
	if err := Schema(&b); err != nil {
		t.Fatal(err)
	}
	var s map[string]any
	if err := json.Unmarshal(b.Bytes(), &s); err != nil {
		t.Fatal(err)
	}
	return s
}

// keywords of JSON Schema (draft 2020-12) that we use, with the JSON type of their values.
var keywords = map[string]func(any) bool{
	"$schema":              func(v any) bool { return v == "https://json-schema.org/draft/2020-12/schema" },
	"title":                is[string],
	"description":          is[string],
	"default":              func(any) bool { return true },
	"type":                 func(v any) bool { return is[string](v) || is[[]any](v) },
	"pattern":              func(v any) bool { _, err := regexp.Compile(v.(string)); return err == nil },
	"enum":                 is[[]any],
	"minimum":              is[float64],
	"maximum":              is[float64],
	"items":                is[map[string]any],
	"properties":           is[map[string]any],
	"required":             is[[]any],
	"additionalProperties": func(v any) bool { return is[bool](v) || is[map[string]any](v) },
}

func is[T any](v any) bool { _, ok := v.(T); return ok }

// TestSchemaIsSound walks the whole schema: only known keywords with values of
// the right type, a description on every key, defaults that fit their own schema.
func TestSchemaIsSound(t *testing.T) {
	types := []string{"string", "integer", "boolean", "array", "object"}
	var walk func(path string, s map[string]any)
	walk = func(path string, s map[string]any) {
		for k, v := range s {
			if good, known := keywords[k]; !known || !good(v) {
				t.Errorf("%s: %s: %v is no JSON Schema we know", path, k, v)
			}
		}
		for _, name := range typesOf(s) {
			if !slices.Contains(types, name) {
				t.Errorf("%s: type %q", path, name)
			}
		}
		if d, ok := s["default"]; ok {
			for _, problem := range validate(path, s, d) {
				t.Errorf("default of %s", problem)
			}
		}
		if inner, ok := s["items"].(map[string]any); ok {
			walk(path+"[]", inner)
		}
		if inner, ok := s["additionalProperties"].(map[string]any); ok {
			walk(path+".*", inner)
		}
		props, _ := s["properties"].(map[string]any)
		for name, p := range props {
			child := p.(map[string]any)
			if doc, _ := child["description"].(string); len(doc) < 4 || strings.HasSuffix(strings.TrimSpace(doc), ",") {
				t.Errorf("%s.%s has no words: %q", path, name, doc)
			}
			walk(path+"."+name, child)
		}
	}
	walk("$", schema(t))
}

// TestGoodConfigurationsFollowTheSchema, and what Load refuses for its shape does not.
func TestGoodConfigurationsFollowTheSchema(t *testing.T) {
	root := schema(t)
	for _, file := range []string{"testdata/good/design.yaml", "../docs/repwatch.example.yaml"} {
		for _, problem := range validate("$", root, yamlFile(t, file)) {
			t.Errorf("%s: %s", file, problem)
		}
	}
	for _, name := range []string{"unknown-top-level", "unknown-in-entry", "unknown-deep", "wrong-type-section", "wrong-type-list", "wrong-type-number",
		"wrong-type-bool", "wrong-type-text", "state", "percent", "duration", "partner-port", "quiet", "numbers", "wrong-type-log", "time", "range-is-ip"} {
		if problems := validate("$", root, yamlFile(t, filepath.Join("testdata", name+".yaml"))); len(problems) == 0 {
			t.Errorf("%s: an editor would find nothing wrong with it", name)
		}
	}
}

func yamlFile(t *testing.T, file string) any {
	t.Helper()
	src, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var v any
	if err := yaml.Unmarshal(src, &v); err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func typesOf(s map[string]any) (out []string) {
	switch v := s["type"].(type) {
	case string:
		return []string{v}
	case []any:
		for _, name := range v {
			out = append(out, name.(string))
		}
	}
	return out
}

func typeOf(v any) string {
	switch v := v.(type) {
	case string:
		return "string"
	case bool:
		return "boolean"
	case float64:
		if v == float64(int64(v)) {
			return "integer"
		}
		return "number"
	case []any:
		return "array"
	case map[string]any:
		return "object"
	default:
		return "null"
	}
}

// validate is the part of a JSON Schema validator that our schema needs.
func validate(path string, s map[string]any, v any) (problems []string) {
	wrong := func(format string, args ...any) {
		problems = append(problems, path+": "+fmt.Sprintf(format, args...))
	}
	if types := typesOf(s); len(types) > 0 && !slices.Contains(types, typeOf(v)) {
		wrong("is %s, not %v", typeOf(v), types)
		return problems
	}
	if enum, ok := s["enum"].([]any); ok && !slices.Contains(enum, v) {
		wrong("%v is none of %v", v, enum)
	}
	switch v := v.(type) {
	case string:
		if p, ok := s["pattern"].(string); ok && !regexp.MustCompile(p).MatchString(v) {
			wrong("%q does not match %s", v, p)
		}
	case float64:
		if n, ok := s["minimum"].(float64); ok && v < n {
			wrong("%v is below %v", v, n)
		}
		if n, ok := s["maximum"].(float64); ok && v > n {
			wrong("%v is above %v", v, n)
		}
		if p, ok := s["pattern"].(string); ok && slices.Contains(typesOf(s), "string") && !regexp.MustCompile(p).MatchString(fmt.Sprint(v)) {
			wrong("%v does not match %s as text", v, p) // stricter than JSON Schema, as Load is
		}
	case []any:
		if items, ok := s["items"].(map[string]any); ok {
			for i, member := range v {
				problems = append(problems, validate(fmt.Sprintf("%s[%d]", path, i), items, member)...)
			}
		}
	case map[string]any:
		problems = append(problems, validateObject(path, s, v)...)
	}
	return problems
}

func validateObject(path string, s, v map[string]any) (problems []string) {
	required, _ := s["required"].([]any)
	for _, name := range required {
		if _, ok := v[name.(string)]; !ok {
			problems = append(problems, fmt.Sprintf("%s: %s is missing", path, name))
		}
	}
	props, _ := s["properties"].(map[string]any)
	for name, member := range v {
		p, known := props[name].(map[string]any)
		if !known {
			p, known = s["additionalProperties"].(map[string]any)
		}
		switch {
		case known:
			problems = append(problems, validate(path+"."+name, p, member)...)
		case s["additionalProperties"] == false:
			problems = append(problems, fmt.Sprintf("%s: %s is unknown", path, name))
		}
	}
	return problems
}

// TestEveryKeyIsDocumented: the tags are the reference.
func TestEveryKeyIsDocumented(t *testing.T) {
	keys := Keys()
	if len(keys) < 90 {
		t.Errorf("only %d keys", len(keys))
	}
	var page bytes.Buffer
	if err := Reference(&page); err != nil {
		t.Fatal(err)
	}
	for _, k := range keys {
		if len(k.Doc) < 4 || k.Type == "" || !strings.HasSuffix(k.Doc, ".") {
			t.Errorf("%s (%s): %q is no sentence", k.Path, k.Type, k.Doc)
		}
		if strings.Contains(k.Doc, "default ") && strings.Contains(k.Doc, "(default") {
			t.Errorf("%s: the default belongs into its own column: %q", k.Path, k.Doc)
		}
		name := strings.TrimSuffix(k.Path[strings.LastIndexByte(k.Path, '.')+1:], "[]")
		if !strings.Contains(page.String(), "`"+name+"`") && !strings.Contains(page.String(), "# "+strings.TrimSuffix(k.Path, "[]")+"\n") {
			t.Errorf("%s is not on the reference page", k.Path)
		}
	}
}

// TestScalarsAreScalars: each type with words of its own reads itself.
func TestScalarsAreScalars(t *testing.T) {
	var walk func(reflect.Type)
	walk = func(st reflect.Type) {
		for _, f := range fields(st) {
			ft := f.Type
			for ft.Kind() == reflect.Pointer || ft.Kind() == reflect.Slice || ft.Kind() == reflect.Map {
				ft = ft.Elem()
			}
			s, ok := scalars[ft]
			switch {
			case ok && (s.words == "" || len(s.kinds) == 0):
				t.Errorf("%s has no words", ft)
			case !ok && isSection(ft):
				walk(ft)
			}
			if ok && f.Type.Kind() == reflect.Slice && s.plural == "" {
				t.Errorf("%s is in a list and has no plural", ft)
			}
		}
	}
	walk(reflect.TypeFor[Config]())
}
