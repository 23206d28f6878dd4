package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// build makes the program once for all tests of this package.
var build = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "repwatch-e2e-")
	if err != nil {
		return "", err
	}
	bin := filepath.Join(dir, "repwatch")
	out, err := exec.Command("go", "build", "-o", bin, "repwatch/cmd/repwatch").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return bin, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if bin, err := build(); err == nil {
		_ = os.RemoveAll(filepath.Dir(bin)) // a leftover in the temporary folder harms nobody
	}
	os.Exit(code)
}

// output is what one run of the program printed.
type output struct {
	stdout, stderr string
	code           int
	took           time.Duration
}

// repwatch runs the program with a configuration, as a user would.
func repwatch(t *testing.T, config string, args ...string) output {
	t.Helper()
	bin, err := build()
	if err != nil {
		t.Fatal(err)
	}
	if config != "" {
		file := filepath.Join(t.TempDir(), "repwatch.yaml")
		if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
			t.Fatal(err)
		}
		args = append([]string{"-c", file}, args...)
	}
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(t.Context(), bin, args...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	start := time.Now()
	err = cmd.Run()
	out := output{stdout.String(), stderr.String(), 0, time.Since(start)}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		out.code = exit.ExitCode()
	} else if err != nil {
		t.Fatal(err)
	}
	return out
}

// checkDoc and probeDoc are read as a script would: by the names in the contract.
type checkDoc struct {
	Schema   string
	Coverage struct{ Asked, Answered, Unknown, Untested int }
	Results  []struct {
		Subject, List, Verdict string
		Codes, Meaning         []string
		Class, Impact          *string
		Reason, Why            string
		DelistURL              string `json:"delist_url"`
		TTL                    int
	}
	Lists   []struct{ ID, Health, Why string }
	Trouble *struct{ Kind, Words, Next string }
}

type probeDoc struct {
	Schema  string
	Results []struct {
		Partner, MX, Addr, From, Vantage, Outcome, Why string
		Control                                        bool
		Port                                           int
		Capabilities                                   map[string]string
		CapabilitiesTLS                                map[string]string `json:"capabilities_tls"`
		TLS                                            *struct{ Version, Cipher, Handshake, Chain, Name, Expiry string }
		SeenIP                                         string `json:"seen_ip"`
		Faults                                         []struct{ Fault, Bytes string }
		Reply                                          *struct {
			Code                 int
			Text, Meaning, Class string
		}
		PhasesMS   map[string]float64 `json:"phases_ms"`
		Transcript []string
	}
	Comparisons []struct{ Partner, From, Verdict, Words, Next string }
}

func decode[T any](t *testing.T, out output) T {
	t.Helper()
	var doc T
	if err := json.Unmarshal([]byte(out.stdout), &doc); err != nil {
		t.Fatalf("%v in\n%s\n%s", err, out.stdout, out.stderr)
	}
	return doc
}
