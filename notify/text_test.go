package notify

import (
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"repwatch/config"
	"repwatch/incident"
	"repwatch/internal/lab"
	"repwatch/store"
)

type failing string

func (f failing) RoundTrip(*http.Request) (*http.Response, error) { return nil, errors.New(string(f)) }

func handle(notifier, id, ts string) *store.Handle {
	return &store.Handle{Notifier: notifier, Incident: id, TS: ts}
}

func TestForeignTextIsHarmless(t *testing.T) {
	for in, want := range map[string]string{
		"<!channel> & <@U123>":       "&lt;!channel&gt; &amp; &lt;@U123&gt;",
		"<http://evil|good>":         "&lt;http://evil|good&gt;",
		"@here @Channel @everyone":   "@\u200bhere @\u200bChannel @\u200beveryone",
		"bob@heretic.example":        "bob@heretic.example",
		"```rm -rf```":               "'''rm -rf'''",
		"550 5.7.1 plain *as it is*": "550 5.7.1 plain *as it is*",
	} {
		if got := slackEscape(in); got != want {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
	}
	for in, want := range map[string]string{
		"a\r\nSubject: forged": "a  Subject: forged", "\x1b[31mred": "[31mred", "tab\there": "tab here",
		"\u202egpj.exe": "gpj.exe", "bad \xff utf": "bad � utf",
	} {
		if got := oneLine(in); got != want {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
	}
}

func TestMentions(t *testing.T) {
	for in, want := range map[string]string{
		"": "", "here": "<!here>", "@here": "<!here>", "channel": "<!channel>", "U012ABCDEF": "<@U012ABCDEF>", "@U012ABCDEF": "<@U012ABCDEF>", "W012ABCDEF": "<@W012ABCDEF>",
		"S012ABCDEF": "<!subteam^S012ABCDEF>", "<@U012ABCDEF>": "<@U012ABCDEF>", "<!subteam^S012ABCDEF|@ops>": "<!subteam^S012ABCDEF|@ops>",
		"@mail-ops": "@mail-ops", "<script>": "&lt;script&gt;", "<@U1> <!here": "<@U1> &lt;!here", "U012ABCDEF, here": "<@U012ABCDEF> <!here>",
	} {
		if got := slackMention(in); got != want {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
	}
	a := incident.Alert{Mention: true, Message: incident.Message{Owner: "U0OWNER00"}}
	if got := mentionFor(a, "here"); got != "<@U0OWNER00>" {
		t.Errorf("the owner comes before the configured mention: %s", got)
	}
	if a.Mention = false; mentionFor(a, "here") != "" {
		t.Error("mentioned without being asked to")
	}
}

// What does not fit is counted, and never cut within an escape.
func TestShortening(t *testing.T) {
	lines := []string{strings.Repeat("a", 40), strings.Repeat("b", 40), strings.Repeat("c", 40)}
	for limit, want := range map[int]string{
		200: strings.Join(lines, "\n"),
		120: lines[0] + "\n" + lines[1] + "\n… (1 more, repwatch incidents 7)",
		80:  lines[0] + "\n… (2 more, repwatch incidents 7)",
		50:  "aaaaaaaaaaaaaaaa…\n… (2 more, repwatch incidents 7)",
	} {
		got := fit(lines, limit, "7")
		if got != want || size(got) > limit {
			t.Errorf("in %d: %q (%d), want %q", limit, got, size(got), want)
		}
	}
	if got := cut("1234 &amp; more", 9); got != "1234…" {
		t.Errorf("an escape was cut: %q", got)
	}
	if got := cut("😀😀😀", 5); got != "😀😀…" || size(got) != 5 {
		t.Errorf("%q has %d units", got, size(got))
	}
}

// However much there is to say, Slack takes it: the lab refuses what Slack would.
func TestAnythingFits(t *testing.T) {
	long := strings.Repeat("<&> 550 5.7.1 "+strings.Repeat("x", 60)+" ", 400)
	m := incident.Message{Incident: "7", Status: incident.Open, Tone: incident.ToneBad, Title: long, Actions: []string{"ack", "unheard-of"}}
	for range 80 {
		m.Fields = append(m.Fields, incident.Field{Name: strings.Repeat("n", 200), Lines: []string{long, "", long}}, incident.Field{Name: "Short", Lines: []string{"&"}}, incident.Field{})
	}
	all := slackRoot(m, "<!here>", true)
	text, blocks := 0, all.Attachments[0].Blocks.BlockSet
	for _, b := range blocks {
		text += size(show(t, b))
	}
	if len(blocks) > slackBlocks || text > 2*slackTotal {
		t.Errorf("%d blocks with %d characters", len(blocks), text)
	}
	w := newWorld(t)
	defer w.end()
	w.start()
	_, refused := w.bot().post(t.Context(), w.cfg.Slack.Channel, "", all, slackTag{})
	if refused != nil {
		t.Fatalf("refused: %v", refused.err)
	}
	if got := w.slack.Messages(); len(got) != 1 || string(got[0].Attachments) == "[]" || !strings.Contains(string(got[0].Attachments), "more, repwatch incidents 7)") {
		t.Errorf("it fell back to plain text, or does not say what is missing")
	}
	if len(w.slack.Calls()) != 1 {
		t.Errorf("%d calls", len(w.slack.Calls()))
	}
}

func (w *world) bot() *slackBot {
	w.t.Helper()
	built, problems := buildSlack(w.cfg, w.env())
	if len(problems) > 0 {
		w.t.Fatal(problems)
	}
	return built[0].(*slackBot)
}

func TestBackoff(t *testing.T) {
	now := time.Unix(1e9, 0)
	var p pulse
	var waits []time.Duration
	for range 12 {
		var again time.Time
		p, again = p.fail(now, &Error{Kind: Retry, Words: "busy"}, 0)
		waits = append(waits, again.Sub(now))
	}
	for i, want := range []time.Duration{1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300} {
		if waits[i] != want*time.Second {
			t.Errorf("after %d failures %s, want %d s", i+1, waits[i], want)
		}
	}
	if d := backoff(3, 0.999); d <= 4*time.Second || d > 5*time.Second {
		t.Errorf("with jitter %s, want up to 5 s", d)
	}
	p, _ = pulse{}.fail(now, &Error{Kind: Retry}, 0)
	if p.aged(now.Add(downAfter-1)).down || !p.aged(now.Add(downAfter)).down {
		t.Errorf("down after %s of failing, not before", downAfter)
	}
	if p, _ = p.fail(now, &Error{Kind: Skip, After: time.Minute}, 0); p.notBefore != now.Add(time.Second) {
		t.Errorf("a message that is refused alone holds back others until %s", p.notBefore)
	}
}

// Whatever a server says, nobody is mentioned, nothing becomes a link, and Slack takes it.
func FuzzForeignText(f *testing.F) {
	for _, s := range []string{"550 <!channel>", "<http://a|b>", "@here", "```", "&lt;", "\x00\xff\u202e", strings.Repeat("<", 5000)} {
		f.Add(s, s)
	}
	f.Fuzz(func(t *testing.T, title, line string) {
		slack := lab.NewSlackHandler()
		e := newEnv(slog.New(slog.DiscardHandler), nil)
		e.client.Transport = inProcess{slack}
		m := incident.Message{Incident: "7", Title: title, Fields: []incident.Field{{Name: line, Lines: []string{line, title}}}}
		a := incident.Alert{Incident: "7", Message: m, News: line}
		for _, msg := range []slackMessage{slackRoot(m, "", true), slackReply(a, ""), slackOwn(a, "")} {
			if strings.ContainsAny(msg.Text+msg.plain, "<>") {
				t.Errorf("raw markup: %q", msg.Text)
			}
			built, _ := buildSlack(config.Notify{Slack: &config.Slack{Token: config.NewSecret(slack.Token), Channel: lab.SlackChannel, APIURL: slack.URL()}}, e)
			_, refused := built[0].(*slackBot).post(t.Context(), lab.SlackChannel, "", msg, slackTag{})
			if refused != nil {
				t.Fatalf("refused: %v", refused.err)
			}
		}
		if n := len(slack.Calls()); n != 3 {
			t.Errorf("%d calls for 3 messages: one was refused at first", n)
		}
		for text := range strings.SplitSeq(Text(m, line, mailWidth), "\n") {
			if strings.ContainsAny(text, "\r\x1b") {
				t.Errorf("control characters: %q", text)
			}
		}
	})
}
