package watch

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"repwatch/checks"
	"repwatch/checks/dnsbl"
	"repwatch/checks/smtp"
	"repwatch/incident"
	"repwatch/reputation"
	"repwatch/store"
)

// model is the same world in a plain map: what is so, and what a folder that was
// told of it has to know.
type model struct {
	*desk
	rnd *rand.Rand

	bad   map[reputation.Subject]bool // what is so
	known map[reputation.Subject]bool // what a look has told for sure: listings at once, losses when confirmed
	runs  map[reputation.Subject]run
}

// run are the agreeing sure looks at a pair.
type run struct {
	bad   bool
	n     int
	since time.Time
}

// Seeded random days: whatever happens, the store is whole, what is bad has an open
// incident, and a new daemon on the same file knows the same.
func TestRandomDays(t *testing.T) {
	for seed := range uint64(3) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			m := &model{desk: newDesk(t, house), rnd: rand.New(rand.NewPCG(seed, 7)), bad: map[reputation.Subject]bool{}, known: map[reputation.Subject]bool{}, runs: map[reputation.Subject]run{}}
			m.baseline()
			for range 80 {
				m.later(time.Duration(m.rnd.IntN(40)+3) * time.Minute)
				m.step()
				m.check()
				if t.Failed() {
					t.Fatalf("at %s; the journal says %q", m.now, m.story())
				}
			}
			m.reopen()
		})
	}
}

func (m *model) step() {
	switch n := m.rnd.IntN(20); {
	case n < 6:
		m.turn()
	case n < 12:
		m.sweepSome()
	case n < 18:
		m.lookSome()
	case n < 19:
		m.deliver()
	default:
		if err := m.f.judgeAgain(m.now); err != nil {
			m.t.Error(err)
		}
		if err := m.f.tick(m.now); err != nil {
			m.t.Error(err)
		}
	}
}

// turn makes something bad, or good again.
func (m *model) turn() {
	who := []string{seven, eight}[m.rnd.IntN(2)]
	s := pairOf(who, partners[m.rnd.IntN(len(partners))])
	if m.rnd.IntN(2) == 0 {
		s = pairOn([]string{"xbl", "traps"}[m.rnd.IntN(2)], who)
	}
	m.bad[s] = !m.bad[s]
}

func (m *model) sweepSome() {
	l := m.listLook([]string{"xbl", "traps"}[m.rnd.IntN(2)])
	for _, who := range []string{seven, eight} {
		s := pairOn(l.List, who)
		switch {
		case m.rnd.IntN(6) == 0:
			l.Unknown = append(l.Unknown, who)
			continue
		case m.bad[s]:
			l.Hits = append(l.Hits, checks.Hit{Who: who, Listing: accused(l.List)})
		}
		m.known[s] = m.bad[s]
	}
	if len(l.Unknown) == 2 {
		l.AllUnknown, l.Health = true, dnsbl.HealthSuspended
	}
	m.fold(checks.Batch{Lists: []checks.ListLook{l}})
}

func (m *model) lookSome() {
	s := pairOf([]string{seven, eight}[m.rnd.IntN(2)], partners[m.rnd.IntN(len(partners))])
	for range 1 + m.rnd.IntN(3) {
		m.later(3 * time.Minute)
		if m.rnd.IntN(6) == 0 {
			m.fold(checks.Batch{Wire: []checks.WireLook{lookThat(s, m.now, reputation.Deferred, "")}})
			continue
		}
		o := reputation.Advertised
		if m.bad[s] {
			o = reputation.Absent
		}
		if r := m.runs[s]; r.n == 0 || r.bad != m.bad[s] {
			m.runs[s] = run{m.bad[s], 1, m.now}
		} else {
			m.runs[s] = run{r.bad, r.n + 1, r.since}
		}
		m.fold(checks.Batch{Wire: []checks.WireLook{lookThat(s, m.now, o, "")}})
	}
}

// check holds the folder to what the model knows.
func (m *model) check() {
	m.whole()
	lost := map[reputation.Subject]uint64{}
	err := m.db.View(func(tx *store.Tx) error {
		listed := map[reputation.Subject]bool{}
		for s, row := range tx.Listings().All() {
			listed[s] = true
			m.inOpenIncident(tx, s, row.Episode)
		}
		for s, is := range m.known {
			if listed[s] != is {
				m.t.Errorf("%s: listed %v, the model says %v", s, listed[s], is)
			}
		}
		for s, row := range tx.Wire().All() {
			if row.Standing == smtp.StandingLost {
				lost[s] = row.Episode
				m.inOpenIncident(tx, s, row.Episode)
			}
		}
		return nil
	})
	if err != nil {
		m.t.Error(err)
	}
	for s, r := range m.runs {
		_, is := lost[s]
		switch {
		case r.n >= 8 && is != r.bad: // eight that agree are enough, however mixed it was before
			m.t.Errorf("%s: lost %v after %d looks that say %v", s, is, r.n, r.bad)
		case r.n == 1 && r.bad && is && !m.wasLost(s, r.since):
			m.t.Errorf("%s: lost by a single look", s)
		}
	}
	m.alertsHaveReasons()
}

// wasLost: the pair was lost before a moment, so that a single look did not do it.
func (m *model) wasLost(s reputation.Subject, at time.Time) bool {
	return slices.ContainsFunc(episodes(m.t, m.db), func(e incident.Episode) bool { return e.Subject == s && e.Open() && e.Begin.By.Before(at) })
}

func (m *model) inOpenIncident(tx *store.Tx, s reputation.Subject, id uint64) {
	e, ok, err := tx.Episodes().Get(id)
	if err != nil || !ok {
		m.t.Errorf("%s has no episode: %v", s, err)
		return
	}
	i, ok, err := tx.Incidents().Get(e.Incident)
	if err != nil || !ok || i.Status != incident.Open {
		m.t.Errorf("%s is bad, and its incident is %+v (%v)", s, i, err)
	}
	if i.Alert == incident.Now && !i.Told {
		m.t.Errorf("#%s is to interrupt, and nobody was told", i.ID)
	}
}

// alertsHaveReasons: a first message or an end comes with a record of the same transaction.
func (m *model) alertsHaveReasons() {
	at := map[time.Time]bool{}
	for _, r := range recordsOf(m.t, m.db) {
		at[r.At] = true
	}
	err := m.db.View(func(tx *store.Tx) error {
		for q := range tx.Pending("ear") {
			when := q.At
			if i, ok, _ := tx.Incidents().Get(q.Incident); ok && q.Kind == incident.AlertOpened {
				when = i.Opened // until it is sent, later words take its place
			}
			if (q.Kind == incident.AlertOpened || q.Kind == incident.AlertResolved) && !at[when] && !m.movedAt(tx, q.Incident) {
				m.t.Errorf("%s of #%s at %s: nothing happened then", q.Kind, q.Incident, when)
			}
		}
		return nil
	})
	if err != nil {
		m.t.Error(err)
	}
}

// movedAt: a verdict that was revised moved something out of or into the incident.
func (m *model) movedAt(tx *store.Tx, id string) bool {
	i, _, _ := tx.Incidents().Get(id)
	return i.Root != incident.RootListing || i.Merged != ""
}

// reopen compares what a new daemon knows with what the old one knew.
func (m *model) reopen() {
	type knowledge struct {
		verdicts map[uint64]string
		asks     []string
	}
	now := m.now.Add(time.Minute)
	ask := func() (k knowledge) {
		if err := m.f.judgeAgain(now); err != nil {
			m.t.Fatal(err)
		}
		k.verdicts = map[uint64]string{}
		for _, e := range episodes(m.t, m.db) {
			if v, ok := m.f.cause.Verdict(e.Seq, now); ok {
				k.verdicts[e.ID] = fmt.Sprint(v.Cause, v.List, v.Confidence, v.Provisional)
			}
		}
		doubts, err := m.f.doubts(now)
		if err != nil {
			m.t.Fatal(err)
		}
		for _, a := range doubts {
			k.asks = append(k.asks, a.Key())
		}
		return k
	}
	m.fold(checks.Batch{Lists: []checks.ListLook{m.listLook("xbl")}}) // news, so that the correlator is there
	was := ask()
	open := m.open()
	m.deliverLater()
	m.restart(house)
	is := ask()
	if !maps.Equal(was.verdicts, is.verdicts) || len(was.verdicts) == 0 && len(recordsOf(m.t, m.db)) > 20 {
		m.t.Errorf("verdicts after a restart\n%v\nbefore\n%v", is.verdicts, was.verdicts)
	}
	if !slices.Equal(was.asks, is.asks) || !slices.Equal(open, m.open()) {
		m.t.Errorf("after a restart open are %q and wanted %q, before %q and %q", m.open(), is.asks, open, was.asks)
	}
	for _, got := range m.alerts() {
		if !strings.HasPrefix(got, "edit ") { // reasons are worded by what was learned since
			m.t.Errorf("a restart alone says %q", got)
		}
	}
}
