package notify

import (
	"context"
	"log/slog"
	"strings"

	"repwatch/config"
	"repwatch/incident"
)

// logOut writes alerts to the program's own log: one record each, the fields as
// attributes, so that text and JSON logs can both be searched.
type logOut struct{ log *slog.Logger }

func buildLog(cfg config.Notify, e env) ([]Notifier, []Problem) {
	if cfg.Log == nil {
		return nil, nil
	}
	return []Notifier{logOut{e.log}}, nil
}

func (logOut) Name() string { return "log" }

func (l logOut) Send(ctx context.Context, s Sending) (Receipt, error) {
	if s.Alert.Kind == incident.AlertEdit { // nothing to say
		return Receipt{}, nil
	}
	m := s.Alert.Message
	level := slog.LevelInfo
	if m.Tone == incident.ToneBad || m.Tone == incident.ToneWarn {
		level = slog.LevelWarn
	}
	attrs := []slog.Attr{slog.String("alert", string(s.Alert.Kind))}
	if s.Alert.Incident != "" {
		attrs = append(attrs, slog.String("incident", s.Alert.Incident), slog.String("impact", m.Impact.String()))
	}
	if s.Alert.News != "" {
		attrs = append(attrs, slog.String("news", joined(strings.Split(s.Alert.News, "\n"))))
	}
	for _, f := range m.Fields {
		attrs = append(attrs, slog.String(strings.ReplaceAll(strings.ToLower(f.Name), " ", "_"), joined(f.Lines)))
	}
	l.log.LogAttrs(ctx, level, oneLine(m.Title), attrs...)
	return Receipt{}, nil
}

func joined(lines []string) string {
	clean := make([]string, len(lines))
	for i, line := range lines {
		clean[i] = oneLine(line)
	}
	return strings.Join(clean, "; ")
}
