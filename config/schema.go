package config

import (
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"reflect"
	"strings"

	"repwatch/checks/dnsbl"
)

// Key is one configuration key, for the JSON Schema and the reference page.
type Key struct {
	Path    string // partners[].domain
	Type    string // in words
	Default string
	Doc     string
}

// scalars are types written as one YAML scalar: their name in words, the JSON
// Schema type, and a pattern where one says more.
var scalars = map[reflect.Type]struct{ words, kind, pattern string }{
	reflect.TypeFor[Duration]():     {"duration (500ms, 30s, 15m, 1h, 7d)", "string", `^0$|^([0-9]+(\.[0-9]+)?(ms|s|m|h|d))+$`},
	reflect.TypeFor[Percent]():      {"percentage (10%)", "string", `^[0-9]+(\.[0-9]+)?%$`},
	reflect.TypeFor[Cron]():         {"schedule (@every 15m, @hourly, or five cron fields)", "string", ""},
	reflect.TypeFor[Zone]():         {"time zone (Europe/Vienna)", "string", ""},
	reflect.TypeFor[Time]():         {"time (2026-12-24T20:00:00Z)", "string", ""},
	reflect.TypeFor[Quiet]():        {"span of hours (22:00-07:00)", "string", `^[0-9]{2}:[0-9]{2}-[0-9]{2}:[0-9]{2}$`},
	reflect.TypeFor[Proxy]():        {"SOCKS5 proxy (socks5://host:port)", "string", ""},
	reflect.TypeFor[Server]():       {"address or address:port", "string", ""},
	reflect.TypeFor[Secret]():       {"secret (${credential:NAME}, ${file:PATH}, ${env:NAME}, or the value)", "string", ""},
	reflect.TypeFor[State]():        {"active, warming or standby", "string", `^(active|warming|standby)$`},
	reflect.TypeFor[netip.Addr]():   {"IP address", "string", ""},
	reflect.TypeFor[netip.Prefix](): {"prefix (203.0.113.64/28)", "string", ""},
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
		p := path + yamlName(f)
		words, next, suffix := typeWords(f.Type)
		*out = append(*out, Key{Path: p + suffix, Type: words, Default: f.Tag.Get("default"), Doc: f.Tag.Get("doc")})
		if next != nil {
			walkKeys(next, p+suffix+".", out)
		}
	}
}

// typeWords describes a field's type, and gives the struct inside it with the
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
			return "list", inner, "[]"
		}
		return "list of " + words, nil, ""
	case reflect.Map:
		words, _, _ = typeWords(t.Elem())
		return "map of names to " + words, nil, ""
	case reflect.Struct:
		return "section", t, ""
	case reflect.Bool:
		return "true or false", nil, ""
	case reflect.Int, reflect.Uint16:
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
		out := map[string]any{"type": s.kind}
		if s.kind == "string" && t == reflect.TypeFor[Duration]() {
			out["type"] = []string{"string", "integer"} // a bare 0
		}
		if s.pattern != "" {
			out["pattern"] = s.pattern
		}
		return out
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
		props := map[string]any{}
		for _, f := range fields(t) {
			p := schemaOf(f.Type)
			p["description"] = f.Tag.Get("doc")
			if d := f.Tag.Get("default"); d != "" {
				p["default"] = d
			}
			props[yamlName(f)] = p
		}
		return map[string]any{"type": "object", "additionalProperties": false, "properties": props}
	case reflect.Bool:
		return map[string]any{"type": "boolean"}
	case reflect.Int, reflect.Uint16:
		return map[string]any{"type": "integer", "minimum": 0}
	default:
		return map[string]any{"type": "string"}
	}
}

// Reference writes docs/configuration.md's table of keys.
func Reference(w io.Writer) error {
	for _, k := range Keys() {
		line := fmt.Sprintf("- **`%s`** (%s", k.Path, k.Type)
		if k.Default != "" {
			line += ", default `" + k.Default + "`"
		}
		if _, err := fmt.Fprintf(w, "%s): %s\n", line, k.Doc); err != nil {
			return err
		}
	}
	return nil
}

// ReferenceHead begins docs/configuration.md.
const ReferenceHead = `# Configuration reference

One YAML file, ` + "`/etc/repwatch/repwatch.yaml`" + ` by default (` + "`-c FILE`" + ` names another). It is strict: an unknown key is an error with a suggestion, and
` + "`repwatch config check`" + ` tells every problem at once, with its place. Every key has a default that works; an empty file is a good configuration.

- **Durations** take ms, s, m, h and d (` + "`90s`, `1h30m`, `400d`" + `).
- **Secrets** are written as ` + "`${credential:NAME}`" + ` (a systemd credential), ` + "`${file:PATH}`" + ` or ` + "`${env:NAME}`" + `. One that is missing is fatal only for what needs it.
- ` + "`repwatch config schema`" + ` prints the JSON Schema for your editor.

This page is generated from the types in ` + "`config/config.go`" + ` (` + "`make docs`" + `). Keys that belong to parts still to come (the daemon, alerts, the page, fleets) are
read and checked already, so that a configuration written today stays valid.

`
