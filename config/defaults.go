package config

import (
	"encoding"
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"repwatch/checks/dnsbl"
)

// isSection reports a struct whose keys are described by its tags, unlike
// scalars and catalogue entries.
func isSection(t reflect.Type) bool {
	_, scalar := scalars[t]
	return t.Kind() == reflect.Struct && !scalar && t != reflect.TypeFor[dnsbl.Entry]()
}

// setDefaults fills fields that are still zero from their default tags, those of
// nested sections included. Optional sections (pointers) stay absent.
func setDefaults(section reflect.Value) error {
	for _, f := range fields(section.Type()) {
		field, text := section.FieldByIndex(f.Index), f.Tag.Get("default")
		if isSection(f.Type) {
			if err := setDefaults(field); err != nil {
				return err
			}
			continue
		}
		if text == "" || !field.IsZero() {
			continue
		}
		if err := setValue(field, text); err != nil {
			return fmt.Errorf("default of %s: %w", f.Name, err)
		}
	}
	return nil
}

// fillMembers sets the defaults of what only the file brings into being: members
// of lists, and optional sections that are there.
func fillMembers(section reflect.Value) error {
	for _, f := range fields(section.Type()) {
		field := section.FieldByIndex(f.Index)
		var members []reflect.Value
		switch {
		case isSection(f.Type):
			if err := fillMembers(field); err != nil {
				return err
			}
		case f.Type.Kind() == reflect.Pointer && !field.IsNil() && isSection(f.Type.Elem()):
			members = append(members, field.Elem())
		case f.Type.Kind() == reflect.Slice && isSection(f.Type.Elem()):
			for i := range field.Len() {
				members = append(members, field.Index(i))
			}
		}
		for _, m := range members {
			if err := setDefaults(m); err != nil {
				return err
			}
		}
	}
	return nil
}

func setValue(field reflect.Value, text string) error {
	if u, ok := field.Addr().Interface().(encoding.TextUnmarshaler); ok {
		return u.UnmarshalText([]byte(text))
	}
	switch field.Kind() {
	case reflect.String:
		field.SetString(text)
	case reflect.Int:
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return err
		}
		field.SetInt(n)
	case reflect.Slice:
		field.Set(reflect.ValueOf(listDefault(text)))
	default:
		return fmt.Errorf("no default can be set on a %s", field.Type())
	}
	return nil
}

// listDefault reads [a, b] of a default tag.
func listDefault(text string) []string {
	var out []string
	for word := range strings.SplitSeq(strings.Trim(text, "[]"), ",") {
		out = append(out, strings.TrimSpace(word))
	}
	return out
}
