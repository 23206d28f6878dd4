package incident

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"repwatch/checks/smtp"
	"repwatch/correlate"
	"repwatch/reputation"
)

var update = flag.Bool("update", false, "write golden files")

const (
	a = "203.0.113.7"
	b = "203.0.113.8"
	c = "203.0.113.9"
)

// golden compares what people read of the last transaction: the news, and the message.
func (s *story) golden(name, id string) {
	s.t.Helper()
	text := ""
	for _, al := range s.last.Alerts {
		if al.Incident != id || id == "" {
			continue
		}
		text += string(al.Kind)
		if al.Broadcast {
			text += ", in the channel too"
		}
		if al.Mention {
			text += ", with a mention"
		}
		text += "\n"
		for line := range strings.SplitSeq(al.News, "\n") {
			if line != "" {
				text += "  " + line + "\n"
			}
		}
	}
	m := s.msgs[id]
	if id == "" {
		m = s.last.Alerts[len(s.last.Alerts)-1].Message
	}
	golden(s.t, name, text+plain(m))
}

func golden(t rapid.TB, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}

// What people read. Each file is read as a postmaster at three in the morning would.
func TestMessages(t *testing.T) {
	tests := map[string]func(*story) string{
		"listed": func(s *story) string {
			s.do(list(a+"@zen"), forecast(a+"@zen", "contoso.com", .83))
			return "1"
		},
		"listed-and-lost": func(s *story) string {
			broken(s)
			return "1"
		},
		"resolved": func(s *story) string {
			broken(s)
			s.wait(3 * time.Hour)
			s.do(delist(a + "@zen"))
			s.wait(20 * time.Minute)
			s.do(back(a+">contoso.com"), back(a+">fabrikam.net"))
			s.do(back(a + ">northwind.example"))
			return "1"
		},
		"partly-back": func(s *story) string {
			broken(s)
			s.wait(3 * time.Hour)
			s.do(back(a + ">fabrikam.net"))
			return "1"
		},
		"partner-wide": func(s *story) string {
			pairs(s, "contoso.com", cause(correlate.ByPartner, .97), a, b, c, "203.0.113.10")
			return "1"
		},
		"path": func(s *story) string {
			why := "three partners of different providers were lost within 4 min"
			v := cause(correlate.ByPath, .88)
			s.do(lose(a+">contoso.com", masked), lose(a+">fabrikam.net", masked), lose(a+">northwind.example", masked),
				judged(a+">contoso.com", v, why), judged(a+">fabrikam.net", v, why), judged(a+">northwind.example", v, why))
			return "1"
		},
		"private": func(s *story) string {
			s.do(lose(a+">contoso.com", rejected), judged(a+">contoso.com", cause(correlate.Private, .86), "the control still gets it", "no list lists the address"))
			return "1"
		},
		"ambiguous": func(s *story) string {
			s.do(list(a+"@zen"), list(a+"@xbl"))
			s.wait(40 * time.Minute)
			s.do(lose(a+">contoso.com"), judged(a+">contoso.com", correlate.Verdict{Cause: correlate.ByLists, Lists: []string{"zen", "xbl"}, Confidence: .93, Word: "likely",
				Shares: []correlate.Share{{Cause: correlate.ByListing, List: "zen", P: .5}, {Cause: correlate.ByListing, List: "xbl", P: .43}}}, "both lists listed the address 25-55 min before the loss"))
			return "1"
		},
		"undetermined": func(s *story) string {
			s.do(list(a + "@zen"))
			s.wait(20 * time.Minute)
			s.do(lose(a+">contoso.com"), judged(a+">contoso.com", unsure("zen", .55), "zen listed the address 5-35 min before the loss"))
			return "1"
		},
		"abuse": func(s *story) string {
			s.do(list(a + "@zen"))
			s.wait(20 * time.Minute)
			s.do(lose(a+">contoso.com"), judged(a+">contoso.com", cause(correlate.ByAbuse, .85, correlate.Share{Cause: correlate.ByListing, List: "zen", P: .1}), "contoso.com did not react to 4 earlier listings"))
			return "1"
		},
		"unexplained": func(s *story) string {
			s.do(lose(a+">contoso.com"), judged(a+">contoso.com", cause(correlate.Unexplained, .8)))
			return "1"
		},
		"mass": func(s *story) string {
			mass(s, 40)
			return "1"
		},
		"mass-grows": func(s *story) string {
			mass(s, 40)
			s.wait(5 * time.Minute)
			var steps []step
			for n := range 12 {
				steps = append(steps, list(fmt.Sprintf("203.0.113.%d@zen", 150+n)))
			}
			s.do(steps...)
			return "1"
		},
		"mass-over": func(s *story) string {
			mass(s, 40)
			s.wait(5 * time.Hour)
			var steps []step
			for n := range 40 {
				steps = append(steps, delist(fmt.Sprintf("203.0.113.%d@zen", 100+n)))
			}
			s.do(steps...)
			return "1"
		},
		"first-sight": func(s *story) string {
			s.do(firstSight(list(a+"@zen")), firstSight(lose(a+">contoso.com")), judged(a+">contoso.com", byList("zen", .9), "it was listed and lost before we looked"))
			return "1"
		},
		"seen-ip": func(s *story) string {
			s.do(lose(a+">contoso.com", func(w *Wire) { w.SeenIP = "198.51.100.1" }), judged(a+">contoso.com", unsure("", 0)))
			return "1"
		},
		"merged": func(s *story) string {
			merged(s)
			return "2"
		},
		"merged-into": func(s *story) string {
			merged(s)
			return "1"
		},
		"acked": func(s *story) string {
			broken(s)
			s.wait(time.Hour)
			s.must(Action{Verb: Ack, Incident: "1", Reason: "infected host found"})
			return "1"
		},
		"snoozed": func(s *story) string {
			broken(s)
			s.wait(time.Hour)
			s.must(Action{Verb: Snooze, Incident: "1", For: 4 * time.Hour})
			return "1"
		},
		"closed": func(s *story) string {
			broken(s)
			s.wait(time.Hour)
			s.must(Action{Verb: Resolve, Incident: "1", Reason: "address retired"})
			return "1"
		},
		"unwatched": func(s *story) string {
			s.do(list(a + "@zen"))
			s.wait(time.Hour)
			s.do(unwatch(a + "@zen"))
			return "1"
		},
		"partly-unwatched": func(s *story) string {
			broken(s)
			s.wait(time.Hour)
			s.do(unwatch(a+">contoso.com"), unwatch(a+">fabrikam.net"), unwatch(a+">northwind.example"))
			s.do(delist(a + "@zen"))
			return "1"
		},
		"own": func(s *story) string {
			s.do(fault(own(a, "ptr"), Fault{ID: "ptr", Impact: reputation.High, What: a + " has no PTR record", Why: "The name server of 113.0.203.in-addr.arpa answered NXDOMAIN", Do: "have your provider set its PTR to mx1.example.com"}))
			return "1"
		},
		"health": func(s *story) string {
			s.do(fault(health("resolver", ""), Fault{ID: "resolver", Impact: reputation.High, What: "31 of 60 lists do not answer through 127.0.0.1:53", Why: "It forwards to a public resolver, which these lists refuse", Do: "run a resolver of your own that asks the lists itself"}))
			return "1"
		},
		"health-mended": func(s *story) string {
			s.do(fault(health("resolver", ""), Fault{ID: "resolver", Impact: reputation.High, What: "31 of 60 lists do not answer through 127.0.0.1:53", Do: "run a resolver of your own that asks the lists itself"}))
			s.wait(time.Hour)
			s.do(mend("resolver"))
			return "1"
		},
		"maintenance": func(s *story) string {
			window(s, noon.Add(2*time.Hour))
			s.do(lose(a+">contoso.com"), judged(a+">contoso.com", cause(correlate.ByPartner, .9), "the control lost it too"))
			s.wait(2 * time.Hour)
			return "1"
		},
		"revised": func(s *story) string {
			broken(s)
			s.wait(time.Hour)
			v, why := cause(correlate.ByPartner, .96), "the control lost it too"
			s.do(judged(a+">contoso.com", v, why))
			return "2"
		},
		"revised-from": func(s *story) string {
			broken(s)
			s.wait(time.Hour)
			s.do(judged(a+">contoso.com", cause(correlate.ByPartner, .96), "the control lost it too"))
			return "1"
		},
		"second-thoughts": func(s *story) string {
			v := unsure("", 0)
			s.do(lose(a+">contoso.com"), judged(a+">contoso.com", v))
			s.wait(time.Hour)
			s.do(judged(a+">contoso.com", cause(correlate.ByPartner, .96), "the control lost it too"))
			s.wait(time.Hour)
			s.do(judged(a+">contoso.com", cause(correlate.Private, .9), "the control has it back, we do not"))
			return "1"
		},
		"flapping": func(s *story) string {
			s.do(notice(Flapping, a+">contoso.com"), notice(Flapping, b+">contoso.com"))
			return ""
		},
		"steady": func(s *story) string {
			s.do(notice(Steady, a+">contoso.com"))
			return ""
		},
		"capability": func(s *story) string {
			s.do(notice(Changed, a+">contoso.com", func(w *Wire) { w.Went, w.Came = []string{"CHUNKING", "DSN"}, []string{"SMTPUTF8"} }),
				notice(Changed, b+">contoso.com", func(w *Wire) { w.Went, w.Came = []string{"CHUNKING", "DSN"}, []string{"SMTPUTF8"} }))
			return ""
		},
	}
	for name, play := range tests {
		t.Run(name, func(t *testing.T) {
			s := newStory(t)
			s.p.Describe = func(ip string) (string, string, string) {
				if ip == a {
					return "mx1.example.com", "main", "@mail-ops"
				}
				return "", "", ""
			}
			s.golden(name, play(s))
		})
	}
}

func masked(w *Wire) {
	w.Loss, w.Went, w.Why = smtp.LossMasked, []string{"STARTTLS"}, "XXXXXXXA instead of STARTTLS"
}

func rejected(w *Wire) {
	w.Loss, w.Went, w.Reply, w.Meaning = smtp.LossRejected, nil, "550 5.7.606 Access denied, banned sending IP [203.0.113.7]", "Exchange Online banned the address"
}

// broken: a listing breaks three partners.
func broken(s *story) {
	s.do(list(a + "@zen"))
	s.wait(30 * time.Minute)
	v, why := byList("zen", .91), []string{"zen listed the address 15-45 min before the loss", "the control still gets it", "contoso.com reacted to 4 of 4 earlier listings"}
	s.do(lose(a+">contoso.com"), lose(a+">fabrikam.net"), lose(a+">northwind.example"),
		judged(a+">contoso.com", v, why...), judged(a+">fabrikam.net", v, why...), judged(a+">northwind.example", v, why...))
}

func pairs(s *story, partner string, v correlate.Verdict, ips ...string) {
	var steps []step
	for _, ip := range ips {
		steps = append(steps, lose(ip+">"+partner), judged(ip+">"+partner, v, "the control lost it too"))
	}
	s.do(steps...)
}

func mass(s *story, n int) {
	var steps []step
	for i := range n {
		steps = append(steps, list(fmt.Sprintf("203.0.113.%d@zen", 100+i)))
	}
	s.do(steps...)
	s.wait(2 * time.Minute)
}

// merged: a loss is told as #1, then a listing as #2, then it is clear that they are one.
func merged(s *story) {
	s.do(lose(a+">contoso.com"), judged(a+">contoso.com", unsure("", 0)))
	s.wait(5 * time.Minute)
	s.do(list(a + "@zen"))
	s.wait(5 * time.Minute)
	s.do(judged(a+">contoso.com", byList("zen", .97), "zen listed the address at about the same time", "contoso.com reacted to 4 of 4 earlier listings"))
}

func window(s *story, until time.Time) {
	s.p.Maintenance = func(t time.Time, _, _ string) (string, time.Time, bool) {
		return "their upgrade", until, t.Before(until)
	}
}

func notice(what What, pair string, with ...func(*Wire)) step {
	return func(s *story, in *Input) {
		w := &Wire{Loss: smtp.LossStartTLS, Addrs: []string{"192.0.2.1", "192.0.2.2"}}
		if what == Changed {
			w.Loss = ""
		}
		for _, f := range with {
			f(w)
		}
		s.record(in, Record{What: what, Subject: subject(pair), Bracket: reputation.Bracket{After: s.now.Add(-time.Hour), By: s.now}, Wire: w})
	}
}

func TestDigest(t *testing.T) {
	s := newStory(t)
	s.do(list(a+"@backscatter", quietList), list(b+"@nszones", quietList))
	s.wait(4 * time.Hour)
	s.do(delist(a + "@backscatter"))
	s.do(list(c+"@uceprotect-2", neverTold))
	if got := DigestOf(s.w, noon.Add(-time.Hour), s.now, s.p); got == nil {
		t.Fatal("no digest")
	} else {
		golden(t, "digest", plain(got.Message))
	}
	if got := DigestOf(s.w, s.now, s.now.Add(24*time.Hour), s.p); got != nil {
		t.Errorf("a day without news: %+v", got.Message)
	}
	s.wantGot()
}
