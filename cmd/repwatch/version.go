package main

import (
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"repwatch/api"
)

// version is set by the Makefile (-ldflags -X main.version=...); `go install` and `go run` leave it empty.
var version string

type versionDoc struct {
	Schema  string `json:"schema"`
	Version string `json:"version"`
	Commit  string `json:"commit"`
	Go      string `json:"go"`
	OS      string `json:"os"`
	Arch    string `json:"arch"`
}

func (a *app) version() *cobra.Command {
	c := &cobra.Command{Use: "version", Short: "Say which repwatch this is", Args: noArgs}
	format := outputFlag(c, "table", "json")
	c.RunE = func(*cobra.Command, []string) error {
		v := buildVersion()
		if *format == "json" {
			return a.out.json(v)
		}
		a.out.printf("repwatch %s", v.Version)
		if v.Commit != "" {
			a.out.printf(" (%s)", v.Commit)
		}
		a.out.printf(", %s, %s/%s\n", v.Go, v.OS, v.Arch)
		return nil
	}
	return c
}

func buildVersion() versionDoc {
	v := versionDoc{Schema: api.Schema("version"), Version: version, Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	if v.Version == "" {
		v.Version = info.Main.Version
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			v.Commit = s.Value[:min(12, len(s.Value))]
		case "vcs.modified":
			if s.Value == "true" && v.Commit != "" {
				v.Commit += "+changes"
			}
		}
	}
	return v
}
