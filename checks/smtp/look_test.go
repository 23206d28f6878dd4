package smtp

import (
	"context"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"repwatch/reputation"
)

// seen is a Looker made of data: what each address shows.
type seen struct {
	outcomes map[string]reputation.Outcome
	asked    []string
}

func (s *seen) Probe(_ context.Context, t Target, v Vantage) Result {
	s.asked = append(s.asked, t.Addr.String())
	return Result{Target: t, Vantage: v, Outcome: s.outcomes[t.Addr.String()]}
}

func routeOver(addrs ...string) Route {
	r := Route{Partner: "contoso.example", Port: 25}
	for i, a := range addrs {
		h := Hop{Host: "mx.contoso.example", Preference: uint16(10 * i)}
		if ip := netip.MustParseAddr(a); ip.Is4() {
			h.V4 = []netip.Addr{ip}
		} else {
			h.V6 = []netip.Addr{ip}
		}
		r.Hops = append(r.Hops, h)
	}
	return r
}

// A look goes on after an unknown and stops, per family, at the first address that says something.
func TestLookRouteStopsAtTheFirstWordOfEachFamily(t *testing.T) {
	any, v4only := Vantage{Name: "us"}, Vantage{Name: "us", Bind: netip.MustParseAddr("203.0.113.7")}
	tests := []struct {
		name     string
		v        Vantage
		outcomes map[string]reputation.Outcome
		route    Route
		asked    []string
	}{
		{"the first tells", any, map[string]reputation.Outcome{"192.0.2.1": reputation.Advertised}, routeOver("192.0.2.1", "192.0.2.2"), []string{"192.0.2.1"}},
		{"bad news is checked elsewhere", any, map[string]reputation.Outcome{"192.0.2.1": reputation.Absent, "192.0.2.2": reputation.Absent}, routeOver("192.0.2.1", "192.0.2.2", "192.0.2.3"), []string{"192.0.2.1", "192.0.2.2"}},
		{"and past a silent one", any, map[string]reputation.Outcome{"192.0.2.1": reputation.Absent, "192.0.2.3": reputation.Advertised}, routeOver("192.0.2.1", "192.0.2.2", "192.0.2.3"), []string{"192.0.2.1", "192.0.2.2", "192.0.2.3"}},
		{"a deferral tells too", any, map[string]reputation.Outcome{"192.0.2.1": reputation.Deferred}, routeOver("192.0.2.1", "192.0.2.2"), []string{"192.0.2.1"}},
		{"silence goes on", any, map[string]reputation.Outcome{"192.0.2.2": reputation.Advertised}, routeOver("192.0.2.1", "192.0.2.2", "192.0.2.3"), []string{"192.0.2.1", "192.0.2.2"}},
		{"families apart", any, map[string]reputation.Outcome{"192.0.2.1": reputation.Advertised}, routeOver("192.0.2.1", "2001:db8::1", "192.0.2.2"), []string{"192.0.2.1", "2001:db8::1"}},
		{"only the family we have", v4only, nil, routeOver("2001:db8::1", "192.0.2.1"), []string{"192.0.2.1"}},
		{"at most four of a family", any, nil, routeOver("192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4", "192.0.2.5"), []string{"192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := &seen{outcomes: tt.outcomes}
			results := LookRoute(t.Context(), s, tt.route, tt.v)
			if diff := cmp.Diff(tt.asked, s.asked); diff != "" || len(results) != len(tt.asked) {
				t.Errorf("addresses tried (-want +got):\n%s", diff)
			}
		})
	}
}

func TestSummarise(t *testing.T) {
	of := func(outcomes ...reputation.Outcome) Side {
		var rs []Result
		for _, o := range outcomes {
			rs = append(rs, Result{Outcome: o, Why: o.String()})
		}
		return Summarise(rs)
	}
	for _, tt := range []struct {
		side Side
		want reputation.Outcome
		mix  bool
	}{
		{of(reputation.OutcomeUnknown, reputation.Advertised), reputation.Advertised, false},
		{of(reputation.Deferred, reputation.OutcomeUnknown), reputation.Deferred, false},
		{of(reputation.Absent, reputation.Deferred), reputation.Absent, false},
		{of(reputation.Advertised, reputation.Absent), reputation.Absent, true},
		{of(), reputation.OutcomeUnknown, false},
	} {
		if tt.side.Outcome != tt.want || tt.side.Mixed != tt.mix {
			t.Errorf("%s mixed %v, want %s mixed %v", tt.side.Outcome, tt.side.Mixed, tt.want, tt.mix)
		}
	}
}

// Lost for us alone is our reputation, lost for everyone is the partner's change (stories 1 and 2).
func TestCompare(t *testing.T) {
	side := func(o reputation.Outcome, name string, offers ...string) Side {
		s := Side{Partner: "contoso.example", Vantage: Vantage{Name: name}, Outcome: o, Why: "because"}
		for _, c := range offers {
			if s.Offers == nil {
				s.Offers = Capabilities{}
			}
			s.Offers[c] = ""
		}
		return s
	}
	us := func(o reputation.Outcome) Side { return side(o, "203.0.113.7", "SIZE") }
	good, gone, silent := side(reputation.Advertised, "spare", "SIZE", "STARTTLS", "DSN"), side(reputation.Absent, "spare"), side(reputation.OutcomeUnknown, "spare")
	natted := us(reputation.Absent)
	natted.SeenIP = netip.MustParseAddr("203.0.113.99")
	gateway := us(reputation.Absent)
	gateway.SeenIP = netip.MustParseAddr("10.1.2.3")
	shared := us(reputation.Absent)
	shared.SeenIP = netip.MustParseAddr("100.64.1.1")
	mixed := us(reputation.Absent)
	mixed.Mixed = true
	for _, tt := range []struct {
		name     string
		us       Side
		controls []Side
		verdict  string
		says     []string
	}{
		{"ours alone", us(reputation.Absent), []Side{good}, "withheld", []string{"does not offer STARTTLS to 203.0.113.7", "control spare", "offers it DSN besides", "about our address"}},
		{"one control of two still sees it", us(reputation.Absent), []Side{gone, good}, "withheld", nil},
		{"everybody's", us(reputation.Absent), []Side{gone}, "partner-wide", []string{"changed this for everyone"}},
		{"a rejection", us(reputation.Rejected), []Side{good}, "withheld", []string{"rejects 203.0.113.7"}},
		{"the control cannot tell", us(reputation.Absent), []Side{silent}, "loss", []string{"could not tell"}},
		{"no control", us(reputation.Absent), nil, "loss", nil},
		{"all is well", us(reputation.Advertised), []Side{gone}, "ok", nil},
		{"fewer capabilities than the control", side(reputation.Advertised, "203.0.113.7", "STARTTLS", "SIZE"), []Side{good}, "fewer", []string{"but not DSN"}},
		{"they saw somebody else", natted, []Side{good}, "other-address", []string{"saw 203.0.113.99, not 203.0.113.7", "NAT"}},
		{"a gateway of theirs hides us", gateway, []Side{good}, "withheld", []string{"about our address"}},
		{"carrier-grade NAT hides us", shared, []Side{good}, "withheld", nil},
		{"a pool in disagreement", mixed, []Side{good}, "mixed", []string{"no loss"}},
		{"put off", us(reputation.Deferred), []Side{good}, "deferred", nil},
		{"only our path is dead", us(reputation.OutcomeUnknown), []Side{good}, "unknown", []string{"because"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := Compare(tt.us, tt.controls)
			if got.ID != tt.verdict {
				t.Errorf("%s (%s), want %s", got.ID, got.Words, tt.verdict)
			}
			for _, s := range tt.says {
				if !strings.Contains(got.Words, s) {
					t.Errorf("%q does not say %q", got.Words, s)
				}
			}
			if got.ID != "ok" && got.Next == "" {
				t.Error("no next step")
			}
		})
	}
}

// What to do next goes by what kept us from looking: nobody is sent to the
// partner's DNS for our own resolver, family or politeness.
func TestNextStepGoesByTheCause(t *testing.T) {
	for failure, says := range map[Failure]string{
		FailRoute: "partner's DNS", FailResolver: "our resolver", FailFamily: "other family", FailPolite: "again later",
		FailBind: "bind address", FailProxy: "proxy", FailRefused: "host and port", FailTimeout: "port 25",
	} {
		r := Nowhere("contoso.example", Vantage{Name: "203.0.113.7"}, time.Now(), failure, "because")
		if c := Compare(Summarise([]Result{r}), nil); c.ID != "unknown" || !strings.Contains(c.Next, says) {
			t.Errorf("%s: %s, next %q; want unknown, saying %q", failure, c.ID, c.Next, says)
		}
	}
}
