package e2e

import (
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// kills is how many times the first case is played to a daemon that dies in the middle.
var kills = flag.Int("kills", 6, "runs of TestDaemonKilled")

// TestDaemonKilled plays the first case while kill -9 strikes at random moments. In
// the end nothing is lost, nothing is told twice, and the file is whole.
func TestDaemonKilled(t *testing.T) {
	t.Parallel()
	const sides = 2
	for side := range sides {
		t.Run(fmt.Sprintf("side %d", side), func(t *testing.T) {
			t.Parallel()
			o := newOutside(t)
			for n := side; n < *kills; n += sides {
				if !t.Run(fmt.Sprintf("run %d", n), func(t *testing.T) { killed(t, o.in(t), uint64(n)) }) {
					return // the world may be left as it should not be
				}
			}
		})
	}
}

// in is the same outside, for another test's complaints.
func (o *outside) in(t *testing.T) *outside {
	c := *o
	c.t = t
	return &c
}

func killed(t *testing.T, o *outside, seed uint64) {
	d := newDaemon(t)
	d.write(o.yaml(o.usual(d.slack.URL()), d.dir))
	d.start()
	const most = 4 // in a story of about ten seconds
	luck, deaths := rand.New(rand.NewPCG(seed, 24)), 0
	var doom time.Time
	d.fate = func() {
		switch {
		case doom.IsZero() && deaths < most:
			doom = time.Now().Add(time.Duration(luck.IntN(4000)) * time.Millisecond)
		case !doom.IsZero() && time.Now().After(doom):
			d.kill()
			d.launch()
			deaths++
			doom = time.Time{}
		}
	}
	d.settled(4+2, len(listIDs))
	d.listedAndWithdrawn(o)
	d.delistedAndBack(o)
	d.wait("the green message", func() bool { roots := d.slack.Roots(); return len(roots) > 0 && roots[0].Color == slackGreen })
	d.wait("the last of the deaths", func() bool { return deaths == most })
	d.fate = func() {}
	d.oneWholeStory()
	d.only("one incident, all of it told", func(i incidentDoc) bool {
		for _, a := range i.Alerts {
			if a.State != "sent" {
				return false
			}
		}
		return i.Status == "resolved" && i.verdict() == "listing" && deref(i.List) == "xbl" && len(i.Lost) == 1 && len(i.Alerts) == 2
	})
	d.looks(2)
	d.toldOnce()
	d.replayAgrees("listing", "xbl")
	d.stop()
	d.sound()
	if said := d.said(); strings.Contains(said, "panic") || strings.Contains(said, "DATA RACE") {
		t.Error("it did not only die of us")
	}
}

// toldOnce: no two messages carry the same piece of the same alert, and nothing is
// said twice in a thread.
func (d *daemon) toldOnce() {
	d.t.Helper()
	tags, texts := map[string]bool{}, map[string]bool{}
	for _, m := range d.slack.Messages() {
		var meta struct {
			Payload struct {
				Origin, Incident, Part string
				Seq                    int
			} `json:"event_payload"`
		}
		if strings.Contains(m.Text, "repwatch cannot write") {
			continue // it is sent past the outbox, which is full
		}
		if err := json.Unmarshal(m.Metadata, &meta); err != nil || meta.Payload.Origin == "" {
			d.t.Errorf("a message without a tag: %v, %s", err, m.Text)
		}
		tag := fmt.Sprintf("%+v", meta.Payload)
		if meta.Payload.Part == "root" { // whatever alert it was last edited by
			tag = "root of " + meta.Payload.Incident
		}
		if tags[tag] || texts[m.ThreadTS+m.Text] {
			d.t.Errorf("said twice: %s\n%s", m.Text, d.channel())
		}
		tags[tag], texts[m.ThreadTS+m.Text] = true, true
	}
}
