package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"repwatch/internal/lab"
)

// TestDaemonListedWithdrawnDelistedBack is the first case of all, from the baseline
// to the green message, and what is left of it when the daemon is gone.
func TestDaemonListedWithdrawnDelistedBack(t *testing.T) {
	t.Parallel()
	o := newOutside(t)
	d := watching(t, o)
	if roots := d.slack.Roots(); len(roots) > 0 {
		t.Errorf("a first clean look is silent; Slack shows\n%s", d.channel())
	}
	d.listedAndWithdrawn(o)
	d.delistedAndBack(o)
	d.wait("the green message", func() bool { return d.slack.Roots()[0].Color == slackGreen })
	d.oneWholeStory()

	live := d.command("incidents", "-o", "json")
	d.stop()
	file := d.command("incidents", "-o", "json")
	for _, out := range []output{live, file} {
		doc := decode[incidentsDoc](t, out)
		if out.code != 0 || doc.Schema != "repwatch/incidents/v1" || doc.Open != 0 || len(doc.Incidents) != 1 {
			t.Fatalf("exit %d: want 0 and one incident that is over\n%s%s", out.code, out.stdout, out.stderr)
		}
		i := doc.Incidents[0]
		if i.Status != "resolved" || i.verdict() != "listing" || deref(i.List) != "xbl" || deref(i.IP) != listedIP || !slices.Equal(i.Partners, []string{contoso}) {
			t.Errorf("%+v", i)
		}
		if len(i.Lost) != 1 || i.Lost[0].Loss != "starttls" || !slices.Contains(i.Lost[0].Capabilities, "DSN") || i.Lost[0].After == nil || i.Lost[0].Until == nil {
			t.Errorf("lost: %+v", i.Lost)
		}
		if len(i.Alerts) != 2 || i.Alerts[0].State != "sent" || i.Alerts[1].State != "sent" {
			t.Errorf("alerts: %+v, want those of log and slack, sent", i.Alerts)
		}
	}
	d.replayAgrees("listing", "xbl")
	d.sound()
}

// TestDaemonOnlyWeCannotSeeIt is the second case: no list knows, the control sees STARTTLS.
func TestDaemonOnlyWeCannotSeeIt(t *testing.T) {
	t.Parallel()
	o := newOutside(t)
	d := watching(t, o)
	o.exim.Withdraw(t, addr(listedIP), "STARTTLS")
	i := d.only("the loss, by the partner's own judgement", func(i incidentDoc) bool { return i.verdict() == "private" })
	if i.List != nil || len(i.Lists) > 0 || len(i.Lost) != 1 || i.Lost[0].IP != listedIP || i.Lost[0].Partner != woodgr {
		t.Errorf("%+v, want one pair lost and no list", i)
	}
	d.wait("the message", func() bool {
		roots := d.slack.Roots()
		return len(roots) == 1 && strings.Contains(roots[0].Text, "by its own judgement: no list we watch shows why")
	})
	o.exim.Restore(t, addr(listedIP))
	d.only("the end", func(i incidentDoc) bool { return i.Status == "resolved" && i.verdict() == "private" })
	d.wait("the green message", func() bool { roots := d.slack.Roots(); return len(roots) == 1 && roots[0].Color == slackGreen })
	d.stop()
	d.replayAgrees("private", "")
	d.sound()
}

// TestDaemonBlamesNoBystander: the partner drops STARTTLS for everybody while an
// unrelated list names one of us.
func TestDaemonBlamesNoBystander(t *testing.T) {
	t.Parallel()
	o := newOutside(t)
	d := watching(t, o)
	o.list("traps", listedIP, "127.0.0.2", "spamtrap hit")
	d.only("the listing", func(i incidentDoc) bool { return i.verdict() == "listed" })
	o.postfix.Set(t, map[string]string{"smtpd_tls_security_level": "none"})
	d.wait("two incidents with a cause each", func() bool {
		all := d.incidents()
		return len(all) == 2 && slices.ContainsFunc(all, func(i incidentDoc) bool {
			return i.verdict() == "listed" && len(i.Lost) == 0 && deref(i.List) == "traps"
		}) &&
			slices.ContainsFunc(all, func(i incidentDoc) bool {
				return i.verdict() == "partner-wide" && i.List == nil && deref(i.Partner) == contoso && len(i.Lost) == 2
			})
	})
	d.wait("a message for each", func() bool {
		roots := d.slack.Roots()
		return len(roots) == 2 && strings.Contains(roots[1].Text, contoso+" withdrew STARTTLS from") && strings.Contains(roots[1].Text, "for everyone")
	})
	o.postfix.Set(t, map[string]string{"smtpd_tls_security_level": "may"})
	o.delist("traps", listedIP)
	d.wait("the end of both", func() bool {
		all := d.incidents()
		return len(all) == 2 && all[0].Status == "resolved" && all[1].Status == "resolved"
	})
	if all := d.incidents(); all[0].verdict() == all[1].verdict() {
		t.Errorf("in the end the verdicts are %s and %s", all[0].verdict(), all[1].verdict())
	}
	d.stop()
	d.sound()
}

// TestDaemonOwnPath: a firewall on the way from one of our addresses masks what all partners offer.
func TestDaemonOwnPath(t *testing.T) {
	t.Parallel()
	o := newOutside(t)
	d := watching(t, o)
	o.before[contoso].set(listedIP, masks)
	o.before[woodgr].set(listedIP, masks)
	i := d.only("one incident for both partners", func(i incidentDoc) bool { return i.verdict() == "network-path" && len(i.Lost) == 2 })
	if deref(i.IP) != listedIP || i.Lost[0].Loss != "masked" || i.Lost[1].Loss != "masked" {
		t.Errorf("%+v, want two masked pairs of %s", i, listedIP)
	}
	o.before[contoso].set(listedIP, passes)
	o.before[woodgr].set(listedIP, passes)
	d.only("the end", func(i incidentDoc) bool { return i.Status == "resolved" })
	d.stop()
	d.sound()
}

// listedAndWithdrawn is the bad half of the first case.
func (d *daemon) listedAndWithdrawn(o *outside) {
	d.t.Helper()
	o.list("xbl", listedIP, "127.0.0.4", "Pushdo bot seen at 02:51 UTC")
	d.only("an incident for the listing", func(i incidentDoc) bool { return i.verdict() == "listed" && deref(i.List) == "xbl" })
	d.wait("a message about it", func() bool { return len(d.slack.Roots()) == 1 })
	o.postfix.Withdraw(addr(listedIP), "starttls", "dsn")
	d.only("the loss in the same incident, because of the listing", func(i incidentDoc) bool {
		return i.verdict() == "listing" && deref(i.List) == "xbl" && len(i.Lost) == 1
	})
}

// delistedAndBack is the good half.
func (d *daemon) delistedAndBack(o *outside) {
	d.t.Helper()
	o.delist("xbl", listedIP)
	d.only("the delisting", func(i incidentDoc) bool { return i.Status == "open" && strings.Contains(i.said(), "no longer on xbl") })
	o.postfix.Restore(addr(listedIP))
	d.only("the end", func(i incidentDoc) bool { return i.Status == "resolved" })
}

// oneWholeStory: one root, edited in place, whose thread tells each step in order.
func (d *daemon) oneWholeStory() {
	d.t.Helper()
	var roots []lab.SlackMessage
	d.wait("the last word of the thread", func() bool {
		roots = d.slack.Roots()
		return len(roots) > 0 && roots[0].Color == slackGreen && strings.Contains(d.thread(roots[0]), "back for "+listedIP)
	})
	if len(roots) != 1 || roots[0].Edits == 0 {
		d.t.Fatalf("want one root that was edited; Slack shows\n%s", d.channel())
	}
	thread := d.thread(roots[0])
	at := 0
	for _, step := range []string{contoso + " withdrew STARTTLS", "no longer on xbl", "back for " + listedIP} {
		next := strings.Index(thread[at:], step)
		if next < 0 {
			d.t.Errorf("the thread does not tell %q in its place; Slack shows\n%s", step, d.channel())
			continue
		}
		at += next
	}
}

// replayAgrees: what was exported tells the same to a correlator that was not there.
func (d *daemon) replayAgrees(verdict, list string) {
	d.t.Helper()
	events := d.command("db", "dump", "--events")
	file := filepath.Join(d.dir, "events.jsonl")
	if err := os.WriteFile(file, []byte(events.stdout), 0o600); err != nil {
		d.t.Fatal(err)
	}
	out := repwatch(d.t, "", "replay", file)
	stages := map[string]bool{}
	for line := range strings.Lines(out.stdout) {
		var said struct{ Stage, Verdict, List string }
		if err := json.Unmarshal([]byte(line), &said); err != nil {
			d.t.Fatalf("%v: %s", err, line)
		}
		if said.Stage == "" {
			continue
		}
		stages[said.Stage] = true
		if said.Verdict != verdict || said.List != list {
			d.t.Errorf("replay says %s %s at stage %s, the daemon said %s %s\n%s", said.Verdict, said.List, said.Stage, verdict, list, events.stdout)
		}
	}
	if !stages["online"] || !stages["final"] {
		d.t.Errorf("replay gives no verdict: exit %d\n%s%s", out.code, out.stdout, out.stderr)
	}
}

// sound: the file is whole, and what it says fits together.
func (d *daemon) sound() {
	d.t.Helper()
	if out := d.command("db", "verify"); out.code != 0 {
		d.t.Errorf("db verify: exit %d\n%s%s", out.code, out.stdout, out.stderr)
	}
}
