package watch

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"repwatch/checks"
	"repwatch/config"
	"repwatch/incident"
	"repwatch/reputation"
	"repwatch/store"
)

// Act carries out a person's word on an incident. What they ruled out is evidence
// that stays: the losses are judged again at once.
// It returns the incident that the action came to.
func (d *Daemon) Act(_ context.Context, a incident.Action) (string, error) {
	a.Incident = strings.TrimPrefix(a.Incident, "#")
	id, err := d.fold.act(a, time.Now().UTC())
	if err == nil {
		d.wake()
	}
	return id, err
}

// refused is an action that makes no sense; nothing was changed.
type refused struct{ error }

func (f *folder) act(a incident.Action, now time.Time) (string, error) {
	var refusal error
	_, err := f.update(now, func(x *fold) error {
		w, err := x.world()
		if err != nil {
			return err
		}
		for i := w.Incidents[a.Incident]; i != nil && i.Merged != ""; i = w.Incidents[a.Incident] {
			a.Incident = i.Merged // people answer the message they were sent
		}
		out, err := incident.Act(w, a, x.now, x.policy)
		if err != nil {
			refusal = err
			return refused{err}
		}
		if err := x.apply(out); err != nil {
			return err
		}
		if a.Verb == incident.RuleOut {
			return x.ruleOut(*w.Incidents[a.Incident], a.By, a.Reason)
		}
		_, err = x.append(incident.Record{What: incident.Acted, Subject: reputation.Subject{Kind: reputation.KindHealth, Domain: "incident", Target: a.Incident},
			Incident: a.Incident, Who: a.By, Words: strings.TrimSpace(string(a.Verb) + " " + a.Reason)})
		return err
	})
	if refusal != nil {
		return "", refusal
	}
	return a.Incident, err
}

// Recheck has a subject looked at now: an IP or domain (all its lists and
// partners), a partner, a list, one pair, or what is open of an incident (#7). It returns what will be looked at, in words.
func (d *Daemon) Recheck(_ context.Context, subject string) ([]string, error) {
	now, subject := time.Now().UTC(), strings.TrimSpace(subject)
	var asks []checks.Ask
	var words []string
	var err error
	if id, ok := strings.CutPrefix(subject, "#"); ok {
		asks, words, err = d.recheckIncident(id, now)
	} else {
		asks, words, err = recheck(d.Config(), subject, now)
	}
	if err != nil {
		return nil, err
	}
	d.queue.add(asks...)
	return words, nil
}

// recheckIncident looks at what is open of an incident.
func (d *Daemon) recheckIncident(id string, now time.Time) (asks []checks.Ask, words []string, err error) {
	var open []reputation.Subject
	err = d.opt.DB.View(func(tx *store.Tx) error {
		i, ok, err := tx.Incidents().Get(id)
		if err == nil && !ok {
			return fmt.Errorf("there is no incident #%s\n  hint: repwatch incidents lists them", id)
		}
		if err != nil {
			return err
		}
		for _, n := range i.Episodes {
			if e, ok, err := tx.Episodes().Get(n); err == nil && ok && e.Open() {
				open = append(open, e.Subject)
			}
		}
		return tx.Err()
	})
	if err != nil {
		return nil, nil, err
	}
	for _, s := range open {
		if s.Kind == reputation.KindOwn || s.Kind == reputation.KindHealth {
			asks, words = append(asks, recheckFault(d.Config(), s, now)...), append(words, s.String())
			continue
		}
		more, said, err := recheck(d.Config(), s.String(), now)
		if err != nil {
			continue // it is watched no more; the fold has closed it, or will
		}
		asks, words = append(asks, more...), append(words, said...)
	}
	if len(asks) == 0 {
		return nil, nil, fmt.Errorf("nothing of #%s is open", id)
	}
	return asks, words, nil
}

// recheckFault looks at our own side, or at what our seeing was in doubt by.
func recheckFault(cfg *config.Loaded, s reputation.Subject, now time.Time) (asks []checks.Ask) {
	switch {
	case s.Kind == reputation.KindOwn:
		return []checks.Ask{{Check: "own", Why: whyAsked, At: now}}
	case s.Domain == "port25", s.Domain == "control", s.Domain == "address":
		for _, p := range cfg.Partners[:min(len(cfg.Partners), maxPeers)] {
			asks = append(asks, checks.Ask{Check: "partners", Why: whyAsked, At: now, Partner: p.Name(), From: []string{s.Target}})
		}
		return asks
	}
	return []checks.Ask{{Check: "lists", Why: whyAsked, At: now}}
}

// pressed carries out a button of a message; what it returns is shown to the person.
func (d *Daemon) pressed(ctx context.Context, action, id, user string) (string, error) {
	a := incident.Action{Incident: id, By: user}
	switch action {
	case "recheck":
		words, err := d.Recheck(ctx, "#"+strings.TrimPrefix(id, "#"))
		return "Looking now: " + strings.Join(words, "; "), err
	case "snooze-4h":
		a.Verb, a.For = incident.Snooze, 4*time.Hour
	case "snooze-24h":
		a.Verb, a.For = incident.Snooze, 24*time.Hour
	case "snooze-end":
		a.Verb, a.ToEnd = incident.Snooze, true
	default:
		a.Verb = incident.Verb(action)
	}
	id, err := d.Act(ctx, a)
	return fmt.Sprintf("Done: %s #%s", a.Verb, id), err
}

// Config is the configuration in force.
func (d *Daemon) Config() *config.Loaded {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.gen == nil {
		return d.opt.Config
	}
	return d.gen.cfg
}

const whyAsked = "asked for"

func recheck(cfg *config.Loaded, text string, now time.Time) (asks []checks.Ask, words []string, err error) {
	lists := func(who []string, ids []string, what string) {
		asks = append(asks, checks.Ask{Check: "lists", Why: whyAsked, At: now, Who: who, Lists: ids})
		words = append(words, what)
	}
	partner := func(name string, from []string, what string) {
		asks = append(asks, checks.Ask{Check: "partners", Why: whyAsked, At: now, Partner: name, From: from})
		words = append(words, what)
	}
	if strings.ContainsAny(text, "@>") {
		s, err := reputation.ParsePair(text)
		if err != nil {
			return nil, nil, err
		}
		if err := watchedPair(cfg, s); err != nil {
			return nil, nil, err
		}
		if s.Kind == reputation.KindListing {
			lists([]string{s.Who()}, []string{s.Target}, fmt.Sprintf("%s at %s", s.Who(), s.Target))
		} else {
			partner(s.Target, []string{s.Who()}, fmt.Sprintf("what %s offers %s", s.Target, s.Who()))
		}
		return asks, words, nil
	}
	name := strings.TrimSuffix(strings.ToLower(text), ".")
	if p, ok := cfg.PartnerNamed(name); ok && !p.Own {
		partner(p.Name(), nil, "what "+p.Name()+" offers, from this round's addresses and the control")
	}
	if slices.ContainsFunc(cfg.Lists, listIs(name)) {
		lists(nil, []string{name}, "everything watched, at "+name)
	}
	if watches(cfg, name) {
		lists([]string{canonical(name)}, nil, fmt.Sprintf("%s, at its lists", canonical(name)))
		if ip, err := netip.ParseAddr(name); err == nil {
			for _, p := range cfg.Partners {
				if from := p.Sources(); len(from) == 0 || slices.Contains(from, ip.Unmap()) {
					partner(p.Name(), []string{ip.Unmap().String()}, fmt.Sprintf("what %s offers %s", p.Name(), ip.Unmap()))
				}
			}
		}
	}
	if len(asks) == 0 {
		return nil, nil, fmt.Errorf("%q is not watched\n  hint: name a sending IP, domain, partner or list of the configuration, or a pair: IP@LIST, IP>PARTNER", text)
	}
	return asks, words, nil
}

func canonical(name string) string {
	if ip, err := netip.ParseAddr(name); err == nil {
		return ip.Unmap().String()
	}
	return name
}

func watches(cfg *config.Loaded, name string) bool {
	name = canonical(name)
	return slices.ContainsFunc(cfg.Addresses, func(a config.Address) bool { return a.IP.String() == name }) || slices.Contains(cfg.Domains, name)
}

func watchedPair(cfg *config.Loaded, s reputation.Subject) error {
	if !watches(cfg, s.Who()) {
		return fmt.Errorf("%s is not watched\n  hint: it is neither among sending_ips nor among domains", s.Who())
	}
	if s.Kind == reputation.KindListing {
		if !slices.ContainsFunc(cfg.Lists, listIs(s.Target)) {
			return fmt.Errorf("list %s is not in use\n  hint: repwatch lists shows those that are", s.Target)
		}
		return nil
	}
	if p, ok := cfg.PartnerNamed(s.Target); !ok || p.Own {
		return fmt.Errorf("%s is no partner", s.Target)
	}
	return nil
}
