package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"repwatch/internal/strictyaml"
)

// FuzzLoad: no input makes Load panic or hang; it gives a usable configuration or
// problems that each say something, in the order of the file.
func FuzzLoad(f *testing.F) {
	for _, pattern := range []string{"testdata/*.yaml", "testdata/good/*.yaml", "../docs/*.example.yaml"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range files {
			src, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(string(src))
		}
	}
	catalogue := testCatalogue(f)
	f.Fuzz(func(t *testing.T, src string) {
		if strings.Contains(src, "file") || strings.Contains(src, "/") && strings.Contains(src, "range") && len(src) > 4096 {
			t.Skip("other files are not ours to read; spelling out many ranges is slow and tested elsewhere")
		}
		l := &Loaded{File: "fuzz.yaml"}
		err := l.parse([]byte(src), catalogue)
		if err == nil {
			usable(t, l)
			return
		}
		var problems strictyaml.Problems
		if !errors.As(err, &problems) {
			t.Fatalf("%T: %v", err, err)
		}
		line := 0
		for _, p := range problems {
			if p.Message == "" || strings.ContainsRune(p.Message, '\n') || p.Line < line {
				t.Errorf("problem %+v after line %d", p, line)
			}
			line = p.Line
		}
	})
}

// usable exercises what follows from a configuration.
func usable(t *testing.T, l *Loaded) {
	for _, a := range l.Addresses[:min(len(l.Addresses), 50)] {
		if !a.IP.IsValid() || a.IP.Is4In6() || l.Sending(a.IP).IP != a.IP {
			t.Errorf("address %+v", a)
		}
	}
	for _, p := range l.Partners {
		if got, ok := l.PartnerNamed(p.Name()); !ok || got.Name() != p.Name() || p.Port == 0 {
			t.Errorf("partner %+v is not found by its name", p)
		}
		if chosen, left := l.Probers(p); len(chosen)+left > len(l.Addresses) {
			t.Errorf("%d probers and %d left of %d addresses", len(chosen), left, len(l.Addresses))
		}
	}
	if l.Redact("text") == "" || len(l.Points()) < len(l.Addresses) {
		t.Error("points are missing")
	}
	_ = fmt.Sprintf("%+v", l.Config)
}
