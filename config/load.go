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

// Problems is what Load returns where the file is at fault: all its problems, in the order of the file.
type Problems = strictyaml.Problems

// maxFile bounds a configuration or catalogue file, in bytes.
const maxFile = 8 << 20

// Load reads, completes and checks a configuration. path may be empty: then
// everything has its default. builtin is the catalogue that comes with the
// program. The error is a Problems where the file is at fault: all
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
	if err := l.parse(src, builtin); err != nil {
		return nil, err
	}
	return l, nil
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
	if err := setDefaults(reflect.ValueOf(&l.Config).Elem()); err != nil {
		return fmt.Errorf("repwatch is built wrongly: %w", err)
	}
	doc, err := strictyaml.Decode(l.File, src, &l.Config)
	var misread strictyaml.Problems
	if err != nil && !errors.As(err, &misread) {
		return err
	}
	discreet(misread)
	if err := fillMembers(reflect.ValueOf(&l.Config).Elem()); err != nil {
		return fmt.Errorf("repwatch is built wrongly: %w", err)
	}
	v := &validator{Loaded: l, doc: doc, misread: misread}
	v.checkAll()
	v.catalogue(builtin)
	return append(misread, v.unrelated()...).Err()
}

// unrelated leaves out problems about values that could not even be read: they
// would only follow from that.
func (v *validator) unrelated() strictyaml.Problems {
	return slices.DeleteFunc(v.problems, func(p strictyaml.Problem) bool {
		return p.File == v.File && slices.ContainsFunc(v.misread, func(m strictyaml.Problem) bool {
			return within(m.Path, p.Path) || within(p.Path, m.Path)
		})
	})
}

// within reports that a path is outer or leads into it.
func within(path, outer string) bool {
	rest, ok := strings.CutPrefix(path, outer)
	return ok && (rest == "" || rest[0] == '.' || rest[0] == '[')
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
			v.problem("name a readable catalogue, or leave the key out for the built-in one", fmt.Sprintf("file: cannot read the catalogue: %v", err), "blocklists", "file")
			return
		}
	}
	cat, err := dnsbl.LoadCatalogue(name, src)
	if err != nil {
		v.more(err)
		return
	}
	if err := cat.Add(b.Add, v.doc, "blocklists", "add"); err != nil {
		v.more(err) // what follows is still worth checking
	}
	v.Catalogue = cat
	v.keys()
	v.choose()
}

// keys reads the secrets of lists. One that is missing costs only the lists that need it.
func (v *validator) keys() {
	keys, known := map[string]string{}, v.Catalogue.KeyNames()
	for _, name := range slices.Sorted(maps.Keys(v.Blocklists.Keys)) {
		value, err := v.Blocklists.Keys[name].Value()
		switch {
		case err != nil:
			v.warn("blocklists.keys.%s: %v; lists that need it are not asked", name, err)
		case !slices.Contains(known, name):
			v.warn("blocklists.keys.%s: no list uses a key of this name%s", name, hintFor(name, known))
		default:
			if err := dnsbl.CheckKey(value); err != nil {
				v.problem("it goes in front of the zone as one DNS label: letters, digits and hyphens, at most 63", fmt.Sprintf("the key %s %v", name, err), "blocklists", "keys", name)
			}
		}
		if err == nil {
			keys[name] = value
		}
	}
	v.Catalogue.Expand(keys)
	v.Redact = dnsbl.Redactor(keys)
}

// hintFor suggests a name that a list does use.
func hintFor(name string, known []string) string {
	if near := strictyaml.Nearest(name, known); near != "" {
		return fmt.Sprintf("; did you mean %s?", near)
	}
	if len(known) == 0 {
		return ""
	}
	return "; they use " + strings.Join(known, ", ")
}

// choose resolves use and skip, which take ids and the sets default and all.
func (v *validator) choose() {
	chosen := map[string]bool{}
	for i, id := range v.Blocklists.Use {
		for _, l := range v.used(id, i) {
			chosen[l.ID] = true
		}
	}
	for i, id := range v.Blocklists.Skip {
		l, ok := v.Catalogue.Get(id) // a retired list may be skipped too: it does no harm
		if !ok {
			var err error
			if l, err = v.Catalogue.Find(id); err != nil {
				if !v.adds(id) {
					v.finding(err, "blocklists", "skip", i)
				}
				continue
			}
		}
		chosen[l.ID] = false
	}
	for _, l := range v.Catalogue.Lists {
		if chosen[l.ID] && v.allowed(l) {
			v.Lists = append(v.Lists, l)
		}
	}
}

// used are the lists that one entry of blocklists.use stands for.
func (v *validator) used(id string, i int) []*dnsbl.List {
	switch id {
	case "all":
		return v.Catalogue.Askable()
	case "default":
		lists := v.Catalogue.DefaultSet()
		for _, e := range v.Blocklists.Add { // people add lists to have them asked
			if l, ok := v.Catalogue.Get(e.ID); ok && l.Refused() == "" {
				lists = append(lists[:len(lists):len(lists)], l)
			}
		}
		return lists
	}
	l, err := v.Catalogue.Find(id)
	switch {
	case err == nil:
		return []*dnsbl.List{l}
	case !v.adds(id): // a faulty entry has been told of already
		v.finding(err, "blocklists", "use", i)
	}
	return nil
}

func (v *validator) adds(id string) bool {
	return slices.ContainsFunc(v.Blocklists.Add, func(e dnsbl.Entry) bool { return e.ID == id })
}

// allowed says aloud which chosen list is not asked, or will be of no use.
func (v *validator) allowed(l *dnsbl.List) bool {
	b := &v.Blocklists
	if b.Commercial && l.Access.Commercial != nil && !*l.Access.Commercial && l.Access.Key == "" {
		v.warn("list %s is left out: it is free for non-commercial use only and blocklists.commercial is true", l.ID)
		return false
	}
	if _, configured := b.Keys[l.Access.Key]; l.Unusable() != "" && !configured {
		v.warn("list %s stays unknown: it %s", l.ID, l.Unusable())
	}
	return true
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
