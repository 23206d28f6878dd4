package config

import (
	"fmt"
	"maps"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/net/idna"

	"repwatch/checks/smtp"
	"repwatch/internal/strictyaml"
)

// validator checks what types alone cannot. It collects every problem.
type validator struct {
	*Loaded
	doc      *strictyaml.Document
	misread  strictyaml.Problems // what Decode found
	problems strictyaml.Problems
}

func (v *validator) problem(hint, message string, at ...any) {
	v.problems = append(v.problems, v.doc.Problem(at, hint, message))
}

func (v *validator) warn(format string, args ...any) {
	v.Warnings = append(v.Warnings, fmt.Sprintf(format, args...))
}

// unread reports that something below a top-level key could not be read, so that
// checks against it would mislead.
func (v *validator) unread(key string) bool {
	return slices.ContainsFunc(v.misread, func(p strictyaml.Problem) bool { return within(p.Path, key) })
}

func (v *validator) checkAll() {
	v.sendingIPs()
	v.domains(v.Domains, "domains")
	v.domains(v.OwnMX, "own_mx")
	v.partners()
	v.controls()
	v.numbers()
	v.windows()
	v.notifiers()
	v.web()
	v.secrets()
}

var ldhName = regexp.MustCompile(`^([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\.)+[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

// domainName is the name in A-labels and lower case, without the final dot.
func domainName(text string) (string, error) {
	if _, err := netip.ParseAddr(text); err == nil {
		return "", fmt.Errorf("%s is an address where a domain belongs", text)
	}
	name, err := idna.Lookup.ToASCII(strings.TrimSuffix(text, "."))
	name = strings.ToLower(name)
	top := name[strings.LastIndexByte(name, '.')+1:]
	if err != nil || !ldhName.MatchString(name) || len(name) > 253 || strings.Trim(top, "0123456789") == "" {
		return "", fmt.Errorf("%s is no domain name", shown(text))
	}
	return name, nil
}

// ehloName accepts a host name or an address literal (RFC 5321 section 4.1.3).
func ehloName(text string) error {
	if inner, ok := strings.CutPrefix(text, "["); ok && strings.HasSuffix(inner, "]") {
		inner = strings.TrimSuffix(inner, "]")
		ip, err := netip.ParseAddr(strings.TrimPrefix(inner, "IPv6:"))
		if err != nil || ip.Is6() != strings.HasPrefix(inner, "IPv6:") {
			return fmt.Errorf("%s is no address literal", shown(text))
		}
		return nil
	}
	_, err := domainName(text)
	return err
}

func (v *validator) domains(names []string, key string) {
	for i, text := range names {
		name, err := domainName(text)
		if err != nil {
			v.problem("write a domain such as example.com", err.Error(), key, i)
			continue
		}
		if slices.Contains(names[:i], name) {
			v.problem("keep one of them", fmt.Sprintf("%s stands here twice", name), key, i)
		}
		names[i] = name
	}
}

// number is a key with the values it may have.
type number struct {
	value, low, high int
	at               []any
}

// length is a duration with the values it may have.
type length struct {
	value     Duration
	low, high string
	at        []any
}

func (v *validator) numbers() {
	for _, n := range []number{
		{v.DNS.Tries, 1, 10, []any{"dns", "tries"}},
		{v.DNS.InFlight, 1, 256, []any{"dns", "in_flight"}},
		{v.Notify.DigestOver, 1, maxAddresses, []any{"notify", "digest_over"}},
		{v.Probes.PerProviderDay, 0, 1 << 20, []any{"probes", "per_provider_day"}},
		{v.Probes.Canaries, 0, maxAddresses, []any{"probes", "canaries"}},
	} {
		if n.value < n.low || n.value > n.high {
			v.problem(fmt.Sprintf("from %d to %d", n.low, n.high), fmt.Sprintf("%s: %d is out of range", n.at[1], n.value), n.at...)
		}
	}
	for _, n := range []length{
		{v.DNS.Timeout, "50ms", "1m", []any{"dns", "timeout"}},
		{v.Probes.Spacing, "0s", "1d", []any{"probes", "spacing"}},
		{v.Schedule.ConfirmAfter, "0s", "1d", []any{"schedule", "confirm_after"}},
		{v.Store.Keep, "1d", "36500d", []any{"store", "keep"}},
		{v.Notify.GroupWait, "0s", "1h", []any{"notify", "group_wait"}},
	} {
		var low, high Duration
		if low.UnmarshalText([]byte(n.low)) != nil || high.UnmarshalText([]byte(n.high)) != nil {
			panic("config: a limit of " + fmt.Sprint(n.at...) + " is no duration")
		}
		if n.value < low || n.value > high {
			v.problem(fmt.Sprintf("from %s to %s", n.low, n.high), fmt.Sprintf("%s: %s is out of range", n.at[1], n.value), n.at...)
		}
	}
	if v.Store.Path == "" {
		v.problem("leave the key out for the default", "path: the store needs a file", "store", "path")
	}
	if v.Socket == "" {
		v.problem("leave the key out for the default", "socket: a path is needed", "socket")
	}
}

func (v *validator) windows() {
	for i, m := range v.Maintenance {
		if !m.To.After(m.From.Time) || m.From.IsZero() {
			v.problem("both in RFC 3339, to after from", "a maintenance window needs from and a later to", "maintenance", i)
		}
		for j, name := range m.Partners {
			if _, ok := v.PartnerNamed(name); !ok && !v.unread("partners") && !v.unread("own_mx") {
				v.problem(v.partnerHint(name), fmt.Sprintf("%s is no partner", shown(name)), "maintenance", i, "partners", j)
			}
		}
		for j, ip := range m.IPs {
			v.mustSend(ip, "maintenance", i, "ips", j)
		}
	}
}

func (v *validator) partnerHint(name string) string {
	var known []string
	for _, p := range v.Partners {
		known = append(known, p.Name())
	}
	if near := strictyaml.Nearest(name, known); near != "" {
		return fmt.Sprintf("did you mean %s?", near)
	}
	return "a window names domains or hosts of partners"
}

func (v *validator) notifiers() {
	n := &v.Notify
	v.webAddress(n.Heartbeat, "notify", "heartbeat")
	if s := n.Slack; s != nil {
		switch {
		case s.Token.Set() == s.WebhookURL.Set():
			v.problem("a bot token edits and threads; a webhook can do neither", "slack needs exactly one of token and webhook_url", "notify", "slack")
		case s.Token.Set() && s.Channel == "":
			v.problem("a channel id such as C0123456789, or #name", "slack with a token needs a channel", "notify", "slack")
		}
		v.webAddress(s.WebhookURL, "notify", "slack", "webhook_url")
		v.webAddress(NewSecret(s.APIURL), "notify", "slack", "api_url")
	}
	if e := n.Email; e != nil {
		v.email(e)
	}
	for i, w := range n.Webhook {
		if !w.URL.Set() {
			v.problem("url: https://…", "a webhook needs a url", "notify", "webhook", i)
		}
		v.webAddress(w.URL, "notify", "webhook", i, "url")
		for _, name := range slices.Sorted(maps.Keys(w.Header)) {
			if !headerName.MatchString(name) {
				v.problem("letters, digits and hyphens, such as X-Token", fmt.Sprintf("%s is no name of a header", shown(name)), "notify", "webhook", i, "header", name)
			}
		}
	}
}

var (
	httpAddress = regexp.MustCompile(`^https?://[^/\s]+(/\S*)?$`)
	headerName  = regexp.MustCompile(`^[A-Za-z0-9-]+$`)
)

// webAddress checks an address that is written out. It may hold a token, so it is not repeated.
func (v *validator) webAddress(s Secret, at ...any) {
	if text, ok := s.literal(); ok && !httpAddress.MatchString(text) {
		v.problem("write it like https://hooks.example.com/path", fmt.Sprintf("%s: that is no web address", at[len(at)-1]), at...)
	}
}

func (v *validator) email(e *Email) {
	if e.Host == "" || e.From == "" || len(e.To) == 0 {
		v.problem("host, from and to", "email needs a host, a sender and recipients", "notify", "email")
	}
	if e.From != "" && !mailbox.MatchString(e.From) {
		v.problem("a bare address such as repwatch@example.com", fmt.Sprintf("%s is no mail address", shown(e.From)), "notify", "email", "from")
	}
	for i, to := range e.To {
		if !mailbox.MatchString(to) {
			v.problem("a bare address such as postmaster@example.com", fmt.Sprintf("%s is no mail address", shown(to)), "notify", "email", "to", i)
		}
	}
}

func (v *validator) web() {
	if v.Web.Listen == "" {
		return
	}
	host, port, err := net.SplitHostPort(v.Web.Listen)
	if err != nil || !hostPort(net.JoinHostPort("any", port)) {
		v.problem("address:port, such as 127.0.0.1:8025; empty turns the page off", fmt.Sprintf("%s is no address to listen on", shown(v.Web.Listen)), "web", "listen")
		return
	}
	if ip, err := netip.ParseAddr(host); host != "localhost" && (err != nil || !ip.IsLoopback()) {
		v.warn("web.listen %s is open to the network: put a reverse proxy with a login before it", v.Web.Listen)
	}
}

func providerIDs() (ids []string) {
	for _, p := range smtp.Providers() {
		ids = append(ids, p.ID)
	}
	return ids
}
