package incident

import (
	"fmt"
	"slices"
	"time"

	"repwatch/correlate"
	"repwatch/reputation"
)

// joined takes what an episode means for its incident: how much it hurts, how
// urgent it is, and the news of it.
func (f *folding) joined(t *touched, e *Episode) {
	if reason, _, in := f.p.maintenance(f.now, e.Subject.Who(), e.Subject.Target); in && isLoss(e) {
		t.Maintenance, t.quietly = reason, true
		t.Held = append(t.Held, e.ID)
		return
	}
	f.weigh(t, e)
	switch {
	case t.reopened && len(t.news) == 0:
		t.say("It is back: " + f.sayBegan(e) + t.queueWords(e))
	case !t.isNew:
		t.sayOf(e, f.sayBegan(e)+t.queueWords(e), beganMany(e))
	}
}

// weigh lets an incident hurt and interrupt as much as an episode of it does.
func (f *folding) weigh(t *touched, e *Episode) {
	level := f.levelOf(e)
	t.Impact = max(t.Impact, impactOf(e))
	t.Alert = moreUrgent(t.Alert, level)
	t.loud = t.loud || isLoss(e) && level == Now && !f.hadLoss(t)
}

// hadLoss: people know of a loss in the incident, from before this transaction, that lasts.
func (f *folding) hadLoss(t *touched) bool {
	return slices.ContainsFunc(f.episodes(&t.was), func(o *Episode) bool { return isLoss(o) && o.Open() && !slices.Contains(t.was.Held, o.ID) })
}

// moved tells those concerned that episodes changed their incident. It waits until all
// have their place: of two incidents that merge, the one that goes on is known only then.
func (f *folding) moved() {
	done := map[uint64]bool{}
	for _, m := range f.moves {
		e := f.episode(m.episode)
		from, to := f.inc[m.from], f.inc[e.Incident]
		if done[m.episode] || from == to {
			continue
		}
		done[m.episode] = true
		if from.Merged == "" {
			from.say(sayMoved(e, to.ID))
		}
		if slices.Contains(to.Held, e.ID) {
			continue
		}
		f.weigh(to, e)
		switch {
		case to.isNew:
		case from.isNew || !from.Told:
			to.sayOf(e, f.sayBegan(e)+to.queueWords(e), beganMany(e))
		default:
			to.say(fmt.Sprintf("%s; so far told in #%s", f.sayBegan(e), from.ID))
		}
	}
}

// had: the incident held such an episode before this one.
func (t *touched) had(f *folding, such func(*Episode) bool, but uint64) bool {
	return slices.ContainsFunc(f.episodes(&t.Incident), func(o *Episode) bool { return o.ID != but && such(o) })
}

func impactOf(e *Episode) reputation.Impact {
	switch {
	case e.Listing != nil:
		return e.Listing.Impact
	case e.Fault != nil:
		return e.Fault.Impact
	case e.Wire == nil:
		return reputation.High
	}
	switch e.Wire.Loss {
	case "masked", "capability", "deferred":
		return reputation.High
	}
	return reputation.Critical // mail that needs it is stuck now
}

func (f *folding) levelOf(e *Episode) string {
	level := Now // a real loss always interrupts
	switch {
	case e.Listing != nil:
		level = e.Listing.Alert
	case e.Fault != nil && e.Fault.Impact == reputation.Info:
		level = Never
	case e.Fault != nil && e.Fault.Impact < reputation.High:
		level = Digest
	}
	if level == Now && f.p.warming(e.Subject.Who()) {
		level = Digest
	}
	return level
}

// end closes what ended, and tells it.
func (f *folding) end() {
	for _, r := range f.in.Changes {
		e := f.episode(r.Episode)
		if e == nil {
			continue
		}
		t := f.touch(e.Incident)
		if t == nil || t.Status == Resolved && t.Merged == "" {
			continue
		}
		switch r.What {
		case Delisted, Back, Mended, Unwatched:
			switch {
			case e.Open():
			case slices.Contains(t.Held, e.ID): // nobody was told that it began
				t.Held, t.quietly = without(t.Held, e.ID), true
			default:
				t.sayOf(e, f.sayEnded(e, t), endedMany(e))
			}
		case Faulty:
			if e.Seq != r.Seq { // it began before, and is worse now
				f.weigh(t, e)
				t.say("Worse now: " + f.sayBegan(e))
			}
		case Relisted:
			if t.isNew || t.reopened || !slices.Contains(t.was.Episodes, e.ID) {
				continue // that it is listed was said
			}
			t.Impact = max(t.Impact, impactOf(e))
			t.Alert = moreUrgent(t.Alert, f.levelOf(e))
			t.say(f.sayRelisted(e, r))
		case Turned, Changed:
			t.say(f.sayTurned(e, r))
		case Flapping, Steady:
			t.say(sayMixed(e, r))
		}
	}
}

func (f *folding) forecasts() {
	for _, id := range sortedKeys(f.in.Forecasts) {
		e := f.episode(id)
		if e == nil {
			continue
		}
		t := f.touch(e.Incident)
		if t == nil || t.Status != Open {
			continue
		}
		who, list := e.Subject.Who(), e.Subject.Target
		kept := slices.DeleteFunc(slices.Clone(t.Forecasts), func(c Forecast) bool { return c.IP == who && c.List == list })
		t.Forecasts = append(kept, f.in.Forecasts[id]...)
		if slices.ContainsFunc(f.in.Forecasts[id], func(c Forecast) bool { return c.P >= loudReact }) && !f.p.warming(who) {
			t.Alert = moreUrgent(t.Alert, Now) // a known reaction interrupts
		}
	}
}

// settle decides, for each incident that changed, its verdict, whether it is over,
// and what people are told.
func (f *folding) settle() {
	for _, id := range sortedIDs(f.inc) {
		t := f.inc[id]
		f.judge(t)
		open := slices.ContainsFunc(f.episodes(&t.Incident), lasts)
		if t.Status == Open && !open {
			t.Status, t.Resolved, t.ended = Resolved, f.lastEnd(t), t.was.Status == Open
			t.SnoozedUntil, t.SnoozedToEnd = time.Time{}, false
		}
		f.easeOff(t)
		t.note(f.now)
		f.tell(t)
	}
}

// easeOff lets an open incident hurt as much as what lasts of it.
func (f *folding) easeOff(t *touched) {
	if t.Status != Open {
		return
	}
	worst := reputation.Info
	for _, e := range f.episodes(&t.Incident) {
		if lasts(e) && !slices.Contains(t.Held, e.ID) {
			worst = max(worst, impactOf(e))
		}
	}
	t.Impact = worst
}

// lastEnd is when the last of its episodes was seen to end.
func (f *folding) lastEnd(t *touched) time.Time {
	end := t.Opened
	for _, e := range f.episodes(&t.Incident) {
		if by := e.End.By; by.After(end) {
			end = by
		}
	}
	silent := func(e *Episode) bool { return e.End.By.IsZero() }
	if end.After(f.now) || slices.ContainsFunc(f.episodes(&t.Incident), silent) || len(t.Episodes) == 0 {
		return f.now
	}
	return end
}

// judge sets the verdict: the surest of the losses whose cause is the
// incident's own; a listing alone has broken nothing yet.
func (f *folding) judge(t *touched) {
	if t.Kind != Reputation || t.Merged != "" {
		t.advise(f)
		return
	}
	best := f.bestJudgement(t)
	switch {
	case best != nil:
		t.Verdict, t.Confidence, t.Word, t.Provisional = best.Cause, best.Confidence, best.Word, best.Provisional
		if best.List != "" {
			t.List = best.List
		}
		t.Evidence = best.Why[:min(len(best.Why), maxEvidence)]
	case !t.had(f, isLoss, 0):
		t.Verdict, t.Confidence, t.Word, t.Provisional, t.Evidence = JustListed, 1, "", false, nil
	case t.Verdict == "":
		t.Verdict = correlate.Undetermined // nobody judged its loss
	}
	if best != nil && t.was.Told && f.revised(t) {
		t.say(sayRevised(t.was, t.Incident))
	}
	t.advise(f)
}

// revised: people were told of another cause, or of another list that no loss of the incident is blamed on any more.
func (f *folding) revised(t *touched) bool {
	was, is := &t.was, &t.Incident
	switch {
	case was.Verdict == "" || was.Verdict == JustListed:
		return false
	case was.Verdict != is.Verdict || is.Verdict != correlate.ByListing || was.List == is.List:
		return was.Verdict != is.Verdict
	}
	return !slices.ContainsFunc(is.Episodes, func(id uint64) bool { return f.in.Judged[id].List == was.List })
}

func (f *folding) bestJudgement(t *touched) *Judgement {
	var best *Judgement
	rank := func(j *Judgement, e *Episode) float64 {
		r := j.Confidence
		if homeOf(e, *j).root == t.Root {
			r += 2
		}
		if e.Open() {
			r++
		}
		if j.Cause == correlate.Undetermined {
			r -= .5
		}
		return r
	}
	top := 0.0
	for _, e := range f.episodes(&t.Incident) {
		j, ok := f.in.Judged[e.ID]
		if !ok || !isLoss(e) {
			continue
		}
		if r := rank(&j, e); best == nil || r > top {
			best, top = &j, r
		}
	}
	return best
}

// tell decides what goes into the outbox. One incident is one message: the first
// one opens it, what follows edits it and says the news below it.
func (f *folding) tell(t *touched) {
	unsent := f.w.Unsent[t.ID] && t.was.Told
	switch {
	case !t.isNew && !t.changed():
	case t.Merged != "":
		f.tellMerged(t, unsent)
	case !t.Told:
		if t.Alert == Now && t.Status == Open && !t.quiet(f.now) {
			f.open(t)
		}
	case unsent && t.Impact == reputation.Critical && f.p.due(t.was.Reminded, t.was.Impact).After(f.now.Add(f.p.GroupWait)):
		f.withdrawn = append(f.withdrawn, t.ID) // what waits keeps its turn, at the end of quiet hours; this cannot wait for it
		f.open(t)
	case unsent:
		f.alert(t, AlertOpened, "", time.Time{})
	case t.ended:
		f.alert(t, AlertResolved, f.sayResolved(t), f.now)
	case t.Status == Resolved:
		if t.changed() {
			f.alert(t, AlertEdit, "", f.now)
		}
	case t.quiet(f.now) || len(t.news) == 0:
		if t.changed() {
			f.alert(t, AlertEdit, "", f.now)
		}
	default:
		f.alert(t, AlertNews, t.newsText(), f.now)
	}
}

func (f *folding) open(t *touched) {
	t.Told, t.Reminded = true, f.now
	f.alert(t, AlertOpened, "", f.p.due(f.now, t.Impact))
}

func (f *folding) tellMerged(t *touched, unsent bool) {
	switch {
	case !t.Told:
	case unsent:
		t.Told = false
		f.withdrawn = append(f.withdrawn, t.ID)
	case t.was.Status == Resolved: // its end was told
		f.alert(t, AlertEdit, "", f.now)
	default:
		f.alert(t, AlertResolved, sayMerged(t.Merged), f.now)
	}
}

// quiet: a person wants no news now.
func (i *Incident) quiet(now time.Time) bool { return i.SnoozedToEnd || now.Before(i.SnoozedUntil) }

func (f *folding) alert(t *touched, kind AlertKind, news string, due time.Time) {
	a := Alert{Incident: t.ID, Kind: kind, At: f.now, Due: due, News: news}
	f.air(t, &a)
	switch kind {
	case AlertOpened, AlertEdit:
		a.Key = string(kind)
	}
	interrupts := kind == AlertOpened || kind == AlertNews && t.AckedAt.IsZero()
	if t.Impact == reputation.Critical && !t.Mentioned && interrupts && t.Status == Open {
		t.Mentioned, a.Mention = true, true
	} else if kind == AlertOpened && t.Mentioned && f.w.Unsent[t.ID] {
		a.Mention = true // the unsent alert that this one replaces held the mention
	}
	a.Message = f.message(t)
	f.alerts = append(f.alerts, a)
}

// air decides whether a reply is for the channel too. What quiet hours keep out of it
// is told there when they are over.
func (f *folding) air(t *touched, a *Alert) {
	deserves := a.Kind == AlertReminder || a.Kind == AlertNews && (t.loud || t.reopened)
	a.Broadcast = deserves && !f.p.hush(f.now, t.Impact)
	t.Hushed = t.Status == Open && !a.Broadcast && (t.Hushed || deserves)
}

func sortedIDs(m map[string]*touched) []string {
	ids := sortedKeys(m)
	slices.SortFunc(ids, compareID)
	return ids
}
