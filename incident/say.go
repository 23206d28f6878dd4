package incident

import (
	"fmt"
	"slices"
	"strings"

	"repwatch/checks/smtp"
	"repwatch/correlate"
	"repwatch/reputation"
)

// listName is how people know the list of a listing.
func listName(e *Episode) string {
	id := e.Subject.Target
	if e.Listing == nil || e.Listing.Name == "" || strings.EqualFold(e.Listing.Name, id) {
		return id
	}
	return fmt.Sprintf("%s (%s)", e.Listing.Name, id)
}

func meaningOf(l *reputation.Listing) string {
	if l == nil || len(l.Meaning) == 0 {
		return ""
	}
	return ": " + strings.Join(l.Meaning, ", ")
}

// sayBegan is the news that an episode began.
func (f *folding) sayBegan(e *Episode) string {
	switch {
	case isListing(e):
		s := fmt.Sprintf("%s is on %s%s", e.Subject.Who(), listName(e), meaningOf(e.Listing))
		if e.FirstSight {
			s += ", and was before we looked"
		}
		return s
	case isLoss(e):
		s := fmt.Sprintf("%s %s %s (%s)", e.Subject.Target, doingOf(e).one, e.Subject.Who(), f.between(e.Begin))
		switch e.Wire.Loss {
		case smtp.LossRejected, smtp.LossDeferred:
			if e.Wire.Reply != "" {
				s += fmt.Sprintf("; it said %q", e.Wire.Reply)
			}
		}
		return s
	case e.Fault != nil:
		return e.Fault.What
	}
	return e.Subject.String()
}

// sayEnded is the news that an episode ended, and what that means for the rest of its incident.
func (f *folding) sayEnded(e *Episode, t *touched) string {
	switch {
	case e.Unwatched && isListing(e):
		return fmt.Sprintf("%s on %s is no longer watched; it was listed when last seen", e.Subject.Who(), listName(e))
	case e.Unwatched && isLoss(e):
		return fmt.Sprintf("%s is no longer watched from %s; when last seen: %s", e.Subject.Target, e.Subject.Who(), state(e))
	case e.Unwatched:
		return fmt.Sprintf("%s is no longer watched; it was bad when last seen", e.Subject)
	case isListing(e):
		s := fmt.Sprintf("%s is no longer on %s (%s)", e.Subject.Who(), listName(e), f.between(e.End))
		if lost := f.lostNow(t, e.Subject.Who()); len(lost) > 0 {
			s += fmt.Sprintf("; %s still to come back: looking at once", enumerate(lost, 3))
		}
		return s
	case isLoss(e):
		about := "about"
		if e.FirstSight {
			about = "at least"
		}
		s := fmt.Sprintf("%s: %s for %s (%s, after %s %s)", e.Subject.Target, backAgain(e.Wire), e.Subject.Who(), f.between(e.End), about, lasted(e.End.By.Sub(e.Begin.By)))
		if by := f.after(e, t); by != "" {
			s += "; " + by
		}
		return s + "; flush the queue to " + e.Subject.Target
	case e.Fault != nil:
		return "No longer so: " + e.Fault.What
	}
	return e.Subject.String() + " is over"
}

// after says how long after which delisting the loss ended.
func (f *folding) after(e *Episode, t *touched) string {
	for _, o := range f.episodes(&t.Incident) {
		if isListing(o) && !o.Open() && !o.Unwatched && o.Subject.Who() == e.Subject.Who() && o.Subject.Target == t.List && !o.Listing.Untested {
			return ago(o.End, e.End, "the delisting from "+o.Subject.Target)
		}
	}
	return ""
}

// lostNow are the partners that still treat the address badly, in this incident.
func (f *folding) lostNow(t *touched, who string) (partners []string) {
	for _, o := range f.episodes(&t.Incident) {
		if isLoss(o) && o.Open() && o.Subject.Who() == who {
			partners = append(partners, lossNoun(o.Wire.Loss)+" at "+o.Subject.Target)
		}
	}
	return partners
}

func (f *folding) sayRelisted(e *Episode, r Record) string {
	return fmt.Sprintf("%s now says of %s%s", e.Subject.Target, e.Subject.Who(), meaningOf(r.Listing))
}

func (f *folding) sayTurned(e *Episode, r Record) string {
	if r.What == Turned {
		return fmt.Sprintf("%s now %s %s", e.Subject.Target, doingOf(&Episode{Wire: r.Wire}).one, e.Subject.Who())
	}
	var parts []string
	if len(r.Wire.Went) > 0 {
		parts = append(parts, "no longer offers "+strings.Join(r.Wire.Went, ", "))
	}
	if len(r.Wire.Came) > 0 {
		parts = append(parts, "offers "+strings.Join(r.Wire.Came, ", ")+" now")
	}
	for _, c := range r.Wire.Changed {
		parts = append(parts, fmt.Sprintf("says %s %s instead of %s", c.Keyword, c.Now, c.Was))
	}
	return fmt.Sprintf("%s %s to %s", e.Subject.Target, strings.Join(parts, "; "), e.Subject.Who())
}

// sayMixed is the news of a loss about which sure answers contradict each other, or agree again.
func sayMixed(e *Episode, r Record) string {
	s := fmt.Sprintf("%s answers %s ", e.Subject.Target, e.Subject.Who())
	if r.What == Steady {
		return s + "alike again from look to look: " + state(e)
	}
	s += "differently from look to look"
	if w := r.Wire; w != nil && len(w.Went)+len(w.Came) > 0 {
		s += " (" + strings.Join(slices.Concat(w.Went, w.Came), ", ") + ")"
	}
	return s + "; the loss counts until looks agree that it is over"
}

// sayRevised says what changed the mind.
func sayRevised(was, now Incident) string {
	s := fmt.Sprintf("On second thoughts, the cause is %s%s; before, it was taken for %s", hedge(now.Word), causeWords(now.Verdict, now.List), causeWords(was.Verdict, was.List))
	switch correlate.Undetermined {
	case now.Verdict:
		s = fmt.Sprintf("On second thoughts, the cause is not clear any more; before, it was taken for %s", causeWords(was.Verdict, was.List))
	case was.Verdict:
		s = fmt.Sprintf("The cause is clearer now: %s%s", hedge(now.Word), causeWords(now.Verdict, now.List))
	}
	if len(now.Evidence) > 0 {
		s += ". Why: " + now.Evidence[0]
	}
	return s
}

func hedge(word string) string {
	switch word {
	case "likely":
		return "probably "
	case "possible":
		return "possibly "
	}
	return ""
}

func sayMoved(e *Episode, to string) string {
	return fmt.Sprintf("%s %s %s for another cause than this: that goes on in #%s", e.Subject.Target, doingOf(e).past, e.Subject.Who(), to)
}

func sayMerged(into string) string {
	return fmt.Sprintf("This turned out to be part of #%s, which goes on", into)
}

// sayResolved closes the story: what ended last, how long it took, and why it is believed to be over.
func (f *folding) sayResolved(t *touched) string {
	lines := condense(t.news)
	end := "Over after " + f.span(t)
	if t.Kind == Reputation && t.had(f, isLoss, 0) {
		end += ". Cause: " + hedge(t.Word) + causeWords(t.Verdict, t.listsOf(f)...)
	}
	switch {
	case f.onlyUnwatched(t):
		end = "Closed: what it was about is no longer watched. That it is over was not seen"
	case f.partlyUnwatched(t):
		end += ". Part of it is no longer watched: that this part is over was not seen"
	}
	return joinLines(append(lines, end))
}

func (f *folding) partlyUnwatched(t *touched) bool {
	return slices.ContainsFunc(f.episodes(&t.Incident), func(e *Episode) bool { return e.Unwatched })
}

func (f *folding) onlyUnwatched(t *touched) bool {
	eps := f.episodes(&t.Incident)
	return len(eps) > 0 && !slices.ContainsFunc(eps, func(e *Episode) bool { return !e.Unwatched })
}

// listsOf are the lists that the verdict blames, else those of its listings.
func (t *touched) listsOf(f *folding) []string {
	if t.Verdict == correlate.ByListing {
		return []string{t.List}
	}
	var out []string
	for _, e := range f.episodes(&t.Incident) {
		if isListing(e) && !slices.Contains(out, e.Subject.Target) {
			out = append(out, e.Subject.Target)
		}
	}
	return out
}
