package realserver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"path/filepath"
	"testing"
)

// PrometheusOptions says what it reads, and which rules it has.
type PrometheusOptions struct {
	Job         string
	Target      string // host:port
	MetricsPath string
	Rules       []string // files, by their full path
}

// PrometheusServer is a running Prometheus that reads its target twice a second.
type PrometheusServer struct {
	*process
	addr netip.AddrPort
}

// Prometheus starts one with a store of its own, and returns once it has read the
// target and evaluated its rules, well or not.
func Prometheus(t testing.TB, o PrometheusOptions) *PrometheusServer {
	t.Helper()
	Require(t, "prometheus")
	s := &PrometheusServer{addr: orFree(t, netip.AddrPort{})}
	dir := tempDir(t, "prometheus")
	rules, err := json.Marshal(o.Rules) // which is YAML too
	if err != nil {
		t.Fatal(err)
	}
	conf := filepath.Join(dir, "prometheus.yml")
	writeFile(t, conf, fmt.Sprintf(`global: {scrape_interval: 500ms, scrape_timeout: 500ms, evaluation_interval: 500ms}
rule_files: %s
scrape_configs:
  - job_name: %q
    metrics_path: %q
    static_configs: [{targets: [%q]}]
`, rules, o.Job, o.MetricsPath, o.Target))
	s.process = start(t, launch{name: "prometheus", dir: dir, argv: []string{find("prometheus"), "--config.file=" + conf,
		"--storage.tsdb.path=" + filepath.Join(dir, "data"), "--web.listen-address=" + s.addr.String(), "--log.level=warn"}})
	s.mustUntil(t, "prometheus does not read its target", func() error {
		up, err := s.ask(t.Context(), "up")
		if err == nil && len(up) == 0 {
			err = errors.New("it has not asked yet")
		}
		return err
	})
	return s
}

// PrometheusSample is one value of an answer.
type PrometheusSample struct {
	Labels map[string]string `json:"metric"`
	Value  [2]any            `json:"value"` // when, and what as text
}

// Query evaluates an expression now.
func (s *PrometheusServer) Query(t testing.TB, expr string) []PrometheusSample {
	t.Helper()
	found, err := s.ask(t.Context(), expr)
	if err != nil {
		t.Fatalf("prometheus on %s: %v", expr, err)
	}
	return found
}

func (s *PrometheusServer) ask(ctx context.Context, expr string) ([]PrometheusSample, error) {
	var answer struct {
		Result []PrometheusSample `json:"result"`
	}
	err := s.get(ctx, "query?query="+url.QueryEscape(expr), &answer)
	return answer.Result, err
}

// RuleHealth is how each rule's latest evaluation went, by the rule's name: ok, err or unknown before the first.
func (s *PrometheusServer) RuleHealth(t testing.TB) map[string]string {
	t.Helper()
	health := map[string]string{}
	s.mustUntil(t, "prometheus does not evaluate its rules", func() error {
		var answer struct {
			Groups []struct {
				Rules []struct{ Name, Health, LastError string }
			}
		}
		if err := s.get(t.Context(), "rules", &answer); err != nil {
			return err
		}
		for _, g := range answer.Groups {
			for _, r := range g.Rules {
				if health[r.Name] = r.Health; r.Health == "unknown" {
					return fmt.Errorf("%s has not been evaluated", r.Name)
				}
			}
		}
		return nil
	})
	return health
}

func (s *PrometheusServer) get(ctx context.Context, path string, data any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.addr.String()+"/api/v1/"+path, nil)
	if err != nil {
		return err
	}
	req.Close = true // a connection kept open is a goroutine left behind
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	answer := struct {
		Error string `json:"error"`
		Data  any    `json:"data"`
	}{Data: data}
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil {
		return fmt.Errorf("%s: %w", res.Status, err)
	}
	if answer.Error != "" {
		return errors.New(answer.Error)
	}
	return nil
}
