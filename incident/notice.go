package incident

import (
	"fmt"
	"slices"
	"strings"

	"repwatch/reputation"
)

// notices tell what is no incident: answers that contradict each other, and
// capabilities that went or came while mail still gets through. The same news of
// several addresses is one notice.
func (f *folding) notices() {
	for _, r := range f.in.Changes {
		if r.Subject.Kind != reputation.KindWire || r.Wire == nil || r.Episode != 0 {
			continue // told within the pair's incident, or the control's own
		}
		switch {
		case r.What == Flapping, r.What == Steady:
		case r.What == Changed && len(r.Wire.Went)+len(r.Wire.Came) > 0:
		default:
			continue
		}
		f.notice(r)
	}
}

func (f *folding) notice(r Record) {
	key := strings.Join([]string{string(r.What), r.Subject.Target, string(r.Wire.Loss), strings.Join(r.Wire.Went, ","), strings.Join(r.Wire.Came, ",")}, " ")
	who := []string{r.Subject.Who()}
	at := slices.IndexFunc(f.alerts, func(a Alert) bool { return a.Key == key })
	if at >= 0 {
		who = append(slices.Clone(f.alerts[at].Subjects), who...)
	} else if old, ok := f.w.Notices[key]; ok {
		who = append(slices.Clone(old.Subjects), who...)
	}
	slices.Sort(who)
	a := Alert{Kind: AlertNotice, At: f.now, Due: f.p.due(f.now, reputation.Low), Key: key, Subjects: slices.Compact(who)}
	a.Message = f.noticeMessage(r, a.Subjects)
	if at >= 0 {
		f.alerts[at] = a
		return
	}
	f.alerts = append(f.alerts, a)
}

func (f *folding) noticeMessage(r Record, who []string) Message {
	m := Message{Tone: ToneInfo, Impact: reputation.Low, At: f.now, Kind: Reputation}
	them, w := enumerate(who, 4), r.Wire
	switch r.What {
	case Flapping:
		m.Tone = ToneWarn
		m.Title = fmt.Sprintf("%s answers %s differently from look to look (%s)", r.Subject.Target, them, lossNoun(w.Loss))
		m.Fields = append(m.Fields,
			Field{"Seen", []string{f.between(r.Bracket) + " at " + enumerate(w.Addrs, 4)}},
			Field{"What it means", []string{"a pool behind one name is of two minds, or a change is under way; this is no loss: mail gets through by the servers that offer it"}},
			Field{"What to do", []string{"nothing yet; repwatch looks more often and tells you if it becomes a loss"}})
	case Steady:
		m.Tone = ToneGood
		m.Title = fmt.Sprintf("%s answers %s alike again from look to look", r.Subject.Target, them)
		m.Fields = append(m.Fields, Field{"When", []string{f.between(r.Bracket)}})
	default:
		m.Title = fmt.Sprintf("%s changed what it offers to %s", r.Subject.Target, them)
		if len(w.Went) > 0 {
			m.Fields = append(m.Fields, Field{"No longer offered", []string{strings.Join(w.Went, ", ")}})
		}
		if len(w.Came) > 0 {
			m.Fields = append(m.Fields, Field{"Offered now", []string{strings.Join(w.Came, ", ")}})
		}
		m.Fields = append(m.Fields,
			Field{"When", []string{f.between(r.Bracket)}},
			Field{"What to do", []string{fmt.Sprintf("nothing, unless your mail needs it: then add it to require of %s, and its loss becomes an incident", r.Subject.Target)}})
	}
	return m
}
