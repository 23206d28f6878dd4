package setup

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strings"
)

// Postfix is what its configuration says about how mail leaves, and to whom.
type Postfix struct {
	Sources  []Source
	HELO     string    // what the SMTP client says unless a Source has its own
	Relay    *Partner  // all mail goes there first
	Partners []Partner // named in transport_maps and smtp_tls_policy_maps
	LogFile  string    // maillog_file; empty: syslog or the journal
	Skipped  []Skipped
}

// Source is an address the SMTP client binds to.
type Source struct {
	IP   netip.Addr
	HELO string
	From string // the parameter, and the transport where it is one of master.cf
}

// PostfixParameters are what ReadPostfix wants to know.
var PostfixParameters = []string{"myhostname", "smtp_helo_name", "smtp_bind_address", "smtp_bind_address6", "inet_interfaces",
	"relayhost", "transport_maps", "smtp_tls_policy_maps", "smtp_tls_security_level", "maillog_file", "config_directory", "daemon_directory"}

// ReadPostfix judges parameters whose references are expanded (postconf -x, or
// ParseMainCF), the text of master.cf, and the lookup tables, which read opens.
func ReadPostfix(params map[string]string, master string, read func(path string) (string, error)) Postfix {
	p := &postfixReader{params: params, read: read}
	p.HELO = p.value("smtp_helo_name")
	if p.HELO == "" {
		p.HELO = p.value("myhostname")
	}
	if p.HELO != "" && isDomain(p.HELO) != nil {
		p.skip("smtp_helo_name = "+p.HELO, "it is no full host name, and many receivers refuse it: set smtp_helo_name or myhostname")
		p.HELO = ""
	}
	p.LogFile = p.value("maillog_file")
	if p.LogFile == "/dev/stdout" {
		p.LogFile = ""
	}
	p.sources(master)
	if relay := p.value("relayhost"); relay != "" {
		if hop, err := partnerOf(relay, "relayhost"); err == nil {
			p.Relay = &hop
		} else {
			p.skip("relayhost = "+relay, "%v", err)
		}
	}
	p.tables("smtp_tls_policy_maps", p.policy)
	p.tables("transport_maps", p.transport)
	return p.Postfix
}

type postfixReader struct {
	Postfix
	params map[string]string
	read   func(path string) (string, error)
}

func (p *postfixReader) skip(what, format string, args ...any) {
	p.Skipped = append(p.Skipped, Skipped{what, fmt.Sprintf(format, args...)})
}

// value of a parameter; one that still holds a reference is told and empty.
func (p *postfixReader) value(name string) string {
	text := strings.TrimSpace(p.params[name])
	if strings.Contains(text, "$") {
		p.skip(name+" = "+text, "it refers to what could not be expanded without postconf")
		return ""
	}
	return text
}

// sources are smtp_bind_address of main.cf and of the transports in master.cf, and
// without any an inet_interfaces that names addresses (postconf(5), smtp_bind_address).
func (p *postfixReader) sources(master string) {
	add := func(text, helo, from string) {
		ip, err := netip.ParseAddr(strings.Trim(text, "[] "))
		switch {
		case text == "":
		case err != nil:
			p.skip(from+" = "+text, "it is no address")
		case ip.IsUnspecified(): // "any", which undoes a setting of main.cf
		case !slices.ContainsFunc(p.Sources, func(s Source) bool { return s.IP == ip }):
			p.Sources = append(p.Sources, Source{IP: ip.Unmap(), HELO: helo, From: from})
		}
	}
	for _, name := range []string{"smtp_bind_address", "smtp_bind_address6"} {
		add(p.value(name), p.HELO, name)
	}
	for _, t := range smtpTransports(master) {
		for _, name := range []string{"smtp_bind_address", "smtp_bind_address6"} {
			helo := t.options["smtp_helo_name"]
			if helo == "" || isDomain(helo) != nil {
				helo = p.HELO
			}
			add(t.options[name], helo, fmt.Sprintf("%s of %s in master.cf", name, t.name))
		}
	}
	if len(p.Sources) > 0 {
		return
	}
	for _, word := range words(p.value("inet_interfaces")) {
		if ip, err := netip.ParseAddr(strings.Trim(word, "[]")); err == nil && !ip.IsLoopback() {
			add(ip.String(), p.HELO, "inet_interfaces")
		}
	}
}

// transport is a service of master.cf that runs the SMTP client.
type transport struct {
	name    string
	options map[string]string
}

// smtpTransports reads master(5): eight fields, the command, its arguments.
func smtpTransports(master string) (out []transport) {
	for _, line := range logicalLines(master) {
		fields := strings.Fields(line)
		if len(fields) < 8 || fields[7] != "smtp" {
			continue
		}
		t := transport{fields[0], map[string]string{}}
		for _, m := range masterOption.FindAllStringSubmatch(strings.Join(fields[8:], " "), -1) {
			t.options[m[1]+m[3]] = m[2] + m[4]
		}
		out = append(out, t)
	}
	return out
}

// masterOption is -o name=value or -o { name = value }.
var masterOption = regexp.MustCompile(`-o ?(?:\{ *([a-z0-9_]+) *= *([^}]*?) *\}|([a-z0-9_]+)=(\S*))`)

// tables reads the text behind each table of a parameter, entry by entry.
func (p *postfixReader) tables(parameter string, entry func(table, key, value string)) {
	for _, word := range words(p.value(parameter)) {
		kind, path, ok := strings.Cut(word, ":")
		if !ok || !strings.HasPrefix(path, "/") || !slices.Contains([]string{"hash", "btree", "lmdb", "cdb", "dbm", "sdbm", "texthash"}, kind) {
			p.skip(parameter+" = "+word, "only tables made from a text file are read")
			continue
		}
		text, err := p.read(path)
		if err != nil {
			p.skip(parameter+" = "+word, "its text cannot be read: %v", err)
			continue
		}
		for _, line := range logicalLines(text) {
			if key, value, ok := strings.Cut(strings.ReplaceAll(line, "\t", " "), " "); ok {
				entry(path, key, strings.TrimSpace(value))
			}
		}
	}
}

// forced are the levels of smtp_tls_policy_maps at which mail waits rather than go in the clear.
var forced = []string{"encrypt", "dane", "dane-only", "fingerprint", "verify", "secure"}

// policy reads an entry of smtp_tls_policy_maps: next hop, level (postconf(5)).
func (p *postfixReader) policy(table, key, value string) {
	level, _, _ := strings.Cut(value, " ")
	if !slices.Contains(forced, level) {
		return // may and none: STARTTLS is welcome there, but nothing waits for it
	}
	if strings.HasPrefix(key, ".") {
		p.skip(key+" "+level, "it stands for all names below %s: name those that matter", key[1:])
		return
	}
	partner, err := partnerOf(key, fmt.Sprintf("%s: %s", table, level))
	if err != nil {
		p.skip(key+" "+level, "%v", err)
		return
	}
	partner.Require = []string{"STARTTLS"}
	p.Partners = append(p.Partners, partner)
}

// transport reads an entry of transport_maps: domain, transport:nexthop (transport(5)).
func (p *postfixReader) transport(table, key, value string) {
	name, next, ok := strings.Cut(value, ":")
	if !ok || slices.Contains([]string{"local", "virtual", "lmtp", "error", "retry", "discard", "pipe", "dovecot"}, name) || strings.Contains(key, "@") {
		return // not sent on by SMTP, or single recipients
	}
	if next == "" {
		if next = key; key == "*" || strings.HasPrefix(key, ".") {
			return
		}
	}
	next, _, _ = strings.Cut(next, ",") // Postfix 3.5: more than one next hop, tried in turn
	partner, err := partnerOf(strings.TrimSpace(next), fmt.Sprintf("%s: mail for %s", table, key))
	if err != nil {
		p.skip(key+" "+value, "%v", err)
		return
	}
	if ip, err := netip.ParseAddr(partner.Host); err == nil && (ip.IsLoopback() || ip.IsPrivate()) {
		return // a filter or mailbox server of our own
	}
	p.Partners = append(p.Partners, partner)
}

// ParseMainCF reads main.cf (postconf(5)) with references to its own parameters
// expanded, as far as they are plain: $name, ${name}, $(name).
func ParseMainCF(text, hostname string) map[string]string {
	raw := map[string]string{"myhostname": hostname, "smtp_helo_name": "$myhostname", "inet_interfaces": "all", "config_directory": "/etc/postfix"}
	for _, line := range logicalLines(text) {
		if name, value, ok := strings.Cut(line, "="); ok {
			raw[strings.TrimSpace(name)] = strings.TrimSpace(value)
		}
	}
	if _, set := raw["mydomain"]; !set {
		if _, parent, ok := strings.Cut(raw["myhostname"], "."); ok {
			raw["mydomain"] = parent
		}
	}
	out := map[string]string{}
	for name := range raw {
		out[name] = expand(raw, raw[name], 0)
	}
	return out
}

var parameter = regexp.MustCompile(`\$(?:([a-zA-Z0-9_]+)|\{([a-zA-Z0-9_]+)\}|\(([a-zA-Z0-9_]+)\))`)

// expand leaves what it cannot resolve, so that value tells of it.
func expand(raw map[string]string, text string, depth int) string {
	if depth > 20 { // a parameter that refers to itself
		return text
	}
	return parameter.ReplaceAllStringFunc(text, func(ref string) string {
		value, ok := raw[strings.Trim(ref, "${}()")]
		if !ok {
			return ref
		}
		return expand(raw, value, depth+1)
	})
}

// logicalLines joins lines that go on with white space and drops comments, as all
// of Postfix's files have it (postconf(5)).
func logicalLines(text string) []string {
	var out []string
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, " \t\r\n")
		switch trimmed := strings.TrimSpace(line); {
		case trimmed == "" || trimmed[0] == '#':
		case line != strings.TrimLeft(line, " \t") && len(out) > 0:
			out[len(out)-1] += " " + trimmed
		default:
			out = append(out, trimmed)
		}
	}
	return out
}

// words of a parameter that is a list: split at commas and white space.
func words(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(", \t\n", r) })
}

// maxTable bounds a lookup table's text, in bytes.
const maxTable = 4 << 20

// ReadTable reads a text file of Postfix's, for ReadPostfix.
func ReadTable(path string) (string, error) {
	st, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", fmt.Errorf("there is no %s", path)
	case err != nil:
		return "", err
	case st.Size() > maxTable:
		return "", fmt.Errorf("it is larger than %d MiB", maxTable>>20)
	}
	b, err := os.ReadFile(path)
	return string(b), err
}
