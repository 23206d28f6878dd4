package notify

import (
	"context"
	"time"

	"github.com/slack-go/slack"

	"repwatch/incident"
	"repwatch/store"
)

// slackThread is one alert's work on an incident's root and thread.
type slackThread struct {
	bot     *slackBot
	s       Sending
	h       store.Handle // as far as the work has come; empty TS: there is no root yet
	trouble string
}

// send: the root comes first, then the reply, then the root's edit. Each step
// that is done already is left out.
func (t *slackThread) send(ctx context.Context) error {
	if err := t.ensureRoot(ctx); err != nil {
		return err
	}
	switch t.s.Alert.Kind {
	case incident.AlertNews, incident.AlertReminder, incident.AlertResolved:
		if err := t.reply(ctx); err != nil {
			return err
		}
	}
	return t.edit(ctx)
}

func (t *slackThread) ensureRoot(ctx context.Context) error {
	if t.h.TS != "" {
		return nil
	}
	return t.postRoot(ctx)
}

// postRoot makes a root, or adopts the one that an earlier attempt made.
func (t *slackThread) postRoot(ctx context.Context) error {
	mention := ""
	if t.s.Alert.Kind == incident.AlertOpened { // news mentions in its own reply
		mention = mentionFor(t.s.Alert, t.bot.mention)
	}
	if t.s.InDoubt {
		gone, tag := t.h.TS, t.tag(partRoot)
		at, found, err := t.bot.findAnywhere(ctx, t.s, func(m slack.Message) bool { return m.Timestamp != gone && tag.is(m.Metadata) })
		if err != nil {
			return err
		}
		if found {
			t.remember(at, "", mention)
			return nil
		}
	}
	m := t.root(mention)
	at, trouble, err := t.bot.postAnywhere(ctx, m, t.tag(partRoot))
	if err != nil {
		return err
	}
	t.trouble = trouble
	t.remember(at, m.hash(), mention)
	if trouble != "" {
		t.note(extraAway, "yes")
	}
	return nil
}

func (t *slackThread) root(mention string) slackMessage {
	return slackRoot(t.s.Now, mention, t.bot.buttons)
}

func (t *slackThread) tag(part string) slackTag {
	return slackTag{Origin: t.s.Origin, Incident: t.s.Alert.Incident, Seq: t.s.Alert.Seq, Part: part}
}

// remember makes a root the incident's, keeping what was said in the thread already.
func (t *slackThread) remember(at slackPlace, hash, mention string) {
	said := t.h.Extra[extraSaid]
	t.h = store.Handle{Notifier: t.bot.Name(), Incident: t.s.Alert.Incident, Channel: at.channel, TS: at.ts, At: time.Now().UTC(),
		Extra: map[string]string{extraHash: hash, extraMention: mention}}
	if said != "" {
		t.h.Extra[extraSaid] = said
	}
}

// reply says the news in the thread.
func (t *slackThread) reply(ctx context.Context) error {
	seq := seqText(t.s.Alert.Seq)
	if t.h.Extra[extraSaid] == seq {
		return nil
	}
	if t.s.InDoubt {
		_, found, err := t.bot.find(ctx, t.h.Channel, t.h.TS, t.s, isTagged(t.tag(partReply)))
		if err != nil {
			return err
		}
		if found {
			t.note(extraSaid, seq)
			return nil
		}
	}
	m := slackReply(t.s.Alert, mentionFor(t.s.Alert, t.bot.mention))
	_, refused := t.bot.post(ctx, t.h.Channel, t.h.TS, m, t.tag(partReply))
	if refused != nil && (refused.verdict == slackNoRoot || refused.verdict == slackNoChannel) { // the thread is gone: begin a new one
		if err := t.postRoot(ctx); err != nil {
			return err
		}
		_, refused = t.bot.post(ctx, t.h.Channel, t.h.TS, m, t.tag(partReply))
	}
	if refused != nil {
		return refused.err
	}
	t.note(extraSaid, seq)
	return nil
}

// edit brings the root up to date. Edits are limited too, so one that would
// change nothing is left out; that also makes one of several in a row.
func (t *slackThread) edit(ctx context.Context) error {
	m := t.root(t.h.Extra[extraMention])
	hash := m.hash()
	if t.h.Extra[extraHash] == hash || t.h.Extra[extraFrozen] != "" {
		return nil
	}
	refused := t.bot.update(ctx, slackPlace{t.h.Channel, t.h.TS}, m, t.tag(partRoot))
	switch {
	case refused == nil:
		t.note(extraHash, hash)
		t.h.Edited = time.Now().UTC()
		return nil
	case refused.verdict == slackNoRoot, refused.verdict == slackNoChannel: // somebody deleted it: the thread goes on under a new one
		return t.postRoot(ctx)
	case refused.verdict == slackNoEdit: // the thread says it
		t.note(extraFrozen, refused.code)
		return nil
	case refused.verdict == slackTooMuch: // the thread says it, and the root stays as it is
		t.bot.log.Warn("slack: the root message cannot be edited", "incident", t.s.Alert.Incident, "why", refused.code)
		return nil
	default:
		return refused.err
	}
}

func (t *slackThread) note(key, value string) {
	if t.h.Extra == nil {
		t.h.Extra = map[string]string{}
	}
	t.h.Extra[key] = value
}
