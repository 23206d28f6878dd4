package notify

import (
	"context"
	"strings"
	"sync"

	"repwatch/incident"
)

// veil keeps secrets out of what is logged, stored and sent (rule of truth 8):
// the list keys, and the tokens and addresses that notifiers use.
type veil struct {
	redact func(string) string
	mu     sync.RWMutex
	words  []string
}

// shortest secret that is looked for in text; anything shorter would hide innocent words.
const shortestSecret = 6

func newVeil(redact func(string) string) *veil {
	if redact == nil {
		redact = func(s string) string { return s }
	}
	return &veil{redact: redact}
}

func (v *veil) add(secret string) {
	if len(secret) < shortestSecret {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.words = append(v.words, secret)
}

func (v *veil) text(s string) string {
	v.mu.RLock()
	defer v.mu.RUnlock()
	for _, w := range v.words {
		s = strings.ReplaceAll(s, w, "[secret]")
	}
	return v.redact(s)
}

// error is err with its words veiled.
func (v *veil) error(err error) *Error {
	e := *asError(err)
	e.Words, e.Hint = v.text(e.Words), v.text(e.Hint)
	return &e
}

func (v *veil) message(m incident.Message) incident.Message {
	m.Title = v.text(m.Title)
	fields := make([]incident.Field, len(m.Fields))
	for i, f := range m.Fields {
		fields[i] = incident.Field{Name: f.Name, Lines: make([]string, len(f.Lines))}
		for j, line := range f.Lines {
			fields[i].Lines[j] = v.text(line)
		}
	}
	m.Fields = fields
	return m
}

func (v *veil) sending(s Sending) Sending {
	s.Alert.Message, s.Now, s.Alert.News = v.message(s.Alert.Message), v.message(s.Now), v.text(s.Alert.News)
	s.Report = v.report(s.Report)
	return s
}

// veiled is a notifier that neither sends nor returns a secret.
type veiled struct {
	Notifier
	hide *veil
}

func (n veiled) Send(ctx context.Context, s Sending) (Receipt, error) {
	r, err := n.Notifier.Send(ctx, n.hide.sending(s))
	r.Trouble = n.hide.text(r.Trouble)
	if err != nil {
		return r, n.hide.error(err)
	}
	return r, nil
}

func (n veiled) check(ctx context.Context) error {
	c, ok := n.Notifier.(checker)
	if !ok {
		return nil
	}
	if err := c.check(ctx); err != nil {
		return n.hide.error(err)
	}
	return nil
}

func (n veiled) checks() bool {
	_, ok := n.Notifier.(checker)
	return ok
}
