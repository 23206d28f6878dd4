package dnsbl

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/agext/levenshtein"

	"repwatch/internal/strictyaml"
)

// Catalogue is a set of lists with unique ids and zones. After loading and
// Expand it is read-only and safe for concurrent use.
type Catalogue struct {
	Lists []*List // in the order of the file; added ones last

	byID   map[string]*List
	byName map[string]*List // zones and their other names
}

// LoadCatalogue reads a catalogue. The error is a strictyaml.Problems: every
// mistake with its place.
func LoadCatalogue(file string, src []byte) (*Catalogue, error) {
	var f struct {
		Lists []Entry `yaml:"lists"`
	}
	doc, err := strictyaml.Decode(file, src, &f)
	c := &Catalogue{byID: map[string]*List{}, byName: map[string]*List{}}
	// What could be read is checked all the same, so that people see everything at once.
	var unreadable, unfit strictyaml.Problems
	errors.As(err, &unreadable)
	errors.As(c.Add(f.Lists, doc, "lists"), &unfit)
	if err := append(unreadable, unfit...).Err(); err != nil {
		return nil, err
	}
	return c, nil
}

// Add puts entries into the catalogue. doc and at say where they stand, for
// problems. An entry with the id of a list that is there already replaces it; one
// with its zone stands beside it (a feed of one's own) and is found first by that
// zone. Within one file both are mistakes.
func (c *Catalogue) Add(entries []Entry, doc *strictyaml.Document, at ...any) error {
	var problems strictyaml.Problems
	here, zones := map[string]int{}, map[string]*List{}
	for i, e := range entries {
		path := append(at[:len(at):len(at)], i)
		l, ps := build(doc, path, e)
		problems = append(problems, ps...)
		if first, dup := here[e.ID]; dup && e.ID != "" {
			problems = append(problems, doc.Problem(append(path, "id"), "give each its own", fmt.Sprintf("the id %q is taken by entry %d", e.ID, first+1)))
			continue
		}
		here[e.ID] = i
		if len(ps) > 0 {
			continue
		}
		c.drop(e.ID)
		if other, ok := zones[l.Zone]; ok {
			problems = append(problems, doc.Problem(append(path, "zone"), fmt.Sprintf("to change that list, give this one its id: %s", other.ID),
				fmt.Sprintf("the zone %s is that of the list %s", l.Zone, other.ID)))
			continue
		}
		for j, z := range l.Also {
			if other, ok := zones[strings.ToLower(z)]; ok {
				problems = append(problems, doc.Problem(append(path, "also", j), "a name belongs to one list", fmt.Sprintf("the zone %s is named by the list %s too", z, other.ID)))
			}
			zones[strings.ToLower(z)] = l
		}
		zones[l.Zone] = l
		c.put(l)
	}
	return problems.Err()
}

func (c *Catalogue) put(l *List) {
	c.Lists = append(c.Lists, l)
	c.byID[l.ID] = l
	for _, z := range append([]string{l.Zone}, l.Also...) {
		z = strings.ToLower(z)
		if z == l.Zone || c.byName[z] == nil {
			c.byName[z] = l
		}
	}
}

func (c *Catalogue) drop(id string) {
	old := c.byID[id]
	if old == nil {
		return
	}
	c.Lists = slices.DeleteFunc(c.Lists, func(l *List) bool { return l == old })
	delete(c.byID, id)
	for z, l := range c.byName {
		if l == old {
			delete(c.byName, z)
		}
	}
}

// Get finds a list by its id.
func (c *Catalogue) Get(id string) (*List, bool) {
	l, ok := c.byID[id]
	return l, ok
}

// IDByZone finds the list that a receiver's reply names by its zone. Keyed zones
// are found by the part behind the key. It is safe for concurrent use.
func (c *Catalogue) IDByZone(zone string) (string, bool) {
	zone = strings.ToLower(strings.TrimSuffix(zone, "."))
	if l := c.byName[zone]; l != nil {
		return l.ID, true
	}
	if _, rest, ok := strings.Cut(zone, "."); ok {
		if l := c.byName[keyMark+"."+rest]; l != nil {
			return l.ID, true
		}
	}
	return "", false
}

// Find resolves what a person typed, an id or a zone, to a list that may be
// asked. The error says why not, and what to ask instead.
func (c *Catalogue) Find(name string) (*List, error) {
	name = strings.ToLower(strings.TrimSuffix(strings.TrimSpace(name), "."))
	l := c.byID[name]
	if l == nil {
		l = c.byName[name]
	}
	if l == nil {
		return nil, fmt.Errorf("there is no list %q\n  hint: %s", name, c.near(name))
	}
	if why := l.Refused(); why != "" {
		return nil, fmt.Errorf("%s (%s) is %s\n  hint: %s", l.ID, l.Zone, why, c.successor(l))
	}
	return l, nil
}

var useInstead = regexp.MustCompile(`\b[Uu]se ([a-z0-9-]+)`)

// successor says what to ask instead of a list that may not be asked.
func (c *Catalogue) successor(l *List) string {
	if m := useInstead.FindStringSubmatch(l.Retired + " " + l.Refuse); m != nil {
		if next, ok := c.byID[m[1]]; ok {
			return fmt.Sprintf("ask %s (%s) instead", next.ID, next.Name)
		}
	}
	return "repwatch lists shows what can be asked"
}

// near suggests a list that may be asked: one with name as a word of its id,
// else the one whose id or zone is the least slip away, else one that holds it.
func (c *Catalogue) near(name string) string {
	var words, holding string
	slip, distance := "", max(2, len(name)/3)
	for _, l := range c.Lists {
		if l.Refused() != "" {
			continue
		}
		if words == "" && slices.Contains(strings.Split(l.ID, "-"), name) {
			words = l.ID
		}
		if holding == "" && len(name) >= 3 && strings.Contains(l.ID, name) {
			holding = l.ID
		}
		for _, candidate := range []string{l.ID, l.Zone} {
			if d := levenshtein.Distance(name, candidate, nil); d < distance {
				slip, distance = l.ID, d
			}
		}
	}
	if best := cmp.Or(words, slip, holding); best != "" {
		return fmt.Sprintf("did you mean %s?", best)
	}
	return "repwatch lists --all shows the catalogue"
}

// Askable are the lists that may be asked now: neither retired nor refused, and with their key.
func (c *Catalogue) Askable() (out []*List) {
	for _, l := range c.Lists {
		if l.Refused() == "" && l.Unusable() == "" {
			out = append(out, l)
		}
	}
	return out
}

// DefaultSet are the askable lists marked default; in a catalogue that marks none, all askable ones.
func (c *Catalogue) DefaultSet() (out []*List) {
	askable := c.Askable()
	for _, l := range askable {
		if l.Default {
			out = append(out, l)
		}
	}
	if out == nil {
		return askable
	}
	return out
}

// KeyNames are the names under which lists look for their keys, sorted.
func (c *Catalogue) KeyNames() (out []string) {
	for _, l := range c.Lists {
		if l.Access.Key != "" {
			out = append(out, l.Access.Key)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
