package watch

import (
	"fmt"
	"strings"
	"time"

	"repwatch/checks"
	"repwatch/checks/smtp"
	"repwatch/correlate"
	"repwatch/incident"
	"repwatch/reputation"
	"repwatch/store"
)

// spoken is what was last said of a loss: only another answer is worth a word.
type spoken struct {
	cause       correlate.Cause
	list        string
	word        string
	provisional bool
	incident    string
	home        string
}

// judgements are what the correlator says now of losses whose verdict is new or has
// changed, together with the other losses of their incidents.
func (x *fold) judgements(w incident.World) map[uint64]incident.Judgement {
	verdicts, changed := map[uint64]correlate.Verdict{}, map[string]bool{}
	out := map[uint64]incident.Judgement{}
	for id, e := range w.Episodes {
		if e.Subject.Kind != reputation.KindWire {
			continue
		}
		v, ok := x.cause.Verdict(e.Seq, x.now)
		if !ok {
			continue // the correlator was told of it in another way, or not at all
		}
		verdicts[id] = v
		say := spoken{v.Cause, v.List, v.Word, v.Provisional, e.Incident, incident.Home(e, v)}
		if x.judged[id] != say {
			remember(x, x.judged, id, say)
			changed[e.Incident] = true
			out[id] = incident.Judgement{}
		}
	}
	for id := range x.judged {
		if w.Episodes[id] == nil { // nothing more will be said of it
			forget(x, x.judged, id)
		}
	}
	for id, v := range verdicts {
		if _, is := out[id]; is || changed[w.Episodes[id].Incident] {
			why, next := x.cause.Explain(w.Episodes[id].Seq, x.now)
			why = append(why, x.doubtedControls(w.Episodes[id].Subject.Target)...)
			out[id] = incident.Judgement{Verdict: v, Why: why, Next: next}
		}
	}
	return out
}

// judgeAgain says what time alone changed: verdicts are settled a while after a
// loss, and after its end, and silence becomes evidence.
func (f *folder) judgeAgain(now time.Time) error {
	_, err := f.update(now, func(x *fold) error {
		if x.cause == nil {
			if err := x.relearn(); err != nil {
				return err
			}
		}
		w, err := x.world()
		if err != nil {
			return err
		}
		judged := x.judgements(w)
		if len(judged) == 0 {
			return nil
		}
		return x.apply(incident.Fold(w, incident.Input{Now: x.now, Judged: judged, NewID: x.newID}, x.policy))
	})
	return err
}

// forecasts are what new listings will probably break. Who will probably react is
// looked at at once, and every few minutes while a reaction is due.
func (x *fold) forecasts(w incident.World) map[uint64][]incident.Forecast {
	out := map[uint64][]incident.Forecast{}
	for _, r := range x.records {
		if r.What != incident.Listed || r.Listing == nil || !r.Listing.Accuses() || !r.Subject.IP.IsValid() {
			continue
		}
		e := w.Episodes[r.Episode]
		if e == nil || !e.Open() {
			continue
		}
		for _, fc := range x.cause.Forecasts(r.Seq, x.now) {
			if fc.P < leastForecast {
				continue
			}
			out[r.Episode] = append(out[r.Episode], incident.Forecast{Partner: fc.Partner, List: fc.List, IP: fc.IP, P: fc.P, From: fc.From, To: fc.To, Record: x.recordOf(fc.Partner, fc.List)})
			if err := x.noteForecast(r.Seq, fc); err != nil {
				x.log.Error("a forecast could not be kept", "partner", fc.Partner, "err", err)
			}
		}
		for _, want := range x.cause.Wants(r.Seq, x.now) {
			x.want(checks.Ask{Check: "partners", Why: whyListing, At: x.now, Partner: want.Partner, From: []string{want.IP}, Every: want.Every, Until: x.now.Add(want.For)})
		}
		x.askSuspects(r.Subject)
	}
	return out
}

const leastForecast = 0.1

// recordOf is "4 of 4" where the partner has a record with the list.
func (x *fold) recordOf(partner, list string) string {
	if x.edges == nil {
		x.edges = map[[2]string]correlate.Edge{}
		for _, e := range x.cause.Edges(x.now, .01) {
			x.edges[[2]string{e.Partner, e.List}] = e
		}
	}
	if e := x.edges[[2]string{partner, list}]; e.Fired > 0 {
		return fmt.Sprintf("%d of %d", e.Followed, e.Fired)
	}
	return ""
}

// askSuspects looks once at partners that are known to take STARTTLS from listed
// addresses, though nobody has seen them do so to us yet. (Those with a learned or
// sourced reaction are watched anyway.)
func (x *fold) askSuspects(s reputation.Subject) {
	n := 0
	for _, p := range x.cfg.Partners {
		row, ok, err := x.tx.Wire().Get(reputation.Subject{Kind: reputation.KindWire, IP: s.IP, Target: p.Name()})
		if err != nil || !ok || row.Standing == smtp.StandingLost {
			continue
		}
		provider, known := smtp.ProviderByID(row.Provider)
		if known && (provider.WithdrawsStartTLS != "" || len(provider.Reacts) > 0) && n < maxSuspects {
			n++
			x.want(checks.Ask{Check: "partners", Why: whyListing, At: x.now, Partner: p.Name(), From: []string{s.Who()}})
		}
	}
}

// maxSuspects bounds the looks that one listing asks for without a learned reason.
const maxSuspects = 10

func (x *fold) noteForecast(seq uint64, fc correlate.Forecast) error {
	key, row := store.ForecastKey(seq, fc.Partner), store.Forecast{ListingSeq: seq, IP: fc.IP, List: fc.List, Partner: fc.Partner, P: fc.P, At: x.now, From: fc.From, To: fc.To}
	remember(x, x.foretold, key, row)
	return x.tx.Forecasts().Put(key, row)
}

// scored writes down what became of a forecast.
func (x *fold) scored(key string, fc store.Forecast, outcome string) error {
	fc.Outcome, fc.Judged = outcome, x.now
	forget(x, x.foretold, key)
	return x.tx.Forecasts().Put(key, fc)
}

// forecastHit marks what was foretold of a pair that is lost now.
func (x *fold) forecastHit(s reputation.Subject) error {
	for key, fc := range x.foretold {
		if fc.IP != s.Who() || fc.Partner != s.Target {
			continue
		}
		if err := x.scored(key, fc, "hit"); err != nil {
			return err
		}
	}
	return nil
}

// forecastSlack is how long after its window a forecast is waited for: one round of hourly looks.
const forecastSlack = time.Hour

// forecastMisses scores forecasts whose time has passed.
func (x *fold) forecastMisses() error {
	for key, fc := range x.foretold {
		if x.now.Before(fc.To.Add(forecastSlack)) {
			continue
		}
		if err := x.scored(key, fc, "miss"); err != nil {
			return err
		}
	}
	return nil
}

// ruleOut records a person's word on every loss that the incident blames on a list.
func (x *fold) ruleOut(i incident.Incident, by, reason string) error {
	lists := map[string]bool{}
	if i.List != "" {
		lists[i.List] = true
	}
	for _, id := range i.Episodes {
		e, ok, err := x.tx.Episodes().Get(id)
		if err != nil {
			return err
		}
		if ok && e.Subject.Kind == reputation.KindListing && i.Verdict == correlate.ByLists {
			lists[e.Subject.Target] = true
		}
	}
	for _, id := range i.Episodes {
		e, ok, err := x.tx.Episodes().Get(id)
		if err != nil {
			return err
		}
		if !ok || e.Subject.Kind != reputation.KindWire {
			continue
		}
		for list := range lists {
			words := strings.TrimSpace("ruled out by a person. " + reason)
			if _, err := x.append(incident.Record{What: incident.Unrelated, Subject: e.Subject, Of: e.Seq, List: list, Who: by, Words: words, Incident: i.ID}); err != nil {
				return err
			}
		}
	}
	return nil
}
