package incident

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"repwatch/correlate"
	"repwatch/reputation"
)

// beganAt is when the incident's first episode was first seen, or had begun at the latest.
func (f *folding) beganAt(t *touched) time.Time {
	first := t.Opened
	for _, e := range f.episodes(&t.Incident) {
		if by := e.Begin.By; !by.IsZero() && by.Before(first) {
			first = by
		}
	}
	return first
}

// span is how long it lasted, as far as anybody saw.
func (f *folding) span(t *touched) string {
	s := lasted(t.Resolved.Sub(f.beganAt(t)))
	for _, e := range f.episodes(&t.Incident) {
		if e.FirstSight && e.Fault == nil {
			return "at least " + s
		}
	}
	return s
}

// message is the whole story as it stands.
func (f *folding) message(t *touched) Message {
	m := Message{Incident: t.ID, Kind: t.Kind, Status: t.Status, Impact: t.Impact, At: f.now, Title: f.title(t), Tone: f.tone(t)}
	if t.Merged != "" {
		m.Fields = []Field{{"Now", []string{sayMerged(t.Merged)}}}
		return m
	}
	m.Fields = append(m.Fields, Field{"Since", f.since(t)})
	add := func(name string, lines []string) {
		if len(lines) > 0 {
			m.Fields = append(m.Fields, Field{name, lines})
		}
	}
	if name := f.address(t); name != "" {
		add("Address", []string{name})
	}
	add("Lost", f.losses(t))
	add("Back", f.returned(t))
	add("Listed", f.listings(t, true))
	add("Delisted", f.listings(t, false))
	add("No longer watched", f.unwatched(t))
	add("Found", f.faults(t))
	add("Why we think so", f.why(t))
	if t.Status == Open {
		add("Probably next", f.probably(t))
		m.Actions = actions(t)
	}
	add("What to do", t.Next)
	switch {
	case t.Status == Open:
	case t.ClosedBy != "" || f.onlyUnwatched(t):
		add("Closed", []string{fmt.Sprintf("%s, after %s", f.clock(t.Resolved), f.span(t))})
	default:
		add("Over", []string{fmt.Sprintf("%s, after %s", f.clock(t.Resolved), f.span(t))})
	}
	add("Note", f.notes(t))
	if _, _, owner := f.p.describe(t.IP); owner != "" {
		m.Owner = owner
	}
	return m
}

func (f *folding) tone(t *touched) Tone {
	switch {
	case t.Merged != "" || t.ClosedBy != "" || t.Status == Resolved && f.partlyUnwatched(t):
		return ToneInfo
	case t.Status == Resolved:
		return ToneGood
	case !t.AckedAt.IsZero() || t.quiet(f.now):
		return ToneInfo
	case t.Impact >= reputation.High:
		return ToneBad
	default:
		return ToneWarn
	}
}

// title is one sentence, with the state in front where it is not simply open.
func (f *folding) title(t *touched) string {
	s := f.headline(t)
	switch {
	case t.Merged != "":
		return fmt.Sprintf("Part of #%s: %s", t.Merged, s)
	case t.ClosedBy != "":
		return "Closed by " + t.ClosedBy + ": " + s
	case t.Status == Resolved && f.onlyUnwatched(t):
		return "No longer watched: " + s
	case t.Status == Resolved && f.partlyUnwatched(t):
		return "Over as far as it is still watched: " + s
	case t.Status == Resolved:
		return "Over: " + s
	case !t.AckedAt.IsZero():
		return "In hand: " + s
	case t.quiet(f.now):
		return "Snoozed: " + s
	}
	return s
}

func (f *folding) headline(t *touched) string {
	if t.gone != "" {
		return t.gone
	}
	var losses, listings, faults []*Episode
	for _, e := range f.episodes(&t.Incident) {
		switch {
		case isLoss(e):
			losses = append(losses, e)
		case isListing(e):
			listings = append(listings, e)
		case e.Fault != nil:
			faults = append(faults, e)
		}
	}
	if len(faults) > 0 {
		return faultTitle(faults)
	}
	if len(losses) == 0 {
		return f.listedTitle(t, listings)
	}
	if open := opened(losses); len(open) > 0 {
		losses = open // what is over already is told below
	} else if t.Status == Open && len(opened(listings)) > 0 {
		return f.listedTitle(t, listings) + afterwards(losses)
	}
	ips, partners := distinct(losses, true), distinct(losses, false)
	slices.Sort(partners)
	what := doingAll(losses, len(partners))
	switch t.Root {
	case RootPartner:
		return fmt.Sprintf("%s %s %s: %s a change for everyone, not our reputation", enumerate(partners, 3), what, enumerate(ips, 3), cmp.Or(strings.TrimSpace(hedge(t.Word)), "it is"))
	case RootPath:
		return fmt.Sprintf("%s lost %s at once (%s): %sa fault on our own path", enumerate(ips, 3), counted(len(partners), "partner"), enumerate(partners, 3), hedge(t.Word))
	}
	head := fmt.Sprintf("%s %s %s", enumerate(partners, 3), what, enumerate(ips, 3))
	switch t.Verdict {
	case correlate.ByListing, correlate.ByLists:
		if len(listings) == 0 { // a reply names it, against what the list told us
			return fmt.Sprintf("%s, because its reply names %s, which does not list %s as far as we see", head, enumerate(namesOf(listings, t.listsOf(f)), 3), enumerate(ips, 3))
		}
		return fmt.Sprintf("%s, %sbecause %s %s on %s", head, hedge(t.Word), itThey(ips), isAre(ips, listings), enumerate(namesOf(listings, t.listsOf(f)), 3))
	case correlate.ByAbuse:
		return head + ", " + hedge(t.Word) + "because of the abuse that got " + map[bool]string{true: "it", false: "them"}[len(ips) == 1] + " listed, not of any one list"
	case correlate.Private:
		return head + " by " + map[bool]string{true: "its", false: "their"}[len(partners) == 1] + " own judgement: no list we watch shows why"
	case correlate.Unexplained:
		return head + ": nothing we know explains it"
	}
	if len(listings) > 0 && t.Verdict == correlate.Undetermined {
		return fmt.Sprintf("%s, which %s on %s: perhaps the cause", head, isAre(ips, listings), enumerate(namesOf(listings, t.listsOf(f)), 3))
	}
	if t.Status == Resolved {
		return head + ": why never became clear"
	}
	return head + ": why is not clear yet"
}

// afterwards is what became of what a listing broke, while the listing lasts.
func afterwards(losses []*Episode) string {
	for _, e := range losses {
		if !e.Unwatched {
			return "; what it broke is back"
		}
	}
	return ""
}

func opened(eps []*Episode) []*Episode {
	return slices.DeleteFunc(slices.Clone(eps), func(e *Episode) bool { return !e.Open() })
}

func (f *folding) listedTitle(t *touched, listings []*Episode) string {
	if len(listings) == 0 {
		return "nothing is left of it"
	}
	if open := opened(listings); len(open) > 0 {
		listings = open
	}
	ips, lists := distinct(listings, true), namesOf(listings, distinct(listings, false))
	who := ips[0]
	if len(ips) > 1 {
		who = fmt.Sprintf("%d addresses (%s)", len(ips), enumerate(ips, 3))
	}
	return fmt.Sprintf("%s %s on %s%s", who, isAre(ips, listings), enumerate(lists, 3), commonMeaning(listings))
}

// commonMeaning is what all listings say, where they say the same.
func commonMeaning(listings []*Episode) string {
	first := meaningOf(listings[0].Listing)
	for _, e := range listings {
		if meaningOf(e.Listing) != first {
			return ""
		}
	}
	return first
}

// faultTitle is the worst fault that lasts.
func faultTitle(faults []*Episode) string {
	if open := opened(faults); len(open) > 0 {
		faults = open
	}
	if who := distinct(faults, true); len(who) > 1 && sameFault(faults) {
		return fmt.Sprintf("%s; the same of %s (%s)", faults[0].Fault.What, counted(len(who)-1, "more address"), enumerate(who[1:], 3))
	}
	worst := faults[0]
	for _, e := range faults {
		if e.Fault.Impact > worst.Fault.Impact {
			worst = e
		}
	}
	if n := len(faults) - 1; n > 0 {
		return fmt.Sprintf("%s (and %d more)", worst.Fault.What, n)
	}
	return worst.Fault.What
}

func sameFault(faults []*Episode) bool {
	return !slices.ContainsFunc(faults, func(e *Episode) bool { return e.Fault.ID != faults[0].Fault.ID })
}

// isAre is "is", or "was" where every listing is over.
func isAre(ips []string, listings []*Episode) string {
	over := len(listings) > 0 && !slices.ContainsFunc(listings, (*Episode).Open)
	switch {
	case over && len(ips) == 1:
		return "was"
	case over:
		return "were"
	case len(ips) == 1:
		return "is"
	}
	return "are"
}

func itThey(ips []string) string {
	if len(ips) == 1 {
		return "it"
	}
	return "they"
}

func counted(n int, what string) string {
	switch {
	case n == 1:
		return "1 " + what
	case strings.HasSuffix(what, "s"):
		return fmt.Sprintf("%d %ses", n, what)
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// distinct are the addresses, or else the targets, of episodes in their order.
func distinct(eps []*Episode, who bool) (out []string) {
	for _, e := range eps {
		name := e.Subject.Target
		if who {
			name = e.Subject.Who()
		}
		if !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out
}

// namesOf are the names of lists, as people know them.
func namesOf(listings []*Episode, ids []string) []string {
	out := make([]string, 0, len(ids))
	for _, id := range ids {
		name := id
		for _, e := range listings {
			if e.Subject.Target == id {
				name = listName(e)
			}
		}
		out = append(out, name)
	}
	return out
}

func (f *folding) since(t *touched) []string {
	var first *Episode
	for _, e := range f.episodes(&t.Incident) {
		if first == nil || e.Begin.By.Before(first.Begin.By) {
			first = e
		}
	}
	if first == nil {
		return []string{f.clock(t.Opened)}
	}
	if first.Fault != nil {
		return []string{f.clock(first.Begin.By)} // it is noticed when it matters; the past says nothing
	}
	return []string{f.between(first.Begin)}
}

func (f *folding) address(t *touched) string {
	name, pool, _ := f.p.describe(t.IP)
	parts := slices.DeleteFunc([]string{name, cmp.Or(prefixed("pool ", pool))}, func(s string) bool { return s == "" })
	if len(parts) == 0 {
		return ""
	}
	return t.IP + " (" + strings.Join(parts, ", ") + ")"
}

func prefixed(prefix, s string) string {
	if s == "" {
		return ""
	}
	return prefix + s
}
