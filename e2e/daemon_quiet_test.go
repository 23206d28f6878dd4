package e2e

import (
	"slices"
	"strings"
	"testing"

	"repwatch/internal/realserver"
)

// TestDaemonUnknownIsNoNews: trouble that proves nothing moves no state and tells
// nobody; only the age of what is known shows it.
func TestDaemonUnknownIsNoNews(t *testing.T) {
	t.Parallel()
	o := newOutside(t)
	d := watching(t, o)
	mail, line := o.before[contoso], o.before[woodgr]
	for _, trouble := range []struct {
		name       string
		begin, end func()
		shows      func(statusDoc) bool // that it has had its effect
	}{
		{"a reset, once greeted",
			func() { line.set(listedIP, resets) }, func() { line.set(listedIP, passes) },
			func(s statusDoc) bool { return s.pair(woodgr, listedIP).Failed > 1 }},
		{"421 at the greeting",
			func() { o.postfix.Refuse(addr(listedIP), "421 4.7.0 try later") }, func() { o.postfix.Accept(addr(listedIP)) },
			func(s statusDoc) bool { return s.pair(contoso, listedIP).Outcome == "deferred" }},
		{"450 at the greeting of the control",
			func() { o.postfix.Refuse(addr(controlIP), "450 4.7.1 busy") }, func() { o.postfix.Accept(addr(controlIP)) },
			func(s statusDoc) bool { return s.pair(contoso, "office").Outcome == "deferred" }},
		{"absent at a single look",
			func() { mail.set(listedIP, forgets) }, func() {},
			func(statusDoc) bool { return mail.spent(listedIP) }},
		{"absent at a single look of the control",
			func() { mail.set(controlIP, forgets) }, func() {},
			func(statusDoc) bool { return mail.spent(controlIP) }},
		{"SERVFAIL for a list", // from nobody the resolver can ask
			func() { o.resolver.Control(t, "stub_add xbl.lists.test. 127.0.0.1@1") },
			func() {
				o.resolver.Control(t, "stub_add xbl.lists.test. "+unboundAddr(o.lists))
				o.resolver.Control(t, "flush_infra all")
			},
			func(s statusDoc) bool { return s.list("xbl").unsure() }},
		{"silence for a list",
			func() { o.resolver.Control(t, "local_zone traps.lists.test. deny") }, func() { o.resolver.Control(t, "local_zone traps.lists.test. transparent") },
			func(s statusDoc) bool { return s.list("traps").unsure() }},
		{"silence for a partner's names",
			func() { o.resolver.Control(t, "local_zone "+woodgr+". deny"); o.resolver.Flush(t, woodgr) },
			func() { o.resolver.Control(t, "local_zone "+woodgr+". transparent") },
			func(s statusDoc) bool {
				return s.pair(woodgr, listedIP).Failed > 0 && s.pair(woodgr, otherIP).Failed > 0
			}},
	} {
		trouble.begin()
		d.wait(trouble.name, func() bool { return trouble.shows(d.status()) })
		for _, p := range d.status().Partners {
			for _, pair := range append(p.Pairs, p.Control...) {
				if pair.Standing != "good" || pair.Sure == nil {
					t.Errorf("%s: %s from %s is %s", trouble.name, p.Partner, pair.From, pair.Standing)
				}
			}
		}
		trouble.end()
		d.looks(2)
	}
	if all := d.incidents(); len(all) > 0 {
		t.Errorf("it makes %d incidents of that: %+v", len(all), all)
	}
	for _, m := range d.slack.Messages() { // a look that another contradicts is told as that (rule of truth 4)
		if !strings.Contains(m.Text, "from look to look") {
			t.Errorf("Slack was told %s", m.Text)
		}
	}
	d.stop()
	d.sound()
}

func unboundAddr(s *realserver.RbldnsdServer) string {
	return strings.Replace(s.Addr().String(), ":", "@", 1)
}

func (s statusDoc) pair(partner, from string) (found pairDoc) {
	for _, p := range s.Partners {
		for _, pair := range append(p.Pairs, p.Control...) {
			if p.Partner == partner && pair.From == from {
				found = pair
			}
		}
	}
	return found
}

func (s statusDoc) list(id string) listDoc {
	i := slices.IndexFunc(s.Lists, func(l listDoc) bool { return l.ID == id })
	if i < 0 {
		return listDoc{}
	}
	return s.Lists[i]
}

// unsure: it is not believed, or its last sweep left subjects untold.
func (l listDoc) unsure() bool { return l.Health == "suspended" || l.Unknown > 0 }

// TestDaemonBelievesNoLiar: lists that name the world, name nobody, or refuse to
// answer say nothing, neither that we are listed nor that we no longer are.
func TestDaemonBelievesNoLiar(t *testing.T) {
	t.Parallel()
	o := newOutside(t)
	d := watching(t, o)
	for _, id := range listIDs[:3] {
		code := "127.0.0.2"
		if id == "xbl" {
			code = "127.0.0.4"
		}
		o.list(id, listedIP, code, "seen sending spam")
	}
	const lists = 3
	d.only("one incident for one campaign", func(i incidentDoc) bool { return len(i.Lists) == lists && i.verdict() == "listed" })
	d.wait("the message", func() bool { return len(d.slack.Roots()) == 1 })
	said := d.incidents()[0].said()

	o.serve("xbl", realserver.Entries{"0.0.0.0/1": {A: "127.0.0.4"}, "128.0.0.0/1": {A: "127.0.0.4"}})
	o.serve("traps", nil)
	o.serve("drop", realserver.Entries{"0.0.0.0/1": {A: "127.255.255.254"}, "128.0.0.0/1": {A: "127.255.255.254"}})
	why := map[string]string{"xbl": "lists the world", "traps": "is not listed: the list is empty", "drop": "refus"}
	d.wait("all three suspended, with the reason", func() bool {
		s := d.status()
		for id, words := range why {
			if l := s.list(id); l.Health != "suspended" || !strings.Contains(l.Why, words) {
				return false
			}
		}
		return true
	})
	d.looks(2)
	people := d.command("status")
	for _, words := range why {
		if !strings.Contains(strings.Join(strings.Fields(people.stdout), " "), words) {
			t.Errorf("status does not say %q:\n%s", words, people.stdout)
		}
	}
	for id := range why {
		o.heal(id)
	}
	d.wait("all three believed again, by themselves", func() bool {
		s := d.status()
		return s.list("xbl").Health == "ok" && s.list("traps").Health == "ok" && s.list("drop").Health == "ok"
	})
	i := d.only("still the one incident", func(i incidentDoc) bool { return i.Status == "open" })
	if i.said() != said || !slices.Equal(i.IPs, []string{listedIP}) {
		t.Errorf("of lists that lied it says\n%s\nbefore it had said\n%s\naddresses %v", i.said(), said, i.IPs)
	}
	for _, id := range listIDs[:3] {
		o.delist(id, listedIP)
	}
	d.only("the end, once they are honest", func(i incidentDoc) bool { return i.Status == "resolved" })
	d.stop()
	d.sound()
}
