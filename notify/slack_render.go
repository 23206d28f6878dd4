package notify

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/slack-go/slack"

	"repwatch/incident"
)

// Limits of Slack's messages, in characters unless said otherwise.
// https://docs.slack.dev/reference/block-kit/blocks and messaging/formatting
const (
	slackSection = 3000 // of a section's text
	slackBlocks  = 50   // blocks in a message
	// slackTotal bounds the text of all blocks. Slack documents no figure; 9,597
	// were accepted and 11,341 refused (slackapi/bolt-js#2867).
	slackTotal  = 9000
	slackTitle  = 1000
	slackPlain  = 3500 // of a plain text message, which Slack would split at 4,000
	slackTerse  = 600  // of the last resort
	slackButton = 75
)

// slackMessage is a message as Slack takes it, by API and by webhook. The title
// is its text, so that notifications show it; the fields are blocks in an
// attachment, because only an attachment has a coloured bar.
type slackMessage struct {
	Text        string             `json:"text"`
	Attachments []slack.Attachment `json:"attachments,omitempty"`

	plain     string // the same without blocks
	broadcast bool   // a reply that the channel is to see too, not only who follows the thread
}

// slackTones are bar colour and symbol of each tone; the words say it too.
var slackTones = map[incident.Tone]struct{ color, symbol string }{
	incident.ToneBad:  {"#c62828", ":red_circle:"},
	incident.ToneWarn: {"#f9a825", ":large_yellow_circle:"},
	incident.ToneGood: {"#2e7d32", ":large_green_circle:"},
	incident.ToneInfo: {"#9e9e9e", ":white_circle:"},
}

// slackRoot is an incident's root message. Buttons are for the bot alone, and
// only where somebody listens to them.
func slackRoot(m incident.Message, mention string, buttons bool) slackMessage {
	msg := slackWhole(m, "", mention)
	if buttons && m.Status == incident.Open {
		blocks := &msg.Attachments[0].Blocks
		blocks.BlockSet = append(blocks.BlockSet, slackActions(m)...)
	}
	return msg
}

// slackOwn is an alert as a message of its own: news and the whole story.
func slackOwn(a incident.Alert, mention string) slackMessage {
	return slackWhole(a.Message, a.News, mention)
}

func slackWhole(m incident.Message, news, mention string) slackMessage {
	tone := slackTones[m.Tone]
	head := join(" ", tone.symbol, mention, "*"+slackEscape(cut(oneLine(m.Title), slackTitle))+"*")
	blocks := slackFields(m, news)
	fallback := cut(slackEscape(oneLine(m.Title)), slackTitle)
	return slackMessage{
		Text:        head,
		Attachments: []slack.Attachment{{Color: tone.color, Fallback: fallback, Blocks: slack.Blocks{BlockSet: blocks}}},
		plain:       join(" ", tone.symbol, mention, slackEscape(Text(m, news, 0))),
	}
}

// slackReply is a reply in the thread: what is new, nothing else. News without
// words would be refused; the title stands in for it.
func slackReply(a incident.Alert, mention string) slackMessage {
	lines := slackLines(strings.Split(strings.TrimSpace(a.News), "\n"), false)
	if strings.Join(lines, "") == "" {
		lines = []string{slackEscape(oneLine(a.Message.Title))}
	}
	if lines[0] == "" && len(lines) == 1 {
		lines = []string{look(a.Incident)}
	}
	text := join(" ", mention, fit(lines, slackPlain, a.Incident))
	return slackMessage{Text: text, plain: text, broadcast: a.Broadcast}
}

// slackFields are one section per field, and a line that says where to read more.
func slackFields(m incident.Message, news string) []slack.Block {
	var blocks []slack.Block
	left := slackTotal
	section := func(text string) {
		if strings.TrimSpace(text) == "" { // refused by Slack
			return
		}
		left -= size(text)
		blocks = append(blocks, slack.NewSectionBlock(slack.NewTextBlockObject(slack.MarkdownType, text, false, false), nil, nil))
	}
	if news = strings.TrimSpace(news); news != "" {
		section(fit(slackLines(strings.Split(news, "\n"), false), slackSection, m.Incident))
	}
	for i, f := range m.Fields {
		if len(blocks) >= slackBlocks-3 || left < 200 { // keep room for this line, the context and the buttons
			section(more(len(m.Fields)-i, m.Incident))
			break
		}
		name := ""
		if text := slackEscape(cut(oneLine(f.Name), 100)); text != "" {
			name = "*" + text + "*\n"
		}
		if body := fit(slackLines(f.Lines, len(f.Lines) > 1), min(slackSection, left)-size(name), m.Incident); body != "" {
			section(name + body)
		}
	}
	if m.Incident != "" {
		note := fmt.Sprintf("#%s · %s · `%s`", m.Incident, join(" · ", m.Impact.String(), string(m.Status)), look(m.Incident))
		blocks = append(blocks, slack.NewContextBlock("", slack.NewTextBlockObject(slack.MarkdownType, note, false, false)))
	}
	if len(blocks) == 0 { // an attachment without blocks is refused
		section(slackEscape(cut(oneLine(m.Title), slackTitle)))
	}
	return blocks
}

func slackLines(lines []string, items bool) []string {
	out := make([]string, 0, len(lines))
	for _, line := range lines {
		text := slackEscape(oneLine(line))
		if items && text != "" {
			text = "• " + text
		}
		out = append(out, text)
	}
	return out
}

// slackEscape makes foreign text harmless: &, < and > as Slack demands, so that no
// mention or link can be written; and those bare mentions that it would still read.
func slackEscape(s string) string {
	s = slackSpecial.Replace(s)
	return bareMention.ReplaceAllString(s, "@\u200b$1")
}

var (
	slackSpecial = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "```", "'''")
	bareMention  = regexp.MustCompile(`(?i)@(here|channel|everyone|group)\b`)
)

var (
	slackUser  = regexp.MustCompile(`^@?([UW][A-Z0-9]{5,})$`)
	slackGroup = regexp.MustCompile(`^@?(S[A-Z0-9]{5,})$`)
	slackReady = regexp.MustCompile(`^<(@[UW][A-Z0-9]+|!subteam\^S[A-Z0-9]+|!here|!channel|!everyone)(\|[^<>&]*)?>$`)
	slackBroad = map[string]string{"here": "<!here>", "channel": "<!channel>", "everyone": "<!everyone>"}
)

// slackMention writes who is to be mentioned as Slack wants it: by id. A name
// cannot be resolved without reading the directory, so it is shown as text.
func slackMention(who string) string {
	var out []string
	for _, w := range strings.FieldsFunc(who, func(r rune) bool { return r == ',' || r == ' ' }) {
		special := slackBroad[strings.TrimPrefix(strings.ToLower(w), "@")]
		switch {
		case special != "":
			out = append(out, special)
		case slackReady.MatchString(w):
			out = append(out, w)
		case slackUser.MatchString(w):
			out = append(out, "<@"+slackUser.FindStringSubmatch(w)[1]+">")
		case slackGroup.MatchString(w):
			out = append(out, "<!subteam^"+slackGroup.FindStringSubmatch(w)[1]+">")
		default:
			out = append(out, slackEscape(oneLine(w)))
		}
	}
	return strings.Join(out, " ")
}

// mentionFor is who an alert mentions: the owner of what is in trouble before anybody else.
func mentionFor(a incident.Alert, configured string) string {
	switch {
	case !a.Mention:
		return ""
	case a.Message.Owner != "":
		return slackMention(a.Message.Owner)
	default:
		return slackMention(configured)
	}
}

// shapes are ways to say the same, each plainer than the one before, for a Slack
// that refuses a message's form or length.
func (m slackMessage) shapes() []slackMessage {
	return []slackMessage{m, {Text: cut(m.plain, slackPlain)}, {Text: cut(m.plain, slackTerse)}}
}

func join(sep string, parts ...string) string {
	var kept []string
	for _, p := range parts {
		if p != "" {
			kept = append(kept, p)
		}
	}
	return strings.Join(kept, sep)
}
