package config

import (
	"os"
	"path/filepath"
	"testing"
)

// Two ports of one host are two partners, told apart by name; a single one is called as it is written.
func TestPartnersOfOneNameAreToldApart(t *testing.T) {
	file := filepath.Join(t.TempDir(), "c.yaml")
	text := "partners: [{host: 127.0.0.1, port: 2501}, {host: 127.0.0.1, port: 2502}, {domain: contoso.com, port: 2503}]\nblocklists: {use: [], add: [{id: a, zone: a.example}]}\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := Load(file, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"127.0.0.1:2501", "127.0.0.1:2502", "contoso.com"} {
		if got := cfg.Partners[i].Name(); got != want {
			t.Errorf("partner %d is called %s, want %s", i, got, want)
		}
		if p, ok := cfg.PartnerNamed(want); !ok || p.Port != cfg.Partners[i].Port {
			t.Errorf("%s is not found by its name", want)
		}
	}
}
