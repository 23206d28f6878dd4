package api

import (
	"slices"
	"time"

	"repwatch/checks/smtp"
	"repwatch/config"
)

// Config says what a good configuration means.
type Config struct {
	Schema          string         `json:"schema"`
	File            string         `json:"file"`
	Warnings        []string       `json:"warnings"`
	Addresses       int            `json:"addresses"`
	Domains         int            `json:"domains"`
	Partners        int            `json:"partners"`
	Controls        int            `json:"controls"`
	Lists           int            `json:"lists"`
	ListEvery       string         `json:"list_every"`
	QuestionsPerDay int            `json:"questions_per_day"`
	Stretched       []Stretched    `json:"stretched"`
	SessionsPerDay  int            `json:"sessions_per_day"`
	Providers       []ProviderLoad `json:"providers"`
}

// Stretched is a list asked less often than scheduled, for its budget.
type Stretched struct {
	ID     string `json:"id"`
	Every  string `json:"every"`
	PerDay int    `json:"per_day"`
}

// ProviderLoad is what the schedule asks of one provider, sessions a day.
type ProviderLoad struct {
	Provider string   `json:"provider"`
	Partners []string `json:"partners"`
	Sessions int      `json:"sessions_per_day"`
	PerIP    int      `json:"per_address"`
	// Every is how often one address really looks at each partner.
	Every string `json:"every"`
}

// ConfigOf builds the document. Partners whose provider has to be recognised
// from DNS are counted each by itself; no network is asked.
func ConfigOf(cfg *config.Loaded) Config {
	now := time.Now()
	want := cfg.Schedule.Blocklists.Every(now)
	doc := Config{Schema: Schema("config"), File: cfg.File, Warnings: orEmpty(cfg.Warnings), Addresses: len(cfg.Addresses), Domains: len(cfg.Domains),
		Partners: len(cfg.Partners), Controls: len(cfg.Control), Lists: len(cfg.Lists), ListEvery: config.Duration(want).String(),
		Stretched: []Stretched{}, Providers: []ProviderLoad{}}
	points := cfg.Points()
	for _, l := range cfg.Lists {
		n := 0
		for _, p := range points {
			if l.Takes(p) {
				n++
			}
		}
		if n == 0 {
			continue
		}
		every := l.Interval(n, want)
		doc.QuestionsPerDay += int(float64(n) * float64(24*time.Hour) / float64(every))
		if every > want {
			_, perDay := l.Limits()
			doc.Stretched = append(doc.Stretched, Stretched{ID: l.ID, Every: config.Duration(every).String(), PerDay: perDay})
		}
	}
	doc.sessions(cfg, now)
	return doc
}

func (doc *Config) sessions(cfg *config.Loaded, now time.Time) {
	every := cfg.Schedule.Partners.Every(now)
	var partners []smtp.PlannedPartner
	watched := slices.Clone(cfg.Partners)
	for _, d := range cfg.OwnMX {
		watched = append(watched, config.Partner{Domain: d, Provider: "auto"})
	}
	for _, p := range watched {
		planned := smtp.PlannedPartner{Name: p.Name(), From: p.Sources()}
		if p.Provider != "auto" {
			planned.Provider = p.Provider
		}
		partners = append(partners, planned)
	}
	var ips []smtp.PlannedIP
	for _, a := range cfg.Addresses {
		if a.State != config.Standby {
			ips = append(ips, smtp.PlannedIP{IP: a.IP, Pool: a.Pool})
		}
	}
	for _, l := range smtp.SessionsPerDay(partners, ips, float64(24*time.Hour)/float64(every), cfg.Probes.Canaries, cfg.Probes.PerProviderDay) {
		doc.SessionsPerDay += int(l.Sessions)
		real := time.Duration(float64(every) * l.Stretch).Round(time.Minute)
		doc.Providers = append(doc.Providers, ProviderLoad{Provider: l.Provider, Partners: l.Partners, Sessions: int(l.Sessions),
			PerIP: int(min(l.PerIP, l.PerIP/l.Stretch)), Every: config.Duration(max(real, every)).String()})
	}
}
