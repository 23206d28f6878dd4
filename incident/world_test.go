package incident

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"repwatch/checks/smtp"
	"repwatch/correlate"
	"repwatch/reputation"
)

// story plays a past against Fold, Act and Tick, with an outbox like the store's:
// what has a key replaces what waits unsent with the same key and keeps its turn.
// After each step the invariants of check are held.
type story struct {
	t   rapid.TB
	now time.Time
	p   Policy
	w   World

	seq, episodes, ids uint64
	named              map[string]uint64 // the open episode of a subject, as text

	outbox []Alert
	sent   []Alert // what people got
	msgs   map[string]Message
	last   Output
}

// noon is 12:00 in Vienna.
var noon = time.Date(2026, 11, 24, 11, 0, 0, 0, time.UTC)

func newStory(t rapid.TB) *story {
	vienna, err := time.LoadLocation("Europe/Vienna")
	if err != nil {
		t.Fatal(err)
	}
	return &story{t: t, now: noon, named: map[string]uint64{}, msgs: map[string]Message{},
		p: Policy{GroupWait: time.Minute, Reopen: 30 * time.Minute, Remind: 24 * time.Hour, DigestOver: 5, Zone: vienna, Proven: true},
		w: World{Incidents: map[string]*Incident{}, Episodes: map[uint64]*Episode{}, Unsent: map[string]bool{}, Notices: map[string]Alert{}},
	}
}

// step is one piece of a transaction's news.
type step func(*story, *Input)

// do folds one transaction.
func (s *story) do(steps ...step) {
	s.t.Helper()
	in := Input{Now: s.now, Judged: map[uint64]Judgement{}, Forecasts: map[uint64][]Forecast{}}
	for _, step := range steps {
		step(s, &in)
	}
	ids := s.ids
	fold := func() Output {
		s.ids = ids
		in.NewID = func() string { s.ids++; return strconv.FormatUint(s.ids, 10) }
		return Fold(s.w, in, s.p)
	}
	before := asJSON(s.t, s.w, in.Judged, in.Changes)
	once := asJSON(s.t, fold())
	out := fold()
	if diff := cmp.Diff(once, asJSON(s.t, out)); diff != "" {
		s.t.Fatalf("the same input gave another output:\n%s", diff)
	}
	if diff := cmp.Diff(before, asJSON(s.t, s.w, in.Judged, in.Changes)); diff != "" {
		s.t.Fatalf("Fold changed what it was given:\n%s", diff)
	}
	s.apply(out)
}

func asJSON(t rapid.TB, vs ...any) string {
	raw, err := json.MarshalIndent(vs, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// wait lets time pass, minute by minute, with ticks and deliveries.
func (s *story) wait(d time.Duration) {
	s.t.Helper()
	for end := s.now.Add(d); s.now.Before(end); {
		s.now = s.now.Add(min(time.Minute, end.Sub(s.now)))
		s.deliver()
		s.tick()
	}
}

func (s *story) tick() {
	s.t.Helper()
	out := Tick(s.w, s.now, s.p)
	for _, i := range out.Incidents {
		if !Stirs(s.w.Incidents[i.ID], s.now, s.p) {
			s.t.Fatalf("Tick changes #%s, which does not stir", i.ID)
		}
	}
	s.apply(out)
}

func (s *story) act(a Action) error {
	s.t.Helper()
	if a.By == "" {
		a.By = "Ana"
	}
	out, err := Act(s.w, a, s.now, s.p)
	if err == nil {
		s.apply(out)
	}
	return err
}

func (s *story) must(a Action) {
	s.t.Helper()
	if err := s.act(a); err != nil {
		s.t.Fatal(err)
	}
}

// apply does what the folder and the store do with an Output.
func (s *story) apply(o Output) {
	s.t.Helper()
	was := maps.Clone(s.w.Incidents)
	unsent := maps.Clone(s.w.Unsent)
	for _, i := range o.Incidents {
		s.w.Incidents[i.ID] = &i
		m, ok := o.Messages[i.ID]
		if !ok {
			s.t.Fatalf("#%s changed and has no message", i.ID)
		}
		s.msgs[i.ID] = m
	}
	for _, e := range o.Episodes {
		s.w.Episodes[e.ID] = &e
	}
	for _, id := range o.Withdrawn {
		s.outbox = slices.DeleteFunc(s.outbox, func(a Alert) bool { return a.Incident == id })
	}
	for _, a := range o.Alerts {
		at := slices.IndexFunc(s.outbox, func(q Alert) bool { return a.Key != "" && q.Key == a.Key && q.Incident == a.Incident })
		if at >= 0 {
			a.Due = s.outbox[at].Due
			s.outbox[at] = a
			continue
		}
		s.outbox = append(s.outbox, a)
	}
	s.last = o
	s.waiting()
	check(s, was, unsent, o)
}

func (s *story) waiting() {
	s.w.Unsent, s.w.Notices = map[string]bool{}, map[string]Alert{}
	for _, a := range s.outbox {
		switch a.Kind {
		case AlertOpened:
			s.w.Unsent[a.Incident] = true
		case AlertNotice:
			s.w.Notices[a.Key] = a
		}
	}
}

// deliver sends what is due, in order per incident.
func (s *story) deliver() {
	blocked := map[string]bool{}
	var left []Alert
	for _, a := range s.outbox {
		if a.Due.After(s.now) || a.Incident != "" && blocked[a.Incident] {
			blocked[a.Incident] = true
			left = append(left, a)
			continue
		}
		s.sent = append(s.sent, a)
	}
	s.outbox = left
	s.waiting()
}

// got are the alerts that people got, as "opened #1"; edits only on demand.
func (s *story) got() (out []string) {
	for _, a := range s.sent {
		if a.Kind != AlertEdit {
			out = append(out, strings.TrimSuffix(fmt.Sprintf("%s #%s", a.Kind, a.Incident), " #"))
		}
	}
	return out
}

func (s *story) wantGot(want ...string) {
	s.t.Helper()
	s.deliver()
	if diff := cmp.Diff(want, s.got()); diff != "" {
		s.t.Fatalf("people got (-want +got):\n%s", diff)
	}
}

func (s *story) lastSent(kind AlertKind) Alert {
	s.t.Helper()
	s.deliver()
	for _, a := range slices.Backward(s.sent) {
		if a.Kind == kind {
			return a
		}
	}
	s.t.Fatalf("nothing of kind %s was sent", kind)
	return Alert{}
}

func (s *story) inc(id string) Incident {
	s.t.Helper()
	i := s.w.Incidents[id]
	if i == nil {
		s.t.Fatalf("there is no incident #%s", id)
	}
	return *i
}

// open are the open incidents with what they hold, as "1: 203.0.113.7@zen, 203.0.113.7>contoso.com".
func (s *story) open() (out []string) {
	for _, id := range slices.SortedFunc(maps.Keys(s.w.Incidents), compareID) {
		i := s.w.Incidents[id]
		if i.Status != Open {
			continue
		}
		var held []string
		for _, id := range i.Episodes {
			if e := s.w.Episodes[id]; e.Open() {
				held = append(held, e.Subject.String())
			}
		}
		out = append(out, id+": "+strings.Join(held, ", "))
	}
	return out
}

func (s *story) wantOpen(want ...string) {
	s.t.Helper()
	if diff := cmp.Diff(want, s.open()); diff != "" {
		s.t.Fatalf("open incidents (-want +got):\n%s", diff)
	}
}

func (s *story) record(in *Input, r Record) Record {
	s.seq++
	r.Seq, r.At = s.seq, s.now
	in.Changes = append(in.Changes, r)
	return r
}

// begin opens an episode: the last good look was a quarter of an hour ago.
func (s *story) begin(in *Input, r Record) *Episode {
	s.episodes++
	r.Episode = s.episodes
	if r.By.IsZero() {
		r.By = s.now
	}
	if !r.FirstSight && r.After.IsZero() {
		r.After = r.By.Add(-15 * time.Minute)
	}
	r = s.record(in, r)
	e := &Episode{ID: r.Episode, Subject: r.Subject, Seq: r.Seq, Begin: r.Bracket, FirstSight: r.FirstSight, Listing: r.Listing, Wire: r.Wire, Fault: r.Fault}
	s.w.Episodes[e.ID] = e
	s.named[e.Subject.String()] = e.ID
	return e
}

func (s *story) of(subject string) *Episode {
	s.t.Helper()
	e := s.w.Episodes[s.named[subject]]
	if e == nil {
		s.t.Fatalf("there is no episode of %s", subject)
	}
	return e
}

func subject(text string) reputation.Subject {
	sub, err := reputation.ParsePair(text)
	if err != nil {
		panic(err)
	}
	return sub
}

// listing is what a list says, unless a test says otherwise.
func listing(list string) reputation.Listing {
	l := reputation.Listing{Codes: []string{"127.0.0.4"}, Meaning: []string{"exploited host"}, Impact: reputation.High, Alert: Now,
		Reason: "Pushdo seen 02:51 UTC", DelistURL: "https://" + list + ".example.org/remove"}
	if list == "zen" {
		l.Name = "Example ZEN"
	}
	return l
}

type listed func(*reputation.Listing)

func quietList(l *reputation.Listing) { l.Alert, l.Impact = Digest, reputation.Medium }
func neverTold(l *reputation.Listing) { l.Alert, l.Impact = Never, reputation.Info }
func policyOnly(l *reputation.Listing) {
	l.Class, l.Impact, l.Meaning, l.Codes = reputation.ClassPolicy, reputation.Info, []string{"dynamic space"}, []string{"127.0.0.10"}
}

func list(pair string, with ...listed) step {
	return func(s *story, in *Input) {
		sub := subject(pair)
		l := listing(sub.Target)
		for _, f := range with {
			f(&l)
		}
		s.begin(in, Record{What: Listed, Subject: sub, Listing: &l})
	}
}

func relist(pair string, with ...listed) step {
	return func(s *story, in *Input) {
		e := *s.of(pair)
		l := listing(e.Subject.Target)
		for _, f := range with {
			f(&l)
		}
		e.Listing = &l
		s.w.Episodes[e.ID] = &e
		s.record(in, Record{What: Relisted, Subject: e.Subject, Bracket: reputation.Bracket{By: s.now}, Listing: &l, Episode: e.ID})
	}
}

func firstSight(of step) step {
	return func(s *story, in *Input) {
		of(s, in)
		r := &in.Changes[len(in.Changes)-1]
		r.FirstSight, r.After = true, time.Time{}
		e := *s.w.Episodes[r.Episode]
		e.FirstSight, e.Begin = true, r.Bracket
		s.w.Episodes[e.ID] = &e
	}
}

func lose(pair string, with ...func(*Wire)) step {
	return func(s *story, in *Input) {
		w := &Wire{Loss: smtp.LossStartTLS, Went: []string{"STARTTLS"}, Provider: "exchange-online", MX: "mx." + subject(pair).Target}
		for _, f := range with {
			f(w)
		}
		s.begin(in, Record{What: Lost, Subject: subject(pair), Wire: w})
	}
}

// over ends the open episode of a subject.
func over(what What, name string) step {
	return func(s *story, in *Input) {
		e := *s.of(name)
		b := reputation.Bracket{After: s.now.Add(-15 * time.Minute), By: s.now}
		if what == Unwatched {
			b = reputation.Bracket{}
		}
		s.record(in, Record{What: what, Subject: e.Subject, Bracket: b, Episode: e.ID, Listing: e.Listing, Wire: e.Wire})
		e.End, e.Ended, e.Unwatched = b, s.now, what == Unwatched
		s.w.Episodes[e.ID] = &e
		delete(s.named, name)
	}
}

func delist(pair string) step  { return over(Delisted, pair) }
func back(pair string) step    { return over(Back, pair) }
func unwatch(name string) step { return over(Unwatched, name) }
func mend(name string) step    { return over(Mended, name) }
func health(part, what string) reputation.Subject {
	return reputation.Subject{Kind: reputation.KindHealth, Domain: part, Target: what}
}

func own(ip, what string) reputation.Subject {
	return reputation.Subject{Kind: reputation.KindOwn, IP: netip.MustParseAddr(ip), Target: what}
}

func fault(sub reputation.Subject, f Fault) step {
	return func(s *story, in *Input) {
		s.begin(in, Record{What: Faulty, Subject: sub, FirstSight: true, Fault: &f})
	}
}

func worse(name string, f Fault) step {
	return func(s *story, in *Input) {
		e := *s.of(name)
		e.Fault = &f
		s.w.Episodes[e.ID] = &e
		s.record(in, Record{What: Faulty, Subject: e.Subject, Bracket: reputation.Bracket{By: s.now}, Fault: &f, Episode: e.ID})
	}
}

// judged is what the correlator says of a loss, after it was begun in the same transaction or before.
func judged(pair string, v correlate.Verdict, why ...string) step {
	return func(s *story, in *Input) {
		in.Judged[s.of(pair).ID] = Judgement{Verdict: v, Why: why}
	}
}

func word(p float64) string {
	switch {
	case p >= .95:
		return "confirmed"
	case p >= .8:
		return "likely"
	}
	return "possible"
}

func byList(list string, p float64) correlate.Verdict {
	share := correlate.Share{Cause: correlate.ByListing, List: list, P: p}
	return correlate.Verdict{Cause: correlate.ByListing, List: list, Lists: []string{list}, Confidence: p, Word: word(p), Shares: []correlate.Share{share}}
}

func cause(c correlate.Cause, p float64, shares ...correlate.Share) correlate.Verdict {
	return correlate.Verdict{Cause: c, Confidence: p, Word: word(p), Shares: append([]correlate.Share{{Cause: c, P: p}}, shares...)}
}

// unsure: nothing reaches what is shown; the listing has this probability.
func unsure(list string, p float64) correlate.Verdict {
	return correlate.Verdict{Cause: correlate.Undetermined, Confidence: p, Word: "possible", Shares: []correlate.Share{
		{Cause: correlate.ByListing, List: list, P: p}, {Cause: correlate.Private, P: 1 - p}}}
}

func forecast(pair, partner string, p float64) step {
	return func(s *story, in *Input) {
		e := s.of(pair)
		in.Forecasts[e.ID] = append(in.Forecasts[e.ID], Forecast{Partner: partner, List: e.Subject.Target, IP: e.Subject.Who(), P: p,
			From: s.now, To: s.now.Add(90 * time.Minute), Record: "4 of 4"})
	}
}
