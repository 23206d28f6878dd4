package watch

import (
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"repwatch/checks"
	"repwatch/correlate"
	"repwatch/incident"
)

// words of an ask, for tables.
func looksOf(asks []checks.Ask) (out []string) {
	for _, a := range asks {
		out = append(out, strings.Join(strings.Fields(strings.Join([]string{a.Check, a.Partner, strings.Join(a.From, ","), strings.Join(a.Lists, ","), strings.Join(a.Who, ",")}, " ")), " "))
	}
	return out
}

func TestRecheck(t *testing.T) {
	cfg := load(t, house+"domains: [example.com]\n")
	for text, want := range map[string][]string{
		"203.0.113.7@xbl":         {"lists xbl 203.0.113.7"},
		"::ffff:203.0.113.7@XBL":  {"lists xbl 203.0.113.7"},
		"203.0.113.7>contoso.com": {"partners contoso.com 203.0.113.7"},
		"Contoso.COM.":            {"partners contoso.com"},
		"xbl":                     {"lists xbl"},
		"example.com":             {"lists example.com"},
		"203.0.113.7":             {"lists 203.0.113.7", "partners contoso.com 203.0.113.7", "partners fabrikam.net 203.0.113.7", "partners tailspin.org 203.0.113.7"},
	} {
		asks, words, err := recheck(cfg, text, morning)
		if err != nil || !slices.Equal(looksOf(asks), want) || len(words) != len(want) {
			t.Errorf("%s: %q %q %v, want %q", text, looksOf(asks), words, err, want)
		}
		for _, a := range asks {
			if a.Why != whyAsked || !a.At.Equal(morning) {
				t.Errorf("%s: %+v", text, a)
			}
		}
	}
	for text, want := range map[string]string{
		"203.0.113.99":            `"203.0.113.99" is not watched`,
		"203.0.113.99@xbl":        "203.0.113.99 is not watched",
		"203.0.113.7@spamcop":     "list spamcop is not in use",
		"203.0.113.7>example.org": "example.org is no partner",
		"@xbl":                    `"@xbl" is no subject`,
		"":                        `"" is not watched`,
	} {
		asks, _, err := recheck(cfg, text, morning)
		if err == nil || !strings.HasPrefix(err.Error(), want) || len(asks) > 0 {
			t.Errorf("%q: %v, %q; want %s", text, err, looksOf(asks), want)
		}
	}
}

// daemonAt is a daemon that does not run, on the desk's store.
func (d *desk) daemonAt() *Daemon {
	d.t.Helper()
	x, err := New(Options{DB: d.db, Config: d.cfg, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		d.t.Fatal(err)
	}
	x.fold = d.f
	return x
}

// What is open of an incident is looked at by those who can see it.
func TestRecheckOfAnIncident(t *testing.T) {
	d := newDesk(t, house)
	d.baseline()
	d.sweep("xbl", seven)
	d.later(20*time.Minute).lose(seven, "contoso.com")
	d.later(24*time.Hour).health("port25", eight, pathFault(pathOf(pairOf(eight, "")), 3))
	d.later(2*time.Minute).health("port25", eight, pathFault(pathOf(pairOf(eight, "")), 3))
	x := d.daemonAt()
	for _, i := range incidentsOf(t, d.db) {
		asks, words, err := x.recheckIncident(i.ID, d.now)
		if err != nil || len(words) == 0 {
			t.Errorf("#%s: %v %q", i.ID, err, words)
		}
		for _, look := range looksOf(asks) {
			if want := map[bool]string{true: "partners", false: "lists"}[i.Root == incident.RootFault || i.Partner != ""]; i.Root != incident.RootListing && !strings.HasPrefix(look, want) {
				t.Errorf("#%s (%s): %s", i.ID, about(i), look)
			}
			if i.Root == incident.RootFault && !strings.HasSuffix(look, eight) {
				t.Errorf("#%s: %s is not from the address in doubt", i.ID, look)
			}
		}
	}
	for id, want := range map[string]string{"99": "there is no incident #99", "x": "there is no incident #x"} {
		if _, _, err := x.recheckIncident(id, d.now); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("#%s: %v", id, err)
		}
	}
	d.sweep("xbl")
	d.later(time.Hour).look(seven, "contoso.com", 1)
	d.later(time.Hour).look(seven, "contoso.com", 1)
	if _, _, err := x.recheckIncident("1", d.now); err == nil || err.Error() != "nothing of #1 is open" {
		t.Errorf("over: %v", err)
	}
}

// What a person rules out is evidence that stays, over restarts.
func TestRuledOutListIsNotBlamedAgain(t *testing.T) {
	d := newDesk(t, house)
	d.baseline()
	for range 3 {
		d.sweep("xbl", seven)
		d.later(20*time.Minute).lose(seven, "contoso.com")
		d.later(3 * time.Hour).sweep("xbl")
		d.later(20*time.Minute).look(seven, "contoso.com", 1)
		d.later(3*time.Minute).look(seven, "contoso.com", 1)
		d.later(30 * time.Hour)
		d.sweep("xbl")
	}
	d.sweep("xbl", seven)
	d.later(20*time.Minute).lose(seven, "contoso.com")
	all := incidentsOf(t, d.db)
	last := all[len(all)-1]
	if last.Verdict != correlate.ByListing {
		t.Fatalf("the verdict is %s before anybody spoke", last.Verdict)
	}
	if _, err := d.f.act(incident.Action{Verb: incident.RuleOut, Incident: last.ID, By: "anna", Reason: "their upgrade"}, d.later(time.Minute).now); err != nil {
		t.Fatal(err)
	}
	verdict := func() correlate.Verdict {
		t.Helper()
		if d.f.cause == nil {
			if err := d.f.judgeAgain(d.now); err != nil {
				t.Fatal(err)
			}
		}
		for _, e := range episodes(t, d.db) {
			if e.Open() && isWire(e) {
				if v, ok := d.f.cause.Verdict(e.Seq, d.now); ok {
					return v
				}
			}
		}
		t.Fatal("nothing is lost any more")
		return correlate.Verdict{}
	}
	if v := verdict(); v.List == "xbl" {
		t.Errorf("still blamed: %+v", v)
	}
	d.restart(house)
	if v := verdict(); v.List == "xbl" {
		t.Errorf("blamed again after a restart: %+v", v)
	}
}

func isWire(e incident.Episode) bool { return e.Subject.Kind == "wire" }

// An action that makes no sense changes nothing, and says why.
func TestRefusedActionsChangeNothing(t *testing.T) {
	d := newDesk(t, house)
	d.sweep("xbl", seven)
	d.deliverLater()
	n := len(recordsOf(t, d.db))
	for _, a := range []incident.Action{
		{Verb: incident.Ack, Incident: "9"},
		{Verb: incident.Snooze, Incident: "1"},
		{Verb: incident.RuleOut, Incident: "1"},
		{Verb: "explode", Incident: "1"},
	} {
		if id, err := d.f.act(a, d.now); err == nil || id != "" {
			t.Errorf("%+v: %q %v", a, id, err)
		}
	}
	if len(recordsOf(t, d.db)) != n || len(d.alerts()) > 0 {
		t.Error("a refusal left something behind")
	}
	if _, err := d.f.act(incident.Action{Verb: incident.Ack, Incident: "1", By: "anna"}, d.now); err != nil {
		t.Error(err)
	}
	if r := recordsOf(t, d.db); len(r) != n+1 || r[n].What != incident.Acted || r[n].Who != "anna" {
		t.Errorf("records %+v", r[n:])
	}
}
