package incident

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"repwatch/reputation"
)

func (s *story) title(id string) string {
	s.t.Helper()
	return s.msgs[id].Title
}

// What lasts decides what is said: of a loss that is over, or that nobody looks at any more, no title goes on.
func TestWhatLastsIsWhatIsSaid(t *testing.T) {
	for name, end := range map[string]struct {
		step step
		says string
	}{
		"back":              {back(a + con), "; what it broke is back"},
		"no longer watched": {unwatch(a + con), ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStory(t)
			s.do(list(a+"@zen", func(l *reputation.Listing) { l.Impact = reputation.High }))
			listed := s.title("1")
			s.do(lose(a+con), judged(a+con, byList("zen", .95)))
			if i := s.inc("1"); i.Impact != reputation.Critical {
				t.Errorf("impact of a loss: %s", i.Impact)
			}
			s.do(end.step)
			if got := s.title("1"); got != listed+end.says {
				t.Errorf("title %q, want %q", got, listed+end.says)
			}
			if i := s.inc("1"); i.Impact != reputation.High {
				t.Errorf("impact of what is left: %s, want that of the listing", i.Impact)
			}
		})
	}
}

// After the delisting nobody is told to wait for the delisting.
func TestDelistedAndNotBackYet(t *testing.T) {
	s := newStory(t)
	s.do(list(a + "@zen"))
	s.do(lose(a+con), judged(a+con, byList("zen", .95)))
	if next := strings.Join(s.inc("1").Next, "\n"); !strings.Contains(next, "when "+a+" is delisted we look at") {
		t.Errorf("while it is listed: %s", next)
	}
	s.do(delist(a + "@zen"))
	next := strings.Join(s.inc("1").Next, "\n")
	if strings.Contains(next, "is delisted we look") || !strings.Contains(next, "is on no list any more: we look at") || !strings.Contains(next, "for their postmaster to say") {
		t.Errorf("after the delisting: %s", next)
	}
}

// A range without PTR is one piece of work, and one message.
func TestSameFaultOfManyAddressesIsOneIncident(t *testing.T) {
	ptr := func(n int) step {
		ip := fmt.Sprintf("203.0.113.%d", 100+n)
		return fault(own(ip, "ptr"), Fault{ID: "ptr", Impact: reputation.High, What: ip + " has no PTR record", Do: "have it set"})
	}
	s := newStory(t)
	var many []step
	for n := range s.p.DigestOver + 5 {
		many = append(many, ptr(n))
	}
	s.do(many...)
	s.wait(5 * time.Minute)
	s.wantGot("opened #1")
	if got, want := s.title("1"), fmt.Sprintf("203.0.113.100 has no PTR record; the same of %d more addresses (203.0.113.101, 203.0.113.102 and", s.p.DigestOver+4); !strings.HasPrefix(got, want) {
		t.Errorf("title %q, want %q…", got, want)
	}
	s.do(ptr(99))
	if i := s.inc("1"); len(i.Episodes) != s.p.DigestOver+6 {
		t.Errorf("one more found later is not in it: %v", i.Episodes)
	}

	few := newStory(t)
	few.do(many[:few.p.DigestOver]...)
	if open := few.open(); len(open) != few.p.DigestOver {
		t.Errorf("a few are told one by one, got %v", open)
	}
}
