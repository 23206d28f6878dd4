package watch

import (
	"cmp"
	"errors"
	"net/netip"
	"slices"
	"time"

	"repwatch/checks"
	"repwatch/checks/smtp"
	"repwatch/incident"
	"repwatch/reputation"
	"repwatch/store"
)

// wanted turns the judge's wishes into asks, for what is so since a moment: who has
// looked since then need not look again.
func (x *fold) wanted(s reputation.Subject, wants []smtp.Want, since time.Time) {
	for _, w := range wants {
		a := checks.Ask{Check: "partners", Why: whyConfirm, At: w.At, Partner: s.Target, From: []string{s.Who()}, Avoid: w.AvoidAddr}
		switch w.Who {
		case smtp.WantControl:
			if s.Kind == reputation.KindControl || len(x.cfg.Control) == 0 {
				continue
			}
			a.Why, a.From, a.Avoid = "control", x.notSince(since, s.Target, x.controlNames()), netip.Addr{}
			if len(a.From) == 0 {
				continue
			}
		case smtp.WantPeers:
			if a.Why, a.From = "peers", x.peers(s, since); s.Kind == reputation.KindControl || len(a.From) == 0 {
				continue
			}
		}
		x.want(a)
	}
}

// want keeps an ask, unless the same look was wanted, or taken, a moment ago.
func (x *fold) want(a checks.Ask) {
	if a.Why == "control" || a.Why == "peers" || a.Why == "around" {
		if last, ok := x.asked[a.Key()]; ok && x.now.Sub(last).Abs() < time.Minute {
			return
		}
		remember(x, x.asked, a.Key(), x.now)
	}
	x.wants = append(x.wants, a)
}

func (x *fold) controlNames() []string {
	names := make([]string, len(x.cfg.Control))
	for i, c := range x.cfg.Control {
		names[i] = c.Name
	}
	return names
}

// maxPeers is how many others are asked at once whether they have lost it too.
const maxPeers = 3

// notSince are those who have not looked at a partner since then.
func (x *fold) notSince(since time.Time, partner string, names []string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool {
		row, ok, err := x.tx.Wire().Get(controlOf(name, partner))
		return err == nil && ok && !row.LastSure.Before(since)
	})
}

// peers are some of our other addresses that send to the partner, and have neither lost
// it nor looked since then.
func (x *fold) peers(s reputation.Subject, since time.Time) (out []string) {
	p, ok := x.cfg.PartnerNamed(s.Target)
	if !ok {
		return nil
	}
	from := p.Sources()
	for _, a := range x.cfg.Addresses {
		if a.IP == s.IP || a.State == "standby" || len(from) > 0 && !slices.Contains(from, a.IP) || len(out) == maxPeers || a.IP.Is4() != s.IP.Is4() {
			continue
		}
		row, ok, err := x.tx.Wire().Get(reputation.Subject{Kind: reputation.KindWire, IP: a.IP, Target: s.Target})
		if err == nil && ok && (row.Standing == smtp.StandingLost || !row.LastSure.Before(since)) {
			continue
		}
		out = append(out, a.IP.String())
	}
	return out
}

// askAround looks at some other partners from an address that lost one: a fault of
// our own path shows in all of them. One for each provider, those not lost yet.
func (x *fold) askAround(s reputation.Subject) {
	providers, n := map[string]bool{}, 0
	if row, ok, err := x.tx.Wire().Get(s); err == nil && ok {
		providers[cmp.Or(row.Provider, s.Target)] = true
	}
	for _, p := range x.cfg.Partners {
		other := reputation.Subject{Kind: reputation.KindWire, IP: s.IP, Target: p.Name()}
		row, ok, err := x.tx.Wire().Get(other)
		key := cmp.Or(row.Provider, p.Name())
		if err != nil || !ok || p.Name() == s.Target || row.Standing == smtp.StandingLost || providers[key] || n == maxPeers {
			continue
		}
		providers[key] = true
		n++
		x.want(checks.Ask{Check: "partners", Why: "around", At: x.now, Partner: p.Name(), From: []string{s.Who()}})
	}
}

// How an address that a list let go is looked at again where it lost something.
const (
	delistedEvery = 5 * time.Minute
	delistedFor   = 2 * time.Hour
	reactionFor   = 2 * time.Hour // as correlate.Wants has it
)

// askLost looks at what an address has lost, at once and for a while: a list has let it go.
func (x *fold) askLost(who string, since time.Time) error {
	lost, err := x.lostPartners()
	for _, partner := range lost[who] {
		x.want(checks.Ask{Check: "partners", Why: whyDelisting, At: x.now, Partner: partner, From: []string{who}, Every: delistedEvery, Until: since.Add(delistedFor)})
	}
	return err
}

// lostPartners are those that each address has lost, read once in a transaction.
func (x *fold) lostPartners() (map[string][]string, error) {
	if x.lost != nil {
		return x.lost, nil
	}
	x.lost = map[string][]string{}
	for s, row := range x.tx.Wire().All() {
		if s.Kind == reputation.KindWire && row.Standing == smtp.StandingLost {
			x.lost[s.Who()] = append(x.lost[s.Who()], s.Target)
		}
	}
	return x.lost, x.tx.Err()
}

// doubts are the looks that were waited for when the daemon stopped: second looks at
// changes, and those that wait for what a listing breaks or a delisting brings back.
func (f *folder) doubts(now time.Time) (asks []checks.Ask, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	err = f.db.View(func(tx *store.Tx) error {
		x := &fold{folder: f, tx: tx, now: now}
		for s, row := range tx.Wire().All() {
			if row.Suspects() {
				x.want(checks.Ask{Check: "partners", Why: whyConfirm, At: now, Partner: s.Target, From: []string{s.Who()}, Avoid: row.Run.Addr})
			}
		}
		for s, row := range tx.Faults().All() {
			if row.Episode == 0 {
				x.askHealth(s)
			}
		}
		err := errors.Join(x.awaitRecovery(), x.awaitReaction(), tx.Err())
		asks = x.wants
		return err
	})
	return asks, err
}

// awaitRecovery takes up the looks that delistings asked for.
func (x *fold) awaitRecovery() error {
	for r := range x.tx.Journal(x.now.Add(-delistedFor), time.Time{}) {
		if r.What != incident.Delisted || r.Listing == nil || !r.Listing.Accuses() {
			continue
		}
		if err := x.askLost(r.Subject.Who(), r.At); err != nil {
			return err
		}
	}
	return x.tx.Err()
}

// awaitReaction takes up the looks at partners of which a reaction to a listing was foretold.
func (x *fold) awaitReaction() error {
	for _, fc := range x.foretold {
		until := fc.At.Add(reactionFor)
		if !until.After(x.now) {
			continue
		}
		row, lasts, err := x.tx.Listings().Get(pairOn(fc.List, fc.IP))
		if err != nil {
			return err
		}
		if lasts && row.Seq == fc.ListingSeq {
			x.want(checks.Ask{Check: "partners", Why: whyListing, At: x.now, Partner: fc.Partner, From: []string{fc.IP}, Every: delistedEvery, Until: until})
		}
	}
	return nil
}

// worth reports whether a repeated look still makes sense: a watch for a reaction
// ends with it, one for a recovery too.
func (f *folder) worth(a checks.Ask) bool {
	if a.Every == 0 || a.Partner == "" || len(a.From) != 1 {
		return true
	}
	s := reputation.Subject{Kind: reputation.KindWire, Target: a.Partner}
	s.SetWho(a.From[0])
	lost := false
	err := f.db.View(func(tx *store.Tx) error {
		row, _, err := tx.Wire().Get(s)
		lost = row.Standing == smtp.StandingLost
		return err
	})
	return err != nil || lost == (a.Why == whyDelisting)
}

const (
	whyListing   = "listing" // a look that waits for what a listing will probably break
	whyConfirm   = "confirm"
	whyDelisting = "delisting" // a look that waits for what was lost to come back
)
