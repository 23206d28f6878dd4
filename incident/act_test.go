package incident

import (
	"strings"
	"testing"
	"time"

	"repwatch/correlate"
	"repwatch/reputation"
)

func TestActions(t *testing.T) {
	t.Run("reminders, until somebody has it in hand", func(t *testing.T) {
		s := newStory(t)
		s.do(list(a + "@zen"))
		s.wait(49 * time.Hour)
		s.wantGot("opened #1", "reminder #1", "reminder #1")
		s.must(Action{Verb: Ack, Incident: "1"})
		s.wait(72 * time.Hour)
		s.wantGot("opened #1", "reminder #1", "reminder #1", "news #1")
		if err := s.act(Action{Verb: Ack, Incident: "1"}); err == nil || !strings.HasPrefix(err.Error(), "Ana has #1 in hand already, since 2026-11-26") {
			t.Error(err)
		}
	})
	t.Run("a snooze leaves the reason of who has it in hand", func(t *testing.T) {
		s := newStory(t)
		s.do(list(a + "@zen"))
		s.must(Action{Verb: Ack, Incident: "1", Reason: "host is off"})
		s.must(Action{Verb: Snooze, Incident: "1", ToEnd: true, Reason: "night"})
		if got := s.inc("1").Reason; got != "host is off" {
			t.Errorf("reason %q after the snooze", got)
		}
	})
	t.Run("news puts a reminder off", func(t *testing.T) {
		s := newStory(t)
		s.do(list(a + "@zen"))
		s.wait(23 * time.Hour)
		s.do(relist(a+"@zen", func(l *reputation.Listing) { l.Meaning = []string{"spam source"} }))
		s.wait(23 * time.Hour)
		s.wantGot("opened #1", "news #1")
	})
	t.Run("none are wanted", func(t *testing.T) {
		s := newStory(t)
		s.p.Remind = 0
		s.do(list(a + "@zen"))
		s.wait(72 * time.Hour)
		s.wantGot("opened #1")
	})
	t.Run("a snooze stops news, and its end is told once", func(t *testing.T) {
		s := newStory(t)
		s.do(list(a + "@zen"))
		s.wait(2 * time.Minute)
		s.must(Action{Verb: Snooze, Incident: "1", For: 30 * time.Hour})
		s.wait(time.Hour)
		s.do(lose(a+con), judged(a+con, byList("zen", .9)))
		s.wantGot("opened #1", "news #1")
		s.wait(31 * time.Hour)
		s.wantGot("opened #1", "news #1", "reminder #1")
	})
	t.Run("a snooze does not stop the end", func(t *testing.T) {
		for _, how := range []Action{{For: 4 * time.Hour}, {ToEnd: true}} {
			s := newStory(t)
			s.do(list(a + "@zen"))
			s.wait(2 * time.Minute)
			how.Verb, how.Incident = Snooze, "1"
			s.must(how)
			s.wait(time.Hour)
			s.do(delist(a + "@zen"))
			s.wantGot("opened #1", "news #1", "resolved #1")
		}
	})
	t.Run("a snooze ends with what it was about", func(t *testing.T) {
		s := newStory(t)
		s.do(list(a + "@zen"))
		s.wait(2 * time.Minute)
		s.must(Action{Verb: Snooze, Incident: "1", ToEnd: true})
		s.do(delist(a + "@zen"))
		s.wait(10 * time.Minute)
		s.do(list(a + "@zen"))
		s.wantGot("opened #1", "news #1", "resolved #1", "news #1")
	})
	t.Run("a snooze that ends before the first message went out needs no reminder", func(t *testing.T) {
		s := newStory(t)
		s.p.Quiet = quietUntil(noon.Add(8 * time.Hour))
		s.do(list(a + "@zen"))
		s.must(Action{Verb: Snooze, Incident: "1", For: time.Hour})
		s.wait(9 * time.Hour)
		s.wantGot("opened #1")
	})
	t.Run("a snooze until it is over stops reminders", func(t *testing.T) {
		s := newStory(t)
		s.do(list(a + "@zen"))
		s.wait(2 * time.Minute)
		s.must(Action{Verb: Snooze, Incident: "1", ToEnd: true})
		s.wait(72 * time.Hour)
		s.wantGot("opened #1", "news #1")
	})
	t.Run("a snooze of what nobody was told of", func(t *testing.T) {
		s := newStory(t)
		s.do(list(a+"@zen", quietList))
		s.must(Action{Verb: Snooze, Incident: "1", For: time.Hour})
		s.do(lose(a+con), judged(a+con, byList("zen", .9)))
		s.wait(59 * time.Minute)
		s.wantGot()
		s.wait(3 * time.Minute)
		s.wantGot("opened #1")
	})
	t.Run("closed by hand: it stays closed, what comes again is new", func(t *testing.T) {
		s := newStory(t)
		s.do(lose(a + con))
		s.wait(2 * time.Minute)
		s.must(Action{Verb: Resolve, Incident: "1", Reason: "known"})
		s.do(judged(a+con, cause(correlate.ByPartner, .9)))
		s.do(back(a + con))
		s.do(lose(a+con), judged(a+con, cause(correlate.Private, .9)))
		s.wait(2 * time.Minute)
		s.wantOpen("2: " + a + con)
		s.wantGot("opened #1", "resolved #1", "opened #2")
	})
	t.Run("a listing closed by hand takes in nothing", func(t *testing.T) {
		s := newStory(t)
		s.do(list(a + "@zen"))
		s.must(Action{Verb: Resolve, Incident: "1"})
		s.do(list(a+"@xbl"), lose(a+con), judged(a+con, byList("zen", .9)), lose(a+fab), judged(a+fab, byList("zen", .9)))
		s.wantOpen("2: "+a+con+", "+a+fab, "3: "+a+"@xbl")
	})
	t.Run("a listing closed by hand that comes back is new", func(t *testing.T) {
		s := newStory(t)
		s.do(list(a + "@zen"))
		s.must(Action{Verb: Resolve, Incident: "1"})
		s.do(delist(a + "@zen"))
		s.do(list(a + "@zen"))
		s.wantOpen("2: " + a + "@zen")
	})
	t.Run("ruled out", func(t *testing.T) {
		s := newStory(t)
		s.do(list(a + "@zen"))
		if err := s.act(Action{Verb: RuleOut, Incident: "1"}); err == nil {
			t.Error("nothing is blamed, and it was ruled out")
		}
		s.do(lose(a+con), judged(a+con, byList("zen", .9)))
		s.must(Action{Verb: RuleOut, Incident: "1", Reason: "they say so"})
		if said := s.inc("1").Said; said[len(said)-1].Text != "Ana says that zen has nothing to do with it: they say so" {
			t.Errorf("%+v", said)
		}
		s.wait(2 * time.Minute)
		s.wantGot("opened #1")
	})
	t.Run("that make no sense", func(t *testing.T) {
		s := newStory(t)
		s.do(list(a + "@zen"))
		for want, act := range map[string]Action{
			"there is no open incident #9\n  hint: repwatch incidents lists them": {Verb: Ack, Incident: "9"},
			"say how long: for example 4h, or until it is over":                   {Verb: Snooze, Incident: "1"},
			`"dance" is nothing that can be done with an incident`:                {Verb: "dance", Incident: "1"},
		} {
			if err := s.act(act); err == nil || err.Error() != want {
				t.Errorf("%v, want %s", err, want)
			}
		}
		s.do(delist(a + "@zen"))
		if err := s.act(Action{Verb: Ack, Incident: "1"}); err == nil || err.Error() != "incident #1 has been over since 2026-11-24 12:00 CET" {
			t.Error(err)
		}
	})
}
