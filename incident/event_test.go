package incident

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"repwatch/checks/smtp"
	"repwatch/correlate"
	"repwatch/reputation"
)

func TestEventOf(t *testing.T) {
	ip := netip.MustParseAddr(a)
	on := reputation.Subject{Kind: reputation.KindListing, IP: ip, Target: "zen"}
	wire := reputation.Subject{Kind: reputation.KindWire, IP: ip, Target: "contoso.com"}
	control := reputation.Subject{Kind: reputation.KindControl, Domain: "office", Target: "contoso.com"}
	seen := reputation.Bracket{After: noon.Add(-30 * time.Minute), By: noon.Add(-15 * time.Minute)}
	bad := listing("zen")
	policy, untested := bad, bad
	policy.Class, untested.Untested = reputation.ClassPolicy, true
	base := correlate.Event{Seq: 7, T: noon, Lo: seen.After, Hi: seen.By}
	event := func(change func(*correlate.Event)) *correlate.Event {
		e := base
		change(&e)
		return &e
	}
	listed := func(e *correlate.Event) {
		e.Kind, e.Vantage, e.List, e.State = correlate.KindListing, a, "zen", correlate.Listed
	}
	lost := func(e *correlate.Event) {
		e.Kind, e.Vantage, e.Partner, e.State, e.Loss = correlate.KindCap, a, "contoso.com", correlate.Lost, correlate.LossSTARTTLS
	}
	tests := map[string]struct {
		r    Record
		want *correlate.Event // nil: the correlator learns nothing
	}{
		"listed":                   {Record{What: Listed, Subject: on, Listing: &bad, Bracket: seen}, event(listed)},
		"delisted":                 {Record{What: Delisted, Subject: on, Listing: &bad, Bracket: seen}, event(func(e *correlate.Event) { listed(e); e.State = correlate.Clear })},
		"relisted":                 {Record{What: Relisted, Subject: on, Listing: &bad, Bracket: seen}, nil},
		"a policy code":            {Record{What: Listed, Subject: on, Listing: &policy, Bracket: seen}, nil},
		"a domain":                 {Record{What: Listed, Subject: reputation.Subject{Kind: reputation.KindListing, Domain: "example.com", Target: "dbl"}, Listing: &bad, Bracket: seen}, nil},
		"listed, untested list":    {Record{What: Listed, Subject: on, Listing: &untested, Bracket: seen}, event(listed)},
		"delisted, untested list":  {Record{What: Delisted, Subject: on, Listing: &untested, Bracket: seen}, nil},
		"listed, nothing is known": {Record{What: Listed, Subject: on, Bracket: seen}, nil},
		"unwatched listing":        {Record{What: Unwatched, Subject: on, Listing: &bad, Bracket: seen}, nil},
		"unwatched pair":           {Record{What: Unwatched, Subject: wire, Wire: &Wire{}, Bracket: seen}, nil},
		"before we looked": {Record{What: Listed, Subject: on, Listing: &bad, Bracket: reputation.Bracket{By: seen.By}, FirstSight: true},
			event(func(e *correlate.Event) { listed(e); e.Lo = seen.By.Add(-24 * time.Hour) })},
		"no bracket": {Record{What: Listed, Subject: on, Listing: &bad}, event(func(e *correlate.Event) { listed(e); e.Hi, e.Lo = noon, noon.Add(-24*time.Hour) })},
		"seen later than folded": {Record{What: Listed, Subject: on, Listing: &bad, Bracket: reputation.Bracket{After: noon.Add(time.Hour), By: noon.Add(2 * time.Hour)}},
			event(func(e *correlate.Event) { listed(e); e.Hi, e.Lo = noon, noon })},
		"lost":               {Record{What: Lost, Subject: wire, Wire: &Wire{Loss: smtp.LossStartTLS, Offers: []string{"SIZE"}}, Bracket: seen}, event(func(e *correlate.Event) { lost(e); e.Verbs = []string{"SIZE"} })},
		"lost, kind unsaid":  {Record{What: Lost, Subject: wire, Wire: &Wire{}, Bracket: seen}, event(lost)},
		"rejected":           {Record{What: Lost, Subject: wire, Wire: &Wire{Loss: smtp.LossRejected}, Bracket: seen}, event(func(e *correlate.Event) { lost(e); e.Loss = correlate.LossRejected })},
		"lost, no evidence":  {Record{What: Lost, Subject: wire, Bracket: seen}, nil},
		"lost, of our own":   {Record{What: Lost, Subject: own(a, "ptr"), Wire: &Wire{}, Bracket: seen}, nil},
		"turned":             {Record{What: Turned, Subject: wire, Wire: &Wire{}, Bracket: seen}, nil},
		"flapping":           {Record{What: Flapping, Subject: wire, Wire: &Wire{}, Bracket: seen}, nil},
		"back":               {Record{What: Back, Subject: wire, Wire: &Wire{}, Bracket: seen}, event(func(e *correlate.Event) { lost(e); e.State, e.Loss = correlate.OK, "" })},
		"controls lost":      {Record{What: Lost, Subject: control, Wire: &Wire{Control: "lost"}, Bracket: seen}, event(func(e *correlate.Event) { lost(e); e.Vantage = correlate.Control })},
		"controls have it":   {Record{What: Lost, Subject: control, Wire: &Wire{Control: "back"}, Bracket: seen}, event(func(e *correlate.Event) { lost(e); e.Vantage, e.State, e.Loss = correlate.Control, correlate.OK, "" })},
		"one control of two": {Record{What: Lost, Subject: control, Wire: &Wire{}, Bracket: seen}, nil},
		"replied": {Record{What: Replied, Subject: wire, List: "zen", Policy: "dmarc"},
			&correlate.Event{Seq: 7, T: noon, Kind: correlate.KindReply, Vantage: a, Partner: "contoso.com", List: "zen", Policy: "dmarc"}},
		"unrelated": {Record{What: Unrelated, Subject: wire, Of: 3, List: "zen"}, &correlate.Event{Seq: 7, T: noon, Kind: correlate.KindUnrelated, Of: 3, List: "zen"}},
		"faulty":    {Record{What: Faulty, Subject: own(a, "ptr"), Fault: &Fault{ID: "ptr"}}, nil},
		"acted":     {Record{What: Acted, Subject: wire, Incident: "1"}, nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			tt.r.Seq, tt.r.At = 7, noon
			got, ok := EventOf(tt.r)
			if ok != (tt.want != nil) {
				t.Fatalf("an event: %t", ok)
			}
			if !ok {
				return
			}
			if diff := cmp.Diff(*tt.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}
