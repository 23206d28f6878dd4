package web

import (
	"encoding/json"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"repwatch/internal/realserver"
)

const monitoring = "../docs/monitoring/"

// promtool runs Debian's promtool; what it finds fails the test.
func promtool(t *testing.T, stdin string, args ...string) {
	t.Helper()
	cmd := realserver.Command(t, "promtool", args...)
	cmd.Dir, cmd.Stdin = monitoring, strings.NewReader(stdin)
	if said, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, said)
	}
}

// TestAlertRulesFire when they should, and only then, as Prometheus judges them.
func TestAlertRulesFire(t *testing.T) {
	t.Parallel()
	promtool(t, "", "check", "rules", "--lint=all", "--lint-fatal", "alerts.yaml")
	promtool(t, "", "test", "rules", "alerts.test.yaml")
}

// TestEachAlertRuleIsTried: alerts.test.yaml shows it fire, with all that people are told.
func TestEachAlertRuleIsTried(t *testing.T) {
	rules, tests := slurp(t, monitoring+"alerts.yaml"), slurp(t, monitoring+"alerts.test.yaml")
	names := regexp.MustCompile(`- alert: (\w+)`).FindAllStringSubmatch(rules, -1)
	if len(names) < 8 {
		t.Fatalf("%d rules", len(names))
	}
	for _, m := range names {
		for what, pattern := range map[string]string{
			"fires":           `alertname: ` + m[1] + `\n\s+exp_alerts:`,
			"does not (yet)":  `\{eval_time: \w+, alertname: ` + m[1] + `\}`,
			"says what to do": `alert: ` + m[1] + `\n(?:.*\n)+?\s+description: \S`,
		} {
			if !regexp.MustCompile(pattern).MatchString(rules + tests) {
				t.Errorf("nothing shows that %s %s", m[1], what)
			}
		}
	}
}

// TestPrometheusReadsThePage: a real one, below a prefix, with the rules; and each
// expression of the dashboard finds something in what it has read. That is more than
// to parse them: a division whose sides do not match is empty for ever.
func TestPrometheusReadsThePage(t *testing.T) {
	t.Parallel() // it waits for 5 s: so often Prometheus looks for new targets
	s := open(t, "web: {prefix: /mail/}\n")
	server := httptest.NewServer(s)
	defer server.Close()
	prom := realserver.Prometheus(t, realserver.PrometheusOptions{Job: "repwatch", Target: server.Listener.Addr().String(), MetricsPath: "/mail/metrics", Rules: []string{absolute(t, "alerts.yaml")}})
	up := prom.Query(t, `up{job="repwatch"}`)
	if len(up) != 1 || up[0].Value[1] != "1" {
		t.Fatalf("up: %v", up)
	}
	for name, health := range prom.RuleHealth(t) {
		if health != "ok" {
			t.Errorf("rule %s: %s", name, health)
		}
	}
	var dashboard struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal([]byte(slurp(t, monitoring+"dashboard.json")), &dashboard); err != nil {
		t.Fatal(err)
	}
	for _, p := range dashboard.Panels {
		if len(p.Targets) == 0 {
			t.Errorf("panel %q shows nothing", p.Title)
		}
		for _, target := range p.Targets {
			if len(prom.Query(t, target.Expr)) == 0 {
				t.Errorf("panel %q is empty: %s", p.Title, target.Expr)
			}
		}
	}
}

func absolute(t *testing.T, file string) string {
	t.Helper()
	path, err := filepath.Abs(monitoring + file)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// TestMetricsPleasePromtool: it lints names, units, help texts and types.
func TestMetricsPleasePromtool(t *testing.T) {
	s := open(t, "")
	promtool(t, text(t, s.ask("GET", "/metrics", nil)), "check", "metrics")
}

func slurp(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
