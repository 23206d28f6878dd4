package incident

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"repwatch/correlate"
	"repwatch/reputation"
)

// Whatever happens, in whatever order: the invariants of check hold after every step.
// Three addresses, three lists, three partners; verdicts that know nothing of what is
// true; people who act; windows, quiet hours and warming addresses.
func TestModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := newStory(rt)
		s.p.DigestOver = rapid.IntRange(1, 3).Draw(rt, "digest_over")
		s.p.Provider = func(partner string) string {
			return map[string]string{"contoso.com": "exchange-online", "fabrikam.net": "exchange-online"}[partner]
		}
		if rapid.Bool().Draw(rt, "warming") {
			s.p.Warming = func(ip string) bool { return ip == c }
		}
		if rapid.Bool().Draw(rt, "quiet hours") {
			s.p.Quiet = func(t time.Time) (time.Time, bool) {
				return t.Truncate(4 * time.Hour).Add(2 * time.Hour), t.Hour()%4 < 2
			}
		}
		if rapid.Bool().Draw(rt, "maintenance") {
			s.p.Maintenance = func(t time.Time, _, partner string) (string, time.Time, bool) {
				return "theirs", t.Truncate(3 * time.Hour).Add(time.Hour), partner == "contoso.com" && t.Hour()%3 < 1
			}
		}
		rt.Repeat(map[string]func(*rapid.T){
			"changes": func(rt *rapid.T) { s.change(rt) },
			"verdicts": func(rt *rapid.T) {
				s.do(s.opinions(rt, rapid.IntRange(1, 4).Draw(rt, "how many"))...)
			},
			"time": func(rt *rapid.T) {
				d := time.Duration(rapid.SampledFrom([]int{1, 1, 3, 20, 45, 200, 1500}).Draw(rt, "minutes")) * time.Minute
				if d > time.Hour { // not minute by minute
					s.now = s.now.Add(d - time.Minute)
					s.deliver()
					d = time.Minute
				}
				s.wait(d)
			},
			"people": func(rt *rapid.T) { s.anyAct(rt) },
			"":       func(rt *rapid.T) {},
		})
		s.finish()
	})
}

// change is one transaction with a few transitions and, for losses, opinions.
func (s *story) change(rt *rapid.T) {
	var steps []step
	used := map[string]bool{}
	for range rapid.IntRange(1, 4).Draw(rt, "changes") {
		who := rapid.SampledFrom([]string{a, b, c}).Draw(rt, "address")
		pair := who + rapid.SampledFrom([]string{"@zen", "@xbl", "@dull", con, fab, nor}).Draw(rt, "pair")
		if used[pair] {
			continue
		}
		used[pair] = true
		_, open := s.named[pair]
		wire := strings.Contains(pair, ">")
		switch {
		case open && rapid.IntRange(0, 9).Draw(rt, "unwatched") == 0:
			steps = append(steps, unwatch(pair))
		case open && wire:
			steps = append(steps, back(pair))
		case open && rapid.Bool().Draw(rt, "relisted"):
			steps = append(steps, relist(pair, rapid.SampledFrom([]listed{quietList, neverTold, policyOnly, func(*reputation.Listing) {}}).Draw(rt, "codes")))
		case open:
			steps = append(steps, delist(pair))
		case wire:
			steps = append(steps, lose(pair, rapid.SampledFrom([]func(*Wire){masked, rejected, func(*Wire) {}}).Draw(rt, "loss")))
			if rapid.IntRange(0, 3).Draw(rt, "judged") > 0 {
				steps = append(steps, judged(pair, opinion(rt), "a reason"))
			}
		case strings.HasSuffix(pair, "@dull"):
			steps = append(steps, list(pair, rapid.SampledFrom([]listed{quietList, neverTold, policyOnly}).Draw(rt, "codes")))
		default:
			steps = append(steps, list(pair))
			if rapid.Bool().Draw(rt, "foretold") {
				steps = append(steps, forecast(pair, "contoso.com", rapid.Float64Range(0, 1).Draw(rt, "p")))
			}
		}
	}
	s.do(append(steps, s.opinions(rt, rapid.IntRange(0, 2).Draw(rt, "revised"))...)...)
}

// opinions are new verdicts on losses, open and over.
func (s *story) opinions(rt *rapid.T, n int) (steps []step) {
	var losses []uint64
	for _, id := range slices.Sorted(maps.Keys(s.w.Episodes)) {
		if isLoss(s.w.Episodes[id]) {
			losses = append(losses, id)
		}
	}
	if len(losses) == 0 {
		return nil
	}
	for range n {
		id, v := rapid.SampledFrom(losses).Draw(rt, "loss"), opinion(rt)
		steps = append(steps, func(_ *story, in *Input) { in.Judged[id] = Judgement{Verdict: v, Why: []string{"another reason"}} })
	}
	return steps
}

func opinion(rt *rapid.T) correlate.Verdict {
	p := rapid.Float64Range(.8, 1).Draw(rt, "p")
	name := rapid.SampledFrom([]string{"zen", "xbl", "dull"}).Draw(rt, "list")
	switch c := rapid.SampledFrom([]correlate.Cause{correlate.ByListing, correlate.ByListing, correlate.ByLists, correlate.ByPartner, correlate.ByPath,
		correlate.ByAbuse, correlate.Private, correlate.Unexplained, correlate.Undetermined}).Draw(rt, "cause"); c {
	case correlate.ByListing:
		return byList(name, p)
	case correlate.Undetermined:
		return unsure(name, 1-p)
	case correlate.ByLists, correlate.ByAbuse:
		return cause(c, p, correlate.Share{Cause: correlate.ByListing, List: name, P: 1 - p})
	default:
		return cause(c, p)
	}
}

func (s *story) anyAct(rt *rapid.T) {
	if s.ids == 0 {
		return
	}
	act := Action{Incident: fmt.Sprint(rapid.Uint64Range(1, s.ids).Draw(rt, "incident")),
		Verb: rapid.SampledFrom([]Verb{Ack, Snooze, Snooze, Resolve, RuleOut}).Draw(rt, "verb")}
	if act.ToEnd = rapid.Bool().Draw(rt, "to the end"); !act.ToEnd {
		act.For = 4 * time.Hour
	}
	_ = s.act(act) // it may make no sense now: then nothing happens, which is what counts
}

// finish ends everything and holds the outbox to it: nothing waits, and who was told of
// an incident was told of its end last.
func (s *story) finish() {
	var steps []step
	for _, name := range slices.Sorted(maps.Keys(s.named)) {
		e := s.of(name)
		switch {
		case isLoss(e):
			steps = append(steps, back(name))
		default:
			steps = append(steps, delist(name))
		}
	}
	s.do(steps...)
	s.now = s.now.Add(5 * time.Hour)
	s.wait(time.Minute)
	if len(s.outbox) > 0 {
		s.t.Fatalf("still in the outbox: %+v", s.outbox)
	}
	last := map[string]Alert{}
	opened := map[string]int{}
	for _, al := range s.sent {
		if al.Incident == "" {
			continue
		}
		if al.Kind == AlertOpened {
			opened[al.Incident]++
		}
		last[al.Incident] = al
	}
	for id, i := range s.w.Incidents {
		if i.Status != Resolved {
			s.t.Fatalf("#%s is still open", id)
		}
		if al, told := last[id]; i.Told && (!told || opened[id] != 1 || al.Message.Status != Resolved) {
			s.t.Fatalf("#%s: %d first messages; the last one: %+v", id, opened[id], al)
		}
	}
}
