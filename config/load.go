package config

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"repwatch/checks/dnsbl"
	"repwatch/internal/strictyaml"
)

// maxFile bounds a configuration or catalogue file, in bytes.
const maxFile = 8 << 20

// Load reads, completes and checks a configuration. path may be empty: then
// everything has its default. builtin is the catalogue that comes with the
// program. The error is a strictyaml.Problems where the file is at fault: all
// its problems, each with place and hint.
func Load(path string, builtin []byte) (*Loaded, error) {
	l := &Loaded{File: path}
	var src []byte
	if path != "" {
		var err error
		if src, err = readFile(path); err != nil {
			return nil, fmt.Errorf("cannot read the configuration: %w", err)
		}
	}
	return l, l.parse(src, builtin)
}

func readFile(path string) ([]byte, error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() || st.Size() > maxFile {
		return nil, fmt.Errorf("%s is no regular file of at most %d MiB", path, maxFile>>20)
	}
	return os.ReadFile(path)
}

func (l *Loaded) parse(src, builtin []byte) error {
	doc, err := strictyaml.Decode(l.File, src, &l.Config)
	var misread strictyaml.Problems
	if err != nil && (!errors.As(err, &misread) || doc == nil) {
		return err
	}
	if err := setDefaults(reflect.ValueOf(&l.Config).Elem()); err != nil {
		return fmt.Errorf("repwatch is built wrongly: %w", err)
	}
	v := &validator{Loaded: l, doc: doc}
	v.checkAll()
	v.catalogue(builtin)
	return append(misread, v.unrelated(misread)...).Err()
}

// unrelated leaves out problems about values that could not even be read: they would only follow from that.
func (v *validator) unrelated(misread strictyaml.Problems) strictyaml.Problems {
	return slices.DeleteFunc(v.problems, func(p strictyaml.Problem) bool {
		return slices.ContainsFunc(misread, func(m strictyaml.Problem) bool {
			return p.File == m.File && (strings.HasPrefix(m.Path, p.Path) || strings.HasPrefix(p.Path, m.Path))
		})
	})
}

// setDefaults fills zero fields from their default tags, nested sections
// included. Optional sections (pointers to structs) that are absent stay absent.
func setDefaults(v reflect.Value) error {
	for _, f := range fields(v.Type()) {
		field := v.FieldByIndex(f.Index)
		if err := setDefault(field, f.Tag.Get("default")); err != nil {
			return fmt.Errorf("default of %s: %w", f.Name, err)
		}
	}
	return nil
}

func setDefault(field reflect.Value, text string) error {
	_, scalar := scalars[field.Type()]
	switch {
	case scalar || field.Kind() != reflect.Struct && field.Kind() != reflect.Pointer && field.Kind() != reflect.Slice:
		if text == "" || !field.IsZero() {
			return nil
		}
		return setScalar(field, text)
	case field.Kind() == reflect.Struct:
		return setDefaults(field)
	case field.Kind() == reflect.Slice && field.Type().Elem() == reflect.TypeFor[dnsbl.Entry]():
		return nil
	case field.Kind() == reflect.Slice && field.Type().Elem().Kind() == reflect.Struct:
		if _, scalar := scalars[field.Type().Elem()]; scalar {
			return nil
		}
		for i := range field.Len() {
			if err := setDefaults(field.Index(i)); err != nil {
				return err
			}
		}
		return nil
	case field.Kind() == reflect.Slice:
		if text != "" && field.IsNil() {
			field.Set(reflect.ValueOf(strings.Split(strings.Trim(text, "[]"), ",")))
		}
		return nil
	case field.IsNil() && text != "":
		field.Set(reflect.New(field.Type().Elem()))
		return setScalar(field.Elem(), text)
	case !field.IsNil() && field.Elem().Kind() == reflect.Struct:
		return setDefaults(field.Elem())
	}
	return nil
}

func setScalar(field reflect.Value, text string) error {
	if u, ok := field.Addr().Interface().(interface{ UnmarshalText([]byte) error }); ok {
		return u.UnmarshalText([]byte(text))
	}
	switch field.Kind() {
	case reflect.String:
		field.SetString(text)
	case reflect.Int, reflect.Uint16:
		var n int
		if _, err := fmt.Sscan(text, &n); err != nil {
			return err
		}
		if field.Kind() == reflect.Int {
			field.SetInt(int64(n))
		} else {
			field.SetUint(uint64(n))
		}
	default:
		return fmt.Errorf("no default can be set on a %s", field.Type())
	}
	return nil
}

// catalogue loads the lists: the built-in ones or blocklists.file, with
// blocklists.add on top, keys filled in, and chooses those in use.
func (v *validator) catalogue(builtin []byte) {
	b := &v.Blocklists
	name, src := "blocklists.yaml", builtin
	if b.File != "" {
		name = b.File
		if !filepath.IsAbs(name) {
			name = filepath.Join(filepath.Dir(v.File), name)
		}
		var err error
		if src, err = readFile(name); err != nil {
			v.problem("name a readable catalogue, or leave the key out for the built-in one", fmt.Sprintf("cannot read the catalogue: %v", err), "blocklists", "file")
			return
		}
	}
	cat, err := dnsbl.LoadCatalogue(name, src)
	if err != nil {
		v.more(err)
		return
	}
	if err := cat.Add(b.Add, v.doc, "blocklists", "add"); err != nil {
		v.more(err)
		return
	}
	v.Catalogue = cat
	v.keys()
	v.choose()
}

// keys reads the secrets of lists. One that is missing costs only the lists that need it.
func (v *validator) keys() {
	keys := map[string]string{}
	for name, secret := range v.Blocklists.Keys {
		value, err := secret.Value()
		if err != nil {
			v.warn("blocklists.keys.%s: %v; lists that need it are not asked", name, err)
			continue
		}
		if err := dnsbl.CheckKey(value); err != nil {
			v.problem("it goes in front of the zone as one DNS label: letters, digits and hyphens, at most 63", fmt.Sprintf("the key %q %v", name, err), "blocklists", "keys", name)
			continue
		}
		keys[name] = value
	}
	for _, name := range slices.Sorted(maps.Keys(v.Blocklists.Keys)) {
		if known := v.Catalogue.KeyNames(); !slices.Contains(known, name) {
			v.warn("blocklists.keys.%s: no list uses a key of this name (they use %s)", name, strings.Join(known, ", "))
		}
	}
	v.Catalogue.Expand(keys)
	v.Redact = dnsbl.Redactor(keys)
}

// choose resolves use and skip, which take ids and the sets default and all.
func (v *validator) choose() {
	b, chosen := &v.Blocklists, map[string]bool{}
	for i, id := range b.Use {
		switch id {
		case "default":
			for _, l := range v.Catalogue.DefaultSet() {
				chosen[l.ID] = true
			}
			for _, e := range b.Add {
				chosen[e.ID] = true // people add lists to have them asked
			}
		case "all":
			for _, l := range v.Catalogue.Askable() {
				chosen[l.ID] = true
			}
		default:
			l, err := v.Catalogue.Find(id)
			if err != nil {
				v.finding(err, "blocklists", "use", i)
				continue
			}
			chosen[l.ID] = true
		}
	}
	for i, id := range b.Skip {
		if _, ok := v.Catalogue.Get(id); !ok {
			_, err := v.Catalogue.Find(id)
			v.finding(err, "blocklists", "skip", i)
		}
		chosen[id] = false
	}
	for _, l := range v.Catalogue.Lists {
		switch {
		case !chosen[l.ID]:
		case b.Commercial && l.Access.Commercial != nil && !*l.Access.Commercial && l.Access.Key == "":
			v.warn("list %s is left out: it is free for non-commercial use only and blocklists.commercial is true", l.ID)
		default:
			v.Lists = append(v.Lists, l)
		}
	}
}

// finding turns a catalogue's answer about an id into a problem at its place.
func (v *validator) finding(err error, at ...any) {
	if err == nil {
		return
	}
	words, hint, _ := strings.Cut(err.Error(), "\n")
	v.problem(strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(hint), "hint:")), words, at...)
}

func (v *validator) more(err error) {
	var problems strictyaml.Problems
	if errors.As(err, &problems) {
		v.problems = append(v.problems, problems...)
		return
	}
	v.finding(err)
}
