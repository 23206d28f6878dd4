package incident

import (
	"slices"
	"strings"
	"testing"
	"time"

	"repwatch/correlate"
	"repwatch/reputation"
)

func TestGroupWait(t *testing.T) {
	t.Run("what happens meanwhile changes the one message", func(t *testing.T) {
		s := newStory(t)
		s.do(list(a + "@zen"))
		s.now = s.now.Add(30 * time.Second)
		s.do(lose(a+con), judged(a+con, byList("zen", .9)))
		s.wantGot()
		s.wait(30 * time.Second)
		s.wantGot("opened #1")
		if m := s.lastSent(AlertOpened).Message; !strings.Contains(m.Title, "withdrew STARTTLS") || !s.lastSent(AlertOpened).Mention {
			t.Errorf("%+v", m)
		}
	})
	t.Run("what is over meanwhile is one message", func(t *testing.T) {
		s := newStory(t)
		s.do(list(a + "@zen"))
		s.now = s.now.Add(30 * time.Second)
		s.do(delist(a + "@zen"))
		s.wait(time.Hour)
		s.wantGot("opened #1")
		if m := s.lastSent(AlertOpened).Message; m.Status != Resolved || m.Tone != ToneGood {
			t.Errorf("%+v", m)
		}
	})
}

// A list's entry decides; a real loss or a learned forecast always interrupts.
func TestUrgency(t *testing.T) {
	tests := map[string]struct {
		steps []step
		told  bool
	}{
		"now":                       {[]step{list(a + "@zen")}, true},
		"digest":                    {[]step{list(a+"@zen", quietList)}, false},
		"never":                     {[]step{list(a+"@zen", neverTold)}, false},
		"digest, a loss":            {[]step{list(a+"@zen", quietList), lose(a + con), judged(a+con, byList("zen", .9))}, true},
		"never, a loss":             {[]step{list(a+"@zen", neverTold), lose(a + con), judged(a+con, byList("zen", .9))}, true},
		"digest, sure forecast":     {[]step{list(a+"@zen", quietList), forecast(a+"@zen", "contoso.com", loudReact)}, true},
		"digest, weak forecast":     {[]step{list(a+"@zen", quietList), forecast(a+"@zen", "contoso.com", .4)}, false},
		"a fault of low impact":     {[]step{fault(own(a, "x"), Fault{ID: "x", Impact: reputation.Medium, What: "x"})}, false},
		"a fault to know of":        {[]step{fault(own(a, "x"), Fault{ID: "x", Impact: reputation.Info, What: "x"})}, false},
		"a fault of high impact":    {[]step{fault(own(a, "x"), Fault{ID: "x", Impact: reputation.High, What: "x"})}, true},
		"warming, listed":           {[]step{list(c + "@zen")}, false},
		"warming, lost":             {[]step{lose(c + con), judged(c+con, cause(correlate.Private, .9))}, false},
		"warming, forecast":         {[]step{list(c + "@zen"), forecast(c+"@zen", "contoso.com", .9)}, false},
		"warming and another":       {[]step{lose(c + con), lose(a + con)}, true},
		"digest, then a worse code": {[]step{list(a+"@zen", quietList), relist(a + "@zen")}, true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := newStory(t)
			s.p.Warming = func(ip string) bool { return ip == c }
			s.do(tt.steps...)
			s.wait(time.Hour)
			want := []string{"opened #1"}
			if !tt.told {
				want = nil
			}
			s.wantGot(want...)
			in := DigestOf(s.w, noon.Add(-time.Minute), s.now, s.p) != nil
			if level := s.inc("1").Alert; in != (level == Digest) {
				t.Errorf("level %s, in the digest: %t", level, in)
			}
		})
	}
}

// A warming address that breaks something is no broadcast, and the digest does not call it harmless.
func TestWarmingIsQuiet(t *testing.T) {
	s := newStory(t)
	s.p.Warming = func(ip string) bool { return ip == c }
	s.do(lose(c+con), judged(c+con, cause(correlate.Private, .9)))
	d := DigestOf(s.w, noon.Add(-time.Minute), s.now, s.p)
	if text := plain(d.Message); strings.Contains(text, "none of these has broken anything") {
		t.Error(text)
	}
}

// Somebody is mentioned once, when it is critical.
func TestMention(t *testing.T) {
	mentions := func(s *story) (n int) {
		s.deliver()
		for _, al := range s.sent {
			if al.Mention {
				n++
			}
		}
		return n
	}
	t.Run("once", func(t *testing.T) {
		s := newStory(t)
		s.do(list(a + "@zen"))
		s.wait(5 * time.Minute)
		if n := mentions(s); n != 0 {
			t.Fatalf("%d mentions before it is critical", n)
		}
		s.do(lose(a+con), judged(a+con, byList("zen", .9)))
		s.wait(5 * time.Minute)
		s.do(lose(a+fab), judged(a+fab, byList("zen", .9)))
		s.wait(5 * time.Minute)
		s.do(back(a + fab))
		s.wait(25 * time.Hour)
		if n := mentions(s); n != 1 {
			t.Errorf("%d mentions", n)
		}
	})
	t.Run("a listing that turns critical", func(t *testing.T) {
		s := newStory(t)
		s.do(list(a + "@zen"))
		s.wait(5 * time.Minute)
		s.do(relist(a+"@zen", func(l *reputation.Listing) { l.Impact = reputation.Critical }))
		if n := mentions(s); n != 1 {
			t.Errorf("%d mentions", n)
		}
	})
	t.Run("not lost with the message that is replaced", func(t *testing.T) {
		s := newStory(t)
		s.do(lose(a + con))
		s.do(lose(b + con))
		s.wait(5 * time.Minute)
		s.wantGot("opened #1")
		if n := mentions(s); n != 1 {
			t.Errorf("%d mentions", n)
		}
	})
}

func TestQuietHours(t *testing.T) {
	morning := noon.Add(8 * time.Hour)
	t.Run("hold back below critical", func(t *testing.T) {
		s := newStory(t)
		s.p.Quiet = quietUntil(morning)
		s.do(list(a+"@zen"), notice(Flapping, b+con))
		s.wait(7 * time.Hour)
		s.wantGot()
		s.wait(2 * time.Hour)
		s.wantGot("notice", "opened #1")
	})
	t.Run("not what is critical", func(t *testing.T) {
		s := newStory(t)
		s.p.Quiet = quietUntil(morning)
		s.do(lose(a + con))
		s.wait(2 * time.Minute)
		s.wantGot("opened #1")
	})
	t.Run("nor what turns critical while it waits", func(t *testing.T) {
		s := newStory(t)
		s.p.Quiet = quietUntil(morning)
		s.do(list(a + "@zen"))
		s.wait(10 * time.Minute)
		s.do(lose(a+con), judged(a+con, byList("zen", .9)))
		s.wait(2 * time.Minute)
		s.wantGot("opened #1")
		s.wait(9 * time.Hour)
		s.wantGot("opened #1")
	})
	t.Run("keep what happens below critical out of the channel", func(t *testing.T) {
		s := newStory(t)
		s.do(list(a + "@zen"))
		s.wait(2 * time.Minute)
		s.p.Quiet = quietUntil(morning)
		s.do(lose(a+con, func(w *Wire) { w.Loss = "masked" }), judged(a+con, byList("zen", .9)))
		if s.lastSent(AlertNews).Broadcast {
			t.Error("broadcast at night")
		}
	})
	t.Run("and tell the channel when they are over", func(t *testing.T) {
		for name, meanwhile := range map[string]struct {
			do   func(*story)
			told int // reminders
		}{
			"still open": {func(s *story) {}, 1},
			"in hand":    {func(s *story) { s.must(Action{Verb: Ack, Incident: "1"}) }, 0},
			"snoozed":    {func(s *story) { s.must(Action{Verb: Snooze, Incident: "1", ToEnd: true}) }, 0},
			"over":       {func(s *story) { s.do(delist(a + "@zen")) }, 0},
			"critical, so it was told": {func(s *story) {
				s.do(lose(a+con), judged(a+con, byList("zen", .9)))
			}, 0},
		} {
			t.Run(name, func(t *testing.T) {
				s := newStory(t)
				s.do(list(a + "@zen"))
				s.wait(time.Hour)
				s.do(delist(a + "@zen"))
				s.p.Quiet = quietUntil(morning)
				s.wait(10 * time.Minute)
				s.do(list(a + "@zen"))
				if s.lastSent(AlertNews).Broadcast {
					t.Error("broadcast at night")
				}
				meanwhile.do(s)
				s.wait(morning.Sub(s.now) - time.Minute)
				if got := s.got(); slices.Contains(got, "reminder #1") {
					t.Errorf("before the morning people got %q", got)
				}
				s.wait(2 * time.Hour)
				n := 0
				for _, a := range s.sent {
					if a.Kind == AlertReminder {
						n++
						if !a.Broadcast || !a.At.Equal(morning) {
							t.Errorf("%+v", a)
						}
					}
				}
				if n != meanwhile.told || s.inc("1").Hushed {
					t.Errorf("%d reminders, want %d", n, meanwhile.told)
				}
			})
		}
	})
	t.Run("hold back the end of a snooze", func(t *testing.T) {
		s := newStory(t)
		s.do(list(a + "@zen"))
		s.wait(2 * time.Minute)
		s.p.Quiet = quietUntil(morning)
		s.must(Action{Verb: Snooze, Incident: "1", For: 4 * time.Hour})
		s.wait(5 * time.Hour)
		s.wantGot("opened #1", "news #1")
		s.wait(4 * time.Hour)
		s.wantGot("opened #1", "news #1", "reminder #1")
	})
	t.Run("hold back reminders", func(t *testing.T) {
		s := newStory(t)
		s.do(lose(a + con))
		s.wait(time.Hour)
		s.p.Quiet = quietUntil(noon.Add(26 * time.Hour))
		s.wait(24 * time.Hour)
		s.wantGot("opened #1")
		s.wait(2 * time.Hour)
		s.wantGot("opened #1", "reminder #1")
	})
}

func TestMaintenance(t *testing.T) {
	end := noon.Add(2 * time.Hour)
	t.Run("a loss within it opens nothing again that was told as over", func(t *testing.T) {
		s := newStory(t)
		s.do(lose(a+con), judged(a+con, cause(correlate.Private, .9)))
		s.wait(5 * time.Minute)
		s.do(back(a + con))
		s.wait(10 * time.Minute)
		window(s, end)
		s.do(lose(a+con), judged(a+con, cause(correlate.Private, .9)))
		s.wait(30 * time.Minute)
		s.do(back(a + con))
		s.wait(10 * time.Minute)
		s.wantGot("opened #1", "resolved #1")
		if s.inc("1").Status != Resolved || s.msgs["1"].Tone != ToneGood {
			t.Error(plain(s.msgs["1"]))
		}
	})
	t.Run("a loss within it is silent", func(t *testing.T) {
		s := newStory(t)
		window(s, end)
		s.do(lose(a + con))
		s.wait(time.Hour)
		s.do(back(a + con))
		s.wait(3 * time.Hour)
		s.wantGot()
		if i := s.inc("1"); i.Maintenance != "their upgrade" {
			t.Errorf("%+v", i)
		}
	})
	t.Run("one that outlasts it is told", func(t *testing.T) {
		s := newStory(t)
		window(s, end)
		s.do(lose(a + con))
		s.wait(2*time.Hour + 2*time.Minute)
		s.wantGot("opened #1")
	})
	t.Run("one that joins what is told is silent too, until it outlasts it", func(t *testing.T) {
		s := newStory(t)
		window(s, end)
		s.do(list(a + "@zen"))
		s.wait(10 * time.Minute)
		s.do(lose(a+con), judged(a+con, byList("zen", .9)), lose(a+fab), judged(a+fab, byList("zen", .9)))
		s.wait(10 * time.Minute)
		s.do(back(a + fab))
		s.wait(time.Hour)
		s.wantGot("opened #1")
		s.wait(time.Hour)
		s.wantGot("opened #1", "news #1")
		if al := s.lastSent(AlertNews); !al.Mention || !al.Broadcast || !strings.Contains(al.News, "outlasts the maintenance window: contoso.com") {
			t.Errorf("%+v", al)
		}
	})
	t.Run("it stays silent when its verdict moves it", func(t *testing.T) {
		s := newStory(t)
		s.do(list(a + "@zen"))
		s.wait(10 * time.Minute)
		window(s, end)
		s.do(lose(a+con), judged(a+con, unsure("", 0)))
		s.do(judged(a+con, byList("zen", .9)))
		s.wait(10 * time.Minute)
		s.wantOpen("1: " + a + "@zen, " + a + con)
		s.wantGot("opened #1")
	})
	t.Run("listings are not covered by it", func(t *testing.T) {
		s := newStory(t)
		window(s, end)
		s.do(list(a + "@zen"))
		s.wait(2 * time.Minute)
		s.wantGot("opened #1")
	})
	t.Run("a warming address stays quiet after it", func(t *testing.T) {
		s := newStory(t)
		window(s, end)
		s.p.Warming = func(string) bool { return true }
		s.do(lose(a + con))
		s.wait(3 * time.Hour)
		s.wantGot()
		if i := s.inc("1"); i.Alert != Digest {
			t.Errorf("level %s", i.Alert)
		}
	})
}

// Flapping, and capabilities that nobody requires, are no incident.
func TestNotices(t *testing.T) {
	dsn := func(w *Wire) { w.Went = []string{"DSN"} }
	t.Run("of many addresses, as one while unsent", func(t *testing.T) {
		s := newStory(t)
		s.do(notice(Changed, b+con, dsn))
		s.now = s.now.Add(20 * time.Second)
		s.do(notice(Changed, a+con, dsn), notice(Changed, c+fab, dsn))
		s.wait(time.Minute)
		s.wantGot("notice", "notice")
		if who := s.sent[0].Subjects; !slices.Equal(who, []string{a, b}) {
			t.Errorf("of %v", who)
		}
		s.do(notice(Changed, c+con, dsn))
		s.wait(2 * time.Minute)
		s.wantGot("notice", "notice", "notice")
		if len(s.w.Incidents) > 0 {
			t.Error("it became an incident")
		}
		s.do(notice(Flapping, a+con), notice(Flapping, b+con))
		if n := len(s.last.Alerts); n != 1 {
			t.Errorf("%d notices of one transaction", n)
		}
	})
	t.Run("not of a pair that is lost: its incident says it", func(t *testing.T) {
		s := newStory(t)
		s.do(lose(a + con))
		s.do(notice(Changed, a+con, dsn), func(s *story, in *Input) { in.Changes[0].Episode = s.of(a + con).ID })
		s.wait(2 * time.Minute)
		s.wantGot("opened #1")
		if said := s.inc("1").Said; len(said) != 1 || said[0].Text != "contoso.com no longer offers DSN to "+a {
			t.Errorf("%+v", said)
		}
	})
	t.Run("not of a pair that is lost and flaps: its incident says that too", func(t *testing.T) {
		s := newStory(t)
		s.do(lose(a + con))
		s.wait(2 * time.Minute)
		ofLoss := func(s *story, in *Input) { in.Changes[0].Episode = s.of(a + con).ID }
		s.do(notice(Flapping, a+con), ofLoss)
		s.do(notice(Flapping, a+con, dsn), ofLoss)
		s.do(notice(Steady, a+con), ofLoss)
		s.wantGot("opened #1", "news #1", "news #1", "news #1")
		var said []string
		for _, n := range s.inc("1").Said {
			said = append(said, n.Text)
		}
		if want := []string{
			"contoso.com answers " + a + " differently from look to look; the loss counts until looks agree that it is over",
			"contoso.com answers " + a + " differently from look to look (DSN); the loss counts until looks agree that it is over",
			"contoso.com answers " + a + " alike again from look to look: STARTTLS gone",
		}; !slices.Equal(said, want) {
			t.Errorf("said %q", said)
		}
	})
	t.Run("none", func(t *testing.T) {
		s := newStory(t)
		s.do(notice(Changed, a+con), func(s *story, in *Input) {
			sub := subject(a + con)
			s.record(in, Record{What: Flapping, Subject: reputation.Subject{Kind: reputation.KindControl, Domain: "office", Target: sub.Target}, Wire: &Wire{}})
			s.record(in, Record{What: Suspended, Subject: reputation.Subject{Kind: reputation.KindListing, Target: "zen"}})
		})
		s.wait(2 * time.Minute)
		s.wantGot()
	})
}

// What is no longer watched is never told as delisted or back (rule of truth 11).
func TestUnwatched(t *testing.T) {
	s := newStory(t)
	s.do(list(a+"@zen"), lose(a+con), judged(a+con, byList("zen", .9)))
	s.wait(time.Hour)
	s.do(unwatch(a+"@zen"), unwatch(a+con))
	text := plain(s.msgs["1"]) + s.lastSent(AlertResolved).News
	for _, bad := range []string{"delisted", "Delisted", "Back", "is back", "no longer on", "flush", "Over", "good:"} {
		if strings.Contains(text, bad) {
			t.Errorf("%q in:\n%s", bad, text)
		}
	}
}

// A forecast is a line while it may come true, and no longer.
func TestForecastLines(t *testing.T) {
	s := newStory(t)
	s.do(list(a+"@zen"), forecast(a+"@zen", "contoso.com", .83), forecast(a+"@zen", "fabrikam.net", .3), forecast(a+"@zen", "northwind.example", .05))
	lines := func() int {
		for _, f := range s.msgs["1"].Fields {
			if f.Name == "Probably next" {
				return len(f.Lines)
			}
		}
		return 0
	}
	if n := lines(); n != 2 {
		t.Errorf("%d forecasts", n)
	}
	s.do(lose(a+con), judged(a+con, byList("zen", .9)))
	if n := lines(); n != 1 {
		t.Errorf("%d forecasts after one came true", n)
	}
	s.wait(2 * time.Hour)
	s.do(lose(a+nor), judged(a+nor, byList("zen", .9)))
	if n := lines(); n != 0 {
		t.Errorf("%d forecasts after their time", n)
	}
}

// Lines of one kind about many addresses are one.
func TestCondense(t *testing.T) {
	zen := around{"", " are on zen"}
	var news []line
	for _, who := range []string{"1", "2", "3", "3"} {
		news = append(news, line{who + " is on zen", zen, who})
	}
	news = append(news, line{text: "other"})
	if got := condense(news); len(got) != 5 {
		t.Errorf("%q", got)
	}
	news = append(news, line{"4 is on zen", zen, "4"})
	if got := condense(news); !slices.Equal(got, []string{"4 addresses (1, 2 and 2 more) are on zen", "other"}) {
		t.Errorf("%q", got)
	}
}

// An address that a gateway of the partner's hides behind says nothing of our NAT (rule of truth 10).
func TestGatewayOfThePartnerIsNoNATOfOurs(t *testing.T) {
	for seen, ours := range map[string]bool{"198.51.100.1": true, "100.64.3.9": false, "10.0.0.5": false, "::ffff:192.168.1.1": false, "fd00::1": false} {
		s := newStory(t)
		s.do(lose(a+con, func(w *Wire) { w.SeenIP = seen }))
		if text := plain(s.msgs["1"]); strings.Contains(text, "NAT") != ours || strings.Contains(text, seen) != ours {
			t.Errorf("%s:\n%s", seen, text)
		}
	}
}
