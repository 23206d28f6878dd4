package api

import (
	"time"

	"repwatch/checks/dnsbl"
	"repwatch/config"
	"repwatch/reputation"
)

// Lists is the catalogue as this configuration uses it.
type Lists struct {
	Schema   string      `json:"schema"`
	At       *time.Time  `json:"at"`
	Coverage *Coverage   `json:"coverage"` // null when nothing was tested
	Trouble  *Trouble    `json:"trouble,omitempty"`
	Lists    []ListEntry `json:"lists"`
}

// ListEntry is one list.
type ListEntry struct {
	ID       string            `json:"id"`
	Name     string            `json:"name"`
	Zone     string            `json:"zone"` // a key in it is shown as {key}
	Kind     dnsbl.Kind        `json:"kind"`
	Families []string          `json:"families"`
	Impact   reputation.Impact `json:"impact"`
	Alert    dnsbl.Alert       `json:"alert"`
	InUse    bool              `json:"in_use"`
	Health   *dnsbl.Health     `json:"health"`           // null when it was not tested now
	Why      string            `json:"why"`              // why it is not asked, or not believed
	Interval int               `json:"interval_seconds"` // the real interval over the configured addresses; 0 when not in use
	Subjects int               `json:"subjects"`         // how many configured subjects it takes
}

// ListsOf builds the document; conditions may be empty when nothing was tested.
func ListsOf(at time.Time, cfg *config.Loaded, lists []*dnsbl.List, conditions []dnsbl.Condition, trouble *dnsbl.Trouble) Lists {
	doc := Lists{Schema: Schema("lists"), At: utc(at), Lists: []ListEntry{}}
	tested := map[string]dnsbl.Condition{}
	for _, c := range conditions {
		tested[c.List.ID] = c
	}
	inUse := map[string]bool{}
	for _, l := range cfg.Lists {
		inUse[l.ID] = true
	}
	points, want := cfg.Points(), cfg.Schedule.Blocklists.Every(at)
	for _, l := range lists {
		e := ListEntry{ID: l.ID, Name: l.Name, Zone: l.Zone, Kind: l.Kind, Families: families(l), Impact: l.Impact, Alert: l.Alert,
			InUse: inUse[l.ID], Why: first(l.Refused(), l.Unusable())}
		for _, p := range points {
			if l.Takes(p) {
				e.Subjects++
			}
		}
		if e.InUse {
			e.Interval = int(l.Interval(e.Subjects, want).Seconds())
		}
		if l.Refused() != "" {
			retired := dnsbl.HealthRetired
			e.Health = &retired
		}
		if c, ok := tested[l.ID]; ok {
			health := c.Health
			e.Health, e.Why = &health, c.Why
		}
		doc.Lists = append(doc.Lists, e)
	}
	doc.count(conditions)
	if trouble != nil {
		doc.Trouble = &Trouble{Kind: trouble.Kind, Words: trouble.Words, Next: trouble.Next}
	}
	return doc
}

func (d *Lists) count(conditions []dnsbl.Condition) {
	if len(conditions) == 0 {
		return
	}
	var c Coverage
	for _, cond := range conditions {
		c.Asked++
		switch cond.Health {
		case dnsbl.HealthOK:
			c.Answered++
		case dnsbl.HealthUntested:
			c.Untested++
		default:
			c.Unknown++
		}
	}
	d.Coverage = &c
}

// Exit is 3 when less than half of the tested lists could be believed; a list in trouble is no finding about us.
func (d Lists) Exit() int {
	if d.Coverage == nil {
		return ExitOK
	}
	return exit(0, d.Coverage.Answered+d.Coverage.Untested, d.Coverage.Asked)
}

func families(l *dnsbl.List) []string {
	out := []string{}
	if l.V4 {
		out = append(out, "v4")
	}
	if l.V6 {
		out = append(out, "v6")
	}
	return out
}

func first(words ...string) string {
	for _, w := range words {
		if w != "" {
			return w
		}
	}
	return ""
}
