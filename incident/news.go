package incident

import (
	"fmt"
	"slices"
	"strings"
)

// line is one piece of news. Lines of one kind, about one address each, are said as
// one when there are many of them: nobody reads forty lines that differ in a number.
type line struct {
	text string
	many around // the words around many addresses; zero: it stands alone
	who  string
}

// fewLines of a kind are said one by one.
const fewLines = 3

// around is what stands before and after the addresses in a line.
type around struct{ before, after string }

// sayOf is news of one episode. many are the words for many like it.
func (t *touched) sayOf(e *Episode, text string, many around) {
	t.news = append(t.news, line{text, many, e.Subject.Who()})
}

// queueWords are what the queue will say because of a loss, once in a piece of news.
func (t *touched) queueWords(e *Episode) string {
	if !isLoss(e) {
		return ""
	}
	q := queueSays(e.Wire.Loss)
	if q == "" || slices.ContainsFunc(t.news, func(l line) bool { return strings.Contains(l.text, q) }) {
		return ""
	}
	return "; " + q
}

func (t *touched) newsText() string { return joinLines(condense(t.news)) }

// condense is the news in words, many of a kind at the place of the first.
func condense(news []line) (out []string) {
	by := map[around][]string{}
	for _, l := range news {
		if !slices.Contains(by[l.many], l.who) {
			by[l.many] = append(by[l.many], l.who)
		}
	}
	said := map[around]bool{}
	for _, l := range news {
		who := by[l.many]
		switch {
		case l.many == (around{}) || len(who) <= fewLines:
			out = append(out, l.text)
		case !said[l.many]:
			said[l.many] = true
			out = append(out, fmt.Sprintf("%s%d addresses (%s)%s", l.many.before, len(who), enumerate(who, 3), l.many.after))
		}
	}
	return out
}

// beganMany are the words for many episodes like it that began.
func beganMany(e *Episode) around {
	switch {
	case isListing(e):
		return around{"", " are on " + listName(e) + meaningOf(e.Listing)}
	case isLoss(e):
		return around{e.Subject.Target + " " + doingOf(e).one + " ", ""}
	}
	return around{}
}

// endedMany are the words for many episodes like it that ended.
func endedMany(e *Episode) around {
	switch {
	case e.Unwatched:
		return around{}
	case isListing(e):
		return around{"", " are no longer on " + listName(e)}
	case isLoss(e):
		return around{fmt.Sprintf("%s: %s for ", e.Subject.Target, backAgain(e.Wire)), "; flush the queue to " + e.Subject.Target}
	}
	return around{}
}
