package web

import (
	"bytes"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"path"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"repwatch/reputation"
)

// view is one page to be laid out: the template's name, and what it tells.
type view struct {
	name  string
	Title string
	Nav   string // which entry of the menu it is under
	Data  any
}

// frame is what every page has around it.
type frame struct {
	view
	Seq     uint64
	Now     time.Time
	Version string
	Open    int
	Worst   reputation.Impact
	Acting  bool     // web.token is set
	Session *session // who acts here; nil: nobody
	Said    string   // what became of the last action
	Path    string   // of this page, without the prefix
}

// views are the parsed templates, by name.
type views map[string]*template.Template

// layouts are the views by the base that their links begin with.
type layouts struct {
	mu    sync.Mutex
	of    map[string]views
	parse func(base string) (views, error)
}

func (l *layouts) at(base string) (views, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if v, ok := l.of[base]; ok {
		return v, nil
	}
	v, err := l.parse(base)
	if err == nil {
		l.of[base] = v
	}
	return v, err
}

// deepest is how many directories below the start page a page may lie.
const deepest = 3

// base is what a link on the page that r asks for begins with. It is the prefix, where
// one is configured; else it leads up from page to page, so that a reverse proxy may put
// all of it below a path of its own and need not be known here.
func (p *Page) base(r *http.Request) string {
	up := strings.Count(r.URL.EscapedPath(), "/") - 1
	switch {
	case p.prefix != "" || up > deepest:
		return p.prefix
	case up <= 0:
		return "."
	default:
		return strings.TrimSuffix(strings.Repeat("../", up), "/")
	}
}

// redirect answers with the way to another page.
func (p *Page) redirect(w http.ResponseWriter, r *http.Request, to string) {
	w.Header().Set("Location", p.base(r)+to) // http.Redirect would make it absolute (RFC 9110 section 10.2.2 does not ask for that)
	w.WriteHeader(http.StatusSeeOther)
}

// pages are the templates beside the layout and the parts they share.
var pages = []string{"now", "incidents", "incident", "subject", "partner", "provider", "list", "learned", "timeline", "ledger", "reports", "health", "login", "problem"}

// parseViews reads the templates. Clock times are shown in the zone that zone gives;
// known are the hosts that a sentence may lead to.
func parseViews(base string, zone func() *time.Location, known func(host string) bool) (views, error) {
	common, err := template.New("layout.html").Funcs(words(base, zone, known)).ParseFS(files, "templates/layout.html", "templates/parts.html")
	if err != nil {
		return nil, err
	}
	out := views{}
	for _, name := range pages {
		t, err := common.Clone()
		if err == nil {
			t, err = t.ParseFS(files, "templates/"+name+".html")
		}
		if err != nil {
			return nil, err
		}
		out[name] = t
	}
	return out, nil
}

// render lays a page out whole before it is sent: half a page is never shown.
func (p *Page) render(w http.ResponseWriter, r *http.Request, code int, v view) {
	f := frame{view: v, Seq: p.seq(), Now: now(), Version: p.h.Daemon.Runtime().Version, Path: r.URL.RequestURI()}
	f.Open, f.Worst = p.openCount()
	f.Acting = p.h.Config().Web.Token.Set()
	if s, ok := p.doors.of(r); ok {
		f.Session = &s
	}
	if c, err := r.Cookie(saidCookie); err == nil {
		f.Said, _ = url.QueryUnescape(c.Value)
		http.SetCookie(w, &http.Cookie{Name: saidCookie, Path: p.prefix + "/", MaxAge: -1, HttpOnly: true, SameSite: http.SameSiteStrictMode})
	}
	var b bytes.Buffer
	shown, err := p.shown.at(p.base(r))
	if err == nil {
		err = shown[v.name].Execute(&b, f)
	}
	if err != nil {
		p.log.Error("the page cannot be laid out", "page", v.name, "err", err)
		http.Error(w, "the page cannot be laid out; the log says why", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	_, _ = w.Write(b.Bytes()) // who asked has gone; there is nobody to tell
}

// words are the functions of the templates.
func words(base string, zone func() *time.Location, known func(host string) bool) template.FuncMap {
	return template.FuncMap{
		"path": func(parts ...any) string {
			var escaped []string
			for _, part := range parts {
				escaped = append(escaped, url.PathEscape(fmt.Sprint(part)))
			}
			return base + path.Join("/", strings.Join(escaped, "/"))
		},
		"root":    func() string { return base + "/" },
		"api":     func(p string) string { return base + "/api/v1/" + p },
		"when":    func(t *time.Time) template.HTML { return when(t, time.Now(), zone()) },
		"at":      func(t *time.Time) string { return clock(t, zone()) },
		"seconds": func(n int) string { return lasted(time.Duration(n) * time.Second) },
		"between": func(after, by *time.Time) string { return between(after, by, zone()) },
		"now":     func(t time.Time) *time.Time { return &t },
		"dict":    dict,
		"sentence": func(s string) string {
			r, n := utf8.DecodeRuneInString(s)
			if n == 0 {
				return ""
			}
			return strings.TrimSuffix(string(unicode.ToUpper(r))+s[n:], ".") + "."
		},
		"percent": reputation.Percent,
		"linked":  func(s string) template.HTML { return linked(s, known) },
		"bytes":   sized,
		"mark":    mark,
		"deref":   deref,
		"join":    strings.Join,
		"sub":     func(a, b int) int { return a - b },
		"count":   func(n any, one, many string) string { return count(n, one, many) },
	}
}

// count is a number with its noun.
func count(n any, one, many string) string {
	text := fmt.Sprint(n)
	if text == "1" {
		return "1 " + one
	}
	return text + " " + many
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// moment is a time so short that nobody counts it.
const moment = 2 * time.Second

const clockForm = "2006-01-02 15:04 MST"

func clock(t *time.Time, zone *time.Location) string {
	if t == nil {
		return ""
	}
	return t.In(zone).Format(clockForm)
}

// when is a time as people say it, with the exact one beside it for who needs it;
// live.js keeps the words current.
func when(t *time.Time, now time.Time, zone *time.Location) template.HTML {
	if t == nil {
		return "never"
	}
	text := ""
	switch ago := now.Sub(*t); {
	case ago >= moment:
		text = lasted(ago) + " ago"
	case ago >= 0:
		text = "just now"
	case ago > -moment:
		text = "now"
	default:
		text = "in " + lasted(-ago)
	}
	return template.HTML(fmt.Sprintf(`<time datetime="%s" title="%s">%s</time>`, t.Format(time.RFC3339), clock(t, zone), text)) // nothing foreign in it
}

// between is a bracket in words, no finer than it was seen.
func between(after, by *time.Time, zone *time.Location) string {
	switch {
	case by == nil:
		return "not known"
	case after == nil:
		return "before we looked; seen " + clock(by, zone)
	case by.Sub(*after) < time.Minute:
		return clock(by, zone)
	default:
		return "between " + after.In(zone).Format("2006-01-02 15:04") + " and " + clock(by, zone)
	}
}

// lasted is a length of time: 40 s, 12 min, 3 h, 2 d 4 h.
func lasted(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 24*time.Hour:
		return parts(int(d.Hours()), "h", int(d.Minutes())%60, "min")
	default:
		return parts(int(d.Hours())/24, "d", int(d.Hours())%24, "h")
	}
}

func parts(n int, unit string, m int, part string) string {
	if m == 0 || n >= 10 {
		return fmt.Sprintf("%d %s", n, unit)
	}
	return fmt.Sprintf("%d %s %d %s", n, unit, m, part)
}

func sized(n int64) string {
	switch {
	case n < 1<<20:
		return fmt.Sprintf("%d KiB", (n+1023)>>10)
	default:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	}
}

// mark is a state as a word, a colour and a shape: whoever sees no colour loses nothing.
func mark(word any) template.HTML {
	text := fmt.Sprint(word)
	class, shape := "info", "·"
	switch text {
	case "critical", "high", "lost", "rejected", "broken", "absent", "masked", "down", "listed", "failing", "bad", "learned":
		class, shape = "bad", "■"
	case "medium", "suspended", "deferred", "warn", "flapping", "suspected":
		class, shape = "warn", "▲"
	case "good", "ok", "advertised", "resolved", "sent", "over", "hit", "up":
		class, shape = "good", "●"
	case "low", "unknown", "untested", "new", "pending", "open", "not asked yet", "stale", "miss":
		class, shape = "dim", "○"
	}
	return template.HTML(`<span class="mark ` + class + `"><span aria-hidden="true">` + shape + `</span> ` + template.HTMLEscapeString(text) + `</span>`)
}

// dict makes the arguments of a template that takes several.
func dict(pairs ...any) (map[string]any, error) {
	out := map[string]any{}
	for i := 0; i+1 < len(pairs); i += 2 {
		key, ok := pairs[i].(string)
		if !ok {
			return nil, fmt.Errorf("dict: %v is no key", pairs[i])
		}
		out[key] = pairs[i+1]
	}
	return out, nil
}
