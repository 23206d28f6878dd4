package report

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Rules for the words of a report:
//
//   - The first sentence is for who decides: is mail in trouble, how much, whose fault.
//   - Numbers are as exact as they were seen: a bracket wider than a tenth is said, and
//     then no minutes are told that nobody saw. Brackets never stand inside brackets.
//   - What is not known is said to be not known; it is never zero.
//   - A probability is never all or nothing; what is over is no longer provisional.
//   - No shouting. Colour only repeats what the words say.

// words writes the first sentence and the comparison.
func (b *builder) words() {
	b.doc.Words = b.headline()
	b.doc.Than = b.than()
	if b.now.Before(b.week.To) && b.week.ID != "" {
		b.doc.Than += ". The week is not over"
	}
}

func (b *builder) headline() string {
	n := b.doc.Sum
	listed := ""
	if n.Listings > 0 {
		listed = fmt.Sprintf("%s on %s", counted(n.Listings, "listing"), counted(len(b.doc.Listings.Hurt)+len(b.doc.Listings.Harmless), "blocklist"))
	}
	switch {
	case b.seen.empty():
		return "Nothing was watched in this time, so nothing can be said of it"
	case n.PartnersAffected > 0:
		s := fmt.Sprintf("Mail to %d of %s was disturbed, for %s%s", n.PartnersAffected, counted(n.PartnersWatched, "partner"), total(n.LossHours.Seen), addedUp(n.PartnersAffected))
		return s + b.mostly()
	case listed != "":
		return "No partner was lost; " + listed + " broke nothing that we know of"
	case b.doc.Blind.Told < enough:
		return fmt.Sprintf("Nothing bad was seen, but only %s of the time could anything be told", percent(b.doc.Blind.Told))
	default:
		return "A quiet week: nothing was listed, and no partner was lost"
	}
}

// mostly says whose fault the greatest part was.
func (b *builder) mostly() string {
	w := b.doc.Sum.Whose[0]
	part := "the cause was "
	if len(b.doc.Sum.Whose) > 1 {
		part = "most of it was "
	}
	switch w.Whose {
	case Ours:
		names := make([]string, len(b.doc.Listings.Hurt))
		for i, l := range b.doc.Listings.Hurt {
			names[i] = l.Name
		}
		if len(names) > 0 {
			return fmt.Sprintf("; %son our side (listed by %s)", part, enumerate(names, 2))
		}
		return "; " + part + "on our side"
	case Theirs:
		return "; " + part + "on their side"
	case Path:
		return "; " + part + "on the way between"
	default:
		return "; no cause of the greatest part is sure"
	}
}

// addedUp says how hours of several partners became one number.
func addedUp(partners int) string {
	if partners == 1 {
		return ""
	}
	return " added up"
}

// than compares with last week and with the median of four.
func (b *builder) than() string {
	s := b.doc.Sum
	if s.LastWeek == nil {
		return "There is no whole week before it to compare with"
	}
	spoken := func(n *Numbers) string {
		if n.PartnersAffected == 0 && n.Listings == 0 {
			return "nothing"
		}
		return fmt.Sprintf("%s of loss and %s", total(n.LossHours.Seen), counted(n.Listings, "listing"))
	}
	text := fmt.Sprintf("%s before: %s", map[bool]string{true: "The week", false: "The time"}[b.week.ID != ""], spoken(s.LastWeek))
	if s.MedianWeeks > 1 {
		text += fmt.Sprintf("; median of the %d before: %s", s.MedianWeeks, spoken(s.Median))
	}
	return text + trend(s.LossHours.Seen, s.LastWeek.LossHours.Seen)
}

// trend is in words how this week stands against the last.
func trend(now, before float64) string {
	switch {
	case math.Abs(now-before) < 1:
		return ". About the same"
	case now > before:
		return ". It got worse"
	default:
		return ". It got better"
	}
}

// lasting is a length in hours as people say it: 40 min, 3 h 5 min, 31 h, 2 d 4 h.
func lasting(h float64) string {
	minutes := int(math.Round(h * 60))
	switch {
	case h > 0 && minutes == 0:
		return "less than a minute"
	case minutes < 60:
		return fmt.Sprintf("%d min", minutes)
	case minutes < 24*60 && minutes%60 == 0:
		return fmt.Sprintf("%d h", minutes/60)
	case minutes < 24*60:
		return fmt.Sprintf("%d h %d min", minutes/60, minutes%60)
	case minutes < 48*60:
		return fmt.Sprintf("%.0f h", h)
	case minutes/60%24 == 0:
		return fmt.Sprintf("%d d", minutes/60/24)
	default:
		return fmt.Sprintf("%d d %d h", minutes/60/24, minutes/60%24)
	}
}

// total is a sum over partners or lists: in hours, because more than a week of
// them fits into a week.
func total(h float64) string {
	if h < 24 {
		return lasting(h)
	}
	return fmt.Sprintf("%.0f h", h)
}

func (h Hours) total() string {
	if h.vague() {
		return h.about(math.Inf(1))
	}
	return total(h.Seen)
}

// vague: the bracket is wider than a tenth, and than a minute.
func (h Hours) vague() bool { return h.High-h.Low > .1*h.Seen && h.High-h.Low > 1./60 }

// String is the length, with its bracket where that is wider than a tenth of it.
func (h Hours) String() string {
	if h.vague() {
		return h.about(96)
	}
	return lasting(h.Seen)
}

// about is a length that is not exactly known, in one unit: 44 min (44 to 60), 6 h (5 to 7).
// From so many hours it is told in days.
func (h Hours) about(days float64) string {
	unit, per, digits := "h", 1., 1
	switch {
	case h.High <= 3:
		unit, per, digits = "min", 1./60, 0
	case h.High >= days:
		unit, per = "d", 24
	case h.High >= 20:
		digits = 0
	}
	in := func(x float64) string {
		return strings.TrimSuffix(strconv.FormatFloat(x/per, 'f', digits, 64), ".0")
	}
	return fmt.Sprintf("%s %s (%s to %s)", in(h.Seen), unit, in(h.Low), in(h.High))
}

// String is the share, with its bracket where that is half a hundredth wide.
func (s *Share) String() string {
	if s == nil {
		return notWatched
	}
	if s.High-s.Low >= .005 {
		return fmt.Sprintf("%s (%s to %s)", percent(s.Seen), percent(s.Low), percent(s.High))
	}
	return percent(s.Seen)
}

// probability is a percentage too, but nobody is ever quite sure.
func probability(p float64) string { return percent(min(max(p, .0005), .9995)) }

// percent is a share of what was counted. It never rounds up to all, nor down to nothing.
func percent(p float64) string {
	switch {
	case p >= 1:
		return "100 %"
	case p <= 0:
		return "0 %"
	case p > .999:
		return "over 99.9 %"
	case p < .001:
		return "under 0.1 %"
	case p > .99 || p < .01:
		return fmt.Sprintf("%.1f %%", 100*p)
	}
	return fmt.Sprintf("%.0f %%", 100*p)
}

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// enumerate names the first few and counts the rest.
func enumerate(names []string, few int) string {
	if len(names) > few+1 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:few], ", "), len(names)-few)
	}
	if n := len(names); n > 1 {
		return strings.Join(names[:n-1], ", ") + " and " + names[n-1]
	}
	return strings.Join(names, "")
}

func upper(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// whoseWords names the sides for people.
func whoseWords(w Whose) string {
	return cmp.Or(map[Whose]string{Ours: "our side", Theirs: "the partner", Path: "the way between", Unclear: "not clear"}[w], string(w))
}

func sides(all []Whose) string {
	words := make([]string, len(all))
	for i, w := range all {
		words[i] = whoseWords(w)
	}
	return strings.Join(slices.Compact(words), ", ")
}
