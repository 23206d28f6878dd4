package e2e

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"repwatch/internal/realserver"
)

// TestDaemonInstalledTooLate: people install when mail is stuck already. The first
// look has to say so.
func TestDaemonInstalledTooLate(t *testing.T) {
	t.Parallel()
	o := newOutside(t)
	o.postfix.Withdraw(addr(listedIP), "starttls", "dsn")
	for _, listed := range []bool{false, true} {
		if listed {
			o.list("xbl", listedIP, "127.0.0.4", "seen sending spam")
			o.resolver.Flush(t, "xbl.lists.test") // or the first look is told by the cache that it was not listed before
		}
		d := newDaemon(t)
		d.write(o.yaml(o.usual(d.slack.URL()), d.dir))
		d.start()
		i := d.only("one incident", func(i incidentDoc) bool {
			return len(i.Lost) == 1 && (!listed || len(i.Lists) == 1)
		})
		if i.Lost[0].After != nil {
			t.Errorf("listed %v: it says that it was fine at %s; nobody looked then", listed, i.Lost[0].After)
		}
		if !listed && i.List != nil || listed && deref(i.List) != "xbl" {
			t.Errorf("listed %v: it names the list %q", listed, deref(i.List))
		}
		d.wait("a message that says before we looked", func() bool {
			roots := d.slack.Roots()
			return len(roots) == 1 && strings.Contains(roots[0].Text, contoso+" does not offer STARTTLS") && strings.Contains(string(roots[0].Attachments), "before we looked")
		})
		d.looks(2)
		if n := len(d.incidents()); n != 1 || len(d.slack.Roots()) != 1 {
			t.Errorf("listed %v: in the end there are %d incidents\n%s", listed, n, d.channel())
		}
		d.stop()
		d.sound()
	}
}

// TestDaemonReloads: what is new is looked at, what is gone is closed as that and
// not as mended, and a bad file changes nothing.
func TestDaemonReloads(t *testing.T) {
	t.Parallel()
	o := newOutside(t)
	o.list("xbl", otherIP, "127.0.0.4", "seen sending spam")
	o.list("traps", newIP, "127.0.0.2", "spamtrap hit")
	d := newDaemon(t)
	before := o.usual(d.slack.URL())
	before.partners = o.partner(contoso, requireTLS)
	d.write(o.yaml(before, d.dir))
	d.start()
	d.only("the listing of the address that will go", func(i incidentDoc) bool { return deref(i.IP) == otherIP })

	d.write("sending_ips: [{ip: 127.0.5.7, nmae: mx1}]\n")
	d.signal(syscall.SIGHUP)
	d.wait("a refusal in words", func() bool {
		return strings.Contains(d.said(), "the one before goes on") && strings.Contains(d.said(), "nmae") && d.status().Daemon.ReloadError != ""
	})
	d.looks(1)

	after := o.usual(d.slack.URL())
	after.sending = sendingLine(listedIP, "mx1.sender.test") + sendingLine(newIP, "mx3.sender.test")
	after.partners = o.partner(woodgr, requireTLS)
	d.write(o.yaml(after, d.dir))
	d.signal(syscall.SIGHUP)
	d.wait("the old incident closed and the new one open", func() bool {
		var gone, came bool
		for _, i := range d.incidents() {
			gone = gone || i.Status == "resolved" && deref(i.IP) == otherIP && strings.Contains(i.said(), "no longer watched") && !strings.Contains(i.said(), "no longer on")
			came = came || i.Status == "open" && deref(i.IP) == newIP && deref(i.List) == "traps"
		}
		return gone && came && len(d.incidents()) == 2
	})
	d.wait("the new partner's baseline", func() bool {
		s := d.status()
		return len(s.Partners) == 1 && s.pair(woodgr, newIP).Standing == "good" && s.pair(woodgr, "office").Standing == "good" && s.Daemon.ReloadError == ""
	})
	for _, line := range []string{"no longer watched: sending IP " + otherIP, "watched now: sending IP " + newIP, "no longer watched: partner " + contoso, "watched now: partner " + woodgr} {
		if !strings.Contains(d.said(), line) {
			t.Errorf("the log does not say %q", line)
		}
	}

	second := d.command("run")
	if second.code != 2 || !strings.Contains(second.stderr, "another process holds the file") && !strings.Contains(second.stderr, "another daemon answers") || !strings.Contains(second.stderr, "hint:") {
		t.Errorf("a second daemon on the same file: exit %d\n%s", second.code, second.stderr)
	}
	d.looks(1) // the first one is not impressed
	d.stop()
	d.sound()
}

// TestDaemonRestarts with an open incident: nobody is told twice; what went from the
// configuration meanwhile is closed when it comes up.
func TestDaemonRestarts(t *testing.T) {
	t.Parallel()
	o := newOutside(t)
	d := watching(t, o)
	d.listedAndWithdrawn(o)
	d.wait("the news below the message", func() bool { return len(d.slack.Messages()) == 2 && d.slack.Roots()[0].Edits == 1 })
	d.stop()
	d.start()
	d.looks(2)
	d.only("the same incident", func(i incidentDoc) bool { return i.Status == "open" && i.verdict() == "listing" })
	if n := len(d.slack.Messages()); n != 2 {
		t.Errorf("the restart made %d messages of 2:\n%s", n, d.channel())
	}
	d.stop()
	alone := o.usual(d.slack.URL())
	alone.sending = sendingLine(otherIP, "mx2.sender.test")
	d.write(o.yaml(alone, d.dir))
	d.start()
	i := d.only("closed, for nobody looks any more", func(i incidentDoc) bool { return i.Status == "resolved" })
	if !strings.Contains(i.said(), "no longer watched") || strings.Contains(i.said(), "back for") || !i.Lost[0].Unwatched {
		t.Errorf("%+v\n%s", i.Lost, i.said())
	}
	d.wait("the message says so", func() bool {
		roots := d.slack.Roots()
		return len(roots) == 1 && strings.Contains(roots[0].Text, "No longer watched: ")
	})
	d.stop()
	d.sound()
}

// TestDaemonManyAtOnce: one list names forty of our addresses.
func TestDaemonManyAtOnce(t *testing.T) {
	t.Parallel()
	o := newOutside(t)
	d := newDaemon(t)
	many := o.usual(d.slack.URL())
	many.sending += "  - {range: 127.0.9.0/25, name: \"out{n}.sender.test\", pool: bulk}\n" // less than half are hit, or rule 2 waits for five minutes
	many.partners = o.partner(contoso, requireTLS+", from: ["+listedIP+"]")
	d.write(o.yaml(many, d.dir))
	d.start()
	d.settled(2, len(listIDs))
	o.entries["drop"] = o.entries["drop"].With(realserver.Entries{"127.0.9.0-127.0.9.39": {A: "127.0.0.2", TXT: "hijacked netblock"}})
	o.heal("drop")
	i := d.only("one incident for all", func(i incidentDoc) bool { return len(i.IPs) == 40 })
	d.wait("one message", func() bool { return len(d.slack.Roots()) == 1 })
	if root := d.slack.Roots()[0]; !strings.Contains(root.Text, "40 addresses") || deref(i.List) != "drop" {
		t.Errorf("it says %s; list %q", root.Text, deref(i.List))
	}
	begun := time.Now()
	d.wait("another sweep", func() bool { l := d.status().list("drop"); return l.Sure != nil && l.Sure.After(begun) })
	if n := len(d.slack.Messages()); n != 1 {
		t.Errorf("Slack shows %d messages\n%s", n, d.channel())
	}
	delete(o.entries["drop"], "127.0.9.0-127.0.9.39")
	o.heal("drop")
	d.only("the end of all", func(i incidentDoc) bool { return i.Status == "resolved" })
	d.wait("the green message", func() bool { return d.slack.Roots()[0].Color == slackGreen })
	if n := len(d.slack.Roots()); n != 1 {
		t.Errorf("Slack shows %d roots\n%s", n, d.channel())
	}
	d.stop()
	d.sound()
}
