package dnsbl

import (
	"repwatch/internal/strictyaml"
	"repwatch/reputation"
)

// Entry is a list as written in blocklists.yaml or in blocklists.add of the
// configuration; docs/lists.md explains the keys. Only id and zone are needed.
type Entry struct {
	ID       string   `yaml:"id"`
	Zone     string   `yaml:"zone"`
	Name     string   `yaml:"name"`
	Operator string   `yaml:"operator"`
	Kind     Kind     `yaml:"kind"`
	Families []string `yaml:"families"`
	Domains  bool     `yaml:"domains"` // an allow or score list of domains
	Default  bool     `yaml:"default"`

	Codes      strictyaml.Pairs[EntryMeaning] `yaml:"codes"`
	Bits       strictyaml.Pairs[EntryMeaning] `yaml:"bits"`
	Refusals   strictyaml.Pairs[string]       `yaml:"refusals"`
	BadBelow   *int                           `yaml:"bad_below"`
	BadAbove   *int                           `yaml:"bad_above"`
	ScoreOctet *int                           `yaml:"score_octet"`

	Test   *EntryTest         `yaml:"test"`
	Impact *reputation.Impact `yaml:"impact"`
	Alert  Alert              `yaml:"alert"`
	Lookup string             `yaml:"lookup"`
	Delist EntryDelist        `yaml:"delist"`
	Access EntryAccess        `yaml:"access"`

	Resolver string   `yaml:"resolver"`
	Also     []string `yaml:"also"`
	Refuse   string   `yaml:"refuse"`
	Retired  string   `yaml:"retired"`
	Note     string   `yaml:"note"`
}

// EntryMeaning is what a code or bit stands for: text, or a section where more
// than the meaning is to be said. In bits it may also be the mask of a key that
// is the meaning.
type EntryMeaning struct {
	Scalar bool // written as one value
	EntryMeaningSection
}

// EntryMeaningSection is the long form.
type EntryMeaningSection struct {
	Meaning string             `yaml:"meaning"`
	Class   *reputation.Class  `yaml:"class"`
	Impact  *reputation.Impact `yaml:"impact"`
	Delist  string             `yaml:"delist"`
}

// UnmarshalNode implements strictyaml.Unmarshaler.
func (m *EntryMeaning) UnmarshalNode(n strictyaml.Node) {
	if text, ok := n.Scalar(); ok {
		m.Scalar, m.Meaning = true, text
		return
	}
	n.Decode(&m.EntryMeaningSection)
}

// EntryTest names the test points.
type EntryTest struct {
	None     bool     `yaml:"none"`
	Listed   []string `yaml:"listed"`
	Clean    []string `yaml:"clean"`
	NoRandom bool     `yaml:"no_random"`
}

// EntryDelist says how a listing ends.
type EntryDelist struct {
	How     string `yaml:"how"`
	Typical string `yaml:"typical"`
	URL     string `yaml:"url"`
}

// EntryAccess holds what the operator allows.
type EntryAccess struct {
	Key             string   `yaml:"key"`
	PublicResolvers *bool    `yaml:"public_resolvers"`
	Register        bool     `yaml:"register"`
	PerSecond       *float64 `yaml:"per_second"`
	PerDay          *int     `yaml:"per_day"`
	Commercial      *bool    `yaml:"commercial"`
}
