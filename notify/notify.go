// Package notify delivers alerts: it takes them from the outbox, one sender per
// notifier, and hands each to a service in that service's own shape.
//
// An alert is delivered at least once and in order per incident (rule of truth
// 9). An attempt is recorded before it is made, so after a crash or a timeout it
// is known that one may have got through; a notifier whose service can tell then
// looks before it sends again. A notifier that is down holds back no other.
//
// A new notifier is one file and one line in builders.
package notify

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"repwatch/config"
	"repwatch/incident"
	"repwatch/store"
)

// Notifier speaks to one service. Send is called by one goroutine at a time,
// except for a test message, which may come beside it.
type Notifier interface {
	// Name is stable over restarts: the rows of the outbox are kept under it.
	Name() string
	// Send delivers one alert. Its error is an *Error where it is known who must
	// act. A Receipt counts even beside an error: part of the work may be done.
	Send(ctx context.Context, s Sending) (Receipt, error)
}

// Sending is one alert on its way.
type Sending struct {
	Alert incident.Alert
	// Now is the incident's message as it is at this moment, for those who edit.
	Now incident.Message
	// Handle is what this notifier remembers of this incident; nil if nothing.
	Handle *store.Handle
	// InDoubt: an earlier attempt may have got through. Look before sending again.
	InDoubt bool
	// Report is the weekly report in every shape; nil with any other alert, and
	// where it could not be built: then the alert's message stands for it.
	Report *Report
	// Origin tells the alerts of this store from those of any other.
	Origin string
}

// Threaded reports that the alert belongs to an incident's thread; the others stand alone.
func (s Sending) Threaded() bool {
	switch s.Alert.Kind {
	case incident.AlertDigest, incident.AlertNotice, incident.AlertTest, incident.AlertReport:
		return false
	default:
		return s.Alert.Incident != ""
	}
}

// ID names an alert for services that know duplicates by a name.
func (s Sending) ID() string {
	if s.Alert.Incident == "" {
		return fmt.Sprintf("%s-%d", s.Origin, s.Alert.Seq)
	}
	return fmt.Sprintf("%s-%s-%d", s.Origin, s.Alert.Incident, s.Alert.Seq)
}

// Receipt is what remains of a delivery.
type Receipt struct {
	Handle *store.Handle // to be remembered for the incident; nil: nothing
	// Trouble is said where it was delivered, but not as configured: to the
	// fallback channel, or not to all recipients.
	Trouble string
	// Elsewhere: delivered where the thread is, which is not where it was meant to
	// be; so whether an earlier Trouble is over is not known.
	Elsewhere bool
}

// Kind says who must act on an Error, and how long the sender waits.
type Kind uint8

const (
	// Retry: the service cannot now. The sender waits After exactly, or backs off.
	Retry Kind = iota
	// Hold: it refuses until somebody changes something there. Shown as down at once, asked again every 15 minutes.
	Hold
	// Stop: it will not change by asking again (a bad token). The outbox is kept; a test that succeeds, a reload or a restart goes on.
	Stop
	// Skip: it refuses this message alone. The message waits, others go on.
	Skip
	// Drop: this message can never be delivered, not even as plain text.
	Drop
)

// Error is a failed delivery, in words for the person who reads them.
type Error struct {
	Kind  Kind
	After time.Duration // Retry and Skip: wait so long; 0: back off
	Words string
	Hint  string
	// Refused: it certainly did not get through, so nothing is in doubt.
	Refused bool
}

func (e *Error) Error() string {
	if e.Hint == "" {
		return e.Words
	}
	return e.Words + " (" + e.Hint + ")"
}

// Problem is a configured notifier that cannot work; the others do.
type Problem struct {
	Name  string
	Words string
	Hint  string
}

func (p Problem) Error() string {
	return fmt.Sprintf("notify %s: %s\n  hint: %s", p.Name, p.Words, p.Hint)
}

// env is what builders share.
type env struct {
	log    *slog.Logger
	hide   *veil
	client *http.Client
}

// requestTimeout bounds one HTTP request. Slack answers within a second; what
// took longer than this is in doubt.
const requestTimeout = 15 * time.Second

func newEnv(log *slog.Logger, redact func(string) string) env {
	return env{log: log, hide: newVeil(redact), client: &http.Client{
		Timeout:       requestTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, // a POST that became a GET would look delivered
	}}
}

// builders makes each kind of notifier from its part of the configuration: none
// where it is not configured.
var builders = []struct {
	name  string
	build func(config.Notify, env) ([]Notifier, []Problem)
}{
	{"log", buildLog},
	{"slack", buildSlack},
	{"email", buildEmail},
	{"webhook", buildWebhooks},
}

// Build makes the configured notifiers. What is missing costs only its own notifier.
func Build(cfg *config.Loaded, log *slog.Logger, redact func(string) string) ([]Notifier, []Problem) {
	return build(cfg, newEnv(log, redact))
}

func build(cfg *config.Loaded, e env) (all []Notifier, problems []Problem) {
	for _, b := range builders {
		built, bad := b.build(cfg.Notify, e)
		for _, n := range built {
			all = append(all, veiled{n, e.hide})
		}
		problems = append(problems, bad...)
	}
	return all, problems
}

// Names are the notifiers as the outbox knows them.
func Names(all []Notifier) []string {
	names := make([]string, len(all))
	for i, n := range all {
		names[i] = n.Name()
	}
	return names
}

// secret reads a secret and sees to it that it never shows.
func (e env) secret(s config.Secret) (string, error) {
	v, err := s.Value()
	if err == nil {
		e.hide.add(v)
	}
	return v, err
}

// missing is the problem of a secret that cannot be read.
func missing(name, key string, err error) []Problem {
	words := strings.TrimPrefix(err.Error(), config.ErrMissing.Error()+": ")
	return []Problem{{Name: name, Words: fmt.Sprintf("%s cannot be read: %s", key, words), Hint: "put the secret there and reload; until then nothing is sent there"}}
}

// asError gives any error a kind: what nobody classified is worth another try, and in doubt.
func asError(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return &Error{Kind: Retry, Words: err.Error()}
}
