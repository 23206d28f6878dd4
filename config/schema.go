package config

import (
	"encoding/json"
	"io"
	"reflect"
	"strconv"
	"strings"

	"repwatch/checks/dnsbl"
)

// Key is one configuration key, for the JSON Schema and the reference page.
type Key struct {
	Path    string // partners[].domain
	Type    string // in words
	Default string
	Doc     string

	section bool // has keys of its own
}

// scalar is a type written as one YAML value.
type scalar struct {
	words   string // for the reference
	plural  string // the same for members of a list
	kinds   []string
	pattern string // where it says more
	enum    []string
	max     int
}

var asText, asTextOrNumber = []string{"string"}, []string{"string", "integer"}

// scalars are the types of this package that read themselves from one value.
var scalars = map[reflect.Type]scalar{
	reflect.TypeFor[Duration](): {words: "duration", kinds: asTextOrNumber, pattern: durationPattern},
	reflect.TypeFor[Percent]():  {words: "percentage", kinds: asTextOrNumber, pattern: percentPattern},
	reflect.TypeFor[Cron]():     {words: "schedule", kinds: asText},
	reflect.TypeFor[Zone]():     {words: "time zone", kinds: asText},
	reflect.TypeFor[Time]():     {words: "time", kinds: asText, pattern: `^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}`},
	reflect.TypeFor[Quiet]():    {words: "span of hours", kinds: asText, pattern: `^$|^[0-9]{1,2}:[0-9]{2} *- *[0-9]{1,2}:[0-9]{2}$`},
	reflect.TypeFor[Proxy]():    {words: "SOCKS5 proxy", kinds: asText},
	reflect.TypeFor[Server]():   {words: "address or address:port", plural: "addresses or address:port", kinds: asText},
	reflect.TypeFor[Secret]():   {words: "secret", kinds: asTextOrNumber},
	reflect.TypeFor[State]():    {words: "active, warming or standby", kinds: asText, enum: []string{string(Active), string(Warming), string(Standby)}},
	reflect.TypeFor[IP]():       {words: "IP address", plural: "IP addresses", kinds: asText},
	reflect.TypeFor[Prefix]():   {words: "range of addresses", kinds: asText, pattern: `/[0-9]{1,3}$`},
	reflect.TypeFor[Port]():     {words: "port", kinds: []string{"integer"}, max: 65535},
	reflect.TypeFor[LogOut]():   {words: "{}", kinds: []string{"object"}},
}

// fields are the keys of a struct in the order of its declaration.
func fields(t reflect.Type) (out []reflect.StructField) {
	for i := range t.NumField() {
		if f := t.Field(i); f.IsExported() && yamlName(f) != "" {
			out = append(out, f)
		}
	}
	return out
}

func yamlName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
	if name == "-" {
		return ""
	}
	return name
}

// Keys lists every key of the configuration, parents before children.
func Keys() []Key {
	var out []Key
	walkKeys(reflect.TypeFor[Config](), "", &out)
	return out
}

func walkKeys(t reflect.Type, path string, out *[]Key) {
	for _, f := range fields(t) {
		words, inner, suffix := typeWords(f.Type)
		p := path + yamlName(f) + suffix
		value := f.Tag.Get("default")
		if f.Type.Kind() == reflect.Bool {
			value = "false"
		}
		*out = append(*out, Key{Path: p, Type: words, Default: value, Doc: f.Tag.Get("doc"), section: inner != nil})
		if inner != nil {
			walkKeys(inner, p+".", out)
		}
	}
}

// typeWords describes a field's type, and gives the section inside it with the
// mark its path carries: [] for the members of a list.
func typeWords(t reflect.Type) (words string, inner reflect.Type, suffix string) {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if s, ok := scalars[t]; ok {
		return s.words, nil, ""
	}
	switch t.Kind() {
	case reflect.Slice:
		if t.Elem() == reflect.TypeFor[dnsbl.Entry]() {
			return "list of catalogue entries", nil, ""
		}
		words, inner, _ = typeWords(t.Elem())
		if inner != nil {
			return "list of sections", inner, "[]"
		}
		if words == "text" {
			words = "texts"
		}
		if s, ok := scalars[t.Elem()]; ok {
			words = s.plural
		}
		return "list of " + words, nil, ""
	case reflect.Map:
		words, _, _ = typeWords(t.Elem())
		return "names with a " + words + " each", nil, ""
	case reflect.Struct:
		return "section", t, ""
	case reflect.Bool:
		return "true or false", nil, ""
	case reflect.Int:
		return "whole number", nil, ""
	default:
		return "text", nil, ""
	}
}

// Schema writes the configuration's JSON Schema (draft 2020-12), for editors.
func Schema(w io.Writer) error {
	root := schemaOf(reflect.TypeFor[Config]())
	root["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	root["title"] = "repwatch configuration"
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(root)
}

func schemaOf(t reflect.Type) map[string]any {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if s, ok := scalars[t]; ok {
		return s.schema()
	}
	switch t.Kind() {
	case reflect.Slice:
		return map[string]any{"type": "array", "items": schemaOf(t.Elem())}
	case reflect.Map:
		return map[string]any{"type": "object", "additionalProperties": schemaOf(t.Elem())}
	case reflect.Struct:
		if t == reflect.TypeFor[dnsbl.Entry]() {
			return map[string]any{"type": "object", "required": []string{"id", "zone"}}
		}
		return sectionSchema(t)
	case reflect.Bool:
		return map[string]any{"type": "boolean"}
	case reflect.Int:
		return map[string]any{"type": "integer", "minimum": 0}
	default:
		return map[string]any{"type": asTextOrNumber}
	}
}

func sectionSchema(t reflect.Type) map[string]any {
	props := map[string]any{}
	for _, f := range fields(t) {
		p := schemaOf(f.Type)
		p["description"] = f.Tag.Get("doc")
		if d := f.Tag.Get("default"); d != "" {
			p["default"] = defaultValue(f.Type, d)
		}
		props[yamlName(f)] = p
	}
	return map[string]any{"type": "object", "additionalProperties": false, "properties": props}
}

func (s scalar) schema() map[string]any {
	out := map[string]any{"type": s.kinds}
	if len(s.kinds) == 1 {
		out["type"] = s.kinds[0]
	}
	if s.pattern != "" {
		out["pattern"] = s.pattern
	}
	if s.enum != nil {
		out["enum"] = s.enum
	}
	if s.max > 0 {
		out["minimum"], out["maximum"] = 1, s.max
	}
	return out
}

// defaultValue is a default tag as JSON.
func defaultValue(t reflect.Type, text string) any {
	if t.Kind() == reflect.Slice {
		return listDefault(text)
	}
	number := t.Kind() == reflect.Int || t == reflect.TypeFor[Port]()
	if n, err := strconv.Atoi(text); number && err == nil {
		return n
	}
	return text
}
