package web

import (
	"cmp"
	"context"
	"maps"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"repwatch/api"
)

// Rules for metrics: names are stable (docs/metrics.md); labels are ours, few and
// bounded, never a reply, a reason or an address of a person; what cannot be told
// is told as such, never as zero. All are made of the status when they are asked for.

// mostLabels bounds lists and partners named one by one; the rest is "other".
const mostLabels = 200

var metrics = struct {
	build, started, listings, listHealth, listAge, losses, pairs, incidents, age, success,
	notifierUp, pending, outboxAge, store, records, coverage, looks, reload, sessions, slowDowns *prometheus.Desc
}{
	build:      desc("build_info", "Always 1; says which version runs.", "version", "go"),
	started:    desc("start_timestamp_seconds", "When the daemon started."),
	listings:   desc("listings", "Watched addresses and domains that a list accuses.", "list", "impact"),
	listHealth: desc("list_health", "1 for how a list stands: ok, suspended, untested, or none before it was asked.", "list", "health"),
	listAge:    desc("list_sure_timestamp_seconds", "When the last sweep of a list that told something ended.", "list"),
	losses:     desc("losses", "Sending addresses that a partner withholds something from.", "partner", "loss"),
	pairs:      desc("pairs", "Pairs of sending address and partner by standing: good, lost, or new before there is a baseline.", "state"),
	incidents:  desc("incidents_open", "Open incidents.", "kind", "impact"),
	age:        desc("look_age_seconds", "Age of the latest sure look of a kind of check: lists or partners.", "check"),
	success:    desc("last_success_timestamp_seconds", "When a look last told something."),
	notifierUp: desc("notifier_up", "1 when a notifier delivers, 0 when it is down.", "notifier"),
	pending:    desc("outbox_pending", "Alerts that are due and not delivered.", "notifier"),
	outboxAge:  desc("outbox_oldest_timestamp_seconds", "When the oldest alert that waits was written.", "notifier"),
	store:      desc("store_bytes", "Size of the store's file."),
	records:    desc("journal_records_total", "Records written to the journal."),
	coverage:   desc("coverage", "How many were watched (asked) and told something of late (told): lists and partners.", "of", "what"),
	looks:      desc("looks_under_way", "Looks under way."),
	sessions:   desc("sessions_day", "Connections opened to mail servers in the last 24 hours.", "provider"),
	slowDowns:  desc("slow_downs_day", "Of these, those that were told to come less often.", "provider"),
	reload:     desc("config_reload_failed", "1 while a changed configuration is refused."),
}

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("repwatch_"+name, help, labels, nil)
}

// collector makes metrics of a status.
type collector struct{ p *Page }

// Describe tells none: an unchecked collector may leave out what is not known.
func (collector) Describe(chan<- *prometheus.Desc) {}

func metricsHandler(p *Page) http.Handler {
	reg := prometheus.NewRegistry()
	reg.MustRegister(collector{p}, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return promhttp.HandlerFor(reg, promhttp.HandlerOpts{ErrorHandling: promhttp.HTTPErrorOnError, MaxRequestsInFlight: 4})
}

// Collect implements prometheus.Collector.
func (c collector) Collect(out chan<- prometheus.Metric) {
	status, err := c.p.status.get(context.Background())
	if err != nil {
		out <- prometheus.NewInvalidMetric(metrics.build, err)
		return
	}
	ledger, err := c.p.day(now().Add(-24 * time.Hour))
	if err != nil {
		out <- prometheus.NewInvalidMetric(metrics.sessions, err)
		return
	}
	g := gauges{out, now()}
	g.status(&status)
	g.lanes(ledger.Lanes)
}

// gauges sends values to a scrape.
type gauges struct {
	out chan<- prometheus.Metric
	now time.Time
}

func (g gauges) set(d *prometheus.Desc, v float64, labels ...string) {
	for i := range labels { // a provider's name may come of what a stranger's MX is called
		labels[i] = strings.ToValidUTF8(labels[i], "?")
	}
	g.out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
}

// at sets a moment; none where it never was.
func (g gauges) at(d *prometheus.Desc, t *time.Time, labels ...string) {
	if t != nil {
		g.set(d, float64(t.UnixMilli())/1000, labels...)
	}
}

func (g gauges) sum(d *prometheus.Desc, counts map[[2]string]int) {
	for _, key := range slices.SortedFunc(maps.Keys(counts), func(a, b [2]string) int { return slices.Compare(a[:], b[:]) }) {
		g.set(d, float64(counts[key]), key[0], key[1])
	}
}

func (g gauges) status(s *api.Status) {
	g.daemon(s)
	g.lists(s.Lists)
	g.partners(s.Partners)
	g.incidents(s.Incidents.Rows)
	g.notifiers(s.Notifiers)
}

func (g gauges) daemon(s *api.Status) {
	g.set(metrics.store, float64(s.Store.Bytes))
	g.out <- prometheus.MustNewConstMetric(metrics.records, prometheus.CounterValue, float64(s.Store.Records))
	g.at(metrics.success, s.Success)
	g.sum(metrics.coverage, map[[2]string]int{{"lists", "asked"}: s.Coverage.Lists, {"lists", "told"}: s.Coverage.ListsTold,
		{"partners", "asked"}: s.Coverage.Partners, {"partners", "told"}: s.Coverage.PartnersTold})
	if d := s.Daemon; d != nil {
		g.set(metrics.build, 1, d.Version, runtime.Version())
		g.at(metrics.started, d.Since)
		g.set(metrics.looks, float64(d.UnderWay))
		g.set(metrics.reload, truth(d.ReloadError != ""))
	}
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func (g gauges) lists(rows []api.ListStatus) {
	listed, health := map[[2]string]int{}, map[[2]string]int{}
	var last *time.Time
	names := bounded{}
	for _, l := range rows {
		name := names.of(l.ID)
		listed[[2]string{name, l.Impact.String()}] += l.Listed
		health[[2]string{name, cmp.Or(l.Health, "none")}]++
		last = later(last, l.Sure)
		if name == l.ID {
			g.at(metrics.listAge, l.Sure, name)
		}
	}
	g.sum(metrics.listings, listed)
	g.sum(metrics.listHealth, health)
	g.age(last, "lists")
}

func (g gauges) partners(rows []api.PartnerStatus) {
	losses, pairs := map[[2]string]int{}, map[string]int{"good": 0, "lost": 0, "new": 0}
	var last *time.Time
	names := bounded{}
	for _, p := range rows {
		name := names.of(p.Partner)
		for _, pair := range p.Pairs {
			pairs[pair.Standing]++
			if pair.Standing == "lost" {
				losses[[2]string{name, cmp.Or(pair.Loss, "capability")}]++
			}
			last = later(last, pair.Sure)
		}
	}
	g.sum(metrics.losses, losses)
	for _, state := range slices.Sorted(maps.Keys(pairs)) {
		g.set(metrics.pairs, float64(pairs[state]), state)
	}
	g.age(last, "partners")
}

func (g gauges) age(last *time.Time, check string) {
	if last != nil {
		g.set(metrics.age, g.now.Sub(*last).Seconds(), check)
	}
}

func later(a, b *time.Time) *time.Time {
	if a == nil || b != nil && b.After(*a) {
		return b
	}
	return a
}

func (g gauges) incidents(rows []api.OpenIncident) {
	open := map[[2]string]int{}
	for _, kind := range []string{"reputation", "own", "health"} {
		open[[2]string{kind, "high"}] = 0 // so that "none" is told as well
	}
	for _, i := range rows {
		open[[2]string{string(i.Kind), i.Impact.String()}]++
	}
	g.sum(metrics.incidents, open)
}

func (g gauges) notifiers(rows []api.NotifierStatus) {
	for _, n := range rows {
		g.set(metrics.notifierUp, truth(!n.Down), n.Notifier)
		g.set(metrics.pending, float64(n.Pending), n.Notifier)
		g.at(metrics.outboxAge, n.Oldest, n.Notifier)
	}
}

func (g gauges) lanes(rows []api.Lane) {
	opened, slow := map[string]int{}, map[string]int{}
	names := bounded{}
	for _, l := range rows {
		name := names.of(l.Provider)
		opened[name] += l.Day
		slow[name] += l.SlowDowns
	}
	for _, name := range slices.Sorted(maps.Keys(opened)) {
		g.set(metrics.sessions, float64(opened[name]), name)
		g.set(metrics.slowDowns, float64(slow[name]), name)
	}
}

// bounded keeps the first so many values of a label; rows come worst first.
type bounded map[string]bool

func (b bounded) of(name string) string {
	if !b[name] && len(b) >= mostLabels {
		return "other"
	}
	b[name] = true
	return name
}
