package incident

import (
	"strings"

	"repwatch/reputation"
)

// check holds what is true after every step, whatever happened.
func check(s *story, was map[string]*Incident, unsent map[string]bool, o Output) {
	s.t.Helper()
	checkPlaces(s)
	checkTold(s)
	resolved := map[string]int{}
	changed := map[string]bool{}
	for _, i := range o.Incidents {
		changed[i.ID] = true
		if m := o.Messages[i.ID]; m.Status != i.Status || m.Incident != i.ID {
			s.t.Fatalf("the message of #%s is of another state: %+v", i.ID, m)
		}
	}
	for _, a := range o.Alerts {
		if a.Incident != "" && !changed[a.Incident] {
			s.t.Fatalf("#%s did not change, yet there is an alert: %+v", a.Incident, a)
		}
		if a.Kind == AlertResolved {
			resolved[a.Incident]++
		}
		before := was[a.Incident]
		if a.Kind != AlertOpened && a.Kind != AlertNotice && (before == nil || !before.Told || unsent[a.Incident]) {
			s.t.Fatalf("%s of #%s comes before its first message", a.Kind, a.Incident)
		}
		checkWords(s, a.Message, a.News)
	}
	for _, i := range o.Incidents {
		before := was[i.ID]
		want := 0
		if before != nil && before.Status == Open && i.Status == Resolved && before.Told && !unsent[i.ID] {
			want = 1
		}
		if resolved[i.ID] != want {
			s.t.Fatalf("#%s (%s) has %d ends told, want %d", i.ID, i.Status, resolved[i.ID], want)
		}
		checkWords(s, o.Messages[i.ID], "")
	}
}

func checkPlaces(s *story) {
	s.t.Helper()
	in := map[uint64]string{}
	for id, i := range s.w.Incidents {
		if i.Merged != "" && len(i.Episodes) > 0 {
			s.t.Fatalf("#%s was merged and still holds %v", id, i.Episodes)
		}
		for _, ep := range i.Episodes {
			if other, twice := in[ep]; twice {
				s.t.Fatalf("episode %d is in #%s and #%s", ep, other, id)
			}
			in[ep] = id
			e := s.w.Episodes[ep]
			if e.Incident != id {
				s.t.Fatalf("%s is in #%s and says #%s", e.Subject, id, e.Incident)
			}
			if lasts(e) && i.Status != Open && i.ClosedBy == "" {
				s.t.Fatalf("#%s is over, %s is not", id, e.Subject)
			}
		}
		for _, held := range i.Held {
			if e := s.w.Episodes[held]; e.Incident != id || !e.Open() {
				s.t.Fatalf("#%s holds back %s, which is not its own or over", id, e.Subject)
			}
		}
	}
	for id, e := range s.w.Episodes {
		if lasts(e) && (e.Subject.Kind == reputation.KindWire || accusing(e) || e.Fault != nil) && in[id] == "" {
			s.t.Fatalf("%s is in no incident", e.Subject)
		}
	}
}

func checkTold(s *story) {
	s.t.Helper()
	for id, i := range s.w.Incidents {
		if i.Status == Open && i.Alert == Now && !i.Told && !i.quiet(s.now) {
			s.t.Fatalf("#%s deserves an interruption and nobody is told", id)
		}
	}
}

// checkWords: no hole and no slip of grammar that a machine can see.
func checkWords(s *story, m Message, news string) {
	s.t.Helper()
	text := plain(m) + news
	for _, bad := range []string{"%!", "<nil>", "0001-01-01", "nothing is left", " and 0 more", ", ,", ": \n", "()", "between  and"} {
		if strings.Contains(text, bad) {
			s.t.Fatalf("%q in:\n%s", bad, text)
		}
	}
	if m.Title == "" || strings.Contains(m.Title, "\n") {
		s.t.Fatalf("title %q", m.Title)
	}
}

// plain is a message as text, for people and golden files.
func plain(m Message) string {
	var b strings.Builder
	b.WriteString(string(m.Tone) + ": " + m.Title + "\n")
	for _, f := range m.Fields {
		b.WriteString("  " + f.Name + "\n")
		for _, l := range f.Lines {
			b.WriteString("    " + l + "\n")
		}
	}
	return b.String()
}
