package report

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/slack-go/slack"
)

// slackMost is how many blocks a report may have in Slack: it is to be read in a
// channel, not studied there. The thread holds the picture, the command the rest.
const slackMost = 12

// Slack's limits (https://docs.slack.dev/reference/block-kit/blocks/section-block),
// in characters; ours leave room.
const (
	slackText  = 2500 // of 3,000 in the text of a section
	slackField = 1000 // of 2,000 in a field, of which there may be 10
	slackLine  = 400  // of ours: a line that is longer is not read in a channel
)

// slackSections are the sections that are worth a block, in order; with the sentence,
// the numbers and the last line they are slackMost.
var slackSections = []string{"open", "hurt", "harmless", "partners", "providers", "incidents", "blind", "due", "learned"}

// SlackBlocks are the report as Block Kit: at most twelve blocks, below the first
// sentence, which is the text of the message.
func SlackBlocks(r Report) []slack.Block {
	t := shown(r)
	text := func(s string) *slack.TextBlockObject {
		return slack.NewTextBlockObject(slack.MarkdownType, s, false, false)
	}
	blocks := []slack.Block{
		slack.NewSectionBlock(text(slackCut(upper(lightWords[r.Light])+". "+r.Than+".", slackText)), nil, nil),
		slack.NewSectionBlock(nil, t.slackNumbers(), nil),
	}
	all := t.sections()
	for _, id := range slackSections {
		at := slices.IndexFunc(all, func(s section) bool { return s.id == id })
		if at < 0 {
			continue
		}
		if body := slackSection(all[at]); body != "" {
			blocks = append(blocks, slack.NewSectionBlock(text("*"+slackCut(all[at].title, slackLine)+"*\n"+body), nil, nil))
		}
	}
	command := "repwatch report"
	if r.Week.ID != "" {
		command += " --week " + r.Week.ID
	}
	return append(blocks, slack.NewContextBlock("", text(fmt.Sprintf("The picture is in the thread. All of it: `%s`", command))))
}

// slackNumbers are the week in numbers, in two columns.
func (t told) slackNumbers() []*slack.TextBlockObject {
	var out []*slack.TextBlockObject
	for _, row := range t.boss().table.rows {
		value := fmt.Sprintf("*%s*\n%s", row[0], slackCut(row[1], slackField))
		if row[2] != none {
			value += fmt.Sprintf(" _(the week before %s)_", slackCut(row[2], slackField/2))
		}
		out = append(out, slack.NewTextBlockObject(slack.MarkdownType, value, false, false))
	}
	if len(t.Sum.Whose) > 0 {
		value := "*Whose doing*"
		for _, f := range t.Sum.Whose {
			value += fmt.Sprintf("\n%s: %s", whoseWords(f.Whose), f.Hours.total())
		}
		out = append(out, slack.NewTextBlockObject(slack.MarkdownType, value, false, false))
	}
	return out
}

// slackFew is how many items of a section a channel is shown, and slackMore how many
// lines of each below it.
const (
	slackFew  = 5
	slackMore = 2
)

// slackSection is a section in a few lines.
func slackSection(s section) string {
	items := slices.Clone(s.items)
	if s.table != nil {
		for _, row := range s.table.rows {
			items = append(items, item{text: s.table.line(row)})
		}
	}
	out, told := "", 0
	for _, i := range items {
		text := "• " + slackCut(i.line(), slackLine) + "\n"
		for _, l := range i.more[:min(len(i.more), slackMore)] {
			text += "      " + slackCut(l, slackLine) + "\n"
		}
		if told == slackFew || utf8.RuneCountInString(out)+utf8.RuneCountInString(text) > slackText {
			out += fmt.Sprintf("• and %d more\n", len(items)-told)
			break
		}
		out += text
		told++
	}
	return strings.TrimSuffix(out, "\n")
}

// line is a row of a table as text: its cells behind the names of their columns.
func (t *table) line(row []string) string {
	var parts []string
	for i, cell := range row[1:] {
		if cell == "" || cell == none {
			continue
		}
		if head := t.head[i+1]; head != "" {
			cell = head + " " + cell
		}
		parts = append(parts, cell)
	}
	return row[0] + ": " + strings.Join(parts, "; ")
}

// slackCut is foreign text made harmless and short, an escaped character never cut in two.
func slackCut(s string, most int) string {
	s = oneLine(s)
	for n := most; ; n /= 2 {
		if text := slackEscape(shorten(s, n)); n < 2 || utf8.RuneCountInString(text) <= most {
			return text
		}
	}
}

func shorten(s string, most int) string {
	runes := []rune(s)
	if len(runes) <= most {
		return s
	}
	return strings.TrimRight(string(runes[:most-1]), " ") + "…"
}

// slackEscape makes foreign text harmless: &, < and > as Slack demands, so that no
// mention or link can be written; and those bare mentions that it would still read.
func slackEscape(s string) string {
	return bareMention.ReplaceAllString(slackSpecial.Replace(oneLine(s)), "@\u200b$1")
}

var (
	slackSpecial = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "`", "'")
	bareMention  = regexp.MustCompile(`(?i)@(here|channel|everyone|group)\b`)
)

// slackJSON is how blocks go over the wire.
func slackJSON(r Report) (json.RawMessage, error) {
	raw, err := json.Marshal(slack.Blocks{BlockSet: SlackBlocks(r)})
	if err != nil {
		return nil, fmt.Errorf("the Slack blocks cannot be written: %w", err)
	}
	return raw, nil
}
