package watch

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"repwatch/checks/dnsbl"
	"repwatch/config"
)

func listIs(id string) func(*dnsbl.List) bool { return func(l *dnsbl.List) bool { return l.ID == id } }

// Reload reads the configuration anew and puts it in force. A bad file leaves the
// one in force; either way the log says what happened, and so does Runtime.
func (d *Daemon) Reload(ctx context.Context) error {
	if d.opt.Load == nil {
		return fmt.Errorf("there is no configuration file to read again")
	}
	d.reloading.Lock()
	defer d.reloading.Unlock()
	cfg, err := d.opt.Load()
	if err == nil {
		err = d.replace(ctx, cfg)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now().UTC()
	if err != nil {
		d.state.ReloadError, d.state.ReloadFailed = err.Error(), now
		d.log.Error("the new configuration is not in force; the one before goes on", "err", err)
		return err
	}
	d.state.Reloaded, d.state.ReloadError, d.state.ReloadFailed = now, "", time.Time{}
	return nil
}

func (d *Daemon) replace(ctx context.Context, cfg *config.Loaded) error {
	d.mu.Lock()
	old := d.gen.cfg
	d.mu.Unlock()
	if watchesNothing(cfg) && !watchesNothing(old) { // half a file, more likely than a wish
		return errors.New("the file watches nothing: it has no sending_ips, domains, own_mx or partners\n  hint: is it still being written? To watch nothing, stop the daemon")
	}
	for _, w := range cfg.Warnings {
		d.log.Warn("configuration", "warning", w)
	}
	if cfg.Store.Path != old.Store.Path || cfg.Socket != old.Socket {
		d.log.Warn("store.path and socket are read at start only: restart to move them")
	}
	if err := d.install(ctx, cfg, false); err != nil {
		return err
	}
	diff := Diff(old, cfg)
	if len(diff) == 0 {
		d.log.Info("configuration read again: nothing has changed")
	}
	for _, line := range diff {
		d.log.Info("configuration changed", "what", line)
	}
	return nil
}

func watchesNothing(cfg *config.Loaded) bool {
	return len(cfg.Addresses)+len(cfg.Domains)+len(cfg.OwnMX)+len(cfg.Partners) == 0
}

// Diff says in words what changed from one configuration to another. Secrets do not show.
func Diff(old, next *config.Loaded) (out []string) {
	sets := []struct {
		what     string
		was, now []string
	}{
		{"sending IP", names(old.Addresses, address), names(next.Addresses, address)},
		{"domain", old.Domains, next.Domains},
		{"own MX", old.OwnMX, next.OwnMX},
		{"partner", names(old.Partners, config.Partner.Name), names(next.Partners, config.Partner.Name)},
		{"control", names(old.Control, func(c config.Control) string { return c.Name }), names(next.Control, func(c config.Control) string { return c.Name })},
		{"list", names(old.Lists, func(l *dnsbl.List) string { return l.ID }), names(next.Lists, func(l *dnsbl.List) string { return l.ID })},
	}
	for _, s := range sets {
		out = append(out, gained("no longer watched: "+s.what, s.now, s.was)...)
		out = append(out, gained("watched now: "+s.what, s.was, s.now)...)
	}
	out = append(out, atMost("changed: sending IP", turned(old.Addresses, next.Addresses, address, func(a config.Address) string { return string(a.State) }))...)
	out = append(out, atMost("changed: partner", turned(old.Partners, next.Partners, config.Partner.Name, required))...)
	for _, name := range []string{"Blocklists", "DNS", "Probes", "MailLog", "Schedule", "Maintenance", "Store", "Notify", "Web", "Socket", "Fleet"} {
		was, now := reflect.ValueOf(old.Config).FieldByName(name), reflect.ValueOf(next.Config).FieldByName(name)
		if !reflect.DeepEqual(was.Interface(), now.Interface()) {
			field, _ := reflect.TypeFor[config.Config]().FieldByName(name)
			out = append(out, field.Tag.Get("yaml")+": changed")
		}
	}
	return out
}

// gained are the names in b that are not in a, each told as what.
func gained(what string, a, b []string) []string {
	var out []string
	for _, name := range b {
		if !slices.Contains(a, name) {
			out = append(out, name)
		}
	}
	return atMost(what, out)
}

// atMost tells each name as what, and of many how many more there are.
func atMost(what string, names []string) (out []string) {
	const most = 20
	for i, name := range names {
		if i == most {
			return append(out, fmt.Sprintf("%s: and %d more", what, len(names)-most))
		}
		out = append(out, what+" "+name)
	}
	return out
}

// turned are those in both whose detail is another now.
func turned[T any](was, now []T, name, detail func(T) string) (out []string) {
	before := map[string]string{}
	for _, x := range was {
		before[name(x)] = detail(x)
	}
	for _, x := range now {
		if old, both := before[name(x)]; both && old != detail(x) {
			out = append(out, fmt.Sprintf("%s (%s)", name(x), detail(x)))
		}
	}
	return out
}

func names[T any](all []T, name func(T) string) []string {
	out := make([]string, len(all))
	for i, x := range all {
		out[i] = name(x)
	}
	return out
}

func address(a config.Address) string { return a.IP.String() }

func required(p config.Partner) string {
	if len(p.Require) == 0 {
		return "nothing required"
	}
	return "required: " + strings.Join(p.Require, ", ")
}
