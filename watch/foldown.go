package watch

import (
	"fmt"
	"time"

	"repwatch/checks"
	"repwatch/checks/smtp"
	"repwatch/incident"
	"repwatch/reputation"
)

// own folds a look at our own side. What is in neither Faults nor Fine could not be told.
func (x *fold) own(o checks.OwnLook) error {
	for _, fault := range o.Faults {
		s := o.Subject
		s.Target = fault.ID
		if err := x.faulty(s, fault, o.At, 1); err != nil {
			return err
		}
	}
	for _, id := range o.Fine {
		s := o.Subject
		s.Target = id
		if err := x.fine(s, o.At); err != nil {
			return err
		}
	}
	return nil
}

// health folds what was noticed of our own seeing. One bad look may be chance: it
// asks for a second one, which counts.
func (x *fold) health(h checks.HealthLook) error {
	if h.Fault == nil {
		return x.fine(h.Subject, h.At)
	}
	return x.faulty(h.Subject, *h.Fault, h.At, looksNeeded(h.Subject))
}

// looksNeeded are the bad looks in a row that make trouble of ours an incident. What is
// observed over a time of its own (notifiers, looking) needs no second look.
func looksNeeded(s reputation.Subject) int {
	switch s.Domain {
	case "resolver", "coverage", "port25", "control":
		return 2
	}
	return 1
}

func (x *fold) faulty(s reputation.Subject, fault incident.Fault, at time.Time, needed int) error {
	row, known, err := x.tx.Faults().Get(s)
	if err != nil {
		return err
	}
	if !known || row.Since.After(at) { // ... or the clock was set back
		row.Since = at
	}
	worse := known && fault.Impact > row.Impact
	row.Fault = fault
	if row.Bad == 0 || at.Sub(row.Since) >= x.cfg.Schedule.ConfirmAfter.D() {
		row.Bad++ // looks of one and the same moment are one look
	}
	switch {
	case row.Episode == 0 && row.Bad >= needed:
		e, err := x.open(incident.Record{What: incident.Faulty, Subject: s, Bracket: reputation.Bracket{By: row.Since}, FirstSight: true, Fault: &fault})
		if err != nil {
			return err
		}
		row.Episode = e.ID
	case row.Episode == 0 && !known:
		x.askHealth(s)
	case row.Episode == 0: // its second look is on its way
	case worse:
		if _, err := x.append(incident.Record{What: incident.Faulty, Subject: s, Bracket: reputation.Bracket{By: at}, Fault: &fault, Episode: row.Episode}); err != nil {
			return err
		}
		fallthrough
	default:
		if err := x.restate(row.Episode, fault); err != nil {
			return err
		}
	}
	return x.tx.Faults().Put(s, row)
}

// restate keeps the words of an open fault as they were last found.
func (x *fold) restate(id uint64, fault incident.Fault) error {
	e, ok, err := x.tx.Episodes().Get(id)
	if err != nil || !ok {
		return err
	}
	e.Fault = &fault
	return x.tx.Episodes().Put(id, e)
}

func (x *fold) fine(s reputation.Subject, at time.Time) error {
	row, known, err := x.tx.Faults().Get(s)
	if err != nil || !known {
		return err
	}
	if row.Episode != 0 {
		fault := row.Fault
		err := x.shut(row.Episode, incident.Record{What: incident.Mended, Subject: s, Bracket: reputation.Bracket{After: row.Since, By: at}, Fault: &fault})
		if err != nil {
			return err
		}
	}
	return x.tx.Faults().Delete(s)
}

// askHealth wants the second look that tells trouble from chance.
func (x *fold) askHealth(s reputation.Subject) {
	at := x.now.Add(x.cfg.Schedule.ConfirmAfter.D())
	switch s.Domain {
	case "resolver", "coverage":
		x.want(checks.Ask{Check: "lists", Why: whyConfirm, At: at})
	case "port25", "control":
		for _, p := range x.cfg.Partners[:min(len(x.cfg.Partners), maxPeers)] {
			x.want(checks.Ask{Check: "partners", Why: whyConfirm, At: at, Partner: p.Name(), From: []string{s.Target}})
		}
	}
}

// paths tells trouble of our own ways out from that of partners: an address from
// which no partner at all can be reached has its port 25 blocked, and a control
// that reaches none is no control.
func (x *fold) paths(looks []checks.WireLook) error {
	type tally struct{ asked, dead, alive int }
	by := map[reputation.Subject]*tally{}
	if ok, err := x.pathsMatter(looks); !ok || err != nil {
		return err
	}
	for _, w := range looks {
		by[pathOf(w.Subject)] = &tally{}
	}
	for s, row := range x.tx.Wire().All() {
		t := by[pathOf(s)]
		if t == nil {
			continue // nobody looked from there now: its second look is still to come
		}
		t.asked++
		switch {
		case row.Failed == 0 && !row.LastSure.IsZero():
			t.alive++
		case unreachable(row.Failure):
			t.dead++
		}
	}
	if err := x.tx.Err(); err != nil {
		return err
	}
	for key, t := range by {
		var fault *incident.Fault
		switch {
		case t.dead >= 2 && t.alive == 0 && t.dead*2 > t.asked:
			fault = pathFault(key, t.dead)
		case t.alive == 0:
			continue // nothing can be told
		}
		if err := x.health(checks.HealthLook{Subject: key, At: x.now, Fault: fault}); err != nil {
			return err
		}
	}
	return nil
}

// pathOf names the way out that a look at a partner took.
func pathOf(s reputation.Subject) reputation.Subject {
	domain := "port25"
	if s.Kind == reputation.KindControl {
		domain = "control"
	}
	return reputation.Subject{Kind: reputation.KindHealth, Domain: domain, Target: s.Who()}
}

// pathsMatter: a look could not get through, or one did whose way out was in doubt.
// In quiet times nothing is read.
func (x *fold) pathsMatter(looks []checks.WireLook) (bool, error) {
	for _, w := range looks {
		if unreachable(w.Failure) {
			return true, nil
		}
		if _, doubted, err := x.tx.Faults().Get(pathOf(w.Subject)); doubted || err != nil {
			return doubted, err
		}
	}
	return false, nil
}

// unreachable are failures that a blocked port looks like.
func unreachable(f smtp.Failure) bool {
	switch f {
	case smtp.FailTimeout, smtp.FailNetwork, smtp.FailRefused, smtp.FailBind, smtp.FailProxy:
		return true
	}
	return false
}

func pathFault(s reputation.Subject, n int) *incident.Fault {
	if s.Domain == "control" {
		return &incident.Fault{ID: "control", Impact: reputation.High,
			What: fmt.Sprintf("the control %s reaches none of %d partners", s.Target, n),
			Why:  "without it nobody can tell our reputation from a partner's change",
			Do:   fmt.Sprintf("look at the control's way out: repwatch probe --control --from its address, its proxy, its firewall for port 25 (%s)", s.Target)}
	}
	return &incident.Fault{ID: "port25", Impact: reputation.Critical,
		What: fmt.Sprintf("none of %d partners can be reached on port 25 from %s", n, s.Target),
		Why:  "mail cannot leave from it either; one partner that is silent has trouble, all of them mean us",
		Do:   fmt.Sprintf("look at the way out from %s: firewall, provider's block of port 25, bind address, routing (repwatch doctor)", s.Target)}
}
