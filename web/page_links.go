package web

import (
	"html/template"
	"net/url"
	"strings"
	"sync"

	"repwatch/config"
)

// A sentence of ours may end in the address of a page where one asks for delisting.
// On the page that is a link, and nothing else is: what stands in double quotes is
// somebody else's, and an address leads only where the catalogue does.

// linked makes addresses of the catalogue's in a sentence of ours links.
func linked(text string, known func(host string) bool) template.HTML {
	var out strings.Builder
	quoted, from := false, 0
	for i := 0; i < len(text); i++ {
		switch {
		case quoted && text[i] == '\\':
			i++ // as %q writes a quote in a quote
		case text[i] == '"':
			quoted = !quoted
		case !quoted && (i == 0 || strings.IndexByte(" (", text[i-1]) >= 0):
			address := addressAt(text[i:], known)
			if address == "" {
				continue
			}
			out.WriteString(template.HTMLEscapeString(text[from:i]))
			escaped := template.HTMLEscapeString(address)
			out.WriteString(`<a href="` + escaped + `" rel="noreferrer noopener">` + escaped + `</a>`)
			from = i + len(address)
			i = from - 1
		}
	}
	out.WriteString(template.HTMLEscapeString(text[from:]))
	return template.HTML(out.String())
}

// addressAt is the address that text begins with, without the punctuation of the
// sentence around it; empty where there is none that is known.
func addressAt(text string, known func(host string) bool) string {
	if !strings.HasPrefix(text, "https://") && !strings.HasPrefix(text, "http://") {
		return ""
	}
	if end := strings.IndexFunc(text, func(r rune) bool { return r <= ' ' || r >= 0x7f || strings.ContainsRune("\"<>\\^`{|}", r) }); end >= 0 {
		text = text[:end]
	}
	text = strings.TrimRight(text, ".,;:!?'")
	if strings.HasSuffix(text, ")") && !strings.Contains(text, "(") {
		text = strings.TrimRight(text, ").,;:!?'")
	}
	u, err := url.Parse(text)
	if err != nil || u.User != nil || !known(u.Hostname()) {
		return ""
	}
	return text
}

// hosts are where the catalogue of the configuration in force leads.
type hosts struct {
	mu   sync.Mutex
	of   *config.Loaded
	name map[string]bool
}

func (h *hosts) known(cfg *config.Loaded, host string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.of != cfg {
		h.of, h.name = cfg, hostsOf(cfg)
	}
	return h.name[host]
}

func hostsOf(cfg *config.Loaded) map[string]bool {
	out := map[string]bool{}
	add := func(address string) {
		address = strings.NewReplacer("{ip}", "ip", "{domain}", "domain").Replace(address)
		if u, err := url.Parse(address); err == nil && u.Hostname() != "" {
			out[u.Hostname()] = true
		}
	}
	for _, l := range cfg.Lists {
		add(l.Lookup)
		add(l.Delist.URL)
		for _, c := range l.Codes {
			add(c.Delist)
		}
		for _, b := range l.Bits {
			add(b.Delist)
		}
	}
	return out
}
