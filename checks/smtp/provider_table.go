package smtp

import (
	"cmp"
	_ "embed"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"

	"repwatch/internal/strictyaml"
)

//go:embed providers.yaml
var providersFile []byte

// providerIndex finds a provider by host name. below holds the parents of "*." patterns.
type providerIndex struct {
	list  []Provider
	exact map[string]int
	below map[string]int
}

// providerTable is the embedded file, read once. A test reads it too, so that a
// broken one does not leave the house.
var providerTable = sync.OnceValue(func() *providerIndex {
	t, err := parseProviders(providersFile)
	if err != nil {
		panic("smtp: the embedded providers.yaml: " + err.Error())
	}
	return t
})

type providerEntry struct {
	ID                string   `yaml:"id"`
	Name              string   `yaml:"name"`
	MX                []string `yaml:"mx"`
	WithdrawsStartTLS string   `yaml:"withdraws_starttls"`
	Rejects           string   `yaml:"rejects"`
	Delist            string   `yaml:"delist"`
	Postmaster        string   `yaml:"postmaster"`
	Connections       int      `yaml:"connections"`
	Reacts            []Reacts `yaml:"reacts"`
	Source            string   `yaml:"source"`
}

func parseProviders(src []byte) (*providerIndex, error) {
	var file struct {
		Providers []providerEntry `yaml:"providers"`
	}
	if _, err := strictyaml.Decode("providers.yaml", src, &file); err != nil {
		return nil, err
	}
	t := &providerIndex{exact: map[string]int{}, below: map[string]int{}}
	for _, e := range file.Providers {
		t.list = append(t.list, Provider(e))
	}
	slices.SortFunc(t.list, func(a, b Provider) int { return cmp.Compare(a.ID, b.ID) })
	var errs []error
	for i, p := range t.list {
		if i > 0 && t.list[i-1].ID == p.ID {
			errs = append(errs, fmt.Errorf("provider %q is there twice", p.ID))
		}
		errs = append(errs, p.check(), t.index(i))
	}
	return t, errors.Join(errs...)
}

func (p Provider) check() error {
	var errs []error
	say := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("provider %q: "+format, append([]any{p.ID}, args...)...))
	}
	if p.ID == "" || p.ID == "auto" || strings.Trim(p.ID, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
		say("the id must be of lower-case letters, digits and hyphens, and not auto")
	}
	if p.Name == "" {
		say("no name")
	}
	if len(p.MX) == 0 {
		say("no mx pattern")
	}
	if p.Source == "" {
		say("no source: say where this is known from")
	}
	for _, link := range []string{p.Delist, p.Postmaster} {
		if link == "" {
			continue
		}
		if u, err := url.Parse(link); err != nil || u.Scheme != "https" && u.Scheme != "mailto" {
			say("%q is neither an https nor a mailto link", link)
		}
	}
	for _, r := range p.Reacts {
		if len(r.Lists) == 0 || r.P <= 0 || r.P >= 1 || r.Source == "" {
			say("reacts needs lists, a p between 0 and 1, and a source")
		}
	}
	if p.Connections < 0 {
		say("connections must not be negative")
	}
	return errors.Join(errs...)
}

func (t *providerIndex) index(i int) error {
	var errs []error
	for _, pattern := range t.list[i].MX {
		name, wild := strings.CutPrefix(pattern, "*.")
		into := t.exact
		if wild {
			into = t.below
		}
		other, taken := into[name]
		clean, err := hostName(name)
		switch {
		case err != nil:
			errs = append(errs, fmt.Errorf("provider %q: pattern %q: %w", t.list[i].ID, pattern, err))
		case clean != name || !strings.Contains(name, "."):
			errs = append(errs, fmt.Errorf("provider %q: pattern %q must be a lower-case name of two labels or more, with *. in front for all below it", t.list[i].ID, pattern))
		case taken:
			errs = append(errs, fmt.Errorf("pattern %q belongs to %q and to %q", pattern, t.list[other].ID, t.list[i].ID))
		default:
			into[name] = i
		}
	}
	return errors.Join(errs...)
}
