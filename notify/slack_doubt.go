package notify

import (
	"context"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/slack-go/slack"
)

// Every message carries metadata that says which alert it is. After a timeout or
// a crash we look for our own before sending again; so a duplicate is avoided
// where the app may read the history, and none is lost where it may not.

// slackTag is that metadata. https://docs.slack.dev/messaging/message-metadata
type slackTag struct {
	Origin   string // the store it comes from
	Incident string
	Seq      uint64
	Part     string
}

const slackEvent = "repwatch_alert"

// Parts an alert may be made of.
const (
	partRoot  = "root"
	partReply = "reply"
	partAlone = "alone"
)

func (t slackTag) metadata() slack.SlackMetadata {
	return slack.SlackMetadata{EventType: slackEvent, EventPayload: map[string]any{
		"origin": t.Origin, "incident": t.Incident, "seq": t.Seq, "part": t.Part,
	}}
}

// is reports that a message is the tagged one. A root is the incident's whatever alert it was last edited by.
func (t slackTag) is(m slack.SlackMetadata) bool {
	if m.EventType != slackEvent || m.EventPayload["origin"] != t.Origin || m.EventPayload["incident"] != t.Incident || m.EventPayload["part"] != t.Part {
		return false
	}
	return t.Part == partRoot || seqOf(m.EventPayload["seq"]) == t.Seq
}

// seqOf reads a number that has been through JSON.
func seqOf(v any) uint64 {
	switch n := v.(type) {
	case float64:
		return uint64(n)
	case json.Number:
		seq, _ := strconv.ParseUint(n.String(), 10, 64) // what is no number is no seq of ours: 0
		return seq
	case string:
		seq, _ := strconv.ParseUint(n, 10, 64)
		return seq
	}
	return 0
}

const (
	historyPage  = 200             // messages a page; Slack advises no more
	historyPages = 10              // pages looked through
	clockSkew    = 5 * time.Minute // between Slack's clock and ours
)

// find looks for a message in a channel, or in a thread of it, since the alert
// could first have been sent. Not being allowed to look is not found, said once.
func (b *slackBot) find(ctx context.Context, channel, thread string, s Sending, is func(slack.Message) bool) (at slackPlace, found bool, err error) {
	id, refused := b.channelID(ctx, channel)
	oldest := slackTime(later(s.Alert.At, s.Alert.Due).Add(-clockSkew))
	for page, cursor := 0, ""; refused == nil && id != "" && page < historyPages; page++ {
		var messages []slack.Message
		messages, cursor, refused = b.history(ctx, id, thread, oldest, cursor)
		for _, m := range messages {
			if is(m) {
				return slackPlace{id, m.Timestamp}, true, nil
			}
		}
		if cursor == "" {
			break
		}
	}
	switch {
	case refused != nil && refused.verdict == slackAgain:
		return slackPlace{}, false, refused.err
	case refused != nil || id == "":
		b.admit(refused)
	}
	return slackPlace{}, false, nil
}

// findAnywhere looks where new messages go: in the channel, then in the fallback.
func (b *slackBot) findAnywhere(ctx context.Context, s Sending, is func(slack.Message) bool) (at slackPlace, found bool, err error) {
	for _, channel := range []string{b.channel, b.fallback} {
		if channel == "" || found || err != nil {
			break
		}
		at, found, err = b.find(ctx, channel, "", s, is)
	}
	return at, found, err
}

func isTagged(tag slackTag) func(slack.Message) bool {
	return func(m slack.Message) bool { return tag.is(m.Metadata) }
}

func (b *slackBot) history(ctx context.Context, id, thread, oldest, cursor string) ([]slack.Message, string, *slackRefusal) {
	if thread != "" {
		messages, _, next, err := b.api.GetConversationRepliesContext(ctx, &slack.GetConversationRepliesParameters{
			ChannelID: id, Timestamp: thread, Oldest: oldest, Cursor: cursor, Limit: historyPage, IncludeAllMetadata: true})
		return messages, next, readHistory("conversations.replies", err)
	}
	h, err := b.api.GetConversationHistoryContext(ctx, &slack.GetConversationHistoryParameters{
		ChannelID: id, Oldest: oldest, Cursor: cursor, Limit: historyPage, IncludeAllMetadata: true})
	if err != nil {
		return nil, "", readHistory("conversations.history", err)
	}
	return h.Messages, h.ResponseMetaData.NextCursor, nil
}

func readHistory(method string, err error) *slackRefusal {
	if err == nil {
		return nil
	}
	r := readSlack(method, err)
	r.err.Refused = false // whether the alert got through is as open as before
	return &r
}

// channelID is a channel's id. A name that no answer has told us yet is looked up.
func (b *slackBot) channelID(ctx context.Context, channel string) (string, *slackRefusal) {
	b.mu.Lock()
	id := b.ids[channel]
	b.mu.Unlock()
	name, named := strings.CutPrefix(channel, "#")
	switch {
	case id != "":
		return id, nil
	case !named:
		return channel, nil
	}
	for page, cursor := 0, ""; page < historyPages; page++ {
		channels, next, err := b.api.GetConversationsContext(ctx, &slack.GetConversationsParameters{
			Cursor: cursor, ExcludeArchived: true, Limit: 1000, Types: []string{"public_channel", "private_channel"}})
		if err != nil {
			return "", readHistory("conversations.list", err)
		}
		for _, c := range channels {
			if c.Name == name {
				b.learn(channel, c.ID)
				return c.ID, nil
			}
		}
		if cursor = next; cursor == "" {
			break
		}
	}
	return "", nil
}

// admit says once that duplicates cannot be told.
func (b *slackBot) admit(r *slackRefusal) {
	b.mu.Lock()
	said := b.admitted
	b.admitted = true
	b.mu.Unlock()
	if said {
		return
	}
	why := "the channel's id is not known"
	if r != nil {
		why = r.err.Words
	}
	b.log.Warn("slack: after a broken connection a message may come twice, because the channel's history cannot be read", "why", why,
		"hint", "give notify.slack.channel as an id, add the history scopes of docs/slack-app.md, and invite the app to the channel")
}

// slackTime writes a time as Slack's message ids do.
func slackTime(t time.Time) string {
	return strconv.FormatInt(t.Unix(), 10) + ".000000"
}
