package incident

import (
	"fmt"
	"testing"
	"time"

	"repwatch/correlate"
	"repwatch/reputation"
)

const con, fab, nor = ">contoso.com", ">fabrikam.net", ">northwind.example"

// One listing, and what it broke, is one incident, whichever was seen first.
func TestLossesFoldIntoTheirListing(t *testing.T) {
	t.Run("the listing is seen first", func(t *testing.T) {
		s := newStory(t)
		broken(s)
		s.wantOpen("1: " + a + "@zen, " + a + con + ", " + a + fab + ", " + a + nor)
		s.wantGot("opened #1", "news #1")
		if !s.lastSent(AlertNews).Broadcast {
			t.Error("a loss joined what was only a listing, and the channel did not see it")
		}
	})
	t.Run("the loss is seen first", func(t *testing.T) {
		s := newStory(t)
		s.do(lose(a+con), judged(a+con, unsure("", 0)))
		s.wait(10 * time.Minute)
		s.do(list(a+"@zen"), judged(a+con, byList("zen", .9)))
		s.wantOpen("1: " + a + con + ", " + a + "@zen")
		s.wantGot("opened #1", "news #1")
		if i := s.inc("1"); i.Root != RootListing || i.Verdict != correlate.ByListing || i.List != "zen" {
			t.Errorf("%+v", i)
		}
	})
	t.Run("undetermined, yet plausible, stands beside it", func(t *testing.T) {
		s := newStory(t)
		s.do(list(a + "@zen"))
		s.wait(20 * time.Minute)
		s.do(lose(a+con), judged(a+con, unsure("zen", .3)), lose(a+fab), judged(a+fab, unsure("zen", .1)))
		s.wantOpen("1: "+a+"@zen, "+a+con, "2: "+a+fab)
	})
	t.Run("abuse caused both", func(t *testing.T) {
		s := newStory(t)
		s.do(list(a + "@zen"))
		s.do(lose(a+con), judged(a+con, cause(correlate.ByAbuse, .9, correlate.Share{Cause: correlate.ByListing, List: "zen", P: .05})))
		s.wantOpen("1: " + a + "@zen, " + a + con)
	})
	t.Run("a policy listing is no cause to take in", func(t *testing.T) {
		s := newStory(t)
		s.do(list(a+"@zen", policyOnly), lose(a+con), judged(a+con, byList("zen", .9)))
		s.wantOpen("1: " + a + con)
	})
	t.Run("that nobody judged", func(t *testing.T) {
		s := newStory(t)
		s.do(lose(a + con))
		if i := s.inc("1"); i.Root != RootPair || i.Verdict != correlate.Undetermined {
			t.Errorf("%+v", i)
		}
	})
}

func TestOneIncidentForAllWhomOneCauseHits(t *testing.T) {
	t.Run("a partner's change, all addresses", func(t *testing.T) {
		s := newStory(t)
		v := cause(correlate.ByPartner, .9)
		s.do(lose(a+con), judged(a+con, v))
		s.wait(40 * time.Minute)
		s.do(lose(b+con), judged(b+con, v), lose(c+fab), judged(c+fab, v))
		s.wantOpen("1: "+a+con+", "+b+con, "2: "+c+fab)
	})
	t.Run("our path, all partners", func(t *testing.T) {
		s := newStory(t)
		v := cause(correlate.ByPath, .9)
		s.do(lose(a+con), judged(a+con, v), lose(a+fab), judged(a+fab, v), lose(b+fab), judged(b+fab, v))
		s.wantOpen("1: "+a+con+", "+a+fab, "2: "+b+fab)
	})
	t.Run("one partner against two addresses in one round", func(t *testing.T) {
		s := newStory(t)
		v := cause(correlate.Private, .9)
		s.do(lose(a+con), judged(a+con, v))
		s.wait(together)
		s.do(lose(b+con), judged(b+con, v))
		s.wait(together + time.Minute)
		s.do(lose(c+con), judged(c+con, v))
		s.wantOpen("1: "+a+con+", "+b+con, "2: "+c+con)
	})
	t.Run("one provider against one address", func(t *testing.T) {
		s := newStory(t)
		s.p.Provider = func(partner string) string {
			return map[string]string{"contoso.com": "exchange-online", "fabrikam.net": "exchange-online"}[partner]
		}
		v := cause(correlate.Private, .9)
		s.do(lose(a+con), judged(a+con, v), lose(a+fab), judged(a+fab, v), lose(a+nor), judged(a+nor, v), lose(b+fab), judged(b+fab, v))
		s.wantOpen("1: "+a+con+", "+a+fab+", "+b+fab, "2: "+a+nor)
	})
}

// A listing of the same address within three hours is the same campaign; a later one is not.
func TestCampaigns(t *testing.T) {
	for after, same := range map[time.Duration]bool{campaign: true, campaign + time.Minute: false} {
		t.Run(after.String(), func(t *testing.T) {
			s := newStory(t)
			s.do(list(a + "@zen"))
			s.wait(after)
			s.do(list(a+"@xbl"), list(b+"@xbl"))
			want := []string{"1: " + a + "@zen, " + a + "@xbl", "2: " + b + "@xbl"}
			if !same {
				want = []string{"1: " + a + "@zen", "2: " + a + "@xbl", "3: " + b + "@xbl"}
			}
			s.wantOpen(want...)
		})
	}
	t.Run("a list that comes back days later, while another lasts", func(t *testing.T) {
		s := newStory(t)
		s.do(list(a+"@zen"), list(a+"@xbl"))
		s.do(delist(a + "@xbl"))
		s.wait(5 * time.Hour)
		s.do(list(a + "@xbl"))
		s.wantOpen("1: "+a+"@zen", "2: "+a+"@xbl")
	})
}

func TestMassListings(t *testing.T) {
	t.Run("in one sweep", func(t *testing.T) {
		s := newStory(t)
		mass(s, 40)
		s.wait(5 * time.Minute)
		s.wantGot("opened #1")
		if n := len(s.inc("1").Episodes); n != 40 {
			t.Errorf("%d addresses", n)
		}
	})
	t.Run("not more than digest_over", func(t *testing.T) {
		s := newStory(t)
		mass(s, 5)
		if n := len(s.open()); n != 5 {
			t.Errorf("%d incidents", n)
		}
	})
	t.Run("one a minute: the message that was read first goes on", func(t *testing.T) {
		s := newStory(t)
		for n := range 8 {
			s.do(list(fmt.Sprintf("203.0.113.%d@zen", 100+n)))
			s.wait(90 * time.Second)
		}
		if open := s.open(); len(open) != 1 || open[0][:2] != "1:" {
			t.Errorf("open: %q", open)
		}
		s.wantGot("opened #1", "opened #2", "opened #3", "opened #4", "opened #5",
			"news #1", "resolved #2", "resolved #3", "resolved #4", "resolved #5", "news #1", "news #1")
	})
	t.Run("not within ten minutes", func(t *testing.T) {
		s := newStory(t)
		for n := range 8 {
			s.do(list(fmt.Sprintf("203.0.113.%d@zen", 100+n)))
			s.wait(3 * time.Minute)
		}
		if n := len(s.open()); n != 8 {
			t.Errorf("%d incidents", n)
		}
	})
	t.Run("what a person has in hand stays apart", func(t *testing.T) {
		s := newStory(t)
		s.do(list(a + "@zen"))
		s.must(Action{Verb: Ack, Incident: "1"})
		mass(s, 10)
		if open := s.open(); len(open) != 2 || open[0] != "1: "+a+"@zen" {
			t.Errorf("open: %q", open)
		}
	})
	t.Run("hits of several lists", func(t *testing.T) {
		s := newStory(t)
		for n := range 6 {
			s.do(list(fmt.Sprintf("203.0.113.%d@l%d", 100+n, n)))
		}
		if n := len(s.open()); n != 6 {
			t.Errorf("%d incidents", n)
		}
	})
}

// What comes back within `reopen` is the same incident.
func TestReopen(t *testing.T) {
	pair := a + con
	starts := map[string]struct {
		name        string
		begin, stop []step
	}{
		"a listing":     {a + "@zen", []step{list(a + "@zen")}, []step{delist(a + "@zen")}},
		"private":       {pair, []step{lose(pair), judged(pair, cause(correlate.Private, .9))}, []step{back(pair)}},
		"partner-wide":  {pair, []step{lose(pair), judged(pair, cause(correlate.ByPartner, .9))}, []step{back(pair)}},
		"path":          {pair, []step{lose(pair), judged(pair, cause(correlate.ByPath, .9))}, []step{back(pair)}},
		"a fault":       {"resolver", []step{fault(health("resolver", ""), Fault{ID: "resolver", Impact: reputation.High, What: "the resolver is silent"})}, []step{mend("resolver")}},
		"listing, loss": {pair, []step{list(a + "@zen"), lose(pair), judged(pair, byList("zen", .9))}, []step{delist(a + "@zen"), back(pair)}},
	}
	for name, st := range starts {
		for after, same := range map[time.Duration]bool{30 * time.Minute: true, 31 * time.Minute: false} {
			t.Run(fmt.Sprint(name, " after ", after), func(t *testing.T) {
				s := newStory(t)
				s.do(st.begin...)
				s.wait(2 * time.Hour)
				s.do(st.stop...)
				s.wait(after)
				s.do(st.begin...)
				s.wait(2 * time.Minute)
				if same {
					s.wantGot("opened #1", "resolved #1", "news #1")
					if al := s.lastSent(AlertNews); !al.Broadcast {
						t.Errorf("it is back, and the channel did not see it: %+v", al)
					}
				} else {
					s.wantGot("opened #1", "resolved #1", "opened #2")
				}
			})
		}
	}
}

func TestVerdictsThatChange(t *testing.T) {
	t.Run("all losses of an incident: it is revised in place", func(t *testing.T) {
		s := newStory(t)
		v := cause(correlate.Private, .85)
		s.do(lose(a+con), judged(a+con, v), lose(b+con), judged(b+con, v))
		s.wait(10 * time.Minute)
		v = cause(correlate.ByPartner, .95)
		s.do(judged(a+con, v, "the control lost it too"), judged(b+con, v, "the control lost it too"))
		s.wantOpen("1: " + a + con + ", " + b + con)
		s.wantGot("opened #1", "news #1")
		if i := s.inc("1"); i.Root != RootPartner || i.Partner != "contoso.com" || i.Evidence[0] != "the control lost it too" {
			t.Errorf("%+v", i)
		}
	})
	t.Run("losses of one incident that are judged apart go apart", func(t *testing.T) {
		s := newStory(t)
		v := cause(correlate.Private, .85)
		s.do(lose(a+con), judged(a+con, v), lose(b+con), judged(b+con, v))
		s.do(judged(a+con, cause(correlate.ByPath, .9)), judged(b+con, v))
		s.wantOpen("1: "+b+con, "2: "+a+con)
	})
	t.Run("one of several: it moves, and both say so", func(t *testing.T) {
		s := newStory(t)
		broken(s)
		s.wait(time.Hour)
		s.do(lose(b+con), judged(b+con, cause(correlate.ByPartner, .95)))
		s.wait(time.Hour)
		s.do(judged(a+con, cause(correlate.ByPartner, .95)))
		s.wantOpen("1: "+a+"@zen, "+a+fab+", "+a+nor, "2: "+b+con+", "+a+con)
		s.wantGot("opened #1", "news #1", "opened #2", "news #1", "news #2")
	})
	t.Run("a loss that moves makes its new incident as urgent as it is", func(t *testing.T) {
		s := newStory(t)
		s.do(list(a+"@zen", quietList))
		s.do(lose(a+con), judged(a+con, unsure("", 0)), lose(b+con), judged(b+con, unsure("", 0)))
		s.wait(10 * time.Minute)
		s.do(judged(a+con, byList("zen", .9)))
		s.wait(2 * time.Minute)
		s.wantOpen("1: "+a+"@zen, "+a+con, "2: "+b+con)
		s.wantGot("opened #2", "opened #1", "news #2")
		if i := s.inc("1"); i.Impact != reputation.Critical {
			t.Errorf("impact %s", i.Impact)
		}
	})
	t.Run("all of them move, some by merging: one story goes on", func(t *testing.T) {
		s := newStory(t)
		s.do(lose(a+con), judged(a+con, unsure("", 0)), lose(b+con), judged(b+con, unsure("", 0)))
		s.wait(10 * time.Minute)
		s.do(lose(c+con), judged(c+con, cause(correlate.ByPartner, .9)), judged(a+con, cause(correlate.ByPartner, .9)), judged(b+con, cause(correlate.ByPartner, .9)))
		s.wait(2 * time.Minute)
		s.wantOpen("1: " + a + con + ", " + b + con + ", " + c + con)
		s.wantGot("opened #1", "news #1")
	})
	t.Run("a listing without its loss has broken nothing", func(t *testing.T) {
		s := newStory(t)
		s.do(list(a+"@zen"), lose(a+con), judged(a+con, byList("zen", .9), "it was listed before"))
		s.do(judged(a+con, cause(correlate.ByPartner, .97)))
		if i := s.inc("1"); i.Verdict != JustListed || len(i.Evidence) > 0 {
			t.Errorf("%+v", i)
		}
	})
	t.Run("what is over keeps its place", func(t *testing.T) {
		s := newStory(t)
		s.do(list(a+"@zen"), lose(a+con), judged(a+con, byList("zen", .9)))
		pair := s.of(a + con).ID
		s.wait(time.Hour)
		s.do(delist(a+"@zen"), back(a+con))
		s.do(func(_ *story, in *Input) { in.Judged[pair] = Judgement{Verdict: byList("zen", .99)} })
		if i := s.inc("1"); i.Status != Resolved || len(i.Episodes) != 2 || i.Word != "confirmed" {
			t.Errorf("%+v", i)
		}
		s.wantGot("opened #1", "resolved #1")
	})
}

// Two incidents that people read of become one: the older message goes on, the other says so.
func TestMergers(t *testing.T) {
	t.Run("both were read", func(t *testing.T) {
		s := newStory(t)
		merged(s)
		s.wantOpen("1: " + a + con + ", " + a + "@zen")
		s.wantGot("opened #1", "opened #2", "news #1", "resolved #2")
		if i := s.inc("2"); i.Merged != "1" || i.Status != Resolved {
			t.Errorf("%+v", i)
		}
		if err := s.act(Action{Verb: Ack, Incident: "2"}); err == nil || err.Error() != "incident #2 is part of #1 now\n  hint: act on #1" {
			t.Error(err)
		}
	})
	t.Run("the listing was read first", func(t *testing.T) {
		s := newStory(t)
		s.do(list(a + "@zen"))
		s.wait(5 * time.Minute)
		s.do(lose(a+con), judged(a+con, unsure("", 0)))
		s.wait(5 * time.Minute)
		s.do(judged(a+con, byList("zen", .97)))
		s.wantGot("opened #1", "opened #2", "news #1", "resolved #2")
		if al := s.lastSent(AlertNews); !al.Broadcast {
			t.Error("what was only a listing broke something, and the channel did not see it")
		}
	})
	t.Run("the other was not read yet: it is never sent", func(t *testing.T) {
		s := newStory(t)
		s.do(lose(a+con), judged(a+con, unsure("", 0)))
		s.wait(5 * time.Minute)
		s.do(list(a+"@zen"), forecast(a+"@zen", "fabrikam.net", .9))
		s.do(judged(a+con, byList("zen", .97)))
		s.wait(5 * time.Minute)
		s.wantGot("opened #1", "news #1")
		if i := s.inc("1"); len(i.Forecasts) != 1 {
			t.Errorf("the forecast stayed behind: %+v", i)
		}
	})
	t.Run("the older waits, the younger was read", func(t *testing.T) {
		s := newStory(t)
		s.p.Quiet = quietUntil(noon.Add(8 * time.Hour))
		s.do(list(a + "@zen")) // high: waits for the morning
		s.do(lose(a+con), judged(a+con, unsure("", 0)))
		s.wait(5 * time.Minute)
		s.do(judged(a+con, byList("zen", .97)))
		s.wantOpen("2: " + a + con + ", " + a + "@zen")
		s.wantGot("opened #2", "news #2")
	})
	t.Run("a mention comes along", func(t *testing.T) {
		s := newStory(t)
		s.do(list(a + "@zen"))
		s.wait(5 * time.Minute)
		s.do(lose(a+con), judged(a+con, unsure("", 0)))
		s.wait(5 * time.Minute)
		s.do(judged(a+con, byList("zen", .97)))
		if i := s.inc("1"); !i.Mentioned || s.lastSent(AlertNews).Mention {
			t.Errorf("%+v", i)
		}
	})
}

func TestFaults(t *testing.T) {
	ptr := Fault{ID: "ptr", Impact: reputation.High, What: "no PTR"}
	cert := Fault{ID: "cert", Impact: reputation.Medium, What: "the certificate ends in 14 days"}
	t.Run("found together", func(t *testing.T) {
		s := newStory(t)
		s.do(fault(own(a, "ptr"), ptr), fault(own(a, "cert"), cert), fault(own(b, "ptr"), ptr), fault(health("resolver", ""), Fault{ID: "resolver", Impact: reputation.Low, What: "it is slow"}))
		s.wantOpen("1: "+a+"/ptr, "+a+"/cert", "2: "+b+"/ptr", "3: resolver")
	})
	t.Run("found later: a cause of its own", func(t *testing.T) {
		s := newStory(t)
		s.do(fault(own(a, "ptr"), ptr))
		s.wait(2 * time.Hour)
		s.do(fault(own(a, "cert"), cert))
		s.wantOpen("1: "+a+"/ptr", "2: "+a+"/cert")
		s.do(mend(a+"/ptr"), mend(a+"/cert"))
		s.do(fault(own(a, "ehlo"), Fault{ID: "ehlo", Impact: reputation.High, What: "the EHLO name is not its PTR"}))
		s.wantOpen("3: " + a + "/ehlo")
	})
	t.Run("one that grows worse interrupts", func(t *testing.T) {
		s := newStory(t)
		s.do(fault(own(a, "cert"), cert))
		s.wait(time.Hour)
		s.wantGot()
		cert.Impact, cert.What = reputation.Critical, "the certificate has ended"
		s.do(worse(a+"/cert", cert))
		s.wait(2 * time.Minute)
		s.wantGot("opened #1")
		if !s.lastSent(AlertOpened).Mention {
			t.Error("critical, and nobody is mentioned")
		}
	})
}

// Policy answers are no accusation (rule of truth 3), until the list changes its mind.
func TestPolicyListings(t *testing.T) {
	s := newStory(t)
	s.do(list(a+"@zen", policyOnly))
	s.wantOpen()
	s.wait(time.Hour)
	s.do(relist(a + "@zen"))
	s.wantOpen("1: " + a + "@zen")
	s.wait(time.Hour)
	s.do(relist(a+"@zen", policyOnly))
	s.wantOpen()
	s.wantGot("opened #1", "resolved #1")
	if i := s.inc("1"); !i.Resolved.Equal(s.now) {
		t.Errorf("it was over at %s, now is %s", i.Resolved, s.now)
	}
}

func quietUntil(end time.Time) func(time.Time) (time.Time, bool) {
	return func(t time.Time) (time.Time, bool) { return end, t.Before(end) }
}

// Who delists from the wrong list loses days: that another list is to blame is news,
// unless the first is still to blame for another loss.
func TestAnotherListIsToBlame(t *testing.T) {
	for name, others := range map[string][]step{"of all": nil, "of one": {judged(a+fab, byList("zen", .9))}} {
		t.Run(name, func(t *testing.T) {
			s := newStory(t)
			s.do(list(a+"@zen"), list(a+"@xbl"), lose(a+con), judged(a+con, byList("zen", .9)), lose(a+fab), judged(a+fab, byList("zen", .9)))
			s.wait(time.Hour)
			blame := []step{judged(a+con, byList("xbl", .97)), judged(a+fab, byList("xbl", .97))}
			want := []string{"opened #1", "news #1"}
			if others != nil {
				blame, want = append(blame, others...), want[:1]
			}
			s.do(blame...)
			s.wantGot(want...)
			if i := s.inc("1"); i.List != "xbl" {
				t.Errorf("%+v", i)
			}
		})
	}
}
