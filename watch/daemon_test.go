package watch

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"repwatch/checks"
	"repwatch/config"
	"repwatch/incident"
	"repwatch/notify"
)

const hour, minute = time.Hour, time.Minute

// Three days: a list that a partner acts upon names an address each day, a small
// list names the other, and a partner withdraws from one address for a day and a half.
func TestThreeDays(t *testing.T) {
	w := &world{takes: 5 * time.Second, listed: []span{
		{what: "xbl", who: seven, from: 6 * hour, to: 10 * hour},
		{what: "xbl", who: seven, from: 30 * hour, to: 34 * hour},
		{what: "xbl", who: seven, from: 54 * hour, to: 58 * hour}}}
	w.reacts("contoso.com", 25*minute, 20*minute)
	w.listed = append(w.listed, span{what: "traps", who: eight, from: 12 * hour, to: 20 * hour, digest: true})
	w.lost = append(w.lost, span{what: "tailspin.org", who: eight, from: 20 * hour, to: 56 * hour})
	play(t, w, house, func(s *theatre) {
		s.start()
		s.until(72*hour - minute)
		threeDaysOfLooks(s)
		watched(s)
		threeDaysOfNews(s)
		if took := s.halt(); took > 5*time.Second {
			s.Errorf("stopping took %v with nothing under way", took)
		}
	})
}

func threeDaysOfLooks(s *theatre) {
	last := map[string]time.Time{}
	for _, l := range s.w.looks(func(look) bool { return true }) {
		if l.ended.IsZero() {
			s.Errorf("%v was given up", l)
		}
		if before := last[l.Key()]; l.began.Before(before) {
			s.Errorf("%v overlaps the look before it, which ended at %v", l, before)
		}
		last[l.Key()] = l.ended
	}
	wholeRounds(s, "lists", "", 15*minute, 3*96)
	for _, p := range partners {
		wholeRounds(s, "partners", p, hour, 3*24)
	}
}

// wholeRounds checks that every round was looked at once, at most a tenth of its interval late.
func wholeRounds(s *theatre, check, partner string, every time.Duration, n int) {
	all := s.w.looks(func(l look) bool { return l.Check == check && l.Partner == partner && l.Why == checks.WhySchedule })
	if len(all) != n {
		s.Errorf("%s %s: %d rounds, want %d", check, partner, len(all), n)
	}
	spread := false
	for i, l := range all {
		late := l.began.Sub(s.w.begin.Add(time.Duration(i) * every))
		if late < 0 || late > every/10+time.Second {
			s.Errorf("%s %s: round %d came %v late", check, partner, i, late)
		}
		spread = spread || late > every/50
	}
	if !spread {
		s.Errorf("%s %s: no round was spread", check, partner)
	}
}

// watched: from its second answer on, the partner that reacts is looked at every 5 minutes until it does.
func watched(s *theatre) {
	byDay := map[int]int{}
	for _, l := range s.w.looks(func(l look) bool { return l.Why == "listing" && l.Every > 0 }) {
		if l.Partner != "contoso.com" || l.From[0] != seven || l.Every != 5*minute {
			s.Errorf("watched %v", l)
		}
		byDay[int(l.began.Sub(s.w.begin)/(24*hour))]++
	}
	if byDay[0] != 0 || byDay[2] < 4 || byDay[2] > 9 {
		s.Errorf("looks for a reaction by day: %v", byDay)
	}
	back := s.w.looks(func(l look) bool { return l.Why == whyDelisting })
	if len(back) < 9 || len(back) > 24 {
		s.Errorf("%d looks for a recovery over three delistings", len(back))
	}
}

func threeDaysOfNews(s *theatre) {
	var opened, over []string
	for _, h := range s.ears[0].of(incident.AlertOpened) {
		opened = append(opened, h.Incident)
	}
	for _, h := range s.ears[0].of(incident.AlertResolved) {
		over = append(over, h.Incident)
	}
	slices.Sort(over)
	if len(opened) != 4 || !slices.Equal(slices.Sorted(slices.Values(opened)), over) {
		s.Errorf("opened %q, over %q: three listings and one loss have a first message and an end each", opened, over)
	}
	if r := s.ears[0].of(incident.AlertReminder); len(r) != 1 {
		s.Errorf("%d reminders of 36 hours without news, want 1", len(r))
	} else if after := r[0].at.Sub(s.w.begin); after < 44*hour || after > 46*hour {
		s.Errorf("the reminder came after %v", after)
	}
	d := s.ears[0].of(incident.AlertDigest)
	if len(d) != 1 || d[0].at.UTC().Format("02 15:04") != "02 09:00" || !strings.Contains(d[0].Message.Title, "0 new, 1 over") {
		s.Errorf("digests %+v", d)
	}
	all := incidentsOf(s, s.db)
	for _, i := range all {
		if i.Status != incident.Resolved {
			s.Errorf("#%s %s is still open", i.ID, about(i))
		}
	}
	byContoso := slices.IndexFunc(all, func(i incident.Incident) bool { return i.List == "xbl" && i.Opened.After(s.w.begin.Add(54*hour)) })
	if byContoso < 0 || all[byContoso].Verdict != "listing" || len(all[byContoso].Episodes) != 2 {
		s.Errorf("the third listing and what it broke are not one incident: %+v", all)
	}
}

// A reload in the middle of a second look does not lose it.
func TestReloadKeepsSecondLooks(t *testing.T) {
	w := &world{takes: 10 * time.Second, lost: []span{{what: "contoso.com", who: seven, from: 3 * hour, to: 30 * hour}}}
	play(t, w, house, func(s *theatre) {
		s.start()
		for range 600 {
			time.Sleep(2 * time.Second)
			if s.w.now() < 3*hour-minute {
				time.Sleep(3*hour - minute - s.w.now())
			}
			under := w.looks(func(l look) bool { return l.Why == whyConfirm && l.ended.IsZero() })
			if len(under) > 0 && s.w.now() > 3*hour {
				break
			}
		}
		if err := s.d.Reload(s.Context()); err != nil {
			s.Fatal(err)
		}
		time.Sleep(minute)
		if i := incidentsOf(s, s.db); len(i) != 1 || i[0].Partner != "contoso.com" {
			s.Errorf("a minute after the reload: %+v", i)
		}
	})
}

// Reloads do not begin the rounds anew: who is reloaded every 20 minutes looks every hour all the same.
func TestReloadsDoNotStarveRounds(t *testing.T) {
	w := &world{takes: time.Second}
	play(t, w, house, func(s *theatre) {
		s.start()
		for range 30 {
			time.Sleep(20*minute + time.Second)
			if err := s.d.Reload(s.Context()); err != nil {
				s.Fatal(err)
			}
		}
		rounds := w.looks(func(l look) bool {
			return l.Partner == "contoso.com" && l.Why == checks.WhySchedule && !l.ended.IsZero()
		})
		if n := len(rounds); n < 10 || n > 11 { // the last may be on its way
			s.Errorf("%d rounds at contoso.com in 10 hours", n)
		}
	})
}

// What a reload adds is looked at at once, at partners too; what it takes away is looked at no more.
func TestReloadLooksAtWhatIsNew(t *testing.T) {
	w := &world{takes: time.Second}
	play(t, w, other(house, "{ip: 203.0.113.7}, ", "", "  - {domain: tailspin.org, require: [STARTTLS]}\n", ""), func(s *theatre) {
		s.start()
		s.until(10 * minute)
		s.text = house
		if err := s.d.Reload(s.Context()); err != nil {
			s.Fatal(err)
		}
		s.until(11 * minute)
		for _, p := range partners {
			if n := len(w.looks(func(l look) bool { return l.Partner == p && slices.Contains(l.From, seven) })); n != 1 {
				s.Errorf("%s was looked at %d times from the new address", p, n)
			}
		}
		s.text = other(house, "{ip: 203.0.113.7}, ", "")
		if err := s.d.Reload(s.Context()); err != nil {
			s.Fatal(err)
		}
		s.until(5 * hour)
		if n := len(w.looks(func(l look) bool { return l.began.After(w.begin.Add(12*minute)) && slices.Contains(l.From, seven) })); n > 0 {
			s.Errorf("%d looks from an address that is gone", n)
		}
	})
}

// A bad file leaves the configuration in force, and the daemon says so.
func TestReloadOfABadFile(t *testing.T) {
	play(t, &world{takes: time.Second}, house, func(s *theatre) {
		s.start()
		s.until(minute)
		cfg := s.d.Config()
		good := s.d.opt.Load
		s.d.opt.Load = func() (c *config.Loaded, err error) { return nil, errSecret }
		if err := s.d.Reload(s.Context()); err == nil || s.d.Config() != cfg {
			s.Errorf("err %v", err)
		}
		if r := s.d.Runtime(); r.ReloadError != errSecret.Error() || !strings.Contains(s.d.StatusLine(), "the last reload was refused") {
			s.Errorf("runtime %+v, %s", r, s.d.StatusLine())
		}
		s.d.opt.Load = func() (*config.Loaded, error) { return load(s, ""), nil }
		if err := s.d.Reload(s.Context()); err == nil || !strings.Contains(err.Error(), "watches nothing") || s.d.Config() != cfg {
			s.Errorf("half a file is put in force: %v", err)
		}
		s.d.opt.Load = good
		if err := s.d.Reload(s.Context()); err != nil || s.d.Runtime().ReloadError != "" {
			s.Errorf("err %v, runtime %+v", err, s.d.Runtime())
		}
	})
}

// A message that is being sent while the configuration changes is sent by one sender only.
func TestReloadSendsNothingTwiceAtOnce(t *testing.T) {
	w := &world{takes: time.Second, listed: []span{{what: "xbl", who: seven, from: 0, to: 9 * hour}}}
	play(t, w, house, func(s *theatre) {
		s.ears[0].takes = 8 * time.Second
		s.start()
		s.until(66 * time.Second) // the first message, 60 s after the incident, is on its way
		if err := s.d.Reload(s.Context()); err != nil {
			s.Fatal(err)
		}
		s.until(10 * minute)
		s.heard("opened #1")
		if s.ears[0].twice || s.ears[0].n != 1 {
			s.Errorf("%d sends, two at once: %v", s.ears[0].n, s.ears[0].twice)
		}
	})
}

// A notifier that cannot deliver is an incident, told by the others; what waits for it is delivered later.
func TestNotifierDown(t *testing.T) {
	w := &world{takes: time.Second, listed: []span{{what: "xbl", who: seven, from: 5 * minute, to: 9 * hour}}}
	play(t, w, house, func(s *theatre) {
		bad := &ear{name: "bad"}
		bad.fails = func(int, notify.Sending) error {
			if s.w.now() < 2*hour {
				return errNotNow
			}
			return nil
		}
		s.ears = append(s.ears, bad)
		s.start()
		s.until(hour)
		s.heard("opened #1", "opened #2")
		if i := incidentsOf(s, s.db); len(i) != 2 || i[1].Kind != incident.Health || i[1].Fault != "notifier" {
			s.Errorf("incidents %+v", i)
		}
		s.until(4 * hour)
		s.heard("opened #1", "opened #2", "resolved #2")
		if got := bad.words(); !slices.Contains(got, "opened #1") || !slices.Contains(got, "resolved #2") {
			s.Errorf("it heard later %q", got)
		}
	})
}

// When nothing is seen for sure for an hour, people are told so: silence is no good news.
func TestNothingSureForAnHour(t *testing.T) {
	w := &world{takes: time.Second, deaf: []span{{from: 2 * hour, to: 8 * hour}}}
	for _, p := range partners {
		w.silent = append(w.silent, span{what: p, from: 2 * hour, to: 8 * hour})
	}
	play(t, w, house, func(s *theatre) {
		s.start()
		s.until(2 * hour)
		s.heard()
		s.until(10 * hour)
		var kinds []string
		for _, i := range incidentsOf(s, s.db) {
			kinds = append(kinds, i.Fault)
			if i.Kind != incident.Health || i.Status != incident.Resolved {
				s.Errorf("%+v", i)
			}
		}
		if want := []string{"control", "looking", "port25", "resolver"}; !slices.Equal(slices.Sorted(slices.Values(kinds)), want) {
			s.Errorf("incidents %q, want one of each kind of trouble: %q", kinds, want)
		}
		for _, e := range episodes(s, s.db) {
			since := e.Begin.By.Sub(s.w.begin)
			if e.Fault.ID == "looking" && (since < 2*hour+45*minute || since > 3*hour+minute) { // the last sweep that told was at most 15 min before
				s.Errorf("looking is in doubt since %v", since)
			}
		}
		for _, r := range recordsOf(s, s.db) {
			if r.What != incident.Faulty && r.What != incident.Mended {
				s.Errorf("%s %s: unknown became news", r.What, r.Subject)
			}
		}
	})
}

// The digest goes out at 9:00 of the configured zone, once, and holds what began and ended between.
func TestDigestAtNine(t *testing.T) {
	w := &world{takes: time.Second, listed: []span{
		{what: "traps", who: seven, from: 0, to: hour, digest: true},
		{what: "traps", who: eight, from: 30 * hour, to: 60 * hour, digest: true}}}
	play(t, w, other(house, "timezone: UTC", "timezone: America/New_York"), func(s *theatre) {
		for _, up := range [][2]time.Duration{{0, 90 * minute}, {13 * hour, 15 * hour}, {30 * hour, 31 * hour}, {37 * hour, 39 * hour}} { // 9:00 there is 14:00 UTC
			s.until(up[0])
			s.start()
			s.until(up[1])
			s.halt()
		}
		var got []string
		for _, h := range s.ears[0].of(incident.AlertDigest) {
			got = append(got, h.at.In(zone(s.T, "America/New_York")).Format("02 15:04 ")+h.Message.Title)
		}
		want := []string{"01 09:00 The day's small things: 0 new, 1 over, 0 open", "02 09:00 The day's small things: 1 new, 0 over, 1 open"}
		if !slices.Equal(got, want) {
			s.Errorf("digests %q, want %q", got, want)
		}
	})
}

// A look that does not notice that it is given up holds the end up no longer than the drain time.
func TestStoppingWaitsForNobodyTooLong(t *testing.T) {
	w := &world{takes: time.Second}
	play(t, w, house, func(s *theatre) {
		release := make(chan struct{})
		s.start()
		s.until(minute)
		s.d.mu.Lock()
		s.d.gen.checks["partners"] = stubborn{s.d.gen.checks["partners"], release}
		s.d.mu.Unlock()
		if _, err := s.d.Recheck(s.Context(), "contoso.com"); err != nil {
			s.Fatal(err)
		}
		time.Sleep(time.Second)
		if took := s.halt(); took != drain {
			s.Errorf("stopping took %v", took)
		}
		close(release)
	})
}

type stubborn struct {
	checks.Check
	release chan struct{}
}

func (c stubborn) Look(context.Context, checks.Ask) []checks.Batch {
	<-c.release
	return nil
}

// What is under way when the daemon stops tells nothing; after the restart it is looked at again.
func TestStoppingInTheMiddleOfLooks(t *testing.T) {
	w := &world{takes: 30 * time.Second, listed: []span{{what: "xbl", who: seven, from: 0, to: hour}}}
	play(t, w, house, func(s *theatre) {
		s.start()
		s.until(10 * time.Second)
		if took := s.halt(); took > time.Second {
			s.Errorf("stopping took %v", took)
		}
		s.start()
		if n := len(recordsOf(s, s.db)); n > 0 {
			s.Errorf("%d records of looks that were given up", n)
		}
		s.until(3 * minute)
		s.heard("opened #1")
		s.halt()
		s.start()
		s.until(5 * minute)
		s.heard("opened #1")
	})
}

func TestRuntimeSaysWhatIsNext(t *testing.T) {
	w := &world{takes: 3 * time.Second}
	play(t, w, house, func(s *theatre) {
		s.start()
		time.Sleep(time.Second)
		if r := s.d.Runtime(); r.UnderWay != 4 {
			s.Errorf("%d looks are under way at the start, want the sweep and three partners", r.UnderWay)
		}
		s.until(30 * minute)
		r := s.d.Runtime()
		if r.UnderWay != 0 || len(r.Next) < 2 || !slices.Equal(r.Notifiers, []string{"ear"}) {
			s.Fatalf("runtime %+v", r)
		}
		var rounds []string
		for _, n := range r.Next {
			if strings.HasPrefix(n.What, "round of ") {
				rounds = append(rounds, n.What+" "+n.At.Sub(s.w.begin).String())
			}
		}
		if want := []string{"round of lists 45m0s", "round of partners 1h0m0s"}; !slices.Equal(rounds, want) {
			s.Errorf("next are %q, want %q", rounds, want)
		}
		if !s.d.Alive() || !strings.HasPrefix(s.d.StatusLine(), "nothing is wrong that we know of; last sure look ") {
			s.Errorf("alive %v: %s", s.d.Alive(), s.d.StatusLine())
		}
	})
}
