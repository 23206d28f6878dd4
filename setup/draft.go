package setup

import (
	"fmt"
	"io"
	"net/netip"
	"strings"
	"unicode"

	"repwatch/config"
)

// Draft is a first configuration from what was seen. It is written for people: what
// was found and how, what was left out and why, and every other key with its default.
type Draft struct {
	Host     Host
	SPF      *SPF
	Postfix  *Postfix
	Partners []Partner // from --partners
	Again    int       // ... and how many lines repeated one
}

// Write writes the configuration as YAML.
func (d Draft) Write(w io.Writer) error {
	y := &yaml{active: d.settings()}
	y.say(0, "Written by repwatch init"+on(d.Host.Name)+". Read it through: nobody knows your mail as you do. `repwatch config check FILE` "+
		"finds every mistake at once, `repwatch doctor -c FILE` says whether it can work here. What is commented out shows defaults or examples.")
	d.writeSending(y)
	d.writeDomains(y)
	d.writePartners(y)
	y.section("", "A clean address to compare with: lost for us alone is our reputation, lost for all is the partner's change. A spare address of this host, or a SOCKS5 proxy elsewhere.")
	y.line("# control:")
	y.line(`#   - {name: spare, bind: 198.51.100.9, ehlo: spare.example.com}`)
	y.rest()
	_, err := io.WriteString(w, y.String())
	return err
}

func on(host string) string {
	if host == "" {
		return ""
	}
	return " on " + host
}

// settings are the values found for keys below the ones written by hand.
func (d Draft) settings() map[string]string {
	out := map[string]string{"notify.log": "{}"} // or nobody would be told
	if chosen, _ := d.Host.Resolvers.Choose(); len(chosen) > 0 {
		out["dns.resolvers"] = servers(chosen)
	}
	switch {
	case d.Postfix == nil:
	case d.Postfix.LogFile != "":
		out["mail_log.postfix.file"] = fmt.Sprintf("%q", d.Postfix.LogFile)
	case d.Host.MailLog != "":
		out["mail_log.postfix.file"] = fmt.Sprintf("%q", d.Host.MailLog)
	default:
		out["mail_log.postfix.journal"] = "true"
	}
	return out
}

func (d Draft) writeSending(y *yaml) {
	y.section("", "The addresses your mail leaves from, as partners see them.")
	entries := d.sending()
	if d.Postfix != nil && d.Postfix.Relay != nil {
		y.say(0, fmt.Sprintf("All mail of this Postfix goes through %s (relayhost): partners see the addresses of that host, which belong here.", d.Postfix.Relay.name()))
	}
	if len(entries) == 0 {
		y.say(0, "None was found.")
		y.line("# sending_ips:")
		y.line("#   - {ip: 203.0.113.7, name: mx1.example.com}")
	} else {
		y.line("sending_ips:")
	}
	told := ""
	for _, e := range entries {
		if why := strings.Join(e.why, "; ") + "."; why != told {
			y.say(2, why)
			told = why
		}
		y.line("  - " + e.yaml())
	}
	for _, ip := range d.private() {
		y.say(0, fmt.Sprintf("%s is a private address of this host. Where mail leaves by it through NAT, write the public address that partners see as ip, and this one as bind: {ip: PUBLIC, bind: %s}.", ip, ip))
	}
	if d.SPF != nil && len(d.SPF.Skipped) > 0 {
		y.say(0, "Not taken from the SPF record of "+d.SPF.Domain+":")
		y.skipped(d.SPF.Skipped)
	}
}

// private addresses to tell of: those of Postfix, or else those of interfaces.
func (d Draft) private() []netip.Addr {
	var out []netip.Addr
	if d.Postfix != nil {
		for _, s := range d.Postfix.Sources {
			if !public(s.IP) && !s.IP.IsLoopback() {
				out = append(out, s.IP)
			}
		}
	}
	if len(out) == 0 {
		out = d.Host.Private
	}
	return out[:min(len(out), 8)]
}

func (d Draft) writeDomains(y *yaml) {
	y.section("", "Your sender domains, for domain lists; and those whose MX you run yourself, read as others see them.")
	if d.SPF == nil {
		y.line("# domains: [example.com]")
		y.line("# own_mx: [example.com]")
		return
	}
	y.line("domains: [" + d.SPF.Domain + "]")
	if d.SPF.OwnMX {
		y.line("own_mx: [" + d.SPF.Domain + "]")
		return
	}
	y.line("# own_mx: [" + d.SPF.Domain + "]")
}

// partners are those of the file first, in its order, then Postfix's.
func (d Draft) partners() []Partner {
	if d.Postfix == nil {
		return merge(d.Partners)
	}
	var relay []Partner
	if d.Postfix.Relay != nil {
		relay = append(relay, *d.Postfix.Relay)
	}
	return merge(d.Partners, relay, d.Postfix.Partners)
}

func (d Draft) writePartners(y *yaml) {
	y.section("", "Whose mail must get through. A domain's MX are looked up, a host is a next hop as it is. What require names and is missing at first sight is a loss at once.")
	partners := d.partners()
	if len(partners) == 0 {
		y.line("# partners:")
		y.line("#   - {domain: contoso.com, require: [STARTTLS]}")
	} else {
		y.line("partners:")
	}
	from := ""
	for _, p := range partners {
		if p.From != from {
			from = p.From
			y.say(2, "from "+from)
		}
		y.line("  - " + p.yaml())
	}
	if d.Postfix != nil && len(d.Postfix.Skipped) > 0 {
		y.say(0, "Not taken from Postfix:")
		y.skipped(d.Postfix.Skipped)
	}
}

func (p Partner) yaml() string {
	words := []string{"domain: " + p.Domain}
	if p.Host != "" {
		words[0] = fmt.Sprintf("host: %q", p.Host)
	}
	if p.Port != 25 {
		words = append(words, fmt.Sprintf("port: %d", p.Port))
	}
	if len(p.Require) > 0 {
		words = append(words, "require: ["+strings.Join(p.Require, ", ")+"]")
	}
	return "{" + strings.Join(words, ", ") + "}"
}

// Warnings are what the person who ran init must know before going on.
func (d Draft) Warnings() (out []string) {
	_, out = d.Host.Resolvers.Choose()
	if len(d.sending()) == 0 {
		out = append(out, "no sending address was found: write yours into sending_ips")
	}
	if d.Postfix != nil && d.Postfix.Relay != nil {
		out = append(out, fmt.Sprintf("Postfix hands all mail to %s: the sending addresses are that host's, and repwatch belongs there", d.Postfix.Relay.name()))
	}
	if d.Again > 0 {
		out = append(out, fmt.Sprintf("partners: %d repeated and left out", d.Again))
	}
	if n := d.left(); n > 0 {
		out = append(out, fmt.Sprintf("%d settings were seen and not taken over: comments in the file say why", n))
	}
	return out
}

func (d Draft) left() (n int) {
	if d.SPF != nil {
		n += len(d.SPF.Skipped)
	}
	if d.Postfix != nil {
		n += len(d.Postfix.Skipped)
	}
	return n
}

// yaml builds the text. Comments fold at 96 columns; foreign text in them is made harmless.
type yaml struct {
	strings.Builder
	active map[string]string // values by path that stand uncommented
}

const commentWidth = 96

func (y *yaml) line(text string) { y.WriteString(text + "\n") }

func (y *yaml) section(header, comment string) {
	y.line("")
	y.say(0, comment)
	if header != "" {
		y.line(header)
	}
}

// say writes a comment.
func (y *yaml) say(indent int, text string) {
	prefix := strings.Repeat(" ", indent) + "#"
	line := prefix
	for _, word := range strings.Fields(harmless(text)) {
		if len(line) > len(prefix) && len(line)+1+len(word) > commentWidth {
			y.line(line)
			line = prefix
		}
		line += " " + word
	}
	y.line(line)
}

func (y *yaml) skipped(all []Skipped) {
	for _, s := range all {
		y.say(0, "- "+s.What+": "+s.Why)
	}
}

// harmless keeps foreign text (DNS, other programs' files) from ending its comment or reaching a terminal.
func harmless(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
}

// byHand are written above; the rest follows from config.Keys.
var byHand = map[string]bool{"sending_ips": true, "domains": true, "own_mx": true, "partners": true, "control": true}

// rest writes every other key: found values as they are, the others commented with default or example.
func (y *yaml) rest() {
	for _, k := range config.Keys() {
		path := strings.ReplaceAll(k.Path, "[]", "")
		top, below, nested := strings.Cut(path, ".")
		if byHand[top] {
			continue
		}
		value, show := y.value(path, k)
		switch {
		case !show:
		case !nested:
			y.section(y.entry(0, top, value, path, ""), k.Doc)
		default:
			depth := strings.Count(below, ".") + 1
			name := below[strings.LastIndexByte(below, '.')+1:]
			y.line(y.entry(depth, name, value, path, firstSentence(k.Doc)))
		}
	}
}

// value of a key: what was found, its default, an example; or empty for a section.
// Keys with none of these are left out, and so are members of lists, whose example is whole.
func (y *yaml) value(path string, k config.Key) (value string, show bool) {
	if found, ok := y.active[path]; ok {
		return found, true
	}
	if example, ok := examples[path]; ok {
		return example, example != hidden
	}
	if strings.Contains(k.Path, "[]") {
		return "", false
	}
	return quoted(k.Default), true
}

// entry is "key: value   # doc", behind a # unless it, or something below it, was found.
func (y *yaml) entry(depth int, name, value, path, doc string) string {
	text := name + ":"
	if value != "" {
		text += " " + value
	}
	indent := strings.Repeat("  ", depth)
	switch {
	case y.found(path):
		text = indent + text
	case y.found(strings.SplitN(path, ".", 2)[0]):
		text = indent + "# " + text
	default:
		text = "# " + indent + text
	}
	if doc == "" {
		return text
	}
	return fmt.Sprintf("%-42s # %s", text, doc)
}

// found reports that the key or one below it has a value.
func (y *yaml) found(path string) bool {
	for p := range y.active {
		if p == path || strings.HasPrefix(p, path+".") {
			return true
		}
	}
	return false
}

func quoted(value string) string {
	if strings.ContainsAny(value, "@*: %") {
		return fmt.Sprintf("%q", value)
	}
	return value
}

func firstSentence(doc string) string {
	first, _, _ := strings.Cut(strings.TrimSuffix(doc, "."), ". ")
	return first
}

// hidden marks keys that a first configuration is better without.
const hidden = "(hidden)"

// examples stand for keys without a default. Secrets are never written here.
var examples = map[string]string{
	"blocklists.file": hidden, "blocklists.skip": "[spamcop]", "blocklists.keys": `{spamhaus: "${credential:dqs}"}`, "blocklists.add": hidden,
	"dns.resolvers":    `["127.0.0.1:53"]`,
	"mail_log.postfix": "", "mail_log.postfix.journal": "true", "mail_log.postfix.file": "/var/log/mail.log",
	"mail_log.exim.file": "/var/log/exim4/mainlog", "mail_log.exchange.smtp_send": "/mnt/exchange/SmtpSend",
	"schedule.timezone": "Europe/Vienna",
	"maintenance":       `[{from: 2030-12-24T20:00:00Z, to: 2030-12-24T23:00:00Z, reason: their upgrade}]`,
	"notify.heartbeat":  `"${credential:heartbeat_url}"`,
	"notify.quiet":      `"22:00-07:00"`, "notify.log": "{}",
	"notify.slack.token": `"${credential:slack_token}"`, "notify.slack.app_token": `"${credential:slack_app_token}"`, "notify.slack.channel": `"#mail"`,
	"notify.slack.fallback": `"#ops"`, "notify.slack.mention": `"@mail-ops"`, "notify.slack.webhook_url": hidden, "notify.slack.api_url": hidden,
	"notify.email.host": "smtp.example.com", "notify.email.user": "repwatch@example.com", "notify.email.password": `"${credential:smtp_password}"`,
	"notify.email.from": "repwatch@example.com", "notify.email.to": "[postmaster@example.com]",
	"notify.webhook": `[{url: "${credential:webhook_url}"}]`,
	"web.prefix":     "/repwatch", "web.token": `"${credential:web_token}"`,
	"fleet": hidden, "fleet.nats": hidden, "fleet.name": hidden, "fleet.creds": hidden,
}
