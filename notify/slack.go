package notify

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"log/slog"
	"maps"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/slack-go/slack"

	"repwatch/config"
	"repwatch/incident"
	"repwatch/store"
)

// slackPace is the least time between two calls that write to one channel. Slack
// allows about one message a second and channel; chat.update about 50 a minute
// (https://docs.slack.dev/apis/web-api/rate-limits).
const slackPace = time.Second

// slackBot keeps one message per incident: the root, edited in place; news as
// replies in its thread; green at the end.
type slackBot struct {
	api      *slack.Client
	channel  string
	fallback string
	mention  string
	buttons  bool
	log      *slog.Logger

	mu       sync.Mutex
	next     map[string]time.Time // per channel: the next write, not before
	ids      map[string]string    // channel names to the ids that came back
	admitted bool                 // said that we cannot look into the history
}

// What a Handle's Extra holds.
const (
	extraHash    = "root"    // of the root as it was last written
	extraSaid    = "said"    // seq of the last reply in the thread
	extraMention = "mention" // who the root mentions; edits keep it and notify nobody
	extraFrozen  = "frozen"  // the root must not be edited any more
	extraAway    = "away"    // it is in the fallback channel
)

func buildSlack(cfg config.Notify, e env) ([]Notifier, []Problem) {
	c := cfg.Slack
	switch {
	case c == nil:
		return nil, nil
	case c.WebhookURL.Set():
		to, err := e.secret(c.WebhookURL)
		if err != nil {
			return nil, missing("slack", "webhook_url", err)
		}
		return []Notifier{&slackHook{to: to, mention: c.Mention, client: e.client}}, nil
	}
	token, err := e.secret(c.Token)
	if err != nil {
		return nil, missing("slack", "token", err)
	}
	var problems []Problem
	if c.AppToken.Set() {
		if _, err := e.secret(c.AppToken); err != nil {
			problems = missing("slack", "app_token", err)
			problems[0].Hint = "put the secret there and reload; until then messages have no buttons"
		}
	}
	return []Notifier{&slackBot{
		api: slackClient(c, e, token, ""), channel: c.Channel, fallback: c.Fallback, mention: c.Mention,
		buttons: c.AppToken.Set() && problems == nil, log: e.log, next: map[string]time.Time{}, ids: map[string]string{},
	}}, problems
}

func slackClient(c *config.Slack, e env, token, appToken string) *slack.Client {
	options := []slack.Option{slack.OptionHTTPClient(e.client), slack.OptionAppLevelToken(appToken)}
	if c.APIURL != "" {
		options = append(options, slack.OptionAPIURL(strings.TrimSuffix(c.APIURL, "/")+"/"))
	}
	return slack.New(token, options...)
}

func (b *slackBot) Name() string { return "slack" }

// Send does what is left to do for an alert. Whatever it gets done is in the
// Receipt, so that a second try does not repeat it.
func (b *slackBot) Send(ctx context.Context, s Sending) (Receipt, error) {
	if !s.Threaded() {
		return b.sendAlone(ctx, s)
	}
	if s.Now.Title == "" {
		s.Now = s.Alert.Message
	}
	if s.Handle == nil && s.Alert.Kind == incident.AlertEdit { // nothing was said here, so there is nothing to edit
		return Receipt{}, nil
	}
	t := &slackThread{bot: b, s: s, h: copyHandle(s.Handle)}
	err := t.send(ctx)
	r := Receipt{Trouble: t.trouble, Elsewhere: t.h.Extra[extraAway] != ""}
	if t.h.TS != "" {
		r.Handle = &t.h
	}
	return r, err
}

// sendAlone posts what belongs to no incident.
func (b *slackBot) sendAlone(ctx context.Context, s Sending) (Receipt, error) {
	tag := slackTag{Origin: s.Origin, Incident: s.Alert.Incident, Seq: s.Alert.Seq, Part: partAlone}
	if s.InDoubt {
		if _, found, err := b.findAnywhere(ctx, s, isTagged(tag)); found || err != nil {
			return Receipt{}, err
		}
	}
	at, trouble, err := b.postAnywhere(ctx, slackAlone(s, mentionFor(s.Alert, b.mention)), tag)
	if err == nil && s.Report != nil {
		b.picture(ctx, at, s.Report)
	}
	return Receipt{Trouble: trouble}, err
}

// postAnywhere posts to the channel, or to the fallback when the channel is gone.
func (b *slackBot) postAnywhere(ctx context.Context, m slackMessage, tag slackTag) (at slackPlace, trouble string, err error) {
	at, refused := b.post(ctx, b.channel, "", m, tag)
	if refused == nil {
		return at, "", nil
	}
	if refused.verdict != slackNoChannel || b.fallback == "" || b.fallback == b.channel {
		return at, "", refused.err
	}
	trouble = "the channel " + b.channel + " cannot be used (" + refused.code + "); this went to " + b.fallback
	m.Text = slackEscape(trouble) + "\n" + m.Text
	m.plain = slackEscape(trouble) + "\n" + m.plain
	at, refused = b.post(ctx, b.fallback, "", m, tag)
	if refused != nil {
		refused.err.Words += "; the channel " + b.channel + " is unusable too"
		return at, "", refused.err
	}
	return at, trouble, nil
}

// slackPlace is where a message is.
type slackPlace struct{ channel, ts string }

// post sends a message to a channel or thread, more plainly each time Slack
// cannot take its form.
func (b *slackBot) post(ctx context.Context, channel, thread string, m slackMessage, tag slackTag) (slackPlace, *slackRefusal) {
	var last *slackRefusal
	for _, shape := range m.shapes() {
		options := append(shape.options(), slack.MsgOptionMetadata(tag.metadata()), slack.MsgOptionDisableLinkUnfurl(), slack.MsgOptionDisableMediaUnfurl())
		if thread != "" {
			options = append(options, slack.MsgOptionTS(thread))
			if m.broadcast {
				options = append(options, slack.MsgOptionBroadcast())
			}
		}
		if err := b.wait(ctx, channel); err != nil {
			return slackPlace{}, &slackRefusal{err: err}
		}
		id, ts, err := b.api.PostMessageContext(ctx, channel, options...)
		if err == nil {
			b.learn(channel, id)
			return slackPlace{id, ts}, nil
		}
		r := readSlack("chat.postMessage", err)
		if last = &r; r.verdict != slackTooMuch {
			return slackPlace{}, last
		}
	}
	last.err = &Error{Kind: Drop, Words: last.err.Words + ", even as short plain text", Refused: true}
	return slackPlace{}, last
}

// update edits a message in place.
func (b *slackBot) update(ctx context.Context, at slackPlace, m slackMessage, tag slackTag) *slackRefusal {
	var last *slackRefusal
	for _, shape := range m.shapes() {
		if err := b.wait(ctx, at.channel); err != nil {
			return &slackRefusal{err: err}
		}
		_, _, _, err := b.api.UpdateMessageContext(ctx, at.channel, at.ts, append(shape.options(), slack.MsgOptionMetadata(tag.metadata()))...)
		if err == nil {
			return nil
		}
		r := readSlack("chat.update", err)
		if last = &r; r.verdict != slackTooMuch {
			return last
		}
	}
	return last
}

// options write text and attachments; without attachments an edit takes away those that were there.
func (m slackMessage) options() []slack.MsgOption {
	attachments := m.Attachments
	if attachments == nil {
		attachments = []slack.Attachment{}
	}
	return []slack.MsgOption{slack.MsgOptionText(m.Text, false), slack.MsgOptionAttachments(attachments...)}
}

// wait keeps the pace of a channel.
func (b *slackBot) wait(ctx context.Context, channel string) *Error {
	b.mu.Lock()
	if id := b.ids[channel]; id != "" {
		channel = id
	}
	now := time.Now()
	at := later(now, b.next[channel])
	b.next[channel] = at.Add(slackPace)
	b.mu.Unlock()
	if err := sleep(ctx, at.Sub(now)); err != nil {
		return &Error{Kind: Retry, Words: "stopped before it was sent", Refused: true}
	}
	return nil
}

// learn keeps the id of a channel given by name: editing and reading take only ids.
func (b *slackBot) learn(channel, id string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if channel != id && id != "" && b.ids[channel] == "" {
		b.ids[channel] = id
		b.next[id] = later(b.next[id], b.next[channel])
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func copyHandle(h *store.Handle) store.Handle {
	if h == nil {
		return store.Handle{}
	}
	c := *h
	c.Extra = maps.Clone(h.Extra)
	return c
}

// hash is a message's content, to see whether an edit would change anything.
func (m slackMessage) hash() string {
	raw, err := json.Marshal(m)
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:8])
}

func seqText(seq uint64) string { return strconv.FormatUint(seq, 10) }

// check asks Slack whether it knows us, and posts nothing.
func (b *slackBot) check(ctx context.Context) error {
	if _, err := b.api.AuthTestContext(ctx); err != nil {
		return readSlack("auth.test", err).err
	}
	return nil
}
