package web

import (
	"fmt"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"repwatch/api"
	"repwatch/checks/smtp"
	"repwatch/config"
	"repwatch/incident"
	"repwatch/internal/filled"
	"repwatch/reputation"
)

func TestMetrics(t *testing.T) {
	s := open(t, "")
	body := text(t, s.ask("GET", "/metrics", nil))
	for _, line := range []string{`repwatch_build_info{go="`, `repwatch_listings{impact="critical",list="zen"} 1`, `repwatch_list_health{health="suspended",list="cop"} 1`,
		`repwatch_losses{loss="starttls",partner="contoso.example"} 1`, `repwatch_pairs{state="lost"} 1`, `repwatch_pairs{state="good"} 3`, `repwatch_incidents_open{impact="critical",kind="reputation"} 1`,
		`repwatch_notifier_up{notifier="email"} 0`, `repwatch_notifier_up{notifier="log"} 1`, `repwatch_look_age_seconds{check="lists"} `, `repwatch_journal_records_total 8`, `repwatch_sessions_day{provider="Exchange Online"} 2`,
		`process_resident_memory_bytes `, `go_goroutines `} {
		if !strings.Contains(body, "\n"+line) {
			t.Errorf("there is no %s", line)
		}
	}
	problems, err := promlint.New(strings.NewReader(body)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

// scraped are the series made of a status and lanes: name, labels and value a line.
func scraped(t *testing.T, status *api.Status, lanes []api.Lane) []string {
	t.Helper()
	reg := prometheus.NewRegistry()
	reg.MustRegister(collect(func(out chan<- prometheus.Metric) {
		g := gauges{out, time.Now()}
		g.status(status)
		g.lanes(lanes)
	}))
	w := httptest.NewRecorder()
	promhttp.HandlerFor(reg, promhttp.HandlerOpts{}).ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if w.Code != 200 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	return slices.DeleteFunc(strings.Split(strings.TrimSpace(w.Body.String()), "\n"), func(line string) bool { return line[0] == '#' })
}

type collect func(chan<- prometheus.Metric)

func (collect) Describe(chan<- *prometheus.Desc)       {}
func (f collect) Collect(out chan<- prometheus.Metric) { f(out) }

// large is a status with so many lists, partners and addresses, where all that can be wrong is.
func large(lists, partners, addresses int) (*api.Status, []api.Lane) {
	at := time.Now()
	s := &api.Status{Success: &at, Daemon: &api.Daemon{Version: "1.2.3", Since: &at}}
	for n := range lists {
		s.Lists = append(s.Lists, api.ListStatus{ID: fmt.Sprint("list", n), Impact: reputation.Impact(n % 5), Health: []string{"ok", "suspended", "untested", ""}[n%4], Sure: &at, Listed: addresses})
	}
	losses := []smtp.LossKind{smtp.LossStartTLS, smtp.LossCapability, smtp.LossMasked, smtp.LossRejected, smtp.LossDeferred, smtp.LossBroken}
	var lanes []api.Lane
	for n := range partners {
		p := api.PartnerStatus{Partner: fmt.Sprintf("partner%d.example", n)}
		for i := range addresses {
			p.Pairs = append(p.Pairs, api.Pair{From: fmt.Sprintf("10.0.%d.%d", i/256, i%256), Standing: "lost", Loss: string(losses[i%len(losses)]), Sure: &at})
			lanes = append(lanes, api.Lane{Provider: fmt.Sprint("provider", n), From: p.Pairs[i].From, Day: 1})
		}
		s.Partners = append(s.Partners, p)
	}
	for n := range 3 {
		s.Incidents.Rows = append(s.Incidents.Rows, api.OpenIncident{Kind: incident.Reputation, Impact: reputation.Impact(n)})
		s.Notifiers = append(s.Notifiers, api.NotifierStatus{Notifier: fmt.Sprint("webhook", n), Pending: 1, Oldest: &at})
	}
	return s, lanes
}

// TestMetricsAreDocumented, each by its name and labels, and nothing else is.
func TestMetricsAreDocumented(t *testing.T) {
	labelsOf := map[string]string{}
	status, lanes := large(4, 1, 6)
	for _, line := range scraped(t, status, lanes) {
		name, rest, _ := strings.Cut(strings.Fields(line)[0], "{")
		var labels []string
		for _, m := range regexp.MustCompile(`(\w+)="`).FindAllStringSubmatch(rest, -1) {
			labels = append(labels, m[1])
		}
		slices.Sort(labels)
		labelsOf[name] = strings.Join(labels, ", ")
	}
	doc := slurp(t, "../docs/metrics.md")
	told := map[string]bool{}
	for _, row := range regexp.MustCompile("(?m)^\\| `(repwatch_\\w+)` \\| ([a-z, ]*)\\| \\S").FindAllStringSubmatch(doc, -1) {
		labels := strings.FieldsFunc(row[2], func(r rune) bool { return r == ',' || r == ' ' })
		slices.Sort(labels)
		if got := strings.Join(labels, ", "); got != labelsOf[row[1]] {
			t.Errorf("docs/metrics.md: %s has the labels %q, not %q", row[1], labelsOf[row[1]], got)
		}
		told[row[1]] = true
	}
	for name := range labelsOf {
		if !told[name] {
			t.Errorf("docs/metrics.md does not tell of %s", name)
		}
	}
	for _, file := range []string{"../docs/metrics.md", monitoring + "dashboard.json", monitoring + "alerts.yaml"} {
		for _, name := range regexp.MustCompile(`repwatch_[a-z_]+`).FindAllString(slurp(t, file), -1) {
			if _, ok := labelsOf[name]; !ok {
				t.Errorf("%s tells of %s, which there is not", file, name)
			}
		}
	}
}

// TestMetricsStaySmall however many addresses there are, and bounded however many
// lists and partners: what a scrape costs is Prometheus' to keep for years.
func TestMetricsStaySmall(t *testing.T) {
	for _, tt := range []struct{ lists, partners, addresses, most int }{
		{60, 50, 4096, 625},
		{1000, 1000, 12, 2300},
	} {
		status, lanes := large(tt.lists, tt.partners, tt.addresses)
		series := scraped(t, status, lanes)
		bytes := len(strings.Join(series, "\n"))
		t.Logf("%d lists, %d partners, %d addresses: %d series, %d bytes", tt.lists, tt.partners, tt.addresses, len(series), bytes)
		if len(series) > tt.most || bytes > 100*tt.most {
			t.Errorf("%d lists, %d partners, %d addresses: %d series, %d bytes", tt.lists, tt.partners, tt.addresses, len(series), bytes)
		}
	}
}

// TestNoSecretsAreServed, by the metrics nor by a document: list keys are labels of
// names, and the token opens the page. Metrics have no addresses either.
func TestNoSecretsAreServed(t *testing.T) {
	const key = "k3yofours"
	s := open(t, "")
	file := filepath.Join(t.TempDir(), "repwatch.yaml")
	keyed := strings.NewReplacer("zone: zen.test,", `zone: "{key}.zen.test", access: {key: zen},`, "use: [zen, cop]", "use: [zen, cop]\n  keys: {zen: "+key+"}").Replace(filled.Config)
	if err := os.WriteFile(file, []byte(keyed+"web: {token: "+token+"}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(file, []byte("lists: []"))
	if err != nil {
		t.Fatal(err)
	}
	if l := cfg.Lists[0]; l.Expanded != key+".zen.test" {
		t.Fatalf("the key is not in use: %s", l.Expanded)
	}
	page, err := NewPage(Options{DB: s.db, Config: func() *config.Loaded { return cfg }, Daemon: s.d}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer page.Close()
	s.Page.Close()
	s.Page = page
	for _, path := range []string{"/metrics", "/", "/health", "/list/zen", "/ip/203.0.113.7", "/api/v1/status", "/api/v1/lists", "/api/v1/lists/zen", "/api/v1/incidents/3", "/api/v1/subjects/203.0.113.7", "/api/v1/report"} {
		body := text(t, s.ask("GET", path, nil))
		for _, secret := range []string{key, token} {
			if strings.Contains(body, secret) {
				t.Errorf("%q is in %s", secret, path)
			}
		}
		if path == "/metrics" && strings.Contains(body, "203.0.113.") {
			t.Error("an address is in the metrics")
		}
	}
}

// TestMetricsOfStrangers: a name that is no UTF-8 would end the daemon where nobody catches it.
func TestMetricsOfStrangers(t *testing.T) {
	got := scraped(t, &api.Status{}, []api.Lane{{Provider: "evil\xff\"\n", Day: 1}})
	if want := `repwatch_sessions_day{provider="evil?\"\n"} 1`; !slices.Contains(got, want) {
		t.Errorf("got %q, want %s", got, want)
	}
}

// TestLabelsAreBounded: however many partners there are, so many are named.
func TestLabelsAreBounded(t *testing.T) {
	b := bounded{}
	names := map[string]bool{}
	for i := range 5 * mostLabels {
		names[b.of(fmt.Sprint("partner", i))] = true
	}
	if len(names) != mostLabels+1 || !names["other"] || b.of("partner0") != "partner0" {
		t.Errorf("%d names", len(names))
	}
}
