package cause

import (
	"repwatch/checks/smtp"
	"repwatch/config"
	"repwatch/correlate"
)

// priors are what providers are said to act upon, as far as the lists are asked.
func priors(cfg *config.Loaded) []correlate.Prior {
	asked := map[string]bool{}
	for _, l := range cfg.Lists {
		asked[l.ID] = true
	}
	var out []correlate.Prior
	for _, p := range smtp.Providers() {
		for _, r := range p.Reacts {
			for _, list := range r.Lists {
				if asked[list] {
					out = append(out, correlate.Prior{Provider: p.ID, List: list, P: r.P, Source: r.Source})
				}
			}
		}
	}
	return out
}
