package incident

import (
	"fmt"
	"time"
)

// Verb is what a person does with an incident.
type Verb string

const (
	Ack     Verb = "ack"     // it is in hand: no more reminders
	Snooze  Verb = "snooze"  // no news for a while, or until it is over
	Resolve Verb = "resolve" // it is done with, whatever the looks say
	// RuleOut says that the list has nothing to do with the losses; the correlator's answer to it is folded like any other.
	RuleOut Verb = "unrelated"
)

// Action is one person's word.
type Action struct {
	Verb     Verb
	Incident string
	By       string
	Reason   string
	For      time.Duration // snooze: how long
	ToEnd    bool          // snooze: until it is over
}

// Act carries out an action. The error says in words why it makes no sense. RuleOut
// changes nothing here but the notes; its evidence is the caller's to record.
func Act(w World, a Action, now time.Time, p Policy) (Output, error) {
	f := &folding{w: w, in: Input{Now: now}, p: p, now: now, inc: map[string]*touched{}, eps: map[uint64]*Episode{}}
	t := f.touch(a.Incident)
	if t == nil {
		return Output{}, fmt.Errorf("there is no open incident #%s\n  hint: repwatch incidents lists them", a.Incident)
	}
	switch {
	case t.Merged != "":
		return Output{}, fmt.Errorf("incident #%s is part of #%s now\n  hint: act on #%[2]s", t.ID, t.Merged)
	case t.Status != Open:
		return Output{}, fmt.Errorf("incident #%s has been over since %s", t.ID, f.clock(t.Resolved))
	}
	if err := f.act(t, a); err != nil {
		return Output{}, err
	}
	t.advise(f)
	t.note(now)
	switch {
	case !t.Told:
	case f.w.Unsent[t.ID]:
		f.alert(t, AlertOpened, "", time.Time{})
	case t.Status == Resolved:
		f.alert(t, AlertResolved, t.newsText(), now)
	default:
		f.alert(t, AlertNews, t.newsText(), now)
	}
	return f.out(), nil
}

func (f *folding) act(t *touched, a Action) error {
	who, because := orSomebody(a.By), prefixed(": ", a.Reason)
	switch a.Verb {
	case Ack:
		if !t.AckedAt.IsZero() {
			return fmt.Errorf("%s has #%s in hand already, since %s", orSomebody(t.AckedBy), t.ID, f.clock(t.AckedAt))
		}
		t.AckedAt, t.AckedBy, t.Reason = f.now, a.By, a.Reason
		t.say(fmt.Sprintf("%s has it in hand%s", who, because))
	case Snooze:
		switch {
		case a.ToEnd:
			t.SnoozedToEnd, t.SnoozedUntil = true, time.Time{}
			t.say(fmt.Sprintf("%s wants no news until it is over%s", who, because))
		case a.For > 0:
			t.SnoozedToEnd, t.SnoozedUntil = false, f.now.Add(a.For)
			t.say(fmt.Sprintf("%s wants no news until %s%s", who, f.clock(t.SnoozedUntil), because))
		default:
			return fmt.Errorf("say how long: for example 4h, or until it is over")
		}
	case Resolve:
		t.Status, t.Resolved, t.ClosedBy, t.Reason, t.Held = Resolved, f.now, who, a.Reason, nil
		t.say(fmt.Sprintf("%s closed it%s. What was bad when last seen may still be so; if it comes again it is a new incident", who, because))
	case RuleOut:
		if t.Kind != Reputation || t.Root != RootListing || !t.had(f, isLoss, 0) {
			return fmt.Errorf("#%s blames no listing for a loss, so there is nothing to rule out", t.ID)
		}
		t.say(fmt.Sprintf("%s says that %s has nothing to do with it%s", who, enumerate(t.listsOf(f), 3), because))
	default:
		return fmt.Errorf("%q is nothing that can be done with an incident", a.Verb)
	}
	return nil
}

// Tick does what time alone brings: reminders, the end of a snooze or of quiet hours, and
// the first message about a loss that a maintenance window kept quiet and that outlasted it.
func Tick(w World, now time.Time, p Policy) Output {
	f := &folding{w: w, in: Input{Now: now}, p: p, now: now, inc: map[string]*touched{}, eps: map[uint64]*Episode{}}
	for _, i := range f.all() {
		if !Stirs(i, now, p) {
			continue
		}
		f.outlasted(i)
		f.wakened(i)
		f.dawned(i)
		if f.inc[i.ID] == nil || len(f.inc[i.ID].news) == 0 && f.inc[i.ID].Reminded.Equal(i.Reminded) {
			f.remind(i)
		}
	}
	return f.out()
}

// Stirs reports that time alone may have something to say of an incident. Tick need
// not know of others.
func Stirs(i *Incident, now time.Time, p Policy) bool {
	return i.Status == Open && (len(i.Held) > 0 || i.wakes(now) || i.Hushed && !p.hush(now, i.Impact) || p.reminds(now, i))
}

// wakes: its snooze is over.
func (i *Incident) wakes(now time.Time) bool {
	return !i.SnoozedUntil.IsZero() && !now.Before(i.SnoozedUntil)
}

// outlasted tells of losses that a maintenance window kept silent and that go on after it.
func (f *folding) outlasted(i *Incident) {
	for _, id := range i.Held {
		e := f.episode(id)
		if e == nil {
			continue
		}
		if f.planned(e) {
			continue
		}
		t := f.touch(i.ID)
		f.weigh(t, e)
		t.Held = without(t.Held, id)
		t.say("It outlasts the maintenance window: " + f.sayBegan(e) + t.queueWords(e))
	}
	if t := f.inc[i.ID]; t != nil {
		t.advise(f)
		t.note(f.now)
		f.tell(t)
	}
}

func (f *folding) wakened(i *Incident) {
	switch {
	case !i.wakes(f.now):
		return
	case i.Told && !f.w.Unsent[i.ID] && f.p.hush(f.now, i.Impact): // it is no news that cannot wait
		return
	}
	t := f.touch(i.ID)
	t.SnoozedUntil = time.Time{}
	switch {
	case len(t.news) > 0 || f.w.Unsent[t.ID]: // it says enough as it is
	case t.Told:
		t.Reminded = f.now
		f.alert(t, AlertReminder, "The snooze is over and it is still open: "+f.headline(t), f.now)
	case t.Alert == Now:
		f.open(t)
	}
}

// dawned tells the channel what quiet hours kept in the thread, if it is still open and nobody has it in hand.
func (f *folding) dawned(i *Incident) {
	if !i.Hushed || f.p.hush(f.now, i.Impact) {
		return
	}
	t := f.touch(i.ID)
	said := len(t.news) > 0 || !t.Reminded.Equal(i.Reminded)
	t.Hushed = false
	if said || !t.AckedAt.IsZero() || t.quiet(f.now) {
		return
	}
	t.Reminded = f.now
	f.alert(t, AlertReminder, "Quiet hours are over and it is still open: "+f.headline(t), f.now)
}

func (f *folding) remind(i *Incident) {
	if !f.p.reminds(f.now, i) || f.w.Unsent[i.ID] {
		return
	}
	t := f.touch(i.ID)
	t.Reminded = f.now
	f.alert(t, AlertReminder, fmt.Sprintf("Still so after %s: %s", lasted(f.now.Sub(f.beganAt(t))), f.headline(t)), f.now)
}

// DigestOf is the daily message about what was not worth an interruption: what
// began, and what ended, since the last one. It is nil when there is nothing.
func DigestOf(w World, since, now time.Time, p Policy) *Alert {
	f := &folding{w: w, in: Input{Now: now}, p: p, now: now, inc: map[string]*touched{}, eps: map[uint64]*Episode{}}
	var began, over []string
	open, harmless := 0, true
	for _, i := range f.all() {
		if i.Alert != Digest || i.Told || i.Merged != "" {
			continue
		}
		t := &touched{Incident: *i}
		if i.Status == Open {
			open++
			harmless = harmless && !t.had(f, isLoss, 0)
		}
		switch {
		case i.Status == Resolved && i.Resolved.After(since):
			over = append(over, f.headline(t)+" (#"+i.ID+")")
		case i.Status == Open && i.Opened.After(since):
			began = append(began, f.headline(t)+" (#"+i.ID+")")
		}
	}
	if len(began)+len(over) == 0 {
		return nil
	}
	a := &Alert{Kind: AlertDigest, At: now, Due: now, Key: "digest"}
	a.Message = Message{Tone: ToneInfo, At: now, Kind: Reputation,
		Title: fmt.Sprintf("The day's small things: %d new, %d over, %d open", len(began), len(over), open)}
	for _, g := range []Field{{"New", began}, {"Over", over}} {
		if len(g.Lines) > 0 {
			a.Message.Fields = append(a.Message.Fields, Field{g.Name, atMost(g.Lines, 30)})
		}
	}
	next := "repwatch incidents shows each, with what to do about it"
	if harmless {
		next = "none of these has broken anything that we know of; " + next
	}
	a.Message.Fields = append(a.Message.Fields, Field{"What to do", []string{next}})
	return a
}
