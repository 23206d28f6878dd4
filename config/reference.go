package config

import (
	"fmt"
	"io"
	"strings"
)

// Reference writes docs/configuration.md: a heading for each section, in the
// order of the file, and a table of its keys.
func Reference(w io.Writer) error {
	var b strings.Builder
	b.WriteString(referenceHead)
	table := ""
	for _, k := range Keys() {
		dot := strings.LastIndexByte(k.Path, '.')
		parent, name := k.Path[:max(dot, 0)], k.Path[dot+1:]
		if k.section || parent == "" {
			heading(&b, k, name)
			table = ""
			continue
		}
		if table != parent {
			b.WriteString("\n| key | value | default | |\n|---|---|---|---|\n")
			table = parent
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", name, k.Type, code(k.Default), cell(k.Doc))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// heading begins a section, or tells a top-level key in one line.
func heading(b *strings.Builder, k Key, name string) {
	level := 2 + strings.Count(k.Path, ".")
	fmt.Fprintf(b, "\n%s %s\n\n%s\n", strings.Repeat("#", level), strings.TrimSuffix(k.Path, "[]"), k.Doc)
	switch {
	case strings.HasSuffix(name, "[]"):
		b.WriteString("\nA list of sections, each with these keys:\n")
	case !k.section:
		fmt.Fprintf(b, "\nValue: %s.", k.Type)
		if k.Default != "" {
			fmt.Fprintf(b, " Default: %s.", code(k.Default))
		}
		b.WriteString("\n")
	}
}

func code(s string) string {
	if s == "" {
		return ""
	}
	return "`" + cell(s) + "`"
}

func cell(s string) string { return strings.ReplaceAll(s, "|", "\\|") }

const referenceHead = `# Configuration reference

One YAML file, ` + "`/etc/repwatch/repwatch.yaml`" + ` unless ` + "`-c FILE`" + ` names another. [repwatch.example.yaml](repwatch.example.yaml) is a commented example.
It is strict: an unknown key is an error with a suggestion, and ` + "`repwatch config check`" + ` tells every problem at once, with its place. Every key has a default
that works; an empty file is a good configuration. ` + "`repwatch config schema`" + ` prints the JSON Schema for your editor.

Keys that belong to parts still to come (the daemon, alerts, the page, fleets) are read and checked already, so that a configuration written today
stays valid. This page is generated from the types in ` + "`config/config.go`" + ` (` + "`make docs`" + `).

## How values are written

| value | how |
|---|---|
| duration | with ms, s, m, h and d: ` + "`500ms`, `90s`, `1h30m`, `400d`" + `; a day is 24 hours |
| percentage | ` + "`10%`" + ` |
| schedule | ` + "`@every 15m`, `@hourly`, `@daily`" + `, or five cron fields such as ` + "`0 9 * * MON`" + `, read in ` + "`schedule.timezone`" + ` |
| time zone | an IANA name such as ` + "`Europe/Vienna`" + ` |
| time | RFC 3339: ` + "`2026-12-24T20:00:00Z`, `2026-12-24T21:00:00+01:00`" + ` |
| span of hours | ` + "`22:00-07:00`" + `; it may pass midnight |
| IP address, range of addresses | ` + "`203.0.113.7`, `2001:db8::7`" + `; a range by its first address and its length: ` + "`203.0.113.64/28`" + ` |
| SOCKS5 proxy | ` + "`socks5://host:port`, `socks5://user:password@host:port`, or `host:port`" + ` |
| secret | ` + "`${credential:NAME}`" + ` (systemd's LoadCredential), ` + "`${file:PATH}`, `${env:NAME}`" + `, or the value itself |

A secret is never shown anywhere. One that is missing is a warning, and fatal only for what needs it.
`
