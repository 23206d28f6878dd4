package incident

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"repwatch/checks/smtp"
	"repwatch/correlate"
	"repwatch/reputation"
)

// maxLines bounds a field of a message; the rest is counted.
const maxLines = 10

func folded(lines []string) []string { return atMost(lines, maxLines) }

func atMost(lines []string, most int) []string {
	if len(lines) <= most {
		return lines
	}
	return append(lines[:most-1:most-1], fmt.Sprintf("and %d more", len(lines)-most+1))
}

// losses are the pairs that are lost, with what the queue says of it.
func (f *folding) losses(t *touched) (lines []string) {
	kinds := map[smtp.LossKind]bool{}
	for _, e := range f.episodes(&t.Incident) {
		if isLoss(e) && e.Open() {
			kinds[e.Wire.Loss] = true
			lines = append(lines, pair(e)+f.lossLine(e))
		}
	}
	lines = folded(lines)
	for _, k := range sortedKeys(kinds) {
		if q := queueSays(k); q != "" {
			lines = append(lines, q)
		}
	}
	return lines
}

func pair(e *Episode) string { return e.Subject.Who() + " > " + e.Subject.Target + ": " }

// returned are the pairs that came back.
func (f *folding) returned(t *touched) (lines []string) {
	for _, e := range f.episodes(&t.Incident) {
		if !isLoss(e) || e.Open() || e.Unwatched {
			continue
		}
		s := fmt.Sprintf("%s%s, %s", pair(e), backAgain(e.Wire), f.between(e.End))
		if by := f.after(e, t); by != "" {
			s += ", " + by
		}
		lines = append(lines, s)
	}
	return folded(lines)
}

// unwatched is what nobody looks at any more, as it was when last seen.
func (f *folding) unwatched(t *touched) (lines []string) {
	for _, e := range f.episodes(&t.Incident) {
		switch {
		case !e.Unwatched:
		case isLoss(e):
			lines = append(lines, pair(e)+state(e)+" when last seen")
		case isListing(e):
			lines = append(lines, e.Subject.Who()+": on "+listName(e)+" when last seen")
		case e.Fault != nil:
			lines = append(lines, e.Fault.What)
		}
	}
	return folded(lines)
}

func (f *folding) lossLine(e *Episode) string {
	w := e.Wire
	s := state(e)
	if len(w.Came) > 0 {
		s += "; new: " + strings.Join(w.Came, ", ")
	}
	s += ", " + f.between(e.Begin)
	if w.Reply != "" {
		s += fmt.Sprintf("; it said %q", w.Reply)
		if w.Meaning != "" {
			s += " (" + w.Meaning + ")"
		}
	}
	if ip := wrongIP(w); ip != "" {
		s += fmt.Sprintf("; it saw %s, not this address", ip)
	}
	return s
}

// wrongIP is the address that the partner saw in place of ours; empty where it saw
// ours, or where a gateway of its own hides who comes.
func wrongIP(w *Wire) string {
	if ip, err := netip.ParseAddr(w.SeenIP); err != nil || smtp.Hidden(ip) {
		return ""
	}
	return w.SeenIP
}

// listings are the listings that last, or those that are over. Addresses of which a
// list says the same are one line.
func (f *folding) listings(t *touched, open bool) (lines []string) {
	several := len(f.whos(t)) > 1
	by := map[string][]string{}
	var order []string
	for _, e := range f.episodes(&t.Incident) {
		if !isListing(e) || e.Open() != open || e.Unwatched {
			continue
		}
		s := listName(e)
		if open {
			s += f.listingLine(e, !several)
		} else {
			s += ", " + f.between(e.End)
		}
		if by[s] == nil {
			order = append(order, s)
		}
		by[s] = append(by[s], e.Subject.Who())
	}
	for _, s := range order {
		if several {
			s = enumerate(by[s], maxLines) + " on " + s
		}
		lines = append(lines, s)
	}
	return folded(lines)
}

func (f *folding) whos(t *touched) []string {
	return distinct(slices.DeleteFunc(f.episodes(&t.Incident), func(e *Episode) bool { return !isListing(e) }), true)
}

// listingLine is what the list says; how to get off it, where addresses are not told together.
func (f *folding) listingLine(e *Episode, delist bool) string {
	l := e.Listing
	s := meaningOf(l)
	if len(l.Codes) > 0 {
		s += " (" + strings.Join(l.Codes, ", ") + ")"
	}
	s += ", " + f.between(e.Begin)
	if l.Reason != "" {
		s += fmt.Sprintf("; the list says %q", l.Reason)
	}
	if l.Untested {
		s += "; this list cannot be tested, take it as a hint"
	}
	if delist && l.DelistURL != "" {
		s += "; delist: " + l.DelistURL
	}
	if l.DelistHow != "" {
		s += " (" + l.DelistHow + ")"
	}
	return s
}

// faults are what was found. The title names a single one already.
func (f *folding) faults(t *touched) (lines []string) {
	eps := f.episodes(&t.Incident)
	for _, e := range eps {
		switch {
		case e.Fault == nil || e.Unwatched:
		case len(eps) == 1 && !e.Open():
		case len(eps) == 1 && e.Fault.Why != "":
			lines = append(lines, e.Fault.Why)
		case len(eps) == 1:
		case !e.Open():
			lines = append(lines, "no longer so: "+e.Fault.What)
		default:
			lines = append(lines, e.Fault.What+prefixed(". ", e.Fault.Why))
		}
	}
	return folded(lines)
}

// why is the evidence, with how sure it makes us.
func (f *folding) why(t *touched) []string {
	if t.Kind != Reputation || t.Verdict == JustListed || t.Verdict == "" {
		return nil
	}
	lines := slices.Clone(t.Evidence)
	sure := ""
	if t.Verdict != correlate.Undetermined {
		sure = fmt.Sprintf("%s (%s)", t.Word, reputation.Percent(t.Confidence))
		if !f.p.Proven {
			sure += ", by what simulation taught us: no verdict has been confirmed often enough here yet"
		}
		if t.Provisional {
			sure += "; provisional: it may change with the next looks"
		}
	} else {
		sure = "no cause is sure enough yet"
	}
	return append(lines, sure)
}

func (f *folding) probably(t *touched) (lines []string) {
	for _, c := range t.Forecasts {
		if c.P < .1 || !c.To.IsZero() && !c.To.After(f.now) || slices.ContainsFunc(f.episodes(&t.Incident), func(e *Episode) bool {
			return isLoss(e) && e.Subject.Who() == c.IP && e.Subject.Target == c.Partner
		}) {
			continue
		}
		s := fmt.Sprintf("%s turns against %s because of %s: %s", c.Partner, c.IP, c.List, reputation.Percent(c.P))
		if c.Record != "" {
			s += " (it did so " + c.Record + " times)"
		}
		if !c.To.IsZero() {
			s += ", by " + f.clock(c.To)
		}
		lines = append(lines, s)
	}
	return folded(lines)
}

func (f *folding) notes(t *touched) (lines []string) {
	if t.Maintenance != "" {
		lines = append(lines, "it began in a maintenance window: "+t.Maintenance)
	}
	if !t.AckedAt.IsZero() {
		lines = append(lines, fmt.Sprintf("%s has had it in hand since %s%s", orSomebody(t.AckedBy), f.clock(t.AckedAt), prefixed(": ", t.Reason)))
	}
	switch {
	case t.SnoozedToEnd:
		lines = append(lines, "quiet until it is over")
	case f.now.Before(t.SnoozedUntil):
		lines = append(lines, "quiet until "+f.clock(t.SnoozedUntil))
	}
	if t.ClosedBy != "" {
		lines = append(lines, fmt.Sprintf("%s closed it%s", t.ClosedBy, prefixed(": ", t.Reason)))
	}
	return lines
}

func orSomebody(name string) string {
	if name == "" {
		return "somebody"
	}
	return name
}

// actions that make sense while it is open.
func actions(t *touched) []string {
	if t.Status != Open {
		return nil
	}
	out := []string{"recheck"}
	if t.AckedAt.IsZero() {
		out = append(out, "ack")
	}
	out = append(out, "snooze-4h", "snooze-24h", "snooze-end")
	if t.Root == RootListing && t.Verdict != JustListed {
		out = append(out, "unrelated")
	}
	return out
}

// advise says what to do next, most useful first.
func (t *touched) advise(f *folding) {
	t.Next = nil
	if t.Status != Open {
		t.flush(f)
		return
	}
	var lost []*Episode
	t.adviseDelisting(f)
	for _, e := range f.episodes(&t.Incident) {
		switch {
		case !e.Open():
		case e.Fault != nil && e.Fault.Do != "":
			t.next(e.Fault.Do)
		case isLoss(e):
			if ip := wrongIP(e.Wire); ip != "" {
				t.next(fmt.Sprintf("%s saw %s instead of %s: first check bind address and NAT", e.Subject.Target, ip, e.Subject.Who()))
			}
			lost = append(lost, e)
		}
	}
	t.flush(f)
	if len(lost) == 0 {
		return
	}
	who, ips := enumerate(distinct(lost, false), 3), enumerate(distinct(lost, true), 3)
	switch t.Root {
	case RootPartner:
		t.next(fmt.Sprintf("tell the postmaster of %s that everyone sees it; delisting would not help", who))
	case RootPath:
		t.next(fmt.Sprintf("look at our own way out from %s: firewall (SMTP inspection such as \"fixup\"), network provider, middlebox", ips))
	case RootListing:
		if !t.had(f, accusing, 0) {
			t.next(fmt.Sprintf("look %s up at %s itself; if it is not there, tell the postmaster of %s that their copy of the list says otherwise", ips, enumerate(t.listsOf(f), 3), who))
			return
		}
		if !t.had(f, func(e *Episode) bool { return accusing(e) && e.Open() }, 0) {
			t.next(fmt.Sprintf("%s is on no list any more: we look at %s every five minutes for two hours and tell you when to flush the queue; what is not back by then is for their postmaster to say", ips, who))
			return
		}
		t.next(fmt.Sprintf("when %s is delisted we look at %s at once and tell you when to flush the queue", ips, who))
	default:
		t.next(fmt.Sprintf("ask the postmaster of %s why they treat %s so; meanwhile send by another address if you have one", who, ips))
	}
}

// adviseDelisting says it once per list: forty addresses are one piece of work.
func (t *touched) adviseDelisting(f *folding) {
	by := map[string][]*Episode{}
	var order []string
	for _, e := range f.episodes(&t.Incident) {
		if !accusing(e) || !e.Open() {
			continue
		}
		if by[e.Subject.Target] == nil {
			order = append(order, e.Subject.Target)
		}
		by[e.Subject.Target] = append(by[e.Subject.Target], e)
	}
	for _, list := range order {
		e := by[list][0]
		ask := "then ask for delisting: " + e.Listing.DelistURL
		switch {
		case slices.ContainsFunc(by[list], func(o *Episode) bool { return o.Listing.DelistURL != e.Listing.DelistURL }):
			ask = "then ask for the delisting of each, for example " + e.Listing.DelistURL
		case e.Listing.DelistURL == "":
			ask = fmt.Sprintf("then ask %s for delisting", listName(e))
		}
		t.next(fmt.Sprintf("stop what got %s listed, %s", enumerate(distinct(by[list], true), 3), ask))
	}
}

// flush: what came back, while anybody still reads of it, waits in queues.
func (t *touched) flush(f *folding) {
	if t.Merged != "" {
		return
	}
	var back []string
	for _, e := range f.episodes(&t.Incident) {
		stillLost := slices.ContainsFunc(f.episodes(&t.Incident), func(o *Episode) bool {
			return isLoss(o) && o.Open() && o.Subject.Target == e.Subject.Target
		})
		if isLoss(e) && !e.Open() && !e.Unwatched && !stillLost && !slices.Contains(back, e.Subject.Target) {
			back = append(back, e.Subject.Target)
		}
	}
	if len(back) > 0 {
		t.next("flush the queue to " + enumerate(back, 3))
	}
}

func (t *touched) next(s string) {
	if !slices.Contains(t.Next, s) && len(t.Next) < maxLines {
		t.Next = append(t.Next, s)
	}
}
