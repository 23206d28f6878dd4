package watch

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"repwatch/checks"
	"repwatch/incident"
	"repwatch/notify"
	"repwatch/reputation"
	"repwatch/store"
)

// small is a house of one address, one partner and one list.
const small = `
sending_ips: [{ip: 203.0.113.7}]
partners: [{domain: contoso.com, require: [STARTTLS]}]
dns: {resolvers: ["127.0.0.1:53"]}
schedule: {timezone: UTC}
blocklists: {use: [xbl], add: [{id: xbl, zone: xbl.example, impact: critical}]}
`

// shortStory: listed after half an hour, withdrawn 20 minutes later, delisted after four hours, back soon after. Each
// state lasts for two rounds of looks and more, so that one look can fail.
func shortStory() *world {
	w := &world{takes: time.Second, listed: []span{{what: "xbl", who: seven, from: 31 * minute, to: 4 * hour}}}
	w.reacts("contoso.com", 20*minute, 15*minute)
	return w
}

const storyEnd = 6*hour + 30*minute

// oneStory: whatever failed on the way, people were told of one incident, once, and that it is over. (What came
// to be known in another order may have been two for a moment, before anybody was told.)
func oneStory(s *theatre) {
	s.Helper()
	all := slices.DeleteFunc(incidentsOf(s, s.db), func(i incident.Incident) bool { return i.Merged != "" })
	if len(all) != 1 || all[0].Status != incident.Resolved || len(all[0].Episodes) != 2 || all[0].List != "xbl" {
		for _, i := range all {
			s.Errorf("#%s %s %s episodes %v", i.ID, about(i), i.Status, i.Episodes)
		}
	}
	got := s.ears[0].words()
	if len(got) < 2 || got[0] != "opened #1" || got[len(got)-1] != "resolved #1" {
		s.Errorf("heard %q", got)
	}
	for _, word := range []string{"opened #1", "resolved #1"} {
		if n := len(slices.DeleteFunc(slices.Clone(got), func(w string) bool { return w != word })); n != 1 {
			s.Errorf("heard %q %d times: %q", word, n, got)
		}
	}
}

// failing lets the n-th transaction that is news fail, and the next times-1 attempts
// that follow it; it counts the news.
type failing struct {
	n, times, seen, failed int
}

func (f *failing) into(db *store.DB, to *folder) {
	to.write = func(now time.Time, change func(*store.Tx) error) error {
		return db.Update(now, func(tx *store.Tx) error {
			before := tx.LastSeq()
			if err := change(tx); err != nil || tx.LastSeq() == before {
				return err
			}
			if f.seen++; f.seen >= f.n && f.failed < f.times {
				f.failed++
				return fmt.Errorf("n-th write: %w", store.ErrFull)
			}
			return nil
		})
	}
}

// The n-th transaction fails on a full disk, once and several times in a row.
func TestFoldFailsAtAnyTime(t *testing.T) {
	const news = 4 // listed, lost, delisted, back
	for n := 1; n <= news; n++ {
		for _, times := range []int{1, 3}[n%2:] {
			t.Run(fmt.Sprintf("%d failing %d times", n, times), func(t *testing.T) {
				f := &failing{n: n, times: times}
				play(t, shortStory(), small, func(s *theatre) {
					s.write = f.into
					s.start()
					s.until(storyEnd)
					s.ears[0].sent = slices.DeleteFunc(s.ears[0].sent, isFullDisk)
					oneStory(s)
				})
				if f.failed != times {
					t.Errorf("%d transactions failed, of %d with news", f.failed, f.seen)
				}
			})
		}
	}
}

func isFullDisk(h heard) bool {
	return h.Kind == incident.AlertNotice && h.Incident == "" && h.Seq == 0
}

// A full disk is told once, past the outbox; when there is room again, all goes on.
func TestFullDiskIsToldOnce(t *testing.T) {
	w := shortStory()
	play(t, w, small, func(s *theatre) {
		s.write = func(db *store.DB, to *folder) {
			to.write = func(now time.Time, change func(*store.Tx) error) error {
				return db.Update(now, func(tx *store.Tx) error {
					before, tried := tx.LastSeq(), setting(tx, "disk-full")
					if err := change(tx); err != nil {
						return err
					}
					wrote := tx.LastSeq() != before || setting(tx, "disk-full") != tried // what has nothing to write needs no room
					if at := w.now(); wrote && at > 20*minute && at < 50*minute {
						return fmt.Errorf("no room: %w", store.ErrFull)
					}
					return nil
				})
			}
		}
		var log bytes.Buffer
		s.log = slog.New(slog.NewTextHandler(&log, nil))
		s.start()
		s.until(49 * minute) // the sweep of 45 min sees the listing
		if n := len(s.ears[0].of(incident.AlertNotice)); n != 1 || !s.d.full.Load() {
			s.Errorf("told %d times that the disk is full (%v)", n, s.d.full.Load())
		}
		s.until(storyEnd)
		s.ears[0].sent = slices.DeleteFunc(s.ears[0].sent, isFullDisk)
		oneStory(s)
		if s.d.full.Load() {
			s.Error("the disk is still told to be full")
		}
		s.halt()
		if full, over := strings.Count(log.String(), "msg=\"the disk is full"), strings.Count(log.String(), "takes changes again"); full != 1 || over != 1 {
			s.Errorf("the log says %d times that the disk is full, and %d times that it is not any more", full, over)
		}
	})
}

func setting(tx *store.Tx, name string) string {
	raw, _, _ := tx.Settings().Get(name)
	return string(raw)
}

// A store that fails in any other way is logged and not shouted about.
func TestOtherTroubleOfTheStoreIsNoFullDisk(t *testing.T) {
	d := newDesk(t, house).daemonAt()
	d.stored(errors.New("something else"))
	if d.full.Load() {
		t.Error("the disk is told to be full")
	}
}

// The n-th send fails: refused for a while, in doubt, or by a service that wants us to wait.
func TestSendFailsAtAnyTime(t *testing.T) {
	for _, kind := range []*notify.Error{errNotNow, {Kind: notify.Skip, Words: "not this one", Refused: true}} {
		for n := 1; n <= 2; n++ {
			t.Run(fmt.Sprintf("%d %s", n, kind.Words), func(t *testing.T) {
				play(t, shortStory(), small, func(s *theatre) {
					s.ears[0].fails = func(at int, _ notify.Sending) error {
						if at == n {
							return kind
						}
						return nil
					}
					s.start()
					s.until(storyEnd)
					oneStory(s)
				})
			})
		}
	}
}

// The n-th look tells nothing: unknown is never news, and the story is the same.
func TestLookTellsNothingAtAnyTime(t *testing.T) {
	for n := 1; n <= 36; n += 5 { // the story has about 40 looks up to its end
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			w := shortStory()
			w.unknown = n
			play(t, w, small, func(s *theatre) {
				s.start()
				s.until(storyEnd)
				oneStory(s)
				if len(w.took) < n {
					s.Errorf("there were only %d looks", len(w.took))
				}
			})
		})
	}
}

// What was judged in a transaction that failed was not said: the loss is placed by its verdict the next time.
func TestFailedTransactionLeavesNothingSaid(t *testing.T) {
	d := newDesk(t, house)
	d.baseline()
	d.sweep("xbl", seven)
	d.later(20*time.Minute).look(seven, "contoso.com", reputation.Absent)
	f := &failing{n: 1, times: 1}
	f.into(d.db, d.f)
	d.later(2 * time.Minute)
	lost := checks.Batch{Wire: []checks.WireLook{lookThat(pairOf(seven, "contoso.com"), d.now, reputation.Absent, "")}}
	if _, err := d.f.Fold(lost, d.now); !errors.Is(err, store.ErrFull) {
		t.Fatal(err)
	}
	d.fold(lost)
	d.wantsLooks("around fabrikam.net from 203.0.113.7", "around tailspin.org from 203.0.113.7", "control contoso.com from office", "peers contoso.com from 203.0.113.8")
	e := episodes(t, d.db)
	if len(e) != 2 || e[1].Incident == "" {
		t.Fatalf("episodes %+v", e)
	}
	for _, i := range incidentsOf(t, d.db) {
		if i.ID == e[1].Incident && (i.Verdict == "" || len(i.Evidence) == 0) {
			t.Errorf("the loss was placed without its verdict: %+v", i)
		}
	}
}

// What cannot work beside watching is part of how the daemon stands, until it works.
func TestTroubleOfOtherPartsShows(t *testing.T) {
	d := newDesk(t, house).daemonAt()
	d.Trouble("page", "its port is taken")
	d.Trouble("page", "its port is taken by nginx")
	if got := d.Runtime().Problems; !slices.Equal(got, []string{"its port is taken by nginx"}) {
		t.Errorf("problems %q", got)
	}
	d.Trouble("page", "")
	if got := d.Runtime().Problems; len(got) > 0 {
		t.Errorf("problems %q", got)
	}
}
