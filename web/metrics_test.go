package web

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
)

func TestMetrics(t *testing.T) {
	s := open(t, "")
	body := text(t, s.ask("GET", "/metrics", nil))
	for _, line := range []string{`repwatch_build_info{go="`, `repwatch_listings{impact="critical",list="zen"} 1`, `repwatch_list_health{health="suspended",list="cop"} 1`,
		`repwatch_losses{loss="starttls",partner="contoso.example"} 1`, `repwatch_pairs{state="lost"} 1`, `repwatch_pairs{state="good"} 3`, `repwatch_incidents_open{impact="critical",kind="reputation"} 1`,
		`repwatch_notifier_up{notifier="email"} 0`, `repwatch_notifier_up{notifier="log"} 1`, `repwatch_look_age_seconds{check="lists"} `, `repwatch_journal_records_total 8`, `repwatch_sessions_day{provider="Exchange Online"} 2`} {
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

// TestMetricsAreDocumented, each by its name, and nothing else is.
func TestMetricsAreDocumented(t *testing.T) {
	doc, err := os.ReadFile("../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile("metrics.go")
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for _, m := range regexp.MustCompile(`desc\("([a-z_]+)", "`).FindAllStringSubmatch(string(source), -1) {
		known["repwatch_"+m[1]] = true
	}
	name := regexp.MustCompile(`repwatch_[a-z_]+`)
	told := map[string]bool{}
	for _, n := range name.FindAllString(string(doc), -1) {
		told[n] = true
	}
	for n := range known {
		if !told[n] {
			t.Errorf("docs/metrics.md does not tell of %s", n)
		}
	}
	for _, file := range []string{"../docs/metrics.md", "../docs/monitoring/dashboard.json", "../docs/monitoring/alerts.yaml"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range name.FindAllString(string(text), -1) {
			if !known[n] {
				t.Errorf("%s tells of %s, which there is not", file, n)
			}
		}
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
