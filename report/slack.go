package report

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/slack-go/slack"
)

// slackMost is how many blocks a report may have in Slack: it is to be read in a
// channel, not studied there. The thread holds the picture, the command the rest.
const slackMost = 12

// slackText bounds the text of one block; Slack takes 3,000 characters.
const slackText = 2500

// slackSections are the sections that are worth a block, in order.
var slackSections = []string{"open", "hurt", "harmless", "partners", "incidents", "blind", "due", "learned"}

// SlackBlocks are the report as Block Kit: at most twelve blocks, below the first
// sentence, which is the text of the message.
func SlackBlocks(r Report) []slack.Block {
	t := shown(r)
	text := func(s string) *slack.TextBlockObject {
		return slack.NewTextBlockObject(slack.MarkdownType, shorten(s, slackText), false, false)
	}
	blocks := []slack.Block{
		slack.NewSectionBlock(text(slackEscape(upper(lightWords[r.Light])+". "+r.Than+".")), nil, nil),
		slack.NewSectionBlock(nil, t.slackNumbers(), nil),
	}
	all := t.sections()
	for _, id := range slackSections {
		at := slices.IndexFunc(all, func(s section) bool { return s.id == id })
		if at < 0 || len(blocks) == slackMost-1 {
			continue
		}
		if body := slackSection(all[at]); body != "" {
			blocks = append(blocks, slack.NewSectionBlock(text("*"+slackEscape(all[at].title)+"*\n"+body), nil, nil))
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
		value := fmt.Sprintf("*%s*\n%s", row[0], slackEscape(row[1]))
		if row[2] != "" && row[2] != "not watched" {
			value += fmt.Sprintf(" _(last week %s)_", slackEscape(row[2]))
		}
		out = append(out, slack.NewTextBlockObject(slack.MarkdownType, value, false, false))
	}
	return out
}

// slackFew is how many lines of a section a channel is shown.
const slackFew = 5

// slackSection is a section in a few lines.
func slackSection(s section) string {
	lines := slices.Clone(s.lines)
	if s.table != nil {
		for _, row := range s.table.rows {
			lines = append(lines, s.table.line(row))
		}
	}
	if s.id == "incidents" || s.id == "open" {
		for i, l := range lines {
			lines[i] = shorten(l, 300)
		}
	}
	if more := len(lines) - slackFew; more > 0 {
		lines = append(lines[:slackFew:slackFew], fmt.Sprintf("and %d more", more))
	}
	for i, l := range lines {
		lines[i] = "• " + slackEscape(l)
	}
	return strings.Join(lines, "\n")
}

// line is a row of a table as text: its cells behind the names of their columns.
func (t *table) line(row []string) string {
	var parts []string
	for i, cell := range row[1:] {
		if cell == "" || cell == "-" || cell == "not kept" {
			continue
		}
		if head := t.head[i+1]; head != "" {
			cell = head + " " + cell
		}
		parts = append(parts, cell)
	}
	return row[0] + ": " + strings.Join(parts, "; ")
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
